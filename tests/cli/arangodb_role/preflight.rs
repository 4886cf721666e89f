//! G0: what a cluster and its hosts must show before anything is touched, each condition with what spoils it.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use super::{ask, judge, named, read};

const PREFLIGHT: &str = "tasks/preflight.yml";

/// Judges what an assertion of the preflight says; the cases are: what is so, and whether it passes.
fn judges(name: &str, cases: &[(&str, Value, bool)]) {
    judge(named(&read(PREFLIGHT), name).unwrap(), cases);
}

/// When a task of the preflight is looked at.
fn when(name: &str, cases: &[(&str, Value, bool)]) {
    let file = read(PREFLIGHT);
    ask(&named(&file, name).unwrap()["when"], &json!({}), cases);
}

fn cluster(field: &str, value: Value) -> Value {
    json!({"arangodb_cluster": {field: value}})
}

/// A part of the cluster's view that is well, or has one problem.
fn part(name: &str, well: bool) -> Value {
    let problems: &[&str] = if well {
        &[]
    } else {
        &["PRMR-2 does not answer"]
    };
    cluster(name, json!({"ok": well, "problems": problems}))
}

#[test]
fn each_part_of_the_cluster_must_be_well() {
    for (name, room) in [
        (
            "all servers answer, in the roles that they should have",
            "servers",
        ),
        ("all servers are well", "health"),
        ("every shard is in sync", "shards"),
    ] {
        judges(
            name,
            &[
                ("it is well", part(room, true), true),
                ("it is not", part(room, false), false),
            ],
        );
    }
    let agency = |ok: bool| {
        json!({"arangodb_cluster": {"agency": {"ok": ok, "problems": []}, "agents": [1, 2, 3]},
            "arangodb_host": {"setup": {"agency_size": 3}}})
    };
    judges(
        "the agency works with all its agents",
        &[
            ("it works", agency(true), true),
            ("an agent is behind", agency(false), false),
        ],
    );
    judges(
        "the agency can be read",
        &[
            ("it was read", cluster("store_problem", Value::Null), true),
            (
                "no leader",
                cluster("store_problem", json!("no agent leads")),
                false,
            ),
        ],
    );
    let jobs = |jobs: Value| cluster("supervision", json!({"jobs": jobs}));
    judges(
        "the supervision has nothing to do",
        &[
            ("nothing", jobs(json!([])), true),
            ("a shard is being moved", jobs(json!(["17"])), false),
        ],
    );
    let single = |shards: Value| cluster("shards", json!({"single_copy": shards}));
    judges(
        "every collection has a second copy",
        &[
            ("each has one", single(json!([])), true),
            ("one has none", single(json!(["_system/c/s1"])), false),
        ],
    );
}

#[test]
fn the_way_is_a_safe_one_or_taken_on_record() {
    let so = |problems: Value, why: &str| json!({"arangodb_cluster": {"path": {"problems": problems}}, "arangodb_path_override": why});
    let bad = || json!(["3.4.6 may drop collections; use 3.4.6-1 or later"]);
    let name = "the way from version to version is a safe one";
    let cases = [
        ("it is", so(json!([]), ""), true),
        ("it is not", so(bad(), ""), false),
        ("somebody knows better", so(bad(), "asked support"), true),
    ];
    judges(name, &cases);
    when(
        "an override of the way is put on record",
        &[
            ("there is none", so(json!([]), ""), false),
            ("there is", so(bad(), "asked support"), true),
        ],
    );
    judge(
        named(&read("tasks/stranded_preflight.yml"), name).unwrap(),
        &cases,
    );
    let moves = |problems: Value| json!({"item": {"id": "PRMR-1", "short_name": ""}, "arangodb_cluster": {"moves": {"PRMR-1": {"problems": problems}}}});
    judges(
        "leadership can be moved",
        &[
            ("it can", moves(json!([])), true),
            (
                "as many copies as servers",
                moves(json!(["nobody is without a copy"])),
                false,
            ),
        ],
    );
}

