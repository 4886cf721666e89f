//! The lock of a cluster as the roles take it, by hand (`stagger lock`) and in runs that meet.

#![expect(
    clippy::disallowed_methods,
    reason = "runs of the program take real time"
)]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::user::{Ran, User};

/// All machines of a MemSQL cluster are this one, as far as its lock goes: it has two names, and counts once.
fn memsql() -> User {
    let user = User::new();
    let lock = user.path("lock/memsql").to_string_lossy().into_owned();
    user.writes(
        "hosts",
        &format!("[memsql]\nops ansible_connection=local\nleaf ansible_connection=local\n[memsql_ops]\nops\n[all:vars]\nmemsql_version=5.8.12\nmemsql_lock_renew=1\nmemsql_lock_dir={lock}\n"),
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
    assert_eq!(user.read("lock/memsql.token"), "1\n");

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

/// A play that works under the lock as the MemSQL upgrade does.
fn under_the_lock(user: &User, tasks: &str) {
    user.writes(
        "site.yml",
        &format!(
            "- hosts: memsql_ops
  gather_facts: false
  bracket:
    name: no other run works on this cluster
    enter: [import_role: {{ name: memsql, tasks_from: lock_take }}]
    renew:
      - name: the lock is this run's
        cluster_lock: {{ action: renew }}
        every: 1
        until: result.held
    leave: [import_role: {{ name: memsql, tasks_from: lock_give_back }}]
  tasks:
{tasks}"
        ),
    );
}

const APPLY: &str = "apply site.yml -i hosts --state state --reason x";

#[test]
fn a_lock_is_taken_from_nobody_who_may_be_at_work() {
    let user = memsql();
    under_the_lock(&user, "    - command: touch here\n");
    user.writes("lock/memsql/owner", "bastion1 0123abcd r1");
    user.writes("lock/memsql.token", "7\n");
    user.types(APPLY).ended(
        5,
        &[
            "bastion1 0123abcd r1 works on this cluster",
            "memsql_take_over=\"bastion1 0123abcd r1\"",
        ],
    );
    let other = format!("{APPLY} -e 'memsql_take_over=\"bastion1 0123abcd r2\"'");
    user.types(&other).ended(5, &["bastion1 0123abcd r1"]);
    assert!(!user.has("here"));

    // Its counter moves: it lives, whatever is typed.
    let by_name = format!("{APPLY} -e 'memsql_take_over=\"bastion1 0123abcd r1\"'");
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut count = 0;
            while !done.load(Ordering::Relaxed) {
                count += 1;
                user.writes("lock/memsql/renewals", &count.to_string());
                std::thread::sleep(Duration::from_millis(200));
            }
        });
        let refused = user.types(&by_name);
        done.store(true, Ordering::Relaxed);
        refused.ended(5, &["it renews its lock, so it lives"]);
    });
    assert!(!user.has("here"));

    let began = Instant::now();
    user.types(&by_name).done();
    assert!(
        began.elapsed() >= Duration::from_secs(3),
        "three intervals without a sign"
    );
    assert_eq!(user.read("lock/memsql.token"), "8\n");
    assert!(user.has("here") && !user.has("lock/memsql"));
}

#[test]
fn what_a_run_of_this_machine_left_is_replaced_once_no_process_works_on_it() {
    let user = memsql();
    under_the_lock(&user, "    - { name: slow, command: sleep 2 }\n");
    user.is_cut_off("--reason x", "slow", Signal::KILL);
    let left = user.read("lock/memsql/owner");
    assert!(!left.is_empty());
    // With records of its own it is another bastion, which cannot know that.
    user.types("apply site.yml -i hosts --state elsewhere --reason x")
        .ended(5, &["works on this cluster", "take over by name"]);
    user.types(APPLY).done();
    assert!(!user.has("lock/memsql"));
    assert_eq!(user.read("lock/memsql.token"), "2\n");
}

