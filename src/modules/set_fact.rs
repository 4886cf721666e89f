//! `set_fact`: variables of the host.

use serde_json::{Map, Value, json};

use super::spec::{Argument, Arguments, Kind, ModuleSpec, Safety};
use super::{Action, Change, Effect, HostCx, Module, ModuleError, Observed, Outcome, fields};
use crate::yaml::Problem;

static SPEC: ModuleSpec = ModuleSpec {
    name: "set_fact",
    summary: "Sets variables of the host for the rest of the run",
    notes: &["Any argument is a variable; its value keeps its type."],
    arguments: &[Argument::new(
        "cacheable",
        Kind::Flag,
        "Whether they are facts as well (`ansible_facts`).",
    )
    .default("false")],
    open: true,
    safety: Safety::Engine,
    needs_host: false,
    example: "- set_fact:\n    leader: \"{{ agency.leader }}\"\n",
    returns: &[("ansible_facts", "the variables")],
    ..ModuleSpec::EMPTY
};

/// The module.
#[derive(Debug)]
pub(super) struct SetFact;

impl Module for SetFact {
    fn spec(&self) -> &'static ModuleSpec {
        &SPEC
    }

    fn action(&self, arguments: &Arguments) -> Result<Box<dyn Action>, Vec<Problem>> {
        let mut variables = arguments.values.clone();
        variables.shift_remove("cacheable");
        let problems: Vec<Problem> = variables
            .keys()
            .filter(|name| !is_name(name))
            .map(|name| {
                Problem::at(
                    &arguments.loc,
                    format!("`{name}` cannot be the name of a variable"),
                )
                .hint("letters, digits and _, not starting with a digit")
            })
            .collect();
        if !problems.is_empty() {
            return Err(problems);
        }
        if variables.is_empty() {
            return Err(ModuleError::failed("no variable is given").in_task(arguments));
        }
        Ok(Box::new(Setting {
            variables,
            facts: arguments.flag("cacheable"),
        }))
    }
}

/// Tells whether a text can be the name of a variable.
pub(super) fn is_name(name: &str) -> bool {
    let word = |c: char| c == '_' || c.is_ascii_alphanumeric();
    !name.is_empty() && name.chars().all(word) && !name.starts_with(|c: char| c.is_ascii_digit())
}

#[derive(Debug)]
struct Setting {
    variables: Map<String, Value>,
    facts: bool,
}

impl Action for Setting {
    fn describe(&self) -> String {
        let names: Vec<&str> = self.variables.keys().map(String::as_str).collect();
        format!("set {}", names.join(", "))
    }

    fn observe(&self, _cx: &mut HostCx<'_>) -> Result<Observed, ModuleError> {
        Ok(Observed::Same(Outcome {
            result: fields([("ansible_facts", json!(self.variables))]),
            effects: vec![Effect::SetFact {
                variables: self.variables.clone(),
                facts: self.facts,
            }],
            ..Outcome::default()
        }))
    }

    fn apply(&self, _cx: &mut HostCx<'_>, _change: &Change) -> Result<Outcome, ModuleError> {
        Ok(Outcome::default())
    }
}
