//! Resigning a server's leadership: one move to an in-sync follower for each shard it leads.

use super::super::cluster::{Catalog, leader_of};
use super::move_shard::{MoveShard, Servers};

/// Returns the moves that take every led shard away from a server, where a follower is ready.
pub fn moves(job_id: &str, server: &str, catalog: &Catalog, servers: &Servers) -> Vec<MoveShard> {
    let mut found = Vec::new();
    for collection in catalog.collections.iter().filter(|one| one.like.is_none()) {
        for (shard, plan) in &collection.shards {
            if leader_of(plan) != Some(server) {
                continue;
            }
            let path = collection.path(shard);
            let clones = catalog.clones_of(&path);
            let heir = plan.iter().skip(1).find(|heir| {
                servers.good.contains(*heir)
                    && !servers.failed.contains(*heir)
                    && !servers.cleaned.contains(*heir)
                    && !servers.alone.contains(*heir)
                    && clones
                        .iter()
                        .all(|clone| catalog.servers_of(clone).contains(*heir))
            });
            if let Some(heir) = heir {
                found.push(MoveShard {
                    job_id: format!("{job_id}-{}", found.len()),
                    database: path.database,
                    collection: path.collection,
                    shard: path.shard,
                    from_server: server.to_owned(),
                    to_server: heir.clone(),
                    is_leader: true,
                    remains_follower: true,
                });
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn each_led_shard_goes_to_a_follower_that_is_ready() {
        let catalog = Catalog::of(&json!({"arango": {
            "Plan": {"Collections": {"db": {
                "1": {"name": "c", "shards": {
                    "s1": ["A", "B"], "s2": ["B", "A"], "s3": ["A", "B", "C"], "s4": ["A"]}},
                "2": {"name": "d", "distributeShardsLike": "1", "shards": {
                    "s5": ["A", "B"], "s6": ["B", "A"], "s7": ["A", "B", "C"], "s8": ["A"]}}
            }}},
            "Current": {"Collections": {"db": {
                "1": {"s1": {"servers": ["A", "B"]}, "s3": {"servers": ["A", "B", "C"]}},
                "2": {"s5": {"servers": ["A", "B"]}, "s7": {"servers": ["A", "C"]}}
            }}}
        }}));
        let servers = Servers {
            good: ["A", "B", "C"].map(str::to_owned).into(),
            ..Servers::default()
        };
        let away = |servers: &Servers| -> Vec<(String, String, String)> {
            let moves = moves("9", "A", &catalog, servers).into_iter();
            moves
                .map(|job| (job.job_id, job.shard, job.to_server))
                .collect()
        };
        let found = away(&servers);
        let expected = [("9-0", "s1", "B"), ("9-1", "s3", "C")];
        let expected: Vec<_> = expected
            .map(|(id, shard, to)| (id.to_owned(), shard.to_owned(), to.to_owned()))
            .into();
        assert_eq!(found, expected);
        let servers = Servers {
            alone: ["B"].map(str::to_owned).into(),
            ..servers
        };
        let to: Vec<String> = away(&servers).into_iter().map(|(_, _, to)| to).collect();
        assert_eq!(to, ["C"], "B is about to be away itself");
    }
}
