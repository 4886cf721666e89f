//! How a step ended: for `register`, for the journal, for people.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use crate::events::{Difference, StepOutcome, StepResult};
use crate::inventory::HostName;
use crate::modules::{Change, Diff, Effect, Outcome};
use crate::secrets::{Masker, Secret};
use crate::yaml::Problem;

/// How a step ended.
#[derive(Debug, Clone)]
pub(super) struct Ended {
    /// In a word.
    pub(super) outcome: StepOutcome,
    /// Whether its failure is ignored.
    pub(super) ignored: bool,
    /// The result as `register` sees it.
    pub(super) result: Map<String, Value>,
    /// What the engine is to do.
    pub(super) effects: Vec<Effect>,
    /// One line for people.
    pub(super) message: String,
    /// The difference it made or would make.
    pub(super) diff: Option<Diff>,
    /// Warnings.
    pub(super) warnings: Vec<String>,
    /// How often it was tried.
    pub(super) attempts: u32,
    /// How long it took.
    pub(super) took: Duration,
    /// The host it was delegated to.
    pub(super) delegated: Option<HostName>,
    /// The host whose variables its effects concern, if not its own.
    pub(super) owner: Option<String>,
    /// Whether its job may still run.
    pub(super) still_running: bool,
    /// Whether it is in doubt and left nothing that goes on: a task with tries may send it again.
    pub(super) may_send_again: bool,
    /// Whether it was taken from the journal: nothing was done and nothing is written.
    pub(super) recalled: bool,
    /// Whether it ended because the run is to stop.
    pub(super) stopped: bool,
}

impl Ended {
    /// Makes an end with a result.
    pub(super) fn new(outcome: StepOutcome, result: Map<String, Value>, message: String) -> Self {
        Self {
            outcome,
            ignored: false,
            result,
            effects: Vec::new(),
            message,
            diff: None,
            warnings: Vec::new(),
            attempts: 1,
            took: Duration::ZERO,
            delegated: None,
            owner: None,
            still_running: false,
            may_send_again: false,
            recalled: false,
            stopped: false,
        }
    }

    /// A step that was not done because a condition was false.
    pub(super) fn skipped(why: String, condition: Option<String>) -> Self {
        let mut result = Map::new();
        result.insert("changed".to_owned(), json!(false));
        result.insert("skipped".to_owned(), json!(true));
        result.insert(
            "skip_reason".to_owned(),
            json!("Conditional result was False"),
        );
        if let Some(condition) = condition {
            result.insert("false_condition".to_owned(), json!(condition));
        }
        Self::new(StepOutcome::Skipped { why }, result, String::new())
    }

    /// A step of which check mode cannot tell what it would do. It has the fields of a real result, as with Ansible, so
    /// that what is asked of them afterwards is not an error.
    pub(super) fn unknown_in_check_mode(mut result: Map<String, Value>) -> Self {
        result.insert("changed".to_owned(), json!(false));
        result.insert("skipped".to_owned(), json!(true));
        let why = "in check mode it cannot be known what it would do".to_owned();
        Self::new(StepOutcome::Skipped { why }, result, String::new())
    }

    /// A step that failed.
    pub(super) fn failed(message: String, mut result: Map<String, Value>) -> Self {
        result.entry("changed").or_insert(json!(false));
        result.insert("failed".to_owned(), json!(true));
        result.entry("msg").or_insert(json!(message));
        Self::new(StepOutcome::Failed, result, message)
    }

    /// A step that cannot be done as it is written, or not with these variables.
    pub(super) fn wrong(problem: &Problem) -> Self {
        Self::failed(told(problem), Map::new())
    }

    /// A step whose host was not reached.
    pub(super) fn unreachable(message: String) -> Self {
        let result = json!({"changed": false, "unreachable": true, "msg": message});
        Self::new(StepOutcome::Unreachable, object(result), message)
    }

    /// A step of which nobody knows.
    pub(super) fn in_doubt(message: String) -> Self {
        let result = json!({"changed": false, "failed": true, "in_doubt": true, "msg": message});
        Self::new(StepOutcome::InDoubt, object(result), message)
    }

    /// A step that a module did.
    pub(super) fn done(outcome: Outcome, summary: &str) -> Self {
        let mut result = outcome.result;
        result.insert("changed".to_owned(), json!(outcome.changed));
        result.entry("failed").or_insert(json!(false));
        let word = if outcome.changed {
            StepOutcome::Changed
        } else {
            StepOutcome::Ok
        };
        let message = if outcome.changed {
            summary.to_owned()
        } else {
            outcome.tell
        };
        Self {
            effects: outcome.effects,
            diff: outcome.diff,
            warnings: outcome.warnings,
            ..Self::new(word, result, message)
        }
    }

