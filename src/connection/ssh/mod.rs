//! SSH as a transport: channels of one session for the shells, a session of its own for streams that last.
//!
//! Built on libssh2 through `ssh2`, which is never let block: see `live`. Who is allowed in and how is in `auth`, whose
//! host it is in `host_key`, ways through other hosts in `pump`. Used by `shells`.

mod algorithms;
mod auth;
mod brief;
mod connect;
mod handshakes;
mod host_key;
mod known_hosts;
mod live;
mod pump;

use std::collections::BTreeMap;
use std::io::{ErrorKind, Read, Write};
use std::time::Duration;

use ssh2::Channel;

use super::framing::Source;
use super::streams::SocketStream;
use super::target::Target;
use super::transport::{Broken, ChannelId, Got, Transport};
use super::waiting::Waiting;
use super::{ConnError, End, Endpoint, Stream, dial};

use brief::Shared;
use connect::{Opened, connect};
use live::{Trouble, is_again};
use pump::Pump;

pub(crate) use algorithms::check as check_algorithms;
pub use handshakes::Handshakes;

/// One host over SSH.
pub(crate) struct SshTransport {
    target: Target,
    handshakes: Handshakes,
    host: String,
    // Channels go before the session that they are of.
    channels: BTreeMap<ChannelId, Channel>,
    opened: Option<Shared>,
    // The way there, through the last jump host; dropping it ends it.
    through: Option<Pump>,
    tunnels: Option<Pump>,
    next: u32,
}

impl std::fmt::Debug for SshTransport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SshTransport")
            .field("host", &self.host)
            .field("open", &self.opened.is_some())
            .finish_non_exhaustive()
    }
}

impl SshTransport {
    /// Makes a transport; nothing is dialled yet.
    pub(crate) fn new(target: Target, handshakes: Handshakes) -> Self {
        Self {
            host: dial::place(&target.address, target.port),
            target,
            handshakes,
            channels: BTreeMap::new(),
            opened: None,
            through: None,
            tunnels: None,
            next: 0,
        }
    }

    fn unreachable(&self, reason: String) -> ConnError {
        ConnError::Unreachable {
            host: self.host.clone(),
            reason,
        }
    }

    fn gone() -> Broken {
        Broken("the session is closed".to_owned())
    }

    /// Returns the pump that carries streams, on a session of its own, which is opened if there is none.
    fn pump(&mut self, waiting: &Waiting<'_>) -> Result<&mut Pump, ConnError> {
        let pump = if let Some(running) = self.tunnels.take().filter(Pump::is_running) {
            running
        } else {
            // The way there lives as long as its sockets do.
            let Opened { live, .. } = connect(&self.target, &self.handshakes, waiting)?;
            Pump::start(live, waiting)?
        };
        Ok(self.tunnels.insert(pump))
    }

    fn heard(&self) {
        if let Some(shared) = &self.opened {
            shared.lock().live.heard();
        }
    }
}

impl Transport for SshTransport {
    fn host(&self) -> &str {
        &self.host
    }

    fn is_open(&self) -> bool {
        self.opened
            .as_ref()
            .is_some_and(|shared| shared.lock().live.seems_open())
    }

    fn open(&mut self, waiting: &Waiting<'_>) -> Result<(), ConnError> {
        if self.opened.is_none() {
            let Opened { live, through } = connect(&self.target, &self.handshakes, waiting)?;
            self.opened = Some(Shared::new(live));
            self.through = through;
        }
        Ok(())
    }

    fn start(&mut self, command: &str, waiting: &Waiting<'_>) -> Result<ChannelId, ConnError> {
        let Some(shared) = &self.opened else {
            return Err(self.unreachable("there is no session".to_owned()));
        };
        let mut line = shared.lock();
        line.free(waiting)?;
        let live = &mut line.live;
        let result = live
            .drive(waiting, |session| session.channel_session())
            .and_then(|mut channel| {
                live.drive(waiting, |_| channel.exec(command))?;
                Ok(channel)
            });
        drop(line);
        match result {
            Ok(channel) => {
                self.next += 1;
                let id = ChannelId(self.next);
                self.channels.insert(id, channel);
                Ok(id)
            }
            Err(Trouble::Waiting(ConnError::Stopped)) => Err(ConnError::Stopped),
            Err(trouble) => {
                Err(self.unreachable(format!("the server runs no command: {}", trouble.reason())))
            }
        }
    }

