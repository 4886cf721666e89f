//! What a run is doing now, from its records: for `status`, also from a second terminal.
//!
//! Pure: who holds the run and what time it is are handed in. Every time is the wall clock's, over all parts of the run.

mod text;

use std::collections::BTreeMap;

use serde::Serialize;

use super::story::{title, written};
use super::timeline::when;
use crate::clock::Timestamp;
use crate::events::{BracketRef, BracketState, Event, EventKind, GuardValue, RunState};
use crate::journal::{BracketChange, Entry, Header, Holder, Record};

/// What a run is doing.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Standing {
    /// Its id.
    pub run: String,
    /// The playbook.
    pub playbook: String,
    /// Whether nothing is changed.
    pub check: bool,
    /// Why it was started.
    pub reason: Option<String>,
    /// `running`, `cut_off`, `stopped` or `ended`.
    pub state: &'static str,
    /// Who works on it, or did last.
    pub operator: String,
    /// The process that works on it, or did last.
    pub process: Option<u32>,
    /// Whether the machine was booted since.
    pub rebooted: bool,
    /// When it was started.
    pub started: String,
    /// When something was last written down.
    pub last: String,
    /// The play that goes on: its name, its number, how many there are.
    pub play: Option<(String, usize, usize)>,
    /// The batch: its number, how many there are, its hosts.
    pub batch: Option<(u32, u32, Vec<String>)>,
    /// The gate that is waited for.
    pub gate: Option<Waiting>,
    /// The hosts that do something, and those that have left.
    pub hosts: Vec<HostStanding>,
    /// The members that are out of service.
    pub down: Vec<MemberStanding>,
    /// The brackets that are entered, owed or held.
    pub brackets: Vec<BracketStanding>,
    /// The guards.
    pub guards: Vec<Waiting>,
    /// The point of no return that waits for an answer.
    pub asking: Option<String>,
    /// How urgently the operator asked to stop.
    pub stop_level: u8,
    /// Why it stopped.
    pub stopped: Option<String>,
    /// Its exit code.
    pub exit_code: Option<u8>,
    /// What was not begun.
    pub not_begun: Vec<String>,
}

/// Something that is watched or waited for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Waiting {
    /// What.
    pub name: String,
    /// Since when.
    pub since: String,
    /// For how long.
    pub for_ms: u64,
    /// How it stands: of a guard `holds`, `does not hold`, `unknown`, `breached`.
    pub value: Option<&'static str>,
    /// What was last seen.
    pub saw: Option<String>,
}

/// A host.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct HostStanding {
    /// Its name.
    pub host: String,
    /// The step that goes on.
    pub step: Option<String>,
    /// Since when.
    pub since: Option<String>,
    /// For how long.
    pub for_ms: u64,
    /// Which try this is.
    pub attempt: u32,
    /// What the step last saw, or the part of a long job that it is in.
    pub saw: Option<String>,
    /// The task that it ended last.
    pub last: Option<String>,
    /// Why it takes no further part.
    pub left: Option<String>,
}

/// A member that is out of service.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct MemberStanding {
    /// The member.
    pub member: String,
    /// Its host.
    pub host: String,
    /// Since when.
    pub since: String,
    /// For how long.
    pub for_ms: u64,
    /// How long it may be.
    pub declared_ms: Option<u64>,
}

/// A bracket that is not left.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct BracketStanding {
    /// Its name and object.
    pub name: String,
    /// `entering`, `entered`, `owed` or `held`.
    pub state: &'static str,
    /// Since when it is entered, or was begun to be.
    pub since: Option<String>,
    /// Why it is owed or held.
    pub reason: Option<String>,
}

/// The events of a run on one scale: milliseconds of the wall clock since its first record.
struct Told {
    state: RunState,
    /// What was begun to be switched and was not said to be: whoever was killed there has switched it, or not.
    entering: BTreeMap<BracketRef, u64>,
    first: Timestamp,
    now: u64,
}

