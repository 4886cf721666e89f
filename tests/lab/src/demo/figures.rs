//! What the report of every demonstration has, whichever cluster it is of, so that whoever reads one can read the other:
//! figures that do not apply are 0, empty or null. Pure; called by both demonstrations when all is looked at.

use serde_json::{Map, Value, json};

/// How much longer than the databases need a run may take.
const RATIO_LIMIT: f64 = 1.10;

/// The figures that one of the two clusters has and the other does not.
fn not_of_both() -> Value {
    json!({
        "failed_elsewhere": 0, "gap_requests_elsewhere": 0, "excused_requests": 0, "unsettled": [],
        "replication": null, "replication_off_ms": 0, "maintenance_ms": 0, "maintenance_left_on": false,
        "agency_leaderless_ms": 0, "agency_longest_leaderless_ms": 0,
        "moves_s": 0.0, "maintenance_s": 0.0, "leaders": null, "starter_options": null,
        "leaves": 0, "aggregators": 0,
    })
}

/// Adds what a report does not have, and how the time that was taken compares to the least.
pub(super) fn complete(report: &mut Value) {
    let Value::Object(report) = report else {
        return;
    };
    if let Value::Object(more) = not_of_both() {
        for (name, value) in more {
            report.entry(name).or_insert(value);
        }
    }
    let ratio = ratio(report);
    report.insert("ratio".to_owned(), json!(ratio));
    report.insert("slow".to_owned(), json!(is_slow(report, ratio)));
}

/// Takes `ok` from a report of a run that took too long.
pub(super) fn must_be_quick(report: &mut Value) {
    if let Value::Object(report) = report
        && report.get("slow") != Some(&json!(false))
    {
        report.insert("ok".to_owned(), json!(false));
    }
}

fn number(report: &Map<String, Value>, name: &str) -> Option<f64> {
    report.get(name).and_then(Value::as_f64)
}

fn ratio(report: &Map<String, Value>) -> Option<f64> {
    let least = number(report, "lower_bound_s").filter(|least| *least > 0.0)?;
    Some((number(report, "wall_s")? / least * 1_000.0).round() / 1_000.0)
}

/// Only where timers are as in the field: scaled ones leave what the tool itself takes as it is.
fn is_slow(report: &Map<String, Value>, ratio: Option<f64>) -> bool {
    let is_real = number(report, "factor").is_some_and(|factor| factor >= 1.0);
    is_real && ratio.is_none_or(|ratio| ratio > RATIO_LIMIT)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// The names that a source file puts into reports.
    fn named(source: &str) -> BTreeSet<String> {
        let source = source.split("#[cfg(test)]").next().unwrap_or_default();
        let is_of_report = |line: &&str| {
            let indent = line.len() - line.trim_start().len();
            matches!(indent, 8 | 12)
        };
        let lines = source.lines().filter(is_of_report).map(str::trim_start);
        let names = lines.filter_map(|line| {
            let (name, rest) = line.strip_prefix('"')?.split_once('"')?;
            rest.starts_with(':').then(|| name.to_owned())
        });
        names.collect()
    }

    #[test]
    fn both_reports_have_the_same_keys() {
        let common = include_str!("../load/tally.rs");
        let of = |sources: [&str; 2]| -> BTreeSet<String> {
            let mut all = named(common);
            all.extend(sources.into_iter().flat_map(named));
            // Of servers, in a list.
            for name in [
                "id",
                "role",
                "host",
                "port",
                "group",
                "from",
                "to",
                "out_of_service_ms",
                "outages",
            ] {
                all.remove(name);
            }
            let report = all.into_iter().map(|name| (name, json!(1)));
            let mut report = Value::Object(report.collect());
            complete(&mut report);
            report.as_object().unwrap().keys().cloned().collect()
        };
        let arangodb = of([include_str!("../load/verdict.rs"), include_str!("mod.rs")]);
        let memsql = of([
            include_str!("../load/memsql/verdict.rs"),
            include_str!("memsql.rs"),
        ]);
        assert!(arangodb.len() > 40, "{arangodb:?}");
        let differing: Vec<_> = arangodb.symmetric_difference(&memsql).collect();
        assert!(differing.is_empty(), "{differing:?}");
    }

    #[test]
    fn a_run_that_takes_too_long_is_told_where_timers_are_real() {
        let slow = |wall: f64, factor: f64| {
            let mut report = json!({"wall_s": wall, "lower_bound_s": 100.0, "factor": factor});
            report["ok"] = json!(true);
            complete(&mut report);
            must_be_quick(&mut report);
            assert_ne!(report["ok"], report["slow"]);
            (report["ratio"].as_f64(), report["slow"] == json!(true))
        };
        assert_eq!(slow(109.0, 1.0), (Some(1.09), false));
        assert_eq!(slow(111.0, 1.0), (Some(1.11), true));
        assert_eq!(slow(300.0, 0.1), (Some(3.0), false));
        let mut nothing = json!({"factor": 1.0});
        complete(&mut nothing);
        assert_eq!(nothing["slow"], json!(true), "nothing was measured");
    }
}
