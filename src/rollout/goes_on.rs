//! Whether what a step sent goes on without its session, such as a statement on its server: the server is asked.
//!
//! A step is in doubt when its answer was lost or did not come in time. That ends its wait, not what it sent: until the
//! server no longer carries it out, the brackets around it are not left, and it is not sent again.

use std::time::Duration;

use serde_json::{Map, Value};

use crate::clock::Woken;
use crate::inventory::HostName;
use crate::journal::Intent;
use crate::modules::spec::Safety;
use crate::playbook::Action;

use super::ended::{Ended, object, told};
use super::engine::Engine;
use super::find_task::find_task;
use super::place::Place;
use super::step::{Step, TaskRun};

/// How often a server is asked that still carries something out.
const ASKED_EVERY: Duration = Duration::from_secs(2);

impl Engine {
    /// Notes with what a step can be asked for later, if it can be.
    pub(super) fn can_be_asked(&self, place: &Place, step: &mut Step, own: Map<String, Value>) {
        if step.safety != Safety::Once || step.action.asks_whether_it_runs().is_none() {
            return;
        }
        let mut top = (*place.top).clone();
        top.extend(own);
        let sealed = self.outside.seal.seal(&Value::Object(top));
        step.asked_with = Some(object(sealed));
    }

    /// Says which step in doubt on one of these hosts is still carried out, or may be.
    pub(super) fn still_sent(&self, hosts: &[HostName]) -> Option<String> {
        let doubtful = self.state().doubtful.clone();
        for intent in doubtful {
            let step = &intent.step;
            if !hosts.iter().any(|host| host.as_str() == step.host) {
                continue;
            }
            match self.goes_on(&intent) {
                Ok(None) => self.state().doubtful.retain(|other| other.step != *step),
                Ok(Some(place)) => {
                    return Some(format!(
                        "the step {step} is in doubt, and what it sent still runs on {place}"
                    ));
                }
                Err(reason) => {
                    return Some(format!(
                        "the step {step} is in doubt and may still run: {reason}"
                    ));
                }
            }
        }
        None
    }

    /// Asks whether what a step sent goes on; returns where it does.
    pub(super) fn goes_on(&self, intent: &Intent) -> Result<Option<String>, String> {
        let Some(top) = &intent.asked_with else {
            return Ok(None);
        };
        let unknown = "its task is in a file whose name is only known when it is included";
        let task = find_task(&self.playbook, &intent.step.task).ok_or(unknown)?;
        let Action::Module {
            spec, arguments, ..
        } = &task.action
        else {
            return Ok(None);
        };
        let module = (self.outside.modules)(spec.name)
            .ok_or_else(|| format!("there is no module `{}`", spec.name))?;
        let host = HostName::new(&intent.step.host);
        let play = self.play_again(
            &self.playbook,
            &intent.step.play,
            std::slice::from_ref(&host),
        )?;
        let top = self.outside.seal.unseal_known(&Value::Object(top.clone()));
        let mut place = Place::of(&play, "still running").with(object(top));
        place.batch = intent.step.batch;
        place.way_out = true;
        let run = TaskRun {
            place: &place,
            task: &task,
            around: self.around(&place, &task.context),
            module,
            arguments,
        };
        let scope = self.scope(host.as_str(), &run.around);
        let mut step = self.step(&run, &host, scope, None).map_err(|problems| {
            let texts: Vec<String> = problems.iter().map(told).collect();
            texts.join("; ")
        })?;
        let Some(asking) = step.action.asks_whether_it_runs() else {
            return Ok(None);
        };
        step.action = asking;
        step.safety = Safety::ReadOnly;
        step.tries.limit = None;
        let stop = self.outside.stop.for_putting_back();
        let (ended, _) = self.ask_step(&run, &mut step, &self.sessions, &stop)?;
        if !ended.outcome.is_good() {
            return Err(ended.message);
        }
        let runs = ended.result.get("running") == Some(&Value::Bool(true));
        let at = ended.result.get("where").and_then(Value::as_str);
        Ok(runs.then(|| at.unwrap_or("its server").to_owned()))
    }

    /// Waits until what an earlier part of the run sent is no longer carried out: before that it is not sent again.
    #[expect(clippy::result_large_err, reason = "how a step ended is the answer")]
    pub(super) fn outlast(&self, place: &Place, step: &Step) -> Result<(), Ended> {
        let known = step.known.as_ref();
        let Some(intent) = known.and_then(|known| known.intent.as_ref()) else {
            return Ok(());
        };
        let limit = step.tries.limit.unwrap_or(self.settings.step_limit);
        let deadline = self.clock().deadline(limit);
        let stop = self.stop_at(place);
        loop {
            let runs = match self.goes_on(intent) {
                Ok(None) => return Ok(()),
                Ok(Some(at)) => format!("what it sent still runs on {at}"),
                Err(reason) => format!("whether what it sent still runs cannot be asked: {reason}"),
            };
            if deadline.is_over(self.clock()) {
                return Err(Ended::in_doubt(runs));
            }
            if self.clock().wait(ASKED_EVERY, &stop) == Woken::Stopped {
                let mut ended = Ended::in_doubt(runs);
                ended.stopped = true;
                return Err(ended);
            }
        }
    }
}
