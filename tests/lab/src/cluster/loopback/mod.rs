//! A whole MemSQL cluster as processes of this machine: two hosts with an agent of Ops each, a master and a child
//! aggregator, leaves; and an operator's directory, from which the real program upgrades it.
//!
//! No host is booted and no right is needed, so many of them stand side by side: each has addresses of its own. What came
//! of an upgrade is read from the servers and from what they count. Tests and `lab faults` share this.

mod machine;
mod operator;
mod readback;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use serde_json::{Map, Value, json};

pub use machine::Machine;
pub use operator::WAITS;
pub use readback::SWITCHED;

use super::Error;
use crate::command::{Command, Output};
use crate::sim::memsql::Address;
use crate::sim::memsql::wire::client::{ClientError, ask};
use crate::sim::memsql::wire::{Answer, Login};
use crate::{clock, files};

/// The password of root in the databases, which must be found nowhere.
pub const PASSWORD: &str = "open-sesame-4711";
/// The version that a cluster runs at first.
pub const OLD: &str = "5.5.12";
/// The version that it can be upgraded to.
pub const NEW: &str = "5.7.2";

/// The port of an aggregator; leaves have those behind it.
const AGGREGATOR_PORT: u16 = 3306;
/// How long a cluster may take to do what is waited for.
const LIMIT: Duration = Duration::from_secs(30);

/// How the simulators behave by themselves here: quickly, and not put off by a machine that is busy.
pub fn usual() -> Map<String, Value> {
    let usual = json!({
        "time_factor": 0.1, "heartbeats_missed": 20, "start_delay_ms": 500, "recovery_ms": 300, "stop_delay_ms": 300,
        "upgrade_ms": 1_000, "copy_ms": 200,
    });
    usual.as_object().cloned().unwrap_or_default()
}

/// What the cluster calls its hosts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Called {
    /// By addresses of IPv4.
    #[default]
    Ipv4,
    /// By addresses of IPv6, which lead to the same hosts.
    Ipv6,
    /// By names that the hosts know; where the operator is nobody knows them but the inventory.
    Names,
}

/// Where a host is, and what the cluster calls it.
#[derive(Debug)]
struct Host {
    address: String,
    called: String,
}

impl Called {
    /// Returns the two hosts of a network of loopback addresses.
    fn hosts(self, net: &str) -> [Host; 2] {
        [1, 2].map(|number| {
            let plain = format!("{net}.{number}");
            let mapped = format!("::ffff:{plain}");
            let name = format!("db{number}.lab");
            let (address, called) = match self {
                Self::Ipv4 => (plain.clone(), plain),
                Self::Ipv6 => (mapped.clone(), mapped),
                Self::Names => (plain, name),
            };
            Host { address, called }
        })
    }
}

/// What a cluster is made of where it is not as usual.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The groups of the leaves.
    pub groups: Vec<u8>,
    /// On which of the two hosts each leaf is; in turn where it is not said.
    pub hosts: Vec<usize>,
    /// How many child aggregators.
    pub children: usize,
    /// What it calls its hosts.
    pub called: Called,
    /// The databases.
    pub databases: Vec<&'static str>,
    /// How the simulators behave.
    pub switches: Value,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            groups: vec![1, 2],
            hosts: Vec::new(),
            children: 1,
            called: Called::default(),
            databases: vec!["s-1"],
            switches: json!({}),
        }
    }
}

/// The two programs that a cluster and its operator are made of.
#[derive(Debug, Clone)]
pub struct Programs {
    /// The lab itself, which plays servers and Ops.
    pub lab: PathBuf,
    /// The program under test.
    pub stagger: PathBuf,
}

/// The cluster, and the operator's directory.
#[derive(Debug)]
pub struct Loopback {
    /// The hosts; the first one's agent is the primary.
    pub machines: [Machine; 2],
    /// The master aggregator.
    pub master: Address,
    /// The first child aggregator, if there is one.
    pub child: Address,
    /// The leaves, in the order of their groups in the plan.
    pub leaves: Vec<Address>,
    children: Vec<Address>,
    armed: Map<String, Value>,
    home: PathBuf,
    programs: Programs,
    _directory: tempfile::TempDir,
}

/// Makes the directory of a cluster, in memory if there is room and programs may be run from it: the operator's records are
/// put on the disk at each step, and the upgrades would mostly wait for that.
fn directory() -> std::io::Result<tempfile::TempDir> {
    const ROOM: u64 = 4 << 30;
    let memory = Path::new("/dev/shm");
    let fits = rustix::fs::statvfs(memory).is_ok_and(|memory| {
        let may_run = !memory
            .f_flag
            .contains(rustix::fs::StatVfsMountFlags::NOEXEC);
        may_run && memory.f_bavail.saturating_mul(memory.f_frsize) > ROOM
    });
    if fits {
        tempfile::tempdir_in(memory)
    } else {
        tempfile::tempdir()
    }
}

