//! The script that upgrades or restarts one ArangoDB server, run whole on servers that are processes of their own, with a
//! `systemctl` that is a file: what it does when nothing is wrong, and where it stops for each fault.

#![expect(
    clippy::disallowed_methods,
    reason = "starts servers and ends them, and runs the script as a host does"
)]

#[path = "upgrade_whole/exits.rs"]
mod exits;
#[path = "upgrade_whole/faults.rs"]
mod faults;
#[path = "upgrade_whole/soft.rs"]
mod soft;

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use faults::{CASES, Case, DEAF};

const PLAYBOOK: &str = "\
- hosts: localhost
  connection: local
  gather_facts: false
  vars:
    server: &server
      role: agent
      server_role: AGENT
      port: 900008
      pid: 900001
      start: 900002
      directory: HERE/server
      log: HERE/server/log
      data_number: 30320
      limits: []
      uid: 0
      gid: 0
      groups: []
      umask: ''
      environment_quoted: []
      working_directory: /
      command: [/bin/true]
    survivors:
      - { <<: *server, role: coordinator, server_role: COORDINATOR, pid: 900003, start: 900004, port: 900005 }
    sync_servers: []
    arangodb_restart: RESTART
    arangodb_starter_alone: ALONE
    arangodb_is_stranded: false
    arangodb_more: false
    arangodb_soft_s: 3
    arangodb_binary: HERE/arangod
    arangodb_unit: arangodb
    arangodb_hold_file: HERE/hold/arangodb
    arangodb_version: 3.4.0
    arangodb_data_number: 30400
    arangodb_upgrade_attempts: 2
    arangodb_stop_timeout: 3
    arangodb_start_timeout: 10.0
    arangodb_survivor_timeout: 4.0
    arangodb_host:
      address: 127.0.0.0
      secure: false
      starter_port: 900009
      starter: { pid: 900006, start: 900007 }
      tools: { bash: /bin/bash }
  tasks:
    - copy:
        content: \"{{ lookup('template', 'arangodb/upgrade_server.sh.j2') }}\"
        dest: HERE/NAME
";

/// The environment variable that makes this program a server: `PORT ROLE VERSION ADDRESS OTHER-PORTS`.
const SERVES: &str = "STAGGER_TEST_SERVES";

/// Answers as a server or a starter does.
fn serve(stream: &mut TcpStream, words: &[&str]) {
    let mut asked = [0; 4096];
    let mut length = 0;
    while !asked[..length].ends_with(b"\r\n\r\n") {
        match stream.read(&mut asked[length..]) {
            Ok(0) | Err(_) => return,
            Ok(count) => length += count,
        }
    }
    let asked = String::from_utf8_lossy(&asked[..length]).into_owned();
    let listed: Vec<String> = words[4..]
        .iter()
        .map(|port| format!("{{\"type\":\"agent\",\"port\":{port},\"pid\":1}}"))
        .collect();
    let path = asked.split_whitespace().nth(1).unwrap_or_default();
    if path.starts_with("/_admin/shutdown") {
        return soft::serve(stream, &asked);
    }
    // Without a plan of its own upgrade the starter knows of none.
    let code = if path == "/database-auto-upgrade" && !Path::new("plan").exists() {
        404
    } else {
        200
    };
    let body = match path {
        "/_admin/server/role" => format!("{{\"role\":\"{}\"}}", words[1]),
        "/process" => format!(
            "{{\"servers-started\":true,\"servers\":[{}]}}",
            listed.join(",")
        ),
        "/database-auto-upgrade" => std::fs::read_to_string("plan").unwrap_or_default(),
        _ => format!("{{\"server\":\"arango\",\"version\":\"{}\"}}", words[2]),
    };
    let head = format!(
        "HTTP/1.1 {code} X\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    drop(stream.write_all((head + &body).as_bytes()));
}

/// Not a test: the servers are this program, started with [`SERVES`].
#[test]
fn a_server_of_its_own() {
    let Ok(what) = std::env::var(SERVES) else {
        return;
    };
    let words: Vec<&str> = what.split(' ').collect();
    let at = (words[3], words[0].parse().unwrap());
    let listener = TcpListener::bind(at).unwrap();
    for stream in listener.incoming() {
        serve(&mut stream.unwrap(), &words);
    }
}

/// Returns the words that start this program as a server.
fn server_line() -> String {
    let program = std::env::current_exe().unwrap();
    format!(
        "{} --exact upgrade_whole::a_server_of_its_own --nocapture",
        program.display()
    )
}

fn start_of(pid: u32) -> String {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let rest = stat.rsplit_once(") ").unwrap().1;
    rest.split(' ').nth(19).unwrap().to_owned()
}

fn lives(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ")
        .is_some_and(|(_, rest)| !rest.starts_with('Z'))
}

fn write(path: &Path, text: &str, mode: u32) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

const SYSTEMCTL: &str = r#"#!/bin/sh
here=HERE
case $1 in
  show)
    shift
    while [ "$1" = -p ]; do
      value=$(cat "$here/unit/$2")
      if [ "$2" = MainPID ] && ! grep -qs '^State:.[^Z]' "/proc/$value/status"; then value=0; fi
      echo "$2=$value"
      shift 2
    done ;;
  start) echo start >>"$here/effects"; [ ! -f "$here/unit/refuses" ] || exit 1; . "$here/start" ;;
