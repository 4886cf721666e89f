//! Looks at every server itself, several times a second: does it serve, what does it hold.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::Value;

use super::Options;
use super::invariants::{Moment, Part, Record, Span, judge};
use super::replication::{self, Replication};
use super::tally::Befell;
use crate::sim::arangod::cluster::{Catalog, bare};
use crate::sim::http::{Call, Target, call};
use crate::sim::time;

/// A server as it was found at the start.
#[derive(Debug, Clone)]
pub struct Member {
    /// Its part.
    pub part: Part,
    /// Where it is reached.
    pub target: Target,
    /// Its version at the start.
    pub from: String,
}

/// What was seen so far.
#[derive(Debug, Default)]
struct Seen {
    down: BTreeMap<String, Option<u64>>,
    outages: BTreeMap<String, Vec<(u64, u64)>>,
    leaders: BTreeMap<String, Vec<(u64, String)>>,
    shards: BTreeMap<String, Vec<String>>,
    single: BTreeSet<String>,
    breaches: Record,
    maintenance_ms: u64,
    leaderless_ms: u64,
    longest_leaderless_ms: u64,
    looks: u64,
    replication: Replication,
}

/// What the agency holds, with the term and the place in the log at which it did.
#[derive(Debug)]
struct Known {
    mark: (u64, u64),
    tree: Value,
}

/// The watch over a cluster.
#[derive(Debug)]
pub struct Watch {
    options: Arc<Options>,
    authorization: Option<String>,
    members: BTreeMap<String, Member>,
    seen: Mutex<Seen>,
    over: AtomicBool,
}

/// How often each server is looked at.
pub const EVERY: Duration = Duration::from_millis(200);
/// How long a server that is looked at may take.
pub const LIMIT: Duration = Duration::from_secs(1);

