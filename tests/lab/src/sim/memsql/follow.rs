//! A slave's side of replication: asks the masters for what follows in their logs, and takes it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use super::address::Address;
use super::data::{Entry, Position, Role};
use super::leaf::{copy_from, written};
use super::node::Node;
use super::peer::{self, Message};
use crate::sim::effects::eprint_line;
use crate::sim::time;

/// Follows the masters of all partitions that this leaf is a slave of, until it ends.
pub async fn follow_all(node: Arc<Node>) {
    let mut following: BTreeMap<Address, tokio::task::JoinHandle<()>> = BTreeMap::new();
    let mut changes = node.data_watch();
    loop {
        following.retain(|_, task| !task.is_finished());
        let sources: std::collections::BTreeSet<Address> = {
            let state = node.state();
            let slaves = state
                .replicas
                .values()
                .filter(|one| one.role == Role::Slave);
            slaves.filter_map(|one| one.source.clone()).collect()
        };
        for source in sources {
            let node = Arc::clone(&node);
            let of = source.clone();
            following
                .entry(source)
                .or_insert_with(|| tokio::spawn(async move { follow_one(node, of).await }));
        }
        let later = tokio::time::sleep(Duration::from_millis(200));
        tokio::select! {
            _ = changes.changed() => {}
            () = later => {}
        }
        // Every write wakes this; it need not look more often than this.
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

const PULL_WAIT_MS: u64 = 500;

/// Follows one master as long as there is something to follow it in.
async fn follow_one(node: Arc<Node>, source: Address) {
    let limit = Duration::from_secs(5);
    let mut client = None;
    loop {
        let wants = wants(&node, &source);
        if wants.is_empty() {
            return;
        }
        let switches = node.switches();
        if !switches.replicates || node.recovers() {
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        }
        lag(&node).await;
        let Some(connection) = &mut client else {
            client = peer::connect(&source, limit).await.ok();
            if client.is_none() {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            continue;
        };
        let message = Message::Pull {
            wants: wants.clone(),
            wait_ms: PULL_WAIT_MS,
            version: node.version.clone(),
        };
        if let Ok(answer) = peer::say_on(connection, &message, limit).await {
            take_all(&node, &source, &wants, &answer).await;
        } else {
            client = None;
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

/// Stays behind for as long as the switches say, which may change meanwhile.
async fn lag(node: &Node) {
    let begun = time::mono_ms();
    loop {
        let switches = node.switches();
        let ends = begun.saturating_add(time::ms(switches.timer(switches.replication_lag_ms)));
        let Some(left) = ends.checked_sub(time::mono_ms()).filter(|left| *left > 0) else {
            return;
        };
        tokio::time::sleep(Duration::from_millis(left.min(200))).await;
    }
}

async fn take_all(
    node: &Arc<Node>,
    source: &Address,
    wants: &[(String, Position)],
    answer: &Value,
) {
    let leads = answer.get("leads").and_then(Value::as_array);
    let leads = leads.into_iter().flatten().filter_map(Value::as_str);
    let leads: Vec<&str> = leads.collect();
    for (partition, position) in wants {
        if leads.contains(&partition.as_str()) {
            let news = answer.get("news").and_then(|news| news.get(partition));
            take(node, source, (partition, *position), news).await;
        }
    }
    if leads.is_empty() {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn wants(node: &Node, source: &Address) -> Vec<(String, Position)> {
    let state = node.state();
    let own = state.replicas.iter().filter(|(_, replica)| {
        replica.role == Role::Slave && replica.source.as_ref() == Some(source)
    });
    own.map(|(partition, replica)| (partition.clone(), replica.position))
        .collect()
}

async fn take(
    node: &Arc<Node>,
    source: &Address,
    (partition, asked_from): (&str, Position),
    news: Option<&Value>,
) {
    let entries = news.map_or_else(
        || Ok(Vec::new()),
        |news| serde_json::from_value(news.clone()),
    );
    let Ok(entries): Result<Vec<Entry>, _> = entries else {
        // What would follow is not kept any more.
        if let Err(fault) = copy_from(node, partition, source).await {
            eprint_line(&format!("lab: {}: {fault}", time::iso_ms(time::unix_ms())));
        }
        return;
    };
    {
        let mut state = node.state();
        let state = &mut *state;
        let Some(replica) = state.replicas.get_mut(partition) else {
            return;
        };
        let is_ours = replica.role == Role::Slave && replica.source.as_ref() == Some(source);
        // A copy that was made meanwhile may be further already.
        if !is_ours || replica.position != asked_from {
            return;
        }
        replica.follows = true;
        if entries.is_empty() {
            return;
        }
        for entry in entries {
            written(state.journal.entry(partition, &entry));
            replica.append(entry);
        }
    }
    node.data_changed();
}
