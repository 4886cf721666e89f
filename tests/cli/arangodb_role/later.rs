//! What differs with later versions: the order of roles, maintenance mode for one DB-Server alone, soft shutdown.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use super::{ask, judge, named, read};

/// The plan as text, for a cluster of two hosts.
fn plan(playbook: &str, variables: &[&str]) -> String {
    plan_for("[arangodb]\nh1\nh2\n", playbook, variables)
}

/// The plan as text, for an inventory.
#[expect(clippy::disallowed_methods, reason = "stagger is started")]
fn plan_for(inventory: &str, playbook: &str, variables: &[&str]) -> String {
    let here = tempfile::tempdir().unwrap();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    std::fs::write(here.path().join("hosts.ini"), inventory).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_stagger"));
    command.arg("plan").arg(root.join(playbook));
    command.args(["-i", "hosts.ini"]);
    for variable in variables {
        command.args(["-e", variable]);
    }
    let ran = command.current_dir(here.path()).output().unwrap();
    let told = String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success(), "{told}");
    String::from_utf8_lossy(&ran.stdout).into_owned()
}

/// Where the plan stops DB-Servers and coordinators.
fn places(plan: &str) -> Vec<&'static str> {
    let mut found: Vec<(usize, &str)> = Vec::new();
    for (text, name) in [
        ("upgrade the coordinators of this host", "coordinators"),
        ("upgrade the DB-Servers of this host", "dbservers"),
        ("restart the coordinators of this host", "coordinators"),
        ("restart the DB-Servers of this host", "dbservers"),
    ] {
        found.extend(plan.match_indices(text).map(|(at, _)| (at, name)));
    }
    found.sort_unstable();
    let mut names: Vec<&str> = found.into_iter().map(|(_, name)| name).collect();
    names.dedup();
    names
}

#[test]
fn the_plan_has_the_coordinators_before_the_dbservers_only_where_that_may_be() {
    let to = |version: &str| {
        plan(
            "roles/arangodb/upgrade.yml",
            &[&format!("arangodb_version={version}")],
        )
    };
    let usual = ["dbservers", "coordinators"];
    for version in ["3.4.0", "3.11.8", "3.12.3"] {
        assert_eq!(places(&to(version)), usual, "{version}");
    }
    for version in ["3.12.4", "3.12.5-1"] {
        let plan = to(version);
        let both = ["coordinators", "dbservers", "coordinators"];
        assert_eq!(places(&plan), both, "{version}: {plan}");
    }
    // What is restarted stays on its version.
    let again = plan("roles/arangodb/restart.yml", &["arangodb_version=3.12.4"]);
    assert_eq!(places(&again), usual, "{again}");
    let starters = plan(
        "roles/arangodb/upgrade.yml",
        &["arangodb_version=3.12.4", "arangodb_method=starter"],
    );
    assert_eq!(places(&starters), [""; 0], "{starters}");
}

#[test]
fn the_plan_says_from_where_to_where_servers_are_exposed() {
    let plan = plan(
        "roles/arangodb/upgrade.yml",
        &["arangodb_version=3.4.0", "arangodb_leaders=wait"],
    );
    let at = |text: &str| {
        let at = plan.find(text);
        at.unwrap_or_else(|| panic!("no `{text}` in {plan}"))
    };
    let begins = at("exposed from here until its last server is upgraded");
    let rest = &plan[begins..];
    let told = rest.lines().take(4).collect::<Vec<_>>().join("\n");
    assert!(
        told.contains("only when arangodb_upgrade_needed and"),
        "{told}"
    );
    assert!(begins < at("- install the packages"), "{plan}");
    let ends = at("no server is exposed any more");
    for text in [
        "agents, followers first",
        "upgrade the coordinators of this host",
    ] {
        assert!((begins..ends).contains(&at(text)), "{text}: {plan}");
    }
    // Where data is not upgraded, one that ends starts again as the new program.
    let file = read("upgrade_servers.yml");
    let name =
        "exposed from here until its last server is upgraded, one that ends cannot start again";
    let so = |versions: Value, to: &str, data: bool| json!({"arangodb_version": to, "arangodb_cluster": {"versions": versions, "path": {"data_upgrade": data}}});
    ask(
        &named(&file, name).unwrap()["when"],
        &json!({}),
        &[
            (
                "to another line",
                so(json!(["3.3.20"]), "3.4.0", true),
                true,
            ),
            (
                "half done",
                so(json!(["3.3.20", "3.4.0"]), "3.4.0", true),
                true,
            ),
            (
                "within one line",
                so(json!(["3.12.3"]), "3.12.4", false),
                false,
            ),
            ("all is done", so(json!(["3.4.0"]), "3.4.0", false), false),
        ],
    );
}

