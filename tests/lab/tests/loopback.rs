//! A whole simulated cluster on loopback addresses of one machine, without root: three
//! starters, nine servers, and what an upgrade by hand does to one of them.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test ends where something is not as it must be"
)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use lab::load::effects::stories;
use lab::sim::http::{Call, Reply, Target, call};
use lab::sim::starter::kinds::Kind;
use lab::sim::starter::process;
use rustix::process::Signal;
use serde_json::{Value, json};

const FACTOR: f64 = 0.3;

struct Host {
    root: PathBuf,
    address: String,
    starter: Option<Child>,
}

struct Cluster {
    hosts: Vec<Host>,
    runtime: tokio::runtime::Runtime,
    _dir: tempfile::TempDir,
}

#[expect(clippy::disallowed_methods, reason = "the simulators are programs")]
fn program(path: &Path, root: &Path) -> Command {
    let mut command = Command::new(path);
    command
        .env("LAB_ROOT", root)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command
}

#[expect(
    clippy::disallowed_methods,
    reason = "scratch files, and a clock for deadlines"
)]
mod allowed {
    use std::path::Path;
    use std::time::{Duration, Instant};

    pub(crate) fn write(path: &Path, text: &str) {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    pub(crate) fn now() -> Instant {
        Instant::now()
    }

    pub(crate) fn pause(ms: u64) {
        std::thread::sleep(Duration::from_millis(ms));
    }
}

fn wait_until(what: &str, seconds: u64, mut test: impl FnMut() -> bool) {
    let end: Instant = allowed::now() + Duration::from_secs(seconds);
    while !test() {
        assert!(allowed::now() < end, "{what}: not within {seconds} s");
        allowed::pause(100);
    }
}

impl Host {
    fn make(dir: &Path, number: usize, address: String) -> Self {
        let root = dir.join(format!("h{number}"));
        let lab = Path::new(env!("CARGO_BIN_EXE_lab"));
        for name in [
            "usr/sbin/arangod",
            "usr/bin/arangodb",
            "usr/sbin/arangosync",
        ] {
            std::fs::create_dir_all(root.join(name).parent().unwrap()).unwrap();
            std::os::unix::fs::symlink(lab, root.join(name)).unwrap();
        }
        let host = Self {
            root,
            address,
            starter: None,
        };
        host.behave(&json!({}));
        host.install("3.3.20");
        host
    }

    /// Tells the simulators of this host how to behave, beside what is usual here; those that run hear of it too.
    fn behave(&self, more: &Value) {
        let mut switches =
            json!({"bind": self.address, "time_factor": FACTOR, "agency_sync": false});
        let fields = switches.as_object_mut().unwrap();
        fields.extend(more.as_object().cloned().unwrap_or_default());
        allowed::write(&self.root.join("etc/lab/sim.json"), &switches.to_string());
    }

    fn install(&self, version: &str) {
        allowed::write(&self.root.join("usr/share/arangodb3/VERSION"), version);
    }

    fn start(&mut self, join: Option<&str>) {
        let mut command = program(&self.root.join("usr/bin/arangodb"), &self.root);
        command.arg(format!(
            "--starter.data-dir={}",
            self.root.join("cluster").display()
        ));
        command.arg(format!("--starter.address={}", self.address));
        command.arg("--server.storage-engine=rocksdb");
        if let Some(join) = join {
            command.arg(format!("--starter.join={join}"));
        }
        self.starter = Some(command.spawn().unwrap());
    }

    fn kill_starter(&mut self) {
        if let Some(mut starter) = self.starter.take() {
            starter.kill().unwrap();
            starter.wait().unwrap();
        }
    }

    fn data(&self, server: &str) -> PathBuf {
        self.root.join("cluster").join(server).join("data")
    }

    fn pid(&self, server: &str) -> Option<u32> {
        process::holder_of(&self.data(server))
    }

    fn target(&self, port: u16) -> Target {
        Target {
            secure: false,
            host: self.address.clone(),
            port,
        }
    }

    /// Runs a server's own command line, as its command file keeps it, with more arguments.
    fn run_by_hand(&self, server: &str, more: &[&str]) -> ExitStatus {
        let file = self
            .root
            .join("cluster")
            .join(server)
            .join("arangod_command.txt");
        let text = std::fs::read_to_string(file).unwrap();
        let mut line = text.lines().map(|line| line.trim_end_matches(" \\"));
        let mut command = program(Path::new(line.next().unwrap()), &self.root);
        command.args(line).args(more);
        command.spawn().unwrap().wait().unwrap()
    }

