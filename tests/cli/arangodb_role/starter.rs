//! The starters' own upgrade: when it may begin, what is said of each of its states, and when it is begun again.

use std::process::Command;

use serde_json::{Value, json};

use super::{ask, judge, named, read};

/// A look at the host whose server is being watched, the third of a plan.
fn watched(state: &str, upgraded: u32, server: Value, starter: bool) -> Value {
    let starter = if starter {
        json!({"pid": 7})
    } else {
        Value::Null
    };
    let stranded: Vec<&Value> = [&server]
        .into_iter()
        .filter(|server| server["stranded"] == json!(true))
        .map(|server| &server["title"])
        .collect();
    json!({"arangodb_server_index": 2, "arangodb_watched": {"host": {"stranded": stranded,
        "upgrade": {"state": state, "upgraded": upgraded, "reason": "why"}, "starter": starter,
        "unit": {"active": if starter.is_null() { "failed" } else { "active" }}, "servers": [server]}}})
}

/// The same, when its time is over.
fn late(mut so: Value) -> Value {
    so["arangodb_watched"]["failed"] = json!(true);
    so
}

fn with(mut so: Value, more: &Value) -> Value {
    let fields = so.as_object_mut().unwrap();
    fields.extend(more.as_object().cloned().unwrap());
    so
}

#[test]
fn how_far_a_server_is_is_said_by_the_status_and_its_host() {
    let serves = json!({"running": true, "stranded": false, "title": "agent on port 8531"});
    // Between its end and its upgrade it is down with old data; a program that runs with it refuses it.
    let between = json!({"running": false, "stranded": true, "title": "agent on port 8531"});
    let refuses = json!({"running": true, "stranded": true, "title": "agent on port 8531"});
    let nothing = json!({"arangodb_server_index": 2, "arangodb_watched": {"failed": true}});
    let state = |so: Value, is: &str| with(so, &json!({"wanted": is}));
    ask(
        &json!("arangodb_plan_state == wanted"),
        &json!({}),
        &[
            (
                "in hand",
                state(watched("runs", 2, serves.clone(), true), "runs"),
                true,
            ),
            (
                "down for its upgrade",
                state(watched("runs", 2, between.clone(), true), "is down"),
                true,
            ),
            (
                "its turn is over",
                state(watched("runs", 3, serves.clone(), true), "is done with it"),
                true,
            ),
            (
                "the last one",
                state(watched("done", 9, serves.clone(), true), "is done with it"),
                true,
            ),
            (
                "it has failed",
                state(watched("failed", 2, serves.clone(), true), "failed"),
                true,
            ),
            (
                "a later one has failed",
                state(
                    watched("failed", 3, serves.clone(), true),
                    "is done with it",
                ),
                true,
            ),
            (
                "somebody has ended it",
                state(watched("none", 0, serves.clone(), true), "is gone"),
                true,
            ),
            (
                "it refuses its data",
                state(
                    watched("runs", 2, refuses.clone(), true),
                    "refuses its data",
                ),
                true,
            ),
            (
                "and the starters notice",
                state(watched("failed", 2, refuses, true), "refuses its data"),
                true,
            ),
            (
                "its starter is out",
                state(
                    watched("unknown", 0, serves.clone(), false),
                    "has no starter",
                ),
                true,
            ),
            (
                "nobody says anything",
                state(watched("unknown", 0, serves.clone(), true), "runs"),
                true,
            ),
            (
                "down for too long",
                state(
                    late(watched("runs", 2, between.clone(), true)),
                    "refuses its data",
                ),
                true,
            ),
            (
                "down, and so is its starter",
                state(watched("unknown", 0, between, false), "has no starter"),
                true,
            ),
            (
                "up, for too long",
                state(
                    late(watched("runs", 2, serves.clone(), true)),
                    "stands still",
                ),
                true,
            ),
            (
                "the look itself fails",
                state(nothing, "cannot be seen"),
                true,
            ),
            (
                "done in the last moment",
                state(late(watched("runs", 3, serves, true)), "is done with it"),
                true,
            ),
        ],
    );
}