esac
"#;

/// What the starter does when it is started: it starts who does not answer, and tells what it has.
const START: &str = r#"
begin() { STAGGER_TEST_SERVES="$*" setsid $line >/dev/null 2>&1 </dev/null & echo $! >>"$here/started"; }
up() { grep -qs "^ *[0-9]*: LISTENS:$(printf '%04X' "$1") [0-9A-F]*:[0-9A-F]* 0A " /proc/net/tcp; }
up 900008 || begin 900008 AGENT "${comes:-3.4.0}" 127.0.0.0
up 900005 || begin 900005 COORDINATOR 3.4.0 127.0.0.0
begin 900009 STARTER 0.13.10 127.0.0.0 900008 900005
echo $! >"$here/unit/MainPID"
"#;

/// Where the first stage's agent answers: below the ports that the kernel gives to whoever asks for any.
const FIRST_PORT: u16 = 12_000;
/// How many stages there have been.
static STAGES: AtomicU8 = AtomicU8::new(0);

/// A host: a starter with an agent, which the script is for, and a coordinator.
struct Stage {
    here: tempfile::TempDir,
    /// Its own, as the ports of agent, coordinator and starter are: one that was free a moment ago may be somebody's now.
    address: Ipv4Addr,
    ports: [u16; 3],
    children: Vec<Child>,
}

impl Stage {
    fn new(deaf: bool) -> Self {
        let here = tempfile::tempdir().unwrap();
        let number = STAGES.fetch_add(1, Ordering::Relaxed) % 250 + 1;
        let [.., high, low] = std::process::id().to_be_bytes();
        let address = Ipv4Addr::new(127, high | 64, low, number);
        let port = FIRST_PORT + 3 * u16::from(number);
        let ports = [port, port + 1, port + 2];
        let mut stage = Self {
            here,
            address,
            ports,
            children: Vec::new(),
        };
        let [agent, coordinator, starter] = ports;
        stage.spawn(&format!("{agent} AGENT 3.3.20 {address}"), deaf);
        stage.spawn(
            &format!("{coordinator} COORDINATOR 3.3.20 {address}"),
            false,
        );
        stage.spawn(
            &format!("{starter} STARTER 0.13.10 {address} {agent} {coordinator}"),
            false,
        );
        for port in ports {
            let up = || TcpStream::connect((address, port)).is_ok();
            assert!((0..200).any(|_| up() || {
                std::thread::sleep(Duration::from_millis(25));
                false
            }));
        }
        stage.lay_out();
        stage
    }

