//! The run is killed again and again, in each part of its way up to the child aggregators, and goes on; nothing is done twice. With a leaf away,
//! `status` tells it and `recover` switches back what the others need, and holds what keeps the leaf away.

use std::time::Duration;

use lab::command::Command;
use rustix::process::Signal;

use crate::ends::HELD;
use crate::harness::{Case, case};
use crate::stack::{Plan, Stack, said};
use crate::whole::{OLD_ONLINE, assert_done, assert_upgraded};

/// Longer than what is left of the upgrade takes, and shorter than what is tried in vain.
const SOON: Duration = Duration::from_secs(90);

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

/// Killed when the master aggregator is stopped for its upgrade, with nothing but that left to do.
fn without_a_master() -> Stack {
    let stack = Stack::up(&Plan::default());
    let first = stack.upgrading(&serde_json::json!({}), "--approve second-group");
    // One for each leaf, and the third is the master's.
    killed(&stack, first, ("memsql-stop", 3));
    stack.until("the master is stopped", || {
        stack.ops("memsql-list --json").out.contains("NOT RUNNING")
    });
    stack
}

fn assert_master_done(stack: &Stack, output: &lab::command::Output, what: &str) {
    assert!(output.is_ok(), "{what}: {}", said(output));
    assert_done(stack, what);
    assert!(!stack.lock().exists(), "{what}: the lock");
    let counts = ["upgraded", "memsql-stop"].map(|what| stack.count(what));
    assert_eq!(counts, [4, 3], "{what}: something was done twice");
}

/// Nobody can be asked whether failures are still not detected: the run goes on where it was, and that starts the master.
fn the_master_is_stopped() {
    let stack = without_a_master();
    let began = lab::clock::now();
    let output = stack.resume();
    let took = began.elapsed();
    assert_master_done(&stack, &output, "without a master");
    assert!(took < SOON, "{took:?} in vain: {}", said(&output));
}

/// What `recover` cannot switch back it tells at once, and what must be done before; the run goes on all the same.
fn the_master_is_stopped_and_recovered() {
    let stack = without_a_master();
    let began = lab::clock::now();
    let recovered = stack.command("recover --state state").output().unwrap();
    let (what, took) = (said(&recovered), began.elapsed());
    assert_eq!(recovered.exit.to_string(), "exit code 7", "{what}");
    let id = stack.id(&stack.master).unwrap();
    let start = format!("memsql-ops memsql-start {id}");
    let all = format!("{}{}", recovered.out, recovered.err);
    let at = |text: &str| all.find(text);
    assert!(at(&start).is_some(), "not told: {start}\n{what}");
    let back = "failure_detection --value ON";
    assert!(at(&start) < at(back), "not told before {back}: {what}");
    assert!(took < SOON, "{took:?} in silence: {what}");
    let status = stack.command("status --state state").output().unwrap();
    let told = format!("{}{}", status.out, status.err);
    assert!(told.contains(&start), "not told: {start}\n{told}");
    // Ops has its own control again, and has started the master meanwhile or not.
    let output = stack.resume();
    assert!(output.is_ok(), "{}", said(&output));
    assert_upgraded(&stack, "recovered without a master");
    assert_eq!(stack.count("upgraded"), 4, "something was done twice");
}

/// Somebody has started it.
fn the_master_is_started_by_hand() {
    let stack = without_a_master();
    let id = stack.id(&stack.master).unwrap();
    stack.must(&format!("memsql-start {id} --no-prompt"));
    stack.until("it is back", || stack.version(&stack.master) != "-");
    let output = stack.resume();
    assert!(output.is_ok(), "{}", said(&output));
    assert_done(&stack, "a master that was started by hand");
}

pub(crate) fn cases() -> Vec<Case> {
    vec![
        case("killed: at every step", at_every_step),
        case("killed: the master is stopped", the_master_is_stopped),
        case(
            "killed: the master is stopped, and recover is tried",
            the_master_is_stopped_and_recovered,
        ),
        case(
            "killed: the master is stopped, and started by hand",
            the_master_is_started_by_hand,
        ),
    ]
}
