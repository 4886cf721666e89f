//! A leader's writes: to its own disk, to every follower in sync, and only then acknowledged.
//!
//! A follower that does not take a write in time is dropped, which takes the agency's
//! consent: a leader that is cut off from it cannot acknowledge anything.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value, json};
use tokio::time::Instant;

use super::super::cluster::ShardPath;
use super::DbServer;
use super::documents::Change;
use super::shard::{Shard, Standing};
use crate::sim::http::Response;
use crate::sim::time;

/// What a client wants written.
#[derive(Debug, Clone)]
pub struct Write {
    /// The document's key.
    pub key: String,
    /// Its content.
    pub body: Map<String, Value>,
    /// Whether it must be there already, or must not; nothing if both will do.
    pub must_exist: Option<bool>,
    /// Whether its content is merged into what is there.
    pub merge: bool,
}

/// Refuses what only a leader may do.
pub fn not_leader(standing: &Standing) -> Response {
    match standing {
        Standing::Resigned { .. } => Response::error(503, 1491, "shard leader resigned"),
        Standing::Unknown | Standing::Leader { .. } | Standing::Follower { .. } => Response::error(
            503,
            1490,
            "a shard follower refuses to perform an operation",
        ),
    }
}

/// Writes to this server alone.
fn write_here(shard: &Shard, write: Write) -> Result<Change, Response> {
    let mut documents = shard.documents();
    let known = documents.get(&write.key);
    match write.must_exist {
        Some(true) if known.is_none() => {
            return Err(Response::error(404, 1202, "document not found"));
        }
        Some(false) if known.is_some() => {
            return Err(Response::error(409, 1210, "unique constraint violated"));
        }
        Some(_) | None => {}
    }
    let mut body = write.body;
    if write.merge
        && let Some(known) = known
    {
        let mut merged = known.body.clone();
        merged.extend(body);
        body = merged;
    }
    let change = Change {
        key: write.key,
        revision: documents.next_revision(time::unix_us()),
        body: Some(body),
    };
    documents
        .apply(vec![change.clone()])
        .map_err(|error| Response::error(500, 2, &format!("cannot write: {error}")))?;
    Ok(change)
}

impl DbServer {
    /// Carries out a write as the shard's leader.
    pub(super) async fn write(&self, shard: &Arc<Shard>, write: Write) -> Response {
        let _gate = shard.gate.read().await;
        let standing = shard.standing();
        if !matches!(standing, Standing::Leader { .. }) {
            return not_leader(&standing);
        }
        let change = match write_here(shard, write) {
            Ok(change) => change,
            Err(response) => return response,
        };
        let Some(path) = self.path_of(shard) else {
            return Response::error(404, 1203, "collection or view not found");
        };
        for follower in shard.followers().unwrap_or_default() {
            // In turn: with two copies there is one follower, with three the second waits.
            if self.send_to(&follower, shard, &change).await {
                continue;
            }
            if let Err(response) = self.drop_follower(shard, &path, &follower).await {
                return response;
            }
        }
        Response::json(
            202,
            &json!({"_key": change.key, "_rev": format!("{:x}", change.revision)}),
        )
    }

    pub(super) fn path_of(&self, shard: &Shard) -> Option<ShardPath> {
        self.catalog().shard(shard.name())
    }

    /// Sends a change to a follower until it takes it, for as long as it may take.
    async fn send_to(&self, follower: &str, shard: &Shard, change: &Change) -> bool {
        let limit = Duration::from_millis(self.server.live.now().replication_timeout_ms);
        let end = Instant::now() + limit;
        let path = format!("/_api/replication/apply/{}", shard.name());
        let body = json!({"leader": self.server.id, "changes": [change]});
        loop {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            match self.ask(follower, "PUT", &path, &body, left).await {
                Ok(reply) => return reply.status == 200,
                Err(error) if error.was_not_sent() => {
                    tokio::time::sleep(left.min(Duration::from_millis(100))).await;
                }
                Err(_) => return false,
            }
        }
    }

