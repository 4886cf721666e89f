//! Flags: the many spellings of yes and no.

use serde_json::Value;

use super::{Node, Problem};

/// Reads a flag: yes/no, on/off, true/false, y/n, t/f, 1/0, in upper or lower case.
pub fn flag(node: &Node) -> Result<bool, Problem> {
    flag_of(&node.to_value()).map_err(|message| Problem::at(&node.loc, message))
}

/// Reads a flag from a value without a position; the error is a message.
pub fn flag_of(value: &Value) -> Result<bool, String> {
    let word = match value {
        Value::Bool(flag) => return Ok(*flag),
        Value::String(text) => text.trim().to_ascii_lowercase(),
        Value::Number(number) => number.to_string(),
        Value::Null | Value::Array(_) | Value::Object(_) => String::new(),
    };
    match word.as_str() {
        "yes" | "on" | "true" | "y" | "t" | "1" | "1.0" => Ok(true),
        "no" | "off" | "false" | "n" | "f" | "0" | "0.0" => Ok(false),
        _ => Err(format!("{value} is no flag: write true or false")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::yaml::{Source, parse};

    #[test]
    fn flags_have_many_spellings() {
        let cases = [
            ("yes", Some(true)),
            ("On", Some(true)),
            ("TRUE", Some(true)),
            ("1", Some(true)),
            ("'1'", Some(true)),
            ("y", Some(true)),
            ("no", Some(false)),
            ("'off'", Some(false)),
            ("false", Some(false)),
            ("0", Some(false)),
            ("maybe", None),
            ("2", None),
            ("", None),
            ("[yes]", None),
            ("'{{ x }}'", None),
        ];
        for (text, expected) in cases {
            let node = parse(&Source::new("t", text)).unwrap();
            assert_eq!(flag(&node).ok(), expected, "{text}");
        }
        let node = parse(&Source::new("t", "a:\n  b: maybe\n")).unwrap();
        let value = node.entry("a").and_then(|a| a.entry("b")).unwrap();
        let problem = flag(value).unwrap_err();
        assert_eq!(
            problem.message,
            r#""maybe" is no flag: write true or false"#
        );
        assert_eq!(problem.loc.unwrap().to_string(), "t:2:6");
    }
}
