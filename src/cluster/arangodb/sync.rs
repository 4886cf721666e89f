//! Replication between data centres, as the sync masters of both sides tell it (`GET /_api/sync`).
//!
//! A replication belongs to its target: there it comes in. Its source lists it as going out. Only when both say that it
//! is inactive it has been stopped: up to arangosync 1.8.0 and 2.6.0 a stop could be reported that had not happened.

use serde_json::Value;

use super::read::{Answer, Ask};
use crate::cluster::model::Verdict;

/// The state that arangosync gives to a replication that runs.
const RUNNING: &str = "running";
/// What stands for no replication at all.
const INACTIVE: &str = "inactive";

/// How a replication stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replication {
    /// What the target says of it, or why it could not be asked.
    pub incoming: Result<String, String>,
    /// What the source says of it; each state that is told, the first that is not inactive if there are several.
    pub outgoing: Result<String, String>,
}

impl Replication {
    /// Tells whether both sides say that nothing is replicated.
    pub fn is_inactive(&self) -> bool {
        [&self.incoming, &self.outgoing]
            .into_iter()
            .all(|side| side.as_deref() == Ok(INACTIVE))
    }

    /// Tells whether both sides say that it runs.
    pub fn is_running(&self) -> bool {
        [&self.incoming, &self.outgoing]
            .into_iter()
            .all(|side| side.as_deref() == Ok(RUNNING))
    }

    /// Judges whether both sides could be asked.
    pub fn told(&self) -> Verdict {
        let sides = [("target", &self.incoming), ("source", &self.outgoing)];
        let problems = sides.into_iter().filter_map(|(name, side)| {
            let problem = side.as_ref().err()?;
            Some(format!(
                "the {name}'s sync masters do not answer: {problem}"
            ))
        });
        Verdict::of(problems.collect())
    }
}

/// Reads what the target's masters say, through the first that answers.
pub fn read_incoming(ask: &mut dyn Ask, target: &[String]) -> Result<String, String> {
    one_of(ask, target).map(|body| incoming(&body))
}

/// Reads what the source's masters say, through the first that answers.
pub fn read_outgoing(ask: &mut dyn Ask, source: &[String]) -> Result<String, String> {
    one_of(ask, source).map(|body| outgoing(&body))
}

fn one_of(ask: &mut dyn Ask, masters: &[String]) -> Result<Value, String> {
    let mut problems = Vec::new();
    for master in masters {
        match ask.get(master, "/_api/sync") {
            Ok(Answer {
                status: 200, body, ..
            }) if body.is_object() => return Ok(body),
            Ok(answer) => problems.push(format!("{master}: status {}", answer.status)),
            Err(error) => problems.push(format!("{master}: {error}")),
        }
    }
    Err(if problems.is_empty() {
        "none is named".to_owned()
    } else {
        problems.join("; ")
    })
}

/// A target that takes no shards has no replication, whatever its state says.
fn incoming(body: &Value) -> String {
    let shards = body.get("shards").and_then(Value::as_array);
    if shards.is_none_or(Vec::is_empty) {
        return INACTIVE.to_owned();
    }
    state(body)
}

fn outgoing(body: &Value) -> String {
    let all = body.get("outgoing").and_then(Value::as_array);
    let states: Vec<String> = all.into_iter().flatten().map(state).collect();
    let active = states.iter().find(|state| *state != INACTIVE);
    active.cloned().unwrap_or_else(|| INACTIVE.to_owned())
}

fn state(body: &Value) -> String {
    let state = body.get("status").and_then(Value::as_str);
    match state {
        Some("") | None => INACTIVE.to_owned(),
        Some(state) => state.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::super::AskError;
    use super::*;

    #[derive(Debug)]
    struct Sides(Option<Value>, Option<Value>);

    impl Ask for Sides {
        fn get(&mut self, endpoint: &str, path: &str) -> Result<Answer, AskError> {
            assert_eq!(path, "/_api/sync");
            let body = match endpoint {
                "https://t2" => self.0.clone(),
                "https://s1" => self.1.clone(),
                _ => None,
            };
            let body = body.ok_or_else(|| AskError("connection refused".to_owned()))?;
            let status = if body.is_null() { 503 } else { 200 };
            Ok(Answer {
                status,
                body,
                ..Answer::default()
            })
        }

        fn post(&mut self, _: &str, _: &str, _: &Value) -> Result<Answer, AskError> {
            Err(AskError("nothing is posted".to_owned()))
        }

        fn wait(&mut self, _: Duration) {}
    }

    fn read(target: Option<Value>, source: Option<Value>) -> Replication {
        let targets = ["https://t1".to_owned(), "https://t2".to_owned()];
        let mut sides = Sides(target, source);
        Replication {
            incoming: read_incoming(&mut sides, &targets),
            outgoing: read_outgoing(&mut sides, &["https://s1".to_owned()]),
        }
    }

    #[test]
    fn both_sides_decide() {
        let shard = json!([{"status": "running"}]);
        let target = |state: &str, shards: &Value| {
            Some(json!({"status": state, "shards": shards, "outgoing": []}))
        };
        let source = |states: &[&str]| {
            let outgoing: Vec<Value> = states
                .iter()
                .map(|state| json!({"status": state}))
                .collect();
            Some(json!({"status": "inactive", "shards": [], "outgoing": outgoing}))
        };
        let none = json!([]);
        let cases = [
            (
                target("running", &shard),
                source(&["running"]),
                (true, false),
            ),
            (target("running", &none), source(&[]), (false, true)),
            (
                target("inactive", &none),
                source(&["inactive"]),
                (false, true),
            ),
            (
                target("inactive", &none),
                source(&["inactive", "running"]),
                (false, false),
            ),
            (
                target("cancelling", &shard),
                source(&["inactive"]),
                (false, false),
            ),
            (
                target("running", &shard),
                source(&["cancelling"]),
                (false, false),
            ),
        ];
        for (target, source, expected) in cases {
            let seen = read(target, source);
            assert_eq!(
                (seen.is_running(), seen.is_inactive()),
                expected,
                "{seen:?}"
            );
            assert!(seen.told().ok);
        }
    }

    #[test]
    fn who_does_not_answer_is_neither_stopped_nor_running() {
        for (target, source, name) in [
            (None, Some(json!({"outgoing": []})), "target"),
            (Some(json!({"shards": []})), None, "source"),
            (Some(json!({"shards": []})), Some(Value::Null), "source"),
        ] {
            let seen = read(target, source);
            assert!(!seen.is_running() && !seen.is_inactive(), "{seen:?}");
            let told = seen.told();
            assert!(told.problems[0].contains(name), "{told:?}");
        }
        let silent = read_incoming(&mut Sides(None, None), &[]);
        assert_eq!(silent, Err("none is named".to_owned()));
    }
}