impl Watch {
    /// Finds the servers of a cluster.
    pub async fn find(options: Arc<Options>) -> Result<Self, String> {
        let authorization = options.authorization()?;
        let mut watch = Self {
            options,
            authorization,
            members: BTreeMap::new(),
            seen: Mutex::new(Seen::default()),
            over: AtomicBool::new(false),
        };
        let end = tokio::time::Instant::now() + Duration::from_mins(1);
        while let Err(why) = watch.find_members().await {
            if tokio::time::Instant::now() >= end {
                return Err(why);
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        Ok(watch)
    }

    async fn find_members(&mut self) -> Result<(), String> {
        let tree = self
            .tree()
            .await
            .ok_or("no agent tells what the agency holds")?;
        let catalog = Catalog::of(&tree);
        let mut found: Vec<(Part, Target)> = Vec::new();
        for (ids, part) in [
            (&catalog.dbservers, Part::DbServer),
            (&catalog.coordinators, Part::Coordinator),
        ] {
            for id in ids {
                let endpoint = catalog.endpoints.get(id).and_then(|at| Target::parse(at));
                found.push((
                    part,
                    endpoint.ok_or_else(|| format!("{id} has no address"))?,
                ));
            }
        }
        for target in self.agents().await {
            found.push((Part::Agent, target));
        }
        let mut members = BTreeMap::new();
        for (part, target) in found {
            let state = self
                .get(&target, "/_lab/state")
                .await
                .ok_or_else(|| format!("{target} does not answer"))?;
            let text = |name: &str| state.get(name).and_then(Value::as_str).unwrap_or_default();
            let member = Member {
                part,
                target,
                from: text("version").to_owned(),
            };
            members.insert(text("id").to_owned(), member);
        }
        if members.is_empty() {
            return Err("the cluster has no servers".to_owned());
        }
        self.members = members;
        Ok(())
    }

    /// Returns every agent that the named ones know.
    async fn agents(&self) -> Vec<Target> {
        for agent in &self.options.agents {
            let Some(config) = self.get(agent, "/_api/agency/config").await else {
                continue;
            };
            let pool = config
                .pointer("/configuration/pool")
                .and_then(Value::as_object);
            let pool = pool.into_iter().flatten();
            return pool
                .filter_map(|(_, at)| Target::parse(at.as_str()?))
                .collect();
        }
        Vec::new()
    }

    /// Returns the servers.
    pub fn members(&self) -> &BTreeMap<String, Member> {
        &self.members
    }

    /// Returns where the coordinators are.
    pub fn coordinators(&self) -> Vec<Target> {
        let all = self.members.values();
        all.filter(|member| member.part == Part::Coordinator)
            .map(|member| member.target.clone())
            .collect()
    }

    /// Asks a server for JSON; nothing if it does not answer with 200 in time.
    pub async fn get(&self, target: &Target, path: &str) -> Option<Value> {
        self.get_within(target, path, LIMIT).await
    }

    /// The same, with a time of its own.
    pub async fn get_within(&self, target: &Target, path: &str, limit: Duration) -> Option<Value> {
        let request = Call::new(target, "GET", path, limit)
            .authorized(self.authorization.as_deref())
            .kept();
        let reply = call(request).await.ok()?;
        (reply.status == 200).then(|| reply.json())
    }

    /// Returns what the agency holds, as the agent that leads it has it.
    pub async fn tree(&self) -> Option<Value> {
        let mut known = None;
        self.look_at_agency(&mut known).await;
        known.map(|known| known.tree)
    }

    /// Asks every agent whether it leads and how far its log counts, and for the tree where that is further than what is
    /// known. Without a leader nothing is known.
    async fn look_at_agency(&self, known: &mut Option<Known>) {
        let agents: Vec<Target> = if self.members.is_empty() {
            self.agents().await
        } else {
            let all = self.members.values();
            all.filter(|member| member.part == Part::Agent)
                .map(|member| member.target.clone())
                .collect()
        };
        let mut leader = None;
        for agent in agents {
            let Some(state) = self.get(&agent, "/_lab/state").await else {
                continue;
            };
            let number = |name: &str| state.get(name).and_then(Value::as_u64).unwrap_or(0);
            let mark = (number("term"), number("commit"));
            if state.get("leading").and_then(Value::as_bool) == Some(true) {
                leader = leader.max(Some((mark, agent)));
            }
        }
        let Some((mark, agent)) = leader else {
            *known = None;
            return;
        };
        if known.as_ref().is_some_and(|known| known.mark == mark) {
            return;
        }
        // What the tree holds may be newer than its mark: then it is asked for once more.
        let tree = self.get(&agent, "/_lab/tree").await;
        *known = tree.map(|tree| Known { mark, tree });
    }

    /// Ends the watch.
    pub fn stop(&self) {
        self.over.store(true, Ordering::SeqCst);
    }

    /// Tells whether it has been told to stop.
    pub(super) fn is_over(&self) -> bool {
        self.over.load(Ordering::SeqCst)
    }

    /// Returns what the load was told.
    pub(super) fn options(&self) -> &Options {
        &self.options
    }

    /// Notes how the replication stands.
    pub(super) fn note_replication(&self, note: impl FnOnce(&mut Replication)) {
        note(&mut self.seen().replication);
    }

    /// Returns what was seen of the replication.
    pub fn replication(&self) -> Replication {
        self.seen().replication.clone()
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells what befell a shard in a span of time.
    pub fn befell(&self, shard: &str, from_ms: u64, to_ms: u64) -> Befell {
        let seen = self.seen();
        let none = Vec::new();
        let history = seen.leaders.get(shard).unwrap_or(&none);
        let downs = |server: &str| {
            let over = seen.outages.get(server).into_iter().flatten().copied();
            let lasting = seen.down.get(server).copied().flatten();
            over.chain(lasting.map(|since| (since, u64::MAX))).collect()
        };
        befell(history, downs, (from_ms, to_ms), self.options.factor)
    }

    /// Returns the addresses of the servers that led a shard in a span of time.
    pub fn led_by(&self, shard: &str, from_ms: u64, to_ms: u64) -> Vec<String> {
        let seen = self.seen();
        let history = seen.leaders.get(shard).into_iter().flatten();
        let history: Vec<&(u64, String)> = history.collect();
        let before = history.iter().rev().find(|(at, _)| *at <= from_ms);
        let within = history
            .iter()
            .filter(|(at, _)| *at > from_ms && *at <= to_ms);
        let leaders = before.into_iter().chain(within);
        let members = leaders.filter_map(|(_, leader)| self.members.get(bare(leader)));
        members.map(|member| member.target.authority()).collect()
    }

    /// Returns how often and how long a server did not serve.
    pub fn outages(&self, id: &str) -> Vec<(u64, u64)> {
        let seen = self.seen();
        let mut all = seen.outages.get(id).cloned().unwrap_or_default();
        if let Some(since) = seen.down.get(id).copied().flatten() {
            all.push((since, time::mono_ms()));
        }
        all
    }

    /// Returns every breach that was seen.
    pub fn breaches(&self) -> Vec<Span> {
        self.seen().breaches.spans()
    }

    /// Returns how long maintenance was on, how long nobody led the agency in all and at a time,
    /// and how many looks there were.
    pub fn durations(&self) -> (u64, u64, u64, u64) {
        let seen = self.seen();
        (
            seen.maintenance_ms,
            seen.leaderless_ms,
            seen.longest_leaderless_ms,
            seen.looks,
        )
    }
}

/// A client that waits finds a leader that is back within 10 s, and a second is for the rest.
const FOUND_AGAIN_MS: f64 = 11_000.0;
/// Supervision plans a shard's next leader one lap of a second after the old one was asked to
/// resign; who asks meanwhile asks again after 0.2 s and then every 0.5 s.
const HANDOVER_MS: f64 = 1_900.0;

fn befell(
    history: &[(u64, String)],
    downs: impl Fn(&str) -> Vec<(u64, u64)>,
    (from_ms, to_ms): (u64, u64),
    factor: f64,
) -> Befell {
    let slack = time::ms(EVERY) * 2;
    let scaled = |ms: f64| time::ms(Duration::from_secs_f64(ms * factor / 1_000.0));
    // The last leader before the span, and all within it.
    let before = history.iter().rev().find(|(at, _)| *at <= from_ms);
    let within = history
        .iter()
        .filter(|(at, _)| *at > from_ms && *at <= to_ms);
    let leaders: Vec<_> = before.into_iter().chain(within).collect();
    // Whether a leader was down in the span, or until so long before it.
    let down = |until_ms: u64| {
        leaders.iter().any(|(_, leader)| {
            downs(bare(leader)).into_iter().any(|(begin, end)| {
                begin <= to_ms.saturating_add(slack) && end.saturating_add(until_ms) >= from_ms
            })
        })
    };
    let stopped = down(scaled(FOUND_AGAIN_MS));
    // The first entry is what was found, no change.
    let mut changes = history.iter().skip(1).map(|(at, _)| *at);
    let changed = changes.any(|at| {
        let about = from_ms.saturating_sub(slack)..=to_ms.saturating_add(slack);
        about.contains(&at)
    });
    // A machine that is busy is given some time beside.
    let short = to_ms.saturating_sub(from_ms) <= scaled(HANDOVER_MS) + slack;
    // A change of leadership soon after an outage explains a short stall by itself.
    match (stopped, changed && short && !down(slack)) {
        (_, true) => Befell::HandedOver,
        (true, false) => Befell::Stopped,
        (false, false) => Befell::Nothing,
    }
}

/// Watches until told to stop.
pub async fn live(watch: Arc<Watch>) {
    let mut watchers = Vec::new();
    for id in watch.members.keys() {
        watchers.push(tokio::spawn(watch_one(Arc::clone(&watch), id.clone())));
    }
    watchers.push(tokio::spawn(watch_agency(Arc::clone(&watch))));
    watchers.push(tokio::spawn(replication::live(Arc::clone(&watch))));
    while !watch.over.load(Ordering::SeqCst) {
        tokio::time::sleep(EVERY).await;
        let now = time::mono_ms();
        let mut seen = watch.seen();
        let moment = Moment {
            members: watch
                .members
                .iter()
                .map(|(id, member)| (id.clone(), member.part))
                .collect(),
            down: seen
                .down
                .iter()
                .filter(|(_, since)| since.is_some())
                .map(|(id, _)| id.clone())
                .collect(),
            shards: seen.shards.clone(),
            single: seen.single.clone(),
            has_leader: true,
            replicates_between: seen.replication.mixed(),
        };
        let breaches = judge(&moment, watch.options.announced_gap);
        seen.breaches.add(breaches, now);
        seen.looks += 1;
    }
    for watcher in watchers {
        drop(watcher.await);
    }
}

async fn watch_one(watch: Arc<Watch>, id: String) {
    let Some(member) = watch.members.get(&id).cloned() else {
        return;
    };
    while !watch.over.load(Ordering::SeqCst) {
        let begin = time::mono_ms();
        let path = "/_admin/server/availability";
        let request = Call::new(&member.target, "GET", path, LIMIT).kept();
        let serves = call(request).await.is_ok_and(|reply| reply.status == 200);
        let now = time::mono_ms();
        {
            let mut seen = watch.seen();
            let known = seen.down.get(&id).copied().flatten();
            match (serves, known) {
                (false, None) => drop(seen.down.insert(id.clone(), Some(begin))),
                (true, Some(since)) => {
                    seen.down.insert(id.clone(), None);
                    seen.outages
                        .entry(id.clone())
                        .or_default()
                        .push((since, now));
                }
                _ => {}
            }
        }
        tokio::time::sleep(EVERY).await;
    }
}

async fn watch_agency(watch: Arc<Watch>) {
    let mut last = time::mono_ms();
    let mut leaderless = 0;
    let mut known = None;
    let mut noted = None;
    let mut catalog = Catalog::default();
    while !watch.over.load(Ordering::SeqCst) {
        watch.look_at_agency(&mut known).await;
        let now = time::mono_ms();
        let passed = now.saturating_sub(last);
        last = now;
        {
            let mut seen = watch.seen();
            match &known {
                None => {
                    seen.leaderless_ms += passed;
                    leaderless += passed;
                    seen.longest_leaderless_ms = seen.longest_leaderless_ms.max(leaderless);
                }
                Some(known) => {
                    leaderless = 0;
                    if noted != Some(known.mark) {
                        noted = Some(known.mark);
                        catalog = Catalog::of(&known.tree);
                        note_shards(&mut seen, &catalog, now);
                    }
                    if catalog.maintenance {
                        seen.maintenance_ms += passed;
                    }
                }
            }
        }
        tokio::time::sleep(EVERY).await;
    }
}

fn note_shards(seen: &mut Seen, catalog: &Catalog, now: u64) {
    seen.shards.clear();
    seen.single.clear();
    for (path, planned) in catalog.planned() {
        if planned.len() == 1 {
            seen.single.insert(path.shard.clone());
        }
        let servers = catalog.servers_of(&path).to_vec();
        if let Some(leader) = servers.first() {
            let history = seen.leaders.entry(path.shard.clone()).or_default();
            if history.last().is_none_or(|(_, known)| known != leader) {
                history.push((now, leader.clone()));
            }
        }
        seen.shards.insert(path.shard, servers);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stall_is_laid_at_the_door_of_what_befell_its_shard() {
        let history: Vec<(u64, String)> = [
            (0, "A"),
            (20_000, "_A"),
            (21_000, "B"),
            (110_000, "_B"),
            (111_000, "C"),
        ]
        .map(|(at, leader)| (at, leader.to_owned()))
        .into();
        let downs = |server: &str| match server {
            "A" => vec![(60_000, 62_000)],
            "B" => vec![(100_000, 105_000)],
            _ => Vec::new(),
        };
        let cases = [
            ((1_000, 2_500), Befell::Nothing),
            ((20_050, 21_300), Befell::HandedOver),
            // Handing over takes no ten seconds.
            ((20_050, 30_000), Befell::Nothing),
            // The one that stopped did not lead it any more.
            ((60_500, 61_900), Befell::Nothing),
            ((99_000, 106_000), Befell::Stopped),
            ((104_000, 115_000), Befell::Stopped),
            // It came back five seconds ago, and hands over now.
            ((109_950, 111_150), Befell::HandedOver),
            ((117_000, 119_000), Befell::Nothing),
        ];
        for (span, expected) in cases {
            assert_eq!(befell(&history, downs, span, 1.0), expected, "{span:?}");
        }
        // Where everything is faster, so is finding a leader again.
        assert_eq!(
            befell(&history, downs, (107_000, 109_000), 0.1),
            Befell::Nothing
        );
    }
}
