//! A coordinator: it takes the clients' requests and finds who can answer them.
//!
//! - [`documents`] and [`retry`]: reading and writing, and what happens while a shard's leader
//!   is away;
//! - [`collections`]: databases and collections;
//! - [`admin`], [`health`], [`inventory`], [`maintenance`], [`one_server`]: what an operator asks;
//! - [`soft`]: ending when nothing is in hand any more;
//! - [`bootstrap`]: what the first coordinator of a cluster makes;
//! - [`cluster_upgrade`]: what one that is told to upgrade does from 3.5 on.

pub mod admin;
pub mod bootstrap;
pub mod cluster_upgrade;
pub mod collections;
pub mod documents;
pub mod health;
pub mod inventory;
pub mod maintenance;
pub mod one_server;
pub mod retry;
pub mod soft;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};

use super::cluster::{self, AgencyError, Catalog, Membership};
use super::server::{RoleService, Server};
use crate::sim::http::{Call, CallError, Reply, Request, Response, Target, call};
use crate::sim::version::Version;

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// How long a coordinator waits for the agency before it says that it is away.
const AGENCY_LIMIT: Duration = Duration::from_secs(15);

/// A coordinator.
#[derive(Debug)]
pub struct Coordinator {
    server: Arc<Server>,
    member: Arc<Membership>,
    catalog: Mutex<Arc<Catalog>>,
    loads: AtomicU64,
    loading: tokio::sync::Mutex<()>,
    waiting: AtomicU64,
    ongoing: AtomicU64,
    soft: soft::Soft,
}

/// Runs a coordinator until it is stopped.
pub async fn serve(server: Arc<Server>) -> Result<u8, Failure> {
    let stopped = super::server::wait_for_stop(&server);
    let coordinator = tokio::select! {
        coordinator = begin(&server) => coordinator,
        why = stopped => {
            server.count("stop", &json!({"why": why?, "while": "joining"}));
            return Ok(0);
        }
    };
    let coordinator = match coordinator {
        Ok(coordinator) => Arc::new(coordinator),
        Err(why) => {
            server.log.fatal(&why);
            return Ok(1);
        }
    };
    tokio::spawn(cluster::beat(Arc::clone(&coordinator.member)));
    tokio::spawn(keep_up(Arc::clone(&coordinator)));
    tokio::spawn(soft::watch(Arc::clone(&coordinator)));
    let ends = Arc::clone(&coordinator);
    let starts = Arc::clone(&coordinator);
    let ready = async move {
        bootstrap::run(Arc::clone(&starts)).await;
        if starts.server.options.is_set("database.auto-upgrade") {
            cluster_upgrade::run(starts).await;
        }
    };
    let code = super::server::run(server, coordinator, ready).await?;
    ends.count_lost();
    Ok(code)
}

async fn begin(server: &Arc<Server>) -> Result<Coordinator, String> {
    let Some(member) = cluster::join(Arc::clone(server)).await else {
        return Err("no agency endpoint is given".to_owned());
    };
    let coordinator = Coordinator {
        server: Arc::clone(server),
        member: Arc::new(member),
        catalog: Mutex::new(Arc::new(Catalog::default())),
        loads: AtomicU64::new(0),
        loading: tokio::sync::Mutex::new(()),
        waiting: AtomicU64::new(0),
        ongoing: AtomicU64::new(0),
        soft: soft::Soft::default(),
    };
    coordinator
        .reload()
        .await
        .map_err(|error| error.to_string())?;
    if server.version.at_least(3, 4, 0) {
        coordinator.compare_engines().await?;
    }
    Ok(coordinator)
}

async fn keep_up(coordinator: Arc<Coordinator>) {
    let mut misread = false;
    loop {
        tokio::time::sleep(coordinator.server.timer(1000)).await;
        drop(coordinator.reload().await);
        if !misread && coordinator.misreads_order().await {
            misread = true;
            coordinator.server.count("misreads-order", &Value::Null);
        }
    }
}

impl RoleService for Coordinator {
    async fn handle(&self, request: &Request) -> Response {
        let segments = request.segments();
        match segments.as_slice() {
            ["_api", "document", ..] => {
                self.ongoing.fetch_add(1, Ordering::Relaxed);
                let answer = documents::answer(self, request).await;
                self.ongoing.fetch_sub(1, Ordering::Relaxed);
                answer
            }
            ["_api", "collection" | "database", ..] => collections::answer(self, request).await,
            ["_api", "replication", "clusterInventory"] => inventory::answer(self, request).await,
            ["_admin", "cluster", "maintenance", ..] => maintenance::answer(self, request).await,
            ["_admin", "cluster", "health"] => health::answer(self).await,
            ["_admin", "cluster", ..] => admin::answer(self, request).await,
            ["_admin", "server", "mode"] => self.mode(request).await,
            ["_admin", "shutdown"] => self.soft_shutdown(request),
            _ => Response::unknown_path(&request.path),
        }
    }

    async fn lab(&self, request: &Request) -> Response {
        match request.path.as_str() {
            "/_lab/state" => Response::json(
                200,
                &json!({
                    "role": "coordinator",
                    "id": self.server.id,
                    "pid": std::process::id(),
                    "version": self.server.version.to_string(),
                    "waiting_requests": self.waiting.load(Ordering::Relaxed),
                }),
            ),
            _ => Response::unknown_path(&request.path),
        }
    }
}

