//! The machines asked, each over a session of the lock's own, all at once.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::clock::Stop;
use crate::connection::locking::{LockSeen, look, seen};
use crate::connection::{ConnError, Limit, Script};
use crate::inventory::HostName;
use crate::modules::{LockWish, ModuleError};
use crate::rollout::ended::told;
use crate::rollout::engine::Engine;
use crate::rollout::login::{Login, user};
use crate::rollout::outside::{GuardMode, NoSession, Wish};
use crate::rollout::sessions::Sessions;
use crate::rollout::step::Step;

use super::Machine;
use super::judged::Answers;

/// How long a machine may take to answer: a minority that is gone must not keep a renewal from the others.
const ANSWERS: Duration = Duration::from_secs(10);

impl Engine {
    /// Looks at the lock on all machines, in the order in which they are taken.
    pub(super) fn look_at_machines(
        &self,
        step: &Step,
        wish: &LockWish,
        stop: &Stop,
    ) -> Result<Answers, ModuleError> {
        let mut machines = Vec::new();
        for host in &wish.machines {
            machines.push(self.machine(step, &HostName::new(host))?);
        }
        let script = look(&wish.directory);
        let asked = self.on_machines(&machines, |machine| {
            self.ask_machine(&self.lock.sessions, machine, &script, stop)
        });
        if stop.abandons() {
            return Err(ConnError::Stopped.into());
        }
        Ok(once_each(machines, asked))
    }

    /// Says how a machine is reached, and as whom it is asked.
    fn machine(&self, step: &Step, host: &HostName) -> Result<Machine, ModuleError> {
        let scope = self.scope(host.as_str(), &step.around);
        let context = &step.task.context;
        let wrong = |problem| ModuleError::failed(told(&problem));
        let (defaults, masker) = (&self.settings.r#become, &self.outside.masker);
        let id = self.state().machines.get(host).cloned();
        Ok(Machine {
            host: host.clone(),
            id: id.unwrap_or_default(),
            login: Login::of(&scope, context).map_err(wrong)?,
            user: user(&scope, &scope, context, defaults, masker).map_err(wrong)?,
            variables: scope.variables().clone(),
        })
    }

    /// Asks all machines at once; with simulated time one after the other. The threads are its own: those of the steps may
    /// all wait.
    pub(super) fn on_machines<R: Send>(
        &self,
        machines: &[Machine],
        ask: impl Fn(&Machine) -> Result<R, String> + Sync,
    ) -> Vec<Result<R, String>> {
        if self.settings.guards == GuardMode::Inline || machines.len() == 1 {
            return machines.iter().map(ask).collect();
        }
        let ask = &ask;
        std::thread::scope(|scope| {
            let asking: Vec<_> = machines
                .iter()
                .map(|machine| scope.spawn(move || ask(machine)))
                .collect();
            let bug = |_| Err("asking it ended in a bug".to_owned());
            let answers = asking.into_iter();
            answers
                .map(|asked| asked.join().unwrap_or_else(bug))
                .collect()
        })
    }

    /// Asks a machine once; what broke on the way is asked again over a new session, as all that is asked can be.
    pub(super) fn ask_machine(
        &self,
        sessions: &Sessions,
        machine: &Machine,
        script: &Script,
        stop: &Stop,
    ) -> Result<(String, LockSeen), String> {
        let wish = Wish {
            host: machine.host.as_str(),
            variables: &machine.variables,
            remote_user: machine.login.remote_user.as_deref(),
            port: machine.login.port,
            connection: machine.login.connection.as_deref(),
        };
        let session = sessions.of(&wish);
        let deadline = self.clock().deadline(ANSWERS);
        let mut again = true;
        loop {
            let identity = match self.try_to_reach(&session, &wish, stop, deadline) {
                Ok(identity) => identity,
                Err(NoSession::Problem(problem)) => return Err(told(&problem)),
                Err(NoSession::Connection(error)) => return Err(error.to_string()),
            };
            let limit = Limit {
                clock: self.clock(),
                stop,
                deadline,
            };
            let mut slot = session.lock();
            let Some(connection) = slot.as_mut() else {
                return Err("there is no session".to_owned());
            };
            match connection.script(machine.user.as_ref(), script, limit) {
                Ok(reply) if reply.code == 0 => {
                    let answer = seen(&reply.out);
                    let answer = answer.ok_or_else(|| "its answer is cut off".to_owned())?;
                    return Ok((identity.machine_id, answer));
                }
                Ok(reply) => {
                    let said = String::from_utf8_lossy(&reply.err).trim().to_owned();
                    return Err(format!("it ended with {}: {said}", reply.code));
                }
                Err(error) if again && error.is_unreachable() => again = false,
                Err(error) => return Err(error.to_string()),
            }
        }
    }
}

/// Counts each machine once, and puts them into the order of their ids, which is the same for every contender. What is not
/// known to be another name of a machine is one of its own.
fn once_each(machines: Vec<Machine>, asked: Vec<Result<(String, LockSeen), String>>) -> Answers {
    let mut answers: Vec<(Machine, Result<LockSeen, String>)> = Vec::new();
    for (mut machine, answer) in machines.into_iter().zip(asked) {
        let answer = answer.map(|(id, seen)| {
            machine.id = id;
            seen
        });
        answers.push((machine, answer));
    }
    // Of two names the one that answers is kept.
    answers.sort_by_key(|(_, answer)| answer.is_err());
    let mut known = BTreeSet::new();
    answers.retain(|(machine, _)| {
        let id = if machine.id.is_empty() {
            format!("name {}", machine.host)
        } else {
            machine.id.clone()
        };
        known.insert(id)
    });
    answers.sort_by(|(a, _), (b, _)| (&a.id, &a.host).cmp(&(&b.id, &b.host)));
    Answers { all: answers }
}
