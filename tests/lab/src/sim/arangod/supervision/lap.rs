//! One lap of supervision after the other, as long as this agent leads.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::super::agency::Agent;
use super::super::agency::store::Store;
use super::super::agency::{Refused, Transaction};
use super::super::cluster::Catalog;
use super::health::{self, Limits, Pulse, Status};
use super::{jobs, maintenance};
use crate::sim::time;

/// What an agent that leads remembers from lap to lap.
#[derive(Debug, Default)]
struct Memory {
    term: u64,
    pulses: BTreeMap<String, Pulse>,
}

/// Supervises the cluster whenever this agent leads.
pub async fn run(agent: Arc<Agent>) {
    let frequency = agent
        .server
        .options
        .number("agency.supervision-frequency")
        .unwrap_or(1.0);
    let mut memory = Memory::default();
    loop {
        let pause = Duration::from_secs_f64(frequency.clamp(0.001, 3600.0));
        tokio::time::sleep(agent.server.timer(time::ms(pause))).await;
        // A lap that loses the lead in the middle has written what it could.
        drop(lap(&agent, &mut memory).await);
    }
}

async fn lap(agent: &Agent, memory: &mut Memory) -> Result<(), Refused> {
    let (store, transient) = agent.trees()?;
    let seen = agent.seen();
    if memory.term != seen.term {
        *memory = Memory {
            term: seen.term,
            ..Memory::default()
        };
    }
    let knows_ends = agent.server.version.at_least(3, 8, 0);
    let key = store.get("/arango/Supervision/Maintenance");
    let on = maintenance::is_on(key, knows_ends, time::unix_ms());
    report_mode(agent, &store, if on { "Maintenance" } else { "Normal" }).await?;
    if on || store.get("/arango/Plan").is_none() {
        return Ok(());
    }
    let alone = maintained(agent, &store).await?;
    let all_beat = members(&store).all(|(_, id)| {
        transient
            .get(&format!("/arango/Sync/ServerStates/{id}"))
            .is_some()
    });
    let patience_ms = time::ms(agent.server.timer(55_000));
    if health::may_judge(seen.led_for_ms, all_beat, patience_ms) {
        check(agent, memory, &store, &transient, &alone).await?;
    }
    jobs::work(agent).await
}

/// Returns the DB-Servers that are in maintenance mode alone, and says which they are.
async fn maintained(agent: &Agent, store: &Store) -> Result<BTreeSet<String>, Refused> {
    if !agent.server.version.maintains_one() {
        return Ok(BTreeSet::new());
    }
    let target = store.get("/arango/Target/MaintenanceDBServers");
    let alone = maintenance::alone(target, time::unix_ms());
    let current = store.get("/arango/Current/MaintenanceDBServers");
    let operations = maintenance::say(&alone, current);
    if !operations.is_empty() {
        let transaction = Transaction {
            operations,
            preconditions: Map::new(),
        };
        agent.write(&[transaction]).await?;
    }
    Ok(alone.into_keys().collect())
}

/// Says which mode it is in, if it has not yet; it takes its time to change.
async fn report_mode(agent: &Agent, store: &Store, mode: &str) -> Result<(), Refused> {
    let said = store.get("/arango/Supervision/State/Mode");
    if said.and_then(Value::as_str) == Some(mode) {
        return Ok(());
    }
    if said.is_some() {
        let delay = agent.server.live.now().maintenance_delay_ms;
        tokio::time::sleep(agent.server.timer(delay)).await;
    }
    let state = json!({"Mode": mode, "Timestamp": time::iso(time::unix_ms())});
    write(agent, [("/arango/Supervision/State".to_owned(), state)]).await
}

async fn write(
    agent: &Agent,
    values: impl IntoIterator<Item = (String, Value)>,
) -> Result<(), Refused> {
    let operations: Map<String, Value> = values
        .into_iter()
        .map(|(path, value)| (path, json!({"op": "set", "new": value})))
        .collect();
    if operations.is_empty() {
        return Ok(());
    }
    let transaction = Transaction {
        operations,
        preconditions: Map::new(),
    };
    agent.write(&[transaction]).await.map(drop)
}

/// Returns every DB-Server and coordinator, each with its kind.
fn members(store: &Store) -> impl Iterator<Item = (&'static str, &String)> {
    [("DBServers", "DBServer"), ("Coordinators", "Coordinator")]
        .into_iter()
        .flat_map(|(list, kind)| {
            store
                .get(&format!("/arango/Plan/{list}"))
                .and_then(Value::as_object)
                .into_iter()
                .flat_map(move |all| all.keys().map(move |id| (kind, id)))
        })
}

