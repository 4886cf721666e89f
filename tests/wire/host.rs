//! A connection with a clock and a stop flag of its own, as the trials use it.

use std::time::Duration;

use stagger::clock::{Clock, Stop, SystemClock};
use stagger::connection::{
    Attached, Become, ConnError, Connection, Handshakes, Job, JobCommand, JobId, JobOutput, Limit,
    OnDeadline, Reply, Script, Target, open,
};

/// A connection with a clock and a flag of its own.
pub(crate) struct Host {
    pub(crate) connection: Box<dyn Connection>,
    pub(crate) clock: SystemClock,
    pub(crate) stop: Stop,
}

impl Host {
    pub(crate) fn new(target: &Target) -> Self {
        Self {
            connection: open(target, &Handshakes::new()),
            clock: SystemClock::new(),
            stop: Stop::new(),
        }
    }

    pub(crate) fn script_as(
        &mut self,
        user: Option<&Become>,
        text: &str,
    ) -> Result<Reply, ConnError> {
        let limit = Limit {
            clock: &self.clock,
            stop: &self.stop,
            deadline: self.clock.deadline(Duration::from_secs(30)),
        };
        self.connection
            .script(user, &Script(text.to_owned()), limit)
    }

    pub(crate) fn script(&mut self, text: &str) -> Result<Reply, ConnError> {
        self.script_as(None, text)
    }

    pub(crate) fn job(
        &mut self,
        user: Option<&Become>,
        id: &str,
        text: &str,
    ) -> Result<stagger::connection::JobEnd, ConnError> {
        let limit = Limit {
            clock: &self.clock,
            stop: &self.stop,
            deadline: self.clock.deadline(Duration::from_secs(30)),
        };
        let job = Job {
            id: JobId::new(id),
            command: JobCommand::Shell {
                text: text.to_owned(),
                shell: None,
            },
            input: None,
            directory: None,
            environment: Vec::new(),
            on_deadline: OnDeadline::Leave,
            outlives_session: false,
        };
        self.connection
            .job(user, &job, limit, &mut |_: &JobOutput<'_>| {})
    }

    pub(crate) fn attach(&mut self, id: &str) -> Result<Attached, ConnError> {
        let limit = Limit {
            clock: &self.clock,
            stop: &self.stop,
            deadline: self.clock.deadline(Duration::from_secs(30)),
        };
        self.connection
            .attach(None, &JobId::new(id), limit, &mut |_: &JobOutput<'_>| {})
    }
}

/// The sshd process that serves a session, as seen from its shell: the parent of the shell that runs scripts.
pub(crate) const SERVER_OF_SESSION: &str = "awk '/^PPid/ {print $2}' /proc/$$/status";
