//! What an operator asks of the cluster: numbers, shards, jobs.

use serde_json::{Map, Value, json};

use super::Coordinator;
use super::inventory;
use crate::sim::http::{Request, Response};
use crate::sim::time;

type Answered = Result<Response, Response>;

/// Answers one request.
pub async fn answer(coordinator: &Coordinator, request: &Request) -> Response {
    let segments = request.segments();
    let what = segments.get(2).copied().unwrap_or_default();
    let answered = match (request.method.as_str(), what) {
        ("GET", "numberOfServers") => numbers(coordinator).await,
        ("PUT", "numberOfServers") => set_numbers(coordinator, request).await,
        ("GET", "shardDistribution") => distribution(coordinator, request).await,
        ("POST", "moveShard") => move_shard(coordinator, request).await,
        ("POST", "resignLeadership") if coordinator.server.version.can_resign_leadership() => {
            resign(coordinator, request).await
        }
        ("GET", "queryAgencyJob") => job(coordinator, request).await,
        (_, "numberOfServers" | "shardDistribution" | "moveShard" | "queryAgencyJob") => {
            Ok(Response::wrong_method())
        }
        _ => Ok(Response::unknown_path(&request.path)),
    };
    answered.unwrap_or_else(|response| response)
}

async fn numbers(coordinator: &Coordinator) -> Answered {
    let target = coordinator
        .agency_read("/arango/Target")
        .await?
        .unwrap_or_default();
    let field = |name: &str| target.get(name).cloned().unwrap_or_default();
    Ok(Response::json(
        200,
        &json!({
            "numberOfCoordinators": field("NumberOfCoordinators"),
            "numberOfDBServers": field("NumberOfDBServers"),
            "cleanedServers": field("CleanedServers"),
            "error": false,
            "code": 200,
        }),
    ))
}

async fn set_numbers(coordinator: &Coordinator, request: &Request) -> Answered {
    let body = request.json().unwrap_or_default();
    let mut operations = Map::new();
    for (from, to) in [
        ("numberOfCoordinators", "NumberOfCoordinators"),
        ("numberOfDBServers", "NumberOfDBServers"),
        ("cleanedServers", "CleanedServers"),
    ] {
        if let Some(value) = body.get(from) {
            operations.insert(
                format!("/arango/Target/{to}"),
                json!({"op": "set", "new": value}),
            );
        }
    }
    coordinator
        .agency_write(&Value::Object(operations), &json!({}))
        .await?;
    Ok(Response::json(200, &json!({"error": false, "code": 200})))
}

async fn distribution(coordinator: &Coordinator, request: &Request) -> Answered {
    let catalog = coordinator.reload().await;
    let catalog = catalog.map_err(|error| super::agency_away(&error))?;
    Ok(Response::json(
        200,
        &inventory::distribution(&catalog, &request.database),
    ))
}

fn text<'a>(body: &'a Value, name: &str) -> Result<&'a str, Response> {
    body.get(name).and_then(Value::as_str).ok_or_else(|| {
        Response::error(
            400,
            400,
            &format!("body must be an object with a string attribute '{name}'"),
        )
    })
}

async fn move_shard(coordinator: &Coordinator, request: &Request) -> Answered {
    let body = request.json().unwrap_or_default();
    let catalog = coordinator.reload().await;
    let catalog = catalog.map_err(|error| super::agency_away(&error))?;
    let server = |name: &str| -> Result<String, Response> {
        let given = text(&body, name)?;
        let by_short = catalog
            .short_names
            .iter()
            .find(|(_, short)| *short == given);
        Ok(by_short.map_or(given, |(id, _)| id).to_owned())
    };
    let (database, shard) = (text(&body, "database")?, text(&body, "shard")?);
    let (from, to) = (server("fromServer")?, server("toServer")?);
    let collection = catalog
        .collection(database, text(&body, "collection")?)
        .ok_or_else(|| Response::error(404, 1203, "collection or view not found"))?;
    if collection.like.is_some() {
        return Err(Response::error(
            403,
            11,
            "MoveShard only allowed for collections which have distributeShardsLike unset.",
        ));
    }
    let plan = collection
        .shards
        .get(shard)
        .ok_or_else(|| Response::error(400, 400, "shard not found in collection"))?;
    let Some(place) = plan.iter().position(|server| *server == from) else {
        return Err(Response::error(
            400,
            400,
            "fromServer does not hold the shard",
        ));
    };
    let remains = body.get("remainsFollower").and_then(Value::as_bool);
    let id = put_job(
        coordinator,
        json!({
            "type": "moveShard",
            "database": database,
            "collection": collection.id,
            "shard": shard,
            "fromServer": from,
            "toServer": to,
            "isLeader": place == 0,
            "remainsFollower": place == 0 && remains.unwrap_or(false),
        }),
    )
    .await?;
    Ok(Response::json(
        202,
        &json!({"error": false, "code": 202, "id": id}),
    ))
}

async fn resign(coordinator: &Coordinator, request: &Request) -> Answered {
    let body = request.json().unwrap_or_default();
    let given = text(&body, "server")?;
    let catalog = coordinator.catalog();
    let by_short = catalog
        .short_names
        .iter()
        .find(|(_, short)| *short == given);
    let server = by_short.map_or(given, |(id, _)| id);
    if !catalog.dbservers.contains(server) {
        return Err(Response::error(404, 404, "unknown server"));
    }
    let id = put_job(
        coordinator,
        json!({"type": "resignLeadership", "server": server}),
    )
    .await?;
    Ok(Response::json(
        202,
        &json!({"error": false, "code": 202, "id": id}),
    ))
}

/// Puts a job in front of supervision; returns its identifier.
async fn put_job(coordinator: &Coordinator, mut job: Value) -> Result<String, Response> {
    let id = coordinator.take_ids(1).await?.to_string();
    if let Value::Object(job) = &mut job {
        job.insert("jobId".into(), json!(id));
        job.insert("creator".into(), json!(coordinator.server.id));
        job.insert("timeCreated".into(), json!(time::iso(time::unix_ms())));
    }
    let operations = json!({format!("/arango/Target/ToDo/{id}"): {"op": "set", "new": job}});
    coordinator.agency_write(&operations, &json!({})).await?;
    coordinator.server.count("job-asked", &json!({"id": id}));
    Ok(id)
}

async fn job(coordinator: &Coordinator, request: &Request) -> Answered {
    let Some(id) = request.query("id") else {
        return Err(Response::error(400, 400, "id is missing"));
    };
    let target = coordinator
        .agency_read("/arango/Target")
        .await?
        .unwrap_or_default();
    for status in ["ToDo", "Pending", "Finished", "Failed"] {
        if let Some(job) = target.get(status).and_then(|jobs| jobs.get(id)) {
            return Ok(Response::json(
                200,
                &json!({"error": false, "id": id, "status": status, "job": job, "code": 200}),
            ));
        }
    }
    Ok(Response::json(
        404,
        &json!({"error": true, "id": id, "status": "", "job": null, "code": 404,
                "errorMessage": "job not found"}),
    ))
}