#[test]
fn a_machine_in_two_groups_is_planned_once() {
    let to = ["arangodb_version=3.4.0", "arangodb_leaders=wait"];
    let plain = plan_for("[arangodb]\nh1\nh2\n", "roles/arangodb/upgrade.yml", &to);
    // In two groups of the cluster's, and in one that has nothing to do with it.
    let nested =
        "[arangodb:children]\nagents\nothers\n[agents]\nh1\n[others]\nh1\nh2\n[monitored]\nh1\n";
    let grouped = plan_for(nested, "roles/arangodb/upgrade.yml", &to);
    let plays = |plan: &str| {
        let from = plan.find("play 1").unwrap_or_else(|| panic!("{plan}"));
        plan[from..].to_owned()
    };
    assert_eq!(plays(&grouped), plays(&plain));
    let hosts: Vec<&str> = plain
        .lines()
        .filter(|line| line.contains(" hosts, "))
        .collect();
    assert!(hosts.len() > 5, "{plain}");
    for line in hosts {
        assert_eq!(line.matches("h1").count(), 1, "{line}");
    }
}

/// A cluster that goes from these versions in this order.
fn ordered(first: bool, coordinators: &[&str]) -> Value {
    let coordinators = coordinators.iter().enumerate();
    let coordinators = coordinators
        .map(|(n, version)| json!({"endpoint": format!("tcp://h{n}:8529"), "version": version}));
    json!({"arangodb_version": "3.12.4", "arangodb_cluster": {
        "path": {"coordinators_first": first, "order_reason": "coordinators go before"},
        "coordinators": coordinators.collect::<Vec<_>>()}})
}

#[test]
fn coordinators_take_their_turn_by_what_the_model_says_of_the_versions_that_run() {
    let at = |turn: &str, first: bool| {
        let mut so = ordered(first, &["3.12.3"]);
        so["arangodb_turn"] = json!(turn);
        so
    };
    ask(
        &json!("arangodb_in_turn"),
        &json!({}),
        &[
            ("first, before", at("before", true), true),
            ("first, after", at("after", true), false),
            ("last, before", at("before", false), false),
            ("last, after", at("after", false), true),
            ("in other plays", ordered(false, &["3.12.3"]), true),
        ],
    );
    let task = &read("tasks/coordinator.yml")[1];
    assert!(
        task["when"]
            .as_str()
            .unwrap()
            .starts_with("arangodb_in_turn and ")
    );
    let made = read("tasks/canary_make.yml");
    assert!(
        made.to_string()
            .contains("arangodb_to_do and arangodb_in_turn and")
    );
}

#[test]
fn no_dbserver_goes_before_a_coordinator_that_must_be_first() {
    let file = read("tasks/dbserver.yml");
    let task = named(&file, "coordinators that must come first are done").unwrap();
    judge(
        task,
        &[
            ("done", ordered(true, &["3.12.4", "3.12.4"]), true),
            ("one is old", ordered(true, &["3.12.4", "3.12.3"]), false),
            (
                "the usual order",
                ordered(false, &["3.11.8", "3.11.8"]),
                true,
            ),
        ],
    );
}

