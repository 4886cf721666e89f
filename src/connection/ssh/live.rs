//! One live SSH session: libssh2 without blocking, with its socket polled here.
//!
//! libssh2 takes one thread at a time and must never block in it, since neither the deadline nor the operator could end
//! that. Every operation is tried, and tried again when the socket is ready. To give a session up its socket is shut
//! down first, so that nothing waits for the other side.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use rustix::event::PollFlags;
use rustix::net::{RecvFlags, Shutdown, recv, shutdown};
use ssh2::{BlockDirections, ErrorCode, Session};

use crate::clock::{Clock, SystemClock};
use crate::connection::ConnError;
use crate::connection::target::Timeouts;
use crate::connection::transport::Broken;
use crate::connection::waiting::{LOOK, Waiting, ready};

/// libssh2's word for "not now".
const AGAIN: i32 = -37;

/// After so long without a look at the socket its silence says nothing.
const UNHEARD: Duration = Duration::from_secs(5);

/// An SSH session and its socket.
pub(crate) struct Live {
    /// The session; everything that hangs on it must be dropped before it is waited for.
    pub(crate) session: Session,
    /// The host as dialled.
    pub(crate) host: String,
    socket: OwnedFd,
    pulse: Pulse,
}

impl std::fmt::Debug for Live {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Live")
            .field("host", &self.host)
            .finish_non_exhaustive()
    }
}

/// Whether the other side is still heard.
#[derive(Debug)]
struct Pulse {
    clock: SystemClock,
    heard: Duration,
    looked: Duration,
    patience: Option<Duration>,
}

/// Why an operation of libssh2 gave nothing.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// libssh2 says so.
    Ssh(ssh2::Error),
    /// The wait was ended.
    Waiting(ConnError),
}

impl Trouble {
    /// Tells whether the session itself is broken, as against one thing refused.
    pub(crate) fn is_break(&self) -> bool {
        match self {
            Self::Ssh(error) => is_break(error),
            Self::Waiting(_) => false,
        }
    }

    /// Puts it into words.
    pub(crate) fn reason(&self) -> String {
        match self {
            Self::Ssh(error) => error.message().to_owned(),
            Self::Waiting(error) => error.to_string(),
        }
    }
}

/// Tells whether an error means that libssh2 wants to be asked again.
pub(crate) fn is_again(error: &ssh2::Error) -> bool {
    error.code() == ErrorCode::Session(AGAIN)
}

/// Tells whether an error means that the connection is gone.
pub(crate) fn is_break(error: &ssh2::Error) -> bool {
    // Banner, socket send, timeout, disconnect, socket receive, bad socket, MAC and protocol errors.
    matches!(
        error.code(),
        ErrorCode::Session(-1 | -2 | -3 | -4 | -7 | -9 | -12 | -13 | -14 | -30 | -43 | -45 | -52)
    )
}

impl Live {
    /// Makes a session over a connected socket; no handshake yet.
    pub(crate) fn new(socket: OwnedFd, host: String, timeouts: Timeouts) -> Result<Self, String> {
        let mut session = Session::new().map_err(|error| error.message().to_owned())?;
        let own = socket.try_clone().map_err(|error| error.to_string())?;
        rustix::io::ioctl_fionbio(&own, true).map_err(|error| error.to_string())?;
        session.set_tcp_stream(socket);
        session.set_blocking(false);
        let interval = u32::try_from(timeouts.keepalive.as_secs()).unwrap_or(u32::MAX);
        session.set_keepalive(true, interval);
        let patience = timeouts.keepalive * (timeouts.keepalive_misses + 1);
        Ok(Self {
            session,
            host,
            socket: own,
            pulse: Pulse {
                clock: SystemClock::new(),
                heard: Duration::ZERO,
                looked: Duration::ZERO,
                patience: (!patience.is_zero()).then_some(patience),
            },
        })
    }

    /// Repeats an operation until it is done, refused, or the wait is over.
    pub(crate) fn drive<T>(
        &mut self,
        waiting: &Waiting<'_>,
        mut operation: impl FnMut(&mut Session) -> Result<T, ssh2::Error>,
    ) -> Result<T, Trouble> {
        loop {
            match operation(&mut self.session) {
                Ok(done) => return Ok(done),
                Err(error) if is_again(&error) => {}
                Err(error) => return Err(Trouble::Ssh(error)),
            }
            let slice = waiting.slice(LOOK).map_err(Trouble::Waiting)?;
            self.wait(slice)
                .map_err(|broken| Trouble::Waiting(self.unreachable(broken.0)))?;
        }
    }

    /// Returns the socket, for a poll over several.
    pub(crate) fn socket(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    /// Returns what the socket must be ready for, before it makes sense to try again.
    ///
    /// Room to write counts only where libssh2 says that it wants it: a full window of a channel is opened by the other
    /// side, and a poll for room would come back at once for ever.
    pub(crate) fn wants(&self) -> PollFlags {
        match self.session.block_directions() {
            BlockDirections::Outbound | BlockDirections::Both => PollFlags::IN | PollFlags::OUT,
            BlockDirections::None | BlockDirections::Inbound => PollFlags::IN,
        }
    }

    /// Blocks until the socket is ready, and keeps the session alive.
    pub(crate) fn wait(&mut self, at_most: Duration) -> Result<(), Broken> {
        self.beat()?;
        if ready(&self.socket, self.wants(), at_most).map_err(|error| Broken(error.to_string()))? {
            self.heard();
        }
        Ok(())
    }

    /// Notes that something came from the other side, or could be sent to it.
    pub(crate) fn heard(&mut self) {
        self.pulse.heard = self.pulse.clock.elapsed();
    }

    /// Asks the other side now and then whether it is there; an error when it has been silent for too long.
    pub(crate) fn beat(&mut self) -> Result<(), Broken> {
        let Some(patience) = self.pulse.patience else {
            return Ok(());
        };
        if !self.session.authenticated() {
            // Nothing else may be said in the middle of a key exchange or a login, and these have limits of their own.
            return Ok(());
        }
        let now = self.pulse.clock.elapsed();
        if now.saturating_sub(self.pulse.looked) > UNHEARD {
            // Nobody has listened for a while, so the silence is ours.
            self.pulse.heard = now;
        }
        self.pulse.looked = now;
        let silence = now.saturating_sub(self.pulse.heard);
        if silence > patience {
            return Err(Broken(format!(
                "nothing was heard of the host for {} s",
                silence.as_secs()
            )));
        }
        match self.session.keepalive_send() {
            Ok(_) => Ok(()),
            Err(error) if is_again(&error) => Ok(()),
            Err(error) => Err(Broken(error.message().to_owned())),
        }
    }

    /// Tells whether the other side has not closed the connection, as far as this side has been told.
    pub(crate) fn seems_open(&self) -> bool {
        let mut byte = [0_u8; 1];
        match recv(
            &self.socket,
            &mut byte,
            RecvFlags::PEEK | RecvFlags::DONTWAIT,
        ) {
            Ok((count, _)) => count > 0,
            Err(error) => error == rustix::io::Errno::AGAIN,
        }
    }

    /// Says goodbye without waiting and cuts the connection.
    pub(crate) fn shut(&self) {
        // Neither can be helped when it fails: the session is given up.
        drop(self.session.disconnect(None, "done", None));
        let _gone = shutdown(&self.socket, Shutdown::Both);
    }

    /// Makes the error of a host to which nothing was sent.
    pub(crate) fn unreachable(&self, reason: String) -> ConnError {
        ConnError::Unreachable {
            host: self.host.clone(),
            reason,
        }
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.shut();
    }
}