#[test]
fn only_what_failed_or_stands_still_is_begun_again() {
    let so_far = |state: &str, last: bool| {
        json!({"arangodb_plan_state": state, "arangodb_last_try": last, "arangodb_server_host": "n1", "arangodb_server_index": 2,
            "arangodb_server": {"title": "agent on 10.0.0.1, port 8531"},
            "arangodb_watched": {"host": {"upgrade": {"reason": "why"}, "stranded": []}}})
    };
    let so = so_far;
    let file = read("tasks/starter_watch.yml");
    let last = file.as_array().unwrap().last().unwrap();
    judge(
        last,
        &[
            ("it is done", so("is done with it", true), true),
            ("it failed", so("failed", false), true),
            ("it stands still", so("stands still", false), true),
            ("it failed again", so("failed", true), false),
            ("it stands still again", so("stands still", true), false),
            ("a server is stranded", so("refuses its data", false), false),
            ("somebody ended it", so("is gone", false), false),
            ("its starter is out", so("has no starter", false), false),
            ("it cannot be seen", so("cannot be seen", false), false),
        ],
    );
    let mut told = so("refuses its data", true);
    told["arangodb_watched"]["host"]["stranded"] = json!(["agent on port 8531"]);
    ask(
        &json!(
            "'On n1 the new program refuses the data of the agent on port 8531' in arangodb_plan_told and 'stagger recover --upgrade-stranded n1; then: stagger resume' in arangodb_plan_told"
        ),
        &json!({}),
        &[("what to type", told, true)],
    );
    // After a failure of the first try nothing of it is watched any more; in the last one each server is.
    let file = read("tasks/starter_step.yml");
    let so =
        |last: bool, again: bool| json!({"arangodb_last_try": last, "arangodb_plan_again": again});
    ask(
        &file.as_array().unwrap()[0]["when"],
        &json!({}),
        &[
            ("none has failed", so(false, false), true),
            ("one before it has failed", so(false, true), false),
            ("once more", so(true, true), true),
        ],
    );
    let file = read("tasks/starter_upgrade.yml");
    let done = named(&file, "the starters are done with all servers").unwrap();
    assert_eq!(
        done["when"],
        json!("arangodb_last_try or not arangodb_plan_again")
    );
    let file = read("tasks/starter_watch.yml");
    let again = named(&file, "the starters are ended, and begin once more").unwrap();
    ask(
        &again["when"],
        &json!({}),
        &[
            ("it failed", so_far("failed", false), true),
            ("it stands still", so_far("stands still", false), true),
            ("it failed again", so_far("failed", true), false),
            ("it is done", so_far("is done with it", false), false),
            ("it refuses", so_far("refuses its data", false), false),
        ],
    );
    // Ended, not tried again: that clears no failure.
    let methods = ["tasks/starter_ask.yml", "tasks/starter_abort.yml"].map(|file| {
        let file = read(file);
        let asks = file
            .as_array()
            .unwrap()
            .iter()
            .filter(|task| task["uri"].is_object());
        asks.map(|task| task["uri"]["method"].clone())
            .collect::<Vec<_>>()
    });
    assert_eq!(methods, [vec![json!("POST")], vec![json!("DELETE")]]);
}

#[test]
fn a_plan_of_somebody_else_is_not_watched_as_if_it_were_its_own() {
    let file = read("tasks/starter_begin.yml");
    let task = named(&file, "nobody else has begun one").unwrap();
    let so = |plan: Value, asked: bool| json!({"arangodb_cluster": {"upgrade_plan": plan}, "arangodb_plan_asked": asked});
    let plan = json!({"entries": [1], "created_at": "2026-03-01T10:00:00Z"});
    judge(
        task,
        &[
            ("none", so(Value::Null, false), true),
            ("a colleague's", so(plan.clone(), false), false),
            ("its own, before it was cut off", so(plan, true), true),
        ],
    );
    let ask_for = named(&file, "the starters begin").unwrap();
    assert_eq!(
        ask_for["when"],
        json!("arangodb_cluster.upgrade_plan is none")
    );
}

