//! `stagger plan`: what a run would do.

use serde_json::json;

use super::super::args;
use super::super::failure::{ExitCode, Failure};
use super::super::machine::Machine;
use super::super::prepared::{Mode, secrets_of};
use super::super::sessions::wrong_variables;
use super::super::starting::Request;
use super::super::{output, plan_file, settings, surveying};
use crate::clock::Clock as _;
use crate::rollout::{Survey, Templaters as _};

/// Prints the plan; no host is touched, and asked only with `--live`.
pub(in crate::cli) fn run(arguments: &args::Plan, machine: &Machine) -> Result<ExitCode, Failure> {
    let request = Request::planned(
        arguments,
        Mode {
            forks: arguments.reaching.forks,
            ..Mode::default()
        },
    );
    let prepared = request.prepare(machine)?;
    let directory = crate::playbook::directory_of(&arguments.playbook);
    let wrong = wrong_variables(
        &prepared.world,
        directory,
        &prepared.plan.hosts(),
        &prepared.templaters.searching(&[]),
    );
    if !wrong.is_empty() {
        return Err(wrong.into());
    }
    if let Some(path) = &arguments.out {
        let (sources, selection) = (&arguments.sources, &arguments.selection);
        plan_file::write(path, &prepared.plan, sources, selection, machine)?;
    }
    let wanted = Survey {
        live: arguments.live,
        commands: arguments.commands,
    };
    let mut code = ExitCode::Done;
    let mut surveyed = None;
    if wanted != Survey::default() {
        let masker = secrets_of(&prepared.world, directory, machine);
        let seen = surveying::look(&request, &prepared, wanted, masker, machine)?;
        code = surveying::exit(&seen);
        surveyed = Some(seen);
    }
    let live = surveyed.as_ref().filter(|_| wanted.live);
    let live = live.map(|seen| surveying::live(&seen.records, prepared.clock.now()));
    let mut text = if arguments.json {
        let mut value = json!(prepared.plan);
        if let (Some(live), Some(plan)) = (&live, value.as_object_mut()) {
            plan.insert("live".to_owned(), json!(live));
        }
        settings::pretty(&value)
    } else if arguments.commands && !arguments.live {
        String::new()
    } else {
        prepared.plan.text_with(live.as_ref())
    };
    if let (Some(seen), true) = (&surveyed, arguments.commands) {
        if !text.is_empty() {
            text.push('\n');
        }
        text.push_str(&surveying::commands(&seen.by_hand));
    }
    output::data(&format!("{}\n", text.trim_end()))
        .map_err(|error| Failure::usage(format!("cannot print: {error}")))?;
    Ok(code)
}
