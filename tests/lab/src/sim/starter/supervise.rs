//! Keeps the servers of one machine running: adopts what runs, starts what does not.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use rustix::process::Signal;
use serde_json::{Value, json};

use super::command::{Recipe, command_line, command_text, config_text, write_once};
use super::kinds::Kind;
use super::process::{self, Process, holder_of};
use super::service::Starter;
use crate::sim::http::{Call, Target, bind, call};
use crate::sim::time;
use crate::sim::version::Version;

/// A server that ends sooner after its start has failed recently.
const RECENT_MS: u64 = 30_000;
/// So many recent failures and its log is shown.
const SHOW_LOG_FROM: u32 = 2;
/// So many recent failures and the starter gives up.
const GIVE_UP_AT: u32 = 100;
/// With which a server ends whose data must be upgraded first (`EXIT_UPGRADE_REQUIRED`), in later versions.
const UPGRADE_REQUIRED: i32 = 11;

/// What a starter finds where it is to start a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// Nobody holds the data directory.
    Nobody,
    /// A server that answers as it should.
    Answering,
    /// A living process that did not answer in time.
    Silent,
    /// A server that says it has another role.
    OtherRole,
}

/// What the starter does about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Choice {
    /// It takes the process for its own.
    Adopt,
    /// It starts a server.
    Start,
    /// It sends the process a SIGTERM and then starts a server.
    TerminateAndStart,
}

/// Decides what to do about what was found.
pub fn choose(found: Found) -> Choice {
    match found {
        Found::Nobody => Choice::Start,
        Found::Answering => Choice::Adopt,
        Found::Silent | Found::OtherRole => Choice::TerminateAndStart,
    }
}

/// Tells whether a starter of this version starts a server that ended so with an upgrade of its data: from 0.17.1 on
/// (its change log; `service/upgrade_manager.go`, `ServerDatabaseAutoUpgrade`).
pub fn upgrades_by_itself(starter: &str, last_exit: Option<i32>) -> bool {
    let version = Version::parse(starter);
    last_exit == Some(UPGRADE_REQUIRED) && version.is_ok_and(|version| version.at_least(0, 17, 1))
}

/// How a server's end is counted.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Failures {
    recent: u32,
}

impl Failures {
    /// Counts an end after the given time; returns the recent failures.
    pub fn count(&mut self, uptime_ms: u64, recent_ms: u64) -> u32 {
        self.recent = if uptime_ms < recent_ms {
            self.recent + 1
        } else {
            0
        };
        self.recent
    }
}

/// Why a server was not started.
#[derive(Debug)]
enum NotStarted {
    PortInUse(String),
    Failed(String),
}

/// Runs all servers until the starter is to stop, then stops them.
pub async fn run(starter: Arc<Starter>) {
    for kind in starter.kinds() {
        if starter.is_stopping() {
            break;
        }
        tokio::spawn(keep(Arc::clone(&starter), kind));
        if matches!(kind, Kind::Agent | Kind::DbServer) {
            tokio::select! {
                () = tokio::time::sleep(starter.live.now().timer(1000)) => {}
                () = starter.stopped() => {}
            }
        }
    }
    starter.stopped().await;
    starter.log.info("Shutting down services...");
    stop_all(&starter).await;
}

async fn keep(starter: Arc<Starter>, kind: Kind) {
    let mut failures = Failures::default();
    let name = kind.name();
    let mut last_exit = None;
    loop {
        let begin = time::mono_ms();
        let mut port_in_use = false;
        match start(&starter, kind, last_exit).await {
            Ok(mut server) => {
                let pid = server.pid();
                starter.lock_pids().insert(kind, pid);
                let announcing = tokio::spawn(announce(Arc::clone(&starter), kind));
                last_exit = server.wait(Duration::from_secs(1)).await;
                announcing.abort();
            }
            Err(NotStarted::PortInUse(why)) => {
                starter
                    .log
                    .error(&format!("Error while starting {name}: {why}"));
                port_in_use = true;
            }
            Err(NotStarted::Failed(why)) => {
                starter
                    .log
                    .error(&format!("Error while starting {name}: {why}"));
                return;
            }
        }
        if starter.is_stopping() {
            return;
        }
        if starter.expects_end_of(kind) {
            starter.log.info(&format!("restarting {name}"));
            continue;
        }
        let uptime = time::mono_ms().saturating_sub(begin);
        let switches = starter.live.now();
        let recent = failures.count(uptime, switches.timer_ms(RECENT_MS));
        if !goes_on(&starter, kind, uptime, recent, port_in_use) {
            return;
        }
        if port_in_use {
            tokio::time::sleep(switches.timer(1000)).await;
        }
        starter.log.info(&format!("restarting {name}"));
    }
}

/// Says how a server ended and tells whether it is to be started again.
fn goes_on(starter: &Starter, kind: Kind, uptime: u64, recent: u32, port_in_use: bool) -> bool {
    let name = kind.name();
    if recent == 0 {
        starter.log.info(&format!("{name} has terminated"));
        return true;
    }
    if !port_in_use {
        starter.log.info(&format!(
            "{name} has terminated quickly, in {uptime}ms (recent failures: {recent})"
        ));
        if recent >= SHOW_LOG_FROM {
            show_log(starter, kind);
        }
    }
    if recent < GIVE_UP_AT {
        return true;
    }
    starter
        .log
        .error(&format!("{name} has failed {recent} times, giving up"));
    starter.count("give-up", &json!({"server": name}));
    starter.stop();
    false
}

