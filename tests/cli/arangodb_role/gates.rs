//! What a gate waits for, and what a server must show behind it: each part of it with what spoils it.

use serde_json::{Value, json};

use super::{ask, judge, named, read};

/// What waits for the cluster asks of it, beside where the table says otherwise.
fn cluster(spoilt: &str, value: &Value) -> Value {
    let mut cluster = json!({"store_problem": null, "agency": {"ok": true}, "health": {"ok": true},
        "supervision": {"normal": true}, "servers": {"ok": true}, "shards": {"ok": true}});
    if spoilt == "store_problem" {
        cluster[spoilt] = value.clone();
    } else if let Some((room, name)) = spoilt.split_once('.') {
        cluster[room][name] = value.clone();
    }
    json!({"arangodb_cluster": cluster})
}

/// For what a task waits, and what it says of each thing that is not well: whether it goes on nevertheless.
fn waits(file: &str, name: &str, spoilt: &[(&str, bool)]) {
    let file = read(file);
    let task = named(&file, name).unwrap();
    let bad = |what: &str| match what {
        "store_problem" => json!("no agent leads"),
        _ => json!(false),
    };
    let mut cases = vec![("all is well", cluster("", &Value::Null), true)];
    cases.extend(
        spoilt
            .iter()
            .map(|(what, goes_on)| (*what, cluster(what, &bad(what)), *goes_on)),
    );
    ask(&task["until"], &json!({}), &cases);
    // Nobody waits for ever.
    let limit = task["timeout"].as_str().unwrap();
    let limit = limit.trim_matches(['{', '}', ' ']);
    ask(
        &json!(format!("({limit}) | int > 0")),
        &json!({}),
        &[("it has an end", json!({}), true)],
    );
}

#[test]
fn no_further_agent_stops_before_the_agency_works_with_all_its_agents() {
    let (file, name) = (
        "tasks/wait_agency.yml",
        "the agency works with all its agents",
    );
    waits(
        file,
        name,
        &[
            ("store_problem", false),
            // An agent that does not catch up, a term that moves, two leaders: one of its problems.
            ("agency.ok", false),
            ("health.ok", false),
            // While the supervision is off its health stands still, and is not asked.
            ("supervision.normal", true),
        ],
    );
    let file = read(file);
    let task = named(&file, name).unwrap();
    assert_eq!(task["timeout"], json!("{{ arangodb_agency_timeout }}"));
    let stable = task["arangodb_info"]["stable"].as_str().unwrap();
    let stable = stable.trim_matches(['{', '}', ' ']);
    let so = |versions: Value| json!({"arangodb_cluster": {"versions": versions}, "arangodb_group": "all"});
    ask(
        &json!(format!("({stable}) == arangodb_agency_settle")),
        &json!({}),
        &[
            ("before the first one", so(json!(["3.3.20"])), false),
            ("after it", so(json!(["3.3.20", "3.4.0"])), true),
        ],
    );
    // It is asked before each agent, and behind the last one.
    let plays = read("servers.yml");
    let gate = &named(&plays, "agents, followers first").unwrap()["gate"];
    let asked: Vec<&Value> = gate.as_array().unwrap().iter().collect();
    assert_eq!(
        asked[1]["import_role"]["tasks_from"],
        json!("wait_agency"),
        "{gate}"
    );
}

#[test]
fn shards_and_health_are_waited_for() {
    waits(
        "tasks/wait_shards.yml",
        "every shard is in sync",
        &[
            ("store_problem", false),
            ("servers.ok", false),
            ("shards.ok", false),
            ("health.ok", true),
        ],
    );
    waits(
        "tasks/wait_health.yml",
        "the supervision finds every server well",
        &[
            ("store_problem", false),
            ("supervision.normal", false),
            ("health.ok", false),
            ("servers.ok", false),
            ("shards.ok", false),
        ],
    );
    // Inside of the window of maintenance mode its health says nothing, and it is not normal.
    let file = read("tasks/wait_health.yml");
    let until = &named(&file, "the supervision finds every server well").unwrap()["until"];
    let window = |spoilt: &str| {
        let mut so = cluster(spoilt, &json!(false));
        so["arangodb_maintenance"] = json!("window");
        so["arangodb_cluster"]["supervision"]["normal"] = json!(false);
        so
    };
    ask(
        until,
        &json!({}),
        &[
            ("in a window", window("health.ok"), true),
            ("in a window, a copy is behind", window("shards.ok"), false),
        ],
    );
}

#[test]
fn no_dbserver_stops_whose_shards_do_not_allow_it() {
    let so = |ok: bool| {
        json!({"item": {"id": "PRMR-1", "short_name": "DBServer0001"},
            "arangodb_cluster": {"stop": {"PRMR-1": {"ok": ok, "problems": ["_system/c/s1 has 0 other copies in sync"]}, "PRMR-2": {"ok": !ok, "problems": []}}}})
    };
    for (file, name) in [
        (
            "tasks/dbserver_upgrade.yml",
            "every shard allows that they stop",
        ),
        (
            "tasks/before_dbserver.yml",
            "every shard still allows that they stop",
        ),
        // The starters stop each of them later, and ask nobody then.
        ("tasks/starter_ask.yml", "each DB-Server may stop"),
    ] {
        let file = read(file);
        let task = named(&file, name).unwrap();
        judge(
            task,
            &[("it may", so(true), true), ("it may not", so(false), false)],
        );
        let all = task["loop"].as_str().unwrap();
        assert!(all.contains("arangodb_cluster.dbservers"), "{name}: {all}");
    }
}

