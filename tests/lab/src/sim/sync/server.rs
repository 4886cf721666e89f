//! `arangosync run master` and `run worker`: a process with a port, a token and a clean end.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::signal::unix::{SignalKind, signal};

use super::options::Options;
use super::state::{Keeper, State, Status};
use crate::sim::arangod::log::Log;
use crate::sim::effects::{Effects, eprint_line};
use crate::sim::http::{Call, Door, Request, Response, Service, Target, bind, call};
use crate::sim::jwt;
use crate::sim::paths::Paths;
use crate::sim::switches::Live;
use crate::sim::tls;

/// The version of `arangosync`.
pub const VERSION: &str = "0.6.0";

#[derive(Debug)]
struct Server {
    role: &'static str,
    options: Options,
    live: Live,
    log: Log,
    effects: Effects,
    keeper: Keeper,
    own: Target,
}

/// Runs a master or a worker until it is stopped.
pub async fn run(role: &'static str, options: Options) -> u8 {
    let server = match prepare(role, options) {
        Ok(server) => Arc::new(server),
        Err(why) => {
            eprint_line(&format!("FATAL {why}"));
            return 1;
        }
    };
    match serve(&server).await {
        Ok(()) => {
            server.effects.note("stop");
            0
        }
        Err(error) => {
            server.log.fatal(&error.to_string());
            1
        }
    }
}

fn prepare(role: &'static str, options: Options) -> Result<Server, String> {
    let paths = Paths::of_this_host();
    let live = Live::open(&paths.switches(), role).map_err(|error| error.to_string())?;
    let own = options.text("server.endpoint").and_then(Target::parse);
    let own = own.ok_or("--server.endpoint must name an address")?;
    let effects = Effects::open(&paths.effects(), role, VERSION, &own.authority())
        .map_err(|error| format!("lab: {}: {error}", paths.effects().display()))?;
    let log =
        Log::open(options.text("log.file").map(Path::new)).map_err(|error| error.to_string())?;
    let authorization = match options.text("cluster.jwt-secret") {
        Some(path) => {
            let secret =
                std::fs::read_to_string(path).map_err(|error| format!("{path}: {error}"))?;
            Some(format!("bearer {}", jwt::superuser(secret.trim(), role)))
        }
        None => None,
    };
    let keeper = Keeper {
        coordinators: options.targets("cluster.endpoint"),
        authorization,
    };
    let argv: Vec<String> = std::env::args().collect();
    effects
        .record("start", &json!({"argv": argv}))
        .map_err(|error| error.to_string())?;
    Ok(Server {
        role,
        options,
        live,
        log,
        effects,
        keeper,
        own,
    })
}

async fn serve(server: &Arc<Server>) -> std::io::Result<()> {
    let switches = server.live.now();
    tokio::time::sleep(switches.timer(switches.start_delay_ms)).await;
    let host = switches.bind.clone().unwrap_or_else(|| "::".to_owned());
    let port = server
        .options
        .text("server.port")
        .and_then(|port| port.parse().ok());
    let listener = bind(&host, port.unwrap_or(server.own.port)).await?;
    let acceptor = match server.options.text("server.keyfile") {
        Some(path) => tls::acceptor(path.as_ref())?,
        None => tls::acceptor_of(tls::self_signed(vec![server.own.host.clone()])?.as_bytes())?,
    };
    let front = Arc::new(Front {
        server: Arc::clone(server),
    });
    let door = Door::open(listener, Some(acceptor), front);
    server.log.info(&format!("{} is running", server.role));
    server.effects.note("ready");
    let mut term = signal(SignalKind::terminate())?;
    let mut int = signal(SignalKind::interrupt())?;
    let mut hup = signal(SignalKind::hangup())?;
    loop {
        let name = tokio::select! {
            _ = term.recv() => "TERM",
            _ = int.recv() => "INT",
            _ = hup.recv() => "HUP",
        };
        drop(server.effects.record("signal", &json!({"signal": name})));
        if name != "HUP" {
            break;
        }
        drop(server.log.reopen());
    }
    door.close(Duration::from_secs(5)).await;
    let switches = server.live.now();
    tokio::time::sleep(switches.timer(switches.stop_delay_ms)).await;
    Ok(())
}

#[derive(Debug)]
struct Front {
    server: Arc<Server>,
}

impl Service for Front {
    async fn call(&self, request: Request) -> Response {
        let server = &self.server;
        if !server.admits(&request) {
            return Response::json(401, &json!({"error": "unauthorized"}));
        }
        let master = server.role == "syncmaster";
        match (request.method.as_str(), request.path.as_str()) {
            ("GET", "/_api/version") => {
                Response::json(200, &json!({"version": VERSION, "build": "lab"}))
            }
            ("GET", "/_api/sync") if master => match server.keeper.read().await {
                Some(state) => Response::json(200, &state.shown()),
                None => unavailable(),
            },
            ("PUT", "/_api/sync") if master => server.configure(&request).await,
            ("POST", "/_api/sync/stop") if master => server.stop(&request).await,
            ("POST", "/_api/sync/abort") if master => server.abort().await,
            ("PUT", "/_api/sync/outgoing") if master => server.outgoing(&request).await,
            _ => Response::json(404, &json!({"error": "not found"})),
        }
    }
}

