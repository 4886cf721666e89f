//! Watching a job: launching it, its output while it comes, what its deadline does to it, and coming back to it.
//!
//! The shell that launched a job waits for it; after a second another shell of the same user looks at its output, and
//! signals it if that is wanted. Whoever comes later asks by the job's name alone. A job is never started twice: its
//! claim on the host can be made only once.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "a job that was launched before is followed, however it stands"
)]

use std::time::Duration;

use crate::clock::Clock;

use super::fence::passed;
use super::framing::Body;
use super::jobs::{self, LONGEST_OUTPUT, Look, Output, Standing};
use super::shells::{Role, Shells};
use super::waiting::{LOOK, Waiting};
use super::{Attached, Become, ConnError, Job, JobEnd, JobId, JobOutput, OnDeadline};

/// When the first look at a running job's output is taken.
const FIRST_LOOK: Duration = Duration::from_secs(1);

/// The longest pause between two looks.
const SLOWEST: Duration = Duration::from_secs(1);

/// How long a look may take before live output is given up.
const PATIENCE: Duration = Duration::from_secs(15);

/// How long a claim may stand without a process, and a process be gone without an end, until that is believed.
const GRACE: Duration = Duration::from_secs(2);

/// How long is tried to signal a job whose deadline came.
const SIGNALLING: Duration = Duration::from_secs(5);

/// An offset beyond every output: nothing more of it is wanted.
const BEYOND: usize = 1 << 40;

/// One job under watch.
pub(crate) struct Watching<'a> {
    shells: &'a mut Shells,
    user: Option<&'a Become>,
    id: &'a JobId,
    watch: &'a mut dyn FnMut(&JobOutput<'_>),
    output: Output,
    told_start: bool,
}

impl std::fmt::Debug for Watching<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Watching")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

