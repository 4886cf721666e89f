//! What may be a key of a map: Python's hashable values, equal as Python has it (`1 == 1.0 == True`).

use std::hash::{Hash, Hasher};
use std::rc::Rc;
use std::sync::Arc;

use super::failure::{Fault, failed};
use super::object::Object;

/// A key of a map, or a member of a set.
#[derive(Debug, Clone)]
pub(crate) enum Key {
    None,
    Bool(bool),
    Int(i128),
    Float(f64),
    Text(Arc<str>),
    Tuple(Rc<[Key]>),
}

/// What decides whether two keys are the same.
#[derive(PartialEq, Eq, Hash)]
enum Same<'a> {
    None,
    Int(i128),
    Float(u64),
    Text(&'a str),
    Tuple(&'a [Key]),
}

impl Key {
    /// Makes a key of a text.
    pub(crate) fn text(text: impl Into<Arc<str>>) -> Self {
        Self::Text(text.into())
    }

    /// Makes a key of a value; lists and maps cannot be keys.
    pub(crate) fn of(object: &Object) -> Result<Self, Fault> {
        match object {
            Object::Missing(fault) => Err(Rc::clone(fault)),
            Object::None => Ok(Self::None),
            Object::Bool(flag) => Ok(Self::Bool(*flag)),
            Object::Int(number) => Ok(Self::Int(*number)),
            Object::Float(number) => Ok(Self::Float(*number)),
            Object::Text(text) => Ok(Self::Text(Arc::clone(text))),
            Object::Tuple(items) => items
                .iter()
                .map(Self::of)
                .collect::<Result<Rc<[Self]>, Fault>>()
                .map(Self::Tuple),
            Object::List(_)
            | Object::Map(_)
            | Object::Range(_)
            | Object::Special(_)
            | Object::Omit => Err(failed(format!(
                "{} cannot be a key or a member of a set",
                object.described()
            ))),
        }
    }

    /// Returns the value that the key is.
    pub(crate) fn object(&self) -> Object {
        match self {
            Self::None => Object::None,
            Self::Bool(flag) => Object::Bool(*flag),
            Self::Int(number) => Object::Int(*number),
            Self::Float(number) => Object::Float(*number),
            Self::Text(text) => Object::Text(Arc::clone(text)),
            Self::Tuple(items) => Object::Tuple(items.iter().map(Self::object).collect()),
        }
    }

    /// Returns the text of a key that is one.
    pub(crate) fn as_text(&self) -> Option<&Arc<str>> {
        if let Self::Text(text) = self {
            Some(text)
        } else {
            None
        }
    }

    fn same(&self) -> Same<'_> {
        match self {
            Self::None => Same::None,
            Self::Bool(flag) => Same::Int(i128::from(*flag)),
            Self::Int(number) => Same::Int(*number),
            Self::Float(number) => whole(*number).map_or(Same::Float(number.to_bits()), Same::Int),
            Self::Text(text) => Same::Text(text),
            Self::Tuple(items) => Same::Tuple(items),
        }
    }
}

/// Returns the whole number that a float is, if it is one that a float holds exactly.
fn whole(number: f64) -> Option<i128> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the number has no fraction and lies within 2^53"
    )]
    (number.fract() == 0.0 && number.abs() <= EXACT).then_some(number as i128)
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        self.same() == other.same()
    }
}

impl Eq for Key {}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.same().hash(state);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_equal_as_in_python() {
        assert_eq!(Key::Int(1), Key::Float(1.0));
        assert_eq!(Key::Bool(true), Key::Int(1));
        assert_ne!(Key::Int(1), Key::text("1"));
        assert_ne!(Key::None, Key::Int(0));
        assert_eq!(Key::Float(0.5), Key::Float(0.5));
        let pair = |a| Key::Tuple(Rc::from([Key::Int(a), Key::text("x")]));
        assert_eq!(pair(1), pair(1));
        assert_ne!(pair(1), pair(2));
    }
}
