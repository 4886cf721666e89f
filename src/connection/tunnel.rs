//! Doors on this machine to a stream: a unix socket or a loopback port that one client may use once.
//!
//! For clients that can only dial by themselves, such as an SQL library. A unix door lies in a directory of mode 0700; a
//! loopback door takes one connection and closes. A thread carries the bytes, and its end, by the deadline, by dropping
//! the door, or by either side, closes both: so a client's total deadline holds even where its own timeouts are per read.

use std::io::{Error, ErrorKind, Result};
use std::net::{Ipv4Addr, TcpListener};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use rustix::event::{PollFd, PollFlags};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, Shutdown, recv, send, shutdown};
use std::os::unix::fs::PermissionsExt as _;

use tempfile::TempDir;

use crate::clock::{Clock, Deadline, Stop, SystemClock};

use super::streams::SocketStream;
use super::waiting::{LOOK, Waiting, poll_all};
use super::{Limit, Stream};

/// How much is taken from one side before the other has taken it.
const BUFFER: usize = 64 << 10;

/// A door to a stream; dropping it closes the stream.
#[derive(Debug)]
pub struct Door {
    path: Option<PathBuf>,
    port: Option<u16>,
    // Closing it wakes and ends the thread.
    _alive: UnixStream,
    _directory: Option<TempDir>,
}

impl Door {
    /// Opens a door that is a unix socket in a new directory that only this user can enter.
    pub fn unix(stream: Box<dyn Stream>, limit: Limit<'_>) -> Result<Self> {
        let directory = tempfile::Builder::new()
            .prefix("stagger-")
            .permissions(std::fs::Permissions::from_mode(0o700))
            .tempdir()?;
        let path = directory.path().join("s");
        let listener = UnixListener::bind(&path)?;
        let alive = serve(stream, Listener::Unix(listener), limit)?;
        Ok(Self {
            path: Some(path),
            port: None,
            _alive: alive,
            _directory: Some(directory),
        })
    }

    /// Opens a door that is a port of 127.0.0.1; whoever connects first gets it, and nobody after.
    pub fn loopback(stream: Box<dyn Stream>, limit: Limit<'_>) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let port = listener.local_addr()?.port();
        let alive = serve(stream, Listener::Tcp(listener), limit)?;
        Ok(Self {
            path: None,
            port: Some(port),
            _alive: alive,
            _directory: None,
        })
    }

    /// Returns the unix door's path.
    pub fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// Returns the loopback door's port.
    pub fn port(&self) -> Option<u16> {
        self.port
    }
}

/// A door to an SSH agent: libssh2 waits for an agent without limit, so what it talks to is a socket that we can close.
#[derive(Debug)]
pub(crate) struct AgentDoor {
    path: PathBuf,
    _door: Door,
}

impl AgentDoor {
    /// Connects to the agent and opens a door to it.
    pub(crate) fn open(agent: &Path, waiting: &Waiting<'_>) -> Result<Self> {
        let stream = SocketStream::new(UnixStream::connect(agent)?.into(), waiting);
        let door = Door::unix(Box::new(stream), waiting.limit)?;
        let path = door.path().map(Path::to_owned).unwrap_or_default();
        Ok(Self { path, _door: door })
    }

    /// Returns the path of the door.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

#[derive(Debug)]
enum Listener {
    Unix(UnixListener),
    Tcp(TcpListener),
}

impl Listener {
    fn accept(self) -> Result<OwnedFd> {
        match self {
            Self::Unix(listener) => Ok(listener.accept()?.0.into()),
            Self::Tcp(listener) => {
                let (socket, _) = listener.accept()?;
                socket.set_nodelay(true)?;
                Ok(socket.into())
            }
        }
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Unix(listener) => listener.as_fd(),
            Self::Tcp(listener) => listener.as_fd(),
        }
    }
}

/// What ends a carrying: a deadline on a clock of its own, the operator, or the other end of `alive`.
#[derive(Debug)]
struct Life {
    clock: SystemClock,
    deadline: Deadline,
    stop: Stop,
    alive: UnixStream,
}

