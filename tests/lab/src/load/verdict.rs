//! The end: what the servers really hold against what was acknowledged, and all the numbers.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::Options;
use super::client::{Client, holders};
use super::replication;
use super::tally::{Done, Tally};
use super::watch::{Member, Watch};
use crate::sim::arangod::cluster::Catalog;
use crate::sim::time;

/// How many requests that failed are told one by one.
const MOST_TOLD: usize = 5_000;

/// What the servers hold of what was acknowledged.
#[derive(Debug, Default, PartialEq, Eq)]
struct Held {
    lost: u64,
    foreign: u64,
    differing_copies: u64,
    unread_copies: u64,
    examples: Vec<String>,
}

/// Whether maintenance mode is asked for still, for all servers or for one.
fn is_left_on(catalog: &Catalog, tree: &Value) -> bool {
    let alone = |section: &str| {
        let servers = tree.pointer(&format!("/arango/{section}/MaintenanceDBServers"));
        let servers = servers.and_then(Value::as_object);
        servers.is_some_and(|all| !all.is_empty())
    };
    let asked = tree.pointer("/arango/Supervision/Maintenance");
    catalog.maintenance || asked.is_some() || alone("Target") || alone("Current")
}

/// Looks at everything once more and returns the report.
pub async fn reach(options: &Options, watch: &Watch, client: &Client) -> Value {
    let settled = settle(watch).await;
    let tree = watch.tree().await.unwrap_or_default();
    let catalog = Catalog::of(&tree);
    let held = compare(options, watch, client, &catalog).await;
    let left_on = is_left_on(&catalog, &tree);
    let servers = servers(watch).await;
    let replication = replication_at_end(watch).await;
    let mut breaches = breaches(watch, left_on, replication.as_deref());
    breaches.extend(failovers(&tree));
    let (explained, mut report, oddest, failed) = {
        let tally = client.tally();
        let failed = failed(&tally, |done| {
            watch.led_by(&done.shard, done.begin_ms, done.end_ms)
        });
        let explained = tally.explain(options.gap_ms, |shard, from, to| {
            watch.befell(shard, from, to)
        });
        (explained, tally.numbers(), oddest(&tally), failed)
    };
    let ok = settled
        && explained.is_announced(options.announced_gap)
        && held.lost + held.foreign + held.differing_copies + held.unread_copies == 0
        && client.tally().stale_reads() == 0
        && breaches.is_empty();
    let (maintenance, leaderless, longest_leaderless, looks) = watch.durations();
    let more = json!({
        "ok": ok,
        "settled": settled,
        "failed_requests": explained.failed,
        "failed_writes": explained.failed_writes,
        "failed_elsewhere": explained.failed_elsewhere,
        "gap_requests": explained.gaps,
        "gap_requests_in_handovers": explained.handovers,
        "gap_requests_elsewhere": explained.gaps_elsewhere,
        "lost_writes": held.lost,
        "foreign_writes": held.foreign,
        "differing_copies": held.differing_copies,
        "unread_copies": held.unread_copies,
        "examples": held.examples,
        "invariant_breaches": breaches.len(),
        "breaches": breaches,
        "oddest_requests": oddest,
        "failed_each": failed,
        "zero_unix_ms": zero_unix_ms(),
        "servers": servers,
        "replication": replication,
        "replication_off_ms": watch.replication().off_ms,
        "maintenance_ms": maintenance,
        "maintenance_left_on": left_on,
        "agency_leaderless_ms": leaderless,
        "agency_longest_leaderless_ms": longest_leaderless,
        "looks": looks,
        "rate": options.rate,
    });
    if let (Value::Object(report), Value::Object(more)) = (&mut report, more) {
        report.extend(more);
    }
    report
}

