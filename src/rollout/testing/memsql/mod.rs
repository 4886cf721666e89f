//! A MemSQL cluster of two pairs of servers, small and true enough that the shipped upgrade runs on it whole.
//!
//! One leaf in each availability group, a child aggregator, the master aggregator, and the primary agent of Ops on a host
//! of its own. What is done to it has its effect at once, and counts: what was done a second time, and what no upgrade may
//! do ever. Facts are those of MemSQL 5.x; whether a leaf shows the copies that it had when it was detached, or was
//! attached without them, is not known of 5.x, so it is a switch.

mod ops;
mod statements;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::connection::scripted::{Answering, Call, Effects, Verb, ended};
use crate::connection::sql::{SqlError, SqlRows};
use crate::connection::{Fence, JobEnd, Reply};

use super::locks::Locks;
use super::model::{Count, Model};
use super::notes::Notices;

/// The version that the cluster comes from.
pub(super) const OLD: &str = "5.5.12";
/// The version that it goes to.
pub(super) const NEW: &str = "5.8.12";
/// The database.
const DATABASE: &str = "shop";
/// How many partitions it has.
const PARTITIONS: u32 = 2;
/// The master aggregator.
const MASTER: &str = "agg1:3306";
/// The hosts with a server; the primary agent is on another one.
pub(super) const HOSTS: [&str; 4] = ["agg1", "agg2", "leaf1", "leaf2"];

/// What a server is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    Master,
    Child,
    /// With its availability group.
    Leaf(u32),
}

/// A server.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Node {
    id: String,
    role: Role,
    /// The program on disk.
    program: &'static str,
    /// The program that runs, if one does.
    runs: Option<&'static str>,
    /// Whether a leaf takes part.
    takes_part: bool,
    /// The variables in its file, which are those at work too.
    variables: BTreeMap<String, String>,
}

/// Where a partition's copies are.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Partition {
    master: Option<String>,
    slave: Option<String>,
}

/// How the cluster stands, with everything that a run switches.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Standing {
    nodes: BTreeMap<String, Node>,
    partitions: Vec<Partition>,
    /// Copies that belong to no partition: leaf and name.
    orphans: BTreeSet<(String, String)>,
    manual_control: bool,
    drained: BTreeSet<String>,
}

#[derive(Debug, Clone)]
struct State {
    standing: Standing,
    count: Count,
}

/// The cluster.
#[derive(Debug)]
pub(in crate::rollout) struct Memsql {
    state: Mutex<State>,
    notices: Notices,
    locks: Locks,
    /// Whether copies that a leaf had are listed as orphans.
    orphans_shown: bool,
}

fn id_of(number: usize) -> String {
    format!("{number:X}").repeat(40)
}

/// The leaf that holds the other copy of what a leaf holds.
fn pair(address: &str) -> &'static str {
    if address == "leaf1:3306" {
        "leaf2:3306"
    } else {
        "leaf1:3306"
    }
}

fn partition_name(ordinal: usize) -> String {
    format!("{DATABASE}_{ordinal}")
}

