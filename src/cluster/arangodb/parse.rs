//! JSON that agents and coordinators answer -> model; tolerant of every form that the versions of one upgrade show.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use crate::cluster::model::arangodb::{AgentStatus, Shard};

/// A server as the agency knows it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Registered {
    /// Its id, `PRMR-...` or `CRDN-...`.
    pub id: String,
    /// Its short name, `DBServer0001`.
    pub short_name: String,
    /// Its endpoint, `tcp://host:port` or `ssl://host:port`.
    pub endpoint: String,
}

/// A job of the supervision; what it is about is empty where it does not say.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Job {
    /// Its id.
    pub id: String,
    /// Its type, such as `moveShard`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The shard that it moves.
    pub shard: String,
    /// The DB-Server that it takes something from.
    pub server: String,
    /// Why it has failed.
    pub reason: String,
}

/// What the agency's store says about the cluster.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Store {
    /// The cluster's own id.
    pub cluster_id: Option<String>,
    /// The DB-Servers that are planned.
    pub dbservers: Vec<Registered>,
    /// The coordinators that are registered.
    pub coordinators: Vec<Registered>,
    /// All shards of all databases.
    pub shards: Vec<Shard>,
    /// The supervision's mode: `Normal` or `Maintenance`; `None` where it has never said.
    pub mode: Option<String>,
    /// When the mode last changed, as the supervision wrote it.
    pub mode_since: Option<String>,
    /// What is stored under the maintenance key; any value means that maintenance was asked for.
    pub maintenance: Option<Value>,
    /// The DB-Servers for which maintenance mode was asked alone, with the time until which; empty where none is said.
    pub asked_for: BTreeMap<String, String>,
    /// The DB-Servers of which the supervision says that they are in maintenance mode.
    pub in_force: Vec<String>,
    /// The supervision's jobs that wait or run.
    pub jobs: Vec<Job>,
    /// Those that have failed, since the cluster began.
    pub failed_jobs: Vec<Job>,
    /// Servers that were cleaned out or have failed; no target for a move.
    pub unfit: Vec<String>,
    /// The starter's own upgrade plan, if it has one that is not finished.
    pub upgrade_plan: Option<Value>,
}

/// The seconds between two laps of the supervision where nothing is said of them.
const LAP: f64 = 1.0;

