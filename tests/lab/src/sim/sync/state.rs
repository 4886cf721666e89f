//! What a cluster knows of its replications. Pure but for the reading and writing at its end.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::sim::http::{Call, Target, call};
use std::time::Duration;

/// How a replication stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// There is none.
    #[default]
    Inactive,
    /// It runs.
    Running,
    /// It is being stopped.
    Cancelling,
}

/// The replications of one cluster.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct State {
    /// The one that comes in.
    pub incoming: Status,
    /// Where it comes from.
    pub sources: Vec<String>,
    /// The one that goes out.
    pub outgoing: Status,
    /// Where it goes to.
    pub targets: Vec<String>,
}

impl State {
    /// Returns the answer of `GET /_api/sync`.
    pub fn shown(&self) -> Value {
        let shards = if self.incoming == Status::Inactive {
            json!([])
        } else {
            json!([{"database": "_system", "collection": "_all", "shardIndex": 0,
                    "status": self.incoming, "delay": 0.0}])
        };
        let outgoing = if self.outgoing == Status::Inactive && self.targets.is_empty() {
            json!([])
        } else {
            json!([{"id": "1", "endpoint": self.targets, "status": self.outgoing}])
        };
        json!({
            "status": self.incoming,
            "source": self.sources,
            "shards": shards,
            "outgoing": outgoing,
        })
    }
}

/// Where a cluster keeps its state.
#[derive(Debug, Clone)]
pub struct Keeper {
    /// The cluster's coordinators.
    pub coordinators: Vec<Target>,
    /// The header that lets a master in.
    pub authorization: Option<String>,
}

const COLLECTION: &str = "_arangosync";

impl Keeper {
    /// Asks the coordinators in turn until one answers with less than a 500.
    pub async fn ask(&self, method: &str, path: &str, body: &Value) -> Option<(u16, Value)> {
        for coordinator in &self.coordinators {
            let request = Call::new(coordinator, method, path, Duration::from_secs(10))
                .authorized(self.authorization.as_deref())
                .json(body);
            if let Ok(reply) = call(request).await
                && reply.status < 500
            {
                return Some((reply.status, reply.json()));
            }
        }
        None
    }

    /// Reads the state; a cluster without one has no replications.
    pub async fn read(&self) -> Option<State> {
        let path = format!("/_api/document/{COLLECTION}/state");
        match self.ask("GET", &path, &Value::Null).await? {
            (200, document) => Some(
                document
                    .get("state")
                    .and_then(|state| serde_json::from_value(state.clone()).ok())
                    .unwrap_or_default(),
            ),
            (404, _) => Some(State::default()),
            _ => None,
        }
    }

    /// Writes the state; tells whether it is kept.
    pub async fn write(&self, state: &State) -> bool {
        let document = json!({"_key": "state", "state": state});
        let collection = json!({"name": COLLECTION, "numberOfShards": 1, "replicationFactor": 2});
        let path = format!("/_api/document/{COLLECTION}");
        for _ in 0..3 {
            let one = format!("{path}/state");
            if matches!(self.ask("PUT", &one, &document).await, Some((200..=299, _))) {
                return true;
            }
            self.ask("POST", "/_api/collection", &collection).await;
            if matches!(
                self.ask("POST", &path, &document).await,
                Some((200..=299, _))
            ) {
                return true;
            }
        }
        false
    }

    /// Makes the whole cluster read-only, or not.
    pub async fn set_read_only(&self, on: bool) -> bool {
        let mode = if on { "readonly" } else { "default" };
        let body = json!({"mode": mode});
        let asked = self.ask("PUT", "/_admin/server/mode", &body).await;
        matches!(asked, Some((200, _)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_inactive_replication_shows_no_shards() {
        let none = State::default().shown();
        assert_eq!(none["shards"], json!([]));
        assert_eq!(none["outgoing"], json!([]));
        let some = State {
            incoming: Status::Running,
            outgoing: Status::Cancelling,
            ..State::default()
        }
        .shown();
        assert_eq!(some["status"], "running");
        assert_eq!(some["shards"].as_array().unwrap().len(), 1);
        assert_eq!(some["outgoing"][0]["status"], "cancelling");
    }
}