    /// A step that would change something, in check mode.
    pub(super) fn would_change(change: Change) -> Self {
        let outcome = Outcome {
            changed: !change.silent,
            result: change.result,
            diff: change.diff,
            ..Outcome::default()
        };
        Self::done(outcome, &change.summary)
    }

    /// Says in one line why it failed: of a program its exit code and what it said last.
    pub(super) fn in_short(&self) -> String {
        in_short(&self.message, &self.result)
    }

    /// Tells whether it failed in a way that `rescue` takes care of.
    pub(super) fn is_failed(&self) -> bool {
        self.outcome == StepOutcome::Failed && !self.ignored
    }

    /// Tells whether it changed something.
    pub(super) fn is_changed(&self) -> bool {
        self.result.get("changed") == Some(&Value::Bool(true))
    }

    /// Tells whether it was skipped.
    pub(super) fn is_skipped(&self) -> bool {
        matches!(self.outcome, StepOutcome::Skipped { .. })
    }

    /// Sets what `changed_when` said.
    pub(super) fn set_changed(&mut self, changed: bool) {
        self.result.insert("changed".to_owned(), json!(changed));
        match (&self.outcome, changed) {
            (StepOutcome::Ok, true) => self.outcome = StepOutcome::Changed,
            (StepOutcome::Changed, false) => {
                self.outcome = StepOutcome::Ok;
                self.message.clear();
            }
            _ => {}
        }
    }

    /// Sets what `failed_when` said.
    pub(super) fn set_failed(&mut self, failed: bool, because: &str) {
        self.result.insert("failed".to_owned(), json!(failed));
        self.result
            .insert("failed_when_result".to_owned(), json!(failed));
        if failed && self.outcome != StepOutcome::Failed {
            self.outcome = StepOutcome::Failed;
            because.clone_into(&mut self.message);
            self.result.entry("msg").or_insert(json!(because));
        } else if !failed && self.outcome == StepOutcome::Failed {
            self.outcome = if self.is_changed() {
                StepOutcome::Changed
            } else {
                StepOutcome::Ok
            };
            self.message.clear();
        }
    }

    /// Makes every text of the result secret: the task says `no_log`.
    pub(super) fn hide(&self, masker: &Masker) {
        for (name, value) in &self.result {
            if !OPEN_FIELDS.contains(&name.as_str()) {
                hide(value, masker);
            }
        }
        if let Some(text) = decoded(&self.result) {
            masker.add(&Secret::new(text));
        }
    }

    /// Makes what people see of it.
    pub(super) fn shown(&self, no_log: bool, with_diff: bool) -> StepResult {
        if no_log {
            return StepResult {
                message: "the result is hidden: the task says `no_log`".to_owned(),
                ..StepResult::default()
            };
        }
        let diff = self.diff.as_ref().filter(|_| with_diff);
        StepResult {
            message: self.message.clone(),
            diff: diff.map(|diff| Difference {
                title: diff.title.clone(),
                before: diff.before.clone(),
                after: diff.after.clone(),
            }),
            fields: self
                .result
                .iter()
                .filter_map(|(name, value)| Some((name.clone(), shown(name, value)?)))
                .collect(),
            warnings: self.warnings.clone(),
        }
    }
}

/// What a module says of a program that ended badly, as in Ansible.
const NON_ZERO: &str = "non-zero return code";

/// Fields of a `no_log` result that are not secret: masking them by value would destroy every other text.
const OPEN_FIELDS: [&str; 14] = [
    "changed", "failed", "skipped", "start", "end", "delta", "rc", "path", "dest", "src", "state",
    "owner", "group", "mode",
];
/// Shorter texts are words, not secrets.
const SHORTEST_HIDDEN: usize = 8;
/// How much of a field is shown.
const LONGEST_SHOWN: usize = 8 * 1024;
/// Fields that only repeat others.
const REPEATED: [&str; 4] = ["stdout_lines", "stderr_lines", "ansible_facts", "results"];

/// Returns the text of a file that was read whole: who reads one decodes it, and then it is as secret as before.
fn decoded(result: &Map<String, Value>) -> Option<String> {
    let text = |name: &str| result.get(name).and_then(Value::as_str);
    text("encoding").filter(|encoding| *encoding == "base64")?;
    let text = String::from_utf8(STANDARD.decode(text("content")?).ok()?).ok()?;
    (text.len() >= SHORTEST_HIDDEN).then_some(text)
}

