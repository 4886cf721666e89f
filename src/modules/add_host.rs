//! `add_host`: a host for the rest of the run.

use serde_json::{Map, Value, json};

use super::spec::{Argument, Arguments, Kind, ModuleSpec, Safety};
use super::{Action, Change, Effect, HostCx, Module, ModuleError, Observed, Outcome, fields};
use crate::yaml::Problem;

static SPEC: ModuleSpec = ModuleSpec {
    name: "add_host",
    summary: "Adds a host, or adds groups and variables to one, for the rest of the run",
    notes: &["Any further argument is a variable of the host."],
    arguments: &[
        Argument::new(
            "name",
            Kind::Str,
            "The host; `name:port` sets its port too.",
        )
        .aliases(&["host", "hostname"])
        .required(),
        Argument::new("groups", Kind::List, "Its groups; new ones are made.")
            .aliases(&["group", "groupname"]),
    ],
    open: true,
    safety: Safety::Engine,
    needs_host: false,
    example: "- add_host:\n    name: \"{{ leader }}\"\n    groups: leaders\n",
    returns: &[("add_host", "the host's name, groups and variables")],
    ..ModuleSpec::EMPTY
};

/// The module.
#[derive(Debug)]
pub(super) struct AddHost;

impl Module for AddHost {
    fn spec(&self) -> &'static ModuleSpec {
        &SPEC
    }

    fn action(&self, arguments: &Arguments) -> Result<Box<dyn Action>, Vec<Problem>> {
        let mut variables = arguments.values.clone();
        for name in ["name", "groups"] {
            variables.shift_remove(name);
        }
        let mut name = arguments.str("name").unwrap_or_default().to_owned();
        let split = name
            .rsplit_once(':')
            .map(|(host, port)| (host.to_owned(), port.parse::<u16>()));
        if let Some((host, Ok(port))) = split
            && !host.contains(':')
        {
            name = host;
            variables.entry("ansible_port").or_insert(json!(port));
        }
        Ok(Box::new(Adding {
            name,
            groups: arguments
                .list("groups")
                .iter()
                .map(|group| group.trim().to_owned())
                .collect(),
            variables,
        }))
    }
}

#[derive(Debug)]
struct Adding {
    name: String,
    groups: Vec<String>,
    variables: Map<String, Value>,
}

impl Action for Adding {
    fn describe(&self) -> String {
        format!("add host {} to {}", self.name, self.groups.join(", "))
    }

    fn observe(&self, _cx: &mut HostCx<'_>) -> Result<Observed, ModuleError> {
        Ok(Observed::Same(Outcome {
            changed: true,
            result: fields([(
                "add_host",
                json!({"host_name": self.name, "groups": self.groups, "host_vars": self.variables}),
            )]),
            effects: vec![Effect::AddHost {
                name: self.name.clone(),
                groups: self.groups.clone(),
                variables: self.variables.clone(),
            }],
            ..Outcome::default()
        }))
    }

    fn apply(&self, _cx: &mut HostCx<'_>, _change: &Change) -> Result<Outcome, ModuleError> {
        Ok(Outcome::default())
    }
}
