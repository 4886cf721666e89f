//! Which starter speaks for all: a key in the agency that lives 30 s and is renewed.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};

use super::bootstrap::fetch;
use super::peers::Peers;
use super::service::{Phase, Starter};
use crate::sim::arangod::cluster::{AgencyClient, AgencyError};

const KEY: &str = "/arangodb-helper/arangodb/master";
const TTL_S: u64 = 30;
const LIMIT: Duration = Duration::from_secs(10);

/// Keeps up with who is master, and is it itself if nobody else is.
pub async fn run(starter: Arc<Starter>) {
    if starter.mode == "single" {
        return;
    }
    let mut registered = false;
    while !starter.is_stopping() {
        let pause_ms = turn(&starter, &mut registered).await;
        tokio::select! {
            () = tokio::time::sleep(starter.live.now().timer(pause_ms)) => {}
            () = starter.master_changed.notified() => {}
            () = starter.stopped() => {}
        }
    }
    if registered && let (Some(agency), Some(own)) = (starter.agency(), starter.own()) {
        let limit = Duration::from_secs(1);
        let leave = json!({KEY: {"op": "unobserve", "url": own.url("/cb/masterChanged")}});
        drop(agency.write(&leave, &json!({}), limit).await);
    }
}

/// Takes one look; returns how long to wait until the next.
async fn turn(starter: &Starter, registered: &mut bool) -> u64 {
    let (Some(agency), Some(own)) = (starter.agency(), starter.own()) else {
        return 5000;
    };
    let own_url = own.url("/");
    let Ok(master) = read_master(&agency).await else {
        return 5000;
    };
    master.clone_into(
        &mut starter
            .master_url
            .lock()
            .unwrap_or_else(PoisonError::into_inner),
    );
    if !*registered && !master.is_empty() {
        let observe = json!({KEY: {"op": "observe", "url": own.url("/cb/masterChanged")}});
        *registered = agency.write(&observe, &json!({}), LIMIT).await.is_ok();
    }
    if master.is_empty() {
        let became = claim(&agency, &own_url, &json!({"oldEmpty": true})).await;
        starter.enter(if became {
            Phase::RunningMaster
        } else {
            Phase::RunningSlave
        });
        if became {
            starter.log.info("Just became master");
        }
        return 1000;
    }
    if master == own_url {
        starter.enter(Phase::RunningMaster);
        if claim(&agency, &own_url, &json!({"old": own_url})).await {
            return TTL_S * 1000 / 3;
        }
        starter.log.warn("Failed to remain master");
        starter.enter(Phase::RunningSlave);
        return 1000;
    }
    starter.enter(Phase::RunningSlave);
    let hello = format!("{}/hello?update=1", master.trim_end_matches('/'));
    match fetch(&hello, "GET", None).await {
        Ok(reply) if reply.status == 200 => {
            if let Ok(peers) = serde_json::from_slice::<Peers>(&reply.body) {
                starter.update_peers(peers);
            }
        }
        Ok(reply) => starter.log.warn(&format!(
            "Failed to load cluster configuration from {master}: status {}",
            reply.status
        )),
        Err(why) => starter.log.warn(&format!(
            "Failed to load cluster configuration from {master}: {why}"
        )),
    }
    15_000
}

async fn read_master(agency: &AgencyClient) -> Result<String, AgencyError> {
    let tree = agency.read(&[KEY], LIMIT).await?;
    let master = tree.pointer(KEY).and_then(Value::as_str);
    Ok(master.unwrap_or_default().to_owned())
}

async fn claim(agency: &AgencyClient, own_url: &str, condition: &Value) -> bool {
    let operations = json!({KEY: {"op": "set", "new": own_url, "ttl": TTL_S}});
    agency
        .write(&operations, &json!({KEY: condition}), LIMIT)
        .await
        .unwrap_or(false)
}
