//! A run as plain lines, one for each thing that a person wants to know; what is shown when there is no terminal, and
//! what scrolls away above the live view when there is one.

use std::fmt::Write as _;
use std::io::{self, Write};

use similar::TextDiff;

use crate::events::{
    BracketRef, ByHand, Counts, Event, EventKind, GateTime, GuardValue, PlayOutline, Recap, Sink,
    StepOutcome, StepResult,
};

/// What is shown of a run.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Wanted {
    /// How many `-v` were given: 1 shows results, 2 what was skipped and each intent, 3 everything.
    pub(super) verbosity: u8,
    /// Whether differences are shown.
    pub(super) diff: bool,
    /// Whether words are coloured.
    pub(super) color: bool,
}

/// Writes lines to a stream.
pub(super) struct Lines<W> {
    out: W,
    wanted: Wanted,
}

impl<W> std::fmt::Debug for Lines<W> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lines")
            .field("wanted", &self.wanted)
            .finish_non_exhaustive()
    }
}

impl<W: Write> Lines<W> {
    pub(super) fn new(out: W, wanted: Wanted) -> Self {
        Self { out, wanted }
    }
}

impl<W: Write + Send> Sink for Lines<W> {
    fn on_event(&mut self, event: &Event) -> io::Result<()> {
        let text = describe(event, self.wanted);
        if text.is_empty() {
            return Ok(());
        }
        self.out.write_all(text.as_bytes())?;
        self.out.flush()
    }
}

/// Returns the lines for an event, each ended by a newline; nothing for what is not shown.
pub(super) fn describe(event: &Event, wanted: Wanted) -> String {
    let Some((word, body)) = words(event, wanted) else {
        return String::new();
    };
    let time = event.at.strftime("%H:%M:%S");
    let mut lines = body.lines();
    let first = lines.next().unwrap_or_default();
    let mut text = format!("{time} {} {first}\n", paint(word, wanted.color));
    for line in lines {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{:20} {line}", "");
    }
    text
}

fn paint(word: &str, color: bool) -> String {
    let padded = format!("{word:<11}");
    let code = match word {
        "changed" | "warning" | "waiting" | "owed" | "held" | "approval" => "33",
        "ok" | "passed" | "left" | "up" | "done" => "32",
        "failed" | "unreachable" | "in doubt" | "breach" | "stopped" => "31",
        "play" | "batch" | "gate" => "1",
        _ => "2",
    };
    if color {
        format!("\x1b[{code}m{padded}\x1b[0m")
    } else {
        padded
    }
}

/// Says in one word and some text what an event is; `None` for what is not shown at this verbosity.
fn words(event: &Event, wanted: Wanted) -> Option<(&'static str, String)> {
    match &event.kind {
        EventKind::StepFinished { .. }
        | EventKind::StepIntended { .. }
        | EventKind::SubStepStarted { .. }
        | EventKind::StepWaited { .. }
        | EventKind::JobStarted { .. }
        | EventKind::JobReattached { .. }
        | EventKind::TaskStarted { .. } => step(&event.kind, wanted),
        EventKind::GateStarted { .. }
        | EventKind::GateWaited { .. }
        | EventKind::GatePassed { .. }
        | EventKind::GateFailed { .. }
        | EventKind::GuardChanged { .. }
        | EventKind::GuardBreached { .. } => watching(&event.kind),
        EventKind::BracketFound { .. }
        | EventKind::BracketEntered { .. }
        | EventKind::BracketLeft { .. }
        | EventKind::BracketOwed { .. }
        | EventKind::BracketHeld { .. } => bracket(&event.kind, wanted),
        EventKind::RunStarted { .. }
        | EventKind::PlayStarted { .. }
        | EventKind::PlayFinished { .. }
        | EventKind::BatchStarted { .. }
        | EventKind::BatchFinished { .. }
        | EventKind::RunStopped { .. }
        | EventKind::RunFinished { .. }
        | EventKind::StopAsked { .. } => run(&event.kind),
        EventKind::RestPointReached { .. }
        | EventKind::ApprovalAsked { .. }
        | EventKind::ApprovalGiven { .. }
        | EventKind::ApprovalRefused { .. }
        | EventKind::LockTaken { .. }
        | EventKind::LockLost { .. }
        | EventKind::MemberDown { .. }
        | EventKind::MemberUp { .. }
        | EventKind::HostLeft { .. }
        | EventKind::Rescued { .. }
        | EventKind::Warned { .. }
        | EventKind::Unknown => other(&event.kind, wanted),
    }
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "`words` names every kind; each of its parts knows only its own"
)]
fn run(kind: &EventKind) -> Option<(&'static str, String)> {
    Some(match kind {
        EventKind::RunStarted {
            run,
            playbook,
            check,
            resumed,
            ..
        } => {
            let how = if *resumed { "goes on" } else { "starts" };
            let check = if *check {
                ", check mode: nothing is changed"
            } else {
                ""
            };
            ("run", format!("{run} {how}: {playbook}{check}"))
        }
        EventKind::PlayStarted { play } => ("play", outline(play)),
        EventKind::BatchStarted {
            batch, of, hosts, ..
        } => ("batch", format!("{batch} of {of}: {}", hosts.join(", "))),
        EventKind::StopAsked { message, .. } => ("stopping", message.clone()),
        EventKind::RunStopped {
            message,
            at,
            by_hand,
            ..
        } => {
            let place = if at.is_empty() {
                String::new()
            } else {
                format!("\nat {at}")
            };
            ("stopped", format!("{message}{place}{}", hands(by_hand)))
        }
        EventKind::RunFinished {
            exit_code,
            recap,
            owed,
            ..
        } => {
            let mut text = format!("exit code {exit_code}");
            for bracket in owed {
                let _ = write!(text, "\nstill owed or held: {}", title(bracket));
            }
            let _ = write!(text, "\n{}", recap_text(recap));
            ("done", text)
        }
        _ => return None,
    })
}

