//! Whether a machine can go through an upgrade at all: what it lacks, and who on it would interfere.
//!
//! A shell text that reads, a parser of what it prints, and pure verdicts. Nothing is changed, nothing waits. Each
//! [`Finding`] says what was found and what to do; whoever runs an upgrade decides what to do with those that only warn.

mod interfering;
mod judge;
mod reading;
mod script;

pub use judge::{Finding, judge};
pub use reading::{Lock, Room, Shown, parse};
pub use script::{Need, Wanted, script};
