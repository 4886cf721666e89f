//! `lab down`: takes fleets down.

use std::process::ExitCode;

use clap::Args;

use super::terminal::tell;
use super::{Error, interrupt};
use crate::fleet::{self, Place};

/// What to take down.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The fleets; by default all that `up` left running and all that a crash left behind
    #[arg(value_name = "FLEET")]
    fleets: Vec<String>,
    /// Also those of a lab that is still at work
    #[arg(long, conflicts_with = "fleets")]
    all: bool,
    /// What the lab with this process id made before it was interrupted
    #[arg(long, hide = true, value_name = "PID", conflicts_with_all = ["fleets", "all"])]
    interrupted: Option<u32>,
}

pub(super) fn run(place: &Place, arguments: &Arguments) -> Result<ExitCode, Error> {
    if let Some(pid) = arguments.interrupted {
        return interrupt::finish(place, pid);
    }
    for name in fleet::take_stale_down(place)? {
        tell(&format!("took down {name}, left by a lab that has ended"));
    }
    let names = if arguments.fleets.is_empty() {
        let records = place.records()?.into_iter();
        let wanted = records.filter(|fleet| arguments.all || fleet.owner.process.is_none());
        wanted.map(|fleet| fleet.name).collect()
    } else {
        arguments.fleets.clone()
    };
    for name in names {
        fleet::take_down(place, &name)?;
        tell(&format!("took down {name}"));
    }
    Ok(ExitCode::SUCCESS)
}
