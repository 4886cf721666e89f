//! `fail`: fails with a message.

use super::spec::{Argument, Arguments, Kind, ModuleSpec, Safety};
use super::{Action, Change, HostCx, Module, ModuleError, Observed, Outcome};
use crate::yaml::Problem;

/// What is said without a message.
const DEFAULT: &str = "Failed as requested from task";

static SPEC: ModuleSpec = ModuleSpec {
    name: "fail",
    summary: "Fails with a message",
    arguments: &[Argument::new("msg", Kind::Str, "The message.").default(DEFAULT)],
    safety: Safety::ReadOnly,
    needs_host: false,
    example: "- fail:\n    msg: the data directory is not where it was\n  when: not data.stat.exists\n",
    ..ModuleSpec::EMPTY
};

/// The module.
#[derive(Debug)]
pub(super) struct Fail;

impl Module for Fail {
    fn spec(&self) -> &'static ModuleSpec {
        &SPEC
    }

    fn action(&self, arguments: &Arguments) -> Result<Box<dyn Action>, Vec<Problem>> {
        Ok(Box::new(Failing {
            message: arguments.str("msg").unwrap_or(DEFAULT).to_owned(),
        }))
    }
}

#[derive(Debug)]
struct Failing {
    message: String,
}

impl Action for Failing {
    fn describe(&self) -> String {
        format!("fail: {}", self.message)
    }

    fn observe(&self, _cx: &mut HostCx<'_>) -> Result<Observed, ModuleError> {
        Err(ModuleError::failed(self.message.clone()))
    }

    fn apply(&self, _cx: &mut HostCx<'_>, _change: &Change) -> Result<Outcome, ModuleError> {
        Err(ModuleError::failed(self.message.clone()))
    }
}
