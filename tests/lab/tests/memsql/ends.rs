//! Each step that can fail, how it is made to, and the end that it must come to: what the leaves are and run, which
//! switches are off, what is held, and what was done how often. Then the cause is taken away, and the upgrade goes on.

use serde_json::{Value, json};

use crate::harness::{Case, case};
use crate::stack::{Plan, Stack, said};
use crate::whole::{NEW_ONLINE, OLD_ONLINE, assert_done, assert_never};

/// What must be so after a failure.
struct End {
    /// How the run ends: 2 failed, 7 something is held, 0 it goes on.
    exit: i32,
    /// The leaves of the first and of the second group.
    leaves: [&'static str; 2],
    /// The switches that stay off.
    off: &'static [&'static str],
    /// Effects, and how often they may have been.
    counts: &'static [(&'static str, usize)],
}

struct Row {
    fault: &'static str,
    arm: Value,
    variables: Value,
    end: End,
    /// What goes on when the cause is gone.
    then: Then,
}

#[derive(PartialEq)]
enum Then {
    /// It went on by itself, and all is done.
    Done,
    /// What is left is not stagger's to do.
    Nothing,
    /// Nothing stands against starting anew: the same gates as at first, and nothing is left over.
    Ready,
    /// The same command does it.
    Again,
    Resume,
}

const WHOLE: End = End {
    exit: 0,
    leaves: [NEW_ONLINE, NEW_ONLINE],
    off: &[],
    counts: &[],
};
const UNTOUCHED: End = End {
    exit: 2,
    leaves: [OLD_ONLINE, OLD_ONLINE],
    off: &[],
    counts: &[],
};

fn failing(fault: &'static str, arm: Value, variables: Value, end: End) -> Row {
    Row {
        fault,
        arm,
        variables,
        end,
        then: Then::Ready,
    }
}

/// The same, and the upgrade is done from there.
fn failing_then_again(fault: &'static str, arm: Value, variables: Value, end: End) -> Row {
    Row {
        then: Then::Again,
        ..failing(fault, arm, variables, end)
    }
}

fn survived(fault: &'static str, arm: Value, variables: Value, end: End) -> Row {
    Row {
        fault,
        arm,
        variables,
        end,
        then: Then::Done,
    }
}

pub(crate) fn outcome(command: &str, outcome: &str) -> Value {
    json!({"ops": {"ops_outcome_of": command, "ops_outcome": outcome}})
}

fn switch_rows() -> Vec<Row> {
    let quick = json!({"memsql_settle_timeout": 2});
    vec![
        failing(
            "a switch is not set, and Ops says so",
            outcome("memsql-update-config", "fail"),
            quick.clone(),
            UNTOUCHED,
        ),
        failing_then_again(
            "a switch is not set, and Ops says it is",
            outcome("memsql-update-config", "lie"),
            quick,
            UNTOUCHED,
        ),
        survived(
            "switches are set, and Ops says that they are not",
            outcome("memsql-update-config", "deny"),
            json!({}),
            WHOLE,
        ),
        // Whether it is under manual control Ops cannot be asked.
        Row {
            fault: "manual control is taken, and Ops says that it is not",
            arm: outcome("cluster-manual-control", "deny"),
            variables: json!({}),
            end: End {
                exit: 7,
                counts: &[("detach", 0), ("set", 0)],
                ..UNTOUCHED
            },
            then: Then::Nothing,
        },
        // It may have been switched all the same, so it is owed; nothing else was done.
        Row {
            fault: "manual control is refused",
            arm: outcome("cluster-manual-control", "fail"),
            variables: json!({}),
            end: End {
                exit: 7,
                ..UNTOUCHED
            },
            then: Then::Nothing,
        },
    ]
}

