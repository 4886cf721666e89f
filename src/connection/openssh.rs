//! The system's own program `ssh` as a transport, for what libssh2 cannot do: GSSAPI, certificates, hardware keys.
//!
//! One master session is kept for each host (`ControlMaster`); every channel is a further `ssh` that goes through it, and
//! that can do nothing else: should the master be gone, it fails and never logs in anew. Host keys, keys and options are
//! `ssh`'s own, and it never asks anybody anything. Used by `shells`.

use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tempfile::TempDir;

use super::framing::Source;
use super::local::{LocalTransport, detached};
use super::shell::single_quoted;
use super::ssh::Handshakes;
use super::streams::SocketStream;
use super::target::Target;
use super::transport::{Broken, ChannelId, Got, Transport};
use super::waiting::Waiting;
use super::{ConnError, End, Endpoint, Stream};

/// How often the master is looked at while it logs in.
const LOOK: Duration = Duration::from_millis(20);
/// How long a login may take beyond the time to connect: a hardware key wants to be touched.
const TOUCH: Duration = Duration::from_mins(1);
/// How long is waited for the word that a stream is open; versions that do not give it are believed.
const WORD: Duration = Duration::from_secs(5);
/// The exit code of `ssh` when the session itself failed.
const OWN_FAILURE: i32 = 255;

/// What every `ssh` is told first, so that no file says otherwise.
const ALWAYS: &str =
    "-T -o BatchMode=yes -o RequestTTY=no -o PermitLocalCommand=no -o ClearAllForwardings=yes";

/// A host through the program `ssh`.
#[derive(Debug)]
pub(crate) struct OpenSshTransport {
    target: Target,
    handshakes: Handshakes,
    master: Option<Master>,
    channels: LocalTransport,
    streams: u32,
}

/// A master session: its process, and the directory with its socket and with what it says.
#[derive(Debug)]
struct Master {
    process: Mutex<Child>,
    directory: TempDir,
}

impl Master {
    fn lives(&self) -> bool {
        let mut process = self.process.lock().unwrap_or_else(PoisonError::into_inner);
        matches!(process.try_wait(), Ok(None))
    }

    fn file(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn said(&self) -> String {
        said(&self.file("said"))
    }

    fn end(self) {
        let mut process = self
            .process
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner);
        drop(process.kill());
        drop(process.wait());
    }
}

/// Returns the last lines that a program wrote, in one.
fn said(file: &std::path::Path) -> String {
    let text = std::fs::read(file).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let told =
        |line: &&str| !line.is_empty() && !line.starts_with("debug") && !line.contains("@@@");
    let told: Vec<&str> = lines.into_iter().filter(told).collect();
    let first = told.len().saturating_sub(3);
    told.get(first..).unwrap_or_default().join("; ")
}

impl OpenSshTransport {
    /// Makes a transport; nothing is dialled yet.
    pub(crate) fn new(target: Target, handshakes: Handshakes) -> Self {
        Self {
            target,
            handshakes,
            master: None,
            channels: LocalTransport::new(),
            streams: 0,
        }
    }

    /// Returns the command of an `ssh` that goes through the master.
    fn through(&self, master: &Master, more: &str) -> String {
        let socket = single_quoted(&master.file("m").to_string_lossy());
        let host = single_quoted(&self.target.address);
        // Should the master be gone, `ssh` would dial by itself: `false` does not.
        format!(
            "exec ssh -F none {ALWAYS} -o ControlMaster=no -o ProxyCommand=false -S {socket} {more} -- {host}"
        )
    }

