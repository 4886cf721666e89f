//! Recorded answers of a cluster of three machines -> the verdicts that gates wait for.

mod later;
mod recorded;

use std::collections::BTreeMap;

use serde_json::{Value, json};

use self::recorded::{HEALTH, Recorded, cluster, endpoint, store_place};
use super::{Confirmation, Judgement, Questions, judge, read_cluster};

fn judged(mut recorded: Recorded) -> Value {
    let questions = Questions {
        to: Some("3.4.0".parse().unwrap()),
        now: Some("2018-12-02T11:00:00Z".parse().unwrap()),
        ..Questions::default()
    };
    let view = read_cluster(&mut recorded, &[endpoint(8531, 1)], Confirmation::Fresh).unwrap();
    let Judgement { value } = judge(&view, &questions);
    value
}

/// The paths of all verdicts that are not good.
fn bad(value: &Value) -> Vec<&'static str> {
    let verdicts = [
        "/agency",
        "/servers",
        "/shards",
        "/health",
        "/stop/PRMR-1",
        "/stop/PRMR-2",
        "/stop/PRMR-3",
    ];
    let mut bad: Vec<&str> = verdicts
        .into_iter()
        .filter(|path| value.pointer(&format!("{path}/ok")) != Some(&json!(true)))
        .collect();
    if value["path"]["problems"] != json!([]) {
        bad.push("/path");
    }
    if value["supervision"]["normal"] != json!(true) {
        bad.push("/supervision");
    }
    bad
}

fn old(_: &str, _: u32) -> &'static str {
    "3.3.20"
}

