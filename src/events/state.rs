//! Folding events to what is going on now: what the terminal draws and `status` prints.

use std::collections::BTreeMap;

use super::{
    BracketRef, Counts, Event, EventKind, GateTime, GuardValue, PlayOutline, StepId, StepOutcome,
    StopCause,
};

/// What a host is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Current {
    /// The step.
    pub step: StepId,
    /// The task's name.
    pub name: String,
    /// The loop's item as people see it.
    pub label: Option<String>,
    /// Since when, on the scale of [`Event::elapsed_ms`].
    pub since_ms: u64,
    /// Which try this is.
    pub attempt: u32,
    /// What it last saw, if it waits.
    pub saw: Option<String>,
    /// The part of a long job that it is in, and since when.
    pub part: Option<(String, u64)>,
}

/// A host as it stands.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HostState {
    /// What it is doing now.
    pub now: Option<Current>,
    /// The task that it ended last.
    pub last: Option<String>,
    /// How its steps ended so far.
    pub counts: Counts,
    /// Why it takes no further part.
    pub left: Option<String>,
}

/// A gate that is being passed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GateState {
    /// When in the play.
    pub time: GateTime,
    /// Since when.
    pub since_ms: u64,
    /// The task that waits, and what it last saw.
    pub saw: Option<(String, String)>,
}

/// A guard as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GuardState {
    /// Its value.
    pub value: GuardValue,
    /// Since when.
    pub since_ms: u64,
    /// What its probe saw.
    pub saw: String,
    /// Whether the value lasted longer than its grace.
    pub breached: bool,
}

/// A bracket as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BracketState {
    /// It was entered.
    Entered {
        /// Since when.
        since_ms: u64,
    },
    /// It was left again.
    Left,
    /// It could not be left.
    Owed {
        /// Why.
        reason: String,
    },
    /// It must not be left yet.
    Held {
        /// Why.
        reason: String,
    },
}

/// A member that is out of service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberState {
    /// Its host.
    pub host: String,
    /// Since when.
    pub since_ms: u64,
    /// How long it may be.
    pub declared_ms: Option<u64>,
}

/// How far a run came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reached {
    /// The play that began last.
    pub play: PlayOutline,
    /// Its batch that began last: its number, how many there are, its hosts.
    pub batch: Option<(u32, u32, Vec<String>)>,
    /// Whether the play came to its end.
    pub ended: bool,
}

/// How many names a list shows before it only counts.
const NAMED: usize = 8;

/// A run as its events tell it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RunState {
    /// The number of the last event that was taken.
    pub seq: u64,
    /// The last moment known, on the scale of [`Event::elapsed_ms`].
    pub elapsed_ms: u64,
    /// The run's id.
    pub run: String,
    /// The plays as they were planned.
    pub plays: Vec<PlayOutline>,
    /// The play that goes on.
    pub play: Option<PlayOutline>,
    /// The batch that goes on: its number, how many there are, its hosts.
    pub batch: Option<(u32, u32, Vec<String>)>,
    /// How far it came, also after it stopped.
    pub reached: Option<Reached>,
    /// How many batches of all plays have ended.
    pub batches_done: u32,
    /// The task that began last.
    pub task: Option<String>,
    /// The hosts.
    pub hosts: BTreeMap<String, HostState>,
    /// The gate that is being passed.
    pub gate: Option<GateState>,
    /// The guards.
    pub guards: BTreeMap<String, GuardState>,
    /// The brackets.
    pub brackets: BTreeMap<BracketRef, BracketState>,
    /// The members that are out of service.
    pub down: BTreeMap<String, MemberState>,
    /// The members that were out of service and are back: member, host, for how long.
    pub outages: Vec<(String, String, u64)>,
    /// The point of no return that waits for an answer.
    pub asking: Option<String>,
    /// How urgently the operator asked to stop.
    pub stop_level: u8,
    /// Why the run stopped.
    pub stopped: Option<(StopCause, String)>,
    /// The exit code of a run that is over.
    pub exit_code: Option<u8>,
}

/// Folds events, in order, to a state.
pub fn fold<'a>(events: impl IntoIterator<Item = &'a Event>) -> RunState {
    let mut state = RunState::default();
    for event in events {
        state.take(event);
    }
    state
}