/// Returns how the replication stands, once it runs or a minute has passed.
async fn replication_at_end(watch: &Watch) -> Option<String> {
    if watch.options().sync_masters.is_empty() {
        return None;
    }
    let end = tokio::time::Instant::now() + Duration::from_mins(1);
    loop {
        let status = replication::status(watch).await.unwrap_or_default();
        if status == "running" || tokio::time::Instant::now() >= end {
            return Some(status);
        }
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
}

fn breaches(watch: &Watch, left_on: bool, replication: Option<&str>) -> Vec<Value> {
    let mut all: Vec<Value> = watch
        .breaches()
        .iter()
        .map(|span| {
            json!({
                "invariant": span.breach.invariant,
                "what": span.breach.what,
                "from_ms": span.from_ms,
                "to_ms": span.to_ms,
            })
        })
        .collect();
    if left_on {
        all.push(json!({"invariant": "I5 maintenance is off", "what": "it was left on"}));
    }
    if let Some(status) = replication.filter(|status| *status != "running") {
        let what = format!("it is `{status}`");
        all.push(json!({"invariant": "R2 replication runs again at the end", "what": what}));
    }
    all
}

/// Returns a breach for each server that the supervision gave up.
fn failovers(tree: &Value) -> impl Iterator<Item = Value> {
    let sections = ["ToDo", "Pending", "Finished", "Failed"].into_iter();
    let jobs = sections.filter_map(|section| {
        let jobs = tree.pointer(&format!("/arango/Target/{section}"))?;
        jobs.as_object()
    });
    let jobs = jobs.flat_map(|jobs| jobs.values());
    let failed = jobs.filter(|job| job.get("type") == Some(&json!("failedServer")));
    failed.map(|job| json!({"invariant": "I5 no failover", "what": job.get("server")}))
}

/// Returns each request that failed, with the servers that it hung on beside the one that it was sent to.
pub(super) fn failed(tally: &Tally, hung_on: impl Fn(&Done) -> Vec<String>) -> Vec<Value> {
    let failed = tally.failed().take(MOST_TOLD);
    let each = failed.map(|done| {
        let (from, to) = (done.begin_ms, done.end_ms);
        json!({"shard": done.shard, "write": done.write, "begin_ms": from, "end_ms": to, "failure": done.failure,
               "servers": hung_on(done)})
    });
    each.collect()
}

pub(super) fn oddest(tally: &Tally) -> Vec<Value> {
    tally
        .oddest(10)
        .into_iter()
        .map(|done| {
            json!({"shard": done.shard, "write": done.write, "begin_ms": done.begin_ms,
                   "took_ms": done.end_ms.saturating_sub(done.begin_ms), "failure": done.failure})
        })
        .collect()
}

/// Waits until every shard is in sync, for a minute at most.
async fn settle(watch: &Watch) -> bool {
    let end = tokio::time::Instant::now() + Duration::from_mins(1);
    loop {
        if let Some(tree) = watch.tree().await {
            let catalog = Catalog::of(&tree);
            let in_sync = catalog.planned().all(|(path, plan)| {
                let current = catalog.servers_of(&path);
                plan.first() == current.first()
                    && plan.len() == current.len()
                    && plan.iter().all(|server| current.contains(server))
            });
            if in_sync {
                return true;
            }
        }
        if tokio::time::Instant::now() >= end {
            return false;
        }
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
}

async fn compare(options: &Options, watch: &Watch, client: &Client, catalog: &Catalog) -> Held {
    let mut held = Held::default();
    for (shard, servers) in holders(options, catalog) {
        let mut first: Option<BTreeMap<String, u64>> = None;
        for server in &servers {
            let member = watch.members().get(server);
            let path = format!("/_lab/documents?shard={shard}");
            let documents = match member {
                Some(member) => fetch(watch, member, &path).await,
                None => None,
            };
            let Some(documents) = documents else {
                held.unread_copies += 1;
                continue;
            };
            let numbers = numbers(&documents);
            judge_copy(client, &shard, server, &numbers, &mut held);
            match &first {
                None => first = Some(numbers),
                Some(first) if *first != numbers => held.differing_copies += 1,
                Some(_) => {}
            }
        }
        if servers.is_empty() {
            held.unread_copies += 1;
        }
    }
    held
}

/// Asks a server for what it holds. Here nobody waits for it, and all its documents are more than the watch ever asks
/// for: a slow machine gets its time.
async fn fetch(watch: &Watch, member: &Member, path: &str) -> Option<Value> {
    const LIMIT: Duration = Duration::from_secs(5);
    for _ in 0..10 {
        if let Some(found) = watch.get_within(&member.target, path, LIMIT).await {
            return Some(found);
        }
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    None
}

fn numbers(documents: &Value) -> BTreeMap<String, u64> {
    let all = documents.as_object().into_iter().flatten();
    all.filter_map(|(key, document)| {
        let number = document.pointer("/body/n").and_then(Value::as_u64)?;
        Some((key.clone(), number))
    })
    .collect()
}

fn judge_copy(
    client: &Client,
    shard: &str,
    server: &str,
    numbers: &BTreeMap<String, u64>,
    held: &mut Held,
) {
    let keys = client.keys();
    let Some(keys) = keys.get(shard) else { return };
    for (key, known) in keys.all() {
        let number = numbers.get(key).copied();
        let what = if known.is_lost(number) {
            held.lost += 1;
            "lost"
        } else if known.is_foreign(number) {
            held.foreign += 1;
            "never asked for"
        } else {
            continue;
        };
        if held.examples.len() < 10 {
            held.examples.push(format!(
                "{what}: {key} in {shard} on {server} holds {number:?}, known {known:?}"
            ));
        }
    }
}

async fn servers(watch: &Watch) -> Vec<Value> {
    let mut all = Vec::new();
    for (id, member) in watch.members() {
        let state = fetch(watch, member, "/_lab/state").await;
        let state = state.unwrap_or_default();
        let outages = watch.outages(id);
        let total: u64 = outages
            .iter()
            .map(|(from, to)| to.saturating_sub(*from))
            .sum();
        let mut entry = Map::new();
        for (name, value) in [
            ("id", json!(id)),
            ("role", json!(member.part.name())),
            ("host", json!(member.target.host)),
            ("port", json!(member.target.port)),
            ("from", json!(member.from)),
            ("to", state.get("version").cloned().unwrap_or_default()),
            ("out_of_service_ms", json!(total)),
            ("outages", json!(outages)),
        ] {
            entry.insert(name.to_owned(), value);
        }
        all.push(Value::Object(entry));
    }
    all.sort_by_key(|entry| {
        let text = |name: &str| entry.get(name).map(ToString::to_string).unwrap_or_default();
        (text("role"), text("host"))
    });
    all
}

/// Returns the wall clock at the oracle's time 0, to read its figures beside other logs.
pub fn zero_unix_ms() -> u64 {
    time::unix_ms().saturating_sub(time::mono_ms())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_was_given_up_is_a_breach_wherever_its_job_is() {
        let job = |kind: &str| json!({"type": kind, "server": "P1"});
        let tree = json!({"arango": {"Target": {
            "ToDo": {"1": job("failedServer")},
            "Finished": {"2": job("failedServer"), "3": job("moveShard")},
            "Failed": {},
        }}});
        assert_eq!(failovers(&tree).count(), 2);
        assert_eq!(failovers(&json!({})).count(), 0);
    }
}
