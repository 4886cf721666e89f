//! The long-lived shells of a host: one for each user and purpose, opened when first needed, and one request at a time.
//!
//! Generic over the transport. Knows when a request can have had an effect: as long as the brace that closes it has not
//! left, the host has run nothing, and the request may go out again on a new session. Never repeats anything else.
//! What is asked of the shells stands in `calls`.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "only a session found dead may be replaced here; every other error is for the caller"
)]

mod opening;

use std::time::Duration;

use crate::clock::{Clock, SystemClock};

use super::fence::{Fence, passed};
use super::framing::{Body, Frame, FrameReader, Nonce, Source, request};
use super::transport::{Broken, ChannelId, Got, Transport};
use super::waiting::{LOOK, Waiting};
use super::{Become, ConnError, Identity};

/// After so long a silence a shell is asked whether it still answers, before anything that matters is sent.
const STALE: Duration = Duration::from_secs(20);

/// How long a shell may take to greet, and to answer that question.
const GREETING: Duration = Duration::from_secs(30);

/// How many shells are kept at most; sshd's own limit of a session is ten channels.
const MOST_SHELLS: usize = 6;

/// How long after a shell's last byte the host may take to say how the shell ended.
const LAST_WORD: Duration = Duration::from_secs(2);

/// How much noise before the greeting is kept for the message about it.
const NOISE: usize = 2_000;

/// What a shell is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// The steps, one after the other.
    Steps,
    /// Looking at a job, and signalling it, while the other shell waits for it.
    Look,
    /// Carrying one large file; closed after it.
    Carry,
}

/// A host's shells over one transport.
#[derive(Debug)]
pub(crate) struct Shells {
    pub(super) link: Box<dyn Transport>,
    pub(super) identity: Option<Identity>,
    pub(super) clock: SystemClock,
    pub(super) fence: Option<Fence>,
    options: Options,
    open: Vec<Shell>,
}

/// What a host's shells are given besides the transport.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Options {
    /// Where jobs are kept, if not in the usual place.
    pub(crate) state_directory: Option<String>,
    /// The shell, if not `/bin/sh`; it may hold an argument.
    pub(crate) shell: Option<String>,
}

/// One shell, with the request that it is answering.
#[derive(Debug)]
struct Shell {
    user: Option<Become>,
    role: Role,
    channel: ChannelId,
    nonce: Nonce,
    number: u64,
    used: Duration,
    pending: Vec<u8>,
    sent: usize,
    reader: FrameReader,
    closed: [bool; 2],
    /// When both streams were first seen closed.
    silent: Option<Duration>,
}

impl Shell {
    /// Tells whether the brace that closes the request is still here, so that the host can have run nothing of it.
    fn is_held_back(&self) -> bool {
        self.sent + 1 < self.pending.len()
    }
}

impl Shells {
    /// Makes the shells of a transport; nothing is opened yet.
    pub(crate) fn new(link: Box<dyn Transport>, options: Options) -> Self {
        Self {
            link,
            identity: None,
            clock: SystemClock::new(),
            fence: None,
            options,
            open: Vec::new(),
        }
    }

    /// Asks a shell and waits for its answer, on a new session if the old one is gone and nothing was sent.
    pub(super) fn call(
        &mut self,
        user: Option<&Become>,
        role: Role,
        body: Body<'_>,
        waiting: &Waiting<'_>,
    ) -> Result<Frame, ConnError> {
        let result = self
            .begin(user, role, body, waiting)
            .and_then(|at| self.finish(at, waiting));
        if result.is_err() && role == Role::Steps {
            self.end_session();
        }
        result
    }

    /// Makes a shell ready and hands it a request as far as it takes it.
    ///
    /// A session found dead here is replaced by a new one: what was not sent can be sent again.
    pub(super) fn begin(
        &mut self,
        user: Option<&Become>,
        role: Role,
        body: Body<'_>,
        waiting: &Waiting<'_>,
    ) -> Result<usize, ConnError> {
        if let Some(at) = self.usable(user, role, waiting)? {
            self.hand(at, body);
            match self.turn(at) {
                Ok(_) => return Ok(at),
                Err(ConnError::Unreachable { .. }) => self.end_session(),
                Err(error) => return Err(error),
            }
        }
        let at = self.open_shell(user, role, waiting)?;
        self.hand(at, body);
        Ok(at)
    }

    /// Does the same with what changes something: inside of the fence, if there is one.
    pub(super) fn call_fenced(
        &mut self,
        user: Option<&Become>,
        role: Role,
        body: Body<'_>,
        waiting: &Waiting<'_>,
    ) -> Result<Frame, ConnError> {
        let Some(fence) = self.fence.clone() else {
            return self.call(user, role, body, waiting);
        };
        passed(self.call(user, role, Body::Fenced(&fence, &body), waiting)?)
    }

