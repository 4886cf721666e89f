//! Real hosts on this machine: each with its own systemd, sshd, address and disk.
//!
//! A [`Fleet`] is some hosts and a bastion in a network of their own. It is claimed, made,
//! used through [`Host`] and [`Bastion`], and taken down so that nothing is left; one whose
//! maker was killed is taken down by the next fleet. The product is never linked in here: it
//! is a program that is started on the bastion like any other.
//!
//! Tests, demo and benchmark share this; what runs on the hosts is no concern of it.

mod bastion;
mod cgroup;
mod faults;
mod host;
mod mounts;
mod needs;
mod network;
mod owner;
mod rootfs;
mod slow;
mod state;
mod teardown;

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use bastion::Bastion;
pub use host::{Host, quoted};
pub use needs::{impossible, provide};
pub use owner::{Owner, Process};
pub use rootfs::once;
pub use slow::Disturbance;
pub use state::{MOST_HOSTS, Place, Record, fleets_of_this_machine};

use crate::{command, files};
use bastion::Known;
use cgroup::{Groups, Layout};
use network::Network;

/// How long taking down all fleets of a process may take.
pub const DOWN_LIMIT: Duration = Duration::from_mins(2);

/// What the operator is on the hosts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Login {
    /// root, with a key.
    #[default]
    Root,
    /// `ops`, who may do everything with sudo and is not asked.
    Sudo,
    /// `ops`, who may do everything with sudo once he has given his password.
    SudoPassword,
}

impl Login {
    /// The password that `ops` has on every host, for sudo.
    pub const PASSWORD: &'static str = "operator";

    /// Returns the name that the operator logs in by.
    pub fn user(self) -> &'static str {
        match self {
            Self::Root => "root",
            Self::Sudo | Self::SudoPassword => "ops",
        }
    }

    fn sudo_rule(self) -> Option<&'static str> {
        // sudo takes the limit for core files away, twice (see `SUDO_CONF`). Root puts it back with
        // a capability that the hosts have only where this machine has it.
        match self {
            Self::Root => None,
            Self::Sudo => Some("Defaults rlimit_core=default\nops ALL=(ALL:ALL) NOPASSWD: ALL\n"),
            Self::SudoPassword => Some("Defaults rlimit_core=default\nops ALL=(ALL:ALL) ALL\n"),
        }
    }
}

/// What a fleet is to be.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Options {
    /// What it is for, shown to whoever asks what runs here.
    pub purpose: String,
    /// The hosts' names.
    pub hosts: Vec<String>,
    /// What the operator is on the hosts.
    pub login: Login,
    /// Whether systemd-logind runs, which ends the processes of a session in some settings.
    pub logind: bool,
    /// Debian packages beside those that every host has.
    pub packages: Vec<String>,
}

impl Options {
    /// Returns a fleet of so many hosts, `node1` and on, with root's login and no logind.
    pub fn new(purpose: &str, hosts: usize) -> Self {
        Self {
            purpose: purpose.to_owned(),
            hosts: (1..=hosts).map(|number| format!("node{number}")).collect(),
            login: Login::default(),
            logind: false,
            packages: Vec::new(),
        }
    }

    /// Adds as many hosts again, `far1` and on: another data centre in the same network.
    #[must_use]
    pub fn with_far_hosts(mut self) -> Self {
        let count = self.hosts.len();
        self.hosts
            .extend((1..=count).map(|number| format!("far{number}")));
        self
    }
}

