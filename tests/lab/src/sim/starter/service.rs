//! The starter itself: what it knows, how it begins and how it ends.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{Notify, watch};

use super::kinds::Kind;
use super::log::Log;
use super::options::Options;
use super::peers::{Peer, Peers, SETUP_VERSION, Setup};
use super::upgrade::Upgrading;
use super::{answers, bootstrap, master, supervise, upgrade};
use crate::sim::arangod::cluster::AgencyClient;
use crate::sim::effects::{Effects, eprint_line};
use crate::sim::files;
use crate::sim::http::{Door, bind};
use crate::sim::jwt;
use crate::sim::paths::Paths;
use crate::sim::switches::Live;
use crate::sim::tls;
use crate::sim::version::Version;

/// The starter's usual port.
pub const DEFAULT_PORT: u16 = 8528;

/// How far a starter has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// It gathers the starters of a new cluster.
    BootstrapMaster,
    /// It joins a new cluster.
    BootstrapSlave,
    /// It runs; another starter speaks for all.
    RunningSlave,
    /// It runs and speaks for all.
    RunningMaster,
}

/// A starter.
#[derive(Debug)]
pub struct Starter {
    /// What it was told.
    pub options: Options,
    /// Where this host's files lie.
    pub paths: Paths,
    /// Its behaviour.
    pub live: Live,
    /// Where what happens to it is counted.
    pub effects: Effects,
    /// Its log.
    pub log: Log,
    /// Its data directory.
    pub data_dir: PathBuf,
    /// Its identifier.
    pub id: String,
    /// `cluster` or `single`.
    pub mode: String,
    /// The cluster's secret; empty where there is none.
    pub jwt_secret: String,
    /// The file with certificate and key; empty where there is none.
    pub keyfile: String,
    /// The version of the installed database when the starter began.
    pub version: Version,
    /// The database's programs that it keeps running, by kind; a dead one stays listed until
    /// another takes its place.
    pub pids: Mutex<BTreeMap<Kind, u32>>,
    /// The starter that speaks for all, as far as is known.
    pub master_url: Mutex<String>,
    /// Rung when the master has changed.
    pub master_changed: Notify,
    /// Rung when the plan of an upgrade has changed.
    pub plan_changed: Notify,
    /// What the starter's own upgrade is doing.
    pub upgrading: Mutex<Upgrading>,
    /// Whether the starter was asked to stop.
    pub stopping: watch::Sender<bool>,
    /// Whether the address of this starter is still to be learned from who calls it.
    pub learns_address: AtomicBool,
    peers: Mutex<Peers>,
    phase: Mutex<Phase>,
}

impl Starter {
    /// Returns all starters.
    pub fn peers(&self) -> Peers {
        self.lock_peers().clone()
    }

    /// Returns all starters, locked.
    pub fn lock_peers(&self) -> MutexGuard<'_, Peers> {
        self.peers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns this starter among all, if it is among them.
    pub fn own(&self) -> Option<Peer> {
        self.lock_peers().by_id(&self.id).cloned()
    }

