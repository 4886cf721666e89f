//! What a step is called and how it ended.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// The name of a step: one task on one host at one place of a run. Equal when the run is resumed.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct StepId {
    /// The play's id; empty for what stands outside plays.
    pub play: String,
    /// The batch, from 1; 0 for what is done before the first or outside batches.
    pub batch: u32,
    /// The task's path in the tree; dynamic includes and their items are part of it.
    pub task: String,
    /// Which time the task is run at this place: flushes of handlers, gates between batches, tries to leave a bracket.
    pub turn: u32,
    /// The inventory's name of the host.
    pub host: String,
    /// The loop's item, from 0.
    pub item: Option<u32>,
}

impl fmt::Display for StepId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.play, self.batch, self.task)?;
        if self.turn > 0 {
            write!(f, "~{}", self.turn)?;
        }
        write!(f, "/{}", self.host)?;
        match self.item {
            Some(item) => write!(f, "/{item}"),
            None => Ok(()),
        }
    }
}

/// How a step ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum StepOutcome {
    /// All was as it should be.
    Ok,
    /// It changed something; in check mode, it would.
    Changed,
    /// It was not done.
    Skipped {
        /// Why: the condition that was false, "found done" ...
        why: String,
    },
    /// It failed.
    Failed,
    /// The host could not be reached, and nothing was done on it by this step.
    Unreachable,
    /// It was begun and its end is not known.
    InDoubt,
}

impl StepOutcome {
    /// Tells whether the step did what it should.
    pub fn is_good(&self) -> bool {
        match self {
            Self::Ok | Self::Changed | Self::Skipped { .. } => true,
            Self::Failed | Self::Unreachable | Self::InDoubt => false,
        }
    }
}

/// A difference for people, as `--diff` shows it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Difference {
    /// What it is about, a path mostly.
    pub title: String,
    /// The text before.
    pub before: String,
    /// The text after.
    pub after: String,
}

/// What a step gave, for people and for the report.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct StepResult {
    /// One line: what was changed or found, or why it failed.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// The difference it made or would make.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub diff: Option<Difference>,
    /// The result's fields that a person wants to see (`rc`, `stdout`, `stderr`, `cmd`, `msg` ...), long ones cut.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub fields: Map<String, Value>,
    /// Warnings.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}
