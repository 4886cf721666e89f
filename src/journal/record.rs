//! The kinds of records.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::events::{BracketRef, ByHand, Event, StepId, StepOutcome, StopCause};

use super::Header;

/// A step that is about to begin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Intent {
    /// The step.
    pub step: StepId,
    /// Which try this is, from 1.
    pub attempt: u32,
    /// The module.
    pub module: String,
    /// The digest of the task with its rendered arguments; another one means that the task was changed.
    pub task_digest: String,
    /// The name of its detached job, should it start one.
    pub job: Option<String>,
    /// The host it really runs on: the host itself, or the one it is delegated to.
    pub runs_on: String,
    /// The boot of the machine it runs on; empty when it was not known yet.
    pub boot_id: String,
    /// The machine it runs on; empty when it was not known yet.
    pub machine_id: String,
    /// The members that the step takes out of service.
    pub members: Vec<String>,
    /// Whether a step in doubt can be asked: `done_when`, `creates`, `removes`.
    pub can_ask: bool,
    /// The variables on top of all others, sealed, with which is asked whether what the step sent goes on without its session;
    /// none where nobody can be asked that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked_with: Option<Map<String, Value>>,
}

/// What the engine did on behalf of a module; it is done again when the step is not repeated.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "effect", rename_all = "snake_case")]
pub enum RecordedEffect {
    /// Variables were set.
    SetFact {
        /// The variables, sealed.
        variables: Map<String, Value>,
        /// Whether they are gathered facts.
        facts: bool,
    },
    /// Variables were loaded.
    IncludeVars {
        /// The variables, sealed.
        variables: Map<String, Value>,
        /// Where they came from.
        source: String,
    },
    /// A host was added.
    AddHost {
        /// Its name.
        name: String,
        /// Its groups.
        groups: Vec<String>,
        /// Its variables, sealed.
        variables: Map<String, Value>,
    },
    /// The host was put into a group.
    GroupBy {
        /// The group.
        group: String,
        /// The groups that this group is in.
        parents: Vec<String>,
    },
}

/// How a step ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// The step.
    pub step: StepId,
    /// How it ended.
    pub outcome: StepOutcome,
    /// Whether its failure is ignored.
    pub ignored: bool,
    /// The result as `register` sees it, sealed.
    pub result: Map<String, Value>,
    /// The host whose variables the effects concern: the step's, or the one that its facts are delegated to.
    pub owner: String,
    /// What the engine did on its behalf.
    pub effects: Vec<RecordedEffect>,
}

/// What became of a bracket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "change", rename_all = "snake_case")]
pub enum BracketChange {
    /// Its value was read, before the first change; written once for each object.
    Found {
        /// What was found, sealed.
        found: Value,
    },
    /// It is about to be entered: from here on its leave is due.
    Entering {
        /// The commands to leave it by hand.
        by_hand: Vec<ByHand>,
        /// The play's id; empty around plays.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        play: String,
        /// The batch; 0 outside of batches.
        #[serde(default)]
        batch: u32,
        /// The hosts that it is entered for.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        hosts: Vec<String>,
        /// The variables that are on top there, sealed.
        #[serde(default, skip_serializing_if = "Map::is_empty")]
        top: Map<String, Value>,
    },
    /// It was entered.
    Entered,
    /// It is about to be left.
    Leaving {
        /// Which try this is, from 1.
        attempt: u32,
    },
    /// It was left, and that was verified.
    Left,
    /// It could not be left.
    Owed {
        /// Why.
        reason: String,
    },
    /// It must not be left yet.
    Held {
        /// Why.
        reason: String,
    },
}

