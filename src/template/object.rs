//! The values that a template works with: Python's, as far as templates need them.
//!
//! An [`Object`] is cheap to clone: containers are shared, as in Python, so that `list.append` changes the list that a
//! name stands for. `Missing` is a value that could not be had; whoever needs it fails with what it holds.

use std::rc::Rc;
use std::sync::Arc;

use serde_json::Value;

use super::OMIT;
use super::failure::{ErrorKind, Failure, Fault};
use super::list::List;
use super::map::Map;
use super::reference;
use super::special::Special;
use super::written::Written;

/// A value of a template.
#[derive(Debug, Clone)]
pub(crate) enum Object {
    /// A value that could not be had, with the reason.
    Missing(Fault),
    /// `None`.
    None,
    /// `True` or `False`.
    Bool(bool),
    /// A whole number.
    Int(i128),
    /// Any other number.
    Float(f64),
    /// Text.
    Text(Arc<str>),
    /// A list, shared by all who hold it.
    List(List),
    /// A list that does not change.
    Tuple(Rc<[Object]>),
    /// A map in the order of its keys' arrival, shared by all who hold it.
    Map(Map),
    /// The numbers of `range()`.
    Range(Range),
    /// Something that can be called or has attributes: macros, methods, `loop`, points in time ...
    Special(Rc<dyn Special>),
    /// The marker that takes an argument or an entry away.
    Omit,
}

/// The numbers from `start` to before `stop`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Range {
    pub(crate) start: i128,
    pub(crate) stop: i128,
    pub(crate) step: i128,
}

impl Range {
    /// Counts the numbers.
    pub(crate) fn count(self) -> usize {
        let (distance, step) = if self.step > 0 {
            (self.stop.saturating_sub(self.start), self.step)
        } else {
            (
                self.start.saturating_sub(self.stop),
                self.step.saturating_neg(),
            )
        };
        if distance <= 0 || step <= 0 {
            return 0;
        }
        usize::try_from((distance - 1) / step + 1).unwrap_or(usize::MAX)
    }

    /// Returns number `index`, counted from 0.
    pub(crate) fn get(self, index: usize) -> Option<i128> {
        if index >= self.count() {
            return None;
        }
        let index = i128::try_from(index).ok()?;
        Some(self.start + index * self.step)
    }
}

impl Object {
    /// Makes a text.
    pub(crate) fn text(text: impl Into<Arc<str>>) -> Self {
        Self::Text(text.into())
    }

    /// Makes a list.
    pub(crate) fn list(items: Vec<Self>) -> Self {
        Self::List(List::new(items))
    }

    /// Makes a whole number.
    pub(crate) fn count(count: usize) -> Self {
        Self::Int(i128::try_from(count).unwrap_or(i128::MAX))
    }