/// A fleet that could not be made, used or taken down.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// This machine or user can never boot a host.
    #[error("{0}")]
    Impossible(String),
    /// Something is missing and could not be installed.
    #[error("missing on this machine; run `apt-get install {packages}`: {source}")]
    Missing {
        /// The packages that bring it.
        packages: String,
        /// Why they could not be installed.
        source: command::Error,
    },
    /// The machine has no control groups that a host could have.
    #[error("/sys/fs/cgroup has neither cgroup2 alone nor systemd's own tree of version 1")]
    NoControlGroups,
    /// Others have the machine's room for hosts.
    #[error("no room for {wanted} hosts beside: {others} (see `lab status`, `lab down`)")]
    NoRoom {
        /// How many were asked for.
        wanted: usize,
        /// Who has the room.
        others: String,
    },
    /// A host did not come up.
    #[error("host {host} is not up: {last}\n{console}")]
    NotUp {
        /// The host.
        host: String,
        /// What was seen last.
        last: String,
        /// The end of what it wrote to its console.
        console: String,
    },
    /// A host is off and cannot be entered.
    #[error("host {0} is off")]
    Off(String),
    /// Something inside a host did not work.
    #[error("host {host}: {said}")]
    Host {
        /// The host.
        host: String,
        /// What it said.
        said: String,
    },
    /// Something would not go away.
    #[error("{what} would not go away: {left}")]
    NotGone {
        /// What it is.
        what: String,
        /// What was left of it.
        left: String,
    },
    /// There is no such fleet or host.
    #[error("there is no {0}")]
    Unknown(String),
    /// What is written down of a fleet could not be put into words.
    #[error("cannot write the fleet down: {0}")]
    Record(serde_json::Error),
    /// A program of this machine failed.
    #[error(transparent)]
    Command(#[from] command::Error),
    /// A file of this machine failed.
    #[error(transparent)]
    File(#[from] files::Error),
}

/// Hosts and a bastion in a network of their own.
#[derive(Debug)]
pub struct Fleet {
    place: Place,
    record: Record,
    bastion: Bastion,
    hosts: Vec<Host>,
    is_ours: bool,
}

impl Fleet {
    /// Claims a fleet, boots its hosts and waits until all are up.
    pub fn up(place: &Place, options: &Options) -> Result<Self, Error> {
        provide()?;
        let recipe = rootfs::Recipe {
            extra_packages: options.packages.clone(),
        };
        let base = recipe.provide(&place.cache)?;
        let record = place.claim(options)?;
        // From here on dropping it takes down whatever of it is there.
        let mut fleet = Self::over(place, record, Layout::here()?);
        fleet.is_ours = true;
        fleet.make(&base)?;
        Ok(fleet)
    }

    /// Finds a fleet that is up, to look at it or use it; dropping this leaves it.
    pub fn attach(place: &Place, name: &str) -> Result<Self, Error> {
        let unknown = || Error::Unknown(format!("fleet `{name}`"));
        let record = place.record(name)?.ok_or_else(unknown)?;
        Ok(Self::over(place, record, Layout::here()?))
    }

    fn over(place: &Place, record: Record, layout: Layout) -> Self {
        let network = Network::new(&record.name, record.subnet);
        let groups = Groups::of_fleet(layout, &record.name);
        let directory = place.fleet(&record.name);
        let bastion = Bastion::new(network.clone(), &directory);
        let names = record.options.hosts.iter();
        let hosts = names.zip(0_u8..).map(|(name, index)| Host {
            name: name.clone(),
            index,
            fleet: record.name.clone(),
            network: network.clone(),
            groups: groups.inside(name),
            directory: directory.join("hosts").join(name),
            bastion: bastion.clone(),
            program: place.program.clone(),
        });
        Self {
            hosts: hosts.collect(),
            place: place.clone(),
            record,
            bastion,
            is_ours: false,
        }
    }

    fn make(&self, base: &Path) -> Result<(), Error> {
        let names = self.names();
        let network = Network::new(&self.record.name, self.record.subnet);
        network.make(&names)?;
        self.bastion.make()?;
        self.on_all(|host| host.prepare(base, &names, &self.record.options))?;
        self.know_hosts()?;
        self.on_all(Host::power_on)?;
        self.on_all(Host::wait_until_up)
    }

    /// Does something with all hosts at once; the first error by the hosts' order counts.
    pub fn on_all<E: Send>(&self, work: impl Fn(&Host) -> Result<(), E> + Sync) -> Result<(), E> {
        on_all(self.hosts.iter(), work)
    }

    /// Writes the hosts' present keys to the bastion's `known_hosts` file.
    pub fn know_hosts(&self) -> Result<(), Error> {
        let keys: Vec<_> = self
            .hosts
            .iter()
            .map(Host::public_key)
            .collect::<Result<_, _>>()?;
        let hosts = self.hosts.iter().zip(&keys).map(|(host, key)| Known {
            name: host.name(),
            address: host.address(),
            public_key: key,
        });
        let hosts: Vec<_> = hosts.collect();
        self.bastion.know(&hosts, self.record.options.login)
    }

    /// The text of `/etc/hosts`, the same on the hosts and on the bastion.
    fn names(&self) -> String {
        let hosts = self.hosts.iter();
        let lines = hosts.map(|host| format!("{} {}\n", host.address(), host.name()));
        format!(
            "127.0.0.1 localhost\n{} bastion\n{}",
            self.bastion.address(),
            lines.collect::<String>()
        )
    }

    /// Returns the fleet's name.
    pub fn name(&self) -> &str {
        &self.record.name
    }

    /// Returns the fleet's hosts.
    pub fn hosts(&self) -> &[Host] {
        &self.hosts
    }

    /// Returns one host.
    pub fn host(&self, name: &str) -> Result<&Host, Error> {
        let found = self.hosts.iter().find(|host| host.name() == name);
        found.ok_or_else(|| Error::Unknown(format!("host `{name}` in fleet {}", self.name())))
    }

    /// Returns the bastion.
    pub fn bastion(&self) -> &Bastion {
        &self.bastion
    }

    /// Returns what was asked for.
    pub fn options(&self) -> &Options {
        &self.record.options
    }

    /// Returns the directory of everything that belongs to the fleet.
    pub fn directory(&self) -> PathBuf {
        self.place.fleet(self.name())
    }

    /// Lets the fleet live on after this process, until somebody takes it down.
    pub fn keep(mut self) -> Result<(), Error> {
        self.record.owner = Owner::here(true)?;
        self.place.write(&self.record)?;
        self.is_ours = false;
        Ok(())
    }

    /// Takes the fleet down.
    pub fn down(mut self) -> Result<(), Error> {
        self.is_ours = false;
        take_down(&self.place, self.name())
    }
}

/// Does something with hosts at once; the first error by the hosts' order counts.
pub fn on_all<'a, E: Send>(
    hosts: impl Iterator<Item = &'a Host>,
    work: impl Fn(&Host) -> Result<(), E> + Sync,
) -> Result<(), E> {
    let work = &work;
    std::thread::scope(|scope| {
        let threads: Vec<_> = hosts.map(|host| scope.spawn(move || work(host))).collect();
        let results = threads.into_iter().map(|thread| {
            // A panic goes on in whoever called.
            thread
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        });
        results.collect::<Vec<_>>().into_iter().collect()
    })
}

impl Drop for Fleet {
    fn drop(&mut self) {
        if self.is_ours {
            // There is nobody to tell. The next fleet finds what is left and takes it away.
            let _told_later = take_down(&self.place, &self.record.name);
        }
    }
}

/// Takes a fleet down by its name, also one that was never finished.
pub fn take_down(place: &Place, name: &str) -> Result<(), Error> {
    let _lock = place.lock()?;
    if !place.names()?.iter().any(|known| known == name) {
        return Err(Error::Unknown(format!("fleet `{name}`")));
    }
    teardown::take_down(&place.fleet(name), name)
}

/// Takes down the fleets that are nobody's any more, and returns their names.
pub fn take_stale_down(place: &Place) -> Result<Vec<String>, Error> {
    let _lock = place.lock()?;
    place.take_stale_down()
}

/// Takes down the fleets that a process made, when it was told to end.
pub fn take_down_of(place: &Place, pid: u32) -> Result<(), Error> {
    let _lock = place.lock()?;
    for record in place.records()? {
        if record.owner.process.is_some_and(|owner| owner.pid == pid) {
            teardown::take_down(&place.fleet(&record.name), &record.name)?;
        }
    }
    Ok(())
}
