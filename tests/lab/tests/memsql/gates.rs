//! The gates between steps, each with what it stands against done to the cluster right before it: at rest points by a person,
//! in the middle by a cluster that does not do what it says. Nothing behind a gate may have been begun.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use lab::command::Output;
use lab::files;
use lab::sim::memsql::Address;
use rustix::process::{Signal, kill_process};
use serde_json::{Value, json};

use crate::harness::{Case, case};
use crate::servers::{NEW, OLD};
use crate::stack::{Plan, Stack, node, said};
use crate::whole::{NEW_ONLINE, OLD_ONLINE, assert_done, assert_never};

/// A run that looks for a short while only, and waits for copies a little longer.
fn quick() -> Value {
    json!({"memsql_gate_timeout": 3, "memsql_caught_up_timeout": 5, "memsql_settle_timeout": 5})
}

/// Nobody but the run and the person starts, attaches or fails over anything.
fn calm() -> Stack {
    Stack::up(&Plan {
        switches: json!({"ops_start_after_ms": 6_000_000, "heartbeats_missed": 100_000, "backup_ms": 150_000}),
        ..Plan::default()
    })
}

/// Kills the process of a server.
pub(crate) fn kill(stack: &Stack, machine: usize, port: u16) {
    let servers = stack.machines[machine].servers();
    let is_it = |directory: &std::path::Path| {
        let name = directory.file_name().unwrap_or_default();
        name.to_string_lossy().contains(&format!("-{port}-"))
    };
    let (_, pid) = servers.iter().find(|(place, _)| is_it(place)).unwrap();
    kill_process(*pid, Signal::KILL).unwrap();
}

/// Starts a server again, as a person would.
fn started(stack: &Stack, at: &Address) {
    let id = stack.id(at).unwrap();
    stack.must(&format!("memsql-start {id} --no-prompt"));
    stack.until("Ops sees it", || {
        let list = stack.ops("memsql-list --json").out;
        !list.contains("NOT RUNNING") && !list.contains("OFFLINE")
    });
}

/// Judges that a step of this name is the one that failed.
fn assert_failed_at(output: &Output, gate: &str, what: &str) {
    let all = format!("{}\n{}", output.out, output.err);
    let is_it = |line: &str| line.contains(" failed ") && line.contains(gate);
    assert!(all.lines().any(is_it), "{what}: not at `{gate}`:\n{all}");
}

/// The run goes on and ends at a gate, with nothing done behind it.
fn refused(stack: &Stack, gate: &str, what: &str) {
    let begun = ["detach", "memsql-stop", "memsql-upgrade", "rebalance"];
    let counts = || begun.map(|effect| stack.count(effect));
    let before = counts();
    let output = stack.resume();
    let text = said(&output);
    assert_eq!(output.exit.to_string(), "exit code 2", "{what}: {text}");
    assert_failed_at(&output, gate, what);
    assert_eq!(counts(), before, "{what}: {begun:?}\n{text}");
    assert_eq!(
        (stack.off(), stack.manual_control(), stack.lock().exists()),
        (vec![], false, false),
        "{what}: {text}"
    );
}

/// What happens while the run rests between the groups: no leaf of the second one goes, until it is put right.
fn between_the_groups(stack: &mut Stack) {
    const GATE: &str = "the cluster is whole, and allows that";
    // Its failure detection stays on, where the others' is switched off.
    stack.arm(json!({"@child": {"refuses": "SHOW VARIABLES"}}));
    refused(stack, GATE, "an aggregator does not tell its switches");
    stack.arm(json!({"@child": null}));
    let leaf = node(&stack.leaves[0]);
    stack.sql(&format!("DETACH LEAF {leaf}"));
    stack.sql(&format!("ATTACH LEAF {leaf} NO REBALANCE"));
    refused(stack, GATE, "the first group has no copies");
    stack.sql("RESTORE REDUNDANCY ON `s-1`");
    std::thread::scope(|scope| {
        let backup = scope.spawn(|| stack.say(&stack.master, "BACKUP DATABASE `s-1` TO '/x'"));
        stack.until("the backup runs", || {
            let shown = stack.say(&stack.master, "SHOW PROCESSLIST");
            format!("{shown:?}").contains("BACKUP DATABASE")
        });
        refused(stack, GATE, "a backup runs");
        assert!(!backup.is_finished(), "it was over too early");
        drop(backup.join());
    });
    // It is online for the cluster, whose failure detection has not seen it yet.
    kill(stack, 0, stack.leaves[0].port);
    refused(stack, GATE, "a leaf of the first group is dead");
    started(stack, &stack.leaves[0]);
}

