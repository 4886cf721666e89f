//! `lab bench`: measures the product beside what the same work costs by hand.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, ValueEnum};

use super::terminal::{print, tell};
use super::{Error, interrupt};
use crate::bench::{self, Measure, Part};
use crate::files;
use crate::fleet::Place;

/// What to measure.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Run the play on this many hosts
    #[arg(long, default_value_t = 20, value_name = "N")]
    hosts: usize,
    /// Run each way of doing it this many times and take the median
    #[arg(long, default_value_t = 5, value_name = "N")]
    rounds: usize,
    /// Give the large inventory this many hosts
    #[arg(long, default_value_t = 10_000, value_name = "N")]
    inventory_hosts: usize,
    /// Measure only one part
    #[arg(long, value_enum, value_name = "PART")]
    only: Option<PartName>,
    /// Measure this program instead of building the product
    #[arg(long, value_name = "FILE")]
    program: Option<PathBuf>,
    /// Write the figures to a file as well
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// The names of the parts.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum PartName {
    /// the play of 13 tasks on real hosts
    Play,
    /// listing and planning with a large inventory
    Scale,
}

pub(super) fn run(place: &Place, arguments: &Arguments) -> Result<ExitCode, Error> {
    interrupt::take_down_on_signal(place);
    let measure = Measure {
        hosts: arguments.hosts,
        rounds: arguments.rounds,
        inventory_hosts: arguments.inventory_hosts,
        program: arguments.program.clone(),
        only: arguments.only.map(|part| match part {
            PartName::Play => Part::Play,
            PartName::Scale => Part::Scale,
        }),
    };
    let measured = bench::run(place, &measure, &tell)?;
    let report = format!("{measured:#}\n");
    if let Some(path) = &arguments.json {
        files::write(path, &report, 0o644)?;
    }
    print(&report);
    let missed = measured.get("missed").and_then(serde_json::Value::as_array);
    Ok(ExitCode::from(if missed.is_some_and(Vec::is_empty) {
        0
    } else {
        2
    }))
}
