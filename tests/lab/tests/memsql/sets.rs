//! All leaves of a group at once, and one of them fails: the others are finished, attached and whole again, that one alone
//! stays away; in the first group and in the second.

use lab::files;
use serde_json::{Map, Value, json};

use crate::detectors::watched;
use crate::ends::HELD;
use crate::harness::{Case, case};
use crate::stack::{Plan, Stack, said};
use crate::whole::{NEW_ONLINE, OLD_ONLINE, assert_done, assert_never};

/// Sets switches of one server alone.
fn arm_one(stack: &Stack, host: usize, port: &str, switches: &Value) {
    let path = stack.machines[host].root.join("etc/lab/memsql.json");
    let mut all: Map<String, Value> = serde_json::from_str(&files::read(&path).unwrap()).unwrap();
    all.insert(port.to_owned(), switches.clone());
    files::write(&path, Value::Object(all).to_string(), 0o644).unwrap();
    lab::clock::pause(std::time::Duration::from_millis(300));
}

/// Judges that of these leaves one alone is away, and that every partition of the others has both copies.
fn assert_only_one_is_away(stack: &Stack, states: [&str; 4], away: usize, what: &str) {
    assert_eq!(stack.all_leaves(), states, "{what}");
    assert_eq!(stack.off(), HELD, "{what}");
    assert!(stack.manual_control(), "{what}");
    // Leaves are paired in their order: what the pair of that one leads has no second copy.
    let pair = &stack.leaves[away ^ 1];
    for name in stack.missing() {
        assert_eq!(
            stack.leader(&name),
            Some(pair.to_string()),
            "{name}: {what}"
        );
    }
    assert_never(stack, what);
}

fn resumed(stack: &Stack, more: &str) -> (String, String) {
    let line = format!("resume --state state{more}");
    let output = stack.command(&line).output().unwrap();
    (output.exit.to_string(), said(&output))
}

fn one_leaf_of_each_set_fails() {
    let stack = Stack::up(&Plan {
        groups: vec![1, 2, 1, 2],
        ..Plan::default()
    });
    // Leaf 2 does not start; copies to leaf 0 fail more often than the first statements are tried.
    arm_one(&stack, 0, "3308", &json!({"start_exit": 3}));
    arm_one(&stack, 0, "3307", &json!({"copy_failures": 14}));
    let quick = json!({"memsql_leaves_at_once": "all", "memsql_start_timeout": 6, "memsql_settle_timeout": 8});
    let output = stack.upgrading(&quick, "").output().unwrap();
    let what = said(&output);
    assert_eq!(output.exit.to_string(), "exit code 7", "{what}");
    let states = [NEW_ONLINE, OLD_ONLINE, "detached -", OLD_ONLINE];
    assert_only_one_is_away(&stack, states, 2, &what);
    assert_eq!(
        (stack.count("detach"), stack.count("attach")),
        (2, 1),
        "{what}"
    );
    arm_one(&stack, 0, "3308", &json!({}));
    stack.mend(&stack.leaves[2]);
    let (exit, what) = resumed(&stack, "");
    assert_eq!(exit, "exit code 3", "{what}");
    assert_eq!(
        stack.all_leaves(),
        [NEW_ONLINE, OLD_ONLINE, NEW_ONLINE, OLD_ONLINE],
        "{what}"
    );
    assert_eq!((stack.off(), stack.missing()), (vec![], vec![]), "{what}");
    // The same in the second group.
    arm_one(&stack, 1, "3308", &json!({"start_exit": 3}));
    arm_one(&stack, 1, "3307", &json!({"copy_failures": 14}));
    let (exit, what) = resumed(&stack, " --approve second-group");
    assert_eq!(exit, "exit code 7", "{what}");
    let states = [NEW_ONLINE, NEW_ONLINE, NEW_ONLINE, "detached -"];
    assert_only_one_is_away(&stack, states, 3, &what);
    arm_one(&stack, 1, "3308", &json!({}));
    stack.mend(&stack.leaves[3]);
    let (exit, what) = resumed(&stack, " --approve second-group");
    assert_eq!(exit, "exit code 0", "{what}");
    assert_eq!(stack.all_leaves(), [NEW_ONLINE; 4], "{what}");
    assert_eq!(
        (stack.off(), stack.missing(), stack.manual_control()),
        (vec![], vec![], false)
    );
    assert_eq!(
        (stack.count("detach"), stack.count("attach")),
        (4, 4),
        "{what}"
    );
    assert_never(&stack, "one leaf of each set");
}

/// Two of three children at once: both are away together, the oracle has been told so, and clients go on through the others.
fn two_children_at_once() {
    let mut stack = Stack::up(&Plan {
        children: 3,
        // Its list names no agents.
        switches: json!({"ops_files_on": 0}),
        ..Plan::default()
    });
    let two = json!({"memsql_aggregators_at_once": 2, "memsql_drain_wait": 1,
        "memsql_file_everywhere": "looked on both", "memsql_version_hash": "03e5e3581e96d65caa30756f191323437a3840f0"});
    let (report, output) = watched(&mut stack, &two);
    assert!(output.is_ok(), "{}", said(&output));
    assert_eq!(report["ok"], json!(true), "{report:#}");
    assert_done(&stack, "two children at once");
    let effects = stack.effects();
    let upgrades = effects
        .iter()
        .filter(|one| one["what"] == json!("memsql-upgrade"));
    let counts = upgrades.map(|one| {
        one["detail"]["values"]["memsql-id"]
            .as_array()
            .map(Vec::len)
    });
    let counts: Vec<usize> = counts.flatten().collect();
    assert_eq!(
        counts,
        [1, 1, 2, 1, 1],
        "two leaves, two children, one, the master"
    );
}

pub(crate) fn cases() -> Vec<Case> {
    vec![
        case(
            "sets: one leaf of each set fails, the others are whole",
            one_leaf_of_each_set_fails,
        ),
        case("sets: two children at once", two_children_at_once).timed(),
    ]
}
