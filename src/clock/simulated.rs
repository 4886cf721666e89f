//! A clock that tests move: waits return at once and advance it.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::{Clock, Stop, Timestamp, Woken};

/// A clock on which waiting costs nothing; it starts at 2026-01-01T00:00:00Z.
#[derive(Debug, Default)]
pub struct SimulatedClock {
    elapsed: Mutex<Duration>,
}

impl SimulatedClock {
    /// Makes a clock at its start.
    pub fn new() -> Self {
        Self::default()
    }

    /// Moves the clock on.
    pub fn advance(&self, duration: Duration) {
        let mut elapsed = self.elapsed.lock().unwrap_or_else(PoisonError::into_inner);
        *elapsed = elapsed.saturating_add(duration);
    }
}

impl Clock for SimulatedClock {
    fn now(&self) -> Timestamp {
        const START: i64 = 1_767_225_600;
        let seconds = i64::try_from(self.elapsed().as_secs()).unwrap_or(i64::MAX);
        Timestamp::from_second(START.saturating_add(seconds)).unwrap_or(Timestamp::MAX)
    }

    fn elapsed(&self) -> Duration {
        *self.elapsed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait(&self, duration: Duration, stop: &Stop) -> Woken {
        if stop.abandons() {
            return Woken::Stopped;
        }
        self.advance(duration);
        Woken::Elapsed
    }
}
