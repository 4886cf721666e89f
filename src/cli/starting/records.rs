//! Where the records of runs are, and what they say before anything else is done.

use std::path::{Path, PathBuf};

use crate::cli::failure::{ExitCode, Failure};
use crate::cli::machine::Machine;
use crate::cli::output;
use crate::journal::{JournalError, StateDirectory};

/// Returns where runs are kept: as asked, `/var/lib/stagger` for root, else below the home directory.
pub(in crate::cli) fn records_directory(asked: Option<&Path>, machine: &Machine) -> PathBuf {
    if let Some(directory) = asked {
        return directory.to_owned();
    }
    let root = rustix::process::geteuid().is_root();
    match machine.environment.home() {
        Some(home) if !root => home.join(".local/state/stagger"),
        _ => PathBuf::from("/var/lib/stagger"),
    }
}

/// Says why records cannot be had.
pub(in crate::cli) fn state(error: &JournalError) -> Failure {
    match error {
        JournalError::Locked { .. } => Failure::new(ExitCode::Locked, error.to_string()),
        JournalError::Busy { run, .. } => Failure::new(ExitCode::Locked, error.to_string()).hint(
            format!("a cluster is worked on by one run at a time: wait until {run} ends, or interrupt it where it was typed"),
        ),
        JournalError::NoRun { .. } => {
            Failure::usage(error.to_string()).hint("`stagger runs` lists them")
        }
        JournalError::Full { .. }
        | JournalError::NotWritable { .. }
        | JournalError::Io { .. }
        | JournalError::Database { .. }
        | JournalError::Newer { .. }
        | JournalError::Record { .. } => {
            Failure::usage(error.to_string()).hint("--state DIR keeps the records elsewhere")
        }
    }
}

/// Says what earlier runs still owe: whatever is done next, that comes first.
pub(super) fn say_debts(directory: &StateDirectory, but: Option<&str>) {
    for run in directory.runs().unwrap_or_default() {
        if run.open.is_empty() || but == Some(run.run.as_str()) {
            continue;
        }
        if matches!(run.state, crate::journal::RunState::Running { .. }) {
            continue;
        }
        let names: Vec<&str> = run.open.iter().map(|open| open.name.as_str()).collect();
        output::message(&format!(
            "warning: run {} of {} still owes: {}\n  = hint: `stagger recover {}` puts it back\n",
            run.run,
            run.header.playbook,
            names.join(", "),
            run.run
        ));
    }
}

pub(super) fn say_changes(changes: &[String]) {
    if changes.is_empty() {
        output::message("nothing changed since the run was planned\n");
    }
    for change in changes {
        output::message(&format!("changed since the run was planned: {change}\n"));
    }
}
