//! The starter's own upgrade of the databases, with the faults of the real one.
//!
//! A plan lies in the agency; each starter works on the first entry if that is its own. What
//! it does not do is kept: it looks at no shard, moves no leadership, waits without an end,
//! and a retry clears nothing.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::answers::refuse;
use super::bootstrap::fetch;
use super::checks;
use super::kinds::Kind;
use super::service::{Phase, Starter};
use super::supervise;
use crate::sim::http::{Request, Response};
use crate::sim::time;

/// What the starter's own upgrade is doing.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Upgrading {
    /// The server that is being upgraded.
    pub kind: Option<Kind>,
    /// Whether its next start is to upgrade its data.
    pub due: bool,
}

/// One server's turn.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// The starter whose server it is.
    pub peer_id: String,
    /// The kind of server.
    #[serde(rename = "type")]
    pub kind: String,
    /// How often it failed.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub failures: u64,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde asks for a reference"
)]
fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// The plan as it lies in the agency.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// Counts the changes of the plan.
    pub revision: u64,
    /// When it was made.
    pub created_at: String,
    /// When it was changed last.
    pub last_modified_at: String,
    /// What remains to be done.
    pub entries: Vec<Entry>,
    /// What is done.
    #[serde(default)]
    pub finished_entries: Vec<Entry>,
    /// Whether its end was told.
    #[serde(default)]
    pub finished: bool,
    /// The versions that ran.
    pub from_versions: Vec<String>,
    /// The version that is to run.
    pub to_version: String,
}

const PLAN: &str = "/arangodb-helper/arangodb/upgrade-plan";
const LOCK: &str = "/arangodb-helper/arangodb/upgrade-manager";
const MAINTENANCE: &str = "/arango/Supervision/Maintenance";
const MODE: &str = "/arango/Supervision/State/Mode";
const LIMIT: Duration = Duration::from_secs(10);

impl Plan {
    fn is_failed(&self) -> bool {
        self.entries.iter().any(|entry| entry.failures > 0)
    }

    /// Means to clear the failures; as in the real one it clears those of copies.
    fn reset_failures(&self) {
        for mut entry in self.entries.iter().cloned() {
            entry.failures = 0;
            entry.reason.clear();
        }
    }
}

impl Starter {
    /// Tells whether the end of a server is part of its upgrade.
    pub fn expects_end_of(&self, kind: Kind) -> bool {
        self.upgrading().kind == Some(kind)
    }

    /// Tells whether the next start of a server is to upgrade its data.
    pub fn is_upgrade_due(&self, kind: Kind) -> bool {
        let upgrading = self.upgrading();
        upgrading.kind == Some(kind) && upgrading.due
    }

    /// Notes that a server was started to upgrade its data.
    pub fn upgrade_started(&self, kind: Kind) {
        let mut upgrading = self
            .upgrading
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if upgrading.kind == Some(kind) {
            upgrading.due = false;
        }
    }

