//! Failures in the second group, from which it only goes forward, and of aggregators.

use serde_json::{Value, json};

use crate::ends::{HELD, NEW_ONLINE, OLD_ONLINE, assert_done, assert_upgraded, outcome};
use crate::harness::{Case, case};
use crate::servers::{NEW, OLD};
use crate::stack::{Plan, Stack, said};

/// Upgrades the first group, and stops at the point of no return.
fn first_group() -> Stack {
    let stack = Stack::up(&Plan::default());
    let output = stack
        .upgrading(
            &json!({"memsql_start_timeout": 4, "memsql_settle_timeout": 4}),
            "",
        )
        .output()
        .unwrap();
    assert_eq!(output.exit.to_string(), "exit code 3", "{}", said(&output));
    assert_eq!([stack.leaf(0), stack.leaf(1)], [NEW_ONLINE, OLD_ONLINE]);
    assert_eq!(
        (stack.off(), stack.missing(), stack.manual_control()),
        (vec![], vec![], false)
    );
    stack
}

/// In the second group a leaf that was not upgraded stays away: its copies would come from new ones. From there on it only
/// goes forward.
fn in_the_second_group(fault: &str, arm: Value, second: &str) {
    let mut stack = first_group();
    stack.arm(arm);
    let output = stack.resume();
    let what = said(&output);
    assert_eq!(output.exit.to_string(), "exit code 7", "{fault}: {what}");
    assert_eq!(
        [stack.leaf(0), stack.leaf(1)],
        [NEW_ONLINE, second],
        "{fault}: {what}"
    );
    assert_eq!(stack.off(), HELD, "{fault}: {what}");
    // The first group was not touched again, and nobody older follows.
    assert_eq!(
        (stack.count("detach"), stack.version(&stack.master)),
        (2, OLD.to_owned()),
        "{fault}"
    );
    stack.arm(json!({"ops": null, "leaf": null}));
    stack.mend(&stack.leaves[1]);
    let output = stack.resume();
    assert!(output.is_ok(), "{fault}, then: {}", said(&output));
    assert_done(&stack, fault);
}

/// An aggregator that does not come back: a child stays out of the load balancer and the master is left alone.
fn an_aggregator_does_not_start(role: &str, child: &str) {
    let mut stack = Stack::up(&Plan::default());
    stack.arm(json!({role: {"start_exit": 3}}));
    // What it switched off at an aggregator that is away is waited for at each try to switch it back.
    let quick = json!({"memsql_start_timeout": 3, "memsql_settle_timeout": 8});
    let output = stack.upgrade(&quick);
    let what = said(&output);
    assert!(!output.is_ok(), "{role}: {what}");
    assert_eq!(stack.version(&stack.child), child, "{role}: {what}");
    let drained = lab::files::read(&stack.file("drained")).unwrap();
    let away = if role == "master" {
        stack.master.clone()
    } else {
        stack.child.clone()
    };
    assert!(
        drained.contains(&away.to_string()),
        "{role} is back among those that clients go to: {drained:?}"
    );
    if role == "aggregator" {
        assert_eq!(stack.version(&stack.master), OLD, "{what}");
    }
    stack.arm(json!({role: null}));
    stack.mend(&away);
    let output = stack.resume();
    assert!(output.is_ok(), "{role}, then: {}", said(&output));
    // The run that failed gave control back to Ops, which may have started the aggregator by itself before it was mended.
    assert_upgraded(&stack, role);
}

pub(crate) fn cases() -> Vec<Case> {
    let second = |fault: &'static str, arm: Value, end: &'static str| {
        case(format!("beyond: {fault}, second group"), move || {
            in_the_second_group(fault, arm, end);
        })
    };
    vec![
        second(
            "a leaf does not stop",
            outcome("memsql-stop", "lie"),
            "detached 5.5.12",
        ),
        second(
            "a leaf does not start",
            json!({"leaf": {"start_exit": 3}}),
            "detached -",
        ),
        second(
            "the upgrade is rolled back",
            json!({"ops": {"upgrade_outcome": "fail"}}),
            "detached -",
        ),
        case("beyond: a child aggregator does not start", || {
            an_aggregator_does_not_start("aggregator", "-");
        }),
        case("beyond: the master aggregator does not start", || {
            an_aggregator_does_not_start("master", NEW);
        }),
    ]
}
