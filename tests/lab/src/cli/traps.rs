//! `lab traps`: the table of what can go wrong, run.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use serde_json::Value;

use super::Error;
use super::terminal::{print, tell};
use crate::files;
use crate::traps::{self, report};

/// Which table.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Which upgrade
    #[arg(value_enum)]
    system: SystemName,
    /// Write each row and case to a file as well
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Run only rows whose fault or gates have this in them
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,
    /// Run so many cases side by side
    #[arg(long, value_name = "N", default_value_t = 2)]
    at_once: usize,
}

/// The upgrades.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum SystemName {
    /// ArangoDB
    Arangodb,
    /// MemSQL
    Memsql,
}

pub(super) fn run(arguments: &Arguments) -> Result<ExitCode, Error> {
    let system = match arguments.system {
        SystemName::Arangodb => "arangodb",
        SystemName::Memsql => "memsql",
    };
    let mut rows = traps::table(system)?;
    if let Some(only) = &arguments.only {
        rows.retain(|row| row.fault.contains(only) || row.arms.split(' ').any(|arm| arm == only));
    }
    let told = traps::run(&rows, arguments.at_once, &tell)?;
    if let Some(path) = &arguments.json {
        files::write(path, format!("{told:#}\n"), 0o644)?;
    }
    print(&report::summary(&told));
    let is_ok = told.get("ok") == Some(&Value::Bool(true));
    Ok(ExitCode::from(u8::from(!is_ok)))
}
