//! An ArangoDB cluster of three machines under the starter, small and true enough that the shipped upgrade runs on it whole.
//!
//! Each machine has an agent, a DB-Server and a coordinator. What is asked over HTTP, and what a host shows of its
//! processes, is answered here; what modules do with files, packages and units is done by a real shell below a directory of
//! its own, with programs of the package system and of systemd that only keep their state there.

mod hosts;
mod requests;
mod shell;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use serde_json::Value;

use crate::clock::SimulatedClock;
use crate::connection::scripted::{Answering, Call, Effects, Verb, ended};
use crate::connection::{End, JobEnd, Reply};

use super::model::{Count, Model};
use super::notes::Notices;

/// The version that the cluster comes from.
const OLD: &str = "3.3.20";
/// The version that it goes to.
const NEW: &str = "3.4.0";
/// The machines.
const HOSTS: [&str; 3] = ["node1", "node2", "node3"];

/// The number by which data directories know a version.
fn number(version: &str) -> u32 {
    if version == NEW { 30400 } else { 30320 }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Role {
    Agent,
    Dbserver,
    Coordinator,
}

impl Role {
    const ALL: [Self; 3] = [Self::Agent, Self::Dbserver, Self::Coordinator];

    fn name(self) -> &'static str {
        match self {
            Self::Agent => "agent",
            Self::Dbserver => "dbserver",
            Self::Coordinator => "coordinator",
        }
    }

    /// As the server itself says it.
    fn own_name(self) -> &'static str {
        match self {
            Self::Agent => "AGENT",
            Self::Dbserver => "PRIMARY",
            Self::Coordinator => "COORDINATOR",
        }
    }

    fn port(self) -> u16 {
        match self {
            Self::Agent => 8531,
            Self::Dbserver => 8530,
            Self::Coordinator => 8529,
        }
    }

    /// How ids of this kind begin.
    fn id(self, host: usize) -> String {
        let kind = match self {
            Self::Agent => "AGNT",
            Self::Dbserver => "PRMR",
            Self::Coordinator => "CRDN",
        };
        format!("{kind}-{}", host + 1)
    }
}

/// A process; none of its numbers is ever given again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Process {
    pid: u32,
    start: u64,
}

/// A server of a machine.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Server {
    process: Option<Process>,
    /// The program that runs, or ran last.
    program: &'static str,
    /// Of which version its data is.
    data: u32,
}

/// A machine.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Machine {
    starter: Option<Process>,
    servers: BTreeMap<Role, Server>,
    boots: u32,
}

#[derive(Debug, Clone)]
struct State {
    machines: Vec<Machine>,
    /// Which agent leads, and in which term.
    leader: usize,
    term: u64,
    /// Who has asked for maintenance mode.
    maintenance: bool,
    /// What the supervision saw of versions when it was switched off.
    frozen: Option<Value>,
    lock: Option<Value>,
    /// The collection for a try, with its documents.
    canary: Option<BTreeMap<String, Value>>,
    drained: BTreeSet<String>,
    next: u32,
    count: Count,
}

/// The cluster.
#[derive(Debug)]
pub(in crate::rollout) struct Arangodb {
    state: Mutex<State>,
    notices: Notices,
    places: shell::Places,
    clock: OnceLock<Arc<SimulatedClock>>,
}

impl State {
    fn process(&mut self) -> Process {
        self.next += 1;
        Process {
            pid: 1000 + self.next,
            start: u64::from(self.next) * 100,
        }
    }

    fn server(&self, host: usize, role: Role) -> &Server {
        &self.machines[host].servers[&role]
    }

    fn is_up(&self, host: usize, role: Role) -> bool {
        self.server(host, role).process.is_some()
    }

    /// The leader of the agency: another one where it is down.
    fn elects(&mut self) {
        if self.is_up(self.leader, Role::Agent) {
            return;
        }
        let others = (0..HOSTS.len()).find(|host| self.is_up(*host, Role::Agent));
        if let Some(other) = others {
            (self.leader, self.term) = (other, self.term + 1);
        }
    }