    fn log_in(&self, waiting: &Waiting<'_>) -> Result<Master, ConnError> {
        let host = self.target.address.clone();
        let cannot = |error: std::io::Error| ConnError::Unreachable {
            host: host.clone(),
            reason: format!("cannot start ssh: {error}"),
        };
        let directory = tempfile::Builder::new()
            .prefix("ssh")
            .tempdir()
            .map_err(cannot)?;
        let place = |name: &str| single_quoted(&directory.path().join(name).to_string_lossy());
        let words: Vec<String> = self
            .target
            .words
            .iter()
            .map(|word| single_quoted(word))
            .collect();
        let line = format!(
            "exec ssh {ALWAYS} -N -o ControlMaster=yes -o ControlPersist=no -o RemoteCommand=none -S {} {} \
             -o ServerAliveInterval={} -o ServerAliveCountMax={} -o ConnectTimeout={} -- {} </dev/null >/dev/null 2>{}",
            place("m"),
            words.join(" "),
            self.target.timeouts.keepalive.as_secs(),
            self.target.timeouts.keepalive_misses,
            self.target.timeouts.connect.as_secs().max(1),
            single_quoted(&host),
            place("said"),
        );
        let process = detached(&line)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(cannot)?;
        let master = Master {
            process: Mutex::new(process),
            directory,
        };
        let until = waiting.within(self.target.timeouts.connect + TOUCH);
        // The socket is made when the login is through.
        while !master.file("m").exists() {
            if !master.lives() {
                let error = refusal(&host, &master.said());
                return Err(error);
            }
            if let Err(error) = until.pause(LOOK) {
                master.end();
                if let ConnError::TimedOut { after } = error {
                    let reason = format!("no session within {:.1} s", after.as_secs_f64());
                    return Err(ConnError::NotThere { host, reason });
                }
                return Err(error);
            }
        }
        Ok(master)
    }

    fn master(&self) -> Result<&Master, ConnError> {
        self.master.as_ref().ok_or_else(|| ConnError::Unreachable {
            host: self.target.address.clone(),
            reason: "there is no session".to_owned(),
        })
    }
}

/// Tells from what `ssh` said why there is no session.
fn refusal(host: &str, said: &str) -> ConnError {
    let has = |signs: &[&str]| signs.iter().any(|sign| said.contains(sign));
    let message = format!("{host}: ssh says: {said}");
    if has(&[
        "Host key verification failed",
        "HOST IDENTIFICATION HAS CHANGED",
    ]) {
        ConnError::HostKey { message }
    } else if has(&[
        "Permission denied",
        "authentication failures",
        "No more authentication",
    ]) {
        ConnError::Auth { message }
    } else if has(&[
        "Could not resolve",
        "Connection refused",
        "timed out",
        "No route to host",
        "unreachable",
    ]) {
        ConnError::NotThere {
            host: host.to_owned(),
            reason: said.to_owned(),
        }
    } else {
        ConnError::Unreachable {
            host: host.to_owned(),
            reason: format!("ssh says: {said}"),
        }
    }
}

impl Transport for OpenSshTransport {
    fn host(&self) -> &str {
        &self.target.address
    }

    fn is_open(&self) -> bool {
        self.master.as_ref().is_some_and(Master::lives)
    }

    fn open(&mut self, waiting: &Waiting<'_>) -> Result<(), ConnError> {
        if self.is_open() {
            return Ok(());
        }
        self.abandon();
        let _permit = self.handshakes.enter(&self.target.address, waiting)?;
        self.master = Some(self.log_in(waiting)?);
        Ok(())
    }

    fn start(&mut self, command: &str, waiting: &Waiting<'_>) -> Result<ChannelId, ConnError> {
        let through = self.through(self.master()?, "");
        let line = format!("{through} {}", single_quoted(command));
        self.channels.start(&line, waiting)
    }

    fn read(&mut self, id: ChannelId, source: Source, buffer: &mut [u8]) -> Result<Got, Broken> {
        let got = self.channels.read(id, source, buffer)?;
        match &self.master {
            Some(master) if got == Got::Closed && !master.lives() => Err(Broken(format!(
                "the session of ssh ended: {}",
                master.said()
            ))),
            Some(_) | None => Ok(got),
        }
    }

