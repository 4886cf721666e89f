//! An ArangoDB cluster of three machines under the starter, small and true enough that the shipped upgrade runs on it whole.
//!
//! Each machine has an agent, a DB-Server and a coordinator. What is asked over HTTP, and what a host shows of its
//! processes, is answered here; what modules do with files, packages and units is done by a real shell below a directory of
//! its own, with programs of the package system and of systemd that only keep their state there. The role's script for one
//! server has its effect at once, with the marks and the exit codes that it has on a host.

mod hosts;
mod requests;
mod script;
mod shell;
mod state;

use std::fmt::Write as _;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use crate::clock::{Clock as _, SimulatedClock, Timestamp};
use crate::connection::scripted::{Answering, Call, Effects, Verb, ended};
use crate::connection::{End, Fence, JobEnd, Reply};

use super::locks::Locks;
use super::model::{Count, Model};
use super::notes::Notices;
use state::{Role, State};

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

fn host_of(name: &str) -> Option<usize> {
    HOSTS.iter().position(|host| *host == name)
}

/// The cluster.
#[derive(Debug)]
pub(in crate::rollout) struct Arangodb {
    state: Mutex<State>,
    notices: Notices,
    locks: Locks,
    places: shell::Places,
    clock: OnceLock<Arc<SimulatedClock>>,
}

impl Arangodb {
    /// Makes a cluster that is well.
    pub(in crate::rollout) fn new() -> Self {
        Self {
            state: Mutex::new(State::new()),
            notices: Notices::default(),
            locks: Locks::default(),
            places: shell::Places::new(),
            clock: OnceLock::new(),
        }
    }

    /// The cluster as it stands at this moment.
    fn lock(&self) -> MutexGuard<'_, State> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let passed = self.clock.get().map(|clock| clock.elapsed().as_secs());
        state.passes(passed.unwrap_or(0));
        state
    }

    /// What the load balancer is told.
    fn balance(&self, text: &str) -> Option<JobEnd> {
        let mut state = self.lock();
        if let Some(host) = text.strip_prefix("lb out ") {
            state.drained.insert(host.to_owned());
        } else {
            let host = text.strip_prefix("lb in ")?;
            if state.drained.remove(host) {
                state.sends_clients_to(host_of(host)?);
            }
        }
        Some(ended(0, ""))
    }

    /// Whether somebody listens at a place, as a host sees it.
    fn is_there(&self, host: &str, to: &str) -> Option<bool> {
        let (name, port) = to.rsplit_once(':')?;
        let machine = host_of(if name == "127.0.0.1" { host } else { name })?;
        let state = self.lock();
        if port == "8528" {
            return Some(state.machines[machine].starter.is_some());
        }
        let role = Role::at(port)?;
        Some(state.is_up(machine, role))
    }
}

/// The hosts' own time, which goes on as it should whatever the bastion's clock does.
fn time_at(passed: u64) -> Timestamp {
    let began = SimulatedClock::new().now().as_second();
    Timestamp::from_second(began + i64::try_from(passed).unwrap()).unwrap()
}

impl Answering for Arangodb {
    fn has_put(&self, host: &str, path: &str, content: &[u8]) {
        self.places.put(host, path, content);
    }

    fn rebooted(&self, host: &str) {
        let Some(index) = host_of(host) else {
            return;
        };
        self.places.boots(host);
        let held_back = self.places.in_force(host) && self.places.held(host);
        let program = self.places.version(host);
        self.lock().boots(index, program, held_back);
    }

    fn changes(&self, call: &Call<'_>) -> bool {
        let reads = [" GET ", "/_api/agency/read"];
        call.verb == Verb::Say && !reads.iter().any(|word| call.text.contains(word))
    }

    fn time(&self, call: &Call<'_>) -> Duration {
        let takes = match call.verb {
            Verb::Job if call.text.contains("::stagger::") => 60,
            Verb::Job if call.text.contains("apt-get -y") => 20,
            // The coordinator answers when the supervision has heard it.
            Verb::Say if call.text.contains(" PUT /_admin/cluster/maintenance") => 2,
            Verb::Job | Verb::Say | Verb::Script | Verb::Put | Verb::Get | Verb::Sql => 0,
        };
        Duration::from_secs(takes)
    }

    fn script(&self, call: &Call<'_>, _effects: &Effects) -> Option<Reply> {
        let known = self.locks.script(call);
        let known = known.or_else(|| self.notices.script(call));
        if known.is_some() {
            return known;
        }
        let host = host_of(call.host)?;
        let shown = self.shows(host, call.text);
        Some(shown.unwrap_or_else(|| self.places.run(call.host, call.text)))
    }

    fn job(&self, call: &Call<'_>, _effects: &Effects) -> Option<JobEnd> {
        if call.host == "localhost" {
            return self.balance(call.text);
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

    fn outdone(&self, host: &str, fence: &Fence) -> Option<String> {
        self.locks.outdone(host, fence)
    }

    fn listens(&self, host: &str, to: &str) -> Option<bool> {
        self.is_there(host, to)
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
        let state = self.lock();
        let mut text = state.shown();
        for host in HOSTS {
            let masked = self.places.masked(host);
            writeln!(text, "standalone server of {host}: masked {masked}").unwrap();
        }
        text + &self.places.listed()
    }

    fn switched(&self) -> Vec<String> {
        let mut switched = self.lock().switched();
        for host in HOSTS {
            if self.places.in_force(host) || self.places.drop_in(host) {
                switched.push(format!("the drop-in of the unit of {host}"));
            }
            if self.places.held(host) {
                switched.push(format!("the hold file of {host}"));
            }
        }
        let locks = self.locks.held().into_iter();
        switched.extend(locks.map(|(host, owner)| format!("the lock on {host}, held by {owner}")));
        switched
    }

    /// What the role says of a stranded server, by hand: its data is upgraded, and the starter is started.
    fn starts_as_told(&self) -> bool {
        let mut is_one = false;
        for (host, name) in HOSTS.iter().enumerate() {
            let program = self.places.version(name);
            if self.lock().starts_by_hand(host, program) {
                self.places.let_go(name);
                is_one = true;
            }
        }
        is_one
    }

    fn noted(&self) -> Vec<String> {
        let notes = self.notices.all().into_iter();
        notes
            .map(|(host, name, _)| format!("{name} on {host}"))
            .collect()
    }
}