fn unavailable() -> Response {
    Response::json(503, &json!({"error": "the cluster does not answer"}))
}

impl Server {
    /// A monitoring token, where one is set, opens what is read; people's names open all.
    fn admits(&self, request: &Request) -> bool {
        let Some(token) = self.options.text("monitoring.token") else {
            return true;
        };
        request.credentials("bearer") == Some(token) || request.credentials("basic").is_some()
    }

    async fn change(&self, change: impl Fn(&mut State)) -> bool {
        let Some(mut state) = self.keeper.read().await else {
            return false;
        };
        change(&mut state);
        self.keeper.write(&state).await
    }

    /// Begins to take another cluster's changes.
    async fn configure(&self, request: &Request) -> Response {
        let body = request.json().unwrap_or_default();
        let sources = strings(body.get("source"));
        let told = json!({"status": "running", "target": self.own.url()});
        if !self.tell(&sources, &told).await {
            return Response::json(503, &json!({"error": "the source does not answer"}));
        }
        let done = self
            .change(|state| {
                state.incoming = Status::Running;
                state.sources.clone_from(&sources);
            })
            .await;
        if done {
            Response::json(200, &json!({}))
        } else {
            unavailable()
        }
    }

    /// Tells the masters of the source how the replication stands; one that answers suffices.
    async fn tell(&self, sources: &[String], body: &Value) -> bool {
        for source in sources.iter().filter_map(|source| Target::parse(source)) {
            let request = Call::new(
                &source,
                "PUT",
                "/_api/sync/outgoing",
                Duration::from_secs(10),
            )
            .authorized(Some("basic c3luYzo="))
            .json(body);
            if call(request).await.is_ok_and(|reply| reply.status == 200) {
                return true;
            }
        }
        false
    }

    async fn outgoing(&self, request: &Request) -> Response {
        let body = request.json().unwrap_or_default();
        if let Some(on) = body.get("readonly").and_then(Value::as_bool) {
            self.effects
                .record("source-read-only", &json!({"on": on}))
                .ok();
            if !self.keeper.set_read_only(on).await {
                return unavailable();
            }
        }
        let status = body.get("status").cloned().unwrap_or_default();
        let target = body
            .get("target")
            .and_then(Value::as_str)
            .map(str::to_owned);
        let done = self
            .change(|state| {
                if let Ok(status) = serde_json::from_value(status.clone()) {
                    state.outgoing = status;
                }
                if let Some(target) = &target {
                    state.targets = vec![target.clone()];
                }
            })
            .await;
        if done {
            Response::json(200, &json!({}))
        } else {
            unavailable()
        }
    }

    /// Stops taking changes; by default both sides are made equal first, for which the source
    /// cannot be written to.
    async fn stop(&self, request: &Request) -> Response {
        let body = request.json().unwrap_or_default();
        let ensure = body.get("ensureInSync").and_then(Value::as_bool) != Some(false);
        let Some(state) = self.keeper.read().await else {
            return unavailable();
        };
        if state.incoming == Status::Inactive {
            return Response::json(412, &json!({"error": "no synchronization is running"}));
        }
        let switches = self.live.now();
        let drain = switches.timer(switches.sync_drain_ms);
        let patience = switches.timer(120_000);
        self.change(|state| state.incoming = Status::Cancelling)
            .await;
        if ensure {
            self.tell(
                &state.sources,
                &json!({"readonly": true, "status": "cancelling"}),
            )
            .await;
            tokio::time::sleep(drain.min(patience)).await;
            if drain > patience {
                self.tell(
                    &state.sources,
                    &json!({"readonly": false, "status": "running"}),
                )
                .await;
                self.change(|state| state.incoming = Status::Running).await;
                return Response::json(504, &json!({"error": "not in sync in time"}));
            }
        }
        let ended = json!({"readonly": false, "status": "inactive"});
        if switches.sync_stop_lies {
            // The answer comes first, the end later.
            let late = Keeper::clone(&self.keeper);
            tokio::spawn(async move {
                tokio::time::sleep(drain).await;
                late.write(&State::default()).await;
            });
            self.tell(&state.sources, &ended).await;
            return Response::json(200, &json!({}));
        }
        self.tell(&state.sources, &ended).await;
        let done = self.change(|state| state.incoming = Status::Inactive).await;
        if done {
            Response::json(200, &json!({}))
        } else {
            unavailable()
        }
    }

    /// Ends the replication on this side, whatever becomes of the other.
    async fn abort(&self) -> Response {
        let done = self.change(|state| state.incoming = Status::Inactive).await;
        if done {
            Response::json(200, &json!({}))
        } else {
            unavailable()
        }
    }
}

fn strings(list: Option<&Value>) -> Vec<String> {
    let items = list.and_then(Value::as_array).into_iter().flatten();
    items
        .filter_map(|item| item.as_str().map(str::to_owned))
        .collect()
}