#[test]
fn the_host_runs_what_the_upgrade_knows_how_to_hold() {
    let unit = |load: &str, active: &str, starter: Value| json!({"arangodb_host": {"starter": starter, "unit": {"load": load, "active": active}}});
    let program = |name: &str| json!({"program": name, "exe": format!("/usr/bin/{name}")});
    judges(
        "the starter runs as a unit of systemd",
        &[
            (
                "it does",
                unit("loaded", "active", program("arangodb")),
                true,
            ),
            ("it is out", unit("loaded", "inactive", Value::Null), true),
            (
                "a unit that is not there",
                unit("not-found", "inactive", Value::Null),
                false,
            ),
            (
                "a unit without a process",
                unit("loaded", "active", Value::Null),
                false,
            ),
            (
                "a unit that runs the server itself",
                unit("loaded", "active", program("arangod")),
                false,
            ),
        ],
    );
    let set_up = |setup: Value, address: Value| json!({"arangodb_host": {"setup": setup, "address": address, "data_dir": "/d"}});
    let mode = |mode: &str| set_up(json!({"mode": mode}), json!("10.0.0.1"));
    judges(
        "the starter keeps a set-up of a cluster",
        &[
            ("a cluster", mode("cluster"), true),
            ("an old one, which does not say", mode(""), true),
            ("a single server", mode("single"), false),
            ("two that fail over", mode("activefailover"), false),
            ("none", set_up(Value::Null, json!("10.0.0.1")), false),
            (
                "of another machine",
                set_up(json!({"mode": "cluster"}), Value::Null),
                false,
            ),
        ],
    );
    let ok = |ok: bool| json!({"arangodb_host": {"ok": ok, "problems": ["the lock names another process"]}});
    judges(
        "what the host shows fits together",
        &[
            ("it does", ok(true), true),
            ("it does not", ok(false), false),
        ],
    );
    let runs = |running: bool| {
        json!({"item": {"running": running, "role": "agent", "port": 8531, "data_number": 30320, "command_file": "/d/c"},
            "arangodb_host": {"binary_version": "3.3.20", "unit": {"active": "active", "user": ""}}})
    };
    judges(
        "no server of this host is down",
        &[
            ("it runs", runs(true), true),
            ("it is down", runs(false), false),
        ],
    );
    let tools = |item: &str| json!({"item": item, "arangodb_host": {"tools": {"setsid": "/usr/bin/setsid"}}});
    judges(
        "the programs that the upgrade needs are there",
        &[
            ("there", tools("setsid"), true),
            ("missing", tools("setpriv"), false),
        ],
    );
}

#[test]
fn engine_and_javascript_outlive_the_installation() {
    let engines = |set_up: &str, servers: &[&str]| {
        let servers: Vec<Value> = servers
            .iter()
            .map(|engine| json!({"engine": engine}))
            .collect();
        json!({"arangodb_host": {"setup": {"engine": set_up}, "servers": servers}})
    };
    judges(
        "all servers keep their data in the same way",
        &[
            ("one", engines("rocksdb", &["rocksdb", "rocksdb", ""]), true),
            (
                "another",
                engines("rocksdb", &["rocksdb", "mmfiles"]),
                false,
            ),
            (
                "as the set-up does not say",
                engines("rocksdb", &["mmfiles"]),
                false,
            ),
        ],
    );
    // The same between hosts: no set-up may say another engine.
    let file = read(PREFLIGHT);
    let name = "every server of the cluster belongs to one host of the inventory, and every agent of the set-up is in the agency";
    let task = named(&file, name).unwrap();
    let mut vars = task["vars"].clone();
    for own in ["looks", "members"] {
        vars.as_object_mut().unwrap().remove(own);
    }
    let so = |engines: [&str; 2]| {
        let looks: Vec<Value> = engines
            .iter()
            .map(|engine| json!({"servers": [], "setup": {"engine": engine}}))
            .collect();
        json!({"looks": looks, "members": [], "arangodb_host": {"agents": []}, "arangodb_cluster": {"agents": []}})
    };
    ask(
        &task["assert"]["that"],
        &vars,
        &[
            ("one engine", so(["rocksdb", "rocksdb"]), true),
            ("two", so(["rocksdb", "mmfiles"]), false),
        ],
    );
    let engine = |engine: &str| json!({"item": {"engine": engine, "directory": "/d/dbserver8530"}, "arangodb_host": {"setup": {"engine": "rocksdb"}}});
    judges(
        "the starter can be started again",
        &[
            ("its file is there", engine("rocksdb"), true),
            ("it is missing or empty", engine(""), false),
        ],
    );
    let copies = |role: &str, copies: Value, why: &str| json!({"item": {"role": role, "port": 8529, "copies_javascript": copies}, "arangodb_javascript_override": why});
    judges(
        "the programs of the old servers outlive the installation of the new package",
        &[
            ("a copy", copies("coordinator", json!(true), ""), true),
            (
                "the package's",
                copies("coordinator", json!(false), ""),
                false,
            ),
            (
                "the package's, said to be fine",
                copies("coordinator", json!(false), "no Foxx"),
                true,
            ),
            (
                "an agent runs none",
                copies("agent", json!(false), ""),
                true,
            ),
        ],
    );
}

/// A cluster of a version, on which the operator means to go to 3.4.0, or to restart.
fn from(version: &str, restart: bool) -> Value {
    json!({"arangodb_version": "3.4.0", "arangodb_restarts": restart, "arangodb_cluster": {"versions": [version]}})
}

