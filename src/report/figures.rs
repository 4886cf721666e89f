//! Records -> the figures that a run kept for its report with `set_stats`.
//!
//! Pure. Knows none of them: the name is the heading, a list has a line for each of its items. Called by `story`.

use serde::Serialize;
use serde_json::{Map, Value};

use crate::journal::{Entry, Record, mask_references};

/// Something that a run measured or counted.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Figure {
    /// What it is of, as the playbook names it.
    pub name: String,
    /// The host that it is of; nothing where it is of the whole run.
    pub host: Option<String>,
    /// What was kept.
    pub value: Value,
}

impl Figure {
    /// Returns what stands above it: its name as words.
    pub fn heading(&self) -> String {
        let words = self.name.replace('_', " ");
        let mut letters = words.chars();
        let first = letters.next().map(|first| first.to_uppercase().to_string());
        let words = format!("{}{}", first.unwrap_or_default(), letters.as_str());
        match &self.host {
            Some(host) => format!("{words}, {host}"),
            None => words,
        }
    }

    /// Returns its lines.
    pub fn lines(&self) -> Vec<String> {
        let items = self.value.as_array();
        items.map_or_else(
            || vec![told(&self.value)],
            |items| items.iter().map(told).collect(),
        )
    }
}

fn told(value: &Value) -> String {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Object(fields) => {
            let fields = fields.iter().map(|(name, value)| {
                let name = name.replace('_', " ");
                format!("{name}: {}", told(value))
            });
            fields.collect::<Vec<_>>().join(", ")
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) => value.to_string(),
    };
    mask_references(&text)
}

/// Returns all figures, in the order in which they were first kept.
pub(super) fn figures(entries: &[Entry]) -> Vec<Figure> {
    let mut found: Vec<Figure> = Vec::new();
    for entry in entries {
        let Record::Outcome(outcome) = &entry.record else {
            continue;
        };
        let kept = outcome.result.get("ansible_stats");
        let flag = |name: &str| kept.and_then(|kept| kept.get(name)) == Some(&Value::Bool(true));
        let host = flag("per_host").then(|| outcome.owner.clone());
        let data = kept.and_then(|kept| kept.get("data")?.as_object());
        for (name, value) in data.into_iter().flatten() {
            let before = found
                .iter_mut()
                .find(|figure| figure.name == *name && figure.host == host);
            match before {
                Some(figure) if flag("aggregate") => add(&mut figure.value, value),
                Some(figure) => figure.value = value.clone(),
                None => found.push(Figure {
                    name: name.clone(),
                    host: host.clone(),
                    value: value.clone(),
                }),
            }
        }
    }
    found
}

/// Adds as Ansible does: what is of one kind is put together, anything else is replaced.
fn add(to: &mut Value, more: &Value) {
    match (&mut *to, more) {
        (Value::Array(items), Value::Array(more)) => items.extend(more.iter().cloned()),
        (Value::Object(fields), Value::Object(more)) => fields.extend(Map::clone(more)),
        (Value::String(text), Value::String(more)) => text.push_str(more),
        (Value::Number(one), Value::Number(other)) => {
            *to = match (one.as_i64(), other.as_i64()) {
                (Some(one), Some(other)) => one.saturating_add(other).into(),
                _ => (one.as_f64().unwrap_or(0.0) + other.as_f64().unwrap_or(0.0)).into(),
            };
        }
        _ => *to = more.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;
    use crate::events::{StepId, StepOutcome};
    use crate::journal::Outcome;
    use crate::report::Report;
    use serde_json::json;

    fn kept(host: &str, data: &Value, per_host: bool, aggregate: bool) -> Entry {
        let stats = json!({"data": data, "per_host": per_host, "aggregate": aggregate});
        Entry {
            seq: 1,
            at: Timestamp::UNIX_EPOCH,
            record: Record::Outcome(Outcome {
                step: StepId {
                    play: "1".into(),
                    batch: 0,
                    task: "1.tasks.0".into(),
                    turn: 0,
                    host: host.into(),
                    item: None,
                },
                outcome: StepOutcome::Ok,
                ignored: false,
                result: [("ansible_stats".to_owned(), stats)].into_iter().collect(),
                owner: host.into(),
                effects: vec![],
            }),
        }
    }

    #[test]
    fn figures_are_put_together_as_ansible_does() {
        for (first, second, aggregate, then) in [
            (json!([1]), json!([2]), true, json!([1, 2])),
            (json!([1]), json!([2]), false, json!([2])),
            (json!(1), json!(2), true, json!(3)),
            (json!(1.5), json!(2), true, json!(3.5)),
            (json!("a"), json!("b"), true, json!("ab")),
            (
                json!({"a": 1}),
                json!({"b": 2}),
                true,
                json!({"a": 1, "b": 2}),
            ),
            (json!("a"), json!(2), true, json!(2)),
        ] {
            let entries = [
                kept("a", &json!({"n": first}), false, true),
                kept("b", &json!({"n": second}), false, aggregate),
                kept("b", &json!({"n": 7}), true, true),
            ];
            let all = figures(&entries);
            assert_eq!((all[0].value.clone(), all.len()), (then, 2));
            assert_eq!(all[1].host.as_deref(), Some("b"));
        }
    }

    #[test]
    fn every_page_tells_what_was_measured() {
        let reads = json!([
            {"node": "h1:3306", "first_ms": 3005.2, "second_ms": 4.1},
            {"node": "h2:3306", "first_ms": 7, "second_ms": 3},
        ]);
        let report = Report::of(&[kept("a", &json!({"first_reads": reads}), false, true)]);
        let line = "node: h1:3306, first ms: 3005.2, second ms: 4.1";
        let (text, markdown, html) = (report.text(), report.markdown(), report.html());
        assert!(
            text.contains(&format!("\nFirst reads\n  {line}\n")),
            "{text}"
        );
        assert!(
            markdown.contains(&format!("\n## First reads\n\n- {line}\n")),
            "{markdown}"
        );
        assert!(
            html.contains("<h2>First reads</h2>") && html.contains(line),
            "{html}"
        );
        let json = serde_json::to_value(&report).unwrap();
        assert_eq!(json["figures"][0]["value"][1]["first_ms"], json!(7));
        assert!(!Report::of(&[]).html().contains("First reads"));
    }
}