/// A cluster whose DB-Server of this host is `PRMR-1`.
fn maintained(by_dbserver: bool, mode: &str, asked: Value, force: Value) -> Value {
    json!({"arangodb_maintenance": "per_server", "arangodb_mode": mode,
        "arangodb_host": {"servers": [{"endpoint": "tcp://h1:8530"}, {"endpoint": "tcp://h1:8529"}]},
        "arangodb_supervised": {"store_problem": null, "supervision": {"asked_for": asked, "in_force": force}},
        "arangodb_cluster": {"maintenance_by_dbserver": by_dbserver, "store_problem": null, "servers": {"ok": true},
            "shards": {"ok": true}, "agency": {"quorum": true},
            "supervision": {"mode": "Normal", "maintenance": null, "asked_for": asked, "in_force": force},
            "dbservers": [{"id": "PRMR-1", "endpoint": "tcp://h1:8530"}, {"id": "PRMR-2", "endpoint": "tcp://h2:8530"}]}})
}

#[test]
fn maintenance_mode_alone_is_read_back_from_the_agency() {
    let file = read("tasks/maintenance_alone.yml");
    let until = &named(&file, "the supervision says so").unwrap()["until"];
    let so = |mode: &str, asked: Value, force: Value| maintained(true, mode, asked, force);
    let (own, other) = (|| json!(["PRMR-1"]), || json!(["PRMR-2"]));
    ask(
        until,
        &json!({}),
        &[
            ("on", so("on", own(), own()), true),
            ("asked and not heard", so("on", own(), json!([])), false),
            ("another one's", so("on", other(), other()), false),
            ("it runs out now", so("on", json!([]), own()), false),
            ("off", so("off", json!([]), json!([])), true),
            ("not heard yet", so("off", json!([]), own()), false),
            ("refused", so("off", own(), own()), false),
            ("another one's stays", so("off", other(), other()), true),
        ],
    );
}

#[test]
fn a_dbserver_stops_only_in_its_own_maintenance_mode() {
    let file = read("tasks/before_dbserver.yml");
    let so = |asked: Value, force: Value| maintained(true, "on", asked, force);
    let (own, other, none) = (|| json!(["PRMR-1"]), || json!(["PRMR-2"]), || json!([]));
    judge(
        named(&file, "maintenance mode is still asked for").unwrap(),
        &[
            ("by this run", so(own(), own()), true),
            ("switched off meanwhile", so(none(), own()), false),
            ("for another one", so(other(), other()), false),
            (
                "an older version",
                maintained(false, "on", own(), own()),
                false,
            ),
        ],
    );
    let until =
        &named(&file, "every shard is in sync, and maintenance mode is on").unwrap()["until"];
    ask(
        until,
        &json!({}),
        &[
            ("in force", so(own(), own()), true),
            ("not heard yet", so(own(), none()), false),
            ("for another one", so(own(), other()), false),
            (
                "an older version",
                maintained(false, "on", own(), own()),
                false,
            ),
        ],
    );
}

#[test]
fn maintenance_mode_alone_is_renewed_as_far_as_the_version_lets() {
    let file = read("tasks/dbserver_upgrade.yml");
    let renew = named(&file, "maintenance mode does not run out").unwrap();
    let so =
        |alone: bool, status: u16| json!({"arangodb_alone": alone, "result": {"status": status}});
    ask(
        &renew["until"],
        &json!({}),
        &[
            ("renewed", so(true, 200), true),
            ("it is away: what was asked lasts", so(true, 412), true),
            ("no coordinator", so(true, 503), false),
            ("for all, renewed", so(false, 200), true),
            ("for all, refused", so(false, 412), false),
        ],
    );
    let found = &named(&file, "the supervision is in maintenance mode").unwrap()["found"];
    let seen = |asked: Value, mode: &str| {
        let mut so = maintained(true, "on", asked, json!([]));
        so["arangodb_cluster"]["supervision"]["mode"] = json!(mode);
        so
    };
    ask(
        &json!(format!("({}) == 'Normal'", found.as_str().unwrap())),
        &json!({}),
        &[
            ("nobody", seen(json!([]), "Normal"), true),
            ("another one", seen(json!(["PRMR-2"]), "Normal"), true),
            (
                "this one, by somebody else",
                seen(json!(["PRMR-1"]), "Normal"),
                false,
            ),
            (
                "all, by somebody else",
                seen(json!([]), "Maintenance"),
                false,
            ),
        ],
    );
}

