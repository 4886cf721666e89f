//! How long the first read behind each node took, when every statement is planned anew: the report tells it, for aggregators
//! and for leaves, which are read where they lead for the first time.

use serde_json::{Value, json};

use crate::harness::{Case, case};
use crate::stack::{Plan, Stack, said};
use crate::whole::assert_done;

/// How long planning a statement takes, as the clock goes here.
const COMPILE_MS: f64 = 300.0;

fn the_report_tells_the_first_reads() {
    let stack = Stack::up(&Plan {
        switches: json!({"compile_ms": 3_000}),
        ..Plan::default()
    });
    let output = stack.upgrade(&json!({}));
    assert!(output.is_ok(), "{}", said(&output));
    assert_done(&stack, "slow plans");
    let report = |form: &str| {
        let line = format!("report --state state --format {form}");
        stack.command(&line).output().unwrap().out
    };
    let json: Value = serde_json::from_str(&report("json")).unwrap();
    let figure = &json["figures"][0];
    assert_eq!(figure["name"], json!("first_reads_after_each_node"));
    let reads = figure["value"].as_array().unwrap();
    let of = |node: &str, behind: &str| {
        let found = reads.iter().find(|read| {
            let text = read["behind"].as_str().unwrap_or_default();
            read["node"] == json!(node) && text.starts_with(behind)
        });
        let found = found.unwrap_or_else(|| panic!("{node} {behind}: {figure:#}"));
        let ms = |name: &str| found[name].as_f64().unwrap();
        (ms("first_ms"), ms("second_ms"), found["through"].clone())
    };
    let [one, two] = [&stack.leaves[0], &stack.leaves[1]].map(ToString::to_string);
    let (master, child) = (stack.master.to_string(), stack.child.to_string());
    // The upgraded leaf of the first group leads when its pair goes, that of the second when masters are spread.
    for (node, behind, through) in [
        (one.as_str(), format!("DETACH LEAF {two}"), &child),
        ("all leaves", "REBALANCE".to_owned(), &child),
        (child.as_str(), "its start".to_owned(), &child),
        (master.as_str(), "its start".to_owned(), &master),
    ] {
        let (first, second, by) = of(node, &behind);
        assert!(
            first >= COMPILE_MS && second < COMPILE_MS,
            "{node}, {behind}: {first} ms, then {second} ms"
        );
        assert_eq!(by, json!(through), "{node}");
    }
    for form in ["text", "markdown", "html"] {
        let page = report(form);
        let told = page.contains("First reads after each node")
            && page.contains(&format!("node: {one}, behind: DETACH LEAF {two}"));
        assert!(told, "{form}: {page}");
    }
}

pub(crate) fn cases() -> Vec<Case> {
    vec![case(
        "latency: the report tells the first reads behind each node",
        the_report_tells_the_first_reads,
    )]
}
