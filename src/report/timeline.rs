//! Records -> what went on when: one lane for each thing that lasts, on the scale of the wall clock.
//!
//! Pure. A run of several parts keeps its real times; the stretches in which nobody worked on it are told as pauses, so
//! that whoever draws it can shorten them. Called by `story`.

use std::collections::BTreeMap;

use serde::Serialize;

use super::story::title;
use crate::clock::Timestamp;
use crate::events::{Event, EventKind, GateTime, GuardValue, StepId, StepOutcome};
use crate::journal::{Entry, Record};

/// What went on when.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Timeline {
    /// How long the run took from its first record to its last, pauses included.
    pub took_ms: u64,
    /// The stretches between parts, in which no process worked on the run: from, to.
    pub pauses: Vec<(u64, u64)>,
    /// What lasted, by the thing that it concerns.
    pub lanes: Vec<Lane>,
}

/// All that went on with one thing.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Lane {
    /// What sort of thing.
    pub of: LaneOf,
    /// Its name.
    pub name: String,
    /// Its stretches, in the order in which they began.
    pub spans: Vec<Span>,
}

/// What a lane is about, in the order in which lanes are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum LaneOf {
    /// The batches of all plays.
    Batches,
    /// The gates of all plays.
    Gates,
    /// A guard.
    Guard,
    /// A bracket.
    Bracket,
    /// A member that was out of service.
    Member,
    /// The steps of a host.
    Host,
}

/// A stretch of time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Span {
    /// When it began, counted from the run's first record.
    pub from_ms: u64,
    /// When it ended, or the run's last record.
    pub to_ms: u64,
    /// Whether its end is not recorded.
    pub open: bool,
    /// How it looks.
    pub look: Look,
    /// What it was.
    pub what: String,
}

/// How a stretch is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Look {
    /// It went on, and that is all.
    Plain,
    /// It went well and changed nothing.
    Fine,
    /// It changed something.
    Changed,
    /// Something was waited for.
    Waiting,
    /// A protection was switched, or a member was out of service.
    Away,
    /// It did not go well.
    Bad,
    /// Nobody knows.
    Unknown,
}

#[derive(Debug)]
struct Reading {
    first: Timestamp,
    now: u64,
    lanes: BTreeMap<(LaneOf, String), Vec<Span>>,
    /// The lane in which each open stretch is, and its index there.
    open: Vec<(Key, LaneOf, String, usize)>,
    play: String,
}

/// What tells an open stretch from all others.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Key {
    Batch,
    Gate,
    Guard(String),
    Bracket(String),
    Member(String),
    Step(StepId),
}

impl Key {
    /// Tells whether it ends with the process that began it.
    fn ends_with_its_part(&self) -> bool {
        match self {
            Self::Batch | Self::Gate | Self::Guard(_) | Self::Step(_) => true,
            Self::Bracket(_) | Self::Member(_) => false,
        }
    }
}

impl Timeline {
    /// Reads the records of a run.
    pub(super) fn of(entries: &[Entry]) -> Self {
        let Some(first) = entries.first() else {
            return Self::default();
        };
        let mut reading = Reading {
            first: first.at,
            now: 0,
            lanes: BTreeMap::new(),
            open: Vec::new(),
            play: String::new(),
        };
        let mut pauses = Vec::new();
        for entry in entries {
            if matches!(entry.record, Record::PartStarted { .. }) {
                let before = reading.now;
                reading.part_ends();
                reading.moves_on(entry.at);
                if reading.now > before {
                    pauses.push((before, reading.now));
                }
            } else {
                reading.moves_on(entry.at);
            }
            if let Record::Event(event) = &entry.record {
                reading.take(event);
            }
        }
        let took_ms = reading.now;
        for (_, of, name, index) in std::mem::take(&mut reading.open) {
            if let Some(span) = reading.span(of, &name, index) {
                span.to_ms = took_ms;
            }
        }
        let lanes = reading.lanes.into_iter();
        Self {
            took_ms,
            pauses,
            lanes: lanes
                .map(|((of, name), spans)| Lane { of, name, spans })
                .collect(),
        }
    }
}

impl Reading {
    /// Takes the time of a record; the wall clock may go back, this one does not.
    fn moves_on(&mut self, at: Timestamp) {
        let since = at.as_millisecond() - self.first.as_millisecond();
        self.now = u64::try_from(since).unwrap_or(0).max(self.now);
    }

    fn span(&mut self, of: LaneOf, name: &str, index: usize) -> Option<&mut Span> {
        let lane = self.lanes.get_mut(&(of, name.to_owned()))?;
        lane.get_mut(index)
    }

    fn begins(&mut self, key: Key, of: LaneOf, name: &str, look: Look, what: String) {
        if self.open.iter().any(|(other, ..)| *other == key) {
            return;
        }
        let lane = self.lanes.entry((of, name.to_owned())).or_default();
        lane.push(Span {
            from_ms: self.now,
            to_ms: self.now,
            open: true,
            look,
            what,
        });
        self.open.push((key, of, name.to_owned(), lane.len() - 1));
    }