#[test]
fn what_the_starters_do_not_look_at_is_looked_at_before_they_begin() {
    let file = read("tasks/starter_ask.yml");
    let well = named(&file, "agency, servers and shards are well").unwrap();
    let so = |field: &str, value: Value| {
        let mut cluster = json!({"store_problem": null, "agency": {"ok": true}, "health": {"ok": true},
            "supervision": {"normal": true, "jobs": []}, "servers": {"ok": true}, "shards": {"ok": true}});
        if let Some((room, name)) = field.split_once('.') {
            cluster[room][name] = value;
        }
        json!({"arangodb_cluster": cluster})
    };
    ask(
        &well["until"],
        &json!({}),
        &[
            ("all is well", so("", Value::Null), true),
            ("a copy is behind", so("shards.ok", json!(false)), false),
            ("an agent is behind", so("agency.ok", json!(false)), false),
            ("a server is down", so("servers.ok", json!(false)), false),
            (
                "in maintenance mode",
                so("supervision.normal", json!(false)),
                false,
            ),
            (
                "a shard is being moved",
                so("supervision.jobs", json!(["7"])),
                false,
            ),
            ("health is bad", so("health.ok", json!(false)), false),
        ],
    );
    let names: Vec<&Value> = file
        .as_array()
        .unwrap()
        .iter()
        .map(|task| &task["name"])
        .collect();
    let at = |name: &str| {
        names
            .iter()
            .position(|other| **other == json!(name))
            .unwrap()
    };
    assert!(at("agency, servers and shards are well") < at("ask the starters to upgrade"));
    assert!(at("each DB-Server may stop") < at("ask the starters to upgrade"));
}

#[test]
fn the_starters_are_asked_again_only_for_what_goes_by_itself() {
    let file = read("tasks/starter_ask.yml");
    let task = named(&file, "ask the starters to upgrade").unwrap();
    let so = |status: i32, content: Value| json!({"arangodb_begun": {"status": status, "content": content}});
    let error = |why: &str| json!(format!("{{\"Error\":\"{why}\"}}"));
    let unsaid = json!({"arangodb_begun": {"status": 500}});
    ask(
        &task["until"],
        &json!({}),
        &[
            ("begun", so(200, json!("OK")), true),
            (
                "a lock that was left, for 5 minutes",
                so(500, error("already locked")),
                false,
            ),
            (
                "between two masters",
                so(500, error("Starter master is not known")),
                false,
            ),
            (
                "not up yet",
                so(400, error("Must be in running state to do upgrades")),
                false,
            ),
            ("no answer", so(-1, json!("")), false),
            (
                "a package is missing",
                so(400, error("Found multiple database versions")),
                true,
            ),
            ("unhealthy", so(500, error("Found unhealthy cluster")), true),
            ("no reason", unsaid, true),
        ],
    );
    judge(
        named(&file, "the starters have begun").unwrap(),
        &[
            ("begun", so(200, json!("OK")), true),
            (
                "seen to have begun, by its done_when",
                json!({"arangodb_begun": {}}),
                true,
            ),
            (
                "refused",
                so(400, error("Found multiple database versions")),
                false,
            ),
        ],
    );
    let limits = read("defaults/main.yml");
    let begin = limits["arangodb_starter_begin_timeout"].as_u64().unwrap();
    assert!(begin > 300, "the starters' lock ends after 300 s");
    let step = limits["arangodb_starter_step_timeout"].as_u64().unwrap();
    assert!(step <= 3600, "maintenance mode ends after an hour");
}

