//! One value -> what its argument takes. Used for literals when a playbook is checked, and for rendered values.

use serde_json::{Map, Value};

use super::{Argument, Kind};
use crate::yaml::{Mode, duration_of, flag_of, mode_of};

impl Argument {
    /// Turns a value into what this argument takes; the error is a message that names neither argument nor place.
    pub(super) fn coerce(&self, value: &Value) -> Result<Value, String> {
        let is_choice = |text: &str| self.choices.contains(&text);
        if self.kind == Kind::Mode && value.as_str().is_some_and(is_choice) {
            return Ok(value.clone());
        }
        let taken = coerce(self.kind, value)?;
        if self.choices.is_empty() || self.kind == Kind::Mode {
            return Ok(taken);
        }
        match chosen(&taken).iter().find(|text| !is_choice(text)) {
            None => Ok(taken),
            Some(wrong) => Err(format!(
                "`{wrong}` is none of {}",
                self.choices
                    .iter()
                    .map(|choice| format!("`{choice}`"))
                    .collect::<Vec<_>>()
                    .join(", ")
            )),
        }
    }
}

/// Returns the texts that must be among an argument's choices.
fn chosen(value: &Value) -> Vec<String> {
    match value {
        Value::Array(items) => items.iter().flat_map(chosen).collect(),
        Value::String(text) => vec![text.clone()],
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => {
            vec![value.to_string()]
        }
    }
}

/// Turns a value into what a kind takes; the error is a message.
pub fn coerce(kind: Kind, value: &Value) -> Result<Value, String> {
    match kind {
        Kind::Str | Kind::Path => text(value).map(Value::String),
        Kind::Flag => flag_of(value).map(Value::Bool),
        Kind::Int => whole(value).map(Value::from),
        Kind::Float => number(value).map(Value::from),
        Kind::Mode => match mode_of(value)? {
            Mode::Bits(bits) => Ok(Value::from(bits)),
            Mode::Symbolic(_) => Ok(value.clone()),
        },
        Kind::Duration => duration_of(value).map(|span| Value::from(span.as_secs_f64())),
        Kind::List => list(value),
        Kind::Values => Ok(match value {
            Value::Array(_) => value.clone(),
            Value::String(text) => Value::Array(split(text)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => {
                Value::Array(vec![value.clone()])
            }
        }),
        Kind::Map => map(value),
        Kind::Conditions => conditions(value),
        Kind::Any => Ok(value.clone()),
    }
}

/// Takes text; numbers and truth values become their text as Python prints it.
fn text(value: &Value) -> Result<String, String> {
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Number(number) => Ok(number.to_string()),
        Value::Bool(true) => Ok("True".to_owned()),
        Value::Bool(false) => Ok("False".to_owned()),
        Value::Null | Value::Array(_) | Value::Object(_) => wrong("text", value),
    }
}

fn whole(value: &Value) -> Result<i64, String> {
    let read = match value {
        Value::Number(number) => number.as_i64().or_else(|| {
            let float = number.as_f64().filter(|float| float.fract() == 0.0)?;
            format!("{float:.0}").parse().ok()
        }),
        Value::String(text) => text.trim().parse().ok(),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    };
    read.map_or_else(|| wrong("a whole number", value), Ok)
}

fn number(value: &Value) -> Result<f64, String> {
    let read = match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text
            .trim()
            .parse()
            .ok()
            .filter(|float: &f64| float.is_finite()),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    };
    read.map_or_else(|| wrong("a number", value), Ok)
}

fn list(value: &Value) -> Result<Value, String> {
    match value {
        Value::Array(items) => items
            .iter()
            .map(|item| text(item).map(Value::String))
            .collect::<Result<_, _>>()
            .map(Value::Array),
        Value::String(text) => Ok(Value::Array(split(text))),
        Value::Number(_) => Ok(Value::Array(vec![Value::String(value.to_string())])),
        Value::Null | Value::Bool(_) | Value::Object(_) => wrong("a list", value),
    }
}

fn split(text: &str) -> Vec<Value> {
    text.split(',')
        .map(|item| Value::String(item.trim().to_owned()))
        .collect()
}

/// Takes a map, or text that is one: JSON, or `key=value` with commas or blanks between.
fn map(value: &Value) -> Result<Value, String> {
    let read = match value {
        Value::Object(_) => return Ok(value.clone()),
        Value::String(text) if text.trim_start().starts_with('{') => {
            serde_json::from_str(text).ok().filter(Value::is_object)
        }
        Value::String(text) => pairs(text),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) => None,
    };
    read.map_or_else(|| wrong("a map", value), Ok)
}

