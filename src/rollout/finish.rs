//! How a step ended, written and shown.

use serde_json::Value;

use crate::events::{EventKind, StepId, StepOutcome};
use crate::inventory::HostName;
use crate::journal::{Outcome, Record};
use crate::modules::spec::Safety;
use crate::playbook::Task;

use super::ended::{Ended, object};
use super::engine::{Engine, State};
use super::ledger::Entry;
use super::place::{ASK, LEAVE, Place};
use super::step::{Step, TaskRun};

/// What is said of a step beside how it ended.
#[derive(Debug, Clone)]
pub(super) struct Line {
    step: StepId,
    name: String,
    label: Option<String>,
    no_log: bool,
    diff: bool,
    synced: bool,
    at: String,
    uncounted: bool,
}

impl Line {
    /// Makes the line of a task as a whole.
    pub(super) fn new(step: StepId, name: &str, task: &Task, place: &Place) -> Self {
        Self {
            step,
            name: name.to_owned(),
            label: None,
            no_log: false,
            diff: false,
            synced: false,
            at: task.loc.to_string(),
            uncounted: [LEAVE, ASK].contains(&place.section),
        }
    }

    /// Makes the line of a step that was ready.
    pub(super) fn of(step: &Step, place: &Place) -> Self {
        Self {
            step: step.id.clone(),
            name: step.name.clone(),
            label: step.label.clone(),
            no_log: step.no_log,
            diff: step.diff,
            synced: !matches!(step.safety, Safety::ReadOnly | Safety::Engine),
            at: step.task.loc.to_string(),
            uncounted: [LEAVE, ASK].contains(&place.section),
        }
    }
}

impl Engine {
    /// Writes and shows how a step ended. What only read, or was never begun, needs no sync of its own.
    pub(super) fn finish(&self, line: &Line, ended: &Ended) {
        let result = self.outside.seal.seal(&Value::Object(ended.result.clone()));
        let effects = ended.effects.iter();
        let record = Record::Outcome(Outcome {
            step: line.step.clone(),
            outcome: ended.outcome.clone(),
            ignored: ended.ignored,
            result: object(result),
            owner: ended
                .owner
                .clone()
                .unwrap_or_else(|| line.step.host.clone()),
            effects: effects.filter_map(|effect| self.recorded(effect)).collect(),
        });
        let event = EventKind::StepFinished {
            step: line.step.clone(),
            name: line.name.clone(),
            label: line.label.clone(),
            at: line.at.clone(),
            uncounted: line.uncounted && !ended.outcome.is_good(),
            delegated_to: ended
                .delegated
                .as_ref()
                .map(|host| host.as_str().to_owned()),
            outcome: ended.outcome.clone(),
            ignored: ended.ignored,
            attempts: ended.attempts,
            took_ms: super::down::milliseconds(ended.took),
            result: ended.shown(line.no_log, line.diff),
        };
        {
            let mut state = self.state();
            let goes_on = self.outside.previously.part() > 1;
            settle(&mut state, &line.step, &ended.outcome, goes_on);
            if line.uncounted && !matches!(ended.outcome, StepOutcome::Skipped { .. }) {
                state.acted.insert(line.step.turn);
            }
            let counts = state.recap.entry(line.step.host.clone()).or_default();
            if !line.uncounted || ended.outcome.is_good() {
                counts.add(&ended.outcome, ended.ignored);
            }
            if !ended.outcome.is_good() {
                let number = state.messages.values().map(|(number, _)| number + 1).max();
                let host = HostName::new(&line.step.host);
                let shown = if line.no_log {
                    String::new()
                } else {
                    ended.in_short()
                };
                let message = format!("{}: {shown}", line.name);
                state.messages.insert(host, (number.unwrap_or(0), message));
            }
        }
        let entry = Entry::record(record).with_event(event).synced(line.synced);
        // What cannot be written was told, and no further intent is accepted.
        drop(self.ledger.write(entry));
    }

    /// Writes how a step ended that was never begun.
    pub(super) fn finish_unprepared(
        &self,
        run: &TaskRun<'_>,
        host: &HostName,
        item: Option<(u32, String)>,
        ended: &Ended,
    ) {
        let (index, label) = match item {
            Some((index, label)) => (Some(index), Some(label)),
            None => (None, None),
        };
        let scope = self.scope(host.as_str(), &run.around);
        let written = run.task.context.nearest(|k| k.no_log.as_ref());
        let no_log = scope.flag(written, false).unwrap_or(true);
        let name = self.task_name(run.task, &scope);
        let line = Line {
            label: label.filter(|_| !no_log),
            no_log,
            ..Line::new(
                run.place.step(&run.task.id, host, index),
                &name,
                run.task,
                run.place,
            )
        };
        self.finish(&line, ended);
    }
}

/// Notes how a step stands whose end is about to be written: whether its jobs are asked for again.
fn settle(state: &mut State, step: &StepId, outcome: &StepOutcome, goes_on: bool) {
    let is_known = !matches!(outcome, StepOutcome::InDoubt | StepOutcome::Unreachable);
    if is_known && goes_on {
        state.settled.insert(step.clone());
    }
    for started in state.jobs.get_mut(step).into_iter().flatten() {
        started.told = is_known;
    }
}
