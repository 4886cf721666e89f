//! `set_stats`: figures for the report.

use serde_json::{Map, Value, json};

use super::spec::{Argument, Arguments, Kind, ModuleSpec, Safety};
use super::{Action, Change, HostCx, Module, ModuleError, Observed, Outcome, fields};
use crate::yaml::Problem;

static SPEC: ModuleSpec = ModuleSpec {
    name: "set_stats",
    summary: "Keeps figures of the run for its report",
    arguments: &[
        Argument::new("data", Kind::Map, "The figures.").required(),
        Argument::new(
            "per_host",
            Kind::Flag,
            "Whether they are of this host; else of the run.",
        )
        .default("false"),
        Argument::new(
            "aggregate",
            Kind::Flag,
            "Whether a figure that is there already is added to instead of replaced.",
        )
        .default("true"),
    ],
    safety: Safety::Engine,
    needs_host: false,
    example: "- set_stats:\n    data:\n      moved_shards: \"{{ moved | length }}\"\n",
    returns: &[("ansible_stats", "the figures, and how they are kept")],
    ..ModuleSpec::EMPTY
};

/// The module.
#[derive(Debug)]
pub(super) struct SetStats;

impl Module for SetStats {
    fn spec(&self) -> &'static ModuleSpec {
        &SPEC
    }

    fn action(&self, arguments: &Arguments) -> Result<Box<dyn Action>, Vec<Problem>> {
        let data = arguments
            .get("data")
            .and_then(Value::as_object)
            .cloned()
            .unwrap_or_default();
        if let Some(name) = data.keys().find(|name| !super::set_fact::is_name(name)) {
            return Err(
                ModuleError::failed(format!("`{name}` cannot be the name of a figure"))
                    .in_task(arguments),
            );
        }
        Ok(Box::new(Setting {
            data,
            per_host: arguments.flag("per_host"),
            aggregate: arguments.get("aggregate") != Some(&json!(false)),
        }))
    }
}

#[derive(Debug)]
struct Setting {
    data: Map<String, Value>,
    per_host: bool,
    aggregate: bool,
}

impl Action for Setting {
    fn describe(&self) -> String {
        let names: Vec<&str> = self.data.keys().map(String::as_str).collect();
        format!("note {}", names.join(", "))
    }

    fn observe(&self, _cx: &mut HostCx<'_>) -> Result<Observed, ModuleError> {
        Ok(Observed::Same(Outcome {
            result: fields([(
                "ansible_stats",
                json!({"data": self.data, "per_host": self.per_host, "aggregate": self.aggregate}),
            )]),
            ..Outcome::default()
        }))
    }

    fn apply(&self, _cx: &mut HostCx<'_>, _change: &Change) -> Result<Outcome, ModuleError> {
        Ok(Outcome::default())
    }
}
