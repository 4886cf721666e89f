//! `lab up`: boots hosts and leaves them running.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand, ValueEnum};
use serde_json::{Value, json};

use super::terminal::{print, tell};
use super::{Error, interrupt};
use crate::cluster::{self, Clusters, Security};
use crate::command::Command;
use crate::files;
use crate::fleet::{Fleet, Login, Options, Place};
use crate::product::{self, Product};

/// What to boot.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Hosts with nothing on them
    Hosts(HostOptions),
    /// Hosts with an ArangoDB cluster, of simulators, and stagger on the bastion
    Arangodb(ArangodbOptions),
    /// Hosts with a MemSQL cluster, of simulators, and stagger on the bastion
    Memsql(Box<super::memsql::ClusterArguments>),
}

/// How the hosts are to be.
#[derive(Debug, Args)]
pub(super) struct HostOptions {
    /// How many hosts
    #[arg(long = "hosts", default_value_t = 3, value_name = "N")]
    count: usize,
    #[command(flatten)]
    machines: Machines,
}

/// What every host is.
#[derive(Debug, Args)]
pub(super) struct Machines {
    /// Log in as `ops`, who has sudo, instead of as root
    #[arg(
        long,
        value_enum,
        value_name = "HOW",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "nopasswd"
    )]
    sudo: Option<Sudo>,
    /// Run systemd-logind on the hosts
    #[arg(long)]
    logind: bool,
    /// Debian packages that every host has in addition
    #[arg(long = "package", value_name = "PACKAGE")]
    packages: Vec<String>,
}

/// How the cluster is to be.
#[derive(Debug, Args)]
pub(super) struct ArangodbOptions {
    #[command(flatten)]
    hosts: HostOptions,
    /// The version that the cluster runs
    #[arg(long, default_value = "3.3.20", value_name = "VERSION")]
    from: String,
    /// The version that it is to be upgraded to
    #[arg(long, default_value = "3.4.0", value_name = "VERSION")]
    to: String,
    /// Let in only who has a token
    #[arg(long)]
    auth: bool,
    /// Speak TLS, and let in only who has a token
    #[arg(long)]
    tls: bool,
    /// Replicate the cluster to a second one on as many hosts
    #[arg(long)]
    sync: bool,
    /// What becomes of the shards that a stopped server leads
    #[arg(long, value_enum, default_value_t = Leaders::Move)]
    pub(super) leaders: Leaders,
    /// Let each upgrade of a server's directory take so long, unscaled
    #[arg(long, value_name = "N")]
    upgrade_seconds: Option<u32>,
    /// Copies of each shard
    #[arg(long, default_value_t = 2, value_name = "N")]
    pub(super) copies: u8,
    /// Scale the databases' timers and the role's waits
    #[arg(long, default_value_t = 1.0, value_name = "FACTOR")]
    pub(super) factor: f64,
    /// A further option of every starter, such as `--agents.agency.supervision-frequency=0.4`
    #[arg(
        long = "starter-option",
        value_name = "OPTION",
        allow_hyphen_values = true
    )]
    starter: Vec<String>,
    /// How the simulators are to behave, as a JSON object
    #[arg(long, default_value = "{}", value_name = "JSON")]
    switches: String,
    #[command(flatten)]
    tried: Tried,
}

/// The ways to treat leadership.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Leaders {
    /// it is moved away first
    Move,
    /// requests wait for the server to come back, which is announced
    Wait,
}

impl Leaders {
    /// Returns the name that stagger knows it by.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Move => "move",
            Self::Wait => "wait",
        }
    }
}

impl ArangodbOptions {
    /// Returns the fleet that is asked for.
    pub(super) fn fleet(&self, purpose: &str) -> Options {
        let mut options = self.hosts.options(purpose);
        if self.sync {
            options = options.with_far_hosts();
        }
        options
    }

    /// Returns the program under test.
    pub(super) fn product(&self) -> Result<Product, Error> {
        self.tried.product()
    }

    /// Returns the cluster that is asked for.
    pub(super) fn cluster(&self) -> Result<cluster::Options, Error> {
        let security = match (self.auth, self.tls) {
            (_, true) => Security::Tls,
            (true, false) => Security::Authenticated,
            (false, false) => Security::Open,
        };
        let mut switches: serde_json::Map<String, Value> = serde_json::from_str(&self.switches)
            .map_err(|error| Error::Usage(format!("--switches: {error}")))?;
        if let Some(seconds) = self.upgrade_seconds {
            switches.insert("upgrade_ms".to_owned(), (u64::from(seconds) * 1_000).into());
        }
        switches.insert("time_factor".to_owned(), json!(self.factor));
        Ok(cluster::Options {
            from: self.from.clone(),
            to: self.to.clone(),
            security,
            switches,
            leaders: self.leaders.name().to_owned(),
            sync: self.sync,
            starter: self.starter.clone(),
        })
    }
}

