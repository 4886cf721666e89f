//! Databases and collections: made in the agency's plan, there when its current says so.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::super::cluster::{Catalog, Collection, leader_of};
use super::Coordinator;
use crate::sim::http::{Request, Response};

/// Answers one request.
pub async fn answer(coordinator: &Coordinator, request: &Request) -> Response {
    let segments = request.segments();
    let answered = match (request.method.as_str(), segments.as_slice()) {
        ("GET", ["_api", "database"] | ["_api", "database", "user"]) => {
            databases(coordinator).await
        }
        ("GET", ["_api", "database", "current"]) => Ok(Response::json(
            200,
            &json!({"result": {"name": request.database, "isSystem": request.database == "_system"},
                    "error": false, "code": 200}),
        )),
        ("POST", ["_api", "database"]) => make_database(coordinator, request).await,
        ("GET", ["_api", "collection"]) => list(coordinator, &request.database).await,
        ("POST", ["_api", "collection"]) => make(coordinator, request).await,
        ("DELETE", ["_api", "collection", name]) => {
            remove(coordinator, &request.database, name).await
        }
        ("GET", ["_api", "collection", name, rest @ ..]) => {
            show(coordinator, &request.database, name, rest.first().copied()).await
        }
        _ => Ok(Response::wrong_method()),
    };
    answered.unwrap_or_else(|response| response)
}

type Answered = Result<Response, Response>;

async fn fresh(coordinator: &Coordinator) -> Result<std::sync::Arc<Catalog>, Response> {
    let loaded = coordinator.reload().await;
    loaded.map_err(|error| super::agency_away(&error))
}

async fn databases(coordinator: &Coordinator) -> Answered {
    let catalog = fresh(coordinator).await?;
    let names: Vec<&String> = catalog.databases.keys().collect();
    Ok(Response::json(
        200,
        &json!({"result": names, "error": false, "code": 200}),
    ))
}

async fn make_database(coordinator: &Coordinator, request: &Request) -> Answered {
    let body = request.json().unwrap_or_default();
    let Some(name) = body.get("name").and_then(Value::as_str) else {
        return Err(Response::error(400, 1229, "database name invalid"));
    };
    let id = coordinator.take_ids(1).await?.to_string();
    let path = format!("/arango/Plan/Databases/{name}");
    let operations = json!({
        path.clone(): {"op": "set", "new": {"id": id, "name": name}},
        format!("/arango/Plan/Collections/{name}"): {"op": "set", "new": {}},
        "/arango/Plan/Version": {"op": "increment"},
    });
    if !coordinator
        .agency_write(&operations, &json!({path: {"oldEmpty": true}}))
        .await?
    {
        return Err(Response::error(409, 1207, "duplicate name"));
    }
    fresh(coordinator).await?;
    Ok(Response::json(
        201,
        &json!({"result": true, "error": false, "code": 201}),
    ))
}

fn face(collection: &Collection) -> Value {
    json!({
        "id": collection.id,
        "name": collection.name,
        "isSystem": collection.name.starts_with('_'),
        "status": 3,
        "type": 2,
    })
}

async fn list(coordinator: &Coordinator, database: &str) -> Answered {
    let catalog = fresh(coordinator).await?;
    let own = catalog
        .collections
        .iter()
        .filter(|one| one.database == database);
    let faces: Vec<Value> = own.map(face).collect();
    Ok(Response::json(
        200,
        &json!({"result": faces, "error": false, "code": 200}),
    ))
}

fn not_found() -> Response {
    Response::error(404, 1203, "collection or view not found")
}

async fn show(
    coordinator: &Coordinator,
    database: &str,
    name: &str,
    what: Option<&str>,
) -> Answered {
    let catalog = fresh(coordinator).await?;
    let collection = catalog.collection(database, name).ok_or_else(not_found)?;
    let mut shown = face(collection);
    let mut add = |name: &str, value: Value| {
        if let Value::Object(shown) = &mut shown {
            shown.insert(name.to_owned(), value);
        }
    };
    match what {
        Some("shards") => {
            let names: Vec<&String> = collection.shards.keys().collect();
            add("shards", json!(names));
        }
        Some("count" | "figures") => {
            let (count, size) = figures(coordinator, &catalog, collection).await?;
            add("count", json!(count));
            if what == Some("figures") {
                add(
                    "figures",
                    json!({"alive": {"count": count, "size": size},
                                      "documentsSize": size}),
                );
            }
        }
        Some("properties") => {
            for field in [
                "numberOfShards",
                "replicationFactor",
                "shardKeys",
                "distributeShardsLike",
            ] {
                if let Some(value) = collection.planned.get(field) {
                    add(field, value.clone());
                }
            }
        }
        _ => {}
    }
    Ok(Response::json(200, &shown))
}

