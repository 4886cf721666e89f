//! A session to a host: what runs there, what is put and fetched there, what is reached through it.
//!
//! The rest of the house sees [`Connection`]; behind it are SSH, the machine itself (`connection: local`) and a scripted
//! one for tests. Never retries a thing that may have had an effect: a [`ConnError`] says when it broke, and `rollout`
//! decides. Called by `modules` (through their context), by guards and by `cli` for `exec`.

mod becoming;
mod calls;
mod dial;
mod error;
mod fence;
mod files;
mod framing;
pub mod http;
mod job;
mod jobs;
mod local;
pub(crate) mod locking;
mod openssh;
pub(crate) mod owed;
#[cfg(test)]
pub(crate) mod scripted;
mod shell;
mod shells;
pub mod sql;
mod ssh;
mod ssh_config;
mod streams;
mod target;
mod transport;
#[cfg(test)]
mod trials;
mod tunnel;
mod user;
mod waiting;
mod watching;

use std::fmt::Debug;
use std::os::fd::BorrowedFd;
use std::time::Duration;

use crate::clock::{Clock, Deadline, Stop};

pub use dial::resolves;
pub use error::ConnError;
pub use fence::Fence;
pub(crate) use framing::random_hex;
pub use job::{Attached, End, Job, JobCommand, JobEnd, JobId, JobOutput, OnDeadline};
pub(crate) use shell::printf_word;
pub use ssh::Handshakes;
pub use ssh_config::{ConfigFiles, Reached, Said, SshConfig};
pub use target::{
    AddressFamily, Algorithms, Auth, HostKeyCheck, HostKeys, KeyFile, Kind, LoginMethod,
    Surroundings, Target, Timeouts, Way, open,
};
pub use tunnel::Door;
pub use user::{Become, BecomeMethod};

/// What bounds a call: a deadline on a clock, and the operator's stop flag.
#[derive(Debug, Clone, Copy)]
pub struct Limit<'a> {
    /// The clock that the deadline is on.
    pub clock: &'a dyn Clock,
    /// The flag that ends waits.
    pub stop: &'a Stop,
    /// When the call must be over.
    pub deadline: Deadline,
}

/// Which boot of which machine this is; a step's intent carries it, so that "did it run?" has an honest answer.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Identity {
    /// `/proc/sys/kernel/random/boot_id`: another one means that the host was rebooted.
    pub boot_id: String,
    /// `/etc/machine-id`: equal for two inventory names of one machine, another one means replaced.
    pub machine_id: String,
    /// The login user's name.
    pub user: String,
}

/// A POSIX shell text that runs in a subshell of the host's long-lived shell, with no input.
///
/// It is for short work that is safe to lose and to repeat: observing, and changes that are made atomic by a rename.
/// Anything else is a [`Job`].
#[derive(Clone, PartialEq, Eq)]
pub struct Script(pub String);

impl Debug for Script {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Script({} bytes)", self.0.len())
    }
}

/// What a [`Script`] answered.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Reply {
    /// The exit code; over 128 it may stand for a signal, a shell cannot tell.
    pub code: i32,
    /// Its output.
    pub out: Vec<u8>,
    /// Its error output.
    pub err: Vec<u8>,
}

impl Reply {
    /// Returns the output as text, bad UTF-8 replaced.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.out).into_owned()
    }
}

/// A file to be put on a host: written beside its place under another name, checked, synced and renamed.
#[derive(Clone)]
pub struct Upload<'a> {
    /// The absolute path it shall have.
    pub path: &'a str,
    /// What is in it; may be secret, so it never gets into an argument list.
    pub content: &'a [u8],
    /// Its permission bits; `None` keeps those of the file it replaces, else 0644 without the umask's bits.
    pub mode: Option<u32>,
    /// Its owner, if it shall be changed.
    pub owner: Option<&'a str>,
    /// Its group, if it shall be changed.
    pub group: Option<&'a str>,
}

impl Debug for Upload<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Upload({}, {} bytes)", self.path, self.content.len())
    }
}

/// A place that a tunnel leads to, as seen from the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// A name or address that the host resolves.
    pub host: String,
    /// The TCP port.
    pub port: u16,
}

