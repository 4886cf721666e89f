//! One wait of a call: how long a poll may block before the deadline and the stop flag are looked at again.

use std::os::fd::AsFd;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::{ConnError, Limit};

/// How often a blocked wait looks at the stop flag.
pub(crate) const LOOK: Duration = Duration::from_millis(100);

/// A call's limit together with when it began.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Waiting<'a> {
    /// The limit that was given to the call.
    pub(crate) limit: Limit<'a>,
    started: Duration,
}

impl<'a> Waiting<'a> {
    /// Begins a wait.
    pub(crate) fn new(limit: Limit<'a>) -> Self {
        Self {
            limit,
            started: limit.clock.elapsed(),
        }
    }

    /// Returns this wait, bounded further: it ends `duration` from now at the latest.
    pub(crate) fn within(self, duration: Duration) -> Self {
        let deadline = self
            .limit
            .deadline
            .earlier(self.limit.clock.deadline(duration));
        Self {
            limit: Limit {
                deadline,
                ..self.limit
            },
            started: self.limit.clock.elapsed(),
        }
    }

    /// Returns this wait with a new deadline of its own.
    pub(crate) fn anew(self, duration: Duration) -> Self {
        let deadline = self.limit.clock.deadline(duration);
        Self::new(Limit {
            deadline,
            ..self.limit
        })
    }

    /// Returns how long to block at most, or why to block no longer.
    pub(crate) fn slice(&self, most: Duration) -> Result<Duration, ConnError> {
        if self.limit.stop.abandons() {
            return Err(ConnError::Stopped);
        }
        match self.limit.deadline.left(self.limit.clock) {
            Some(left) if left.is_zero() => Err(ConnError::TimedOut {
                after: self.passed(),
            }),
            Some(left) => Ok(left.min(most)),
            None => Ok(most),
        }
    }

    /// Returns how long this wait has lasted.
    pub(crate) fn passed(&self) -> Duration {
        self.limit.clock.elapsed().saturating_sub(self.started)
    }

    /// Blocks without a reason to be woken but the stop flag.
    pub(crate) fn pause(&self, duration: Duration) -> Result<(), ConnError> {
        let slice = self.slice(duration)?;
        match self.limit.clock.wait(slice, self.limit.stop) {
            crate::clock::Woken::Stopped => Err(ConnError::Stopped),
            crate::clock::Woken::Elapsed => Ok(()),
        }
    }

    /// Returns the deadline as the time left from now, for threads that have a clock of their own.
    pub(crate) fn left(&self) -> Option<Duration> {
        self.limit.deadline.left(self.limit.clock)
    }
}

/// Blocks until the socket or pipe is ready for one of `flags`; false when the time was up.
pub(crate) fn ready<Fd: AsFd>(
    fd: &Fd,
    flags: PollFlags,
    at_most: Duration,
) -> std::io::Result<bool> {
    let mut fds = [PollFd::new(fd, flags)];
    Ok(poll_all(&mut fds, at_most)? > 0)
}

/// Blocks until one of several is ready; an interrupted poll counts as none ready.
pub(crate) fn poll_all(fds: &mut [PollFd<'_>], at_most: Duration) -> std::io::Result<usize> {
    let timeout = Timespec {
        tv_sec: i64::try_from(at_most.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: i64::from(at_most.subsec_nanos()),
    };
    match poll(fds, Some(&timeout)) {
        Ok(count) => Ok(count),
        Err(rustix::io::Errno::INTR) => Ok(0),
        Err(error) => Err(error.into()),
    }
}
