//! Maintenance mode of one DB-Server alone, from 3.10 on: asked for, ended, told.
//!
//! As in ArangoDB 3.12, `arangod/RestHandler/RestAdminClusterHandler.cpp`: what is asked for is written under `Target`, for
//! a time, and holds when the supervision has said so under `Current`. Both ways are refused while the supervision
//! does not find the server well.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::Coordinator;
use super::maintenance::{AN_HOUR_S, Answered};
use crate::sim::http::{Request, Response};
use crate::sim::time;

/// Answers one request about one DB-Server.
pub async fn answer(coordinator: &Coordinator, server: &str, request: &Request) -> Answered {
    match request.method.as_str() {
        "PUT" => {
            let begun = time::unix_ms();
            let answered = switch(coordinator, server, request).await;
            let took_ms = time::unix_ms().saturating_sub(begun);
            let body = request.json().unwrap_or_default();
            let done = answered.as_ref().is_ok();
            let detail = json!({"took_ms": took_ms, "server": server, "mode": body.get("mode"), "done": done});
            coordinator.server.count("maintenance", &detail);
            answered
        }
        "GET" => show(coordinator, server).await,
        _ => Ok(Response::wrong_method()),
    }
}

fn target(server: &str) -> String {
    format!("/arango/Target/MaintenanceDBServers/{server}")
}

fn current(server: &str) -> String {
    format!("/arango/Current/MaintenanceDBServers/{server}")
}

async fn switch(coordinator: &Coordinator, server: &str, request: &Request) -> Answered {
    let body = request.json().unwrap_or_default();
    let seconds = body.get("timeout").and_then(Value::as_u64);
    let on = match body.get("mode").and_then(Value::as_str) {
        Some("maintenance") => true,
        Some("normal") => false,
        _ => {
            return Err(Response::error(
                400,
                400,
                "object expected with attribute 'mode' and optional attribute 'timeout'",
            ));
        }
    };
    let operation = if on {
        let lasts = coordinator
            .server
            .timer(seconds.unwrap_or(AN_HOUR_S) * 1000);
        let until = time::iso(time::unix_ms() + time::ms(lasts));
        json!({"op": "set", "new": {"Mode": "maintenance", "Until": until}})
    } else {
        json!({"op": "delete"})
    };
    let mut conditions = Map::new();
    if coordinator.server.live.now().maintenance_needs_good {
        let health = format!("/arango/Supervision/Health/{server}/Status");
        conditions.insert(health, json!({"old": "GOOD"}));
    }
    let operations = json!({target(server): operation});
    let conditions = Value::Object(conditions);
    if !coordinator.agency_write(&operations, &conditions).await? {
        return Err(Response::error(412, 412, "precondition failed"));
    }
    wait_for(coordinator, server, on).await?;
    Ok(Response::json(
        200,
        &json!({"error": false, "code": 200, "result": {}}),
    ))
}

/// The handler waits for as long as it takes; a request that is never answered would only hide what is wrong.
async fn wait_for(coordinator: &Coordinator, server: &str, on: bool) -> Result<(), Response> {
    let end = tokio::time::Instant::now() + coordinator.server.timer(600_000);
    while tokio::time::Instant::now() < end {
        if let Ok(found) = coordinator.agency_read(&current(server)).await
            && found.is_some() == on
        {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Err(Response::error(504, 504, "the supervision does not say so"))
}

async fn show(coordinator: &Coordinator, server: &str) -> Answered {
    let mut answer = json!({"error": false, "code": 200});
    if let (Some(found), Value::Object(answer)) = (
        coordinator.agency_read(&current(server)).await?,
        &mut answer,
    ) {
        answer.insert("result".to_owned(), found);
    }
    Ok(Response::json(200, &answer))
}
