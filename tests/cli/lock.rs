//! `stagger lock`: the lock of a cluster as the roles take it, by hand.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::user::{Ran, User};

/// The primary agent of a MemSQL cluster is this machine, as far as its lock goes.
fn memsql() -> User {
    let user = User::new();
    let lock = user.path("lock/memsql").to_string_lossy().into_owned();
    user.writes(
        "hosts",
        &format!("[memsql]\nops ansible_connection=local\n[memsql_ops]\nops\n[all:vars]\nmemsql_version=5.8.12\nmemsql_lock_dir={lock}\n"),
    );
    user
}

impl User {
    fn locks(&self, who: &str, line: &str) -> Ran {
        let output = self
            .command(&format!("lock {line} -i hosts"))
            .env("USER", who)
            .output()
            .unwrap();
        self.ran(&output)
    }
}

#[test]
fn a_lock_is_taken_shown_and_given_back_by_who_has_it() {
    let user = memsql();
    let free = user.locks("ann", "status memsql");
    assert!(free.done().starts_with("free ("), "{free:#?}");
    let taken = user.locks("ann", "acquire memsql --reason 'disk swap'");
    assert!(
        taken.done().contains("by hand by ann: disk swap, since 20"),
        "{taken:#?}"
    );

    let held = user.locks("bob", "status memsql");
    held.ended(5, &[]);
    assert!(held.out.contains("by hand by ann: disk swap"), "{held:#?}");
    let json = user.locks("bob", "status memsql --json");
    let value: Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!(value["held"], true, "{json:#?}");
    for line in ["acquire memsql --reason x", "release memsql"] {
        user.locks("bob", line)
            .ended(5, &["by hand by ann: disk swap", "--force --reason"]);
    }
    user.locks("bob", "release memsql --force")
        .ended(1, &["--reason"]);
    assert!(user.read("lock/memsql/owner").contains("disk swap"));

    let given = user.locks("ann", "release memsql");
    assert!(given.done().contains("given back"), "{given:#?}");
    assert!(!user.has("lock/memsql"));
    assert!(
        !user.has(".local/state/stagger/runs"),
        "no records are kept"
    );
}

#[test]
fn what_a_run_has_is_given_back_only_by_force_and_with_a_reason() {
    let user = memsql();
    user.writes("lock/memsql/owner", "bastion1 0123abcd");
    user.locks("ann", "release memsql")
        .ended(5, &["held by bastion1 0123abcd", "stagger recover"]);
    let given = user.locks(
        "ann",
        "release memsql --force --reason 'bastion1 burned down'",
    );
    assert!(
        given
            .done()
            .contains("bastion1 0123abcd had it: bastion1 burned down"),
        "{given:#?}"
    );
    assert!(!user.has("lock/memsql"));
    user.writes("lock/memsql/owner", "{{ lookup('pipe', 'touch evil') }}");
    user.locks("ann", "release memsql --force --reason x")
        .ended(5, &["braces"]);
    assert!(!user.has("evil"));
}

#[test]
fn a_lock_that_was_taken_by_hand_keeps_runs_out() {
    let user = memsql();
    user.locks("ann", "acquire memsql --reason 'hands off'")
        .done();
    user.writes(
        "take.yml",
        "- hosts: memsql_ops\n  gather_facts: false\n  tasks:\n    - import_role: { name: memsql, tasks_from: lock_take }\n",
    );
    let line = "apply take.yml -i hosts --state state --reason x";
    let refused = user.types(line);
    assert_ne!(refused.code, Some(0));
    assert!(refused.err.contains("by ann: hands off"), "{refused:#?}");
    user.locks("ann", "release memsql").done();
    user.types(line).done();
    let held = user.locks("bob", "status memsql");
    held.ended(5, &[]);
    user.locks("bob", "acquire memsql --reason x")
        .ended(5, &["the lock is held by"]);
}

/// An agency of one agent, as far as its lock goes: reads, and writes that say what must be there before.
struct Agency {
    address: String,
    lock: Arc<Mutex<Value>>,
}

impl Agency {
    fn starts() -> Self {
        let server = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = server.local_addr().unwrap().to_string();
        let lock = Arc::new(Mutex::new(json!({})));
        let (own, kept) = (format!("tcp://{address}"), Arc::clone(&lock));
        // It ends with the test program.
        std::thread::spawn(move || {
            for socket in server.incoming().map_while(Result::ok) {
                let (path, body) = asked(&socket);
                let (status, answer) = answer(&own, &path, &body, &mut kept.lock().unwrap());
                let text = answer.to_string();
                let head = format!(
                    "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
                    text.len()
                );
                // Who asked may be gone.
                drop((&socket).write_all((head + &text).as_bytes()));
            }
        });
        Self { address, lock }
    }
}

