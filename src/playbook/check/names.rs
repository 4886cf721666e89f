//! What can define a variable: everything in the playbook and around it.
//!
//! Errs on the side of silence: a variable that anything might define is not undefined.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use super::survey::Survey;
use super::{Findings, Surroundings, files};
use crate::modules::spec::is_template;
use crate::playbook::{Action, Included, Level, RoleUse, Task, TaskId, join};
use crate::yaml::{Key, Loc, Node, Problem, Source, parse};

/// The variables that are always there.
pub(super) const MAGIC: &[&str] = &[
    "environment",
    "group_names",
    "groups",
    "hostvars",
    "inventory_dir",
    "inventory_file",
    "inventory_hostname",
    "inventory_hostname_short",
    "omit",
    "play_hosts",
    "playbook_dir",
    "role_name",
    "role_names",
    "role_path",
    "services",
    "stagger_from_hosts",
    "stagger_machine",
    "stagger_run_id",
    "stagger_stopped_runs",
    "template_destpath",
    "template_fullpath",
    "template_host",
    "template_mtime",
    "template_path",
    "template_run_date",
    "template_uid",
    "vars",
];

/// The arguments of `add_host` and `set_fact` that are no variables.
const NO_VARIABLES: &[&str] = &[
    "cacheable",
    "name",
    "hostname",
    "host",
    "groups",
    "group",
    "groupname",
];

/// Something that defines a variable.
#[derive(Debug, Clone)]
pub(super) struct Definition {
    /// Where.
    pub(super) loc: Loc,
    /// What it is, as written, if that is known.
    pub(super) value: Option<Node>,
}

/// Names with what defines them.
pub(super) type Table = BTreeMap<String, Vec<Definition>>;

/// Everything that can define a variable, but for the contexts of the tasks themselves.
#[derive(Debug, Default)]
pub(super) struct Names<'a> {
    /// What is defined for a host from some step on, in any play.
    pub(super) everywhere: Table,
    /// What is defined by a play.
    pub(super) plays: HashMap<TaskId, Table>,
    /// What is defined outside of the playbook.
    pub(super) outside: HashSet<&'a str>,
    /// Whether something may define any name.
    pub(super) anything: bool,
    /// The arguments of roles that are missing, which is told where the role is used.
    pub(super) missing: BTreeSet<String>,
}

/// Adds a map of variables.
pub(super) fn add_map(table: &mut Table, node: &Node) {
    for (key, value) in node.as_map().unwrap_or_default() {
        add(table, key, Some(value));
    }
}

fn add(table: &mut Table, key: &Key, value: Option<&Node>) {
    let definition = Definition {
        loc: key.loc.clone(),
        value: value.cloned(),
    };
    table.entry(key.name.clone()).or_default().push(definition);
}

/// Adds what a use of a role defines for others.
fn add_role(table: &mut Table, used: &RoleUse) {
    for node in used.role.defaults.iter().chain(&used.role.vars) {
        add_map(table, node);
    }
}

/// Collects what can define a variable.
pub(super) fn collect<'a>(
    survey: &Survey<'_>,
    surroundings: &Surroundings<'a>,
    findings: &mut Findings,
) -> Names<'a> {
    let mut names = Names {
        outside: surroundings
            .variables
            .unwrap_or_default()
            .iter()
            .map(String::as_str)
            .collect(),
        anything: surroundings.variables.is_none(),
        ..Names::default()
    };
    for play in &survey.plays {
        let mut table = Table::new();
        for used in &play.role_uses {
            add_role(&mut table, used);
        }
        for prompt in &play.vars_prompt {
            let key = Key {
                name: prompt.name.clone(),
                loc: prompt.loc.clone(),
            };
            add(&mut table, &key, None);
        }
        for node in &play.vars_files {
            for node in node.as_seq().unwrap_or(std::slice::from_ref(node)) {
                let name = node.as_str().unwrap_or_default();
                let path = files::vars_file(&play.context, name, surroundings.files);
                names.vars_file(path, node, &mut table, surroundings, findings);
            }
        }
        names.plays.insert(play.id.clone(), table);
    }
    for (task, around) in &survey.tasks {
        names.task(task, surroundings, findings);
        if let (Some(play), Some(used)) = (around.play, public_role(task, survey))
            && let Some(table) = names.plays.get_mut(&play.id)
        {
            add_role(table, used);
        }
    }
    names
}

