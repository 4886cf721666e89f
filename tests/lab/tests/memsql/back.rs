//! The way back: while all that lead are old the first group goes back to their version, in one go or in two, and nothing
//! is left over; beyond that, and with a leaf away, it is refused before anything is touched.

use std::time::Duration;

use lab::command::{Command, Output};
use rustix::process::Signal;
use serde_json::json;

use crate::beyond::first_group;
use crate::ends::HELD;
use crate::harness::{Case, case};
use crate::servers::OLD;
use crate::stack::{Stack, node, said};
use crate::whole::{NEW_ONLINE, OLD_ONLINE, assert_never};

/// Goes back as a person would, with more variables as JSON.
pub(crate) fn back(stack: &Stack, variables: &serde_json::Value) -> Command {
    let line = "apply roles/memsql/rollback.yml -i inventory.yml --reason slower --state state";
    stack.command(line).args([
        "-e",
        crate::stack::WAITS,
        "-e",
        &json!({"memsql_version": OLD}).to_string(),
        "-e",
        &variables.to_string(),
    ])
}

/// Nothing tells that there was ever anything else.
fn assert_back(stack: &Stack, output: &Output) {
    let what = said(output);
    assert!(output.is_ok(), "{what}");
    assert_eq!([stack.leaf(0), stack.leaf(1)], [OLD_ONLINE; 2], "{what}");
    assert_eq!(
        (stack.off(), stack.missing(), stack.manual_control()),
        (vec![], vec![], false),
        "{what}"
    );
    assert!(!stack.lock().exists(), "{what}");
    for leaf in &stack.leaves {
        let led = (0..4).filter(|n| stack.leader(&format!("s-1_{n}")) == Some(leaf.to_string()));
        assert_eq!(led.count(), 2, "masters are not even: {what}");
    }
    assert_never(stack, "back");
}

/// The first group runs the new version, and the old one starts on what that wrote.
fn half_way() -> Stack {
    let mut stack = first_group();
    stack.arm(json!({"old_reads_new": true}));
    stack
}

fn the_first_group_goes_back() {
    let stack = half_way();
    let output = back(&stack, &json!({})).output().unwrap();
    assert_back(&stack, &output);
    // Only the newer leaf was taken, once.
    assert_eq!((stack.count("detach"), stack.count("attach")), (2, 2));
}

fn what_was_cut_off_goes_on() {
    let stack = half_way();
    let (before, after) = (stack.count("memsql-upgrade"), "memsql-upgrade");
    let mut running = back(&stack, &json!({})).start().unwrap();
    stack.until(after, || stack.count(after) > before);
    running.signal(Signal::KILL);
    running.wait(Duration::from_secs(10)).unwrap();
    assert!(!stack.off().is_empty(), "it was not in the middle");
    assert_back(&stack, &stack.resume());
    assert_eq!((stack.count("detach"), stack.count("attach")), (2, 2));
}

/// The old program does not start on what the new one wrote: the leaf stays away, and goes forward again by hand.
fn the_old_program_does_not_start() {
    let stack = first_group();
    let quick = json!({"memsql_start_timeout": 6, "memsql_settle_timeout": 4});
    let output = back(&stack, &quick).output().unwrap();
    let what = said(&output);
    assert_eq!(output.exit.to_string(), "exit code 7", "{what}");
    assert_eq!(
        [stack.leaf(0).as_str(), &stack.leaf(1)],
        ["detached -", OLD_ONLINE],
        "{what}"
    );
    assert_eq!(
        (stack.off(), stack.manual_control()),
        (HELD.iter().map(ToString::to_string).collect(), true)
    );
    stack.mend(&stack.leaves[0]);
    let first = node(&stack.leaves[0]);
    stack.sql(&format!("ATTACH LEAF {first} NO REBALANCE"));
    stack.sql("RESTORE REDUNDANCY ON `s-1`");
    let output = stack.command("recover --state state").output().unwrap();
    assert!(output.is_ok(), "{}", said(&output));
    assert_eq!(
        [stack.leaf(0).as_str(), &stack.leaf(1)],
        [NEW_ONLINE, OLD_ONLINE]
    );
    assert_eq!(
        (stack.off(), stack.missing(), stack.manual_control()),
        (vec![], vec![], false),
        "{what}"
    );
    assert_never(&stack, "the old program");
}

fn refused(stack: &Stack, variables: &serde_json::Value, says: &str) {
    let before = stack.effects().len();
    let output = back(stack, variables).output().unwrap();
    let text = format!("{}{}", output.out, output.err);
    assert!(
        !output.is_ok() && text.contains(says),
        "not said: {says}\n{}",
        said(&output)
    );
    stack.assert_untouched(before, says);
}

fn there_is_no_way_back() {
    let stack = first_group();
    refused(
        &stack,
        &json!({"memsql_version": "5.5.11"}),
        "Ops has no file of 5.5.11",
    );
    refused(
        &stack,
        &json!({"memsql_version_hash": "03e5e3581e96d65caa30756f191323437a3840f0"}),
        "Ops has no file of 5.5.12 (03e5",
    );
    refused(
        &stack,
        &json!({"memsql_leaves_at_once": "two"}),
        "must be a number from 1 on",
    );
    stack.must("cluster-manual-control --enable");
    stack.sql("SET @@GLOBAL.auto_attach = OFF");
    let second = node(&stack.leaves[1]);
    stack.sql(&format!("DETACH LEAF {second}"));
    refused(&stack, &json!({}), "is detached, not online");
    stack.sql(&format!("ATTACH LEAF {second} NO REBALANCE"));
    stack.sql("RESTORE REDUNDANCY ON `s-1`");
    stack.sql("SET @@GLOBAL.auto_attach = ON");
    // What the new leaf leads now the old ones do not have any more.
    refused(&stack, &json!({}), "There is no way back");
}

pub(crate) fn cases() -> Vec<Case> {
    vec![
        case("back: the first group goes back", the_first_group_goes_back),
        case(
            "back: the old program does not start",
            the_old_program_does_not_start,
        ),
        case("back: what was cut off goes on", what_was_cut_off_goes_on),
        case(
            "back: there is none with a leaf away, nor when new leaves lead",
            there_is_no_way_back,
        ),
    ]
}
