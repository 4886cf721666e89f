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
use crate::fleet::{self, Fleet, Place};
use crate::product::Product;

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
    #[command(flatten)]
    show: Show,
    /// How long a client waits for an answer; 1000 with `--leaders wait`
    #[arg(long, value_name = "SECONDS")]
    deadline_s: Option<u32>,
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
    let show = &arguments.show;
    show.present(place, &options.fleet, &product, |fleet| {
        demo::upgrade(fleet, place, &product, &options, &tell)
    })
}

/// What every demonstration is told.
#[derive(Debug, Args)]
pub(super) struct Show {
    /// Requests a second
    #[arg(long, default_value_t = 200, value_name = "N")]
    pub(super) rate: u32,
    /// More variables for stagger
    #[arg(short = 'e', long = "extra-vars", value_name = "VARS")]
    pub(super) extra: Vec<String>,
    /// Write the figures to a file as well
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Leave the hosts running
    #[arg(long)]
    keep: bool,
}

impl Show {
    /// Boots a fleet, has the upgrade shown on it, and says what came of it; returns whether all was well.
    pub(super) fn present(
        &self,
        place: &Place,
        fleet: &fleet::Options,
        product: &Product,
        upgrade: impl Fn(&Fleet) -> Result<Value, demo::Error>,
    ) -> Result<bool, Error> {
        tell(&format!("under test: {product}"));
        let fleet = Fleet::up(place, fleet)?;
        let count = fleet.hosts().len();
        tell(&format!("{count} hosts are up; starting the cluster"));
        let report = upgrade(&fleet)?;
        if self.keep {
            tell(&super::up::how_to_reach(&fleet));
            fleet.keep()?;
        } else {
            fleet.down()?;
        }
        if let Some(path) = &self.json {
            files::write(path, format!("{report:#}\n"), 0o644)?;
        }
        print(&summary(&report));
        Ok(report.get("ok") == Some(&Value::Bool(true)))
    }
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
                rate: self.show.rate,
                copies: self.cluster.copies,
                deadline: Duration::from_secs(u64::from(deadline)),
            },
            factor: self.cluster.factor,
            extra: self.show.extra.clone(),
            shows: true,
            ..demo::Options::new("demo arangodb", 0)
        })
    }
}

/// Puts what a person wants to know first into words.
fn summary(report: &Value) -> String {
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
        "ratio",
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
    let slow = if get("slow") == Value::Bool(true) {
        "  slow: it took more than 1.10 times as long as the databases need\n"
    } else {
        ""
    };
    format!(
        "servers\n{servers}figures\n{}{}{slow}",
        figures.concat(),
        lists.concat()
    )
}
