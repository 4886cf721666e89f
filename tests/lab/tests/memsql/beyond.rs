//! Failures in the second group, from which it only goes forward, and of aggregators.

use serde_json::json;

use crate::ends::{HELD, NEW_ONLINE, OLD_ONLINE, assert_done, assert_upgraded, outcome};
use crate::servers::{NEW, OLD};
use crate::stack::{Plan, Stack, said};

/// Upgrades the first group, and stops at the point of no return.
fn first_group() -> Stack {
    let stack = Stack::up(&Plan::default());
    let output = stack
        .upgrading(&json!({"memsql_start_timeout": 3}), "")
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

/// In the second group a leaf that was not upgraded stays away: its copies would come from new ones.
#[test]
fn from_the_second_group_on_it_only_goes_forward() {
    let rows = [
        (
            "the upgrade is rolled back",
            json!({"ops": {"upgrade_outcome": "fail"}}),
            "detached -",
        ),
        (
            "a leaf does not start",
            json!({"leaf": {"start_exit": 3}}),
            "detached -",
        ),
        (
            "a leaf does not stop",
            outcome("memsql-stop", "lie"),
            "detached 5.5.12",
        ),
    ];
    for (fault, arm, second) in rows {
        let mut stack = first_group();
        stack.arm(arm.clone());
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
}

/// An aggregator that does not come back: a child stays out of the load balancer and the master is left alone.
#[test]
fn an_aggregator_that_does_not_start() {
    for (role, child) in [("aggregator", "-"), ("master", NEW)] {
        let mut stack = Stack::up(&Plan::default());
        stack.arm(json!({role: {"start_exit": 3}}));
        let output = stack.upgrade(&json!({"memsql_start_timeout": 3}));
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
}