/// What is written down.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "record", rename_all = "snake_case")]
pub enum Record {
    /// The first record: what the run is.
    Opened(Header),
    /// A process begins to work on the run.
    PartStarted {
        /// stagger's version.
        version: String,
        /// Who started it.
        operator: String,
        /// What was typed, secrets left out.
        args: Vec<String>,
        /// Values that were typed when the run asked for them, sealed.
        answers: BTreeMap<String, Value>,
    },
    /// The hosts of a batch, cut from the state of that moment.
    Batch {
        /// The play's id.
        play: String,
        /// Its number.
        batch: u32,
        /// Its hosts.
        hosts: Vec<String>,
    },
    /// A step is about to begin.
    Intent(Intent),
    /// A step ended.
    Outcome(Outcome),
    /// A task's result was registered.
    Registered {
        /// The hosts that see it.
        hosts: Vec<String>,
        /// The variable.
        name: String,
        /// The result, sealed.
        value: Value,
        /// The step that gave it; not in the journals of older versions.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        step: Option<StepId>,
    },
    /// What a task that ran once found out was given to other hosts.
    Shared {
        /// Those hosts.
        hosts: Vec<String>,
        /// Whether it is gathered facts.
        facts: bool,
        /// The variables, sealed.
        variables: Map<String, Value>,
    },
    /// Something was read of the controller's side for the first time; a run that goes on gets the same answer.
    Learned {
        /// What was asked.
        question: String,
        /// The answer; of a file's content its digest, under which it may be kept.
        answer: Value,
    },
    /// A stretch came to its end on all its hosts.
    Done {
        /// The play's id.
        play: String,
        /// The batch; 0 for the play as a whole.
        batch: u32,
        /// The block's path; empty for the batch or play as a whole.
        path: String,
    },
    /// An indivisible block did not come to its end, and its `always` put right on all its hosts what it had begun.
    PutRight {
        /// The play's id.
        play: String,
        /// The batch.
        batch: u32,
        /// The block's path.
        path: String,
    },
    /// A dynamic include is begun, or came to its end: until then it stays taken on these hosts.
    Included {
        /// The play's id.
        play: String,
        /// The batch.
        batch: u32,
        /// The include's path.
        path: String,
        /// The number of its item, if it is a loop.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        item: Option<usize>,
        /// Its hosts.
        hosts: Vec<String>,
        /// The file that it names; empty for a role.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        file: String,
        /// The variables of its item, sealed.
        #[serde(default, skip_serializing_if = "Map::is_empty")]
        variables: Map<String, Value>,
        /// Whether it came to its end.
        over: bool,
    },
    /// A failure of a block was rescued.
    Rescued {
        /// The host.
        host: String,
        /// The block's path.
        block: String,
    },
    /// A host takes no further part.
    HostLeft {
        /// The host.
        host: String,
        /// Why.
        why: String,
    },
    /// Something became of a bracket.
    Bracket {
        /// The bracket.
        bracket: BracketRef,
        /// What.
        #[serde(flatten)]
        change: BracketChange,
    },
    /// The run may stop here.
    RestPoint {
        /// The play's id.
        play: String,
        /// The batch.
        batch: u32,
        /// The path of what comes next.
        before: String,
    },
    /// A point of no return was approved or refused.
    Approval {
        /// Its name.
        name: String,
        /// Whether it was approved.
        given: bool,
        /// By whom, or why not.
        by: String,
    },
    /// The run stopped before its end.
    Stopped {
        /// Why.
        #[serde(flatten)]
        cause: StopCause,
        /// The step or place where it stopped.
        place: String,
    },
    /// This part of the run is over.
    Finished {
        /// The exit code.
        exit_code: u8,
    },
    /// An event, secrets masked.
    Event(Event),
    /// A record of a newer version: reports skip it, a resumed run refuses.
    #[serde(skip)]
    Unknown {
        /// Its kind.
        kind: String,
        /// Its text.
        body: String,
    },
}

impl Record {
    /// Names the kind, as it stands in the file.
    pub fn kind(&self) -> &str {
        match self {
            Self::Opened(_) => "opened",
            Self::PartStarted { .. } => "part_started",
            Self::Batch { .. } => "batch",
            Self::Intent(_) => "intent",
            Self::Outcome(_) => "outcome",
            Self::Registered { .. } => "registered",
            Self::Shared { .. } => "shared",
            Self::Learned { .. } => "learned",
            Self::Done { .. } => "done",
            Self::PutRight { .. } => "put_right",
            Self::Included { .. } => "included",
            Self::Rescued { .. } => "rescued",
            Self::HostLeft { .. } => "host_left",
            Self::Bracket { .. } => "bracket",
            Self::RestPoint { .. } => "rest_point",
            Self::Approval { .. } => "approval",
            Self::Stopped { .. } => "stopped",
            Self::Finished { .. } => "finished",
            Self::Event(_) => "event",
            Self::Unknown { kind, .. } => kind,
        }
    }

    /// Writes the record as one line of JSON.
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "only these kinds matter here; the others are passed over on purpose"
    )]
    pub(super) fn to_text(&self) -> Result<String, serde_json::Error> {
        match self {
            Self::Unknown { body, .. } => Ok(body.clone()),
            known => serde_json::to_string(known),
        }
    }

    /// Reads a record; one of a kind that is not known here is kept as it is.
    pub(super) fn from_text(kind: &str, body: &str) -> Result<Self, serde_json::Error> {
        const KNOWN: [&str; 19] = [
            "opened",
            "part_started",
            "batch",
            "intent",
            "outcome",
            "registered",
            "shared",
            "learned",
            "done",
            "put_right",
            "included",
            "rescued",
            "host_left",
            "bracket",
            "rest_point",
            "approval",
            "stopped",
            "finished",
            "event",
        ];
        if KNOWN.contains(&kind) {
            serde_json::from_str(body)
        } else {
            Ok(Self::Unknown {
                kind: kind.to_owned(),
                body: body.to_owned(),
            })
        }
    }
}
