//! Taking the lock, and giving it back.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::clock::{Stop, Woken};
use crate::connection::locking::{Holding, LockSeen};
use crate::connection::{ConnError, random_hex};
use crate::inventory::HostName;
use crate::modules::{LockTold, LockWish, ModuleError};
use crate::rollout::engine::Engine;
use crate::rollout::exit::Verdict;
use crate::rollout::step::Step;

use super::judged::{Answers, named};
use super::{Held, Machine, failed};

/// How often a contender tries before it gives up, where nobody has a majority.
const TRIES: u32 = 6;
/// How long a contender waits at most before it tries again, in milliseconds: a random time up to this, longer each time.
const WAITS_MS: u64 = 2_000;
/// For how many of its intervals a holder's counter must not move.
const STALE_AFTER: u32 = 3;

/// Why it was not taken this time.
struct Missed {
    error: ModuleError,
    /// What the run ends with, if it ends with that.
    verdict: Verdict,
    /// Whether nobody has a majority: another one tries too.
    contended: bool,
}

impl Engine {
    /// Takes the lock on a majority of the machines.
    pub(super) fn take_lock(
        &self,
        step: &Step,
        wish: &LockWish,
        stop: &Stop,
    ) -> Result<LockTold, ModuleError> {
        let mut replaces = wish.replaces.clone();
        replaces.push(wish.holder.clone());
        if let Some(name) = self.over_by_name(step, wish, stop)? {
            replaces.push(name);
        }
        let about = self.about(wish);
        let mut tries = 0;
        loop {
            tries += 1;
            let answers = self.look_at_machines(step, wish, stop)?;
            match self.try_to_take(answers, wish, &about, &replaces, stop) {
                Ok(told) => return Ok(told),
                Err(missed) if missed.contended && tries < TRIES => {
                    let random = random_hex::<2>().unwrap_or_default();
                    let random = u64::from_str_radix(&random, 16).unwrap_or(WAITS_MS);
                    let wait = Duration::from_millis(random % WAITS_MS * u64::from(tries) + 50);
                    if self.clock().wait(wait, stop) == Woken::Stopped {
                        return Err(ConnError::Stopped.into());
                    }
                }
                Err(Missed { error, verdict, .. }) => {
                    self.state().verdicts.insert(verdict);
                    return Err(error);
                }
            }
        }
    }

    /// Looks whether the lock could be taken now.
    pub(super) fn would_take_lock(
        &self,
        step: &Step,
        wish: &LockWish,
        stop: &Stop,
    ) -> Result<LockTold, ModuleError> {
        let answers = self.look_at_machines(step, wish, stop)?;
        let mut replaces = wish.replaces.clone();
        replaces.push(wish.holder.clone());
        if !wish.take_over.is_empty() {
            replaces.push(wish.take_over.clone());
        }
        let told = answers.told(&wish.holder)?;
        if answers.open_to(&replaces) < answers.majority() {
            let Missed { error, verdict, .. } = missed(&answers, &replaces, wish);
            self.state().verdicts.insert(verdict);
            return Err(error);
        }
        Ok(told)
    }

    fn try_to_take(
        &self,
        answers: Answers,
        wish: &LockWish,
        about: &BTreeMap<String, String>,
        replaces: &[String],
        stop: &Stop,
    ) -> Result<LockTold, Missed> {
        if let Some(why) = answers.too_few() {
            return Err(Missed {
                contended: false,
                ..unreachable(why)
            });
        }
        if answers.open_to(replaces) < answers.majority() {
            return Err(missed(&answers, replaces, wish));
        }
        let text = lines(about);
        let holding = Holding {
            path: &wish.directory,
            owner: &wish.holder,
            about: &text,
        };
        let machines: Vec<Machine> = answers.all.iter().map(|(one, _)| one.clone()).collect();
        let need = answers.majority();
        let (now, taken) = self.take_on(answers, &holding, replaces, stop);
        let has = |seen: &LockSeen| seen.held && seen.owner == wish.holder;
        let mine = now.seen().filter(|(_, seen)| has(seen));
        let mine: Vec<Machine> = mine.map(|(machine, _)| machine.clone()).collect();
        if mine.len() < need {
            self.give_back_on(&taken, &holding, stop);
            return Err(missed(&now, replaces, wish));
        }
        let token = now.token().saturating_add(1);
        let granted = self.grant_on(&mine, &holding, token, stop);
        if granted < need {
            self.give_back_on(&taken, &holding, stop);
            return Err(unreachable(format!(
                "the lock's token was written on {granted} machines, {need} are needed"
            )));
        }
        let (on, all) = (mine.len(), machines.len());
        let told = LockTold {
            held: true,
            mine: true,
            holder: wish.holder.clone(),
            about: about.clone(),
            token,
            on,
            own: on,
            asked: now.asked(),
            machines: all,
            saw: format!("taken on {on} of {all} machines, token {token}"),
            ..LockTold::default()
        };
        *self.lock.lock() = Some(Held {
            wish: wish.clone(),
            about: about.clone(),
            machines,
            token,
            on: mine.into_iter().map(|machine| machine.host).collect(),
        });
        Ok(told)
    }

