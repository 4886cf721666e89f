//! `group_by`: puts hosts into groups by what they are.

use serde_json::json;

use super::spec::{Argument, Arguments, Kind, ModuleSpec, Safety};
use super::{Action, Change, Effect, HostCx, Module, ModuleError, Observed, Outcome, fields};
use crate::yaml::Problem;

static SPEC: ModuleSpec = ModuleSpec {
    name: "group_by",
    summary: "Puts the host into a group for the rest of the run",
    arguments: &[
        Argument::new(
            "key",
            Kind::Str,
            "The group, mostly made of the host's variables; blanks become `-`.",
        )
        .required(),
        Argument::new(
            "parents",
            Kind::List,
            "The groups that this group is put into.",
        )
        .default("all"),
    ],
    safety: Safety::Engine,
    needs_host: false,
    example: "- group_by:\n    key: os_{{ ansible_distribution }}\n",
    returns: &[
        ("add_group", "the group"),
        ("parent_groups", "the groups that it is put into"),
    ],
    ..ModuleSpec::EMPTY
};

/// The module.
#[derive(Debug)]
pub(super) struct GroupBy;

impl Module for GroupBy {
    fn spec(&self) -> &'static ModuleSpec {
        &SPEC
    }

    fn action(&self, arguments: &Arguments) -> Result<Box<dyn Action>, Vec<Problem>> {
        let clean = |name: &str| name.replace(' ', "-");
        let mut parents: Vec<String> = arguments
            .list("parents")
            .iter()
            .map(|name| clean(name))
            .collect();
        if parents.is_empty() {
            parents.push("all".to_owned());
        }
        Ok(Box::new(Grouping {
            group: clean(arguments.str("key").unwrap_or_default()),
            parents,
        }))
    }
}

#[derive(Debug)]
struct Grouping {
    group: String,
    parents: Vec<String>,
}

impl Action for Grouping {
    fn describe(&self) -> String {
        format!("put the host into {}", self.group)
    }

    fn observe(&self, _cx: &mut HostCx<'_>) -> Result<Observed, ModuleError> {
        Ok(Observed::Same(Outcome {
            changed: true,
            result: fields([
                ("add_group", json!(self.group)),
                ("parent_groups", json!(self.parents)),
            ]),
            effects: vec![Effect::GroupBy {
                group: self.group.clone(),
                parents: self.parents.clone(),
            }],
            ..Outcome::default()
        }))
    }

    fn apply(&self, _cx: &mut HostCx<'_>, _change: &Change) -> Result<Outcome, ModuleError> {
        Ok(Outcome::default())
    }
}