#[test]
fn versions_that_are_bad_for_the_starters_are_refused() {
    let file = read("tasks/starter_versions.yml");
    let mut task = named(&file, "the starters may upgrade this cluster")
        .unwrap()
        .clone();
    task["vars"] = json!({});
    let so = |from: Value, to: &str, starters: Value| json!({"arangodb_cluster": {"versions": from}, "arangodb_version": to, "arangodb_starter_versions": starters});
    // What is known of orders stands in the model; it is told here.
    let so = |from: Value, to: &str, starters: Value| {
        let mut so = so(from, to, starters);
        let first = so["arangodb_cluster"]["versions"][0] == json!("3.12.1");
        so["arangodb_cluster"]["path"] =
            json!({"coordinators_first": first, "order_reason": "from 3.12.0 to 3.12.3"});
        so
    };
    let starters = |version: &str| json!([version, version, version]);
    judge(
        &task,
        &[
            (
                "the vendor's way",
                so(json!(["3.3.20"]), "3.4.0", starters("0.13.10")),
                true,
            ),
            (
                "half done",
                so(json!(["3.3.20", "3.4.0"]), "3.4.0", starters("0.13.10")),
                true,
            ),
            (
                "before they are asked",
                so(json!(["3.3.20"]), "3.4.8", json!([])),
                true,
            ),
            (
                "no upgrade of a cluster",
                so(json!(["3.3.20"]), "3.4.0", starters("0.12.0")),
                false,
            ),
            (
                "two versions",
                so(json!(["3.3.20"]), "3.4.0", json!(["0.13.10", "0.14.5"])),
                false,
            ),
            (
                "the agency is to be repaired",
                so(json!(["3.3.20"]), "3.4.8", starters("0.13.10")),
                false,
            ),
            (
                "they do that",
                so(json!(["3.3.20"]), "3.4.8", starters("0.14.5")),
                true,
            ),
            (
                "it was repaired",
                so(json!(["3.4.7"]), "3.4.8", starters("0.13.10")),
                true,
            ),
            (
                "coordinators first",
                so(json!(["3.12.1"]), "3.12.4", starters("0.19.4")),
                false,
            ),
            (
                "coordinators last",
                so(json!(["3.12.4"]), "3.12.5", starters("0.19.4")),
                true,
            ),
            (
                "a later line",
                so(json!(["3.11.8"]), "3.12.4", starters("0.19.4")),
                true,
            ),
        ],
    );
    // It is asked before anything, and again when the starters are those that the package brought.
    for (file, name) in [
        (
            "tasks/preflight.yml",
            "the starters may upgrade this cluster",
        ),
        (
            "tasks/starter_ask.yml",
            "the starters are those that were installed",
        ),
    ] {
        assert!(named(&read(file), name).is_some(), "{file}");
    }
}

#[test]
fn leadership_that_stays_is_said_to_stay() {
    let file = read("tasks/preflight.yml");
    let task = named(&file, "how leadership leaves a DB-Server is decided").unwrap();
    let so = |method: &str, leaders: &str, restart: bool| {
        json!({"arangodb_method": method, "arangodb_leaders": leaders, "arangodb_restarts": restart,
            "arangodb_cluster": {"leadership": "resign", "versions": ["3.5.1"]}})
    };
    judge(
        task,
        &[
            ("stagger hands it over", so("stagger", "", false), true),
            ("the starters do not", so("starter", "", false), false),
            ("nor do they move it", so("starter", "move", false), false),
            ("requests wait", so("starter", "wait", false), true),
            ("a restart is stagger's", so("starter", "", true), true),
        ],
    );
    ask(
        &json!("arangodb_way == wanted"),
        &json!({}),
        &[
            (
                "by stagger",
                with(so("stagger", "", false), &json!({"wanted": "resign"})),
                true,
            ),
            (
                "by the starters",
                with(so("starter", "wait", false), &json!({"wanted": "wait"})),
                true,
            ),
            (
                "a restart",
                with(so("starter", "", true), &json!({"wanted": "resign"})),
                true,
            ),
        ],
    );
}

