//! Time, deadlines and the stop flag.
//!
//! The only room that asks the machine's clock or sleeps. Everything that waits takes a [`Clock`] and a [`Stop`], so
//! that a test can simulate time and an operator's Ctrl-C ends any wait. Timestamps are for people and records;
//! durations come from a monotonic source and never go backwards.

mod simulated;
mod stop;
mod system;

use std::fmt::Debug;
use std::time::Duration;

pub use jiff::Timestamp;
pub use simulated::SimulatedClock;
pub use stop::{Stop, StopLevel};
pub use system::SystemClock;

/// Tells the time and waits.
pub trait Clock: Send + Sync + Debug {
    /// Returns the wall-clock time, for records and people; never used to judge how long something took.
    fn now(&self) -> Timestamp;

    /// Returns the time since this clock was made, from a monotonic source.
    fn elapsed(&self) -> Duration;

    /// Waits for `duration`, or until `stop` says to abandon waits.
    fn wait(&self, duration: Duration, stop: &Stop) -> Woken;

    /// Returns the deadline that lies `duration` from now.
    fn deadline(&self, duration: Duration) -> Deadline {
        Deadline {
            at: Some(self.elapsed().saturating_add(duration)),
        }
    }
}

/// Says why a wait ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Woken {
    /// The time was up.
    Elapsed,
    /// The operator asked to stop waiting.
    Stopped,
}

/// A moment on a [`Clock`]'s monotonic scale by which something must be over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deadline {
    at: Option<Duration>,
}

impl Deadline {
    /// The deadline that never comes; only for waits that another limit bounds.
    pub const NEVER: Self = Self { at: None };

    /// Returns how long is left, zero when it is over, `None` when there is no limit.
    pub fn left(self, clock: &dyn Clock) -> Option<Duration> {
        self.at.map(|at| at.saturating_sub(clock.elapsed()))
    }

    /// Tells whether the deadline has come.
    pub fn is_over(self, clock: &dyn Clock) -> bool {
        self.left(clock).is_some_and(|left| left.is_zero())
    }

    /// Returns the earlier of two deadlines.
    #[must_use]
    pub fn earlier(self, other: Self) -> Self {
        match (self.at, other.at) {
            (Some(a), Some(b)) => Self { at: Some(a.min(b)) },
            (at, None) | (None, at) => Self { at },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deadline_counts_down_and_the_earlier_one_wins() {
        let clock = SimulatedClock::new();
        let long = clock.deadline(Duration::from_secs(10));
        let short = clock.deadline(Duration::from_secs(3));
        assert_eq!(long.earlier(short), short);
        assert_eq!(Deadline::NEVER.earlier(long), long);
        assert_eq!(
            clock.wait(Duration::from_secs(4), &Stop::new()),
            Woken::Elapsed
        );
        assert!(short.is_over(&clock));
        assert_eq!(long.left(&clock), Some(Duration::from_secs(6)));
        assert!(!Deadline::NEVER.is_over(&clock));
    }
}