    /// Waits for the answer to the request that a shell was handed.
    pub(super) fn finish(&mut self, at: usize, waiting: &Waiting<'_>) -> Result<Frame, ConnError> {
        loop {
            if self.turn(at)? {
                return self.answer(at);
            }
            let slice = waiting.slice(LOOK)?;
            self.rest(at, slice)?;
        }
    }

    /// Takes the complete answer of a shell.
    pub(super) fn answer(&mut self, at: usize) -> Result<Frame, ConnError> {
        let used = self.clock.elapsed();
        let host = self.link.host().to_owned();
        let lost = || ConnError::Lost {
            host,
            reason: "the answer is not complete".to_owned(),
        };
        let Some(shell) = self.open.get_mut(at) else {
            return Err(lost());
        };
        shell.used = used;
        let next = FrameReader::answer(&shell.nonce, shell.number);
        std::mem::replace(&mut shell.reader, next)
            .frame()
            .ok_or_else(lost)
    }

    /// Tells where the shell of this user and role is, if there is one.
    pub(super) fn find(&self, user: Option<&Become>, role: Role) -> Option<usize> {
        self.open
            .iter()
            .position(|shell| shell.role == role && shell.user.as_ref() == user)
    }

    /// Closes a shell.
    pub(super) fn close(&mut self, at: usize) {
        if at < self.open.len() {
            let shell = self.open.remove(at);
            self.link.close(shell.channel);
        }
    }

    /// Ends the session at once: every shell is given up, nothing is waited for.
    pub(super) fn end_session(&mut self) {
        self.open.clear();
        self.identity = None;
        self.link.abandon();
    }

    /// Makes sure that a session which has been silent for some time is not dead; a dead one is ended.
    pub(super) fn still_there(&mut self, waiting: &Waiting<'_>) -> Result<(), ConnError> {
        let first = self
            .open
            .first()
            .map(|shell| (shell.user.clone(), shell.role));
        if let Some((user, role)) = first {
            return self.usable(user.as_ref(), role, waiting).map(|_| ());
        }
        if !self.link.is_open() {
            self.end_session();
        }
        Ok(())
    }

    /// Finds a shell that still answers; drops what is found dead.
    fn usable(
        &mut self,
        user: Option<&Become>,
        role: Role,
        waiting: &Waiting<'_>,
    ) -> Result<Option<usize>, ConnError> {
        if !self.link.is_open() {
            self.end_session();
        }
        let Some(at) = self.find(user, role) else {
            return Ok(None);
        };
        if self.drain(at).is_err() {
            self.end_session();
            return Ok(None);
        }
        if self
            .open
            .get(at)
            .is_some_and(|shell| shell.closed.contains(&true))
        {
            self.close(at);
            return Ok(None);
        }
        let silent = self.open.get(at).map_or(Duration::ZERO, |shell| {
            self.clock.elapsed().saturating_sub(shell.used)
        });
        if silent > STALE {
            self.hand(at, Body::Own(":"));
            if let Err(error) = self
                .finish(at, &waiting.within(GREETING))
                .and(waiting.slice(LOOK))
            {
                self.end_session();
                if matches!(error, ConnError::Stopped) {
                    return Err(error);
                }
                return Ok(None);
            }
        }
        Ok(Some(at))
    }

    /// Throws away what came between two requests; an error is a broken session.
    fn drain(&mut self, at: usize) -> Result<(), Broken> {
        let Some(shell) = self.open.get_mut(at) else {
            return Ok(());
        };
        let mut buffer = [0; 4096];
        for (index, source) in [Source::Out, Source::Err].into_iter().enumerate() {
            loop {
                match self.link.read(shell.channel, source, &mut buffer)? {
                    Got::Bytes(_) => {}
                    Got::Pending => break,
                    Got::Closed => {
                        if let Some(closed) = shell.closed.get_mut(index) {
                            *closed = true;
                        }
                        break;
                    }
                }
            }
        }
        Ok(())
    }

    fn hand(&mut self, at: usize, body: Body<'_>) {
        let used = self.clock.elapsed();
        if let Some(shell) = self.open.get_mut(at) {
            shell.used = used;
            shell.number += 1;
            shell.pending = request(shell.number, body).into_bytes();
            shell.sent = 0;
            shell.reader = FrameReader::answer(&shell.nonce, shell.number);
        }
    }

    /// Hands a shell bytes that follow its request; see [`Body::Fed`].
    pub(super) fn feed(&mut self, at: usize, bytes: &[u8]) -> Result<usize, ConnError> {
        match self.open.get(at) {
            Some(shell) => self
                .link
                .write(shell.channel, bytes)
                .map_err(|broken| self.unreachable(broken.0)),
            None => Err(self.unreachable("the shell is closed".to_owned())),
        }
    }