/// A child aggregator goes away between its own upgrade and the master's: the master stays, as clients would have nobody.
fn the_others_answer(stack: &Stack) {
    let mut resuming = stack.resuming("--pause-after");
    resuming = resuming.arg("the child aggregators");
    let output = resuming.output().unwrap();
    assert_eq!(output.exit.to_string(), "exit code 6", "{}", said(&output));
    assert_eq!(
        [stack.version(&stack.child), stack.version(&stack.master)],
        [NEW, OLD]
    );
    kill(stack, 1, stack.child.port);
    let gate = "all others are up, and nothing stands against it";
    refused(stack, gate, "the child aggregator is dead");
    assert_eq!(stack.version(&stack.master), OLD);
    started(stack, &stack.child);
}

/// When the master aggregator is back in the load balancer a leaf dies, and somebody switches something: no run ends well
/// with that.
fn the_end_is_judged(stack: &Stack) {
    let output = stack.resume();
    let gate = "every node is on the new version, and all is well";
    assert_failed_at(&output, gate, "a leaf is dead");
    assert_eq!(stack.version(&stack.master), NEW, "{}", said(&output));
    started(stack, &stack.leaves[0]);
    let output = stack.resume();
    let gate = "the switches are as they were";
    assert_failed_at(&output, gate, "auto_attach is off");
    let id = stack.id(&stack.master).unwrap();
    let on = "--key auto_attach --value ON --set-global --no-prompt";
    stack.must(&format!("memsql-update-config {id} {on}"));
}

fn at_each_rest_point_the_cluster_is_judged_anew() {
    let mut stack = calm();
    let (master, id) = (stack.master.clone(), stack.id(&stack.master).unwrap());
    let root = stack.machines[0].root.display().to_string();
    let undrain = format!(
        "if [ {{{{ (memsql_aggregator | default({{}})).address | default('') }}}} = {master} ]; then \
         kill -9 $(cat {root}/var/lib/memsql/leaf-*/memsqld.pid); \
         {root}/memsql-ops memsql-update-config {id} --key auto_attach --value OFF --set-global --no-prompt; fi"
    );
    let mut variables = quick();
    variables["memsql_undrain"] = json!(undrain);
    let output = stack.upgrading(&variables, "").output().unwrap();
    assert_eq!(output.exit.to_string(), "exit code 3", "{}", said(&output));
    between_the_groups(&mut stack);
    the_others_answer(&stack);
    the_end_is_judged(&stack);
    let output = stack.resume();
    assert!(output.is_ok(), "{}", said(&output));
    assert_done(&stack, "after all of it");
    the_second_look(&stack);
}

/// A leaf that dies when the end has been judged well is told by the second look.
fn the_second_look(stack: &Stack) {
    let mut variables = quick();
    variables["memsql_second_look"] = json!(8);
    let mut running = stack.upgrading(&variables, "").start().unwrap();
    stack.until("the end is judged", || {
        let (out, err) = running.said();
        format!("{out}{err}").contains("the switches are as they were")
    });
    kill(stack, 0, stack.leaves[0].port);
    let exit = running.wait(Duration::from_mins(1)).unwrap();
    let (out, err) = running.said();
    assert_eq!(exit.to_string(), "exit code 2", "{out}{err}");
    let is_it = |line: &str| line.contains(" failed ") && line.contains("all is well still");
    let mut lines = out.lines().chain(err.lines());
    assert!(lines.any(is_it), "{out}{err}");
}

/// Nobody renews it between two sets, and it is looked at all the same.
fn the_lock_is_looked_at_before_each_set() {
    let stack = calm();
    let slow = json!({"memsql_lock_renew": 600});
    let mut running = stack
        .upgrading(&slow, "--approve second-group")
        .start()
        .unwrap();
    stack.until("it is at work", || stack.count("detach") > 0);
    files::write(&stack.lock().join("owner"), "elsewhere 12ab run-9", 0o600).unwrap();
    let exit = running.wait(Duration::from_mins(2)).unwrap();
    let (out, err) = running.said();
    let text = format!("{out}{err}");
    assert_ne!(exit.to_string(), "exit code 0", "{text}");
    let told = text.contains("is no longer held: elsewhere 12ab run-9 has it");
    assert!(told, "{text}");
    assert_eq!(stack.all_leaves(), [NEW_ONLINE, OLD_ONLINE], "{text}");
    assert_eq!((stack.off(), stack.missing()), (vec![], vec![]), "{text}");
}

