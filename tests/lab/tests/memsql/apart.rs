//! One leaf of a set fails: the others of the set are finished and take part, only that one is left behind.

use serde_json::{Value, json};

use crate::ends::HELD;
use crate::harness::{Case, case};
use crate::stack::{Plan, Stack, said};
use crate::whole::{NEW_ONLINE, OLD_ONLINE, assert_done, assert_never};

/// Two leaves in each group: the first and the third, the second and the fourth.
fn of_four() -> Stack {
    Stack::up(&Plan {
        groups: vec![1, 2, 1, 2],
        ..Plan::default()
    })
}

fn variables() -> Value {
    json!({"memsql_leaves_at_once": "all", "memsql_start_timeout": 5, "memsql_settle_timeout": 5})
}

/// Only partitions of the pair of the leaf that is away may lack a copy.
fn assert_others_whole(stack: &Stack, away: usize, what: &str) {
    let meta = stack.meta();
    let lead = |partition: &Value| {
        let instances = partition["instances"].as_array().cloned();
        let mut instances = instances.unwrap_or_default().into_iter();
        instances.find(|one| one["role"] == json!("Master"))
    };
    let pair = json!(stack.leaves[if away < 2 { 1 - away } else { 5 - away }]);
    let databases = meta["databases"].as_object().cloned().unwrap_or_default();
    let partitions = databases
        .values()
        .flat_map(|one| one["partitions"].as_array().cloned().unwrap_or_default());
    let (mut single, mut whole) = (0, 0);
    for partition in partitions {
        let copies = partition["instances"].as_array().map_or(0, Vec::len);
        let of_pair = lead(&partition).is_some_and(|one| one["leaf"] == pair);
        assert_eq!(copies, if of_pair { 1 } else { 2 }, "{what}: {partition}");
        single += usize::from(of_pair);
        whole += usize::from(!of_pair);
    }
    assert!(single > 0 && whole > 0, "{what}: {meta:#}");
}

/// One leaf does not start, of the first group, and then one of the second: each time only that one stays detached.
fn does_not_start() {
    let mut stack = of_four();
    stack.arm_leaf(0, json!({"start_exit": 3}));
    let output = stack.upgrade(&variables());
    let what = said(&output);
    assert_eq!(output.exit.to_string(), "exit code 7", "{what}");
    let first = ["detached -", OLD_ONLINE, NEW_ONLINE, OLD_ONLINE];
    assert_eq!(stack.all_leaves(), first, "{what}");
    assert_eq!((stack.off(), stack.manual_control()), (held(), true));
    assert_others_whole(&stack, 0, &what);
    assert_eq!(stack.count("detach"), 2, "the second group was begun");

    stack.arm_leaf(0, Value::Null);
    stack.mend(&stack.leaves[0]);
    stack.arm_leaf(1, json!({"start_exit": 3}));
    let output = stack.resume();
    let what = said(&output);
    assert_eq!(output.exit.to_string(), "exit code 7", "{what}");
    let second = [NEW_ONLINE, "detached -", NEW_ONLINE, NEW_ONLINE];
    assert_eq!(stack.all_leaves(), second, "{what}");
    assert_eq!((stack.off(), stack.manual_control()), (held(), true));
    assert_others_whole(&stack, 1, &what);

    stack.arm_leaf(1, Value::Null);
    stack.mend(&stack.leaves[1]);
    let output = stack.resume();
    assert!(output.is_ok(), "then: {}", said(&output));
    assert_eq!((stack.count("detach"), stack.count("attach")), (4, 4));
    assert_done(&stack, "two leaves that did not start");
}

/// One leaf does not come back, though it answers: the others of the set are whole, and what keeps it away is held. When
/// the cause is gone the run goes on and attaches it, and nothing is done to the others again.
fn cannot_be_attached() {
    let mut stack = of_four();
    stack.arm_leaf(0, json!({"attach_failures": 1_000}));
    let output =
        stack.upgrade(&json!({"memsql_leaves_at_once": "all", "memsql_settle_timeout": 5}));
    let what = said(&output);
    assert_eq!(output.exit.to_string(), "exit code 7", "{what}");
    let detached = format!("detached {}", crate::servers::NEW);
    let first = [&*detached, OLD_ONLINE, NEW_ONLINE, OLD_ONLINE];
    assert_eq!(stack.all_leaves(), first, "{what}");
    assert_eq!((stack.off(), stack.manual_control()), (held(), true));
    assert_others_whole(&stack, 0, &what);
    let counts = ["detach", "attach", "upgraded"].map(|what| stack.count(what));
    assert_eq!(counts, [2, 1, 2], "{what}");
    assert_never(&stack, &what);

    stack.arm_leaf(0, Value::Null);
    let output = stack.resume();
    assert!(output.is_ok(), "then: {}", said(&output));
    assert_done(&stack, "one leaf that could not be attached");
    let counts = ["detach", "attach", "upgraded"].map(|what| stack.count(what));
    assert_eq!(counts, [4, 4, 6], "something was done twice");
}

fn held() -> Vec<String> {
    HELD.iter().map(|name| (*name).to_owned()).collect()
}

/// What is refused or taken back for one leaf leaves that one as it was, and the others upgraded; the same command then
/// takes the one that is left.
fn stays_old(arm: Value, detached: usize) {
    let mut stack = of_four();
    stack.arm_leaf(0, arm);
    let output = stack.upgrade(&variables());
    let what = said(&output);
    assert_eq!(output.exit.to_string(), "exit code 2", "{what}");
    let first = [OLD_ONLINE, OLD_ONLINE, NEW_ONLINE, OLD_ONLINE];
    assert_eq!(stack.all_leaves(), first, "{what}");
    assert_eq!(
        (stack.off(), stack.missing(), stack.manual_control()),
        (vec![], vec![], false),
        "{what}"
    );
    assert_eq!(stack.count("detach"), detached, "{what}");
    assert_never(&stack, &what);
    stack.arm_leaf(0, Value::Null);
    let output = stack.upgrade(&json!({"memsql_leaves_at_once": "all"}));
    assert!(output.is_ok(), "then: {}", said(&output));
    assert_done(&stack, "one leaf that stayed old");
}

pub(crate) fn cases() -> Vec<Case> {
    vec![
        case(
            "apart: one leaf of a set does not start, in each group",
            does_not_start,
        ),
        case(
            "apart: one leaf of a set cannot be attached",
            cannot_be_attached,
        ),
        case("apart: the detach of one leaf of a set is refused", || {
            stays_old(json!({"detach_refusals": 1_000}), 1);
        }),
        case(
            "apart: the upgrade of one leaf of a set is rolled back",
            || {
                stays_old(json!({"upgrade_outcome": "fail"}), 2);
            },
        ),
    ]
}
