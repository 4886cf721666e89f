//! One task on one host: its items one after another, each with its intent before and its outcome after.

use serde_json::{Map, Value, json};

use crate::events::StepOutcome;
use crate::inventory::HostName;
use crate::modules::spec::Safety;
use crate::playbook::Task;
use crate::yaml::Problem;

use super::decide::{Decision, Refusal};
use super::ended::{Ended, told};
use super::engine::Engine;
use super::finish::Line;
use super::ledger::Entry;
use super::loops::Items;
use super::place::{Left, Place};
use super::previously::Known;
use super::recall::Recalled;
use super::scope::Scope;
use super::step::{Step, TaskRun};

/// What is to be done on one host.
#[derive(Debug)]
pub(super) struct HostWork {
    /// The host.
    pub(super) host: HostName,
    scope: Scope,
    items: Option<Items>,
    /// What ended while it was prepared: skipped and failed items before the first step.
    ended: Vec<(usize, Ended)>,
    /// The first step that is to run.
    pub(super) first: Option<Box<Step>>,
    /// Which try of the first step this is.
    pub(super) attempt: u32,
    /// The item of the first step.
    at: usize,
}

/// What was done on one host.
#[derive(Debug)]
pub(super) struct HostReport {
    /// The host.
    pub(super) host: HostName,
    /// What `register` gets.
    pub(super) result: Map<String, Value>,
    /// Whether anything was changed.
    pub(super) changed: bool,
    /// Why the host does not go on, if so.
    pub(super) left: Option<Left>,
    /// Variables that were set, for the other hosts of a task that runs once.
    pub(super) facts: Vec<(bool, Map<String, Value>)>,
}

impl HostReport {
    /// Makes an empty report.
    pub(super) fn new(host: &HostName) -> Self {
        Self {
            host: host.clone(),
            result: Map::new(),
            changed: false,
            left: None,
            facts: Vec::new(),
        }
    }

    /// Makes the report of a host that is given another host's result.
    pub(super) fn given(host: &HostName, result: Map<String, Value>) -> Self {
        Self {
            result,
            ..Self::new(host)
        }
    }
}

/// An item that was looked at.
#[expect(
    clippy::large_enum_variant,
    reason = "one of them lives at a time, and not for long"
)]
enum Looked {
    /// It ended already: skipped, failed, not reached, taken from the journal.
    Ended(Ended),
    /// It is ready to run, as this try.
    Ready(Box<Step>, u32),
}

impl Engine {
    /// Renders a host's part of a task up to its first step, and opens the session for it.
    pub(super) fn prepare(&self, run: &TaskRun<'_>, host: &HostName) -> HostWork {
        let scope = self.scope(host.as_str(), &run.around);
        let mut work = HostWork {
            host: host.clone(),
            items: None,
            ended: Vec::new(),
            first: None,
            attempt: 1,
            at: 0,
            scope,
        };
        match Items::of(run.task, &work.scope) {
            Ok(items) => work.items = items,
            Err(problem) => {
                // A task that would be skipped need not have items that can be found.
                let mut ended = match asked(run.place, &work.host, run.task, &work.scope) {
                    Ok(Some(skipped)) => skipped,
                    Ok(None) | Err(_) => Ended::wrong(&problem),
                };
                ended.ignored |= self.settings.survey && ended.outcome == StepOutcome::Failed;
                self.finish_unprepared(run, host, None, &ended);
                work.ended.push((0, ended));
                return work;
            }
        }
        self.look_ahead(run, &mut work);
        work
    }

    /// Goes on to the next item that is to run.
    fn look_ahead(&self, run: &TaskRun<'_>, work: &mut HostWork) {
        let count = work.items.as_ref().map_or(1, Items::len);
        work.first = None;
        while work.at < count {
            match self.look(run, work, work.at) {
                Looked::Ready(step, attempt) => {
                    work.first = Some(step);
                    work.attempt = attempt;
                    return;
                }
                Looked::Ended(ended) => {
                    let stops = ended_left(&ended, work.items.as_ref()).is_some();
                    work.ended.push((work.at, ended));
                    work.at += 1;
                    if stops {
                        work.at = count;
                    }
                }
            }
        }
    }

