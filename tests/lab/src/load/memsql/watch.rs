//! Looks at every server itself, several times a second: does it answer, what does it hold.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::Value;

use super::Options;
use super::invariants::{Look, Moment, judge, judge_detach, judge_locks};
use crate::load::invariants::{Breach, Record, Span};
use crate::load::tally::Befell;
use crate::sim::memsql::Address;
use crate::sim::memsql::data::Role;
use crate::sim::memsql::meta::Meta;
use crate::sim::memsql::peer::{self, Message};
use crate::sim::time;
use crate::sim::version::Version;

/// How often each server is looked at.
const EVERY: Duration = Duration::from_millis(200);
/// How long a server that is looked at may take.
const LIMIT: Duration = Duration::from_secs(1);

/// A server as it was found at the start.
#[derive(Debug, Clone)]
pub struct Member {
    /// What it is: `master`, `aggregator` or `leaf`.
    pub role: String,
    /// Its version at the start.
    pub from: String,
    /// Its variables at the start.
    pub variables: Value,
}

/// What was seen so far.
#[derive(Debug, Default)]
struct Seen {
    meta: Meta,
    looks: BTreeMap<Address, Look>,
    down: BTreeMap<Address, Option<u64>>,
    outages: BTreeMap<Address, Vec<(u64, u64)>>,
    /// When the master of a partition changed.
    changes: BTreeMap<String, Vec<u64>>,
    breaches: Record,
    detaches: Vec<(Breach, u64)>,
    newest: String,
    /// Since when partitions are locked.
    locked: BTreeMap<String, u64>,
    /// Who was looked at since the last judgement.
    fresh: BTreeSet<Address>,
    count: u64,
}

/// The watch over a cluster.
#[derive(Debug)]
pub struct Watch {
    members: BTreeMap<Address, Member>,
    aggregators_at_once: usize,
    seen: Mutex<Seen>,
    over: AtomicBool,
}

/// Asks a server for all that it knows of itself.
pub async fn state_of(at: &Address) -> Option<Value> {
    peer::say(at, &Message::State, LIMIT).await.ok()
}

fn meta_of(state: &Value) -> Option<Meta> {
    serde_json::from_value(state.get("meta")?.clone()).ok()
}

impl Watch {
    /// Finds the servers of a cluster: the master aggregator names all others.
    pub async fn find(options: &Options) -> Result<Self, String> {
        let mut meta = None;
        for at in &options.aggregators {
            let state = state_of(at).await.unwrap_or_default();
            if state.get("part").and_then(Value::as_str) == Some("master") {
                meta = meta_of(&state);
            }
        }
        let meta = meta.ok_or("none of the aggregators is the master")?;
        let mut members = BTreeMap::new();
        let leaves = meta.leaves.iter().map(|leaf| leaf.at.clone());
        for at in leaves.chain(meta.aggregators.iter().map(|one| one.at.clone())) {
            let state = state_of(&at)
                .await
                .ok_or_else(|| format!("{at} does not answer"))?;
            let text = |name: &str| {
                state
                    .get(name)
                    .and_then(Value::as_str)
                    .unwrap_or_default()
                    .to_owned()
            };
            let member = Member {
                role: text("part"),
                from: text("version"),
                variables: state.get("variables").cloned().unwrap_or_default(),
            };
            members.insert(at, member);
        }
        let seen = Seen {
            meta,
            ..Seen::default()
        };
        Ok(Self {
            members,
            aggregators_at_once: options.aggregators_at_once,
            seen: Mutex::new(seen),
            over: AtomicBool::new(false),
        })
    }

    /// Returns the servers.
    pub fn members(&self) -> &BTreeMap<Address, Member> {
        &self.members
    }

    /// Returns what the master aggregator knew last.
    pub fn meta(&self) -> Meta {
        self.seen().meta.clone()
    }