    /// Takes the lock wherever it can be had, one machine after the other; returns what stands there then, and where it was
    /// not the holder's before.
    fn take_on(
        &self,
        answers: Answers,
        holding: &Holding<'_>,
        replaces: &[String],
        stop: &Stop,
    ) -> (Answers, Vec<Machine>) {
        let script = holding.take(replaces);
        let (mut now, mut taken) = (Answers::default(), Vec::new());
        for (machine, before) in answers.all {
            let answer = before.and_then(|_| {
                let mut tried = self.lock.tried();
                tried.get_or_insert_default().insert(machine.host.clone());
                drop(tried);
                self.ask_machine(&self.lock.sessions, &machine, &script, stop)
            });
            let answer = answer.map(|(_, seen)| seen);
            if answer.as_ref().is_ok_and(|seen| seen.taken_now) {
                taken.push(machine.clone());
            }
            now.all.push((machine, answer));
        }
        (now, taken)
    }

    /// Gives out a token; returns on how many machines it stands then.
    fn grant_on(
        &self,
        machines: &[Machine],
        holding: &Holding<'_>,
        token: u64,
        stop: &Stop,
    ) -> usize {
        let script = holding.grant(token);
        let granted = self.on_machines(machines, |machine| {
            let (_, seen) = self.ask_machine(&self.lock.sessions, machine, &script, stop)?;
            if seen.owner == holding.owner && seen.token == token {
                Ok(())
            } else {
                Err(format!("{} has it", named(&seen.owner)))
            }
        });
        granted.into_iter().flatten().count()
    }

    fn give_back_on(&self, machines: &[Machine], holding: &Holding<'_>, stop: &Stop) {
        let script = holding.give_back();
        // What cannot be reached any more is a minority's, and joins nobody's majority.
        drop(self.on_machines(machines, |machine| {
            self.ask_machine(&self.lock.sessions, machine, &script, stop)
        }));
    }

    /// Returns the holder from whom the lock is taken over by name, once its counter did not move for three of its
    /// intervals; nothing if it is not that one's.
    fn over_by_name(
        &self,
        step: &Step,
        wish: &LockWish,
        stop: &Stop,
    ) -> Result<Option<String>, ModuleError> {
        if wish.take_over.is_empty() {
            return Ok(None);
        }
        let counters = |answers: &Answers| -> BTreeMap<String, u64> {
            let theirs = answers
                .seen()
                .filter(|(_, seen)| seen.held && seen.owner == wish.take_over);
            theirs
                .map(|(machine, seen)| (machine.host.to_string(), seen.renewals))
                .collect()
        };
        let before = self.look_at_machines(step, wish, stop)?;
        let theirs = |seen: &&LockSeen| seen.held && seen.owner == wish.take_over;
        let Some(every) = before
            .seen()
            .map(|(_, seen)| seen)
            .find(theirs)
            .map(|seen| {
                let told = seen.about.get("every").and_then(|every| every.parse().ok());
                told.map_or(wish.every, Duration::from_secs)
            })
        else {
            return Ok(None);
        };
        let first = counters(&before);
        let until = self.clock().deadline(every.saturating_mul(STALE_AFTER));
        while let Some(left) = until.left(self.clock()).filter(|left| !left.is_zero()) {
            if self.clock().wait(left.min(every), stop) == Woken::Stopped {
                return Err(ConnError::Stopped.into());
            }
            let now = counters(&self.look_at_machines(step, wish, stop)?);
            let moved = now
                .iter()
                .any(|(host, count)| first.get(host).is_some_and(|was| was != count));
            if moved {
                self.state().verdicts.insert(Verdict::Locked);
                let message = format!(
                    "{} is not taken over: it renews its lock, so it lives; end it where it runs",
                    wish.take_over
                );
                return Err(failed(message, &wish.take_over));
            }
        }
        Ok(Some(wish.take_over.clone()))
    }

