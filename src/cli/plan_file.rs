//! A plan kept in a file: `plan --out FILE` writes it, `apply FILE` does that plan or says what changed.

use serde::{Deserialize, Serialize};

use super::args::{Apply, Selection, Sources};
use super::failure::Failure;
use super::machine::{Machine, reason};
use super::{secret_vars, settings};
use crate::plan::Plan;
use crate::playbook::Files as _;

/// What was asked for when a plan was made.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Asked {
    directory: String,
    inventory: Vec<String>,
    limit: Vec<String>,
    extra_vars: Vec<String>,
    tags: Vec<String>,
    skip_tags: Vec<String>,
}

fn here() -> String {
    let here = std::env::current_dir().unwrap_or_default();
    here.to_string_lossy().into_owned()
}

/// Writes a plan with what was asked for.
pub(super) fn write(
    path: &std::path::Path,
    plan: &Plan,
    sources: &Sources,
    selection: &Selection,
    machine: &Machine,
) -> Result<(), Failure> {
    if let Some((name, _)) = secret_vars::find(&sources.extra_vars).first() {
        return Err(Failure::usage(format!(
            "`{name}` is a secret, and a plan is a file that is passed around"
        ))
        .hint("put it into a file of variables: -e @FILE"));
    }
    let asked = Asked {
        directory: here(),
        inventory: settings::sources(sources, machine)?,
        limit: sources.limit.clone(),
        extra_vars: sources.extra_vars.clone(),
        tags: selection.tags.clone(),
        skip_tags: selection.skip_tags.clone(),
    };
    let cannot = |why: String| Failure::usage(format!("cannot write {}: {why}", path.display()));
    let kept = Plan {
        request: serde_json::to_value(asked).map_err(|error| cannot(error.to_string()))?,
        ..plan.clone()
    };
    let text = serde_json::to_string_pretty(&kept).map_err(|error| cannot(error.to_string()))?;
    Machine::write_file(path, text.as_bytes(), 0o644).map_err(|error| cannot(reason(&error)))
}

/// Reads a plan, if that is what a file is; returns the arguments with what was asked for then.
pub(super) fn read(arguments: &Apply, machine: &Machine) -> Result<Option<(Apply, Plan)>, Failure> {
    let Ok(content) = machine.read(&arguments.playbook) else {
        return Ok(None);
    };
    if content.first() != Some(&b'{') {
        return Ok(None);
    }
    let file = &arguments.playbook;
    let plan: Plan = serde_json::from_slice(&content)
        .map_err(|error| Failure::usage(format!("{file} is no plan: {error}")))?;
    let asked: Asked = match plan.request.clone() {
        request if request.is_null() => {
            return Err(Failure::usage(format!(
                "{file} does not say what was asked for: it was printed, not kept"
            ))
            .hint("`stagger plan ... --out FILE` keeps a plan"));
        }
        request => serde_json::from_value(request)
            .map_err(|error| Failure::usage(format!("{file} is no plan: {error}")))?,
    };
    let sources = &arguments.sources;
    let chosen = &arguments.selection;
    if !(sources.inventory.is_empty()
        && sources.limit.is_empty()
        && sources.extra_vars.is_empty()
        && chosen.tags.is_empty()
        && chosen.skip_tags.is_empty())
    {
        return Err(Failure::usage(
            "a plan holds its inventory, limit, variables and tags: they cannot be given again",
        )
        .hint("make a new plan"));
    }
    if asked.directory != here() {
        return Err(Failure::usage(format!(
            "the plan was made in {}, and its paths are relative to that",
            asked.directory
        ))
        .hint(format!("cd {}", asked.directory)));
    }
    let mut applied = arguments.clone();
    applied.playbook.clone_from(&plan.playbook);
    applied.sources.inventory = asked.inventory;
    applied.sources.limit = asked.limit;
    applied.sources.extra_vars = asked.extra_vars;
    applied.selection.tags = asked.tags;
    applied.selection.skip_tags = asked.skip_tags;
    Ok(Some((applied, plan)))
}

/// Refuses a plan that would not be what is done now.
pub(super) fn holds(kept: &Plan, now: &Plan) -> Result<(), Failure> {
    let changes = kept.differs(now);
    if changes.is_empty() {
        return Ok(());
    }
    let mut failure = Failure::usage("the plan does not hold any more")
        .hint("look at a new plan: `stagger plan`");
    if let Some(problem) = failure.problems.last_mut() {
        let told = changes
            .iter()
            .map(|change| format!("changed since: {change}"));
        problem.notes.extend(told);
    }
    Err(failure)
}
