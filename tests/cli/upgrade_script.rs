//! The script that upgrades one ArangoDB server, as stagger renders it: how it asks the servers of its host, with curl
//! and without, under every shell that may be `/bin/sh`.

#![expect(
    clippy::disallowed_methods,
    clippy::too_many_lines,
    reason = "runs shells over tables of cases, as a server that is slow"
)]

#[path = "upgrade_script/kinds.rs"]
mod kinds;
#[path = "upgrade_script/words.rs"]
mod words;

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

const PLAYBOOK: &str = "\
- hosts: localhost
  connection: local
  gather_facts: false
  vars:
    server:
      role: ROLE
      server_role: AGENT
      port: PORT
      pid: 999999
      start: 1
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
    survivors: []
    sync_servers: []
    arangodb_restart: RESTART
    arangodb_is_stranded: STRANDED
    arangodb_more: MORE
    arangodb_binary: HERE/arangod
    arangodb_unit: arangodb
    arangodb_hold_file: /nowhere/hold
    arangodb_version: 3.4.0
    arangodb_data_number: NUMBER
    arangodb_upgrade_attempts: 2
    arangodb_stop_timeout: 1
    arangodb_start_timeout: 1
    arangodb_survivor_timeout: 1
    arangodb_host:
      address: 127.0.0.1
      secure: false
      starter_port: 8528
      starter: {}
      tools: TOOLS
  tasks:
    - copy:
        content: \"{{ lookup('template', 'arangodb/upgrade_server.sh.j2') }}\"
        dest: HERE/NAME
";

/// Answers as a server does; one that never says anything behind `/slow`, one that goes on for ever behind `/endless`.
fn serve(stream: &mut TcpStream) {
    let mut asked = [0; 4096];
    let mut length = 0;
    while !asked[..length].ends_with(b"\r\n\r\n") {
        match stream.read(&mut asked[length..]) {
            Ok(0) | Err(_) => return,
            Ok(count) => length += count,
        }
    }
    let asked = String::from_utf8_lossy(&asked[..length]).into_owned();
    let path = asked.split_whitespace().nth(1).unwrap_or_default();
    let known = asked.contains("Authorization: bearer x");
    let (code, body) = match path {
        "/_api/version" => (200, r#"{"server":"arango","version":"3.3.20"}"#),
        "/_admin/server/role" => (200, r#"{"role":"AGENT"}"#),
        "/secret" if known => (200, "told"),
        "/secret" => (401, "{}"),
        "/slow" => {
            std::thread::sleep(Duration::from_secs(4));
            return;
        }
        _ => (503, "{}"),
    };
    let head = format!(
        "HTTP/1.1 {code} X\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    drop(stream.write_all((head + body).as_bytes()));
}

fn server() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            std::thread::spawn(move || serve(&mut stream.unwrap()));
        }
    });
    port
}

/// Renders the script for a server of this role that goes to this version of the data.
fn rendered(here: &Path, port: u16, name: &str, tools: &str, does: (&str, u32)) -> String {
    rendered_for(here, port, name, tools, does, Kind::Upgrade)
}

/// For what the script is rendered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Upgrade,
    Restart,
    /// A server that is down; whether another one of its host waits too.
    Stranded {
        more: bool,
    },
}

fn rendered_for(
    here: &Path,
    port: u16,
    name: &str,
    tools: &str,
    (role, number): (&str, u32),
    kind: Kind,
) -> String {
    let playbook = PLAYBOOK
        .replace("PORT", &port.to_string())
        .replace("TOOLS", tools)
        .replace("RESTART", &(kind == Kind::Restart).to_string())
        .replace(
            "STRANDED",
            &matches!(kind, Kind::Stranded { .. }).to_string(),
        )
        .replace("MORE", &(kind == Kind::Stranded { more: true }).to_string())
        .replace("ROLE", role)
        .replace("NUMBER", &number.to_string())
        .replace("NAME", name);
    written(here, &playbook, name)
}

/// Applies a playbook that writes the script to a file of this name, and returns the script.
fn written(here: &Path, playbook: &str, name: &str) -> String {
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
    let playbook = playbook.replace("HERE", &here.display().to_string());
    std::fs::write(here.join("site.yml"), playbook).unwrap();
    typed(&["apply", "site.yml", "-i", "localhost,", "--state", "state"]);
    std::fs::read_to_string(here.join(name)).unwrap()
}