/// Reads `GET /_api/agency/config`.
///
/// Up to 3.2 the commit index is called `lastCommitted`; up to 3.3 `lastAcked` holds plain seconds, since 3.4 objects
/// with `lastAckedTime`, and followers leave it out.
pub fn agent(body: &Value) -> Result<AgentStatus, String> {
    let configuration = body
        .get("configuration")
        .ok_or("no `configuration` in the answer")?;
    let text = |value: &Value, key: &str| {
        value
            .get(key)
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    let number = |value: &Value, key: &str| value.get(key).and_then(Value::as_u64);
    let pool = configuration
        .get("pool")
        .and_then(Value::as_object)
        .ok_or("no `pool` in the answer")?;
    let acked = body.get("lastAcked").and_then(Value::as_object);
    let seconds = |value: &Value| {
        value
            .as_f64()
            .or_else(|| value.get("lastAckedTime").and_then(Value::as_f64))
    };
    Ok(AgentStatus {
        id: text(configuration, "id"),
        endpoint: text(configuration, "endpoint"),
        term: number(body, "term").ok_or("no `term` in the answer")?,
        leader: text(body, "leaderId"),
        commit_index: number(body, "commitIndex")
            .or_else(|| number(body, "lastCommitted"))
            .unwrap_or(0),
        active: strings(configuration.get("active")).into_iter().collect(),
        pool: pool
            .iter()
            .map(|(id, at)| (id.clone(), at.as_str().unwrap_or_default().to_owned()))
            .collect(),
        size: number(configuration, "agency size").ok_or("no `agency size` in the answer")?,
        last_acked: acked
            .map(|acked| {
                acked
                    .iter()
                    .filter_map(|(id, value)| Some((id.clone(), seconds(value)?)))
                    .collect()
            })
            .unwrap_or_default(),
        max_ping: configuration
            .get("max ping")
            .and_then(Value::as_f64)
            .unwrap_or(0.0),
        lap: configuration
            .get("supervision frequency")
            .and_then(Value::as_f64)
            .unwrap_or(LAP),
        version: body
            .get("version")
            .and_then(Value::as_str)
            .map(str::to_owned),
    })
}

/// The paths that [`store`] reads, as one query of `POST /_api/agency/read`.
pub const STORE_PATHS: [&str; 6] = [
    "/arango/Plan",
    "/arango/Current",
    "/arango/Target",
    "/arango/Supervision",
    "/arango/Cluster",
    "/arangodb-helper/arangodb/upgrade-plan",
];

/// Reads the answer of an agency read of [`STORE_PATHS`].
pub fn store(body: &Value) -> Result<Store, String> {
    let whole = body
        .as_array()
        .and_then(|answers| answers.first())
        .ok_or("the agency's answer is no list")?;
    let arango = whole
        .get("arango")
        .ok_or("the agency holds nothing under /arango")?;
    let at = |path: &str| arango.pointer(path);
    let text = |path: &str| at(path).and_then(Value::as_str).map(str::to_owned);
    let plan = whole
        .pointer("/arangodb-helper/arangodb/upgrade-plan")
        .filter(|plan| unfinished(plan));
    Ok(Store {
        cluster_id: at("/Cluster").and_then(Value::as_str).map(str::to_owned),
        dbservers: registered(arango, at("/Plan/DBServers")),
        coordinators: registered(
            arango,
            at("/Plan/Coordinators").or_else(|| at("/Current/Coordinators")),
        ),
        shards: shards(arango),
        mode: text("/Supervision/State/Mode"),
        mode_since: text("/Supervision/State/Timestamp"),
        maintenance: at("/Supervision/Maintenance")
            .filter(|value| !value.is_null())
            .cloned(),
        asked_for: asked_for(at("/Target/MaintenanceDBServers")),
        in_force: keys(at("/Current/MaintenanceDBServers")),
        jobs: [jobs(at("/Target/ToDo")), jobs(at("/Target/Pending"))].concat(),
        failed_jobs: jobs(at("/Target/Failed")),
        unfit: [
            strings(at("/Target/CleanedServers")),
            keys(at("/Target/FailedServers")),
        ]
        .concat(),
        upgrade_plan: plan.cloned(),
    })
}

fn unfinished(plan: &Value) -> bool {
    let entries = plan.get("entries").and_then(Value::as_array);
    match entries {
        Some(entries) => {
            !entries.is_empty() && plan.get("finished").and_then(Value::as_bool) != Some(true)
        }
        None => plan.as_object().is_some_and(|plan| !plan.is_empty()),
    }
}

/// Reads `/arango/Target/MaintenanceDBServers`, `{"PRMR-...": {"Mode": "maintenance", "Until": "2024-..."}}`, since 3.10.
fn asked_for(section: Option<&Value>) -> BTreeMap<String, String> {
    let section = section.and_then(Value::as_object).into_iter().flatten();
    let asks = section.filter(|(_, entry)| text_of(entry.get("Mode")) == "maintenance");
    asks.map(|(id, entry)| (id.clone(), text_of(entry.get("Until"))))
        .collect()
}

fn jobs(section: Option<&Value>) -> Vec<Job> {
    let section = section.and_then(Value::as_object);
    let read = |(id, body): (&String, &Value)| {
        let server = ["server", "fromServer"]
            .iter()
            .find_map(|key| body.get(key));
        Job {
            id: id.clone(),
            kind: text_of(body.get("type")),
            shard: text_of(body.get("shard")),
            server: text_of(server),
            reason: text_of(body.get("reason")),
        }
    };
    section.into_iter().flatten().map(read).collect()
}

fn registered(arango: &Value, ids: Option<&Value>) -> Vec<Registered> {
    let text = |path: String| {
        arango
            .pointer(&path)
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    keys(ids)
        .into_iter()
        .map(|id| Registered {
            short_name: text(format!("/Target/MapUniqueToShortID/{id}/ShortName")),
            endpoint: text(format!("/Current/ServersRegistered/{id}/endpoint")),
            id,
        })
        .collect()
}

/// Reads the shards of `/arango/Plan/Collections` and `/arango/Current/Collections`, those of dropped databases left out.
fn shards(arango: &Value) -> Vec<Shard> {
    let databases = keys(arango.pointer("/Plan/Databases"));
    let mut shards = Vec::new();
    let planned = arango
        .pointer("/Plan/Collections")
        .and_then(Value::as_object);
    for (database, collections) in planned.into_iter().flatten() {
        if !databases.is_empty() && !databases.contains(database) {
            continue;
        }
        for (id, collection) in collections.as_object().into_iter().flatten() {
            let whole = collection.get("shards").and_then(Value::as_object);
            for (shard, servers) in whole.into_iter().flatten() {
                let current = arango
                    .pointer("/Current/Collections")
                    .and_then(|current| current.get(database)?.get(id)?.get(shard)?.get("servers"));
                shards.push(Shard {
                    database: database.clone(),
                    collection: id.clone(),
                    name: text_of(collection.get("name")),
                    shard: shard.clone(),
                    plan: strings(Some(servers)),
                    current: strings(current),
                    replication_factor: factor(collection),
                    write_concern: ["writeConcern", "minReplicationFactor"]
                        .iter()
                        .find_map(|key| collection.get(*key).and_then(Value::as_u64))
                        .unwrap_or(1),
                    follows: collection
                        .get("distributeShardsLike")
                        .map(|id| text_of(Some(id)))
                        .filter(|id| !id.is_empty()),
                });
            }
        }
    }
    shards
}

/// Reads `replicationFactor`: a number, or `"satellite"` (0 here).
fn factor(collection: &Value) -> u64 {
    collection
        .get("replicationFactor")
        .and_then(Value::as_u64)
        .unwrap_or(0)
}

/// What `GET /_admin/cluster/health` says of one server.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Health {
    /// `GOOD`, `BAD` or `FAILED`; empty for agents of older versions, which do not say.
    pub status: String,
    /// Its version as the supervision last heard.
    pub version: String,
    /// `Agent`, `DBServer`, `Coordinator`.
    pub role: String,
    /// Its short name.
    pub short_name: String,
}

/// Reads `GET /_admin/cluster/health`, by server id.
pub fn health(body: &Value) -> Result<BTreeMap<String, Health>, String> {
    let servers = body
        .get("Health")
        .and_then(Value::as_object)
        .ok_or("no `Health` in the answer")?;
    let read = |server: &Value| Health {
        status: text_of(server.get("Status")),
        version: text_of(server.get("Version")),
        role: text_of(server.get("Role")),
        short_name: text_of(server.get("ShortName")),
    };
    Ok(servers
        .iter()
        .map(|(id, server)| (id.clone(), read(server)))
        .collect())
}

/// Returns host and port of an endpoint such as `tcp://[::1]:8529`, and whether it speaks TLS.
pub fn endpoint(text: &str) -> Option<(String, u16, bool)> {
    let (scheme, rest) = text.split_once("://")?;
    let tls = matches!(scheme, "ssl" | "https");
    let (host, port) = rest.trim_end_matches('/').rsplit_once(':')?;
    Some((
        host.trim_matches(['[', ']']).to_owned(),
        port.parse().ok()?,
        tls,
    ))
}

fn text_of(value: Option<&Value>) -> String {
    match value {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Number(number)) => number.to_string(),
        _ => String::new(),
    }
}

