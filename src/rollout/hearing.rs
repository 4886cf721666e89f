//! Telling the operator that a signal was heard, also while every step is in flight and the engine itself waits.
//!
//! A thread of its own listens to the stop flag as long as the run goes on; what it tells is written and shown like
//! everything else. Decides nothing: what a signal means takes effect at rest points. Called by `run`.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::clock::{Stop, StopLevel};

use super::engine::Engine;
use super::outside::GuardMode;

impl Engine {
    /// Does something while signals are listened to; with simulated time nobody does.
    pub(super) fn hearing<T>(&self, body: impl FnOnce() -> T) -> T {
        if self.settings.guards == GuardMode::Inline {
            return body();
        }
        let over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| self.listen(&over));
            // The thread ends also when the body panics.
            let _ends = EndsListening(&over, &self.outside.stop);
            body()
        })
    }

    fn listen(&self, over: &AtomicBool) {
        let is_over = || over.load(Ordering::SeqCst);
        let mut heard = StopLevel::None;
        while !is_over() && heard < StopLevel::Quit {
            heard = self.outside.stop.listen(heard, &is_over);
            self.tell_stop();
        }
    }
}

struct EndsListening<'a>(&'a AtomicBool, &'a Stop);

impl Drop for EndsListening<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
        self.1.nudge();
    }
}