impl Standing {
    /// Reads the records of a run, at a moment.
    pub fn of(entries: &[Entry], holder: Option<&Holder>, now: Timestamp) -> Self {
        let (Some(first), Some(last)) = (entries.first(), entries.last()) else {
            return Self::default();
        };
        let lives = holder.is_some_and(|holder| holder.lives);
        let until = if lives { now.max(last.at) } else { last.at };
        let mut told = Told {
            state: RunState::default(),
            entering: BTreeMap::new(),
            first: first.at,
            now: 0,
        };
        let (mut header, mut finished) = (Header::default(), false);
        for entry in entries {
            match &entry.record {
                Record::Opened(opened) => header = opened.clone(),
                Record::PartStarted { .. } => finished = false,
                Record::Finished { .. } => finished = true,
                Record::Event(event) => told.take(event),
                Record::Bracket { bracket, change } => told.bracket(bracket, change, entry.at),
                Record::Batch { .. }
                | Record::Intent(_)
                | Record::Outcome(_)
                | Record::Registered { .. }
                | Record::Shared { .. }
                | Record::Learned { .. }
                | Record::Done { .. }
                | Record::PutRight { .. }
                | Record::Included { .. }
                | Record::Rescued { .. }
                | Record::HostLeft { .. }
                | Record::RestPoint { .. }
                | Record::Approval { .. }
                | Record::Stopped { .. }
                | Record::Unknown { .. } => {}
            }
        }
        told.now = told.since_first(until);
        let mut standing = told.standing(&header);
        standing.state = match (lives, finished, &standing.stopped) {
            (true, ..) => "running",
            (false, false, _) => "cut_off",
            (false, true, Some(_)) => "stopped",
            (false, true, None) => "ended",
        };
        standing.last = written(last.at);
        if let Some(holder) = holder {
            standing.operator.clone_from(&holder.owner);
            standing.process = holder.process;
            standing.rebooted = holder.rebooted;
        }
        standing
    }
}

impl Told {
    /// Takes what no event tells: that a bracket's leave is due from the moment on at which it is begun to be entered.
    fn bracket(&mut self, bracket: &BracketRef, change: &BracketChange, at: Timestamp) {
        match change {
            BracketChange::Entering { .. } => {
                let since = self.since_first(at);
                self.entering.entry(bracket.clone()).or_insert(since);
            }
            BracketChange::Entered
            | BracketChange::Left
            | BracketChange::Owed { .. }
            | BracketChange::Held { .. } => drop(self.entering.remove(bracket)),
            BracketChange::Found { .. } | BracketChange::Leaving { .. } => {}
        }
    }

    fn since_first(&self, at: Timestamp) -> u64 {
        let since = at.as_millisecond() - self.first.as_millisecond();
        u64::try_from(since).unwrap_or(0)
    }