#[test]
fn a_cluster_is_judged_alike_before_in_the_middle_and_when_it_is_done() {
    let before = judged(cluster(old));
    assert_eq!(
        (bad(&before), &before["versions"]),
        (vec![], &json!(["3.3.20"]))
    );
    assert_eq!(before["path"]["data_upgrade"], true);
    assert_eq!(before["leadership"], "move");

    let half = judged(cluster(|kind, n| match kind {
        "AGNT" => "3.4.0",
        "PRMR" if n == 1 => "3.4.0",
        _ => "3.3.20",
    }));
    assert_eq!(
        (bad(&half), &half["versions"]),
        (vec![], &json!(["3.3.20", "3.4.0"]))
    );
    assert_eq!(half["leadership"], "move", "the oldest DB-Server decides");
    let versions: Vec<&Value> = half["dbservers"]
        .as_array()
        .unwrap()
        .iter()
        .map(|server| &server["version"])
        .collect();
    assert_eq!(
        versions,
        ["3.4.0", "3.3.20", "3.3.20"],
        "what is left to do is seen server by server"
    );

    let done = judged(cluster(|_, _| "3.4.0"));
    assert_eq!((bad(&done), &done["versions"]), (vec![], &json!(["3.4.0"])));
    assert_eq!(
        done["path"]["data_upgrade"], false,
        "nothing is asked for that needs a backup"
    );
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table of cases")]
fn each_thing_that_is_wrong_spoils_its_own_verdict() {
    type Change = fn(&mut Recorded);
    let cases: [(&str, Change, &[&str], &str); 15] = [
        (
            "the store could not be read a moment ago",
            |recorded| recorded.first_says(&store_place(), |answer| answer.status = 503),
            &["/shards"],
            "the shards could not be read a moment ago",
        ),
        (
            "the supervision knows nobody",
            |recorded| recorded.says(HEALTH, json!({"Health": {}})),
            &["/health"],
            "the supervision does not know CRDN-3 at tcp://h3:8529",
        ),
        (
            "the supervision does not know one DB-Server",
            |recorded| {
                recorded.change(HEALTH, |health| {
                    health["Health"].as_object_mut().unwrap().remove("PRMR-2");
                });
            },
            &["/health"],
            "the supervision does not know PRMR-2 at tcp://h2:8530",
        ),
        (
            "a server says more than a version",
            |recorded| {
                recorded.says(
                    "tcp://h2:8530/_api/version",
                    json!({"version": "3.3.20-1\nreboot"}),
                );
            },
            &["/servers"],
            "says that its version is",
        ),
        (
            "a server does not say its version",
            |recorded| recorded.says("tcp://h2:8530/_api/version", json!({"server": "arango"})),
            &["/servers"],
            "does not say its version",
        ),
        (
            "a DB-Server is away",
            |recorded| {
                recorded.is_down("tcp://h2:8530");
                recorded.change(&store_place(), |store| {
                    store[0]["arango"]["Current"]["Collections"]["_system"]["7"]["s1"]["servers"] =
                        json!(["PRMR-1"]);
                    store[0]["arango"]["Current"]["Collections"]["_system"]["7"]["s2"]["servers"] =
                        json!(["PRMR-3"]);
                });
            },
            &["/servers", "/shards", "/stop/PRMR-1", "/stop/PRMR-3"],
            "connection refused",
        ),
        (
            "an agent is away",
            |recorded| recorded.is_down("tcp://h3:8531"),
            &["/agency", "/servers"],
            "agent tcp://h3:8531 does not answer",
        ),
        (
            "a copy was out of sync a moment ago",
            |recorded| {
                recorded.first_says(&store_place(), |answer| {
                    answer.body[0]["arango"]["Current"]["Collections"]["_system"]["7"]["s1"]["servers"] = json!(["PRMR-1"]);
                });
            },
            &["/shards"],
            "out of sync a moment ago",
        ),
        (
            "the supervision's health is of an earlier time",
            |recorded| {
                recorded.change(HEALTH, |health| {
                    health["Health"]["PRMR-1"]["Version"] = json!("3.2.9-1");
                });
            },
            &["/health"],
            "the supervision still sees PRMR-1 on 3.2.9-1, it is on 3.3.20",
        ),
        (
            "a server is bad",
            |recorded| {
                recorded.change(HEALTH, |health| {
                    health["Health"]["CRDN-2"]["Status"] = json!("BAD");
                });
            },
            &["/health"],
            "Coordinator2 is \\\"BAD\\\"",
        ),
        (
            "a coordinator takes no requests",
            |recorded| {
                let place = "tcp://h2:8529/_admin/server/availability";
                recorded.first_says(place, |answer| answer.status = 503);
            },
            &["/servers"],
            "is not available",
        ),
        (
            "a server has another role",
            |recorded| {
                recorded.says(
                    "tcp://h1:8530/_admin/server/role",
                    json!({"role": "SINGLE"}),
                );
            },
            &["/servers"],
            "says that its role is SINGLE, not PRIMARY",
        ),
        (
            "maintenance mode was forgotten",
            |recorded| {
                recorded.change(&store_place(), |store| {
                    store[0]["arango"]["Supervision"]["State"]["Mode"] = json!("Maintenance");
                    store[0]["arango"]["Supervision"]["Maintenance"] = json!(true);
                });
            },
            &["/supervision"],
            "\"age_s\":90000",
        ),
        (
            "maintenance mode was asked for and has not begun",
            |recorded| {
                recorded.change(&store_place(), |store| {
                    store[0]["arango"]["Supervision"]["Maintenance"] =
                        json!("2018-12-02T12:00:00Z");
                });
            },
            &["/supervision"],
            "\"maintenance\":\"2018-12-02T12:00:00Z\"",
        ),
        (
            "servers of three versions",
            |recorded| {
                recorded.says("tcp://h1:8529/_api/version", json!({"version": "3.3.21"}));
                recorded.change(HEALTH, |health| {
                    health["Health"]["CRDN-1"]["Version"] = json!("3.3.21");
                });
            },
            &["/path"],
            "of different versions (3.3.20, 3.3.21)",
        ),
    ];
    for (name, change, expected, message) in cases {
        let mut recorded = cluster(old);
        change(&mut recorded);
        let value = judged(recorded);
        assert_eq!(bad(&value), expected, "{name}: {value:#}");
        assert!(value.to_string().contains(message), "{name}: {value:#}");
    }
}

#[test]
fn nothing_is_well_where_the_agency_cannot_be_read() {
    for confirmed in [Confirmation::Fresh, Confirmation::None] {
        let mut recorded = cluster(|kind, _| if kind == "AGNT" { "3.4.0" } else { "3.3.20" });
        recorded.0.get_mut(&store_place()).unwrap()[0].status = 503;
        let questions = Questions {
            to: Some("3.4.0".parse().unwrap()),
            ..Questions::default()
        };
        let view = read_cluster(&mut recorded, &[endpoint(8531, 1)], confirmed.clone()).unwrap();
        let value = judge(&view, &questions).value;
        for verdict in ["/agency", "/servers", "/shards", "/health"] {
            let ok = value.pointer(&format!("{verdict}/ok"));
            assert_eq!(ok, Some(&json!(false)), "{verdict}, {confirmed:?}");
        }
        for problems in ["/path/problems", "/restore/problems"] {
            let told = value.pointer(problems).unwrap().to_string();
            assert!(told.contains("could not be read"), "{problems}: {told}");
        }
        assert_eq!(value["supervision"]["normal"], false);
    }
}

#[test]
fn an_upgraded_agent_must_tell_its_version_itself() {
    let versions = |version: &'static str, told: Option<&str>| {
        let mut recorded = cluster(move |_, _| version);
        recorded.change("tcp://h2:8531/_api/agency/config", |answer| {
            answer["version"] = json!(told);
        });
        let questions = Questions {
            agent_versions: BTreeMap::from([("AGNT-2".to_owned(), "3.4.0".to_owned())]),
            ..Questions::default()
        };
        let view = read_cluster(&mut recorded, &[endpoint(8531, 1)], Confirmation::Fresh).unwrap();
        judge(&view, &questions).value["agency"]["ok"] == json!(true)
    };
    assert!(versions("3.4.0", Some("3.4.0")));
    assert!(
        versions("3.4.0", None),
        "it is asked for its version as every server"
    );
    assert!(!versions("3.4.0", Some("3.3.20")));
    assert!(!versions("3.3.20", None));
}