    /// Closes a shell's input; false when that must be tried again.
    pub(super) fn feed_end(&mut self, at: usize) -> Result<bool, ConnError> {
        match self.open.get(at) {
            Some(shell) => self
                .link
                .finish(shell.channel)
                .map_err(|broken| self.lost(broken.0)),
            None => Err(self.lost("the shell is closed".to_owned())),
        }
    }

    /// Returns what a shell has answered so far on standard output.
    pub(super) fn so_far(&self, at: usize) -> &[u8] {
        self.open
            .get(at)
            .map_or(&[], |shell| shell.reader.so_far().0)
    }

    /// Blocks until a shell may have something to read, or room to write what is pending.
    pub(super) fn rest(&mut self, at: usize, slice: Duration) -> Result<(), ConnError> {
        self.rest_writing(at, slice, false)
    }

    /// The same, for one that is fed as well.
    pub(super) fn rest_writing(
        &mut self,
        at: usize,
        slice: Duration,
        feeding: bool,
    ) -> Result<(), ConnError> {
        let Some(shell) = self.open.get(at) else {
            return Err(self.unreachable("the shell is closed".to_owned()));
        };
        let writing = feeding || shell.sent < shell.pending.len();
        match self.link.wait(shell.channel, writing, slice) {
            Ok(()) => Ok(()),
            Err(broken) => Err(self.broke(at, broken.0)),
        }
    }

    /// Writes and reads what can be without blocking; true when the answer is complete.
    pub(super) fn turn(&mut self, at: usize) -> Result<bool, ConnError> {
        match self.move_bytes(at) {
            Err(broken) => return Err(self.broke(at, broken.0)),
            Ok(false) => return Err(self.broke(at, "the answer is too long".to_owned())),
            Ok(true) => {}
        }
        let Some(shell) = self.open.get(at) else {
            return Err(self.unreachable("the shell is closed".to_owned()));
        };
        if shell.reader.is_complete() {
            return Ok(true);
        }
        let channel = shell.channel;
        let all_closed = !shell.closed.contains(&false);
        if let Some(end) = self.link.ended(channel) {
            // Its last words may have come together with its end.
            let whole = self.move_bytes(at).unwrap_or(false);
            if whole
                && self
                    .open
                    .get(at)
                    .is_some_and(|shell| shell.reader.is_complete())
            {
                return Ok(true);
            }
            return Err(self.broke(at, format!("the shell ended ({end:?})")));
        }
        // A server closes the streams first, and tells the exit status once it has waited for the process.
        if all_closed && self.is_silent_for_long(at) {
            return Err(self.broke(at, "the shell ended".to_owned()));
        }
        Ok(false)
    }

    fn is_silent_for_long(&mut self, at: usize) -> bool {
        let now = self.clock.elapsed();
        self.open
            .get_mut(at)
            .is_none_or(|shell| now.saturating_sub(*shell.silent.get_or_insert(now)) >= LAST_WORD)
    }

    /// Moves bytes both ways until nothing moves; false when an answer is too long.
    fn move_bytes(&mut self, at: usize) -> Result<bool, Broken> {
        let Some(shell) = self.open.get_mut(at) else {
            return Ok(true);
        };
        let mut buffer = [0; 16 << 10];
        loop {
            let mut moved = false;
            let rest = shell.pending.get(shell.sent..).unwrap_or_default();
            if !rest.is_empty() {
                let count = self.link.write(shell.channel, rest)?;
                shell.sent += count;
                moved |= count > 0;
            }
            for (index, source) in [Source::Out, Source::Err].into_iter().enumerate() {
                let got = match shell.closed.get(index) {
                    Some(false) => self.link.read(shell.channel, source, &mut buffer)?,
                    _ => Got::Pending,
                };
                match got {
                    Got::Bytes(count) => {
                        moved = true;
                        if !shell
                            .reader
                            .feed(source, buffer.get(..count).unwrap_or_default())
                        {
                            return Ok(false);
                        }
                    }
                    Got::Pending => {}
                    Got::Closed => {
                        if let Some(closed) = shell.closed.get_mut(index) {
                            *closed = true;
                        }
                    }
                }
            }
            if !moved || shell.reader.is_complete() {
                return Ok(true);
            }
        }
    }

    /// Says what a broken session means for the request of a shell.
    fn broke(&self, at: usize, reason: String) -> ConnError {
        match self.open.get(at) {
            Some(shell) if !shell.is_held_back() => self.lost(reason),
            _ => self.unreachable(reason),
        }
    }

    fn lost(&self, reason: String) -> ConnError {
        ConnError::Lost {
            host: self.link.host().to_owned(),
            reason,
        }
    }

    fn unreachable(&self, reason: String) -> ConnError {
        ConnError::Unreachable {
            host: self.link.host().to_owned(),
            reason,
        }
    }
}