#[test]
fn what_an_operator_must_have_said_is_asked_for_where_it_matters() {
    let backup = |place: &str| json!({"arangodb_backup": place});
    judges(
        "there is a backup",
        &[
            ("it is somewhere", backup("s3://nightly"), true),
            ("nobody knows", backup(""), false),
        ],
    );
    let packages = |packages: Value, disk: &str| json!({"arangodb_version": "3.4.0", "arangodb_packages": packages, "arangodb_host": {"binary_version": disk}});
    judges(
        "the packages that bring the new version are named",
        &[
            ("named", packages(json!(["a.deb"]), "3.3.20"), true),
            ("installed already", packages(json!([]), "3.4.0"), true),
            ("neither", packages(json!([]), "3.3.20"), false),
        ],
    );
    for name in [
        "there is a backup",
        "the packages that bring the new version are named",
        "the programs of the old servers outlive the installation of the new package",
    ] {
        when(
            name,
            &[
                ("an upgrade", from("3.3.20", false), true),
                ("all is done", from("3.4.0", false), false),
            ],
        );
    }
    for name in [
        "the supervision has nothing to do",
        "every collection has a second copy",
        "the starter can be started again",
        "maintenance mode is renewed before it runs out",
        "the machine can go through an upgrade",
    ] {
        when(
            name,
            &[
                ("an upgrade", from("3.3.20", false), true),
                ("a restart", from("3.4.0", true), true),
                ("all is done", from("3.4.0", false), false),
            ],
        );
    }
}

#[test]
fn the_machine_itself_must_be_fit() {
    let file = read("tasks/readiness.yml");
    let ready = |ok: bool| json!({"arangodb_ready": {"readiness": {"ok": ok, "problems": ["dpkg is broken"]}}});
    judge(
        named(
            &file,
            "the machine can go through an upgrade, and is left alone meanwhile",
        )
        .unwrap(),
        &[
            ("it is fit", ready(true), true),
            ("it is not", ready(false), false),
        ],
    );
    let program = |version: Value| json!({"arangodb_host": {"binary_version": version}});
    judge(
        named(
            &read("tasks/restart_preflight.yml"),
            "the program tells its version",
        )
        .unwrap(),
        &[
            ("it does", program(json!("3.4.0")), true),
            ("it says nothing", program(json!("")), false),
            ("it is not there", program(Value::Null), false),
        ],
    );
}

/// No part of the cluster can be left out: it is judged by all its machines.
#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "a playbook is written, and stagger started"
)]
fn a_part_of_the_machines_is_no_cluster() {
    for file in [PREFLIGHT, "tasks/rollback_preflight.yml"] {
        let file = read(file);
        let task = named(&file, "every machine of the cluster takes part").unwrap();
        let here = tempfile::tempdir().unwrap();
        let play = json!([{"hosts": "arangodb", "connection": "local", "gather_facts": false,
            "vars": {"arangodb_group": "arangodb"}, "tasks": [task]}]);
        std::fs::write(here.path().join("site.yml"), play.to_string()).unwrap();
        std::fs::write(here.path().join("hosts.ini"), "[arangodb]\na\nb\n").unwrap();
        for (limit, exit) in [("arangodb", 0), ("a", 2)] {
            let ran = Command::new(env!("CARGO_BIN_EXE_stagger"))
                .args(["apply", "site.yml", "-i", "hosts.ini", "--state", "state"])
                .args(["--limit", limit])
                .current_dir(here.path())
                .output()
                .unwrap();
            let told = String::from_utf8_lossy(&ran.stderr);
            assert_eq!(ran.status.code(), Some(exit), "{limit}: {told}");
        }
    }
}

/// The names of all assertions in a file's tasks.
fn asserted(tasks: &Value) -> Vec<String> {
    let mut names = Vec::new();
    match tasks {
        Value::Array(items) => names.extend(items.iter().flat_map(asserted)),
        Value::Object(fields) => {
            if fields.contains_key("assert") {
                names.extend(fields["name"].as_str().map(str::to_owned));
            }
            names.extend(fields.values().flat_map(asserted));
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
    names
}

/// A condition of the beginning that nobody asks with a bad cluster could be `true` and none would notice.
#[test]
fn every_condition_of_the_beginning_is_asked() {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cli");
    let mut asked = std::fs::read_to_string(tests.join("arangodb_role.rs")).unwrap();
    for entry in std::fs::read_dir(tests.join("arangodb_role")).unwrap() {
        asked += &std::fs::read_to_string(entry.unwrap().path()).unwrap();
    }
    let files = [
        PREFLIGHT,
        "tasks/readiness.yml",
        "tasks/restart_preflight.yml",
    ];
    let names: Vec<String> = files
        .iter()
        .flat_map(|file| asserted(&read(file)))
        .collect();
    assert!(names.len() > 30, "{names:?}");
    for name in names {
        assert!(asked.contains(&format!("\"{name}\"")), "{name}");
    }
}
