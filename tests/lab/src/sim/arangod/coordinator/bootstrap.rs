//! What the first coordinator of a cluster makes: the system's own collections.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use super::Coordinator;
use super::collections::Wanted;
use crate::sim::time;

const FOLLOWERS: [&str; 6] = [
    "_users",
    "_queues",
    "_jobs",
    "_apps",
    "_aqlfunctions",
    "_statistics",
];

/// Sees to it that the system's collections are there; ends when they are.
pub async fn run(coordinator: Arc<Coordinator>) {
    let own = json!(coordinator.server.id);
    loop {
        match coordinator.agency_read("/arango/Bootstrap").await {
            Ok(Some(done)) if done == "done" => return,
            Ok(Some(who)) if who == own => make(&coordinator).await,
            Ok(None) => {
                // The lock ends with a coordinator that dies while it holds it.
                let operations = json!({"/arango/Bootstrap": {"op": "set", "new": own, "ttl": 60}});
                let conditions = json!({"/arango/Bootstrap": {"oldEmpty": true}});
                drop(coordinator.agency_write(&operations, &conditions).await);
                continue;
            }
            Ok(Some(_)) | Err(_) => {}
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

async fn make(coordinator: &Coordinator) {
    let copies = wait_for_servers(coordinator).await;
    let wanted = |name, like| Wanted {
        database: "_system",
        name,
        shards: 1,
        copies,
        like,
    };
    let mut all = vec![wanted("_graphs", None)];
    all.extend(FOLLOWERS.iter().map(|name| wanted(name, Some("_graphs"))));
    for wanted in &all {
        match coordinator.make_collection(wanted).await {
            Ok(_) => {}
            // Made by one that did not come to its end.
            Err(response) if response.status == 409 && exists(coordinator, wanted.name) => {}
            Err(_) => return,
        }
    }
    let operations = json!({"/arango/Bootstrap": {"op": "set", "new": "done"}});
    drop(coordinator.agency_write(&operations, &json!({})).await);
}

fn exists(coordinator: &Coordinator, name: &str) -> bool {
    coordinator.catalog().collection("_system", name).is_some()
}

/// Waits for as many DB-Servers as there are to be copies, and after a while takes what is there.
async fn wait_for_servers(coordinator: &Coordinator) -> u64 {
    let option = coordinator
        .server
        .options
        .number("cluster.system-replication-factor");
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a handful of copies"
    )]
    let wanted = option.unwrap_or(2.0).clamp(1.0, 100.0) as u64;
    let end = time::mono_ms() + 20_000;
    loop {
        let catalog = coordinator.reload().await;
        let there = catalog.map_or(0, |catalog| catalog.dbservers.len());
        let there = u64::try_from(there).unwrap_or(0);
        if there >= wanted || (there > 0 && time::mono_ms() >= end) {
            return wanted.min(there);
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}