/// Returns what the script defines, before it does anything.
fn definitions(script: &str) -> &str {
    let (definitions, _) = script.split_once("mark begin check what is there").unwrap();
    definitions
}

fn shells() -> Vec<Vec<&'static str>> {
    let all = [
        vec!["sh"],
        vec!["dash"],
        vec!["bash"],
        vec!["busybox", "sh"],
    ];
    let there = |shell: &&Vec<&str>| Command::new(shell[0]).arg("--help").output().is_ok();
    all.iter().filter(there).cloned().collect()
}

#[test]
fn servers_are_asked_the_same_with_curl_and_without() {
    let here = tempfile::tempdir().unwrap();
    let port = server();
    let closed = {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap().port()
    };
    let cases = [
        (
            format!("get 2 {port} /_api/version && echo \"$body\""),
            0,
            "{\"server\":\"arango\",\"version\":\"3.3.20\"}\n".to_owned(),
        ),
        (
            format!("get 2 {port} /secret && echo \"$body\""),
            0,
            "told\n".to_owned(),
        ),
        (
            format!("get 2 {port} /busy"),
            1,
            format!("port {port} answers 503 to /busy\n"),
        ),
        (
            format!("get 1 {port} /slow"),
            1,
            format!("port {port} does not answer\n"),
        ),
        (
            format!("get 1 {closed} /_api/version"),
            1,
            format!("port {closed} does not answer\n"),
        ),
        (format!("answers 3 2 {port} AGENT"), 0, String::new()),
        (
            format!("answers 1 2 {closed} AGENT"),
            1,
            format!("port {closed} does not answer\n"),
        ),
        (
            format!("answers 3 2 {port} PRIMARY | cut -d: -f1"),
            0,
            format!("port {port} has another role\n"),
        ),
        (format!("has_version {port} 3.3.20"), 0, String::new()),
        (
            format!("has_version {port} 3.4.0 | cut -d: -f1"),
            0,
            format!("port {port} has another version\n"),
        ),
    ];
    let shells = shells();
    assert!(shells.len() >= 2, "{shells:?}");
    for (name, tools) in [
        ("with", "{curl: /usr/bin/curl, bash: /bin/bash}"),
        ("without", "{bash: /bin/bash}"),
    ] {
        let script = rendered(here.path(), port, name, tools, ("agent", 30400));
        let asks = definitions(&script);
        assert_eq!(asks.contains("curl -q"), name == "with");
        for shell in &shells {
            for (call, code, wanted) in &cases {
                let script = format!("{asks}\n{call}\n");
                let mut child = Command::new(shell[0])
                    .args(&shell[1..])
                    .args(["-c", &script])
                    .stdin(std::process::Stdio::piped())
                    .stdout(std::process::Stdio::piped())
                    .stderr(std::process::Stdio::piped())
                    .spawn()
                    .unwrap();
                let input = child.stdin.take();
                input
                    .unwrap()
                    .write_all(b"Authorization: bearer x\n")
                    .unwrap();
                let ran = child.wait_with_output().unwrap();
                let told = String::from_utf8_lossy(&ran.stdout);
                let errors = String::from_utf8_lossy(&ran.stderr);
                let what = format!("{shell:?} {name} curl: {call}: {errors}");
                assert_eq!(told, *wanted, "{what}");
                assert_eq!(ran.status.code(), Some(*code), "{what}");
            }
        }
    }
}

