//! Changes an input by chance that comes from one number: as bytes and words, or as a tree of JSON.

use serde_json::{Map, Value, json};

/// How inputs of a parser are changed.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Change {
    /// As bytes, with words that mean something to the parser.
    Bytes(&'static [&'static str]),
    /// As a tree: the text stays good JSON.
    Json,
}

/// The longest input that is made.
const LONGEST: usize = 16 << 10;

/// Chance that is always the same.
#[derive(Debug)]
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(number: u64) -> Self {
        Self(number.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// Returns a number below `end`; 0 for 0.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        let end = u64::try_from(end.max(1)).unwrap_or(1);
        usize::try_from(self.next() % end).unwrap_or(0)
    }

    fn one<'a, T>(&mut self, of: &'a [T]) -> Option<&'a T> {
        of.get(self.below(of.len()))
    }
}

/// Changes bytes at a few places.
pub(crate) fn bytes(seed: &[u8], other: &[u8], words: &[&str], dice: &mut Dice) -> Vec<u8> {
    let mut input = seed.to_vec();
    for _ in 0..=dice.below(6) {
        let (from, length) = (dice.below(input.len() + 1), dice.below(24));
        let to = (from + length).min(input.len());
        match dice.below(8) {
            0 => drop(input.drain(from..to)),
            1 => {
                let part = input.get(from..to).unwrap_or_default().to_vec();
                let many = 1 + dice.below(20);
                drop(input.splice(from..from, part.repeat(many)));
            }
            2 => input.truncate(from),
            3 => {
                let start = dice.below(other.len() + 1);
                let end = (start + dice.below(200)).min(other.len());
                let part = other.get(start..end).unwrap_or_default().to_vec();
                drop(input.splice(from..from, part));
            }
            4 => {
                let byte = u8::try_from(dice.below(256)).unwrap_or(0);
                drop(input.splice(from..from, [byte]));
            }
            5 => {
                if let Some(byte) = input.get_mut(from) {
                    *byte ^= 1 << dice.below(8);
                }
            }
            _ => {
                let word = dice.one(words).copied().unwrap_or("\n");
                drop(input.splice(from..to.min(from + dice.below(4)), word.bytes()));
            }
        }
        input.truncate(LONGEST);
    }
    input
}

/// Changes values of a tree at a few places; a text of several lines is one of several trees.
pub(crate) fn json(seed: &[u8], other: &[u8], dice: &mut Dice) -> Vec<u8> {
    let (mut lines, others) = (trees(seed), trees(other));
    for _ in 0..=dice.below(4) {
        let strange = match dice.one(&others) {
            Some(tree) if dice.below(4) == 0 => part_of(tree, dice),
            Some(_) | None => strange(dice),
        };
        let at = dice.below(lines.len());
        match (dice.below(12), lines.get_mut(at)) {
            (0, Some(_)) => drop(lines.remove(at)),
            (1, Some(line)) => {
                let again = line.clone();
                lines.push(again);
            }
            (_, Some(line)) => put(line, strange, dice),
            (_, None) => {}
        }
    }
    let lines: Vec<String> = lines.iter().map(Value::to_string).collect();
    lines.join("\n").into_bytes()
}

/// Reads a text of one tree, or of one in each line.
pub(crate) fn trees(text: &[u8]) -> Vec<Value> {
    if let Ok(whole) = serde_json::from_slice(text) {
        return vec![whole];
    }
    let lines = text.split(|byte| *byte == b'\n');
    lines
        .filter_map(|line| serde_json::from_slice(line).ok())
        .collect()
}

fn strange(dice: &mut Dice) -> Value {
    let texts = [
        "",
        "0",
        "-1",
        "ä\u{0}\u{e000}",
        "[::1]:1",
        "tcp://:",
        "a/b",
        "1e999",
        "NULL",
        "\n\n",
        "2026-11-21T00:00:00Z",
        "18446744073709551616",
        "{{ x }}",
        "db_0",
        "ONLINE",
    ];
    let all = [
        Value::Null,
        json!(true),
        json!(-1),
        json!(u64::MAX),
        json!(i64::MIN),
        json!(1e308),
        json!(0.1),
        json!([]),
        json!({}),
        json!([[[[{}]]]]),
        json!({"": {"": []}}),
        json!("x".repeat(3000)),
    ];
    if dice.below(2) == 0 {
        return json!(dice.one(&texts));
    }
    dice.one(&all).cloned().unwrap_or_default()
}

fn part_of(tree: &Value, dice: &mut Dice) -> Value {
    let inner = match tree {
        Value::Array(items) => dice.one(items).cloned(),
        Value::Object(fields) => fields.values().nth(dice.below(fields.len())).cloned(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
    };
    match inner {
        Some(inner) if dice.below(3) > 0 => part_of(&inner, dice),
        Some(_) | None => tree.clone(),
    }
}

fn put(tree: &mut Value, strange: Value, dice: &mut Dice) {
    let deeper = dice.below(8) > 0;
    match tree {
        Value::Array(items) if deeper && !items.is_empty() => {
            let at = dice.below(items.len());
            if dice.below(8) == 0 {
                items.insert(at, strange);
            } else if let Some(item) = items.get_mut(at) {
                put(item, strange, dice);
            }
        }
        Value::Object(fields) if deeper && !fields.is_empty() => field(fields, strange, dice),
        Value::Array(_) | Value::Object(_) | Value::Null | Value::Bool(_) | Value::Number(_) => {
            *tree = strange;
        }
        Value::String(text) if dice.below(3) == 0 => {
            let cut = text.chars().count();
            *text = text.chars().take(dice.below(cut + 1)).collect();
        }
        Value::String(_) => *tree = strange,
    }
}

fn field(fields: &mut Map<String, Value>, strange: Value, dice: &mut Dice) {
    let key = fields.keys().nth(dice.below(fields.len())).cloned();
    let key = key.unwrap_or_default();
    match dice.below(12) {
        0 => drop(fields.remove(&key)),
        1 => {
            let value = fields.remove(&key).unwrap_or_default();
            drop(fields.insert(strange.to_string(), value));
        }
        _ => {
            if let Some(value) = fields.get_mut(&key) {
                put(value, strange, dice);
            }
        }
    }
}
