//! The script that upgrades one ArangoDB server, as stagger renders it: how it asks the servers of its host, with curl
//! and without, under every shell that may be `/bin/sh`.

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
      role: agent
      server_role: AGENT
      port: PORT
      pid: 999999
      start: 1
      directory: /nowhere
      log: /nowhere/log
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
    arangodb_unit: arangodb
    arangodb_hold_file: /nowhere/hold
    arangodb_version: 3.4.0
    arangodb_data_number: 30400
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

fn rendered(here: &Path, port: u16, name: &str, tools: &str) -> String {
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
    let playbook = PLAYBOOK
        .replace("PORT", &port.to_string())
        .replace("TOOLS", tools)
        .replace("NAME", name)
        .replace("HERE", &here.display().to_string());
    std::fs::write(here.join("site.yml"), playbook).unwrap();
    typed(&["apply", "site.yml", "-i", "localhost,", "--state", "state"]);
    let script = std::fs::read_to_string(here.join(name)).unwrap();
    let (asks, _) = script.split_once("mark begin check what is there").unwrap();
    asks.to_owned()
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
        let asks = rendered(here.path(), port, name, tools);
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