#[test]
fn the_new_package_is_there_and_nobody_has_noticed() {
    let file = read("tasks/install_packages.yml");
    let task = named(&file, "the new program is there and the old ones run on").unwrap();
    let so = |disk: &str, pids: [u32; 2], starter: Value, standalone: &str| {
        let servers = pids.map(|pid| json!({"pid": pid, "running": true}));
        json!({"arangodb_version": "3.4.0", "arangodb_before": [5, 6], "arangodb_starter_before": 4,
            "arangodb_host": {"binary_version": disk, "servers": servers, "starter": starter, "standalone": {"active": standalone}}})
    };
    let starter = |pid: u32| json!({"pid": pid});
    judge(
        task,
        &[
            (
                "installed",
                so("3.4.0", [6, 5], starter(4), "inactive"),
                true,
            ),
            (
                "the package is missing on this host",
                so("3.3.20", [5, 6], starter(4), "inactive"),
                false,
            ),
            (
                "it restarted a server",
                so("3.4.0", [5, 9], starter(4), "inactive"),
                false,
            ),
            (
                "it restarted the starter",
                so("3.4.0", [5, 6], starter(8), "inactive"),
                false,
            ),
            (
                "it ended the starter",
                so("3.4.0", [5, 6], Value::Null, "inactive"),
                false,
            ),
            (
                "it started its own server",
                so("3.4.0", [5, 6], starter(4), "active"),
                false,
            ),
        ],
    );
    // One that ended with nobody to start it again.
    let mut gone = so("3.4.0", [5, 6], starter(4), "inactive");
    gone["arangodb_host"]["servers"][1]["running"] = json!(false);
    judge(task, &[("it ended a server", gone, false)]);
    // Its own server is masked first, so that no boot starts it either.
    let tasks = file.as_array().unwrap();
    let at = |name: &str| tasks.iter().position(|task| task["name"] == json!(name));
    let mask = named(&file, "the standalone server stays off").unwrap();
    assert_eq!(mask["systemd"]["masked"], json!(true));
    assert!(at("the standalone server stays off") < at("install the packages, restarting nothing"));
}

#[test]
fn the_drop_in_is_in_force_before_anything_is_installed() {
    let file = read("tasks/unit_hold_it.yml");
    let so = |kill: &str, restart: &str, reload: bool, work: bool| {
        json!({"arangodb_starters_work": work, "arangodb_host": {"unit":
            {"kill_mode": kill, "restart": restart, "need_reload": reload, "drop_ins": ["/d/95.conf"]}}})
    };
    judge(
        named(&file, "the drop-in is in force").unwrap(),
        &[
            ("it is", so("process", "no", false, false), true),
            (
                "KillMode is another",
                so("control-group", "no", false, false),
                false,
            ),
            (
                "systemd restarts",
                so("process", "on-failure", false, false),
                false,
            ),
            (
                "systemd restarts, while the starters are at work",
                so("process", "on-failure", false, true),
                true,
            ),
            ("it was not read", so("process", "no", true, false), false),
        ],
    );
}

#[test]
fn a_coordinator_is_tried_while_the_others_answer() {
    waits(
        "tasks/coordinator_upgrade.yml",
        "the other coordinators answer",
        &[("servers.ok", false), ("shards.ok", false)],
    );
    let file = read("tasks/canary.yml");
    let back = named(&file, "read it back through {{ arangodb_server.endpoint }}").unwrap();
    assert_eq!(back["uri"]["status_code"], json!(200));
    let so =
        |answer: Value| json!({"arangodb_version": "3.4.0", "arangodb_read": {"json": answer}});
    ask(
        &back["failed_when"],
        &json!({}),
        &[
            ("what was written", so(json!({"version": "3.4.0"})), false),
            (
                "what was written before",
                so(json!({"version": "3.3.20"})),
                true,
            ),
            ("another document", so(json!({"name": "c"})), true),
        ],
    );
    // Clients come back behind it, and only then.
    let file = read("tasks/coordinator_upgrade.yml");
    let block = file.as_array().unwrap().last().unwrap()["block"]
        .as_array()
        .unwrap();
    let names: Vec<&str> = block
        .iter()
        .map(|task| task["name"].as_str().unwrap())
        .collect();
    assert_eq!(
        names,
        [
            "the other coordinators answer",
            "{{ arangodb_verb }} the coordinator",
            "a document written through it is read back",
            "clients may come again"
        ]
    );
}

#[test]
fn the_end_is_that_all_is_on_the_new_version_and_well() {
    let file = read("tasks/finish.yml");
    let so = |spoilt: &str| {
        let mut so = cluster(spoilt, &json!(false));
        for room in ["servers", "agency", "shards", "health"] {
            so["arangodb_cluster"][room]["problems"] = json!([]);
        }
        so["arangodb_cluster"]["supervision"]["mode"] = json!("Normal");
        so["arangodb_cluster"]["supervision"]["maintenance"] = Value::Null;
        so["arangodb_cluster"]["versions"] = json!(["3.4.0"]);
        so["arangodb_version"] = json!("3.4.0");
        so
    };
    let mut old = so("");
    old["arangodb_cluster"]["versions"] = json!(["3.3.20", "3.4.0"]);
    let mut cases = vec![("all is", so(""), true), ("one is old", old, false)];
    for spoilt in [
        "servers.ok",
        "agency.ok",
        "shards.ok",
        "supervision.normal",
        "health.ok",
    ] {
        cases.push((spoilt, so(spoilt), false));
    }
    judge(
        named(&file, "every server is on the new version").unwrap(),
        &cases,
    );
    let pending =
        |servers: Value| json!({"arangodb_version": "3.4.0", "arangodb_pending": servers});
    judge(
        named(&file, "every server of this host runs anew").unwrap(),
        &[
            ("all do", pending(json!([])), true),
            ("one does not", pending(json!(["tcp://h1:8529"])), false),
        ],
    );
}
