//! What the ArangoDB role decides by: its conditions, as they stand in its files, on what a look could show.

#![expect(
    clippy::too_many_lines,
    reason = "tables of what a look could show, one for each condition"
)]

#[path = "arangodb_role/gates.rs"]
mod gates;
#[path = "arangodb_role/later.rs"]
mod later;
#[path = "arangodb_role/members.rs"]
mod members;
#[path = "arangodb_role/preflight.rs"]
mod preflight;
#[path = "arangodb_role/restarts.rs"]
mod restarts;
#[path = "arangodb_role/somebody_else.rs"]
mod somebody_else;
#[path = "arangodb_role/starter.rs"]
mod starter;
#[path = "arangodb_role/starter_watch.rs"]
mod starter_watch;
#[path = "arangodb_role/stranded.rs"]
mod stranded;

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

/// Reads a file of the role.
fn read(file: &str) -> Value {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("roles/arangodb");
    let text = std::fs::read_to_string(root.join(file)).unwrap();
    serde_yaml::from_str(&text).unwrap()
}

/// Finds what is called so, in blocks and around plays too.
fn named<'a>(value: &'a Value, name: &str) -> Option<&'a Value> {
    if let Some(fields) = value.as_object() {
        if fields.get("name") == Some(&json!(name)) {
            return Some(value);
        }
        return fields.values().find_map(|inner| named(inner, name));
    }
    let mut items = value.as_array()?.iter();
    items.find_map(|inner| named(inner, name))
}

/// Several conditions are one: all of them.
fn all(that: &Value) -> String {
    let Some(items) = that.as_array() else {
        return that.as_str().unwrap().trim().to_owned();
    };
    let items: Vec<String> = items
        .iter()
        .map(|item| format!("({})", all(item)))
        .collect();
    items.join(" and ")
}

/// One question: what is so, and what the condition must say then.
type Case<'a> = (&'a str, Value, bool);

/// Asks a condition in each case; `vars` are those that stand at its task.
fn ask(that: &Value, vars: &Value, cases: &[Case<'_>]) {
    ask_and_tell(that, &Value::Null, vars, cases);
}

/// Asks what an assertion asks, with its message, which is made in each case.
fn judge(task: &Value, cases: &[Case<'_>]) {
    let asserted = &task["assert"];
    ask_and_tell(
        &asserted["that"],
        &asserted["fail_msg"],
        &task["vars"],
        cases,
    );
}

#[expect(
    clippy::disallowed_methods,
    reason = "a playbook is written, and stagger started"
)]
fn ask_and_tell(that: &Value, tells: &Value, vars: &Value, cases: &[Case<'_>]) {
    let here = tempfile::tempdir().unwrap();
    let tasks = cases.iter().map(|(name, so, expected)| {
        let mut own = vars.as_object().cloned().unwrap_or_default();
        own.extend(so.as_object().cloned().unwrap_or_default());
        let mut asserts = json!({"that": format!("(({}) | bool) == {expected}", all(that))});
        if tells.is_string() {
            asserts["fail_msg"] = tells.clone();
        }
        json!({"name": name, "assert": asserts, "vars": own})
    });
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("roles/arangodb");
    let play = json!([{"hosts": "localhost", "connection": "local", "gather_facts": false,
        "vars": {"arangodb_look": {"host": {}}, "arangodb_cluster": {}},
        "vars_files": [root.join("defaults/main.yml"), root.join("vars/main.yml")],
        "tasks": tasks.collect::<Vec<_>>()}]);
    std::fs::write(here.path().join("play.yml"), play.to_string()).unwrap();
    let ran = Command::new(env!("CARGO_BIN_EXE_stagger"))
        .args(["apply", "play.yml", "-i", "localhost,", "--state", "state"])
        .current_dir(here.path())
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&ran.stderr);
    let shown = String::from_utf8_lossy(&ran.stdout);
    assert!(ran.status.success(), "{}: {shown}{told}", all(that));
}

fn server(role: &str, running: bool) -> Value {
    json!({"role": role, "running": running, "endpoint": format!("tcp://h1:{role}"), "argv": ["/usr/sbin/arangod"]})
}