    /// Ends a stretch; returns whether it was there.
    fn ends(&mut self, key: &Key, look: Option<Look>, more: &str) -> bool {
        let Some(place) = self.open.iter().position(|(other, ..)| other == key) else {
            return false;
        };
        let (_, of, name, index) = self.open.remove(place);
        let now = self.now;
        let is_step = matches!(key, Key::Step(_));
        if let Some(span) = self.span(of, &name, index) {
            span.to_ms = now;
            span.open = false;
            span.look = match (look, span.look) {
                (Some(look), _) => look,
                (None, Look::Plain) if is_step => Look::Fine,
                (None, look) => look,
            };
            span.what.push_str(more);
        }
        true
    }

    /// A process was cut off: what it was doing has no end, and nobody does it any more.
    fn part_ends(&mut self) {
        let now = self.now;
        let open = std::mem::take(&mut self.open);
        for (key, of, name, index) in open {
            if !key.ends_with_its_part() {
                self.open.push((key, of, name, index));
                continue;
            }
            let is_step = matches!(key, Key::Step(_));
            if let Some(span) = self.span(of, &name, index) {
                span.to_ms = now;
                if is_step {
                    span.look = Look::Unknown;
                    span.what.push_str(": cut off");
                }
            }
        }
    }

    fn watching_ends(&mut self) {
        let open = self.open.iter().map(|(key, ..)| key);
        let guards: Vec<Key> = open
            .filter(|key| matches!(key, Key::Guard(_)))
            .cloned()
            .collect();
        for key in guards {
            self.ends(&key, None, "");
        }
    }

    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "only what lasts matters here; the other kinds are passed over on purpose"
    )]
    fn take(&mut self, event: &Event) {
        match &event.kind {
            EventKind::PlayStarted { play } => self.play.clone_from(&play.name),
            // Nobody watches behind the play; what a guard said last is not known to hold there.
            EventKind::PlayFinished { .. } => self.watching_ends(),
            EventKind::BatchStarted { batch, hosts, .. } => {
                let what = format!("{}, batch {batch}: {}", self.play, hosts.join(", "));
                self.begins(Key::Batch, LaneOf::Batches, "", Look::Plain, what);
            }
            EventKind::BatchFinished { .. } => {
                self.ends(&Key::Batch, None, "");
            }
            EventKind::GateStarted { .. }
            | EventKind::GateWaited { .. }
            | EventKind::GatePassed { .. }
            | EventKind::GateFailed { .. } => self.gate(&event.kind),
            EventKind::GuardChanged { .. } | EventKind::GuardBreached { .. } => {
                self.guard(&event.kind);
            }
            EventKind::BracketEntered { .. }
            | EventKind::BracketLeft { .. }
            | EventKind::BracketOwed { .. }
            | EventKind::BracketHeld { .. }
            | EventKind::MemberDown { .. }
            | EventKind::MemberUp { .. } => self.cluster(&event.kind),
            EventKind::StepIntended { .. }
            | EventKind::StepFinished { .. }
            | EventKind::StepWaited { .. } => self.step(&event.kind),
            _ => {}
        }
    }

    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "the caller hands in the kinds of this group only"
    )]
    fn gate(&mut self, kind: &EventKind) {
        match kind {
            EventKind::GateStarted { time, .. } => {
                let what = format!("{}, {}", self.play, when(*time));
                self.begins(Key::Gate, LaneOf::Gates, "", Look::Fine, what);
            }
            EventKind::GateWaited { .. } => self.looks(&Key::Gate, Look::Waiting),
            EventKind::GatePassed { .. } => {
                self.ends(&Key::Gate, None, ": passed");
            }
            EventKind::GateFailed { saw, .. } => {
                self.ends(&Key::Gate, Some(Look::Bad), &format!(": {saw}"));
            }
            _ => {}
        }
    }

    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "the caller hands in the kinds of this group only"
    )]
    fn guard(&mut self, kind: &EventKind) {
        match kind {
            EventKind::GuardChanged {
                guard, value, saw, ..
            } => {
                let key = Key::Guard(guard.clone());
                self.ends(&key, None, "");
                let (look, word) = match value {
                    GuardValue::True => (Look::Fine, "holds".to_owned()),
                    GuardValue::False => (Look::Bad, format!("does not hold: {saw}")),
                    GuardValue::Unknown => (Look::Unknown, format!("unknown: {saw}")),
                };
                self.begins(key, LaneOf::Guard, guard, look, word);
            }
            EventKind::GuardBreached { guard, .. } => {
                self.looks(&Key::Guard(guard.clone()), Look::Bad);
            }
            _ => {}
        }
    }

    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "the caller hands in the kinds of this group only"
    )]
    fn cluster(&mut self, kind: &EventKind) {
        match kind {
            EventKind::BracketEntered { bracket } => {
                let title = title(bracket);
                let key = Key::Bracket(title.clone());
                self.begins(key, LaneOf::Bracket, &bracket.name, Look::Away, title);
            }
            EventKind::BracketLeft { bracket } => {
                self.ends(&Key::Bracket(title(bracket)), Some(Look::Away), "");
            }
            EventKind::BracketOwed { bracket, .. } | EventKind::BracketHeld { bracket, .. } => {
                self.looks(&Key::Bracket(title(bracket)), Look::Bad);
            }
            EventKind::MemberDown { member, host, .. } => {
                let key = Key::Member(member.clone());
                let what = format!("{member} on {host} out of service");
                self.begins(key, LaneOf::Member, member, Look::Away, what);
            }
            EventKind::MemberUp { member, .. } => {
                self.ends(&Key::Member(member.clone()), None, "");
            }
            _ => {}
        }
    }

    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "the caller hands in the kinds of this group only"
    )]
    fn step(&mut self, kind: &EventKind) {
        match kind {
            EventKind::StepIntended { step, name, .. } => {
                let key = Key::Step(step.clone());
                self.begins(key, LaneOf::Host, &step.host, Look::Plain, name.clone());
            }
            EventKind::StepWaited { step, .. } => {
                self.looks(&Key::Step(step.clone()), Look::Waiting);
            }
            EventKind::StepFinished {
                step,
                outcome,
                ignored,
                ..
            } => {
                let key = Key::Step(step.clone());
                let (look, word) = match outcome {
                    StepOutcome::Ok => (None, ""),
                    StepOutcome::Changed => (Some(Look::Changed), ": changed"),
                    StepOutcome::Skipped { .. } => (Some(Look::Plain), ": skipped"),
                    StepOutcome::Failed if *ignored => (Some(Look::Plain), ": failed, ignored"),
                    StepOutcome::Failed => (Some(Look::Bad), ": failed"),
                    StepOutcome::Unreachable => (Some(Look::Bad), ": unreachable"),
                    StepOutcome::InDoubt => (Some(Look::Unknown), ": in doubt"),
                };
                self.ends(&key, look, word);
            }
            _ => {}
        }
    }

    fn looks(&mut self, key: &Key, look: Look) {
        let found = self.open.iter().find(|(other, ..)| other == key).cloned();
        if let Some((_, of, name, index)) = found
            && let Some(span) = self.span(of, &name, index)
        {
            span.look = look;
        }
    }
}

