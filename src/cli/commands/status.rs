//! `stagger status`: what a run is doing now, from its records, also while another process works on it.

use super::super::args::Status;
use super::super::failure::Failure;
use super::super::machine::Machine;
use super::super::starting::{records_directory, state};
use super::super::{output, settings};
use super::from_hosts;
use crate::clock::{Clock as _, SystemClock};
use crate::journal::{Journal as _, RunState, RunSummary, StateDirectory};
use crate::report::Standing;

/// Prints where a run stands.
pub(in crate::cli) fn run(arguments: &Status, machine: &Machine) -> Result<(), Failure> {
    if arguments.hosts.from_hosts {
        return from_hosts::status(arguments.json, machine);
    }
    let kept = records_directory(arguments.state.as_deref(), machine);
    let directory = StateDirectory::at(&kept);
    let run = if let Some(run) = &arguments.run {
        run.clone()
    } else {
        let runs = directory.runs().map_err(|error| state(&error))?;
        let goes_on = |run: &&RunSummary| matches!(run.state, RunState::Running { .. });
        let found = runs.iter().rev().find(goes_on);
        let found = found.or(runs.last()).map(|run| run.run.clone());
        found.ok_or_else(|| {
            Failure::usage(format!("there are no runs in {}", kept.display()))
                .hint("--state DIR looks elsewhere")
        })?
    };
    let journal = directory.read(&run).map_err(|error| state(&error))?;
    let entries = journal.entries().map_err(|error| state(&error))?;
    let holder = directory.holder(&run);
    let standing = Standing::of(&entries, holder.as_ref(), SystemClock::new().now());
    let cannot = |error: &dyn std::fmt::Display| Failure::usage(format!("cannot print: {error}"));
    let text = if arguments.json {
        let value = serde_json::to_value(&standing);
        settings::pretty(&value.map_err(|error| cannot(&error))?)
    } else {
        standing.text()
    };
    output::data(&format!("{}\n", text.trim_end())).map_err(|error| cannot(&error))
}
