//! What a step has to tell: one line when it went well, all that helps when it failed.

use std::fmt::Write as _;

use serde_json::Value;
use similar::TextDiff;

use super::{Wanted, seconds};
use crate::events::{EventKind, RunState, StepOutcome, StepResult};

/// How many of the last lines of an output a failure shows.
const LAST_LINES: usize = 20;
/// How much of another field a failure shows.
const SHORT: usize = 400;

/// Fields that tell a person nothing about a failure that its line does not say.
const PLAIN: [&str; 11] = [
    "attempts",
    "changed",
    "delta",
    "end",
    "failed",
    "invocation",
    "msg",
    "start",
    "stderr_lines",
    "stdout_lines",
    "unreachable",
];

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "`words` names every kind; each of its parts knows only its own"
)]
pub(super) fn step(
    kind: &EventKind,
    wanted: &Wanted,
    state: &RunState,
) -> Option<(&'static str, String)> {
    Some(match kind {
        EventKind::StepFinished { .. } => return finished(kind, wanted),
        EventKind::SubStepStarted { step, name } => ("part", format!("{}: {name}", step.host)),
        // What waits in a gate is told as the gate's.
        EventKind::StepWaited { .. } if state.gate.is_some() => return None,
        EventKind::StepWaited { step, saw, .. } => ("waiting", format!("{}: {saw}", step.host)),
        EventKind::JobReattached { step, job } => (
            "found",
            format!("{}: job {job} of an earlier part of the run", step.host),
        ),
        EventKind::StepIntended {
            step,
            name,
            attempt,
            ..
        } if wanted.verbosity >= 2 => (
            "begin",
            format!(
                "{}: {name}{}",
                step.host,
                if *attempt > 1 {
                    format!(", try {attempt}")
                } else {
                    String::new()
                }
            ),
        ),
        EventKind::TaskStarted { task, .. } if wanted.verbosity >= 1 => {
            ("task", format!("{} ({})", task.name, task.at))
        }
        _ => return None,
    })
}

fn finished(kind: &EventKind, wanted: &Wanted) -> Option<(&'static str, String)> {
    let EventKind::StepFinished {
        step,
        name,
        label,
        at,
        delegated_to,
        outcome,
        ignored,
        uncounted,
        attempts,
        took_ms,
        result,
    } = kind
    else {
        return None;
    };
    let word = match outcome {
        StepOutcome::Ok => "ok",
        StepOutcome::Changed => "changed",
        StepOutcome::Skipped { .. } if wanted.verbosity < 2 => return None,
        StepOutcome::Skipped { .. } => "skipped",
        StepOutcome::Failed => "failed",
        StepOutcome::Unreachable => "unreachable",
        StepOutcome::InDoubt => "in doubt",
    };
    let to = delegated_to.as_ref().map(|to| format!(" -> {to}"));
    let label = label.as_ref().map(|label| format!(" [{label}]"));
    let took = match (*attempts, *took_ms) {
        (0 | 1, 0..1000) => String::new(),
        (0 | 1, took) => format!(" ({})", seconds(took)),
        (attempts, took) => format!(" ({}, {attempts} tries)", seconds(took)),
    };
    let told = if outcome.is_good() {
        well(outcome, result, wanted)
    } else if *uncounted && wanted.verbosity == 0 {
        ": it is tried again for a while".to_owned()
    } else {
        badly(result, at, wanted)
    };
    let text = format!(
        "{}{}: {name}{}{took}{}{told}{}",
        step.host,
        to.unwrap_or_default(),
        label.unwrap_or_default(),
        if *ignored { " (ignored)" } else { "" },
        behind(result, wanted)
    );
    Some((word, text))
}

/// What a step that went well tells beyond its name.
fn well(outcome: &StepOutcome, result: &StepResult, wanted: &Wanted) -> String {
    let mut text = String::new();
    if let StepOutcome::Skipped { why } = outcome {
        text.push_str(": ");
        text.push_str(why);
    }
    if !result.message.is_empty() {
        text.push_str(": ");
        text.push_str(&result.message);
    }
    if wanted.verbosity >= 1 {
        for (key, value) in &result.fields {
            if key != "msg" {
                field(&mut text, key, &plain(value));
            }
        }
    }
    text
}