    fn look(&self, run: &TaskRun<'_>, work: &HostWork, index: usize) -> Looked {
        let variables = work.items.as_ref().map(|items| items.variables(index));
        let scope = work.scope.with(variables.unwrap_or_default());
        let item = work.items.as_ref().map(|items| {
            let number = u32::try_from(index).unwrap_or(u32::MAX);
            (number, items.label(index, &scope))
        });
        let ended = |mut ended: Ended| {
            ended.ignored |= self.settings.survey && ended.outcome == StepOutcome::Failed;
            self.finish_unprepared(run, &work.host, item.clone(), &ended);
            Looked::Ended(ended)
        };
        // What was begun in an earlier part of the run had its conditions met then; since then it may have changed them.
        let id = run
            .place
            .step(&run.task.id, &work.host, item.as_ref().map(|item| item.0));
        let known = self.outside.previously.step(&id);
        let was_begun = known.is_some_and(|known| known.intent.is_some());
        match asked(run.place, &work.host, run.task, &scope) {
            Ok(Some(_)) if was_begun => {}
            Ok(None) => {}
            Ok(Some(skipped)) => return ended(skipped),
            Err(problem) => return ended(Ended::wrong(&problem)),
        }
        match self.step(run, &work.host, scope, item.clone()) {
            Err(problems) => ended(wrong(&problems)),
            Ok(mut step) => {
                let items = work.items.as_ref();
                let own = items.map(|items| items.variables(index));
                self.can_be_asked(run.place, &mut step, own.unwrap_or_default());
                match self.make_ready(run, &mut step) {
                    Ok(attempt) => Looked::Ready(Box::new(step), attempt),
                    Err(Recalled::Known(known)) => Looked::Ended(*known),
                    Err(Recalled::Ended(end)) => ended(self.unprepared(&step, *end)),
                }
            }
        }
    }

    /// An end before the step began still honours what the task says about failures.
    fn unprepared(&self, step: &Step, mut ended: Ended) -> Ended {
        ended.ignored = match ended.outcome {
            StepOutcome::Failed => step.ignore_errors || self.settings.survey,
            StepOutcome::Unreachable => step.ignore_unreachable,
            StepOutcome::Ok
            | StepOutcome::Changed
            | StepOutcome::Skipped { .. }
            | StepOutcome::InDoubt => false,
        };
        ended
    }

    /// Does a host's part of a task, or says why it does not begin.
    pub(super) fn work(
        &self,
        run: &TaskRun<'_>,
        mut work: HostWork,
        spared: Option<Ended>,
    ) -> HostReport {
        let mut report = HostReport::new(&work.host);
        if let Some(ended) = spared
            && let Some(step) = work.first.take()
        {
            self.finish(&Line::of(&step, run.place), &ended);
            work.ended.push((work.at, ended));
        }
        let mut fresh = true;
        while let Some(step) = work.first.take() {
            if !std::mem::take(&mut fresh) && !self.intend_item(run, &step, work.attempt) {
                let problem = Problem::at(&run.task.loc, "not begun: nothing can be recorded");
                work.ended.push((work.at, Ended::wrong(&problem)));
                break;
            }
            let ended = self.run_step(run, &step, work.attempt, &mut report);
            let stops = self.ends_loop(run, &work, &step, &ended);
            work.ended.push((work.at, ended));
            work.at += 1;
            if stops {
                break;
            }
            if let Some(pause) = work.items.as_ref().and_then(|items| items.pause) {
                self.clock().wait(pause, &self.stop_at(run.place));
            }
            // What an item set is seen by the next one.
            work.scope = self.scope(work.host.as_str(), &run.around);
            self.look_ahead(run, &mut work);
        }
        sum_up(&work, &mut report);
        report
    }

    fn ends_loop(&self, run: &TaskRun<'_>, work: &HostWork, step: &Step, ended: &Ended) -> bool {
        let Some(items) = &work.items else {
            return true;
        };
        if ended_left(ended, work.items.as_ref()).is_some() {
            return true;
        }
        if items.break_when.is_empty() {
            return false;
        }
        let mut top = Map::new();
        if let Some(name) = &run.task.register {
            top.insert(name.clone(), Value::Object(ended.result.clone()));
        }
        let scope = step.scope.with(top);
        matches!(scope.first_false(&items.break_when), Ok(None))
    }

    /// Writes the intent of an item after the first.
    fn intend_item(&self, run: &TaskRun<'_>, step: &Step, attempt: u32) -> bool {
        if step.safety == Safety::Engine || step.decision != Decision::Run {
            return true;
        }
        let entry = self.intent(Entry::default().synced(true), step, attempt);
        self.ledger.write(entry).is_ok() || run.place.way_out
    }

    /// Runs a step, does what it asks of the engine, and writes how it ended.
    fn run_step(
        &self,
        run: &TaskRun<'_>,
        step: &Step,
        attempt: u32,
        report: &mut HostReport,
    ) -> Ended {
        let own = own_members(run, step);
        self.down.take_down(
            step.host.as_str(),
            &own.0,
            own.1,
            self.clock(),
            &self.ledger,
        );
        let mut ended = match step.decision {
            Decision::ObserveFirst => self.observe_first(run.place, step, attempt),
            Decision::Run | Decision::Skip | Decision::Refuse(_) => {
                self.execute(run.place, step, attempt)
            }
        };
        if step.decision != Decision::ObserveFirst {
            self.ask_at_once(run.place, step, &mut ended);
        }
        let changed_before = step.decision == Decision::ObserveFirst
            && step.known.as_ref().is_some_and(Known::may_have_changed);
        if changed_before && ended.outcome.is_good() {
            // Who was to be told of the change then may not have been told yet.
            ended.set_changed(true);
        }
        if ended.outcome.is_good() {
            self.down.bring_up(&own.0, self.clock(), &self.ledger);
        }
        self.carry_out(step, &mut ended, report);
        if step.no_log {
            ended.hide(&self.outside.masker);
        }
        if ended.still_running {
            self.state().running.push(step.id.clone());
        } else if ended.outcome == StepOutcome::InDoubt && step.asked_with.is_some() {
            let intent = step.intent(&self.run, attempt);
            self.state().doubtful.push(intent);
        }
        self.finish(&Line::of(step, run.place), &ended);
        ended
    }
}

