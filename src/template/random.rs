//! Chance: with a seed the same as in Python, so that `60 | random(seed=inventory_hostname)` gives the same minute.

use std::hash::{BuildHasher, Hasher, RandomState};

use sha2::{Digest, Sha512};

use super::arguments::Bound;
use super::failure::{Fault, failed};
use super::object::Object;
use super::rendering::Rendering;

const SIZE: usize = 624;
const SHIFT: usize = 397;

/// Python's generator, the Mersenne Twister.
struct Twister {
    state: Vec<u32>,
    at: usize,
}

impl Twister {
    fn new(key: &[u32]) -> Self {
        let mut state = vec![19_650_218_u32];
        for index in 1..SIZE {
            let before = state.last().copied().unwrap_or(0);
            let mixed = (before ^ (before >> 30)).wrapping_mul(1_812_433_253);
            state.push(mixed.wrapping_add(u32::try_from(index).unwrap_or(0)));
        }
        let mut twister = Self { state, at: SIZE };
        twister.mix(key);
        twister
    }

    fn get(&self, index: usize) -> u32 {
        self.state.get(index).copied().unwrap_or(0)
    }

    fn set(&mut self, index: usize, value: u32) {
        if let Some(own) = self.state.get_mut(index) {
            *own = value;
        }
    }

    fn mix(&mut self, key: &[u32]) {
        let number = |index: usize| u32::try_from(index).unwrap_or(0);
        let (mut i, mut j) = (1, 0);
        let step = |twister: &mut Self, i: &mut usize, factor: u32| {
            let before = twister.get(*i - 1);
            let mixed = (before ^ (before >> 30)).wrapping_mul(factor);
            twister.get(*i) ^ mixed
        };
        let wrap = |twister: &mut Self, i: &mut usize| {
            *i += 1;
            if *i >= SIZE {
                let last = twister.get(SIZE - 1);
                twister.set(0, last);
                *i = 1;
            }
        };
        for _ in 0..SIZE.max(key.len()) {
            let part = key.get(j).copied().unwrap_or(0);
            let value = step(self, &mut i, 1_664_525);
            self.set(i, value.wrapping_add(part).wrapping_add(number(j)));
            wrap(self, &mut i);
            j = (j + 1) % key.len().max(1);
        }
        for _ in 0..SIZE - 1 {
            let value = step(self, &mut i, 1_566_083_941);
            self.set(i, value.wrapping_sub(number(i)));
            wrap(self, &mut i);
        }
        self.set(0, 0x8000_0000);
    }

    fn next(&mut self) -> u32 {
        if self.at >= SIZE {
            for index in 0..SIZE {
                let joined =
                    (self.get(index) & 0x8000_0000) | (self.get((index + 1) % SIZE) & 0x7fff_ffff);
                let twist = if joined & 1 == 1 { 0x9908_b0df } else { 0 };
                let value = self.get((index + SHIFT) % SIZE) ^ (joined >> 1) ^ twist;
                self.set(index, value);
            }
            self.at = 0;
        }
        let mut value = self.get(self.at);
        self.at += 1;
        value ^= value >> 11;
        value ^= (value << 7) & 0x9d2c_5680;
        value ^= (value << 15) & 0xefc6_0000;
        value ^ (value >> 18)
    }

    fn bits(&mut self, count: u32) -> u128 {
        let (mut bits, mut have) = (0, 0);
        while have < count {
            let take = (count - have).min(32);
            bits |= u128::from(self.next() >> (32 - take)) << have;
            have += take;
        }
        bits
    }
}

/// Where chance comes from.
enum Chance {
    Seeded(Box<Twister>),
    Machine,
}

impl Chance {
    fn new(seed: Option<&Object>) -> Result<Self, Fault> {
        let Some(seed) = seed else {
            return Ok(Self::Machine);
        };
        let words = if let Some(text) = seed.as_text() {
            let mut bytes = text.as_bytes().to_vec();
            bytes.extend(Sha512::digest(text.as_bytes()));
            words(&bytes)
        } else if let Some(number) = seed.as_int() {
            words(&number.unsigned_abs().to_be_bytes())
        } else {
            return Err(failed(format!(
                "`seed` must be text or a whole number, not {}",
                seed.described()
            )));
        };
        Ok(Self::Seeded(Box::new(Twister::new(&words))))
    }