    fn wall(&self, moment: u64) -> String {
        let moment = i64::try_from(moment).unwrap_or(0);
        let at = Timestamp::from_millisecond(self.first.as_millisecond() + moment);
        at.map(written).unwrap_or_default()
    }

    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "only what an earlier part leaves behind matters here; the fold does the rest"
    )]
    fn take(&mut self, event: &Event) {
        match &event.kind {
            EventKind::RunStarted { .. } => {
                // What the process before did, nobody does any more.
                self.state.gate = None;
                self.state.play = None;
                self.state.batch = None;
                self.state.asking = None;
                self.state.stop_level = 0;
                self.state.guards.clear();
                for host in self.state.hosts.values_mut() {
                    host.now = None;
                    host.left = None;
                }
            }
            EventKind::PlayFinished { .. } => self.state.guards.clear(),
            // It is down since it was first said to be.
            EventKind::MemberDown { member, .. } if self.state.down.contains_key(member) => return,
            EventKind::BracketEntered { bracket }
                if matches!(
                    self.state.brackets.get(bracket),
                    Some(BracketState::Entered { .. })
                ) =>
            {
                return;
            }
            _ => {}
        }
        let mut event = event.clone();
        event.seq = self.state.seq + 1;
        event.elapsed_ms = self.since_first(event.at).max(self.state.elapsed_ms);
        self.state.take(&event);
    }

    fn standing(&self, header: &Header) -> Standing {
        let state = &self.state;
        let number = |id: &str| state.plays.iter().position(|play| play.id == id);
        let play = state.play.as_ref().map(|play| {
            let number = number(&play.id).map_or(0, |index| index + 1);
            (play.name.clone(), number, state.plays.len())
        });
        Standing {
            run: header.run.clone(),
            playbook: header.playbook.clone(),
            check: header.check,
            reason: header.reason.clone(),
            operator: header.operator.clone(),
            started: self.wall(0),
            play,
            batch: state.batch.clone(),
            gate: state.gate.as_ref().map(|gate| Waiting {
                name: when(gate.time).to_owned(),
                saw: gate
                    .saw
                    .as_ref()
                    .map(|(task, saw)| format!("{task}: {saw}")),
                ..self.waiting(gate.since_ms)
            }),
            hosts: self.hosts(),
            down: self.down(),
            brackets: self.brackets(),
            guards: self.guards(),
            asking: state.asking.clone(),
            stop_level: state.stop_level,
            stopped: state.stopped.as_ref().map(|(_, message)| message.clone()),
            exit_code: state.exit_code,
            not_begun: state.not_begun(),
            ..Standing::default()
        }
    }

    fn waiting(&self, since_ms: u64) -> Waiting {
        Waiting {
            since: self.wall(since_ms),
            for_ms: self.now.saturating_sub(since_ms),
            ..Waiting::default()
        }
    }

    fn hosts(&self) -> Vec<HostStanding> {
        let hosts = self.state.hosts.iter();
        let told = hosts.map(|(name, host)| {
            let mut standing = HostStanding {
                host: name.clone(),
                last: host.last.clone(),
                left: host.left.clone(),
                ..HostStanding::default()
            };
            if let Some(now) = &host.now {
                let label = now.label.as_ref().map(|label| format!(" ({label})"));
                standing.step = Some(format!("{}{}", now.name, label.unwrap_or_default()));
                standing.since = Some(self.wall(now.since_ms));
                standing.for_ms = self.now.saturating_sub(now.since_ms);
                standing.attempt = now.attempt;
                let part = now.part.as_ref().map(|(name, _)| name.clone());
                standing.saw = part.or(now.saw.clone());
            }
            standing
        });
        told.collect()
    }

    fn down(&self) -> Vec<MemberStanding> {
        let down = self.state.down.iter();
        down.map(|(member, one)| MemberStanding {
            member: member.clone(),
            host: one.host.clone(),
            since: self.wall(one.since_ms),
            for_ms: self.now.saturating_sub(one.since_ms),
            declared_ms: one.declared_ms,
        })
        .collect()
    }

    fn brackets(&self) -> Vec<BracketStanding> {
        let standing =
            |bracket: &BracketRef, state, since: Option<u64>, reason: Option<&String>| {
                BracketStanding {
                    name: title(bracket),
                    state,
                    since: since.map(|since| self.wall(since)),
                    reason: reason.cloned(),
                }
            };
        let entering = self.entering.iter();
        let entering =
            entering.map(|(bracket, since)| standing(bracket, "entering", Some(*since), None));
        let known = self.state.brackets.iter();
        let known = known.filter(|(bracket, _)| !self.entering.contains_key(bracket));
        let known = known.filter_map(|(bracket, state)| match state {
            BracketState::Left => None,
            BracketState::Entered { since_ms } => {
                Some(standing(bracket, "entered", Some(*since_ms), None))
            }
            BracketState::Owed { reason } => Some(standing(bracket, "owed", None, Some(reason))),
            BracketState::Held { reason } => Some(standing(bracket, "held", None, Some(reason))),
        });
        entering.chain(known).collect()
    }

    fn guards(&self) -> Vec<Waiting> {
        let guards = self.state.guards.iter();
        guards
            .map(|(name, guard)| Waiting {
                name: name.clone(),
                value: Some(match (guard.breached, guard.value) {
                    (true, _) => "breached",
                    (false, GuardValue::True) => "holds",
                    (false, GuardValue::False) => "does not hold",
                    (false, GuardValue::Unknown) => "unknown",
                }),
                saw: (guard.value != GuardValue::True).then(|| guard.saw.clone()),
                ..self.waiting(guard.since_ms)
            })
            .collect()
    }
}

#[cfg(test)]
mod tests;