impl Memsql {
    /// Makes a cluster that is well.
    pub(in crate::rollout) fn new(orphans_shown: bool) -> Self {
        let roles = [Role::Master, Role::Child, Role::Leaf(1), Role::Leaf(2)];
        let nodes = HOSTS.iter().zip(roles).enumerate();
        let nodes = nodes.map(|(number, (host, role))| {
            let switches: &[&str] = match role {
                Role::Master => &[
                    "auto_attach",
                    "leaf_failure_detection",
                    "aggregator_failure_detection",
                ],
                Role::Child => &["aggregator_failure_detection"],
                Role::Leaf(_) => &[],
            };
            let variables = switches
                .iter()
                .map(|key| ((*key).to_owned(), "ON".to_owned()));
            let node = Node {
                id: id_of(number + 10),
                role,
                program: OLD,
                runs: Some(OLD),
                takes_part: true,
                variables: variables.collect(),
            };
            (format!("{host}:3306"), node)
        });
        let leaves = ["leaf1:3306", "leaf2:3306"];
        let partitions = (0..PARTITIONS as usize).map(|ordinal| Partition {
            master: Some(leaves[ordinal % 2].to_owned()),
            slave: Some(leaves[(ordinal + 1) % 2].to_owned()),
        });
        Self {
            state: Mutex::new(State {
                standing: Standing {
                    nodes: nodes.collect(),
                    partitions: partitions.collect(),
                    orphans: BTreeSet::new(),
                    manual_control: false,
                    drained: BTreeSet::new(),
                },
                count: Count::default(),
            }),
            notices: Notices::default(),
            locks: Locks::default(),
            orphans_shown,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does what a shell text of the role does on the host of the primary agent.
    fn shell(text: &str) -> Option<JobEnd> {
        let asked = text.contains("du -sk");
        asked.then(|| ended(0, "1000 100000\n"))
    }

    /// Takes an aggregator out of the load balancer, or puts it back.
    fn balance(&self, text: &str) -> Option<JobEnd> {
        let mut state = self.lock();
        let drained = &mut state.standing.drained;
        if let Some(address) = text.strip_prefix("lb out ") {
            drained.insert(address.to_owned());
        } else {
            drained.remove(text.strip_prefix("lb in ")?);
        }
        Some(ended(0, ""))
    }
}

impl Answering for Memsql {
    fn changes(&self, call: &Call<'_>) -> bool {
        let reads = ["SELECT", "SHOW", "EXPLAIN"];
        call.verb == Verb::Sql
            && !reads
                .iter()
                .any(|word| call.text.split(' ').nth(1) == Some(word))
    }

    fn time(&self, call: &Call<'_>) -> Duration {
        let takes = [
            ("memsql-upgrade", 60),
            ("memsql-stop", 5),
            ("memsql-start", 10),
            ("RESTORE REDUNDANCY ON", 30),
            ("REBALANCE PARTITIONS ON", 20),
            ("SNAPSHOT", 20),
        ];
        let reads = call.text.contains("EXPLAIN") || call.verb == Verb::Script;
        let known = takes.iter().find(|(word, _)| call.text.contains(word));
        let seconds = known.filter(|_| !reads).map_or(0, |(_, seconds)| *seconds);
        Duration::from_secs(seconds)
    }

    fn script(&self, call: &Call<'_>, _effects: &Effects) -> Option<Reply> {
        self.locks
            .script(call)
            .or_else(|| self.notices.script(call))
            .or_else(|| self.ops_asked(call.text))
    }

    fn job(&self, call: &Call<'_>, _effects: &Effects) -> Option<JobEnd> {
        if call.host == "localhost" {
            return self.balance(call.text);
        }
        match call.text.strip_prefix("memsql-ops ") {
            Some(words) => Some(self.ops(&words.split(' ').collect::<Vec<_>>())),
            None => Self::shell(call.text),
        }
    }

    fn outdone(&self, host: &str, fence: &Fence) -> Option<String> {
        self.locks.outdone(host, fence)
    }

    fn listens(&self, _host: &str, to: &str) -> Option<bool> {
        let state = self.lock();
        let node = state.standing.nodes.get(to);
        Some(node.is_some_and(|node| node.runs.is_some()))
    }

    fn sql(&self, to: &str, statement: &str) -> Option<Result<Vec<SqlRows>, SqlError>> {
        let mut state = self.lock();
        state.standing.nodes.get(to)?.runs?;
        Some(state.statement(to, statement.trim(), self.orphans_shown))
    }
}

impl Model for Memsql {
    fn count(&self) -> Count {
        self.lock().count.clone()
    }

    fn standing(&self) -> String {
        let state = self.lock();
        let mut standing = state.standing.clone();
        // Which of the two leads which partition is as good either way.
        let mut led: Vec<_> = standing.partitions.drain(..).collect();
        led.sort_by(|one, other| one.master.cmp(&other.master));
        standing.partitions = led;
        format!("{standing:#?}")
    }

    fn switched(&self) -> Vec<String> {
        let state = self.lock();
        let standing = &state.standing;
        let mut switched = Vec::new();
        for (address, node) in &standing.nodes {
            let off = node.variables.iter().filter(|(_, value)| *value != "ON");
            switched.extend(off.map(|(key, value)| format!("{key}={value} on {address}")));
        }
        if standing.manual_control {
            switched.push("manual control of Ops".to_owned());
        }
        let locks = self.locks.held().into_iter();
        switched.extend(locks.map(|(host, owner)| format!("the lock on {host}, held by {owner}")));
        switched
    }

    fn starts_as_told(&self) -> bool {
        let mut state = self.lock();
        let nodes = state.standing.nodes.values_mut();
        let mut is_one = false;
        for node in nodes.filter(|node| node.runs.is_none()) {
            node.runs = Some(node.program);
            is_one = true;
        }
        is_one
    }

    /// Spreads masters evenly, while no leaf has the new program: nothing may be copied from a new one to an old one.
    fn does_as_told(&self) {
        let mut state = self.lock();
        let mut nodes = state.standing.nodes.values();
        if nodes.all(|node| node.program == OLD) {
            state.spread();
        }
    }

    fn noted(&self) -> Vec<String> {
        let notes = self.notices.all().into_iter();
        notes
            .map(|(host, name, _)| format!("{name} on {host}"))
            .collect()
    }
}
