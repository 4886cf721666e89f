//! What was typed to see the records of runs: `stagger runs`, `status` and `report`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::{AskedHosts, Opening};

#[derive(Debug, Clone, Args)]
pub(in crate::cli) struct Runs {
    /// Look for the records of runs in this directory
    #[arg(long, value_name = "DIR", env = "STAGGER_STATE")]
    pub(in crate::cli) state: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    pub(in crate::cli) json: bool,
}

#[derive(Debug, Clone, Args)]
pub(in crate::cli) struct Status {
    /// The run; the one that goes on if none is named, else the newest
    pub(in crate::cli) run: Option<String>,
    /// Look for the records of runs in this directory
    #[arg(long, value_name = "DIR", env = "STAGGER_STATE")]
    pub(in crate::cli) state: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    pub(in crate::cli) json: bool,
    #[command(flatten)]
    pub(in crate::cli) hosts: AskedHosts,
    #[command(flatten)]
    pub(in crate::cli) opening: Opening,
}

#[derive(Debug, Clone, Args)]
pub(in crate::cli) struct Report {
    /// The run; the newest if none is named
    pub(in crate::cli) run: Option<String>,
    /// Look for the records of runs in this directory
    #[arg(long, value_name = "DIR", env = "STAGGER_STATE")]
    pub(in crate::cli) state: Option<PathBuf>,
    /// In which form
    #[arg(long, value_enum, value_name = "FORM", default_value = "text")]
    pub(in crate::cli) format: ReportForm,
    /// Write the report as one page of HTML into this file; `-` prints it
    #[arg(long, value_name = "FILE", conflicts_with = "format")]
    pub(in crate::cli) html: Option<PathBuf>,
}

/// The form of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum ReportForm {
    /// For a terminal.
    Text,
    /// For a ticket.
    Markdown,
    /// For a browser: one page that needs nothing else.
    Html,
    /// For a program.
    Json,
    /// The run's records, one JSON value a line.
    Records,
}
