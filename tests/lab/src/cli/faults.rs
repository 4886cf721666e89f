//! `lab faults`: every class of fault befalls every task of an upgrade.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, ValueEnum};
use serde_json::Value;

use super::terminal::{print, tell};
use super::{Error, interrupt};
use crate::cluster::loopback::Programs;
use crate::faults::{self, Options, arangodb, memsql, report};
use crate::files;
use crate::fleet::Place;
use crate::product;

/// What is to be tried.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Which upgrade
    #[arg(value_enum)]
    system: SystemName,
    /// Write the totals and each case to a file as well
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Go on until every case was tried
    #[arg(long, conflicts_with = "minutes")]
    all: bool,
    /// Let no new fault strike after this time
    #[arg(long, default_value_t = 60, value_name = "N")]
    minutes: u64,
    /// Draw with this number, as an earlier run did
    #[arg(long, default_value_t = 1, value_name = "N")]
    seed: u64,
    /// Try only this class
    #[arg(long, value_name = "CLASS", value_parser = class)]
    only: Option<String>,
    /// Try only tasks whose place or name has this in it
    #[arg(long, value_name = "TASK")]
    at: Option<String>,
    /// Scale the databases' timers
    #[arg(long, default_value_t = 0.1, value_name = "FACTOR")]
    factor: f64,
    /// Let this many upgrades stand side by side
    #[arg(long, default_value_t = 3, value_name = "N")]
    at_once: usize,
    /// Let there be at most this many upgrades
    #[arg(long, default_value_t = usize::MAX, hide_default_value = true, value_name = "N")]
    upgrades: usize,
    /// Let at most this many faults befall one upgrade
    #[arg(long, default_value_t = 12, value_name = "N")]
    most: usize,
    /// Let clients send this many requests a second beside each upgrade
    #[arg(long, default_value_t = 50, value_name = "N")]
    rate: u32,
    /// Keep records and events of upgrades in which something went wrong in this directory
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,
    /// Try this program instead of building the product
    #[arg(long, value_name = "FILE")]
    program: Option<PathBuf>,
}

/// The upgrades.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum SystemName {
    /// ArangoDB, on hosts
    Arangodb,
    /// MemSQL, on clusters of processes of this machine
    Memsql,
}

/// Tells which classes there are when one is asked for that there is not.
fn class(name: &str) -> Result<String, String> {
    let names: Vec<&str> = faults::classes::CLASSES
        .iter()
        .map(|class| class.name)
        .collect();
    if names.contains(&name) {
        return Ok(name.to_owned());
    }
    Err(format!("there are {}", names.join(", ")))
}

pub(super) fn run(place: &Place, arguments: &Arguments) -> Result<ExitCode, Error> {
    interrupt::take_down_on_signal(place);
    let product = match &arguments.program {
        Some(program) => {
            product::look_at(&std::path::absolute(program).map_err(Error::NoProgram)?)?
        }
        None => product::build("stagger")?,
    };
    tell(&format!("under test: {product}"));
    let options = arguments.options();
    let programs = Programs {
        lab: place.program.clone(),
        stagger: product.program.clone(),
    };
    let (factor, rate) = (options.factor, options.rate);
    let mut totals = match arguments.system {
        SystemName::Arangodb => {
            let up = (factor, rate);
            let make = |harming| arangodb::Arangodb::up(place, &product, up, harming);
            faults::run(&arangodb::RULES, &options, &make, &tell)?
        }
        SystemName::Memsql => {
            let make = |_| memsql::Memsql::up(&programs, factor, rate);
            faults::run(&memsql::RULES, &options, &make, &tell)?
        }
    };
    if let Value::Object(totals) = &mut totals {
        totals.insert("product".to_owned(), product.json());
    }
    if let Some(path) = &arguments.json {
        files::write(path, format!("{totals:#}\n"), 0o644)?;
    }
    print(&report::summary(&totals));
    let is_ok = totals.get("ok") == Some(&Value::Bool(true));
    Ok(ExitCode::from(u8::from(!is_ok)))
}

impl Arguments {
    fn options(&self) -> Options {
        Options {
            seed: self.seed,
            time: (!self.all).then(|| Duration::from_mins(self.minutes)),
            only: self.only.clone(),
            at: self.at.clone(),
            factor: self.factor,
            at_once: self.at_once,
            most: self.most,
            rate: self.rate,
            upgrades: self.upgrades,
            keep: self.keep.clone(),
        }
    }
}
