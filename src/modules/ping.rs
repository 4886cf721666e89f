//! `ping`: whether the host can be logged in to and has a shell.

use serde_json::json;

use super::spec::{Argument, Arguments, Kind, ModuleSpec, Safety};
use super::{Action, Change, HostCx, Module, ModuleError, Observed, Outcome, fields};
use crate::yaml::Problem;

static SPEC: ModuleSpec = ModuleSpec {
    name: "ping",
    summary: "Logs in, runs an empty script, and answers",
    arguments: &[
        Argument::new("data", Kind::Str, "The answer; `crash` makes it fail.").default("pong"),
    ],
    safety: Safety::ReadOnly,
    example: "- ping:\n",
    returns: &[("ping", "the answer")],
    ..ModuleSpec::EMPTY
};

/// The module.
#[derive(Debug)]
pub(super) struct Ping;

impl Module for Ping {
    fn spec(&self) -> &'static ModuleSpec {
        &SPEC
    }

    fn action(&self, arguments: &Arguments) -> Result<Box<dyn Action>, Vec<Problem>> {
        Ok(Box::new(Pinging {
            data: arguments.str("data").unwrap_or("pong").to_owned(),
        }))
    }
}

#[derive(Debug)]
struct Pinging {
    data: String,
}

impl Action for Pinging {
    fn describe(&self) -> String {
        "log in and answer".to_owned()
    }

    fn observe(&self, cx: &mut HostCx<'_>) -> Result<Observed, ModuleError> {
        let reply = cx.script(":\n")?;
        if reply.code != 0 || self.data == "crash" {
            return Err(ModuleError::failed("boom"));
        }
        Ok(Observed::Same(Outcome {
            result: fields([("ping", json!(self.data))]),
            ..Outcome::default()
        }))
    }

    fn apply(&self, _cx: &mut HostCx<'_>, _change: &Change) -> Result<Outcome, ModuleError> {
        Ok(Outcome::default())
    }
}