    /// Returns how far the starter has come.
    pub fn phase(&self) -> Phase {
        *self.phase.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes how far the starter has come.
    pub fn enter(&self, phase: Phase) {
        *self.phase.lock().unwrap_or_else(PoisonError::into_inner) = phase;
    }

    /// Returns the port that it was told to listen on, without the shift.
    pub fn master_port(&self) -> u16 {
        self.options.number("starter.port").unwrap_or(DEFAULT_PORT)
    }

    /// Returns the header with which it speaks to the databases.
    pub fn authorization(&self) -> Option<String> {
        (!self.jwt_secret.is_empty())
            .then(|| format!("bearer {}", jwt::superuser(&self.jwt_secret, "foo")))
    }

    /// Returns the agency as this starter knows it.
    pub fn agency(&self) -> Option<AgencyClient> {
        AgencyClient::new(&self.peers().urls(Kind::Agent), self.authorization())
    }

    /// Returns the URL of the starter that speaks for all; empty if none is known.
    pub fn known_master(&self) -> String {
        self.master_url
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Returns the directory of one of its servers.
    pub fn server_dir(&self, kind: Kind) -> PathBuf {
        let port = self.own().map_or(0, |own| own.port_of(kind));
        self.data_dir.join(format!("{}{port}", kind.name()))
    }

    /// Returns the log file of one of its servers.
    pub fn server_log(&self, kind: Kind) -> PathBuf {
        match self.options.text("log.dir") {
            Some(dir) => {
                let port = self.own().map_or(0, |own| own.port_of(kind));
                let name = kind.log_file().replace(".log", "");
                Path::new(dir).join(format!("{name}-{}-{port}.log", kind.name()))
            }
            None => self.server_dir(kind).join(kind.log_file()),
        }
    }

    /// Returns the kinds of server that it runs.
    pub fn kinds(&self) -> Vec<Kind> {
        if self.mode == "single" {
            return vec![Kind::Single];
        }
        let own = self.own();
        // Agents first: the others need them.
        [
            Kind::Agent,
            Kind::DbServer,
            Kind::Coordinator,
            Kind::SyncMaster,
            Kind::SyncWorker,
        ]
        .into_iter()
        .filter(|kind| own.as_ref().is_some_and(|own| own.has(*kind)))
        .collect()
    }

    /// Counts an effect.
    pub fn count(&self, what: &str, detail: &Value) {
        if let Err(error) = self.effects.record(what, detail) {
            eprint_line(&format!(
                "lab: the effect `{what}` was not counted: {error}"
            ));
        }
    }

    /// Writes `setup.json`.
    pub fn save_setup(&self) {
        let setup = Setup {
            version: SETUP_VERSION.to_owned(),
            id: self.id.clone(),
            peers: self.peers(),
            mode: self.mode.clone(),
            ssl_keyfile: self.keyfile.clone(),
            jwt_secret: self.jwt_secret.clone(),
        };
        let path = self.data_dir.join("setup.json");
        let written = serde_json::to_vec(&setup)
            .map_err(std::io::Error::other)
            .and_then(|text| files::replace(&path, &text, 0o644));
        if let Err(error) = written {
            self.log.error(&format!("Error writing setup: {error}"));
        }
    }

    /// Asks the starter to stop.
    pub fn stop(&self) {
        self.stopping.send_replace(true);
    }

    /// Tells whether the starter was asked to stop.
    pub fn is_stopping(&self) -> bool {
        *self.stopping.borrow()
    }

    /// Ends when the starter is asked to stop.
    pub async fn stopped(&self) {
        let mut stopping = self.stopping.subscribe();
        drop(stopping.wait_for(|stopping| *stopping).await);
    }
}

/// Runs the starter; returns its exit code.
pub async fn run(options: Options) -> u8 {
    let starter = match prepare(options) {
        Ok(starter) => Arc::new(starter),
        Err(why) => {
            eprint_line(&format!("FATAL: {why}"));
            return 1;
        }
    };
    let argv: Vec<String> = std::env::args().collect();
    starter.count("start", &json!({"argv": argv}));
    let quit = tokio::spawn(signals(Arc::clone(&starter)));
    let code = tokio::select! {
        code = live(&starter) => code,
        // The second signal: at once, and nothing is stopped.
        _ = quit => 1,
    };
    starter.count("exit", &json!({"code": code}));
    code
}

/// Ends when a second signal comes; the first asks the starter to stop.
async fn signals(starter: Arc<Starter>) {
    let streams = (
        signal(SignalKind::terminate()),
        signal(SignalKind::interrupt()),
        signal(SignalKind::hangup()),
    );
    let (Ok(mut term), Ok(mut int), Ok(mut hup)) = streams else {
        return;
    };
    let mut seen = 0;
    while seen < 2 {
        let name = tokio::select! {
            _ = term.recv() => "TERM",
            _ = int.recv() => "INT",
            _ = hup.recv() => "HUP",
        };
        starter.count("signal", &json!({"signal": name}));
        if name == "HUP" {
            starter.log.info("Rotating log files...");
            for pid in starter
                .pids
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .values()
            {
                super::process::signal(*pid, rustix::process::Signal::HUP);
            }
            continue;
        }
        starter.log.info(&format!("Received signal: {name}"));
        seen += 1;
        starter.stop();
    }
}

async fn live(starter: &Arc<Starter>) -> u8 {
    let begun = bootstrap::begin(starter).await;
    if let Err(why) = begun {
        starter.log.fatal(&why);
        return 1;
    }
    if starter.is_stopping() {
        return 0;
    }
    starter.enter(Phase::RunningSlave);
    let managers = async {
        tokio::join!(
            supervise::run(Arc::clone(starter)),
            master::run(Arc::clone(starter)),
            upgrade::watch(Arc::clone(starter)),
        );
    };
    managers.await;
    starter.count("stop", &Value::Null);
    0
}

/// Opens the starter's port.
pub async fn open_port(starter: &Arc<Starter>) -> Result<Door, String> {
    let shift = starter.own().map_or(0, |own| own.port_offset);
    let port = starter.master_port() + shift;
    let host = match &starter.live.now().bind {
        Some(bind) => bind.clone(),
        None => starter
            .options
            .text("starter.host")
            .unwrap_or("0.0.0.0")
            .to_owned(),
    };
    let listener = bind(&host, port)
        .await
        .map_err(|error| format!("Port {port} is already in use: {error}"))?;
    let acceptor = if starter.keyfile.is_empty() {
        None
    } else {
        let acceptor = tls::acceptor(starter.keyfile.as_ref());
        Some(acceptor.map_err(|error| format!("{}: {error}", starter.keyfile))?)
    };
    starter
        .log
        .info(&format!("ArangoDB Starter listening on {host}:{port}"));
    Ok(Door::open(
        listener,
        acceptor,
        Arc::new(answers::Answers {
            starter: Arc::clone(starter),
        }),
    ))
}

fn prepare(options: Options) -> Result<Starter, String> {
    let paths = Paths::of_this_host();
    let live = Live::open(&paths.switches(), "starter").map_err(|error| error.to_string())?;
    let own_version = live.now().starter_version.clone();
    let data_dir = options.text("starter.data-dir").unwrap_or(".");
    let data_dir = std::path::absolute(data_dir).map_err(|error| format!("{data_dir}: {error}"))?;
    std::fs::create_dir_all(&data_dir).map_err(|error| {
        format!(
            "Cannot create data directory {}: {error}",
            data_dir.display()
        )
    })?;
    let place = data_dir.display().to_string();
    let effects = Effects::open(&paths.effects(), "starter", &own_version, &place)
        .map_err(|error| format!("lab: {}: {error}", paths.effects().display()))?;
    let log_path = data_dir.join("arangodb.log");
    let log = Log::open(
        (options.choice("log.file") != Some(false)).then_some(log_path.as_path()),
        options.choice("log.console") != Some(false),
    );
    log.info(&format!(
        "Starting arangodb version {own_version}, build a18b27c"
    ));
    let version = Version::installed(&paths.version())
        .map_err(|error| format!("Failed to detect database features: {error}"))?;
    let setup = Setup::read(&data_dir);
    let relaunch = setup.is_some();
    let kept = setup.unwrap_or_else(Setup::none);
    let either = |kept: String, given: String| if kept.is_empty() { given } else { kept };
    let given_mode = options.text("starter.mode").unwrap_or("cluster").to_owned();
    let starter = Starter {
        id: either(kept.id, new_id(&options)?),
        mode: either(kept.mode, given_mode),
        jwt_secret: either(kept.jwt_secret, secret(&options)?),
        keyfile: either(kept.ssl_keyfile, keyfile(&options, &data_dir)?),
        peers: Mutex::new(kept.peers),
        phase: Mutex::new(if relaunch {
            Phase::RunningSlave
        } else {
            Phase::BootstrapMaster
        }),
        options,
        paths,
        live,
        effects,
        log,
        data_dir,
        version,
        pids: Mutex::new(BTreeMap::new()),
        master_url: Mutex::new(String::new()),
        master_changed: Notify::new(),
        plan_changed: Notify::new(),
        upgrading: Mutex::new(Upgrading::default()),
        stopping: watch::Sender::new(false),
        learns_address: AtomicBool::new(false),
    };
    starter.learns_address.store(
        starter.options.text("starter.address").is_none(),
        Ordering::SeqCst,
    );
    Ok(starter)
}

fn new_id(options: &Options) -> Result<String, String> {
    if let Some(id) = options.text("starter.id") {
        return Ok(id.to_owned());
    }
    let random = crate::sim::arangod::data::uuid().map_err(|error| error.to_string())?;
    Ok(random.chars().take(8).collect())
}

fn secret(options: &Options) -> Result<String, String> {
    let Some(path) = options.text("auth.jwt-secret") else {
        return Ok(String::new());
    };
    let text = std::fs::read_to_string(path)
        .map_err(|error| format!("Failed to read JWT secret file '{path}': {error}"))?;
    Ok(text.trim().to_owned())
}

fn keyfile(options: &Options, data_dir: &Path) -> Result<String, String> {
    if let Some(path) = options.text("ssl.keyfile") {
        return Ok(path.to_owned());
    }
    if !options.is_set("ssl.auto-key") {
        return Ok(String::new());
    }
    let path = data_dir.join("arangodb-auto.pem");
    let name = options
        .text("ssl.auto-server-name")
        .or_else(|| options.text("starter.address"))
        .unwrap_or("arangodb.local");
    let made = tls::self_signed(vec![name.to_owned()]);
    let write = |pem: String| files::replace(&path, pem.as_bytes(), 0o600);
    made.and_then(write)
        .map_err(|error| format!("Failed to create keyfile: {error}"))?;
    Ok(path.display().to_string())
}
