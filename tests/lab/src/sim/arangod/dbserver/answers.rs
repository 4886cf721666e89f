//! What a DB-Server answers over HTTP: documents of its shards, and other servers' copying.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::DbServer;
use super::documents::Change;
use super::replication::{Write, not_leader};
use super::shard::{Shard, Standing};
use crate::sim::http::{Request, Response};

/// Answers one request.
pub async fn answer(dbserver: &DbServer, request: &Request) -> Response {
    let segments = request.segments();
    match (request.method.as_str(), segments.as_slice()) {
        ("POST", ["_api", "agency", "agency-callbacks", _]) => {
            dbserver.wake.notify_one();
            Response::json(202, &json!({"error": false, "code": 202}))
        }
        (method, ["_api", "document", shard, rest @ ..]) => {
            let Some(shard) = dbserver.shard(shard) else {
                // The plan that sent the client here may be older or newer than ours.
                dbserver.wake.notify_one();
                return Response::error(404, 1203, "collection or view not found");
            };
            document(dbserver, method, &shard, rest.first().copied(), request).await
        }
        (method, ["_api", "replication", what, shard]) => match dbserver.shard(shard) {
            Some(shard) => replication(dbserver, method, what, &shard, request).await,
            None => Response::error(404, 1203, "collection or view not found"),
        },
        ("GET", ["_api", "collection", shard, "figures"]) => match dbserver.shard(shard) {
            Some(shard) => {
                let documents = shard.documents();
                Response::json(
                    200,
                    &json!({"count": documents.count(), "size": documents.size()}),
                )
            }
            None => Response::error(404, 1203, "collection or view not found"),
        },
        _ => Response::unknown_path(&request.path),
    }
}

async fn document(
    dbserver: &DbServer,
    method: &str,
    shard: &Arc<Shard>,
    key: Option<&str>,
    request: &Request,
) -> Response {
    if method == "GET" {
        return match key {
            Some(key) => read(shard, key),
            None => Response::wrong_method(),
        };
    }
    let Ok(Value::Object(mut body)) = request.json() else {
        return Response::error(400, 600, "expecting a document");
    };
    let in_body = body.get("_key").and_then(Value::as_str).map(str::to_owned);
    for system in ["_key", "_id", "_rev"] {
        body.shift_remove(system);
    }
    let (must_exist, merge) = match method {
        "POST" => (Some(false), false),
        "PUT" => (Some(true), false),
        "PATCH" => (Some(true), true),
        _ => return Response::wrong_method(),
    };
    let Some(key) = key.map(str::to_owned).or(in_body) else {
        return Response::error(400, 1221, "illegal document key");
    };
    let overwrite = request.query("overwrite") == Some("true");
    let write = Write {
        key,
        body,
        must_exist: if overwrite { None } else { must_exist },
        merge,
    };
    dbserver.write(shard, write).await
}

fn read(shard: &Shard, key: &str) -> Response {
    let standing = shard.standing();
    if !matches!(standing, Standing::Leader { .. }) {
        return not_leader(&standing);
    }
    let documents = shard.documents();
    match documents.get(key) {
        Some(document) => {
            let mut body: Map<String, Value> = document.body.clone();
            body.insert("_key".into(), json!(key));
            body.insert("_rev".into(), json!(format!("{:x}", document.revision)));
            Response::json(200, &Value::Object(body))
        }
        None => Response::error(404, 1202, "document not found"),
    }
}

async fn replication(
    dbserver: &DbServer,
    method: &str,
    what: &str,
    shard: &Arc<Shard>,
    request: &Request,
) -> Response {
    let body = request.json().unwrap_or_default();
    let text = |name: &str| body.get(name).and_then(Value::as_str).unwrap_or_default();
    match (method, what) {
        ("GET", "revisions") => {
            if shard.followers().is_none() {
                return not_leader(&shard.standing());
            }
            let documents = shard.documents();
            let digest = format!("{:016x}", documents.digest());
            if request.query("unless") == Some(digest.as_str()) {
                return Response::json(200, &json!({"equal": true}));
            }
            Response::json(200, &json!({"revisions": documents.revisions()}))
        }
        ("PUT", "documents") => {
            let documents = shard.documents();
            let keys = body.as_array().into_iter().flatten();
            let found: Vec<Change> = keys
                .filter_map(Value::as_str)
                .filter_map(|key| documents.change_of(key))
                .collect();
            Response::json(200, &json!(found))
        }
        ("PUT", "apply") => {
            let changes = body.get("changes").cloned().unwrap_or_default();
            match serde_json::from_value::<Vec<Change>>(changes) {
                Ok(changes) => dbserver.take(shard, text("leader"), changes).await,
                Err(error) => Response::error(400, 600, &error.to_string()),
            }
        }
        ("PUT", "addFollower") => {
            let revision = body.get("revision").and_then(Value::as_u64).unwrap_or(0);
            dbserver
                .add_follower(shard, text("follower"), revision)
                .await
        }
        _ => Response::wrong_method(),
    }
}
