//! The jobs that wait in the agency: begun, advanced by one step a lap, ended.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::super::agency::store::Store;
use super::super::agency::{Agent, Refused, Transaction};
use super::super::cluster::Catalog;
use super::failover::{self, Group};
use super::lap::catalog;
use super::move_shard::{Change, MoveShard, Servers, Step};
use super::resign;
use crate::sim::time;

/// After this long a job that does not get on is given up.
const PATIENCE_MS: u64 = 10_000_000;

/// Does one step of every job.
pub async fn work(agent: &Agent) -> Result<(), Refused> {
    for section in ["Pending", "ToDo"] {
        for id in ids(agent, section)? {
            step(agent, section, &id).await?;
        }
    }
    Ok(())
}

fn ids(agent: &Agent, section: &str) -> Result<Vec<String>, Refused> {
    let (store, _) = agent.trees()?;
    let all = store
        .get(&format!("/arango/Target/{section}"))
        .and_then(Value::as_object);
    let mut ids: Vec<String> = all
        .into_iter()
        .flatten()
        .map(|(id, _)| id.clone())
        .collect();
    ids.sort_by_key(|id| (id.len(), id.clone()));
    Ok(ids)
}

async fn step(agent: &Agent, section: &str, id: &str) -> Result<(), Refused> {
    let (store, _) = agent.trees()?;
    let Some(body) = store
        .get(&format!("/arango/Target/{section}/{id}"))
        .cloned()
    else {
        return Ok(());
    };
    let job = Job {
        agent,
        section,
        id,
        servers: servers(agent, &store),
        catalog: catalog(&store),
        store: &store,
        body: &body,
    };
    match body.get("type").and_then(Value::as_str) {
        Some("moveShard") => job.move_shard().await,
        Some("resignLeadership") => job.resign().await,
        Some("failedServer") => job.failed_server().await,
        _ => job.end(false, "unknown type of job").await,
    }
}

fn keys(store: &Store, path: &str) -> BTreeSet<String> {
    let all = store.get(path).and_then(Value::as_object);
    all.into_iter()
        .flatten()
        .map(|(id, _)| id.clone())
        .collect()
}

fn servers(agent: &Agent, store: &Store) -> Servers {
    let health = store
        .get("/arango/Supervision/Health")
        .and_then(Value::as_object);
    let cleaned = store
        .get("/arango/Target/CleanedServers")
        .and_then(Value::as_array);
    let can_resign = agent.server.version.can_resign_leadership();
    Servers {
        good: health
            .into_iter()
            .flatten()
            .filter(|(_, health)| health.get("Status").is_some_and(|status| status == "GOOD"))
            .map(|(id, _)| id.clone())
            .collect(),
        cleaned: cleaned
            .into_iter()
            .flatten()
            .filter_map(|id| id.as_str().map(str::to_owned))
            .collect(),
        failed: keys(store, "/arango/Target/FailedServers"),
        alone: keys(store, "/arango/Current/MaintenanceDBServers"),
        // Later versions let several jobs share a target.
        locked: if can_resign {
            BTreeSet::new()
        } else {
            keys(store, "/arango/Supervision/DBServers")
        },
        locked_shards: keys(store, "/arango/Supervision/Shards"),
        leader_may_go_to_follower: can_resign,
    }
}

struct Job<'a> {
    agent: &'a Agent,
    section: &'a str,
    id: &'a str,
    servers: Servers,
    catalog: Catalog,
    store: &'a Store,
    body: &'a Value,
}

