//! `stagger report`: what a run did, from its records.

use std::path::Path;

use super::super::args::{Report as Arguments, ReportForm};
use super::super::failure::Failure;
use super::super::machine::{Machine, reason};
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
    let mut report = Report::of(&entries);
    let holder = directory.holder(&run);
    report.held_by = holder.filter(|one| one.lives).map(|one| one.owner);
    let file = arguments
        .html
        .as_deref()
        .filter(|file| *file != Path::new("-"));
    if let Some(file) = file {
        return write(file, &report.html());
    }
    let form = match arguments.html {
        Some(_) => ReportForm::Html,
        None => arguments.format,
    };
    let text = match form {
        ReportForm::Text => report.text(),
        ReportForm::Markdown => report.markdown(),
        ReportForm::Html => report.html(),
        ReportForm::Json => {
            let value = serde_json::to_value(report);
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

/// Writes a page, readable by its owner alone: it tells hosts and commands.
fn write(file: &Path, page: &str) -> Result<(), Failure> {
    Machine::write_file(file, page.as_bytes(), 0o600).map_err(|error| {
        let shown = file.display();
        Failure::usage(format!("cannot write {shown}: {}", reason(&error)))
    })?;
    output::message(&format!("the report is in {}\n", file.display()));
    Ok(())
}
