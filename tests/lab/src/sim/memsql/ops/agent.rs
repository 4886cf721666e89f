//! The daemon of a host: hands commands to the primary, and does what the primary says.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::signal::unix::{SignalKind, signal};

use super::cli::{Said, Typed};
use super::local::{Order, obey};
use super::state::{Agent, Known, id_of};
use super::{monitor, primary};
use crate::sim::effects::{Effects, eprint_line};
use crate::sim::http::{Call, Door, Request, Response, Service, Target, bind, call};
use crate::sim::memsql::Address;
use crate::sim::memsql::server::switches_path;
use crate::sim::memsql::store::Notes;
use crate::sim::memsql::switches::{Live, Switches};
use crate::sim::memsql::wire::Login;
use crate::sim::paths::Paths;

/// The port of an agent.
pub const PORT: u16 = 9000;

/// What an agent is told on its host.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// The address of this host.
    pub host: String,
    /// The address of the primary agent.
    pub primary: String,
    /// The addresses of all agents; on the primary.
    pub agents: Vec<String>,
    /// The password of root in the databases.
    pub password: String,
    /// A file with certificate and key for the databases, on every host.
    pub certificate: Option<String>,
}

/// An agent.
#[derive(Debug)]
pub struct Ops {
    /// What it was told.
    pub settings: Settings,
    /// How it behaves.
    pub live: Live,
    /// What it does.
    pub effects: Effects,
    notes: Notes,
    known: Mutex<Known>,
    /// What `memsql-list` shows as long as it is stale.
    pub stale: Mutex<Option<Value>>,
}

/// Where an agent finds its settings.
pub fn settings_path(paths: &Paths) -> PathBuf {
    paths.root().join("etc/memsql-ops/settings.json")
}

impl Ops {
    fn open() -> Result<Self, String> {
        let paths = Paths::of_this_host();
        let file = settings_path(&paths);
        let text = std::fs::read_to_string(&file)
            .map_err(|error| format!("{}: {error}", file.display()))?;
        let settings: Settings =
            serde_json::from_str(&text).map_err(|error| format!("{}: {error}", file.display()))?;
        let live = Live::open(
            &switches_path(&paths),
            "ops",
            &Address::new(&settings.host, PORT),
        )?;
        let version = live.now().ops_version.clone();
        let effects = Effects::open(&paths.effects(), "memsql-ops", &version, &settings.host)
            .map_err(|error| format!("lab: {}: {error}", paths.effects().display()))?;
        let notes = Notes::of(&paths.root().join("var/lib/memsql-ops/data"));
        let mut known: Known = notes.read("state").unwrap_or_default();
        if known.agents.is_empty() {
            known.agents = settings
                .agents
                .iter()
                .map(|host| agent_of(host, *host == settings.primary))
                .collect();
        }
        // Nobody was looked at yet.
        for agent in &mut known.agents {
            agent.offline = true;
        }
        Ok(Self {
            settings,
            live,
            effects,
            notes,
            known: Mutex::new(known),
            stale: Mutex::new(None),
        })
    }

    /// Returns what it knows; not to be held while something is waited for.
    pub fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes what it knows, durably.
    pub fn change<T>(&self, change: impl FnOnce(&mut Known) -> T) -> T {
        let (outcome, known) = {
            let mut known = self.known();
            (change(&mut known), known.clone())
        };
        if let Err(error) = self.notes.write("state", &known) {
            eprint_line(&format!("memsql-ops: {error}"));
        }
        outcome
    }

    /// Returns how it behaves now.
    pub fn switches(&self) -> Arc<Switches> {
        self.live.now()
    }

    /// Returns how Ops logs in to the databases.
    pub fn login(&self) -> Login {
        Login {
            user: "root".to_owned(),
            password: self.settings.password.clone(),
            tls: self.settings.certificate.is_some(),
            database: None,
        }
    }

    /// Tells whether it is the one that all others ask.
    pub fn is_primary(&self) -> bool {
        self.settings.host == self.settings.primary
    }