    /// Gives the lock back wherever it is the holder's.
    pub(super) fn give_lock_back(
        &self,
        step: &Step,
        wish: &LockWish,
        stop: &Stop,
    ) -> Result<LockTold, ModuleError> {
        let before = self.look_at_machines(step, wish, stop)?;
        let mut now = Answers::default();
        let holding = Holding {
            path: &wish.directory,
            owner: &wish.holder,
            about: "",
        };
        let script = holding.give_back();
        for (machine, answer) in before.all {
            let answer = match answer {
                Ok(seen) if seen.held && seen.owner == wish.holder => {
                    let asked = self.ask_machine(&self.lock.sessions, &machine, &script, stop);
                    asked.map(|(_, seen)| seen)
                }
                other => other,
            };
            now.all.push((machine, answer));
        }
        let given = now.all.iter().filter(|(_, answer)| {
            let taken_now = |seen: &LockSeen| seen.taken_now;
            answer.as_ref().is_ok_and(taken_now)
        });
        let given = given.count();
        let told = self.is_given_back(&now, wish, given)?;
        let mut held = self.lock.lock();
        if held
            .as_ref()
            .is_some_and(|held| held.wish.holder == wish.holder)
        {
            *held = None;
        }
        Ok(told)
    }

    /// Tells whether the holder can have a majority no more, with those that do not answer and may be its.
    fn is_given_back(
        &self,
        now: &Answers,
        wish: &LockWish,
        given: usize,
    ) -> Result<LockTold, ModuleError> {
        let tried = self.lock.tried().clone();
        let maybe = now.all.iter().filter(|(machine, answer)| {
            let there = tried
                .as_ref()
                .is_none_or(|tried| tried.contains(&machine.host));
            answer.is_err() && there
        });
        let left = now.count(&wish.holder) + maybe.count();
        if left >= now.majority() {
            let why = now.too_few();
            return Err(ModuleError::failed(why.unwrap_or_else(|| {
                format!("{} still has it, on {left} machines", named(&wish.holder))
            })));
        }
        self.tell_what_stays(now, wish, tried.as_ref());
        // Whose it is otherwise need not be known.
        let mut told = now.told(&wish.holder).unwrap_or_default();
        told.own = given;
        Ok(told)
    }

    /// Says on which machines it may still lie, as they did not answer: no majority, and yet not in silence.
    fn tell_what_stays(&self, now: &Answers, wish: &LockWish, tried: Option<&BTreeSet<HostName>>) {
        for (machine, answer) in &now.all {
            let there = tried.is_none_or(|tried| tried.contains(&machine.host));
            if let (Err(reason), true) = (answer, there) {
                let message = format!(
                    "the cluster's lock may still lie on this machine, which keeps no run out: {reason}; if {}/owner says `{}`, remove that directory there",
                    wish.directory, wish.holder
                );
                self.warn(message, Some(machine.host.as_str()));
            }
        }
    }

    /// Says what whoever meets the lock is told of its holder.
    fn about(&self, wish: &LockWish) -> BTreeMap<String, String> {
        let header = &self.header;
        let reason = if wish.reason.is_empty() {
            header.reason.clone().unwrap_or_default()
        } else {
            wish.reason.clone()
        };
        let since = self
            .clock()
            .now()
            .strftime("%Y-%m-%dT%H:%M:%SZ")
            .to_string();
        [
            ("since", since),
            ("every", wish.every.as_secs().to_string()),
            ("bastion", header.machine.clone()),
            ("run", self.run.clone()),
            ("operator", header.operator.clone()),
            (
                "reason",
                reason.split_whitespace().collect::<Vec<_>>().join(" "),
            ),
        ]
        .into_iter()
        .map(|(name, value)| (name.to_owned(), self.outside.masker.mask(&value)))
        .collect()
    }
}

/// Says that too few machines could be asked or written.
fn unreachable(why: String) -> Missed {
    Missed {
        error: ModuleError::failed(why),
        verdict: Verdict::Unreachable,
        contended: true,
    }
}

/// Says who has the lock, or that nobody has a majority.
fn missed(answers: &Answers, replaces: &[String], wish: &LockWish) -> Missed {
    let Some((holder, on)) = answers.first_but(replaces) else {
        let why = "the lock could not be written on a majority of the machines";
        let why = answers.too_few().unwrap_or_else(|| why.to_owned());
        return unreachable(why);
    };
    let silent = answers.machines() - answers.asked();
    Missed {
        error: answers.refusal(holder, on, &wish.directory, &wish.hint),
        verdict: Verdict::Locked,
        contended: on + silent < answers.majority(),
    }
}

/// Writes what is told of a holder, a line for each.
pub(super) fn lines(about: &BTreeMap<String, String>) -> String {
    let lines = about.iter().filter(|(_, value)| !value.is_empty());
    let lines: Vec<String> = lines
        .map(|(name, value)| format!("{name} {value}"))
        .collect();
    lines.join("\n")
}