/// Of several switches and servers one is not set: those that were are put back.
fn switch_apart_rows() -> Vec<Row> {
    let quick = json!({"memsql_settle_timeout": 3});
    let of = "memsql-update-config leaf_failure_detection OFF";
    vec![
        failing(
            "one switch of three is not set, and Ops says it is",
            outcome(of, "lie"),
            quick.clone(),
            UNTOUCHED,
        ),
        failing(
            "a switch is not set at one aggregator of two",
            json!({"@child": {"ops_outcome_of": "memsql-update-config OFF", "ops_outcome": "fail"}}),
            quick,
            UNTOUCHED,
        ),
        failing(
            "a snapshot fails",
            json!({"master": {"snapshot_failures": 1}}),
            json!({}),
            End {
                counts: &[("detach", 0), ("snapshot", 0), ("set", 0)],
                ..UNTOUCHED
            },
        ),
    ]
}

fn detach_rows() -> Vec<Row> {
    let once = End {
        counts: &[("detach", 2)],
        ..WHOLE
    };
    vec![
        failing(
            "DETACH LEAF is refused",
            json!({"master": {"detach_refusals": 1}}),
            json!({}),
            End {
                counts: &[("detach", 0)],
                ..UNTOUCHED
            },
        ),
        survived(
            "DETACH LEAF is done, its answer lost",
            json!({"master": {"cut_after": "DETACH LEAF"}}),
            json!({}),
            End {
                counts: &[("detach", 2)],
                ..WHOLE
            },
        ),
        survived(
            "DETACH LEAF stands in the queue for longer than its answer is waited for",
            json!({"master": {"detach_waits_ms": 60_000}}),
            json!({"memsql_detach_timeout": 2}),
            End {
                counts: &[("detach", 2)],
                ..WHOLE
            },
        ),
        survived(
            "DETACH LEAF is done, its answer late",
            json!({"master": {"detach_hang_ms": 80_000}}),
            json!({"memsql_detach_timeout": 2}),
            once,
        ),
        failing(
            "slaves do not follow (I4)",
            json!({"leaf": {"replicates": false}, "master": {"detach_drains": false}}),
            json!({"memsql_caught_up_timeout": 3}),
            End {
                counts: &[("detach", 0)],
                ..UNTOUCHED
            },
        ),
        Row {
            fault: "a partition stays locked, which the operator must see to",
            arm: json!({"master": {"stays_locked": "s-1_0"}}),
            variables: json!({"memsql_settle_timeout": 3, "memsql_caught_up_timeout": 3}),
            end: End {
                counts: &[("detach", 1), ("memsql-stop", 0)],
                ..UNTOUCHED
            },
            then: Then::Nothing,
        },
    ]
}

fn stop_rows() -> Vec<Row> {
    let quick = json!({"memsql_settle_timeout": 4});
    let none_upgraded = End {
        counts: &[("detach", 1), ("upgraded", 0)],
        ..UNTOUCHED
    };
    vec![
        survived(
            "a leaf stops when it is given longer",
            json!({"leaf": {"stop_delay_ms": 40_000}}),
            json!({"memsql_stop_timeout": 2, "memsql_settle_timeout": 1, "memsql_attach_timeout": 30}),
            WHOLE,
        ),
        Row {
            fault: "a leaf does not stop in time, and does not answer meanwhile",
            arm: json!({"leaf": {"stop_delay_ms": 200_000}}),
            variables: json!({"memsql_stop_timeout": 1, "memsql_settle_timeout": 3, "memsql_start_timeout": 14}),
            end: End {
                exit: 7,
                leaves: ["detached -", OLD_ONLINE],
                off: HELD,
                counts: &[("detach", 1), ("upgraded", 0)],
            },
            then: Then::Resume,
        },
        failing(
            "Ops says that it stopped a leaf",
            outcome("memsql-stop", "lie"),
            quick.clone(),
            End {
                counts: &[("detach", 1), ("upgraded", 0)],
                ..UNTOUCHED
            },
        ),
        failing_then_again(
            "Ops does not stop a leaf",
            outcome("memsql-stop", "fail"),
            quick,
            none_upgraded,
        ),
        survived(
            "Ops stops a leaf and says that it did not",
            outcome("memsql-stop", "deny"),
            json!({}),
            WHOLE,
        ),
    ]
}

