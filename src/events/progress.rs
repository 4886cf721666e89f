//! Signs of progress that may be lost.

use super::StepId;

/// What is going on right now; never journalled, at most a few a second per step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
    /// A running job wrote a line.
    Output {
        /// The step.
        step: StepId,
        /// Whether the line is from its error output.
        stderr: bool,
        /// The line, secrets masked.
        line: String,
    },
    /// A waiting step looked again and saw the same as before.
    Saw {
        /// The step.
        step: StepId,
        /// What it saw, in a few words.
        what: String,
    },
}
