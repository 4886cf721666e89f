//! The pairs of a task and a class that are still to be tried, and which of them is tried at a step. Pure.
//!
//! Of the steps that a task is taken in, a number draws one for each class; the same number draws the same, whatever else
//! is tried beside, so that a case can be repeated alone.

use std::collections::BTreeMap;

use sha2::{Digest as _, Sha256};

use super::classes::Class;
use super::follow::Task;
use super::reference::Reference;

/// How many upgrades a pair may be passed over in before another of its task's steps is drawn.
const PASSED_OVER: u64 = 2;

/// A task, a class, and the step at which it strikes.
#[derive(Debug, Clone)]
pub struct Pair {
    /// The class.
    pub class: &'static Class,
    /// The task.
    pub task: Task,
    /// The step.
    pub key: String,
    steps: Vec<String>,
    misses: u64,
}

/// The pairs that are left.
#[derive(Debug)]
pub struct Pool {
    seed: u64,
    pairs: BTreeMap<String, Vec<Pair>>,
    spared: usize,
}

/// What is wanted of all pairs.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// The number that draws.
    pub seed: u64,
    /// Only tasks whose place or name has this in it.
    pub at: Option<String>,
    /// The files between which the run has the cluster's lock.
    pub lock: (&'static str, &'static str),
}

/// Draws a number below `count` from words.
pub fn draw(seed: u64, words: &[&str], count: usize) -> usize {
    let mut hash = Sha256::new();
    hash.update(seed.to_le_bytes());
    for word in words {
        hash.update(word.as_bytes());
        hash.update([0]);
    }
    let drawn = hash
        .finalize()
        .iter()
        .take(7)
        .fold(0_usize, |sum, byte| (sum << 8) | usize::from(*byte));
    drawn.checked_rem(count).unwrap_or_default()
}

impl Pool {
    /// Makes one without pairs.
    pub fn empty() -> Self {
        Self {
            seed: 0,
            pairs: BTreeMap::new(),
            spared: 0,
        }
    }