fn outline(play: &PlayOutline) -> String {
    let hosts: usize = play.batches.iter().map(Vec::len).sum();
    let one =
        |count: usize, word: &str| format!("{count} {word}{}", if count == 1 { "" } else { "s" });
    let batches = if play.batches.len() > 1 {
        format!(", {}", one(play.batches.len(), "batche"))
    } else {
        String::new()
    };
    format!(
        "{} ({}{})",
        play.name,
        one(hosts, "host"),
        batches.replace("batche,", "batch,")
    )
}

/// Returns a table of the counts of every host.
pub(super) fn recap_text(recap: &Recap) -> String {
    let width = recap.keys().map(String::len).max().unwrap_or(0);
    let row = |(host, counts): (&String, &Counts)| {
        let all = [
            ("ok", counts.ok),
            ("changed", counts.changed),
            ("unreachable", counts.unreachable),
            ("failed", counts.failed),
            ("skipped", counts.skipped),
            ("rescued", counts.rescued),
            ("ignored", counts.ignored),
            ("in doubt", counts.in_doubt),
        ];
        let counts: Vec<String> = all
            .iter()
            .map(|(name, count)| format!("{name}={count}"))
            .collect();
        format!("{host:width$}  {}", counts.join("  "))
    };
    recap.iter().map(row).collect::<Vec<_>>().join("\n")
}