#[test]
fn starters_are_held_while_one_is_out() {
    let own = "the starters are in stagger's hands";
    let file = read("upgrade_servers.yml");
    let bracket = named(&file, own).unwrap();
    let hold = bracket.get("hold_while").unwrap();
    // A restart takes them in the same way.
    assert_eq!(named(&read("restart.yml"), own).unwrap(), bracket);
    let host = |held: bool, starter: bool, servers: Value, found: Value| {
        let starter = if starter {
            json!({"pid": 7})
        } else {
            Value::Null
        };
        json!({"result": {"host": {"held": held, "starter": starter, "servers": servers}}, "found": found})
    };
    let (up, down) = (server("agent", true), server("dbserver", false));
    ask(
        &hold["that"],
        &json!({}),
        &[
            (
                "all is up",
                host(false, true, json!([up]), json!({"starter": true})),
                false,
            ),
            (
                "a server is down",
                host(false, true, json!([up, down]), json!({"starter": true})),
                true,
            ),
            (
                "it ends still, the starter is out",
                host(false, false, json!([up]), json!({"starter": true})),
                true,
            ),
            (
                "there never was a starter",
                host(false, false, json!([up]), json!({"starter": false})),
                false,
            ),
            (
                "found by an older version",
                host(false, false, json!([up]), json!({})),
                true,
            ),
            (
                "somebody is at work",
                host(true, true, json!([up]), json!({"starter": true})),
                true,
            ),
            (
                "nothing is seen",
                host(false, true, json!([]), json!({"starter": true})),
                true,
            ),
        ],
    );
}

#[test]
fn maintenance_mode_is_held_while_data_is_upgraded() {
    let file = read("tasks/dbserver_upgrade.yml");
    let bracket = named(&file, "the supervision is in maintenance mode").unwrap();
    let host = |server: Value| json!({"result": {"host": {"servers": [server]}}});
    let mut upgrading = server("dbserver", true);
    upgrading["argv"] = json!(["/usr/sbin/arangod", "--database.auto-upgrade=true"]);
    ask(
        &bracket["hold_while"]["that"],
        &json!({}),
        &[
            ("it serves", host(server("dbserver", true)), false),
            ("its data is upgraded", host(upgrading), true),
            (
                "it has failed: the others take over",
                host(server("dbserver", false)),
                false,
            ),
        ],
    );
}

#[test]
fn no_client_is_sent_to_a_coordinator_that_was_not_tried() {
    let file = read("tasks/coordinator_upgrade.yml");
    let bracket = named(
        &file,
        "the coordinators of this host are out of the load balancer",
    )
    .unwrap();
    let look = |available: bool, version: &str, tried: bool| {
        json!({"arangodb_drain": "drain", "arangodb_version": "3.4.0", "arangodb_tried": tried, "arangodb_reached": true,
            "arangodb_host": {"servers": [{"endpoint": "tcp://h1:8529"}]},
            "result": {"store_problem": null, "coordinators": [
                {"endpoint": "tcp://h1:8529", "available": available, "version": version},
                {"endpoint": "tcp://h2:8529", "available": false, "version": "3.4.0"}]}})
    };
    let mut unread = look(true, "3.4.0", true);
    unread["result"] = json!({"store_problem": "no leader", "coordinators": []});
    let mut none = look(false, "3.4.0", false);
    none["arangodb_drain"] = json!("");
    let restart = |available: bool, tried: bool, reached: bool| {
        let mut so = look(available, "3.4.0", tried);
        so["arangodb_restarts"] = json!(true);
        so["arangodb_reached"] = json!(reached);
        so
    };
    let ended = |code: u32| {
        let mut so = restart(true, false, true);
        so["arangodb_script"] = json!({"rc": code});
        so
    };
    ask(
        &bracket["hold_while"]["that"],
        &json!({}),
        &[
            ("the script has touched nothing", ended(10), false),
            ("it has put all back", ended(11), true),
            ("it was the last server's", ended(0), true),
            ("untouched", look(true, "3.3.20", false), false),
            ("down", look(false, "3.3.20", false), true),
            ("upgraded, not tried", look(true, "3.4.0", false), true),
            ("upgraded and tried", look(true, "3.4.0", true), false),
            ("nobody knows", unread, true),
            ("there is no load balancer", none, false),
            (
                "a restart did not get to it",
                restart(true, false, false),
                false,
            ),
            ("restarted, down", restart(false, false, true), true),
            ("restarted, not tried", restart(true, false, true), true),
            ("restarted and tried", restart(true, true, true), false),
        ],
    );
}

