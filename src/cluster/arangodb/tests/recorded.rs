//! A cluster of three machines, as its servers' recorded answers tell of it.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use crate::cluster::arangodb::{Answer, Ask, AskError};

/// Answers by endpoint and path; of several for the same, each is given once and the last for ever.
#[derive(Debug, Default)]
pub(super) struct Recorded(pub(super) BTreeMap<String, Vec<Answer>>);

impl Recorded {
    pub(super) fn says(&mut self, place: &str, body: Value) {
        let answer = Answer {
            status: 200,
            body,
            ..Answer::default()
        };
        self.0.insert(place.to_owned(), vec![answer]);
    }

    pub(super) fn first_says(&mut self, place: &str, change: impl FnOnce(&mut Answer)) {
        let answers = self.0.get_mut(place).unwrap();
        let mut first = answers[0].clone();
        change(&mut first);
        answers.insert(0, first);
    }

    pub(super) fn change(&mut self, place: &str, change: impl FnOnce(&mut Value)) {
        change(&mut self.0.get_mut(place).unwrap()[0].body);
    }

    pub(super) fn is_down(&mut self, endpoint: &str) {
        self.0.retain(|place, _| !place.starts_with(endpoint));
    }

    pub(super) fn take(&mut self, place: &str) -> Result<Answer, AskError> {
        let refused = || AskError("connection refused".to_owned());
        let answers = self.0.get_mut(place).ok_or_else(refused)?;
        if answers.len() > 1 {
            Ok(answers.remove(0))
        } else {
            answers.first().cloned().ok_or_else(refused)
        }
    }
}

impl Ask for Recorded {
    fn get(&mut self, endpoint: &str, path: &str) -> Result<Answer, AskError> {
        self.take(&format!("{endpoint}{path}"))
    }

    fn post(&mut self, endpoint: &str, path: &str, _: &Value) -> Result<Answer, AskError> {
        self.take(&format!("{endpoint}{path}"))
    }

    fn wait(&mut self, _: Duration) {}
}

pub(super) const KINDS: [(&str, &str, &str, u16); 3] = [
    ("AGNT", "AGENT", "Agent", 8531),
    ("PRMR", "PRIMARY", "DBServer", 8530),
    ("CRDN", "COORDINATOR", "Coordinator", 8529),
];

pub(super) fn endpoint(port: u16, n: u32) -> String {
    format!("tcp://h{n}:{port}")
}

pub(super) fn store_place() -> String {
    endpoint(8531, 1) + "/_api/agency/read"
}

pub(super) const HEALTH: &str = "tcp://h1:8529/_admin/cluster/health";

/// A cluster in which all is well; `version` tells each server's by its kind and machine.
pub(super) fn cluster(version: impl Fn(&str, u32) -> &'static str) -> Recorded {
    let mut recorded = Recorded::default();
    let mut health = serde_json::Map::new();
    for (kind, role, title, port) in KINDS {
        for n in 1..=3 {
            let (at, version) = (endpoint(port, n), version(kind, n));
            recorded.says(&format!("{at}/_api/version"), json!({"version": version}));
            recorded.says(&format!("{at}/_admin/server/role"), json!({"role": role}));
            recorded.says(&format!("{at}/_admin/server/availability"), json!({}));
            let told = json!({"Status": "GOOD", "Role": title, "Version": version, "ShortName": format!("{title}{n}")});
            health.insert(format!("{kind}-{n}"), told);
        }
    }
    let ids = ["AGNT-1", "AGNT-2", "AGNT-3"];
    let pool: BTreeMap<&str, String> = ids
        .into_iter()
        .zip((1..).map(|n| endpoint(8531, n)))
        .collect();
    for n in 1..=3 {
        let acked = if n == 1 {
            json!({"AGNT-1": 0.0, "AGNT-2": 0.1, "AGNT-3": 0.2})
        } else {
            json!({})
        };
        let configuration = json!({"pool": pool, "active": ids, "id": format!("AGNT-{n}"), "agency size": 3,
            "endpoint": endpoint(8531, n), "max ping": 5});
        let mut answer = json!({"term": 4, "leaderId": "AGNT-1", "commitIndex": 90, "lastAcked": acked, "configuration": configuration});
        // Up to 3.3 an agent does not tell its version there.
        if version("AGNT", n) != "3.3.20" {
            answer["version"] = json!(version("AGNT", n));
        }
        recorded.says(&(endpoint(8531, n) + "/_api/agency/config"), answer);
    }
    recorded.says(HEALTH, json!({"Health": health}));
    recorded.says(&store_place(), store());
    recorded
}

pub(super) fn store() -> Value {
    let registered: serde_json::Map<String, Value> = KINDS[1..]
        .iter()
        .flat_map(|(kind, _, _, port)| {
            (1..=3).map(move |n| {
                (
                    format!("{kind}-{n}"),
                    json!({"endpoint": endpoint(*port, n)}),
                )
            })
        })
        .collect();
    json!([{"arango": {
        "Cluster": "uuid",
        "Plan": {"Databases": {"_system": {}},
            "DBServers": {"PRMR-1": "none", "PRMR-2": "none", "PRMR-3": "none"},
            "Coordinators": {"CRDN-1": "none", "CRDN-2": "none", "CRDN-3": "none"},
            "Collections": {"_system": {"7": {"name": "c", "replicationFactor": 2, "shards":
                {"s1": ["PRMR-1", "PRMR-2"], "s2": ["PRMR-2", "PRMR-3"]}}}}},
        "Current": {"ServersRegistered": registered,
            "Collections": {"_system": {"7": {"s1": {"servers": ["PRMR-1", "PRMR-2"]}, "s2": {"servers": ["PRMR-2", "PRMR-3"]}}}}},
        "Target": {"ToDo": {}, "Pending": {}, "FailedServers": {}, "CleanedServers": []},
        "Supervision": {"State": {"Mode": "Normal", "Timestamp": "2018-12-01T10:00:00Z"}}}}])
}
