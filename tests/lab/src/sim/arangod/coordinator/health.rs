//! The cluster's health, as supervision last judged it, with the agents asked on the spot.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::Coordinator;
use crate::sim::http::{Response, Target};

/// Answers with the health of every server.
pub async fn answer(coordinator: &Coordinator) -> Response {
    let judged = match coordinator.agency_read("/arango/Supervision/Health").await {
        Ok(Some(Value::Object(judged))) => judged,
        Ok(_) => return Response::error(404, 404, "supervision's health is not there"),
        Err(response) => return response,
    };
    let cluster = match coordinator.agency_read("/arango/Cluster").await {
        Ok(id) => id.unwrap_or_default(),
        Err(response) => return response,
    };
    let catalog = coordinator.catalog();
    let old_shape = !coordinator.server.version.at_least(3, 4, 0);
    let passing = passing_health(coordinator).await;
    let mut all = Map::new();
    for (id, lasting) in judged {
        let mut shown = lasting.as_object().cloned().unwrap_or_default();
        let last = passing.get(&id).and_then(Value::as_object);
        shown.extend(last.cloned().unwrap_or_default());
        let role = if catalog.dbservers.contains(&id) || id.starts_with("PRMR") {
            "DBServer"
        } else {
            "Coordinator"
        };
        shown.insert("Role".into(), json!(role));
        let failed = shown.get("Status").is_some_and(|status| status == "FAILED");
        let held = catalog
            .planned()
            .any(|(_, servers)| servers.iter().any(|server| server.ends_with(&id)));
        shown.insert("CanBeDeleted".into(), json!(failed && !held));
        if old_shape {
            shown = in_old_shape(shown);
        }
        all.insert(id, Value::Object(shown));
    }
    agents(coordinator, old_shape, &mut all).await;
    Response::json(
        200,
        &json!({"Health": all, "ClusterId": cluster, "error": false, "code": 200}),
    )
}

/// Returns what the agency's leader keeps in memory of the servers' health.
async fn passing_health(coordinator: &Coordinator) -> Map<String, Value> {
    let stores = coordinator
        .member
        .agency
        .read(&["/arango/Cluster"], Duration::from_secs(5))
        .await;
    // The read has led the client to the leader, which alone holds what passes.
    if stores.is_err() {
        return Map::new();
    }
    let limit = Duration::from_secs(5);
    let asked = coordinator
        .member
        .agency
        .ask("GET", "/_api/agency/stores", None, limit);
    let tree = asked.await.map(|reply| reply.json()).unwrap_or_default();
    tree.pointer("/transient/0/arango/Supervision/Health")
        .and_then(Value::as_object)
        .cloned()
        .unwrap_or_default()
}

/// Up to 3.3 the heartbeats' fields had other names.
fn in_old_shape(mut shown: Map<String, Value>) -> Map<String, Value> {
    for (new, old) in [
        ("LastAckedTime", "LastHeartbeatAcked"),
        ("SyncTime", "LastHeartbeatSent"),
        ("SyncStatus", "LastHeartbeatStatus"),
    ] {
        if let Some(value) = shown.shift_remove(new) {
            shown.insert(old.to_owned(), value);
        }
    }
    for later in ["Host", "Engine", "Version", "Timestamp"] {
        shown.shift_remove(later);
    }
    shown
}

async fn agents(coordinator: &Coordinator, old_shape: bool, all: &mut Map<String, Value>) {
    for target in coordinator.member.agency.endpoints() {
        let (id, shown) = agent(coordinator, target, old_shape).await;
        all.insert(id, shown);
    }
}

async fn agent(coordinator: &Coordinator, target: &Target, old_shape: bool) -> (String, Value) {
    let endpoint = target.endpoint();
    let limit = Duration::from_secs(5);
    let mut shown = Map::new();
    for (name, value) in [
        ("Endpoint", json!(endpoint)),
        ("Role", json!("Agent")),
        ("CanBeDeleted", json!(false)),
    ] {
        shown.insert(name.to_owned(), value);
    }
    let mut add = |name: &str, value: Value| {
        if !old_shape {
            shown.insert(name.to_owned(), value);
        }
    };
    let id = match coordinator
        .ask(&endpoint, "/_api/agency/config", limit)
        .await
    {
        Ok(reply) if reply.status == 200 => {
            let config = reply.json();
            let id = config.pointer("/configuration/id").and_then(Value::as_str);
            let id = id.unwrap_or(&endpoint).to_owned();
            let leader = config.get("leaderId").cloned().unwrap_or_default();
            add("Status", json!("GOOD"));
            for (name, from) in [("Version", "version"), ("Engine", "engine")] {
                if let Some(value) = config.get(from) {
                    add(name, value.clone());
                }
            }
            if leader == json!(id) {
                add("Leading", json!(true));
            }
            add("Leader", leader);
            add("LastAckedTime", json!(0.0));
            id
        }
        Ok(reply) => {
            add("Status", json!("BAD"));
            add("Error", json!(format!("status {}", reply.status)));
            endpoint.clone()
        }
        Err(error) => {
            add("Status", json!("BAD"));
            add("Error", json!(error.to_string()));
            endpoint.clone()
        }
    };
    (id, Value::Object(shown))
}
