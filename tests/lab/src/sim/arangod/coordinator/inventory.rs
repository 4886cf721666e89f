//! Which shards are where, planned and now: the cluster inventory and the shard distribution.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::super::cluster::{Catalog, Collection, bare};
use super::Coordinator;
use crate::sim::http::{Request, Response};

/// Answers the inventory of one database.
pub async fn answer(coordinator: &Coordinator, request: &Request) -> Response {
    let catalog = match coordinator.reload().await {
        Ok(catalog) => catalog,
        Err(error) => return super::agency_away(&error),
    };
    if !catalog.databases.contains_key(&request.database) {
        return Response::error(404, 1228, "database not found");
    }
    let system = request.query("includeSystem") == Some("true");
    // Early 3.3 does not say whether all copies are in sync.
    let says_all = coordinator.server.version.at_least(3, 3, 10);
    let collections: Vec<Value> = catalog
        .collections
        .iter()
        .filter(|one| one.database == request.database)
        .filter(|one| system || !one.name.starts_with('_'))
        .map(|one| entry(&catalog, one, says_all))
        .collect();
    Response::json(
        200,
        &json!({"collections": collections, "views": [], "tick": "1", "state": "unused"}),
    )
}

fn entry(catalog: &Catalog, collection: &Collection, says_all: bool) -> Value {
    let mut ready = true;
    let mut in_sync = true;
    for (shard, plan) in &collection.shards {
        let current = catalog.servers_of(&collection.path(shard));
        ready &= is_ready(plan, current);
        in_sync &= is_ready(plan, current)
            && plan.iter().collect::<BTreeSet<_>>() == current.iter().collect::<BTreeSet<_>>();
    }
    let mut entry = json!({
        "parameters": collection.planned,
        "indexes": [],
        "planVersion": catalog.plan_version,
        "isReady": ready,
    });
    if let (true, Value::Object(entry)) = (says_all, &mut entry) {
        entry.insert("allInSync".to_owned(), json!(in_sync));
    }
    entry
}

fn is_ready(plan: &[String], current: &[String]) -> bool {
    plan.first().is_some_and(|leader| !leader.starts_with('_')) && plan.first() == current.first()
}

/// Returns the distribution of a database's shards, with the servers' short names.
pub fn distribution(catalog: &Catalog, database: &str) -> Value {
    let own = catalog
        .collections
        .iter()
        .filter(|one| one.database == database);
    let mut results = Map::new();
    for collection in own {
        let mut plan = Map::new();
        let mut current = Map::new();
        for (shard, servers) in &collection.shards {
            plan.insert(shard.clone(), named(catalog, servers));
            let known = catalog.servers_of(&collection.path(shard));
            if !known.is_empty() {
                current.insert(shard.clone(), named(catalog, known));
            }
        }
        results.insert(
            collection.name.clone(),
            json!({"Plan": plan, "Current": current}),
        );
    }
    json!({"results": results, "error": false, "code": 200})
}

fn named(catalog: &Catalog, servers: &[String]) -> Value {
    let name = |id: &String| {
        let short = catalog.short_names.get(bare(id)).cloned();
        let short = short.unwrap_or_else(|| bare(id).to_owned());
        if id.starts_with('_') {
            format!("_{short}")
        } else {
            short
        }
    };
    let mut all = servers.iter().map(name);
    let leader = all.next().unwrap_or_default();
    json!({"leader": leader, "followers": all.collect::<Vec<_>>()})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ready_and_in_sync_are_told_apart() {
        let catalog = |plan: Value, current: Value| {
            Catalog::of(&json!({"arango": {
                "Plan": {"Collections": {"db": {"1": {"name": "c", "shards": {"s1": plan}}}}},
                "Current": {"Collections": {"db": {"1": {"s1": {"servers": current}}}}}
            }}))
        };
        for (plan, current, ready, in_sync) in [
            (json!(["A", "B"]), json!(["A", "B"]), true, true),
            (json!(["A", "B", "C"]), json!(["A", "C", "B"]), true, true),
            (json!(["A", "B"]), json!(["A"]), true, false),
            (json!(["A", "B"]), json!(["B", "A"]), false, false),
            (json!(["_A", "B"]), json!(["_A", "B"]), false, false),
            (json!(["A", "B"]), json!([]), false, false),
        ] {
            let catalog = catalog(plan.clone(), current.clone());
            let entry = entry(&catalog, &catalog.collections[0], true);
            assert_eq!(entry["isReady"], ready, "{plan} {current}");
            assert_eq!(entry["allInSync"], in_sync, "{plan} {current}");
        }
        let plain = catalog(json!(["A"]), json!(["A"]));
        assert!(
            super::entry(&plain, &plain.collections[0], false)
                .get("allInSync")
                .is_none()
        );
    }
}
