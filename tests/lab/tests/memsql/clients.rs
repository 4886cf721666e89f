//! What stands between the run and the clients: statements that try whether they are served, and the hooks that take an
//! aggregator out of the load balancer and back; each where its answer, or its end, is lost.

use std::time::Duration;

use lab::files;
use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::json;

use crate::harness::{Case, case};
use crate::stack::{Plan, Stack, said};
use crate::whole::{OLD_ONLINE, assert_done, assert_never};

const WRITE: &str = "INSERT INTO `s-1`.t VALUES ('k9', 1) ON DUPLICATE KEY UPDATE n = 2";

/// A statement that may be sent twice is sent once more.
fn the_answer_of_a_write_is_lost_once() {
    let mut stack = Stack::up(&Plan::default());
    stack.arm(json!({"aggregator": {"cut_after": "INSERT INTO"}}));
    let output = stack.upgrade(&json!({"memsql_canary_write": WRITE}));
    assert!(output.is_ok(), "{}", said(&output));
    assert_done(&stack, "a write");
}

/// A write that may have been done is a failure of its step: the leaf is attached again, and nothing is left in doubt.
fn the_answer_of_a_write_is_lost() {
    let mut stack = Stack::up(&Plan::default());
    stack.arm(json!({"aggregator": {"cut_after": "INSERT INTO", "cut_times": 2}}));
    let output = stack.upgrade(&json!({"memsql_canary_write": WRITE}));
    let what = said(&output);
    assert_eq!(output.exit.to_string(), "exit code 2", "{what}");
    assert_eq!([stack.leaf(0), stack.leaf(1)], [OLD_ONLINE; 2], "{what}");
    assert_eq!(
        (stack.off(), stack.missing(), stack.manual_control()),
        (vec![], vec![], false),
        "{what}"
    );
    assert_eq!(
        (stack.count("detach"), stack.count("attach")),
        (1, 1),
        "{what}"
    );
    assert_never(&stack, "a write");
}

/// The machine that the run and its hook are on goes down before the hook has said anything: it is run again.
fn a_hook_that_was_cut_off_is_run_again() {
    let stack = Stack::up(&Plan::default());
    let [pid, once, heard] = ["pid", "once", "heard"].map(|name| stack.file(name));
    let hook = format!(
        "if mkdir {} 2>/dev/null; then ps -o pgid= -p $PPID -p $$ | sort -u >{}; sleep 120; fi; echo {{{{ (memsql_aggregator | default({{}})).address | default('') }}}} >>{}",
        once.display(),
        pid.display(),
        heard.display()
    );
    let variables = json!({"memsql_drain": hook, "memsql_undrain": ""});
    let mut running = stack
        .upgrading(&variables, "--approve second-group")
        .start()
        .unwrap();
    // The hook, and what would tell how it ended.
    let groups = || -> Vec<Pid> {
        let text = files::read_if_there(&pid).unwrap().unwrap_or_default();
        let words = text.split_whitespace();
        words
            .filter_map(|word| Pid::from_raw(word.parse().ok()?))
            .collect()
    };
    // All leaves go before the first aggregator does.
    for _ in 0..4 {
        if groups().is_empty() {
            lab::clock::pause(Duration::from_secs(5));
        }
    }
    stack.until("the hook runs", || !groups().is_empty());
    running.signal(Signal::KILL);
    running.wait(Duration::from_secs(10)).unwrap();
    for group in groups() {
        // One that was begun by the other may be gone with it.
        kill_process_group(group, Signal::STOP).ok();
    }
    for group in groups() {
        kill_process_group(group, Signal::KILL).ok();
    }
    let output = stack.resume();
    assert!(output.is_ok(), "{}", said(&output));
    assert_done(&stack, "a hook");
    let heard = files::read(&heard).unwrap();
    let told: Vec<&str> = heard.lines().collect();
    assert_eq!(
        told,
        [stack.child.to_string(), stack.master.to_string()],
        "who was taken out of the load balancer"
    );
}

pub(crate) fn cases() -> Vec<Case> {
    vec![
        case(
            "clients: a hook that was cut off is run again",
            a_hook_that_was_cut_off_is_run_again,
        ),
        case(
            "clients: the answer of a write is lost",
            the_answer_of_a_write_is_lost,
        ),
        case(
            "clients: the answer of a write is lost once",
            the_answer_of_a_write_is_lost_once,
        ),
    ]
}