fn upgrade_rows() -> Vec<Row> {
    let back = End {
        counts: &[("detach", 1)],
        ..UNTOUCHED
    };
    vec![
        failing_then_again(
            "the upgrade is rolled back",
            json!({"ops": {"upgrade_outcome": "fail"}}),
            json!({}),
            back,
        ),
        failing(
            "the upgrade is rolled back, and Ops starts the leaf again",
            json!({"ops": {"upgrade_outcome": "fail", "rollback_starts": true}}),
            json!({}),
            End {
                counts: &[("detach", 1), ("attach", 1)],
                ..UNTOUCHED
            },
        ),
        failing(
            "the upgrade is not done, and Ops says it is",
            json!({"ops": {"upgrade_outcome": "lie"}}),
            json!({}),
            End {
                counts: &[("detach", 1)],
                ..UNTOUCHED
            },
        ),
        survived(
            "the upgrade is done, and Ops says it is not",
            json!({"ops": {"upgrade_outcome": "deny"}}),
            json!({}),
            WHOLE,
        ),
        survived(
            "Ops starts a leaf and says that it did not",
            outcome("memsql-start", "deny"),
            json!({}),
            WHOLE,
        ),
    ]
}

pub(crate) const HELD: &[&str] = &["master auto_attach"];

fn start_rows() -> Vec<Row> {
    let quick = json!({"memsql_start_timeout": 3});
    let gone = End {
        exit: 7,
        leaves: ["detached -", OLD_ONLINE],
        off: HELD,
        counts: &[("detach", 1), ("attach", 0)],
    };
    let stuck = End {
        exit: 7,
        leaves: ["detached 5.7.2", OLD_ONLINE],
        off: HELD,
        counts: &[("detach", 1), ("attach", 0)],
    };
    let resumed = |fault, arm, end| Row {
        fault,
        arm,
        variables: quick.clone(),
        end,
        then: Then::Resume,
    };
    vec![
        resumed(
            "a leaf does not start with the new program",
            json!({"leaf": {"start_exit": 3}}),
            gone,
        ),
        resumed(
            "a leaf does not get done with its recovery",
            json!({"leaf": {"recovery_ends": false}}),
            stuck,
        ),
        resumed(
            "Ops says that it started a leaf",
            outcome("memsql-start", "lie"),
            End {
                exit: 7,
                leaves: ["detached -", OLD_ONLINE],
                off: HELD,
                counts: &[("detach", 1), ("attach", 0)],
            },
        ),
    ]
}

fn attach_rows() -> Vec<Row> {
    let stays = End {
        exit: 7,
        leaves: ["detached 5.7.2", OLD_ONLINE],
        off: HELD,
        counts: &[("detach", 1), ("attach", 0)],
    };
    vec![
        survived(
            "ATTACH LEAF fails once",
            json!({"master": {"attach_failures": 1}}),
            json!({}),
            WHOLE,
        ),
        Row {
            fault: "ATTACH LEAF fails for diverged data",
            arm: json!({"master": {"attach_failures": 1_000}}),
            variables: json!({"memsql_settle_timeout": 4}),
            end: stays,
            then: Then::Resume,
        },
        survived(
            "ATTACH LEAF is done, its answer lost",
            json!({"master": {"cut_after": "ATTACH LEAF"}}),
            json!({}),
            End {
                counts: &[("attach", 2)],
                ..WHOLE
            },
        ),
    ]
}

