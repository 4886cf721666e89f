//! Records -> report.

use super::{
    Approval, BatchStory, BracketStory, FailedStep, GateStory, Outage, Part, PlayStory, Report,
    SlowStep, Warning,
};
use crate::clock::Timestamp;
use crate::events::{BracketRef, Counts, Event, EventKind, GuardValue, StepOutcome};
use crate::journal::{Entry, Record, mask_references};

use super::change::{self, Change};
use super::figures;
use super::timeline::{Timeline, when};

/// How many of the longest steps are told.
const SLOWEST: usize = 10;

/// What is needed while the records are read, beside the report.
#[derive(Debug, Default)]
struct Reading {
    report: Report,
    part_began: Option<Timestamp>,
    last: Option<Timestamp>,
    play_began: Option<Timestamp>,
    batch_began: Option<Timestamp>,
    gate_began: Option<Timestamp>,
    entered: Vec<(BracketRef, usize, Timestamp)>,
    down: Vec<(String, usize, Timestamp)>,
}

impl Report {
    /// Reads the records of a run.
    pub fn of(entries: &[Entry]) -> Self {
        let mut reading = Reading::default();
        for entry in entries {
            reading.take(entry);
            reading.last = Some(entry.at);
        }
        reading.close_part();
        let mut report = reading.report;
        report
            .slowest
            .sort_by_key(|step| std::cmp::Reverse(step.took_ms));
        report.slowest.truncate(SLOWEST);
        report.versions = change::versions(entries);
        report.figures = figures::figures(entries);
        report.timeline = Timeline::of(entries);
        report.last = entries.last().map(|entry| written(entry.at));
        report
    }
}

pub(super) fn written(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}

fn between(from: Option<Timestamp>, to: Timestamp) -> u64 {
    let Some(from) = from else { return 0 };
    u64::try_from(to.as_millisecond() - from.as_millisecond()).unwrap_or(0)
}

pub(super) fn title(bracket: &BracketRef) -> String {
    match bracket.object.as_str() {
        "" => bracket.name.clone(),
        object => format!("{} ({object})", bracket.name),
    }
}