    /// Makes data that came from elsewhere a value; its texts are never templates.
    pub(crate) fn data(value: &Value) -> Self {
        match value {
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
                Self::scalar(value)
            }
            Value::Array(items) => Self::list(items.iter().map(Self::data).collect()),
            Value::Object(entries) => {
                Self::Map(Map::new(entries.iter().map(|(key, item)| {
                    (super::key::Key::text(key.as_str()), Self::data(item))
                })))
            }
        }
    }

    /// Makes a scalar a value; containers become `None`.
    pub(crate) fn scalar(value: &Value) -> Self {
        match value {
            Value::Null | Value::Array(_) | Value::Object(_) => Self::None,
            Value::Bool(flag) => Self::Bool(*flag),
            Value::Number(number) => {
                if let Some(whole) = number.as_i128() {
                    Self::Int(whole)
                } else {
                    Self::Float(number.as_f64().unwrap_or(f64::NAN))
                }
            }
            Value::String(text) if text == OMIT => Self::Omit,
            Value::String(text) => match reference::gone(text) {
                Some(why) => Failure::new(ErrorKind::Failed, why).missing(),
                None => Self::text(text.as_str()),
            },
        }
    }

    /// Opens a variable's value by one level; texts become texts, not yet rendered.
    pub(crate) fn open(written: &Written) -> Self {
        match written.value() {
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
                Self::scalar(written.value())
            }
            Value::Array(items) => Self::List(List::written(written, items)),
            Value::Object(_) => Self::Map(Map::written(written.clone())),
        }
    }

    /// Returns the text of a text.
    pub(crate) fn as_text(&self) -> Option<&Arc<str>> {
        if let Self::Text(text) = self {
            Some(text)
        } else {
            None
        }
    }

    /// Returns a whole number; `True` is 1, as in Python.
    pub(crate) fn as_int(&self) -> Option<i128> {
        if let Self::Int(number) = self {
            Some(*number)
        } else if let Self::Bool(flag) = self {
            Some(i128::from(*flag))
        } else {
            None
        }
    }

    /// Returns any number.
    #[expect(
        clippy::cast_precision_loss,
        reason = "Python's int to float conversion rounds as well"
    )]
    pub(crate) fn as_float(&self) -> Option<f64> {
        if let Self::Float(number) = self {
            Some(*number)
        } else {
            self.as_int().map(|whole| whole as f64)
        }
    }

    /// Tells whether it is a list or a tuple.
    pub(crate) fn is_list(&self) -> bool {
        matches!(self, Self::List(_) | Self::Tuple(_))
    }

    /// Returns it in lower case if it is text, unless case matters: what sorting and grouping compare.
    pub(crate) fn folded(self, case_sensitive: bool) -> Self {
        match self.as_text().filter(|_| !case_sensitive) {
            Some(text) => Self::from(text.to_lowercase()),
            None => self,
        }
    }

    /// Returns the map that it is.
    pub(crate) fn as_map(&self) -> Option<&Map> {
        if let Self::Map(map) = self {
            Some(map)
        } else {
            None
        }
    }

    /// Returns something callable or with attributes of its own.
    pub(crate) fn as_special(&self) -> Option<&Rc<dyn Special>> {
        if let Self::Special(special) = self {
            Some(special)
        } else {
            None
        }
    }

    /// Tells whether it counts as true, as Python's `bool()` does.
    pub(crate) fn truth(&self) -> Result<bool, Fault> {
        match self {
            Self::Missing(fault) if fault.blank => Ok(false),
            Self::Missing(fault) => Err(Rc::clone(fault)),
            Self::None => Ok(false),
            Self::Bool(flag) => Ok(*flag),
            Self::Int(number) => Ok(*number != 0),
            Self::Float(number) => Ok(*number != 0.0),
            Self::Text(text) => Ok(!text.is_empty()),
            Self::List(list) => Ok(list.len() > 0),
            Self::Tuple(items) => Ok(!items.is_empty()),
            Self::Map(map) => Ok(map.len() > 0),
            Self::Range(range) => Ok(range.count() > 0),
            Self::Special(special) => Ok(special.truth()),
            Self::Omit => Ok(true),
        }
    }

    /// Returns the name of its type in Python.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Missing(_) => "UndefinedMarker",
            Self::None => "NoneType",
            Self::Bool(_) => "bool",
            Self::Int(_) => "int",
            Self::Float(_) => "float",
            Self::Text(_) => "str",
            Self::List(_) => "list",
            Self::Tuple(_) => "tuple",
            Self::Map(_) => "dict",
            Self::Range(_) => "range",
            Self::Special(special) => special.kind(),
            Self::Omit => "Omit",
        }
    }

    /// Names what it is, for messages, never its value: "a list", "text" ...
    pub(crate) fn described(&self) -> &'static str {
        match self {
            Self::Missing(_) => "an undefined value",
            Self::None => "nothing (None)",
            Self::Bool(_) => "a truth value",
            Self::Int(_) | Self::Float(_) => "a number",
            Self::Text(_) => "text",
            Self::List(_) | Self::Tuple(_) => "a list",
            Self::Map(_) => "a map",
            Self::Range(_) => "a range",
            Self::Special(special) => special.kind(),
            Self::Omit => "omit",
        }
    }
}

impl From<bool> for Object {
    fn from(flag: bool) -> Self {
        Self::Bool(flag)
    }
}

impl From<String> for Object {
    fn from(text: String) -> Self {
        Self::text(text)
    }
}

impl From<&str> for Object {
    fn from(text: &str) -> Self {
        Self::text(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_counts_as_python_does() {
        let range = |start, stop, step| Range { start, stop, step };
        let cases = [
            (range(0, 3, 1), vec![0, 1, 2]),
            (range(1, 10, 4), vec![1, 5, 9]),
            (range(3, 0, -1), vec![3, 2, 1]),
            (range(0, 3, -1), vec![]),
            (range(5, 5, 1), vec![]),
        ];
        for (range, expected) in cases {
            let numbers: Vec<i128> = (0..range.count()).filter_map(|i| range.get(i)).collect();
            assert_eq!(numbers, expected, "{range:?}");
        }
    }

    #[test]
    fn data_is_never_a_template_and_omit_is_known() {
        assert!(matches!(Object::data(&Value::from(OMIT)), Object::Omit));
        let text = Object::data(&Value::from("{{ x }}"));
        assert_eq!(text.as_text().map(AsRef::as_ref), Some("{{ x }}"));
        assert_eq!(
            Object::data(&Value::from(u64::MAX)).as_int(),
            Some(i128::from(u64::MAX))
        );
    }
}
