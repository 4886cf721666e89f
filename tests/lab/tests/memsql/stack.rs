//! A whole cluster as processes of this machine: two hosts with an agent of Ops each, a master and a child aggregator,
//! two leaves; and stagger itself, which upgrades it. What came of it is read from the servers and from what they count,
//! never from what stagger says of itself.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use lab::command::{Command, Output, Running};
use lab::sim::memsql::Address;
use lab::sim::memsql::wire::client::{ask, quoted_text};
use lab::sim::memsql::wire::{Answer, ClientError, Login};
use lab::{clock, files, product};
use serde_json::{Map, Value, json};

use crate::harness::show;
use crate::servers::{NEW, OLD};

/// The password of root in the databases, which must be found nowhere.
pub(crate) const PASSWORD: &str = "open-sesame-4711";

/// How the simulators behave by themselves here: quickly, and not put off by a machine that is busy.
fn usual() -> Map<String, Value> {
    let usual = json!({
        "time_factor": 0.1, "heartbeats_missed": 20, "start_delay_ms": 500, "recovery_ms": 300, "stop_delay_ms": 300,
        "upgrade_ms": 1_000, "copy_ms": 200,
    });
    usual.as_object().cloned().unwrap_or_default()
}

/// Variables that shorten waits to what scaled servers need, also on a machine that is busy; a case in which one has to run
/// out has its own, shorter one.
const WAITS: &str = r#"{"memsql_poll": 0.3, "memsql_gate_timeout": 30, "memsql_caught_up_timeout": 30,
    "memsql_settle_timeout": 30, "memsql_attach_timeout": 30, "memsql_start_timeout": 30, "memsql_stop_timeout": 30,
    "memsql_upgrade_timeout": 60, "memsql_detach_timeout": 30, "memsql_restore_timeout": 60}"#;

/// One of the two hosts.
pub(crate) struct Machine {
    pub(crate) root: PathBuf,
    address: String,
    agent: Option<Running>,
}

/// The cluster, and the operator's directory.
pub(crate) struct Stack {
    pub(crate) machines: Vec<Machine>,
    armed: Map<String, Value>,
    pub(crate) master: Address,
    pub(crate) child: Address,
    pub(crate) leaves: Vec<Address>,
    home: PathBuf,
    _directory: tempfile::TempDir,
}

/// What a cluster is made of where it is not as usual.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    /// The groups of the leaves.
    pub(crate) groups: Vec<u8>,
    /// How many child aggregators.
    pub(crate) children: usize,
    /// The databases.
    pub(crate) databases: Vec<&'static str>,
    /// How the simulators behave.
    pub(crate) switches: Value,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            groups: vec![1, 2],
            children: 1,
            databases: vec!["s-1"],
            switches: json!({}),
        }
    }
}

/// The program under test: given, or built with this one.
pub(crate) fn program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| match lab::cli::given_program() {
        Some(program) => program,
        None => product::build_for_trial("stagger").unwrap(),
    })
}

/// Makes the directory of a cluster, in memory if there is room and programs may be run from it: the operator's records are
/// put on the disk at each step, and the cases would mostly wait for that.
fn directory() -> tempfile::TempDir {
    const ROOM: u64 = 4 << 30;
    let memory = Path::new("/dev/shm");
    let fits = rustix::fs::statvfs(memory).is_ok_and(|memory| {
        let may_run = !memory
            .f_flag
            .contains(rustix::fs::StatVfsMountFlags::NOEXEC);
        may_run && memory.f_bavail.saturating_mul(memory.f_frsize) > ROOM
    });
    if fits {
        tempfile::tempdir_in(memory).unwrap()
    } else {
        tempfile::tempdir().unwrap()
    }
}

/// Addresses of this machine that no other case uses.
fn network() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(1);
    let (process, count) = (
        std::process::id() % 250 + 1,
        COUNT.fetch_add(1, Ordering::Relaxed),
    );
    format!("127.{process}.{count}")
}

pub(crate) fn block<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime.unwrap().block_on(work)
}