    /// Ends a server and starts it with the program on disk, as the script of the role does.
    fn renews(&mut self, host: usize, role: Role, program: &'static str) {
        let process = self.process();
        let starter = self.process();
        let machine = &mut self.machines[host];
        machine.starter = Some(starter);
        machine.servers.insert(
            role,
            Server {
                process: Some(process),
                program,
                data: number(program),
            },
        );
    }
}

impl Arangodb {
    /// Makes a cluster that is well.
    pub(in crate::rollout) fn new() -> Self {
        let mut state = State {
            machines: Vec::new(),
            leader: 0,
            term: 1,
            maintenance: false,
            frozen: None,
            lock: None,
            canary: None,
            drained: BTreeSet::new(),
            next: 0,
            count: Count::default(),
        };
        for _ in HOSTS {
            let starter = Some(state.process());
            let servers = Role::ALL.map(|role| {
                let server = Server {
                    process: Some(state.process()),
                    program: OLD,
                    data: number(OLD),
                };
                (role, server)
            });
            state.machines.push(Machine {
                starter,
                servers: servers.into_iter().collect(),
                boots: 0,
            });
        }
        Self {
            state: Mutex::new(state),
            notices: Notices::default(),
            places: shell::Places::new(),
            clock: OnceLock::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs the role's script for one server: everything between "it serves" and "it serves again".
    fn upgrades(&self, host: usize, text: &str) -> Option<JobEnd> {
        let value = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name))?;
            Some(line.trim_matches('\'').to_owned())
        };
        let name = value("role=")?;
        let role = *Role::ALL.iter().find(|role| role.name() == name)?;
        let program = self.places.version(HOSTS[host]);
        let held = self.places.in_force(HOSTS[host]);
        let mut state = self.lock();
        let title = format!("{name} of {}", HOSTS[host]);
        let is_needed = state.server(host, role).program != program;
        state.count.does(format!("upgrade the {title}"), is_needed);
        state.judges(host, role, &title, held);
        state.renews(host, role, program);
        state.elects();
        let marks = "::stagger:: begin check what is there\n::stagger:: end\n";
        Some(ended(0, marks))
    }
}

impl State {
    /// What no upgrade may do to a cluster at any time.
    fn judges(&mut self, host: usize, role: Role, title: &str, held: bool) {
        self.count.accident(!held, || {
            format!("the {title} is stopped while systemd ends or starts its starter as it likes")
        });
        let others = (0..HOSTS.len()).filter(|other| *other != host);
        let all_up = others
            .clone()
            .all(|other| Role::ALL.iter().all(|role| self.is_up(other, *role)));
        self.count.accident(!all_up, || {
            format!("the {title} is stopped while a server of another machine is down")
        });
        let off = role == Role::Dbserver && !self.maintenance;
        self.count.accident(off, || {
            format!("the {title} is stopped, and the supervision is on")
        });
        let sent = role == Role::Coordinator && !self.drained.contains(HOSTS[host]);
        self.count.accident(sent, || {
            format!("the {title} is stopped, and clients are sent to it")
        });
        let before = |wanted: Role| {
            let hosts = 0..HOSTS.len();
            let all = hosts.map(|host| self.server(host, wanted).program);
            all.into_iter().all(|program| program == NEW)
        };
        let early = match role {
            Role::Agent => false,
            Role::Dbserver => !before(Role::Agent),
            Role::Coordinator => !before(Role::Dbserver),
        };
        self.count
            .accident(early, || format!("the {title} is upgraded before its turn"));
    }
}

fn host_of(name: &str) -> Option<usize> {
    HOSTS.iter().position(|host| *host == name)
}

impl Answering for Arangodb {
    fn has_put(&self, host: &str, path: &str, content: &[u8]) {
        self.places.put(host, path, content);
    }

    fn rebooted(&self, host: &str) {
        let Some(index) = host_of(host) else {
            return;
        };
        let program = self.places.version(host);
        let mut state = self.lock();
        let starter = state.process();
        let processes: Vec<Process> = Role::ALL.iter().map(|_| state.process()).collect();
        let machine = &mut state.machines[index];
        machine.boots += 1;
        machine.starter = Some(starter);
        for (server, process) in machine.servers.values_mut().zip(processes) {
            // A new program refuses old data.
            let fits = server.data == number(program);
            server.process = fits.then_some(process);
            if fits {
                server.program = program;
            }
        }
        state.elects();
    }

