//! `pause`: waits for a time or for the operator.

use std::time::Duration;

use serde_json::json;

use super::spec::{Argument, Arguments, Kind, ModuleSpec, Safety};
use super::{Action, Change, Effect, HostCx, Module, ModuleError, Observed, Outcome, fields};
use crate::yaml::Problem;

static SPEC: ModuleSpec = ModuleSpec {
    name: "pause",
    summary: "Waits for a time, or until the operator goes on",
    notes: &["It waits once for all hosts."],
    arguments: &[
        Argument::new("seconds", Kind::Duration, "How long, in seconds."),
        Argument::new("minutes", Kind::Float, "How long, in minutes."),
        Argument::new("prompt", Kind::Str, "What is shown."),
        Argument::new("echo", Kind::Flag, "Whether what is typed is shown.").default("true"),
    ],
    exclusive: &[&["seconds", "minutes"]],
    safety: Safety::Engine,
    needs_host: false,
    example: "- pause:\n    seconds: 30\n",
    returns: &[
        ("user_input", "what was typed"),
        ("delta", "how long it waited, in seconds"),
        ("echo", "whether what is typed is shown"),
    ],
    ..ModuleSpec::EMPTY
};

/// The module.
#[derive(Debug)]
pub(super) struct Pause;

impl Module for Pause {
    fn spec(&self) -> &'static ModuleSpec {
        &SPEC
    }

    fn action(&self, arguments: &Arguments) -> Result<Box<dyn Action>, Vec<Problem>> {
        let minutes = arguments.get("minutes").and_then(serde_json::Value::as_f64);
        let duration = match minutes {
            Some(minutes) => Duration::try_from_secs_f64(minutes * 60.0).ok(),
            None => arguments.duration("seconds"),
        };
        let given = arguments.get("minutes").is_some() || arguments.get("seconds").is_some();
        if given && duration.is_none() {
            return Err(ModuleError::failed(
                "the time to wait must be a number that is not negative",
            )
            .in_task(arguments));
        }
        Ok(Box::new(Pausing {
            duration,
            prompt: arguments.str("prompt").unwrap_or_default().to_owned(),
            echo: arguments.get("echo") != Some(&json!(false)),
        }))
    }
}

#[derive(Debug)]
struct Pausing {
    duration: Option<Duration>,
    prompt: String,
    echo: bool,
}

impl Action for Pausing {
    fn describe(&self) -> String {
        match self.duration {
            Some(duration) => format!("wait for {} s", duration.as_secs()),
            None => "wait for the operator".to_owned(),
        }
    }

    fn observe(&self, cx: &mut HostCx<'_>) -> Result<Observed, ModuleError> {
        if cx.check {
            return Ok(Observed::Unknown(Change::new(self.describe())));
        }
        Ok(Observed::Same(Outcome {
            result: fields([("echo", json!(self.echo))]),
            effects: vec![Effect::Pause {
                prompt: self.prompt.clone(),
                duration: self.duration,
                echo: self.echo,
            }],
            ..Outcome::default()
        }))
    }

    fn apply(&self, _cx: &mut HostCx<'_>, _change: &Change) -> Result<Outcome, ModuleError> {
        Ok(Outcome::default())
    }
}
