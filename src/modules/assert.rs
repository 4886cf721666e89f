//! `assert`: conditions that must hold.

use serde_json::{Value, json};

use super::spec::{Argument, Arguments, Kind, ModuleSpec, Safety};
use super::{Action, Change, HostCx, Module, ModuleError, Observed, Outcome, fields};
use crate::yaml::Problem;

static SPEC: ModuleSpec = ModuleSpec {
    name: "assert",
    summary: "Fails unless all conditions hold",
    arguments: &[
        Argument::new("that", Kind::Conditions, "The conditions, without braces.").required(),
        Argument::new("fail_msg", Kind::Any, "What is said if one does not hold.")
            .aliases(&["msg"]),
        Argument::new("success_msg", Kind::Any, "What is said if all hold."),
        Argument::new("quiet", Kind::Flag, "Whether little is shown.").default("false"),
    ],
    safety: Safety::ReadOnly,
    needs_host: false,
    example: "- assert:\n    that:\n      - cluster.servers | length == 3\n      - version is version('3.4', '<')\n    fail_msg: not the cluster that this role is for\n",
    returns: &[
        ("msg", "what is said"),
        ("assertion", "the condition that did not hold"),
        ("evaluated_to", "false"),
    ],
    ..ModuleSpec::EMPTY
};

/// The module.
#[derive(Debug)]
pub(super) struct Assert;

impl Module for Assert {
    fn spec(&self) -> &'static ModuleSpec {
        &SPEC
    }

    fn action(&self, arguments: &Arguments) -> Result<Box<dyn Action>, Vec<Problem>> {
        Ok(Box::new(Asserting {
            that: arguments.list("that"),
            fail: message(arguments.get("fail_msg")),
            success: message(arguments.get("success_msg")),
        }))
    }
}

/// Makes one text of a message, which may be a list of lines.
fn message(value: Option<&Value>) -> Option<String> {
    match value? {
        Value::Null => None,
        Value::Array(lines) => {
            let lines: Vec<String> = lines
                .iter()
                .filter_map(|line| message(Some(line)))
                .collect();
            Some(lines.join("\n"))
        }
        Value::String(text) => Some(text.clone()),
        other @ (Value::Bool(_) | Value::Number(_) | Value::Object(_)) => Some(other.to_string()),
    }
}

#[derive(Debug)]
struct Asserting {
    that: Vec<String>,
    fail: Option<String>,
    success: Option<String>,
}

impl Action for Asserting {
    fn describe(&self) -> String {
        format!("assert {}", self.that.join(" and "))
    }

    fn observe(&self, cx: &mut HostCx<'_>) -> Result<Observed, ModuleError> {
        for condition in &self.that {
            if cx
                .controller
                .condition(condition)
                .map_err(ModuleError::Argument)?
            {
                continue;
            }
            let message = self
                .fail
                .clone()
                .unwrap_or_else(|| "Assertion failed".to_owned());
            return Err(ModuleError::Failed {
                result: fields([
                    ("assertion", json!(condition)),
                    ("evaluated_to", json!(false)),
                ]),
                message,
            });
        }
        let message = self.success.as_deref().unwrap_or("All assertions passed");
        Ok(Observed::Same(Outcome {
            result: fields([("msg", json!(message))]),
            ..Outcome::default()
        }))
    }

    fn apply(&self, _cx: &mut HostCx<'_>, _change: &Change) -> Result<Outcome, ModuleError> {
        Ok(Outcome::default())
    }
}
