//! `lab up`: boots hosts and leaves them running.

use std::process::ExitCode;

use clap::{Args, Subcommand, ValueEnum};

use super::terminal::{print, tell};
use super::{Error, interrupt};
use crate::cluster::{self, Cluster, Security};
use crate::fleet::{Fleet, Login, Options, Place};
use crate::{files, product};

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
}

/// How the hosts are to be.
#[derive(Debug, Args)]
pub(super) struct HostOptions {
    /// How many hosts
    #[arg(long = "hosts", default_value_t = 3, value_name = "N")]
    count: usize,
    /// What the operator is on the hosts
    #[arg(long, value_enum, default_value_t = LoginName::Root)]
    login: LoginName,
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
    /// Who may ask the servers
    #[arg(long, value_enum, default_value_t = SecurityName::Open)]
    security: SecurityName,
    /// How the simulators are to behave, as a JSON object
    #[arg(long, default_value = "{}", value_name = "JSON")]
    switches: String,
}

/// The names of the ways to secure a cluster.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum SecurityName {
    /// everybody, in the clear
    Open,
    /// who has a token, in the clear
    Authenticated,
    /// who has a token, over TLS
    Tls,
}

impl ArangodbOptions {
    /// Returns the fleet that is asked for.
    pub(super) fn fleet(&self, purpose: &str) -> Options {
        self.hosts.options(purpose)
    }

    /// Returns the cluster that is asked for.
    pub(super) fn cluster(&self) -> Result<cluster::Options, Error> {
        let security = match self.security {
            SecurityName::Open => Security::Open,
            SecurityName::Authenticated => Security::Authenticated,
            SecurityName::Tls => Security::Tls,
        };
        let switches = serde_json::from_str(&self.switches)
            .map_err(|error| Error::Usage(format!("--switches: {error}")))?;
        Ok(cluster::Options {
            from: self.from.clone(),
            to: self.to.clone(),
            security,
            switches,
        })
    }
}

/// The names of the ways to log in.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum LoginName {
    /// root with a key
    Root,
    /// ops with a key, and sudo that asks nothing
    Sudo,
    /// ops with a key, and sudo that asks for a password
    SudoPassword,
}

impl HostOptions {
    /// Returns the fleet that is asked for.
    pub(super) fn options(&self, purpose: &str) -> Options {
        let login = match self.login {
            LoginName::Root => Login::Root,
            LoginName::Sudo => Login::Sudo,
            LoginName::SudoPassword => Login::SudoPassword,
        };
        Options {
            login,
            logind: self.logind,
            packages: self.packages.clone(),
            ..Options::new(purpose, self.count)
        }
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
    }
    Ok(ExitCode::SUCCESS)
}

fn arangodb(place: &Place, options: &ArangodbOptions) -> Result<(), Error> {
    let wanted = options.cluster()?;
    let product = product::build("stagger")?;
    tell(&format!("on the bastion: {product}"));
    let fleet = Fleet::up(place, &options.fleet("up arangodb"))?;
    tell("the hosts are up; starting the cluster");
    let cluster = Cluster::up(&fleet, &place.program, wanted)?;
    fleet.bastion().provide(&product.program)?;
    let inventory = cluster.inventory(fleet.options().login);
    files::write(
        &fleet.bastion().home().join("inventory.yml"),
        inventory,
        0o644,
    )?;
    let text = format!(
        "{}the upgrade  lab ssh {}/bastion -- stagger apply roles/arangodb/upgrade.yml \
         -i inventory.yml --reason trying\n",
        how_to_reach(&fleet),
        fleet.name()
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
