//! The arguments of roles that can be judged before the run: those that are missing, and those that are literals.

use std::collections::BTreeSet;

use super::Findings;
use super::names::Names;
use super::scope::Scope;
use super::survey::Survey;
use crate::modules::spec::is_template;
use crate::playbook::{Action, RoleOption, RoleUse, Task};
use crate::yaml::{Data, Key, Node, Problem};

/// Returns the names of arguments that are missing: each is told once, at the first use of its role, and its uses are not
/// told again as undefined variables.
pub(super) fn check(
    survey: &Survey<'_>,
    names: &Names<'_>,
    findings: &mut Findings,
) -> BTreeSet<String> {
    let mut told: BTreeSet<(String, String)> = BTreeSet::new();
    for (task, around) in &survey.tasks {
        let Action::RoleArguments(used) = &task.action else {
            continue;
        };
        let scope = Scope {
            names,
            context: &task.context,
            play: around.play.map(std::sync::Arc::as_ref),
            here: Vec::new(),
        };
        let options = used
            .role
            .argument_spec
            .iter()
            .flat_map(|spec| &spec.options);
        for option in options {
            let is_missing = option.required && !is_given(option, task, &scope);
            if is_missing && told.insert((option.name.clone(), used.role.path.clone())) {
                findings.problems.push(missing(option, used));
            }
        }
        for (key, value) in written(task, used) {
            check_literal(used, key, value, findings);
        }
    }
    told.into_iter().map(|(name, _)| name).collect()
}

/// Says whether anything can give a required argument.
fn is_given(option: &RoleOption, task: &Task, scope: &Scope<'_>) -> bool {
    let name = option.name.as_str();
    if scope.names.anything
        || name.starts_with("ansible_")
        || scope.names.outside.contains(name)
        || scope.names.everywhere.contains_key(name)
    {
        return true;
    }
    let of_play = scope.play.and_then(|play| scope.names.plays.get(&play.id));
    of_play.is_some_and(|table| table.contains_key(name))
        || task.context.levels().any(|level| {
            let vars = level.keywords.vars.as_ref();
            vars.is_some_and(|vars| vars.entry(name).is_some())
        })
        || task.context.roles().any(|used| has(used, name))
}

fn has(used: &RoleUse, name: &str) -> bool {
    let mut maps = used.role.defaults.iter().chain(&used.role.vars);
    maps.any(|map| map.entry(name).is_some())
        || used.params.iter().any(|(key, _)| key.name == name)
        || used.dependencies.iter().any(|used| has(used, name))
}

fn missing(option: &RoleOption, used: &RoleUse) -> Problem {
    let message = format!("the role `{}` needs `{}`", used.role.name, option.name);
    let mut problem = Problem::at(&used.loc, message);
    if let Some(text) = &option.description {
        problem = problem.hint(text.lines().next().unwrap_or_default());
    }
    problem.note(format!("asked for at {}", option.loc))
}

/// Returns the variables around a role that are written down, the role's own defaults too.
fn written<'t>(task: &'t Task, used: &'t RoleUse) -> Vec<(&'t Key, &'t Node)> {
    let maps = task
        .context
        .levels()
        .filter_map(|level| level.keywords.vars.as_ref())
        .chain(&used.role.defaults)
        .chain(&used.role.vars)
        .filter_map(Node::as_map);
    let params = used.params.iter().map(|(key, value)| (key, value));
    maps.flatten()
        .map(|(key, value)| (key, value))
        .chain(params)
        .collect()
}

fn check_literal(used: &RoleUse, key: &Key, value: &Node, findings: &mut Findings) {
    let mut options = used
        .role
        .argument_spec
        .iter()
        .flat_map(|spec| &spec.options);
    let Some(option) = options.find(|option| option.name == key.name) else {
        return;
    };
    if holds_template(value) || value.data == Data::Null {
        return;
    }
    for message in option.check(&value.to_value()) {
        let problem = Problem::at(&value.loc, message);
        findings.problems.push(problem.note(format!(
            "the role `{}` asks for it at {}",
            used.role.name, option.loc
        )));
    }
}

fn holds_template(node: &Node) -> bool {
    match &node.data {
        Data::Str(text) => is_template(text) || node.tag.is_some(),
        Data::Seq(items) => items.iter().any(holds_template),
        Data::Map(entries) => entries.iter().any(|(_, value)| holds_template(value)),
        Data::Null | Data::Bool(_) | Data::Int(_) | Data::Float(_) => false,
    }
}