/// Asks the conditions of a task; returns how it ended if one of them is false. What was false when a protected block
/// began stays so for everything in it.
pub(super) fn asked(
    place: &Place,
    host: &HostName,
    task: &Task,
    scope: &Scope,
) -> Result<Option<Ended>, Problem> {
    if let Some(text) = place.unmet.get(host) {
        let why = format!("`{text}` was false when what is around began");
        return Ok(Some(Ended::skipped(why, Some(text.clone()))));
    }
    let unmet = scope.first_false(task.context.conditions())?;
    Ok(unmet.map(|node| {
        let text = node
            .as_str()
            .map_or_else(|| node.to_value().to_string(), str::to_owned);
        Ended::skipped(format!("`{text}` is false"), Some(text))
    }))
}

/// Returns the members that the task itself takes down, and for how long.
fn own_members(run: &TaskRun<'_>, step: &Step) -> (Vec<String>, Option<std::time::Duration>) {
    let around = run.place.members.get(&step.host).map_or(0, Vec::len);
    let own = step.members.get(around..).unwrap_or_default().to_vec();
    let within = run.task.takes_down.as_ref();
    let within = within.and_then(|down| step.scope.duration(down.within.as_ref()).ok().flatten());
    (own, within)
}

fn wrong(problems: &[Problem]) -> Ended {
    let texts: Vec<String> = problems.iter().map(told).collect();
    Ended::failed(texts.join("; "), Map::new())
}

/// Says why a host does not go on after a step, if so. In a loop a failed item does not keep the others from being done;
/// a host that is gone does.
fn ended_left(ended: &Ended, items: Option<&Items>) -> Option<Left> {
    match ended.outcome {
        _ if ended.stopped => Some(Left::Stopped),
        StepOutcome::Unreachable if !ended.ignored => Some(Left::Unreachable),
        StepOutcome::InDoubt => Some(Left::InDoubt),
        StepOutcome::Failed if !ended.ignored && items.is_none() => Some(Left::Failed),
        StepOutcome::Failed
        | StepOutcome::Unreachable
        | StepOutcome::Ok
        | StepOutcome::Changed
        | StepOutcome::Skipped { .. } => None,
    }
}

/// Makes a task's result of its items' results.
fn sum_up(work: &HostWork, report: &mut HostReport) {
    let Some(items) = &work.items else {
        if let Some((_, ended)) = work.ended.first() {
            report.result.clone_from(&ended.result);
            report.changed = ended.is_changed();
            report.left = ended_left(ended, None);
        }
        return;
    };
    let mut results = Vec::new();
    let (mut changed, mut failed, mut skipped) = (false, false, true);
    for (index, ended) in &work.ended {
        let mut result = items.variables(*index);
        result.extend(ended.result.clone());
        results.push(Value::Object(result));
        changed |= ended.is_changed();
        failed |= ended.result.get("failed") == Some(&json!(true));
        skipped &= ended.is_skipped();
        if let Some(left) = ended_left(ended, work.items.as_ref()) {
            report.left.get_or_insert(left);
        } else if ended.is_failed() {
            report.left.get_or_insert(Left::Failed);
        }
    }
    let message = match (failed, skipped) {
        (true, _) => "One or more items failed",
        (false, true) => "All items skipped",
        (false, false) => "All items completed",
    };
    report.changed = changed;
    report.result = super::ended::object(json!({
        "results": results,
        "changed": changed,
        "failed": failed,
        "msg": message,
    }));
    if skipped {
        report.result.insert("skipped".to_owned(), json!(true));
        if items.len() == 0 {
            let why = "No items in the list";
            report
                .result
                .insert("skipped_reason".to_owned(), json!(why));
        }
    }
}

/// Says why a step is not decided, for people.
pub(super) fn refusal_words(refusal: Refusal) -> &'static str {
    match refusal {
        Refusal::InDoubt => {
            "it was begun in an earlier part of the run, and nothing tells whether it was done: \
             look at the host, then resume with `--in-doubt rerun` or `--in-doubt skip`"
        }
        Refusal::TaskChanged => {
            "it was done as another task than the one that stands there now: resume without \
             `--accept-changes`"
        }
    }
}
