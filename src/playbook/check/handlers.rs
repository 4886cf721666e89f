//! Handlers that are notified and are not there.

use super::Findings;
use super::survey::{Part, Survey};
use crate::modules::spec::is_template;
use crate::playbook::{Action, Include, Included, Task};
use crate::yaml::{Node, Problem, nearest};

pub(super) fn check(survey: &Survey<'_>, findings: &mut Findings) {
    for play in &survey.plays {
        let is_here = |task: &&(&Task, super::survey::Around<'_>)| {
            task.1.play.is_some_and(|other| other.id == play.id)
        };
        let handlers: Vec<&Task> = survey
            .tasks
            .iter()
            .filter(is_here)
            .filter(|(_, around)| around.part == Part::Handler)
            .map(|(task, _)| *task)
            .collect();
        let names: Vec<String> = handlers
            .iter()
            .flat_map(|handler| topics(handler))
            .collect();
        let may_be_more = names.iter().any(|name| is_template(name))
            || survey
                .tasks
                .iter()
                .filter(is_here)
                .any(|(task, _)| loads_unknown_role(task));
        for handler in &handlers {
            if handler.name.is_none() && handler.listen.is_empty() {
                let message = "this handler has neither `name` nor `listen`: nothing can notify it";
                findings.notes.push(Problem::at(&handler.loc, message));
            }
        }
        if may_be_more {
            continue;
        }
        for (task, _) in survey.tasks.iter().filter(is_here) {
            for node in task.context.notify() {
                findings.problems.extend(unknown(node, &names));
            }
        }
    }
}

/// Returns the names to which a handler answers.
fn topics(handler: &Task) -> Vec<String> {
    let mut names = Vec::new();
    if let Some(name) = handler.name.as_ref().and_then(Node::as_str) {
        names.push(name.to_owned());
        if let Some(used) = handler.context.role() {
            names.push(format!("{} : {name}", used.role.name));
        }
    }
    names.extend(
        handler
            .listen
            .iter()
            .filter_map(Node::as_str)
            .map(str::to_owned),
    );
    names
}

/// Says whether a task brings handlers that are known only when it runs.
fn loads_unknown_role(task: &Task) -> bool {
    match &task.action {
        Action::Include(Include {
            what: Included::Role { name, files, .. },
            ..
        }) => {
            let parts = [Some(name), files.handlers.as_ref()];
            parts
                .into_iter()
                .flatten()
                .any(|node| node.as_str().is_some_and(is_template))
        }
        Action::Include(_) | Action::Module { .. } | Action::Meta(_) | Action::RoleArguments(_) => {
            false
        }
    }
}

fn unknown(node: &Node, names: &[String]) -> Option<Problem> {
    let name = node.as_str().filter(|name| !is_template(name))?;
    if names.iter().any(|known| known == name) {
        return None;
    }
    let mut problem =
        Problem::at(&node.loc, format!("there is no handler `{name}`")).width(name.chars().count());
    let near = nearest(name, names.iter().map(String::as_str));
    problem.hint = near.map(|near| format!("did you mean `{near}`?"));
    Some(problem)
}