    fn upgrading(&self) -> Upgrading {
        *self
            .upgrading
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn set_upgrading(&self, upgrading: Upgrading) {
        *self
            .upgrading
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = upgrading;
    }

    /// Reads the plan; nothing if there is none.
    async fn read_plan(&self) -> Result<Option<Plan>, String> {
        let agency = self.agency().ok_or("no agent is known")?;
        let tree = agency.read(&[PLAN], LIMIT).await;
        let tree = tree.map_err(|error| error.to_string())?;
        let found = tree.pointer(PLAN).cloned();
        Ok(found.and_then(|plan| serde_json::from_value(plan).ok()))
    }

    /// Writes the plan, if it is still at the revision that was read.
    async fn write_plan(&self, mut plan: Plan, overwrite: bool) -> Result<(), String> {
        let agency = self.agency().ok_or("no agent is known")?;
        let condition = if overwrite {
            json!({})
        } else {
            json!({format!("{PLAN}/revision"): {"old": plan.revision}})
        };
        plan.revision += 1;
        plan.last_modified_at = time::iso(time::unix_ms());
        let operations = json!({PLAN: {"op": "set", "new": plan}});
        match agency.write(&operations, &condition, LIMIT).await {
            Ok(true) => Ok(()),
            Ok(false) => Err("the upgrade plan was outdated or removed".to_owned()),
            Err(error) => Err(error.to_string()),
        }
    }
}

/// Watches the plan and works on what is this starter's.
pub async fn watch(starter: Arc<Starter>) {
    if starter.mode == "single" {
        return;
    }
    let mut registered = false;
    while !starter.is_stopping() {
        if let (false, Some(agency), Some(own)) = (registered, starter.agency(), starter.own()) {
            let url = own.url("/cb/upgradePlanChanged");
            let observe = json!({PLAN: {"op": "observe", "url": url}});
            registered = agency.write(&observe, &json!({}), LIMIT).await.is_ok();
        }
        let mut pause_ms = 60_000;
        if let Ok(Some(plan)) = starter.read_plan().await
            && !plan.is_failed()
        {
            if plan.entries.is_empty() {
                finish(&starter, plan).await;
            } else {
                pause_ms = 1000;
                let working = process(&starter, plan);
                tokio::select! {
                    () = working => {}
                    () = starter.stopped() => return,
                }
            }
        }
        tokio::select! {
            () = tokio::time::sleep(starter.live.now().timer(pause_ms)) => {}
            () = starter.plan_changed.notified() => {}
            () = starter.stopped() => {}
        }
    }
}

async fn finish(starter: &Starter, mut plan: Plan) {
    if !plan.finished {
        plan.finished = true;
        starter.log.info("Upgrading done.");
        drop(starter.write_plan(plan, false).await);
    }
}

async fn process(starter: &Arc<Starter>, mut plan: Plan) {
    let Some(first) = plan.entries.first().cloned() else {
        return;
    };
    let kind = Kind::named(&first.kind).filter(|_| first.peer_id == starter.id);
    let Some(kind) = kind else { return };
    starter.log.info(&format!("Upgrading {}", kind.name()));
    let done = upgrade_one(starter, kind).await;
    starter.set_upgrading(Upgrading::default());
    match done {
        Ok(()) => {
            starter
                .log
                .info(&format!("Finished upgrading {}", kind.name()));
            let entry = plan.entries.remove(0);
            plan.finished_entries.push(entry);
        }
        Err(why) => {
            starter
                .log
                .error(&format!("Upgrade plan entry failed: {why}"));
            if let Some(entry) = plan.entries.first_mut() {
                entry.failures += 1;
                entry.reason = why;
            }
        }
    }
    if let Err(why) = starter.write_plan(plan, false).await {
        starter
            .log
            .error(&format!("Failed to write updated plan: {why}"));
    }
}

async fn upgrade_one(starter: &Arc<Starter>, kind: Kind) -> Result<(), String> {
    if kind == Kind::DbServer {
        set_maintenance(starter, true).await?;
    }
    let restarted = restart(starter, kind).await;
    let happy = async {
        restarted?;
        if kind == Kind::Agent {
            checks::wait(starter, checks::Check::Agency).await;
        } else {
            checks::wait(starter, checks::Check::Responding(kind)).await;
        }
        if !kind.is_sync() {
            checks::wait(starter, checks::Check::Cluster).await;
        }
        Ok(())
    };
    let result = happy.await;
    if kind == Kind::DbServer {
        set_maintenance(starter, false).await?;
    }
    result
}

async fn restart(starter: &Arc<Starter>, kind: Kind) -> Result<(), String> {
    let due = !kind.is_sync();
    starter.set_upgrading(Upgrading {
        kind: Some(kind),
        due,
    });
    let pid = starter.lock_pids().get(&kind).copied();
    let pid = pid.ok_or_else(|| format!("{} does not run", kind.name()))?;
    supervise::terminate(starter, kind, pid).await;
    // Without an end, as the real one: it only looks whether the start has been made.
    while starter.upgrading().due {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Ok(())
}

async fn set_maintenance(starter: &Starter, on: bool) -> Result<(), String> {
    let agency = starter.agency().ok_or("no agent is known")?;
    let (operation, mode) = if on {
        starter.log.info("Disabling supervision");
        (
            json!({"op": "set", "new": true, "ttl": 3600}),
            "Maintenance",
        )
    } else {
        starter.log.info("Enabling supervision");
        (json!({"op": "delete"}), "Normal")
    };
    let operations = json!({MAINTENANCE: operation});
    let written = agency.write(&operations, &json!({}), LIMIT).await;
    written.map_err(|error| error.to_string())?;
    loop {
        let tree = agency.read(&[MODE], LIMIT).await;
        let tree = tree.map_err(|error| error.to_string())?;
        if tree.pointer(MODE).is_some_and(|found| found == mode) {
            return Ok(());
        }
        tokio::time::sleep(starter.live.now().timer(1000)).await;
    }
}

/// Answers what is asked of the upgrade over HTTP.
pub async fn answer(starter: &Arc<Starter>, request: &Request) -> Response {
    let running = matches!(starter.phase(), Phase::RunningMaster | Phase::RunningSlave);
    if !running {
        return refuse(400, "Must be in running state to do upgrades");
    }
    if request.method == "GET" {
        return status(starter).await;
    }
    if starter.phase() != Phase::RunningMaster {
        return forward(starter, request).await;
    }
    let done = match request.method.as_str() {
        "POST" => begin(starter).await,
        "PUT" => retry(starter).await,
        "DELETE" => abort(starter).await,
        _ => return Response::empty(405),
    };
    match done {
        Ok(()) => Response::text(200, "OK"),
        Err((code, why)) => refuse(code, &why),
    }
}

async fn forward(starter: &Starter, request: &Request) -> Response {
    let master = starter.known_master();
    if master.is_empty() {
        return refuse(500, "Starter master is not known");
    }
    let url = format!("{}/database-auto-upgrade", master.trim_end_matches('/'));
    match fetch(&url, &request.method, None).await {
        Ok(reply) if reply.status == 200 => Response::text(200, "OK"),
        Ok(reply) => {
            let said = reply.json();
            let text = said
                .get("Error")
                .and_then(Value::as_str)
                .unwrap_or("Unknown error");
            refuse(reply.status, text)
        }
        Err(why) => refuse(500, &why),
    }
}

type Refused = (u16, String);

async fn begin(starter: &Arc<Starter>) -> Result<(), Refused> {
    let (from, to) = checks::versions(starter).await?;
    for one in &from {
        checks::may_upgrade(one, &to).map_err(|why| (500, why))?;
    }
    checks::cluster_healthy(starter)
        .await
        .map_err(|why| (500, format!("Found unhealthy cluster: {why}")))?;
    let agency = starter
        .agency()
        .ok_or((500, "no agent is known".to_owned()))?;
    let lock = json!({LOCK: {"op": "set", "new": starter.id, "ttl": 300}});
    let free = json!({LOCK: {"oldEmpty": true}});
    match agency.write(&lock, &free, LIMIT).await {
        Ok(true) => {}
        Ok(false) => return Err((500, "already locked".to_owned())),
        Err(error) => return Err((500, error.to_string())),
    }
    let made = make_plan(starter, from, to).await;
    let unlock = json!({LOCK: {"op": "delete"}});
    drop(agency.write(&unlock, &json!({}), LIMIT).await);
    made
}

async fn make_plan(starter: &Starter, from: Vec<String>, to: String) -> Result<(), Refused> {
    let known = starter.read_plan().await.map_err(|why| (500, why))?;
    if known.is_some_and(|plan| !plan.entries.is_empty()) {
        return Err((400, "Current upgrade plan has not finished yet".to_owned()));
    }
    let peers = starter.peers();
    // All of a kind, in the order of the peers: whoever leads the agency is not asked.
    let kinds = [
        Kind::Agent,
        Kind::DbServer,
        Kind::Coordinator,
        Kind::SyncMaster,
        Kind::SyncWorker,
    ];
    let entries = kinds
        .iter()
        .flat_map(|kind| {
            let own = peers.all.iter().filter(move |peer| peer.has(*kind));
            own.map(move |peer| Entry {
                peer_id: peer.id.clone(),
                kind: kind.name().to_owned(),
                failures: 0,
                reason: String::new(),
            })
        })
        .collect();
    let now = time::iso(time::unix_ms());
    let plan = Plan {
        revision: 0,
        created_at: now.clone(),
        last_modified_at: now,
        entries,
        finished_entries: Vec::new(),
        finished: false,
        from_versions: from,
        to_version: to,
    };
    starter
        .write_plan(plan, true)
        .await
        .map_err(|why| (500, why))
}

async fn retry(starter: &Starter) -> Result<(), Refused> {
    checks::cluster_healthy(starter)
        .await
        .map_err(|why| (500, format!("Found unhealthy cluster: {why}")))?;
    let plan = starter.read_plan().await.map_err(|why| (500, why))?;
    let plan = plan.ok_or((400, "There is no upgrade plan".to_owned()))?;
    if !plan.is_failed() {
        return Err((400, "The upgrade plan has not failed".to_owned()));
    }
    plan.reset_failures();
    starter
        .write_plan(plan, false)
        .await
        .map_err(|why| (500, why))
}

async fn abort(starter: &Starter) -> Result<(), Refused> {
    let plan = starter.read_plan().await.map_err(|why| (500, why))?;
    if plan.is_none() {
        return Err((404, "There is no upgrade plan".to_owned()));
    }
    let agency = starter
        .agency()
        .ok_or((500, "no agent is known".to_owned()))?;
    let remove = json!({PLAN: {"op": "delete"}});
    let removed = agency.write(&remove, &json!({}), LIMIT).await;
    removed.map(drop).map_err(|error| (500, error.to_string()))
}

async fn status(starter: &Starter) -> Response {
    if starter.mode == "single" {
        return refuse(412, "Mode does not support agency based upgrades");
    }
    let plan = match starter.read_plan().await {
        Ok(Some(plan)) => plan,
        Ok(None) => return refuse(404, "There is no upgrade plan"),
        Err(why) => return refuse(500, &why),
    };
    let peers = starter.peers();
    let shown = |entries: &[Entry]| -> Vec<Value> {
        entries
            .iter()
            .filter_map(|entry| {
                let kind = Kind::named(&entry.kind)?;
                let peer = peers.by_id(&entry.peer_id)?;
                Some(json!({"type": entry.kind, "port": peer.port_of(kind), "address": peer.address}))
            })
            .collect()
    };
    let reason = plan.entries.iter().find(|entry| entry.failures > 0);
    let mut answer = json!({
        "ready": plan.entries.is_empty(),
        "failed": plan.is_failed(),
        "from_versions": plan.from_versions,
        "to_version": plan.to_version,
        "servers_upgraded": shown(&plan.finished_entries),
        "servers_remaining": shown(&plan.entries),
    });
    if let (Some(entry), Value::Object(answer)) = (reason, &mut answer) {
        answer.insert("reason".to_owned(), json!(entry.reason));
    }
    Response::json(200, &answer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_retry_clears_nothing() {
        let plan = Plan {
            revision: 3,
            created_at: String::new(),
            last_modified_at: String::new(),
            entries: vec![Entry {
                peer_id: "a".into(),
                kind: "agent".into(),
                failures: 1,
                reason: "why".into(),
            }],
            finished_entries: Vec::new(),
            finished: false,
            from_versions: vec!["3.3.20".into()],
            to_version: "3.4.0".into(),
        };
        plan.reset_failures();
        assert!(plan.is_failed());
        let text = serde_json::to_string(&plan).unwrap();
        assert!(
            text.contains(r#""peer_id":"a","type":"agent","failures":1"#),
            "{text}"
        );
    }
}
