//! What every `arangod` is, whatever its role: its port, its start, its stop, and the
//! questions that all of them answer.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Notify;

use super::auth::{self, Auth};
use super::data::DataDir;
use super::log::Log;
use super::options::Options;
use crate::sim::effects::{Effects, eprint_line};
use crate::sim::http::{Door, Request, Response, Service, Target, bind};
use crate::sim::switches::Live;
use crate::sim::time;
use crate::sim::tls;
use crate::sim::version::Version;

/// What a server is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// It holds the agency.
    Agent,
    /// It holds data.
    DbServer,
    /// It answers the clients of a cluster.
    Coordinator,
    /// It is all there is.
    Single,
}

impl Role {
    /// Returns the role that the options ask for.
    pub fn of(options: &Options) -> Self {
        if options.is_set("agency.activate") {
            return Self::Agent;
        }
        match options.text("cluster.my-role") {
            Some("PRIMARY" | "DBSERVER") => Self::DbServer,
            Some("COORDINATOR") => Self::Coordinator,
            _ => Self::Single,
        }
    }

    /// Returns the role's name in switches and effects.
    pub fn name(self) -> &'static str {
        match self {
            Self::Agent => "agent",
            Self::DbServer => "dbserver",
            Self::Coordinator => "coordinator",
            Self::Single => "single",
        }
    }

    /// Returns the role as the server itself says it.
    pub fn spoken(self) -> &'static str {
        match self {
            Self::Agent => "AGENT",
            Self::DbServer => "PRIMARY",
            Self::Coordinator => "COORDINATOR",
            Self::Single => "SINGLE",
        }
    }

    /// Returns what identifiers of the role begin with.
    pub fn prefix(self) -> &'static str {
        match self {
            Self::Agent => "AGNT",
            Self::DbServer => "PRMR",
            Self::Coordinator => "CRDN",
            Self::Single => "SNGL",
        }
    }
}

/// One running server.
#[derive(Debug)]
pub struct Server {
    /// What it is for.
    pub role: Role,
    /// Its identifier in the cluster.
    pub id: String,
    /// The version that it read at its start.
    pub version: Version,
    /// Its command line.
    pub options: Options,
    /// Its behaviour.
    pub live: Live,
    /// Its log.
    pub log: Log,
    /// Where what happens to it is counted.
    pub effects: Effects,
    /// Who may ask it what.
    pub auth: Auth,
    /// Its data directory.
    pub data: DataDir,
    /// Whether it serves: from the end of its start to the begin of its stop.
    pub serving: AtomicBool,
    /// Whether the cluster can only be read, as far as a coordinator knows.
    pub read_only: AtomicBool,
    /// Rung when somebody asks it to stop.
    pub stop: Notify,
}

impl Server {
    /// Returns the header with which this server speaks to others.
    pub fn authorization(&self) -> Option<String> {
        self.auth.header(&self.id)
    }

    /// Counts an effect.
    pub fn count(&self, what: &str, detail: &Value) {
        if let Err(error) = self.effects.record(what, detail) {
            eprint_line(&format!(
                "lab: the effect `{what}` was not counted: {error}"
            ));
        }
    }

    /// Returns where this server is reached by others.
    pub fn own_endpoint(&self) -> String {
        let named = match self.role {
            Role::Agent => self.options.text("agency.my-address"),
            Role::DbServer | Role::Coordinator | Role::Single => {
                self.options.text("cluster.my-address")
            }
        };
        named
            .or_else(|| self.options.text("server.endpoint"))
            .unwrap_or("tcp://127.0.0.1:8529")
            .to_owned()
    }

    /// Returns the port that this server listens on.
    pub fn listens_on(&self) -> Target {
        let text = self
            .options
            .text("server.endpoint")
            .unwrap_or("tcp://127.0.0.1:8529");
        let mut target = Target::parse(text).unwrap_or(Target {
            secure: false,
            host: "127.0.0.1".to_owned(),
            port: 8529,
        });
        if let Some(bind) = &self.live.now().bind {
            target.host.clone_from(bind);
        }
        target
    }

    /// Returns what a database timer of the given length takes here.
    pub fn timer(&self, ms: u64) -> Duration {
        self.live.now().timer(ms)
    }
}

/// What one role answers beside what all answer.
pub trait RoleService: Send + Sync + 'static {
    /// Answers a request that was let in.
    fn handle(&self, request: &Request) -> impl Future<Output = Response> + Send;

    /// Returns what the server really holds, for who judges it from outside.
    fn lab(&self, request: &Request) -> impl Future<Output = Response> + Send;
}

/// The front of a server: what all roles answer alike.
#[derive(Debug)]
pub struct Front<R> {
    server: Arc<Server>,
    role: Arc<R>,
}

impl<R: RoleService> Service for Front<R> {
    async fn call(&self, request: Request) -> Response {
        let server = &self.server;
        if request.path.starts_with("/_lab/") {
            return self.role.lab(&request).await;
        }
        let serving = server.serving.load(Ordering::SeqCst);
        if request.path == "/_admin/server/availability" {
            let read_only = server.read_only.load(Ordering::SeqCst);
            return availability(server, serving && !read_only);
        }
        if !serving && !STOPPING.load(Ordering::SeqCst) {
            return Response::error(
                503,
                503,
                "service unavailable due to startup or maintenance mode",
            );
        }
        let password = server.live.now().root_password.clone();
        if request.path == "/_open/auth" && request.method == "POST" {
            return server.auth.login(&request, &password);
        }
        let people = matches!(server.role, Role::Coordinator | Role::Single);
        if !server.auth.admits(&request, people, &password) {
            return auth::refused();
        }
        match common(server, &request).await {
            Some(response) => response,
            None => self.role.handle(&request).await,
        }
    }
}

