//! Before a step runs: its session, the machine behind it, and what is known of the step from before.

use std::time::Duration;

use serde_json::{Map, Value};

use crate::clock::{Deadline, Stop, Woken};
use crate::connection::{Attached, ConnError, Limit};
use crate::events::{EventKind, StepOutcome};
use crate::journal::{Outcome, RecordedEffect};
use crate::modules::Effect;
use crate::modules::spec::Safety;
use crate::playbook::Probed;

use super::decide::{Before, Decision, Now, Refusal, decide};
use super::ended::{Ended, object, told};
use super::engine::Engine;
use super::execute::Slept;
use super::host_work::refusal_words;
use super::ledger::Entry;
use super::outside::NoSession;
use super::place::Place;
use super::previously::Known;
use super::step::{Step, TaskRun, job_name};
use super::watch::StepWatch;
use crate::events::StopCause;

/// For how long a command whose answer was lost is asked for, and how often.
const ASKED_FOR: Duration = Duration::from_mins(1);
const ASKED_EVERY: Duration = Duration::from_secs(2);
/// How often is asked whether a request still runs of which nobody knows, before its step is in doubt.
const ASKED_AGAIN: u32 = 5;

/// Why a step does not run now.
pub(super) enum Recalled {
    /// It was done before: this is what it gave. Nothing is written again.
    Known(Box<Ended>),
    /// It ends here.
    Ended(Box<Ended>),
}

impl Engine {
    /// Opens a step's session and decides what is done with the step; returns which try it will be.
    pub(super) fn make_ready(&self, run: &TaskRun<'_>, step: &mut Step) -> Result<u32, Recalled> {
        if step.spec.needs_host {
            self.open_session(run, step)
                .map_err(|ended| Recalled::Ended(Box::new(ended)))?;
        }
        let Some(known) = self.outside.previously.step(&step.id) else {
            return Ok(1);
        };
        let tried = known.intent.as_ref().map_or(0, |intent| intent.attempt);
        step.decision = decide(before(&known, run.place.rescued), &self.now(step, &known));
        let decision = step.decision;
        step.known = Some(known);
        match decision {
            Decision::Run => Ok(tried + 1),
            Decision::ObserveFirst => Ok(tried.max(1)),
            Decision::Skip => Err(self.recalled(step)),
            Decision::Refuse(refusal) => Err(self.refuse(step, refusal)),
        }
    }

    #[expect(clippy::result_large_err, reason = "how a step ended is the answer")]
    fn open_session(&self, run: &TaskRun<'_>, step: &mut Step) -> Result<(), Ended> {
        let scope = if step.runs_on == step.host {
            step.scope.clone()
        } else {
            self.scope(step.runs_on.as_str(), &run.around)
        };
        let wish = step.wish(&scope);
        let session = self.sessions.of(&wish);
        let stop = self.stop_at(run.place);
        let limit = step.tries.limit.unwrap_or(self.settings.step_limit);
        let deadline = self.clock().deadline(limit);
        let reached = self.reach(&session, &wish, &stop, deadline);
        match reached {
            Ok(identity) => {
                if step.runs_on == step.host && !identity.machine_id.is_empty() {
                    let machine = identity.machine_id.clone();
                    self.state().machines.insert(step.host.clone(), machine);
                }
                step.identity = identity;
                step.session = Some(session);
                Ok(())
            }
            Err(NoSession::Problem(problem)) => Err(Ended::failed(told(&problem), Map::new())),
            Err(NoSession::Connection(ConnError::Stopped)) => {
                let why = "the run stopped before its host was reached".to_owned();
                let mut ended = Ended::skipped(why, None);
                ended.stopped = true;
                Err(ended)
            }
            Err(NoSession::Connection(error)) => Err(Ended::unreachable(error.to_string())),
        }
    }

    fn now(&self, step: &Step, known: &Known) -> Now {
        let intent = known.intent.as_ref();
        let same = |then: &str, now: &str| then.is_empty() || now.is_empty() || then == now;
        let same_machine = intent.is_none_or(|intent| {
            same(&intent.machine_id, &step.identity.machine_id)
                && (intent.members.is_empty() || intent.members == step.members)
        });
        Now {
            safety: step.safety,
            can_ask: step.can_ask(),
            same_task: intent.is_none_or(|intent| intent.task_digest == step.digest),
            same_machine,
            more_to_do: true,
            in_doubt: self.outside.previously.in_doubt(),
        }
    }

    /// Takes a step's recorded result, and does again what it asked of the engine.
    fn recalled(&self, step: &Step) -> Recalled {
        let Some(outcome) = step.known.as_ref().and_then(|known| known.outcome.as_ref()) else {
            let mut ended = Ended::new(StepOutcome::Ok, Map::new(), String::new());
            ended.message = "taken as done, as the operator said".to_owned();
            return Recalled::Ended(Box::new(ended));
        };
        let (result, effects) = self.unsealed(outcome);
        let mut ended = Ended::new(outcome.outcome.clone(), result, String::new());
        ended.ignored = outcome.ignored;
        ended.recalled = true;
        ended.effects = effects;
        let mut report = super::host_work::HostReport::new(&step.host);
        self.carry_out(step, &mut ended, &mut report);
        Recalled::Known(Box::new(ended))
    }

