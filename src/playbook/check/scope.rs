//! What one task sees.

use super::names::{Definition, MAGIC, Names};
use crate::playbook::{Context, Level, Play, RoleUse, Task};
use crate::yaml::{Loc, Node, nearest};

/// What a text sees: the task's context, its play, what is defined elsewhere.
#[derive(Debug, Clone)]
pub(super) struct Scope<'a> {
    pub(super) names: &'a Names<'a>,
    pub(super) context: &'a Context,
    pub(super) play: Option<&'a Play>,
    /// Names that are defined just here: a loop's variables, `result`, `found`.
    pub(super) here: Vec<&'a str>,
}

/// What defines a name.
#[derive(Debug)]
pub(super) enum Defined {
    /// Something does; these are the values that are known.
    By(Vec<Definition>),
    /// Nothing can.
    ByNothing,
}

impl<'a> Scope<'a> {
    /// Adds the names that are defined just for a task.
    pub(super) fn for_task(mut self, task: &'a Task) -> Self {
        if let Some(repetition) = &task.r#loop {
            let control = &repetition.control;
            let written = control.loop_var.as_ref().and_then(Node::as_str);
            self.here.push(written.unwrap_or("item"));
            self.here
                .extend(control.index_var.as_ref().and_then(Node::as_str));
        }
        self
    }

    /// Returns what defines a name.
    pub(super) fn find(&self, name: &str) -> Defined {
        let is_there = self.names.anything
            || name.starts_with("ansible_")
            || MAGIC.contains(&name)
            || self.here.contains(&name)
            || self.names.outside.contains(name);
        let mut definitions = Vec::new();
        definitions.extend(
            self.names
                .everywhere
                .get(name)
                .into_iter()
                .flatten()
                .cloned(),
        );
        if let Some(table) = self.play.and_then(|play| self.names.plays.get(&play.id)) {
            definitions.extend(table.get(name).into_iter().flatten().cloned());
        }
        let mut is_argument = false;
        for level in self.context.levels() {
            definitions.extend(in_map(level.keywords.vars.as_ref(), name));
            if let Level::Role(used) = &level.level {
                in_role(used, name, &mut definitions);
                is_argument |= is_argument_of(used, name);
            }
        }
        if is_there || is_argument || !definitions.is_empty() {
            Defined::By(definitions)
        } else {
            Defined::ByNothing
        }
    }

    /// Returns "did you mean", with where the nearest name is defined.
    pub(super) fn nearest(&self, name: &str) -> Option<String> {
        let mut known: Vec<(String, Option<Loc>)> = Vec::new();
        let table = self.play.and_then(|play| self.names.plays.get(&play.id));
        for (name, definitions) in self
            .names
            .everywhere
            .iter()
            .chain(table.into_iter().flatten())
        {
            known.push((
                name.clone(),
                definitions.first().map(|found| found.loc.clone()),
            ));
        }
        for level in self.context.levels() {
            let mut maps: Vec<&Node> = level.keywords.vars.iter().collect();
            if let Level::Role(used) = &level.level {
                maps.extend(used.role.defaults.iter().chain(&used.role.vars));
            }
            for (key, _) in maps.into_iter().filter_map(Node::as_map).flatten() {
                known.push((key.name.clone(), Some(key.loc.clone())));
            }
        }
        let others = MAGIC.iter().chain(&self.here).copied();
        known.extend(others.map(|name| (name.to_owned(), None)));
        known.extend(
            self.names
                .outside
                .iter()
                .map(|name| ((*name).to_owned(), None)),
        );
        let near = nearest(name, known.iter().map(|(name, _)| name.as_str()))?;
        let place = known
            .iter()
            .find(|(name, _)| name == near)
            .and_then(|(_, loc)| loc.as_ref());
        Some(match place {
            Some(loc) => format!("did you mean `{near}` ({}:{})?", loc.source.name, loc.line),
            None => format!("did you mean `{near}`?"),
        })
    }
}

fn in_map(node: Option<&Node>, name: &str) -> Option<Definition> {
    let entries = node?.as_map()?;
    let (key, value) = entries.iter().find(|(key, _)| key.name == name)?;
    Some(Definition {
        loc: key.loc.clone(),
        value: Some(value.clone()),
    })
}

fn in_role(used: &RoleUse, name: &str, definitions: &mut Vec<Definition>) {
    for node in used.role.defaults.iter().chain(&used.role.vars) {
        definitions.extend(in_map(Some(node), name));
    }
    let param = used.params.iter().find(|(key, _)| key.name == name);
    definitions.extend(param.map(|(key, value)| Definition {
        loc: key.loc.clone(),
        value: Some(value.clone()),
    }));
    for dependency in &used.dependencies {
        in_role(dependency, name, definitions);
    }
}

/// Says whether a role asks for a variable in its `meta/argument_specs.yml`: whether it gets it is checked there.
fn is_argument_of(used: &RoleUse, name: &str) -> bool {
    let spec = used.role.argument_spec.as_ref();
    spec.is_some_and(|spec| spec.options.iter().any(|option| option.name == name))
}
