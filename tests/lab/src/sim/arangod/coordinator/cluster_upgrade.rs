//! What a coordinator from 3.5 on does when it is told to upgrade: it starts as always, brings what all servers share
//! to its version, once for the whole cluster, and ends. It writes no version file.
//!
//! As in ArangoDB 3.5, `arangod/Cluster/ClusterUpgradeFeature.cpp`; so is that it says "completed successfully" after
//! a failure too.

use std::sync::Arc;

use serde_json::{Value, json};

use super::Coordinator;
use crate::sim::http::Response;
use crate::sim::switches::Outcome;

const VERSION: &str = "/arango/ClusterUpgradeVersion";
const EXECUTED_BY: &str = "/arango/ClusterUpgradeExecutedBy";

/// Upgrades, if no coordinator did before, and tells the server to end.
pub async fn run(coordinator: Arc<Coordinator>) {
    let server = &coordinator.server;
    server.count("auto-upgrade-begin", &json!({"with": "cluster"}));
    if attempt(&coordinator).await.is_err() {
        server
            .log
            .error("{cluster} unable to fetch cluster upgrade version from agency");
    }
    server
        .log
        .info("{startup} server will now shut down due to upgrade.");
    server.count("auto-upgrade-end", &json!({"exit": 0}));
    server.stop.notify_one();
    // It never comes to serve.
    std::future::pending::<()>().await;
}

async fn attempt(coordinator: &Coordinator) -> Result<(), Response> {
    let server = &coordinator.server;
    let own = u64::from(server.version.number());
    let done = coordinator.agency_read(VERSION).await?;
    if done.as_ref().and_then(Value::as_u64) >= Some(own) {
        return Ok(());
    }
    let before = match &done {
        Some(version) => json!({"old": version}),
        None => json!({"oldEmpty": true}),
    };
    let operations = json!({EXECUTED_BY: {"op": "set", "new": server.id}});
    let conditions = json!({VERSION: before, EXECUTED_BY: {"oldEmpty": true}});
    if !coordinator.agency_write(&operations, &conditions).await? {
        return Ok(());
    }
    let from = done.map_or_else(
        || "an unknown version".to_owned(),
        |version| format!("version {version}"),
    );
    server.log.info(&format!(
        "{{cluster}} running cluster upgrade from {from} to version {own}..."
    ));
    let mut operations = json!({EXECUTED_BY: {"op": "delete"}});
    if work(coordinator).await
        && let Some(operations) = operations.as_object_mut()
    {
        operations.insert(VERSION.to_owned(), json!({"op": "set", "new": own}));
    }
    let conditions = json!({EXECUTED_BY: {"old": server.id}});
    if coordinator.agency_write(&operations, &conditions).await? {
        server.log.info(&format!(
            "{{cluster}} cluster upgrade to version {own} completed successfully"
        ));
    }
    Ok(())
}

async fn work(coordinator: &Coordinator) -> bool {
    let server = &coordinator.server;
    let switches = server.live.now();
    tokio::time::sleep(switches.timer(switches.upgrade_ms)).await;
    match switches.upgrade_outcome {
        Outcome::Ok => true,
        Outcome::Lie => false,
        Outcome::Hang => std::future::pending().await,
        Outcome::Fail => {
            server.log.error(
                "Database '_system' upgrade failed (out of memory). Please inspect the logs from the upgrade procedure and try starting the server again.",
            );
            false
        }
    }
}