#[test]
fn a_server_that_is_away_is_taken_out_of_maintenance_mode_in_the_agency() {
    let file = read("tasks/maintenance_alone_one.yml");
    let so = |mode: &str, available: bool| json!({"arangodb_mode": mode, "arangodb_dbserver": {"id": "PRMR-1", "available": available}});
    let asked = named(&file, "switch it {{ arangodb_mode }}").unwrap();
    assert_eq!(
        asked["until"],
        json!("arangodb_switched.status | default(0) == 200")
    );
    assert_eq!(asked["timeout"], json!("{{ arangodb_health_timeout }}"));
    ask(
        &asked["when"],
        &json!({}),
        &[
            ("on", so("on", true), true),
            ("off", so("off", true), true),
            ("off, it is away", so("off", false), false),
        ],
    );
    ask(
        &named(&file, "it is away, nobody else may switch it off").unwrap()["when"],
        &json!({}),
        &[
            ("on", so("on", false), false),
            ("off", so("off", true), false),
            ("off, it is away", so("off", false), true),
        ],
    );
}

#[test]
fn only_a_coordinator_whose_version_knows_it_is_asked_to_end_softly() {
    let file = read("tasks/upgrade_member.yml");
    let script = named(
        &file,
        "stop, {{ '' if arangodb_restart else 'upgrade ' }}and start the {{ arangodb_role }}",
    );
    let seconds = script.unwrap()["vars"]["arangodb_soft_s"].as_str().unwrap();
    let seconds = seconds.trim_matches(['{', '}', ' ']);
    let so = |knows: bool, limit: u32| {
        json!({"arangodb_server": {"endpoint": "tcp://h1:8529"}, "arangodb_soft_shutdown_timeout": limit,
            "arangodb_cluster": {"coordinators": [
                {"endpoint": "tcp://h1:8529", "soft_shutdown": knows}, {"endpoint": "tcp://h2:8529", "soft_shutdown": true}]}})
    };
    ask(
        &json!(format!("({seconds}) > 0")),
        &json!({}),
        &[
            ("it knows", so(true, 300), true),
            ("it does not, another one does", so(false, 300), false),
            ("the operator wants none", so(true, 0), false),
        ],
    );
}

/// What a person is told to type must fit what is on: one DB-Server's mode is no reason to warn of the age of the other.
#[test]
fn what_is_in_maintenance_mode_is_said_and_nothing_else() {
    let file = read("tasks/preflight.yml");
    let task = named(&file, "the supervision is on").unwrap();
    let mut vars = task["vars"].as_object().unwrap().clone();
    vars.insert("said".to_owned(), task["assert"]["fail_msg"].clone());
    let so = |mode: &str, asked: Value, in_force: Value, age_s: u64| {
        let maintenance = (mode != "Normal").then_some("true");
        json!({"arangodb_coordinators": ["http://c:8529"], "arangodb_cluster": {"supervision": {"mode": mode, "since": "2026-01-01T00:00:00Z",
            "age_s": age_s, "maintenance": maintenance, "asked_for": asked, "in_force": in_force}}})
    };
    let (none, one, day) = (json!([]), json!(["PRMR-1"]), 86_400);
    let alone = "/maintenance/PRMR-1 -d '{\"mode\":\"normal\"}'";
    let all = "/maintenance -d '\"off\"'";
    let cases = [
        (
            so("Normal", one.clone(), none.clone(), day),
            [true, false, false],
        ),
        (
            so("Normal", none.clone(), one.clone(), 1),
            [true, false, false],
        ),
        (
            so("Maintenance", none.clone(), none.clone(), 1),
            [false, true, false],
        ),
        (
            so("Maintenance", none.clone(), none, day),
            [false, false, true],
        ),
        (
            so("Maintenance", one.clone(), one, day),
            [true, false, true],
        ),
    ];
    for (at, words) in [alone, all, "do NOT end it"].into_iter().enumerate() {
        let cases = cases.iter().map(|(so, said)| (words, so.clone(), said[at]));
        let that = json!(format!("{} in said", json!(words)));
        ask(
            &that,
            &Value::Object(vars.clone()),
            &cases.collect::<Vec<_>>(),
        );
    }
}
