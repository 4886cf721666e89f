//! One run at a time on a cluster: who else comes is refused, and who has lost the lock stops where the cluster is whole.

use std::time::Duration;

use lab::files;
use serde_json::json;

use crate::harness::{Case, case};
use crate::stack::{Plan, Stack, said};
use crate::whole::{NEW_ONLINE, OLD_ONLINE, assert_done};

fn slow() -> Stack {
    Stack::up(&Plan {
        switches: json!({"upgrade_ms": 50_000}),
        ..Plan::default()
    })
}

/// Another run of the same machine, with records of its own, is another run.
fn a_second_run_is_refused() {
    let stack = slow();
    let mut first = stack
        .upgrading(
            &json!({"memsql_lock_renew": 1}),
            "--approve second-group --events first",
        )
        .start()
        .unwrap();
    stack.until("it is at work", || stack.count("memsql-stop") > 0);
    let second = stack.command(
        "apply roles/memsql/upgrade.yml -i inventory.yml --reason trying --state elsewhere",
    );
    let second = second.output().unwrap();
    // The leaf that is away stands against it too, and first.
    assert!(!second.is_ok(), "{}", said(&second));
    let renewals = files::read(&stack.lock().join("renewals")).unwrap();
    assert!(
        renewals.trim().parse::<u32>().unwrap() > 0,
        "not renewed: {renewals}"
    );
    let exit = first.wait(Duration::from_mins(2)).unwrap();
    assert_eq!(exit.to_string(), "exit code 0", "{:?}", first.said());
    assert!(!stack.lock().exists(), "the lock was not given back");
    assert_done(&stack, "beside a second run");
}

/// While a leaf is upgraded somebody takes the lock over: the set is finished, and nothing after it is begun.
fn a_lost_lock_is_noticed_in_a_long_step() {
    let stack = slow();
    let mut running = stack
        .upgrading(&json!({"memsql_lock_renew": 1}), "--approve second-group")
        .start()
        .unwrap();
    stack.until("it is at work", || stack.count("memsql-upgrade") > 0);
    files::write(&stack.lock().join("owner"), "elsewhere 12ab run-9", 0o600).unwrap();
    let exit = running.wait(Duration::from_mins(2)).unwrap();
    let (out, err) = running.said();
    assert_ne!(exit.to_string(), "exit code 0", "{out}{err}");
    assert!(
        format!("{out}{err}").contains("the lock is this run's"),
        "{out}{err}"
    );
    assert_eq!(
        [stack.leaf(0), stack.leaf(1)],
        [NEW_ONLINE, OLD_ONLINE],
        "{out}{err}"
    );
    assert_eq!(
        (stack.off(), stack.missing(), stack.manual_control()),
        (vec![], vec![], false)
    );
    let owner = files::read(&stack.lock().join("owner")).unwrap();
    assert_eq!(owner, "elsewhere 12ab run-9", "it is not this run's");
}

pub(crate) fn cases() -> Vec<Case> {
    vec![
        case(
            "lock: a lost lock is noticed in a long step (I11)",
            a_lost_lock_is_noticed_in_a_long_step,
        ),
        case(
            "lock: a second run is refused (I11)",
            a_second_run_is_refused,
        ),
    ]
}
