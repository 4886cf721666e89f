//! The methods of Python's text, lists and maps.

mod list;
mod map;
mod text;

use super::object::Object;
use super::plugin::Plugin;

/// Finds a method of a value.
pub(crate) fn find(base: &Object, name: &str) -> Option<&'static Plugin> {
    let methods = match base {
        Object::Text(_) => text::METHODS,
        Object::List(_) => list::METHODS,
        Object::Tuple(_) => list::TUPLE_METHODS,
        Object::Map(_) => map::METHODS,
        Object::Missing(_)
        | Object::None
        | Object::Bool(_)
        | Object::Int(_)
        | Object::Float(_)
        | Object::Range(_)
        | Object::Special(_)
        | Object::Omit => &[],
    };
    methods.iter().find(|method| method.name == name)
}
