//! Macros, and the bodies that `call` blocks hand to them.

use std::rc::Rc;
use std::sync::Arc;

use super::arguments::Arguments;
use super::failure::{ErrorKind, Failure, Fault, failed};
use super::frame::Frame;
use super::key::Key;
use super::map::Map;
use super::object::Object;
use super::rendering::Rendering;
use super::special::Special;
use super::tree::{Expression, Form, Macro};

/// A macro with the names that it sees.
#[derive(Debug)]
struct Defined {
    body: Arc<Macro>,
    frame: Frame,
}

/// Makes a macro a value.
pub(crate) fn define(rendering: &Rendering, frame: &Frame, body: &Arc<Macro>) -> Object {
    for layer in &frame.layers {
        rendering.hold(layer);
    }
    Object::Special(Rc::new(Defined {
        body: Arc::clone(body),
        frame: frame.clone(),
    }))
}

/// Calls a macro, which may ask for a body by `caller()`.
pub(crate) fn call_with_body(
    rendering: &Rendering,
    frame: &Frame,
    call: &Expression,
    body: &Arc<Macro>,
) -> Result<Object, Fault> {
    let Form::Call(callee, arguments) = &call.form else {
        return Err(frame.at(failed("a call block calls a macro"), call.span));
    };
    let target = rendering.evaluate(frame, callee)?;
    if let Object::Missing(_) = target {
        return Ok(target);
    }
    let mut arguments = rendering.arguments(frame, None, arguments)?;
    let caller = define(rendering, frame, body);
    arguments.named.push((Arc::from("caller"), caller));
    rendering
        .invoke(&target, arguments)
        .map_err(|fault| frame.at(fault, call.span))
}

impl Special for Defined {
    fn kind(&self) -> &'static str {
        "a macro"
    }

    fn attribute(&self, _rendering: &Rendering, name: &str) -> Option<Object> {
        match name {
            "name" => Some(Object::text(Arc::clone(&self.body.name))),
            "arguments" => {
                let names = self.body.parameters.iter();
                Some(Object::list(
                    names.map(|name| Object::text(Arc::clone(name))).collect(),
                ))
            }
            _ => None,
        }
    }

    fn takes_missing(&self) -> bool {
        true
    }

    fn call(&self, rendering: &Rendering, arguments: Arguments) -> Result<Object, Fault> {
        let frame = self.frame.inner();
        self.bind(rendering, &frame, arguments)?;
        rendering.deeper(|| rendering.captured(&frame, &self.body.body))
    }
}

impl Defined {
    fn bind(
        &self,
        rendering: &Rendering,
        frame: &Frame,
        mut arguments: Arguments,
    ) -> Result<(), Fault> {
        let body = &self.body;
        let surplus = if arguments.positional.len() > body.parameters.len() {
            arguments.positional.split_off(body.parameters.len())
        } else {
            Vec::new()
        };
        let mut positional = arguments
            .positional
            .drain(..)
            .collect::<Vec<_>>()
            .into_iter();
        let first_default = body.parameters.len().saturating_sub(body.defaults.len());
        for (index, name) in body.parameters.iter().enumerate() {
            let default = || {
                index
                    .checked_sub(first_default)
                    .and_then(|at| body.defaults.get(at))
            };
            let value = match positional.next().or_else(|| arguments.take(name)) {
                Some(value) => value,
                None => match default() {
                    Some(default) => rendering.evaluate(frame, default)?,
                    None => Failure::new(
                        ErrorKind::Undefined,
                        format!("parameter `{name}` of macro `{}` was not given", body.name),
                    )
                    .missing(),
                },
            };
            frame.set(name, value);
        }
        if body.uses.caller {
            let caller = arguments.take("caller").unwrap_or_else(|| {
                Failure::new(ErrorKind::Undefined, "the macro was called without a body").missing()
            });
            frame.set(&Arc::from("caller"), caller);
        }
        if body.uses.kwargs {
            let named = std::mem::take(&mut arguments.named).into_iter();
            let kwargs = Map::new(named.map(|(name, value)| (Key::Text(name), value)));
            frame.set(&Arc::from("kwargs"), Object::Map(kwargs));
        } else if let Some((name, _)) = arguments.named.first() {
            return Err(self.surplus(&format!("takes no argument `{name}`")));
        }
        if body.uses.varargs {
            frame.set(&Arc::from("varargs"), Object::Tuple(surplus.into()));
        } else if !surplus.is_empty() {
            let count = body.parameters.len();
            return Err(self.surplus(&format!("takes at most {count} arguments")));
        }
        Ok(())
    }

    fn surplus(&self, message: &str) -> Fault {
        Failure::new(
            ErrorKind::Unknown,
            format!("macro `{}` {message}", self.body.name),
        )
        .fault()
    }
}