fn asked(socket: &TcpStream) -> (String, Value) {
    let mut lines = BufReader::new(socket);
    let (mut path, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        if lines.read_line(&mut line).unwrap_or(0) == 0 || line.trim().is_empty() {
            break;
        }
        if path.is_empty() {
            path = line.split(' ').nth(1).unwrap_or_default().to_owned();
        }
        if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
    }
    let mut body = vec![0; length];
    drop(lines.read_exact(&mut body));
    (path, serde_json::from_slice(&body).unwrap_or_default())
}

fn answer(own: &str, path: &str, body: &Value, lock: &mut Value) -> (&'static str, Value) {
    const WELL: &str = "200 OK";
    match path {
        "/_api/version" => (WELL, json!({"server": "arango", "version": "3.4.0"})),
        "/_admin/server/role" => (WELL, json!({"role": "AGENT"})),
        "/_api/agency/config" => (
            WELL,
            json!({"term": 4, "leaderId": "AGNT-1", "commitIndex": 90, "lastAcked": {"AGNT-1": 0.0}, "version": "3.4.0",
                "configuration": {"pool": {"AGNT-1": own}, "active": ["AGNT-1"], "id": "AGNT-1", "agency size": 1, "endpoint": own, "max ping": 5}}),
        ),
        "/_api/agency/read" if *body == json!([["/stagger/lock"]]) => {
            let held = lock.as_object().is_some_and(|fields| !fields.is_empty());
            let stagger = if held {
                json!({"lock": lock})
            } else {
                json!({})
            };
            (WELL, json!([{"stagger": stagger}]))
        }
        "/_api/agency/read" => (
            WELL,
            json!([{"arango": {"Cluster": "uuid", "Plan": {"Databases": {"_system": {}}, "DBServers": {}, "Coordinators": {}, "Collections": {}},
                "Current": {"ServersRegistered": {}, "Collections": {}},
                "Target": {"ToDo": {}, "Pending": {}, "FailedServers": {}, "CleanedServers": []},
                "Supervision": {"State": {"Mode": "Normal", "Timestamp": "2018-12-01T10:00:00Z"}}}}]),
        ),
        "/_api/agency/write" => {
            let (write, before) = (&body[0][0]["/stagger/lock"], &body[0][1]["/stagger/lock"]);
            let as_said = match before.get("old") {
                Some(old) => old == lock,
                None => before["oldEmpty"] == true && *lock == json!({}),
            };
            if !as_said {
                return ("412 Precondition Failed", json!({"results": [0]}));
            }
            *lock = match write["op"].as_str() {
                Some("set") => write["new"].clone(),
                _ => json!({}),
            };
            (WELL, json!({"results": [91]}))
        }
        _ => ("404 Not Found", json!({})),
    }
}

#[test]
fn the_lock_in_an_agency_is_taken_and_given_back_as_runs_do_it() {
    let agency = Agency::starts();
    let user = User::new().with(
        "data/setup.json",
        r#"{"version":"0.2.2","id":"5142bd7a","peers":{"Peers":[{"ID":"5142bd7a","Address":"127.0.0.1","Port":8528,"PortOffset":0,"DataDir":"/data","HasAgent":true,"IsSecure":false}],"AgencySize":1}}"#,
    );
    let data = user.path("data").to_string_lossy().into_owned();
    user.writes(
        "hosts",
        &format!("[arangodb]\nn1 ansible_connection=local\n[all:vars]\narangodb_version=3.4.0\narangodb_via=bastion\narangodb_data_dir={data}\n"),
    );
    let agents = format!(
        "-e '{{\"arangodb_agents\": [\"tcp://{}\"]}}'",
        agency.address
    );
    let locks = |who: &str, line: &str| user.locks(who, &format!("{line} {agents}"));
    let free = locks("ann", "status arangodb");
    assert!(free.done().starts_with("free ("), "{free:#?}");
    let taken = locks("ann", "acquire arangodb --reason 'disk swap'");
    assert!(
        taken.done().contains("by hand by ann: disk swap, since 20"),
        "{taken:#?}"
    );
    let kept = agency.lock.lock().unwrap().clone();
    assert_eq!(kept["run"], "by hand by ann: disk swap");
    locks("bob", "release arangodb").ended(5, &["by hand by ann: disk swap"]);
    locks("ann", "release arangodb").done();
    assert_eq!(*agency.lock.lock().unwrap(), json!({}));

    *agency.lock.lock().unwrap() = json!({"owner": "bastion1 0123abcd", "run": "r1"});
    locks("ann", "release arangodb").ended(5, &["held by bastion1 0123abcd r1"]);
    locks("ann", "release arangodb --force --reason 'it burned down'").done();
    assert_eq!(*agency.lock.lock().unwrap(), json!({}));
}
