//! What happens in a run, as one enum; and folding events to a state.
//!
//! `rollout` is the only writer: it numbers an event, journals it, masks secrets in it, and hands it to every [`Sink`].
//! The terminal, the plain lines, the NDJSON file and the report are readers of the same stream. [`Progress`] is what may
//! be lost: it is never journalled and at most a few a second are sent. Nothing here runs or prints anything.

mod kind;
mod lines;
mod marks;
mod masking;
mod part;
mod progress;
mod state;
mod step;
mod timestamp;

use std::io;

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;

pub use kind::EventKind;
pub use lines::{FORMAT_MAJOR, FORMAT_MINOR, NdjsonSink, ReadError, read_ndjson};
pub use marks::{Mark, MarkReader};
pub use masking::mask_event;
pub use part::{
    BracketRef, ByHand, Counts, GateTime, GuardValue, PlayOutline, Recap, StopCause, TaskRef,
};
pub use progress::Progress;
pub use state::{
    BracketState, Current, GateState, GuardState, HostState, MemberState, Reached, RunState, fold,
};
pub use step::{Difference, StepId, StepOutcome, StepResult};

/// Something that happened in a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Its number in the run, from 1, without gaps.
    pub seq: u64,
    /// When, by the wall clock.
    #[serde(with = "timestamp")]
    pub at: Timestamp,
    /// How long after the start of this process's part of the run, by a clock that never goes back.
    pub elapsed_ms: u64,
    /// What happened.
    #[serde(flatten)]
    pub kind: EventKind,
}

/// Takes events and shows or stores them.
///
/// A sink is called under the engine's lock, in order: it must not wait for anything that a run could delay. An error is
/// told once and the sink is not called again; it never stops a run.
pub trait Sink: Send {
    /// Takes an event.
    fn on_event(&mut self, event: &Event) -> io::Result<()>;

    /// Takes a sign of progress; the default ignores it.
    fn on_progress(&mut self, progress: &Progress) -> io::Result<()> {
        let _ = progress;
        Ok(())
    }
}