    /// Takes in what the master aggregator knows after databases were made.
    pub async fn refresh(&self) {
        let master = self.meta().master().cloned();
        if let Some(master) = master
            && let Some(meta) = state_of(&master).await.as_ref().and_then(meta_of)
        {
            self.seen().meta = meta;
        }
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends the watch.
    pub fn stop(&self) {
        self.over.store(true, Ordering::SeqCst);
    }

    /// Tells what befell a partition in a span of time.
    pub fn befell(&self, shard: &str, from_ms: u64, to_ms: u64) -> Befell {
        let seen = self.seen();
        let slack = time::ms(EVERY) * 3;
        let span = from_ms.saturating_sub(slack)..=to_ms + slack;
        let changed = seen
            .changes
            .get(shard)
            .into_iter()
            .flatten()
            .any(|at| span.contains(at));
        if changed {
            Befell::HandedOver
        } else {
            Befell::Nothing
        }
    }

    /// Returns how often and how long a server did not serve.
    pub fn outages(&self, at: &Address) -> Vec<(u64, u64)> {
        let seen = self.seen();
        let mut all = seen.outages.get(at).cloned().unwrap_or_default();
        if let Some(since) = seen.down.get(at).copied().flatten() {
            all.push((since, time::mono_ms()));
        }
        all
    }

    /// Returns every breach that was seen over time, and those of a moment.
    pub fn breaches(&self) -> (Vec<Span>, Vec<(Breach, u64)>) {
        let seen = self.seen();
        (seen.breaches.spans(), seen.detaches.clone())
    }

    /// Returns how many looks there were.
    pub fn looks(&self) -> u64 {
        self.seen().count
    }

    fn note(&self, at: &Address, begin: u64, state: Option<&Value>) {
        let now = time::mono_ms();
        let mut seen = self.seen();
        seen.fresh.insert(at.clone());
        let known = seen.down.get(at).copied().flatten();
        match (state, known) {
            (None, None) => {
                seen.down.insert(at.clone(), Some(begin));
                seen.looks.remove(at);
            }
            (Some(_), Some(since)) => {
                seen.down.insert(at.clone(), None);
                seen.outages
                    .entry(at.clone())
                    .or_default()
                    .push((since, now));
            }
            (None, Some(_)) | (Some(_), None) => {}
        }
        let Some(state) = state else { return };
        let look = look_of(state);
        let version = |text: &str| Version::parse(text).ok();
        if version(&look.version) > version(&seen.newest) {
            seen.newest.clone_from(&look.version);
        }
        for (partition, (role, _)) in &look.replicas {
            let before = seen
                .looks
                .get(at)
                .and_then(|look| look.replicas.get(partition))
                .and_then(|one| one.0);
            if *role == Some(Role::Master) && before != Some(Role::Master) {
                seen.changes.entry(partition.clone()).or_default().push(now);
            }
        }
        seen.looks.insert(at.clone(), look);
        if state.get("part").and_then(Value::as_str) == Some("master")
            && let Some(meta) = meta_of(state)
        {
            let found = judge_detach(&seen.meta, &meta);
            seen.detaches
                .extend(found.into_iter().map(|one| (one, now)));
            seen.meta = meta;
        }
    }
}

fn look_of(state: &Value) -> Look {
    let replicas = state
        .get("replicas")
        .and_then(Value::as_object)
        .into_iter()
        .flatten();
    let replicas = replicas.map(|(name, known)| {
        let role = serde_json::from_value(known.get("role").cloned().unwrap_or_default()).ok();
        let source = known
            .get("source")
            .and_then(Value::as_str)
            .and_then(Address::parse);
        (name.clone(), (role, source))
    });
    Look {
        version: state
            .get("version")
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned(),
        is_master: state.get("part").and_then(Value::as_str) == Some("master"),
        replicas: replicas.collect(),
    }
}

/// Watches until told to stop.
pub async fn live(watch: Arc<Watch>) {
    let mut watchers = Vec::new();
    for at in watch.members.keys() {
        let (watch, at) = (Arc::clone(&watch), at.clone());
        watchers.push(tokio::spawn(async move {
            while !watch.over.load(Ordering::SeqCst) {
                let begin = time::mono_ms();
                let state = state_of(&at).await;
                watch.note(&at, begin, state.as_ref());
                tokio::time::sleep(EVERY).await;
            }
        }));
    }
    while !watch.over.load(Ordering::SeqCst) {
        tokio::time::sleep(EVERY / 4).await;
        let now = time::mono_ms();
        let mut seen = watch.seen();
        // Looks of one judgement share none with those of the next, so that what changed in the
        // middle of one cannot be seen twice.
        if seen.fresh.len() < watch.members.len() {
            continue;
        }
        seen.fresh.clear();
        let down: BTreeSet<Address> = seen
            .down
            .iter()
            .filter(|(_, since)| since.is_some())
            .map(|(at, _)| at.clone())
            .collect();
        let moment = Moment {
            meta: seen.meta.clone(),
            looks: seen.looks.clone(),
            down,
            aggregators_at_once: watch.aggregators_at_once,
            newest: seen.newest.clone(),
        };
        let mut breaches = judge(&moment);
        breaches.extend(judge_locks(&mut seen.locked, &moment.meta, now));
        seen.breaches.add(breaches, now);
        seen.count += 1;
    }
    for watcher in watchers {
        drop(watcher.await);
    }
}