impl Job<'_> {
    fn path(&self, section: &str) -> String {
        format!("/arango/Target/{section}/{}", self.id)
    }

    fn is_new(&self) -> bool {
        self.section == "ToDo"
    }

    async fn write(
        &self,
        operations: Map<String, Value>,
        preconditions: Map<String, Value>,
    ) -> Result<bool, Refused> {
        let transaction = Transaction {
            operations,
            preconditions,
        };
        let results = self.agent.write(&[transaction]).await?;
        Ok(results.first().is_some_and(|index| *index > 0))
    }

    /// Adds the job's move into another section to a transaction.
    fn put_into(&self, section: &str, stamp: &str, extra: &Value, to: &mut Map<String, Value>) {
        let mut body = self.body.clone();
        if let (Value::Object(body), Value::Object(extra)) = (&mut body, extra) {
            body.insert(stamp.to_owned(), json!(time::iso(time::unix_ms())));
            body.extend(extra.clone());
        }
        to.insert(self.path(self.section), json!({"op": "delete"}));
        to.insert(self.path(section), json!({"op": "set", "new": body}));
    }

    async fn end(&self, good: bool, reason: &str) -> Result<(), Refused> {
        let mut operations = Map::new();
        self.end_into(&mut operations, good, reason);
        self.write(operations, Map::new()).await.map(drop)
    }

    fn end_into(&self, operations: &mut Map<String, Value>, good: bool, reason: &str) {
        let section = if good { "Finished" } else { "Failed" };
        let extra = if reason.is_empty() {
            json!({})
        } else {
            json!({"reason": reason})
        };
        self.put_into(section, "timeFinished", &extra, operations);
        let ended = json!({"id": self.id, "good": good});
        self.agent.server.count("job-ended", &ended);
        for lock in self.locks() {
            operations.insert(lock, json!({"op": "delete"}));
        }
    }

    /// Returns the locks that this job holds.
    fn locks(&self) -> Vec<String> {
        let mut found = Vec::new();
        for kind in ["Shards", "DBServers"] {
            let path = format!("/arango/Supervision/{kind}");
            let all = self.store.get(&path).and_then(Value::as_object);
            for (name, holder) in all.into_iter().flatten() {
                if holder == self.id {
                    found.push(format!("{path}/{name}"));
                }
            }
        }
        found
    }

    async fn move_shard(&self) -> Result<(), Refused> {
        let Ok(job) = serde_json::from_value::<MoveShard>(self.body.clone()) else {
            return self.end(false, "job is malformed").await;
        };
        let step = if self.is_new() {
            job.begin(&self.catalog, &self.servers)
        } else {
            let patience = time::ms(self.agent.server.timer(PATIENCE_MS));
            job.advance(&self.catalog, self.age_ms(), patience)
        };
        match step {
            Step::Wait => Ok(()),
            Step::Replan { changes, ends } => self.replan(&job, &changes, ends).await,
            Step::Fail(reason) if self.is_new() => self.end(false, &reason).await,
            Step::Fail(reason) => {
                let mut operations = Map::new();
                let mut conditions = Map::new();
                for change in job.undo(&self.catalog) {
                    change.add_to(&mut operations, &mut conditions);
                }
                operations.insert("/arango/Plan/Version".into(), json!({"op": "increment"}));
                self.end_into(&mut operations, false, &reason);
                self.write(operations, conditions).await.map(drop)
            }
        }
    }

    async fn replan(&self, job: &MoveShard, changes: &[Change], ends: bool) -> Result<(), Refused> {
        let mut operations = Map::new();
        let mut conditions = Map::new();
        for change in changes {
            change.add_to(&mut operations, &mut conditions);
        }
        operations.insert("/arango/Plan/Version".into(), json!({"op": "increment"}));
        if ends {
            self.end_into(&mut operations, true, "");
        } else if self.is_new() {
            self.put_into("Pending", "timeStarted", &json!({}), &mut operations);
            let mut lock = |path: String| {
                operations.insert(path.clone(), json!({"op": "set", "new": self.id}));
                conditions.insert(path, json!({"oldEmpty": true}));
            };
            lock(format!("/arango/Supervision/Shards/{}", job.shard));
            if !self.servers.leader_may_go_to_follower {
                lock(format!("/arango/Supervision/DBServers/{}", job.to_server));
            }
        }
        self.write(operations, conditions).await.map(drop)
    }

    fn age_ms(&self) -> u64 {
        let created = self.body.get("timeCreated").and_then(Value::as_str);
        let created: Option<jiff::Timestamp> = created.and_then(|text| text.parse().ok());
        let created_ms = created.and_then(|at| u64::try_from(at.as_millisecond()).ok());
        created_ms.map_or(0, |created| time::unix_ms().saturating_sub(created))
    }

    fn server(&self) -> &str {
        let server = self.body.get("server").and_then(Value::as_str);
        server.unwrap_or_default()
    }

    async fn resign(&self) -> Result<(), Refused> {
        if self.is_new() {
            let mut operations = Map::new();
            let moves = resign::moves(self.id, self.server(), &self.catalog, &self.servers);
            for job in moves {
                let mut body = json!(job);
                if let Value::Object(body) = &mut body {
                    body.insert("type".into(), json!("moveShard"));
                    body.insert("creator".into(), json!(self.id));
                    body.insert("timeCreated".into(), json!(time::iso(time::unix_ms())));
                }
                operations.insert(
                    format!("/arango/Target/ToDo/{}", job.job_id),
                    json!({"op": "set", "new": body}),
                );
            }
            self.put_into("Pending", "timeStarted", &json!({}), &mut operations);
            return self.write(operations, Map::new()).await.map(drop);
        }
        let own = format!("{}-", self.id);
        let parts = |section: &str| {
            keys(self.store, &format!("/arango/Target/{section}"))
                .iter()
                .filter(|id| id.starts_with(&own))
                .count()
        };
        if parts("ToDo") + parts("Pending") > 0 {
            return Ok(());
        }
        match parts("Failed") {
            0 => self.end(true, "").await,
            count => self.end(false, &format!("{count} moves failed")).await,
        }
    }

    async fn failed_server(&self) -> Result<(), Refused> {
        let server = self.server().to_owned();
        if !self.servers.failed.contains(&server) {
            return self.end(true, "").await;
        }
        if self.is_new() {
            let mut operations = Map::new();
            self.put_into("Pending", "timeStarted", &json!({}), &mut operations);
            self.write(operations, Map::new()).await?;
            return Ok(());
        }
        let mut well = self.servers.good.clone();
        well.retain(|id| {
            self.catalog.dbservers.contains(id)
                && !self.servers.cleaned.contains(id)
                && !self.servers.failed.contains(id)
                && !self.servers.alone.contains(id)
        });
        for collection in self
            .catalog
            .collections
            .iter()
            .filter(|one| one.like.is_none())
        {
            for (shard, plan) in &collection.shards {
                if self.servers.locked_shards.contains(shard) {
                    continue;
                }
                let clones = self.catalog.clones_of(&collection.path(shard));
                let group = Group {
                    plan,
                    current: clones
                        .iter()
                        .map(|path| self.catalog.servers_of(path))
                        .collect(),
                };
                if let Some(after) = failover::replan(&group, &server, &well) {
                    self.fail_over(&clones, &after).await?;
                }
            }
        }
        Ok(())
    }

    async fn fail_over(
        &self,
        clones: &[super::super::cluster::ShardPath],
        after: &[String],
    ) -> Result<(), Refused> {
        let mut operations = Map::new();
        let mut conditions = Map::new();
        for path in clones {
            let Some(before) = self.catalog.plan_of(path) else {
                continue;
            };
            let change = Change {
                path: path.clone(),
                before: before.clone(),
                after: after.to_vec(),
            };
            change.add_to(&mut operations, &mut conditions);
            // A leader that drops a follower at this moment must win or lose as a whole.
            let current = format!("{}/servers", path.current());
            if let Some(servers) = self.store.get(&current) {
                conditions.insert(current, json!({"old": servers}));
            }
        }
        operations.insert("/arango/Plan/Version".into(), json!({"op": "increment"}));
        self.write(operations, conditions).await.map(drop)
    }
}
