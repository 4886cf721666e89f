//! The machine's own clock.

use std::time::{Duration, Instant};

use super::{Clock, Stop, Timestamp, Woken};

/// The machine's clock: wall time for records, a monotonic source for durations.
#[derive(Debug)]
pub struct SystemClock {
    started: Instant,
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl SystemClock {
    /// Starts a clock; its elapsed time counts from here.
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the one home of the machine's clock"
    )]
    pub fn new() -> Self {
        Self {
            started: Instant::now(),
        }
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    fn wait(&self, duration: Duration, stop: &Stop) -> Woken {
        if stop.block(duration) {
            Woken::Stopped
        } else {
            Woken::Elapsed
        }
    }
}