#[test]
fn a_step_is_refused_where_a_later_run_has_taken_the_lock_over() {
    for (tasks, what) in [
        ("    - command: touch here\n", "a job"),
        (
            "    - copy: { content: x, dest: \"{{ playbook_dir }}/here\" }\n",
            "a file",
        ),
        (
            "    - file: { path: \"{{ playbook_dir }}/here\", state: touch }\n",
            "a script",
        ),
        (
            "    - uri: { url: \"http://127.0.0.1:9/\", method: POST }\n",
            "a request",
        ),
    ] {
        let user = memsql();
        let taken = "    - { name: taken over, shell: \"echo 9 >lock/memsql.token; echo bastion9 r9 >lock/memsql/owner\", args: { chdir: \"{{ playbook_dir }}\" } }\n";
        under_the_lock(&user, &format!("{taken}{tasks}"));
        let refused = user.types(APPLY);
        refused.ended(
            5,
            &["bastion9 r9 has the cluster's lock by now: nothing was done"],
        );
        assert!(!user.has("here"), "{what}: {refused:#?}");
        assert_eq!(
            user.read("lock/memsql/owner"),
            "bastion9 r9\n",
            "{what}: it is not this run's to give back"
        );
    }
}

/// A bastion hangs, is held for gone, and wakes up in the middle of what it did.
#[test]
fn a_run_that_slept_while_it_was_taken_over_changes_nothing_when_it_wakes() {
    let user = memsql();
    let block = "    - indivisible: true
      block:
        - { command: touch {{ who }}-one, args: { chdir: \"{{ playbook_dir }}\" } }
        - pause: { seconds: 4 }
        - { command: touch {{ who }}-two, args: { chdir: \"{{ playbook_dir }}\" } }
";
    under_the_lock(
        &user,
        &block
            .replace("touch {{ who }}", "\"touch {{ who }}")
            .replace("-one,", "-one\",")
            .replace("-two,", "-two\","),
    );
    let first = user
        .command(&format!("{APPLY} -e who=first"))
        .stderr(std::process::Stdio::piped())
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let pid = Pid::from_raw(i32::try_from(first.id()).unwrap()).unwrap();
    let until = Instant::now() + Duration::from_mins(1);
    while !user.has("first-one") && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(20));
    }
    kill_process(pid, Signal::STOP).unwrap();
    let name = user.read("lock/memsql/owner");
    let over = format!("-e 'memsql_take_over=\"{}\"'", name.trim());
    let second = user.types(&format!(
        "apply site.yml -i hosts --state elsewhere --reason x -e who=second {over}"
    ));
    kill_process(pid, Signal::CONT).unwrap();
    let first = user.ran(&first.wait_with_output().unwrap());
    second.done();
    assert!(user.has("second-two"), "{second:#?}");
    first.ended(5, &["has the cluster's lock by now: nothing was done"]);
    assert!(!user.has("first-two"), "{first:#?}");
}

#[test]
fn who_has_lost_the_lock_ends_what_it_has_begun_and_stops() {
    let user = memsql();
    let block = "    - indivisible: true
      block:
        - shell: echo bastion9 r9 >lock/memsql/owner; sleep 3
          args: { chdir: \"{{ playbook_dir }}\" }
        - { command: touch finished, args: { chdir: \"{{ playbook_dir }}\" } }
    - { command: touch next, args: { chdir: \"{{ playbook_dir }}\" } }
";
    under_the_lock(&user, block);
    let stopped = user.types(APPLY);
    stopped.ended(5, &["the lock is this run's", "bastion9 r9 has it"]);
    assert!(user.has("finished") && !user.has("next"), "{stopped:#?}");
}

/// An agency of one agent, as far as it tells which cluster this is.
fn agency() -> String {
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = server.local_addr().unwrap().to_string();
    let own = format!("tcp://{address}");
    // It ends with the test program.
    std::thread::spawn(move || {
        for socket in server.incoming().map_while(Result::ok) {
            let (status, answer) = answer(&own, &asked(&socket));
            let text = answer.to_string();
            let head = format!(
                "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
                text.len()
            );
            // Who asked may be gone.
            drop((&socket).write_all((head + &text).as_bytes()));
        }
    });
    address
}

fn asked(socket: &TcpStream) -> String {
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
    path
}

fn answer(own: &str, path: &str) -> (&'static str, Value) {
    const WELL: &str = "200 OK";
    match path {
        "/_api/version" => (WELL, json!({"server": "arango", "version": "3.4.0"})),
        "/_admin/server/role" => (WELL, json!({"role": "AGENT"})),
        "/_api/agency/config" => (
            WELL,
            json!({"term": 4, "leaderId": "AGNT-1", "commitIndex": 90, "lastAcked": {"AGNT-1": 0.0}, "version": "3.4.0",
                "configuration": {"pool": {"AGNT-1": own}, "active": ["AGNT-1"], "id": "AGNT-1", "agency size": 1, "endpoint": own, "max ping": 5}}),
        ),
        "/_api/agency/read" => (
            WELL,
            json!([{"arango": {"Cluster": "4c1b-uuid", "Plan": {"Databases": {"_system": {}}, "DBServers": {}, "Coordinators": {}, "Collections": {}},
                "Current": {"ServersRegistered": {}, "Collections": {}},
                "Target": {"ToDo": {}, "Pending": {}, "FailedServers": {}, "CleanedServers": []},
                "Supervision": {"State": {"Mode": "Normal", "Timestamp": "2018-12-01T10:00:00Z"}}}}]),
        ),
        _ => ("404 Not Found", json!({})),
    }
}

#[test]
fn the_lock_of_an_arangodb_cluster_lies_under_the_clusters_own_id() {
    let agency = agency();
    let user = User::new().with(
        "data/setup.json",
        r#"{"version":"0.2.2","id":"5142bd7a","peers":{"Peers":[{"ID":"5142bd7a","Address":"127.0.0.1","Port":8528,"PortOffset":0,"DataDir":"/data","HasAgent":true,"IsSecure":false}],"AgencySize":1}}"#,
    );
    let data = user.path("data").to_string_lossy().into_owned();
    let locks_in = user.path("locks").to_string_lossy().into_owned();
    user.writes(
        "hosts",
        &format!("[arangodb]\nn1 ansible_connection=local\n[all:vars]\narangodb_version=3.4.0\narangodb_via=bastion\narangodb_data_dir={data}\narangodb_lock_base={locks_in}\n"),
    );
    let agents = format!("-e '{{\"arangodb_agents\": [\"tcp://{agency}\"]}}'");
    let locks = |who: &str, line: &str| user.locks(who, &format!("{line} {agents}"));
    let free = locks("ann", "status arangodb");
    assert!(free.done().starts_with("free ("), "{free:#?}");
    let taken = locks("ann", "acquire arangodb --reason 'disk swap'");
    assert!(
        taken.done().contains("by hand by ann: disk swap, since 20"),
        "{taken:#?}"
    );
    let owner = "locks/arangodb-4c1b-uuid/owner";
    assert!(user.read(owner).ends_with("by hand by ann: disk swap\n"));
    locks("bob", "release arangodb").ended(5, &["by hand by ann: disk swap"]);
    locks("ann", "release arangodb").done();
    assert!(!user.has(owner));

    user.writes(owner, "bastion1 0123abcd r1");
    locks("ann", "release arangodb").ended(5, &["held by bastion1 0123abcd r1"]);
    locks("ann", "release arangodb --force --reason 'it burned down'").done();
    assert!(!user.has(owner));

    // A run gives back what it took without asking the agency again which cluster it is.
    user.writes(
        "site.yml",
        "- hosts: arangodb\n  gather_facts: false\n  vars: { arangodb_to_do: true }\n  bracket:\n    name: the lock\n    enter:\n      - import_role: { name: arangodb, tasks_from: look }\n      - import_role: { name: arangodb, tasks_from: lock_take }\n    leave: [import_role: { name: arangodb, tasks_from: lock_give_back }]\n  tasks:\n    - stat: { path: \"{{ arangodb_lock_taken }}/owner\" }\n      register: held\n    - assert: { that: held.stat.exists }\n",
    );
    let ran = user.types(&format!(
        "apply site.yml -i hosts --state state --reason x {agents}"
    ));
    ran.done();
    assert!(!user.has(owner), "{ran:#?}");
}
