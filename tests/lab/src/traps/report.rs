//! What the table's run came to, for a script and for a person.

use serde_json::{Value, json};

use super::{Ended, Row};

/// One row: red if any of its cases did not run and pass, or if it has none.
pub(super) fn row(row: &Row, cases: &[(&str, &str, Ended)]) -> Value {
    let ok = !cases.is_empty() && cases.iter().all(|(_, _, ended)| ended.passed);
    let seconds: f64 = cases
        .iter()
        .map(|(_, _, ended)| ended.took.as_secs_f64())
        .sum();
    let cases = cases.iter().map(|(file, name, ended)| {
        json!({"file": file, "name": name, "ok": ended.passed, "seconds": ended.took.as_secs_f64(), "why": ended.why})
    });
    json!({
        "arms": row.arms,
        "fault": row.fault,
        "end": row.end,
        "ok": ok,
        "seconds": seconds,
        "cases": cases.collect::<Vec<_>>(),
    })
}

/// The whole run for a person: a line for each row, and what is wrong with the red ones.
pub fn summary(told: &Value) -> String {
    let rows = told.get("table").and_then(Value::as_array);
    let mut lines = Vec::new();
    for row in rows.into_iter().flatten() {
        let text = |name: &str| row.get(name).and_then(Value::as_str).unwrap_or_default();
        let cases = row.get("cases").and_then(Value::as_array);
        let seconds = row
            .get("seconds")
            .and_then(Value::as_f64)
            .unwrap_or_default();
        let ok = row.get("ok") == Some(&json!(true));
        let verdict = if ok { "ok " } else { "RED" };
        let count = cases.map_or(0, Vec::len);
        lines.push(format!(
            "{verdict} {seconds:7.1} s {count:3} cases  {}: {} -> {}",
            text("arms"),
            text("fault"),
            text("end")
        ));
        let red = |case: &&Value| case.get("ok") != Some(&json!(true));
        for case in cases.into_iter().flatten().filter(red) {
            let of_case = |name: &str| case.get(name).and_then(Value::as_str).unwrap_or_default();
            lines.push(format!(
                "      {} {}: {}",
                of_case("file"),
                of_case("name"),
                of_case("why")
            ));
        }
    }
    let number = |name: &str| told.get(name).and_then(Value::as_u64).unwrap_or_default();
    let minutes = told
        .get("wall_s")
        .and_then(Value::as_f64)
        .unwrap_or_default()
        / 60.0;
    lines.push(format!(
        "{} rows, {} red; {} tests in {minutes:.0} min",
        number("rows"),
        number("red"),
        number("tests")
    ));
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_row_is_red_where_a_case_is_or_where_there_is_none() {
        let given = Row {
            arms: "G1".to_owned(),
            fault: "something".to_owned(),
            end: "exit 2".to_owned(),
            cases: Vec::new(),
        };
        let ended = |passed: bool| Ended {
            passed,
            took: Duration::from_millis(1_500),
            why: if passed {
                String::new()
            } else {
                "no such test".to_owned()
            },
        };
        for (cases, ok) in [
            (vec![("f", "a", ended(true))], true),
            (
                vec![("f", "a", ended(true)), ("f", "b", ended(false))],
                false,
            ),
            (vec![], false),
        ] {
            let told = row(&given, &cases);
            assert_eq!(told["ok"], json!(ok));
            let all = json!({"rows": 1, "red": u8::from(!ok), "table": [told]});
            let text = summary(&all);
            assert_eq!(text.starts_with("ok "), ok, "{text}");
            assert_eq!(
                text.contains("f b: no such test"),
                cases.len() == 2,
                "{text}"
            );
        }
    }
}
