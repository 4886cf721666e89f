//! Reading and writing documents through a coordinator.
//!
//! A leader that cannot be reached, or says that it is none, is looked for again by the
//! [`Schedule`]. An answer, good or bad, goes to the client; so does the loss of a leader
//! that had the request already.

use std::sync::atomic::Ordering;
use std::time::Duration;

use serde_json::{Value, json};

use super::super::cluster::{Catalog, ShardPath, leader_of, responsible_shard};
use super::Coordinator;
use super::retry::Schedule;
use crate::sim::http::{Call, CallError, Reply, Request, Response, Target, call};
use crate::sim::time;

/// What is asked of a shard's leader.
#[derive(Debug)]
struct Question<'a> {
    method: &'a str,
    database: &'a str,
    collection: &'a str,
    key: String,
    body: Vec<u8>,
    query: String,
}

/// Answers one request.
pub async fn answer(coordinator: &Coordinator, request: &Request) -> Response {
    let segments = request.segments();
    let method = request.method.as_str();
    let (collection, key, body) = match (method, segments.as_slice()) {
        ("POST", [_, _, collection]) => match keyed(coordinator, request).await {
            Ok((key, body)) => (*collection, key, body),
            Err(response) => return response,
        },
        ("GET" | "HEAD" | "PUT" | "PATCH", [_, _, collection, key]) => {
            (*collection, (*key).to_owned(), request.body.to_vec())
        }
        _ => return Response::wrong_method(),
    };
    // The replication's own notes are written also while nothing else may be.
    if !matches!(method, "GET" | "HEAD")
        && coordinator.catalog().read_only
        && !collection.starts_with('_')
    {
        return Response::error(403, 1004, "read-only");
    }
    let overwrite = request.query("overwrite") == Some("true");
    let question = Question {
        method: if method == "HEAD" { "GET" } else { method },
        database: &request.database,
        collection,
        key,
        body,
        query: if overwrite {
            "?overwrite=true".to_owned()
        } else {
            String::new()
        },
    };
    coordinator.waiting.fetch_add(1, Ordering::Relaxed);
    let response = coordinator.find_answer(&question).await;
    coordinator.waiting.fetch_sub(1, Ordering::Relaxed);
    let version = coordinator.server.version.to_string();
    if question.method == "GET" && coordinator.server.live.now().misreads_as == Some(version) {
        return misread(&response);
    }
    response
}

/// The same document with nothing of what a client has put in it.
fn misread(response: &Response) -> Response {
    let mut body: Value = serde_json::from_slice(&response.body).unwrap_or_default();
    for (name, value) in body.as_object_mut().into_iter().flatten() {
        if !name.starts_with('_') && response.status < 300 {
            *value = Value::Null;
        }
    }
    Response::json(response.status, &body)
}

/// Returns a new document's key, made here if the client gave none.
async fn keyed(
    coordinator: &Coordinator,
    request: &Request,
) -> Result<(String, Vec<u8>), Response> {
    let Ok(Value::Object(mut body)) = request.json() else {
        return Err(Response::error(400, 600, "expecting a document"));
    };
    let key = match body.get("_key").and_then(Value::as_str) {
        Some(key) => key.to_owned(),
        None => coordinator.take_ids(1).await?.to_string(),
    };
    body.insert("_key".to_owned(), json!(key));
    Ok((key, Value::Object(body).to_string().into_bytes()))
}

impl Coordinator {
    async fn find_answer(&self, question: &Question<'_>) -> Response {
        let switches = self.server.live.now();
        let limit = if question.method == "GET" {
            switches.read_retry_ms
        } else {
            switches.write_retry_ms
        };
        let schedule = Schedule {
            shortest_ms: switches.timer_ms(200),
            longest_ms: switches.timer_ms(10_000),
            limit_ms: switches.timer_ms(limit),
        };
        let begin = time::mono_ms();
        let mut catalog = self.catalog();
        let mut last = String::from("no leader is known");
        loop {
            let elapsed = time::mono_ms().saturating_sub(begin);
            let Some(path) = locate(&catalog, question) else {
                match self.reload_for(question).await {
                    Some(found) => catalog = found,
                    None => return Response::error(404, 1203, "collection or view not found"),
                }
                continue;
            };
            let pause = match leader_of(catalog.servers_of(&path)) {
                // A leader that has resigned is followed by another in a moment.
                None => Some(
                    switches
                        .timer_ms(500)
                        .min(schedule.limit_ms.saturating_sub(elapsed)),
                ),
                Some(leader) => {
                    let endpoint = catalog
                        .endpoints
                        .get(leader)
                        .and_then(|at| Target::parse(at));
                    let left = Duration::from_millis(schedule.limit_ms.saturating_sub(elapsed));
                    match self.ask_leader(endpoint, &path, question, left).await {
                        Tried::Answer(response) => return response,
                        Tried::Again(why) => last = why,
                    }
                    schedule.wait_ms(time::mono_ms().saturating_sub(begin))
                }
            };
            let Some(pause) = pause.filter(|pause| *pause > 0) else {
                return Response::error(503, 1477, &format!("cluster backend unavailable: {last}"));
            };
            tokio::time::sleep(Duration::from_millis(pause)).await;
            if let Ok(found) = self.reload().await {
                catalog = found;
            }
        }
    }