/// What an upgrade of the data does, as a shell's commands, and how the script must judge it.
struct Upgrade {
    name: &'static str,
    role: (&'static str, u32),
    /// Run at each attempt, whose number is in `attempt`.
    does: &'static str,
    code: i32,
    said: &'static str,
}

const PASSES: &str = "echo 'INFO database upgrade passed' >>\"$log\"; echo '{\"version\":30400,\"tasks\":{}}' >\"$data/data/VERSION-1\"";

#[test]
fn an_upgrade_of_the_data_is_judged_by_its_own_words() {
    let agent = ("agent", 30400);
    let coordinator = ("coordinator", 30500);
    let cases = [
        Upgrade {
            name: "it passes",
            role: agent,
            does: PASSES,
            code: 0,
            said: "",
        },
        Upgrade {
            name: "it fails once, then passes",
            role: agent,
            does: "[ $attempt = 1 ] && { echo 'FATAL upgrade failed' >>\"$log\"; return 1; }; PASSES",
            code: 0,
            said: "the upgrade ended with code 1",
        },
        Upgrade {
            name: "it passes once, then says nothing, and the version never comes",
            role: agent,
            does: "[ $attempt = 1 ] && echo 'INFO database upgrade passed' >>\"$log\"; :",
            code: 12,
            said: "the log does not say that the upgrade passed",
        },
        Upgrade {
            name: "it says so and does nothing",
            role: agent,
            does: "echo 'INFO database upgrade passed' >>\"$log\"",
            code: 12,
            said: "VERSION-1 says 30320",
        },
        Upgrade {
            name: "it passes, with a fatal line",
            role: agent,
            does: "PASSES; echo 'FATAL no' >>\"$log\"",
            code: 12,
            said: "the log has a fatal line",
        },
        Upgrade {
            name: "it fails each time",
            role: agent,
            does: "return 1",
            code: 12,
            said: "the upgrade ended with code 1",
        },
        Upgrade {
            name: "a coordinator that upgrades with the cluster",
            role: coordinator,
            does: "echo 'INFO {startup} server will now shut down due to upgrade.' >>\"$log\"",
            code: 0,
            said: "",
        },
        Upgrade {
            name: "one that cannot, and says that it could",
            role: coordinator,
            does: "echo \"ERROR Database '_system' upgrade failed (x).\" >>\"$log\"; echo 'INFO cluster upgrade to version 30500 completed successfully' >>\"$log\"; echo 'INFO server will now shut down due to upgrade.' >>\"$log\"",
            code: 12,
            said: "the log says that the cluster upgrade failed",
        },
        Upgrade {
            name: "one of before",
            role: coordinator,
            does: PASSES,
            code: 12,
            said: "shut down due to an upgrade",
        },
    ];
    let here = tempfile::tempdir().unwrap();
    let data = here.path().join("server/data");
    for case in &cases {
        std::fs::create_dir_all(&data).unwrap();
        std::fs::write(
            data.join("VERSION-1"),
            "{\"version\": 30320, \"tasks\": {}}",
        )
        .unwrap();
        // What was said before is nobody's business.
        let log = here.path().join("server/log");
        std::fs::write(&log, "FATAL of last year\nINFO database upgrade passed\n").unwrap();
        let script = rendered(here.path(), 1, "loop", "{bash: /bin/bash}", case.role);
        let (_, rest) = script.split_once("mark begin upgrade the data").unwrap();
        let (tries, _) = rest
            .split_once("mark begin check the other servers")
            .unwrap();
        let does = case.does.replace("PASSES", PASSES);
        let asked = format!(
            "{}\nupgrade_data() {{ {does}; }}\n{tries}\nexit 0\n",
            definitions(&script)
        );
        for shell in shells() {
            std::fs::write(&log, "FATAL of last year\nINFO database upgrade passed\n").unwrap();
            std::fs::write(
                data.join("VERSION-1"),
                "{\"version\": 30320, \"tasks\": {}}",
            )
            .unwrap();
            let ran = Command::new(shell[0])
                .args(&shell[1..])
                .args(["-c", &asked])
                .stdin(std::process::Stdio::null())
                .output()
                .unwrap();
            let told = String::from_utf8_lossy(&ran.stderr);
            let what = format!("{shell:?}: {}: {told}", case.name);
            assert_eq!(ran.status.code(), Some(case.code), "{what}");
            assert!(told.contains(case.said), "{what}");
        }
    }
}

#[test]
fn a_port_that_somebody_took_is_seen() {
    let here = tempfile::tempdir().unwrap();
    let script = rendered(
        here.path(),
        1,
        "port",
        "{bash: /bin/bash}",
        ("coordinator", 30400),
    );
    // Asked after the server has ended, before its data is touched.
    let asks = script.find("within 30 port_free").unwrap();
    assert!(asks > script.find("kill -s TERM \"$server_pid\"").unwrap());
    assert!(asks < script.find("mark begin upgrade the data").unwrap());
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let free = {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap().port()
    };
    for shell in shells() {
        for (port, wanted) in [(port, false), (free, true)] {
            let ran = Command::new(shell[0])
                .args(&shell[1..])
                .args([
                    "-c",
                    &format!("{}\nport_free {port}\n", definitions(&script)),
                ])
                .stdin(std::process::Stdio::null())
                .output()
                .unwrap();
            assert_eq!(ran.status.success(), wanted, "{shell:?} {port}");
        }
    }
}
