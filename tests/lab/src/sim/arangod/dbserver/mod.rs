//! A DB-Server: it holds shards, leads some and follows others.
//!
//! - [`shard`] and [`documents`]: one shard, on disk before a write is acknowledged, and what
//!   this server is to the shard;
//! - [`reconcile`]: takes and gives up leadership as the plan says, and reports what is so;
//! - [`replication`]: a leader's writes to its followers, and what becomes of one that fails;
//! - [`catch_up`]: a follower that fell behind copies what it lacks;
//! - [`answers`] is what it says over HTTP.

pub mod answers;
pub mod catch_up;
pub mod documents;
pub mod reconcile;
pub mod replication;
pub mod shard;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::Notify;

use self::shard::Shard;
use super::cluster::{self, Catalog, Membership};
use super::server::{RoleService, Server};
use crate::sim::http::{Call, CallError, Reply, Request, Response, Target, call};

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// A DB-Server.
#[derive(Debug)]
pub struct DbServer {
    server: Arc<Server>,
    member: Arc<Membership>,
    shards: Mutex<BTreeMap<String, Arc<Shard>>>,
    catalog: Mutex<Arc<Catalog>>,
    wake: Notify,
    catching_up: Mutex<BTreeSet<String>>,
}

/// Runs a DB-Server until it is stopped.
pub async fn serve(server: Arc<Server>) -> Result<u8, Failure> {
    let stopped = super::server::wait_for_stop(&server);
    let member = tokio::select! {
        member = cluster::join(Arc::clone(&server)) => member,
        why = stopped => {
            server.count("stop", &json!({"why": why?, "while": "joining"}));
            return Ok(0);
        }
    };
    let Some(member) = member.map(Arc::new) else {
        server.log.fatal("no agency endpoint is given");
        return Ok(1);
    };
    let dbserver = Arc::new(DbServer {
        shards: Mutex::new(shard::open_all(server.data.path())?),
        server: Arc::clone(&server),
        member: Arc::clone(&member),
        catalog: Mutex::new(Arc::new(Catalog::default())),
        wake: Notify::new(),
        catching_up: Mutex::new(BTreeSet::new()),
    });
    tokio::spawn(cluster::beat(member));
    tokio::spawn(reconcile::live(Arc::clone(&dbserver)));
    Ok(super::server::run(server, dbserver, async {}).await?)
}

impl RoleService for DbServer {
    async fn handle(&self, request: &Request) -> Response {
        answers::answer(self, request).await
    }

    async fn lab(&self, request: &Request) -> Response {
        match request.path.as_str() {
            "/_lab/state" => Response::json(200, &self.lab_state()),
            "/_lab/documents" => match request.query("shard").and_then(|name| self.shard(name)) {
                Some(shard) => Response::json(200, &shard.lab_documents()),
                None => Response::error(404, 1203, "no such shard here"),
            },
            _ => Response::unknown_path(&request.path),
        }
    }
}

impl DbServer {
    fn shard(&self, name: &str) -> Option<Arc<Shard>> {
        let shards = self.shards.lock().unwrap_or_else(PoisonError::into_inner);
        shards.get(name).cloned()
    }

    fn all_shards(&self) -> Vec<Arc<Shard>> {
        let shards = self.shards.lock().unwrap_or_else(PoisonError::into_inner);
        shards.values().cloned().collect()
    }

    fn catalog(&self) -> Arc<Catalog> {
        Arc::clone(&self.catalog.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn lab_state(&self) -> Value {
        let shards: BTreeMap<String, Value> = self
            .all_shards()
            .iter()
            .map(|shard| (shard.name().to_owned(), shard.lab_state()))
            .collect();
        json!({
            "role": "dbserver",
            "id": self.server.id,
            "pid": std::process::id(),
            "version": self.server.version.to_string(),
            "shards": shards,
        })
    }

    /// Asks another server of the cluster.
    async fn ask(
        &self,
        server: &str,
        method: &str,
        path: &str,
        body: &Value,
        limit: Duration,
    ) -> Result<Reply, CallError> {
        let catalog = self.catalog();
        let endpoint = catalog
            .endpoints
            .get(server)
            .and_then(|at| Target::parse(at));
        let Some(target) = endpoint else {
            return Err(CallError::NotSent {
                target: server.to_owned(),
                why: "its address is not known".to_owned(),
            });
        };
        let authorization = self.server.authorization();
        let request = Call::new(&target, method, path, limit)
            .authorized(authorization.as_deref())
            .json(body)
            .kept();
        call(request).await
    }
}
