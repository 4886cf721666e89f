//! What is not known of the real thing is played both ways, and the upgrade comes to the same end.

use serde_json::{Value, json};

use crate::harness::{Case, case};
use crate::stack::{Called, Plan, Stack, said};
use crate::whole::assert_done;

/// Each fact that is not verified, as the simulators do not have it by themselves.
fn other_ways() -> Vec<(&'static str, Value)> {
    vec![
        (
            "as later versions show it",
            json!({"slave_word": "Replica", "later_columns": true, "null_latency": true,
                "detached_leaves_are_listed": false, "lists_itself_as_localhost": false,
                "knows_memsql_version": false, "knows_rebalance_status": false}),
        ),
        (
            "as Ops may be",
            json!({"ops_says_first": "Warning: [a list] of things\n", "ops_attaches": false,
                "auto_attach_after_absence": false, "upgrade_starts": true,
                "ops_names": {"@host2": "db2.example"}}),
        ),
        (
            "as replication may be",
            json!({"sync_replication": true, "old_follows_new": true, "attach_keeps_copies": true}),
        ),
        (
            "machines that Ops calls as only the inventory knows",
            json!({"ops_names": {"@host1": "db1.example", "@host2": "db2.example"}}),
        ),
        (
            "slaves that are a little behind",
            json!({"replication_lag_ms": 400}),
        ),
        (
            "a starting server that takes its time",
            json!({"start_delay_ms": 15_000, "recovery_ms": 15_000}),
        ),
        (
            "many partitions, heartbeats that are far apart",
            json!({"partitions_per_leaf": 16, "heartbeat_ms": 5_000, "heartbeats_missed": 4,
                "dead_leaf_wait_ms": 20_000}),
        ),
        (
            "plans that are made anew",
            json!({"compile_ms": 3_000, "promote_ms": 3_000}),
        ),
    ]
}

fn may_be(what: &str, switches: Value) {
    let stack = Stack::up(&Plan {
        switches,
        ..Plan::default()
    });
    let output = stack.upgrade(&json!({}));
    assert!(output.is_ok(), "{what}: {}", said(&output));
    assert_done(&stack, what);
}

/// Names that need quoting, several databases, all leaves of a group at once.
fn names_that_need_quoting() {
    let plan = Plan {
        groups: vec![1, 2, 1, 2],
        databases: vec!["a b", "it`s", "x_3"],
        ..Plan::default()
    };
    let stack = Stack::up(&plan);
    let output = stack.upgrade(&json!({"memsql_leaves_at_once": "all"}));
    assert!(output.is_ok(), "{}", said(&output));
    assert_done(&stack, "names that need quoting");
}

/// Leaves of a pair on one machine: it is told, and goes on.
fn a_pair_on_one_machine() {
    let stack = Stack::up(&Plan {
        hosts: vec![0, 0],
        ..Plan::default()
    });
    let output = stack.upgrade(&json!({}));
    assert!(output.is_ok(), "{}", said(&output));
    let told = format!("{}{}", output.out, output.err);
    assert!(
        told.contains("when that machine fails, so do both copies"),
        "not told: {told}"
    );
    assert_done(&stack, "a pair on one machine");
}

/// Hosts with addresses of IPv6, or with names: in lists, statements, links of agents, and what the canary connects to.
fn hosts_are_called(called: Called) {
    let stack = Stack::up(&Plan {
        called,
        ..Plan::default()
    });
    let heard = stack.file("heard");
    let hook = format!(
        "echo {{{{ (memsql_aggregator | default({{}})).address | default('') }}}} >>{}",
        heard.display()
    );
    let output = stack.upgrade(&json!({"memsql_drain": hook, "memsql_undrain": ""}));
    assert!(output.is_ok(), "{called:?}: {}", said(&output));
    assert_done(&stack, "hosts");
    let heard = lab::files::read(&heard).unwrap();
    let told = [stack.child.to_string(), stack.master.to_string()];
    assert_eq!(heard.lines().collect::<Vec<_>>(), told, "{called:?}");
}

pub(crate) fn cases() -> Vec<Case> {
    let pair = case("variants: a pair on one machine", a_pair_on_one_machine);
    let names = case("variants: names that need quoting", names_that_need_quoting);
    let others = other_ways()
        .into_iter()
        .map(|(what, switches)| case(format!("variants: {what}"), move || may_be(what, switches)));
    let called = [
        ("addresses of IPv6", Called::Ipv6),
        ("names", Called::Names),
    ];
    let called = called.map(|(what, called)| {
        case(format!("variants: hosts with {what}"), move || {
            hosts_are_called(called);
        })
    });
    [names, pair]
        .into_iter()
        .chain(called)
        .chain(others)
        .collect()
}
