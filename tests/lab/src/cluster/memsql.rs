//! A MemSQL cluster with two availability groups, run by `memsql-ops`.

use std::path::Path;
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::{Error, keys};
use crate::clock::{self, Look};
use crate::files;
use crate::fleet::{self, Bastion, Fleet, Host, Login, quoted};
use crate::packages::memsql as package;

/// Where the simulated programs look how they are to behave.
pub const SWITCHES: &str = "/etc/lab/memsql.json";
/// The port of an aggregator.
pub const AGGREGATOR_PORT: u16 = 3306;
/// The port of a machine's first leaf.
pub const LEAF_PORT: u16 = 3307;
const KEY_FILE: &str = "/etc/memsql.pem";
const DEPLOY_LIMIT: Duration = Duration::from_mins(2);
const UP_LIMIT: Duration = Duration::from_mins(2);

/// What the cluster is to be.
#[derive(Debug, Clone)]
pub struct Options {
    /// The version that it runs.
    pub from: String,
    /// The version that it is to be upgraded to.
    pub to: String,
    /// The version of Ops.
    pub ops: String,
    /// How many leaves, an even number.
    pub leaves: usize,
    /// How many leaves a machine has.
    pub leaves_per_host: usize,
    /// How many child aggregators.
    pub aggregators: usize,
    /// The user's databases.
    pub databases: Vec<String>,
    /// Whether the servers speak TLS, and nothing else.
    pub tls: bool,
    /// How the simulated programs are to behave, where not as usual.
    pub switches: Map<String, Value>,
    /// More lines for the inventory.
    pub variables: Vec<String>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            from: "5.5.12".to_owned(),
            to: "5.7.2".to_owned(),
            ops: "5.7.1".to_owned(),
            leaves: 4,
            leaves_per_host: 1,
            aggregators: 1,
            databases: vec!["shop".to_owned()],
            tls: false,
            switches: Map::new(),
            variables: Vec::new(),
        }
    }
}

impl Options {
    /// Returns how many machines that takes.
    pub fn hosts(&self) -> usize {
        self.leaves.div_ceil(self.leaves_per_host.max(1)).max(1)
    }
}

/// A server that is to be set up.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Place {
    role: &'static str,
    host: usize,
    port: u16,
    group: Option<usize>,
}

/// Says which server goes where: the master aggregator on the first machine, children on the
/// ones after it, leaves everywhere, a pair never on one machine.
fn places(options: &Options) -> Vec<Place> {
    let hosts = options.hosts();
    let place = |role, host, port, group| Place {
        role,
        host,
        port,
        group,
    };
    let mut all = vec![place("master", 0, AGGREGATOR_PORT, None)];
    for number in 1..=options.aggregators {
        let lap = u16::try_from(number / hosts).unwrap_or(0);
        all.push(place(
            "aggregator",
            number % hosts,
            AGGREGATOR_PORT + lap * 100,
            None,
        ));
    }
    for number in 0..options.leaves {
        let (host, slot) = (number % hosts, number / hosts);
        let is_second = (host >= hosts.div_ceil(2)) != (slot % 2 == 1);
        let port = LEAF_PORT + u16::try_from(slot).unwrap_or(0);
        all.push(place("leaf", host, port, Some(1 + usize::from(is_second))));
    }
    all
}

/// A cluster on the hosts of a fleet.
#[derive(Debug)]
pub struct Cluster<'a> {
    hosts: Vec<&'a Host>,
    bastion: &'a Bastion,
    options: Options,
    password: String,
}

impl<'a> Cluster<'a> {
    /// Sets the cluster up on all hosts of a fleet and waits until it serves.
    pub fn up(fleet: &'a Fleet, program: &Path, options: Options) -> Result<Self, Error> {
        let bastion = fleet.bastion();
        let directory = bastion.home().join("packages");
        let deb = package::build(program, &options.ops, &directory)?;
        let versions = [
            package::server(&options.from, &directory)?,
            package::server(&options.to, &directory)?,
        ];
        let cluster = Self {
            hosts: fleet.hosts().iter().collect(),
            bastion,
            options,
            password: keys::secret()?,
        };
        let authority = keys::Authority::make()?;
        files::write(
            &bastion.home().join("ca.pem"),
            authority.certificate(),
            0o644,
        )?;
        fleet::on_all(cluster.hosts.iter().copied(), |host| {
            host.copy(&versions, "/root/packages")?;
            cluster.prepare(host, &deb, &authority)
        })?;
        cluster.deploy()?;
        cluster.wait_until_up()?;
        Ok(cluster)
    }

    fn prepare(&self, host: &Host, deb: &Path, authority: &keys::Authority) -> Result<(), Error> {
        let switches = Value::Object(self.options.switches.clone());
        host.write(SWITCHES, format!("{switches:#}\n"), 0o644)?;
        host.install(&[deb.to_owned()])?;
        if self.options.tls {
            host.write(
                KEY_FILE,
                authority.server(host.name(), host.address())?,
                0o600,
            )?;
        }
        let address = |host: &Host| host.address().to_string();
        let settings = json!({
            "host": address(host),
            "primary": self.hosts.first().map(|first| address(first)),
            "agents": self.hosts.iter().map(|one| address(one)).collect::<Vec<_>>(),
            "password": self.password,
            "certificate": self.options.tls.then_some(KEY_FILE),
        });
        host.write(
            "/etc/memsql-ops/settings.json",
            format!("{settings:#}\n"),
            0o600,
        )?;
        host.must("systemctl enable --now memsql-ops 2>&1")?;
        Ok(())
    }

