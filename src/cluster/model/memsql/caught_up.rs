//! The proof that slaves have caught up while writes go on: what the masters had at one moment the slaves have a little
//! later, twice, the second time quickly.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::partitions::REPLICATING;
use super::{Address, Overview, Position};

/// The positions of masters at one moment, by the partition's name; a master without one is still waited for.
type Marks = BTreeMap<String, Option<Position>>;

/// Reads the positions of the masters of partitions that are led by one of these leaves.
fn masters_at(over: &Overview<'_>, leaves: &[Address]) -> Marks {
    let mut marks = Marks::new();
    for partition in &over.partitions {
        for master in &partition.masters {
            if leaves.contains(master) {
                let name = partition.name.clone();
                let position = over
                    .instance(&name, master)
                    .and_then(|instance| instance.position);
                marks.insert(name, position);
            }
        }
    }
    marks
}

/// The proof while it is made.
#[derive(Debug, Clone)]
pub struct CaughtUp {
    leaves: Vec<Address>,
    quick: Duration,
    marks: Marks,
    began: Duration,
    rounds: u32,
}

/// How a proof stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
    /// It is proved.
    Proved,
    /// These partitions are behind.
    Behind(Vec<String>),
}

impl CaughtUp {
    /// Begins with what the masters have now; `quick` is how long the second round may take.
    pub fn begin(over: &Overview<'_>, leaves: &[Address], quick: Duration, now: Duration) -> Self {
        Self {
            leaves: leaves.to_vec(),
            quick,
            marks: masters_at(over, leaves),
            began: now,
            rounds: 0,
        }
    }

    /// Looks at a later reading.
    pub fn look(&mut self, over: &Overview<'_>, now: Duration) -> Progress {
        let behind = self.behind(over);
        if !behind.is_empty() {
            return Progress::Behind(behind);
        }
        self.rounds += 1;
        let took = now.saturating_sub(self.began);
        if self.rounds >= 2 && took <= self.quick {
            return Progress::Proved;
        }
        // The first round may have begun far behind; a slow second one proves nothing either.
        self.marks = masters_at(over, &self.leaves);
        self.began = now;
        Progress::Behind(Vec::new())
    }

    fn behind(&self, over: &Overview<'_>) -> Vec<String> {
        let mut behind = Vec::new();
        for partition in &over.partitions {
            let name = &partition.name;
            let Some(mark) = self.marks.get(name) else {
                continue;
            };
            let Some(mark) = mark else {
                behind.push(format!("{name}: its master has no position"));
                continue;
            };
            let best = partition
                .slaves
                .iter()
                .filter(|slave| over.is_up(slave))
                .filter_map(|slave| over.instance(name, slave))
                .filter(|instance| instance.state == REPLICATING)
                .filter_map(|instance| instance.position)
                .max();
            match best {
                Some(position) if position >= *mark => {}
                Some(position) => {
                    behind.push(format!("{name}: slave at {position}, master at {mark}"));
                }
                None => behind.push(format!("{name}: no slave that replicates")),
            }
        }
        let seen: BTreeSet<&String> = over.partitions.iter().map(|seen| &seen.name).collect();
        for name in self.marks.keys().filter(|name| !seen.contains(name)) {
            behind.push(format!("{name} is gone"));
        }
        behind
    }
}
