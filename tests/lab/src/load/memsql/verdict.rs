//! The end: what the leaves really hold against what was acknowledged, and all the numbers.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use super::Options;
use super::client::{Client, TABLE, shard_name};
use super::watch::{Watch, state_of};
use crate::load::verdict::{failed, oddest, zero_unix_ms};
use crate::sim::memsql::Address;
use crate::sim::memsql::meta::{LeafState, Meta};
use crate::sim::memsql::peer::{self, Message};

/// The longest that a request may take.
const STALL_MS: u64 = 5_000;
const SETTLE_LIMIT: Duration = Duration::from_mins(1);

/// What the leaves hold of what was acknowledged.
#[derive(Debug, Default)]
struct Held {
    lost: u64,
    foreign: u64,
    differing_copies: u64,
    unread_copies: u64,
    examples: Vec<String>,
}

/// Looks at everything once more and returns the report.
pub async fn reach(options: &Options, watch: &Watch, client: &Client) -> Value {
    let unsettled = settle(watch).await;
    let meta = watch.meta();
    let held = compare(client, &meta).await;
    let servers = servers(watch).await;
    let breaches = breaches(watch);
    let (explained, mut report, oddest, failed) = {
        let tally = client.tally();
        let failed = failed(&tally, |done| copies(&meta, &done.shard));
        let explained = tally.explain(options.gap_ms, |shard, from, to| {
            watch.befell(shard, from, to)
        });
        (explained, tally.numbers(), oddest(&tally), failed)
    };
    let excused = client.excused();
    let stall = report
        .get("longest_stall_ms")
        .and_then(Value::as_u64)
        .unwrap_or(u64::MAX);
    let stale = client.tally().stale_reads();
    let ok = unsettled.is_empty()
        && explained.failed == excused
        && stall < STALL_MS
        && held.lost + held.foreign + held.differing_copies + held.unread_copies + stale == 0
        && breaches.is_empty();
    let more = json!({
        "ok": ok,
        "settled": unsettled.is_empty(),
        "unsettled": unsettled,
        "failed_requests": explained.failed.saturating_sub(excused),
        "excused_requests": excused,
        "failed_writes": explained.failed_writes,
        "gap_requests": explained.gaps,
        "gap_requests_in_handovers": explained.handovers,
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
        "looks": watch.looks(),
        "rate": options.rate,
    });
    if let (Value::Object(report), Value::Object(more)) = (&mut report, more) {
        report.extend(more);
    }
    report
}

/// Returns the leaves with copies of a partition: the pair stays the same, whoever of it leads.
fn copies(meta: &Meta, shard: &str) -> Vec<String> {
    let partitions = meta.partitions();
    let own = partitions.filter(|(database, ordinal, _)| shard_name(database, *ordinal) == shard);
    let leaves = own.flat_map(|(_, _, partition)| &partition.instances);
    leaves.map(|instance| instance.leaf.to_string()).collect()
}

fn breaches(watch: &Watch) -> Vec<Value> {
    let (spans, detaches) = watch.breaches();
    let spans = spans.iter().map(|span| {
        json!({"invariant": span.breach.invariant, "what": span.breach.what,
               "from_ms": span.from_ms, "to_ms": span.to_ms})
    });
    let detaches = detaches.iter().map(|(breach, at)| {
        json!({"invariant": breach.invariant, "what": breach.what, "from_ms": at, "to_ms": at})
    });
    spans.chain(detaches).collect()
}

