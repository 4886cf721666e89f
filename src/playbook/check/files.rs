//! Files that tasks name and that must be on the controller.

use std::collections::BTreeSet;

use super::Findings;
use super::survey::Survey;
use crate::modules::spec::{builtin_name, is_template};
use crate::playbook::{Action, Context, FileKind, Files, Playbook, Task, join};
use crate::yaml::{Node, Problem, flag, nearest};

/// The arguments that name a file of the controller: module, argument, the kind of directory it is looked for in.
const NAMED: &[(&str, &str, &str)] = &[
    ("template", "src", "templates"),
    ("copy", "src", "files"),
    ("unarchive", "src", "files"),
    ("assemble", "src", "files"),
    ("script", "cmd", "files"),
    ("include_vars", "file", "vars"),
    ("include_vars", "dir", "vars"),
];

/// A file that a task names.
#[derive(Debug)]
pub(super) struct Named<'a> {
    /// The argument's value.
    pub(super) node: &'a Node,
    /// The name.
    pub(super) name: &'a str,
    /// The kind of directory it is looked for in.
    pub(super) kind: &'static str,
    /// The module's own name.
    pub(super) module: &'static str,
}

/// Returns the file of the controller that a task names, if its name is no template.
pub(super) fn named(task: &Task) -> Option<Named<'_>> {
    let Action::Module {
        spec, arguments, ..
    } = &task.action
    else {
        return None;
    };
    let from_host = arguments
        .entry("remote_src")
        .is_some_and(|node| flag(node) != Ok(false));
    let (node, kind) = NAMED
        .iter()
        .filter(|(module, _, _)| *module == builtin_name(spec.name) && !from_host)
        .find_map(|(_, argument, kind)| Some((arguments.entry(argument)?, *kind)))?;
    let text = node.as_str().filter(|text| !is_template(text))?;
    let name = if spec.name == "script" {
        text.split_whitespace().next()?
    } else {
        text
    };
    Some(Named {
        node,
        name,
        kind,
        module: spec.name,
    })
}

impl Playbook {
    /// Returns the files of the controller that its tasks and plays name, as far as their names are no templates; for a
    /// directory the files in it.
    pub fn named_files(&self, files: &dyn Files) -> BTreeSet<String> {
        let survey = Survey::of(self);
        let mut found = BTreeSet::new();
        for (task, _) in &survey.tasks {
            let named = named(task).and_then(|named| {
                let name = named.name.trim_end_matches('/');
                task.context.find_file(named.kind, name, files)
            });
            if let Some(path) = named {
                below(path, files, &mut found);
            }
        }
        for play in &survey.plays {
            for node in &play.vars_files {
                for node in node.as_seq().unwrap_or(std::slice::from_ref(node)) {
                    let name = node.as_str().unwrap_or_default();
                    found.extend(vars_file(&play.context, name, files));
                }
            }
        }
        found
    }
}

fn below(path: String, files: &dyn Files, found: &mut BTreeSet<String>) {
    if files.kind(&path) == Some(FileKind::Directory) {
        for name in files.list(&path) {
            below(join(&path, &name), files, found);
        }
    } else {
        found.insert(path);
    }
}

pub(super) fn check(survey: &Survey<'_>, files: &dyn Files, findings: &mut Findings) {
    for (task, _) in &survey.tasks {
        let Some(named) = named(task) else { continue };
        let name = named.name.trim_end_matches('/');
        if task.context.find_file(named.kind, name, files).is_none() {
            let problem = missing(named.node, name, &task.context.search(named.kind), files);
            findings.problems.push(problem);
        }
    }
    for play in &survey.plays {
        for node in &play.vars_files {
            let choices = node.as_seq().unwrap_or(std::slice::from_ref(node));
            let names: Option<Vec<&str>> = choices
                .iter()
                .map(|node| node.as_str().filter(|text| !is_template(text)))
                .collect();
            let Some(names) = names else { continue };
            if names
                .iter()
                .all(|name| vars_file(&play.context, name, files).is_none())
            {
                let directories = [play.context.playbook_directory.to_string()];
                let name = names.first().copied().unwrap_or_default();
                findings
                    .problems
                    .push(missing(node, name, &directories, files));
            }
        }
    }
}

/// Finds one of a play's `vars_files`.
pub(super) fn vars_file(context: &Context, name: &str, files: &dyn Files) -> Option<String> {
    let directory = context.playbook_directory.as_ref();
    [join(directory, name), join(&join(directory, "vars"), name)]
        .into_iter()
        .find(|path| files.kind(path).is_some())
}

fn missing(node: &Node, name: &str, directories: &[String], files: &dyn Files) -> Problem {
    let mut problem =
        Problem::at(&node.loc, format!("there is no file `{name}`")).width(name.chars().count());
    let (inner, stem) = name.rsplit_once('/').unwrap_or(("", name));
    let names: Vec<String> = directories
        .iter()
        .flat_map(|directory| files.list(&join(directory, inner)))
        .collect();
    if let Some(near) = nearest(stem, names.iter().map(String::as_str)) {
        problem = problem.hint(format!("did you mean `{}`?", join(inner, near)));
    }
    problem.note(format!("looked in {}", directories.join(", ")))
}