    /// Returns the host of the primary agent.
    pub fn ops_host(&self) -> Result<&'a Host, Error> {
        let first = self.hosts.first().copied();
        first.ok_or_else(|| Error::NotUp("there are no hosts".to_owned()))
    }

    fn ops(&self, line: &str) -> Result<String, Error> {
        let host = self.ops_host()?;
        Ok(host
            .inside(&format!("memsql-ops {line}"))?
            .within(DEPLOY_LIMIT)
            .run()?)
    }

    fn deploy(&self) -> Result<(), Error> {
        let host = self.ops_host()?;
        wait(|| {
            let said = host.run("memsql-ops status")?;
            let agents = host.run("memsql-ops agent-list --json")?;
            let known: Vec<Value> = serde_json::from_str(&agents.out).unwrap_or_default();
            let is_online = |one: &Value| one.get("state") == Some(&json!("ONLINE"));
            let all = known.len() == self.hosts.len() && known.iter().all(is_online);
            Ok(if said.is_ok() && all {
                Look::Done(())
            } else {
                Look::NotYet(format!("{} {}", said.err, agents.out))
            })
        })?;
        for version in [&self.options.from, &self.options.to] {
            self.ops(&format!(
                "file-add --no-prompt /root/packages/memsqlbin_amd64-{version}.tar.gz"
            ))?;
        }
        for place in places(&self.options) {
            let address = self
                .hosts
                .get(place.host)
                .map(|host| host.address().to_string());
            let group = place
                .group
                .map(|group| format!(" --availability-group {group}"));
            self.ops(&format!(
                "memsql-deploy --no-prompt --role {} --port {} --agent-id {} --version {}{}",
                place.role,
                place.port,
                address.unwrap_or_default(),
                quoted(&self.options.from),
                group.unwrap_or_default(),
            ))?;
        }
        Ok(())
    }

    fn wait_until_up(&self) -> Result<(), Error> {
        let wanted = 1 + self.options.aggregators + self.options.leaves;
        wait(|| {
            let said = self.ops("memsql-list --json")?;
            let list: Vec<Value> = serde_json::from_str(&said).unwrap_or_default();
            let is = |one: &&Value| one.get("cluster_state") == Some(&json!("CONNECTED"));
            let count = list.iter().filter(is).count();
            Ok(if count == wanted {
                Look::Done(())
            } else {
                Look::NotYet(format!("{count} of {wanted} servers are connected"))
            })
        })
    }

    /// Returns what the cluster was asked to be.
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// Returns the hosts.
    pub fn hosts(&self) -> &[&'a Host] {
        &self.hosts
    }

    /// Returns the password of root.
    pub fn password(&self) -> &str {
        &self.password
    }

    /// Returns the addresses of the aggregators, the master's first.
    pub fn aggregators(&self) -> Vec<String> {
        let all = places(&self.options)
            .into_iter()
            .filter(|place| place.role != "leaf");
        let all = all.filter_map(|place| {
            let host = self.hosts.get(place.host)?;
            Some(format!("{}:{}", host.address(), place.port))
        });
        all.collect()
    }

    /// Returns the inventory for an upgrade, as an operator would write it.
    pub fn inventory(&self, login: Login) -> String {
        let mut variables = vec![
            format!("ansible_user: {}", login.user()),
            format!("memsql_version: \"{}\"", self.options.to),
            "memsql_user: root".to_owned(),
            format!("memsql_password: {}", self.password),
            "memsql_backup: none, these are simulators".to_owned(),
        ];
        if self.options.tls {
            let authority = self.bastion.home().join("ca.pem");
            variables.extend([
                "memsql_tls: verify".to_owned(),
                format!("memsql_ca_cert: {}", authority.display()),
            ]);
        }
        match login {
            Login::Root => {}
            Login::Sudo => variables.push("ansible_become: true".to_owned()),
            Login::SudoPassword => variables.extend([
                "ansible_become: true".to_owned(),
                format!("ansible_become_password: {}", Login::PASSWORD),
            ]),
        }
        variables.extend(self.options.variables.iter().cloned());
        let variables: Vec<String> = variables
            .iter()
            .map(|line| format!("        {line}\n"))
            .collect();
        let hosts: Vec<String> = self
            .hosts
            .iter()
            .map(|host| {
                format!(
                    "        {}: {{ ansible_host: {} }}\n",
                    host.name(),
                    host.address()
                )
            })
            .collect();
        let first = self.hosts.first().map_or("", |host| host.name());
        format!(
            "all:\n  children:\n    memsql:\n      hosts:\n{}      vars:\n{}    \
             memsql_ops:\n      hosts:\n        {first}:\n",
            hosts.concat(),
            variables.concat(),
        )
    }
}

fn wait(look: impl FnMut() -> Result<Look<()>, Error>) -> Result<(), Error> {
    clock::wait(UP_LIMIT, look)?.map_err(Error::NotUp)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_equal_and_pairs_fit_on_two_machines() {
        for (leaves, per_host) in [(2, 1), (4, 1), (8, 1), (4, 2), (8, 2)] {
            let options = Options {
                leaves,
                leaves_per_host: per_host,
                aggregators: 3,
                ..Options::default()
            };
            let places = places(&options);
            let first = places.iter().filter(|place| place.group == Some(1)).count();
            assert_eq!(first, leaves / 2, "{leaves} leaves, {per_host} a host");
            let mut ports: Vec<_> = places
                .iter()
                .map(|place| (place.host, place.port))
                .collect();
            ports.sort_unstable();
            ports.dedup();
            assert_eq!(ports.len(), places.len(), "{places:?}");
            assert!(places.iter().all(|place| place.host < options.hosts()));
        }
    }
}
