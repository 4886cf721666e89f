//! The stop flag: what the operator's signals have asked for so far. Raised by `cli`, read by every wait.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

/// How urgently the operator wants the run to end; each signal raises it by one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum StopLevel {
    /// Nothing was asked.
    None,
    /// Go on to the next rest point, leave the brackets, stop.
    Drain,
    /// Stop waiting for steps in flight; they become in doubt. Leave the brackets that are not held.
    Abandon,
    /// Quit at once with the journal true.
    Quit,
}

/// A shared flag that every wait looks at.
#[derive(Debug, Clone)]
pub struct Stop {
    inner: Arc<(Mutex<StopLevel>, Condvar)>,
    abandons_at: StopLevel,
}

impl Default for Stop {
    fn default() -> Self {
        Self::new()
    }
}

impl Stop {
    /// Makes a flag that is not raised.
    pub fn new() -> Self {
        Self {
            inner: Arc::new((Mutex::new(StopLevel::None), Condvar::new())),
            abandons_at: StopLevel::Abandon,
        }
    }

    /// Returns the same flag for those who put things back: only a wish to quit ends their waits.
    #[must_use]
    pub fn for_putting_back(&self) -> Self {
        Self {
            inner: Arc::clone(&self.inner),
            abandons_at: StopLevel::Quit,
        }
    }

    /// Raises the flag to at least `level` and wakes all who wait.
    pub fn raise(&self, level: StopLevel) {
        let mut now = self.inner.0.lock().unwrap_or_else(PoisonError::into_inner);
        *now = (*now).max(level);
        self.inner.1.notify_all();
    }

    /// Returns what has been asked so far.
    pub fn level(&self) -> StopLevel {
        *self.inner.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells whether steps in flight are to be abandoned.
    pub fn abandons(&self) -> bool {
        self.level() >= self.abandons_at
    }

    /// Waits until more is asked than was `heard`, or until `over` says that nobody needs to know any more.
    pub fn listen(&self, heard: StopLevel, over: &dyn Fn() -> bool) -> StopLevel {
        let guard = self.inner.0.lock().unwrap_or_else(PoisonError::into_inner);
        let level = self
            .inner
            .1
            .wait_while(guard, |level| *level <= heard && !over())
            .unwrap_or_else(PoisonError::into_inner);
        *level
    }

    /// Lets those who listen look again whether it is over.
    pub fn nudge(&self) {
        let _level = self.inner.0.lock().unwrap_or_else(PoisonError::into_inner);
        self.inner.1.notify_all();
    }

    /// Blocks for `duration` of real time or until the flag says to abandon; returns true when it does.
    pub(super) fn block(&self, duration: Duration) -> bool {
        let guard = self.inner.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (level, _timed_out) = self
            .inner
            .1
            .wait_timeout_while(guard, duration, |level| *level < self.abandons_at)
            .unwrap_or_else(PoisonError::into_inner);
        *level >= self.abandons_at
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn raising_never_lowers() {
        let stop = Stop::new();
        stop.raise(StopLevel::Abandon);
        stop.raise(StopLevel::Drain);
        assert_eq!(stop.level(), StopLevel::Abandon);
        assert!(
            stop.block(Duration::from_mins(1)),
            "an abandoned wait ends at once"
        );
    }

    #[test]
    fn putting_back_goes_on_until_the_operator_quits() {
        let stop = Stop::new();
        let back = stop.for_putting_back();
        stop.raise(StopLevel::Abandon);
        assert!(stop.abandons() && !back.abandons());
        assert!(!back.block(Duration::from_millis(1)));
        stop.raise(StopLevel::Quit);
        assert!(back.abandons() && back.block(Duration::from_mins(1)));
    }

    #[test]
    fn who_listens_hears_at_once_and_can_be_sent_home() {
        use std::sync::atomic::{AtomicBool, Ordering};
        let (stop, over) = (Stop::new(), AtomicBool::new(false));
        let is_over = || over.load(Ordering::SeqCst);
        std::thread::scope(|scope| {
            let first = scope.spawn(|| stop.listen(StopLevel::None, &is_over));
            stop.raise(StopLevel::Drain);
            assert_eq!(first.join().unwrap(), StopLevel::Drain);
            let second = scope.spawn(|| stop.listen(StopLevel::Drain, &is_over));
            over.store(true, Ordering::SeqCst);
            stop.nudge();
            assert_eq!(second.join().unwrap(), StopLevel::Drain);
        });
    }

    #[test]
    fn draining_does_not_end_a_wait() {
        let stop = Stop::new();
        stop.raise(StopLevel::Drain);
        assert!(!stop.block(Duration::from_millis(1)));
    }
}
