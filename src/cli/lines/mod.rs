//! A run as plain lines, one for each thing that a person wants to know; what is shown when there is no terminal, and
//! what scrolls away above the live view when there is one.

mod run;
mod steps;
mod watching;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{self, Write};

use crate::events::{Event, EventKind, RunState, Sink};

/// What is shown of a run.
#[derive(Debug, Clone, Default)]
pub(super) struct Wanted {
    /// How many `-v` were given: 1 shows results, 2 what was skipped and each intent, 3 everything.
    pub(super) verbosity: u8,
    /// Whether differences are shown.
    pub(super) diff: bool,
    /// Whether words are coloured.
    pub(super) color: bool,
    /// What is typed behind `stagger resume RUN` and the like to find the run's records; empty where that needs nothing.
    pub(super) records: String,
}

/// Writes lines to a stream.
pub(super) struct Lines<W> {
    out: W,
    wanted: Wanted,
    state: RunState,
    calm: Calm,
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
        Self {
            out,
            wanted,
            state: RunState::default(),
            calm: Calm::default(),
        }
    }
}

/// Keeps long waits from filling the screen: the same but for its figures is said again only after a while.
#[derive(Debug, Default)]
pub(super) struct Calm {
    last: BTreeMap<String, (String, u64)>,
}

/// How long nothing is said of a wait of which only figures change.
const QUIET_MS: u64 = 15_000;

impl Calm {
    /// Tells whether an event is to be shown.
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "only waits repeat themselves; all else is shown"
    )]
    pub(super) fn lets_through(&mut self, event: &Event) -> bool {
        let (who, saw) = match &event.kind {
            EventKind::StepWaited { step, saw, .. } => {
                (format!("{}/{}", step.task, step.host), saw)
            }
            EventKind::GateWaited { task, saw, .. } => (format!("gate/{}", task.path), saw),
            _ => return true,
        };
        let kind: String = saw.chars().filter(|c| !c.is_ascii_digit()).collect();
        match self.last.get(&who) {
            Some((said, at)) if *said == kind && event.elapsed_ms < at + QUIET_MS => false,
            Some(_) | None => {
                self.last.insert(who, (kind, event.elapsed_ms));
                true
            }
        }
    }
}

impl<W: Write + Send> Sink for Lines<W> {
    fn on_event(&mut self, event: &Event) -> io::Result<()> {
        self.state.take(event);
        if !self.calm.lets_through(event) {
            return Ok(());
        }
        let text = describe(event, &self.wanted, &self.state);
        if text.is_empty() {
            return Ok(());
        }
        self.out.write_all(text.as_bytes())?;
        self.out.flush()
    }
}

/// Returns the lines for an event that the state has taken, each ended by a newline; nothing for what is not shown.
pub(super) fn describe(event: &Event, wanted: &Wanted, state: &RunState) -> String {
    let Some((word, body)) = words(event, wanted, state) else {
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
fn words(event: &Event, wanted: &Wanted, state: &RunState) -> Option<(&'static str, String)> {
    match &event.kind {
        EventKind::StepFinished { .. }
        | EventKind::StepIntended { .. }
        | EventKind::SubStepStarted { .. }
        | EventKind::StepWaited { .. }
        | EventKind::JobStarted { .. }
        | EventKind::JobReattached { .. }
        | EventKind::TaskStarted { .. } => steps::step(&event.kind, wanted, state),
        EventKind::GateStarted { .. }
        | EventKind::GateWaited { .. }
        | EventKind::GatePassed { .. }
        | EventKind::GateFailed { .. }
        | EventKind::GuardChanged { .. }
        | EventKind::GuardBreached { .. } => watching::watching(&event.kind),
        EventKind::BracketFound { .. }
        | EventKind::BracketEntered { .. }
        | EventKind::BracketLeft { .. }
        | EventKind::BracketOwed { .. }
        | EventKind::BracketHeld { .. } => watching::bracket(&event.kind, wanted),
        EventKind::RunStarted { .. }
        | EventKind::PlayStarted { .. }
        | EventKind::PlayFinished { .. }
        | EventKind::BatchStarted { .. }
        | EventKind::BatchFinished { .. }
        | EventKind::RunStopped { .. }
        | EventKind::RunFinished { .. }
        | EventKind::StopAsked { .. } => run::run(&event.kind, wanted, state),
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
        | EventKind::Unknown => watching::other(&event.kind, wanted),
    }
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
    use crate::events::{StepId, StepOutcome, StepResult};

    fn told(event: &Event, wanted: &Wanted) -> String {
        describe(event, wanted, &RunState::default())
    }

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
            at: "site.yml:6:5".into(),
            uncounted: false,
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
        let none = &Wanted::default();
        assert_eq!(
            told(
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
        assert_eq!(told(&skipped, none), "");
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
        let text = told(&failed, none);
        let blank = " ".repeat(21);
        let expected = format!(
            "00:00:00 failed      node1: write the unit\n{blank}it failed\n{blank}task: site.yml:6:5\n\
             {blank}ended with: exit code 3\n{blank}stderr: a\n{blank}        b\n"
        );
        assert_eq!(text, expected);
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
        assert!(!told(&event, &Wanted::default()).contains("-a"));
        let text = told(
            &event,
            &Wanted {
                diff: true,
                ..Wanted::default()
            },
        );
        assert!(text.contains("-a") && text.contains("+b"), "{text}");
    }

    #[test]
    fn a_wait_of_which_only_figures_change_is_told_now_and_then() {
        let mut calm = Calm::default();
        let mut waits = |elapsed_ms: u64, saw: &str| {
            let kind = EventKind::GateWaited {
                play: "1".into(),
                task: crate::events::TaskRef::default(),
                saw: saw.into(),
            };
            calm.lets_through(&Event {
                elapsed_ms,
                ..event(kind)
            })
        };
        let told = [
            waits(0, "stands still for 2 of 60 s"),
            waits(3000, "stands still for 5 of 60 s"),
            waits(4000, "no leader"),
            waits(5000, "stands still for 0 of 60 s"),
            waits(19_999, "stands still for 9 of 60 s"),
            waits(20_000, "stands still for 9 of 60 s"),
        ];
        assert_eq!(told, [true, false, true, true, false, true]);
    }

    #[test]
    fn times_are_for_people() {
        assert_eq!(
            [seconds(5), seconds(12_345), seconds(245_000)],
            ["5 ms", "12.3 s", "4 min 05 s"]
        );
    }
}