    fn read(&mut self, id: ChannelId, source: Source, buffer: &mut [u8]) -> Result<Got, Broken> {
        let Some(channel) = self.channels.get_mut(&id) else {
            return Err(Self::gone());
        };
        let result = match source {
            Source::Out => channel.read(buffer),
            Source::Err => channel.stderr().read(buffer),
        };
        match result {
            Ok(0) if channel.eof() => Ok(Got::Closed),
            Ok(0) => Ok(Got::Pending),
            Ok(count) => {
                self.heard();
                Ok(Got::Bytes(count))
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(Got::Pending),
            Err(error) => Err(Broken(error.to_string())),
        }
    }

    fn write(&mut self, id: ChannelId, bytes: &[u8]) -> Result<usize, Broken> {
        let Some(channel) = self.channels.get_mut(&id) else {
            return Err(Self::gone());
        };
        match channel.write(bytes) {
            Ok(count) => {
                self.heard();
                Ok(count)
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(0),
            Err(error) => Err(Broken(error.to_string())),
        }
    }

    fn finish(&mut self, id: ChannelId) -> Result<bool, Broken> {
        let Some(channel) = self.channels.get_mut(&id) else {
            return Err(Self::gone());
        };
        match channel.send_eof() {
            Ok(()) => Ok(true),
            Err(error) if is_again(&error) => Ok(false),
            Err(error) => Err(Broken(error.message().to_owned())),
        }
    }

    fn ended(&mut self, id: ChannelId) -> Option<End> {
        let channel = self.channels.get_mut(&id)?;
        // The signal first: a command that was killed has the exit status 0.
        if let Ok(Some(name)) = channel.exit_signal().map(|signal| signal.exit_signal) {
            return Some(End::Signal(signal_number(&name)));
        }
        if !channel.eof() || channel.wait_close().is_err() {
            return None;
        }
        channel.exit_status().ok().map(End::Code)
    }

    fn wait(&mut self, _id: ChannelId, _writing: bool, at_most: Duration) -> Result<(), Broken> {
        let shared = self.opened.as_ref().ok_or_else(Self::gone)?;
        let mut line = shared.lock();
        line.close(None);
        line.live.wait(at_most)
    }

    fn close(&mut self, id: ChannelId) {
        let channel = self.channels.remove(&id);
        if let Some(shared) = &self.opened {
            shared.lock().close(channel);
        }
    }

    fn abandon(&mut self) {
        // First the socket, so that nothing below waits for an answer.
        if let Some(shared) = &self.opened {
            shared.lock().live.shut();
        }
        self.channels.clear();
        self.opened = None;
        self.through = None;
        self.tunnels = None;
    }

    fn stream(
        &mut self,
        to: &Endpoint,
        waiting: &Waiting<'_>,
    ) -> Result<Box<dyn Stream>, ConnError> {
        let pump = self.pump(waiting)?;
        let socket = pump.open(to, waiting)?;
        Ok(Box::new(SocketStream::new(socket.into(), waiting)))
    }

    fn brief_stream(
        &mut self,
        to: &Endpoint,
        waiting: &Waiting<'_>,
    ) -> Result<Box<dyn Stream>, ConnError> {
        self.open(waiting)?;
        match &self.opened {
            Some(shared) if shared.lock().is_free() => Ok(Box::new(shared.stream(to, waiting)?)),
            _ => self.stream(to, waiting),
        }
    }

    fn ready_streams(&mut self, waiting: &Waiting<'_>) -> Result<(), ConnError> {
        self.pump(waiting).map(|_| ())
    }
}

impl Drop for SshTransport {
    fn drop(&mut self) {
        self.abandon();
    }
}

/// Returns a signal's number, by the names that RFC 4254 gives.
fn signal_number(name: &str) -> i32 {
    const NAMES: [(&str, i32); 13] = [
        ("HUP", 1),
        ("INT", 2),
        ("QUIT", 3),
        ("ILL", 4),
        ("ABRT", 6),
        ("FPE", 8),
        ("KILL", 9),
        ("USR1", 10),
        ("SEGV", 11),
        ("USR2", 12),
        ("PIPE", 13),
        ("ALRM", 14),
        ("TERM", 15),
    ];
    NAMES
        .iter()
        .find(|(known, _)| *known == name)
        .map_or(0, |(_, number)| *number)
}
