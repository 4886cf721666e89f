//! How the cluster stands, and what goes on in it while time passes.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use serde_json::Value;

use super::{HOSTS, NEW, OLD, number};
use crate::rollout::testing::model::Count;

/// How long a copy takes to be in sync again when its server is back, in seconds; what it missed is little.
const IN_SYNC_AFTER: u64 = 5;
/// How long a server takes to answer clients, in seconds.
const READY_AFTER: u64 = 2;
/// After how long the supervision gives away what a DB-Server led that is down (`arangodb.md`: about 15 s).
const FAILS_OVER_AFTER: u64 = 15;
/// How long the agency elects.
const ELECTS_FOR: u64 = 3;
/// How long a shard takes to be copied to another DB-Server.
const COPIED_AFTER: u64 = 20;
/// How long maintenance mode lasts unless it is asked for again (3.3 and 3.4: an hour).
const MAINTENANCE_LASTS: u64 = 3600;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Role {
    Agent,
    Dbserver,
    Coordinator,
}

impl Role {
    pub(super) const ALL: [Self; 3] = [Self::Agent, Self::Dbserver, Self::Coordinator];

    pub(super) fn at(port: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|role| role.port().to_string() == port)
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Agent => "agent",
            Self::Dbserver => "dbserver",
            Self::Coordinator => "coordinator",
        }
    }

    /// As the server itself says it.
    pub(super) fn own_name(self) -> &'static str {
        match self {
            Self::Agent => "AGENT",
            Self::Dbserver => "PRIMARY",
            Self::Coordinator => "COORDINATOR",
        }
    }

    pub(super) fn port(self) -> u16 {
        match self {
            Self::Agent => 8531,
            Self::Dbserver => 8530,
            Self::Coordinator => 8529,
        }
    }

    /// The id of the one on a machine.
    pub(super) fn id(self, host: usize) -> String {
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
pub(super) struct Process {
    pub(super) pid: u32,
    pub(super) start: u64,
}

/// A server of a machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Server {
    pub(super) process: Option<Process>,
    /// The program that runs, or ran last.
    pub(super) program: &'static str,
    /// Of which version its data is.
    pub(super) data: u32,
    /// When it last began or ended; nothing for what ran before all.
    since: Option<u64>,
}

/// A machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Machine {
    pub(super) starter: Option<Process>,
    pub(super) servers: BTreeMap<Role, Server>,
    pub(super) boots: u32,
}

/// A shard, with the DB-Servers that have a copy, its leader first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Shard {
    pub(super) name: &'static str,
    pub(super) plan: Vec<usize>,
}

/// A job of the supervision that moves the leadership of a shard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Move {
    pub(super) id: u32,
    pub(super) shard: String,
    pub(super) from: usize,
    pub(super) to: usize,
    done_at: u64,
}

