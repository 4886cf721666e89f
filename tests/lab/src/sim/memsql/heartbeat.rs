//! The master aggregator's look at the others, several times a minute: who answers, and what
//! follows from it where that is wanted.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use super::address::Address;
use super::meta::{Aggregator, LeafState};
use super::node::{Node, Part};
use super::peer;
use super::promote::{fail_over, publish};
use super::{master, node};

/// What was seen of the others so far.
#[derive(Debug, Default)]
struct Seen {
    missed: BTreeMap<Address, u32>,
    was_away: BTreeMap<Address, bool>,
}

/// Looks until the server ends.
pub async fn live(node: Arc<Node>) {
    let mut seen = Seen::default();
    loop {
        let every = node.switches().timer(node.switches().heartbeat_ms);
        tokio::time::sleep(every.max(Duration::from_millis(20))).await;
        if node.part() == Part::Master {
            lap(&node, &mut seen, every).await;
        }
    }
}

async fn lap(node: &Arc<Node>, seen: &mut Seen, every: Duration) {
    let meta = node.meta();
    let leaves = meta.leaves.iter().map(|leaf| leaf.at.clone());
    let aggregators = meta.aggregators.iter().map(|one| one.at.clone());
    let all: Vec<Address> = leaves
        .chain(aggregators)
        .filter(|at| *at != node.at)
        .collect();
    let limit = every.max(Duration::from_millis(500));
    let looks: Vec<_> = all
        .into_iter()
        .map(|at| tokio::spawn(async move { (peer::is_there(&at, limit).await, at) }))
        .collect();
    for look in looks {
        let Ok((is_there, at)) = look.await else {
            continue;
        };
        let missed = seen.missed.entry(at.clone()).or_default();
        *missed = if is_there { 0 } else { *missed + 1 };
        let is_gone = *missed >= node.switches().heartbeats_missed;
        if is_gone {
            seen.was_away.insert(at.clone(), true);
        }
        judge_leaf(node, seen, &at, is_there, is_gone).await;
        judge_aggregator(node, &at, is_there, is_gone);
    }
    publish(node).await;
}

async fn judge_leaf(
    node: &Arc<Node>,
    seen: &mut Seen,
    at: &Address,
    is_there: bool,
    is_gone: bool,
) {
    let detects = is_on(node, "leaf_failure_detection");
    let Some(state) = node.meta().leaf(at).map(|leaf| leaf.state) else {
        return;
    };
    match state {
        LeafState::Online if is_gone && detects => take_offline(node, at).await,
        LeafState::Offline if is_there => {
            master::orphan_all(at, None).await;
            node.effects
                .record("back", &json!({"leaf": at.to_string()}))
                .ok();
            node.change_meta(|meta| {
                if let Some(leaf) = meta.leaf_mut(at) {
                    leaf.state = LeafState::Detached;
                }
            });
        }
        LeafState::Detached if is_there && is_on(node, "auto_attach") => {
            let was_away = seen.was_away.get(at).copied().unwrap_or(false);
            if !was_away && node.switches().auto_attach_after_absence {
                return;
            }
            // Somebody who works on the cluster comes first.
            let Ok(_lock) = node.cluster_lock.try_write() else {
                return;
            };
            if master::attach_locked(node, at, false, true).await.is_ok() {
                seen.was_away.insert(at.clone(), false);
                node.effects
                    .record("auto-attach", &json!({"leaf": at.to_string()}))
                    .ok();
            }
        }
        LeafState::Detached if !is_there => drop(seen.was_away.insert(at.clone(), true)),
        LeafState::Online if is_there => drop(seen.was_away.insert(at.clone(), false)),
        LeafState::Online | LeafState::Offline | LeafState::Detached => {}
    }
}

async fn take_offline(node: &Arc<Node>, at: &Address) {
    let Ok(_lock) = node.cluster_lock.try_write() else {
        return;
    };
    node.effects
        .record("offline", &json!({"leaf": at.to_string()}))
        .ok();
    node.change_meta(|meta| {
        if let Some(leaf) = meta.leaf_mut(at) {
            leaf.state = LeafState::Offline;
        }
    });
    let meta = node.meta();
    for (database, ordinal, partition) in meta.partitions() {
        if partition.instances.iter().any(|one| one.leaf == *at) {
            fail_over(node, database, ordinal, at).await;
        }
    }
}

fn judge_aggregator(node: &Arc<Node>, at: &Address, is_there: bool, is_gone: bool) {
    let detects = is_on(node, "aggregator_failure_detection");
    let goes = is_gone && detects && !is_there;
    let was_there = |one: &Aggregator| one.at == *at && one.online;
    if goes && node.meta().aggregators.iter().any(was_there) {
        node.effects
            .record("aggregator-offline", &json!({"at": at.to_string()}))
            .ok();
    }
    node.change_meta(|meta| {
        for one in meta.aggregators.iter_mut().filter(|one| one.at == *at) {
            one.online = match (is_there, is_gone && detects) {
                (true, _) => true,
                (false, true) => false,
                (false, false) => one.online,
            };
        }
    });
}

fn is_on(node: &node::Node, name: &str) -> bool {
    node.state().variables.is_on(name)
}
