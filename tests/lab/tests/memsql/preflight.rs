//! What stands against an upgrade is found before anything is touched: each row a fault, and the words of the gate that
//! must catch it. Nothing may have been done to the cluster then.

use serde_json::{Value, json};

use crate::harness::{Case, case};
use crate::servers::OLD;
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
            "P3: Ops leaves a node alone",
            |stack| {
                let id = stack.id(&stack.leaves[0]).unwrap();
                stack.must(&format!("memsql-unmonitor {id}"));
            },
            "Ops monitors 3 of 4 nodes",
            |stack| {
                let at = &stack.leaves[0];
                stack.must(&format!("memsql-monitor -h {} --port {}", at.host, at.port));
            },
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

/// What stands with the child aggregator against it.
fn rows_of_the_child() -> Vec<Row> {
    vec![
        row(
            "an aggregator does not tell its switches",
            |stack| stack.arm(json!({"@child": {"refuses": "SHOW VARIABLES"}})),
            "the variables of",
            |stack| stack.arm(json!({"@child": null})),
        ),
        row(
            "P9: an aggregator does not tell what runs",
            |stack| stack.arm(json!({"@child": {"refuses": "SELECT ID, USER"}})),
            "what runs on",
            |stack| stack.arm(json!({"@child": null})),
        ),
        row(
            "P6: several old versions run",
            |stack| {
                let version = "5.6.3";
                let file = stack.file(&format!("memsqlbin_amd64-{version}.tar.gz"));
                lab::files::write(&file, format!("{version}\n"), 0o644).unwrap();
                stack.must(&format!("file-add --no-prompt {}", file.display()));
                stack.arm(json!({"old_reads_new": true}));
                child_runs(stack, version);
            },
            "several old versions run: 5.5.12, 5.6.3",
            |stack| {
                child_runs(stack, OLD);
                stack.arm(json!({"old_reads_new": null}));
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

/// Another version runs on the child aggregator, and all are connected again.
fn child_runs(stack: &Stack, version: &str) {
    let id = stack.id(&stack.child).unwrap();
    stack.must(&format!(
        "memsql-upgrade --memsql-id {id} --no-prompt --skip-snapshot --no-backup-data-directories --skip-version-check --version {version}"
    ));
    stack.until("it takes part again", || {
        let list = stack.ops("memsql-list --json").out;
        stack.version(&stack.child) == version && list.matches("\"CONNECTED\"").count() == 4
    });
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

/// A long statement, or a backup, runs beside it; what stands in the queue behind that runs too. Each is told, with where it
/// runs.
fn runs_beside_it(statements: &[(&str, &str)], long_seconds: u64) {
    let stack = Stack::up(&Plan {
        switches: json!({"backup_ms": 600_000, "alter_ms": 600_000}),
        ..Plan::default()
    });
    let quick = json!({"memsql_long_statement": long_seconds, "memsql_gate_timeout": 3});
    let at = |part: &str| match part {
        "child" => &stack.child,
        _ => &stack.master,
    };
    std::thread::scope(|scope| {
        let mut all = Vec::new();
        for (part, statement) in statements {
            let (stack, at) = (&stack, at(part));
            all.push(scope.spawn(move || stack.say(at, statement)));
            lab::clock::pause(std::time::Duration::from_millis(1_500));
        }
        let last = all.iter().all(|one| !one.is_finished());
        assert!(last, "{statements:?}: they do not last");
        let before = stack.effects().len();
        let output = stack.upgrade(&quick);
        let text = format!("{}{}", output.out, output.err);
        for (part, statement) in statements {
            let told = format!("on {} `{statement}` has been running", at(part));
            assert!(
                !output.is_ok() && text.contains(&told),
                "{told}: {}",
                said(&output)
            );
        }
        stack.assert_untouched(before, "beside statements");
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
            let mut rows = rows_of_the_child();
            rows.extend(variable_rows());
            found_before_anything_is_touched(&rows);
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
            let sleep = "SELECT SLEEP(60)";
            runs_beside_it(&[("master", sleep), ("child", sleep)], 1);
        }),
        case(
            "preflight: P9: a backup, a rebalance and copies run beside it",
            || {
                let backup = "BACKUP DATABASE `s-1` TO '/x'";
                let rebalance = "REBALANCE PARTITIONS ON `s-1`";
                let restore = "RESTORE REDUNDANCY ON `s-1`";
                runs_beside_it(
                    &[backup, rebalance, restore].map(|text| ("master", text)),
                    60,
                );
            },
        ),
        case("preflight: P9: a table is changed beside it", || {
            let alter = "ALTER TABLE `s-1`.t ADD COLUMN m BIGINT";
            runs_beside_it(&[("master", alter)], 60);
        }),
        case("preflight: P5: three leaves", move || {
            of_another_form(&three_leaves, "there are two availability groups, paired");
        }),
        case("preflight: one aggregator", move || {
            of_another_form(&one_aggregator, "is the only aggregator");
        }),
    ]
}
