//! `async_status`: how a task that was started with `async` is doing.

use std::time::Duration;

use serde_json::json;

use super::program::python_lines;
use super::spec::{Argument, Arguments, Kind, ModuleSpec, Safety};
use super::{Action, Change, HostCx, Module, ModuleError, Observed, Outcome, fields};
use crate::connection::{Attached, ConnError, End, JobId, Limit};
use crate::yaml::Problem;

static SPEC: ModuleSpec = ModuleSpec {
    name: "async_status",
    summary: "Tells how a task that was started with `async` is doing",
    arguments: &[
        Argument::new(
            "jid",
            Kind::Str,
            "The job, from the task's result: `ansible_job_id`.",
        )
        .required(),
        Argument::new(
            "mode",
            Kind::Str,
            "`cleanup` is accepted; jobs are tidied up by themselves.",
        )
        .choices(&["cleanup", "status"])
        .default("status"),
    ],
    safety: Safety::ReadOnly,
    example: "- async_status:\n    jid: \"{{ work.ansible_job_id }}\"\n  register: state\n  until: state.finished\n  retries: 30\n",
    returns: &[
        ("ansible_job_id", "the job"),
        ("started", "1"),
        ("finished", "1 once it has ended"),
        ("rc", "the exit code"),
        ("stdout", "the output"),
        ("stdout_lines", "the output in lines"),
        ("stderr", "the error output"),
        ("stderr_lines", "the error output in lines"),
        ("erased", "the job, with `cleanup`"),
    ],
    ..ModuleSpec::EMPTY
};

/// How long is waited for an answer about a job that still runs.
const GLANCE: Duration = Duration::from_millis(500);

/// The module.
#[derive(Debug)]
pub(super) struct AsyncStatus;

impl Module for AsyncStatus {
    fn spec(&self) -> &'static ModuleSpec {
        &SPEC
    }

    fn action(&self, arguments: &Arguments) -> Result<Box<dyn Action>, Vec<Problem>> {
        Ok(Box::new(Asking {
            job: JobId::new(arguments.str("jid").unwrap_or_default()),
            cleanup: arguments.str("mode") == Some("cleanup"),
        }))
    }
}

#[derive(Debug)]
struct Asking {
    job: JobId,
    cleanup: bool,
}

impl Asking {
    fn ended(&self, end: &crate::connection::JobEnd) -> Result<Observed, ModuleError> {
        let text = |bytes: &[u8]| {
            String::from_utf8_lossy(bytes)
                .trim_end_matches(['\r', '\n'])
                .to_owned()
        };
        let (out, err) = (text(&end.out), text(&end.err));
        let (code, message) = match end.end {
            End::Code(code) => (code, "non-zero return code".to_owned()),
            End::Signal(signal) => (
                -signal,
                format!(
                    "killed by signal {signal}: when its time is over a job is killed by signal 9"
                ),
            ),
        };
        let result = fields([
            ("ansible_job_id", json!(self.job.as_str())),
            ("started", json!(1)),
            ("finished", json!(1)),
            ("rc", json!(code)),
            ("stdout", json!(out)),
            ("stdout_lines", json!(python_lines(&out))),
            ("stderr", json!(err)),
            ("stderr_lines", json!(python_lines(&err))),
        ]);
        if code == 0 {
            return Ok(Observed::Same(Outcome {
                changed: true,
                result,
                ..Outcome::default()
            }));
        }
        Err(ModuleError::Failed { message, result })
    }
}

impl Action for Asking {
    fn describe(&self) -> String {
        format!("ask for the job {}", self.job)
    }

    fn observe(&self, cx: &mut HostCx<'_>) -> Result<Observed, ModuleError> {
        if self.cleanup {
            return Ok(Observed::Same(Outcome {
                result: fields([
                    ("ansible_job_id", json!(self.job.as_str())),
                    ("erased", json!(self.job.as_str())),
                ]),
                ..Outcome::default()
            }));
        }
        let limit = Limit {
            clock: cx.clock,
            stop: cx.stop,
            deadline: cx.deadline.earlier(cx.clock.deadline(GLANCE)),
        };
        let watch = cx.watch;
        let attached = cx
            .connection
            .attach(cx.user, &self.job, limit, &mut |output| {
                watch.output(output);
            });
        match attached {
            Ok(Attached::Ended(end)) => self.ended(&end),
            Ok(Attached::NeverStarted) => Err(ModuleError::failed("could not find job")),
            Ok(Attached::Vanished { reason }) => {
                Err(ModuleError::failed(format!("the job is gone: {reason}")))
            }
            Err(ConnError::TimedOut { .. }) => Ok(Observed::Same(Outcome {
                result: fields([
                    ("ansible_job_id", json!(self.job.as_str())),
                    ("started", json!(1)),
                    ("finished", json!(0)),
                ]),
                ..Outcome::default()
            })),
            Err(error) => Err(error.into()),
        }
    }

    fn apply(&self, _cx: &mut HostCx<'_>, _change: &Change) -> Result<Outcome, ModuleError> {
        Ok(Outcome::default())
    }
}
