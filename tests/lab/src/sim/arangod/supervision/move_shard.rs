//! The job that moves a shard from one DB-Server to another: pure, one step a lap.
//!
//! A leader's move: the new server is planned as a follower; when it is in sync the old
//! leader is asked to resign (`_`); when it has, the new one is planned as leader; when that
//! leads and the others are in sync with it, the old one loses its copy unless it stays as a
//! follower.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::super::cluster::{Catalog, ShardPath};

/// What was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MoveShard {
    /// The job.
    pub job_id: String,
    /// The shard's database.
    pub database: String,
    /// The shard's collection, by its identifier.
    pub collection: String,
    /// The shard.
    pub shard: String,
    /// Where it is.
    pub from_server: String,
    /// Where it goes.
    pub to_server: String,
    /// Whether the old server leads the shard.
    #[serde(default)]
    pub is_leader: bool,
    /// Whether the old server stays as a follower.
    #[serde(default)]
    pub remains_follower: bool,
}

/// What a lap does for a job.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// Nothing yet.
    Wait,
    /// It plans other servers, if the plan is still what it was.
    Replan {
        /// Changes of the plan with their conditions.
        changes: Vec<Change>,
        /// Whether the job ends with it.
        ends: bool,
    },
    /// It ends without success.
    Fail(String),
}

/// A shard's servers, as planned before and after.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The shard.
    pub path: ShardPath,
    /// The servers before.
    pub before: Vec<String>,
    /// The servers after.
    pub after: Vec<String>,
}

impl Change {
    /// Adds the change and its condition to a transaction.
    pub fn add_to(&self, operations: &mut Map<String, Value>, conditions: &mut Map<String, Value>) {
        operations.insert(self.path.plan(), json!({"op": "set", "new": self.after}));
        conditions.insert(self.path.plan(), json!({"old": self.before}));
    }
}

/// What a job must know of the servers.
#[derive(Debug, Clone, Default)]
pub struct Servers {
    /// Those that are GOOD.
    pub good: BTreeSet<String>,
    /// Those that were cleaned out.
    pub cleaned: BTreeSet<String>,
    /// Those that failed.
    pub failed: BTreeSet<String>,
    /// Those in maintenance mode alone: nobody fails over to them, as they are about to be away.
    pub alone: BTreeSet<String>,
    /// Those that another job has locked.
    pub locked: BTreeSet<String>,
    /// Shards that another job has locked.
    pub locked_shards: BTreeSet<String>,
    /// Whether a leader may move to a follower that is in sync (from 3.4.8 and 3.5.1 on).
    pub leader_may_go_to_follower: bool,
}

impl MoveShard {
    fn path(&self) -> ShardPath {
        ShardPath {
            database: self.database.clone(),
            collection: self.collection.clone(),
            shard: self.shard.clone(),
        }
    }

    /// Returns what the first lap does for a job.
    pub fn begin(&self, catalog: &Catalog, servers: &Servers) -> Step {
        let fail = |why: &str| Step::Fail(why.to_owned());
        let Some(collection) = catalog.collection(&self.database, &self.collection) else {
            return fail("collection is gone");
        };
        if collection.like.is_some() {
            return fail("collection must not have 'distributeShardsLike' attribute");
        }
        if servers.locked_shards.contains(&self.shard) || servers.locked.contains(&self.to_server) {
            return Step::Wait;
        }
        if !catalog.dbservers.contains(&self.from_server) {
            return fail("fromServer must be in plan/DBServers");
        }
        if !catalog.dbservers.contains(&self.to_server) {
            return fail("toServer must be in plan/DBServers");
        }
        if servers.cleaned.contains(&self.to_server) {
            return fail("toServer must not be in `Target/CleanedServers`");
        }
        if servers.failed.contains(&self.to_server) {
            return fail("toServer must not be in `Target/FailedServers`");
        }
        if !servers.good.contains(&self.to_server) {
            return fail("toServer must be GOOD");
        }
        let Some(plan) = catalog.plan_of(&self.path()) else {
            return fail("shard is not in Plan");
        };
        let place = plan.iter().position(|server| *server == self.from_server);
        match (self.is_leader, place) {
            (true, Some(0)) => {}
            (false, Some(place)) if place > 0 => {}
            (true, _) => return fail("fromServer must be leader in Plan for shard"),
            (false, _) => return fail("fromServer must be follower in Plan for shard"),
        }
        if plan.contains(&self.to_server) {
            return self.begin_to_follower(catalog, servers);
        }
        self.change_all(catalog, false, |plan| {
            let mut after = plan.to_vec();
            after.push(self.to_server.clone());
            after
        })
    }

