//! Playbook x inventory -> plan: what a run will do, worked out before it does anything.
//!
//! Orders hosts, cuts batches, puts gates, brackets, guards, rest points and points of no return in their places, and
//! sums up in a digest everything that decided it. Touches no host. What is known only while the run goes on is said to
//! be so: `<after: TASK>`. Called by `cli` for `plan` and `apply`; `rollout` takes hosts, batches and tags from it.

mod batch;
mod build;
mod differs;
mod digest;
mod fold;
mod live;
mod order;
mod shown;
mod steps;
mod tags;
#[cfg(test)]
mod tests;
mod text;

use std::collections::{BTreeMap, HashSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use batch::{next, sizes};
pub use build::{Inputs, Known};
pub use live::Live;
pub use order::ordered;
pub use tags::TagSelection;

use crate::inventory::HostName;
use crate::playbook::{OnFailure, Order, Per, Strategy, TaskId};

/// What a run will do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// The format of this value when it is kept in a file.
    pub format: u32,
    /// The playbook's file.
    pub playbook: String,
    /// What was asked for (inventory, limit, tags ...), as `cli` wants to see it again.
    pub request: Value,
    /// Plays and brackets around plays, in their order.
    pub entries: Vec<PlannedEntry>,
    /// How many tasks the tags leave out.
    pub left_out: usize,
    /// The digest of each thing that decided the plan: files, variables, members, rules of order.
    pub parts: BTreeMap<String, String>,
    /// The digest of all parts.
    pub digest: String,
}

/// One entry of a plan.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum PlannedEntry {
    /// A play.
    Play(Box<PlannedPlay>),
    /// A bracket around plays.
    Bracket(Box<PlannedAround>),
}

/// A bracket around plays.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PlannedAround {
    /// The bracket.
    pub bracket: PlannedBracket,
    /// What is watched all through it.
    pub guards: Vec<PlannedGuard>,
    /// What is inside.
    pub entries: Vec<PlannedEntry>,
}

/// One play.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PlannedPlay {
    /// Its id in the playbook.
    pub id: TaskId,
    /// Its name.
    pub title: String,
    /// Where it is written.
    pub place: String,
    /// The conditions of all its steps.
    pub when: Vec<String>,
    /// Its hosts in the order in which they are taken, as far as that is known.
    pub hosts: Vec<HostName>,
    /// Why its hosts are not known yet, or why it has none.
    pub hosts_note: Option<String>,
    /// The rule by which they are ordered.
    pub order: Order,
    /// The expression that orders the hosts that are left before each batch.
    pub order_by: Option<String>,
    /// How many hosts each batch has; counted in machines when the run finds hosts that share one.
    pub batches: Vec<usize>,
    /// `serial`, as rendered.
    pub serial: Vec<String>,
    /// Whether the hosts of a batch wait for each other.
    pub strategy: Strategy,
    /// Whether facts are gathered first.
    pub gather_facts: bool,
    /// What a failed host means for the batches that follow.
    pub on_failure: OnFailure,
    /// The name of the point of no return that this play is.
    pub point_of_no_return: Option<String>,
    /// What must pass before its first batch, between batches and after the last one.
    pub gate: Vec<PlannedItem>,
    /// What is watched.
    pub guards: Vec<PlannedGuard>,
    /// What is entered for it, the outermost first.
    pub brackets: Vec<PlannedBracket>,
    /// The steps of each host, in their order.
    pub items: Vec<PlannedItem>,
    /// The names of its handlers.
    pub handlers: Vec<String>,
}

/// A guard.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PlannedGuard {
    /// Its id in the playbook.
    pub id: TaskId,
    /// Its name.
    pub name: String,
    /// Its conditions.
    pub until: Vec<String>,
    /// How often it asks.
    pub every: String,
    /// How long it may be false.
    pub grace: String,
}

/// A bracket.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PlannedBracket {
    /// Its id in the playbook.
    pub id: TaskId,
    /// Its name.
    pub name: String,
    /// How often it is entered.
    pub per: Per,
    /// The value that it normally finds.
    pub expect: Option<String>,
    /// What reads the value that is there.
    pub read: Vec<PlannedItem>,
    /// What switches.
    pub enter: Vec<PlannedItem>,
    /// What keeps it switched while it lasts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub renew: Vec<PlannedGuard>,
    /// What must hold before it is left.
    pub settle: Vec<PlannedItem>,
    /// What switches back.
    pub leave: Vec<PlannedItem>,
    /// What must hold after it was left.
    pub after: Vec<PlannedItem>,
}