/// Addresses of this machine that no other cluster uses.
fn network() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(1);
    let (process, count) = (
        std::process::id() % 250 + 1,
        COUNT.fetch_add(1, Ordering::Relaxed) % 250 + 1,
    );
    format!("127.{process}.{count}")
}

fn not_up(why: impl std::fmt::Display) -> Error {
    Error::NotUp(why.to_string())
}

/// Does on this thread what the simulators' own means can only be asked for to do later.
fn block<T>(work: impl Future<Output = T>) -> Result<T, Error> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    Ok(runtime.map_err(not_up)?.block_on(work))
}

/// Returns where each leaf of a plan is: behind the aggregator of its host, one after the other.
fn placed(plan: &Plan, [first, second]: &[Host; 2]) -> Vec<Address> {
    let mut leaves: Vec<Address> = Vec::new();
    for number in 0..plan.groups.len() {
        let host = plan.hosts.get(number).copied().unwrap_or(number % 2);
        let host = if host == 0 {
            &first.called
        } else {
            &second.called
        };
        let there = leaves.iter().filter(|one| one.host == *host).count();
        let port = u16::try_from(1 + there).unwrap_or_default() + AGGREGATOR_PORT;
        leaves.push(Address::new(host, port));
    }
    leaves
}

/// Returns where child aggregators are: the first on the second host, as the master is on the first; others behind all leaves.
fn children(count: usize, [first, second]: &[Host; 2]) -> Vec<Address> {
    let place = |number: usize| {
        let host = if number.is_multiple_of(2) {
            second
        } else {
            first
        };
        let behind = u16::try_from(number).unwrap_or_default() * 100;
        Address::new(&host.called, AGGREGATOR_PORT + behind)
    };
    (0..count).map(place).collect()
}

impl Loopback {
    /// Sets a cluster up and waits until it serves.
    pub fn up(plan: &Plan, programs: &Programs) -> Result<Self, Error> {
        let directory = directory().map_err(not_up)?;
        let hosts = plan.called.hosts(&network());
        let machine = |number| Machine::start(directory.path(), &hosts, number, &programs.lab);
        let machines = [machine(0)?, machine(1)?];
        let home = directory.path().join("operator");
        files::make_directory(&home)?;
        // These addresses are nobody else's, and no client is given these ports.
        let [first, second] = &hosts;
        let mut stack = Self {
            machines,
            armed: usual(),
            master: Address::new(&first.called, AGGREGATOR_PORT),
            child: Address::new(&second.called, AGGREGATOR_PORT),
            leaves: placed(plan, &hosts),
            children: children(plan.children, &hosts),
            home,
            programs: programs.clone(),
            _directory: directory,
        };
        stack.deploy(plan)?;
        stack.arm(&plan.switches)?;
        files::write(&stack.file("inventory.yml"), stack.inventory(), 0o600)?;
        files::write(&stack.file("password"), PASSWORD, 0o600)?;
        files::write(&stack.file("drained"), "", 0o644)?;
        Ok(stack)
    }

    fn deploy(&self, plan: &Plan) -> Result<(), Error> {
        self.until("the agents answer", || {
            Ok(self.ops("agent-list --json")?.out.matches("ONLINE").count() == 2)
        })?;
        for version in [OLD, NEW] {
            let file = self.file(&format!("memsqlbin_amd64-{version}.tar.gz"));
            files::write(&file, format!("{version}\n"), 0o644)?;
            self.must(&format!("file-add --no-prompt {}", file.display()))?;
        }
        let deploy = |role: &str, at: &Address, more: &str| {
            let (host, port) = (&at.host, at.port);
            self.must(&format!(
                "memsql-deploy --no-prompt --role {role} --port {port} --agent-id {host} --version {OLD}{more}"
            ))
        };
        deploy("master", &self.master, "")?;
        for child in &self.children {
            deploy("aggregator", child, "")?;
        }
        for (leaf, group) in self.leaves.iter().zip(&plan.groups) {
            deploy("leaf", leaf, &format!(" --availability-group {group}"))?;
        }
        for name in &plan.databases {
            let quoted = name.replace('`', "``");
            self.sql(&format!("CREATE DATABASE `{quoted}` PARTITIONS 4"))?;
            self.sql(&format!(
                "CREATE TABLE `{quoted}`.t (k VARCHAR(9) PRIMARY KEY, n BIGINT)"
            ))?;
            self.sql(&format!("INSERT INTO `{quoted}`.t VALUES ('k1', 1)"))?;
        }
        let servers = 1 + self.children.len() + self.leaves.len();
        self.until("all servers are connected", || {
            let list = self.ops("memsql-list --json")?.out;
            Ok(list.matches("\"CONNECTED\"").count() == servers)
        })
    }

    /// Waits, for half a minute at most.
    pub fn until(
        &self,
        what: &str,
        mut look: impl FnMut() -> Result<bool, Error>,
    ) -> Result<(), Error> {
        let met = clock::wait(LIMIT, || {
            Ok::<_, Error>(if look()? {
                clock::Look::Done(())
            } else {
                clock::Look::NotYet(String::new())
            })
        })?;
        met.map_err(|_| not_up(format!("never: {what}\n{:#}", self.meta())))
    }

