//! What is handed to a filter, a test, a macro or a function, and how it meets their parameters.

use std::rc::Rc;
use std::sync::Arc;

use super::failure::{ErrorKind, Failure, Fault, failed};
use super::object::Object;
use super::rendering::Rendering;

/// Arguments as they were handed over.
#[derive(Debug, Clone, Default)]
pub(crate) struct Arguments {
    pub(crate) positional: Vec<Object>,
    pub(crate) named: Vec<(Arc<str>, Object)>,
}

impl Arguments {
    /// Makes arguments without names.
    pub(crate) fn positional(positional: Vec<Object>) -> Self {
        Self {
            positional,
            named: Vec::new(),
        }
    }

    /// Takes an argument by its name.
    pub(crate) fn take(&mut self, name: &str) -> Option<Object> {
        let index = self
            .named
            .iter()
            .position(|(own, _)| own.as_ref() == name)?;
        Some(self.named.remove(index).1)
    }

    /// Returns the first argument that is missing. One that stands for an `if` without `else` counts as empty text.
    pub(crate) fn missing(&mut self) -> Option<Object> {
        let named = self.named.iter_mut().map(|(_, value)| value);
        for value in self.positional.iter_mut().chain(named) {
            if let Object::Missing(fault) = value {
                if !fault.blank {
                    return Some(value.clone());
                }
                *value = Object::text("");
            }
        }
        None
    }

    /// Lets the arguments meet parameters.
    pub(crate) fn bind(mut self, signature: &Signature) -> Result<Bound, Fault> {
        let count = signature.parameters.len();
        let given = self.positional.len();
        let rest = if given > count {
            self.positional.split_off(count)
        } else {
            Vec::new()
        };
        if !rest.is_empty() && !signature.more {
            return Err(unfit(format!(
                "takes at most {count} arguments, {given} were given"
            )));
        }
        let mut values: Vec<Option<Object>> = self.positional.into_iter().map(Some).collect();
        values.resize(count, None);
        let mut named = Vec::new();
        for (name, value) in self.named {
            let place = signature.parameters.iter().position(|own| *own == &*name);
            match place.and_then(|index| values.get_mut(index)) {
                Some(Some(_)) => return Err(unfit(format!("`{name}` is given twice"))),
                Some(slot) => *slot = Some(value),
                None if signature.any_name => named.push((name, value)),
                None => return Err(signature.unknown(&name).fault()),
            }
        }
        let lacks = |(index, value): (usize, &Option<Object>)| {
            (index < signature.required && value.is_none()).then_some(index)
        };
        if let Some(index) = values.iter().enumerate().find_map(lacks) {
            let name = signature.parameters.get(index).unwrap_or(&"?");
            return Err(unfit(format!("needs `{name}`")));
        }
        Ok(Bound {
            parameters: signature.parameters,
            values,
            rest,
            named,
        })
    }
}

fn unfit(message: String) -> Fault {
    Failure::new(ErrorKind::Unknown, message).fault()
}

/// The parameters of something that can be called.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Signature {
    /// The parameters' names in order.
    pub(crate) parameters: &'static [&'static str],
    /// How many of them must be given.
    pub(crate) required: usize,
    /// Whether further arguments are taken.
    pub(crate) more: bool,
    /// Whether arguments of any name are taken.
    pub(crate) any_name: bool,
}

impl Signature {
    /// Makes the failure of a name that is no parameter.
    pub(crate) fn unknown(&self, name: &str) -> Failure {
        let failure = Failure::new(ErrorKind::Unknown, format!("takes no argument `{name}`"));
        match crate::yaml::nearest(name, self.parameters.iter().copied()) {
            Some(near) => failure.hint(format!("did you mean `{near}`?")),
            None => failure,
        }
    }
}

/// Arguments that have met their parameters.
#[derive(Debug)]
pub(crate) struct Bound {
    parameters: &'static [&'static str],
    values: Vec<Option<Object>>,
    /// What came after the last parameter.
    pub(crate) rest: Vec<Object>,
    /// What has a name that is no parameter.
    pub(crate) named: Vec<(Arc<str>, Object)>,
}

impl Bound {
    /// Returns argument `index`, if it was given and is not `None`.
    pub(crate) fn get(&self, index: usize) -> Option<&Object> {
        self.raw(index)
            .filter(|value| !matches!(value, Object::None))
    }

    /// Returns argument `index`, if it was given.
    pub(crate) fn raw(&self, index: usize) -> Option<&Object> {
        self.values.get(index).and_then(Option::as_ref)
    }