/// A byte stream through a host, closed when dropped. Reads and writes honour the deadline it was opened with.
pub trait Stream: std::io::Read + std::io::Write + Send + Debug {
    /// Returns the socket behind it, which a tunnel needs to wait on both of its ends; a test's stream may have none.
    fn socket(&self) -> Option<BorrowedFd<'_>> {
        None
    }
}

/// A session to one host. Belongs to one thread at a time.
pub trait Connection: Send + Debug {
    /// Tells which boot of which machine this is; asked once per session.
    fn identity(&mut self, limit: Limit<'_>) -> Result<Identity, ConnError>;

    /// Runs a shell text in the long-lived shell of a user: one round trip.
    fn script(
        &mut self,
        user: Option<&Become>,
        script: &Script,
        limit: Limit<'_>,
    ) -> Result<Reply, ConnError>;

    /// Starts a job, detached from the session, and waits for its end; `watch` gets its output while it comes.
    ///
    /// Starting the same [`JobId`] a second time attaches to it: it never runs twice.
    fn job(
        &mut self,
        user: Option<&Become>,
        job: &Job,
        limit: Limit<'_>,
        watch: &mut dyn FnMut(&JobOutput<'_>),
    ) -> Result<JobEnd, ConnError>;

    /// Starts a job and does not wait for its end: it goes on by itself, and is killed when its time is over.
    ///
    /// Starting the same [`JobId`] a second time changes nothing; [`Connection::attach`] tells how it is doing.
    fn start(
        &mut self,
        user: Option<&Become>,
        job: &Job,
        time: Duration,
        limit: Limit<'_>,
    ) -> Result<(), ConnError>;

    /// Asks for a job that may have been started earlier, by this or another process; one that never started is fenced.
    fn attach(
        &mut self,
        user: Option<&Become>,
        id: &JobId,
        limit: Limit<'_>,
        watch: &mut dyn FnMut(&JobOutput<'_>),
    ) -> Result<Attached, ConnError>;

    /// Removes what ended jobs left on the host; jobs that still run keep theirs, and fenced ones stay fenced.
    fn forget(
        &mut self,
        _user: Option<&Become>,
        _ids: &[JobId],
        _limit: Limit<'_>,
    ) -> Result<(), ConnError> {
        Ok(())
    }

    /// Puts a file on the host, atomically.
    fn put(
        &mut self,
        user: Option<&Become>,
        upload: &Upload<'_>,
        limit: Limit<'_>,
    ) -> Result<(), ConnError>;

    /// Fetches a file; one longer than `max_bytes` is an error.
    fn get(
        &mut self,
        user: Option<&Become>,
        path: &str,
        max_bytes: u64,
        limit: Limit<'_>,
    ) -> Result<Vec<u8>, ConnError>;

    /// Opens a stream from the host to an endpoint that it can reach, on a session of its own.
    fn stream(&mut self, to: &Endpoint, limit: Limit<'_>) -> Result<Box<dyn Stream>, ConnError>;

    /// Opens such a stream for one exchange, during which nothing else is asked of this session.
    ///
    /// It may go through the session itself, which saves a handshake, and then has no socket of its own to wait on.
    fn brief_stream(
        &mut self,
        to: &Endpoint,
        limit: Limit<'_>,
    ) -> Result<Box<dyn Stream>, ConnError> {
        self.stream(to, limit)
    }

    /// Opens a conversation with a scripted server that speaks SQL, without a socket and a thread; a real session has none.
    #[cfg(test)]
    #[expect(
        private_interfaces,
        reason = "scripted sessions are for this crate's own tests"
    )]
    fn scripted_sql(&mut self, _to: &Endpoint) -> Option<Box<dyn scripted::SqlTalk>> {
        None
    }

    /// Opens what streams go through, so that the first one does not wait for it.
    fn ready_streams(&mut self, _limit: Limit<'_>) -> Result<(), ConnError> {
        Ok(())
    }

    /// Puts a fence around what is changed from now on: scripts, jobs that are started and files that are put are refused
    /// on a host where a run with a later token has the cluster's lock. `None` takes it away.
    fn fence(&mut self, fence: Option<&Fence>);

    /// Ends the session; the next call opens a new one.
    fn reset(&mut self);
}