impl RunState {
    /// Takes the next event; one that was taken before changes nothing.
    #[expect(
        clippy::too_many_lines,
        reason = "one short arm for each kind, the long ones are in functions of their own"
    )]
    pub fn take(&mut self, event: &Event) {
        if event.seq <= self.seq {
            return;
        }
        self.seq = event.seq;
        self.elapsed_ms = event.elapsed_ms;
        let now = event.elapsed_ms;
        match &event.kind {
            EventKind::RunStarted { run, plays, .. } => {
                self.run.clone_from(run);
                self.plays.clone_from(plays);
                self.stopped = None;
                self.exit_code = None;
            }
            EventKind::PlayStarted { play } => {
                self.play = Some(play.clone());
                self.batch = None;
                self.reached = Some(Reached {
                    play: play.clone(),
                    batch: None,
                    ended: false,
                });
            }
            EventKind::PlayFinished { .. } => {
                if let Some(reached) = &mut self.reached {
                    reached.ended = true;
                }
                self.play = None;
                self.batch = None;
                self.task = None;
            }
            EventKind::BatchStarted {
                batch, of, hosts, ..
            } => {
                let batch = Some((*batch, *of, hosts.clone()));
                if let Some(reached) = &mut self.reached {
                    reached.batch.clone_from(&batch);
                }
                self.batch = batch;
            }
            EventKind::BatchFinished { .. } => self.batches_done += 1,
            EventKind::TaskStarted { task, .. } => self.task = Some(task.name.clone()),
            EventKind::StepIntended { .. }
            | EventKind::StepFinished { .. }
            | EventKind::JobStarted { .. }
            | EventKind::JobReattached { .. }
            | EventKind::SubStepStarted { .. }
            | EventKind::StepWaited { .. }
            | EventKind::HostLeft { .. }
            | EventKind::Rescued { .. } => self.take_step(&event.kind, now),
            EventKind::GateStarted { .. }
            | EventKind::GateWaited { .. }
            | EventKind::GatePassed { .. }
            | EventKind::GateFailed { .. }
            | EventKind::GuardChanged { .. }
            | EventKind::GuardBreached { .. } => self.take_watch(&event.kind, now),
            EventKind::BracketFound { .. }
            | EventKind::BracketEntered { .. }
            | EventKind::BracketLeft { .. }
            | EventKind::BracketOwed { .. }
            | EventKind::BracketHeld { .. }
            | EventKind::MemberDown { .. }
            | EventKind::MemberUp { .. } => self.take_cluster(&event.kind, now),
            EventKind::ApprovalAsked { name, .. } => self.asking = Some(name.clone()),
            EventKind::ApprovalGiven { .. } | EventKind::ApprovalRefused { .. } => {
                self.asking = None;
            }
            EventKind::StopAsked { level, .. } => self.stop_level = *level,
            EventKind::RunStopped { cause, message, .. } => {
                self.stopped = Some((cause.clone(), message.clone()));
            }
            EventKind::RunFinished { exit_code, .. } => self.exit_code = Some(*exit_code),
            EventKind::RestPointReached { .. }
            | EventKind::LockTaken { .. }
            | EventKind::LockLost { .. }
            | EventKind::Warned { .. }
            | EventKind::Unknown => {}
        }
    }

    /// Says what was not begun: hosts of the play that was reached, and the plays behind it.
    pub fn not_begun(&self) -> Vec<String> {
        let Some(reached) = &self.reached else {
            return Vec::new();
        };
        let begun = reached.batch.as_ref().map_or(0, |(number, ..)| *number);
        let batches = usize::try_from(begun).unwrap_or(usize::MAX);
        let hosts: Vec<&str> = reached
            .play
            .batches
            .iter()
            .skip(batches)
            .flatten()
            .map(String::as_str)
            .collect();
        let after = |play: &&PlayOutline| play.id != reached.play.id;
        let mut behind = self.plays.iter().skip_while(after);
        behind.next();
        let plays: Vec<&str> = behind.map(|play| play.name.as_str()).collect();
        let mut told = Vec::new();
        if !hosts.is_empty() {
            told.push(listed(&hosts));
        }
        match plays.as_slice() {
            [] => {}
            [play] => told.push(format!("the play `{play}`")),
            [next, ..] => told.push(format!("{} plays from `{next}` on", plays.len())),
        }
        told
    }

    fn host(&mut self, host: &str) -> &mut HostState {
        self.hosts.entry(host.to_owned()).or_default()
    }

    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "the caller hands in the kinds of this group only"
    )]
    fn take_step(&mut self, kind: &EventKind, now: u64) {
        match kind {
            EventKind::StepIntended {
                step,
                name,
                label,
                attempt,
                ..
            } => self
                .host(&step.host)
                .intend(step, name, label.as_deref(), *attempt, now),
            EventKind::StepFinished {
                step,
                name,
                outcome,
                ignored,
                uncounted,
                ..
            } => {
                let host = self.host(&step.host);
                host.finish(step, name);
                if !uncounted {
                    host.counts.add(outcome, *ignored);
                }
            }
            EventKind::SubStepStarted { step, name } => {
                if let Some(current) = self.host(&step.host).on(step) {
                    current.part = Some((name.clone(), now));
                }
            }
            EventKind::StepWaited {
                step, attempt, saw, ..
            } => {
                if let Some(current) = self.host(&step.host).on(step) {
                    current.attempt = *attempt;
                    current.saw = Some(saw.clone());
                }
            }
            EventKind::HostLeft { host, why } => self.host(host).left = Some(why.clone()),
            EventKind::Rescued { host, .. } => {
                let host = self.host(host);
                host.counts.failed = host.counts.failed.saturating_sub(1);
                host.counts.rescued += 1;
            }
            _ => {}
        }
    }

    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "the caller hands in the kinds of this group only"
    )]
    fn take_watch(&mut self, kind: &EventKind, now: u64) {
        match kind {
            EventKind::GateStarted { time, .. } => {
                self.gate = Some(GateState {
                    time: *time,
                    since_ms: now,
                    saw: None,
                });
            }
            EventKind::GateWaited { task, saw, .. } => {
                if let Some(gate) = &mut self.gate {
                    gate.saw = Some((task.name.clone(), saw.clone()));
                }
            }
            EventKind::GatePassed { .. } | EventKind::GateFailed { .. } => self.gate = None,
            EventKind::GuardChanged {
                guard, value, saw, ..
            } => {
                self.guards.insert(
                    guard.clone(),
                    GuardState {
                        value: *value,
                        since_ms: now,
                        saw: saw.clone(),
                        breached: false,
                    },
                );
            }
            EventKind::GuardBreached { guard, saw, .. } => {
                if let Some(guard) = self.guards.get_mut(guard) {
                    guard.breached = true;
                    guard.saw.clone_from(saw);
                }
            }
            _ => {}
        }
    }

    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "the caller hands in the kinds of this group only"
    )]
    fn take_cluster(&mut self, kind: &EventKind, now: u64) {
        match kind {
            EventKind::BracketEntered { bracket } => {
                self.brackets
                    .insert(bracket.clone(), BracketState::Entered { since_ms: now });
            }
            EventKind::BracketLeft { bracket } => {
                self.brackets.insert(bracket.clone(), BracketState::Left);
            }
            EventKind::BracketOwed {
                bracket, reason, ..
            } => {
                let reason = reason.clone();
                self.brackets
                    .insert(bracket.clone(), BracketState::Owed { reason });
            }
            EventKind::BracketHeld {
                bracket, reason, ..
            } => {
                let reason = reason.clone();
                self.brackets
                    .insert(bracket.clone(), BracketState::Held { reason });
            }
            EventKind::MemberDown {
                member,
                host,
                declared_ms,
            } => {
                self.down.insert(
                    member.clone(),
                    MemberState {
                        host: host.clone(),
                        since_ms: now,
                        declared_ms: *declared_ms,
                    },
                );
            }
            EventKind::MemberUp {
                member,
                host,
                down_ms,
            } => {
                self.down.remove(member);
                self.outages.push((member.clone(), host.clone(), *down_ms));
            }
            _ => {}
        }
    }
}

