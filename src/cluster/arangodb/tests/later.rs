//! What a look tells of later versions: abilities of both ends of a mixed cluster, the order, maintenance mode alone.

use serde_json::{Value, json};

use super::recorded::{Recorded, cluster, endpoint, store_place};
use super::{Confirmation, Questions, judge, read_cluster};

fn judged(mut recorded: Recorded, to: &str) -> Value {
    let questions = Questions {
        to: Some(to.parse().unwrap()),
        now: Some("2018-12-02T11:00:00Z".parse().unwrap()),
        ..Questions::default()
    };
    let view = read_cluster(&mut recorded, &[endpoint(8531, 1)], Confirmation::Fresh).unwrap();
    judge(&view, &questions).value
}

#[test]
fn maintenance_mode_alone_is_used_where_both_ends_have_it() {
    let by = |version: fn(&str, u32) -> &'static str| {
        judged(cluster(version), "3.12.4")["maintenance_by_dbserver"] == json!(true)
    };
    assert!(by(|_, _| "3.11.8"));
    assert!(by(|kind, _| if kind == "AGNT" {
        "3.11.8"
    } else {
        "3.10.0"
    }));
    assert!(!by(|_, _| "3.9.12"));
    assert!(!by(|kind, _| if kind == "AGNT" {
        "3.10.0"
    } else {
        "3.9.12"
    }));
    assert!(!by(|kind, _| if kind == "CRDN" {
        "3.10.0"
    } else {
        "3.9.12"
    }));
    assert!(!by(|kind, n| if kind == "PRMR" && n == 3 {
        "3.9.12"
    } else {
        "3.10.0"
    }));
    // Nobody tells a version.
    let mut silent = cluster(|_, _| "3.11.8");
    for (port, kind) in [(8531, "agent"), (8530, "dbserver"), (8529, "coordinator")] {
        for n in 1..=3 {
            silent.says(
                &(endpoint(port, n) + "/_api/version"),
                json!({"server": kind}),
            );
        }
    }
    assert_eq!(judged(silent, "3.12.4")["maintenance_by_dbserver"], false);
}

#[test]
fn each_server_tells_by_its_own_version_whether_it_ends_softly() {
    let mixed = cluster(|_, n| if n == 1 { "3.8.0" } else { "3.8.1" });
    let value = judged(mixed, "3.8.1");
    let softly = |n: usize| value["coordinators"][n]["soft_shutdown"].clone();
    assert_eq!([softly(0), softly(1)], [json!(false), json!(true)]);
}

#[test]
fn the_order_follows_the_versions_that_run() {
    let path =
        |version: fn(&str, u32) -> &'static str| judged(cluster(version), "3.12.4")["path"].clone();
    let first = path(|_, _| "3.12.3");
    assert_eq!(first["order"], json!(["agent", "coordinator", "dbserver"]));
    assert_eq!(first["coordinators_first"], true);
    assert!(first["order_reason"].as_str().unwrap().contains("3.12.3"));
    let half = path(|kind, _| if kind == "PRMR" { "3.12.3" } else { "3.12.4" });
    assert_eq!(half["coordinators_first"], true, "as it began");
    let usual = path(|_, _| "3.11.8");
    assert_eq!(usual["order"], json!(["agent", "dbserver", "coordinator"]));
    assert_eq!(usual["order_reason"], Value::Null);
    assert!(usual["notes"].to_string().contains("vpackSortMigration"));
    assert_eq!(usual["problems"], json!([]));
    let refused = judged(cluster(|_, _| "3.11.8"), "3.12.3")["path"]["problems"].to_string();
    assert!(
        refused.contains("must not be installed over 3.11"),
        "{refused}"
    );
}

#[test]
fn a_dbserver_in_maintenance_mode_alone_is_seen_until_its_time() {
    let with = |until: &str, current: bool| {
        let mut recorded = cluster(|_, _| "3.11.8");
        recorded.change(&store_place(), |store| {
            let entry = json!({"Mode": "maintenance", "Until": until});
            store[0]["arango"]["Target"]["MaintenanceDBServers"] = json!({"PRMR-2": entry});
            if current {
                store[0]["arango"]["Current"]["MaintenanceDBServers"] = json!({"PRMR-2": entry});
            }
        });
        judged(recorded, "3.12.4")["supervision"].clone()
    };
    let on = with("2018-12-02T11:30:00Z", true);
    assert_eq!(on["asked_for"], json!(["PRMR-2"]));
    assert_eq!(on["in_force"], json!(["PRMR-2"]));
    assert_eq!(
        (&on["mode"], &on["normal"]),
        (&json!("Normal"), &json!(false))
    );
    let waits = with("2018-12-02T11:30:00Z", false);
    assert_eq!(
        (&waits["in_force"], &waits["normal"]),
        (&json!([]), &json!(false))
    );
    // The supervision leaves what has run out where it was.
    let over = with("2018-12-02T10:59:59Z", false);
    assert_eq!(
        (&over["asked_for"], &over["normal"]),
        (&json!([]), &json!(true))
    );
    let unclear = with("soon", false);
    assert_eq!(
        unclear["asked_for"],
        json!(["PRMR-2"]),
        "asked for, for all that is known"
    );
}
