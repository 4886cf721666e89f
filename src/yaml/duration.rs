//! Time spans as people write them.

use std::time::Duration;

use serde_json::Value;

use super::{Node, Problem};

/// Reads a time span: a number of seconds, or text such as "2s", "500ms", "30m", "1h30m", "2d".
pub fn duration(node: &Node) -> Result<Duration, Problem> {
    duration_of(&node.to_value()).map_err(|message| Problem::at(&node.loc, message))
}

/// Reads a time span from a value without a position; the error is a message.
pub fn duration_of(value: &Value) -> Result<Duration, String> {
    let read = match value {
        Value::Number(number) => number.as_f64().and_then(seconds),
        Value::String(text) => {
            let text = text.trim();
            match text.parse::<f64>() {
                Ok(number) => seconds(number),
                Err(_) => units(text),
            }
        }
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    };
    read.ok_or_else(|| {
        format!(r#"{value} is no time span: write seconds, or "2s", "500ms", "30m", "1h30m""#)
    })
}

fn seconds(number: f64) -> Option<Duration> {
    Duration::try_from_secs_f64(number).ok()
}

/// Reads `1h30m`: each unit at most once, from large to small, so that a slip is not read as something else.
fn units(text: &str) -> Option<Duration> {
    let mut rest = text;
    let mut total = Duration::ZERO;
    let mut last = f64::INFINITY;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, tail) = rest.split_at(digits);
        let letters = tail
            .find(|c: char| !c.is_ascii_alphabetic())
            .unwrap_or(tail.len());
        let (unit, after) = tail.split_at(letters);
        let length = match unit {
            "d" => 86_400.0,
            "h" => 3_600.0,
            "m" | "min" => 60.0,
            "s" => 1.0,
            "ms" => 0.001,
            _ => return None,
        };
        if length >= last {
            return None;
        }
        last = length;
        total = total.checked_add(seconds(number.parse::<f64>().ok()? * length)?)?;
        rest = after.trim_start();
    }
    (last < f64::INFINITY).then_some(total)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::yaml::{Source, parse};

    #[test]
    fn spans_are_read_and_slips_are_refused() {
        let cases = [
            ("2s", Some(2_000)),
            ("500ms", Some(500)),
            ("30m", Some(1_800_000)),
            ("30min", Some(1_800_000)),
            ("1h30m", Some(5_400_000)),
            ("1h 30m 5s", Some(5_405_000)),
            ("2d", Some(172_800_000)),
            ("1.5s", Some(1_500)),
            ("90", Some(90_000)),
            ("0", Some(0)),
            ("0.25", Some(250)),
            ("'15'", Some(15_000)),
            ("30m1h", None),
            ("1h1h", None),
            ("5x", None),
            ("s", None),
            ("-1", None),
            ("-5s", None),
            ("5s5", None),
            ("''", None),
            ("nan", None),
            ("true", None),
            ("1e300", None),
            ("99999999999999999999d", None),
        ];
        for (text, expected) in cases {
            let node = parse(&Source::new("t", text)).unwrap();
            let read = duration(&node).ok().map(|span| span.as_millis());
            assert_eq!(read, expected, "{text}");
        }
    }
}
