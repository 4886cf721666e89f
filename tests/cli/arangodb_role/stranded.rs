//! When a run stops for stranded servers, and when they may be upgraded.

use serde_json::{Value, json};

use super::{ask, judge, named, read};

#[test]
fn what_is_stranded_is_upgraded_only_where_the_others_carry_the_cluster() {
    let file = read("tasks/stranded_preflight.yml");
    let task = named(&file, "its servers can be upgraded while they are down").unwrap();
    let so = |problem: Value, quorum: bool, own: Value, others: Value| {
        json!({"arangodb_version": "3.4.0", "arangodb_host": {"unit": {"user": ""}, "data_dir": "/data", "servers": [
                {"endpoint": "tcp://h1:8531", "stranded": true}, {"endpoint": "tcp://h1:8530", "stranded": true},
                {"endpoint": "tcp://h1:8540", "stranded": false}]},
            "arangodb_cluster": {"store_problem": problem, "agency": {"quorum": quorum},
                "dbservers": [{"id": "PRMR-1", "endpoint": "tcp://h1:8530"}, {"id": "PRMR-2", "endpoint": "tcp://h2:8530"},
                    {"id": "PRMR-3", "endpoint": "tcp://h1:8540"}],
                "stop": {"PRMR-1": {"problems": own}, "PRMR-2": {"problems": others}, "PRMR-3": {"problems": others}}}})
    };
    let (none, some) = (json!([]), json!(["_system/c/s1 has 0 copies in sync"]));
    judge(
        task,
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
    let files = ["servers.yml", "coordinators.yml", "starter.yml"].map(read);
    let plays = files.each_ref().map(|file| file.as_array().unwrap());
    let serial: Vec<&Value> = plays
        .into_iter()
        .flatten()
        .filter(|play| play.get("serial").is_some())
        .collect();
    assert_eq!(serial.len(), 4);
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