fn hide(value: &Value, masker: &Masker) {
    match value {
        Value::String(text) if text.len() >= SHORTEST_HIDDEN => {
            masker.add(&Secret::new(text.clone()));
        }
        Value::Array(items) => items.iter().for_each(|item| hide(item, masker)),
        Value::Object(fields) => fields.values().for_each(|item| hide(item, masker)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn shown(name: &str, value: &Value) -> Option<Value> {
    if REPEATED.contains(&name) {
        return None;
    }
    match value {
        Value::String(text) if text.len() > LONGEST_SHOWN => {
            let from = text.ceil_char_boundary(text.len() - LONGEST_SHOWN);
            let end = text.get(from..).unwrap_or_default();
            Some(json!(format!("[{from} bytes left out] {end}")))
        }
        Value::Array(_) | Value::Object(_) => {
            let length = value.to_string().len();
            if length > LONGEST_SHOWN {
                Some(json!(format!("[{length} bytes left out]")))
            } else {
                Some(value.clone())
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Some(value.clone()),
    }
}

/// Says in one line what a message and its result tell.
pub(super) fn in_short(message: &str, result: &Map<String, Value>) -> String {
    let code = result.get("rc").and_then(Value::as_i64);
    let Some(code) = code.filter(|_| message == NON_ZERO) else {
        return message.to_owned();
    };
    let said = ["stderr", "stdout"].iter().find_map(|stream| {
        let text = result.get(*stream)?.as_str()?;
        text.trim_end().lines().last()
    });
    let said = said.map(|line| format!(": {line}")).unwrap_or_default();
    format!("exit code {code}{said}")
}

/// Returns a problem as one line with its position, for events.
pub(super) fn told(problem: &Problem) -> String {
    let mut text = problem.message.clone();
    if let Some(loc) = &problem.loc {
        text = format!("{text} ({loc})");
    }
    if let Some(hint) = &problem.hint {
        text = format!("{text}; {hint}");
    }
    text
}

/// Returns a value's fields; what is no map has none.
pub(super) fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(fields) => fields,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            Map::new()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_on_the_result_have_the_last_word() {
        let mut ended = Ended::failed("rc 1".to_owned(), object(json!({"rc": 1})));
        ended.set_failed(false, "");
        assert_eq!(ended.outcome, StepOutcome::Ok);
        assert_eq!(ended.result["failed"], json!(false));
        ended.set_changed(true);
        assert_eq!(ended.outcome, StepOutcome::Changed);
        ended.set_failed(true, "failed_when: rc > 0");
        assert_eq!(ended.outcome, StepOutcome::Failed);
        assert_eq!(ended.message, "failed_when: rc > 0");
        ended.set_changed(false);
        assert_eq!(
            ended.outcome,
            StepOutcome::Failed,
            "changed says nothing of failed"
        );
    }

    #[test]
    fn a_program_that_failed_is_told_by_its_code_and_its_last_line() {
        let ended =
            |message: &str, result: Value| Ended::failed(message.to_owned(), object(result));
        let cases = [
            (
                ended(NON_ZERO, json!({"rc": 1, "stderr": "a\nb\n"})),
                "exit code 1: b",
            ),
            (
                ended(NON_ZERO, json!({"rc": 2, "stdout": "x", "stderr": ""})),
                "exit code 2: x",
            ),
            (ended(NON_ZERO, json!({"rc": 3})), "exit code 3"),
            (
                ended("killed by signal 9", json!({"rc": -9})),
                "killed by signal 9",
            ),
        ];
        for (ended, told) in cases {
            assert_eq!(ended.in_short(), told);
        }
    }

    #[test]
    fn long_and_repeated_fields_are_left_out_and_no_log_hides_all() {
        let long = "x".repeat(LONGEST_SHOWN) + "the end";
        let result =
            json!({"stdout": long, "stdout_lines": ["x"], "json": {"token": "abcdefgh123"}});
        let ended = Ended::new(StepOutcome::Ok, object(result), "m".to_owned());
        let shown = ended.shown(false, true);
        let text = shown.fields["stdout"].as_str().unwrap();
        assert!(text.starts_with("[7 bytes left out]") && text.ends_with("the end"));
        assert!(!shown.fields.contains_key("stdout_lines"));
        let hidden = ended.shown(true, true);
        assert!(hidden.fields.is_empty() && hidden.message.contains("no_log"));
        let read = json!({"encoding": "base64", "content": "aHVudGVyMjItaW4tYS1maWxl"});
        let read = read.as_object().unwrap();
        assert_eq!(decoded(read).as_deref(), Some("hunter22-in-a-file"));
        let masker = Masker::new();
        ended.hide(&masker);
        assert_eq!(masker.mask("Bearer abcdefgh123"), "Bearer ***");
    }
}