    /// Makes what is stored of an outcome what it was, but for secrets that are stored nowhere.
    fn unsealed(&self, outcome: &Outcome) -> (Map<String, Value>, Vec<Effect>) {
        let seal = &self.outside.seal;
        let map =
            |values: &Map<String, Value>| object(seal.unseal_known(&Value::Object(values.clone())));
        let mut effects = Vec::new();
        for effect in &outcome.effects {
            effects.push(match effect {
                RecordedEffect::SetFact { variables, facts } => Effect::SetFact {
                    variables: map(variables),
                    facts: *facts,
                },
                RecordedEffect::IncludeVars { variables, source } => Effect::IncludeVars {
                    variables: map(variables),
                    source: source.clone(),
                },
                RecordedEffect::AddHost {
                    name,
                    groups,
                    variables,
                } => Effect::AddHost {
                    name: name.clone(),
                    groups: groups.clone(),
                    variables: map(variables),
                },
                RecordedEffect::GroupBy { group, parents } => Effect::GroupBy {
                    group: group.clone(),
                    parents: parents.clone(),
                },
            });
        }
        (map(&outcome.result), effects)
    }

    fn refuse(&self, step: &Step, refusal: Refusal) -> Recalled {
        let words = refusal_words(refusal);
        let message = format!("`{}` on {}: {words}", step.name, step.host);
        self.halt(StopCause::InDoubt, message, &step.id.to_string());
        Recalled::Ended(Box::new(Ended::in_doubt(words.to_owned())))
    }

    /// Does a step that may have been done: its job is asked first, then its `done_when`, then the host.
    pub(super) fn observe_first(&self, place: &Place, step: &Step, attempt: u32) -> Ended {
        let known = step.known.as_ref();
        let had_job = known
            .filter(|known| known.outcome.is_none() || is_doubtful(known))
            .and_then(|known| known.intent.as_ref())
            .is_some_and(|intent| intent.job.is_some());
        let attached = if had_job {
            match self.attach(place, step, attempt) {
                Ok(attached) => Some(attached),
                Err(error) => return Ended::in_doubt(error.to_string()),
            }
        } else {
            None
        };
        match (step.safety, attached) {
            (Safety::Once, Some(Attached::Ended(_))) => self.execute(place, step, attempt),
            (Safety::Once, Some(Attached::Vanished { .. }) | None) => {
                self.ask_then_run(place, step, attempt)
            }
            // What has no job, such as a request, may have been sent all the same.
            (Safety::Once, Some(Attached::NeverStarted)) if step.done_when().is_some() => {
                self.ask_then_run(place, step, attempt)
            }
            (Safety::Once, Some(Attached::NeverStarted))
            | (Safety::ReadOnly | Safety::State | Safety::Engine, _) => {
                self.run_anew(place, step, attempt + 1)
            }
        }
    }

    /// A command whose answer was lost a moment ago: its `done_when` may tell that it was done, at once or a little later.
    /// That it was not done proves nothing, as it may be done yet: then the step stays in doubt.
    pub(super) fn ask_at_once(&self, place: &Place, step: &Step, ended: &mut Ended) {
        let lost = ended.outcome == StepOutcome::InDoubt
            && step.safety == Safety::Once
            && !ended.still_running
            && !ended.stopped;
        let Some(done_when) = step
            .done_when()
            .filter(|asked| lost && asked.probe.is_some())
        else {
            return;
        };
        let until = self.clock().deadline(ASKED_FOR);
        loop {
            if let Ok(true) = self.holds(place, done_when, &step.host, &step.scope) {
                let message = format!("found done ({})", ended.message);
                let (took, delegated) = (ended.took, ended.delegated.take());
                *ended = Ended::new(StepOutcome::Changed, Map::new(), message);
                ended.set_changed(true);
                (ended.took, ended.delegated) = (took, delegated);
                return;
            }
            let stop = self.stop_at(place);
            if until.is_over(self.clock())
                || self.clock().wait(ASKED_EVERY, &stop) == Woken::Stopped
            {
                return;
            }
        }
    }

    /// A request of which nobody knows, in a task that may try again: its `done_when` is asked first. Tells whether it is
    /// sent once more.
    pub(super) fn sends_again(
        &self,
        place: &Place,
        step: &Step,
        ended: &mut Ended,
        deadline: Deadline,
        stop: &Stop,
    ) -> bool {
        let sleeps = || self.sleep(place, step, step.tries.delay, deadline, stop);
        for _ in 0..ASKED_AGAIN {
            self.ask_at_once(place, step, ended);
            if ended.outcome != StepOutcome::InDoubt || !matches!(sleeps(), Slept::On) {
                return false;
            }
            // What still runs may yet be done, and where nobody can be asked it may run.
            if matches!(self.goes_on(&step.intent(&self.run, 1)), Ok(None)) {
                return true;
            }
        }
        false
    }

