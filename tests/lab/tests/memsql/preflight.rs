//! What stands against an upgrade is found before anything is touched: each row a fault, and the words of the gate that
//! must catch it. Nothing may have been done to the cluster then.

use serde_json::{Value, json};

use crate::harness::{Case, case};
use crate::stack::{Plan, Stack, node, said};

/// A fault, and who catches it.
struct Row {
    fault: &'static str,
    arm: fn(&mut Stack),
    variables: Value,
    says: &'static str,
    /// How it ends, where that is its own.
    exit: Option<i32>,
    /// What is done to put the cluster right for the next row.
    disarm: fn(&mut Stack),
}

fn row(
    fault: &'static str,
    arm: fn(&mut Stack),
    says: &'static str,
    disarm: fn(&mut Stack),
) -> Row {
    Row {
        fault,
        arm,
        variables: json!({}),
        says,
        exit: None,
        disarm,
    }
}

fn with(fault: &'static str, variables: Value, says: &'static str) -> Row {
    Row {
        variables,
        ..row(fault, |_| (), says, |_| ())
    }
}

fn nothing(_: &mut Stack) {}

fn ops_rows() -> Vec<Row> {
    vec![
        row(
            "P1: Ops is too old",
            |stack| stack.arm(json!({"ops_version": "5.6.9"})),
            "upgrading node by node needs at least 5.7.0",
            |stack| stack.arm(json!({"ops_version": null})),
        ),
        row(
            "P10: Ops cannot upgrade one node",
            |stack| stack.arm(json!({"upgrade_takes_id": false})),
            "does not know `--memsql-id`",
            |stack| stack.arm(json!({"upgrade_takes_id": null})),
        ),
        row(
            "P3: Ops shows two master aggregators",
            |stack| stack.arm(json!({"ops_shows_role": "MASTER"})),
            "Ops names several master aggregators",
            |stack| stack.arm(json!({"ops_shows_role": null})),
        ),
        row(
            "P4: Ops knows a machine by a name that nobody has given",
            |stack| stack.arm(json!({"ops_names": {"@host2": "elsewhere.example"}})),
            "elsewhere.example",
            |stack| stack.arm(json!({"ops_names": null})),
        ),
        row(
            "Ops ends in the middle of its JSON",
            |stack| stack.arm(json!({"ops_tears_json": true})),
            "no list in its answer",
            |stack| stack.arm(json!({"ops_tears_json": null})),
        ),
    ]
}

fn cluster_rows() -> Vec<Row> {
    vec![
        row(
            "P5: redundancy is 1",
            |stack| stack.sql("SET @@GLOBAL.redundancy_level = 1"),
            "redundancy_level is 1, not 2",
            |stack| stack.sql("SET @@GLOBAL.redundancy_level = 2"),
        ),
        row(
            "a switch is off that nobody has explained",
            |stack| stack.sql("SET @@GLOBAL.auto_attach = OFF"),
            "auto_attach is off on",
            |stack| stack.sql("SET @@GLOBAL.auto_attach = ON"),
        ),
        row(
            "P8: a database comes from another cluster",
            |stack| stack.sql("CREATE DATABASE sharding_1a2b PARTITIONS 2"),
            "sharding_1a2b is replicated from another cluster",
            |stack| stack.sql("DROP DATABASE sharding_1a2b"),
        ),
        row(
            "P6: a leaf is detached",
            |stack| {
                stack.sql("SET @@GLOBAL.auto_attach = OFF");
                stack.must("cluster-manual-control --enable");
                stack.sql(&format!("DETACH LEAF {}", node(&stack.leaves[1])));
            },
            "is detached, not online",
            nothing,
        ),
        row(
            "P7: a partition has one copy",
            |stack| {
                stack.sql(&format!(
                    "ATTACH LEAF {} NO REBALANCE",
                    node(&stack.leaves[1])
                ));
            },
            "has 0 slaves, not one",
            |stack| stack.sql("RESTORE REDUNDANCY ON `s-1`"),
        ),
        row(
            "P7: masters are not spread evenly, and nothing was begun",
            nothing,
            "REBALANCE PARTITIONS ON these first",
            |stack| {
                stack.sql("REBALANCE PARTITIONS ON `s-1`");
                stack.sql("SET @@GLOBAL.auto_attach = ON");
                stack.must("cluster-manual-control --disable");
            },
        ),
    ]
}

