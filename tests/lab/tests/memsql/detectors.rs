//! Each gate taken away: then the fault that it stands against is done, and the oracle that watches the servers, or what
//! they count, tells. With all gates in place, and no fault, nothing tells anything.

use lab::files;
use lab::load::memsql::{self as load, Options as LoadOptions};
use serde_json::{Value, json};

use crate::harness::{Case, case};
use crate::stack::{PASSWORD, Plan, Stack, said};
use crate::whole::{assert_done, assert_nested};

struct Row {
    gate: &'static str,
    /// What is changed in the role's files: file, from, to; all places at once.
    away: &'static [(&'static str, &'static str, &'static str)],
    arm: Value,
    variables: Value,
    /// Tells whether the detector has fired.
    fired: fn(&Stack, &Value) -> bool,
}

fn number(report: &Value, name: &str) -> u64 {
    report[name].as_u64().unwrap_or(0)
}

fn breached(report: &Value, invariant: &str) -> bool {
    report["breaches"].to_string().contains(invariant)
}

const UPGRADE: &str = "roles/memsql/upgrade_servers.yml";
const LEAF_SET: &str = "roles/memsql/tasks/leaf_set.yml";
const LEAF_JUDGE: &str = "roles/memsql/tasks/leaf_judge.yml";
const AGGREGATOR_SET: &str = "roles/memsql/tasks/aggregator_set.yml";
/// The line by which both see that what was switched off is off.
const STILL_ON: &str = "    - still_on == []\n";

fn rows_of_slaves() -> Vec<Row> {
    vec![
        Row {
            gate: "slaves have caught up before a leaf goes: else clients wait for them (stall)",
            away: &[(
                LEAF_JUDGE,
                "    leaves: [\"{{ memsql_leaf }}\"]\n",
                "    leaves: []\n",
            )],
            // Longer than the cluster waits for a slave in a detach, so that it does not matter when they last followed.
            arm: json!({"replication_lag_ms": 4_000_000}),
            variables: json!({"memsql_detach_timeout": 60}),
            fired: |_, report| number(report, "longest_stall_ms") > 5_000,
        },
        Row {
            gate: "slaves have caught up before a leaf goes: else what they lack is gone (lost writes)",
            away: &[(
                LEAF_JUDGE,
                "    leaves: [\"{{ memsql_leaf }}\"]\n",
                "    leaves: []\n",
            )],
            arm: json!({"leaf": {"replicates": false}, "master": {"detach_drains": false}}),
            variables: json!({"memsql_caught_up_timeout": 6}),
            fired: |stack, report| {
                let behind = |one: &Value| one["detail"]["behind"].as_u64() > Some(0);
                number(report, "lost_writes") > 0 && stack.effects().iter().any(behind)
            },
        },
    ]
}

/// Each place that asks whether the copies of the first group are there again, before the second one goes.
fn rows_between_groups() -> Vec<Row> {
    vec![Row {
        gate: "copies are made and waited for between the groups: else the last ones go (I2)",
        away: &[
            (
                LEAF_SET,
                "include_tasks: leaf_restore.yml",
                "include_tasks: look.yml",
            ),
            (
                "roles/memsql/tasks/leaf_attach_again.yml",
                "include_tasks: leaf_restore.yml",
                "include_tasks: look.yml",
            ),
            (
                LEAF_SET,
                "    - begun or memsql_cluster.redundancy.ok\n",
                "",
            ),
            (
                LEAF_SET,
                "    - begun or memsql_cluster.restore | dict2items | rejectattr('value', 'equalto', 0) | list | length == 0\n",
                "",
            ),
            (
                LEAF_SET,
                "    - begun or memsql_cluster.detach[memsql_set | first].ok\n",
                "",
            ),
            (
                LEAF_JUDGE,
                "    - past or memsql_cluster.detach[memsql_leaf].ok\n",
                "",
            ),
            (LEAF_JUDGE, "memsql_cluster.detach[memsql_leaf].ok and ", ""),
            (
                LEAF_JUDGE,
                "    leaves: [\"{{ memsql_leaf }}\"]\n",
                "    leaves: []\n",
            ),
        ],
        arm: json!({}),
        variables: json!({"memsql_settle_timeout": 3}),
        fired: |_, report| breached(report, "I2") && number(report, "failed_requests") > 0,
    }]
}

fn rows_of_what_acts_by_itself() -> Vec<Row> {
    vec![
        Row {
            gate: "attached leaves lead nothing: else older leaves follow newer ones (I10)",
            away: &[("templates/memsql/attach_leaf.sql.j2", " NO REBALANCE", "")],
            arm: json!({}),
            variables: json!({}),
            fired: |_, report| breached(report, "I10"),
        },
        Row {
            gate: "detached leaves are not attached by themselves (effect auto-attach)",
            away: &[
                (
                    UPGRADE,
                    "found: memsql_cluster.switches.auto_attach",
                    "found: '[]'",
                ),
                (LEAF_SET, STILL_ON, ""),
            ],
            arm: json!({"recovery_ms": 10_000}),
            // The run is not to be quicker than the cluster.
            variables: json!({"memsql_poll": 2}),
            fired: |stack, _| stack.count("auto-attach") > 0,
        },
        Row {
            gate: "Ops starts and attaches nothing by itself (effects ops-started, ops-attached)",
            away: &[],
            arm: json!({"ops_start_after_ms": 100, "ops_monitor_ms": 300, "recovery_ms": 10_000}),
            variables: json!({"memsql_manual_control": false}),
            fired: |stack, _| stack.count("ops-attached") + stack.count("ops-started") > 0,
        },
    ]
}