#[test]
fn each_server_is_watched_on_its_own_host() {
    // The starters, by their own addresses, with and without TLS.
    let peers = json!([{"address": "10.0.0.1", "starter_port": 8528}, {"address": "fd00::2", "starter_port": 8538}]);
    let so = |secure: bool, wanted: Value| json!({"arangodb_host": {"secure": secure, "setup": {"peers": peers}}, "wanted": wanted});
    ask(
        &json!("arangodb_starters == wanted"),
        &json!({}),
        &[
            (
                "in the clear",
                so(
                    false,
                    json!(["http://10.0.0.1:8528", "http://[fd00::2]:8538"]),
                ),
                true,
            ),
            (
                "with TLS",
                so(
                    true,
                    json!(["https://10.0.0.1:8528", "https://[fd00::2]:8538"]),
                ),
                true,
            ),
        ],
    );
    let file = read("tasks/starter_watch_it.yml");
    let watch = &file.as_array().unwrap()[0];
    assert_eq!(watch["delegate_to"], json!("{{ arangodb_server_host }}"));
    // A look that did not come through tells nothing; the next one may.
    let serves = json!({"running": true, "stranded": false, "title": "agent on port 8531"});
    let unseen = json!({"arangodb_server_index": 2, "arangodb_watched": {"failed": true}});
    ask(
        &watch["until"],
        &json!({"arangodb_while": "runs"}),
        &[
            ("in hand", watched("runs", 2, serves.clone(), true), false),
            ("not seen", unseen, false),
            ("failed", watched("failed", 2, serves.clone(), true), true),
            ("done", watched("runs", 3, serves, true), true),
        ],
    );
    // It serves for an hour at most, and is down with old data for a moment only.
    let limit = watch["timeout"]
        .as_str()
        .unwrap()
        .trim_matches(['{', '}', ' ']);
    ask(
        &json!(format!("({limit}) == wanted")),
        &json!({}),
        &[
            (
                "at work",
                json!({"arangodb_while": "runs", "wanted": 3600}),
                true,
            ),
            (
                "down",
                json!({"arangodb_while": "is down", "wanted": 60}),
                true,
            ),
        ],
    );
}

#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "an inventory is written, and stagger started"
)]
fn of_the_two_ways_only_one_is_planned() {
    let here = tempfile::tempdir().unwrap();
    let plan = |said: &str, typed: &[&str]| {
        let inventory = format!(
            "arangodb:\n  hosts: {{n1: , n2: , n3: }}\n  vars: {{arangodb_version: 3.4.0, {said}}}\n"
        );
        std::fs::write(here.path().join("i.yml"), inventory).unwrap();
        let ran = Command::new(env!("CARGO_BIN_EXE_stagger"))
            .args(["plan", "roles/arangodb/upgrade.yml", "-i", "i.yml"])
            .args(typed)
            .current_dir(here.path())
            .output()
            .unwrap();
        let told = String::from_utf8_lossy(&ran.stderr);
        assert!(ran.status.success(), "{told}");
        let text = String::from_utf8_lossy(&ran.stdout).into_owned();
        [
            "agents, followers first",
            "the starters upgrade one server after another",
            "given up: no look at shards",
        ]
        .map(|words| text.contains(words))
    };
    let starter = ["-e", "arangodb_method=starter"];
    let stagger = ["-e", "arangodb_method=stagger"];
    for (said, typed, planned) in [
        ("", &[][..], [true, false, false]),
        ("", &starter[..], [false, true, true]),
        // The inventory may say it too.
        ("arangodb_method: starter", &[][..], [false, true, true]),
        (
            "arangodb_method: starter",
            &stagger[..],
            [true, false, false],
        ),
    ] {
        assert_eq!(plan(said, typed), planned, "{said} {typed:?}");
    }
}
