//! Commands of Ops that do not come back, and a list of Ops that shows what was: nothing is begun on what is not known, and
//! what the other pairs need is switched back at once.

use serde_json::{Value, json};

use crate::ends::{HELD, outcome};
use crate::harness::{Case, case};
use crate::stack::{Plan, Stack, said};
use crate::whole::{NEW_ONLINE, OLD_ONLINE, assert_done};

/// Upgrades, and tells what it came to: the first leaf is away, and nothing was done behind the step that is not known.
fn stops_with_a_leaf_away(arm: Value, variables: &Value, never: &[&str], told: &str) -> Stack {
    let mut stack = Stack::up(&Plan::default());
    stack.arm(arm);
    let output = stack.upgrade(variables);
    let what = said(&output);
    assert_eq!(output.exit.to_string(), "exit code 7", "{what}");
    assert!(what.contains(told), "not told: {told}\n{what}");
    assert_eq!(
        [stack.leaf(0), stack.leaf(1)],
        ["detached -", OLD_ONLINE],
        "{what}"
    );
    assert_eq!(
        stack.off(),
        HELD,
        "failure detection is for the other pairs: {what}"
    );
    assert!(stack.manual_control(), "{what}");
    for effect in never {
        assert_eq!(stack.count(effect), 0, "{effect}: {what}");
    }
    assert_eq!(stack.count("detach"), 1, "{what}");
    stack
}

/// The command goes on for all that is known: the lock and what keeps the leaf away are held.
fn an_upgrade_does_not_come_back() {
    let stack = stops_with_a_leaf_away(
        json!({"ops": {"upgrade_outcome": "hang"}}),
        &json!({"memsql_upgrade_timeout": 6}),
        &["memsql-start", "attach", "upgraded"],
        "is in doubt and may still run",
    );
    assert!(stack.lock().exists(), "the lock was given back");
    let again = stack.upgrade(&json!({}));
    let what = said(&again);
    assert!(!again.is_ok(), "a new run began beside it: {what}");
    assert_eq!(
        (stack.count("memsql-upgrade"), stack.count("memsql-start")),
        (1, 0),
        "{what}"
    );
}

fn a_start_does_not_come_back() {
    let stack = stops_with_a_leaf_away(
        outcome("memsql-start", "hang"),
        &json!({"memsql_start_timeout": 6}),
        &["attach"],
        "is in doubt and may still run",
    );
    assert_eq!(
        (stack.count("memsql-upgrade"), stack.count("memsql-start")),
        (1, 1)
    );
}

/// What is stopped runs for all that Ops says: the leaf stays away, and when the list is fresh again all goes on.
fn the_list_of_ops_shows_what_was() {
    let mut stack = stops_with_a_leaf_away(
        json!({"ops": {"ops_list_is_stale": true}}),
        &json!({"memsql_settle_timeout": 4, "memsql_start_timeout": 6}),
        &["memsql-upgrade", "attach"],
        "does not stop",
    );
    stack.arm(json!({"ops": null}));
    stack.mend(&stack.leaves[0]);
    let output = stack.resume();
    assert!(output.is_ok(), "{}", said(&output));
    assert_done(&stack, "a list that shows what was");
}

/// From the moment on in which a server is stopped the list shows all as they were then, also what was started since.
fn the_list_of_ops_freezes_in_the_middle() {
    let mut stack = Stack::up(&Plan::default());
    stack.arm(json!({"ops": {"ops_list_freezes_on": "NOT RUNNING"}}));
    let quick = json!({"memsql_settle_timeout": 3, "memsql_start_timeout": 6});
    let output = stack.upgrade(&quick);
    let what = said(&output);
    assert_eq!(output.exit.to_string(), "exit code 2", "{what}");
    // The servers are believed: the leaf is attached and has its copies; what Ops shows is told, and nobody goes on with it.
    assert!(
        what.contains("is online, and not ONLINE and CONNECTED for Ops"),
        "{what}"
    );
    assert_eq!(stack.all_leaves(), [NEW_ONLINE, OLD_ONLINE], "{what}");
    assert_eq!(
        (stack.off(), stack.missing(), stack.manual_control()),
        (vec![], vec![], false),
        "{what}"
    );
    let once =
        ["detach", "memsql-stop", "memsql-start", "attach"].map(|effect| stack.count(effect));
    assert_eq!(once, [1; 4], "{what}");
    stack.arm(json!({"ops": null}));
    let output = stack.upgrade(&json!({"memsql_uneven_reason": "a run gave up"}));
    assert!(output.is_ok(), "{}", said(&output));
    assert_done(&stack, "a list that froze");
}

pub(crate) fn cases() -> Vec<Case> {
    vec![
        case(
            "doubt: an upgrade does not come back",
            an_upgrade_does_not_come_back,
        ),
        case(
            "doubt: a start does not come back",
            a_start_does_not_come_back,
        ),
        case(
            "doubt: the list of Ops freezes in the middle",
            the_list_of_ops_freezes_in_the_middle,
        ),
        case(
            "doubt: the list of Ops shows what was",
            the_list_of_ops_shows_what_was,
        ),
    ]
}
