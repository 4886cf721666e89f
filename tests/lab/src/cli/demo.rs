//! `lab demo`: an upgrade as an operator would do it, while clients go on.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Subcommand};
use serde_json::Value;

use super::terminal::{print, tell};
use super::up::{ArangodbOptions, Leaders};
use super::{Error, interrupt};
use crate::demo::{self, Load};
use crate::files;
use crate::fleet::{Fleet, Place};

/// What to show.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// The upgrade of an ArangoDB cluster
    Arangodb(Box<Arangodb>),
    /// The upgrade of a MemSQL cluster
    Memsql(Box<super::memsql::DemoArguments>),
}

/// How the upgrade is to go.
#[derive(Debug, Args)]
struct Arangodb {
    #[command(flatten)]
    cluster: ArangodbOptions,
    /// Requests a second
    #[arg(long, default_value_t = 200, value_name = "N")]
    rate: u32,
    /// How long a client waits for an answer; 1000 with `--leaders wait`
    #[arg(long, value_name = "SECONDS")]
    deadline_s: Option<u32>,
    /// More variables for stagger
    #[arg(short = 'e', long = "extra-vars", value_name = "VARS")]
    extra: Vec<String>,
    /// Write the figures to a file as well
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Leave the hosts running
    #[arg(long)]
    keep: bool,
}

pub(super) fn run(place: &Place, arguments: &Arguments) -> Result<ExitCode, Error> {
    interrupt::take_down_on_signal(place);
    let is_ok = match &arguments.what {
        What::Arangodb(arguments) => arangodb(place, arguments)?,
        What::Memsql(arguments) => super::memsql::show(place, arguments)?,
    };
    Ok(ExitCode::from(if is_ok { 0 } else { 2 }))
}

fn arangodb(place: &Place, arguments: &Arangodb) -> Result<bool, Error> {
    let options = arguments.options()?;
    let product = arguments.cluster.product()?;
    tell(&format!("under test: {product}"));
    let report = if arguments.keep {
        let fleet = Fleet::up(place, &options.fleet)?;
        let report = demo::upgrade(&fleet, place, &product, &options, &tell)?;
        tell(&super::up::how_to_reach(&fleet));
        fleet.keep()?;
        report
    } else {
        demo::run(place, &product, &options, &tell)?
    };
    if let Some(path) = &arguments.json {
        files::write(path, format!("{report:#}\n"), 0o644)?;
    }
    print(&summary(&report));
    Ok(report.get("ok") == Some(&Value::Bool(true)))
}

impl Arangodb {
    fn options(&self) -> Result<demo::Options, Error> {
        let waits = self.cluster.leaders == Leaders::Wait;
        let deadline = self.deadline_s.unwrap_or(if waits { 1_000 } else { 10 });
        Ok(demo::Options {
            fleet: self.cluster.fleet("demo arangodb"),
            cluster: self.cluster.cluster()?,
            announced_gap: waits,
            load: Load {
                rate: self.rate,
                copies: self.cluster.copies,
                deadline: Duration::from_secs(u64::from(deadline)),
            },
            factor: self.cluster.factor,
            extra: self.extra.clone(),
            shows: true,
            ..demo::Options::new("demo arangodb", 0)
        })
    }
}

/// Puts what a person wants to know first into words.
pub(super) fn summary(report: &Value) -> String {
    let get = |name: &str| report.get(name).cloned().unwrap_or_default();
    let word = |value: &Value| {
        value
            .as_str()
            .map_or_else(|| value.to_string(), str::to_owned)
    };
    let servers = get("servers");
    let servers = servers.as_array().into_iter().flatten().map(|server| {
        let of = |name: &str| word(server.get(name).unwrap_or(&Value::Null));
        format!(
            "  {:<12} {:<14} {} -> {}  out of service {} ms\n",
            of("role"),
            of("host"),
            of("from"),
            of("to"),
            of("out_of_service_ms")
        )
    });
    let servers = servers.collect::<Vec<_>>().concat();
    let names = [
        "requests",
        "failed_requests",
        "excused_requests",
        "gap_requests",
        "gap_requests_in_handovers",
        "lost_writes",
        "longest_stall_ms",
        "p99_ms",
        "invariant_breaches",
        "wall_s",
        "lower_bound_s",
        "factor",
        "stagger_exit",
        "ok",
    ];
    let names = names.iter().filter(|name| report.get(**name).is_some());
    let figures: Vec<_> = names
        .map(|name| format!("  {name:<25} {}\n", word(&get(name))))
        .collect();
    let lists = ["wrong", "unsettled", "breaches", "examples"].map(|name| {
        let list = get(name);
        let lines = list.as_array().into_iter().flatten();
        let lines = lines.map(|line| format!("  {name}: {}\n", word(line)));
        lines.collect::<Vec<_>>().concat()
    });
    format!(
        "servers\n{servers}figures\n{}{}",
        figures.concat(),
        lists.concat()
    )
}
