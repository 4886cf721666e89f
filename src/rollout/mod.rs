//! The engine: batches, steps, gates, guards, brackets, handlers, interrupts.
mod budget;
mod decide;
mod down;
mod exit;
mod judge;
mod ledger;
pub use decide::{Before, Decision, InDoubt, Now, Refusal, decide};