fn variable_rows() -> Vec<Row> {
    vec![
        row(
            "P6: the file is on one agent only",
            |stack| stack.arm(json!({"ops_files_on": 1})),
            "has no file of 5.7.2",
            |stack| stack.arm(json!({"ops_files_on": null})),
        ),
        with(
            "P6: Ops has no such file",
            json!({"memsql_version": "5.9.1"}),
            "Ops has no file of 5.9.1",
        ),
        with(
            "6.0 is another procedure",
            json!({"memsql_version": "6.0.5"}),
            "6.0.5",
        ),
        with("a step back", json!({"memsql_version": "5.5.8"}), "5.5.8"),
        with(
            "no backup",
            json!({"memsql_backup": ""}),
            "say where the backup is",
        ),
        with(
            "no number of leaves",
            json!({"memsql_leaves_at_once": "two"}),
            "memsql_leaves_at_once must be a number from 1 on",
        ),
        with(
            "no leaf at once",
            json!({"memsql_leaves_at_once": "0"}),
            "memsql_leaves_at_once must be a number from 1 on",
        ),
        with(
            "no aggregator at once",
            json!({"memsql_aggregators_at_once": 0}),
            "memsql_aggregators_at_once must be",
        ),
        with(
            "not enough room",
            json!({"memsql_room": 1e12}),
            "copies its data anew",
        ),
        // No leaf is away that would stand against it first.
        Row {
            exit: Some(5),
            ..row(
                "I11: somebody else works on the cluster",
                |stack| {
                    lab::files::make_directory(&stack.lock()).unwrap();
                    lab::files::write(&stack.lock().join("owner"), "elsewhere 12ab", 0o600)
                        .unwrap();
                },
                "elsewhere 12ab works on this cluster",
                |stack| {
                    lab::files::remove(&stack.lock().join("owner")).unwrap();
                    std::fs::remove_dir(stack.lock()).unwrap();
                },
            )
        },
    ]
}

fn judge(stack: &mut Stack, row: &Row) {
    (row.arm)(stack);
    let before = stack.effects().len();
    let output = stack.upgrade(&row.variables);
    let text = format!("{}{}", output.out, output.err);
    assert!(
        !output.is_ok() && text.contains(row.says),
        "{}: {}",
        row.fault,
        said(&output)
    );
    if let Some(exit) = row.exit {
        let ended = output.exit.to_string();
        assert_eq!(ended, format!("exit code {exit}"), "{}", row.fault);
    }
    stack.assert_untouched(before, row.fault);
    (row.disarm)(stack);
}

fn found_before_anything_is_touched(rows: &[Row]) {
    let mut stack = Stack::up(&Plan::default());
    for row in rows {
        judge(&mut stack, row);
    }
    // With all of it taken away again, nothing is found.
    let before = stack.effects().len();
    let output = stack
        .command("preflight roles/memsql/upgrade.yml -i inventory.yml --state state")
        .output()
        .unwrap();
    assert!(output.is_ok(), "{}", said(&output));
    stack.assert_untouched(before, "preflight");
}

fn an_agent_is_away() {
    let mut stack = Stack::up(&Plan::default());
    stack.lose_agent();
    judge(
        &mut stack,
        &row("P2: an agent is away", nothing, "is OFFLINE", nothing),
    );
}

/// A long statement, or a backup, runs beside it.
fn runs_beside_it(statement: &str, says: &str) {
    let stack = Stack::up(&Plan {
        switches: json!({"backup_ms": 600_000, "alter_ms": 600_000}),
        ..Plan::default()
    });
    let quick = json!({"memsql_long_statement": 1, "memsql_gate_timeout": 3});
    std::thread::scope(|scope| {
        let long = scope.spawn(|| stack.say(&stack.master, statement));
        lab::clock::pause(std::time::Duration::from_millis(1_500));
        assert!(!long.is_finished(), "{statement}: it does not last");
        let before = stack.effects().len();
        let output = stack.upgrade(&quick);
        let text = format!("{}{}", output.out, output.err);
        assert!(
            !output.is_ok() && text.contains(says),
            "{statement}: {}",
            said(&output)
        );
        stack.assert_untouched(before, statement);
    });
}

