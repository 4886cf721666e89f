//! `stagger lock`: who has a cluster's lock; taking it by hand, and giving it back.
//!
//! What the lock is, and where it lies, only the roles know: their `lock.yml` looks, takes and gives back by the tasks that
//! their runs use, and tells here whose it is. Here it is judged who may give it back. No records are kept.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::super::args::{Lock, LockAcquire, LockCommand, LockRelease, LockStatus, Locked};
use super::super::args::{Pausing, Selection, Showing};
use super::super::failure::{ExitCode, Failure};
use super::super::machine::Machine;
use super::super::prepared::{Mode, secrets_of};
use super::super::starting::{
    Request, asked_passwords, connector, engine_settings, machine_name, operator, outline, run_id,
};
use super::super::{interrupt, output, settings, surveying};
use crate::clock::{Clock as _, Stop};
use crate::events::{Event, EventKind, Sink, StepOutcome};
use crate::journal::{Header, MemoryJournal};
use crate::playbook::directory_of;
use crate::rollout::{Connector, Rollout};
use crate::secrets::{Masker, Secret};

/// The task that tells whose the lock is.
const TOLD_BY: &str = "the cluster's lock";

/// Whose the lock is, as the role tells it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Told {
    /// Where the lock lies.
    place: String,
    held: bool,
    /// By which name somebody has it.
    holder: String,
    since: String,
    /// What the holder gave as reason, if not in its name.
    #[serde(default)]
    reason: String,
    /// How often it was renewed: looked at twice, it shows whether the holder lives.
    #[serde(default)]
    renewals: u64,
    /// The variables with which the role's tasks act as the holder.
    #[serde(skip_serializing)]
    as_holder: Map<String, Value>,
    /// How the names begin under which this machine has it.
    #[serde(skip_serializing)]
    me: String,
    /// The variables with which the role's tasks act as this operator.
    #[serde(skip_serializing)]
    as_me: Map<String, Value>,
}

impl Told {
    fn text(&self) -> String {
        if !self.held {
            return format!("free ({})", self.place);
        }
        let since = match self.since.as_str() {
            "" => String::new(),
            since => format!(", since {since}"),
        };
        let reason = match self.reason.as_str() {
            "" => String::new(),
            reason => format!(": {reason}"),
        };
        let renewed = match self.renewals {
            0 => String::new(),
            1 => ", renewed once".to_owned(),
            times => format!(", renewed {times} times"),
        };
        let (name, place) = (self.name(), &self.place);
        format!("held by {name}{since}{renewed}{reason} ({place})")
    }

    fn name(&self) -> &str {
        match self.holder.as_str() {
            "" => "somebody who left no name",
            name => name,
        }
    }
}

/// What the tasks said.
#[derive(Debug, Clone, Default)]
struct Heard {
    told: Arc<Mutex<(Option<Told>, Vec<String>)>>,
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "only these kinds matter here; the others are passed over on purpose"
)]
impl Sink for Heard {
    fn on_event(&mut self, event: &Event) -> io::Result<()> {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        match &event.kind {
            EventKind::StepFinished {
                name,
                outcome: StepOutcome::Ok,
                result,
                ..
            } if name.ends_with(TOLD_BY) => {
                let lock = result.fields.get("msg").cloned().unwrap_or_default();
                told.0 = Some(serde_json::from_value(lock).map_err(io::Error::other)?);
            }
            EventKind::StepFinished {
                step,
                name,
                outcome: StepOutcome::Failed | StepOutcome::Unreachable | StepOutcome::InDoubt,
                ignored: false,
                result,
                ..
            } => {
                let line = format!("{}: {name}: {}", step.host, result.message);
                told.1.push(line);
            }
            _ => {}
        }
        Ok(())
    }
}

/// Does what is asked.
pub(in crate::cli) fn run(arguments: &Lock, machine: &Machine) -> Result<ExitCode, Failure> {
    match &arguments.what {
        LockCommand::Status(status) => look(status, machine),
        LockCommand::Acquire(acquire) => take(acquire, machine),
        LockCommand::Release(release) => give_back(release, machine),
    }
}

fn look(arguments: &LockStatus, machine: &Machine) -> Result<ExitCode, Failure> {
    let told = Applied::new(&arguments.locked, machine)?.ask("status", Map::new())?;
    let text = if arguments.json {
        settings::pretty(&json!(told))
    } else {
        told.text()
    };
    print(&text)?;
    Ok(if told.held {
        ExitCode::Locked
    } else {
        ExitCode::Done
    })
}

fn take(arguments: &LockAcquire, machine: &Machine) -> Result<ExitCode, Failure> {
    let applied = Applied::new(&arguments.locked, machine)?;
    let reason = one_line(&arguments.reason)?;
    let words = json!(format!("{}{reason}", by_hand(machine)));
    let words = Map::from_iter([("lock_words".to_owned(), words)]);
    let before = applied.ask("status", words)?;
    if before.held {
        return Err(refused(&before, arguments.locked.upgrade.as_str()));
    }
    let after = applied.ask("acquire", before.as_me)?;
    print(&after.text())?;
    output::message(&format!(
        "no run begins on this cluster until it is given back: stagger lock release {} ...\n",
        arguments.locked.upgrade
    ));
    Ok(ExitCode::Done)
}