/// Waits until the cluster is whole again, for a minute at most; returns what is not.
async fn settle(watch: &Watch) -> Vec<String> {
    let end = tokio::time::Instant::now() + SETTLE_LIMIT;
    loop {
        watch.refresh().await;
        let mut wrong = incomplete(&watch.meta());
        wrong.extend(changed_variables(watch).await);
        if wrong.is_empty() || tokio::time::Instant::now() >= end {
            return wrong;
        }
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
}

/// Returns what a whole cluster would not have.
fn incomplete(meta: &Meta) -> Vec<String> {
    let mut wrong = Vec::new();
    for leaf in meta
        .leaves
        .iter()
        .filter(|leaf| leaf.state != LeafState::Online)
    {
        wrong.push(format!("{} is {}", leaf.at, leaf.state.word()));
    }
    for (database, ordinal, partition) in meta.partitions() {
        if partition.master().is_none() || partition.slave().is_none() || partition.locked {
            wrong.push(format!("{database}_{ordinal} is {partition:?}"));
        }
    }
    for name in meta.databases.keys() {
        if !meta.rebalance_plan(name).is_empty() {
            wrong.push(format!("the masters of {name} are not spread evenly"));
        }
    }
    wrong
}

async fn changed_variables(watch: &Watch) -> Vec<String> {
    const NAMES: [&str; 4] = [
        "auto_attach",
        "leaf_failure_detection",
        "aggregator_failure_detection",
        "redundancy_level",
    ];
    let mut wrong = Vec::new();
    for (at, member) in watch.members() {
        let state = state_of(at).await.unwrap_or_default();
        for name in NAMES {
            let (was, is) = (
                member.variables.get(name),
                state.pointer(&format!("/variables/{name}")),
            );
            if was != is {
                wrong.push(format!("{name} on {at} was {was:?} and is {is:?}"));
            }
        }
    }
    wrong
}

type Numbers = BTreeMap<String, u64>;

async fn compare(client: &Client, meta: &Meta) -> Held {
    let mut held = Held::default();
    let mut documents: BTreeMap<Address, Value> = BTreeMap::new();
    for leaf in &meta.leaves {
        let limit = Duration::from_secs(30);
        if let Ok(all) = peer::say(&leaf.at, &Message::Documents, limit).await {
            documents.insert(leaf.at.clone(), all);
        }
    }
    for (database, ordinal, partition) in meta.partitions() {
        let shard = shard_name(database, ordinal);
        let mut first: Option<Numbers> = None;
        for instance in &partition.instances {
            let copy = documents
                .get(&instance.leaf)
                .and_then(|all| all.get(&shard));
            let Some(copy) = copy else {
                held.unread_copies += 1;
                continue;
            };
            let numbers = numbers(copy);
            judge_copy(client, &shard, &instance.leaf, &numbers, &mut held);
            match &first {
                None => first = Some(numbers),
                Some(first) if *first != numbers => held.differing_copies += 1,
                Some(_) => {}
            }
        }
        if partition.instances.is_empty() {
            held.unread_copies += 1;
        }
    }
    held
}

fn numbers(copy: &Value) -> Numbers {
    let rows = copy
        .pointer(&format!("/tables/{TABLE}"))
        .and_then(Value::as_object);
    let rows = rows.into_iter().flatten().filter_map(|(key, row)| {
        let number = row.get("n")?.as_str()?.parse().ok()?;
        Some((key.clone(), number))
    });
    rows.collect()
}

fn judge_copy(client: &Client, shard: &str, leaf: &Address, numbers: &Numbers, held: &mut Held) {
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
                "{what}: {key} in {shard} on {leaf} holds {number:?}, known {known:?}"
            ));
        }
    }
}

async fn servers(watch: &Watch) -> Vec<Value> {
    let mut all = Vec::new();
    for (at, member) in watch.members() {
        let state = state_of(at).await.unwrap_or_default();
        let outages = watch.outages(at);
        let total: u64 = outages
            .iter()
            .map(|(from, to)| to.saturating_sub(*from))
            .sum();
        all.push(json!({
            "id": at.to_string(),
            "role": member.role,
            "host": at.host,
            "port": at.port,
            "group": watch.meta().leaf(at).map(|leaf| leaf.group),
            "from": member.from,
            "to": state.get("version").cloned().unwrap_or_default(),
            "out_of_service_ms": total,
            "outages": outages,
        }));
    }
    all.sort_by_key(|entry| {
        let text = |name: &str| entry.get(name).map(ToString::to_string).unwrap_or_default();
        (text("role"), text("id"))
    });
    all
}