impl Machine {
    fn start(directory: &Path, addresses: &[String], number: usize) -> Self {
        let root = directory.join(format!("m{}", number + 1));
        let address = addresses[number].clone();
        let settings = json!({"host": address, "primary": addresses[0], "agents": addresses, "password": PASSWORD});
        let put = |place: &str, text: String| {
            let path = root.join(place);
            files::make_directory(path.parent().unwrap()).unwrap();
            files::write(&path, text, 0o755).unwrap();
        };
        put("etc/memsql-ops/settings.json", settings.to_string());
        put("etc/lab/memsql.json", Value::Object(usual()).to_string());
        let program = root.join("usr/bin/memsql-ops");
        files::make_directory(program.parent().unwrap()).unwrap();
        std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_lab"), &program).unwrap();
        let (lab_root, program) = (root.display().to_string(), program.display().to_string());
        put(
            "memsql-ops",
            format!("#!/bin/sh\nLAB_ROOT={lab_root} exec {program} \"$@\"\n"),
        );
        let mut machine = Self {
            root,
            address,
            agent: None,
        };
        machine.serve();
        machine
    }

    /// Starts the agent.
    fn serve(&mut self) {
        // By the shell: a script that was just written may still be open in a process that another case is starting.
        let script = self.root.join("memsql-ops");
        let agent = Command::new("sh").arg(script).arg("agent-run");
        self.agent = Some(agent.start().unwrap());
    }

    pub(crate) fn effects(&self) -> Vec<Value> {
        let text = files::read_if_there(&self.root.join("var/lib/lab/effects.log")).unwrap();
        let text = text.unwrap_or_default();
        text.lines()
            .filter_map(|line| serde_json::from_str(line).ok())
            .collect()
    }
}

impl Stack {
    /// Sets a cluster up and waits until it serves.
    pub(crate) fn up(plan: &Plan) -> Self {
        let directory = directory();
        let net = network();
        let addresses = [format!("{net}.1"), format!("{net}.2")];
        let machines: Vec<Machine> = (0..2)
            .map(|number| Machine::start(directory.path(), &addresses, number))
            .collect();
        let home = directory.path().join("operator");
        files::make_directory(&home).unwrap();
        // These addresses are nobody else's, and no client is given these ports.
        let at = |host: usize, number: usize| {
            Address::new(&addresses[host], 3306 + u16::try_from(number).unwrap())
        };
        let (master, child) = (at(0, 0), at(1, 0));
        let leaves: Vec<Address> = (0..plan.groups.len())
            .map(|number| at(number % 2, 1 + number / 2))
            .collect();
        let mut stack = Self {
            machines,
            armed: usual(),
            master,
            child,
            leaves,
            home,
            _directory: directory,
        };
        stack.deploy(plan);
        stack.arm(plan.switches.clone());
        let inventory = stack.inventory();
        files::write(&stack.home.join("inventory.yml"), inventory, 0o600).unwrap();
        stack
    }

    fn deploy(&self, plan: &Plan) {
        self.until("the agents answer", || {
            let agents = self.ops("agent-list --json").out;
            agents.matches("ONLINE").count() == 2
        });
        for version in [OLD, NEW] {
            let file = self.home.join(format!("memsqlbin_amd64-{version}.tar.gz"));
            files::write(&file, format!("{version}\n"), 0o644).unwrap();
            self.must(&format!("file-add --no-prompt {}", file.display()));
        }
        let deploy = |role: &str, at: &Address, more: &str| {
            let (host, port) = (&at.host, at.port);
            self.must(&format!(
                "memsql-deploy --no-prompt --role {role} --port {port} --agent-id {host} --version {OLD}{more}"
            ));
        };
        deploy("master", &self.master, "");
        if plan.children > 0 {
            deploy("aggregator", &self.child, "");
        }
        for (leaf, group) in self.leaves.iter().zip(&plan.groups) {
            deploy("leaf", leaf, &format!(" --availability-group {group}"));
        }
        for name in &plan.databases {
            let quoted = name.replace('`', "``");
            self.sql(&format!("CREATE DATABASE `{quoted}` PARTITIONS 4"));
            self.sql(&format!(
                "CREATE TABLE `{quoted}`.t (k VARCHAR(9) PRIMARY KEY, n BIGINT)"
            ));
            self.sql(&format!("INSERT INTO `{quoted}`.t VALUES ('k1', 1)"));
        }
        self.until("all servers are connected", || {
            self.ops("memsql-list --json")
                .out
                .matches("\"CONNECTED\"")
                .count()
                == 1 + plan.children + self.leaves.len()
        });
    }