/// A step or a block of steps.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum PlannedItem {
    /// A step: one task on each host.
    Step(Box<PlannedStep>),
    /// A block.
    Block(Box<PlannedBlock>),
}

/// One task on each host.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct PlannedStep {
    /// Its task's id.
    pub id: String,
    /// Its name.
    pub title: String,
    /// The module.
    pub action: String,
    /// What the module does it to, in a few words.
    pub detail: String,
    /// Its own conditions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub when: Vec<String>,
    /// What it is repeated over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repeated: Option<String>,
    /// What it waits for, and how long at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waits: Option<String>,
    /// Whether it runs once for a batch.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub once: bool,
    /// Where it runs instead of on the host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delegated: Option<String>,
    /// The members that it takes down.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub takes_down: Option<String>,
    /// The name of the point of no return that it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub point_of_no_return: Option<String>,
    /// Whether the run may stop before it.
    pub rest_point: bool,
    /// What it includes, if that is known before the run.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub items: Vec<PlannedItem>,
}

/// A block of steps.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct PlannedBlock {
    /// Its id.
    pub id: String,
    /// Its name, if it has one.
    pub title: Option<String>,
    /// The role whose tasks it holds.
    pub role: Option<String>,
    /// Its own conditions.
    pub when: Vec<String>,
    /// Whether the run must not stop inside.
    pub indivisible: bool,
    /// The members that it takes down.
    pub takes_down: Option<String>,
    /// The name of the point of no return that it is.
    pub point_of_no_return: Option<String>,
    /// Whether the run may stop before it.
    pub rest_point: bool,
    /// What is watched.
    pub guards: Vec<PlannedGuard>,
    /// What is entered for it.
    pub brackets: Vec<PlannedBracket>,
    /// What is done.
    pub items: Vec<PlannedItem>,
    /// What is done if that fails.
    pub rescue: Vec<PlannedItem>,
    /// What is done in any case.
    pub always: Vec<PlannedItem>,
}

impl Plan {
    /// Returns all plays in their order, also those inside brackets.
    pub fn plays(&self) -> Vec<&PlannedPlay> {
        let mut plays = Vec::new();
        collect(&self.entries, &mut plays);
        plays
    }

    /// Returns the plan of a play.
    pub fn play(&self, id: &TaskId) -> Option<&PlannedPlay> {
        self.plays().into_iter().find(|play| play.id == *id)
    }

    /// Returns the hosts of all plays, each once.
    pub fn hosts(&self) -> Vec<HostName> {
        let mut seen = HashSet::new();
        let plays = self.plays().into_iter();
        let hosts = plays.flat_map(|play| play.hosts.iter());
        hosts.filter(|host| seen.insert(*host)).cloned().collect()
    }

    /// Returns the names of the points of no return, in their order.
    pub fn points_of_no_return(&self) -> Vec<String> {
        let mut names = Vec::new();
        for play in self.plays() {
            names.extend(play.point_of_no_return.clone());
            points(&play.items, &mut names);
        }
        names
    }
}

impl PlannedPlay {
    /// Cuts its hosts into batches.
    pub fn batches(&self) -> impl Iterator<Item = &[HostName]> {
        let mut left = self.hosts.as_slice();
        self.batches.iter().map(move |size| {
            let (batch, rest) = left.split_at((*size).min(left.len()));
            left = rest;
            batch
        })
    }
}

fn collect<'a>(entries: &'a [PlannedEntry], plays: &mut Vec<&'a PlannedPlay>) {
    for entry in entries {
        match entry {
            PlannedEntry::Play(play) => plays.push(play),
            PlannedEntry::Bracket(around) => collect(&around.entries, plays),
        }
    }
}

fn points(items: &[PlannedItem], names: &mut Vec<String>) {
    for item in items {
        match item {
            PlannedItem::Step(step) => {
                names.extend(step.point_of_no_return.clone());
                points(&step.items, names);
            }
            PlannedItem::Block(block) => {
                names.extend(block.point_of_no_return.clone());
                points(&block.items, names);
            }
        }
    }
}