async fn check(
    agent: &Agent,
    memory: &mut Memory,
    store: &Store,
    transient: &Store,
    alone: &BTreeSet<String>,
) -> Result<(), Refused> {
    let now = time::mono_ms();
    let limits = limits(agent);
    let mut lasting = Vec::new();
    let mut passing = Map::new();
    let mut failed: BTreeSet<String> = BTreeSet::new();
    let mut good: BTreeSet<String> = BTreeSet::new();
    for (kind, id) in members(store) {
        let beat = transient.get(&format!("/arango/Sync/ServerStates/{id}"));
        let beat_time = beat
            .and_then(|beat| beat.get("time"))
            .and_then(Value::as_str);
        let pulse = Pulse::noticed(memory.pulses.get(id), beat_time, now);
        let path = format!("/arango/Supervision/Health/{id}");
        let before = store.get(&path);
        let known = before
            .and_then(|health| health.get("Status"))
            .and_then(Value::as_str)
            .and_then(Status::parse);
        let status = health::judge(known, &pulse, now, limits);
        if kind == "DBServer" {
            match status {
                Status::Good => good.insert(id.clone()),
                // A server that turns FAILED in its own maintenance mode gets no job, then or later: only the turn
                // makes one (ArangoDB 3.12, `Supervision.cpp`, `handleOnStatusDBServer`).
                Status::Failed if agent.server.version.maintains_one() => {
                    known != Some(Status::Failed)
                        && !alone.contains(id)
                        && failed.insert(id.clone())
                }
                Status::Failed => failed.insert(id.clone()),
                Status::Bad => false,
            };
        }
        let face = face(store, id, status);
        if before.map(without_times) != Some(face.clone()) {
            agent.server.log.info(&format!(
                "{{supervision}} {id}: status is {}",
                status.word()
            ));
            let mut record = face.clone();
            put(&mut record, "Timestamp", json!(time::iso(time::unix_ms())));
            lasting.push((path.clone(), record));
        }
        let shown = with_times(face, &pulse, now, beat.is_some());
        passing.insert(path, json!({"op": "set", "new": shown}));
        memory.pulses.insert(id.clone(), pulse);
    }
    agent.write_transient(&[Transaction {
        operations: passing,
        preconditions: Map::new(),
    }])?;
    mark_failed(agent, store, &failed, &good, lasting).await
}

/// Adds the times, which change with each lap.
fn with_times(mut shown: Value, pulse: &Pulse, now: u64, beats: bool) -> Value {
    let silent = now.saturating_sub(pulse.seen_ms);
    let acked = time::unix_ms().saturating_sub(silent);
    put(&mut shown, "LastAckedTime", json!(time::iso_ms(acked)));
    put(&mut shown, "SyncTime", json!(pulse.beat));
    let word = if beats { "SERVING" } else { "UNKNOWN" };
    put(&mut shown, "SyncStatus", json!(word));
    let now = time::iso_ms(time::unix_ms());
    put(&mut shown, "Timestamp", json!(now));
    shown
}

fn limits(agent: &Agent) -> Limits {
    let seconds = |name: &str, default: f64| {
        let given = agent.server.options.number(name).unwrap_or(default);
        let whole = Duration::from_secs_f64(given.clamp(0.0, 1e6));
        time::ms(agent.server.timer(time::ms(whole)))
    };
    Limits {
        ok_ms: seconds("agency.supervision-ok-threshold", 5.0),
        grace_ms: seconds("agency.supervision-grace-period", 10.0),
    }
}

fn put(record: &mut Value, name: &str, value: Value) {
    if let Value::Object(record) = record {
        record.insert(name.to_owned(), value);
    }
}

fn without_times(record: &Value) -> Value {
    let mut record = record.clone();
    if let Value::Object(record) = &mut record {
        record.shift_remove("Timestamp");
    }
    record
}

/// Returns what is shown of a server beside the times.
fn face(store: &Store, id: &str, status: Status) -> Value {
    let registered = store.get(&format!("/arango/Current/ServersRegistered/{id}"));
    let field = |name: &str| registered.and_then(|all| all.get(name)).cloned();
    let short = store.get(&format!("/arango/Target/MapUniqueToShortID/{id}/ShortName"));
    let mut face = json!({"Status": status.word()});
    for (name, value) in [
        ("Endpoint", field("endpoint")),
        ("ShortName", short.cloned()),
        ("Host", field("host")),
        ("Engine", field("engine")),
        (
            "Version",
            field("versionString").or_else(|| field("version")),
        ),
    ] {
        if let Some(value) = value {
            put(&mut face, name, value);
        }
    }
    face
}

/// Notes what is thought of servers, and which DB-Servers have failed, each with a job that fails its shards over: all in
/// one, as no later lap makes up for a job that was not noted.
async fn mark_failed(
    agent: &Agent,
    store: &Store,
    failed: &BTreeSet<String>,
    good: &BTreeSet<String>,
    lasting: Vec<(String, Value)>,
) -> Result<(), Refused> {
    let known = store
        .get("/arango/Target/FailedServers")
        .and_then(Value::as_object)
        .cloned()
        .unwrap_or_default();
    let noted = lasting.into_iter();
    let mut operations: Map<String, Value> = noted
        .map(|(path, value)| (path, json!({"op": "set", "new": value})))
        .collect();
    for id in failed.iter().filter(|id| !known.contains_key(*id)) {
        let job = format!("failed-{id}-{}", time::unix_ms());
        operations.insert(
            format!("/arango/Target/FailedServers/{id}"),
            json!({"op": "set", "new": []}),
        );
        operations.insert(
            format!("/arango/Target/ToDo/{job}"),
            json!({"op": "set", "new": {
                "type": "failedServer", "server": id, "jobId": job,
                "creator": "supervision", "timeCreated": time::iso(time::unix_ms()),
            }}),
        );
    }
    for id in known.keys().filter(|id| good.contains(*id)) {
        operations.insert(
            format!("/arango/Target/FailedServers/{id}"),
            json!({"op": "delete"}),
        );
    }
    if operations.is_empty() {
        return Ok(());
    }
    agent
        .write(&[Transaction {
            operations,
            preconditions: Map::new(),
        }])
        .await
        .map(drop)
}

/// Returns the catalog that a tree holds.
pub(super) fn catalog(store: &Store) -> Catalog {
    store.get("/arango").map(Catalog::below).unwrap_or_default()
}