impl Life {
    /// Polls; false when it is over.
    fn poll(&self, fds: &mut [PollFd<'_>]) -> Result<bool> {
        let left = self.deadline.left(&self.clock).unwrap_or(LOOK);
        if left.is_zero() || self.stop.abandons() {
            return Ok(false);
        }
        poll_all(fds, left.min(LOOK))?;
        Ok(true)
    }

    /// Tells whether the door was dropped.
    fn is_dropped(&self) -> bool {
        let mut byte = [0_u8; 1];
        matches!(
            recv(&self.alive, &mut byte, RecvFlags::DONTWAIT),
            Ok((0, _))
        )
    }
}

/// Starts the thread; the returned socket keeps it alive.
fn serve(stream: Box<dyn Stream>, listener: Listener, limit: Limit<'_>) -> Result<UnixStream> {
    let far = stream
        .socket()
        .ok_or_else(|| {
            Error::new(
                ErrorKind::Unsupported,
                "this stream has no socket behind it",
            )
        })?
        .try_clone_to_owned()?;
    let (alive, other) = UnixStream::pair()?;
    let clock = SystemClock::new();
    let deadline = limit
        .deadline
        .left(limit.clock)
        .map_or(Deadline::NEVER, |left| clock.deadline(left));
    let life = Life {
        clock,
        deadline,
        stop: limit.stop.clone(),
        alive: other,
    };
    std::thread::Builder::new()
        .name("door".to_owned())
        .spawn(move || {
            // The ends of both sockets are all that anybody can see of a failure here.
            drop(accept_one(listener, &life).and_then(|near| match near {
                Some(near) => carry(&near, &far, &life),
                None => Ok(()),
            }));
            let _gone = shutdown(&far, Shutdown::Both);
            drop(stream);
        })?;
    Ok(alive)
}

fn accept_one(listener: Listener, life: &Life) -> Result<Option<OwnedFd>> {
    loop {
        let mut fds = [
            PollFd::new(&listener, PollFlags::IN),
            PollFd::new(&life.alive, PollFlags::IN),
        ];
        if !life.poll(&mut fds)? {
            return Ok(None);
        }
        let [wanted, _] = fds.map(|fd| !fd.revents().is_empty());
        if wanted {
            return listener.accept().map(Some);
        }
        if life.is_dropped() {
            return Ok(None);
        }
    }
}

/// One direction of a carrying.
#[derive(Debug, Default)]
pub(crate) struct Flow {
    held: Vec<u8>,
    ended: bool,
    told: bool,
}

impl Flow {
    fn wants_more(&self) -> bool {
        !self.ended && self.held.len() < BUFFER
    }

