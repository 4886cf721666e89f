//! One server: what it is, what it holds, who is connected.
//!
//! The state is behind one lock that is never held while something is waited for.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::{RwLock, watch};

use super::address::Address;
use super::data::Replica;
use super::meta::Meta;
use super::store::{Journal, Notes};
use super::switches::{Live, Switches};
use super::variables::Variables;
use super::wire::{Fault, Tls};
use crate::sim::effects::{Effects, eprint_line};
use crate::sim::time;

/// What a server is to the cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Part {
    /// It holds data, or is told what it is to be later.
    Leaf,
    /// It answers clients.
    Aggregator,
    /// It answers clients and is in charge.
    Master,
}

impl Part {
    /// Returns the word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Leaf => "leaf",
            Self::Aggregator => "aggregator",
            Self::Master => "master",
        }
    }
}

/// Who is connected, and what he is doing.
#[derive(Debug, Clone, Default)]
pub struct Session {
    /// The user.
    pub user: String,
    /// The database in use.
    pub database: Option<String>,
    /// What is being done, and since when.
    pub statement: Option<(String, u64)>,
}

/// What changes while a server runs.
#[derive(Debug)]
pub struct State {
    /// What it is.
    pub part: Part,
    /// What it knows of the cluster.
    pub meta: Meta,
    /// What it holds.
    pub replicas: BTreeMap<String, Replica>,
    /// Where that is written down.
    pub journal: Journal,
    /// Its variables.
    pub variables: Variables,
    /// Who is connected.
    pub sessions: BTreeMap<u32, Session>,
    /// Statements that have a plan.
    pub compiled: BTreeSet<String>,
    /// Until when a leaf recovers.
    pub recovers_until_ms: u64,
    /// Databases that are being rebalanced, and what is being done.
    pub rebalancing: BTreeMap<String, String>,
    /// How many faults of each kind were played.
    pub played: BTreeMap<String, u64>,
    /// Connections that are to be ended.
    pub killed: BTreeSet<u32>,
    /// How many statements of clients it was sent.
    pub statements: u64,
    /// How many of each kind, by their first two words.
    pub asked: BTreeMap<String, u64>,
    /// How many writes of each partition are open.
    pub open_writes: BTreeMap<String, u64>,
}

/// One server.
#[derive(Debug)]
pub struct Node {
    /// Where it is.
    pub at: Address,
    /// Its version.
    pub version: String,
    /// Its directory.
    pub directory: PathBuf,
    /// How it behaves.
    pub live: Live,
    /// What is done to it.
    pub effects: Effects,
    /// What is on its disk.
    pub notes: Notes,
    /// How TLS is spoken, if it is.
    pub tls: Option<Tls>,
    /// The password of root.
    pub password: Mutex<String>,
    /// The lock of operations on the cluster; those on a database hold it for reading.
    pub cluster_lock: RwLock<()>,
    database_locks: Mutex<BTreeMap<String, Arc<tokio::sync::Mutex<()>>>>,
    state: Mutex<State>,
    data: watch::Sender<u64>,
    cluster: watch::Sender<u64>,
    stopping: watch::Sender<bool>,
}

/// What a server is made of.
#[derive(Debug)]
pub struct Made {
    /// Where it is.
    pub at: Address,
    /// Its version.
    pub version: String,
    /// Its directory.
    pub directory: PathBuf,
    /// How it behaves.
    pub live: Live,
    /// What is done to it.
    pub effects: Effects,
    /// How TLS is spoken, if it is.
    pub tls: Option<Tls>,
    /// What its configuration file says.
    pub configuration: String,
}

impl Node {
    /// Makes a server of what its directory holds.
    pub fn new(made: Made) -> std::io::Result<Arc<Self>> {
        let data = made.directory.join("data");
        let notes = Notes::of(&data);
        let (journal, replicas) = Journal::open(&data)?;
        let part = notes.read("part").unwrap_or(Part::Leaf);
        made.live.has_role(part.word());
        let switches = made.live.now();
        let recovery = time::ms(switches.timer(switches.recovery_ms));
        let recovers_until_ms = if replicas.is_empty() {
            0
        } else {
            time::mono_ms() + recovery
        };
        let state = State {
            part,
            meta: notes.read("cluster").unwrap_or_default(),
            replicas,
            journal,
            variables: Variables::at_start(&made.configuration, &made.version),
            sessions: BTreeMap::new(),
            compiled: BTreeSet::new(),
            recovers_until_ms,
            rebalancing: BTreeMap::new(),
            played: BTreeMap::new(),
            killed: BTreeSet::new(),
            statements: 0,
            asked: BTreeMap::new(),
            open_writes: BTreeMap::new(),
        };
        Ok(Arc::new(Self {
            at: made.at,
            version: made.version,
            directory: made.directory,
            live: made.live,
            effects: made.effects,
            password: Mutex::new(notes.read("password").unwrap_or_default()),
            notes,
            tls: made.tls,
            cluster_lock: RwLock::new(()),
            database_locks: Mutex::new(BTreeMap::new()),
            state: Mutex::new(state),
            data: watch::Sender::new(0),
            cluster: watch::Sender::new(0),
            stopping: watch::Sender::new(false),
        }))
    }

    /// Returns what changes while it runs; not to be held while something is waited for.
    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns how it behaves now.
    pub fn switches(&self) -> Arc<Switches> {
        self.live.now()
    }

