//! Asks a host or a cluster something, once, without writing anything down: for guards, `hold_while`, `done_when`.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};

use crate::clock::Stop;
use crate::inventory::HostName;
use crate::playbook::{Action, Probed, Task};

use super::ended::{Ended, told};
use super::engine::Engine;
use super::execute::Bounds;
use super::outside::NoSession;
use super::place::Place;
use super::scope::Scope;
use super::sessions::Sessions;
use super::step::{Step, TaskRun};

/// How long a probe may take if it does not say.
const LIMIT: Duration = Duration::from_secs(30);

impl Engine {
    /// Runs a probe for a host, over sessions of its own, and returns its result; the error says why there is none.
    pub(super) fn probe(
        &self,
        place: &Place,
        task: &Arc<Task>,
        host: &HostName,
        sessions: &Sessions,
        stop: &Stop,
    ) -> Result<Map<String, Value>, String> {
        let Action::Module {
            spec, arguments, ..
        } = &task.action
        else {
            return Err("a probe must be a module".to_owned());
        };
        let module = (self.outside.modules)(spec.name)
            .ok_or_else(|| format!("there is no module `{}`", spec.name))?;
        let run = TaskRun {
            place,
            task,
            around: self.around(place, &task.context),
            module,
            arguments,
        };
        let scope = self.scope(host.as_str(), &run.around);
        let problem = |problems: Vec<crate::yaml::Problem>| {
            let texts: Vec<String> = problems.iter().map(told).collect();
            texts.join("; ")
        };
        let mut step = self.step(&run, host, scope, None).map_err(problem)?;
        let (mut ended, said) = self.ask_step(&run, &mut step, sessions, stop)?;
        self.judge(&step, &mut ended)
            .map_err(|problem| told(&problem))?;
        if step.no_log {
            ended.hide(&self.outside.masker);
        }
        if let Some(said) = said {
            ended.result.entry("saw").or_insert(Value::from(said));
        }
        if ended.outcome.is_good() {
            Ok(ended.result)
        } else {
            Err(ended.message)
        }
    }

    /// Does a step that only reads, once, over a session of these, and tells nobody; returns how it ended and what was seen.
    pub(super) fn ask_step(
        &self,
        run: &TaskRun<'_>,
        step: &mut Step,
        sessions: &Sessions,
        stop: &Stop,
    ) -> Result<(Ended, Option<String>), String> {
        let deadline = self.clock().deadline(step.tries.limit.unwrap_or(LIMIT));
        if step.spec.needs_host {
            let scope = self.scope(step.runs_on.as_str(), &run.around);
            let wish = step.wish(&scope);
            let session = sessions.of(&wish);
            let identity = self.reach(&session, &wish, stop, deadline);
            step.identity = identity.map_err(|error| match error {
                NoSession::Problem(problem) => told(&problem),
                NoSession::Connection(error) => error.to_string(),
            })?;
            step.session = Some(session);
        }
        let bounds = Bounds {
            stop: stop.clone(),
            deadline,
            attempt: self.fresh_turn(),
            quiet: true,
        };
        Ok(self.one_try(step, &bounds))
    }

    /// Asks whether conditions hold, after their probe if they have one.
    pub(super) fn holds(
        &self,
        place: &Place,
        probed: &Probed,
        host: &HostName,
        scope: &Scope,
    ) -> Result<bool, String> {
        let mut top = Map::new();
        if let Some(task) = &probed.probe {
            let stop = self.stop_at(place);
            let result = self.probe(place, task, host, &self.sessions, &stop)?;
            top.insert("result".to_owned(), Value::Object(result));
        }
        let unmet = scope.with(top).first_false(&probed.that);
        unmet
            .map(|unmet| unmet.is_none())
            .map_err(|problem| told(&problem))
    }
}