    fn ask_then_run(&self, place: &Place, step: &Step, attempt: u32) -> Ended {
        if let Some(done_when) = step.done_when() {
            return match self.holds(place, done_when, &step.host, &step.scope) {
                Ok(true) => {
                    let message = "found done".to_owned();
                    Ended::new(StepOutcome::Ok, Map::new(), message)
                }
                Ok(false) => self.outlasts(place, step, attempt, done_when),
                Err(reason) => Ended::in_doubt(format!("it cannot be asked: {reason}")),
            };
        }
        let before = Before::InDoubt { job: false };
        let known = step.known.clone().unwrap_or_default();
        match decide(before, &self.now(step, &known)) {
            Decision::Run | Decision::ObserveFirst => self.run_anew(place, step, attempt + 1),
            Decision::Skip => {
                let message = "taken as done, as the operator said".to_owned();
                Ended::new(StepOutcome::Ok, Map::new(), message)
            }
            Decision::Refuse(refusal) => match self.refuse(step, refusal) {
                Recalled::Known(ended) | Recalled::Ended(ended) => *ended,
            },
        }
    }

    /// What is not done yet may be done by what still runs: that is waited for first.
    fn outlasts(&self, place: &Place, step: &Step, attempt: u32, done_when: &Probed) -> Ended {
        if let Err(ended) = self.outlast(place, step) {
            return ended;
        }
        match self.holds(place, done_when, &step.host, &step.scope) {
            Ok(true) => Ended::new(StepOutcome::Ok, Map::new(), "found done".to_owned()),
            Ok(false) => self.run_anew(place, step, attempt + 1),
            Err(reason) => Ended::in_doubt(format!("it cannot be asked: {reason}")),
        }
    }

    fn run_anew(&self, place: &Place, step: &Step, attempt: u32) -> Ended {
        if step.safety != Safety::Engine {
            let entry = self.intent(Entry::default().synced(true), step, attempt);
            if let (Err(unwritten), false) = (self.ledger.write(entry), place.way_out) {
                return Ended::failed(format!("not begun: {}", unwritten.reason), Map::new());
            }
        }
        self.execute(place, step, attempt)
    }

    /// Asks for the job of an earlier part of the run, and waits for it if it still runs.
    fn attach(&self, place: &Place, step: &Step, attempt: u32) -> Result<Attached, ConnError> {
        let job = job_name(&self.run, &step.id, attempt);
        let stop = self.stop_at(place);
        let limit = step.tries.limit.unwrap_or(self.settings.step_limit);
        let deadline: Deadline = self.clock().deadline(limit);
        // Who was not asked has not said that it never started.
        let not_asked = || ConnError::Lost {
            host: step.runs_on.as_str().to_owned(),
            reason: "there is no session to ask for its job".to_owned(),
        };
        let Some(session) = &step.session else {
            return Err(not_asked());
        };
        self.ledger.tell(EventKind::JobReattached {
            step: step.id.clone(),
            job: job.as_str().to_owned(),
        });
        let watch = StepWatch::new(self, &step.id, job.as_str(), false);
        let mut slot = session.lock();
        let Some(connection) = slot.as_mut() else {
            return Err(not_asked());
        };
        let limit = Limit {
            clock: self.clock(),
            stop: &stop,
            deadline,
        };
        connection.attach(step.user.as_ref(), &job, limit, &mut |output| {
            use crate::modules::Watch as _;
            watch.output(output);
        })
    }
}

fn is_doubtful(known: &Known) -> bool {
    let outcome = known.outcome.as_ref().map(|outcome| &outcome.outcome);
    outcome == Some(&StepOutcome::InDoubt)
}

/// Says what the journal tells of a step.
fn before(known: &Known, rescued: bool) -> Before {
    let job = known
        .intent
        .as_ref()
        .is_some_and(|intent| intent.job.is_some());
    let Some(outcome) = &known.outcome else {
        return match known.intent {
            Some(_) => Before::InDoubt { job },
            None => Before::Nothing,
        };
    };
    match outcome.outcome {
        StepOutcome::Skipped { .. } if known.intent.is_none() => Before::Nothing,
        StepOutcome::Ok | StepOutcome::Changed | StepOutcome::Skipped { .. } => Before::Done,
        StepOutcome::InDoubt => Before::InDoubt { job },
        StepOutcome::Failed | StepOutcome::Unreachable if outcome.ignored => Before::Done,
        StepOutcome::Failed if rescued => Before::Rescued,
        StepOutcome::Failed => Before::Failed,
        StepOutcome::Unreachable => Before::Unreachable,
    }
}
