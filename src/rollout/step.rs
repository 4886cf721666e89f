//! One step: a task on a host, for one item, with everything rendered that is needed to run it.

use std::sync::Arc;

use serde_json::{Map, Value};

use crate::connection::{Become, Identity, JobId, OnDeadline};
use crate::events::StepId;
use crate::inventory::HostName;
use crate::journal::{Intent, content_digest};
use crate::modules::spec::{Arguments, Kind, ModuleSpec, Safety};
use crate::modules::{Action as ModuleAction, Background, Module};
use crate::playbook::{self, Probed, Task};
use crate::secrets::Secret;
use crate::yaml::{Node, Problem};

use super::decide::Decision;
use super::engine::Engine;
use super::login::{Login, user};
use super::outside::Wish;
use super::place::Place;
use super::previously::Known;
use super::scope::{Around, Scope, text_of};
use super::sessions::Session;
use super::tries::Tries;

/// What steps of one task have in common.
#[derive(Debug, Clone)]
pub(super) struct TaskRun<'a> {
    /// Where.
    pub(super) place: &'a Place,
    /// The task.
    pub(super) task: &'a Arc<Task>,
    /// The variables around it.
    pub(super) around: Around,
    /// The module.
    pub(super) module: &'static dyn Module,
    /// The arguments as written.
    pub(super) arguments: &'a Node,
}

/// A step, ready to run.
#[derive(Debug)]
pub(super) struct Step {
    pub(super) id: StepId,
    pub(super) host: HostName,
    pub(super) task: Arc<Task>,
    pub(super) name: String,
    pub(super) label: Option<String>,
    pub(super) scope: Scope,
    pub(super) around: Around,
    pub(super) spec: &'static ModuleSpec,
    pub(super) action: Box<dyn ModuleAction>,
    pub(super) safety: Safety,
    pub(super) check: bool,
    pub(super) diff: bool,
    pub(super) no_log: bool,
    pub(super) ignore_errors: bool,
    pub(super) ignore_unreachable: bool,
    pub(super) user: Option<Become>,
    pub(super) environment: Vec<(String, String)>,
    pub(super) runs_on: HostName,
    pub(super) login: Login,
    pub(super) session: Option<Arc<Session>>,
    pub(super) identity: Identity,
    pub(super) tries: Tries,
    pub(super) indivisible: bool,
    pub(super) on_deadline: OnDeadline,
    pub(super) background: Option<Background>,
    pub(super) members: Vec<String>,
    pub(super) digest: String,
    pub(super) decision: Decision,
    pub(super) known: Option<Known>,
    /// With what is asked whether what it sent goes on alone, if that can be asked.
    pub(super) asked_with: Option<Map<String, Value>>,
}

impl Step {
    /// Returns the host it was delegated to, if it was.
    pub(super) fn delegated(&self) -> Option<HostName> {
        (self.runs_on != self.host).then(|| self.runs_on.clone())
    }

    /// Returns what tells that the step is done when it is in doubt.
    pub(super) fn done_when(&self) -> Option<&Probed> {
        self.task.done_when.as_ref()
    }

    /// Tells whether a step in doubt can be asked.
    pub(super) fn can_ask(&self) -> bool {
        let asks = |name: &str| {
            self.spec.argument(name).is_some()
                && matches!(&self.task.action, crate::playbook::Action::Module { arguments, .. }
                    if arguments.entry(name).is_some())
        };
        self.done_when().is_some() || asks("creates") || asks("removes")
    }

    /// Makes the intent of a try.
    pub(super) fn intent(&self, run: &str, attempt: u32) -> Intent {
        Intent {
            step: self.id.clone(),
            attempt,
            module: self.spec.name.to_owned(),
            task_digest: self.digest.clone(),
            job: self.job(run, attempt).map(|job| job.as_str().to_owned()),
            runs_on: self.runs_on.as_str().to_owned(),
            boot_id: self.identity.boot_id.clone(),
            machine_id: self.identity.machine_id.clone(),
            members: self.members.clone(),
            can_ask: self.can_ask(),
            asked_with: self.asked_with.clone(),
        }
    }

