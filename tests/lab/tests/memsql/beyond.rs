//! Failures in the second group, from which it only goes forward, and of aggregators.

use serde_json::{Value, json};

use crate::ends::{HELD, outcome};
use crate::harness::{Case, case};
use crate::servers::{NEW, OLD};
use crate::stack::{Plan, Stack, said};
use crate::whole::{NEW_ONLINE, OLD_ONLINE, assert_done, assert_upgraded};

/// Upgrades the first group, and stops at the point of no return.
pub(crate) fn first_group() -> Stack {
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
    stack.arm(json!({"ops": null, "leaf": null, "@leaf1": null}));
    stack.mend(&stack.leaves[1]);
    let output = stack.resume();
    assert!(output.is_ok(), "{fault}, then: {}", said(&output));
    assert_done(&stack, fault);
}

/// What leaves all leaves online is no debt: the same command, or the same run, goes on.
fn in_the_second_group_all_stay(fault: &str, arm: Value, second: &str, resumes: bool) {
    let mut stack = first_group();
    stack.arm(arm);
    let output = stack.resume();
    let what = said(&output);
    assert_eq!(output.exit.to_string(), "exit code 2", "{fault}: {what}");
    assert_eq!(stack.all_leaves(), [NEW_ONLINE, second], "{fault}: {what}");
    assert_eq!(
        (stack.off(), stack.manual_control()),
        (vec![], false),
        "{fault}: {what}"
    );
    assert_eq!(stack.version(&stack.master), OLD, "{fault}");
    stack.arm(json!({"@leaf1": null}));
    let output = if resumes {
        stack.resume()
    } else {
        stack.upgrade(&json!({}))
    };
    assert!(output.is_ok(), "{fault}, then: {}", said(&output));
    assert_done(&stack, fault);
}

/// A switch that somebody has off is off again in the end.
fn what_was_off_stays_off() {
    let stack = Stack::up(&Plan::default());
    let id = stack.id(&stack.master).unwrap();
    stack.must(&format!(
        "memsql-update-config {id} --key auto_attach --value OFF --set-global --no-prompt"
    ));
    let output = stack.upgrade(&json!({"memsql_switches_off_reason": "a test of the pairs"}));
    assert!(output.is_ok(), "{}", said(&output));
    assert_eq!(stack.off(), HELD);
    assert_eq!(stack.all_leaves(), [NEW_ONLINE, NEW_ONLINE]);
    assert_eq!((stack.missing(), stack.manual_control()), (vec![], false));
    assert_eq!(stack.version(&stack.master), NEW);
}

/// An aggregator that does not come back: a child stays out of the load balancer and the master is left alone.
fn an_aggregator_does_not_start(role: &str, child: &str) {
    let mut stack = Stack::up(&Plan::default());
    stack.arm(json!({role: {"start_exit": 3}}));
    // What it switched off at an aggregator that is away is waited for at each try to switch it back.
    let quick = json!({"memsql_start_timeout": 3, "memsql_settle_timeout": 8});
    let output = stack.upgrade(&quick);
    let what = said(&output);
    // What it has off cannot be switched back while it is away.
    assert_eq!(output.exit.to_string(), "exit code 7", "{role}: {what}");
    assert_eq!(stack.version(&stack.child), child, "{role}: {what}");
    assert_eq!(
        (stack.off(), stack.manual_control()),
        (vec![], false),
        "{role}: those that answer are as before\n{what}"
    );
    let versions = [0, 1].map(|leaf| stack.version(&stack.leaves[leaf]));
    assert_eq!(versions, [NEW, NEW], "{what}");
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
        second(
            "the upgrade is rolled back and the leaf started",
            json!({"ops": {"upgrade_outcome": "fail", "rollback_starts": true}}),
            "detached 5.5.12",
        ),
        second(
            "ATTACH LEAF fails",
            json!({"@leaf1": {"attach_failures": 1_000}}),
            "detached 5.7.2",
        ),
        case("beyond: DETACH LEAF is refused, second group", || {
            let refused = json!({"@leaf1": {"detach_refusals": 1_000}});
            in_the_second_group_all_stay("DETACH LEAF is refused", refused, OLD_ONLINE, false);
        }),
        case("beyond: every copy fails, second group", || {
            let fails = json!({"@leaf1": {"copy_failures": 10_000}});
            in_the_second_group_all_stay("every copy fails", fails, NEW_ONLINE, true);
        }),
        case("beyond: what was off stays off", what_was_off_stays_off),
        case("beyond: a child aggregator does not start", || {
            an_aggregator_does_not_start("aggregator", "-");
        }),
        case("beyond: the master aggregator does not start", || {
            an_aggregator_does_not_start("master", NEW);
        }),
    ]
}
