//! What the machines' answers mean: pure.

use std::collections::BTreeMap;

use crate::connection::locking::LockSeen;
use crate::modules::{LockTold, ModuleError};

use super::{Machine, failed};

/// What each machine answered; the error says why one did not.
#[derive(Debug, Default)]
pub(super) struct Answers {
    pub(super) all: Vec<(Machine, Result<LockSeen, String>)>,
}

/// Returns how many of so many machines are a majority.
pub(super) fn majority(machines: usize) -> usize {
    machines / 2 + 1
}

impl Answers {
    /// Returns how many machines there are: each counts once, whatever names it goes by.
    pub(super) fn machines(&self) -> usize {
        self.all.len()
    }

    pub(super) fn majority(&self) -> usize {
        majority(self.machines())
    }

    pub(super) fn seen(&self) -> impl Iterator<Item = (&Machine, &LockSeen)> {
        let all = self.all.iter();
        all.filter_map(|(machine, answer)| Some((machine, answer.as_ref().ok()?)))
    }

    pub(super) fn asked(&self) -> usize {
        self.seen().count()
    }

    /// Returns the highest token that was ever given out, as far as the machines that answered know. A majority of them
    /// knows the highest of all.
    pub(super) fn token(&self) -> u64 {
        self.seen().map(|(_, seen)| seen.token).max().unwrap_or(0)
    }

    /// Counts where a holder has it.
    pub(super) fn count(&self, holder: &str) -> usize {
        let has = |seen: &LockSeen| seen.held && seen.owner == holder;
        self.seen().filter(|(_, seen)| has(seen)).count()
    }

    /// Counts where nobody has it who may not be replaced.
    pub(super) fn open_to(&self, names: &[String]) -> usize {
        let open = |seen: &LockSeen| !seen.held || names.contains(&seen.owner);
        self.seen().filter(|(_, seen)| open(seen)).count()
    }

    /// Returns who has it on the most machines, of those who are none of these.
    pub(super) fn first_but(&self, names: &[String]) -> Option<(&LockSeen, usize)> {
        let mut holders: BTreeMap<&str, (&LockSeen, usize)> = BTreeMap::new();
        for (_, seen) in self.seen() {
            if seen.held && !names.contains(&seen.owner) {
                let one = holders.entry(seen.owner.as_str()).or_insert((seen, 0));
                one.1 += 1;
                // What was renewed last is told.
                if seen.renewals > one.0.renewals {
                    one.0 = seen;
                }
            }
        }
        holders.into_values().max_by_key(|(_, count)| *count)
    }

    /// Says why fewer than a majority answered, if so.
    pub(super) fn too_few(&self) -> Option<String> {
        if self.asked() >= self.majority() {
            return None;
        }
        let silent = self.all.iter().filter_map(|(machine, answer)| {
            let reason = answer.as_ref().err()?;
            Some(format!("{}: {reason}", machine.host))
        });
        Some(format!(
            "{} of the cluster's {} machines can be asked for its lock, and {} must be: {}",
            self.asked(),
            self.machines(),
            self.majority(),
            silent.collect::<Vec<_>>().join("; ")
        ))
    }

    /// Tells whose the lock is.
    pub(super) fn told(&self, asker: &str) -> Result<LockTold, ModuleError> {
        if let Some(why) = self.too_few() {
            return Err(ModuleError::failed(why));
        }
        let silent = self.machines() - self.asked();
        let own = self.count(asker);
        let mut told = LockTold {
            own,
            mine: own >= self.majority(),
            token: self.token(),
            asked: self.asked(),
            machines: self.machines(),
            ..LockTold::default()
        };
        if let Some((seen, on)) = self.first_but(&[]) {
            seen.owner.clone_into(&mut told.holder);
            told.about.clone_from(&seen.about);
            told.held = on + silent >= self.majority();
            (told.renewals, told.on) = (seen.renewals, on);
        }
        told.saw = if told.held {
            format!(
                "{} has it, on {} of {} machines",
                named(&told.holder),
                told.on,
                told.machines
            )
        } else {
            "nobody has it".to_owned()
        };
        Ok(told)
    }

    /// Makes the refusal of who finds somebody else's lock.
    pub(super) fn refusal(
        &self,
        holder: &LockSeen,
        on: usize,
        directory: &str,
        hint: &str,
    ) -> ModuleError {
        let told = |word: &str, name: &str| {
            let value = holder.about.get(name).filter(|value| !value.is_empty());
            value
                .map(|value| format!("{word}{value}"))
                .unwrap_or_default()
        };
        let name = named(&holder.owner);
        let machines = match self.machines() {
            1 => directory.to_owned(),
            several => format!("{directory} on {on} of {several} machines"),
        };
        let mut message = format!(
            "{name} works on this cluster{}{} ({machines})",
            told(", since ", "since"),
            told(": ", "reason")
        );
        if !hint.is_empty() {
            message = message + ". " + &hint.replace("HOLDER", &holder.owner);
        }
        failed(message, &holder.owner)
    }
}

/// Returns a holder's name for people.
pub(super) fn named(holder: &str) -> &str {
    if holder.is_empty() {
        "somebody who left no name"
    } else {
        holder
    }
}