    fn write(&mut self, id: ChannelId, bytes: &[u8]) -> Result<usize, Broken> {
        self.channels.write(id, bytes)
    }

    fn finish(&mut self, id: ChannelId) -> Result<bool, Broken> {
        self.channels.finish(id)
    }

    fn ended(&mut self, id: ChannelId) -> Option<End> {
        // Also what a signal ended comes as this code: nobody knows then how it ended.
        self.channels
            .ended(id)
            .filter(|end| *end != End::Code(OWN_FAILURE))
    }

    fn wait(&mut self, id: ChannelId, writing: bool, at_most: Duration) -> Result<(), Broken> {
        self.channels.wait(id, writing, at_most)
    }

    fn close(&mut self, id: ChannelId) {
        self.channels.close(id);
    }

    fn abandon(&mut self) {
        self.channels.abandon();
        if let Some(master) = self.master.take() {
            master.end();
        }
    }

    fn stream(
        &mut self,
        to: &Endpoint,
        waiting: &Waiting<'_>,
    ) -> Result<Box<dyn Stream>, ConnError> {
        self.open(waiting)?;
        self.streams += 1;
        let master = self.master()?;
        let log = master.file(&format!("stream{}", self.streams));
        let place = if to.host.contains(':') {
            format!("[{}]:{}", to.host, to.port)
        } else {
            format!("{}:{}", to.host, to.port)
        };
        let more = format!(
            "-o LogLevel=DEBUG1 -E {} -W {}",
            single_quoted(&log.to_string_lossy()),
            single_quoted(&place)
        );
        let unreachable = |reason: String| ConnError::Unreachable {
            host: place.clone(),
            reason,
        };
        let failed = |error: std::io::Error| unreachable(error.to_string());
        let (ours, theirs) = UnixStream::pair().map_err(failed)?;
        let input = OwnedFd::from(theirs.try_clone().map_err(failed)?);
        let mut child = detached(&self.through(master, &more))
            .stdin(Stdio::from(input))
            .stdout(Stdio::from(OwnedFd::from(theirs)))
            .stderr(Stdio::null())
            .spawn()
            .map_err(failed)?;
        let word = waiting.within(WORD);
        loop {
            let text = std::fs::read(&log).unwrap_or_default();
            if String::from_utf8_lossy(&text).contains("master session id") {
                break;
            }
            if !matches!(child.try_wait(), Ok(None)) {
                return Err(unreachable(said(&log)));
            }
            match word.pause(LOOK / 10) {
                Ok(()) => {}
                Err(ConnError::TimedOut { .. }) => break,
                Err(other) => {
                    drop(child.kill());
                    drop(child.wait());
                    return Err(other);
                }
            }
        }
        // It ends with the stream; nobody joins the thread that waits for it.
        drop(std::thread::spawn(move || child.wait()));
        ours.set_nonblocking(true).map_err(failed)?;
        Ok(Box::new(SocketStream::new(ours.into(), waiting)))
    }

    fn ready_streams(&mut self, waiting: &Waiting<'_>) -> Result<(), ConnError> {
        self.open(waiting)
    }
}

impl Drop for OpenSshTransport {
    fn drop(&mut self) {
        self.abandon();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ssh_says_is_told_apart() {
        for (said, kind) in [
            ("Host key verification failed.", "HostKey"),
            ("a@b: Permission denied (publickey).", "Auth"),
            (
                "Received disconnect: Too many authentication failures",
                "Auth",
            ),
            (
                "ssh: connect to host b port 1: Connection refused",
                "NotThere",
            ),
            ("ssh: Could not resolve hostname b: x", "NotThere"),
            (
                "kex_exchange_identification: Connection closed",
                "Unreachable",
            ),
        ] {
            let error = refusal("b", said);
            assert!(format!("{error:?}").starts_with(kind), "{said}: {error:?}");
            assert!(error.nothing_sent());
        }
    }
}
