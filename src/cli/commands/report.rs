//! `stagger report`: what a run did, from its records.

use super::super::args::{Report as Arguments, ReportForm};
use super::super::failure::Failure;
use super::super::machine::Machine;
use super::super::starting::{records_directory, state};
use super::super::{output, settings};
use super::runs::unknown;
use crate::journal::{Journal as _, JournalError, StateDirectory, export};
use crate::report::Report;

/// Prints the report of a run, also of one that goes on or that was cut off.
pub(in crate::cli) fn run(arguments: &Arguments, machine: &Machine) -> Result<(), Failure> {
    let kept = records_directory(arguments.state.as_deref(), machine);
    let directory = StateDirectory::at(&kept);
    let run = if let Some(run) = &arguments.run {
        run.clone()
    } else {
        let runs = directory.runs().map_err(|error| state(&error))?;
        let newest = runs.last().map(|run| run.run.clone());
        newest.ok_or_else(|| {
            Failure::usage(format!("there are no runs in {}", kept.display()))
                .hint("--state DIR looks elsewhere")
        })?
    };
    let journal = match directory.read(&run) {
        Err(JournalError::NoRun { .. }) => {
            let runs = directory.runs().map_err(|error| state(&error))?;
            return Err(unknown(&run, runs.iter().map(|run| run.run.as_str())));
        }
        read => read.map_err(|error| state(&error))?,
    };
    let entries = journal.entries().map_err(|error| state(&error))?;
    let cannot = |error: &dyn std::fmt::Display| Failure::usage(format!("cannot print: {error}"));
    let text = match arguments.format {
        ReportForm::Text => Report::of(&entries).text(),
        ReportForm::Markdown => Report::of(&entries).markdown(),
        ReportForm::Json => {
            let value = serde_json::to_value(Report::of(&entries));
            settings::pretty(&value.map_err(|error| cannot(&error))?)
        }
        ReportForm::Records => {
            let mut lines = Vec::new();
            export(&entries, &mut lines).map_err(|error| cannot(&error))?;
            String::from_utf8_lossy(&lines).into_owned()
        }
    };
    output::data(&format!("{}\n", text.trim_end())).map_err(|error| cannot(&error))
}