/// What sudo asks for.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Sudo {
    /// nothing
    Nopasswd,
    /// the user's password
    Password,
}

impl HostOptions {
    /// Returns the fleet that is asked for.
    pub(super) fn options(&self, purpose: &str) -> Options {
        self.machines.options(purpose, self.count)
    }
}

impl Machines {
    /// Returns a fleet of so many.
    pub(super) fn options(&self, purpose: &str, count: usize) -> Options {
        Options {
            login: match self.sudo {
                None => Login::Root,
                Some(Sudo::Nopasswd) => Login::Sudo,
                Some(Sudo::Password) => Login::SudoPassword,
            },
            logind: self.logind,
            packages: self.packages.clone(),
            ..Options::new(purpose, count)
        }
    }
}

/// Which program is tried.
#[derive(Debug, Args)]
pub(super) struct Tried {
    /// Try this program instead of building the one of this tree
    #[arg(long, value_name = "FILE")]
    program: Option<PathBuf>,
}

impl Tried {
    /// Returns the program under test.
    pub(super) fn product(&self) -> Result<Product, Error> {
        Ok(match &self.program {
            Some(program) => product::look_at(program)?,
            None => product::build("stagger")?,
        })
    }
}

pub(super) fn run(place: &Place, arguments: &Arguments) -> Result<ExitCode, Error> {
    interrupt::take_down_on_signal(place);
    match &arguments.what {
        What::Hosts(hosts) => {
            tell("booting (the first time, this makes a root file system: a minute or so)");
            let fleet = Fleet::up(place, &hosts.options("up hosts"))?;
            let text = how_to_reach(&fleet);
            fleet.keep()?;
            print(&text);
        }
        What::Arangodb(options) => arangodb(place, options)?,
        What::Memsql(arguments) => super::memsql::up(place, arguments)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn arangodb(place: &Place, options: &ArangodbOptions) -> Result<(), Error> {
    let wanted = options.cluster()?;
    let product = options.product()?;
    tell(&format!("on the bastion: {product}"));
    let fleet = Fleet::up(place, &options.fleet("up arangodb"))?;
    tell("the hosts are up; starting the cluster");
    let clusters = Clusters::up(&fleet, &place.program, &wanted)?;
    let bastion = fleet.bastion();
    bastion.provide("stagger", &product.program)?;
    bastion.provide("lab", &place.program)?;
    let login = fleet.options().login;
    let write = |name: &str, text: String| files::write(&bastion.home().join(name), text, 0o600);
    write("inventory.yml", clusters.inventory(login))?;
    let main = clusters.main();
    write("secret", main.secret().to_owned())?;
    let secret = match wanted.security {
        Security::Open => "",
        Security::Authenticated | Security::Tls => " --jwt-secret secret",
    };
    let replication = clusters.far().map_or_else(String::new, |far| {
        let (masters, token) = (far.sync_masters().join(","), far.monitoring_token());
        format!(" --sync-master {masters} --sync-token {token}")
    });
    let load = format!(
        "lab load --agent {}{secret}{replication} --copies {} --factor {}",
        main.agents()?.join(","),
        options.copies,
        options.factor
    );
    let prepare = Command::line(&load).arg("--prepare-only");
    bastion.command(prepare).run()?;
    let name = fleet.name();
    let text = format!(
        "{}the upgrade  lab ssh {name}/bastion -- stagger apply roles/arangodb/upgrade.yml \
         -i inventory.yml --reason trying\n\
         clients      lab ssh {name}/bastion -- {load}\n",
        how_to_reach(&fleet),
    );
    fleet.keep()?;
    print(&text);
    Ok(())
}

/// Says how a person gets at the hosts of a fleet.
pub(super) fn how_to_reach(fleet: &Fleet) -> String {
    let hosts = fleet.hosts().iter();
    let hosts = hosts.map(|host| format!("  {:<12} {}\n", host.name(), host.address()));
    let name = fleet.name();
    let login = match fleet.options().login {
        Login::Root | Login::Sudo => String::new(),
        Login::SudoPassword => format!("sudo password {}\n", Login::PASSWORD),
    };
    format!(
        "fleet {name}, as {user}:\n{hosts}{login}\
         a host       lab ssh {name}/{first}\n\
         the bastion  lab ssh {name}/bastion\n\
         end          lab down {name}\n",
        user = fleet.options().login.user(),
        hosts = hosts.collect::<String>(),
        first = fleet.hosts().first().map_or("HOST", |host| host.name()),
    )
}
