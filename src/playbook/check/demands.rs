//! What a run that can be stopped and resumed demands of a playbook.

use super::survey::{Part, Survey};
use super::{Findings, Surroundings};
use crate::modules::spec::Safety;
use crate::playbook::{Action, Files, Task};
use crate::yaml::{Node, Problem, duration_of, flag};

pub(super) fn check(
    survey: &Survey<'_>,
    surroundings: &Surroundings<'_>,
    is_whole: bool,
    findings: &mut Findings,
) {
    // What was not understood may be the very `done_when` that is missed.
    if surroundings.demanding && is_whole {
        resumable_commands(survey, surroundings.files, findings);
    }
    going_on_alone(survey, findings);
    points_of_no_return(survey, findings);
    names_of_brackets(survey, findings);
    protected_tags(survey, findings);
}

/// Shipped roles never need the operator: each of their commands can be asked whether it was done.
fn resumable_commands(survey: &Survey<'_>, files: &dyn Files, findings: &mut Findings) {
    for (task, around) in &survey.tasks {
        let is_shipped = files.is_shipped(&task.loc.source.name);
        if around.part == Part::Probe || !is_shipped || !is_blind_command(task) {
            continue;
        }
        let message = format!(
            "`{}` cannot be asked whether it was done, should the run be cut off here",
            task.action.name()
        );
        let width = task.action.name().chars().count();
        findings.problems.push(
            Problem::at(place_of(task), message)
                .width(width)
                .hint("add `done_when` or `creates`, or `changed_when: false` if it only reads"),
        );
    }
}

/// Only what is one job can go on while the next tasks run.
fn going_on_alone(survey: &Survey<'_>, findings: &mut Findings) {
    for (task, _) in &survey.tasks {
        let (Action::Module { spec, .. }, Some(poll), Some(_)) =
            (&task.action, &task.poll, &task.r#async)
        else {
            continue;
        };
        let is_zero = duration_of(&poll.to_value()).is_ok_and(|poll| poll.is_zero());
        if is_zero && !spec.goes_on_alone() {
            findings.problems.push(spec.not_alone(poll));
        }
    }
}

fn place_of(task: &Task) -> &crate::yaml::Loc {
    match &task.action {
        Action::Module { arguments, .. } => &arguments.loc,
        Action::Include(_) | Action::Meta(_) | Action::RoleArguments(_) => &task.loc,
    }
}

/// Says whether a task runs something that nothing can tell to have been done.
fn is_blind_command(task: &Task) -> bool {
    let Action::Module {
        spec, arguments, ..
    } = &task.action
    else {
        return false;
    };
    let says_no = |node: &Node| flag(node) == Ok(false);
    // A request that only asks is no command.
    let asks = spec.name == "uri"
        && arguments
            .entry("method")
            .is_none_or(|method| matches!(method.as_str(), Some("GET" | "HEAD" | "OPTIONS")));
    spec.safety == Safety::Once
        && !asks
        && task.done_when.is_none()
        && !task.changed_when.iter().any(says_no)
        && !["creates", "removes"]
            .iter()
            .any(|name| arguments.entry(name).is_some())
}

/// A point of no return is asked for where the run may stop.
fn points_of_no_return(survey: &Survey<'_>, findings: &mut Findings) {
    let of_tasks = survey
        .tasks
        .iter()
        .map(|(task, around)| (&task.point_of_no_return, around));
    let of_blocks = survey
        .blocks
        .iter()
        .map(|(block, around)| (&block.point_of_no_return, around));
    for (point, around) in of_tasks.chain(of_blocks) {
        let Some(node) = point else { continue };
        if around.indivisible.is_some() {
            let message = "a point of no return is asked for where the run may stop, not inside an indivisible block";
            findings.problems.push(
                Problem::at(&node.loc, message).hint("put it on the block, or on a task before it"),
            );
        }
        if matches!(around.part, Part::Probe | Part::Handler) {
            let message = "a point of no return belongs to a play's tasks";
            findings.problems.push(Problem::at(&node.loc, message));
        }
    }
}

/// What a bracket found is known by its name, so no two brackets have the same.
fn names_of_brackets(survey: &Survey<'_>, findings: &mut Findings) {
    for (index, (bracket, _)) in survey.brackets.iter().enumerate() {
        let same = survey
            .brackets
            .iter()
            .take(index)
            .find(|(other, _)| other.name == bracket.name && other.loc != bracket.loc);
        if let Some((other, _)) = same {
            let message = format!("a second bracket is called `{}`", bracket.name);
            findings.problems.push(
                Problem::at(&bracket.loc, message).note(format!("the first is at {}", other.loc)),
            );
        }
    }
}

/// Tags cannot take protection away, so tags on it mislead.
fn protected_tags(survey: &Survey<'_>, findings: &mut Findings) {
    for (task, around) in &survey.tasks {
        let is_protection = matches!(around.part, Part::Gate | Part::Bracket | Part::Probe);
        if let (true, Some(tag)) = (is_protection, task.context.keywords.tags.first()) {
            let message = "tags do not take a gate, guard or bracket away";
            findings.notes.push(Problem::at(&tag.loc, message));
        }
    }
}
