//! Scripted hosts: sessions without a machine, on a simulated clock, that fail whenever and however a test says.
//!
//! What hosts answer comes from a test ([`Answering`], or `lines` where the calls are known beforehand); how calls go
//! wrong is said here, by name ("a job upgrade") or by number, so that a test can put every fault at every call. Every
//! call is logged, every effect counted. A call that nobody expected, and a fault that never came, fail the test. Called
//! by the engine's tests.

mod hosts;
mod lines;
mod session;
mod talk;

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::time::Duration;

use super::sql::{SqlError, SqlRows};
use super::{End, Fence, JobEnd, Limit, Reply};
use crate::clock::StopLevel;

pub(crate) use hosts::ScriptedHosts;

/// How a call goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It is done well: a place holder before a later fault.
    Fine,
    /// The command fails; nothing was done.
    Fails,
    /// The host cannot be reached; nothing was sent.
    Gone,
    /// The host cannot be reached, from now on.
    GoneForGood,
    /// The session breaks; nothing had come through.
    LostBefore,
    /// The session breaks after the thing was done.
    LostAfter,
    /// The thing is done, and the answer does not come in time; a job goes on for an hour.
    TimesOut,
    /// The thing is done, and the answer makes no sense.
    Garbled,
    /// The disk is full: files are not written, a job's output is cut, its end counts.
    DiskFull,
    /// Whoever makes the call has a bug.
    Panics,
    /// The operator asks to stop while it is done; it is done well.
    Stop(StopLevel),
    /// The operator asks to stop, and the call ends at once; nothing was done.
    StopNow(StopLevel),
    /// The host reboots first: nothing is done, jobs that ran are gone.
    Reboots,
    /// The thing is done, then the host reboots: jobs that ran are gone, this one too.
    RebootsAfter,
    /// The job writes a mark and not the last one, and ends well.
    CutShort,
}

/// What a call does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verb {
    /// Runs a shell text.
    Script,
    /// Starts a job.
    Job,
    /// Puts a file.
    Put,
    /// Fetches a file.
    Get,
    /// Says something to a server through a stream.
    Say,
    /// Sends a server an SQL statement.
    Sql,
}

/// A call, as a host sees it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Call<'a> {
    /// The host.
    pub(crate) host: &'a str,
    /// What it does.
    pub(crate) verb: Verb,
    /// The shell text, the words of the command, or the path.
    pub(crate) text: &'a str,
}

impl Call<'_> {
    /// Names the call, as the log and faults do: the host, `job`, `put` or `get`, and the first line of its text.
    pub(crate) fn name(&self) -> String {
        let first = self.text.lines().next().unwrap_or_default();
        let verb = match self.verb {
            Verb::Script => "",
            Verb::Job => "job ",
            Verb::Put => "put ",
            Verb::Get => "get ",
            Verb::Say => "say ",
            Verb::Sql => "sql ",
        };
        format!("{} {verb}{first}", self.host)
    }
}

/// How often each thing was really done, by the names of the calls.
pub(crate) type Effects = BTreeMap<String, u32>;

/// What hosts answer to calls that come through.
pub(crate) trait Answering: Send + Sync + Debug {
    /// Hears of every call, also of those that will go wrong.
    fn arrives(&self, _call: &Call<'_>) {}

    /// Hears that a file was put on a host.
    fn has_put(&self, _host: &str, _path: &str, _content: &[u8]) {}

    /// Hears that a host was rebooted.
    fn rebooted(&self, _host: &str) {}

    /// Says how long a call takes, beside what [`ScriptedHosts::takes`] says.
    fn time(&self, _call: &Call<'_>) -> Duration {
        Duration::ZERO
    }

    /// Tells whether a script, or what is said to a server, changes anything; jobs and files that are put always do.
    fn changes(&self, _call: &Call<'_>) -> bool {
        false
    }

    /// Answers a script; `None` when nobody expected it.
    fn script(&self, call: &Call<'_>, effects: &Effects) -> Option<Reply>;

    /// Says how a job ends; `None` when nobody expected it.
    fn job(&self, call: &Call<'_>, effects: &Effects) -> Option<JobEnd>;

    /// Tells who has the cluster's lock with a later token than this, if anybody has.
    fn outdone(&self, _host: &str, _fence: &Fence) -> Option<String> {
        None
    }

    /// Tells whether a server listens at `host:port`, as seen from a host; `None` where none is scripted that speaks SQL, and
    /// where what is said there tells.
    fn listens(&self, _host: &str, _to: &str) -> Option<bool> {
        None
    }

    /// Answers a statement to the server at `host:port`; `None` when nobody listens there any more.
    fn sql(&self, _to: &str, _statement: &str) -> Option<Result<Vec<SqlRows>, SqlError>> {
        None
    }

    /// Answers what is sent through a tunnel to `host:port`; `None` when nobody listens there.
    fn speak(&self, _host: &str, _to: &str, _said: &[u8]) -> Option<Vec<u8>> {
        None
    }
}

/// A conversation with a scripted server that speaks SQL.
pub(crate) trait SqlTalk: Send + Debug {
    /// Connects and logs in.
    fn open(&mut self, limit: Limit<'_>) -> Result<(), SqlError>;

    /// Sends a statement.
    fn say(&mut self, statement: &str, limit: Limit<'_>) -> Result<Vec<SqlRows>, SqlError>;
}

/// Makes a job's end with an exit code and an output.
pub(crate) fn ended(code: i32, out: &str) -> JobEnd {
    JobEnd {
        end: End::Code(code),
        out: out.as_bytes().to_vec(),
        err: Vec::new(),
        cut: false,
    }
}