/// Asks every shard's leader how many documents and bytes it holds.
async fn figures(
    coordinator: &Coordinator,
    catalog: &Catalog,
    collection: &Collection,
) -> Result<(u64, u64), Response> {
    let mut total = (0, 0);
    for shard in collection.shards.keys() {
        let servers = catalog.servers_of(&collection.path(shard));
        let endpoint = leader_of(servers).and_then(|leader| catalog.endpoints.get(leader));
        let path = format!("/_api/collection/{shard}/figures");
        let endpoint = endpoint.cloned().unwrap_or_default();
        let asked = coordinator
            .ask(&endpoint, &path, Duration::from_secs(10))
            .await;
        let reply = asked.map_err(|error| Response::error(503, 1477, &error.to_string()))?;
        let held = reply.json();
        let number = |name: &str| held.get(name).and_then(Value::as_u64).unwrap_or(0);
        total = (total.0 + number("count"), total.1 + number("size"));
    }
    Ok(total)
}

/// What a new collection is to be.
#[derive(Debug)]
pub struct Wanted<'a> {
    /// Its database.
    pub database: &'a str,
    /// Its name.
    pub name: &'a str,
    /// How many shards.
    pub shards: u64,
    /// How many copies.
    pub copies: u64,
    /// The collection whose shards it follows.
    pub like: Option<&'a str>,
}

async fn make(coordinator: &Coordinator, request: &Request) -> Answered {
    let body = request.json().unwrap_or_default();
    let number = |name: &str| body.get(name).and_then(Value::as_u64).unwrap_or(1).max(1);
    let text = |name: &str| body.get(name).and_then(Value::as_str);
    let Some(name) = text("name").filter(|name| !name.is_empty()) else {
        return Err(Response::error(400, 1208, "illegal name"));
    };
    let wanted = Wanted {
        database: &request.database,
        name,
        shards: number("numberOfShards"),
        copies: number("replicationFactor"),
        like: text("distributeShardsLike").filter(|like| !like.is_empty()),
    };
    let id = coordinator.make_collection(&wanted).await?;
    Ok(Response::json(
        200,
        &json!({"id": id, "name": name, "status": 3, "type": 2, "isSystem": name.starts_with('_'),
                "error": false, "code": 200}),
    ))
}

impl Coordinator {
    /// Makes a collection and waits until all its copies are in sync.
    pub(super) async fn make_collection(&self, wanted: &Wanted<'_>) -> Result<String, Response> {
        let catalog = fresh(self).await?;
        if !catalog.databases.contains_key(wanted.database) {
            return Err(Response::error(404, 1228, "database not found"));
        }
        if catalog.collection(wanted.database, wanted.name).is_some() {
            return Err(Response::error(409, 1207, "duplicate name"));
        }
        let first = self.take_ids(wanted.shards + 1).await?;
        let shards = distribute(&catalog, wanted, first)?;
        let id = first.to_string();
        let mut planned = json!({
            "id": id, "planId": id, "name": wanted.name, "type": 2, "status": 3,
            "deleted": false, "isSystem": wanted.name.starts_with('_'), "waitForSync": false,
            "numberOfShards": shards.len(), "replicationFactor": wanted.copies,
            "shardKeys": ["_key"], "shards": shards,
            "indexes": [{"id": "0", "type": "primary", "fields": ["_key"], "unique": true}],
        });
        if let (Some(like), Value::Object(planned)) = (wanted.like, &mut planned) {
            let prototype = catalog
                .collection(wanted.database, like)
                .ok_or_else(not_found)?;
            planned.insert("distributeShardsLike".into(), json!(prototype.id));
        }
        let path = format!("/arango/Plan/Collections/{}/{id}", wanted.database);
        let operations = json!({
            path.clone(): {"op": "set", "new": planned},
            "/arango/Plan/Version": {"op": "increment"},
        });
        let conditions = json!({
            path: {"oldEmpty": true},
            "/arango/Plan/Version": {"old": catalog.plan_version},
        });
        if !self.agency_write(&operations, &conditions).await? {
            return Err(Response::error(
                409,
                1496,
                "the plan changed meanwhile, try again",
            ));
        }
        self.wait_for_copies(wanted.database, &id).await?;
        Ok(id)
    }

