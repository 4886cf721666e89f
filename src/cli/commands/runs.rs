//! `stagger runs`: the runs that are kept, and where each stands.

use serde_json::{Value, json};

use super::super::args::Runs;
use super::super::failure::Failure;
use super::super::machine::Machine;
use super::super::starting::{records_directory, state};
use super::super::{output, settings};
use crate::events::BracketRef;
use crate::journal::{RunState, RunSummary, StateDirectory};

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

/// Returns the run that is named, or the newest that stopped.
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
            Some(name) => {
                Failure::usage(format!("there is no run {name}")).hint("`stagger runs` lists them")
            }
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
        | RunState::Unreadable(_) => Ok(run.run.clone()),
    }
}

fn goes_on(run: &RunSummary) -> bool {
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
        RunState::Unreadable(reason) => format!("unreadable: {reason}"),
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
        let started = run
            .started
            .map(|at| at.strftime("%Y-%m-%d %H:%M:%S").to_string());
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
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}

fn as_json(run: &RunSummary) -> Value {
    let (name, code) = match &run.state {
        RunState::Running { .. } => ("running", None),
        RunState::Stopped => ("stopped", None),
        RunState::Finished(code) => ("ended", Some(*code)),
        RunState::Unreadable(_) => ("unreadable", None),
    };
    json!({
        "run": run.run,
        "started": run.started.map(|at| at.to_string()),
        "state": name,
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