#[test]
fn leadership_that_came_back_is_seen_before_the_stop() {
    let file = read("tasks/before_dbserver.yml");
    let task = named(&file, "do they lead again").unwrap();
    let that = json!(format!(
        "{} | length > 0",
        task["set_fact"]["arangodb_leads_again"]
            .as_str()
            .unwrap()
            .trim_matches(['{', '}', ' '])
            .replace("led if", "(led if")
            + ")"
    ));
    let so = |way: &str, version: &str, leading: Value| {
        json!({"arangodb_way": way, "arangodb_version": "3.4.0",
            "arangodb_host": {"servers": [{"endpoint": "tcp://h1:8530", "identity": "b1/7/9"}]},
            "arangodb_cluster": {"shards": {"leading": leading}, "dbservers": [
                {"id": "PRMR-1", "endpoint": "tcp://h1:8530", "version": version},
                {"id": "PRMR-2", "endpoint": "tcp://h2:8530", "version": "3.3.20"}]}})
    };
    let leads = json!({"PRMR-1": ["_system/new/s9"], "PRMR-2": ["_system/c/s1"]});
    let others = json!({"PRMR-2": ["_system/c/s1"]});
    ask(
        &that,
        &task["vars"],
        &[
            (
                "moved away and back",
                so("move", "3.3.20", leads.clone()),
                true,
            ),
            (
                "resigned and back",
                so("resign", "3.3.20", leads.clone()),
                true,
            ),
            ("requests wait", so("wait", "3.3.20", leads.clone()), false),
            ("another one leads", so("move", "3.3.20", others), false),
            ("it is done", so("move", "3.4.0", leads), false),
        ],
    );
}

#[test]
fn a_move_was_asked_for_if_its_own_job_is_there() {
    for (file, name) in [
        (
            "tasks/leaders_away_one.yml",
            "move the leadership of a shard",
        ),
        (
            "tasks/restore_leaders_moves.yml",
            "move the leadership of a shard back",
        ),
    ] {
        let file = read(file);
        let task = named(&file, name).unwrap();
        let so = |problem: Value, moving: Value, leader: &str| {
            json!({"item": {"shard": "s1", "to": "PRMR-3"}, "result": {"store_problem": problem,
                "supervision": {"jobs": ["7"], "moving": moving}, "shards": {"leaders": {"s1": leader}}}})
        };
        ask(
            &task["done_when"]["that"],
            &json!({}),
            &[
                (
                    "its job waits",
                    so(Value::Null, json!(["s1"]), "PRMR-1"),
                    true,
                ),
                (
                    "its job is done",
                    so(Value::Null, json!([]), "PRMR-3"),
                    true,
                ),
                (
                    "another job waits",
                    so(Value::Null, json!(["s2"]), "PRMR-1"),
                    false,
                ),
                (
                    "nobody knows",
                    so(json!("no leader"), json!([]), "PRMR-3"),
                    false,
                ),
            ],
        );
    }
}

#[test]
fn maintenance_mode_is_renewed_twice_before_it_runs_out() {
    let file = read("tasks/preflight.yml");
    let task = named(&file, "maintenance mode is renewed before it runs out").unwrap();
    let so = |renew: u32, seconds: bool, ttl: u32| {
        json!({"arangodb_maintenance_renew": renew, "arangodb_maintenance_ttl": ttl,
               "arangodb_cluster": {"maintenance_takes_seconds": seconds, "maintenance_by_dbserver": false}})
    };
    ask(
        &task["assert"]["that"],
        &json!({}),
        &[
            ("as it comes", so(1200, false, 3600), true),
            ("too seldom", so(1800, false, 7200), false),
            ("for longer", so(1800, true, 7200), true),
        ],
    );
    let known = named(&file, "the version to go to is known").unwrap();
    let so = |version: &str| json!({"arangodb_version": version});
    ask(
        &known["assert"]["that"],
        &json!({}),
        &[
            ("plain", so("3.4.0"), true),
            ("with a revision", so("3.4.6-1"), true),
            ("with a command", so("3.4.0; reboot"), false),
            ("in two lines", so("3.4.0\nreboot"), false),
        ],
    );
}