    /// Returns the name of the detached job of a try; steps that need no host have none.
    pub(super) fn job(&self, run: &str, attempt: u32) -> Option<JobId> {
        self.session.as_ref()?;
        Some(job_name(run, &self.id, attempt))
    }

    /// Returns the wish for its session.
    pub(super) fn wish<'a>(&'a self, scope: &'a Scope) -> Wish<'a> {
        Wish {
            host: self.runs_on.as_str(),
            variables: scope.variables(),
            remote_user: self.login.remote_user.as_deref(),
            port: self.login.port,
            connection: self.login.connection.as_deref(),
        }
    }
}

/// Names the job of a try: equal when the same try is asked for again.
pub(super) fn job_name(run: &str, step: &StepId, attempt: u32) -> JobId {
    const DIGITS: usize = 16;
    let digest = content_digest(step.to_string().as_bytes());
    let short: String = digest.chars().skip("sha256:".len()).take(DIGITS).collect();
    JobId::new(&format!("{run}-{short}-{attempt}"))
}

impl Engine {
    /// Renders a step; nothing is sent. The problem is the user's.
    pub(super) fn step(
        &self,
        run: &TaskRun<'_>,
        host: &HostName,
        scope: Scope,
        item: Option<(u32, String)>,
    ) -> Result<Step, Vec<Problem>> {
        let one = |problem: Problem| vec![problem];
        let context = &run.task.context;
        let spec = run.module.spec();
        let (index, label) = match item {
            Some((index, label)) => (Some(index), Some(label)),
            None => (None, None),
        };
        let flag = |node: Option<&Node>, default| scope.flag(node, default).map_err(one);
        let runs_on = runs_on(context, host, &scope).map_err(one)?;
        let there = (runs_on != *host).then(|| self.scope(runs_on.as_str(), &run.around));
        let arguments = self.arguments(spec, run.arguments, &scope)?;
        let values = Value::Object(arguments.values.clone());
        let sealed = self.outside.seal.seal(&values).to_string();
        let action = run.module.action(&arguments)?;
        let login = Login::of(&scope, context).map_err(one)?;
        let members = self.members(run, host, &scope).map_err(one)?;
        let no_log = flag(context.nearest(|k| k.no_log.as_ref()), false)?;
        let background = background(run, &scope).map_err(one)?;
        Ok(Step {
            id: run.place.step(&run.task.id, host, index),
            host: host.clone(),
            name: self.task_name(run.task, &scope),
            label: if no_log { None } else { label },
            safety: action.safety().unwrap_or(spec.safety),
            check: flag(
                context.nearest(|k| k.check_mode.as_ref()),
                self.settings.check,
            )?,
            diff: flag(context.nearest(|k| k.diff.as_ref()), self.settings.diff)?,
            no_log,
            ignore_errors: flag(context.nearest(|k| k.ignore_errors.as_ref()), false)?,
            ignore_unreachable: flag(context.nearest(|k| k.ignore_unreachable.as_ref()), false)?,
            user: user(
                &scope,
                there.as_ref().unwrap_or(&scope),
                context,
                &self.settings.r#become,
                &self.outside.masker,
            )
            .map_err(one)?,
            environment: environment(&scope, context).map_err(one)?,
            session: None,
            identity: Identity::default(),
            tries: Tries::of(run.task, &scope).map_err(one)?,
            indivisible: !run.place.divisible,
            on_deadline: on_deadline(run.task, background),
            background,
            members,
            digest: content_digest(format!("{} {sealed}", spec.name).as_bytes()),
            decision: Decision::Run,
            known: None,
            asked_with: None,
            task: Arc::clone(run.task),
            around: run.around.clone(),
            spec,
            action,
            runs_on,
            login,
            scope,
        })
    }

