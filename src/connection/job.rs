//! Jobs: commands that run on a host detached from the session, in a directory that holds identity, output and end.

use std::fmt;

use crate::secrets::Secret;

/// A job's name on the host: unique for a step of a run, equal when that step is tried again.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct JobId(String);

impl JobId {
    /// Makes an id; characters other than letters, digits, `.`, `_` and `-` become `_`.
    pub fn new(text: &str) -> Self {
        let clean = |c: char| {
            if c.is_ascii_alphanumeric() || "._-".contains(c) {
                c
            } else {
                '_'
            }
        };
        Self(text.chars().map(clean).collect())
    }

    /// Returns the id as text, safe as a file name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a job runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JobCommand {
    /// A shell text, run by `/bin/sh` or the named shell.
    Shell {
        /// The text, as the user wrote it.
        text: String,
        /// The shell's path, if not `/bin/sh`.
        shell: Option<String>,
    },
    /// A program with its arguments, never split or expanded by a shell.
    Argv(Vec<Vec<u8>>),
    /// A script's text, run by the interpreter of its `#!` line, else by `/bin/sh`.
    Script {
        /// The whole text.
        text: Vec<u8>,
        /// Its arguments.
        arguments: Vec<String>,
    },
}

/// What happens to a job whose deadline comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnDeadline {
    /// It goes on; only the wait ends.
    #[default]
    Leave,
    /// It gets SIGTERM, if it is still the same process.
    Term,
    /// It gets SIGKILL, if it is still the same process.
    Kill,
}

/// A command to run detached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    /// Its name.
    pub id: JobId,
    /// What runs.
    pub command: JobCommand,
    /// Its input; secrets may be in it.
    pub input: Option<Secret>,
    /// Where it runs, if not in the user's home.
    pub directory: Option<String>,
    /// Its further environment.
    pub environment: Vec<(String, String)>,
    /// What the deadline does to it.
    pub on_deadline: OnDeadline,
    /// Whether it must outlive the end of its user's sessions even where the host kills what they leave behind.
    pub outlives_session: bool,
}

/// What came from a running job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JobOutput<'a> {
    /// It was claimed and started by us.
    Started,
    /// Bytes of its output.
    Out(&'a [u8]),
    /// Bytes of its error output.
    Err(&'a [u8]),
}

/// How a job ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// By itself with an exit code.
    Code(i32),
    /// By a signal, as far as can be told: the shell that waited for it saw 128 plus this number.
    Signal(i32),
}

/// What a job left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobEnd {
    /// How it ended.
    pub end: End,
    /// Its output.
    pub out: Vec<u8>,
    /// Its error output.
    pub err: Vec<u8>,
    /// Whether output is missing, because the disk was full or it was too long.
    pub cut: bool,
}

/// What asking for an earlier job found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Attached {
    /// It ended.
    Ended(JobEnd),
    /// It never started, and now never will: its claim is taken.
    NeverStarted,
    /// It had started and is gone without an end: the host was rebooted, or something killed it and its shell.
    Vanished {
        /// What is known about it.
        reason: String,
    },
}
