//! `lab up`: boots hosts and leaves them running.

use std::process::ExitCode;

use clap::{Args, Subcommand, ValueEnum};

use super::terminal::{print, tell};
use super::{Error, interrupt};
use crate::fleet::{Fleet, Login, Options, Place};

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
    interrupt::take_down_on_signal();
    match &arguments.what {
        What::Hosts(hosts) => {
            tell("booting (the first time, this makes a root file system: a minute or so)");
            let fleet = Fleet::up(place, &hosts.options("up hosts"))?;
            let text = how_to_reach(&fleet);
            fleet.keep()?;
            print(&text);
        }
    }
    Ok(ExitCode::SUCCESS)
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
