//! `stagger runs`: the runs that are kept, and where each stands.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::super::args::Runs;
use super::super::failure::Failure;
use super::super::machine::Machine;
use super::super::starting::{records_directory, state};
use super::super::{output, settings};
use crate::events::BracketRef;
use crate::journal::{RunState, RunSummary, StateDirectory};
use crate::yaml::nearest;

/// How the time is written at which a run was started.
const STARTED: &str = "%Y-%m-%d %H:%M:%S";

/// Prints the runs, the newest last.
pub(in crate::cli) fn run(arguments: &Runs, machine: &Machine) -> Result<(), Failure> {
    let kept = records_directory(arguments.state.as_deref(), machine);
    let runs = StateDirectory::at(&kept)
        .runs()
        .map_err(|error| state(&error))?;
    let text = if arguments.json {
        settings::pretty(&Value::Array(runs.iter().map(as_json).collect()))
    } else if runs.is_empty() {
        output::message(&format!("there are no runs in {}\n", kept.display()));
        return Ok(());
    } else {
        table(&runs)
    };
    output::data(&format!("{}\n", text.trim_end()))
        .map_err(|error| Failure::usage(format!("cannot print: {error}")))
}

/// Returns the run that is named, or the newest that stopped, and then says which one it is.
pub(in crate::cli) fn stopped(
    directory: &StateDirectory,
    named: Option<&str>,
) -> Result<String, Failure> {
    let runs = directory.runs().map_err(|error| state(&error))?;
    let found = match named {
        Some(name) => runs.iter().find(|run| run.run == name),
        None => runs.iter().rev().find(|run| goes_on(run)),
    };
    let Some(run) = found else {
        return Err(match named {
            Some(name) => unknown(name, runs.iter().map(|run| run.run.as_str())),
            None => Failure::usage("there is no run that stopped before its end")
                .hint("`stagger runs` lists all; --state DIR looks elsewhere"),
        });
    };
    match &run.state {
        RunState::Finished(0) if run.open.is_empty() => Err(Failure::usage(format!(
            "run {} came to its end; there is nothing to go on with",
            run.run
        ))),
        RunState::Finished(_)
        | RunState::Stopped
        | RunState::Running { .. }
        | RunState::Unreadable(_) => {
            if named.is_none() {
                output::message(&picked(run));
            }
            Ok(run.run.clone())
        }
    }
}

/// Says that there is no such run, and which one may be meant.
pub(in crate::cli) fn unknown<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Failure {
    let failure = Failure::usage(format!("there is no run {name}"));
    failure.hint(match nearest(name, known) {
        Some(near) => format!("did you mean `{near}`?"),
        None => "`stagger runs` lists them; --state DIR looks elsewhere".to_owned(),
    })
}

fn picked(run: &RunSummary) -> String {
    let mut text = format!(
        "run {}, the newest that did not come to its end: {}",
        run.run, run.header.playbook
    );
    if let Some(started) = run.started {
        // Writing to a String cannot fail.
        let _ = write!(text, ", started {}", started.strftime(STARTED));
    }
    let _ = write!(text, ", {}", word(run));
    if let Some(reason) = &run.header.reason {
        let _ = write!(text, ", \"{reason}\"");
    }
    text + "\n"
}

fn goes_on(run: &RunSummary) -> bool {
    // What one put back that only asked hosts, they know better.
    if run.header.args.iter().any(|word| word == "--from-hosts") {
        return false;
    }
    match &run.state {
        RunState::Stopped => !run.header.check,
        RunState::Finished(code) => (*code != 0 && !run.header.check) || !run.open.is_empty(),
        RunState::Running { .. } | RunState::Unreadable(_) => false,
    }
}

fn word(run: &RunSummary) -> String {
    match &run.state {
        RunState::Running { owner } => format!("running ({owner})"),
        RunState::Stopped => "stopped".to_owned(),
        RunState::Finished(0) => "done".to_owned(),
        RunState::Finished(code) => format!("ended with {code}"),
        RunState::Unreadable(_) => "unreadable".to_owned(),
    }
}

fn owed(open: &[BracketRef]) -> String {
    let name = |bracket: &BracketRef| match bracket.object.as_str() {
        "" => bracket.name.clone(),
        object => format!("{} ({object})", bracket.name),
    };
    open.iter().map(name).collect::<Vec<_>>().join(", ")
}

fn table(runs: &[RunSummary]) -> String {
    let mut rows = vec![["RUN", "STARTED", "STATE", "BY", "PLAYBOOK", ""].map(str::to_owned)];
    for run in runs {
        let started = run.started.map(|at| at.strftime(STARTED).to_string());
        let check = if run.header.check {
            " (check mode)"
        } else {
            ""
        };
        let owes = match owed(&run.open).as_str() {
            "" => String::new(),
            names if matches!(run.state, RunState::Running { .. }) => format!("inside: {names}"),
            names => format!("OWES: {names}"),
        };
        rows.push([
            run.run.clone(),
            started.unwrap_or_default(),
            word(run),
            run.header.operator.clone(),
            format!("{}{check}", run.header.playbook),
            owes,
        ]);
    }
    let mut widths = [0; 6];
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.chars().count().max(*width);
        }
    }
    let line = |row: &[String; 6]| {
        let cells: Vec<String> = row
            .iter()
            .zip(widths)
            .map(|(cell, width)| format!("{cell:width$}"))
            .collect();
        cells.join("  ").trim_end().to_owned()
    };
    let mut text = rows.iter().map(line).collect::<Vec<_>>().join("\n");
    // A reason is a sentence: in a column it would push all others out of sight.
    for run in runs {
        if let RunState::Unreadable(reason) = &run.state {
            let _ = write!(text, "\n\n{} cannot be read: {reason}", run.run);
        }
    }
    text
}

fn as_json(run: &RunSummary) -> Value {
    let (name, code, why) = match &run.state {
        RunState::Running { .. } => ("running", None, None),
        RunState::Stopped => ("stopped", None, None),
        RunState::Finished(code) => ("ended", Some(*code), None),
        RunState::Unreadable(reason) => ("unreadable", None, Some(reason)),
    };
    json!({
        "run": run.run,
        "started": run.started.map(|at| at.to_string()),
        "state": name,
        "unreadable": why,
        "exit_code": code,
        "playbook": run.header.playbook,
        "check": run.header.check,
        "operator": run.header.operator,
        "bastion": run.header.bastion,
        "reason": run.header.reason,
        "version": run.header.version,
        "owed": run.open,
    })
}