fn listed(names: &[&str]) -> String {
    let shown = names.get(..NAMED).unwrap_or(names).join(", ");
    match names.len().saturating_sub(NAMED) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

impl HostState {
    fn on(&mut self, step: &StepId) -> Option<&mut Current> {
        self.now.as_mut().filter(|current| current.step == *step)
    }

    fn intend(&mut self, step: &StepId, name: &str, label: Option<&str>, attempt: u32, now: u64) {
        if let Some(current) = self.on(step) {
            current.attempt = attempt;
            return;
        }
        self.now = Some(Current {
            step: step.clone(),
            name: name.to_owned(),
            label: label.map(str::to_owned),
            since_ms: now,
            attempt,
            saw: None,
            part: None,
        });
    }

    fn finish(&mut self, step: &StepId, name: &str) {
        if self.on(step).is_some() {
            self.now = None;
        }
        self.last = Some(name.to_owned());
    }
}

impl Counts {
    /// Counts a step.
    pub fn add(&mut self, outcome: &StepOutcome, ignored: bool) {
        match outcome {
            StepOutcome::Ok => self.ok += 1,
            StepOutcome::Changed => {
                self.ok += 1;
                self.changed += 1;
            }
            StepOutcome::Skipped { .. } => self.skipped += 1,
            StepOutcome::Failed if ignored => self.ignored += 1,
            StepOutcome::Failed => self.failed += 1,
            StepOutcome::Unreachable if ignored => self.ignored += 1,
            StepOutcome::Unreachable => self.unreachable += 1,
            StepOutcome::InDoubt => self.in_doubt += 1,
        }
    }
}

#[cfg(test)]
mod tests;