/// What a step that did not tells: why, where its task stands, what ran, how that ended, what it said last.
fn badly(result: &StepResult, at: &str, wanted: &Wanted) -> String {
    let mut text = String::new();
    let end = how_it_ended(result);
    // What a program's exit code says, its end says better.
    if !(result.message.is_empty() || end.is_some() && result.message == "non-zero return code") {
        text.push('\n');
        text.push_str(&result.message);
    }
    if !at.is_empty() {
        field(&mut text, "task", at);
    }
    if let Some(command) = result.fields.get("cmd") {
        field(&mut text, "command", &command_line(command));
    }
    if let Some(end) = end {
        field(&mut text, "ended with", &end);
    }
    for (key, value) in &result.fields {
        let value = plain(value);
        match key.as_str() {
            "cmd" | "rc" | "stdout" | "stderr" => {}
            key if wanted.verbosity >= 1 => field(&mut text, key, &value),
            key if PLAIN.contains(&key) => {}
            key => field(&mut text, key, &cut(&value)),
        }
    }
    for stream in ["stdout", "stderr"] {
        if let Some(value) = result.fields.get(stream) {
            field(&mut text, stream, &last_lines(&plain(value), wanted));
        }
    }
    text
}

/// Says in words what a command's exit code means, if it has one.
fn how_it_ended(result: &StepResult) -> Option<String> {
    let code = result.fields.get("rc")?.as_i64()?;
    Some(match code {
        ..0 => format!("signal {}", -code),
        126 => "exit code 126: it may not be run".to_owned(),
        127 => "exit code 127: there is no such command".to_owned(),
        code => format!("exit code {code}"),
    })
}

/// Returns a command as it can be typed.
fn command_line(command: &Value) -> String {
    let word = |word: &Value| {
        let word = plain(word);
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "_-./:=@%+,".contains(c);
        if !word.is_empty() && word.chars().all(is_plain) {
            word
        } else {
            format!("'{}'", word.replace('\'', r"'\''"))
        }
    };
    match command {
        Value::Array(words) => words.iter().map(word).collect::<Vec<_>>().join(" "),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_) => {
            plain(command)
        }
    }
}

fn last_lines(text: &str, wanted: &Wanted) -> String {
    let lines: Vec<&str> = text.trim_end().lines().collect();
    let hidden = lines.len().saturating_sub(LAST_LINES);
    if hidden == 0 || wanted.verbosity >= 1 {
        return text.trim_end().to_owned();
    }
    let shown = lines.get(hidden..).unwrap_or_default().join("\n");
    format!("[{hidden} lines before, -v shows them]\n{shown}")
}

fn cut(text: &str) -> String {
    if text.len() <= SHORT {
        return text.to_owned();
    }
    let shown = text
        .get(..text.floor_char_boundary(SHORT))
        .unwrap_or_default();
    format!("{shown} ... (-v shows all)")
}

fn plain(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}

/// Adds a field below; its further lines stand under its first.
fn field(text: &mut String, key: &str, value: &str) {
    let value = value.trim_end();
    if !value.is_empty() {
        let blanks = format!("\n{:width$}", "", width = key.len() + 2);
        // Writing to a String cannot fail.
        let _ = write!(text, "\n{key}: {}", value.replace('\n', &blanks));
    }
}

/// Warnings and differences.
fn behind(result: &StepResult, wanted: &Wanted) -> String {
    let mut text = String::new();
    for warning in &result.warnings {
        let _ = write!(text, "\nwarning: {warning}");
    }
    if let (true, Some(diff)) = (wanted.diff, &result.diff) {
        let unified = TextDiff::from_lines(&diff.before, &diff.after);
        let _ = write!(
            text,
            "\n{}",
            unified
                .unified_diff()
                .context_radius(3)
                .header(&diff.title, &diff.title)
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn commands_are_shown_as_they_can_be_typed() {
        let cases = [
            (json!("echo a; exit 3"), "echo a; exit 3"),
            (json!(["ls", "-l", "a b", ""]), "ls -l 'a b' ''"),
            (json!(["echo", "it's"]), r"echo 'it'\''s'"),
        ];
        for (command, shown) in cases {
            assert_eq!(command_line(&command), shown);
        }
    }

    #[test]
    fn a_failure_shows_the_last_lines_and_cuts_long_fields() {
        let long: Vec<String> = (1..=30).map(|n| format!("line {n}")).collect();
        let result = StepResult {
            fields: json!({"rc": -9, "stdout": long.join("\n"), "json": "x".repeat(1000)})
                .as_object()
                .cloned()
                .unwrap(),
            ..StepResult::default()
        };
        let text = badly(&result, "site.yml:3:5", &Wanted::default());
        assert!(
            text.contains("task: site.yml:3:5\nended with: signal 9"),
            "{text}"
        );
        assert!(text.contains("[10 lines before"), "{text}");
        assert!(
            !text.contains("line 10\n") && text.ends_with("line 30"),
            "{text}"
        );
        assert!(text.contains("x ... (-v shows all)"), "{text}");
        let all = Wanted {
            verbosity: 1,
            ..Wanted::default()
        };
        assert!(badly(&result, "", &all).contains("line 10\n"));
    }
}
