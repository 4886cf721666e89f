//! How a run ends, by what stops it: each kind once, with its exit code.

#[path = "ends/kinds.rs"]
mod kinds;

use serde_json::{Value, json};

use crate::user::User;
use kinds::KINDS;

/// A condition that does not hold.
fn refuses() -> Value {
    json!({"name": "it is not so", "assert": {"that": "false"}})
}

fn goes() -> Value {
    json!({"name": "goes", "debug": {"msg": "it goes"}})
}

/// A play with a bracket around it, of which one part is as it should not be; somebody has the cluster's lock.
fn play(kind: &str, lock: &str) -> Value {
    let mut play =
        json!({"name": "work", "hosts": "all", "gather_facts": false, "tasks": [goes()]});
    let mut bracket = json!({"name": "the lamp is off", "found": "'on'",
        "enter": [{"name": "off", "command": "true", "done_when": "false"}],
        "leave": [{"name": "on again", "command": "true", "done_when": "false"}]});
    match kind {
        "nothing" => {}
        "a task" => play["tasks"] = json!([refuses()]),
        "a gate" => play["gate"] = json!([refuses()]),
        "settle" => bracket["settle"] = json!([refuses()]),
        "an approval" => {
            play["tasks"] = json!([{"name": "no way back", "point_of_no_return": "ships", "debug": {"msg": "it is burnt"}}]);
        }
        "the lock" => {
            bracket["enter"] = json!([{"name": "take the lock", "cluster_lock": {"action": "take",
                "directory": lock, "machines": "{{ groups.all }}", "holder": "{{ stagger_run_id }}"}}]);
        }
        "what holds a bracket" => {
            play["tasks"] = json!([refuses()]);
            bracket["hold_while"] = json!({"stat": {"path": "/"}, "that": "result.stat.exists"});
            bracket["hold_wait"] = json!("0s");
        }
        other => panic!("nobody knows how a run is stopped by {other}"),
    }
    play["bracket"] = bracket;
    play
}

#[test]
fn the_exit_code_tells_by_what_a_run_was_stopped() {
    for (kind, exit) in KINDS {
        let user = User::new().with("lock/x/owner", "somebody");
        let lock = user.path("lock/x").to_string_lossy().into_owned();
        user.writes("site.yml", &json!([play(kind, &lock)]).to_string());
        let ran = user.applies("site.yml --reason why");
        assert_eq!(ran.code, Some(i32::from(*exit)), "{kind}: {ran:#?}");
        let held = ran.err.contains("HELD: the lamp is off");
        assert_eq!(held, *exit == 7, "{kind}: {ran:#?}");
    }
}
