//! Keeping the lock while the run works: renewed, and held against every step that changes something.

use crate::clock::Stop;
use crate::connection::locking::{Holding, LockSeen, look};
use crate::connection::{ConnError, Fence};
use crate::modules::spec::Safety;
use crate::modules::{LockTold, ModuleError};
use crate::rollout::engine::Engine;
use crate::rollout::exit::Verdict;
use crate::rollout::step::Step;

use super::Held;
use super::judged::{Answers, named};
use super::taking::lines;

impl Engine {
    /// Renews the lock, and says whether the run still has it. The error says that nobody knows: fewer machines than a
    /// majority answer, and nothing shows that it is lost.
    pub(super) fn renew_lock(&self, stop: &Stop) -> Result<LockTold, ModuleError> {
        let Some(held) = self.lock.held() else {
            // A look ahead takes none, and what has nothing to do need not.
            return Ok(LockTold {
                held: true,
                saw: "this run has taken no lock".to_owned(),
                ..LockTold::default()
            });
        };
        let text = lines(&held.about);
        let holding = Holding {
            path: &held.wish.directory,
            owner: &held.wish.holder,
            about: &text,
        };
        let (renew, join) = (holding.renew(), holding.join(held.token));
        let asked = self.on_machines(&held.machines, |machine| {
            let known = held.on.contains(&machine.host);
            let script = if known { &renew } else { &join };
            let (_, seen) = self.ask_machine(&self.lock.sessions, machine, script, stop)?;
            Ok(seen)
        });
        if stop.abandons() {
            return Err(ConnError::Stopped.into());
        }
        let machines = held.machines.iter().cloned();
        let answers = Answers {
            all: machines.zip(asked).collect(),
        };
        self.remember(&held, &answers);
        let told = still_had(&held, &answers)?;
        if !told.held {
            self.state().verdicts.insert(Verdict::Locked);
        }
        Ok(told)
    }

    /// Remembers where the run has it by now, and who did not answer.
    fn remember(&self, was: &Held, answers: &Answers) {
        let silent = answers.all.iter().filter(|(_, answer)| answer.is_err());
        *self.lock.silent() = silent.map(|(machine, _)| machine.host.clone()).collect();
        if let Some(held) = self
            .lock
            .lock()
            .as_mut()
            .filter(|held| held.token == was.token)
        {
            for (machine, seen) in answers.seen() {
                if seen.held && seen.owner == was.wish.holder {
                    held.on.insert(machine.host.clone());
                }
            }
        }
    }

    /// Makes sure before a step that changes something that no later run has the cluster. Where the step's own script can
    /// compare the token, returns the fence that does.
    pub(in crate::rollout) fn fence_for(
        &self,
        step: &Step,
        stop: &Stop,
    ) -> Result<Option<Fence>, ModuleError> {
        let changes = matches!(step.safety, Safety::State | Safety::Once);
        if !changes || step.spec.name == "cluster_lock" {
            return Ok(None);
        }
        let Some(held) = self.lock.held() else {
            return Ok(None);
        };
        let compares = |machine: &super::Machine| {
            let same = machine.host == step.runs_on
                || (!machine.id.is_empty() && machine.id == step.identity.machine_id);
            same && machine.login == step.login && machine.user == step.user
        };
        let itself = step.spec.needs_host && !step.spec.speaks_itself;
        if itself && held.machines.iter().any(compares) {
            return Ok(Some(held.fence()));
        }
        self.read_token(&held, stop).map(|()| None)
    }

    /// Reads the token on one machine, the first that answers.
    fn read_token(&self, held: &Held, stop: &Stop) -> Result<(), ModuleError> {
        let silent = self.lock.silent().clone();
        let mut machines: Vec<_> = held.machines.iter().collect();
        // Where the run has it, whoever takes it over must write: the others may know of nothing.
        machines.sort_by_key(|machine| {
            let has = held.on.contains(&machine.host);
            (silent.contains(&machine.host), !has)
        });
        let script = look(&held.wish.directory);
        let mut last = String::new();
        for machine in machines {
            match self.ask_machine(&self.lock.reading, machine, &script, stop) {
                Ok((_, seen)) if seen.token <= held.token => return Ok(()),
                Ok((_, seen)) => {
                    let holder = named(&seen.owner).to_owned();
                    return Err(ConnError::Fenced { holder }.into());
                }
                Err(_) if stop.abandons() => return Err(ConnError::Stopped.into()),
                Err(reason) => {
                    last = format!("{}: {reason}", machine.host);
                    self.lock.silent().insert(machine.host.clone());
                }
            }
        }
        let host = "the machines that have the cluster's lock".to_owned();
        Err(ConnError::Unreachable { host, reason: last }.into())
    }
}

/// Tells whether the run still has the lock; the error says that nobody knows.
fn still_had(held: &Held, answers: &Answers) -> Result<LockTold, ModuleError> {
    // A later token under the same name is another process's, which goes on with this very run.
    let is_mine =
        |seen: &LockSeen| seen.held && seen.owner == held.wish.holder && seen.token <= held.token;
    let mine = answers.seen().filter(|(_, seen)| is_mine(seen)).count();
    let machines = answers.machines();
    let silent = machines - answers.asked();
    let still = mine >= answers.majority();
    if !still && mine + silent >= answers.majority() {
        let why = answers.too_few();
        return Err(ModuleError::failed(why.unwrap_or_else(|| {
            format!("the run has its lock on {mine} of {machines} machines for certain")
        })));
    }
    let mut told = LockTold {
        held: still,
        mine: still,
        own: mine,
        on: mine,
        token: held.token,
        asked: answers.asked(),
        machines,
        holder: held.wish.holder.clone(),
        about: held.about.clone(),
        saw: format!("held on {mine} of {machines} machines"),
        ..LockTold::default()
    };
    if !still {
        let other = answers.first_but(std::slice::from_ref(&held.wish.holder));
        let (holder, on) = other.map_or(("nobody", 0), |(seen, on)| (named(&seen.owner), on));
        told.saw = format!("the lock is lost: {holder} has it, on {on} of {machines} machines");
        holder.clone_into(&mut told.holder);
    }
    Ok(told)
}
