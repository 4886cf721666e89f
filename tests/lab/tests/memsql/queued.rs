//! DETACH LEAF waits for what is under way: a write whose transaction is open. One that waits longer than anybody waits for
//! it is in doubt, and may be done at any time: until the server is rid of it nothing is given back that stands around it.

use std::path::Path;
use std::time::Duration;

use serde_json::json;

use crate::ends::HELD;
use crate::harness::{Case, case};
use crate::stack::{Plan, Stack, said};
use crate::whole::{OLD_ONLINE, assert_done};

/// A long write holds it up: it is waited for, the clients of that partition wait, and it goes on.
fn a_long_write_holds_a_detach_up() {
    let mut stack = Stack::up(&Plan::default());
    stack.arm(json!({"leaf": {"write_ms": 60_000}}));
    let keys = ["k1", "k2", "k3", "k4", "k5", "k6", "k7", "k8"];
    std::thread::scope(|scope| {
        for key in keys {
            let (stack, text) = (
                &stack,
                format!("UPDATE `s-1`.t SET n = 2 WHERE k = '{key}'"),
            );
            scope.spawn(move || stack.say(&stack.child, &text));
        }
        lab::clock::pause(std::time::Duration::from_millis(500));
        let leaf = crate::stack::node(&stack.leaves[0]);
        let began = lab::clock::now();
        stack.sql(&format!("DETACH LEAF {leaf}"));
        let took = began.elapsed().as_millis();
        assert!(took > 3_000, "{took} ms: it did not wait for the write");
    });
}

/// The first leaf is being detached for longer than the run has waited.
fn in_the_queue() -> Stack {
    let mut stack = Stack::up(&Plan::default());
    stack.arm_leaf(0, json!({"detach_waits_ms": 100_000_000}));
    let output = stack.upgrade(&json!({"memsql_detach_timeout": 4}));
    let what = said(&output);
    assert_eq!(output.exit.to_string(), "exit code 7", "{what}");
    assert!(what.contains("is in doubt, and what it sent"), "{what}");
    assert_still_held(&stack, &what);
    stack
}

/// Failures are detected again, for the other pairs; all else is as it must be when the leaf goes.
fn assert_still_held(stack: &Stack, what: &str) {
    assert_eq!(stack.count("detach"), 0, "{what}");
    assert_eq!(stack.all_leaves(), [OLD_ONLINE; 2], "{what}");
    assert_eq!(stack.off(), HELD, "{what}");
    assert!(stack.manual_control(), "{what}");
    assert!(stack.lock().exists(), "the lock was given back: {what}");
}

/// What is owed is held for as long as the statement waits; then the run goes on with what it has done.
fn what_waits_longer_than_the_run() {
    let mut stack = in_the_queue();
    let status = stack.command("status --state state").output().unwrap();
    let told = format!("{}{}", status.out, status.err);
    assert!(told.contains("still runs on"), "not told: {told}");
    let second =
        "apply roles/memsql/upgrade.yml -i inventory.yml --reason second --state elsewhere";
    let again = stack.command(second).output().unwrap();
    assert!(!again.is_ok(), "beside it: {}", said(&again));
    let recovered = stack.command("recover --state state").output().unwrap();
    let what = said(&recovered);
    assert_eq!(recovered.exit.to_string(), "exit code 7", "{what}");
    assert!(what.contains("still runs on"), "{what}");
    assert_still_held(&stack, &what);

    let mut resumed = stack.resuming("").start().unwrap();
    lab::clock::pause(Duration::from_secs(10));
    assert_eq!(stack.count("detach"), 0, "{:?}", resumed.said());
    stack.arm_leaf(0, json!(null));
    let exit = resumed.wait(Duration::from_mins(4)).unwrap();
    assert_eq!(exit.to_string(), "exit code 0", "{:?}", resumed.said());
    assert_done(&stack, "what waited longer than the run");
    let counts = ["detach", "attach"].map(|what| stack.count(what));
    assert_eq!(counts, [2, 2], "it was sent twice");
}

/// The server is rid of it without having done it: what was held is paid.
fn what_was_never_done() {
    let mut stack = in_the_queue();
    // What its server had to do is gone with it.
    let servers = stack.machines[0].servers();
    let is_master = |path: &Path| path.display().to_string().contains("/master-");
    let master = servers.iter().find(|(path, _)| is_master(path)).unwrap();
    rustix::process::kill_process(master.1, rustix::process::Signal::KILL).unwrap();
    stack.arm_leaf(0, json!(null));
    let id = stack.id(&stack.master).unwrap();
    stack.must(&format!("memsql-start {id} --no-prompt"));
    stack.until("it is back", || stack.version(&stack.master) != "-");
    let recovered = stack.command("recover --state state").output().unwrap();
    let what = said(&recovered);
    assert!(recovered.is_ok(), "{what}");
    assert_eq!(
        (stack.off(), stack.manual_control(), stack.lock().exists()),
        (vec![], false, false),
        "{what}"
    );
    assert_eq!(stack.all_leaves(), [OLD_ONLINE; 2], "{what}");
    let output = stack.resume();
    assert!(output.is_ok(), "{}", said(&output));
    assert_done(&stack, "what was never done");
    assert_eq!(stack.count("detach"), 2);
}

pub(crate) fn cases() -> Vec<Case> {
    vec![
        case(
            "queued: a long write holds a detach up",
            a_long_write_holds_a_detach_up,
        ),
        case(
            "queued: what waits longer than the run",
            what_waits_longer_than_the_run,
        ),
        case("queued: what was never done", what_was_never_done),
    ]
}