    fn inventory(&self) -> String {
        let hosts: Vec<String> = (self.machines.iter().enumerate())
            .map(|(number, machine)| {
                let (address, root) = (&machine.address, machine.root.display());
                format!("        m{}: {{ ansible_host: {address}, memsql_data_dir: {root}/var/lib/memsql }}\n", number + 1)
            })
            .collect();
        let root = self.machines[0].root.display();
        format!(
            "all:\n  vars:\n    ansible_connection: local\n    ansible_become: false\n  children:\n    memsql:\n      hosts:\n{}      vars:\n        memsql_version: \"{NEW}\"\n        \
             memsql_password: {PASSWORD}\n        memsql_backup: none\n        memsql_ops_program: {root}/memsql-ops\n        \
             memsql_lock_dir: {root}/lock/memsql\n    memsql_ops:\n      hosts:\n        m1:\n",
            hosts.concat()
        )
    }

    /// Waits, for half a minute at most.
    pub(crate) fn until(&self, what: &str, mut look: impl FnMut() -> bool) {
        for _ in 0..300 {
            if look() {
                return;
            }
            clock::pause(Duration::from_millis(100));
        }
        panic!("never: {what}\n{:#}", self.meta());
    }

    /// Runs a command of Ops.
    pub(crate) fn ops(&self, line: &str) -> Output {
        let script = self.machines[0].root.join("memsql-ops");
        Command::new("sh")
            .arg(script)
            .args(line.split(' '))
            .output()
            .unwrap()
    }

    /// Runs a command of Ops that must be done.
    pub(crate) fn must(&self, line: &str) {
        let output = self.ops(line);
        assert!(
            output.is_ok(),
            "memsql-ops {line}: {}{}",
            output.out,
            output.err
        );
    }

    /// Says a statement to the master aggregator.
    pub(crate) fn sql(&self, text: &str) {
        if let Err(error) = self.say(&self.master, text) {
            panic!("{text}: {error}");
        }
    }

    /// Says a statement to a server.
    pub(crate) fn say(&self, at: &Address, text: &str) -> Result<Answer, ClientError> {
        let login = Login {
            user: "root".to_owned(),
            password: PASSWORD.to_owned(),
            ..Login::default()
        };
        let limits = (Duration::from_secs(5), Duration::from_secs(20));
        block(ask(&at.host, at.port, &login, text, limits))
    }

    /// Sets switches of the simulators, beside those that are set; null takes one away.
    pub(crate) fn arm(&mut self, switches: Value) {
        let Value::Object(switches) = switches else {
            panic!("{switches}")
        };
        for (name, value) in switches {
            if value.is_null() {
                match usual().remove(&name) {
                    Some(own) => drop(self.armed.insert(name, own)),
                    None => drop(self.armed.remove(&name)),
                }
            } else {
                self.armed.insert(name, value);
            }
        }
        let text = Value::Object(self.armed.clone()).to_string();
        for machine in &self.machines {
            files::write(&machine.root.join("etc/lab/memsql.json"), &text, 0o644).unwrap();
        }
        // They are looked at five times a second.
        clock::pause(Duration::from_millis(300));
    }

    /// Ends the agent of the second host.
    pub(crate) fn lose_agent(&mut self) {
        let agent = self.machines[1].agent.take();
        agent.unwrap().signal(rustix::process::Signal::KILL);
    }