    /// Returns a number below `limit`, which is not 0.
    fn below(&mut self, limit: u128) -> u128 {
        let bits = 128 - limit.leading_zeros();
        loop {
            let number = match self {
                Self::Seeded(twister) => twister.bits(bits),
                Self::Machine => {
                    let high = u128::from(machine()) << 64;
                    let all = high | u128::from(machine());
                    if bits == 128 {
                        all
                    } else {
                        all & ((1 << bits) - 1)
                    }
                }
            };
            if number < limit {
                return number;
            }
        }
    }

    fn index(&mut self, count: usize) -> usize {
        let limit = u128::try_from(count.max(1)).unwrap_or(1);
        usize::try_from(self.below(limit)).unwrap_or(0)
    }
}

/// Splits a large number into words, the lowest first, without leading zeros.
fn words(bytes: &[u8]) -> Vec<u32> {
    let mut words: Vec<u32> = bytes
        .rchunks(4)
        .map(|chunk| {
            chunk
                .iter()
                .fold(0, |word, byte| word << 8 | u32::from(*byte))
        })
        .collect();
    while words.len() > 1 && words.last() == Some(&0) {
        words.pop();
    }
    words
}

/// Returns bits that the machine's generator keyed.
fn machine() -> u64 {
    RandomState::new().build_hasher().finish()
}

/// Returns a number below `limit` that nobody can foresee.
pub(crate) fn unseeded(limit: usize) -> usize {
    Chance::Machine.index(limit)
}

/// The filter `random`: a number, or an item of a list.
pub(crate) fn pick(rendering: &Rendering, bound: &Bound) -> Result<Object, Fault> {
    let mut chance = Chance::new(bound.get(3))?;
    let value = bound.value();
    let Some(end) = value.as_int() else {
        if bound.get(1).is_some() || bound.get(2).is_some() {
            return Err(failed("`start` and `step` fit numbers only"));
        }
        let items = rendering.items(&value)?;
        if items.is_empty() {
            return Err(failed("the list is empty"));
        }
        let index = chance.index(items.len());
        return Ok(items.get(index).cloned().unwrap_or(Object::None));
    };
    let start = bound.int(1, 0)?;
    let step = match bound.int(2, 1)? {
        0 => 1,
        step => step,
    };
    let range = super::object::Range {
        start,
        stop: end,
        step,
    };
    match range.count() {
        0 => Err(failed("there is no number to choose from")),
        count => Ok(Object::Int(range.get(chance.index(count)).unwrap_or(start))),
    }
}

/// The filter `shuffle`.
pub(crate) fn shuffle(rendering: &Rendering, bound: &Bound) -> Result<Object, Fault> {
    let mut items = rendering.present(&bound.value())?;
    let mut chance = Chance::new(bound.get(1))?;
    for last in (1..items.len()).rev() {
        let other = chance.index(last + 1);
        items.swap(last, other);
    }
    Ok(Object::list(items))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_what_python_gives() {
        // random.Random('node1').getrandbits(32), three times; random.Random(42) likewise.
        let mut text = Chance::new(Some(&Object::text("x"))).unwrap();
        assert_eq!(text.below(10), 5);
        let mut node = Chance::new(Some(&Object::text("node1"))).unwrap();
        assert_eq!(node.below(59), 36);
        let mut number = Twister::new(&words(&42_u128.to_be_bytes()));
        assert_eq!(number.bits(32), 2_746_317_213);
    }

    #[test]
    fn without_a_seed_numbers_stay_below_the_limit() {
        for limit in [1, 2, 3, 64, 1000] {
            for _ in 0..50 {
                assert!(unseeded(limit) < limit);
            }
        }
    }
}