/// Returns the role that an include with a known name shows to the whole play.
fn public_role<'s>(task: &Task, survey: &Survey<'s>) -> Option<&'s RoleUse> {
    let Action::Include(include) = &task.action else {
        return None;
    };
    let Included::Role {
        public: Some(_), ..
    } = &include.what
    else {
        return None;
    };
    let blocks = survey.blocks.iter().map(|(block, _)| *block);
    let mut inside = blocks.filter(|block| block.id.is_within(&task.id));
    inside.find_map(|block| match &block.context.level {
        Level::Role(used) => Some(used.as_ref()),
        Level::Playbook
        | Level::Play
        | Level::Block
        | Level::Include
        | Level::Protection
        | Level::Bracket
        | Level::Task => None,
    })
}

impl Names<'_> {
    /// Adds what a task defines for the tasks behind it.
    fn task(&mut self, task: &Task, surroundings: &Surroundings<'_>, findings: &mut Findings) {
        if let Some(name) = &task.register {
            let key = Key {
                name: name.clone(),
                loc: task.loc.clone(),
            };
            add(&mut self.everywhere, &key, None);
        }
        // The tasks of an include see the loop's variables.
        if let (Action::Include(_), Some(repetition)) = (&task.action, &task.r#loop) {
            let control = &repetition.control;
            let named = [&control.loop_var, &control.index_var];
            let mut own: Vec<&str> = named
                .into_iter()
                .flatten()
                .filter_map(Node::as_str)
                .collect();
            if control.loop_var.is_none() {
                own.push("item");
            }
            for name in own {
                let key = Key {
                    name: name.to_owned(),
                    loc: repetition.loc.clone(),
                };
                add(&mut self.everywhere, &key, None);
            }
        }
        let Action::Module {
            spec, arguments, ..
        } = &task.action
        else {
            return;
        };
        match spec.name {
            "set_fact" | "add_host" => {
                // What it is set to is rendered there, so its text means nothing here.
                for (key, _) in arguments.as_map().unwrap_or_default() {
                    self.anything |= is_template(&key.name);
                    if !NO_VARIABLES.contains(&key.name.as_str()) {
                        add(&mut self.everywhere, key, None);
                    }
                }
            }
            "include_vars" => self.include_vars(task, arguments, surroundings, findings),
            _ => {}
        }
    }

    fn include_vars(
        &mut self,
        task: &Task,
        arguments: &Node,
        surroundings: &Surroundings<'_>,
        findings: &mut Findings,
    ) {
        if let Some(name) = arguments.entry("name") {
            let key = Key {
                name: name.as_str().unwrap_or_default().to_owned(),
                loc: name.loc.clone(),
            };
            add(&mut self.everywhere, &key, None);
            return;
        }
        let Some(file) = arguments.entry("file") else {
            self.anything = true;
            return;
        };
        let name = file.as_str().unwrap_or_default();
        let path = task.context.find_file("vars", name, surroundings.files);
        let mut table = Table::new();
        self.vars_file(path, file, &mut table, surroundings, findings);
        for (name, definitions) in table {
            self.everywhere.entry(name).or_default().extend(definitions);
        }
    }

    /// Adds the variables of a file.
    fn vars_file(
        &mut self,
        path: Option<String>,
        node: &Node,
        table: &mut Table,
        surroundings: &Surroundings<'_>,
        findings: &mut Findings,
    ) {
        if node.as_str().is_some_and(is_template) {
            self.anything = true;
            return;
        }
        let Some(path) = path else { return };
        let bytes = surroundings.files.read(&join("", &path));
        let Some(text) = bytes.ok().and_then(|bytes| String::from_utf8(bytes).ok()) else {
            return;
        };
        if text.starts_with("$ANSIBLE_VAULT;") {
            self.anything = true;
            return;
        }
        match parse(&Source::new(path, text)) {
            Ok(read) if read.as_map().is_some() || read.data == crate::yaml::Data::Null => {
                add_map(table, &read);
            }
            Ok(read) => {
                let message = format!("a file of variables must hold a map, not {}", read.kind());
                findings.problems.push(Problem::at(&read.loc, message));
            }
            Err(problems) => findings.problems.extend(problems),
        }
    }
}