    /// Says where a file of the operator's is.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.home.join(name)
    }

    /// Says where the lock is.
    pub(crate) fn lock(&self) -> PathBuf {
        self.machines[0].root.join("lock/memsql")
    }

    /// Makes the command that a person types, in his directory.
    pub(crate) fn command(&self, line: &str) -> Command {
        Command::new(program())
            .args(line.split_whitespace())
            .directory(&self.home)
            .env("HOME", &self.home)
            .within(Duration::from_mins(5))
    }

    /// Upgrades as a person would, with shortened waits, more variables as JSON, and more arguments.
    pub(crate) fn upgrading(&self, variables: &Value, more: &str) -> Command {
        let drained = self.file("drained");
        let drain = json!({
            "memsql_drain": format!("echo {{{{ (memsql_aggregator | default({{}})).address | default('') }}}} >>{}", drained.display()),
            "memsql_undrain": format!(": >{}", drained.display()),
        });
        self.command(
            "apply roles/memsql/upgrade.yml -i inventory.yml --reason trying --state state",
        )
        .args(more.split_whitespace())
        .args([
            "-e",
            WAITS,
            "-e",
            &drain.to_string(),
            "-e",
            &variables.to_string(),
        ])
    }

    /// Upgrades, with the second group approved.
    pub(crate) fn upgrade(&self, variables: &Value) -> Output {
        self.upgrading(variables, "--approve second-group")
            .output()
            .unwrap()
    }

    /// Goes on with the last run, as a person would; returns what came of it.
    pub(crate) fn resume(&self) -> Output {
        self.command("resume --state state --approve second-group")
            .output()
            .unwrap()
    }

    /// Returns the id of a server.
    pub(crate) fn id(&self, at: &Address) -> String {
        let list: Value = serde_json::from_str(&self.ops("memsql-list --json").out).unwrap();
        let own = list
            .as_array()
            .unwrap()
            .iter()
            .find(|one| one["host"] == json!(at.host) && one["port"] == json!(at.port));
        own.unwrap()["memsql_id"].as_str().unwrap().to_owned()
    }

    /// Mends a server by hand, as the README says: it gets the new program, and is started.
    pub(crate) fn mend(&self, at: &Address) {
        let id = self.id(at);
        let one = "--no-prompt --skip-snapshot --no-backup-data-directories";
        if self
            .ops("memsql-list --json")
            .out
            .matches("NOT RUNNING")
            .count()
            > 0
            || self.version(at) != NEW
        {
            self.must(&format!(
                "memsql-upgrade --memsql-id {id} {one} --version {NEW}"
            ));
            self.must(&format!("memsql-start {id} --no-prompt"));
        }
        self.until("it has recovered", || {
            self.state(at)["recovers"] == json!(false)
        });
    }

    /// Shows what the servers and Ops counted, in its order, with the case that fails.
    fn show_effects(&self) {
        let effects = self.effects();
        let at = |effect: &Value| effect["unix_ms"].as_u64().unwrap_or(0);
        let first = effects.first().map_or(0, at);
        show("what was counted, in milliseconds:\n");
        for effect in &effects {
            let (ms, what, detail) = (at(effect) - first, &effect["what"], &effect["detail"]);
            show(&format!("{ms:>7} {} {what} {detail}\n", effect["place"]));
        }
        show(&format!("what the cluster is now: {}\n", self.meta()));
    }

    fn pids(&self) -> Vec<(String, rustix::process::Pid)> {
        let mut found = Vec::new();
        for machine in &self.machines {
            let servers = std::fs::read_dir(machine.root.join("var/lib/memsql"));
            for server in servers.into_iter().flatten().flatten() {
                let path = server.path();
                let pid = std::fs::read_to_string(path.join("memsqld.pid")).unwrap_or_default();
                let pid = pid
                    .trim()
                    .parse()
                    .ok()
                    .and_then(rustix::process::Pid::from_raw);
                found.extend(pid.map(|pid| (path.display().to_string(), pid)));
            }
        }
        found
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.show_effects();
        }
        for machine in &mut self.machines {
            if let Some(agent) = machine.agent.take() {
                agent.signal(rustix::process::Signal::KILL);
            }
        }
        for (path, pid) in self.pids() {
            let line = std::fs::read(format!("/proc/{}/cmdline", pid.as_raw_nonzero()))
                .unwrap_or_default();
            if String::from_utf8_lossy(&line).contains(&path) {
                // It may have ended meanwhile.
                rustix::process::kill_process(pid, rustix::process::Signal::KILL).ok();
            }
        }
    }
}

/// Shows what stagger said, for a case that has failed.
pub(crate) fn said(output: &Output) -> String {
    let all = format!("{}\n{}", output.out, output.err);
    let lines: Vec<&str> = all.lines().collect();
    let from = lines.len().saturating_sub(60);
    format!("{}:\n{}", output.exit, lines[from..].join("\n"))
}

/// Says a text for a statement.
pub(crate) fn node(at: &Address) -> String {
    format!("{}:{}", quoted_text(&at.host), at.port)
}
