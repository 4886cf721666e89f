//! Failures in the second group, from which it only goes forward, and of aggregators.

use lab::sim::memsql::Address;
use lab::sim::memsql::wire::Answer;
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

/// A switch that somebody has off is off again in the end, and Ops under manual control that somebody has it under.
fn what_was_off_stays_off() {
    let stack = Stack::up(&Plan::default());
    let id = stack.id(&stack.master).unwrap();
    stack.must("cluster-manual-control --enable");
    stack.must(&format!(
        "memsql-update-config {id} --key auto_attach --value OFF --set-global --no-prompt"
    ));
    let found = json!({"memsql_switches_off_reason": "a test of the pairs", "memsql_manual_control_found": "enable"});
    let output = stack.upgrade(&found);
    assert!(output.is_ok(), "{}", said(&output));
    assert_eq!(stack.off(), HELD);
    assert_eq!(stack.all_leaves(), [NEW_ONLINE, NEW_ONLINE]);
    assert_eq!((stack.missing(), stack.manual_control()), (vec![], true));
    assert_eq!(stack.version(&stack.master), NEW);
}

/// Clients do all but change tables through the child while the master aggregator is away.
fn clients_go_on(stack: &Stack) {
    let write = stack.say(&stack.child, "INSERT INTO `s-1`.t VALUES ('away', 7)");
    assert!(write.is_ok(), "{write:?}");
    let read = stack.say(&stack.child, "SELECT n FROM `s-1`.t WHERE k = 'away'");
    let Ok(Answer::Rows(rows)) = read else {
        panic!("{read:?}");
    };
    assert_eq!(rows.rows, [[Some("7".to_owned())]]);
}

/// An aggregator whose upgrade Ops took back, or never did, runs the old program again: clients are kept away from it, and the
/// master aggregator is not begun behind a child.
fn an_aggregator_is_not_upgraded(part: &str, arm: &Value) {
    let mut stack = Stack::up(&Plan::default());
    stack.arm(json!({part: arm}));
    let output = stack.upgrade(&json!({"memsql_start_timeout": 6, "memsql_settle_timeout": 8}));
    let what = said(&output);
    assert_eq!(output.exit.to_string(), "exit code 2", "{part}: {what}");
    let (away, child) = if part == "@master" {
        (stack.master.clone(), NEW)
    } else {
        (stack.child.clone(), OLD)
    };
    let versions = [&stack.child, &stack.master].map(|at| stack.version(at));
    assert_eq!(versions, [child, OLD], "{part}: {what}");
    assert_eq!(stack.all_leaves(), [NEW_ONLINE; 2], "{part}: {what}");
    assert_eq!(
        (stack.off(), stack.missing(), stack.manual_control()),
        (vec![], vec![], false),
        "{part}: {what}"
    );
    assert_drained(&stack, &away);
    stack.arm(json!({part: null}));
    stack.mend(&away);
    let output = stack.resume();
    assert!(output.is_ok(), "{part}, then: {}", said(&output));
    assert_done(&stack, part);
}

/// Clients are not served through a child that runs the new version: it stays out of the load balancer, and is the last.
fn clients_are_not_served_behind_it() {
    let mut stack = Stack::up(&Plan::default());
    stack.arm(json!({"@child": {"refuses": "SELECT 1 FROM `s-1`.t"}}));
    // Behind the leaves they are.
    let master = stack.master.to_string();
    let output = stack.upgrade(&json!({"memsql_canary_aggregator": master,
        "memsql_canary_read": "SELECT 1 FROM `s-1`.t LIMIT 1"}));
    let what = said(&output);
    assert_eq!(output.exit.to_string(), "exit code 2", "{what}");
    assert_eq!(stack.all_leaves(), [NEW_ONLINE; 2], "{what}");
    let versions = [&stack.child, &stack.master].map(|at| stack.version(at));
    assert_eq!(versions, [NEW, OLD], "{what}");
    assert_drained(&stack, &stack.child);
    stack.arm(json!({"@child": null}));
    let output = stack.resume();
    assert!(output.is_ok(), "{}", said(&output));
    assert_done(&stack, "served again");
}

/// The first start of the master aggregator fails, the second does not: nobody hears of it.
fn the_master_starts_at_the_second_try() {
    let mut stack = Stack::up(&Plan::default());
    stack.arm(json!({"@master": {"start_failures": 1}}));
    let output = stack.upgrade(&json!({}));
    assert!(output.is_ok(), "{}", said(&output));
    assert_eq!(stack.count("start-refused"), 1);
    assert_done(&stack, "the second start");
}

fn assert_drained(stack: &Stack, away: &Address) {
    let drained = lab::files::read(&stack.file("drained")).unwrap();
    assert!(
        drained.contains(&away.to_string()),
        "{away} is back among those that clients go to: {drained:?}"
    );
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
    let away = if role == "master" {
        clients_go_on(&stack);
        stack.master.clone()
    } else {
        assert_eq!(stack.version(&stack.master), OLD, "{what}");
        stack.child.clone()
    };
    assert_drained(&stack, &away);
    stack.arm(json!({role: null}));
    stack.mend(&away);
    let output = stack.resume();
    assert!(output.is_ok(), "{role}, then: {}", said(&output));
    // The run that failed gave control back to Ops, which may have started the aggregator by itself before it was mended.
    assert_upgraded(&stack, role);
}

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = of_leaves();
    cases.extend(of_aggregators());
    cases
}

fn of_leaves() -> Vec<Case> {
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
    ]
}

fn of_aggregators() -> Vec<Case> {
    vec![
        case("beyond: a child aggregator does not start", || {
            an_aggregator_does_not_start("aggregator", "-");
        }),
        case("beyond: the master aggregator does not start", || {
            an_aggregator_does_not_start("master", NEW);
        }),
        case(
            "beyond: the upgrade of a child aggregator is rolled back",
            || an_aggregator_is_not_upgraded("@child", &json!({"upgrade_outcome": "fail"})),
        ),
        case(
            "beyond: the upgrade of a child aggregator is not done, and Ops says it is",
            || an_aggregator_is_not_upgraded("@child", &json!({"upgrade_outcome": "lie"})),
        ),
        case(
            "beyond: the upgrade of the master aggregator is rolled back",
            || an_aggregator_is_not_upgraded("@master", &json!({"upgrade_outcome": "fail"})),
        ),
        case(
            "beyond: clients are not served behind a child aggregator",
            clients_are_not_served_behind_it,
        ),
        case(
            "beyond: the master aggregator starts at the second try",
            the_master_starts_at_the_second_try,
        ),
    ]
}
