//! What is no data: things that can be called or that have attributes of their own.

use std::fmt::Debug;
use std::rc::Rc;
use std::sync::Arc;

use super::arguments::Arguments;
use super::failure::{ErrorKind, Fault, failed};
use super::object::Object;
use super::plugin::Plugin;
use super::rendering::Rendering;

/// A macro, a method, a function, `loop`, a namespace, a point in time ...
pub(crate) trait Special: Debug {
    /// Names what it is.
    fn kind(&self) -> &'static str;

    /// Tells whether it counts as true.
    fn truth(&self) -> bool {
        true
    }

    /// Returns an attribute.
    fn attribute(&self, _rendering: &Rendering, _name: &str) -> Option<Object> {
        None
    }

    /// Returns the items, if it is like a tuple.
    fn items(&self) -> Option<Vec<Object>> {
        None
    }

    /// Sets an attribute, and tells whether it may be set.
    fn set(&self, _name: &Arc<str>, _value: Object) -> bool {
        false
    }

    /// Calls it.
    fn call(&self, _rendering: &Rendering, _arguments: Arguments) -> Result<Object, Fault> {
        Err(failed(format!("{} cannot be called", self.kind())))
    }

    /// Tells whether values that are missing may be handed to it.
    fn takes_missing(&self) -> bool {
        false
    }

    /// Returns the text that it prints as; what prints as nothing useful is refused.
    fn print(&self) -> Option<String> {
        None
    }

    /// Returns what makes two of a kind equal or ordered, where that is so.
    fn order(&self) -> Option<i128> {
        None
    }

    /// Returns the result of an operation with another value at its right, if there is one.
    fn operate(&self, _sign: &str, _other: &Object) -> Option<Object> {
        None
    }
}

/// A method of a value, as in `name.upper`.
#[derive(Debug)]
pub(crate) struct Method {
    pub(crate) of: Object,
    pub(crate) method: &'static Plugin,
}

impl Special for Method {
    fn kind(&self) -> &'static str {
        "a method"
    }

    fn call(&self, rendering: &Rendering, mut arguments: Arguments) -> Result<Object, Fault> {
        arguments.positional.insert(0, self.of.clone());
        self.method.call(rendering, arguments).map_err(|fault| {
            let mut failure = Rc::unwrap_or_clone(fault);
            if failure.spot.is_none() && failure.kind != ErrorKind::Undefined {
                failure.message = format!("`{}`: {}", self.method.name, failure.message);
            }
            failure.fault()
        })
    }
}

/// Something that code of this room made callable.
pub(crate) struct Callable<F> {
    pub(crate) kind: &'static str,
    pub(crate) run: F,
}

impl<F> Debug for Callable<F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.kind)
    }
}

impl<F> Special for Callable<F>
where
    F: Fn(&Rendering, Arguments) -> Result<Object, Fault>,
{
    fn kind(&self) -> &'static str {
        self.kind
    }

    fn call(&self, rendering: &Rendering, arguments: Arguments) -> Result<Object, Fault> {
        (self.run)(rendering, arguments)
    }
}

/// Makes a value that can be called.
pub(crate) fn callable<F>(kind: &'static str, run: F) -> Object
where
    F: Fn(&Rendering, Arguments) -> Result<Object, Fault> + 'static,
{
    Object::Special(Rc::new(Callable { kind, run }))
}
