//! A clock that tests move: waits return at once and advance it.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::{Clock, Stop, Timestamp, Woken};

/// A clock on which waiting costs nothing; it starts at 2026-01-01T00:00:00Z.
#[derive(Debug, Default)]
pub struct SimulatedClock {
    elapsed: Mutex<Duration>,
    /// How far the wall clock was set back.
    back: Mutex<Duration>,
}

impl SimulatedClock {
    /// Makes a clock at its start.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the wall clock back; the time that has passed does not change by it.
    pub fn set_back(&self, duration: Duration) {
        let mut back = self.back.lock().unwrap_or_else(PoisonError::into_inner);
        *back = back.saturating_add(duration);
    }

    /// Sets the wall clock right again.
    pub fn set_right(&self) {
        let mut back = self.back.lock().unwrap_or_else(PoisonError::into_inner);
        *back = Duration::ZERO;
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
        let back = *self.back.lock().unwrap_or_else(PoisonError::into_inner);
        let seconds = |time: Duration| i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
        let now = START.saturating_add(seconds(self.elapsed()));
        Timestamp::from_second(now.saturating_sub(seconds(back))).unwrap_or(Timestamp::MAX)
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
