//! Where and how a module runs: one host, one step, and the calls to the host that modules share.

use std::fmt::Debug;
use std::time::Duration;

use super::{Controller, ModuleError, Notes};
use crate::clock::{Clock, Deadline, Stop};
use crate::cluster::sections::Marker;
use crate::connection::{
    Attached, Become, ConnError, Connection, Job, JobEnd, JobOutput, Limit, OnDeadline, Reply,
    Script, Upload, random_hex,
};
use crate::secrets::Masker;
use crate::template::shell_quote;

/// How long is waited to see that a job whose deadline came is gone.
const LAST_LOOK: Duration = Duration::from_secs(5);

/// Who looks on while a step runs: the engine, which tells the operator.
pub trait Watch: Send + Sync + Debug {
    /// Takes output of a running job.
    fn output(&self, output: &JobOutput<'_>);

    /// Takes what a waiting module last saw, in a few words.
    fn saw(&self, what: &str);
}

/// How a task with `async` runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Background {
    /// How long it may take; then it is killed.
    pub time: Duration,
    /// Whether its end is waited for: `poll` is not 0.
    pub waits: bool,
}

/// Where and how a module runs: one host, one step.
#[derive(Debug)]
pub struct HostCx<'a> {
    /// The inventory's name of the host.
    pub host: &'a str,
    /// The session to it, or to the host the task is delegated to.
    pub connection: &'a mut dyn Connection,
    /// As whom.
    pub user: Option<&'a Become>,
    /// The task's `environment`.
    pub environment: &'a [(String, String)],
    /// Whether nothing may be changed.
    pub check: bool,
    /// Whether differences are wanted.
    pub diff: bool,
    /// The clock.
    pub clock: &'a dyn Clock,
    /// The operator's stop flag.
    pub stop: &'a Stop,
    /// When the step must be over.
    pub deadline: Deadline,
    /// The controller's side.
    pub controller: &'a dyn Controller,
    /// The name of this step's job, should it start one: equal when the step is tried again.
    pub job: &'a crate::connection::JobId,
    /// Whether the step is in an indivisible block, so that its job must outlive every session.
    pub indivisible: bool,
    /// What happens to its job when the deadline comes.
    pub on_deadline: OnDeadline,
    /// Whether it runs beside the tasks after it, or with a limit of its own (`async`).
    pub background: Option<Background>,
    /// Who looks on while the step runs.
    pub watch: &'a dyn Watch,
    /// Secrets known so far.
    pub masker: &'a Masker,
    /// What probes noted at earlier looks of this run.
    pub notes: &'a Notes,
}

impl HostCx<'_> {
    /// Returns the step's limit.
    pub fn limit(&self) -> Limit<'_> {
        Limit {
            clock: self.clock,
            stop: self.stop,
            deadline: self.deadline,
        }
    }

    /// Runs a short shell text on the host as the task's user, with the task's environment.
    pub fn script(&mut self, body: impl Into<String>) -> Result<Reply, ModuleError> {
        let body = exports(self.environment)? + &body.into();
        let limit = Limit {
            clock: self.clock,
            stop: self.stop,
            deadline: self.deadline,
        };
        Ok(self.connection.script(self.user, &Script(body), limit)?)
    }

    /// Draws the random word that parts what a text prints.
    pub fn marker(&self) -> Result<Marker, ModuleError> {
        let word = random_hex::<16>();
        word.map(Marker::new)
            .map_err(|error| ModuleError::failed(format!("cannot draw a random word: {error}")))
    }

    /// Puts a file on the host as the task's user, atomically.
    pub fn put(&mut self, upload: &Upload<'_>) -> Result<(), ModuleError> {
        let limit = Limit {
            clock: self.clock,
            stop: self.stop,
            deadline: self.deadline,
        };
        Ok(self.connection.put(self.user, upload, limit)?)
    }

    /// Fetches a file as the task's user; one longer than `max_bytes` is an error.
    pub fn get(&mut self, path: &str, max_bytes: u64) -> Result<Vec<u8>, ModuleError> {
        let limit = Limit {
            clock: self.clock,
            stop: self.stop,
            deadline: self.deadline,
        };
        Ok(self.connection.get(self.user, path, max_bytes, limit)?)
    }

    /// Runs a job on the host as the task's user and waits for it. One that its deadline killed has ended, too.
    pub fn run(&mut self, job: &Job) -> Result<JobEnd, ModuleError> {
        let limit = Limit {
            clock: self.clock,
            stop: self.stop,
            deadline: self.deadline,
        };
        let watch = self.watch;
        let mut watched = |output: &JobOutput<'_>| watch.output(output);
        let ended = self.connection.job(self.user, job, limit, &mut watched);
        let Err(error @ ConnError::TimedOut { .. }) = ended else {
            return Ok(ended?);
        };
        if job.on_deadline == OnDeadline::Leave {
            return Err(error.into());
        }
        let limit = Limit {
            deadline: self.clock.deadline(LAST_LOOK),
            ..limit
        };
        match self
            .connection
            .attach(self.user, &job.id, limit, &mut watched)
        {
            Ok(Attached::Ended(end)) => Ok(end),
            Ok(Attached::NeverStarted | Attached::Vanished { .. }) | Err(_) => Err(error.into()),
        }
    }

    /// Starts a job on the host as the task's user; nobody waits for it.
    pub fn start(&mut self, job: &Job, time: Duration) -> Result<(), ModuleError> {
        let limit = Limit {
            clock: self.clock,
            stop: self.stop,
            deadline: self.deadline,
        };
        self.connection.start(self.user, job, time, limit)?;
        self.watch.output(&JobOutput::Started);
        Ok(())
    }
}

/// Returns the shell lines that set the task's environment; its values are quoted words.
fn exports(environment: &[(String, String)]) -> Result<String, ModuleError> {
    let mut lines = String::new();
    for (name, value) in environment {
        let letter = |c: char| c == '_' || c.is_ascii_alphanumeric();
        if !name.chars().all(letter)
            || name.starts_with(|c: char| c.is_ascii_digit())
            || name.is_empty()
        {
            return Err(ModuleError::failed(format!(
                "`{name}` cannot be the name of an environment variable"
            )));
        }
        lines.push_str("export ");
        lines.push_str(name);
        lines.push('=');
        lines.push_str(&shell_quote(value));
        lines.push('\n');
    }
    Ok(lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_is_exported_as_quoted_words() {
        let of = |name: &str, value: &str| exports(&[(name.to_owned(), value.to_owned())]);
        assert_eq!(of("A_1", "x y$").unwrap(), "export A_1='x y$'\n");
        for bad in ["", "1A", "A B", "A;B"] {
            assert!(of(bad, "x").is_err(), "{bad}");
        }
    }
}
