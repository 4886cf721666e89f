//! A follower that is not in sync copies what it lacks and asks to be let in.
//!
//! Equal content is found by a digest and costs nothing but the minimum delay; otherwise
//! every document that differs is copied, at the rate that the switches give.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};

use super::super::cluster::{Catalog, leader_of};
use super::DbServer;
use super::documents::Change;
use super::shard::{Shard, Standing};

const LIMIT: Duration = Duration::from_secs(10);
const BATCH: usize = 500;

/// Begins to catch up on every shard that needs it and is not being worked on.
pub fn begin(dbserver: &Arc<DbServer>, catalog: &Catalog) {
    let switches = dbserver.server.live.now();
    if !may_catch_up(
        switches.resync,
        switches.resync_in_maintenance,
        catalog.maintenance,
    ) {
        return;
    }
    for (path, servers) in catalog.planned() {
        let own = &dbserver.server.id;
        let current = catalog.servers_of(&path);
        let lacks = servers.iter().skip(1).any(|server| server == own)
            && !current.contains(own)
            // A leader that has not taken over yet cannot be copied from.
            && leader_of(servers).is_some()
            && leader_of(servers) == leader_of(current);
        if !lacks {
            continue;
        }
        let Some(shard) = dbserver.shard(&path.shard) else {
            continue;
        };
        let mut busy = dbserver
            .catching_up
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if busy.insert(path.shard.clone()) {
            let dbserver = Arc::clone(dbserver);
            tokio::spawn(async move {
                if let Err(why) = catch_up(&dbserver, &shard).await {
                    dbserver.server.log.info(&format!(
                        "{{replication}} shard {} is not in sync yet: {why}",
                        shard.name()
                    ));
                }
                dbserver
                    .catching_up
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .remove(shard.name());
                dbserver.wake.notify_one();
            });
        }
    }
}

/// Tells whether the switches let followers catch up now.
fn may_catch_up(at_all: bool, in_maintenance: bool, maintenance: bool) -> bool {
    at_all && (in_maintenance || !maintenance)
}

async fn catch_up(dbserver: &DbServer, shard: &Shard) -> Result<(), String> {
    let Standing::Follower { leader } = shard.standing() else {
        return Err("it does not follow".to_owned());
    };
    let switches = dbserver.server.live.now();
    tokio::time::sleep(switches.timer(switches.resync_delay_ms)).await;
    let name = shard.name();
    let ask = |method: &'static str, path: String, body: Value| {
        let leader = leader.clone();
        async move {
            let reply = dbserver
                .ask(&leader, method, &path, &body, LIMIT)
                .await
                .map_err(|error| error.to_string())?;
            if reply.status == 200 {
                Ok(reply.json())
            } else {
                Err(format!("{leader} answers {}", reply.status))
            }
        }
    };
    let own = format!("{:016x}", shard.documents().digest());
    let path = format!("/_api/replication/revisions/{name}?unless={own}");
    let listing = ask("GET", path, Value::Null).await?;
    let known = if let Some(revisions) = listing.get("revisions") {
        let theirs: BTreeMap<String, u64> =
            serde_json::from_value(revisions.clone()).map_err(|error| error.to_string())?;
        let difference = differences(&shard.documents().revisions(), &theirs);
        for keys in difference.copy.chunks(BATCH) {
            pace(&switches, keys.len()).await;
            let path = format!("/_api/replication/documents/{name}");
            let copied = ask("PUT", path, json!(keys)).await?;
            let changes: Vec<Change> =
                serde_json::from_value(copied).map_err(|error| error.to_string())?;
            take_over(shard, &[], changes)?;
        }
        take_over(shard, &difference.drop, Vec::new())?;
        theirs.values().copied().max().unwrap_or(0)
    } else {
        let own = shard.documents().revisions();
        own.values().copied().max().unwrap_or(0)
    };
    let path = format!("/_api/replication/addFollower/{name}");
    let body = json!({"follower": dbserver.server.id, "revision": known});
    let let_in = ask("PUT", path, body).await?;
    dbserver.server.log.info(&format!(
        "{{replication}} shard {name} is in sync with {leader} ({})",
        let_in.get("digest").and_then(Value::as_str).unwrap_or("")
    ));
    Ok(())
}

fn take_over(shard: &Shard, drop_keys: &[String], changes: Vec<Change>) -> Result<(), String> {
    shard
        .documents()
        .take_over(drop_keys, changes)
        .map_err(|error| error.to_string())
}

async fn pace(switches: &crate::sim::switches::Switches, count: usize) {
    let rate = switches.resync_documents_per_s.max(1);
    let ms = u64::try_from(count).unwrap_or(0) * 1000 / rate;
    tokio::time::sleep(switches.timer(ms)).await;
}

/// What a follower must change to be as its leader.
#[derive(Debug, Default, PartialEq, Eq)]
struct Difference {
    copy: Vec<String>,
    drop: Vec<String>,
}

fn differences(own: &BTreeMap<String, u64>, theirs: &BTreeMap<String, u64>) -> Difference {
    Difference {
        copy: theirs
            .iter()
            .filter(|(key, revision)| own.get(*key) != Some(revision))
            .map(|(key, _)| key.clone())
            .collect(),
        drop: own
            .keys()
            .filter(|key| !theirs.contains_key(*key))
            .cloned()
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_follower_copies_what_differs_and_drops_what_never_counted() {
        let map = |pairs: &[(&str, u64)]| -> BTreeMap<String, u64> {
            pairs
                .iter()
                .map(|(key, rev)| ((*key).to_owned(), *rev))
                .collect()
        };
        let own = map(&[("same", 1), ("older", 2), ("newer", 9), ("mine", 3)]);
        let theirs = map(&[("same", 1), ("older", 5), ("newer", 8), ("theirs", 7)]);
        let found = differences(&own, &theirs);
        assert_eq!(found.copy, ["newer", "older", "theirs"]);
        assert_eq!(found.drop, ["mine"]);
        assert_eq!(differences(&own, &own), Difference::default());
    }

    #[test]
    fn maintenance_keeps_followers_out_only_where_the_switch_says_so() {
        for (at_all, in_maintenance, maintenance, may) in [
            (true, true, true, true),
            (true, true, false, true),
            (true, false, true, false),
            (true, false, false, true),
            (false, true, false, false),
        ] {
            assert_eq!(may_catch_up(at_all, in_maintenance, maintenance), may);
        }
    }
}
