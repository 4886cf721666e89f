//! The starters' own upgrade while it goes on: what is said of each of its states, and when it is begun again.

use serde_json::{Value, json};

use super::{ask, judge, named, read};

/// A look at the host whose server is being watched, the third of a plan.
pub(super) fn watched(state: &str, upgraded: u32, server: Value, starter: bool) -> Value {
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

pub(super) fn with(mut so: Value, more: &Value) -> Value {
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