    /// Writes what a host has: the unit, its programs, and the data of the agent.
    fn lay_out(&self) {
        let own = self.here.path().display().to_string();
        let file = |name: &str, text: &str, mode: u32| {
            write(
                &self.here.path().join(name),
                &text.replace("HERE", &own),
                mode,
            );
        };
        file("bin/systemctl", SYSTEMCTL, 0o755);
        file(
            "bin/who",
            "#!/bin/sh\necho 'kim      pts/0        2026-03-01 10:00 (10.0.0.9)'\n",
            0o755,
        );
        file(
            "start",
            &self.with_numbers(&format!("line='{}'\n{START}", server_line())),
            0o644,
        );
        file(
            "arangod",
            "#!/bin/sh\necho 'server-version: 3.4.0'\n",
            0o755,
        );
        for (name, value) in [
            ("KillMode", "process"),
            ("Restart", "no"),
            ("ActiveState", "failed"),
            ("ExecMainStartTimestamp", "Sun 2026-03-01 10:02:00 UTC"),
        ] {
            file(&format!("unit/{name}"), value, 0o644);
        }
        file("unit/MainPID", &self.pid(2).to_string(), 0o644);
        file(
            "server/data/VERSION-1",
            "{\"version\":30320,\"tasks\":{}}",
            0o644,
        );
    }

