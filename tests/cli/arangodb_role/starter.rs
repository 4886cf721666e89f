//! The starters' own upgrade: when it may begin, and what is planned for it.

use std::process::Command;

use serde_json::{Value, json};

use super::starter_watch::{watched, with};
use super::{ask, judge, named, read};

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