    /// Renders a task's name; a name that cannot be rendered is shown as written.
    pub(super) fn task_name(&self, task: &Task, scope: &Scope) -> String {
        let written = || task.title().to_owned();
        match &task.name {
            Some(node) => scope.text(node).unwrap_or_else(|_| written()),
            None => written(),
        }
    }

    fn arguments(
        &self,
        spec: &ModuleSpec,
        written: &Node,
        scope: &Scope,
    ) -> Result<Arguments, Vec<Problem>> {
        let mut rendered = Map::new();
        let mut problems = Vec::new();
        for (key, node) in written.as_map().unwrap_or_default() {
            let argument = spec.argument(&key.name);
            if argument.is_some_and(|argument| argument.kind == Kind::Conditions) {
                rendered.insert(key.name.clone(), node.to_value());
                continue;
            }
            match scope.value(node) {
                Ok(value) => {
                    if argument.is_some_and(|argument| argument.secret) {
                        let secret = Secret::new(text_of(value.clone()));
                        self.outside.masker.add(&secret);
                    }
                    rendered.insert(key.name.clone(), value);
                }
                Err(problem) => problems.push(problem),
            }
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        Arguments::of(spec, &rendered, written)
    }

    fn members(
        &self,
        run: &TaskRun<'_>,
        host: &HostName,
        scope: &Scope,
    ) -> Result<Vec<String>, Problem> {
        let mut members = run.place.members.get(host).cloned().unwrap_or_default();
        if let Some(own) = &run.task.takes_down {
            members.extend(scope.texts(&own.members)?);
        }
        Ok(members)
    }
}

/// Finds out on which host a step runs: its own, or the one that `delegate_to` names.
fn runs_on(
    context: &crate::playbook::Context,
    host: &HostName,
    scope: &Scope,
) -> Result<HostName, Problem> {
    let delegate = context.nearest(|k| k.delegate_to.as_ref());
    let delegate = delegate.map(|node| scope.text(node)).transpose()?;
    Ok(delegate.map_or_else(|| host.clone(), HostName::from))
}

/// Reads `async` and `poll`.
fn background(run: &TaskRun<'_>, scope: &Scope) -> Result<Option<Background>, Problem> {
    let Some(time) = scope.duration(run.task.r#async.as_ref())? else {
        return Ok(None);
    };
    if time.is_zero() {
        return Ok(None);
    }
    let poll = scope.duration(run.task.poll.as_ref())?;
    let waits = poll.is_none_or(|poll| !poll.is_zero());
    let spec = run.module.spec();
    if let Some(node) = run.task.poll.as_ref().filter(|_| !waits)
        && !spec.goes_on_alone()
    {
        return Err(spec.not_alone(node));
    }
    Ok(Some(Background { time, waits }))
}

/// Returns what the deadline does to a step's job: what the task says, and without a word what `async` means.
fn on_deadline(task: &Task, background: Option<Background>) -> OnDeadline {
    match task.on_deadline {
        Some(playbook::OnDeadline::Leave) => OnDeadline::Leave,
        Some(playbook::OnDeadline::Term) => OnDeadline::Term,
        Some(playbook::OnDeadline::Kill) => OnDeadline::Kill,
        None if background.is_some() => OnDeadline::Kill,
        None => OnDeadline::Leave,
    }
}

/// Merges the environments of all levels, the outermost first.
fn environment(
    scope: &Scope,
    context: &crate::playbook::Context,
) -> Result<Vec<(String, String)>, Problem> {
    let mut merged = Map::new();
    for node in context.environment() {
        match scope.value(node)? {
            Value::Object(variables) => merged.extend(variables),
            Value::Array(maps) => {
                for map in maps {
                    merged.extend(super::ended::object(map));
                }
            }
            Value::Null => {}
            other @ (Value::Bool(_) | Value::Number(_) | Value::String(_)) => {
                let message = format!("`environment` must be a map, not {other}");
                return Err(Problem::at(&node.loc, message));
            }
        }
    }
    let texts = merged.into_iter().filter(|(_, value)| !value.is_null());
    Ok(texts.map(|(name, value)| (name, text_of(value))).collect())
}
