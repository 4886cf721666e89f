//! What the starter answers over HTTP. There is no authentication.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::bootstrap::{Greeting, Hello, fetch};
use super::kinds::Kind;
use super::service::{Phase, Starter};
use super::upgrade;
use crate::sim::http::{Request, Response, Service};
use crate::sim::version::Version;

/// The starter's HTTP service.
#[derive(Debug)]
pub struct Answers {
    /// The starter.
    pub starter: Arc<Starter>,
}

/// Returns an error in the starter's form.
pub fn refuse(status: u16, message: &str) -> Response {
    Response::json(status, &json!({"Error": message}))
}

impl Service for Answers {
    async fn call(&self, request: Request) -> Response {
        let starter = &self.starter;
        let post = request.method == "POST";
        match request.path.as_str() {
            "/id" => Response::json(200, &json!({"id": starter.id})),
            "/version" => Response::json(
                200,
                &json!({"version": starter.live.now().starter_version, "build": "a18b27c"}),
            ),
            "/database-version" if request.method == "GET" => database_version(starter),
            "/process" => Response::json(200, &processes(starter)),
            "/endpoints" => endpoints(starter),
            "/hello" => hello(starter, &request),
            "/goodbye" if post => goodbye(starter, &request).await,
            "/shutdown" if post => shutdown(starter, &request).await,
            "/database-auto-upgrade" => upgrade::answer(starter, &request).await,
            "/cb/masterChanged" if post => {
                // Who speaks for all changes the key itself and needs no telling.
                if starter.phase() == Phase::RunningSlave {
                    starter.master_changed.notify_one();
                }
                Response::text(200, "OK")
            }
            "/cb/upgradePlanChanged" if post => {
                starter.plan_changed.notify_one();
                Response::text(200, "OK")
            }
            path => match path.strip_prefix("/logs/").and_then(Kind::named) {
                Some(kind) => logs(starter, kind),
                None if KNOWN.contains(&path) => Response::empty(405),
                None => Response::text(404, "404 page not found\n"),
            },
        }
    }
}

const KNOWN: [&str; 5] = [
    "/shutdown",
    "/goodbye",
    "/database-version",
    "/cb/masterChanged",
    "/cb/upgradePlanChanged",
];

/// Tells the version of the program on disk, whatever runs.
fn database_version(starter: &Starter) -> Response {
    match Version::installed(&starter.paths.version()) {
        Ok(version) => Response::json(200, &json!({"version": version.to_string()})),
        Err(error) => refuse(500, &error.to_string()),
    }
}

fn processes(starter: &Starter) -> Value {
    let mut out = Map::new();
    let Some(own) = starter.own() else {
        return Value::Object(out);
    };
    let pids = starter.lock_pids().clone();
    let servers: Vec<Value> = Kind::ALL
        .into_iter()
        .filter_map(|kind| Some((kind, *pids.get(&kind)?)))
        .map(|(kind, pid)| {
            let mut server = json!({
                "type": kind.name(),
                "ip": own.address,
                "port": own.port_of(kind),
                "pid": pid,
            });
            if let (true, Value::Object(server)) = (own.is_secure, &mut server) {
                server.insert("is-secure".to_owned(), json!(true));
            }
            server
        })
        .collect();
    // Both fields are left out where they would be false or empty.
    if servers.len() == starter.kinds().len() {
        out.insert("servers-started".to_owned(), json!(true));
    }
    if !servers.is_empty() {
        out.insert("servers".to_owned(), json!(servers));
    }
    Value::Object(out)
}

fn endpoints(starter: &Starter) -> Response {
    let running = matches!(starter.phase(), Phase::RunningMaster | Phase::RunningSlave);
    if starter.phase() == Phase::RunningSlave {
        let master = starter.known_master();
        if master.is_empty() {
            return refuse(503, "No runtime master known");
        }
        let location = format!("{}/endpoints", master.trim_end_matches('/'));
        return Response::empty(307).with_header("Location", location);
    }
    let peers = starter.peers();
    let starters: Vec<String> = peers.all.iter().map(|peer| peer.url("")).collect();
    let mut all = json!({"starters": starters});
    if let (true, Value::Object(all)) = (running, &mut all) {
        all.insert("agents".to_owned(), json!(peers.urls(Kind::Agent)));
        all.insert(
            "coordinators".to_owned(),
            json!(peers.urls(Kind::Coordinator)),
        );
    }
    Response::json(200, &all)
}

fn hello(starter: &Starter, request: &Request) -> Response {
    let hello = match request.method.as_str() {
        "GET" => None,
        "POST" => match serde_json::from_slice::<Hello>(&request.body) {
            Ok(hello) => Some(hello),
            Err(error) => return refuse(400, &format!("Cannot parse request body: {error}")),
        },
        _ => return refuse(405, "GET or POST required"),
    };
    let from = request.remote.ip().to_canonical().to_string();
    let update = request.query("update").is_some_and(|update| update == "1");
    match starter.greet(request.host().unwrap_or_default(), &from, hello, update) {
        Greeting::Peers(peers) => Response::json(200, &json!(peers)),
        Greeting::Elsewhere(url) => Response::empty(307).with_header("Location", url),
        Greeting::Unavailable => refuse(503, "No master known"),
        Greeting::Refused(why) => refuse(400, &why),
    }
}

async fn goodbye(starter: &Starter, request: &Request) -> Response {
    let body = request.json().unwrap_or_default();
    let Some(id) = body.get("SlaveID").and_then(Value::as_str) else {
        return refuse(400, "SlaveID must be set.");
    };
    if starter.phase() == Phase::RunningSlave {
        let master = starter.known_master();
        if master.is_empty() {
            return refuse(503, "No runtime master known");
        }
        let url = format!("{}/goodbye", master.trim_end_matches('/'));
        let passed = fetch(&url, "POST", Some(body.to_string())).await;
        return match passed {
            Ok(reply) => Response::text(reply.status, String::from_utf8_lossy(&reply.body)),
            Err(why) => refuse(500, &why),
        };
    }
    {
        let mut peers = starter.lock_peers();
        match peers.by_id(id).map(|peer| peer.has_agent) {
            None => return refuse(404, "Unknown ID"),
            Some(true) => return refuse(412, "Cannot remove peer with agent"),
            Some(false) => peers.all.retain(|peer| peer.id != id),
        }
    }
    starter.save_setup();
    Response::text(200, "BYE")
}

async fn shutdown(starter: &Starter, request: &Request) -> Response {
    if request.query("mode") == Some("goodbye") {
        let master = starter.known_master();
        let url = format!("{}/goodbye", master.trim_end_matches('/'));
        let body = json!({"SlaveID": starter.id}).to_string();
        match fetch(&url, "POST", Some(body)).await {
            Ok(reply) if reply.status == 200 => {}
            Ok(reply) => return refuse(500, &format!("master answers {}", reply.status)),
            Err(why) => return refuse(500, &why),
        }
    }
    starter.count("shutdown", &Value::Null);
    starter.stop();
    Response::text(200, "OK")
}

fn logs(starter: &Starter, kind: Kind) -> Response {
    if !starter.kinds().contains(&kind) && kind != Kind::Single {
        return Response::empty(404);
    }
    match std::fs::read_to_string(starter.server_log(kind)) {
        Ok(text) => Response::text(200, text),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Response::empty(200),
        Err(error) => Response::text(500, error.to_string()),
    }
}
