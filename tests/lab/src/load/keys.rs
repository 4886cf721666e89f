//! Which keys there are, and what was acknowledged of each.
//!
//! A key has one write under way at a time, so that its acknowledged number only grows. A
//! key whose write ended without an answer is not written again: it may hold either number.

use std::collections::BTreeMap;

/// What is known of one key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Known {
    /// The highest number whose writing was acknowledged.
    pub acked: Option<u64>,
    /// A number whose writing was asked for and not acknowledged.
    pub unsure: Option<u64>,
    busy: bool,
}

/// The keys of one shard.
#[derive(Debug, Default)]
pub struct ShardKeys {
    all: BTreeMap<String, Known>,
    turn: usize,
}

/// A write that is about to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Write {
    /// The key.
    pub key: String,
    /// The number to be written.
    pub number: u64,
    /// Whether the document is not there yet.
    pub new: bool,
}

/// So many keys of a shard are written again and again; more only while these are busy.
const ENOUGH: usize = 25;

impl ShardKeys {
    /// Returns a write that does not meet another on the same key. `fresh` makes a new key.
    pub fn begin_write(&mut self, fresh: impl FnOnce() -> String) -> Write {
        if self.all.len() >= ENOUGH {
            let count = self.all.len();
            let turn = self.turn;
            let free = self
                .all
                .iter_mut()
                .cycle_from(turn, count)
                .find(|(_, known)| !known.busy && known.unsure.is_none() && known.acked.is_some());
            if let Some((key, known)) = free {
                known.busy = true;
                let number = known.acked.unwrap_or(0) + 1;
                self.turn = (turn + 1) % count.max(1);
                return Write {
                    key: key.clone(),
                    number,
                    new: false,
                };
            }
        }
        let key = fresh();
        let known = Known {
            busy: true,
            ..Known::default()
        };
        self.all.insert(key.clone(), known);
        Write {
            key,
            number: 1,
            new: true,
        }
    }

    /// Notes what became of a write.
    pub fn end_write(&mut self, write: &Write, acknowledged: bool) {
        if let Some(known) = self.all.get_mut(&write.key) {
            known.busy = false;
            if acknowledged {
                known.acked = Some(write.number);
            } else {
                known.unsure = Some(write.number);
            }
        }
    }

    /// Returns a key to read and the least number it must hold.
    pub fn readable(&mut self) -> Option<(String, u64)> {
        self.turn = self.turn.wrapping_add(1);
        let acked: Vec<(&String, u64)> = self
            .all
            .iter()
            .filter_map(|(key, known)| Some((key, known.acked?)))
            .collect();
        let place = self.turn.checked_rem(acked.len())?;
        let (key, number) = acked.get(place)?;
        Some(((*key).clone(), *number))
    }

    /// Returns all keys with what is known of them.
    pub fn all(&self) -> &BTreeMap<String, Known> {
        &self.all
    }
}

/// Goes round a map beginning at some place.
trait CycleFrom<'a> {
    fn cycle_from(
        self,
        from: usize,
        count: usize,
    ) -> impl Iterator<Item = (&'a String, &'a mut Known)>;
}

impl<'a, I: Iterator<Item = (&'a String, &'a mut Known)>> CycleFrom<'a> for I {
    fn cycle_from(
        self,
        from: usize,
        count: usize,
    ) -> impl Iterator<Item = (&'a String, &'a mut Known)> {
        let mut all: Vec<(&'a String, &'a mut Known)> = self.collect();
        all.rotate_left(from % count.max(1));
        all.into_iter()
    }
}

impl Known {
    /// Tells whether a number that a server holds loses an acknowledged write.
    pub fn is_lost(&self, held: Option<u64>) -> bool {
        match (self.acked, held) {
            (None, _) => false,
            (Some(_), None) => true,
            (Some(acked), Some(held)) => held < acked,
        }
    }

    /// Tells whether a server holds a number that nobody asked to be written.
    pub fn is_foreign(&self, held: Option<u64>) -> bool {
        held.is_some_and(|held| {
            let highest = self.acked.max(self.unsure);
            // A write under way at the end may have arrived.
            held > highest.unwrap_or(0) + u64::from(self.busy)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled() -> ShardKeys {
        let mut keys = ShardKeys::default();
        for n in 0..ENOUGH {
            let write = keys.begin_write(|| format!("k{n}"));
            assert!(write.new);
            keys.end_write(&write, true);
        }
        keys
    }

    #[test]
    fn a_key_has_one_write_at_a_time() {
        let mut keys = filled();
        let mut seen = std::collections::BTreeSet::new();
        for _ in 0..ENOUGH {
            let write = keys.begin_write(|| unreachable!("there are free keys"));
            assert_eq!((write.number, write.new), (2, false));
            assert!(seen.insert(write.key));
        }
        let more = keys.begin_write(|| "more".into());
        assert!(more.new, "all others are busy");
    }

    #[test]
    fn a_write_without_an_answer_retires_its_key() {
        let mut keys = filled();
        let write = keys.begin_write(|| unreachable!());
        keys.end_write(&write, false);
        for _ in 0..ENOUGH {
            let other = keys.begin_write(|| "fresh".into());
            assert_ne!(other.key, write.key);
        }
        let known = keys.all()[&write.key];
        assert_eq!((known.acked, known.unsure), (Some(1), Some(2)));
    }

    #[test]
    fn a_lost_write_is_one_that_was_acknowledged_and_is_not_there() {
        let acked = Known {
            acked: Some(5),
            ..Known::default()
        };
        for (held, lost) in [
            (None, true),
            (Some(4), true),
            (Some(5), false),
            (Some(6), false),
        ] {
            assert_eq!(acked.is_lost(held), lost, "{held:?}");
        }
        let never = Known {
            unsure: Some(1),
            ..Known::default()
        };
        assert!(!never.is_lost(None) && !never.is_lost(Some(1)));
        assert!(acked.is_foreign(Some(6)));
        assert!(!never.is_foreign(Some(1)));
    }
}