/// Says when in its play a gate is passed.
pub(super) fn when(time: GateTime) -> &'static str {
    match time {
        GateTime::First => "before the first batch",
        GateTime::Between => "between batches",
        GateTime::Last => "after the last batch",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::pages::tests::records;

    fn lane(timeline: &Timeline, of: LaneOf) -> &Lane {
        timeline.lanes.iter().find(|lane| lane.of == of).unwrap()
    }

    #[test]
    fn what_lasts_over_a_crash_is_one_stretch_and_what_was_done_is_not() {
        let timeline = Timeline::of(&records());
        assert_eq!(timeline.took_ms, 71_000);
        assert_eq!(timeline.pauses, [(8_000, 60_000)]);
        let member = lane(&timeline, LaneOf::Member);
        assert_eq!(member.name, "DBServer0001");
        let out = &member.spans[..];
        assert_eq!(
            (out[0].from_ms, out[0].to_ms, out[0].open),
            (7_000, 67_000, false)
        );
        let bracket = &lane(&timeline, LaneOf::Bracket).spans[0];
        assert_eq!(
            (bracket.from_ms, bracket.to_ms, bracket.open),
            (6_000, 70_000, false)
        );
        let batch = &lane(&timeline, LaneOf::Batches).spans[0];
        assert_eq!(
            (batch.from_ms, batch.to_ms, batch.open),
            (5_000, 8_000, true)
        );
        let gate = &lane(&timeline, LaneOf::Gates).spans[0];
        assert_eq!(
            (gate.from_ms, gate.to_ms, gate.look),
            (0, 5_000, Look::Fine)
        );
    }

    #[test]
    fn a_run_that_was_cut_off_has_open_ends_and_a_clock_that_goes_back_does_no_harm() {
        let mut cut_off = records();
        cut_off.truncate(9);
        let timeline = Timeline::of(&cut_off);
        assert!(lane(&timeline, LaneOf::Member).spans[0].open);
        cut_off.reverse();
        let back = Timeline::of(&cut_off);
        assert!(
            back.lanes
                .iter()
                .flat_map(|lane| &lane.spans)
                .all(|span| span.from_ms <= span.to_ms)
        );
        assert_eq!(Timeline::of(&[]), Timeline::default());
    }
}
