//! The cluster's lock as the machines of a model keep it: what its shell texts do, without a shell for each of the thousands
//! that a matrix sends. That a shell does the same is tested below.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::connection::locking::LockSeen;
use crate::connection::scripted::Call;
use crate::connection::{Fence, Reply};

use super::notes::well;

/// Each machine's lock, by machine and path; one that nobody has keeps its token.
#[derive(Debug, Default)]
pub(super) struct Locks {
    lying: Mutex<BTreeMap<(String, String), LockSeen>>,
}

impl Locks {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<(String, String), LockSeen>> {
        self.lying.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does what a script says about the lock; `None` for any other script.
    pub(super) fn script(&self, call: &Call<'_>) -> Option<Reply> {
        let text = call.text.strip_prefix(": see to the lock: ")?;
        let (verb, rest) = text.split_once("\n_d=").unwrap();
        let (path, rest) = word(rest);
        let (owner, rest) = word(rest.strip_prefix("\n_n=").unwrap());
        let (about, rest) = word(rest.strip_prefix("\n_a=").unwrap());
        let mut lying = self.lock();
        let lock = lying.entry((call.host.to_owned(), path)).or_default();
        lock.taken_now = false;
        let mine = lock.held && lock.owner == owner;
        match verb {
            "look" => {}
            "take" => {
                let replaces = words_of(rest);
                if !lock.held || (!mine && replaces.contains(&lock.owner)) {
                    takes(lock, &owner, &about);
                }
            }
            "grant" if mine => lock.token = number_after(rest, "_keep \"$_d.token\" "),
            "renew" if mine => lock.renewals += 1,
            "join" => {
                let token = number_after(rest, "-le ");
                if lock.token <= token && !lock.held {
                    takes(lock, &owner, &about);
                }
                if lock.held && lock.owner == owner {
                    lock.token = token;
                }
            }
            "give back" if mine => {
                *lock = LockSeen {
                    token: lock.token,
                    taken_now: true,
                    ..LockSeen::default()
                };
            }
            "grant" | "renew" | "give back" => {}
            other => panic!("nobody knows what `{other}` does to a lock"),
        }
        Some(well(shown(lock)))
    }

    /// Tells who has a lock with a later token, if anybody has.
    pub(super) fn outdone(&self, host: &str, fence: &Fence) -> Option<String> {
        let lying = self.lock();
        let lock = lying.get(&(host.to_owned(), fence.path.clone()))?;
        (lock.token > fence.token).then(|| lock.owner.clone())
    }

    /// Returns who has a lock, and on which machine.
    pub(super) fn held(&self) -> Vec<(String, String)> {
        let lying = self.lock();
        let held = lying.iter().filter(|(_, lock)| lock.held);
        held.map(|((host, _), lock)| (host.clone(), lock.owner.clone()))
            .collect()
    }
}

fn takes(lock: &mut LockSeen, owner: &str, about: &str) {
    let about = about.lines().map(|line| {
        let (name, value) = line.split_once(' ').unwrap_or((line, ""));
        (name.to_owned(), value.to_owned())
    });
    *lock = LockSeen {
        held: true,
        owner: owner.to_owned(),
        about: about.collect(),
        renewals: 0,
        token: lock.token,
        taken_now: true,
    };
}

/// Reads a word that is quoted for a shell, and returns what comes after it.
fn word(text: &str) -> (String, &str) {
    let mut read = String::new();
    let mut rest = text.strip_prefix('\'').unwrap();
    loop {
        let (inner, after) = rest.split_once('\'').unwrap();
        read.push_str(inner);
        match after.strip_prefix("\"'\"'") {
            Some(more) => {
                read.push('\'');
                rest = more;
            }
            None => return (read, after),
        }
    }
}

/// Reads the names that may be replaced.
fn words_of(text: &str) -> Vec<String> {
    let mut rest = text.split_once("for _w in ").unwrap().1;
    let mut words = Vec::new();
    while rest.starts_with('\'') {
        let (one, after) = word(rest);
        words.push(one);
        rest = after.trim_start_matches(' ');
    }
    words
}

fn number_after(text: &str, before: &str) -> u64 {
    let (_, rest) = text.rsplit_once(before).unwrap();
    let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().unwrap()
}

/// Shows a lock, as its script does.
fn shown(lock: &LockSeen) -> String {
    let mut out = format!("token {}\n", lock.token);
    if lock.taken_now {
        out += "taken\n";
    }
    if lock.held {
        write!(
            out,
            "held\nowner {}\nrenewals {}\n",
            lock.owner, lock.renewals
        )
        .unwrap();
        for (name, value) in &lock.about {
            writeln!(out, "about {name} {value}").unwrap();
        }
    }
    out + "end\n"
}

#[cfg(test)]
mod tests {
    use super::super::disks::Disks;
    use super::*;
    use crate::connection::locking::{Holding, look, seen};
    use crate::connection::scripted::Verb;

    /// Two holders do everything that can be done, in an order in which each text meets a free lock, its own, and another's.
    #[test]
    fn a_shell_does_the_same() {
        let (model, disks) = (Locks::default(), Disks::default());
        let holder = |owner| Holding {
            path: "/lock/it's x",
            owner,
            about: "every 20\nreason it's late",
        };
        let (one, other) = (holder("b1 it's r-1"), holder("b2 r-2"));
        let over = ["b0 r".to_owned(), "b1 it's r-1".to_owned()];
        let steps = [
            look(one.path),
            one.renew(),
            one.grant(1),
            one.give_back(),
            one.take(&[]),
            one.grant(7),
            one.renew(),
            one.renew(),
            one.take(&[]),
            other.take(&[]),
            other.grant(8),
            other.renew(),
            other.join(9),
            other.give_back(),
            other.take(&over),
            other.grant(8),
            one.renew(),
            one.join(7),
            look(one.path),
            other.give_back(),
            one.join(7),
            one.join(8),
            one.renew(),
            one.join(9),
            one.give_back(),
            one.give_back(),
            look(one.path),
        ];
        for (number, step) in steps.iter().enumerate() {
            let call = Call {
                host: "a",
                verb: Verb::Script,
                text: &step.0,
            };
            let told = seen(&model.script(&call).unwrap().out);
            assert!(told.is_some(), "{number}");
            assert_eq!(told, seen(&disks.script(&call).unwrap().out), "{number}");
        }
        let fence = |token| Fence {
            path: one.path.to_owned(),
            token,
        };
        for token in [8, 9, 10] {
            let by_model = model.outdone("a", &fence(token));
            assert_eq!(by_model, disks.outdone("a", &fence(token)), "{token}");
            assert_eq!(by_model.is_some(), token < 9, "{token}");
        }
    }
}