    /// Makes all pairs of an upgrade's tasks and these classes.
    pub fn of(reference: &Reference, classes: &[&'static Class], wanted: &Wanted) -> Self {
        let mut pool = Self {
            seed: wanted.seed,
            pairs: BTreeMap::new(),
            spared: 0,
        };
        let under_lock = reference.between(wanted.lock.0, wanted.lock.1);
        for (task, keys) in reference.tasks() {
            let asked = |at: &String| task.place.contains(at) || task.name.contains(at);
            if !wanted.at.as_ref().is_none_or(asked) {
                continue;
            }
            for class in classes {
                let words = ["one in", class.name, &task.place];
                if draw(wanted.seed, &words, class.one_in) != 0 {
                    pool.spared += 1;
                    continue;
                }
                let keys = keys.iter().copied();
                let steps = keys.filter(|key| !class.under_lock || under_lock.contains(key));
                pool.put(Pair {
                    class,
                    task: task.clone(),
                    key: String::new(),
                    steps: steps.map(str::to_owned).collect(),
                    misses: 0,
                });
            }
        }
        pool
    }

    /// Draws the step of a pair and keeps it; one without a step is none.
    fn put(&mut self, mut pair: Pair) {
        let turn = (pair.misses / PASSED_OVER).to_string();
        let words = [pair.class.name, &pair.task.place, &turn];
        let drawn = draw(self.seed, &words, pair.steps.len());
        if let Some(key) = pair.steps.get(drawn) {
            pair.key.clone_from(key);
            self.pairs.entry(pair.key.clone()).or_default().push(pair);
        }
    }

    /// Takes a pair to be tried at a step, of those that harm clients or of the others.
    pub fn take(&mut self, key: &str, harming: bool) -> Option<Pair> {
        let pairs = self.pairs.get_mut(key)?;
        let fits = |pair: &Pair| pair.class.harms_clients == harming;
        let fitting: Vec<usize> = (0..pairs.len())
            .filter(|at| pairs.get(*at).is_some_and(fits))
            .collect();
        let drawn = draw(self.seed, &[key], fitting.len());
        let at = *fitting.get(drawn)?;
        Some(pairs.swap_remove(at))
    }

    /// Tells whether one of `most` faults that befall this upgrade may strike at a step: they are to be spread over it, or
    /// its end would wait until its beginning has been through everything.
    pub fn may_strike(&self, key: &str, upgrade: usize, harming: bool, most: usize) -> bool {
        let fits = |pair: &Pair| pair.class.harms_clients == harming;
        let steps = self.pairs.values().filter(|pairs| pairs.iter().any(fits));
        let one_in = steps.count().div_ceil(most.max(1)).max(1);
        draw(self.seed, &[key, &upgrade.to_string()], one_in) == 0
    }

    /// Takes a pair back that could not be tried, or was passed over.
    pub fn give_back(&mut self, mut pair: Pair) {
        pair.misses += 1;
        self.put(pair);
    }

    /// Notes that an upgrade has ended: what it passed over may be tried at another of its task's steps.
    pub fn passed_over(&mut self, harming: bool) {
        for pairs in std::mem::take(&mut self.pairs).into_values() {
            for pair in pairs {
                if pair.class.harms_clients == harming {
                    self.give_back(pair);
                } else {
                    self.put(pair);
                }
            }
        }
    }

    /// Tells how many are left, of those that harm clients or of the others.
    pub fn count(&self, harming: bool) -> usize {
        let all = self.pairs.values().flatten();
        all.filter(|pair| pair.class.harms_clients == harming)
            .count()
    }

    /// Tells whether every pair that is left was passed over so often that no upgrade will come to it.
    pub fn is_hopeless(&self, harming: bool) -> bool {
        let all = self.pairs.values().flatten();
        let mut left = all.filter(|pair| pair.class.harms_clients == harming);
        left.all(|pair| {
            let steps = u64::try_from(pair.steps.len()).unwrap_or(u64::MAX);
            pair.misses >= PASSED_OVER * steps.clamp(2, 4)
        })
    }

    /// Tells how many pairs were not drawn, of classes that befall one task of several.
    pub fn spared(&self) -> usize {
        self.spared
    }

    /// Returns those that are left, by class and task.
    pub fn left(&self) -> Vec<&Pair> {
        let mut left: Vec<&Pair> = self.pairs.values().flatten().collect();
        left.sort_by_key(|pair| (pair.class.name, pair.task.place.clone()));
        left
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::faults::classes::{System, of};
    use crate::faults::follow::{Seen, Step};

    fn reference() -> Reference {
        let intended = |key: &str, place: &str| {
            Seen::Intended(Step {
                key: key.to_owned(),
                turn: key.to_owned(),
                host: "h".to_owned(),
                task: Some(Task {
                    place: place.to_owned(),
                    name: format!("name of {place}"),
                }),
            })
        };
        let seen = [
            intended("a", "preflight.yml"),
            intended("b", "lock_take.yml"),
            intended("c", "stop.yml"),
            intended("d", "stop.yml"),
            intended("e", "lock_give_back.yml"),
        ];
        Reference::of(&seen, &[], &[])
    }

    fn wanted(seed: u64) -> Wanted {
        Wanted {
            seed,
            at: None,
            lock: ("lock_take", "lock_give_back"),
        }
    }

    #[test]
    fn every_task_meets_every_class_once_and_the_same_number_draws_the_same() {
        let classes = of(System::Memsql, None);
        let drawn = |seed| {
            let mut pool = Pool::of(&reference(), &classes, &wanted(seed));
            let all: Vec<_> = pool.left().iter().map(|pair| pair.key.clone()).collect();
            let mut taken = 0;
            for key in ["a", "b", "c", "d", "e"] {
                for harming in [true, false] {
                    while pool.take(key, harming).is_some() {
                        taken += 1;
                    }
                }
            }
            assert_eq!((taken, pool.left().len()), (all.len(), 0));
            all
        };
        // Four tasks; what needs the lock only meets the one that is under it.
        let under_lock = classes.iter().filter(|class| class.under_lock).count();
        assert_eq!(drawn(7).len(), classes.len() * 4 - under_lock * 3);
        assert_eq!(drawn(7), drawn(7));
        assert!((1..20).any(|seed| drawn(seed) != drawn(7)), "all the same");
    }

    #[test]
    fn one_case_alone_is_drawn_as_among_all() {
        let all = Pool::of(&reference(), &of(System::Memsql, None), &wanted(3));
        let alone = Wanted {
            at: Some("name of stop".to_owned()),
            ..wanted(3)
        };
        let alone = Pool::of(&reference(), &of(System::Memsql, Some("ctrl-c")), &alone);
        let [one] = alone.left()[..] else {
            panic!("{alone:?}")
        };
        let same = all
            .left()
            .into_iter()
            .find(|pair| (pair.class.name, pair.task.place.as_str()) == ("ctrl-c", "stop.yml"));
        assert_eq!(same.unwrap().key, one.key);
    }

    #[test]
    fn what_is_passed_over_is_drawn_anew_and_given_up_in_the_end() {
        let mut pool = Pool::of(
            &reference(),
            &of(System::Memsql, Some("kill-9")),
            &wanted(3),
        );
        let mut keys = std::collections::BTreeSet::new();
        for _ in 0..40 {
            keys.extend(pool.left().iter().map(|pair| pair.key.clone()));
            pool.passed_over(false);
        }
        assert!(keys.contains("c") && keys.contains("d"), "{keys:?}");
        assert!(pool.is_hopeless(false));
        assert_eq!((pool.count(false), pool.count(true)), (4, 0));
    }
}