fn of_another_form(plan: &Plan, says: &str) {
    judge_as_it_is(&Stack::up(plan), says);
}

/// What stands against an upgrade from the beginning on.
fn judge_as_it_is(stack: &Stack, says: &str) {
    let before = stack.effects().len();
    let output = stack.upgrade(&json!({}));
    let text = format!("{}\n{}", output.out, output.err);
    // The words may also be those of a step that was passed.
    let mut lines = text.lines();
    let is_it = |line: &str| line.contains(says) && !line.contains(" ok ");
    assert!(
        !output.is_ok() && lines.any(is_it),
        "{says}: {}",
        said(&output)
    );
    stack.assert_untouched(before, says);
}

/// Somebody has begun by hand, and let the upgraded leaf lead what older ones hold.
fn an_old_leaf_follows_a_new_one() {
    let stack = Stack::up(&Plan {
        switches: json!({"old_follows_new": true}),
        ..Plan::default()
    });
    let at = &stack.leaves[0];
    stack.must("cluster-manual-control --enable");
    stack.sql("SET @@GLOBAL.auto_attach = OFF");
    stack.sql(&format!("DETACH LEAF {}", node(at)));
    stack.mend(at);
    stack.sql(&format!("ATTACH LEAF {} NO REBALANCE", node(at)));
    stack.sql("RESTORE REDUNDANCY ON `s-1`");
    stack.sql("REBALANCE PARTITIONS ON `s-1`");
    stack.sql("SET @@GLOBAL.auto_attach = ON");
    stack.must("cluster-manual-control --disable");
    judge_as_it_is(&stack, "is copied from 5.7.2 on");
}

/// A machine of the cluster that the inventory does not have could not be looked at.
fn a_machine_is_not_in_the_inventory() {
    let stack = Stack::up(&Plan::default());
    let text = lab::files::read(&stack.file("inventory.yml")).unwrap();
    let lines = text
        .lines()
        .filter(|line| !line.trim_start().starts_with("m2:"));
    let without = lines.collect::<Vec<_>>().join("\n");
    lab::files::write(&stack.file("inventory.yml"), without, 0o600).unwrap();
    judge_as_it_is(&stack, "is on no host of the inventory");
}

pub(crate) fn cases() -> Vec<Case> {
    let three_leaves = Plan {
        groups: vec![1, 2, 1],
        ..Plan::default()
    };
    let one_aggregator = Plan {
        children: 0,
        ..Plan::default()
    };
    vec![
        case("preflight: what is wrong with the cluster is found", || {
            found_before_anything_is_touched(&cluster_rows());
        }),
        case("preflight: what is wrong with the request is found", || {
            found_before_anything_is_touched(&variable_rows());
        }),
        case("preflight: what is wrong with Ops is found", || {
            found_before_anything_is_touched(&ops_rows());
        }),
        case("preflight: P2: an agent is away", an_agent_is_away),
        case(
            "preflight: I10: an old leaf follows a new one",
            an_old_leaf_follows_a_new_one,
        ),
        case(
            "preflight: a machine is not in the inventory",
            a_machine_is_not_in_the_inventory,
        ),
        case("preflight: P9: a long statement runs beside it", || {
            runs_beside_it("SELECT SLEEP(60)", "SELECT SLEEP(60)");
        }),
        case("preflight: P9: a backup runs beside it", || {
            runs_beside_it("BACKUP DATABASE `s-1` TO '/x'", "BACKUP");
        }),
        case("preflight: P9: a table is changed beside it", || {
            runs_beside_it("ALTER TABLE `s-1`.t ADD COLUMN m BIGINT", "ALTER TABLE");
        }),
        case("preflight: P5: three leaves", move || {
            of_another_form(&three_leaves, "there are two availability groups, paired");
        }),
        case("preflight: one aggregator", move || {
            of_another_form(&one_aggregator, "is the only aggregator");
        }),
    ]
}