impl Starter {
    /// Returns the servers' processes, locked.
    pub fn lock_pids(&self) -> std::sync::MutexGuard<'_, std::collections::BTreeMap<Kind, u32>> {
        self.pids.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn show_log(starter: &Starter, kind: Kind) {
    let text = std::fs::read_to_string(starter.server_log(kind)).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    let last = lines
        .get(lines.len().saturating_sub(20)..)
        .unwrap_or_default();
    let name = kind.name();
    starter.log.info(&format!(
        "## Start of {name} log\n\t{}\n## End of {name} log",
        last.join("\n\t")
    ));
}

async fn start(
    starter: &Arc<Starter>,
    kind: Kind,
    last_exit: Option<i32>,
) -> Result<Process, NotStarted> {
    let failed = |error: std::io::Error| NotStarted::Failed(error.to_string());
    let name = kind.name();
    let own = starter
        .own()
        .ok_or_else(|| NotStarted::Failed("this starter is not among the peers".to_owned()))?;
    let port = own.port_of(kind);
    let directory = starter.server_dir(kind);
    for part in ["data", "apps"] {
        std::fs::create_dir_all(directory.join(part)).map_err(failed)?;
    }
    starter.log.info(&format!(
        "Looking for a running instance of {name} on port {port}"
    ));
    if let Some(pid) = holder_of(&directory.join("data")) {
        starter.log.info(&format!(
            "{name} seems to be running already, checking port {port}..."
        ));
        let found = probe(starter, kind, port).await;
        if choose(found) == Choice::Adopt {
            starter.log.info(&format!(
                "{name} is already running on {port}. No need to start anything."
            ));
            starter.count("adopt", &json!({"server": name, "pid": pid}));
            return Ok(Process::Adopted(pid));
        }
        let what = if found == Found::Silent {
            format!("{name} is not up on port {port}.")
        } else {
            format!("{name} is not of role '{}' on port {port}.", kind.role())
        };
        starter.log.info(&format!(
            "{what} Terminating existing process and restarting it..."
        ));
        starter.count("terminate", &json!({"server": name, "pid": pid}));
        process::signal(pid, Signal::TERM);
    }
    if !wait_for_port(starter, port).await {
        return Err(NotStarted::PortInUse(format!(
            "Cannot start {name}, because port {port} is already in use"
        )));
    }
    starter.log.info(&format!("Starting {name} on port {port}"));
    let heals = upgrades_by_itself(&starter.live.now().starter_version, last_exit);
    let line = prepare(starter, kind, &own, heals || starter.is_upgrade_due(kind))?;
    let server = Process::start(&line).map_err(failed)?;
    starter.upgrade_started(kind);
    Ok(server)
}

/// Writes a server's files, as far as they are not there, and returns its command line.
fn prepare(
    starter: &Starter,
    kind: Kind,
    own: &super::peers::Peer,
    auto_upgrade: bool,
) -> Result<Vec<String>, NotStarted> {
    let failed = |error: std::io::Error| NotStarted::Failed(error.to_string());
    let directory = starter.server_dir(kind);
    let peers = starter.peers();
    // The features are those of the program that was installed when the starter began.
    let version: &Version = &starter.version;
    let option = if kind.is_sync() {
        "server.arangosync"
    } else {
        "server.arangod"
    };
    let program = starter.options.text(option).map(str::to_owned);
    let mut secret_file = None;
    if kind.is_sync() && !starter.jwt_secret.is_empty() {
        let path = directory.join("arangod.jwtsecret");
        write_once(&path, &starter.jwt_secret, 0o600).map_err(failed)?;
        secret_file = Some(path.display().to_string());
    }
    let recipe = Recipe {
        kind,
        program: program.unwrap_or_else(|| kind.program(&starter.paths)),
        directory: directory.display().to_string(),
        log_file: starter.server_log(kind).display().to_string(),
        own,
        address: &own.address,
        peers: &peers,
        options: &starter.options,
        version,
        auto_upgrade,
        secret_file,
    };
    if !kind.is_sync() {
        let cafile = starter.options.text("ssl.cafile").unwrap_or_default();
        let text = config_text(&recipe, &starter.jwt_secret, &starter.keyfile, cafile);
        write_once(&directory.join("arangod.conf"), &text, 0o644).map_err(failed)?;
    }
    let line = command_line(&recipe);
    write_once(
        &directory.join(kind.command_file()),
        &command_text(&line),
        0o755,
    )
    .map_err(failed)?;
    Ok(line)
}

/// Asks whoever answers on the port for version and role, for 10 s.
async fn probe(starter: &Starter, kind: Kind, port: u16) -> Found {
    let limit = starter.live.now().timer(10_000);
    let end = tokio::time::Instant::now() + limit;
    while tokio::time::Instant::now() < end {
        let left = end.saturating_duration_since(tokio::time::Instant::now());
        let asked = tokio::time::timeout(left, starter.ask_server(kind, port));
        if let Ok(Some((_, role))) = asked.await {
            return if kind.is_sync() || role == kind.role() {
                Found::Answering
            } else {
                Found::OtherRole
            };
        }
        tokio::time::sleep(starter.live.now().timer(500).min(left)).await;
    }
    Found::Silent
}

impl Starter {
    /// Asks a server for version and role.
    pub async fn ask_server(&self, kind: Kind, port: u16) -> Option<(String, String)> {
        let own = self.own()?;
        let target = Target {
            secure: own.is_secure || kind.is_sync(),
            host: own.address,
            port,
        };
        let authorization = if kind.is_sync() {
            let token = self.options.text("sync.monitoring.token")?;
            Some(format!("bearer {token}"))
        } else {
            self.authorization()
        };
        let ask = async |path: &str| -> Option<Value> {
            let limit = Duration::from_secs(10);
            let request =
                Call::new(&target, "GET", path, limit).authorized(authorization.as_deref());
            let reply = call(request).await.ok()?;
            (reply.status == 200).then(|| reply.json())
        };
        let text =
            |value: &Value, name: &str| value.get(name).and_then(Value::as_str).map(str::to_owned);
        let version = text(&ask("/_api/version").await?, "version")?;
        if kind.is_sync() {
            return Some((version, String::new()));
        }
        let role = text(&ask("/_admin/server/role").await?, "role")?;
        Some((version, role))
    }
}

/// Says when a server is up, or that it is not after a long time.
async fn announce(starter: Arc<Starter>, kind: Kind) {
    let Some(port) = starter.own().map(|own| own.port_of(kind)) else {
        return;
    };
    let limit = starter.live.now().timer(300_000);
    let end = tokio::time::Instant::now() + limit;
    while tokio::time::Instant::now() < end {
        if let Some((version, _)) = starter.ask_server(kind, port).await {
            let name = kind.name();
            starter
                .log
                .info(&format!("{name} up and running (version {version})."));
            return;
        }
        tokio::time::sleep(starter.live.now().timer(500)).await;
    }
    starter
        .log
        .warn(&format!("{} not ready after 5min!", kind.name()));
}

async fn wait_for_port(starter: &Starter, port: u16) -> bool {
    let switches = starter.live.now();
    let host = switches.bind.clone().unwrap_or_else(|| "::".to_owned());
    let end = tokio::time::Instant::now() + switches.timer(3000);
    loop {
        if bind(&host, port).await.is_ok() {
            return true;
        }
        if tokio::time::Instant::now() >= end {
            return false;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

async fn stop_all(starter: &Starter) {
    for kind in Kind::STOP_ORDER {
        let pid = starter.lock_pids().get(&kind).copied();
        let Some(pid) = pid else { continue };
        if kind == Kind::Agent {
            tokio::time::sleep(starter.live.now().timer(3000)).await;
        }
        terminate(starter, kind, pid).await;
    }
}

/// Sends a SIGTERM, and a SIGKILL after a minute.
pub async fn terminate(starter: &Starter, kind: Kind, pid: u32) {
    let name = kind.name();
    starter.log.info(&format!("Terminating {name}..."));
    process::signal(pid, Signal::TERM);
    let end = tokio::time::Instant::now() + starter.live.now().timer(60_000);
    while process::is_alive(pid) {
        if tokio::time::Instant::now() >= end {
            starter.log.warn(&format!("Killing {name}..."));
            starter.count("kill", &json!({"server": name, "pid": pid}));
            process::signal(pid, Signal::KILL);
            // This version does not wait for a killed server to be gone.
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    starter.log.info(&format!("{name} terminated"));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_server_that_answers_in_time_and_role_is_adopted() {
        for (found, choice) in [
            (Found::Nobody, Choice::Start),
            (Found::Answering, Choice::Adopt),
            (Found::Silent, Choice::TerminateAndStart),
            (Found::OtherRole, Choice::TerminateAndStart),
        ] {
            assert_eq!(choose(found), choice);
        }
    }

    #[test]
    fn only_a_later_starter_upgrades_by_itself_what_asks_for_it() {
        for (starter, last_exit, expected) in [
            ("0.13.10", Some(11), false),
            ("0.17.0", Some(11), false),
            ("0.17.1", Some(11), true),
            ("0.19.25", Some(11), true),
            ("0.19.25", Some(1), false),
            ("0.19.25", Some(0), false),
            ("0.19.25", None, false),
        ] {
            let does = upgrades_by_itself(starter, last_exit);
            assert_eq!(does, expected, "{starter} {last_exit:?}");
        }
    }

    #[test]
    fn failures_are_recent_until_a_server_runs_for_30_s() {
        let mut failures = Failures::default();
        for expected in 1..=99 {
            assert_eq!(failures.count(100, RECENT_MS), expected);
        }
        assert_eq!(failures.count(RECENT_MS, RECENT_MS), 0);
        assert_eq!(failures.count(29_999, RECENT_MS), 1);
    }
}
