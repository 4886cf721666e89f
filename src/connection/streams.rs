//! A stream as the rest of the house sees it: a socket whose reads and writes end at a deadline.
//!
//! Every stream of this room is a socket, a pump's local end where it leads through SSH, so that one type serves HTTP,
//! SQL and the tunnels.

use std::io::{Error, ErrorKind, Read, Result, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use rustix::event::PollFlags;
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, recv, send};

use crate::clock::{Clock, Deadline, Stop, SystemClock};

use super::Stream;
use super::waiting::{LOOK, Waiting, ready};

/// How long a stream may still be used.
#[derive(Debug)]
pub(crate) struct Lifetime {
    clock: SystemClock,
    deadline: Deadline,
    stop: Stop,
}

impl Lifetime {
    /// A lifetime that ends when the wait does.
    pub(crate) fn of(waiting: &Waiting<'_>) -> Self {
        let clock = SystemClock::new();
        let deadline = waiting
            .left()
            .map_or(Deadline::NEVER, |left| clock.deadline(left));
        Self {
            clock,
            deadline,
            stop: waiting.limit.stop.clone(),
        }
    }

    /// Returns how long one wait may block, or why there is none any more.
    pub(crate) fn slice(&self) -> Result<Duration> {
        if self.stop.abandons() {
            return Err(Error::other("stopped waiting"));
        }
        let left = self.deadline.left(&self.clock).unwrap_or(Duration::MAX);
        if left.is_zero() {
            return Err(Error::new(
                ErrorKind::TimedOut,
                "no answer within the time allowed",
            ));
        }
        Ok(left.min(LOOK))
    }
}

/// A socket with a deadline.
#[derive(Debug)]
pub(crate) struct SocketStream {
    socket: OwnedFd,
    lifetime: Lifetime,
}

impl SocketStream {
    /// Takes a connected socket; its reads and writes end when the wait does.
    pub(crate) fn new(socket: OwnedFd, waiting: &Waiting<'_>) -> Self {
        Self {
            socket,
            lifetime: Lifetime::of(waiting),
        }
    }

    fn until_ready(&self, flags: PollFlags) -> Result<()> {
        while !ready(&self.socket, flags, self.lifetime.slice()?)? {}
        Ok(())
    }
}

impl Read for SocketStream {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        loop {
            self.until_ready(PollFlags::IN)?;
            match recv(&self.socket, &mut *buffer, RecvFlags::DONTWAIT) {
                Ok((count, _)) => return Ok(count),
                Err(Errno::AGAIN | Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

impl Write for SocketStream {
    fn write(&mut self, bytes: &[u8]) -> Result<usize> {
        loop {
            self.until_ready(PollFlags::OUT)?;
            match send(
                &self.socket,
                bytes,
                SendFlags::DONTWAIT | SendFlags::NOSIGNAL,
            ) {
                Ok(count) => return Ok(count),
                Err(Errno::AGAIN | Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn flush(&mut self) -> Result<()> {
        Ok(())
    }
}

impl Stream for SocketStream {
    fn socket(&self) -> Option<BorrowedFd<'_>> {
        Some(self.socket.as_fd())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::StopLevel;
    use crate::connection::Limit;
    use std::os::unix::net::UnixStream;

    fn pair(milliseconds: u64, stop: &Stop) -> (SocketStream, UnixStream) {
        let (near, far) = UnixStream::pair().unwrap();
        let clock = SystemClock::new();
        let deadline = clock.deadline(Duration::from_millis(milliseconds));
        let waiting = Waiting::new(Limit {
            clock: &clock,
            stop,
            deadline,
        });
        (SocketStream::new(near.into(), &waiting), far)
    }

    #[test]
    fn bytes_go_both_ways_and_the_end_is_seen() {
        let (mut near, mut far) = pair(5_000, &Stop::new());
        near.write_all(b"ping").unwrap();
        let mut four = [0; 4];
        far.read_exact(&mut four).unwrap();
        far.write_all(b"pong").unwrap();
        drop(far);
        let mut all = Vec::new();
        near.read_to_end(&mut all).unwrap();
        assert_eq!((&four, all.as_slice()), (b"ping", b"pong".as_slice()));
    }

    #[test]
    fn a_silent_or_full_peer_ends_at_the_deadline_and_a_stop_at_once() {
        let stop = Stop::new();
        let (mut near, _far) = pair(50, &stop);
        assert_eq!(
            near.read(&mut [0; 4]).unwrap_err().kind(),
            ErrorKind::TimedOut
        );
        let (mut near, _far) = pair(50, &stop);
        let full = near.write_all(&vec![0; 8 << 20]).unwrap_err();
        assert_eq!(full.kind(), ErrorKind::TimedOut);
        let (mut near, _far) = pair(60_000, &stop);
        stop.raise(StopLevel::Abandon);
        assert_eq!(
            near.read(&mut [0; 4]).unwrap_err().to_string(),
            "stopped waiting"
        );
    }
}
