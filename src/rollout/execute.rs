//! Runs a step on its host: looks, changes, tries again, and says how it ended.

use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::clock::{Deadline, Stop, StopLevel, Woken};
use crate::connection::{ConnError, Connection, JobId};
use crate::events::{EventKind, StepOutcome, TaskRef};
use crate::journal::Record;
use crate::modules::spec::Safety;
use crate::modules::{Change, HostCx, ModuleError, Observed};
use crate::yaml::{Node, Problem};

use super::controller::StepController;
use super::ended::{Ended, told};
use super::endings::{broken, never_met, skipped_by_module, stopped, was_cut_off, without_answer};
use super::engine::Engine;
use super::exit::Verdict;
use super::fate::{Fate, Phase, fate};
use super::ledger::Entry;
use super::lock::StepLocks;
use super::place::Place;
use super::saw::what_was_seen;
use super::sessions::Session;
use super::step::Step;
use super::tap::{NoHost, Tap};
use super::watch::StepWatch;

/// How long the engine sleeps at a stretch while it waits: so often it looks at the stop flag and the guards.
const SLICE: Duration = Duration::from_secs(1);

/// How long a step may take that only looks ahead.
const LOOKING: Duration = Duration::from_secs(20);

/// What one try is bounded by.
#[derive(Debug)]
pub(super) struct Bounds {
    /// What ends its waits.
    pub(super) stop: Stop,
    /// When it must be over.
    pub(super) deadline: Deadline,
    /// Which try it is: its job is named by it.
    pub(super) attempt: u32,
    /// Whether nothing is told of it.
    pub(super) quiet: bool,
}