    fn begin_to_follower(&self, catalog: &Catalog, servers: &Servers) -> Step {
        let in_sync = self.everywhere(catalog, |_, current| current.contains(&self.to_server));
        if self.is_leader && servers.leader_may_go_to_follower && in_sync {
            // The copy is there: the first step is to ask the leader to resign.
            return self.resign(catalog);
        }
        Step::Fail("toServer must not yet be planned for shard".to_owned())
    }

    /// Returns what a later lap does for a job.
    pub fn advance(&self, catalog: &Catalog, age_ms: u64, patience_ms: u64) -> Step {
        let Some(plan) = catalog.plan_of(&self.path()) else {
            return Step::Fail("collection was dropped".to_owned());
        };
        let step = if self.is_leader {
            self.advance_leader(catalog, plan)
        } else {
            self.advance_follower(catalog)
        };
        if step == Step::Wait && age_ms > patience_ms {
            return Step::Fail("job aborted: timeout".to_owned());
        }
        step
    }

    fn advance_leader(&self, catalog: &Catalog, plan: &[String]) -> Step {
        let resigned = format!("_{}", self.from_server);
        let leader = plan.first().map(String::as_str).unwrap_or_default();
        if leader == self.from_server {
            if self.everywhere(catalog, |_, current| current.contains(&self.to_server)) {
                return self.resign(catalog);
            }
            return Step::Wait;
        }
        if leader == resigned {
            if !self.everywhere(catalog, |_, current| current.first() == Some(&resigned)) {
                return Step::Wait;
            }
            return self.change_all(catalog, false, |plan| {
                let others = plan
                    .iter()
                    .skip(1)
                    .filter(|server| **server != self.to_server);
                std::iter::once(&self.to_server)
                    .chain(others)
                    .chain(std::iter::once(&self.from_server))
                    .cloned()
                    .collect()
            });
        }
        if leader != self.to_server {
            return Step::Fail("something seriously wrong".to_owned());
        }
        let taken_over = self.everywhere(catalog, |plan, current| {
            let others = plan.iter().filter(|server| **server != self.from_server);
            current.first() == Some(&self.to_server)
                && others.clone().all(|server| current.contains(server))
        });
        if !taken_over {
            return Step::Wait;
        }
        self.change_all(catalog, true, |plan| {
            if self.remains_follower {
                plan.to_vec()
            } else {
                self.without_old(plan)
            }
        })
    }

    fn advance_follower(&self, catalog: &Catalog) -> Step {
        let in_sync = self.everywhere(catalog, |plan, current| {
            plan.first() == current.first() && plan.iter().all(|server| current.contains(server))
        });
        if !in_sync {
            return Step::Wait;
        }
        self.change_all(catalog, true, |plan| self.without_old(plan))
    }

    /// Returns how to undo a job that is under way.
    pub fn undo(&self, catalog: &Catalog) -> Vec<Change> {
        let undone = self.change_all(catalog, true, |plan| {
            if self.is_leader {
                let rest = plan.iter().skip(1);
                let rest = rest.filter(|server| **server != self.from_server);
                std::iter::once(&self.from_server)
                    .chain(rest)
                    .cloned()
                    .collect()
            } else {
                plan.iter()
                    .filter(|server| **server != self.to_server)
                    .cloned()
                    .collect()
            }
        });
        match undone {
            Step::Replan { changes, .. } => changes,
            Step::Wait | Step::Fail(_) => Vec::new(),
        }
    }

    fn resign(&self, catalog: &Catalog) -> Step {
        self.change_all(catalog, false, |plan| {
            plan.iter()
                .map(|server| {
                    if *server == self.from_server {
                        format!("_{server}")
                    } else {
                        server.clone()
                    }
                })
                .collect()
        })
    }

    fn without_old(&self, plan: &[String]) -> Vec<String> {
        plan.iter()
            .filter(|server| **server != self.from_server)
            .cloned()
            .collect()
    }

    fn everywhere(&self, catalog: &Catalog, test: impl Fn(&[String], &[String]) -> bool) -> bool {
        catalog.clones_of(&self.path()).iter().all(|path| {
            catalog
                .plan_of(path)
                .is_some_and(|plan| test(plan, catalog.servers_of(path)))
        })
    }

    fn change_all(
        &self,
        catalog: &Catalog,
        ends: bool,
        change: impl Fn(&[String]) -> Vec<String>,
    ) -> Step {
        let changes = catalog
            .clones_of(&self.path())
            .into_iter()
            .filter_map(|path| {
                let before = catalog.plan_of(&path)?.clone();
                let after = change(&before);
                Some(Change {
                    path,
                    before,
                    after,
                })
            })
            .collect();
        Step::Replan { changes, ends }
    }
}

#[cfg(test)]
#[path = "move_shard_tests.rs"]
mod tests;
