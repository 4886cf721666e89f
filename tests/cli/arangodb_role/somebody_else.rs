//! What somebody else did meanwhile, as the role sees it before a stop and at the end.

use serde_json::{Value, json};

use super::{all, ask, judge, named, read};

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
    // In the middle it stops before the next server.
    judge(
        named(
            &read("tasks/nobody_stranded.yml"),
            "nobody else has begun to upgrade the cluster",
        )
        .unwrap(),
        &[
            ("nobody", plan(Value::Null), true),
            ("the starter", plan(json!({"entries": [1]})), false),
        ],
    );
    let file = read("tasks/before_dbserver.yml");
    let asked = |value: Value| json!({"arangodb_cluster": {"supervision": {"maintenance": value, "mode": "Normal"}}});
    judge(
        named(&file, "maintenance mode is still asked for").unwrap(),
        &[
            ("by this run", asked(json!(true)), true),
            ("until a time", asked(json!("2026-03-01T10:00:00Z")), true),
            ("switched off meanwhile", asked(Value::Null), false),
        ],
    );
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
fn what_was_started_anew_meanwhile_is_told() {
    let file = read("tasks/upgrade_server.yml");
    let tells = named(&file, "somebody else has started something anew").unwrap();
    let known = json!({"agent on port 8531": "b1/5/70", "coordinator on port 8529": null, "starter": "b1/4/60"});
    let so = |known: Value, agent: &str, boot: &str, starter: Value| {
        json!({"arangodb_known": known, "arangodb_host": {"boot_id": boot, "starter": starter, "servers": [
            {"title": "agent on port 8531", "identity": agent},
            {"title": "coordinator on port 8529", "identity": null}]}})
    };
    let starter = json!({"pid": 4, "start": 60});
    ask(
        &tells["when"],
        &json!({}),
        &[
            (
                "as it was",
                so(known.clone(), "b1/5/70", "b1", starter.clone()),
                false,
            ),
            (
                "the agent was started anew",
                so(known.clone(), "b1/6/90", "b1", starter.clone()),
                true,
            ),
            (
                "the starter is out",
                so(known.clone(), "b1/5/70", "b1", Value::Null),
                true,
            ),
            (
                "the machine was booted anew, and all have the same numbers",
                so(known.clone(), "b2/5/70", "b2", starter),
                true,
            ),
        ],
    );
    let mut told = so(known, "b1/6/90", "b1", Value::Null);
    told["told"] = tells["debug"]["msg"].clone();
    ask(
        &json!(
            "'the agent on port 8531 was b1/5/70, is b1/6/90' in told and 'the starter was b1/4/60, is down' in told and 'coordinator' not in told"
        ),
        &json!({}),
        &[("by name", told, true)],
    );
    // What this run has done itself is nobody else's.
    let own = read("tasks/upgrade_member.yml");
    let last = own.as_array().unwrap().last().unwrap();
    assert_eq!(
        last["set_fact"]["arangodb_known"],
        json!("{{ arangodb_processes }}")
    );
}