    /// Returns the first argument: what a filter filters, what a test tests.
    pub(crate) fn value(&self) -> Object {
        self.object(0)
    }

    /// Returns argument `index`, or `None`.
    pub(crate) fn object(&self, index: usize) -> Object {
        self.raw(index).cloned().unwrap_or(Object::None)
    }

    /// Returns the text of argument `index`, printed as Python's `str()` does.
    pub(crate) fn printed(&self, rendering: &Rendering, index: usize) -> Result<String, Fault> {
        rendering.print(&self.object(index))
    }

    /// Returns argument `index`, which must be text if it was given.
    pub(crate) fn text(&self, index: usize) -> Result<Option<Arc<str>>, Fault> {
        let Some(value) = self.get(index) else {
            return Ok(None);
        };
        match value.as_text() {
            Some(text) => Ok(Some(Arc::clone(text))),
            None => Err(self.wrong(index, "text", value)),
        }
    }

    /// Returns argument `index`, which must be text.
    pub(crate) fn need_text(&self, index: usize) -> Result<Arc<str>, Fault> {
        match self.text(index)? {
            Some(text) => Ok(text),
            None => Err(self.wrong(index, "text", &Object::None)),
        }
    }

    /// Returns argument `index`, which must be a whole number, or a default.
    pub(crate) fn int(&self, index: usize, default: i128) -> Result<i128, Fault> {
        let Some(value) = self.get(index) else {
            return Ok(default);
        };
        value
            .as_int()
            .ok_or_else(|| self.wrong(index, "a whole number", value))
    }

    /// Returns argument `index`, which must be a whole number that counts something, or a default.
    pub(crate) fn count(&self, index: usize, default: usize) -> Result<usize, Fault> {
        let number = self.int(index, i128::try_from(default).unwrap_or(i128::MAX))?;
        usize::try_from(number)
            .map_err(|_| failed(format!("`{}` must not be negative", self.name(index))))
    }

    /// Returns argument `index`, which must be a number, or a default.
    pub(crate) fn float(&self, index: usize, default: f64) -> Result<f64, Fault> {
        let Some(value) = self.get(index) else {
            return Ok(default);
        };
        value
            .as_float()
            .ok_or_else(|| self.wrong(index, "a number", value))
    }

    /// Tells whether argument `index` counts as true.
    pub(crate) fn flag(&self, index: usize, default: bool) -> Result<bool, Fault> {
        self.get(index).map_or(Ok(default), Object::truth)
    }

    fn name(&self, index: usize) -> &'static str {
        self.parameters.get(index).unwrap_or(&"?")
    }

    fn wrong(&self, index: usize, wanted: &str, found: &Object) -> Fault {
        if let Object::Missing(fault) = found {
            return Rc::clone(fault);
        }
        failed(format!(
            "`{}` must be {wanted}, not {}",
            self.name(index),
            found.described()
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Signature = Signature {
        parameters: &["value", "width", "first"],
        required: 1,
        more: false,
        any_name: false,
    };

    fn message(arguments: Arguments) -> String {
        arguments.bind(&PLAIN).unwrap_err().message.clone()
    }

    #[test]
    fn arguments_meet_parameters_by_position_and_by_name() {
        let mut arguments = Arguments::positional(vec![Object::Int(1)]);
        arguments
            .named
            .push((Arc::from("first"), Object::Bool(true)));
        let bound = arguments.bind(&PLAIN).unwrap();
        assert_eq!(bound.int(0, 9).unwrap(), 1);
        assert_eq!(bound.int(1, 9).unwrap(), 9);
        assert!(bound.flag(2, false).unwrap());
        assert_eq!(
            bound.text(0).unwrap_err().message,
            "`value` must be text, not a number"
        );
    }

    #[test]
    fn what_does_not_fit_is_named() {
        assert_eq!(message(Arguments::default()), "needs `value`");
        let many = Arguments::positional(vec![Object::None; 4]);
        assert_eq!(message(many), "takes at most 3 arguments, 4 were given");
        let mut twice = Arguments::positional(vec![Object::None]);
        twice.named.push((Arc::from("value"), Object::None));
        assert_eq!(message(twice), "`value` is given twice");
        let mut other = Arguments::positional(vec![Object::None]);
        other.named.push((Arc::from("widht"), Object::None));
        let failure = other.bind(&PLAIN).unwrap_err();
        assert_eq!(failure.message, "takes no argument `widht`");
        assert!(
            matches!(&failure.near, super::super::failure::Near::Hint(hint) if hint == "did you mean `width`?")
        );
    }
}