    fn changes(&self, call: &Call<'_>) -> bool {
        match call.verb {
            Verb::Say => !call.text.contains(" GET ") && !call.text.contains("/_api/agency/read"),
            Verb::Script => false,
            Verb::Job | Verb::Put | Verb::Get | Verb::Sql => true,
        }
    }

    fn time(&self, call: &Call<'_>) -> Duration {
        let long = call.verb == Verb::Job && call.text.contains("::stagger::");
        Duration::from_secs(if long { 60 } else { 0 })
    }

    fn script(&self, call: &Call<'_>, _effects: &Effects) -> Option<Reply> {
        if let Some(reply) = self.notices.script(call) {
            return Some(reply);
        }
        let host = host_of(call.host)?;
        if let Some(reply) = self.shows(host, call.text) {
            return Some(reply);
        }
        Some(self.places.run(call.host, call.text))
    }

    fn job(&self, call: &Call<'_>, _effects: &Effects) -> Option<JobEnd> {
        if call.host == "localhost" {
            let mut state = self.lock();
            if let Some(host) = call.text.strip_prefix("lb out ") {
                state.drained.insert(host.to_owned());
            } else {
                state.drained.remove(call.text.strip_prefix("lb in ")?);
            }
            return Some(ended(0, ""));
        }
        let host = host_of(call.host)?;
        if call.text.contains("::stagger::") {
            return self.upgrades(host, call.text);
        }
        let reply = self.places.run(call.host, call.text);
        Some(JobEnd {
            end: End::Code(reply.code),
            out: reply.out,
            err: reply.err,
            cut: false,
        })
    }

    fn speak(&self, host: &str, to: &str, said: &[u8]) -> Option<Vec<u8>> {
        self.answer(host, to, said)
    }
}

impl Model for Arangodb {
    fn lives_by(&self, clock: &Arc<SimulatedClock>) {
        drop(self.clock.set(clock.clone()));
    }

    fn count(&self) -> Count {
        let mut count = self.lock().count.clone();
        for host in HOSTS {
            let installs = self.places.installs(host);
            count.done.insert(format!("install on {host}"), installs);
            if installs > 1 {
                count.twice.push(format!("install on {host}"));
            }
        }
        count
    }

    fn standing(&self) -> String {
        use std::fmt::Write as _;
        let state = self.lock();
        let mut text = String::new();
        for (machine, host) in state.machines.iter().zip(HOSTS) {
            for (role, server) in &machine.servers {
                let up = server.process.is_some();
                let (program, data) = (server.program, server.data);
                writeln!(
                    text,
                    "{} of {host}: up {up}, {program}, data {data}",
                    role.name()
                )
                .unwrap();
            }
            writeln!(text, "starter of {host}: {}", machine.starter.is_some()).unwrap();
        }
        writeln!(
            text,
            "canary {:?}, drained {:?}",
            state.canary, state.drained
        )
        .unwrap();
        writeln!(
            text,
            "lock {:?}, maintenance {}",
            state.lock, state.maintenance
        )
        .unwrap();
        text + &self.places.listed()
    }

    fn switched(&self) -> Vec<String> {
        let state = self.lock();
        let mut switched = Vec::new();
        if state.maintenance {
            switched.push("maintenance mode of the supervision".to_owned());
        }
        if let Some(lock) = &state.lock {
            switched.push(format!("the lock: {lock}"));
        }
        if state.canary.is_some() {
            switched.push("the collection for a try".to_owned());
        }
        let drained = state.drained.iter();
        switched.extend(drained.map(|host| format!("{host} is out of the load balancer")));
        for host in HOSTS {
            if self.places.in_force(host) || self.places.drop_in(host) {
                switched.push(format!("the drop-in of the unit of {host}"));
            }
        }
        switched
    }

    /// A server is down with data that the program on disk refuses.
    fn waits_for_a_word(&self) -> bool {
        let state = self.lock();
        let servers = state
            .machines
            .iter()
            .flat_map(|machine| machine.servers.values());
        servers.into_iter().any(|server| server.process.is_none())
    }

    fn noted(&self) -> Vec<String> {
        let notes = self.notices.all().into_iter();
        notes
            .map(|(host, name, _)| format!("{name} on {host}"))
            .collect()
    }
}