impl<'a> Watching<'a> {
    /// Begins to watch.
    pub(crate) fn new(
        shells: &'a mut Shells,
        user: Option<&'a Become>,
        id: &'a JobId,
        watch: &'a mut dyn FnMut(&JobOutput<'_>),
    ) -> Self {
        Self {
            shells,
            user,
            id,
            watch,
            output: Output::default(),
            told_start: false,
        }
    }

    /// Launches the job and waits for its end.
    pub(crate) fn run(mut self, job: &Job, waiting: &Waiting<'_>) -> Result<JobEnd, ConnError> {
        let call = jobs::launch(job, None)?;
        let result = self
            .launch(&call, waiting)
            .and_then(|look| match look.standing {
                Standing::Ended(end, full) => {
                    self.take_whole(look);
                    Ok(std::mem::take(&mut self.output).into_end(end, full))
                }
                // It was launched before: its claim is taken.
                _ => self
                    .follow(false, waiting)
                    .and_then(|attached| self.as_end(attached)),
            });
        if let Err(error) = &result {
            self.give_up(job.on_deadline, error, waiting);
        }
        result
    }

    /// Launches the job, which then goes on by itself for so long at most.
    pub(crate) fn start(
        self,
        job: &Job,
        time: Duration,
        waiting: &Waiting<'_>,
    ) -> Result<(), ConnError> {
        let call = jobs::launch(job, Some(time))?;
        let frame =
            self.shells
                .call_fenced(self.user, Role::Steps, Body::InJobs(&call), waiting)?;
        match jobs::look(&frame, true)?.standing {
            Standing::Never => self.as_end(Attached::NeverStarted).map(|_| ()),
            Standing::Ended(..)
            | Standing::Running(_)
            | Standing::Unclaimed
            | Standing::Starting
            | Standing::Gone(_)
            | Standing::Rebooted(_) => Ok(()),
        }
    }

    /// Comes back to a job; one that nobody claimed is fenced.
    pub(crate) fn attach(mut self, waiting: &Waiting<'_>) -> Result<Attached, ConnError> {
        self.follow(true, waiting)
    }

    fn as_end(&self, attached: Attached) -> Result<JobEnd, ConnError> {
        match attached {
            Attached::Ended(end) => Ok(end),
            Attached::NeverStarted => Err(ConnError::Host {
                message: format!("job {} was fenced: it will never start", self.id),
            }),
            Attached::Vanished { reason } => Err(ConnError::Lost {
                host: self.shells.link.host().to_owned(),
                reason,
            }),
        }
    }

    /// Hands out the launch and waits for its answer, looking at the output from time to time.
    fn launch(&mut self, call: &str, waiting: &Waiting<'_>) -> Result<Look, ConnError> {
        let (fence, launch) = (self.shells.fence.clone(), Body::InJobs(call));
        let body = fence
            .as_ref()
            .map_or(launch, |fence| Body::Fenced(fence, &launch));
        self.shells.begin(self.user, Role::Steps, body, waiting)?;
        let started = self.shells.clock.elapsed();
        let (mut next_look, mut pause, mut live) = (FIRST_LOOK, LOOK, true);
        loop {
            let at = self
                .shells
                .find(self.user, Role::Steps)
                .ok_or_else(|| ConnError::Lost {
                    host: self.shells.link.host().to_owned(),
                    reason: "its shell is closed".to_owned(),
                })?;
            if self.shells.turn(at)? {
                return jobs::look(&passed(self.shells.answer(at)?)?, true);
            }
            let passed = self.shells.clock.elapsed().saturating_sub(started);
            if live && passed >= next_look {
                live = self.peek(waiting);
                pause = (pause * 2).min(SLOWEST);
                next_look = self.shells.clock.elapsed().saturating_sub(started) + pause;
                continue;
            }
            let slice = waiting.slice(LOOK)?;
            self.shells.rest(at, slice)?;
        }
    }

    /// Looks at the output of the running job on another shell; false when that does not work here.
    fn peek(&mut self, waiting: &Waiting<'_>) -> bool {
        if let Ok(look) = self.ask(Role::Look, false, &waiting.within(PATIENCE)) {
            self.take_more(&look);
            return true;
        }
        if let Some(at) = self.shells.find(self.user, Role::Look) {
            self.shells.close(at);
        }
        false
    }

    fn ask(&mut self, role: Role, fence: bool, waiting: &Waiting<'_>) -> Result<Look, ConnError> {
        let known = |bytes: &[u8]| {
            if bytes.len() > LONGEST_OUTPUT {
                BEYOND
            } else {
                bytes.len()
            }
        };
        let call = jobs::ask(
            self.id,
            fence,
            known(&self.output.out),
            known(&self.output.err),
        );
        let frame = self
            .shells
            .call(self.user, role, Body::InJobs(&call), waiting)?;
        jobs::look(&frame, false)
    }

    /// Asks for the job until it has ended or is known never to end.
    fn follow(&mut self, fence: bool, waiting: &Waiting<'_>) -> Result<Attached, ConnError> {
        let (mut pause, mut unsure_since) = (LOOK / 2, None);
        loop {
            let look = self.ask(Role::Steps, fence, waiting)?;
            self.take_more(&look);
            let doubt = match look.standing {
                Standing::Ended(end, full) => {
                    return Ok(Attached::Ended(
                        std::mem::take(&mut self.output).into_end(end, full),
                    ));
                }
                Standing::Never => return Ok(Attached::NeverStarted),
                Standing::Rebooted(boots) => {
                    return Ok(Attached::Vanished {
                        reason: format!(
                            "the host was rebooted since it started (boot ids, was and is: {boots})"
                        ),
                    });
                }
                Standing::Running(_) => None,
                Standing::Gone(pid) => Some(format!(
                    "its process {pid} and the shell that waited for it are gone"
                )),
                Standing::Starting => {
                    Some("it was claimed but never wrote down a process".to_owned())
                }
                Standing::Unclaimed => Some("nothing of it is left on the host".to_owned()),
            };
            let now = self.shells.clock.elapsed();
            match (doubt, unsure_since) {
                (None, _) => unsure_since = None,
                (Some(reason), Some(since)) if now.saturating_sub(since) >= GRACE => {
                    return Ok(Attached::Vanished { reason });
                }
                (Some(_), since) => unsure_since = since.or(Some(now)),
            }
            waiting.pause(pause)?;
            pause = (pause * 2).min(SLOWEST);
        }
    }

    /// Takes output that follows what is known.
    fn take_more(&mut self, look: &Look) {
        if matches!(look.standing, Standing::Running(_) | Standing::Ended(..)) {
            self.tell_start();
        }
        let room = |known: &[u8]| (LONGEST_OUTPUT + 1).saturating_sub(known.len());
        let out = look
            .out
            .get(..look.out.len().min(room(&self.output.out)))
            .unwrap_or_default();
        let err = look
            .err
            .get(..look.err.len().min(room(&self.output.err)))
            .unwrap_or_default();
        if !out.is_empty() {
            self.output.out.extend_from_slice(out);
            (self.watch)(&JobOutput::Out(out));
        }
        if !err.is_empty() {
            self.output.err.extend_from_slice(err);
            (self.watch)(&JobOutput::Err(err));
        }
    }

    /// Takes the whole output, of which a part may be known.
    fn take_whole(&mut self, look: Look) {
        self.tell_start();
        let rest = |all: &[u8], known: &[u8]| all.get(known.len()..).unwrap_or_default().to_vec();
        let (out, err) = (
            rest(&look.out, &self.output.out),
            rest(&look.err, &self.output.err),
        );
        if !out.is_empty() {
            (self.watch)(&JobOutput::Out(&out));
        }
        if !err.is_empty() {
            (self.watch)(&JobOutput::Err(&err));
        }
        self.output = Output {
            out: look.out,
            err: look.err,
        };
    }

    fn tell_start(&mut self) {
        if !std::mem::replace(&mut self.told_start, true) {
            (self.watch)(&JobOutput::Started);
        }
    }

    /// Does what the deadline asks for, and ends the session whose shell still waits for the job.
    fn give_up(&mut self, on_deadline: OnDeadline, error: &ConnError, waiting: &Waiting<'_>) {
        let signal = match on_deadline {
            OnDeadline::Leave => None,
            OnDeadline::Term => Some("TERM"),
            OnDeadline::Kill => Some("KILL"),
        };
        if let (ConnError::TimedOut { .. }, Some(signal)) = (error, signal) {
            let call = jobs::signal(self.id, signal);
            // What came of it is seen by who asks for the job next; here the wait is over in any case.
            drop(self.shells.call(
                self.user,
                Role::Look,
                Body::InJobs(&call),
                &waiting.anew(SIGNALLING),
            ));
        }
        if !matches!(error, ConnError::Host { .. } | ConnError::Fenced { .. }) {
            self.shells.end_session();
        }
    }
}