impl Engine {
    /// Runs a step whose intent is written.
    pub(super) fn execute(&self, place: &Place, step: &Step, first_attempt: u32) -> Ended {
        let started = self.clock().elapsed();
        let mut limit = step.tries.limit.unwrap_or(self.settings.step_limit);
        if self.settings.survey {
            limit = limit.min(LOOKING);
        }
        let deadline = self.clock().deadline(limit);
        let mut ended = self.tries(place, step, first_attempt, deadline);
        ended.took = self.clock().elapsed().saturating_sub(started);
        ended.delegated = step.delegated();
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

    fn tries(&self, place: &Place, step: &Step, first: u32, deadline: Deadline) -> Ended {
        let mut attempt = first;
        let mut last_saw = None;
        let mut before = None;
        loop {
            let tried = attempt - first + 1;
            if attempt > first
                && step.safety == Safety::Once
                && let Some(ended) = self.intend_again(place, step, attempt)
            {
                return ended;
            }
            let own = step.background.filter(|background| background.waits);
            let own = own.map(|background| self.clock().deadline(background.time));
            let bounds = Bounds {
                stop: self.stop_at(place),
                deadline: own.map_or(deadline, |own| own.earlier(deadline)),
                attempt,
                quiet: false,
            };
            let had = deadline.left(self.clock());
            let (mut ended, said) = self.one_try(step, &bounds);
            ended.attempts = tried;
            if step.tries.waits {
                ended.result.insert("attempts".to_owned(), json!(tried));
            }
            if ended.may_send_again && step.tries.waits && step.tries.has_more(tried) {
                if self.sends_again(place, step, &mut ended, deadline, &bounds.stop) {
                    attempt += 1;
                    continue;
                }
                return ended;
            }
            let unmet = match self.judge(step, &mut ended) {
                Ok(Some(unmet)) => unmet,
                Ok(None) => return ended,
                Err(problem) => return Ended::failed(told(&problem), ended.result),
            };
            let scope = with_result(step, &ended.result);
            let saw = what_was_seen(said, unmet, &scope, &ended.result);
            if self.settings.survey || !step.tries.has_more(tried) || deadline.is_over(self.clock())
            {
                let (ended, saw) = before
                    .filter(|_| deadline.is_over(self.clock()) && was_cut_off(&ended, had))
                    .unwrap_or((ended, saw));
                return never_met(ended, tried, &saw);
            }
            self.waited(place, step, tried, deadline, &saw, &mut last_saw);
            match self.sleep(place, step, step.tries.delay, deadline, &bounds.stop) {
                Slept::On => {}
                Slept::DeadlineOver => return never_met(ended, tried, &saw),
                Slept::Stopped => {
                    let mut ended = stopped(step.safety, format!("stopped while it waited: {saw}"));
                    ended.attempts = tried;
                    return ended;
                }
            }
            before = (ended.outcome != StepOutcome::Failed).then_some((ended, saw));
            attempt += 1;
        }
    }

    /// Writes the intent of a further try of a command.
    fn intend_again(&self, place: &Place, step: &Step, attempt: u32) -> Option<Ended> {
        let intent = step.intent(&self.run, attempt);
        let event = EventKind::StepIntended {
            step: step.id.clone(),
            name: step.name.clone(),
            label: step.label.clone(),
            job: intent.job.clone(),
            attempt,
        };
        let entry = Entry::record(Record::Intent(intent)).with_event(event);
        match self.ledger.write(entry) {
            Err(unwritten) if !place.way_out => Some(Ended::failed(
                format!("not tried again: {}", unwritten.reason),
                Map::new(),
            )),
            Ok(()) | Err(_) => None,
        }
    }

    /// Looks at what a try gave: `changed_when`, `failed_when`, then `until`. Returns the condition that keeps it waiting.
    #[expect(
        clippy::option_option,
        reason = "whether it waits, and for which condition, if one is written"
    )]
    pub(super) fn judge<'s>(
        &self,
        step: &'s Step,
        ended: &mut Ended,
    ) -> Result<Option<Option<&'s Node>>, Problem> {
        match ended.outcome {
            StepOutcome::Unreachable | StepOutcome::InDoubt | StepOutcome::Skipped { .. } => {
                return Ok(None);
            }
            StepOutcome::Ok | StepOutcome::Changed | StepOutcome::Failed => {}
        }
        let task = &step.task;
        if !task.changed_when.is_empty() {
            let scope = with_result(step, &ended.result);
            match scope.first_false(&task.changed_when) {
                Ok(unmet) => ended.set_changed(unmet.is_none()),
                // What never ran has none of the fields that a condition asks for: its own failure is what counts.
                Err(_) if ended.outcome == StepOutcome::Failed => {}
                Err(problem) => return Err(problem),
            }
        }
        if !task.failed_when.is_empty() {
            let scope = with_result(step, &ended.result);
            let words: Vec<&str> = task.failed_when.iter().filter_map(Node::as_str).collect();
            let because = format!("failed_when: {}", words.join(" and "));
            match scope.first_false(&task.failed_when) {
                Ok(unmet) => ended.set_failed(unmet.is_none(), &because),
                Err(_) if ended.outcome == StepOutcome::Failed => {}
                Err(problem) => return Err(problem),
            }
        }
        if !step.tries.waits {
            return Ok(None);
        }
        if step.tries.until.is_empty() {
            return Ok((ended.outcome == StepOutcome::Failed).then_some(None));
        }
        let scope = with_result(step, &ended.result);
        match scope.first_false(&step.tries.until) {
            Ok(unmet) => Ok(unmet.map(Some)),
            // A try that failed need not have the fields that the condition asks for.
            Err(_) if ended.outcome == StepOutcome::Failed => Ok(Some(step.tries.until.first())),
            Err(problem) => Err(problem),
        }
    }

    /// Tells that a step waits, when it saw something new.
    fn waited(
        &self,
        place: &Place,
        step: &Step,
        tried: u32,
        deadline: Deadline,
        saw: &str,
        last: &mut Option<String>,
    ) {
        if last.as_deref() == Some(saw) {
            self.ledger.progress(&crate::events::Progress::Saw {
                step: step.id.clone(),
                what: self.outside.masker.mask(saw),
            });
            return;
        }
        *last = Some(saw.to_owned());
        let limited = step.tries.limit.is_some();
        let left = deadline.left(self.clock()).filter(|_| limited);
        let mut entry = Entry::event(EventKind::StepWaited {
            step: step.id.clone(),
            attempt: tried,
            of: step.tries.at_most,
            left_ms: left.map(super::down::milliseconds),
            saw: saw.to_owned(),
        });
        if place.gate {
            entry = entry.with_event(EventKind::GateWaited {
                play: place.play.id().to_owned(),
                task: self.task_ref(place, &step.task, &step.name),
                saw: saw.to_owned(),
            });
        }
        drop(self.ledger.write(entry));
    }

    /// Waits between two tries. A polite stop ends the wait of a step that only reads, where the run may stop.
    pub(super) fn sleep(
        &self,
        place: &Place,
        step: &Step,
        delay: Duration,
        deadline: Deadline,
        stop: &Stop,
    ) -> Slept {
        let polite = place.divisible && !place.way_out && step.safety == Safety::ReadOnly;
        let until = self.clock().deadline(delay).earlier(deadline);
        loop {
            self.look_at_guards();
            let asked = stop.level() >= StopLevel::Drain || self.guards_breached();
            if polite && asked {
                return Slept::Stopped;
            }
            let left = until.left(self.clock()).unwrap_or(SLICE);
            if left.is_zero() {
                break;
            }
            if self.clock().wait(left.min(SLICE), stop) == Woken::Stopped {
                return Slept::Stopped;
            }
        }
        if deadline.is_over(self.clock()) {
            Slept::DeadlineOver
        } else {
            Slept::On
        }
    }

    /// Does one try, over as many sessions as it takes. Returns also what the module said it saw.
    pub(super) fn one_try(&self, step: &Step, bounds: &Bounds) -> (Ended, Option<String>) {
        let job = super::step::job_name(&self.run, &step.id, bounds.attempt);
        let watch = StepWatch::new(self, &step.id, job.as_str(), bounds.quiet);
        let mut waits = self.settings.reconnect.iter();
        let mut change: Option<Change> = None;
        loop {
            let (result, phase) = self.over_one_session(step, bounds, &job, &watch, &mut change);
            if watch.take_started() {
                self.remember_job(step, &job);
            }
            let error = match result {
                Ok(ended) => return (self.marked(ended, &watch), watch.last_seen()),
                Err(ModuleError::Connection(error)) => error,
                Err(ModuleError::Failed { message, result }) => {
                    let ended = Ended::failed(message, result);
                    return (self.marked(ended, &watch), watch.last_seen());
                }
                Err(ModuleError::InDoubt { message, result }) => {
                    return (without_answer(step, message, result), watch.last_seen());
                }
                Err(ModuleError::Argument(problem)) => {
                    return (Ended::wrong(&problem), watch.last_seen());
                }
            };
            if matches!(error, ConnError::Fenced { .. }) {
                self.state().verdicts.insert(Verdict::Locked);
            }
            let end = match fate(&error, phase, step.safety) {
                Fate::Ends(end) => end,
                Fate::Retry(end) => {
                    let in_vain = step.session.as_deref().is_some_and(Session::is_given_up);
                    let wait = waits
                        .next()
                        .filter(|_| !in_vain && !bounds.deadline.is_over(self.clock()));
                    if let (None, Some(session)) = (wait, &step.session) {
                        session.give_up(true);
                    }
                    let slept = wait.map(|wait| self.clock().wait(*wait, &bounds.stop));
                    if slept == Some(Woken::Elapsed) {
                        if phase != Phase::InJob {
                            change = None;
                        }
                        continue;
                    }
                    end
                }
            };
            let ended = if error == ConnError::Stopped {
                let mut ended = stopped(step.safety, error.to_string());
                ended.still_running = phase == Phase::InJob;
                ended
            } else {
                broken(&error, end, phase)
            };
            return (ended, watch.last_seen());
        }
    }

    /// Observes and applies over the session as it is now. What was observed is kept, so that attaching to a job does
    /// not look again at what the job itself has changed.
    fn over_one_session(
        &self,
        step: &Step,
        bounds: &Bounds,
        job: &JobId,
        watch: &StepWatch<'_>,
        change: &mut Option<Change>,
    ) -> (Result<Ended, ModuleError>, Phase) {
        let mut none = NoHost;
        let mut slot = step.session.as_ref().map(|session| session.lock());
        let connection: &mut dyn Connection = match slot.as_mut().and_then(|slot| slot.as_mut()) {
            Some(connection) => connection.as_mut(),
            None => &mut none,
        };
        let mut tap = Tap::new(connection);
        let result = self.observe_and_apply(step, bounds, job, watch, &mut tap, change);
        if tap.streamed() {
            self.sessions.streams();
        }
        (result, tap.phase())
    }

    fn observe_and_apply(
        &self,
        step: &Step,
        bounds: &Bounds,
        job: &JobId,
        watch: &StepWatch<'_>,
        tap: &mut Tap<'_>,
        change: &mut Option<Change>,
    ) -> Result<Ended, ModuleError> {
        let controller = StepController::new(
            self.outside.desk.clone(),
            step.scope.clone(),
            step.task.context.clone(),
            step.task.loc.clone(),
            StepLocks::new(self, step, &bounds.stop),
        );
        let found = if let Some(change) = change.take() {
            change
        } else {
            let mut cx = self.context(step, bounds, job, watch, &controller, tap);
            match step.action.observe(&mut cx)? {
                Observed::Same(outcome) => return Ok(self.ended(outcome, "")),
                Observed::Skip(why) => return Ok(skipped_by_module(why)),
                Observed::Differs(change) if step.check => {
                    return Ok(Ended::would_change(change));
                }
                Observed::Unknown(change) if step.check => {
                    return Ok(Ended::unknown_in_check_mode(change.result));
                }
                Observed::Differs(change) => change,
                Observed::Unknown(mut change) => {
                    // Nobody knew what would change: the summary could only say that it was done.
                    change.summary.clear();
                    change
                }
            }
        };
        *change = Some(found.clone());
        tap.fenced(self.fence_for(step, &bounds.stop)?.as_ref());
        tap.applies();
        let mut cx = self.context(step, bounds, job, watch, &controller, tap);
        // Before, since what is seen while it works is not what was; after, since nobody knows when it took effect.
        self.outside.notes.changed();
        let applied = step.action.apply(&mut cx, &found);
        self.outside.notes.changed();
        let mut outcome = applied?;
        if outcome.diff.is_none() {
            outcome.diff.clone_from(&found.diff);
        }
        Ok(self.ended(outcome, &found.summary))
    }

    fn context<'c>(
        &'c self,
        step: &'c Step,
        bounds: &'c Bounds,
        job: &'c JobId,
        watch: &'c StepWatch<'_>,
        controller: &'c StepController<'_>,
        tap: &'c mut Tap<'_>,
    ) -> HostCx<'c> {
        HostCx {
            host: step.runs_on.as_str(),
            connection: tap,
            user: step.user.as_ref(),
            environment: &step.environment,
            check: step.check,
            diff: step.diff,
            clock: self.clock(),
            stop: &bounds.stop,
            deadline: bounds.deadline,
            controller,
            job,
            indivisible: step.indivisible,
            on_deadline: step.on_deadline,
            background: step.background,
            watch,
            masker: &self.outside.masker,
            notes: &self.outside.notes,
        }
    }

    fn ended(&self, outcome: crate::modules::Outcome, summary: &str) -> Ended {
        for secret in &outcome.secrets {
            self.outside.masker.add(secret);
        }
        Ended::done(outcome, summary)
    }

    /// A job that marked its parts and never came to the last mark is in doubt, whatever its exit code says.
    fn marked(&self, ended: Ended, watch: &StepWatch<'_>) -> Ended {
        if !watch.is_cut_short() {
            return ended;
        }
        let mut doubt = Ended::in_doubt(
            "the job ended without its last mark: it did not come to its end".to_owned(),
        );
        for (name, value) in ended.result {
            doubt.result.entry(name).or_insert(value);
        }
        doubt
    }

    /// Makes a task's name for people.
    pub(super) fn task_ref(
        &self,
        place: &Place,
        task: &crate::playbook::Task,
        name: &str,
    ) -> TaskRef {
        TaskRef {
            path: format!("{}{}", task.id, place.suffix),
            name: name.to_owned(),
            role: task.context.role().map(|role| role.role.name.clone()),
            module: task.action.name().to_owned(),
            at: task.loc.to_string(),
            section: place.section.to_owned(),
        }
    }
}

pub(super) enum Slept {
    On,
    DeadlineOver,
    Stopped,
}

/// Returns the step's scope with a result on top, under the name that it is registered as.
fn with_result(step: &Step, result: &Map<String, Value>) -> super::scope::Scope {
    let mut top = Map::new();
    let value = Value::Object(result.clone());
    match &step.task.register {
        Some(name) => top.insert(name.clone(), value),
        None => top.insert("result".to_owned(), value),
    };
    step.scope.with(top)
}
