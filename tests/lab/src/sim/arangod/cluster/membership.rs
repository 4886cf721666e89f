//! How a DB-Server or coordinator joins the cluster, and how it says that it is alive.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::super::data::uuid;
use super::super::server::{Role, Server};
use super::{AgencyClient, AgencyError};
use crate::sim::time;

/// A server's place in the cluster.
#[derive(Debug)]
pub struct Membership {
    /// The server.
    pub server: Arc<Server>,
    /// The agency.
    pub agency: AgencyClient,
}

const LIMIT: Duration = Duration::from_secs(10);

/// Registers a server with the agency, however long that takes.
pub async fn join(server: Arc<Server>) -> Option<Membership> {
    let endpoints = server.options.all("cluster.agency-endpoint");
    let agency = AgencyClient::new(endpoints, server.authorization())?;
    let member = Membership { server, agency };
    loop {
        match member.register().await {
            Ok(true) => return Some(member),
            Ok(false) => {}
            Err(error) => member.server.log.warn(&format!(
                "{{cluster}} cannot register with the agency: {error}"
            )),
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// Says that the server is alive, over and over.
pub async fn beat(member: Arc<Membership>) {
    loop {
        let status = json!({
            "status": "SERVING",
            "time": time::iso_ms(time::unix_ms()),
        });
        let path = format!("/arango/Sync/ServerStates/{}", member.server.id);
        let operations = json!({path: {"op": "set", "new": status}});
        let limit = member.server.timer(1000);
        drop(member.agency.write_transient(&operations, limit).await);
        tokio::time::sleep(limit).await;
    }
}

impl Membership {
    fn kinds(&self) -> (&'static str, &'static str, &'static str) {
        if self.server.role == Role::DbServer {
            ("DBServers", "DBServer", "LatestDBServerId")
        } else {
            ("Coordinators", "Coordinator", "LatestCoordinatorId")
        }
    }

    async fn register(&self) -> Result<bool, AgencyError> {
        self.begin_cluster().await?;
        self.take_short_name().await?;
        let (kind, _, _) = self.kinds();
        let id = &self.server.id;
        let endpoint = self.server.own_endpoint();
        let operations = json!({
            format!("/arango/Plan/{kind}/{id}"): {"op": "set", "new": "none"},
            format!("/arango/Current/{kind}/{id}"): {"op": "set", "new": endpoint},
            format!("/arango/Current/ServersRegistered/{id}"): {"op": "set", "new": self.face()},
            "/arango/Current/ServersRegistered/Version": {"op": "increment"},
            "/arango/Plan/Version": {"op": "increment"},
            "/arango/Current/Version": {"op": "increment"},
        });
        self.agency.write(&operations, &json!({}), LIMIT).await
    }

    fn face(&self) -> Value {
        let version = &self.server.version;
        let endpoint = self.server.own_endpoint();
        if !version.at_least(3, 4, 0) {
            return json!({"endpoint": endpoint, "version": version.to_string()});
        }
        json!({
            "endpoint": endpoint,
            "advertisedEndpoint":
                self.server.options.text("cluster.my-advertised-endpoint").unwrap_or(""),
            "host": host_id(&endpoint),
            "version": version.number(),
            "versionString": version.to_string(),
            "engine": self.server.data.engine(),
        })
    }

    /// Writes what a cluster begins with; only the first server's writing counts.
    async fn begin_cluster(&self) -> Result<bool, AgencyError> {
        let cluster = uuid().unwrap_or_default();
        let nothing = json!({});
        let tree = json!({
            "Cluster": cluster,
            "InitDone": true,
            "Plan": {
                "Version": 1, "Lock": "UNLOCKED", "Coordinators": nothing, "DBServers": nothing,
                "Databases": {"_system": {"id": "1", "name": "_system"}},
                "Collections": {"_system": nothing}, "Views": {"_system": nothing},
                "AsyncReplication": nothing, "Singles": nothing,
            },
            "Current": {
                "Version": 1, "Lock": "UNLOCKED", "Coordinators": nothing, "DBServers": nothing,
                "ServersRegistered": {"Version": 1}, "Collections": {"_system": nothing},
                "Databases": {"_system": nothing}, "NewServers": nothing, "Singles": nothing,
            },
            "Target": {
                "Version": 1, "Lock": "UNLOCKED", "ToDo": nothing, "Pending": nothing,
                "Finished": nothing, "Failed": nothing, "CleanedServers": [],
                "FailedServers": nothing, "MapUniqueToShortID": nothing,
                "LatestDBServerId": 0, "LatestCoordinatorId": 0,
                "NumberOfCoordinators": null, "NumberOfDBServers": null,
            },
            "Sync": {
                "LatestID": 2_010_000, "UserVersion": 1, "ServerStates": nothing,
                "HeartbeatIntervalMs": 1000, "Problems": nothing,
            },
            "Supervision": {"Health": nothing, "DBServers": nothing, "Shards": nothing},
        });
        let operations = json!({"/arango": {"op": "set", "new": tree}});
        let preconditions = json!({"/arango/InitDone": {"oldEmpty": true}});
        self.agency.write(&operations, &preconditions, LIMIT).await
    }

    async fn take_short_name(&self) -> Result<(), AgencyError> {
        let (_, word, counter) = self.kinds();
        let own = format!("/arango/Target/MapUniqueToShortID/{}", self.server.id);
        let counter = format!("/arango/Target/{counter}");
        loop {
            let tree = self.agency.read(&[&own, &counter], LIMIT).await?;
            if tree.pointer(&own).is_some() {
                return Ok(());
            }
            let last = tree.pointer(&counter).and_then(Value::as_u64).unwrap_or(0);
            let name = json!({
                "TransactionID": last + 1,
                "ShortName": format!("{word}{:04}", last + 1),
            });
            let operations = json!({
                own.clone(): {"op": "set", "new": name},
                counter.clone(): {"op": "set", "new": last + 1},
            });
            let preconditions =
                json!({own.clone(): {"oldEmpty": true}, counter.clone(): {"old": last}});
            self.agency
                .write(&operations, &preconditions, LIMIT)
                .await?;
        }
    }
}

/// Returns a name for the machine that a server runs on.
fn host_id(endpoint: &str) -> String {
    let hash = endpoint
        .rsplit_once(':')
        .map_or(endpoint, |(host, _)| host)
        .bytes()
        .fold(5381_u64, |hash, byte| {
            hash.wrapping_mul(33).wrapping_add(u64::from(byte))
        });
    format!("{hash:016x}{hash:016x}")
}
