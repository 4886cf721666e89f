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

/// A play with a bracket around it, of which one part is as it should not be.
fn play(kind: &str) -> Value {
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
            let mut holder = refuses();
            holder["failure_is"] = json!("locked");
            bracket["enter"] = json!([holder]);
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
        let user = User::new().with("site.yml", &json!([play(kind)]).to_string());
        let ran = user.applies("site.yml --reason why");
        assert_eq!(ran.code, Some(i32::from(*exit)), "{kind}: {ran:#?}");
        let held = ran.err.contains("HELD: the lamp is off");
        assert_eq!(held, *exit == 7, "{kind}: {ran:#?}");
    }
}