impl Coordinator {
    fn catalog(&self) -> Arc<Catalog> {
        Arc::clone(&self.catalog.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Reads the catalog anew. Those who ask while it is being read share the next reading.
    async fn reload(&self) -> Result<Arc<Catalog>, AgencyError> {
        let asked = self.loads.load(Ordering::SeqCst);
        let _one_at_a_time = self.loading.lock().await;
        if self.loads.load(Ordering::SeqCst) > asked + 1 {
            return Ok(self.catalog());
        }
        self.loads.fetch_add(1, Ordering::SeqCst);
        let catalog = self.member.agency.catalog(AGENCY_LIMIT).await?;
        self.server
            .read_only
            .store(catalog.read_only, Ordering::SeqCst);
        *self.catalog.lock().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&catalog);
        Ok(catalog)
    }

    /// Shows or sets whether the whole cluster can only be read.
    async fn mode(&self, request: &Request) -> Response {
        if request.method == "PUT" {
            let body = request.json().unwrap_or_default();
            let read_only = match body.get("mode").and_then(Value::as_str) {
                Some("readonly") => true,
                Some("default") => false,
                _ => return Response::error(400, 400, "mode must be 'readonly' or 'default'"),
            };
            let operations = json!({"/arango/Readonly": {"op": "set", "new": read_only}});
            if let Err(response) = self.agency_write(&operations, &json!({})).await {
                return response;
            }
            drop(self.reload().await);
        }
        let mode = if self.catalog().read_only {
            "readonly"
        } else {
            "default"
        };
        Response::json(200, &json!({"mode": mode, "error": false, "code": 200}))
    }

    async fn agency_read(&self, path: &str) -> Result<Option<Value>, Response> {
        let tree = self.member.agency.read(&[path], AGENCY_LIMIT).await;
        let tree = tree.map_err(|error| agency_away(&error))?;
        Ok(tree.pointer(path).cloned())
    }

    async fn agency_write(&self, operations: &Value, conditions: &Value) -> Result<bool, Response> {
        let written = self
            .member
            .agency
            .write(operations, conditions, AGENCY_LIMIT);
        written.await.map_err(|error| agency_away(&error))
    }

    /// Takes numbers from the agency that nobody else gets; returns the first.
    async fn take_ids(&self, count: u64) -> Result<u64, Response> {
        let path = "/arango/Sync/LatestID";
        loop {
            let last = self
                .agency_read(path)
                .await?
                .and_then(|id| id.as_u64())
                .unwrap_or(0);
            let operations = json!({path: {"op": "set", "new": last + count}});
            if self
                .agency_write(&operations, &json!({path: {"old": last}}))
                .await?
            {
                return Ok(last + 1);
            }
        }
    }

    /// Asks another server of the cluster.
    async fn ask(&self, endpoint: &str, path: &str, limit: Duration) -> Result<Reply, CallError> {
        let Some(target) = Target::parse(endpoint) else {
            return Err(CallError::NotSent {
                target: endpoint.to_owned(),
                why: "not an address".to_owned(),
            });
        };
        let authorization = self.server.authorization();
        call(Call::new(&target, "GET", path, limit).authorized(authorization.as_deref())).await
    }

    /// Asks all DB-Servers for their engine: one with another ends the start.
    async fn compare_engines(&self) -> Result<(), String> {
        let own = self.server.data.engine();
        let needed = self.server.live.now().coordinator_needs_dbservers;
        let catalog = self.catalog();
        for id in &catalog.dbservers {
            let endpoint = catalog.endpoints.get(id).cloned().unwrap_or_default();
            match self
                .ask(&endpoint, "/_api/engine", Duration::from_secs(2))
                .await
            {
                Ok(reply) => {
                    let found = reply.json();
                    let found = found.get("name").and_then(Value::as_str);
                    if found.is_some_and(|found| found != own) {
                        return Err(format!(
                            "{{startup}} the usage of different storage engines in the cluster is unsupported and may cause issues: {id}"
                        ));
                    }
                }
                Err(error) if needed => {
                    return Err(format!(
                        "{{startup}} cannot ask {id} for its engine: {error}"
                    ));
                }
                Err(_) => {}
            }
        }
        Ok(())
    }

    /// Tells whether a DB-Server sorts in an order that this version does not expect.
    async fn misreads_order(&self) -> bool {
        let own = &self.server.version;
        if !own.at_least(3, 12, 0) {
            return false;
        }
        let Ok(Some(registered)) = self.agency_read("/arango/Current/ServersRegistered").await
        else {
            return false;
        };
        let sorts = |(id, server): (&String, &Value)| {
            let version = server.get("versionString").and_then(Value::as_str);
            let version = version.and_then(|text| Version::parse(text).ok());
            id.starts_with("PRMR-") && version.is_some_and(|other| own.misreads_order_of(&other))
        };
        let servers = registered.as_object().into_iter().flatten();
        servers.into_iter().any(sorts)
    }
}

fn agency_away(error: &AgencyError) -> Response {
    Response::error(503, 1474, &error.to_string())
}
