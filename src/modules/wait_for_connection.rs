//! `wait_for_connection`: waits until the host can be logged in to.

use std::time::Duration;

use serde_json::json;

use super::spec::{Argument, Arguments, Kind, ModuleSpec, Safety};
use super::waiting::{Look, Wait, Waited};
use super::{Action, Change, HostCx, Module, ModuleError, Observed, Outcome, fields};
use crate::connection::{ConnError, Limit};
use crate::yaml::Problem;

static SPEC: ModuleSpec = ModuleSpec {
    name: "wait_for_connection",
    summary: "Waits until a new session to the host can be opened",
    arguments: &[
        Argument::new("timeout", Kind::Duration, "How long is waited.").default("600"),
        Argument::new(
            "delay",
            Kind::Duration,
            "How long before the first attempt.",
        )
        .default("0"),
        Argument::new(
            "sleep",
            Kind::Duration,
            "How long between two attempts at most.",
        )
        .default("1"),
        Argument::new(
            "connect_timeout",
            Kind::Duration,
            "How long one attempt may take.",
        )
        .default("5"),
    ],
    safety: Safety::ReadOnly,
    example: "- wait_for_connection:\n    delay: 10\n    timeout: 300\n",
    returns: &[("elapsed", "how long it waited, in seconds")],
    ..ModuleSpec::EMPTY
};

/// The module.
#[derive(Debug)]
pub(super) struct WaitForConnection;

impl Module for WaitForConnection {
    fn spec(&self) -> &'static ModuleSpec {
        &SPEC
    }

    fn action(&self, arguments: &Arguments) -> Result<Box<dyn Action>, Vec<Problem>> {
        let span = |name: &str, default| {
            arguments
                .duration(name)
                .unwrap_or(Duration::from_secs(default))
        };
        Ok(Box::new(Waiting {
            wait: Wait {
                delay: span("delay", 0),
                sleep: span("sleep", 1),
                timeout: span("timeout", 600),
            },
            connect: span("connect_timeout", 5),
        }))
    }
}

#[derive(Debug)]
struct Waiting {
    wait: Wait,
    connect: Duration,
}

/// Opens a new session; the boot that it is in, or why there is none.
pub(super) fn connect(cx: &mut HostCx<'_>, limit: Duration) -> Result<Look<String>, ModuleError> {
    cx.connection.reset();
    let limit = Limit {
        clock: cx.clock,
        stop: cx.stop,
        deadline: cx.deadline.earlier(cx.clock.deadline(limit)),
    };
    match cx.connection.identity(limit) {
        Ok(identity) => Ok(Look::Done(identity.boot_id)),
        // Another key or a refused login does not get better by waiting.
        Err(error @ (ConnError::Stopped | ConnError::HostKey { .. })) => Err(error.into()),
        Err(error) => Ok(Look::NotYet(error.to_string())),
    }
}

impl Action for Waiting {
    fn describe(&self) -> String {
        "wait until the host can be logged in to".to_owned()
    }

    fn observe(&self, cx: &mut HostCx<'_>) -> Result<Observed, ModuleError> {
        match self.wait.until(cx, |cx| connect(cx, self.connect))? {
            Waited::Done(_, elapsed) => Ok(Observed::Same(Outcome {
                result: fields([("elapsed", json!(elapsed.as_secs()))]),
                ..Outcome::default()
            })),
            Waited::TimedOut(seen, elapsed) => Err(ModuleError::Failed {
                message: format!("timed out waiting for a connection: {seen}"),
                result: fields([("elapsed", json!(elapsed.as_secs()))]),
            }),
        }
    }

    fn apply(&self, _cx: &mut HostCx<'_>, _change: &Change) -> Result<Outcome, ModuleError> {
        Ok(Outcome::default())
    }
}