/// RESTORE REDUNDANCY says that it has made copies and has not; later the new copies do not follow what is written, and
/// REBALANCE PARTITIONS moves nothing.
fn copies_are_believed_when_they_are_seen() {
    let mut stack = calm();
    stack.arm(json!({"master": {"restores": false}}));
    let output = stack.upgrade(&quick());
    let text = said(&output);
    assert_eq!(output.exit.to_string(), "exit code 2", "{text}");
    assert_failed_at(&output, "every partition has its second copy", "no copies");
    assert_eq!(stack.all_leaves(), [NEW_ONLINE, OLD_ONLINE], "{text}");
    assert_eq!((stack.missing().len(), stack.count("detach")), (4, 1));
    stack.arm(json!({"master": null, "@leaf1": {"replicates": false}}));
    stack.sql("RESTORE REDUNDANCY ON `s-1`");
    let output = while_clients_write(&stack, || stack.resume());
    let text = said(&output);
    assert_eq!(output.exit.to_string(), "exit code 2", "{text}");
    assert_failed_at(
        &output,
        "the new copies have caught up",
        "copies are behind",
    );
    assert_eq!(stack.all_leaves(), [NEW_ONLINE; 2], "{text}");
    assert_eq!(stack.count("rebalance"), 0, "{text}");
    stack.arm(json!({"@leaf1": null, "master": {"restores": false}}));
    let output = stack.resume();
    assert_failed_at(&output, "masters are spread evenly", "no rebalance");
    assert_eq!(stack.count("rebalance"), 1);
    assert_eq!(
        [stack.version(&stack.child), stack.version(&stack.master)],
        [OLD; 2]
    );
    stack.arm(json!({"master": null}));
    stack.sql("REBALANCE PARTITIONS ON `s-1`");
    let output = stack.resume();
    assert!(output.is_ok(), "{}", said(&output));
    assert_done(&stack, "copies");
}

/// Runs something while rows are written through the child aggregator.
fn while_clients_write<T>(stack: &Stack, work: impl FnOnce() -> T) -> T {
    let ended = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for n in 0_u32.. {
                if ended.load(Ordering::Relaxed) {
                    return;
                }
                let write = format!("INSERT INTO `s-1`.t VALUES ('w{n}', {n})");
                // Who writes while a master moves may be told to come again.
                drop(stack.say(&stack.child, &write));
                lab::clock::pause(Duration::from_millis(20));
            }
        });
        let outcome = work();
        ended.store(true, Ordering::Relaxed);
        outcome
    })
}

/// A detach that is answered, and leaves one partition with the leaf: that leaf is not stopped.
fn a_leaf_that_still_leads_is_not_stopped() {
    let mut stack = calm();
    let led = ["s-1_0", "s-1_1"].into_iter();
    let own = Some(stack.leaves[0].to_string());
    let mut led = led.filter(|name| stack.leader(name) == own);
    let name = led.next().unwrap();
    stack.arm(json!({"master": {"detach_forgets": name}}));
    let output = stack.upgrade(&json!({"memsql_settle_timeout": 3}));
    let text = said(&output);
    assert_eq!(output.exit.to_string(), "exit code 2", "{text}");
    assert!(text.contains("was not detached"), "{text}");
    assert_eq!(
        (stack.count("detach"), stack.count("memsql-stop")),
        (1, 0),
        "{text}"
    );
    assert_eq!(stack.all_leaves(), [OLD_ONLINE; 2], "{text}");
    assert_never(&stack, &text);
}

pub(crate) fn cases() -> Vec<Case> {
    vec![
        case(
            "gates: at each rest point the cluster is judged anew",
            at_each_rest_point_the_cluster_is_judged_anew,
        ),
        case(
            "gates: copies are believed when they are seen",
            copies_are_believed_when_they_are_seen,
        ),
        case(
            "gates: the lock is looked at before each set (I11)",
            the_lock_is_looked_at_before_each_set,
        ),
        case(
            "gates: a leaf that still leads is not stopped (I3)",
            a_leaf_that_still_leads_is_not_stopped,
        ),
    ]
}
