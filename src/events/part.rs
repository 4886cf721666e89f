//! What the kinds of events are made of: tasks, plays, brackets, causes and counts as people see them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// A task as people see it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskRef {
    /// Its path in the tree.
    pub path: String,
    /// Its name, rendered; the module's name when it has none.
    pub name: String,
    /// The role it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// The module as it was written.
    pub module: String,
    /// Where it stands: `file:line:column`.
    pub at: String,
    /// Which part of the play it is in: `tasks`, `handlers`, `gate`, `guard`, `bracket enter`, `rescue` ...
    pub section: String,
}

/// A play as it stands before its first step.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlayOutline {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its batches; later ones may be cut anew from the cluster's state.
    pub batches: Vec<Vec<String>>,
}

/// When a gate is passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GateTime {
    /// Before the first batch.
    First,
    /// Before a further batch.
    Between,
    /// After the last batch.
    Last,
}

/// What a guard says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GuardValue {
    /// Its condition holds.
    True,
    /// Its condition does not hold.
    False,
    /// Its probe failed, so nobody knows.
    Unknown,
}

/// A bracket and the object it is entered for.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct BracketRef {
    /// Its name.
    pub name: String,
    /// What it is entered for: empty for a run or a play, `batch 2`, or a host's name.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub object: String,
}

/// A command that a person can type to do what is still to be done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ByHand {
    /// The host it is typed on; empty for the machine that stagger runs on.
    pub host: String,
    /// What it does.
    pub what: String,
    /// The command; empty when there is no single one.
    pub command: String,
}

/// Why a run stopped before its end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "cause", rename_all = "snake_case")]
pub enum StopCause {
    /// Steps failed, or a budget was exceeded.
    Failed,
    /// Hosts could not be reached.
    Unreachable,
    /// A gate did not pass.
    Gate {
        /// What it last saw.
        saw: String,
    },
    /// A guard was breached.
    Guard {
        /// Its name.
        name: String,
        /// What it last saw.
        saw: String,
    },
    /// A point of no return was not approved.
    Approval {
        /// Its name.
        name: String,
    },
    /// The operator stopped it.
    Interrupted,
    /// A step is in doubt.
    InDoubt,
    /// Nothing can be recorded any more.
    Journal {
        /// What the system said.
        reason: String,
    },
    /// Asked for: `--step`, `--until` and the like.
    Asked {
        /// By what.
        by: String,
    },
}

/// How many steps ended how on one host.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Ended well, changes included.
    pub ok: u32,
    /// Changed something.
    pub changed: u32,
    /// Not reached.
    pub unreachable: u32,
    /// Failed, ignored ones not included.
    pub failed: u32,
    /// Skipped.
    pub skipped: u32,
    /// Failed and rescued.
    pub rescued: u32,
    /// Failed and ignored.
    pub ignored: u32,
    /// In doubt.
    pub in_doubt: u32,
}

impl Counts {
    /// Returns each count with the name that people see, in the order in which a recap shows them.
    pub fn columns(&self) -> [(&'static str, u32); 8] {
        [
            ("ok", self.ok),
            ("changed", self.changed),
            ("unreachable", self.unreachable),
            ("failed", self.failed),
            ("skipped", self.skipped),
            ("rescued", self.rescued),
            ("ignored", self.ignored),
            ("in doubt", self.in_doubt),
        ]
    }
}

/// The counts of every host.
pub type Recap = BTreeMap<String, Counts>;