    /// Runs a command of Ops.
    pub fn ops(&self, line: &str) -> Result<Output, Error> {
        let [primary, _] = &self.machines;
        let script = primary.root.join("memsql-ops");
        let command = Command::new("sh").arg(script).args(line.split(' '));
        Ok(command.output()?)
    }

    /// Runs a command of Ops that must be done.
    pub fn must(&self, line: &str) -> Result<(), Error> {
        let output = self.ops(line)?;
        if output.is_ok() {
            return Ok(());
        }
        let (out, err) = (&output.out, &output.err);
        Err(not_up(format!("memsql-ops {line}: {out}{err}")))
    }

    /// Says a statement to the master aggregator.
    pub fn sql(&self, text: &str) -> Result<(), Error> {
        let said = self.say(&self.master, text)?;
        said.map(drop)
            .map_err(|error| not_up(format!("{text}: {error}")))
    }

    /// Says a statement to a server.
    pub fn say(&self, at: &Address, text: &str) -> Result<Result<Answer, ClientError>, Error> {
        let login = Login {
            user: "root".to_owned(),
            password: PASSWORD.to_owned(),
            ..Login::default()
        };
        let limits = (Duration::from_secs(5), Duration::from_secs(20));
        block(ask(&self.dialled(at).host, at.port, &login, text, limits))
    }

    /// Returns where a server is reached from here.
    fn dialled(&self, at: &Address) -> Address {
        let mut machines = self.machines.iter();
        let machine = machines.find(|machine| machine.host == at.host);
        let host = machine.map_or(&at.host, |machine| &machine.address);
        Address::new(host, at.port)
    }

    /// Returns the address of a server that is named for its part: `@master`, `@child`, or `@leaf` with its number.
    fn address_of(&self, name: &str) -> Option<String> {
        let at = match name.strip_prefix('@')? {
            "master" => &self.master,
            "child" => &self.child,
            leaf => {
                let number: usize = leaf.strip_prefix("leaf")?.parse().ok()?;
                self.leaves.get(number)?
            }
        };
        Some(at.to_string())
    }

    /// Sets switches of the simulators, beside those that are set; null takes one away. Those of one server stand under its
    /// part, as `@leaf0`, and `@host1` in a text means that host's address.
    pub fn arm(&mut self, switches: &Value) -> Result<(), Error> {
        for (name, value) in switches.as_object().into_iter().flatten() {
            let name = self.address_of(name).unwrap_or_else(|| name.clone());
            if !value.is_null() {
                self.armed.insert(name, value.clone());
            } else if let Some(own) = usual().remove(&name) {
                self.armed.insert(name, own);
            } else {
                self.armed.remove(&name);
            }
        }
        let mut text = Value::Object(self.armed.clone()).to_string();
        for (number, machine) in (1..).zip(&self.machines) {
            text = text.replace(&format!("@host{number}"), &machine.host);
        }
        for machine in &self.machines {
            files::write(&machine.root.join("etc/lab/memsql.json"), &text, 0o644)?;
        }
        // They are looked at five times a second.
        clock::pause(Duration::from_millis(300));
        Ok(())
    }

    /// Ends the agent of the second host.
    pub fn lose_agent(&mut self) {
        let [_, other] = &mut self.machines;
        other.lose_agent();
    }

    /// Returns the id of a server.
    pub fn id(&self, at: &Address) -> Result<String, Error> {
        let list: Value =
            serde_json::from_str(&self.ops("memsql-list --json")?.out).map_err(not_up)?;
        let mut all = list.as_array().into_iter().flatten();
        let is = |one: &Value, name: &str, wanted: Value| one.get(name) == Some(&wanted);
        let own =
            all.find(|one| is(one, "host", json!(at.host)) && is(one, "port", json!(at.port)));
        let id = own.and_then(|own| own.get("memsql_id")?.as_str());
        id.map(str::to_owned)
            .ok_or_else(|| not_up(format!("Ops does not know {at}")))
    }

    /// Mends a server by hand, as the README says: it gets the new program, and is started.
    pub fn mend(&self, at: &Address) -> Result<(), Error> {
        let id = self.id(at)?;
        let one = "--no-prompt --skip-snapshot --no-backup-data-directories";
        let list = self.ops("memsql-list --json")?.out;
        if list.contains("NOT RUNNING") || self.version(at) != NEW {
            self.must(&format!(
                "memsql-upgrade --memsql-id {id} {one} --version {NEW}"
            ))?;
            self.must(&format!("memsql-start {id} --no-prompt"))?;
        }
        self.until("it has recovered", || {
            Ok(self.state(at).get("recovers") == Some(&json!(false)))
        })
    }
}

impl Drop for Loopback {
    fn drop(&mut self) {
        for machine in &mut self.machines {
            machine.end();
        }
    }
}