    /// Takes what has come.
    fn take(&mut self, from: BorrowedFd<'_>) -> Result<()> {
        let mut buffer = [0; 16 << 10];
        while self.wants_more() {
            match recv(from, &mut buffer, RecvFlags::DONTWAIT) {
                Ok((0, _)) => self.ended = true,
                Ok((count, _)) => self
                    .held
                    .extend_from_slice(buffer.get(..count).unwrap_or_default()),
                Err(Errno::AGAIN) => break,
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Gives what is held, and the end after it.
    fn give(&mut self, to: BorrowedFd<'_>) -> Result<()> {
        while !self.held.is_empty() {
            match send(to, &self.held, SendFlags::DONTWAIT | SendFlags::NOSIGNAL) {
                Ok(count) => drop(self.held.drain(..count.min(self.held.len()))),
                Err(Errno::AGAIN) => return Ok(()),
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        if self.ended && !self.told {
            self.told = true;
            shutdown(to, Shutdown::Write)?;
        }
        Ok(())
    }
}

/// Carries bytes both ways until both ends have closed or it is over.
fn carry(near: &OwnedFd, far: &OwnedFd, life: &Life) -> Result<()> {
    let (mut out, mut back) = (Flow::default(), Flow::default());
    while !(out.told && back.told) {
        out.take(near.as_fd())?;
        out.give(far.as_fd())?;
        back.take(far.as_fd())?;
        back.give(near.as_fd())?;
        let flags = |reads: &Flow, writes: &Flow| {
            let mut flags = PollFlags::empty();
            flags.set(PollFlags::IN, reads.wants_more());
            flags.set(PollFlags::OUT, !writes.held.is_empty());
            flags
        };
        let mut fds = vec![PollFd::new(&life.alive, PollFlags::IN)];
        // A side that nothing is expected of would wake the poll for ever once it has hung up.
        let sides = [(near, flags(&out, &back)), (far, flags(&back, &out))];
        fds.extend(
            sides
                .iter()
                .filter(|(_, flags)| !flags.is_empty())
                .map(|(fd, flags)| PollFd::new(*fd, *flags)),
        );
        if !life.poll(&mut fds)? || life.is_dropped() {
            return Ok(());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::net::TcpStream;
    use std::os::unix::fs::PermissionsExt;
    use std::time::Duration;

    struct Setup {
        clock: SystemClock,
        stop: Stop,
        far: UnixStream,
    }

    impl Setup {
        fn limit(&self, milliseconds: u64) -> Limit<'_> {
            Limit {
                clock: &self.clock,
                stop: &self.stop,
                deadline: self.clock.deadline(Duration::from_millis(milliseconds)),
            }
        }
    }

    fn stream() -> (Box<dyn Stream>, Setup) {
        let (near, far) = UnixStream::pair().unwrap();
        let setup = Setup {
            clock: SystemClock::new(),
            stop: Stop::new(),
            far,
        };
        let stream = SocketStream::new(near.into(), &Waiting::new(setup.limit(60_000)));
        (Box::new(stream), setup)
    }

    fn echo_once(mut far: UnixStream) -> std::thread::JoinHandle<()> {
        std::thread::spawn(move || {
            let mut all = Vec::new();
            far.read_to_end(&mut all).unwrap();
            far.write_all(&all).unwrap();
        })
    }

    #[test]
    fn a_unix_door_carries_megabytes_both_ways_and_lies_in_a_private_directory() {
        let (stream, setup) = stream();
        let door = Door::unix(stream, setup.limit(20_000)).unwrap();
        let path = door.path().unwrap().to_owned();
        let mode = std::fs::metadata(path.parent().unwrap())
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o700);
        let echo = echo_once(setup.far.try_clone().unwrap());
        let mut client = UnixStream::connect(&path).unwrap();
        let sent: Vec<u8> = (0..=255).cycle().take(3_000_000).collect();
        let mut writer = client.try_clone().unwrap();
        let bytes = sent.clone();
        let writing = std::thread::spawn(move || {
            writer.write_all(&bytes).unwrap();
            writer.shutdown(std::net::Shutdown::Write).unwrap();
        });
        let mut got = Vec::new();
        client.read_to_end(&mut got).unwrap();
        assert!(got == sent);
        writing.join().unwrap();
        echo.join().unwrap();
        drop(door);
        assert!(!path.exists());
    }

    #[test]
    fn a_loopback_door_opens_once() {
        let (stream, setup) = stream();
        let door = Door::loopback(stream, setup.limit(20_000)).unwrap();
        let port = door.port().unwrap();
        let address = (Ipv4Addr::LOCALHOST, port).into();
        let timeout = Duration::from_secs(5);
        let mut client = TcpStream::connect_timeout(&address, timeout).unwrap();
        client.write_all(b"ping").unwrap();
        let mut four = [0; 4];
        (&setup.far).read_exact(&mut four).unwrap();
        assert_eq!(&four, b"ping");
        assert!(
            TcpStream::connect_timeout(&address, timeout).is_err(),
            "nobody after the first"
        );
    }

    #[test]
    fn the_deadline_and_dropping_the_door_close_both_sides() {
        let (stream, setup) = stream();
        let door = Door::loopback(stream, setup.limit(200)).unwrap();
        let address = (Ipv4Addr::LOCALHOST, door.port().unwrap()).into();
        let mut client = TcpStream::connect_timeout(&address, Duration::from_secs(5)).unwrap();
        assert_eq!(
            client.read(&mut [0; 8]).unwrap_or(0),
            0,
            "closed by the deadline"
        );
        assert_eq!((&setup.far).read(&mut [0; 8]).unwrap(), 0);

        let (stream, setup) = self::stream();
        let door = Door::unix(stream, setup.limit(60_000)).unwrap();
        drop(door);
        assert_eq!(
            (&setup.far).read(&mut [0; 8]).unwrap(),
            0,
            "closed by dropping"
        );
    }
}