/// The cluster.
#[derive(Debug, Clone)]
pub(super) struct State {
    /// Seconds since the beginning.
    pub(super) now: u64,
    pub(super) machines: Vec<Machine>,
    pub(super) shards: Vec<Shard>,
    /// Which agent leads, from when, and in which term.
    leader: usize,
    leads_from: u64,
    pub(super) term: u64,
    /// Until when maintenance mode is asked for.
    pub(super) maintenance: Option<u64>,
    /// When that changed.
    pub(super) mode_since: u64,
    /// What the supervision saw when it was switched off.
    pub(super) frozen: Option<Value>,
    pub(super) moves: Vec<Move>,
    /// Those that have failed, and why.
    pub(super) failed: Vec<(Move, &'static str)>,
    /// The documents of the collection for a try.
    pub(super) canary: Option<BTreeMap<String, Value>>,
    pub(super) drained: BTreeSet<String>,
    next: u32,
    pub(super) count: Count,
}

impl State {
    pub(super) fn new() -> Self {
        let shard = |name, plan: [usize; 2]| Shard {
            name,
            plan: plan.into(),
        };
        let mut state = Self {
            now: 0,
            machines: Vec::new(),
            shards: vec![
                shard("s1", [0, 1]),
                shard("s2", [1, 2]),
                shard("s3", [2, 0]),
            ],
            leader: 0,
            leads_from: 0,
            term: 1,
            maintenance: None,
            mode_since: 0,
            frozen: None,
            moves: Vec::new(),
            failed: Vec::new(),
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
                    since: None,
                };
                (role, server)
            });
            state.machines.push(Machine {
                starter,
                servers: servers.into_iter().collect(),
                boots: 0,
            });
        }
        state
    }

    /// Lets time pass: elections, the supervision's jobs, and the end of a maintenance mode that nobody asked for again.
    pub(super) fn passes(&mut self, now: u64) {
        self.now = now;
        if !self.is_up(self.leader, Role::Agent) {
            self.elects();
        }
        if self.maintenance.is_some_and(|until| until <= now) {
            self.looks_away(false);
        }
        if self.maintenance.is_none() {
            self.fails_over();
            self.moves_shards();
        }
    }

    fn process(&mut self) -> Process {
        self.next += 1;
        Process {
            pid: 1000 + self.next,
            start: u64::from(self.next) * 100,
        }
    }

    pub(super) fn server(&self, host: usize, role: Role) -> &Server {
        &self.machines[host].servers[&role]
    }

    pub(super) fn is_up(&self, host: usize, role: Role) -> bool {
        self.server(host, role).process.is_some()
    }

    fn is_for(&self, host: usize, role: Role, seconds: u64) -> bool {
        let since = self.server(host, role).since;
        since.is_none_or(|since| self.now >= since + seconds)
    }

    /// Whether a server takes requests of clients.
    pub(super) fn is_ready(&self, host: usize, role: Role) -> bool {
        self.is_up(host, role) && self.is_for(host, role, READY_AFTER)
    }

    /// Whether the copies of a DB-Server are in sync.
    pub(super) fn is_in_sync(&self, host: usize) -> bool {
        self.is_up(host, Role::Dbserver) && self.is_for(host, Role::Dbserver, IN_SYNC_AFTER)
    }

    /// The agent that leads at this moment, if one does.
    pub(super) fn leads(&self) -> Option<usize> {
        let hosts = 0..HOSTS.len();
        let up = hosts.filter(|host| self.is_up(*host, Role::Agent)).count();
        let leads = up * 2 > HOSTS.len() && self.is_up(self.leader, Role::Agent);
        (leads && self.now >= self.leads_from).then_some(self.leader)
    }

    /// Another agent leads from now on, if enough are there.
    fn elects(&mut self) {
        let hosts = 0..HOSTS.len();
        let up: Vec<usize> = hosts
            .filter(|host| self.is_up(*host, Role::Agent))
            .collect();
        let other = up.iter().find(|host| **host != self.leader);
        if let (Some(other), true) = (other, up.len() * 2 > HOSTS.len()) {
            self.leader = *other;
            self.term += 1;
            self.leads_from = self.now + ELECTS_FOR;
        }
    }

    /// Switches maintenance mode on, once more for its whole time, or off.
    pub(super) fn looks_away(&mut self, on: bool) {
        if on != self.maintenance.is_some() {
            self.mode_since = self.now;
            self.frozen = on.then(|| self.health());
        }
        self.maintenance = on.then_some(self.now + MAINTENANCE_LASTS);
    }

    /// Gives what a DB-Server leads that has been down for a while to the one that has the other copy.
    fn fails_over(&mut self) {
        for index in 0..self.shards.len() {
            let plan = self.shards[index].plan.clone();
            let away = !self.is_up(plan[0], Role::Dbserver)
                && self.is_for(plan[0], Role::Dbserver, FAILS_OVER_AFTER);
            if away && self.is_in_sync(plan[1]) {
                self.shards[index].plan.swap(0, 1);
            }
        }
    }

    /// Ends the moves whose time has come (`MoveShard.cpp`: a target that has a copy already is refused).
    fn moves_shards(&mut self) {
        let now = self.now;
        let jobs = std::mem::take(&mut self.moves).into_iter();
        let (due, waiting): (Vec<_>, Vec<_>) = jobs.partition(|job| job.done_at <= now);
        self.moves = waiting;
        for job in due {
            let fits = self.is_up(job.to, Role::Dbserver);
            let mut shards = self.shards.iter_mut();
            let shard = shards.find(|shard| shard.name == job.shard);
            let wrong = match shard {
                None => Some("there is no such shard"),
                Some(shard) if shard.plan[0] != job.from => Some("fromServer does not lead it"),
                Some(shard) if shard.plan.contains(&job.to) => {
                    Some("toServer must not yet be planned for shard")
                }
                Some(_) if !fits => Some("toServer is not GOOD"),
                Some(shard) => {
                    shard.plan[0] = job.to;
                    None
                }
            };
            self.failed.extend(wrong.map(|why| (job, why)));
        }
    }

    /// Takes a move on.
    pub(super) fn asks_for_move(&mut self, shard: &str, from: usize, to: usize) {
        let known = self.shards.iter().find(|known| known.name == shard);
        let done = known.is_some_and(|known| known.plan[0] == to);
        let is_needed = !done && !self.moves.iter().any(|job| job.shard == shard);
        let what = format!("move {shard} from {} to {}", HOSTS[from], HOSTS[to]);
        self.count.does(what, is_needed);
        self.next += 1;
        self.moves.push(Move {
            id: self.next,
            shard: shard.to_owned(),
            from,
            to,
            done_at: self.now + COPIED_AFTER,
        });
    }

    /// Starts a server with a program that takes its data, and makes it of that version where it is not.
    fn starts(&mut self, host: usize, role: Role, program: &'static str) {
        let process = self.process();
        let now = self.now;
        let server = self.machines[host].servers.get_mut(&role).unwrap();
        *server = Server {
            process: Some(process),
            program,
            data: number(program),
            since: Some(now),
        };
    }

    /// Ends a server and its starter, upgrades its data and starts both, as the script of the role does.
    pub(super) fn renews(&mut self, host: usize, role: Role, program: &'static str) {
        self.starts(host, role, program);
        let starter = self.process();
        self.machines[host].starter = Some(starter);
        if role == Role::Agent && self.leader == host {
            self.elects();
        }
    }

    /// Boots a machine: the starter starts what runs with the program on disk, which refuses older data.
    pub(super) fn boots(&mut self, host: usize, program: &'static str, held_back: bool) {
        let starter = (!held_back).then(|| self.process());
        let machine = &mut self.machines[host];
        machine.boots += 1;
        machine.starter = starter;
        for role in Role::ALL {
            if !held_back && self.server(host, role).data == number(program) {
                self.starts(host, role, program);
            } else {
                let now = self.now;
                let server = self.machines[host].servers.get_mut(&role).unwrap();
                (server.process, server.since) = (None, Some(now));
            }
        }
        if self.leader == host {
            self.elects();
        }
    }

    /// Upgrades by hand what is down on a machine, and starts it; tells whether there was anything.
    pub(super) fn starts_by_hand(&mut self, host: usize, program: &'static str) -> bool {
        let down = |role: &Role| !self.is_up(host, *role);
        let down: Vec<Role> = Role::ALL.into_iter().filter(down).collect();
        for role in &down {
            if self.server(host, *role).data != number(program) {
                let what = format!("upgrade the {} of {}", role.name(), HOSTS[host]);
                self.count.does(what, true);
            }
            self.starts(host, *role, program);
        }
        if self.machines[host].starter.is_none() {
            self.machines[host].starter = Some(self.process());
        }
        !down.is_empty()
    }

    /// Clients come to a coordinator again: one that is new must have been tried.
    pub(super) fn sends_clients_to(&mut self, host: usize) {
        let key = format!("stagger-{}", HOSTS[host]);
        let tried = self
            .canary
            .as_ref()
            .is_some_and(|all| all.contains_key(&key));
        let is_new = self.server(host, Role::Coordinator).program == NEW;
        let is_up = self.is_up(host, Role::Coordinator);
        self.count.accident(is_new && !tried, || {
            format!("clients are sent to {}, which was not tried", HOSTS[host])
        });
        self.count.accident(!is_up, || {
            format!("clients are sent to {}, which is down", HOSTS[host])
        });
    }

    /// What is switched for the time of a run.
    pub(super) fn switched(&self) -> Vec<String> {
        let mut switched = Vec::new();
        if self.maintenance.is_some() {
            switched.push("maintenance mode of the supervision".to_owned());
        }
        if self.canary.is_some() {
            switched.push("the collection for a try".to_owned());
        }
        let drained = self.drained.iter();
        switched.extend(drained.map(|host| format!("{host} is out of the load balancer")));
        switched
    }

    /// All of it as text, but which of two servers leads a shard: that is as good either way.
    pub(super) fn shown(&self) -> String {
        let mut text = String::new();
        for (machine, host) in self.machines.iter().zip(HOSTS) {
            for (role, server) in &machine.servers {
                let (up, name) = (server.process.is_some(), role.name());
                let (program, data) = (server.program, server.data);
                writeln!(text, "{name} of {host}: up {up}, {program}, data {data}").unwrap();
            }
            writeln!(text, "starter of {host}: {}", machine.starter.is_some()).unwrap();
        }
        for shard in &self.shards {
            let copies = shard.plan.iter().filter(|host| self.is_in_sync(**host));
            let (name, copies) = (shard.name, copies.count());
            writeln!(text, "{name}: {copies} copies in sync").unwrap();
        }
        let jobs = self.moves.len();
        writeln!(text, "{jobs} moves, {:?}", self.switched()).unwrap();
        text
    }
}