impl Reading {
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "only these kinds matter here; the others are passed over on purpose"
    )]
    fn take(&mut self, entry: &Entry) {
        match &entry.record {
            Record::Opened(header) => {
                let report = &mut self.report;
                report.run.clone_from(&header.run);
                report.playbook.clone_from(&header.playbook);
                report.reason.clone_from(&header.reason);
                report.operator.clone_from(&header.operator);
                report.bastion.clone_from(&header.bastion);
                report.check = header.check;
                report.plan_digest.clone_from(&header.plan_digest);
                report.inventory_digest.clone_from(&header.inventory_digest);
            }
            Record::PartStarted {
                version,
                operator,
                args,
                ..
            } => {
                self.close_part();
                self.part_began = Some(entry.at);
                self.last = Some(entry.at);
                self.report.by_hand.clear();
                self.report.parts.push(Part {
                    started: written(entry.at),
                    operator: operator.clone(),
                    version: version.clone(),
                    typed: args.iter().map(|word| mask_references(word)).collect(),
                    ..Part::default()
                });
            }
            Record::Finished { exit_code } => {
                if let Some(part) = self.report.parts.last_mut() {
                    part.exit_code = Some(*exit_code);
                    part.ended = Some(written(entry.at));
                }
            }
            Record::Event(event) => self.event(event),
            _ => {}
        }
    }

    fn close_part(&mut self) {
        if let (Some(part), Some(last)) = (self.report.parts.last_mut(), self.last) {
            part.took_ms = between(self.part_began, last);
        }
    }

    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "only these kinds matter here; the others are passed over on purpose"
    )]
    fn event(&mut self, event: &Event) {
        match &event.kind {
            EventKind::PlayStarted { .. }
            | EventKind::PlayFinished { .. }
            | EventKind::BatchStarted { .. }
            | EventKind::BatchFinished { .. } => self.play(event),
            EventKind::GateStarted { .. }
            | EventKind::GatePassed { .. }
            | EventKind::GateFailed { .. } => self.gate(event),
            EventKind::BracketEntered { .. }
            | EventKind::BracketLeft { .. }
            | EventKind::BracketOwed { .. }
            | EventKind::BracketHeld { .. } => self.bracket(event),
            EventKind::MemberDown { .. } | EventKind::MemberUp { .. } => self.member(event),
            EventKind::StepFinished { .. } => self.step(event),
            EventKind::Rescued { host, .. } => {
                let counts = self.report.recap.entry(host.clone()).or_default();
                counts.failed = counts.failed.saturating_sub(1);
                counts.rescued += 1;
            }
            EventKind::ApprovalGiven { name, by } => self.approval(name, true, by),
            EventKind::ApprovalRefused { name, why } => self.approval(name, false, why),
            EventKind::GuardChanged {
                guard, value, saw, ..
            } if *value != GuardValue::True => {
                self.warning(event.at, format!("guard `{guard}`: {saw}"));
            }
            EventKind::GuardBreached { guard, saw, .. } => {
                self.warning(event.at, format!("guard `{guard}` breached: {saw}"));
            }
            EventKind::Warned { message, host, .. } => {
                let host = host.as_ref().map(|host| format!("{host}: "));
                self.warning(event.at, format!("{}{message}", host.unwrap_or_default()));
            }
            EventKind::RunStopped {
                message, by_hand, ..
            } => {
                if let Some(part) = self.report.parts.last_mut() {
                    part.stopped = Some(message.clone());
                }
                self.report.by_hand.clone_from(by_hand);
            }
            _ => {}
        }
    }

    fn approval(&mut self, name: &str, given: bool, by: &str) {
        self.report.approvals.push(Approval {
            name: name.to_owned(),
            given,
            by: by.to_owned(),
        });
    }

    fn warning(&mut self, at: Timestamp, text: String) {
        self.report.warnings.push(Warning {
            at: written(at),
            text,
        });
    }

    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "the caller hands in the kinds of this group only"
    )]
    fn play(&mut self, event: &Event) {
        match &event.kind {
            EventKind::PlayStarted { play } => {
                self.play_began = Some(event.at);
                self.report.plays.push(PlayStory {
                    id: play.id.clone(),
                    name: play.name.clone(),
                    started: written(event.at),
                    ..PlayStory::default()
                });
            }
            EventKind::PlayFinished { .. } => {
                let took = between(self.play_began, event.at);
                if let Some(play) = self.report.plays.last_mut() {
                    play.took_ms = Some(took);
                }
            }
            EventKind::BatchStarted { batch, hosts, .. } => {
                self.batch_began = Some(event.at);
                if let Some(play) = self.report.plays.last_mut() {
                    play.batches.push(BatchStory {
                        number: *batch,
                        hosts: hosts.clone(),
                        took_ms: None,
                    });
                }
            }
            EventKind::BatchFinished { .. } => {
                let took = between(self.batch_began, event.at);
                let play = self.report.plays.last_mut();
                if let Some(batch) = play.and_then(|play| play.batches.last_mut()) {
                    batch.took_ms = Some(took);
                }
            }
            _ => {}
        }
    }

    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "the caller hands in the kinds of this group only"
    )]
    fn gate(&mut self, event: &Event) {
        let (time, failed) = match &event.kind {
            EventKind::GateStarted { .. } => {
                self.gate_began = Some(event.at);
                return;
            }
            EventKind::GatePassed { time, .. } => (*time, None),
            EventKind::GateFailed {
                time, task, saw, ..
            } => (*time, Some(format!("{}: {saw}", task.name))),
            _ => return,
        };
        let play = self.report.plays.last();
        self.report.gates.push(GateStory {
            play: play.map(|play| play.name.clone()).unwrap_or_default(),
            when: when(time).to_owned(),
            took_ms: between(self.gate_began, event.at),
            failed,
        });
    }

    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "the caller hands in the kinds of this group only"
    )]
    fn bracket(&mut self, event: &Event) {
        match &event.kind {
            EventKind::BracketEntered { bracket } => {
                let again = self.entered.iter().any(|(other, ..)| other == bracket);
                if !again {
                    let index = self.report.brackets.len();
                    self.entered.push((bracket.clone(), index, event.at));
                    self.report.brackets.push(BracketStory {
                        name: title(bracket),
                        entered: written(event.at),
                        ..BracketStory::default()
                    });
                }
            }
            EventKind::BracketLeft { bracket } => {
                let place = self.entered.iter().position(|(other, ..)| other == bracket);
                if let Some(place) = place {
                    let (_, index, since) = self.entered.remove(place);
                    if let Some(story) = self.report.brackets.get_mut(index) {
                        story.took_ms = Some(between(Some(since), event.at));
                        story.owed = None;
                    }
                }
            }
            EventKind::BracketOwed {
                bracket, reason, ..
            }
            | EventKind::BracketHeld {
                bracket, reason, ..
            } => {
                let open = self.entered.iter().find(|(other, ..)| other == bracket);
                let index = open.map(|(_, index, _)| *index);
                let index = index.unwrap_or_else(|| {
                    // It failed while it was entered.
                    let index = self.report.brackets.len();
                    self.entered.push((bracket.clone(), index, event.at));
                    self.report.brackets.push(BracketStory {
                        name: title(bracket),
                        entered: written(event.at),
                        ..BracketStory::default()
                    });
                    index
                });
                if let Some(story) = self.report.brackets.get_mut(index) {
                    story.owed = Some(reason.clone());
                }
            }
            _ => {}
        }
    }

    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "the caller hands in the kinds of this group only"
    )]
    fn member(&mut self, event: &Event) {
        match &event.kind {
            EventKind::MemberDown { member, host, .. } => {
                if self.down.iter().any(|(other, ..)| other == member) {
                    return;
                }
                self.down
                    .push((member.clone(), self.report.members.len(), event.at));
                self.report.members.push(Outage {
                    member: member.clone(),
                    host: host.clone(),
                    since: written(event.at),
                    took_ms: None,
                });
            }
            EventKind::MemberUp { member, .. } => {
                let place = self.down.iter().position(|(other, ..)| other == member);
                if let Some(place) = place {
                    let (_, index, since) = self.down.remove(place);
                    if let Some(outage) = self.report.members.get_mut(index) {
                        outage.took_ms = Some(between(Some(since), event.at));
                    }
                }
            }
            _ => {}
        }
    }

    fn step(&mut self, event: &Event) {
        let EventKind::StepFinished {
            step,
            name,
            at,
            uncounted,
            outcome,
            ignored,
            took_ms,
            result,
            ..
        } = &event.kind
        else {
            return;
        };
        let host = &step.host;
        if !uncounted {
            let counts: &mut Counts = self.report.recap.entry(host.clone()).or_default();
            counts.add(outcome, *ignored);
        }
        let how = match outcome {
            StepOutcome::Skipped { .. } => return,
            StepOutcome::Ok => None,
            StepOutcome::Changed => {
                let changes = self.report.changes.entry(host.clone()).or_default();
                changes.push(match result.message.as_str() {
                    "" => name.clone(),
                    message => format!("{name}: {message}"),
                });
                None
            }
            StepOutcome::Failed => Some("failed"),
            StepOutcome::Unreachable => Some("unreachable"),
            StepOutcome::InDoubt => Some("in doubt"),
        };
        if let Some(diff) = &result.diff {
            self.report.differences.push(Change {
                at: written(event.at),
                host: host.clone(),
                task: name.clone(),
                title: diff.title.clone(),
                lines: change::lines(&diff.before, &diff.after),
            });
        }
        self.report.slowest.push(SlowStep {
            host: host.clone(),
            task: name.clone(),
            took_ms: *took_ms,
        });
        if let Some(how) = how {
            self.report.failures.push(FailedStep {
                at: written(event.at),
                host: host.clone(),
                task: name.clone(),
                place: at.clone(),
                how,
                ignored: *ignored,
                why: result.message.clone(),
            });
        }
    }
}
