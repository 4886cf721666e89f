//! A stream over the session that the shells use, for one exchange of whoever has the session to himself.
//!
//! It saves the second handshake that a session of streams alone costs. Reads and writes take turns with the shells'
//! channels: libssh2 takes one thread at a time, and what is read for one channel is kept for the others.

use std::io::{Error, ErrorKind, Read, Result, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ssh2::{Channel, Session};

use crate::connection::streams::Lifetime;
use crate::connection::waiting::{LOOK, Waiting};
use crate::connection::{ConnError, Endpoint, Stream, dial};

use super::live::{Live, Trouble, is_again, is_break};

/// A session that is used from several places, one after the other.
pub(super) struct Line {
    /// The session.
    pub(super) live: Live,
    closing: Vec<Channel>,
    // Where a stream is still being opened that nobody waits for any more. libssh2 opens one channel at a time, and
    // would take the next request for this one's.
    opening: Option<Endpoint>,
}

impl std::fmt::Debug for Line {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Line")
            .field("live", &self.live)
            .field("opening", &self.opening)
            .finish_non_exhaustive()
    }
}

/// A session with all its streams.
#[derive(Debug, Clone)]
pub(super) struct Shared(Arc<Mutex<Line>>);

impl Shared {
    /// Shares a session.
    pub(super) fn new(live: Live) -> Self {
        Self(Arc::new(Mutex::new(Line {
            live,
            closing: Vec::new(),
            opening: None,
        })))
    }

    /// Takes the session, which nobody holds for longer than one wait.
    pub(super) fn lock(&self) -> MutexGuard<'_, Line> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Opens a stream to an endpoint as the session's host sees it; the line must be free.
    pub(super) fn stream(
        &self,
        to: &Endpoint,
        waiting: &Waiting<'_>,
    ) -> std::result::Result<Brief, ConnError> {
        let mut line = self.lock();
        let through = line.live.host.clone();
        let opened = line.live.drive(waiting, |session| direct(session, to));
        if matches!(opened, Err(Trouble::Waiting(_))) {
            line.opening = Some(to.clone());
        }
        drop(line);
        let channel = opened.map_err(|trouble| not_opened(trouble, to, through))?;
        Ok(Brief {
            line: self.clone(),
            channel: Some(channel),
            lifetime: Lifetime::of(waiting),
        })
    }
}

fn direct(session: &Session, to: &Endpoint) -> std::result::Result<Channel, ssh2::Error> {
    session.channel_direct_tcpip(&to.host, to.port, None)
}

fn not_opened(trouble: Trouble, to: &Endpoint, through: String) -> ConnError {
    let host = dial::place(&to.host, to.port);
    let reason = |why: &str| format!("through {through}: {why}");
    match trouble {
        Trouble::Waiting(ConnError::TimedOut { after }) => ConnError::Unreachable {
            host,
            reason: reason(&format!("no answer within {:.1} s", after.as_secs_f64())),
        },
        Trouble::Waiting(ConnError::Unreachable { reason, .. }) => ConnError::Lost {
            host: through,
            reason,
        },
        Trouble::Waiting(error) => error,
        Trouble::Ssh(error) if is_break(&error) => ConnError::Lost {
            host: through,
            reason: error.message().to_owned(),
        },
        Trouble::Ssh(error) => ConnError::NotThere {
            host,
            reason: reason(error.message()),
        },
    }
}

impl Line {
    /// Tells whether a channel may be opened: whether none is that was given up.
    pub(super) fn is_free(&mut self) -> bool {
        let Some(to) = &self.opening else {
            return true;
        };
        match direct(&self.live.session, to) {
            Err(error) if is_again(&error) => false,
            given_up => {
                self.opening = None;
                self.close(given_up.ok());
                true
            }
        }
    }

    /// Waits until a channel may be opened.
    pub(super) fn free(&mut self, waiting: &Waiting<'_>) -> std::result::Result<(), ConnError> {
        while !self.is_free() {
            let slice = waiting.slice(LOOK)?;
            self.live
                .wait(slice)
                .map_err(|broken| self.live.unreachable(broken.0))?;
        }
        Ok(())
    }

    /// Keeps a channel until the other side has closed it too, and lets those go that are closed.
    pub(super) fn close(&mut self, channel: Option<Channel>) {
        self.closing.extend(channel);
        self.closing
            .retain_mut(|channel| channel.close().is_err_and(|error| is_again(&error)));
    }
}

/// One stream; dropping it closes it.
pub(super) struct Brief {
    line: Shared,
    channel: Option<Channel>,
    lifetime: Lifetime,
}

impl std::fmt::Debug for Brief {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Brief")
            .field("lifetime", &self.lifetime)
            .finish_non_exhaustive()
    }
}

impl Brief {
    /// Repeats what may not be possible yet, until the stream's time is over.
    fn until(
        &mut self,
        mut once: impl FnMut(&mut Channel) -> Result<Option<usize>>,
    ) -> Result<usize> {
        let Some(channel) = &mut self.channel else {
            return Ok(0);
        };
        loop {
            let mut line = self.line.lock();
            match once(channel) {
                Ok(Some(count)) => {
                    line.live.heard();
                    return Ok(count);
                }
                Ok(None) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
            line.live
                .wait(self.lifetime.slice()?)
                .map_err(|broken| Error::new(ErrorKind::ConnectionReset, broken.0))?;
        }
    }
}

impl Read for Brief {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        self.until(|channel| match channel.read(buffer)? {
            0 if channel.eof() => Ok(Some(0)),
            0 => Ok(None),
            count => Ok(Some(count)),
        })
    }
}

impl Write for Brief {
    fn write(&mut self, bytes: &[u8]) -> Result<usize> {
        self.until(|channel| match channel.write(bytes)? {
            0 if !bytes.is_empty() => Ok(None),
            count => Ok(Some(count)),
        })
    }

    fn flush(&mut self) -> Result<()> {
        Ok(())
    }
}

// Not a socket: whoever must poll takes a stream of a session of its own.
impl Stream for Brief {}

impl Drop for Brief {
    fn drop(&mut self) {
        let channel = self.channel.take();
        self.line.lock().close(channel);
    }
}