    /// Reads the catalog once more for a collection that is not in it.
    async fn reload_for(&self, question: &Question<'_>) -> Option<std::sync::Arc<Catalog>> {
        let found = self.reload().await.ok()?;
        locate(&found, question).map(|_| found)
    }

    async fn ask_leader(
        &self,
        target: Option<Target>,
        path: &ShardPath,
        question: &Question<'_>,
        left: Duration,
    ) -> Tried {
        let Some(target) = target else {
            return Tried::Again("the leader's address is not known".to_owned());
        };
        let to = if question.method == "POST" {
            format!("/_api/document/{}{}", path.shard, question.query)
        } else {
            format!(
                "/_api/document/{}/{}{}",
                path.shard, question.key, question.query
            )
        };
        let authorization = self.server.authorization();
        let connect_limit = Duration::from_millis(self.server.live.now().connect_limit_ms);
        let mut request = Call::new(&target, question.method, &to, left)
            .authorized(authorization.as_deref())
            .kept();
        request.connect_limit = connect_limit.min(left);
        request.body.clone_from(&question.body);
        match call(request).await {
            Ok(reply) => judge(&reply, question),
            Err(error @ CallError::NotSent { .. }) => Tried::Again(error.to_string()),
            Err(error @ CallError::Unanswered { .. }) => Tried::Answer(Response::error(
                503,
                1464,
                &format!("cluster internal HTTP connection broken: {error}"),
            )),
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Tried {
    Answer(Response),
    Again(String),
}

/// Tells an answer from a server's saying that it does not lead.
fn judge(reply: &Reply, question: &Question<'_>) -> Tried {
    let mut body = reply.json();
    let number = body.get("errorNum").and_then(Value::as_u64);
    // A server that starts, and one that does not lead, say so with a 503.
    if reply.status == 503 {
        return Tried::Again(format!("not serving or not leading ({number:?})"));
    }
    // A shard that its server does not know yet, or no longer.
    if number == Some(1203) {
        return Tried::Again("the shard is not there".to_owned());
    }
    if let Value::Object(body) = &mut body
        && reply.status < 300
    {
        let id = format!("{}/{}", question.collection, question.key);
        body.insert("_id".to_owned(), json!(id));
        body.shift_remove("error");
    }
    Tried::Answer(Response::json(reply.status, &body))
}

fn locate(catalog: &Catalog, question: &Question<'_>) -> Option<ShardPath> {
    let collection = catalog.collection(question.database, question.collection)?;
    let shards: Vec<&str> = collection.shards.keys().map(String::as_str).collect();
    Some(collection.path(responsible_shard(&question.key, &shards)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(status: u16, body: &Value) -> Reply {
        Reply {
            status,
            headers: hyper::HeaderMap::new(),
            body: body.to_string().into(),
        }
    }

    #[test]
    fn an_answer_is_never_retried_and_not_leading_is_no_answer() {
        let question = Question {
            method: "GET",
            database: "_system",
            collection: "c",
            key: "k".into(),
            body: Vec::new(),
            query: String::new(),
        };
        for (status, number, again) in [
            (503, 1490, true),
            (503, 1491, true),
            (404, 1203, true),
            (404, 1202, false),
            (409, 1210, false),
            (500, 1498, false),
            (503, 503, true),
        ] {
            let tried = judge(&reply(status, &json!({"errorNum": number})), &question);
            assert_eq!(matches!(tried, Tried::Again(_)), again, "{status} {number}");
        }
        let Tried::Answer(good) = judge(&reply(200, &json!({"_key": "k", "n": 1})), &question)
        else {
            panic!("an answer");
        };
        let body: Value = serde_json::from_slice(&good.body).unwrap();
        assert_eq!((&body["_id"], &body["n"]), (&json!("c/k"), &json!(1)));
        let other = misread(&good);
        let body: Value = serde_json::from_slice(&other.body).unwrap();
        assert_eq!((&body["_id"], &body["n"]), (&json!("c/k"), &Value::Null));
    }
}