fn strings(value: Option<&Value>) -> Vec<String> {
    let items = value.and_then(Value::as_array);
    items
        .map(|items| {
            items
                .iter()
                .filter_map(Value::as_str)
                .map(str::to_owned)
                .collect()
        })
        .unwrap_or_default()
}

fn keys(value: Option<&Value>) -> Vec<String> {
    value
        .and_then(Value::as_object)
        .map(|map| map.keys().cloned().collect())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn configuration() -> Value {
        json!({"pool": {"A": "tcp://h1:8531", "B": "tcp://h2:8531"}, "active": ["A", "B"], "id": "A", "agency size": 2,
               "endpoint": "tcp://h1:8531", "min ping": 1, "max ping": 5})
    }

    #[test]
    fn the_supervision_goes_round_as_often_as_it_says() {
        let lap = |frequency: Value| {
            let mut configuration = configuration();
            configuration["supervision frequency"] = frequency;
            let body = json!({"term": 1, "leaderId": "A", "configuration": configuration});
            agent(&body).unwrap().lap
        };
        assert_eq!((lap(json!(0.4)), lap(Value::Null)), (0.4, 1.0));
    }

    #[test]
    fn both_forms_of_the_agency_configuration_are_read() {
        let new = json!({"term": 1, "leaderId": "A", "commitIndex": 7, "configuration": configuration(), "version": "3.4.3",
            "lastAcked": {"A": {"lastAckedTime": 0, "lastAckedIndex": 1}, "B": {"lastAckedTime": 0.167, "lastAppend": 15.1}}});
        let status = agent(&new).unwrap();
        assert_eq!(
            status.last_acked,
            BTreeMap::from([("A".into(), 0.0), ("B".into(), 0.167)])
        );
        assert_eq!(
            (status.version.as_deref(), status.size, status.max_ping),
            (Some("3.4.3"), 2, 5.0)
        );
        let old = json!({"term": 1, "leaderId": "A", "commitIndex": 254, "configuration": configuration(), "lastAcked": {"B": 0.231}});
        assert_eq!(
            agent(&old).unwrap().last_acked,
            BTreeMap::from([("B".into(), 0.231)])
        );
        let oldest = json!({"term": 1, "leaderId": "", "lastCommitted": 9, "configuration": configuration()});
        let status = agent(&oldest).unwrap();
        assert_eq!(
            (
                status.commit_index,
                status.leader.as_str(),
                status.last_acked.len()
            ),
            (9, "", 0)
        );
        assert!(agent(&json!({"error": true})).is_err());
    }

    #[test]
    fn the_store_gives_shards_servers_and_supervision() {
        let body = json!([{"arango": {
            "Cluster": "uuid",
            "Plan": {"Databases": {"_system": {}}, "DBServers": {"PRMR-1": "none"}, "Coordinators": {"CRDN-1": "none"},
                "Collections": {"_system": {"7": {"name": "c", "replicationFactor": 2, "shards": {"s1": ["PRMR-1", "PRMR-2"]}},
                                            "8": {"name": "d", "replicationFactor": "satellite", "distributeShardsLike": "7", "shards": {"s2": ["PRMR-1"]}}},
                                "dropped": {"9": {"name": "e", "shards": {"s9": ["PRMR-1"]}}}}},
            "Current": {"ServersRegistered": {"PRMR-1": {"endpoint": "tcp://h1:8530"}, "CRDN-1": {"endpoint": "ssl://h1:8529"}},
                "Collections": {"_system": {"7": {"s1": {"servers": ["PRMR-1"]}}}}},
            "Target": {"MapUniqueToShortID": {"PRMR-1": {"ShortName": "DBServer0001"}}, "ToDo": {"11": {"type": "moveShard", "shard": "s1", "fromServer": "PRMR-1", "toServer": "PRMR-2"}},
                "Pending": {"12": {"type": "resignLeadership", "server": "PRMR-1"}},
                "Failed": {"9": {"type": "moveShard", "shard": "s1", "fromServer": "PRMR-1", "reason": "toServer is not GOOD"}}, "FailedServers": {"PRMR-2": []}},
            "Supervision": {"State": {"Mode": "Maintenance"}, "Maintenance": true}},
            "arangodb-helper": {"arangodb": {"upgrade-plan": {"revision": 3, "entries": [{"type": "agent"}]}}}}]);
        let store = store(&body).unwrap();
        assert_eq!(
            store.dbservers,
            [Registered {
                id: "PRMR-1".into(),
                short_name: "DBServer0001".into(),
                endpoint: "tcp://h1:8530".into()
            }]
        );
        assert_eq!(
            store.shards.len(),
            2,
            "shards of a dropped database are no shards"
        );
        assert_eq!(store.shards[0].current, ["PRMR-1"]);
        assert_eq!(
            (
                store.shards[1].replication_factor,
                store.shards[1].follows.as_deref()
            ),
            (0, Some("7"))
        );
        assert_eq!(
            (store.mode.as_deref(), store.maintenance),
            (Some("Maintenance"), Some(json!(true)))
        );
        let job = |id: &str, kind: &str, shard: &str, reason: &str| Job {
            id: id.into(),
            kind: kind.into(),
            shard: shard.into(),
            server: "PRMR-1".into(),
            reason: reason.into(),
        };
        assert_eq!(
            store.jobs,
            [
                job("11", "moveShard", "s1", ""),
                job("12", "resignLeadership", "", "")
            ]
        );
        assert_eq!(
            store.failed_jobs,
            [job("9", "moveShard", "s1", "toServer is not GOOD")]
        );
        assert_eq!(store.unfit, ["PRMR-2".to_owned()]);
        assert!(store.upgrade_plan.is_some());
    }

    #[test]
    fn endpoints_are_read() {
        assert_eq!(
            endpoint("tcp://10.0.0.1:8531"),
            Some(("10.0.0.1".into(), 8531, false))
        );
        assert_eq!(
            endpoint("ssl://[fe80::1]:8529"),
            Some(("fe80::1".into(), 8529, true))
        );
        assert_eq!(endpoint("10.0.0.1:8531"), None);
    }
}