fn hands(by_hand: &[ByHand]) -> String {
    let mut text = String::new();
    for hand in by_hand {
        let host = if hand.host.is_empty() {
            String::new()
        } else {
            format!(" on {}", hand.host)
        };
        let _ = write!(
            text,
            "\nby hand{host}, {}:\n    {}",
            hand.what, hand.command
        );
    }
    text
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "`words` names every kind; each of its parts knows only its own"
)]
fn step(kind: &EventKind, wanted: Wanted) -> Option<(&'static str, String)> {
    Some(match kind {
        EventKind::StepFinished { .. } => return finished(kind, wanted),
        EventKind::SubStepStarted { step, name } => ("part", format!("{}: {name}", step.host)),
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

fn finished(kind: &EventKind, wanted: Wanted) -> Option<(&'static str, String)> {
    let EventKind::StepFinished {
        step,
        name,
        label,
        delegated_to,
        outcome,
        ignored,
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
    let text = format!(
        "{}{}: {name}{}{took}{}{}",
        step.host,
        to.unwrap_or_default(),
        label.unwrap_or_default(),
        if *ignored { " (ignored)" } else { "" },
        details(outcome, result, wanted)
    );
    Some((word, text))
}

/// Fields that tell a person nothing about a failure that its line does not say.
const PLAIN: [&str; 7] = [
    "attempts",
    "changed",
    "delta",
    "end",
    "failed",
    "start",
    "unreachable",
];

/// Returns what a finished step tells beyond its name.
fn details(outcome: &StepOutcome, result: &StepResult, wanted: Wanted) -> String {
    let mut text = String::new();
    let bad = !outcome.is_good();
    if let StepOutcome::Skipped { why } = outcome {
        let _ = write!(text, ": {why}");
    }
    if !result.message.is_empty() {
        let _ = write!(text, "{}{}", if bad { "\n" } else { ": " }, result.message);
    }
    for (key, value) in &result.fields {
        let shown = wanted.verbosity >= 1 || (bad && !PLAIN.contains(&key.as_str()));
        let plain = value
            .as_str()
            .map_or_else(|| value.to_string(), str::to_owned);
        if shown && !plain.is_empty() && key != "msg" {
            let _ = write!(
                text,
                "\n{key}: {}",
                plain
                    .trim_end()
                    .replace('\n', &format!("\n{:width$}", "", width = key.len() + 2))
            );
        }
    }
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

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "`words` names every kind; each of its parts knows only its own"
)]
fn watching(kind: &EventKind) -> Option<(&'static str, String)> {
    Some(match kind {
        EventKind::GateStarted { time, batch, .. } => ("gate", gate(*time, *batch)),
        EventKind::GateWaited { task, saw, .. } => {
            ("waiting", format!("gate: {}: {saw}", task.name))
        }
        EventKind::GatePassed { took_ms, .. } => {
            ("passed", format!("gate ({})", seconds(*took_ms)))
        }
        EventKind::GateFailed { task, saw, .. } => (
            "failed",
            format!("gate: {} ({}): {saw}", task.name, task.at),
        ),
        EventKind::GuardChanged {
            guard, value, saw, ..
        } => {
            let value = match value {
                GuardValue::True => "holds",
                GuardValue::False => "does not hold",
                GuardValue::Unknown => "is unknown",
            };
            ("guard", format!("{guard} {value}: {saw}"))
        }
        EventKind::GuardBreached { guard, saw, .. } => ("breach", format!("{guard}: {saw}")),
        _ => return None,
    })
}

fn gate(time: GateTime, batch: u32) -> String {
    match time {
        GateTime::First | GateTime::Between => format!("before batch {batch}"),
        GateTime::Last => "after the last batch".to_owned(),
    }
}

fn title(bracket: &BracketRef) -> String {
    match bracket.object.as_str() {
        "" => bracket.name.clone(),
        object => format!("{} ({object})", bracket.name),
    }
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "`words` names every kind; each of its parts knows only its own"
)]
fn bracket(kind: &EventKind, wanted: Wanted) -> Option<(&'static str, String)> {
    Some(match kind {
        EventKind::BracketFound { bracket, found } if wanted.verbosity >= 1 => {
            ("found", format!("{}: {found}", title(bracket)))
        }
        EventKind::BracketEntered { bracket } => ("entered", title(bracket)),
        EventKind::BracketLeft { bracket } => ("left", title(bracket)),
        EventKind::BracketOwed {
            bracket,
            reason,
            by_hand,
        } => (
            "owed",
            format!("{}: {reason}{}", title(bracket), hands(by_hand)),
        ),
        EventKind::BracketHeld {
            bracket,
            reason,
            by_hand,
        } => (
            "held",
            format!("{}: {reason}{}", title(bracket), hands(by_hand)),
        ),
        _ => return None,
    })
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "`words` names every kind; each of its parts knows only its own"
)]
fn other(kind: &EventKind, wanted: Wanted) -> Option<(&'static str, String)> {
    Some(match kind {
        EventKind::RestPointReached { before, .. } if wanted.verbosity >= 2 => {
            ("rest point", format!("before {before}"))
        }
        EventKind::ApprovalAsked { name, note } => {
            ("approval", format!("asked for: {name}: {note}"))
        }
        EventKind::ApprovalGiven { name, by } if by == "beforehand" => {
            ("approval", format!("given beforehand: {name}"))
        }
        EventKind::ApprovalGiven { name, by } => ("approval", format!("given: {name}, by {by}")),
        EventKind::ApprovalRefused { name, why } => {
            ("approval", format!("not given: {name}: {why}"))
        }
        EventKind::LockTaken { cluster, on } => {
            ("lock", format!("taken for {cluster} on {}", on.join(", ")))
        }
        EventKind::LockLost { cluster, owner } => (
            "breach",
            format!("the lock of {cluster} was lost to {owner}"),
        ),
        EventKind::MemberDown { member, host, .. } => ("down", format!("{member} on {host}")),
        EventKind::MemberUp {
            member,
            host,
            down_ms,
        } => (
            "up",
            format!("{member} on {host}, after {}", seconds(*down_ms)),
        ),
        EventKind::HostLeft { host, why } => ("leaves", format!("{host}: {why}")),
        EventKind::Rescued { host, .. } => ("rescued", host.clone()),
        EventKind::Warned { message, host, at } => {
            let host = host
                .as_ref()
                .map(|host| format!("{host}: "))
                .unwrap_or_default();
            let at = at.as_ref().map(|at| format!(" ({at})")).unwrap_or_default();
            ("warning", format!("{host}{message}{at}"))
        }
        _ => return None,
    })
}

/// Returns a time for people: `850 ms`, `12.3 s`, `4 min 05 s`.
pub(super) fn seconds(ms: u64) -> String {
    match ms {
        0..1000 => format!("{ms} ms"),
        1000..60_000 => format!("{}.{} s", ms / 1000, ms % 1000 / 100),
        _ => format!("{} min {:02} s", ms / 60_000, ms % 60_000 / 1000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;
    use crate::events::StepId;

    fn event(kind: EventKind) -> Event {
        Event {
            seq: 1,
            at: Timestamp::from_second(0).unwrap(),
            elapsed_ms: 0,
            kind,
        }
    }

    fn finished(outcome: StepOutcome, took_ms: u64, result: StepResult) -> Event {
        let step = StepId {
            play: "1".into(),
            batch: 1,
            task: "1.tasks.0".into(),
            turn: 0,
            host: "node1".into(),
            item: None,
        };
        let name = "write the unit".to_owned();
        event(EventKind::StepFinished {
            step,
            name,
            label: None,
            delegated_to: None,
            outcome,
            ignored: false,
            attempts: 1,
            took_ms,
            result,
        })
    }

    #[test]
    fn a_step_is_one_line_and_a_failure_tells_all() {
        let none = Wanted::default();
        assert_eq!(
            describe(
                &finished(StepOutcome::Changed, 1234, StepResult::default()),
                none
            ),
            "00:00:00 changed     node1: write the unit (1.2 s)\n"
        );
        let skipped = finished(
            StepOutcome::Skipped {
                why: "x is false".into(),
            },
            1,
            StepResult::default(),
        );
        assert_eq!(describe(&skipped, none), "");
        let fields =
            serde_json::json!({"rc": 3, "stderr": "a\nb\n", "failed": true, "delta": "0:00:01"})
                .as_object()
                .cloned()
                .unwrap();
        let failed = finished(
            StepOutcome::Failed,
            5,
            StepResult {
                message: "it failed".into(),
                fields,
                ..StepResult::default()
            },
        );
        let text = describe(&failed, none);
        assert_eq!(text.lines().count(), 5, "{text}");
        assert!(
            text.contains("stderr: a\n") && text.contains("rc: 3"),
            "{text}"
        );
    }

    #[test]
    fn differences_are_shown_when_they_are_wanted() {
        let diff = crate::events::Difference {
            title: "/etc/x".into(),
            before: "a\n".into(),
            after: "b\n".into(),
        };
        let event = finished(
            StepOutcome::Changed,
            1,
            StepResult {
                diff: Some(diff),
                ..StepResult::default()
            },
        );
        assert!(!describe(&event, Wanted::default()).contains("-a"));
        let text = describe(
            &event,
            Wanted {
                diff: true,
                ..Wanted::default()
            },
        );
        assert!(text.contains("-a") && text.contains("+b"), "{text}");
    }

    #[test]
    fn times_are_for_people() {
        assert_eq!(
            [seconds(5), seconds(12_345), seconds(245_000)],
            ["5 ms", "12.3 s", "4 min 05 s"]
        );
    }
}