    /// Returns what it is.
    pub fn part(&self) -> Part {
        self.state().part
    }

    /// Becomes something else.
    pub fn become_part(&self, part: Part) {
        self.state().part = part;
        self.live.has_role(part.word());
        self.write_note("part", &part);
    }

    fn write_note<T: serde::Serialize>(&self, name: &str, value: &T) {
        if let Err(error) = self.notes.write(name, value) {
            eprint_line(&format!("lab: {}: {error}", self.directory.display()));
        }
    }

    /// Returns what it knows of the cluster.
    pub fn meta(&self) -> Meta {
        self.state().meta.clone()
    }

    /// Takes what another says of the cluster, if it is newer.
    pub fn take_meta(&self, meta: Meta) {
        let mut state = self.state();
        if meta.version <= state.meta.version {
            return;
        }
        state.meta = meta.clone();
        drop(state);
        self.write_note("cluster", &meta);
        self.cluster.send_modify(|count| *count += 1);
    }

    /// Changes what it knows of the cluster, and writes it down.
    pub fn change_meta<T>(&self, change: impl FnOnce(&mut Meta) -> T) -> T {
        let (outcome, meta) = {
            let mut state = self.state();
            let before = state.meta.clone();
            let outcome = change(&mut state.meta);
            state.meta.detects = state.variables.is_on("leaf_failure_detection");
            if state.meta == before {
                return outcome;
            }
            state.meta.version += 1;
            (outcome, state.meta.clone())
        };
        self.write_note("cluster", &meta);
        self.cluster.send_modify(|count| *count += 1);
        outcome
    }

    /// Sets the password of root, durably.
    pub fn set_password(&self, password: &str) {
        password.clone_into(&mut self.password.lock().unwrap_or_else(PoisonError::into_inner));
        self.write_note("password", &password);
    }

    /// Says that something of the data has changed.
    pub fn data_changed(&self) {
        self.data.send_modify(|count| *count += 1);
    }

    /// Returns what wakes when data changes.
    pub fn data_watch(&self) -> watch::Receiver<u64> {
        self.data.subscribe()
    }

    /// Returns what wakes when the cluster changes.
    pub fn cluster_watch(&self) -> watch::Receiver<u64> {
        self.cluster.subscribe()
    }

    /// Returns the lock of a database.
    pub fn database_lock(&self, database: &str) -> Arc<tokio::sync::Mutex<()>> {
        let mut locks = self
            .database_locks
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        Arc::clone(locks.entry(database.to_owned()).or_default())
    }

    /// Tells the server to end.
    pub fn stop(&self) {
        self.stopping.send_replace(true);
    }

    /// Returns when the server is to end.
    pub async fn stopped(&self) {
        drop(self.stopping.subscribe().wait_for(|stop| *stop).await);
    }

    /// Tells whether it still recovers.
    pub fn recovers(&self) -> bool {
        let until = self.state().recovers_until_ms;
        until > 0 && (time::mono_ms() < until || !self.switches().recovery_ends)
    }

    /// Tells whether a fault that is to happen so many times to a server happens now.
    pub fn plays_on(&self, at: &Address, what: &str, times: impl Fn(&Switches) -> u64) -> bool {
        match self.live.toward(at) {
            Some(own) => self.plays(&format!("{what} {at}"), times(&own)),
            None => self.plays(what, times(&self.switches())),
        }
    }

    /// Tells whether a fault that is to happen so many times happens now.
    pub fn plays(&self, what: &str, times: u64) -> bool {
        let mut state = self.state();
        let count = state.played.entry(what.to_owned()).or_default();
        let plays = *count < times;
        *count += u64::from(plays);
        plays
    }

    /// Fails unless it is in charge of the cluster.
    pub fn must_be_master(&self) -> Result<(), Fault> {
        match self.part() {
            Part::Master => Ok(()),
            Part::Aggregator => Err(Fault::new(
                1752,
                "This node is not the master aggregator; this statement can only be run on the master aggregator",
            )),
            Part::Leaf => Err(not_aggregator()),
        }
    }

    /// Fails unless it answers clients.
    pub fn must_aggregate(&self) -> Result<(), Fault> {
        if self.part() == Part::Leaf {
            return Err(not_aggregator());
        }
        Ok(())
    }

    /// Waits for a time, scaled.
    pub async fn pause(&self, ms: u64) {
        let time = self.switches().timer(ms);
        if time > Duration::ZERO {
            tokio::time::sleep(time).await;
        }
    }

    /// Returns all that is to be known of it, for the oracle.
    pub fn description(&self) -> Value {
        let recovers = self.recovers();
        let state = self.state();
        let replicas = state.replicas.iter().map(|(partition, replica)| {
            let known = json!({
                "role": replica.role,
                "position": replica.position.to_string(),
                "source": replica.source.as_ref().map(ToString::to_string),
                "frozen": replica.frozen,
            });
            (partition.clone(), known)
        });
        json!({
            "at": self.at.to_string(),
            "part": state.part,
            "version": self.version,
            "recovers": recovers,
            "meta": state.meta,
            "variables": state.variables.all(),
            "replicas": replicas.collect::<serde_json::Map<_, _>>(),
            "statements": state.statements,
            "asked": state.asked,
            "sessions": state.sessions.values().filter(|one| one.user != super::peer::USER).count(),
        })
    }
}

fn not_aggregator() -> Fault {
    Fault::new(
        1736,
        "This node is not an aggregator; the statement is not supported on leaves",
    )
}