#[test]
fn jobs_are_told_by_what_they_are_about() {
    let mut recorded = cluster(old);
    recorded.change(&store_place(), |store| {
        let target = &mut store[0]["arango"]["Target"];
        target["ToDo"] = json!({"1": {"type": "moveShard", "shard": "s1", "fromServer": "PRMR-1"}});
        target["Pending"] = json!({"2": {"type": "resignLeadership", "server": "PRMR-3"}});
        target["Failed"] = json!({
            "3": {"type": "moveShard", "shard": "s2", "fromServer": "PRMR-2", "reason": "toServer is not GOOD"},
            "4": {"type": "moveShard", "shard": "s1", "fromServer": "PRMR-3", "reason": "of another time"},
            "5": {"type": "resignLeadership", "server": "PRMR-3"}});
    });
    let supervision = judged(recorded)["supervision"].clone();
    assert_eq!(
        (
            &supervision["jobs"],
            &supervision["moving"],
            &supervision["resigning"]
        ),
        (&json!(["1", "2"]), &json!(["s1"]), &json!(["PRMR-3"]))
    );
    let failed = supervision["failed"].as_array().unwrap();
    assert_eq!(failed.len(), 1, "what has no effect any more is left out");
    assert_eq!(failed[0]["reason"], "toServer is not GOOD");
}

#[test]
fn a_shard_that_nobody_else_holds_keeps_its_leader() {
    let mut recorded = cluster(old);
    recorded.change(&store_place(), |store| {
        for part in ["Plan", "Current"] {
            let shards = &mut store[0]["arango"][part]["Collections"]["_system"]["7"];
            let (shards, s1) = match part {
                "Plan" => (&mut shards["shards"], json!(["PRMR-1"])),
                _ => (shards, json!({"servers": ["PRMR-1"]})),
            };
            shards["s1"] = s1;
        }
    });
    let shards = judged(recorded)["shards"].clone();
    assert_eq!(
        shards["leading"],
        json!({"PRMR-1": [], "PRMR-2": ["_system/c/s2"]})
    );
}

#[test]
fn a_follower_sends_the_question_to_its_leader() {
    let mut recorded = cluster(old);
    let place = store_place();
    let told = recorded.take(&place).unwrap();
    recorded
        .0
        .insert("tcp://h2:8531/_api/agency/read".to_owned(), vec![told]);
    recorded.first_says(&place, |answer| {
        answer.status = 307;
        answer.location = Some("tcp://h2:8531/_api/agency/read".to_owned());
    });
    assert_eq!(bad(&judged(recorded)), Vec::<&str>::new());
}

#[test]
fn leaders_go_back_where_they_were_as_far_as_the_version_allows() {
    let leaders = |pairs: &[(&str, &str)]| {
        let pairs = pairs
            .iter()
            .map(|(shard, id)| ((*shard).to_owned(), (*id).to_owned()));
        let questions = Questions {
            leaders: pairs.collect(),
            ..Questions::default()
        };
        let view =
            read_cluster(&mut cluster(old), &[endpoint(8531, 1)], Confirmation::Fresh).unwrap();
        judge(&view, &questions).value["restore"].clone()
    };
    assert_eq!(
        leaders(&[("s1", "PRMR-1"), ("s2", "PRMR-2")]),
        json!({"moves": [], "problems": []})
    );
    let moved = leaders(&[("s1", "PRMR-3"), ("s2", "PRMR-3")]);
    assert_eq!(moved["moves"][0]["to"], "PRMR-3");
    assert!(
        moved["problems"][0]
            .as_str()
            .unwrap()
            .contains("holds a copy"),
        "{moved}"
    );
}

#[test]
fn looked_at_once_everything_but_the_agency_is_judged() {
    let mut recorded = cluster(old);
    let view = read_cluster(&mut recorded, &[endpoint(8531, 1)], Confirmation::None).unwrap();
    let value = judge(&view, &Questions::default()).value;
    assert_eq!(
        bad(&value),
        ["/agency", "/path"],
        "without a target there is no path"
    );
    assert_eq!(value["agency"]["leader_endpoint"], "tcp://h1:8531");
    assert_eq!(
        (&value["agency"]["lap_s"], &value["agency"]["handover_s"]),
        (&json!(1.0), &json!(1.5))
    );
}
