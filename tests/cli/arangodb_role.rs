//! What the ArangoDB role decides by: its conditions, as they stand in its files, on what a look could show.

#![expect(
    clippy::too_many_lines,
    reason = "tables of what a look could show, one for each condition"
)]

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
#[expect(
    clippy::disallowed_methods,
    reason = "a playbook is written, and stagger started"
)]
fn ask(that: &Value, vars: &Value, cases: &[Case<'_>]) {
    let here = tempfile::tempdir().unwrap();
    let tasks = cases.iter().map(|(name, so, expected)| {
        let mut own = vars.as_object().cloned().unwrap_or_default();
        own.extend(so.as_object().cloned().unwrap_or_default());
        json!({"name": name, "assert": {"that": format!("(({}) | bool) == {expected}", all(that))}, "vars": own})
    });
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("roles/arangodb");
    let play = json!([{"hosts": "localhost", "connection": "local", "gather_facts": false,
        "vars": {"arangodb_look": {"host": {}}, "arangodb_cluster": {}},
        "vars_files": [root.join("defaults/main.yml"), root.join("vars/main.yml")],
        "tasks": tasks.collect::<Vec<_>>()}]);
    std::fs::write(here.path().join("play.yml"), play.to_string()).unwrap();
    let ran = Command::new(env!("CARGO_BIN_EXE_stagger"))
        .args(["apply", "play.yml", "-i", "localhost,", "--state", "state"])
        .args(["-e", "arangodb_lock_owner=here"])
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
    ask(
        &bracket["hold_while"]["that"],
        &json!({}),
        &[
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

/// What is known of the lock, in the run `r2` of the machine `here`, where the run `r1` has ended.
fn lock(holder: &Value) -> Value {
    json!({"arangodb_lock_seen": {"json": [{"stagger": {"lock": holder}}]},
        "arangodb_lock_run": "r2", "arangodb_lock_ended": ["r1"]})
}

fn held(owner: &str, run: &str) -> Value {
    lock(&json!({"owner": owner, "run": run}))
}

#[test]
fn a_lock_is_taken_from_nobody_who_may_be_at_work() {
    let file = read("tasks/lock_take.yml");
    let task = named(&file, "nobody else does").unwrap();
    let by_name = |name: &str| {
        let mut so = held("there", "r1");
        so["arangodb_take_over"] = json!(name);
        so
    };
    ask(
        &task["assert"]["that"],
        &json!({}),
        &[
            ("it is free", lock(&json!({})), true),
            ("it is its own", held("here", "r2"), true),
            ("a run has ended", held("here", "r1"), true),
            ("a run goes on", held("here", "r0"), false),
            ("another machine's", held("there", "r1"), false),
            ("by name", by_name("there r1"), true),
            ("by another name", by_name("there r0"), false),
        ],
    );
}

#[test]
fn a_lock_is_given_back_by_its_own_run_alone() {
    let file = read("tasks/lock_give_back.yml");
    let task = named(&file, "give the lock back").unwrap();
    ask(
        &task["when"],
        &json!({}),
        &[
            ("its own", held("here", "r2"), true),
            ("another run's", held("here", "r1"), false),
            ("another machine's", held("there", "r2"), false),
            ("nobody's", lock(&json!({})), false),
        ],
    );
}

#[test]
fn a_machine_under_two_names_is_refused() {
    let file = read("tasks/preflight.yml");
    let task = named(
        &file,
        "every machine of the cluster is in the inventory, and only once",
    )
    .unwrap();
    let look = |id: &str, machine: &str, boot: &str| json!({"setup": {"id": id}, "machine_id": machine, "boot_id": boot});
    let so = |looks: Value| json!({"looks": looks, "arangodb_host": {"setup": {"peers": [{"id": "a", "address": "h1"}, {"id": "b", "address": "h2"}]}}});
    let mut vars = task["vars"].clone();
    vars.as_object_mut().unwrap().remove("looks");
    ask(
        &task["assert"]["that"],
        &vars,
        &[
            (
                "two machines",
                so(json!([look("a", "m1", "b1"), look("b", "m2", "b2")])),
                true,
            ),
            (
                "a copied machine-id",
                so(json!([look("a", "m1", "b1"), look("b", "m1", "b2")])),
                true,
            ),
            (
                "one machine",
                so(json!([look("a", "m1", "b1"), look("b", "m1", "b1")])),
                false,
            ),
            (
                "one starter",
                so(json!([look("a", "m1", "b1"), look("a", "m2", "b2")])),
                false,
            ),
            ("one is missing", so(json!([look("a", "m1", "b1")])), false),
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
               "arangodb_cluster": {"maintenance_takes_seconds": seconds}})
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

#[test]
fn a_server_is_done_by_what_is_seen_of_it() {
    let server = |port: u16, identity: Value| json!({"endpoint": format!("tcp://h1:{port}"), "identity": identity});
    let member = |endpoint: &str, version: Value| json!({"endpoint": endpoint, "version": version});
    let so = |restart: bool, wanted: Value| {
        json!({"arangodb_restarts": restart, "arangodb_version": "3.4.0", "wanted": wanted,
            "arangodb_began": ["b1/5/70", "b1/6/80", "b1/7/90"],
            "arangodb_host": {"servers": [server(8531, json!("b1/5/70")), server(8530, json!("b2/6/80")), server(8529, Value::Null)]},
            "arangodb_cluster": {"agents": [member("tcp://h1:8531", json!("3.3.20")), member("tcp://h2:8531", json!("3.3.20"))],
                "dbservers": [member("tcp://h1:8530", json!("3.4.0"))],
                "coordinators": [member("tcp://h1:8529", Value::Null)]}})
    };
    ask(
        &json!("arangodb_pending == wanted"),
        &json!({}),
        &[
            (
                "an upgrade: what is not on the new version, or does not say",
                so(false, json!(["tcp://h1:8531", "tcp://h1:8529"])),
                true,
            ),
            (
                "a restart: what still runs, or is down; after a reboot a pid says nothing",
                so(true, json!(["tcp://h1:8531", "tcp://h1:8529"])),
                true,
            ),
            (
                "a restart is not done by its version",
                so(true, json!([])),
                false,
            ),
        ],
    );
}

#[test]
fn a_restart_starts_nothing_but_what_runs() {
    let file = read("tasks/preflight.yml");
    let task = named(&file, "what runs is what a restart would start").unwrap();
    assert_eq!(task["when"], json!("arangodb_restart"));
    let so = |wanted: &str, versions: Value, disk: &str| json!({"arangodb_version": wanted, "arangodb_cluster": {"versions": versions}, "arangodb_host": {"binary_version": disk}});
    ask(
        &task["assert"]["that"],
        &json!({}),
        &[
            ("one version", so("3.4.0", json!(["3.4.0"]), "3.4.0"), true),
            (
                "a new package",
                so("3.4.0", json!(["3.3.20"]), "3.4.0"),
                false,
            ),
            (
                "on one host",
                so("3.3.20", json!(["3.3.20"]), "3.4.0"),
                false,
            ),
            (
                "two versions run",
                so("3.4.0", json!(["3.3.20", "3.4.0"]), "3.4.0"),
                false,
            ),
        ],
    );
    // What is said of an upgrade alone is not asked of it, and what holds for each stop is.
    let when = |name: &str| named(&file, name).unwrap()["when"].to_string();
    for name in [
        "there is a backup",
        "the packages that bring the new version are named",
    ] {
        assert!(when(name).contains("arangodb_upgrade_needed"), "{name}");
    }
    for name in [
        "the supervision has nothing to do",
        "every collection has a second copy",
        "the starter can be started again",
        "leadership can be moved",
        "how leadership leaves a DB-Server is decided",
    ] {
        assert!(when(name).contains("arangodb_work"), "{name}");
    }
}

#[test]
fn what_is_stranded_is_upgraded_only_where_the_others_carry_the_cluster() {
    let file = read("tasks/stranded_preflight.yml");
    let task = named(&file, "its servers can be upgraded while they are down").unwrap();
    let so = |problem: Value, quorum: bool, own: Value, others: Value| {
        json!({"arangodb_host": {"servers": [
                {"endpoint": "tcp://h1:8531", "stranded": true}, {"endpoint": "tcp://h1:8530", "stranded": true},
                {"endpoint": "tcp://h1:8540", "stranded": false}]},
            "arangodb_cluster": {"store_problem": problem, "agency": {"quorum": quorum},
                "dbservers": [{"id": "PRMR-1", "endpoint": "tcp://h1:8530"}, {"id": "PRMR-2", "endpoint": "tcp://h2:8530"},
                    {"id": "PRMR-3", "endpoint": "tcp://h1:8540"}],
                "stop": {"PRMR-1": {"problems": own}, "PRMR-2": {"problems": others}, "PRMR-3": {"problems": others}}}})
    };
    let (none, some) = (json!([]), json!(["_system/c/s1 has 0 copies in sync"]));
    ask(
        &task["assert"]["that"],
        &task["vars"],
        &[
            (
                "the others carry it",
                so(Value::Null, true, none.clone(), none.clone()),
                true,
            ),
            (
                "its copy is the last",
                so(Value::Null, true, some.clone(), none.clone()),
                false,
            ),
            (
                "another server's is, which runs",
                so(Value::Null, true, none.clone(), some),
                true,
            ),
            (
                "no majority without it",
                so(Value::Null, false, none.clone(), none.clone()),
                false,
            ),
            (
                "nobody knows",
                so(json!("no leader"), true, none.clone(), none),
                false,
            ),
        ],
    );
}

#[test]
fn the_run_stops_for_a_stranded_host_before_another_server_is_touched() {
    let gates = read("servers.yml");
    let plays = gates.as_array().unwrap();
    let serial: Vec<&Value> = plays
        .iter()
        .filter(|play| play.get("serial").is_some())
        .collect();
    assert_eq!(serial.len(), 3);
    for play in serial {
        // First of all, so that nothing waits for a server that cannot come.
        let first = &play["gate"][0]["import_role"]["tasks_from"];
        assert_eq!(first, &json!("nobody_stranded"), "{}", play["name"]);
    }
    let look = read("tasks/nobody_stranded.yml");
    let asks = named(&look, "why does a server not answer").unwrap();
    assert_eq!(asks["include_tasks"], json!("nobody_stranded_look.yml"));
    ask(
        &asks["when"],
        &json!({}),
        &[
            (
                "all answer",
                json!({"arangodb_cluster": {"servers": {"ok": true}}}),
                false,
            ),
            (
                "one does not",
                json!({"arangodb_cluster": {"servers": {"ok": false}}}),
                true,
            ),
        ],
    );
    let that = |file: &str, name: &str| named(&read(file), name).unwrap()["assert"]["that"].clone();
    ask(
        &that("tasks/nobody_stranded_look.yml", "no server is stranded"),
        &json!({}),
        &[
            (
                "all serve",
                json!({"item": {"host": {"stranded": []}}}),
                true,
            ),
            (
                "one is",
                json!({"item": {"host": {"stranded": ["agent on port 8531"]}}}),
                false,
            ),
        ],
    );
    ask(
        &that("tasks/preflight.yml", "no server of this host is stranded"),
        &json!({}),
        &[
            (
                "all serve",
                json!({"arangodb_host": {"stranded": []}}),
                true,
            ),
            (
                "one is",
                json!({"arangodb_host": {"stranded": ["agent on port 8531"]}}),
                false,
            ),
        ],
    );
}

#[test]
fn the_starter_of_a_stranded_host_is_held_until_all_its_data_is_upgraded() {
    let file = read("tasks/stranded_host.yml");
    let bracket = named(&file, "the starter is in stagger's hands").unwrap();
    let so = |held: bool, stranded: Value| json!({"result": {"host": {"held": held, "servers": [1], "stranded": stranded}}});
    ask(
        &bracket["hold_while"]["that"],
        &json!({}),
        &[
            ("all is upgraded", so(false, json!([])), false),
            (
                "one waits",
                so(false, json!(["coordinator on port 8529"])),
                true,
            ),
            ("it is at work", so(true, json!([])), true),
            (
                "nothing is seen",
                json!({"result": {"host": {"held": false, "servers": [], "stranded": []}}}),
                true,
            ),
        ],
    );
}

/// Reads all files of the role that hold tasks or plays.
fn all_files() -> Vec<(String, Value)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("roles/arangodb");
    let list = |directory: &str| {
        let entries = std::fs::read_dir(root.join(directory)).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names
            .filter(|name| Path::new(name).extension().is_some_and(|end| end == "yml"))
            .map(|name| format!("{directory}{name}"))
            .collect::<Vec<_>>()
    };
    let names = [list(""), list("tasks/")].concat();
    names
        .into_iter()
        .map(|name| (name.clone(), read(&name)))
        .collect()
}

/// Calls with each map that holds a key.
fn each(value: &Value, key: &str, call: &mut dyn FnMut(&Value)) {
    match value {
        Value::Object(fields) => {
            if let Some(inner) = fields.get(key) {
                call(inner);
            }
            fields.values().for_each(|inner| each(inner, key, call));
        }
        Value::Array(items) => items.iter().for_each(|item| each(item, key, call)),
        _ => {}
    }
}

#[test]
fn whoever_is_down_is_never_the_only_one_that_is_asked() {
    let mut asked = 0;
    for (name, file) in all_files() {
        each(&file, "uri", &mut |uri| {
            let url = uri["url"].as_str().unwrap();
            if url.contains("arangodb_coordinators") {
                // The whole list: the next one is asked where one does not answer.
                let whole = url
                    .trim_matches(['{', '}', ' '])
                    .ends_with("arangodb_coordinators");
                assert!(whole, "{name}: {url}");
                assert!(uri["path"].is_string(), "{name}");
                asked += 1;
            }
        });
        each(&file, "arangodb_info", &mut |look| {
            if look["view"] == json!("cluster") || look["view"] == json!("agency") {
                let agents = look["agents"].as_str().unwrap();
                let all = ["{{ arangodb_agents }}", "{{ arangodb_look.host.agents }}"];
                assert!(all.contains(&agents), "{name}: {agents}");
                asked += 1;
            }
        });
    }
    assert!(asked > 15, "{asked}");
}

#[test]
fn servers_end_one_host_at_a_time_and_the_agencys_leader_last() {
    let file = read("servers.yml");
    for name in ["agents, followers first", "DB-Servers", "coordinators"] {
        assert_eq!(named(&file, name).unwrap()["serial"], json!(1), "{name}");
    }
    let order = &named(&file, "agents, followers first").unwrap()["order_by"];
    let order = order.as_str().unwrap().trim_matches(['{', '}', ' ']);
    let so = |leader: Value| {
        json!({"arangodb_look": {"host": {"servers": [{"endpoint": "tcp://h1:8531"}, {"endpoint": "tcp://h1:8530"}]}},
            "arangodb_cluster": {"agency": {"leader_endpoint": leader}}})
    };
    ask(
        &json!(format!("({order}) == 1")),
        &json!({}),
        &[
            ("its agent leads", so(json!("tcp://h1:8531")), true),
            ("another one does", so(json!("tcp://h2:8531")), false),
            ("nobody does", so(Value::Null), false),
        ],
    );
}

#[test]
fn nobody_takes_the_coordinators_port_while_it_is_away() {
    let that = |file: &str, name: &str| named(&read(file), name).unwrap()["assert"]["that"].clone();
    let look = |active: &str, pids: Value| json!({"now": pids, "before": [1, 2], "item": {"host": {"standalone": {"active": active}}}});
    let same = that(
        "tasks/processes.yml",
        "on every host the same processes run as at the beginning",
    );
    // What is known of another host is no variable of a task.
    let same = all(&same).replace("hostvars[item.item].arangodb_pids", "before");
    ask(
        &json!(same),
        &json!({}),
        &[
            ("off", look("inactive", json!([1, 2])), true),
            ("it was started", look("active", json!([1, 2])), false),
            (
                "a server was started anew",
                look("inactive", json!([1, 3])),
                false,
            ),
        ],
    );
    let end = |active: &str, enabled: &str, restart: bool| json!({"arangodb_restarts": restart, "arangodb_host": {"standalone": {"active": active, "enabled": enabled}}});
    ask(
        &that(
            "tasks/finish.yml",
            "the standalone server is off, and stays off",
        ),
        &json!({}),
        &[
            ("masked", end("inactive", "masked", false), true),
            ("it runs", end("active", "masked", false), false),
            (
                "it comes with the next boot",
                end("inactive", "enabled", false),
                false,
            ),
            (
                "a restart leaves it",
                end("inactive", "enabled", true),
                true,
            ),
        ],
    );
}

#[test]
fn the_end_is_judged_by_what_is_seen() {
    let that = |file: &str, name: &str| named(&read(file), name).unwrap()["assert"]["that"].clone();
    let runs = |argv: Value| json!({"item": {"argv": argv}});
    ask(
        &that(
            "tasks/finish.yml",
            "no server was left with the option of the upgrade",
        ),
        &json!({}),
        &[
            ("plain", runs(json!(["arangod"])), true),
            (
                "in one word",
                runs(json!(["arangod", "--database.auto-upgrade=true"])),
                false,
            ),
            (
                "in two",
                runs(json!(["arangod", "--database.auto-upgrade", "true"])),
                false,
            ),
        ],
    );
    let unit = |held: bool, drop_ins: Value, reload: bool, starter: Value| {
        json!({"arangodb_held": {"stat": {"exists": held}}, "arangodb_drop_in": "/d/90.conf",
            "arangodb_host": {"starter": starter, "unit": {"drop_ins": drop_ins, "need_reload": reload}}})
    };
    let starter = json!({"pid": 7});
    ask(
        &that("tasks/finish.yml", "the unit is its owner's again"),
        &json!({}),
        &[
            (
                "as it was",
                unit(false, json!(["/d/own.conf"]), false, starter.clone()),
                true,
            ),
            (
                "the hold file is left",
                unit(true, json!([]), false, starter.clone()),
                false,
            ),
            (
                "the drop-in is left",
                unit(false, json!(["/d/90.conf"]), false, starter.clone()),
                false,
            ),
            (
                "edited meanwhile",
                unit(false, json!([]), true, starter),
                false,
            ),
            (
                "no starter",
                unit(false, json!([]), false, Value::Null),
                false,
            ),
        ],
    );
    let reload = |need: bool| json!({"arangodb_host": {"unit": {"need_reload": need}}});
    ask(
        &that(
            "tasks/readiness.yml",
            "what systemd has loaded is what lies on the disk",
        ),
        &json!({}),
        &[
            ("as loaded", reload(false), true),
            ("edited", reload(true), false),
        ],
    );
}

#[test]
fn somebody_else_who_upgrades_or_switches_is_seen() {
    let that =
        |name: &str| named(&read("tasks/preflight.yml"), name).unwrap()["assert"]["that"].clone();
    let plan = |plan: Value| json!({"arangodb_cluster": {"upgrade_plan": plan}});
    ask(
        &that("nobody else is upgrading the cluster"),
        &json!({}),
        &[
            ("nobody", plan(Value::Null), true),
            ("the starter", plan(json!({"revision": 1})), false),
        ],
    );
    let supervision =
        |normal: bool| json!({"arangodb_cluster": {"supervision": {"normal": normal}}});
    ask(
        &that("the supervision is on"),
        &json!({}),
        &[
            ("on", supervision(true), true),
            ("in maintenance mode", supervision(false), false),
        ],
    );
    let file = read("tasks/before_dbserver.yml");
    let until =
        &named(&file, "every shard is in sync, and maintenance mode is on").unwrap()["until"];
    let so = |mode: Value, asked: Value, synced: bool, quorum: bool| {
        json!({"arangodb_cluster": {"store_problem": null, "servers": {"ok": true}, "shards": {"ok": synced},
            "supervision": {"mode": mode, "maintenance": asked}, "agency": {"quorum": quorum}}})
    };
    ask(
        until,
        &json!({}),
        &[
            (
                "all is as asked for",
                so(json!("Maintenance"), json!(true), true, true),
                true,
            ),
            (
                "a colleague ended maintenance",
                so(json!("Normal"), Value::Null, true, true),
                false,
            ),
            (
                "it runs out now",
                so(json!("Maintenance"), Value::Null, true, true),
                false,
            ),
            (
                "not heard yet",
                so(json!("Normal"), json!(true), true, true),
                false,
            ),
            (
                "a copy is behind",
                so(json!("Maintenance"), json!(true), false, true),
                false,
            ),
            (
                "no majority",
                so(json!("Maintenance"), json!(true), true, false),
                false,
            ),
        ],
    );
}

#[test]
fn members_are_mapped_to_hosts_or_refused() {
    let file = read("tasks/preflight.yml");
    let name = "every server of the cluster belongs to one host of the inventory, and every agent of the set-up is in the agency";
    let task = named(&file, name).unwrap();
    let mut vars = task["vars"].clone();
    for own in ["looks", "members"] {
        vars.as_object_mut().unwrap().remove(own);
    }
    let host = |name: &str, ports: &[u16]| {
        let servers: Vec<Value> = ports
            .iter()
            .map(|port| json!({"endpoint": format!("tcp://{name}:{port}")}))
            .collect();
        json!({"servers": servers, "setup": {"engine": "rocksdb"}})
    };
    let member = |endpoint: &str| json!({"endpoint": endpoint});
    let so = |looks: Vec<Value>, agents: &[&str], others: &[&str], set_up: &[&str]| {
        let members: Vec<Value> = agents
            .iter()
            .chain(others)
            .map(|endpoint| member(endpoint))
            .collect();
        let agents: Vec<Value> = agents.iter().map(|endpoint| member(endpoint)).collect();
        json!({"looks": looks, "members": members, "arangodb_host": {"agents": set_up}, "arangodb_cluster": {"agents": agents}})
    };
    let (full, no_agent) = ([8531, 8530, 8529], [8530, 8529]);
    let three = ["tcp://h1:8531", "tcp://h2:8531", "tcp://h3:8531"];
    let five = |last: &str| {
        let mut hosts: Vec<Value> = ["h1", "h2", "h3"]
            .iter()
            .map(|name| host(name, &full))
            .collect();
        hosts.push(host("h4", &no_agent));
        hosts.push(host(last, &no_agent));
        hosts
    };
    let others = ["tcp://h4:8530", "tcp://h5:8530", "tcp://h5:8529"];
    let beside = host("h1", &[8531, 8530, 8529, 8541, 8540, 8539]);
    ask(
        &task["assert"]["that"],
        &vars,
        &[
            (
                "five machines with three agents",
                so(five("h5"), &three, &others, &three),
                true,
            ),
            (
                "a machine of which the inventory does not know",
                so(five("h6"), &three, &others, &three),
                false,
            ),
            (
                "a replaced machine: the set-up names its agent, the agency the old one",
                so(
                    five("h5"),
                    &["tcp://h1:8531", "tcp://h2:8531", "tcp://h9:8531"],
                    &[],
                    &three,
                ),
                false,
            ),
            (
                "an agent that the agency has lost",
                so(five("h5"), &three[..2], &others, &three),
                false,
            ),
            (
                "one machine under two names",
                so(
                    vec![host("h1", &full), host("h1", &full)],
                    &three[..1],
                    &[],
                    &three[..1],
                ),
                false,
            ),
            (
                "two starters on one machine, ten ports apart, seen as one host",
                so(
                    vec![beside],
                    &["tcp://h1:8531", "tcp://h1:8541"],
                    &["tcp://h1:8540"],
                    &["tcp://h1:8531", "tcp://h1:8541"],
                ),
                true,
            ),
            (
                "two starters on one machine, one of them seen",
                so(
                    vec![host("h1", &full)],
                    &["tcp://h1:8531", "tcp://h1:8541"],
                    &[],
                    &["tcp://h1:8531", "tcp://h1:8541"],
                ),
                false,
            ),
        ],
    );
    let agents = named(&file, "the agency works with all its agents").unwrap();
    let so = |count: usize, size: usize| json!({"arangodb_cluster": {"agency": {"ok": true}, "agents": vec![1; count]}, "arangodb_host": {"setup": {"agency_size": size}}});
    ask(
        &agents["assert"]["that"],
        &json!({}),
        &[
            ("three of three", so(3, 3), true),
            ("five of five", so(5, 5), true),
            ("two", so(2, 2), false),
            ("a fourth that the set-up does not name", so(4, 3), false),
            ("a fifth that the set-up does not name", so(5, 3), false),
        ],
    );
}