fn rows_of_aggregators() -> Vec<Row> {
    vec![
        Row {
            gate: "failures are not detected by themselves (effect aggregator-offline)",
            away: &[
                (
                    UPGRADE,
                    "found: memsql_cluster.switches.failure_detection",
                    "found: '[]'",
                ),
                (LEAF_SET, STILL_ON, ""),
                (AGGREGATOR_SET, STILL_ON, ""),
            ],
            arm: json!({"start_delay_ms": 30_000, "heartbeats_missed": 5}),
            variables: json!({}),
            fired: |stack, _| stack.count("aggregator-offline") > 0,
        },
        Row {
            gate: "the master aggregator comes last (I6)",
            away: &[
                (UPGRADE, "tasks_from: aggregators\n", "tasks_from: later\n"),
                (UPGRADE, "tasks_from: master\n", "tasks_from: aggregators\n"),
                (UPGRADE, "tasks_from: later\n", "tasks_from: master\n"),
                (
                    AGGREGATOR_SET,
                    "    - begun or memsql_set | map('extract', memsql_cluster.aggregator) | rejectattr('ok') | list | length == 0\n",
                    "",
                ),
            ],
            arm: json!({"start_delay_ms": 20_000}),
            variables: json!({}),
            fired: |_, report| breached(report, "I6 the master aggregator comes last"),
        },
        Row {
            gate: "clients leave an aggregator before it stops (failed requests)",
            away: &[],
            arm: json!({"start_delay_ms": 20_000}),
            variables: json!({"memsql_drain": "", "memsql_undrain": ""}),
            fired: |_, report| {
                number(report, "failed_requests") + number(report, "excused_requests") > 0
            },
        },
    ]
}

/// Upgrades under load; returns what the oracle says, and how the upgrade ended.
pub(crate) fn watched(stack: &mut Stack, variables: &Value) -> (Value, lab::command::Output) {
    files::write(&stack.file("password"), PASSWORD, 0o600).unwrap();
    files::write(&stack.file("drained"), "", 0o644).unwrap();
    let options = LoadOptions {
        aggregators: stack.aggregators().into_iter().cloned().collect(),
        aggregators_at_once: variables["memsql_aggregators_at_once"]
            .as_u64()
            .map_or(1, |count| count.try_into().unwrap()),
        rate: 60,
        databases: vec!["s-1".to_owned()],
        deadline_ms: 10_000,
        gap_ms: 1_000,
        drain_file: Some(stack.file("drained")),
        user: "root".to_owned(),
        password: Some(stack.file("password")),
        tls: false,
        seconds: None,
        stop_file: None,
        ready_file: Some(stack.file("ready")),
        json: None,
        prepare_only: false,
    };
    let (end, ended) = tokio::sync::oneshot::channel::<()>();
    std::thread::scope(|scope| {
        let loading = scope.spawn(|| {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build();
            let judged = runtime
                .unwrap()
                .block_on(load::judge(options, async move { drop(ended.await) }));
            judged.unwrap().unwrap()
        });
        stack.until("the load has begun", || stack.file("ready").exists());
        let output = stack.upgrade(variables);
        // What is said of the copies in the end is said of slaves that may follow again.
        stack.arm(json!({"replication_lag_ms": null, "leaf": null, "master": null}));
        end.send(()).unwrap();
        (loading.join().unwrap(), output)
    })
}

fn without_its_gate(row: &Row) {
    let mut stack = Stack::up(&Plan::default());
    let init = stack.command("init memsql").output().unwrap();
    // The case has an inventory of its own.
    assert!(stack.file("roles").is_dir(), "{}", said(&init));
    for (file, from, to) in row.away {
        let text = files::read(&stack.file(file)).unwrap();
        assert!(text.contains(from), "{file} does not have {from}");
        files::write(&stack.file(file), text.replace(from, to), 0o644).unwrap();
    }
    stack.arm(row.arm.clone());
    let (report, output) = watched(&mut stack, &row.variables);
    assert!(
        (row.fired)(&stack, &report),
        "nobody saw: {}\n{report:#}\n{}",
        row.gate,
        said(&output)
    );
}

fn with_all_gates_nothing_fires() {
    let mut stack = Stack::up(&Plan::default());
    let (report, output) = watched(&mut stack, &json!({"memsql_drain_wait": 1}));
    assert!(output.is_ok(), "{}", said(&output));
    assert_eq!(report["ok"], json!(true), "{report:#}");
    assert_done(&stack, "under load");
    assert_nested(&stack.effects(), "under load");
}

pub(crate) fn cases() -> Vec<Case> {
    let all = case(
        "detectors: with all gates nothing fires",
        with_all_gates_nothing_fires,
    );
    let rows = [
        rows_of_slaves(),
        rows_between_groups(),
        rows_of_what_acts_by_itself(),
        rows_of_aggregators(),
    ];
    let without = rows.into_iter().flatten().map(|row| {
        case(format!("detectors: {}", row.gate), move || {
            without_its_gate(&row);
        })
    });
    without.chain([all.timed()]).collect()
}