fn pairs(text: &str) -> Option<Value> {
    let mut entries = Map::new();
    for pair in text.split([',', ' ', '\n']).filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once('=')?;
        entries.insert(key.trim().to_owned(), Value::from(value.trim()));
    }
    (!entries.is_empty()).then_some(Value::Object(entries))
}

fn conditions(value: &Value) -> Result<Value, String> {
    let is_condition = |item: &Value| item.is_string() || item.is_boolean();
    match value {
        Value::String(_) | Value::Bool(_) => Ok(Value::Array(vec![value.clone()])),
        Value::Array(items) if items.iter().all(is_condition) => Ok(value.clone()),
        Value::Null | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
            wrong("a condition, or a list of conditions", value)
        }
    }
}

fn wrong<T>(wanted: &str, value: &Value) -> Result<T, String> {
    let found = match value {
        Value::Null => "nothing".to_owned(),
        Value::Bool(_) => "a truth value".to_owned(),
        Value::Number(_) | Value::String(_) => value.to_string(),
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "a map".to_owned(),
    };
    Err(format!("must be {wanted}, not {found}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn of(kind: Kind, choices: &'static [&'static str]) -> Argument {
        Argument::new("x", kind, "").choices(choices)
    }

    #[test]
    fn values_become_what_their_argument_takes() {
        let cases = [
            (Kind::Str, json!(8529), Ok(json!("8529"))),
            (Kind::Str, json!(true), Ok(json!("True"))),
            (Kind::Str, json!(["a"]), Err("must be text, not a list")),
            (Kind::Flag, json!("yes"), Ok(json!(true))),
            (
                Kind::Flag,
                json!("maybe"),
                Err("\"maybe\" is no flag: write true or false"),
            ),
            (Kind::Int, json!("12"), Ok(json!(12))),
            (Kind::Int, json!(3.0), Ok(json!(3))),
            (
                Kind::Int,
                json!(3.5),
                Err("must be a whole number, not 3.5"),
            ),
            (Kind::Float, json!("0.5"), Ok(json!(0.5))),
            (
                Kind::Float,
                json!("nan"),
                Err("must be a number, not \"nan\""),
            ),
            (Kind::Mode, json!("0644"), Ok(json!(0o644))),
            (Kind::Mode, json!("u=rw,g=r"), Ok(json!("u=rw,g=r"))),
            (
                Kind::Mode,
                json!(644),
                Err("a mode must be text, so that 644 is not read as a decimal number"),
            ),
            (Kind::Duration, json!("1m30s"), Ok(json!(90.0))),
            (Kind::List, json!("a, b"), Ok(json!(["a", "b"]))),
            (Kind::List, json!(["a", 1]), Ok(json!(["a", "1"]))),
            (
                Kind::List,
                json!({"a": 1}),
                Err("must be a list, not a map"),
            ),
            (Kind::Values, json!([{"a": 1}]), Ok(json!([{"a": 1}]))),
            (Kind::Map, json!("{\"a\": 1}"), Ok(json!({"a": 1}))),
            (
                Kind::Map,
                json!("a=1, b=2"),
                Ok(json!({"a": "1", "b": "2"})),
            ),
            (Kind::Map, json!("a"), Err("must be a map, not \"a\"")),
            (Kind::Conditions, json!("a > 1"), Ok(json!(["a > 1"]))),
            (
                Kind::Conditions,
                json!([{}]),
                Err("must be a condition, or a list of conditions, not a list"),
            ),
            (Kind::Any, json!({"a": [1]}), Ok(json!({"a": [1]}))),
        ];
        for (kind, value, expected) in cases {
            let found = of(kind, &[]).coerce(&value);
            assert_eq!(found, expected.map_err(str::to_owned), "{kind:?} {value}");
        }
    }

    #[test]
    fn choices_bind_texts_and_each_item_of_a_list() {
        let state = of(Kind::Str, &["started", "stopped"]);
        assert!(state.coerce(&json!("started")).is_ok());
        assert_eq!(
            state.coerce(&json!("running")),
            Err("`running` is none of `started`, `stopped`".to_owned())
        );
        assert!(of(Kind::List, &["a"]).coerce(&json!("a,b")).is_err());
        let mode = of(Kind::Mode, &["preserve"]);
        assert_eq!(mode.coerce(&json!("preserve")), Ok(json!("preserve")));
        assert_eq!(mode.coerce(&json!("0600")), Ok(json!(0o600)));
    }
}
