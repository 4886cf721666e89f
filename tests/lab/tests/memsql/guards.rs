//! The guard of each play: while a server is away for its upgrade a leaf dies that the run has nothing to do with, and comes back
//! before the step is over. The cluster is whole again at the next rest point, and all the same nothing more is begun.

use std::time::Duration;

use lab::clock::pause;
use lab::command::Command;
use lab::files;
use serde_json::json;

use crate::back::back;
use crate::gates::kill;
use crate::harness::{Case, case};
use crate::servers::{NEW, OLD};
use crate::stack::{Plan, Stack, said};
use crate::whole::{NEW_ONLINE, OLD_ONLINE};

const GUARD: &str = "every partition has a master that answers";

/// The guards as they are, with less patience: half a minute each is long for a case.
fn impatient(stack: &Stack) {
    let init = stack.command("init memsql").output().unwrap();
    assert!(stack.file("roles").is_dir(), "{}", init.err);
    for name in ["upgrade_servers.yml", "rollback_servers.yml"] {
        let file = stack.file(&format!("roles/memsql/{name}"));
        let mut text = files::read(&file).unwrap();
        for (from, to) in [("every: 5s", "every: 1s"), ("grace: 30s", "grace: 2s")] {
            assert!(text.contains(from), "{name} does not have {from}");
            text = text.replace(from, to);
        }
        files::write(&file, text, 0o644).unwrap();
    }
}

/// Runs until so many upgrades more have begun, kills a leaf for a while, and demands that the run stops for it.
fn stops(stack: &Stack, run: Command, upgrades: usize, leaf: usize) {
    let wanted = stack.count("memsql-upgrade") + upgrades;
    let at = &stack.leaves[leaf];
    let id = stack.id(at).unwrap();
    let mut running = run.start().unwrap();
    stack.until("an upgrade has begun", || {
        stack.count("memsql-upgrade") >= wanted
    });
    kill(stack, leaf % 2, at.port);
    // Seen at one look, still so behind the grace at another.
    pause(Duration::from_secs(5));
    stack.must(&format!("memsql-start {id} --no-prompt"));
    let exit = running.wait(Duration::from_mins(2)).unwrap();
    let (out, err) = running.said();
    assert_eq!(exit.to_string(), "exit code 3", "{out}{err}");
    let told = format!("the guard `{GUARD}` is breached");
    assert!(format!("{out}{err}").contains(&told), "{out}{err}");
    assert_eq!(
        (stack.off(), stack.missing(), stack.manual_control()),
        (vec![], vec![], false),
        "{out}{err}"
    );
}

fn a_leader_that_does_not_answer_stops_the_run() {
    let stack = Stack::up(&Plan {
        groups: vec![1, 2, 1, 2],
        children: 2,
        switches: json!({"upgrade_ms": 70_000, "ops_start_after_ms": 6_000_000, "old_reads_new": true,
            "heartbeats_missed": 100_000}),
        ..Plan::default()
    });
    impatient(&stack);
    // Always while the first of two of a play is away, and of the pair that nothing is done to.
    let run = stack.upgrading(&json!({}), "");
    stops(&stack, run, 1, 3);
    let first = [NEW_ONLINE, OLD_ONLINE, OLD_ONLINE, OLD_ONLINE];
    assert_eq!(stack.all_leaves(), first);
    let output = stack.command("resume --state state").output().unwrap();
    assert_eq!(output.exit.to_string(), "exit code 3", "{}", said(&output));
    let group = [NEW_ONLINE, OLD_ONLINE, NEW_ONLINE, OLD_ONLINE];
    assert_eq!(stack.all_leaves(), group);
    stops(&stack, back(&stack, &json!({})), 1, 3);
    let one_back = [OLD_ONLINE, OLD_ONLINE, NEW_ONLINE, OLD_ONLINE];
    assert_eq!(stack.all_leaves(), one_back);
    // The leaf that went back, then the first of the second group, behind which new leaves lead.
    let run = stack.upgrading(&json!({}), "--approve second-group");
    stops(&stack, run, 2, 3);
    let second = [NEW_ONLINE, NEW_ONLINE, NEW_ONLINE, OLD_ONLINE];
    assert_eq!(stack.all_leaves(), second);
    // What is left of the group, then a child.
    stops(&stack, stack.resuming(""), 2, 0);
    let versions = stack.aggregators().into_iter().map(|at| stack.version(at));
    let versions: Vec<String> = versions.collect();
    assert_eq!(versions, [OLD, NEW, OLD], "the master, and the children");
}

pub(crate) fn cases() -> Vec<Case> {
    vec![case(
        "guards: a leader that does not answer stops the run (I2)",
        a_leader_that_does_not_answer_stops_the_run,
    )]
}
