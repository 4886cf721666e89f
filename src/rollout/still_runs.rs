//! Whether what an earlier part of the run began on a host still runs there: then a bracket around it is not left.
//!
//! A process that was killed left its jobs behind. Each is asked for; one that nobody started can never start from then
//! on, and one that cannot be asked for counts as running.

use std::sync::Arc;
use std::time::Duration;

use crate::clock::{Deadline, Stop};
use crate::connection::{Become, ConnError, JobId, Limit};
use crate::inventory::HostName;
use crate::journal::Intent;
use crate::modules::spec::Safety;
use crate::playbook::{Action, Task};
use crate::yaml::Problem;

use super::ended::told;
use super::engine::Engine;
use super::find_task::find_task;
use super::login::{Login, user};
use super::open::{Open, nothing_around};
use super::outside::{NoSession, Wish};
use super::place::Place;
use super::sessions::Session;

/// How long is waited for a job that may just be ending.
const JUST_ENDING: Duration = Duration::from_secs(5);
/// How long a host may take to answer at all.
const ANSWERS: Duration = Duration::from_secs(30);

impl Engine {
    /// Says which step of an earlier part of the run may still run on one of these hosts.
    pub(super) fn still_runs(&self, hosts: &[HostName]) -> Option<String> {
        for intent in self.outside.previously.begun() {
            let step = &intent.step;
            let here = hosts.iter().any(|host| host.as_str() == step.host);
            if !here || self.state().settled.contains(step) {
                continue;
            }
            let sent = |job: bool| Ok((job, self.goes_on(&intent)?));
            match self.ask_for_job(&intent).and_then(sent) {
                Ok((false, None)) => {
                    self.state().settled.insert(step.clone());
                }
                Ok((_, Some(place))) => {
                    return Some(format!(
                        "what the step {step} of an earlier part sent still runs on {place}"
                    ));
                }
                Ok((true, None)) => {
                    return Some(format!("the step {step} of an earlier part still runs"));
                }
                Err(reason) => {
                    return Some(format!(
                        "the step {step} of an earlier part may still run: {reason}"
                    ));
                }
            }
        }
        None
    }

    /// Says which job may still run inside of a bracket that is known from the hosts alone: any on its own hosts, and those
    /// of its run wherever they are.
    pub(super) fn runs_on_hosts(&self, open: &Open) -> Option<String> {
        let previously = &self.outside.previously;
        let run = previously.entered_by(&open.reference).map(|(run, _)| run);
        let own = |host: &str| open.hosts.iter().any(|one| one.as_str() == host);
        let of_run = |job: &str| {
            let run = run.as_ref();
            run.is_some_and(|run| job.starts_with(&format!("{run}-")))
        };
        let mut asked: Vec<String> = previously.silent();
        asked.retain(|host| own(host));
        for (host, job) in previously.jobs() {
            if (own(&host) || of_run(&job)) && !asked.contains(&host) {
                asked.push(host);
            }
        }
        asked.iter().find_map(|host| {
            let jobs = self.jobs_on(&HostName::new(host));
            match jobs.map(|jobs| jobs.into_iter().find(|job| own(host) || of_run(job))) {
                Ok(job) => job.map(|job| format!("the job {job} still runs on {host}")),
                Err(reason) => Some(format!(
                    "whether a job still runs on {host} cannot be asked: {reason}"
                )),
            }
        })
    }

    /// Tells whether the job of a step runs.
    fn ask_for_job(&self, intent: &Intent) -> Result<bool, String> {
        let Some(job) = intent.job.as_deref() else {
            return Ok(false);
        };
        let task = find_task(&self.playbook, &intent.step.task);
        let reads = task.as_ref().is_some_and(|task| {
            matches!(&task.action, Action::Module { spec, .. } if spec.safety == Safety::ReadOnly)
        });
        if reads {
            return Ok(false);
        }
        let stop = self.outside.stop.for_putting_back();
        let (session, user, boot_id) = self.session_of(intent, task.as_deref(), &stop)?;
        let known = !intent.boot_id.is_empty() && !boot_id.is_empty();
        if known && intent.boot_id != boot_id {
            return Ok(false);
        }
        let deadline: Deadline = self.clock().deadline(JUST_ENDING);
        let limit = Limit {
            clock: self.clock(),
            stop: &stop,
            deadline,
        };
        let mut slot = session.lock();
        let connection = slot.as_mut().ok_or("there is no session to ask over")?;
        match connection.attach(user.as_ref(), &JobId::new(job), limit, &mut |_| ()) {
            Ok(_) => Ok(false),
            Err(ConnError::TimedOut { .. }) => Ok(true),
            Err(error) => Err(error.to_string()),
        }
    }

    /// Opens the session in which a step was done; returns it with the user that the step became, and the host's boot.
    fn session_of(
        &self,
        intent: &Intent,
        task: Option<&Task>,
        stop: &Stop,
    ) -> Result<(Arc<Session>, Option<Become>, String), String> {
        let host = HostName::new(&intent.step.host);
        let play = self.play_again(&self.playbook, &intent.step.play, &[host])?;
        let context = task
            .map(|task| Arc::clone(&task.context))
            .or_else(|| play.play().map(|play| Arc::clone(&play.context)))
            .unwrap_or_else(nothing_around);
        let around = self.around(&Place::of(&play, "still running"), &context);
        let scope = self.scope(&intent.step.host, &around);
        let there = self.scope(&intent.runs_on, &around);
        let wrong = |problem: Problem| told(&problem);
        let login = Login::of(&scope, &context).map_err(wrong)?;
        let (defaults, masker) = (&self.settings.r#become, &self.outside.masker);
        let user = user(&scope, &there, &context, defaults, masker).map_err(wrong)?;
        let wish = Wish {
            host: &intent.runs_on,
            variables: there.variables(),
            remote_user: login.remote_user.as_deref(),
            port: login.port,
            connection: login.connection.as_deref(),
        };
        let session = self.sessions.of(&wish);
        let deadline = self.clock().deadline(ANSWERS);
        match self.reach(&session, &wish, stop, deadline) {
            Ok(identity) => Ok((session, user, identity.boot_id)),
            Err(NoSession::Problem(problem)) => Err(told(&problem)),
            Err(NoSession::Connection(error)) => Err(error.to_string()),
        }
    }
}