fn restore_rows() -> Vec<Row> {
    let single = End {
        exit: 2,
        leaves: [NEW_ONLINE, OLD_ONLINE],
        off: &[],
        counts: &[("detach", 1)],
    };
    vec![
        survived(
            "a copy fails once",
            json!({"leaf": {"copy_failures": 1}}),
            json!({}),
            WHOLE,
        ),
        Row {
            fault: "every copy fails",
            arm: json!({"leaf": {"copy_failures": 10_000}}),
            variables: json!({}),
            end: single,
            then: Then::Resume,
        },
        survived(
            "RESTORE REDUNDANCY is done, its answer lost",
            json!({"master": {"cut_after": "RESTORE REDUNDANCY ON"}}),
            json!({}),
            WHOLE,
        ),
        survived(
            "copies take longer than is waited for an answer",
            json!({"leaf": {"copy_ms": 40_000}}),
            json!({"memsql_restore_timeout": 1, "memsql_caught_up_timeout": 20}),
            WHOLE,
        ),
        survived(
            "REBALANCE is done, its answer lost",
            json!({"master": {"cut_after": "REBALANCE PARTITIONS ON"}}),
            json!({}),
            WHOLE,
        ),
    ]
}

/// Judges a cluster by what its servers say.
fn judge(stack: &Stack, row: &Row, what: &str) {
    let end = &row.end;
    assert_eq!(
        [stack.leaf(0), stack.leaf(1)],
        end.leaves,
        "{}: leaves\n{what}",
        row.fault
    );
    assert_eq!(
        stack.off(),
        end.off,
        "{}: switches that are off\n{what}",
        row.fault
    );
    assert_eq!(
        stack.manual_control(),
        !end.off.is_empty(),
        "{}: manual control\n{what}",
        row.fault
    );
    for (effect, times) in end.counts {
        assert_eq!(
            stack.count(effect),
            *times,
            "{}: {effect}\n{what}",
            row.fault
        );
    }
    assert_never(stack, row.fault);
}

fn run(row: &Row) {
    let mut stack = Stack::up(&Plan::default());
    stack.arm(row.arm.clone());
    let output = stack.upgrade(&row.variables);
    let what = said(&output);
    assert_eq!(
        output.exit.to_string(),
        format!("exit code {}", row.end.exit),
        "{}: {what}",
        row.fault
    );
    judge(&stack, row, &what);
    if row.then == Then::Nothing {
        return;
    }
    if row.then != Then::Done {
        let names = row.arm.as_object().unwrap().keys();
        let nothing = names.map(|name| (name.clone(), Value::Null)).collect();
        stack.arm(Value::Object(nothing));
        if row.then == Then::Ready {
            assert_ready(&stack, row.fault);
            return;
        }
        let output = if row.then == Then::Again {
            stack.upgrade(&json!({"memsql_uneven_reason": "a run gave up"}))
        } else {
            if stack.leaf(0).starts_with("detached") {
                stack.mend(&stack.leaves[0]);
            }
            stack.resume()
        };
        assert!(output.is_ok(), "{}, then: {}", row.fault, said(&output));
    }
    assert_done(&stack, row.fault);
}

/// The cluster is as it was, nothing is left over, and every gate of the beginning lets it pass.
fn assert_ready(stack: &Stack, what: &str) {
    assert!(
        stack.missing().is_empty() && !stack.lock().exists(),
        "{what}: left over"
    );
    let preflight =
        stack.command("preflight roles/memsql/upgrade.yml -i inventory.yml --state state");
    let uneven = r#"{"memsql_uneven_reason": "a run gave up"}"#;
    let output = preflight.args(["-e", uneven]).output().unwrap();
    assert!(output.is_ok(), "{what}, then: {}", said(&output));
}

pub(crate) fn cases() -> Vec<Case> {
    let steps = [
        ("starting", start_rows()),
        ("stopping", stop_rows()),
        ("restoring", restore_rows()),
        ("attaching", attach_rows()),
        ("detaching", detach_rows()),
        ("upgrading", upgrade_rows()),
        ("switching", switch_rows()),
        ("beginning", switch_apart_rows()),
    ];
    let rows =
        (steps.into_iter()).flat_map(|(step, rows)| rows.into_iter().map(move |row| (step, row)));
    rows.map(|(step, row)| case(format!("ends: {step}: {}", row.fault), move || run(&row)))
        .collect()
}
