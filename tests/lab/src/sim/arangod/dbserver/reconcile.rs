//! Takes and gives up leadership as the plan says, and reports to the agency what is so.

use std::collections::BTreeSet;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use serde_json::json;

use super::super::cluster::{AgencyError, Catalog, ShardPath, bare};
use super::shard::{Shard, Standing};
use super::{DbServer, catch_up};

const LIMIT: Duration = Duration::from_secs(5);

/// A leader tries this long to change who holds a shard: longer than an election takes.
const REPORT_LIMIT: Duration = Duration::from_secs(30);

/// Follows the plan for as long as the server runs.
pub async fn live(dbserver: Arc<DbServer>) {
    dbserver.watch_plan().await;
    loop {
        match dbserver.refresh().await {
            Ok(()) => Arc::clone(&dbserver).follow_plan().await,
            Err(error) => dbserver
                .server
                .log
                .warn(&format!("{{heartbeat}} cannot read the plan: {error}")),
        }
        let pause = dbserver.server.timer(1000);
        tokio::select! {
            () = dbserver.wake.notified() => {}
            () = tokio::time::sleep(pause) => {}
        }
    }
}

impl DbServer {
    /// Asks the agency to ring when the plan or what is so changes.
    async fn watch_plan(&self) {
        let endpoint = self.server.own_endpoint();
        let url = endpoint
            .replacen("tcp://", "http://", 1)
            .replacen("ssl://", "https://", 1);
        let observe = json!({
            "op": "observe",
            "url": format!("{url}/_api/agency/agency-callbacks/1"),
        });
        let operations = json!({
            "/arango/Plan/Version": observe,
            "/arango/Current/Version": observe,
        });
        drop(
            self.member
                .agency
                .write(&operations, &json!({}), LIMIT)
                .await,
        );
    }

    /// Reads the catalog anew.
    pub(super) async fn refresh(&self) -> Result<(), AgencyError> {
        let catalog = self.member.agency.catalog(LIMIT).await?;
        *self.catalog.lock().unwrap_or_else(PoisonError::into_inner) = catalog;
        Ok(())
    }

    async fn follow_plan(self: Arc<Self>) {
        let catalog = self.catalog();
        self.write_database_versions(&catalog);
        let mut planned = BTreeSet::new();
        for (path, servers) in catalog.planned() {
            if servers.iter().any(|server| bare(server) == self.server.id) {
                planned.insert(path.shard.clone());
                self.follow_shard(&path, servers).await;
            }
        }
        self.drop_unplanned(&planned);
        catch_up::begin(&self, &catalog);
    }

    /// Every database leaves its version in the data directory.
    fn write_database_versions(&self, catalog: &Catalog) {
        for database in catalog.databases.values() {
            let Some(id) = database.get("id").and_then(|id| id.as_str()) else {
                continue;
            };
            let path = self.server.data.path().join(format!("VERSION-{id}"));
            if !path.exists()
                && let Err(error) = self.server.data.set_version(id, &self.server.version)
            {
                self.server.log.error(&error.to_string());
            }
        }
    }

    async fn follow_shard(&self, path: &ShardPath, servers: &[String]) {
        let Some(shard) = self.shard_or_new(&path.shard) else {
            return;
        };
        let own = self.server.id.as_str();
        let first = servers.first().map(String::as_str).unwrap_or_default();
        let standing = shard.standing();
        if first == own {
            if !matches!(standing, Standing::Leader { .. }) {
                self.server.log.info(&format!(
                    "{{maintenance}} taking leadership of {}",
                    path.shard
                ));
                // Followers show that they are in sync anew, each by itself.
                let _gate = shard.gate.write().await;
                shard.become_(Standing::Leader {
                    followers: Vec::new(),
                });
            }
            shard.change_followers(|followers| followers.retain(|id| servers.contains(id)));
            self.report(&shard, path, servers).await;
        } else if bare(first) == own {
            if !matches!(standing, Standing::Resigned { .. }) {
                // Whatever is being written reaches its followers first.
                let _gate = shard.gate.write().await;
                let followers = shard.followers().unwrap_or_default();
                shard.become_(Standing::Resigned { followers });
            }
            self.report(&shard, path, servers).await;
        } else {
            let leader = bare(first).to_owned();
            if standing
                != (Standing::Follower {
                    leader: leader.clone(),
                })
            {
                let _gate = shard.gate.write().await;
                shard.become_(Standing::Follower { leader });
            }
        }
    }

    fn shard_or_new(&self, name: &str) -> Option<Arc<Shard>> {
        let mut shards = self.shards.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(shard) = shards.get(name) {
            return Some(Arc::clone(shard));
        }
        match Shard::open(self.server.data.path(), name) {
            Ok(shard) => {
                let shard = Arc::new(shard);
                shards.insert(name.to_owned(), Arc::clone(&shard));
                Some(shard)
            }
            Err(error) => {
                self.server
                    .log
                    .error(&format!("cannot make shard {name}: {error}"));
                None
            }
        }
    }

    fn drop_unplanned(&self, planned: &BTreeSet<String>) {
        let mut shards = self.shards.lock().unwrap_or_else(PoisonError::into_inner);
        shards.retain(|name, shard| {
            let keep = planned.contains(name);
            if !keep {
                shard.become_(Standing::Unknown);
                shard.remove();
            }
            keep
        });
    }

    /// Returns the servers that hold a shard, as its leader sees it.
    pub(super) fn holders(&self, shard: &Shard) -> Option<Vec<String>> {
        let own = &self.server.id;
        let (first, followers) = match shard.standing() {
            Standing::Leader { followers } => (own.clone(), followers),
            Standing::Resigned { followers } => (format!("_{own}"), followers),
            Standing::Unknown | Standing::Follower { .. } => return None,
        };
        Some(std::iter::once(first).chain(followers).collect())
    }

    /// Writes to the agency who holds a shard, unless it says so already.
    async fn report(&self, shard: &Shard, path: &ShardPath, plan: &[String]) {
        let Some(holders) = self.holders(shard) else {
            return;
        };
        if self.catalog().servers_of(path) != holders
            && let Err(error) = self.write_current(path, plan, &holders).await
        {
            self.server.log.warn(&format!(
                "{{maintenance}} cannot report on {}: {error}",
                path.shard
            ));
        }
    }

    /// Writes who holds a shard, if it is still planned as it was known to be.
    pub(super) async fn write_current(
        &self,
        path: &ShardPath,
        plan: &[String],
        holders: &[String],
    ) -> Result<bool, AgencyError> {
        let known = json!({
            "error": false, "errorNum": 0, "errorMessage": "",
            "indexes": [{"id": "0", "type": "primary", "fields": ["_key"], "unique": true}],
            "servers": holders,
        });
        let operations = json!({
            path.current(): {"op": "set", "new": known},
            "/arango/Current/Version": {"op": "increment"},
        });
        let conditions = json!({path.plan(): {"old": plan}});
        self.member
            .agency
            .write(&operations, &conditions, REPORT_LIMIT)
            .await
    }
}
