//! What an agent answers over HTTP.

use serde_json::{Map, Value, json};

use super::node::Transaction;
use super::raft::Ask;
use super::{Agent, Refused, pool};
use crate::sim::http::{Request, Response};

/// Answers one request.
pub async fn answer(agent: &Agent, request: &Request) -> Response {
    let post = request.method == "POST";
    match request.path.as_str() {
        "/_api/agency/config" => Response::json(200, &config(agent)),
        "/_api/agency/stores" => Response::json(200, &agent.whole()),
        "/_api/agency/read" if post => read(agent, request),
        "/_api/agency/write" if post => write(agent, request).await,
        "/_api/agency/transact" if post => transact(agent, request).await,
        "/_api/agency/transient" if post => transient(agent, request),
        "/_api/agency_priv/gossip" if post => gossip(agent, request),
        "/_api/agency_priv/requestVote" | "/_api/agency_priv/appendEntries" if post => {
            raft(agent, request).await
        }
        path if path.starts_with("/_api/agency") => Response::wrong_method(),
        path => Response::unknown_path(path),
    }
}

fn refuse(refused: &Refused, path: &str) -> Response {
    match refused {
        Refused::Elsewhere(leader) => {
            let location = format!("{}{path}", leader.url());
            Response::json(307, &json!({"code": 307, "message": "Redirected"}))
                .with_header("Location", location)
        }
        Refused::NoLeader => Response::json(503, &json!({"message": "No leader"})),
    }
}

fn bad(message: &str) -> Response {
    Response::json(
        400,
        &json!({"code": 400, "error": true, "message": message}),
    )
}

fn paths(query: &Value) -> Option<Vec<String>> {
    let strings = query.as_array()?.iter();
    strings
        .map(|path| path.as_str().map(str::to_owned))
        .collect()
}

fn read(agent: &Agent, request: &Request) -> Response {
    match agent.read_all(&request.body) {
        Ok(Some(answer)) => {
            let tag = format!("\"{}\"", answer.index);
            // Who has been answered so before need not hear it again.
            let response = if request.header("if-none-match") == Some(&tag) {
                Response::empty(304)
            } else {
                Response::json_text(200, answer.text.into())
            };
            response.with_header("ETag", tag)
        }
        Ok(None) => bad("Excpecting body to be an array of arrays of paths"),
        Err(refused) => refuse(&refused, &request.path),
    }
}

fn transactions(request: &Request) -> Option<Vec<Transaction>> {
    let body = request.json().ok()?;
    body.as_array()?.iter().map(Transaction::parse).collect()
}

async fn write(agent: &Agent, request: &Request) -> Response {
    let Some(transactions) = transactions(request) else {
        return bad("Excpecting body to be an array of transactions");
    };
    match agent.write(&transactions).await {
        Ok(results) => written(&results),
        Err(refused) => refuse(&refused, &request.path),
    }
}

fn written(results: &[u64]) -> Response {
    let status = if results.contains(&0) { 412 } else { 200 };
    Response::json(status, &json!({"results": results}))
}

fn transient(agent: &Agent, request: &Request) -> Response {
    let Some(transactions) = transactions(request) else {
        return bad("Excpecting body to be an array of transactions");
    };
    match agent.write_transient(&transactions) {
        Ok(results) => written(&results),
        Err(refused) => refuse(&refused, &request.path),
    }
}

async fn transact(agent: &Agent, request: &Request) -> Response {
    let body = request.json().unwrap_or_default();
    let Some(parts) = body.as_array() else {
        return bad("Excpecting body to be an array");
    };
    let mut results = Vec::new();
    for part in parts {
        let result = if let Some(query) = paths(part) {
            agent.read(&query)
        } else if let Some(transaction) = Transaction::parse(part) {
            agent
                .write(&[transaction])
                .await
                .map(|results| json!(results.first()))
        } else {
            return bad("Excpecting transactions or lists of paths");
        };
        match result {
            Ok(result) => results.push(result),
            Err(refused) => return refuse(&refused, &request.path),
        }
    }
    Response::json(200, &Value::Array(results))
}