    fn spawn(&mut self, serves: &str, deaf: bool) {
        let trap = if deaf { "trap '' TERM; " } else { "" };
        let child = Command::new("sh")
            .args(["-c", &format!("{trap}exec {}", server_line())])
            .env(SERVES, serves)
            .current_dir(self.here.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        self.children.push(child.unwrap());
    }

    fn pid(&self, index: usize) -> u32 {
        self.children[index].id()
    }

    /// Puts this stage's numbers in the place of those that the script was made with.
    fn with_numbers(&self, text: &str) -> String {
        let [agent, coordinator, starter] = self.ports;
        let [first, second, third, last] = self.address.octets();
        let numbers = [
            ("127.0.0.0", self.address.to_string()),
            // As the kernel lists it.
            (
                "LISTENS",
                format!("{last:02X}{third:02X}{second:02X}{first:02X}"),
            ),
            ("900001", self.pid(0).to_string()),
            ("900002", start_of(self.pid(0))),
            ("900003", self.pid(1).to_string()),
            ("900004", start_of(self.pid(1))),
            ("900005", coordinator.to_string()),
            ("900006", self.pid(2).to_string()),
            ("900007", start_of(self.pid(2))),
            ("900008", agent.to_string()),
            ("900009", starter.to_string()),
        ];
        numbers
            .iter()
            .fold(text.to_owned(), |text, (from, to)| text.replace(from, to))
    }

    fn effects(&self) -> usize {
        let told = std::fs::read_to_string(self.here.path().join("effects"));
        told.unwrap_or_default().lines().count()
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        for child in &mut self.children {
            drop(child.kill());
            drop(child.wait());
        }
        let started = std::fs::read_to_string(self.here.path().join("started"));
        for pid in started.unwrap_or_default().lines() {
            drop(
                Command::new("kill")
                    .args(["-9", pid])
                    .stderr(Stdio::null())
                    .status(),
            );
        }
    }
}

/// Renders the script once for each kind; the numbers of a stage are put in afterwards.
fn render(here: &Path, restart: bool) -> String {
    render_for(here, restart, false)
}

fn render_for(here: &Path, restart: bool, alone: bool) -> String {
    render_as(here, restart, alone, "agent")
}

fn render_as(here: &Path, restart: bool, alone: bool, role: &str) -> String {
    let typed = |arguments: &[&str]| {
        let ran = Command::new(env!("CARGO_BIN_EXE_stagger"))
            .args(arguments)
            .current_dir(here)
            .output()
            .unwrap();
        let told = String::from_utf8_lossy(&ran.stderr);
        assert!(ran.status.success(), "{arguments:?}: {told}");
    };
    if !here.join("templates").exists() {
        typed(&["init", "arangodb"]);
    }
    let name = format!("script-{restart}-{alone}-{role}");
    // Where only the starter goes, all servers go on.
    let all = if alone {
        "survivors:\n      - *server\n"
    } else {
        "survivors:\n"
    };
    let playbook = PLAYBOOK
        .replace("RESTART", &restart.to_string())
        .replace("ALONE", &alone.to_string())
        .replacen("role: agent", &format!("role: {role}"), 1)
        .replace("survivors:\n", all)
        // What is only restarted has data that fits.
        .replace("30320", if restart { "30400" } else { "30320" })
        .replace("HERE/NAME", &here.join(&name).display().to_string());
    std::fs::write(here.join("site.yml"), playbook).unwrap();
    typed(&["apply", "site.yml", "-i", "localhost,", "--state", "state"]);
    std::fs::read_to_string(here.join(&name)).unwrap()
}

/// What an upgrade of the data does that goes well; the program that knows limits and users is tried elsewhere.
const UPGRADES: &str = "\
could_upgrade() { :; }
upgrade_data() { as_server; echo 'INFO database upgrade passed' >>\"$log\"; echo '{\"version\":30400,\"tasks\":{}}' >\"$data/data/VERSION-1\"; }
as_server() { :; }
";

fn run(script: &str, case: &Case) -> Result<(), String> {
    let stage = Stage::new(case.name == DEAF.name);
    run_on(&stage, script, case)?;
    exits::of(&stage, case)
}

fn run_on(stage: &Stage, script: &str, case: &Case) -> Result<(), String> {
    let own = stage.here.path().display().to_string();
    let other = stage.pid(1).to_string();
    let place = |text: &str| stage.with_numbers(&text.replace("OTHER", &other));
    let begins = "mark begin check what is there\n";
    let mut script = stage.with_numbers(script).replace("HERE", &own);
    if !case.restart {
        script = script.replace(begins, &format!("{UPGRADES}{begins}"));
    }
    let (from, to) = case.meanwhile;
    if !from.is_empty() {
        assert!(script.contains(from), "{}: {from}", case.name);
        script = script.replace(from, &place(to));
    }
    let shell = |text: &str| {
        let path = format!("{own}/bin:{}", std::env::var("PATH").unwrap());
        let mut command = Command::new("sh");
        command
            .args(["-c", text])
            .current_dir(&own)
            .env("PATH", path);
        command.stdin(Stdio::null()).output().unwrap()
    };
    let armed = shell(&place(case.armed));
    assert!(armed.status.success(), "{}: {armed:?}", case.name);
    let ran = shell(&script);
    let told = format!(
        "{}{}",
        String::from_utf8_lossy(&ran.stdout),
        String::from_utf8_lossy(&ran.stderr)
    );
    drop(shell(&place("kill -CONT OTHER 2>/dev/null || :")));
    let left = [0, 1, 2].map(|index| lives(stage.pid(index)));
    let is = (
        ran.status.code(),
        told.contains(case.said),
        left,
        stage.effects(),
    );
    let wanted = (Some(case.code), true, case.left, case.starts);
    if is == wanted {
        Ok(())
    } else {
        Err(format!("{}: {is:?}, not {wanted:?}: {told}", case.name))
    }
}

#[test]
fn each_fault_ends_as_it_must_and_nothing_else_is_touched() {
    let here = tempfile::tempdir().unwrap();
    let scripts = [
        render(here.path(), false),
        render(here.path(), true),
        render_for(here.path(), false, true),
    ];
    // Each has a host of its own, and most of the time waits.
    let tried = &|cases: &[Case]| -> Vec<String> {
        let kind = |case: &Case| usize::from(case.restart) + 2 * usize::from(case.alone);
        let wrong = |case: &Case| run(&scripts[kind(case)], case).err();
        cases.iter().filter_map(wrong).collect()
    };
    let wrong: Vec<String> = std::thread::scope(|scope| {
        let parts = CASES.chunks(CASES.len().div_ceil(6));
        let threads: Vec<_> = parts.map(|part| scope.spawn(move || tried(part))).collect();
        let ended = threads.into_iter().map(|thread| thread.join().unwrap());
        ended.flatten().collect()
    });
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[test]
fn a_server_that_does_not_end_is_not_killed() {
    let here = tempfile::tempdir().unwrap();
    run(&render(here.path(), false), &DEAF).unwrap();
}