    async fn wait_for_copies(&self, database: &str, id: &str) -> Result<(), Response> {
        let end = tokio::time::Instant::now() + Duration::from_mins(1);
        while tokio::time::Instant::now() < end {
            let catalog = fresh(self).await?;
            let collection = catalog.collection(database, id);
            let there = collection.is_some_and(|collection| {
                collection.shards.iter().all(|(shard, plan)| {
                    let current = catalog.servers_of(&collection.path(shard));
                    current.len() == plan.len() && current.first() == plan.first()
                })
            });
            if there {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        Err(Response::error(500, 1457, "timeout in cluster operation"))
    }
}

/// Returns the shards of a new collection, each with its servers.
fn distribute(
    catalog: &Catalog,
    wanted: &Wanted<'_>,
    first: u64,
) -> Result<Map<String, Value>, Response> {
    let mut shards = Map::new();
    if let Some(like) = wanted.like {
        let prototype = catalog
            .collection(wanted.database, like)
            .ok_or_else(not_found)?;
        for (number, servers) in (first + 1..).zip(prototype.shards.values()) {
            shards.insert(format!("s{number}"), json!(servers));
        }
        return Ok(shards);
    }
    let servers: Vec<&String> = catalog.dbservers.iter().collect();
    let copies = usize::try_from(wanted.copies).unwrap_or(usize::MAX);
    if copies > servers.len() {
        return Err(Response::error(
            400,
            1478,
            "insufficient number of DBservers",
        ));
    }
    // Where the round begins differs, or one server would lead every small collection.
    let turn = usize::try_from(first % 97).unwrap_or(0);
    for (place, number) in (first + 1..=first + wanted.shards).enumerate() {
        let chosen: Vec<&String> = servers
            .iter()
            .cycle()
            .skip(turn + place)
            .take(copies)
            .copied()
            .collect();
        shards.insert(format!("s{number}"), json!(chosen));
    }
    Ok(shards)
}

async fn remove(coordinator: &Coordinator, database: &str, name: &str) -> Answered {
    let catalog = fresh(coordinator).await?;
    let collection = catalog.collection(database, name).ok_or_else(not_found)?;
    let operations = json!({
        format!("/arango/Plan/Collections/{database}/{}", collection.id): {"op": "delete"},
        format!("/arango/Current/Collections/{database}/{}", collection.id): {"op": "delete"},
        "/arango/Plan/Version": {"op": "increment"},
    });
    coordinator.agency_write(&operations, &json!({})).await?;
    fresh(coordinator).await?;
    Ok(Response::json(
        200,
        &json!({"id": collection.id, "error": false, "code": 200}),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn catalog() -> Catalog {
        Catalog::of(&json!({"arango": {"Plan": {
            "DBServers": {"A": "none", "B": "none", "C": "none"},
            "Collections": {"db": {"1": {"name": "p", "shards": {"s2": ["B", "C"], "s3": ["C", "A"]}}}}
        }}}))
    }

    fn wanted(shards: u64, copies: u64, like: Option<&'static str>) -> Wanted<'static> {
        Wanted {
            database: "db",
            name: "c",
            shards,
            copies,
            like,
        }
    }

    #[test]
    fn shards_spread_their_leaders_over_all_servers() {
        let shards = distribute(&catalog(), &wanted(6, 2, None), 100).unwrap();
        assert_eq!(shards.len(), 6);
        for server in ["A", "B", "C"] {
            let led = shards.values().filter(|list| list[0] == server).count();
            assert_eq!(led, 2, "{server}");
        }
        assert!(shards.values().all(|list| list[0] != list[1]));
    }

    #[test]
    fn a_collection_distributed_like_another_has_its_servers() {
        let shards = distribute(&catalog(), &wanted(9, 9, Some("p")), 100).unwrap();
        let lists: Vec<&Value> = shards.values().collect();
        assert_eq!(lists, [&json!(["B", "C"]), &json!(["C", "A"])]);
    }

    #[test]
    fn more_copies_than_servers_are_refused() {
        assert_eq!(
            distribute(&catalog(), &wanted(1, 4, None), 1)
                .unwrap_err()
                .status,
            400
        );
    }
}
