//! What a plain scalar of YAML 1.1 means, as `PyYAML` resolves it.

use std::sync::LazyLock;

use regex::Regex;

/// What a plain scalar is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Plain {
    Text,
    Null,
    Bool(bool),
    Int(i128),
    Float(f64),
    /// Something else that is no text: a date, `<<`, `=`.
    Other,
}

static FLOAT: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(
        r"^(?:[-+]?[0-9][0-9_]*\.[0-9_]*(?:[eE][-+][0-9]+)?|\.[0-9][0-9_]*(?:[eE][-+][0-9]+)?|[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+\.[0-9_]*|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$",
    )
    .ok()
});

static INT: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(
        r"^(?:[-+]?0b[0-1_]+|[-+]?0[0-7_]+|[-+]?(?:0|[1-9][0-9_]*)|[-+]?0x[0-9a-fA-F_]+|[-+]?[1-9][0-9_]*(?::[0-5]?[0-9])+)$",
    )
    .ok()
});

static TIME: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(
        r"^(?:[0-9]{4}-[0-9]{2}-[0-9]{2}|[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}(?:[Tt]|[ \t]+)[0-9]{1,2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]*)?(?:[ \t]*(?:Z|[-+][0-9]{1,2}(?::[0-9]{2})?))?)$",
    )
    .ok()
});

fn fits(pattern: Option<&Regex>, text: &str) -> bool {
    pattern.is_some_and(|own| own.is_match(text))
}

/// Tells what a plain scalar is.
pub(crate) fn resolve(text: &str) -> Plain {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Plain::Null,
        "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => {
            return Plain::Bool(true);
        }
        "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => {
            return Plain::Bool(false);
        }
        "<<" | "=" => return Plain::Other,
        _ => {}
    }
    if !text.starts_with(|c: char| c.is_ascii_digit() || "+-.".contains(c)) {
        return Plain::Text;
    }
    if fits(FLOAT.as_ref(), text) {
        return float(text).map_or(Plain::Other, Plain::Float);
    }
    if fits(INT.as_ref(), text) {
        return int(text).map_or(Plain::Other, Plain::Int);
    }
    if fits(TIME.as_ref(), text) {
        return Plain::Other;
    }
    Plain::Text
}

fn float(text: &str) -> Option<f64> {
    let text = text.replace('_', "").to_lowercase();
    match text.as_str() {
        ".inf" | "+.inf" => return Some(f64::INFINITY),
        "-.inf" => return Some(f64::NEG_INFINITY),
        ".nan" => return Some(f64::NAN),
        _ => {}
    }
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => (-1.0, digits),
        None => (1.0, text.strip_prefix('+').unwrap_or(&text)),
    };
    let mut value = 0.0;
    for part in digits.split(':') {
        value = value * 60.0 + part.parse::<f64>().ok()?;
    }
    Some(sign * value)
}

fn int(text: &str) -> Option<i128> {
    let text = text.replace('_', "");
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(&text)),
    };
    let value = if let Some(digits) = digits.strip_prefix("0b") {
        i128::from_str_radix(digits, 2).ok()?
    } else if let Some(digits) = digits.strip_prefix("0x") {
        i128::from_str_radix(digits, 16).ok()?
    } else if digits.contains(':') {
        let mut value: i128 = 0;
        for part in digits.split(':') {
            value = value.checked_mul(60)?.checked_add(part.parse().ok()?)?;
        }
        value
    } else if digits.len() > 1 && digits.starts_with('0') {
        i128::from_str_radix(digits, 8).ok()?
    } else {
        digits.parse().ok()?
    };
    Some(if negative { -value } else { value })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scalars_are_those_of_yaml_1_1() {
        let cases = [
            ("yes", Plain::Bool(true)),
            ("Off", Plain::Bool(false)),
            ("~", Plain::Null),
            ("", Plain::Null),
            ("0644", Plain::Int(420)),
            ("-0x1F", Plain::Int(-31)),
            ("1_000", Plain::Int(1000)),
            ("1:30", Plain::Int(90)),
            ("0b11", Plain::Int(3)),
            ("08", Plain::Text),
            ("1.5", Plain::Float(1.5)),
            ("1e5", Plain::Text),
            ("1.0e+5", Plain::Float(1e5)),
            ("-.inf", Plain::Float(f64::NEG_INFINITY)),
            ("2024-01-02", Plain::Other),
            ("2024-01-02 10:00:00", Plain::Other),
            ("1.2.3", Plain::Text),
            ("y", Plain::Text),
            ("=", Plain::Other),
            ("-", Plain::Text),
        ];
        for (text, expected) in cases {
            assert_eq!(resolve(text), expected, "{text:?}");
        }
    }
}