fn give_back(arguments: &LockRelease, machine: &Machine) -> Result<ExitCode, Failure> {
    let applied = Applied::new(&arguments.locked, machine)?;
    let before = applied.ask("status", Map::new())?;
    if !before.held {
        print(&before.text())?;
        return Ok(ExitCode::Done);
    }
    let own = format!("{}{}", before.me, by_hand(machine));
    if !arguments.force && !before.holder.starts_with(&own) {
        return Err(refused(&before, arguments.locked.upgrade.as_str()));
    }
    // Its text comes from the cluster, and stands in variables from here on.
    let dangerous = |value: &Value| value.to_string().contains(['{', '}']);
    if before.as_holder.values().any(dangerous) {
        return Err(Failure::new(
            ExitCode::Locked,
            format!(
                "the lock's holder ({}) has a name with braces, as no holder has: look at it, and remove it by hand ({})",
                before.name(),
                before.place
            ),
        ));
    }
    let holder = before.name().to_owned();
    let after = applied.ask("release", before.as_holder)?;
    if after.held {
        return Err(refused(&after, arguments.locked.upgrade.as_str()));
    }
    let why = match &arguments.reason {
        Some(reason) => format!(": {}", one_line(reason)?),
        None => String::new(),
    };
    print(&format!("given back; {holder} had it{why}"))?;
    Ok(ExitCode::Done)
}

/// Says whose the lock is, and what can be done about it.
fn refused(told: &Told, upgrade: &str) -> Failure {
    Failure::new(ExitCode::Locked, format!("the lock is {}", told.text())).hint(format!(
        "`stagger runs` and `stagger recover` where that run was started give its lock back; if it is certainly gone: \
         stagger lock release {upgrade} --force --reason \"...\""
    ))
}

/// How the name of a lock begins that the operator took by hand, behind that of the machine.
fn by_hand(machine: &Machine) -> String {
    format!("by hand by {}: ", operator(machine))
}

/// Takes a reason that can stand in a lock: one line, and nothing that is a template.
fn one_line(reason: &str) -> Result<String, Failure> {
    let line = reason.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.is_empty() || line.contains(['{', '}']) {
        return Err(Failure::usage("a reason is a sentence without braces"));
    }
    Ok(line)
}

fn print(text: &str) -> Result<(), Failure> {
    output::data(&format!("{text}\n"))
        .map_err(|error| Failure::usage(format!("cannot print: {error}")))
}

/// The role's `lock.yml` on a cluster.
struct Applied<'a> {
    locked: &'a Locked,
    machine: &'a Machine,
    /// What was typed to log in, and to become another user: asked for once.
    login: Option<Secret>,
    become_password: Option<Secret>,
}

impl<'a> Applied<'a> {
    fn new(locked: &'a Locked, machine: &'a Machine) -> Result<Self, Failure> {
        let (login, become_password) = asked_passwords(&locked.reaching, &Masker::new())?;
        Ok(Self {
            locked,
            machine,
            login,
            become_password,
        })
    }

    /// Lets the role do something, and returns whose the lock is then.
    fn ask(&self, action: &str, mut variables: Map<String, Value>) -> Result<Told, Failure> {
        variables.insert("lock_action".to_owned(), json!(action));
        let mut sources = self.locked.sources.clone();
        sources
            .extra_vars
            .push(Value::Object(variables).to_string());
        let request = Request {
            sources,
            ..self.request()
        };
        let heard = Heard::default();
        let (code, why) = self.apply(&request, &heard)?;
        let (told, failed) = heard
            .told
            .lock()
            .map(|mut told| std::mem::take(&mut *told))
            .unwrap_or_default();
        match (told, code) {
            (Some(told), ExitCode::Done) => Ok(told),
            (Some(_) | None, code) => {
                let code = code.max(ExitCode::Failed);
                let mut failure = Failure::new(code, format!("the lock cannot be had: {why}"));
                if let Some(problem) = failure.problems.last_mut() {
                    problem.notes = failed;
                }
                Err(failure)
            }
        }
    }

    /// Applies the playbook without records; returns how that ended, and why it stopped.
    fn apply(&self, request: &Request, heard: &Heard) -> Result<(ExitCode, String), Failure> {
        let prepared = request.prepare(self.machine)?;
        let directory = directory_of(&request.playbook);
        let masker = secrets_of(&prepared.world, directory, self.machine);
        for secret in self.login.iter().chain(&self.become_password) {
            masker.add(secret);
        }
        let login = self.login.clone();
        let connector: Arc<dyn Connector> =
            Arc::new(connector(request, &prepared, self.machine, login)?);
        let stop = Stop::new();
        let watching = interrupt::watch(&stop)?;
        let handed = (connector, stop);
        let rollout = Rollout {
            header: Header {
                // Jobs on the hosts bear its name: each is another one.
                run: run_id(prepared.clock.now()),
                playbook: request.playbook.clone(),
                machine: machine_name(),
                ..Header::default()
            },
            settings: engine_settings(request, &prepared, self.become_password.clone()),
            outside: surveying::outside(request, &prepared, handed, masker, self.machine),
            outline: outline(&prepared),
            playbook: Arc::clone(&prepared.playbook),
            answers: Map::new(),
        };
        let ended = rollout.run(
            Box::new(MemoryJournal::new()),
            vec![Box::new(heard.clone())],
        );
        drop(watching);
        let why = ended.stopped.map(|(_, why)| why).unwrap_or_default();
        Ok((ExitCode::from_number(ended.exit_code), why))
    }

    fn request(&self) -> Request {
        let reaching = self.locked.reaching.clone();
        Request {
            playbook: format!("roles/{}/lock.yml", self.locked.upgrade),
            sources: self.locked.sources.clone(),
            selection: Selection {
                tags: Vec::new(),
                skip_tags: Vec::new(),
            },
            mode: Mode {
                forks: reaching.forks,
                ..Mode::default()
            },
            reaching,
            showing: Showing {
                verbose: 0,
                events: None,
                plain: true,
            },
            step: false,
            approve: Vec::new(),
            reason: None,
            start_at: None,
            state: None,
            pausing: Pausing::default(),
            words: None,
        }
    }
}
