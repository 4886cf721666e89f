//! What a run did, made from its journal: who was out of service for how long, what waited, what changed, what is owed.
//!
//! Reads records only, never the memory of a live run, so that the report of a run that was cut off is as good as any.
//! Prints nothing. Called by `cli`.

mod change;
mod figures;
mod html;
mod pages;
mod standing;
mod story;
mod timeline;

use std::collections::BTreeMap;

use serde::Serialize;

use crate::events::{ByHand, Recap};

pub use change::{Change, VersionChange};
pub use figures::Figure;
pub use standing::{BracketStanding, HostStanding, MemberStanding, Standing, Waiting};
pub use timeline::{Lane, LaneOf, Look, Span, Timeline};

/// What a run did.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Report {
    /// Its id.
    pub run: String,
    /// The playbook.
    pub playbook: String,
    /// Why it was started.
    pub reason: Option<String>,
    /// Who started it.
    pub operator: String,
    /// The machine it was started on.
    pub bastion: String,
    /// Whether nothing was changed.
    pub check: bool,
    /// The digest of the plan.
    pub plan_digest: String,
    /// The digest of the inventory.
    pub inventory_digest: String,
    /// Who works on it now, if anybody does: no record tells that, whoever asks for the report says it.
    pub held_by: Option<String>,
    /// When the last record was written.
    pub last: Option<String>,
    /// The stretches in which a process worked on it.
    pub parts: Vec<Part>,
    /// The plays, in the order in which they began.
    pub plays: Vec<PlayStory>,
    /// The members that were out of service.
    pub members: Vec<Outage>,
    /// What was switched and switched back.
    pub brackets: Vec<BracketStory>,
    /// What was waited for at gates.
    pub gates: Vec<GateStory>,
    /// Steps that failed, were not reached or are in doubt.
    pub failures: Vec<FailedStep>,
    /// Points of no return and what was said to them.
    pub approvals: Vec<Approval>,
    /// Guards that did not hold, and warnings.
    pub warnings: Vec<Warning>,
    /// The versions of the servers, as the run first and last saw them.
    pub versions: Vec<VersionChange>,
    /// What the run measured or counted, with `set_stats`.
    pub figures: Vec<Figure>,
    /// The steps that changed something, by host.
    pub changes: BTreeMap<String, Vec<String>>,
    /// What was changed in files, where the run was asked to show it.
    pub differences: Vec<Change>,
    /// The steps that took longest.
    pub slowest: Vec<SlowStep>,
    /// What happened on each host.
    pub recap: Recap,
    /// What can be typed to finish or undo by hand what the run left.
    pub by_hand: Vec<ByHand>,
    /// What went on when.
    pub timeline: Timeline,
}

/// A stretch in which a process worked on the run.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Part {
    /// When it began.
    pub started: String,
    /// When it ended; nothing if it was cut off.
    pub ended: Option<String>,
    /// How long it took, to its last record.
    pub took_ms: u64,
    /// Its exit code; nothing if it was cut off.
    pub exit_code: Option<u8>,
    /// Why it stopped before the run's end.
    pub stopped: Option<String>,
    /// Who started it.
    pub operator: String,
    /// stagger's version.
    pub version: String,
    /// What was typed, secrets left out.
    pub typed: Vec<String>,
}

/// One play.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct PlayStory {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// When it began.
    pub started: String,
    /// How long it took; nothing if it did not come to its end.
    pub took_ms: Option<u64>,
    /// Its batches that began.
    pub batches: Vec<BatchStory>,
}

/// One batch.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct BatchStory {
    /// Its number.
    pub number: u32,
    /// Its hosts.
    pub hosts: Vec<String>,
    /// How long it took; nothing if it did not come to its end.
    pub took_ms: Option<u64>,
}

/// A member that was out of service.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Outage {
    /// The member.
    pub member: String,
    /// Its host.
    pub host: String,
    /// Since when.
    pub since: String,
    /// How long; nothing if it still is.
    pub took_ms: Option<u64>,
}

/// A bracket.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct BracketStory {
    /// Its name and object.
    pub name: String,
    /// When it was entered.
    pub entered: String,
    /// For how long; nothing if it was not left.
    pub took_ms: Option<u64>,
    /// Why it was not left.
    pub owed: Option<String>,
}

/// A gate.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct GateStory {
    /// The play's name.
    pub play: String,
    /// When in the play.
    pub when: String,
    /// How long it took.
    pub took_ms: u64,
    /// What it last saw, if it did not pass.
    pub failed: Option<String>,
}

/// A step that did not end well.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct FailedStep {
    /// When.
    pub at: String,
    /// The host.
    pub host: String,
    /// The task.
    pub task: String,
    /// Where the task stands.
    pub place: String,
    /// In a word: failed, unreachable, in doubt.
    pub how: &'static str,
    /// Whether that was ignored.
    pub ignored: bool,
    /// Why.
    pub why: String,
}

/// A point of no return.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Approval {
    /// Its name.
    pub name: String,
    /// Whether it was approved.
    pub given: bool,
    /// By whom, or why not.
    pub by: String,
}

/// Something that deserved attention.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Warning {
    /// When.
    pub at: String,
    /// What.
    pub text: String,
}

/// A step that took long.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct SlowStep {
    /// The host.
    pub host: String,
    /// The task.
    pub task: String,
    /// How long.
    pub took_ms: u64,
}
