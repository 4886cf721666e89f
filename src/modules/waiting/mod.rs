//! Waiting until something on a host is so, with a limit, telling what was last seen.

mod sockets;

use std::time::Duration;

pub use sockets::{Socket, SocketState, sockets, sockets_script};

use super::{HostCx, ModuleError};
use crate::clock::Woken;
use crate::connection::ConnError;

/// How often is looked at first; the pauses double up to what the task says.
const FIRST_PAUSE: Duration = Duration::from_millis(10);

/// How long and how often is waited.
#[derive(Debug, Clone, Copy)]
pub struct Wait {
    /// How long before the first look.
    pub delay: Duration,
    /// How long between two looks at most.
    pub sleep: Duration,
    /// How long in all.
    pub timeout: Duration,
}

/// What a look found.
#[derive(Debug)]
pub enum Look<T> {
    /// It is so.
    Done(T),
    /// It is not so yet: what was seen instead.
    NotYet(String),
}

/// How a wait ended.
#[derive(Debug)]
pub enum Waited<T> {
    /// It became so, after this time.
    Done(T, Duration),
    /// It did not: what was last seen, after this time.
    TimedOut(String, Duration),
}

impl Wait {
    /// Looks until it is so or the time is up.
    pub fn until<T>(
        &self,
        cx: &mut HostCx<'_>,
        mut look: impl FnMut(&mut HostCx<'_>) -> Result<Look<T>, ModuleError>,
    ) -> Result<Waited<T>, ModuleError> {
        let start = cx.clock.elapsed();
        let elapsed = |cx: &HostCx<'_>| cx.clock.elapsed().saturating_sub(start);
        pause(cx, self.delay)?;
        let mut between = FIRST_PAUSE.min(self.sleep);
        loop {
            let seen = match look(cx)? {
                Look::Done(found) => return Ok(Waited::Done(found, elapsed(cx))),
                Look::NotYet(seen) => seen,
            };
            cx.watch.saw(&seen);
            let left = self.timeout.saturating_sub(elapsed(cx));
            if left.is_zero() || cx.deadline.is_over(cx.clock) {
                return Ok(Waited::TimedOut(seen, elapsed(cx)));
            }
            pause(cx, between.min(left))?;
            between = (between * 2).min(self.sleep);
        }
    }
}

/// Waits, unless the operator asks to stop waiting.
pub fn pause(cx: &HostCx<'_>, duration: Duration) -> Result<(), ModuleError> {
    if duration.is_zero() {
        return Ok(());
    }
    match cx.clock.wait(duration, cx.stop) {
        Woken::Elapsed => Ok(()),
        Woken::Stopped => Err(ModuleError::Connection(ConnError::Stopped)),
    }
}
