//! Comparing what a module answered with what its case expects.

use serde_json::{Map, Value};

use crate::case::Expect;

pub fn compare_failure(
    expect: &Expect,
    message: &str,
    result: &Map<String, Value>,
) -> Result<(), String> {
    match &expect.failed {
        Some(part) if message.contains(part) => compare_result(&expect.result, result),
        _ => Err(format!("failed: {message} {result:?}")),
    }
}

pub fn compare_result(
    wanted: &Map<String, Value>,
    found: &Map<String, Value>,
) -> Result<(), String> {
    for (name, value) in wanted {
        let there = found.get(name);
        let right = there.map_or(value.is_null(), |there| matches(value, there));
        if !right {
            return Err(format!("the result's `{name}` is {there:?} in {found:#?}"));
        }
    }
    Ok(())
}

/// Compares a value: maps by the keys that are wanted, texts that start with `~` as patterns.
fn matches(wanted: &Value, found: &Value) -> bool {
    match (wanted, found) {
        (Value::Object(wanted), Value::Object(found)) => wanted.iter().all(|(name, value)| {
            found
                .get(name)
                .map_or(value.is_null(), |there| matches(value, there))
        }),
        (Value::Array(wanted), Value::Array(found)) => {
            wanted.len() == found.len() && wanted.iter().zip(found).all(|(a, b)| matches(a, b))
        }
        (Value::String(pattern), found) if pattern.starts_with('~') => {
            let text = found
                .as_str()
                .map_or_else(|| found.to_string(), str::to_owned);
            regex::Regex::new(&pattern[1..]).unwrap().is_match(&text)
        }
        _ => wanted == found,
    }
}
