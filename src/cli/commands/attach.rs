//! `stagger attach` and `stagger stop`: the live view of a run that another process does, and the wish that it stops.
//!
//! The view is drawn from the run's records. Leaving it does nothing to the run.

use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use super::super::args::{Attach, StopRun};
use super::super::failure::{ExitCode, Failure};
use super::super::machine::Machine;
use super::super::starting::{records_directory, screen, state, views};
use super::super::{interrupt, output};
use super::runs::unknown;
use crate::clock::{Clock as _, Stop, StopLevel, SystemClock};
use crate::events::Sink;
use crate::journal::{Holder, Record, RunState, SqliteJournal, StateDirectory};

/// How often the records are looked at.
const LOOK: Duration = Duration::from_millis(200);

/// Shows a run that goes on, to its end.
pub(in crate::cli) fn run(arguments: &Attach, machine: &Machine) -> Result<ExitCode, Failure> {
    let kept = records_directory(arguments.state.as_deref(), machine);
    let directory = StateDirectory::at(&kept);
    let (run, _) = going_on(&directory, arguments.run.as_deref())?;
    let journal = directory.read(&run).map_err(|error| state(&error))?;
    let showing = &arguments.showing;
    let screen = screen(showing);
    let mut sinks = views(
        showing,
        false,
        arguments.state.as_deref(),
        screen.as_ref(),
        machine,
    )?;
    let stop = Stop::new();
    let watching = interrupt::watch(&stop)?;
    let code = follow(&directory, &run, &journal, &mut sinks, &stop)?;
    drop(watching);
    // The view goes away before anything else is said.
    drop(sinks);
    match code {
        Followed::Left => {
            let records = arguments.state.as_deref();
            let records =
                records.map_or_else(String::new, |path| format!(" --state {}", path.display()));
            output::message(&format!(
                "run {run} goes on; `stagger attach {run}{records}` shows it again, `stagger stop {run}{records}` stops it at its next rest point\n"
            ));
            Ok(ExitCode::Done)
        }
        Followed::Ended(Some(code)) => Ok(ExitCode::from_number(code)),
        Followed::Ended(None) => Err(Failure::new(
            ExitCode::Interrupted,
            format!("the process of run {run} is gone, and how it ended is not recorded"),
        )
        .hint(format!("go on: stagger resume {run}"))),
    }
}

/// How a look at a run ended.
enum Followed {
    /// The operator has seen enough.
    Left,
    /// The run's process is gone, with this exit code if it came to its end.
    Ended(Option<u8>),
}

/// Shows what is recorded from the latest part of the run on, until its process is gone.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "only these kinds matter here; the others are passed over on purpose"
)]
fn follow(
    directory: &StateDirectory,
    run: &str,
    journal: &SqliteJournal,
    sinks: &mut [Box<dyn Sink>],
    stop: &Stop,
) -> Result<Followed, Failure> {
    let clock = SystemClock::new();
    let read = |after: u64| journal.entries_after(after).map_err(|error| state(&error));
    let starts = |record: &Record| matches!(record, Record::PartStarted { .. });
    let mut entries = read(0)?;
    if let Some(part) = entries.iter().rposition(|entry| starts(&entry.record)) {
        entries.drain(..part);
    }
    let (mut last, mut code) = (0, None);
    loop {
        // What a process wrote that is gone now is all there when the records are read after this.
        let lives = directory.holder(run).is_some_and(|holder| holder.lives);
        entries.extend(read(entries.last().map_or(last, |entry| entry.seq))?);
        for entry in entries.drain(..) {
            last = entry.seq;
            match entry.record {
                Record::Event(event) => {
                    for sink in sinks.iter_mut() {
                        // Who reads it may be gone; the run is not.
                        drop(sink.on_event(&event));
                    }
                }
                Record::PartStarted { .. } => code = None,
                Record::Finished { exit_code } => code = Some(exit_code),
                _ => {}
            }
        }
        if !lives {
            return Ok(Followed::Ended(code));
        }
        if stop.level() != StopLevel::None {
            return Ok(Followed::Left);
        }
        clock.wait(LOOK, stop);
    }
}

/// Asks a run to stop at its next rest point, or no longer to wait.
pub(in crate::cli) fn stop(arguments: &StopRun, machine: &Machine) -> Result<ExitCode, Failure> {
    let kept = records_directory(arguments.state.as_deref(), machine);
    let directory = StateDirectory::at(&kept);
    let (run, holder) = going_on(&directory, arguments.run.as_deref())?;
    let pid = holder
        .process
        .and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
    let Some(pid) = pid else {
        return Err(Failure::usage(format!(
            "which process works on run {run} is not recorded"
        )));
    };
    let (signal, said) = if arguments.now {
        (
            interrupt::ABANDON,
            "no longer to wait for its steps in flight, which are in doubt then, and to leave its brackets",
        )
    } else {
        (
            interrupt::DRAIN,
            "to go on to its next rest point, leave its brackets, and stop",
        )
    };
    let signal = Signal::from_named_raw(signal).ok_or_else(|| Failure::usage("no such signal"))?;
    kill_process(pid, signal).map_err(|error| {
        Failure::usage(format!("the process of run {run} cannot be told: {error}"))
            .hint(format!("it was started by {}", holder.owner))
    })?;
    output::message(&format!(
        "run {run} is asked {said}; `stagger attach {run}` shows it\n"
    ));
    Ok(ExitCode::Done)
}

/// Finds the run that is named, or the only one, if a process works on it.
fn going_on(directory: &StateDirectory, named: Option<&str>) -> Result<(String, Holder), Failure> {
    let runs = directory.runs().map_err(|error| state(&error))?;
    let goes_on = |state: &RunState| matches!(state, RunState::Running { .. });
    let run = if let Some(name) = named {
        let known = runs.iter().map(|run| run.run.as_str());
        let found = runs.iter().find(|run| run.run == name);
        found.ok_or_else(|| unknown(name, known))?.run.clone()
    } else {
        let going: Vec<&str> = runs
            .iter()
            .filter(|run| goes_on(&run.state))
            .map(|run| run.run.as_str())
            .collect();
        match going.as_slice() {
            [one] => (*one).to_owned(),
            [] => {
                return Err(Failure::usage("no run goes on")
                    .hint("`stagger runs` lists all; --state DIR looks elsewhere"));
            }
            several => {
                return Err(
                    Failure::usage(format!("several runs go on: {}", several.join(", ")))
                        .hint("name one"),
                );
            }
        }
    };
    match directory.holder(&run).filter(|holder| holder.lives) {
        Some(holder) => Ok((run, holder)),
        None => Err(Failure::usage(format!("run {run} does not go on"))
            .hint(format!("what became of it: stagger status {run}"))),
    }
}