    /// Tells the agent of a host what to do there.
    pub async fn order(&self, host: &str, order: Order, limit: Duration) -> Result<Value, String> {
        if host == self.settings.host {
            return obey(order).await;
        }
        let agent = Target::parse(&format!("http://{host}:{PORT}")).ok_or("no such agent")?;
        let request = Call::new(&agent, "POST", "/local", limit).json(&json!(order));
        let reply = call(request)
            .await
            .map_err(|error| format!("agent on {host}: {error}"))?;
        let body = reply.json();
        match body.get("error").and_then(Value::as_str) {
            Some(why) => Err(why.to_owned()),
            None => Ok(body.get("ok").cloned().unwrap_or_default()),
        }
    }
}

fn agent_of(host: &str, primary: bool) -> Agent {
    Agent {
        agent_id: format!(
            "A{}",
            id_of(&format!("agent {host}"))
                .chars()
                .take(32)
                .collect::<String>()
                .to_lowercase()
        ),
        host: host.to_owned(),
        primary,
        offline: false,
    }
}

#[derive(Debug)]
struct Daemon(Arc<Ops>);

impl Service for Daemon {
    async fn call(&self, request: Request) -> Response {
        let body = request.json().unwrap_or_default();
        match request.path.as_str() {
            "/command" => match serde_json::from_value::<Typed>(body) {
                Ok(typed) => Response::json(200, &json!(self.command(typed).await)),
                Err(error) => Response::text(400, error.to_string()),
            },
            "/local" => match serde_json::from_value::<Order>(body) {
                Ok(order) => match obey(order).await {
                    Ok(value) => Response::json(200, &json!({"ok": value})),
                    Err(why) => Response::json(200, &json!({"error": why})),
                },
                Err(error) => Response::text(400, error.to_string()),
            },
            other => Response::unknown_path(other),
        }
    }
}

impl Daemon {
    async fn command(&self, typed: Typed) -> Said {
        if self.0.is_primary() {
            // What was begun is finished, also when who asked for it has gone.
            let ops = Arc::clone(&self.0);
            let work = tokio::spawn(async move { primary::carry_out(&ops, typed).await });
            return work
                .await
                .unwrap_or_else(|error| Said::failed(error.to_string()));
        }
        let primary = &self.0.settings.primary;
        let Some(target) = Target::parse(&format!("http://{primary}:{PORT}")) else {
            return Said::failed("no primary agent\n");
        };
        let request =
            Call::new(&target, "POST", "/command", Duration::from_hours(2)).json(&json!(typed));
        match call(request).await {
            Ok(reply) => serde_json::from_value(reply.json()).unwrap_or_default(),
            Err(error) => Said::failed(format!(
                "Cannot reach the primary agent {primary}: {error}\n"
            )),
        }
    }
}

/// Returns where an agent listens: everywhere on a host, on its own address where several hosts share a machine.
fn own_address(settings: &Settings) -> String {
    let paths = Paths::of_this_host();
    if paths.has_the_machine() {
        return "0.0.0.0".to_owned();
    }
    paths.address_of(&settings.host)
}

/// Returns where the command of a host finds its agent.
pub fn agent_address(paths: &Paths) -> String {
    if paths.has_the_machine() {
        return "127.0.0.1".to_owned();
    }
    let settings = std::fs::read_to_string(settings_path(paths)).unwrap_or_default();
    let settings: Settings = serde_json::from_str(&settings).unwrap_or_default();
    settings.host
}

/// Runs an agent until a signal ends it; returns its exit code.
pub async fn run() -> u8 {
    match serve().await {
        Ok(()) => 0,
        Err(why) => {
            eprint_line(&format!("memsql-ops: {why}"));
            1
        }
    }
}

async fn serve() -> Result<(), String> {
    let ops = Arc::new(Ops::open()?);
    let listener = bind(&own_address(&ops.settings), PORT)
        .await
        .map_err(|error| error.to_string())?;
    let door = Door::open(listener, None, Arc::new(Daemon(Arc::clone(&ops))));
    if ops.is_primary() {
        tokio::spawn(monitor::live(Arc::clone(&ops)));
    }
    ops.effects.note("agent-start");
    let mut term = signal(SignalKind::terminate()).map_err(|error| error.to_string())?;
    term.recv().await;
    door.close(Duration::from_secs(1)).await;
    Ok(())
}
