//! `lab up memsql` and `lab demo memsql`.

use std::time::Duration;

use clap::{ArgAction, Args};
use serde_json::{Map, Value, json};

use super::Error;
use super::demo::Show;
use super::terminal::{print, tell};
use super::up::{Machines, Tried, how_to_reach};
use crate::cluster::memsql::{Cluster, Options as ClusterOptions};
use crate::demo::memsql as demonstration;
use crate::fleet::{self, Fleet, Place};

/// How the cluster is to be.
#[derive(Debug, Args)]
pub(super) struct ClusterArguments {
    /// How many leaves
    #[arg(long, default_value_t = 4, value_name = "N")]
    leaves: usize,
    /// How many leaves on a machine
    #[arg(long, default_value_t = 1, value_name = "N")]
    leaves_per_host: usize,
    /// How many child aggregators
    #[arg(long, default_value_t = 1, value_name = "N")]
    aggregators: usize,
    /// A user's database; several times for several
    #[arg(long = "database", default_value = "shop", value_name = "NAME")]
    databases: Vec<String>,
    /// The version that the cluster runs
    #[arg(long, default_value = "5.5.12", value_name = "VERSION")]
    from: String,
    /// The version that it is to be upgraded to
    #[arg(long, default_value = "5.7.2", value_name = "VERSION")]
    to: String,
    /// Speak TLS
    #[arg(long)]
    tls: bool,
    #[command(flatten)]
    machines: Machines,
    /// Scale the databases' timers
    #[arg(long, default_value_t = 1.0, value_name = "FACTOR")]
    factor: f64,
    /// How the simulators are to behave, as a JSON object
    #[arg(long, default_value = "{}", value_name = "JSON")]
    switches: String,
    #[command(flatten)]
    tried: Tried,
}

/// How the upgrade is to go.
#[derive(Debug, Args)]
pub(super) struct DemoArguments {
    #[command(flatten)]
    cluster: ClusterArguments,
    #[command(flatten)]
    show: Show,
    /// How long a client waits for an answer
    #[arg(long, default_value_t = 10, value_name = "SECONDS")]
    deadline_s: u32,
    /// Points of no return that are approved, instead of the role's
    #[arg(long, action = ArgAction::Append, value_name = "NAME")]
    approve: Vec<String>,
}

impl ClusterArguments {
    fn options(&self) -> Result<ClusterOptions, Error> {
        if self.leaves == 0 || !self.leaves.is_multiple_of(2) || self.leaves_per_host == 0 {
            return Err(Error::Usage(
                "two groups need an even number of leaves".to_owned(),
            ));
        }
        if !self.leaves.is_multiple_of(2 * self.leaves_per_host) {
            return Err(Error::Usage(
                "a pair of leaves must fit on two machines".to_owned(),
            ));
        }
        let mut switches: Map<String, Value> = serde_json::from_str(&self.switches)
            .map_err(|error| Error::Usage(format!("--switches: {error}")))?;
        switches.insert("time_factor".to_owned(), json!(self.factor));
        Ok(ClusterOptions {
            from: self.from.clone(),
            to: self.to.clone(),
            leaves: self.leaves,
            leaves_per_host: self.leaves_per_host,
            aggregators: self.aggregators,
            databases: self.databases.clone(),
            tls: self.tls,
            switches,
            ..ClusterOptions::default()
        })
    }

    fn fleet(&self, purpose: &str, cluster: &ClusterOptions) -> fleet::Options {
        self.machines.options(purpose, cluster.hosts())
    }
}

/// `lab up memsql`.
pub(super) fn up(place: &Place, arguments: &ClusterArguments) -> Result<(), Error> {
    let wanted = arguments.options()?;
    let product = arguments.tried.product()?;
    tell(&format!("on the bastion: {product}"));
    let fleet = Fleet::up(place, &arguments.fleet("up memsql", &wanted))?;
    tell("the hosts are up; starting the cluster");
    let cluster = Cluster::up(&fleet, &place.program, wanted)?;
    demonstration::provide(&fleet, &cluster, place, &product)?;
    let load = demonstration::load(&cluster);
    fleet
        .bastion()
        .command(load.clone().arg("--prepare-only"))
        .run()?;
    let name = fleet.name();
    let text = format!(
        "{}the upgrade  lab ssh {name}/bastion -- stagger apply roles/memsql/upgrade.yml \
         -i inventory.yml --reason trying\n\
         clients      lab ssh {name}/bastion -- {load}\n",
        how_to_reach(&fleet),
    );
    fleet.keep()?;
    print(&text);
    Ok(())
}

/// `lab demo memsql`; returns whether all was well.
pub(super) fn show(place: &Place, arguments: &DemoArguments) -> Result<bool, Error> {
    let cluster = arguments.cluster.options()?;
    let mut options = demonstration::Options {
        fleet: arguments.cluster.fleet("demo memsql", &cluster),
        rate: arguments.show.rate,
        deadline: Duration::from_secs(u64::from(arguments.deadline_s)),
        factor: arguments.cluster.factor,
        extra: arguments.show.extra.clone(),
        shows: true,
        ..demonstration::Options::new("demo memsql", cluster)
    };
    if !arguments.approve.is_empty() {
        options.approvals.clone_from(&arguments.approve);
    }
    let product = arguments.cluster.tried.product()?;
    let show = &arguments.show;
    show.present(place, &options.fleet, &product, |fleet| {
        demonstration::upgrade(fleet, place, &product, &options, &tell)
    })
}