fn gossip(agent: &Agent, request: &Request) -> Response {
    let message = request.json().unwrap_or_default();
    let text = |name: &str| message.get(name).and_then(Value::as_str).map(str::to_owned);
    let mut others = pool::pool_of(&message);
    if let Some((id, endpoint)) = text("id").zip(text("endpoint")) {
        others.insert(id, endpoint);
    }
    if agent.meet(&others) {
        Response::json(200, &json!({"pool": agent.pool()}))
    } else {
        Response::json(
            403,
            &json!({"code": 403, "error": true, "message": "pool complete"}),
        )
    }
}

async fn raft(agent: &Agent, request: &Request) -> Response {
    let Ok(ask) = serde_json::from_slice::<Ask>(&request.body) else {
        return bad("not a message between agents");
    };
    match agent.asked(ask).await {
        Some(answer) => Response::json(200, &json!(answer)),
        None => Response::json(503, &json!({"message": "not ready"})),
    }
}

#[expect(clippy::cast_precision_loss, reason = "milliseconds shown as seconds")]
fn seconds(ms: u64) -> f64 {
    ms as f64 / 1000.0
}

/// Returns the agency's configuration in the shape of the version that runs.
fn config(agent: &Agent) -> Value {
    let seen = agent.seen();
    let version = &agent.server.version;
    let mut acks = Map::new();
    if seen.leading {
        let detailed = version.has_detailed_acks();
        let own = if detailed {
            json!({"lastAckedTime": 0, "lastAckedIndex": seen.commit})
        } else {
            json!(0)
        };
        acks.insert(agent.server.id.clone(), own);
        for (id, ack) in &seen.acks {
            let shown = if detailed {
                json!({
                    "lastAckedTime": seconds(ack.ago_ms),
                    "lastAckedIndex": ack.index,
                    "lastAppend": seconds(ack.sent_ago_ms),
                })
            } else {
                json!(seconds(ack.ago_ms))
            };
            acks.insert(id.clone(), shown);
        }
    }
    let mut out = Map::new();
    out.insert("term".to_owned(), json!(seen.term));
    out.insert("leaderId".to_owned(), json!(seen.leader));
    out.insert("commitIndex".to_owned(), json!(seen.commit));
    if version.has_detailed_acks() {
        out.insert("lastCompactionAt".to_owned(), json!(0));
        out.insert("nextCompactionAfter".to_owned(), json!(1000));
    }
    // From 3.4 on a follower does not show the key at all.
    if seen.leading || !version.has_detailed_acks() {
        out.insert("lastAcked".to_owned(), Value::Object(acks));
    }
    out.insert("configuration".to_owned(), configuration(agent, &seen));
    if version.has_detailed_acks() {
        out.insert("engine".to_owned(), json!(agent.server.data.engine()));
        out.insert("version".to_owned(), json!(version.to_string()));
    }
    Value::Object(out)
}

fn configuration(agent: &Agent, seen: &super::node::Seen) -> Value {
    let complete = seen.pool.len() >= agent.size();
    let active: Vec<&String> = seen.pool.keys().filter(|_| complete).collect();
    let grace = agent
        .server
        .options
        .number("agency.supervision-grace-period")
        .unwrap_or(10.0);
    let mut shown = json!({
        "pool": seen.pool,
        "active": active,
        "id": agent.server.id,
        "agency size": agent.size(),
        "pool size": agent.size(),
        "endpoint": agent.server.own_endpoint(),
        "min ping": seconds(seen.timing.min_ping_ms),
        "max ping": seconds(seen.timing.max_ping_ms),
        "timeoutMult": 1,
        "supervision": agent.server.options.is_set("agency.supervision"),
        "supervision frequency":
            agent.server.options.number("agency.supervision-frequency").unwrap_or(1.0),
        "compaction step size": 1000,
        "compaction keep size": 50000,
        "supervision grace period": grace,
        "version": seen.pool.len() + 1,
        "startup": if seen.restarted { "persistence" } else { "origin" },
    });
    // Later versions show it, too.
    if agent.server.version.at_least(3, 10, 0)
        && let Value::Object(shown) = &mut shown
    {
        let threshold = agent
            .server
            .options
            .number("agency.supervision-ok-threshold");
        let threshold = json!(threshold.unwrap_or(5.0));
        shown.insert("supervision ok threshold".to_owned(), threshold);
    }
    shown
}
