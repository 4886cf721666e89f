//! With which exit code a run ends that meets a fault: its step ends as the script did, and the bracket around it asks what
//! the role asks, of the host as the script has left it.

#![expect(
    clippy::disallowed_methods,
    reason = "a playbook is written, and stagger started"
)]

use std::net::TcpStream;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use super::faults::Case;
use super::{Stage, lives};

/// What a look at the host would show of hold file, starter and servers.
fn look(stage: &Stage) -> Value {
    let own = stage.here.path();
    let main = std::fs::read_to_string(own.join("unit/MainPID")).unwrap();
    let main: u32 = main.trim().parse().unwrap();
    let starter = (main > 0 && lives(main)).then(|| json!({"pid": main}));
    let is_up = |port: &u16| TcpStream::connect((stage.address, *port)).is_ok();
    let servers = stage.ports[..2].iter();
    let servers: Vec<Value> = servers
        .map(|port| json!({"running": is_up(port)}))
        .collect();
    json!({"host": {"held": own.join("hold/arangodb").exists(), "starter": starter, "servers": servers}})
}

/// The role's own bracket around one step, as far as its end goes.
fn playbook(code: i32, look: &Path) -> Value {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("roles/arangodb");
    let role = std::fs::read_to_string(root.join("upgrade_servers.yml")).unwrap();
    let role: Value = serde_yaml::from_str(&role).unwrap();
    let bracket = &role[0]["bracket"];
    let that = bracket["hold_while"]["that"].as_str().unwrap();
    assert!(that.contains("result.host."), "{that}");
    let that = that.replace(
        "result.host.",
        "(result.content | b64decode | from_json).host.",
    );
    json!([{"hosts": "localhost",
        "bracket": {"name": bracket["name"], "per": bracket["per"],
            "read": [{"name": "what is found", "set_fact": {"unit_found": {"starter": true}}}],
            "found": "unit_found",
            "enter": [{"name": "take it", "command": "true", "done_when": "false"}],
            "leave": [{"name": "give it back", "command": "true", "done_when": "false"}],
            // What the script has left stays so: nobody need look again.
            "hold_wait": "0s",
            "hold_while": {"slurp": {"src": look}, "that": that}},
        "plays": [{"name": "one server", "hosts": "localhost", "gather_facts": false,
            "tasks": [{"name": "the script", "command": format!("sh -c 'exit {code}'"), "done_when": "false"}]}]}])
}

/// Runs it, and tells what is wrong with the exit code.
pub(super) fn of(stage: &Stage, case: &Case) -> Result<(), String> {
    let home = tempfile::tempdir_in(stage.here.path()).unwrap();
    let shown = home.path().join("look.json");
    let look = look(stage);
    std::fs::write(&shown, look.to_string()).unwrap();
    let playbook = playbook(case.code, &shown);
    std::fs::write(home.path().join("site.yml"), playbook.to_string()).unwrap();
    let ran = Command::new(env!("CARGO_BIN_EXE_stagger"))
        .args(["apply", "site.yml", "-i", "localhost,", "--state", "state"])
        .args(["-e", "ansible_connection=local", "--reason", "a test"])
        .current_dir(home.path())
        .env("STAGGER_HOST_STATE", home.path().join("hosts"))
        .output()
        .unwrap();
    if ran.status.code() == Some(i32::from(case.exit)) {
        return Ok(());
    }
    let told = String::from_utf8_lossy(&ran.stderr);
    let (name, exit) = (case.name, case.exit);
    Err(format!(
        "{name}: the run ended with {:?}, not {exit}, by {look}: {told}",
        ran.status
    ))
}
