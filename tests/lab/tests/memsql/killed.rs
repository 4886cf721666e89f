//! The run is killed again and again, in each part of its way up to the child aggregators, and goes on; nothing is done twice. With a leaf away,
//! `status` tells it and `recover` switches back what the others need, and holds what keeps the leaf away.

use std::time::Duration;

use lab::command::Command;
use rustix::process::Signal;

use crate::ends::HELD;
use crate::harness::{Case, case};
use crate::stack::{Plan, Stack, said};
use crate::whole::{OLD_ONLINE, assert_done};

/// Starts a run and kills it as soon as an effect was counted so many times.
fn killed(stack: &Stack, run: Command, (what, times): (&str, usize)) {
    let before = stack.count(what);
    assert!(before < times, "{what}: {before} already");
    let mut running = run.start().unwrap();
    stack.until(what, || {
        let ended = running.ended().unwrap();
        assert!(ended.is_none(), "{what}: it ended: {:?}", running.said());
        stack.count(what) >= times
    });
    running.signal(Signal::KILL);
    running.wait(Duration::from_secs(10)).unwrap();
}

fn again(stack: &Stack) -> Command {
    stack.command("resume --state state --approve second-group")
}

fn at_every_step() {
    let stack = Stack::up(&Plan::default());
    let first = stack.upgrading(&serde_json::json!({}), "--approve second-group");
    killed(&stack, first, ("memsql-stop", 1));
    stack.until("the leaf is stopped", || stack.leaf(0) == "detached -");
    let status = stack.command("status --state state").output().unwrap();
    let told = format!("{}{}", status.out, status.err);
    for bracket in [
        "Ops starts and adds nothing by itself (first group): entered",
        "detached leaves are not attached by themselves (first group): entered",
        "failures are not detected by themselves (first group): entered",
    ] {
        assert!(told.contains(bracket), "{bracket} is not told: {told}");
    }
    let recovered = stack.command("recover --state state").output().unwrap();
    let what = said(&recovered);
    assert_eq!(recovered.exit.to_string(), "exit code 7", "{what}");
    assert_eq!(
        stack.off(),
        HELD,
        "failure detection is for the others: {what}"
    );
    assert!(stack.manual_control(), "{what}");
    assert_eq!(stack.all_leaves(), ["detached -", OLD_ONLINE], "{what}");

    // Each of them in another part of the way: copies, the second group, masters, a child aggregator.
    let ways = [
        ("restore", 1),
        ("detach", 2),
        ("rebalance", 1),
        ("upgraded", 3),
    ];
    for way in ways {
        killed(&stack, again(&stack), way);
    }
    let output = again(&stack).output().unwrap();
    assert!(output.is_ok(), "{}", said(&output));
    assert_done(&stack, "killed at every step");
    let counts = ["detach", "attach", "upgraded"].map(|what| stack.count(what));
    assert_eq!(counts, [2, 2, 4], "something was done twice");
}

pub(crate) fn cases() -> Vec<Case> {
    vec![case("killed: at every step", at_every_step)]
}
