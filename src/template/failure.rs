//! What went wrong inside a template, as it travels: an error, or a value that is missing until somebody needs it.
//!
//! The same [`Failure`] is both. As an error it ends the template that is being rendered; as `Object::Missing` it is
//! handed on by filters and attribute access until `default` or `is defined` asks for it, or until it is needed and
//! becomes the error. It knows the place by offsets; only the last stop, `TemplateError`, looks for line and column.

use std::rc::Rc;
use std::sync::Arc;

use super::locate::Place;
use super::object::Object;
use super::tree::Program;
use super::written::Written;

/// A failure that is shared cheaply while it travels.
pub(crate) type Fault = Rc<Failure>;

/// What kind of mistake a template holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// The text is no template.
    Syntax,
    /// A filter, a test or a lookup of that name does not exist, or takes other arguments.
    Unknown,
    /// A variable, a key or an attribute does not exist.
    Undefined,
    /// Variables need each other in a circle.
    Cycle,
    /// A condition gave something other than true or false.
    Condition,
    /// A file, a program or another template could not be reached.
    Lookup,
    /// An operation does not fit its values.
    Failed,
}

/// Where names that might have been meant can be found, should the failure be shown.
#[derive(Debug, Clone)]
pub(crate) enum Near {
    /// Nowhere.
    Nothing,
    /// Among the variables and the names that the template itself sets.
    Variables,
    /// Among the keys of a map.
    Keys(Object, Arc<str>),
    /// It is already known what to say.
    Hint(String),
}

impl Near {
    /// Says where a name that a value does not have could be found: among the keys of a map.
    pub(crate) fn inside(value: &Object, name: &Arc<str>) -> Self {
        if value.as_map().is_some() {
            Self::Keys(value.clone(), Arc::clone(name))
        } else {
            Self::Hint(format!("it is looked for in {}", value.described()))
        }
    }
}

/// A piece of a program's text.
#[derive(Debug, Clone)]
pub(crate) struct Spot {
    /// The program.
    pub(crate) program: Arc<Program>,
    /// Where the program's text stands.
    pub(crate) place: Rc<Place>,
    /// The first byte.
    pub(crate) start: u32,
    /// The byte after the last one.
    pub(crate) end: u32,
}

/// A mistake with all that is needed to show it.
#[derive(Debug, Clone)]
pub(crate) struct Failure {
    pub(crate) kind: ErrorKind,
    pub(crate) message: String,
    /// The name or expression that is undefined.
    pub(crate) name: Option<String>,
    pub(crate) near: Near,
    pub(crate) spot: Option<Spot>,
    /// The variables that were being rendered, the innermost first.
    pub(crate) uses: Vec<Written>,
    /// Whether it stands for an inline `if` without `else`, which prints as nothing.
    pub(crate) blank: bool,
}

impl Failure {
    /// Makes a failure of a kind.
    pub(crate) fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            name: None,
            near: Near::Nothing,
            spot: None,
            uses: Vec::new(),
            blank: false,
        }
    }

    /// Makes the failure of a name that is not defined.
    pub(crate) fn undefined(name: impl Into<String>, near: Near) -> Self {
        let name = name.into();
        Self {
            near,
            name: Some(name.clone()),
            ..Self::new(ErrorKind::Undefined, format!("`{name}` is undefined"))
        }
    }

    /// Adds what to say under the caret.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.near = Near::Hint(hint.into());
        self
    }

    /// Makes it travel.
    pub(crate) fn fault(self) -> Fault {
        Rc::new(self)
    }

    /// Makes it a value that is missing.
    pub(crate) fn missing(self) -> Object {
        Object::Missing(Rc::new(self))
    }
}

/// Makes a failure of an operation that does not fit its values.
pub(crate) fn failed(message: impl Into<String>) -> Fault {
    Failure::new(ErrorKind::Failed, message).fault()
}

/// Says where a failure happened, unless that is known already.
pub(crate) fn at(fault: Fault, spot: impl FnOnce() -> Spot) -> Fault {
    if fault.spot.is_some() {
        return fault;
    }
    let mut failure = Rc::unwrap_or_clone(fault);
    failure.spot = Some(spot());
    Rc::new(failure)
}

/// Says that a failure happened while a variable was rendered.
pub(crate) fn while_rendering(fault: Fault, written: &Written) -> Fault {
    let mut failure = Rc::unwrap_or_clone(fault);
    failure.uses.push(written.clone());
    Rc::new(failure)
}