    fn log(&self, server: &str) -> String {
        let path = self.root.join("cluster").join(server).join("arangod.log");
        std::fs::read_to_string(path).unwrap_or_default()
    }

    fn effects(&self) -> String {
        std::fs::read_to_string(self.root.join("var/lib/lab/effects.log")).unwrap_or_default()
    }
}

const SERVERS: [&str; 3] = ["agent8531", "dbserver8530", "coordinator8529"];

impl Cluster {
    fn up() -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let dir = tempfile::tempdir().unwrap();
        let net = std::process::id() % 200 + 20;
        let own = COUNT.fetch_add(1, Ordering::Relaxed);
        let mut hosts: Vec<Host> = (1..=3)
            .map(|number| Host::make(dir.path(), number, format!("127.{net}.{own}.{number}")))
            .collect();
        let first = hosts[0].address.clone();
        for host in &mut hosts {
            let join = (host.address != first).then_some(first.as_str());
            host.start(join);
        }
        let cluster = Self {
            hosts,
            runtime: tokio::runtime::Runtime::new_current(),
            _dir: dir,
        };
        wait_until("the cluster is up", 60, || {
            (0..3).all(|host| cluster.status(host, 8529, "/_admin/server/availability") == 200)
        });
        cluster
    }

    fn ask(&self, host: usize, port: u16, method: &str, path: &str, body: &Value) -> Option<Reply> {
        let target = self.hosts[host].target(port);
        let request = Call::new(&target, method, path, Duration::from_secs(20)).json(body);
        self.runtime.block_on(call(request)).ok()
    }

    fn status(&self, host: usize, port: u16, path: &str) -> u16 {
        let reply = self.ask(host, port, "GET", path, &Value::Null);
        reply.map_or(0, |reply| reply.status)
    }

    fn get(&self, host: usize, port: u16, path: &str) -> Value {
        let reply = self.ask(host, port, "GET", path, &Value::Null);
        reply.map_or(Value::Null, |reply| reply.json())
    }
}

trait NewCurrent {
    fn new_current() -> Self;
}

impl NewCurrent for tokio::runtime::Runtime {
    fn new_current() -> Self {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        for host in &mut self.hosts {
            host.kill_starter();
            for server in SERVERS {
                if let Some(pid) = host.pid(server) {
                    process::signal(pid, Signal::KILL);
                }
            }
        }
    }
}

#[test]
fn a_cluster_serves_and_one_server_is_upgraded_by_hand() {
    let mut cluster = Cluster::up();
    cluster.writes_and_reads();
    let before: Pids = SERVERS
        .map(|server| (server, cluster.hosts[0].pid(server)))
        .into();
    cluster.hosts[0].kill_starter();
    for (server, pid) in &before {
        assert!(pid.is_some(), "{server} runs");
        let now = cluster.hosts[0].pid(server);
        assert_eq!(now, *pid, "{server} outlives its starter");
    }
    for host in &cluster.hosts {
        host.install("3.4.0");
    }
    let agent = before["agent8531"].unwrap();
    cluster.hosts[0].upgrade_agent(agent);
    cluster.hosts[0].start(None);
    cluster.adopts(&before, agent);
    cluster.hosts[0].counted_all();
}