/// Set once in the life of the process, when it begins to stop.
static STOPPING: AtomicBool = AtomicBool::new(false);

fn availability(server: &Server, serving: bool) -> Response {
    if serving {
        Response::json(
            200,
            &json!({"error": false, "code": 200, "mode": "default"}),
        )
    } else {
        server.log.write("DEBUG", "not available");
        Response::error(503, 503, "service unavailable")
    }
}

async fn common(server: &Server, request: &Request) -> Option<Response> {
    let slow = || tokio::time::sleep(server.timer(server.live.now().version_answer_delay_ms));
    match request.path.as_str() {
        "/_api/version" => {
            slow().await;
            Some(Response::json(200, &version(server, request)))
        }
        "/_admin/server/role" => {
            slow().await;
            Some(Response::json(
                200,
                &json!({"role": server.role.spoken(), "mode": "default", "error": false, "code": 200}),
            ))
        }
        "/_admin/server/mode" if server.role != Role::Coordinator => Some(Response::json(
            200,
            &json!({"mode": "default", "error": false, "code": 200}),
        )),
        "/_admin/server/id" if matches!(server.role, Role::Coordinator | Role::DbServer) => Some(
            Response::json(200, &json!({"id": server.id, "error": false, "code": 200})),
        ),
        "/_api/engine" => Some(Response::json(200, &json!({"name": server.data.engine()}))),
        "/_admin/shutdown" if request.method == "DELETE" => {
            // An older version does not know the word, and ends at once.
            if request.query("soft") == Some("true") && server.version.ends_softly() {
                if server.role == Role::Coordinator {
                    return None;
                }
                let only = "soft shutdown is only supported on coordinators";
                return Some(Response::error(501, 9, only));
            }
            server.stop.notify_one();
            Some(Response::json(200, &json!("OK")))
        }
        _ => None,
    }
}

fn version(server: &Server, request: &Request) -> Value {
    let mut answer = json!({
        "server": "arango",
        "version": server.version.to_string(),
        "license": "community",
    });
    if request.query("details") == Some("true")
        && let Value::Object(answer) = &mut answer
    {
        answer.insert(
            "details".to_owned(),
            json!({"server-version": server.version.to_string(), "mode": "server"}),
        );
    }
    answer
}

/// Runs a server until it is stopped; returns its exit code.
///
/// `ready` ends when the role can serve.
pub async fn run<R: RoleService>(
    server: Arc<Server>,
    role: Arc<R>,
    ready: impl Future<Output = ()> + Send + 'static,
) -> io::Result<u8> {
    let switches = server.live.now();
    tokio::time::sleep(switches.timer(switches.start_delay_ms)).await;
    let target = server.listens_on();
    let listener = match bind(&target.host, target.port).await {
        Ok(listener) => listener,
        Err(error) => {
            server.log.fatal(&format!(
                "failed to bind to endpoint '{target}'. Please check whether another instance is already running using this endpoint and review your endpoints configuration: {error}"
            ));
            return Ok(21);
        }
    };
    let tls = if target.secure {
        let keyfile = server.options.text("ssl.keyfile").unwrap_or_default();
        Some(tls::acceptor(keyfile.as_ref())?)
    } else {
        None
    };
    let front = Arc::new(Front {
        server: Arc::clone(&server),
        role,
    });
    let door = Door::open(listener, tls, front);
    let begins = Arc::clone(&server);
    let starting = tokio::spawn(async move {
        ready.await;
        tokio::time::sleep(switches.timer(switches.unavailable_ms)).await;
        begins.serving.store(true, Ordering::SeqCst);
        begins.log.info(&format!(
            "ArangoDB (version {} [linux]) is ready for business. Have fun!",
            begins.version
        ));
        begins.count("ready", &Value::Null);
    });
    let why = wait_for_stop(&server).await?;
    starting.abort();
    stop(&server, door, &why).await;
    Ok(0)
}

/// Waits until a signal or a request says stop; says which.
pub async fn wait_for_stop(server: &Server) -> io::Result<String> {
    let mut term = signal(SignalKind::terminate())?;
    let mut int = signal(SignalKind::interrupt())?;
    let mut hup = signal(SignalKind::hangup())?;
    loop {
        let name = tokio::select! {
            _ = term.recv() => "TERM",
            _ = int.recv() => "INT",
            () = server.stop.notified() => return Ok("shutdown".to_owned()),
            _ = hup.recv() => {
                server.count("signal", &json!({"signal": "HUP"}));
                drop(server.log.reopen());
                continue;
            }
        };
        server.count("signal", &json!({"signal": name}));
        server.log.info(&format!(
            "control-c received, beginning shut down sequence ({name})"
        ));
        return Ok(name.to_owned());
    }
}

async fn stop(server: &Server, door: Door, why: &str) {
    STOPPING.store(true, Ordering::SeqCst);
    server.serving.store(false, Ordering::SeqCst);
    let switches = server.live.now();
    let begin = time::mono_ms();
    let all = door
        .close(switches.timer(switches.finish_requests_ms))
        .await;
    tokio::time::sleep(switches.timer(switches.stop_delay_ms)).await;
    server.log.info("ArangoDB has been shut down");
    server.count(
        "stop",
        &json!({"why": why, "all_requests_answered": all, "took_ms": time::mono_ms() - begin}),
    );
}
