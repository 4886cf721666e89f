//! Clusters as data, and what must hold of them: pure functions, no reading, no waiting.

pub mod arangodb;
pub mod memsql;

use serde::Serialize;

/// What judging a condition gave: it holds, or these things stand against it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Verdict {
    /// Whether it holds.
    pub ok: bool,
    /// What stands against it: what was found, for people.
    pub problems: Vec<String>,
}

impl Verdict {
    /// Makes a verdict of what stands against the condition.
    pub fn of(problems: Vec<String>) -> Self {
        Self {
            ok: problems.is_empty(),
            problems,
        }
    }
}