/// The trap of adoption: a server that is slow to say its version is ended by the starter that starts, and begun anew with
/// whatever program lies there. Nothing of it happens to those that answer in time.
#[test]
fn a_slow_server_is_ended_by_a_starter_and_started_with_the_new_program() {
    let mut cluster = Cluster::up();
    let before = SERVERS.map(|server| cluster.hosts[0].pid(server));
    cluster.hosts[0].kill_starter();
    cluster.hosts[0].install("3.4.0");
    // Twice as long as a starter asks.
    let slow = json!({"dbserver": {"version_answer_delay_ms": 20_000}});
    cluster.hosts[0].behave(&slow);
    cluster.hosts[0].start(None);
    let host = &cluster.hosts[0];
    let counted = |what: &str, server: &str| {
        let what = [
            format!(r#""what":"{what}""#),
            format!(r#""server":"{server}""#),
        ];
        let effects = host.effects();
        let is_it = |line: &&str| what.iter().all(|word| line.contains(word));
        effects.lines().filter(is_it).count()
    };
    wait_until("the starter ends the slow server", 30, || {
        counted("terminate", Kind::DbServer.name()) == 1
    });
    let data = host.data("dbserver8530").display().to_string();
    wait_until("the new program refuses its data", 30, || {
        stories(&host.effects())
            .get(&data)
            .is_some_and(|story| story.refused_starts > 0)
    });
    assert!(
        host.log("dbserver8530")
            .contains("Database directory version (30320) is lower")
    );
    for (server, kind) in [
        ("agent8531", Kind::Agent),
        ("coordinator8529", Kind::Coordinator),
    ] {
        wait_until("the others are taken over", 30, || {
            counted("adopt", kind.name()) == 1
        });
        assert_eq!(counted("terminate", kind.name()), 0, "{server}");
        let was = SERVERS.iter().position(|other| *other == server);
        assert_eq!(host.pid(server), before[was.unwrap()], "{server}");
    }
}

type Pids = BTreeMap<&'static str, Option<u32>>;

impl Host {
    fn upgrade_agent(&self, agent: u32) {
        process::signal(agent, Signal::TERM);
        wait_until("the agent stops", 20, || !process::is_alive(agent));
        assert!(!self.data("agent8531").join("LOCK").exists(), "a clean end");

        let refused = self.run_by_hand("agent8531", &[]);
        assert_eq!(refused.code(), Some(1), "new program, old directory");
        let log = self.log("agent8531");
        assert!(
            log.contains(
                "Database directory version (30320) is lower than current version (30400)."
            ),
            "{log}"
        );
        let upgraded = self.run_by_hand("agent8531", &["--database.auto-upgrade=true"]);
        assert_eq!(upgraded.code(), Some(0));
        let version = std::fs::read_to_string(self.data("agent8531").join("VERSION-1"));
        assert!(version.unwrap().contains("30400"));
    }

    fn counted_all(&self) {
        let stories = stories(&self.effects());
        let agent = &stories[&self.data("agent8531").display().to_string()];
        assert_eq!(
            (agent.upgrade_starts, agent.upgrades, agent.refused_starts),
            (1, 1, 1)
        );
        assert_eq!(agent.signals.get("TERM"), Some(&1));
        let effects = self.effects();
        let adopted = effects
            .lines()
            .filter(|line| line.contains(r#""what":"adopt""#))
            .count();
        assert_eq!(adopted, 2);
    }
}

impl Cluster {
    fn writes_and_reads(&self) {
        let wanted = json!({"name": "c", "numberOfShards": 3, "replicationFactor": 2});
        let made = self
            .ask(0, 8529, "POST", "/_api/collection", &wanted)
            .unwrap();
        assert_eq!(made.status, 200, "{:?}", made.json());
        let document = json!({"_key": "k", "n": 1});
        let written = self
            .ask(1, 8529, "POST", "/_api/document/c", &document)
            .unwrap();
        assert_eq!(written.status, 202);
        assert_eq!(self.get(2, 8529, "/_api/document/c/k")["n"], 1);
    }

    fn adopts(&self, before: &Pids, agent: u32) {
        wait_until("the agent is new and the others are adopted", 30, || {
            let list = self.get(0, 8528, "/process");
            let pid = |kind: &str| {
                let servers = list["servers"].as_array().cloned().unwrap_or_default();
                let own = servers
                    .iter()
                    .find(|server| server["type"] == kind)
                    .cloned();
                own.and_then(|server| server["pid"].as_u64())
            };
            let kept = |kind: &str, server: &str| pid(kind) == before[server].map(u64::from);
            self.get(0, 8531, "/_api/version")["version"] == "3.4.0"
                && kept("dbserver", "dbserver8530")
                && kept("coordinator", "coordinator8529")
                && pid("agent").is_some_and(|pid| pid != u64::from(agent))
        });
        assert_eq!(
            self.get(0, 8530, "/_api/version")["version"],
            "3.3.20",
            "not restarted"
        );
        wait_until("the agency has a leader that all know", 30, || {
            let leaders: Vec<Value> = (0..3)
                .map(|host| self.get(host, 8531, "/_api/agency/config")["leaderId"].clone())
                .collect();
            leaders
                .iter()
                .all(|leader| *leader == leaders[0] && *leader != "" && !leader.is_null())
        });
    }
}
