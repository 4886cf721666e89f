//! The machine itself as a host (`connection: local`): channels are child processes with pipes.
//!
//! Each child is started in a session of its own, so that the operator's Ctrl-C does not reach it. A child that is given
//! up is not killed: its input closes, and a thread waits for its end. Used by `shells`.

use std::collections::BTreeMap;
use std::io::{ErrorKind, Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags};
use rustix::io::ioctl_fionbio;

use super::dial;
use super::framing::Source;
use super::streams::SocketStream;
use super::transport::{Broken, ChannelId, Got, Transport};
use super::waiting::{Waiting, poll_all};
use super::{ConnError, End, Endpoint, Stream};

/// Starts the command in a session of its own where `setsid` is there.
const OWN_SESSION: &str = r#"if command -v setsid >/dev/null 2>&1; then exec setsid /bin/sh -c "$1"; else exec /bin/sh -c "$1"; fi"#;

/// Child processes of this machine.
#[derive(Debug, Default)]
pub(crate) struct LocalTransport {
    children: BTreeMap<ChannelId, Running>,
    next: u32,
    before: String,
}

#[derive(Debug)]
struct Running {
    child: Child,
    input: Option<ChildStdin>,
    out: Option<ChildStdout>,
    err: Option<ChildStderr>,
}

impl LocalTransport {
    /// Makes a transport with no children.
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Makes a transport that puts a text before each command, so that a test can run them in a place of its own.
    #[cfg(test)]
    pub(crate) fn behind(before: &str) -> Self {
        let mut transport = Self::new();
        before.clone_into(&mut transport.before);
        transport
    }

    fn child(&mut self, id: ChannelId) -> Result<&mut Running, Broken> {
        self.children
            .get_mut(&id)
            .ok_or_else(|| Broken("the process was given up".to_owned()))
    }
}

/// Makes the process of a command that the operator's Ctrl-C does not reach.
#[expect(
    clippy::disallowed_methods,
    reason = "this is the one place of the room that starts programs"
)]
pub(super) fn detached(command: &str) -> Command {
    let mut process = Command::new("/bin/sh");
    process.args(["-c", OWN_SESSION, "sh", command]);
    process
}

fn spawn(command: &str) -> std::io::Result<Running> {
    let mut child = detached(command)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let (input, out, err) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    if let (Some(input), Some(out), Some(err)) = (&input, &out, &err) {
        ioctl_fionbio(input, true)?;
        ioctl_fionbio(out, true)?;
        ioctl_fionbio(err, true)?;
    }
    Ok(Running {
        child,
        input,
        out,
        err,
    })
}

fn read_some(stream: Option<&mut impl Read>, buffer: &mut [u8]) -> Result<Got, Broken> {
    let Some(stream) = stream else {
        return Ok(Got::Closed);
    };
    match stream.read(buffer) {
        Ok(0) => Ok(Got::Closed),
        Ok(count) => Ok(Got::Bytes(count)),
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {
            Ok(Got::Pending)
        }
        Err(error) => Err(Broken(error.to_string())),
    }
}

fn end_of(status: ExitStatus) -> End {
    match (status.code(), status.signal()) {
        (Some(code), _) => End::Code(code),
        (None, signal) => End::Signal(signal.unwrap_or(0)),
    }
}

impl Transport for LocalTransport {
    fn host(&self) -> &'static str {
        "this machine"
    }

    fn is_open(&self) -> bool {
        true
    }

    fn open(&mut self, _waiting: &Waiting<'_>) -> Result<(), ConnError> {
        Ok(())
    }

    fn start(&mut self, command: &str, _waiting: &Waiting<'_>) -> Result<ChannelId, ConnError> {
        let running = spawn(&format!("{}{command}", self.before)).map_err(|error| {
            ConnError::Unreachable {
                host: self.host().to_owned(),
                reason: format!("cannot start /bin/sh: {error}"),
            }
        })?;
        self.next += 1;
        let id = ChannelId(self.next);
        self.children.insert(id, running);
        Ok(id)
    }

    fn read(&mut self, id: ChannelId, source: Source, buffer: &mut [u8]) -> Result<Got, Broken> {
        let running = self.child(id)?;
        let got = match source {
            Source::Out => read_some(running.out.as_mut(), buffer)?,
            Source::Err => read_some(running.err.as_mut(), buffer)?,
        };
        if got == Got::Closed {
            match source {
                Source::Out => drop(running.out.take()),
                Source::Err => drop(running.err.take()),
            }
        }
        Ok(got)
    }

    fn write(&mut self, id: ChannelId, bytes: &[u8]) -> Result<usize, Broken> {
        let Some(input) = &mut self.child(id)?.input else {
            return Err(Broken("its input is closed".to_owned()));
        };
        match input.write(bytes) {
            Ok(count) => Ok(count),
            Err(error)
                if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) =>
            {
                Ok(0)
            }
            Err(error) => Err(Broken(error.to_string())),
        }
    }

    fn finish(&mut self, id: ChannelId) -> Result<bool, Broken> {
        drop(self.child(id)?.input.take());
        Ok(true)
    }

    fn ended(&mut self, id: ChannelId) -> Option<End> {
        let status = self.children.get_mut(&id)?.child.try_wait().ok()??;
        Some(end_of(status))
    }

    fn wait(&mut self, id: ChannelId, writing: bool, at_most: Duration) -> Result<(), Broken> {
        let mut fds = Vec::new();
        if let Some(running) = self.children.get(&id) {
            fds.extend(
                running
                    .out
                    .as_ref()
                    .map(|out| PollFd::new(out, PollFlags::IN)),
            );
            fds.extend(
                running
                    .err
                    .as_ref()
                    .map(|err| PollFd::new(err, PollFlags::IN)),
            );
            let input = running.input.as_ref().filter(|_| writing);
            fds.extend(input.map(|input| PollFd::new(input, PollFlags::OUT)));
        }
        poll_all(&mut fds, at_most)
            .map(drop)
            .map_err(|error| Broken(error.to_string()))
    }

    fn close(&mut self, id: ChannelId) {
        let Some(Running {
            mut child,
            input,
            out,
            err,
        }) = self.children.remove(&id)
        else {
            return;
        };
        drop((input, out, err));
        if !matches!(child.try_wait(), Ok(Some(_))) {
            // Nobody joins it: it holds nothing but the process, which ends by itself.
            drop(std::thread::spawn(move || child.wait()));
        }
    }

    fn abandon(&mut self) {
        let ids: Vec<ChannelId> = self.children.keys().copied().collect();
        for id in ids {
            self.close(id);
        }
    }

    fn stream(
        &mut self,
        to: &Endpoint,
        waiting: &Waiting<'_>,
    ) -> Result<Box<dyn Stream>, ConnError> {
        let socket = dial::tcp(&to.host, to.port, waiting)?;
        Ok(Box::new(SocketStream::new(socket.into(), waiting)))
    }
}

impl Drop for LocalTransport {
    fn drop(&mut self) {
        self.abandon();
    }
}