    /// Takes a follower out of those in sync, here and in the agency.
    async fn drop_follower(
        &self,
        shard: &Arc<Shard>,
        path: &ShardPath,
        follower: &str,
    ) -> Result<(), Response> {
        let _one_at_a_time = shard.dropping.lock().await;
        let Some(mut followers) = shard.followers() else {
            return Err(not_leader(&shard.standing()));
        };
        if !followers.iter().any(|known| known == follower) {
            return Ok(());
        }
        self.server.log.warn(&format!(
            "{{replication}} dropping follower {follower} for shard {}",
            shard.name()
        ));
        followers.retain(|known| known != follower);
        let holders: Vec<String> = std::iter::once(self.server.id.clone())
            .chain(followers)
            .collect();
        let refused = || Response::error(500, 1498, "a follower could not be dropped in agency");
        let plan = self.catalog().plan_of(path).cloned().unwrap_or_default();
        let mut written = self.write_current(path, &plan, &holders).await;
        if written == Ok(false) {
            // The plan may have changed in a way that leaves this server the leader.
            drop(self.refresh().await);
            let plan = self.catalog().plan_of(path).cloned().unwrap_or_default();
            if plan.first() == Some(&self.server.id) {
                written = self.write_current(path, &plan, &holders).await;
            }
        }
        if written != Ok(true) {
            self.wake.notify_one();
            return Err(refused());
        }
        shard.change_followers(|followers| followers.retain(|known| known != follower));
        Ok(())
    }

    /// Takes a leader's changes as a follower.
    pub(super) async fn take(&self, shard: &Shard, leader: &str, changes: Vec<Change>) -> Response {
        let expected = Standing::Follower {
            leader: leader.to_owned(),
        };
        if shard.standing() != expected {
            // The plan may have changed a moment ago.
            self.wake.notify_one();
            tokio::time::sleep(Duration::from_millis(50)).await;
            if shard.standing() != expected {
                return Response::error(
                    406,
                    1489,
                    "a shard leader refuses to perform a replication operation",
                );
            }
        }
        match shard.documents().apply(changes) {
            Ok(()) => Response::json(200, &json!({"error": false, "code": 200})),
            Err(error) => Response::error(500, 2, &format!("cannot write: {error}")),
        }
    }

    /// Lets a follower in that has everything up to a revision: it is sent the rest while
    /// nothing is written, and counts from then on.
    pub(super) async fn add_follower(
        &self,
        shard: &Arc<Shard>,
        follower: &str,
        revision: u64,
    ) -> Response {
        let _gate = shard.gate.write().await;
        let Some(followers) = shard.followers() else {
            return not_leader(&shard.standing());
        };
        let Some(path) = self.path_of(shard) else {
            return Response::error(404, 1203, "collection or view not found");
        };
        let plan = self.catalog().plan_of(&path).cloned().unwrap_or_default();
        if !plan.iter().any(|server| server == follower) {
            return Response::error(412, 1490, "not planned as a follower");
        }
        let (rest, digest) = {
            let documents = shard.documents();
            (documents.since(revision), documents.digest())
        };
        let body = json!({"leader": self.server.id, "changes": rest});
        let to = format!("/_api/replication/apply/{}", shard.name());
        let limit = Duration::from_millis(self.server.live.now().replication_timeout_ms);
        let sent = self.ask(follower, "PUT", &to, &body, limit * 4).await;
        if !sent.is_ok_and(|reply| reply.status == 200) {
            return Response::error(503, 1477, "the follower did not take the rest");
        }
        let mut holders = vec![self.server.id.clone()];
        holders.extend(followers.into_iter().filter(|known| known != follower));
        holders.push(follower.to_owned());
        if let Ok(true) = self.write_current(&path, &plan, &holders).await {
            shard.change_followers(|followers| {
                followers.retain(|known| known != follower);
                followers.push(follower.to_owned());
            });
            Response::json(200, &json!({"digest": format!("{digest:016x}")}))
        } else {
            self.wake.notify_one();
            Response::error(503, 1477, "the agency does not take the follower")
        }
    }
}
