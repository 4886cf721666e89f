//! `debug`: shows a message or a variable.

use serde_json::{Value, json};

use super::spec::{Argument, Arguments, Kind, ModuleSpec, Safety};
use super::{Action, Change, HostCx, Module, ModuleError, Observed, Outcome, fields};
use crate::yaml::Problem;

static SPEC: ModuleSpec = ModuleSpec {
    name: "debug",
    summary: "Shows a message or the value of an expression",
    arguments: &[
        Argument::new("msg", Kind::Any, "The message.").default("Hello world!"),
        Argument::new("var", Kind::Str, "An expression, without braces."),
        Argument::new("verbosity", Kind::Int, "How many -v are needed to see it.").default("0"),
    ],
    safety: Safety::ReadOnly,
    needs_host: false,
    example: "- debug:\n    var: cluster.leader\n",
    returns: &[("msg", "the message")],
    open: false,
    ..ModuleSpec::EMPTY
};

/// The module.
#[derive(Debug)]
pub(super) struct Debug;

impl Module for Debug {
    fn spec(&self) -> &'static ModuleSpec {
        &SPEC
    }

    fn action(&self, arguments: &Arguments) -> Result<Box<dyn Action>, Vec<Problem>> {
        Ok(Box::new(Showing {
            message: arguments
                .get("msg")
                .cloned()
                .unwrap_or(json!("Hello world!")),
            expression: arguments.str("var").map(str::to_owned),
            verbosity: arguments.int("verbosity").unwrap_or(0),
        }))
    }
}

#[derive(Debug)]
struct Showing {
    message: Value,
    expression: Option<String>,
    verbosity: i64,
}

impl Action for Showing {
    fn describe(&self) -> String {
        match &self.expression {
            Some(expression) => format!("show {expression}"),
            None => format!("show {}", self.message),
        }
    }

    fn observe(&self, cx: &mut HostCx<'_>) -> Result<Observed, ModuleError> {
        if self.verbosity > 0 {
            let now = cx.controller.variable("ansible_verbosity").ok().flatten();
            let now = now.as_ref().and_then(Value::as_i64).unwrap_or(0);
            if now < self.verbosity {
                return Ok(Observed::Skip("Verbosity threshold not met.".to_owned()));
            }
        }
        let (name, value) = match &self.expression {
            None => ("msg", Ok(self.message.clone())),
            Some(expression) => (expression.as_str(), value(cx, expression)),
        };
        let (value, warnings) = match value {
            Ok(value) => (value, Vec::new()),
            Err(problem) => (json!(format!("<< {problem} >>")), vec![problem]),
        };
        let text = value
            .as_str()
            .map_or_else(|| format!("{value:#}"), str::to_owned);
        Ok(Observed::Same(Outcome {
            tell: match &self.expression {
                Some(expression) => format!("{expression} = {text}"),
                None => text,
            },
            warnings,
            result: fields([(name, value)]),
            ..Outcome::default()
        }))
    }

    fn apply(&self, _cx: &mut HostCx<'_>, _change: &Change) -> Result<Outcome, ModuleError> {
        Ok(Outcome::default())
    }
}

/// Evaluates an expression; what is not defined is said to be so, as Ansible does: looking must not stop a run.
fn value(cx: &HostCx<'_>, expression: &str) -> Result<Value, String> {
    let word = |c: char| c == '_' || c.is_ascii_alphanumeric();
    if !expression.chars().all(word) {
        return cx
            .controller
            .evaluate(expression)
            .map_err(|problem| problem.message);
    }
    let known = cx
        .controller
        .variable(expression)
        .map_err(|problem| problem.message)?;
    Ok(known.unwrap_or_else(|| json!("VARIABLE IS NOT DEFINED!")))
}
