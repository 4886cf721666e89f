//! The bastion is gone for good in the middle of an upgrade, with all its records: what notes on the hosts say is put back
//! from another one, nothing too early, and the upgrade is done from there.

use std::time::Duration;

use lab::command::Output;
use rustix::process::Signal;
use serde_json::json;

use crate::ends::HELD;
use crate::harness::{Case, case};
use crate::stack::{Plan, Stack, node, said};
use crate::whole::{NEW_ONLINE, OLD_ONLINE, assert_upgraded};

const RECOVER: &str = "recover --from-hosts -i inventory.yml roles/memsql/upgrade.yml --state elsewhere --reason gone";

/// It upgrades its first leaf, which takes this long, when the bastion goes.
fn lost(upgrade_ms: u32) -> Stack {
    let stack = Stack::up(&Plan {
        switches: json!({"upgrade_ms": upgrade_ms}),
        ..Plan::default()
    });
    let mut running = stack
        .upgrading(&json!({}), "--approve second-group")
        .start()
        .unwrap();
    stack.until("it is at work", || stack.count("memsql-upgrade") > 0);
    running.signal(Signal::KILL);
    running.wait(Duration::from_secs(10)).unwrap();
    std::fs::remove_dir_all(stack.file("state")).unwrap();
    stack
}

fn recover(stack: &Stack) -> Output {
    stack.command(RECOVER).output().unwrap()
}

fn what_another_bastion_puts_back() {
    // Longer than a bracket is tried to be left.
    let mut stack = lost(500_000);
    tells_what_is_owed(&stack);
    while_its_job_runs(&stack);
    stack.until("it has ended", || stack.count("upgraded") > 0);
    stack.arm(json!({"upgrade_ms": null}));
    while_its_leaf_is_away(&stack);
    stack.sql(&format!(
        "ATTACH LEAF {} NO REBALANCE",
        node(&stack.leaves[0])
    ));
    stack.until("it is back", || stack.leaf(0) == NEW_ONLINE);
    stack.sql("RESTORE REDUNDANCY ON `s-1`");
    stack.until("it has its copies", || stack.missing().is_empty());
    let back = recover(&stack);
    let what = said(&back);
    assert!(back.is_ok(), "{what}");
    assert_eq!(
        (stack.off(), stack.manual_control()),
        (vec![], false),
        "{what}"
    );
    assert_eq!(stack.notes(), Vec::<String>::new(), "{what}");

    let output = stack.upgrade(&json!({}));
    assert!(output.is_ok(), "{}", said(&output));
    assert_upgraded(&stack, "from another bastion");
    assert_eq!(stack.notes(), Vec::<String>::new());
}

fn tells_what_is_owed(stack: &Stack) {
    let status = stack
        .command("status --from-hosts -i inventory.yml roles/memsql/upgrade.yml")
        .output()
        .unwrap();
    let what = said(&status);
    assert!(status.is_ok(), "{what}");
    for told in [
        "owed: no other run works on this cluster",
        "owed: Ops starts and adds nothing by itself (first group)",
        "owed: detached leaves are not attached by themselves (first group)",
        "owed: failures are not detected by themselves (first group)",
        "still runs on m1",
    ] {
        assert!(status.out.contains(told), "not told: {told}\n{what}");
    }
}

fn while_its_job_runs(stack: &Stack) {
    let held = recover(stack);
    let what = said(&held);
    assert_eq!(held.exit.to_string(), "exit code 7", "{what}");
    assert!(what.contains("still runs on m"), "{what}");
    assert_eq!(stack.count("upgraded"), 0, "it took too long: {what}");
    assert!(stack.lock().exists(), "the lock was given back: {what}");
    assert!(stack.manual_control(), "{what}");
    assert_eq!(
        stack.off(),
        HELD,
        "failure detection is for the other pairs: {what}"
    );
}

/// What the run began has ended: the leaf is away still, and must not come back by itself.
fn while_its_leaf_is_away(stack: &Stack) {
    stack.mend(&stack.leaves[0]);
    let held = recover(stack);
    let what = said(&held);
    assert_eq!(held.exit.to_string(), "exit code 7", "{what}");
    assert_eq!(
        [stack.leaf(0), stack.leaf(1)],
        ["detached 5.7.2", OLD_ONLINE],
        "{what}"
    );
    assert_eq!(
        (stack.off(), stack.manual_control()),
        (HELD.iter().map(ToString::to_string).collect(), true),
        "{what}"
    );
    assert!(!stack.lock().exists(), "nobody has it any more: {what}");
}

pub(crate) fn cases() -> Vec<Case> {
    vec![case(
        "lost: what another bastion puts back",
        what_another_bastion_puts_back,
    )]
}
