//! Other templates: included, imported, extended.
//!
//! They are found by name through `Outside`, and a mistake in one is shown in its own file.

use std::rc::Rc;
use std::sync::Arc;

use super::arguments::Arguments;
use super::failure::{ErrorKind, Failure, Fault, failed};
use super::frame::Frame;
use super::locate::Place;
use super::object::Object;
use super::rendering::{Rendering, need};
use super::run::Output;
use super::special::{Special, callable};
use super::syntax::Mode;
use super::tree::{Expression, Import, Include, Names, Program};

/// A template that was found.
#[derive(Debug)]
pub(crate) struct Other {
    pub(crate) program: Arc<Program>,
    pub(crate) place: Rc<Place>,
}

/// Finds the template that an expression names; of several names, the first that exists.
pub(crate) fn find(
    rendering: &Rendering,
    frame: &Frame,
    name: &Expression,
) -> Result<Other, Fault> {
    let value = rendering.evaluate(frame, name)?;
    need(&value)?;
    let names = if value.as_text().is_some() {
        vec![value]
    } else {
        rendering
            .present(&value)
            .map_err(|fault| frame.at(fault, name.span))?
    };
    let mut last = None;
    for own in &names {
        let Some(own) = own.as_text() else {
            let message = format!("a template's name must be text, not {}", own.described());
            return Err(frame.at(failed(message), name.span));
        };
        match rendering.templater.other(own) {
            Ok(source) => {
                let place = Rc::new(Place::File(Arc::clone(&source)));
                let program = rendering
                    .templater
                    .program(&source.text, Mode::File, &place)?;
                return Ok(Other { program, place });
            }
            Err(problem) => last = Some(problem),
        }
    }
    let problem = last.unwrap_or_else(|| "no name was given".to_owned());
    let failure = Failure::new(
        ErrorKind::Lookup,
        format!("the template cannot be read: {problem}"),
    );
    Err(frame.at(failure.fault(), name.span))
}

/// Writes another template.
pub(crate) fn include(
    rendering: &Rendering,
    frame: &Frame,
    include: &Include,
    output: &mut Output,
) -> Result<(), Fault> {
    let other = match find(rendering, frame, &include.name) {
        Ok(other) => other,
        Err(fault) if include.ignore_missing && fault.kind == ErrorKind::Lookup => return Ok(()),
        Err(fault) => return Err(fault),
    };
    let below = below(frame, other, include.with_context);
    rendering.deeper(|| rendering.template(&below, output))
}

fn below(frame: &Frame, other: Other, with_context: bool) -> Frame {
    let mut below = frame.other(other.program, other.place);
    below.blocks = Rc::default();
    if !with_context {
        below.layers = vec![Rc::default()];
        below.scope = None;
    }
    below
}

/// Makes another template's names available.
pub(crate) fn import(rendering: &Rendering, frame: &Frame, import: &Import) -> Result<(), Fault> {
    let other = find(rendering, frame, &import.from)?;
    let below = below(frame, other, import.with_context);
    let mut output = Output::default();
    rendering.deeper(|| rendering.template(&below, &mut output))?;
    let text = output.value(rendering)?;
    let module = Module {
        frame: below,
        text: rendering.print(&text).unwrap_or_default(),
    };
    match &import.names {
        Names::Whole(name) => frame.set(name, Object::Special(Rc::new(module))),
        Names::Parts(parts) => {
            for (own, here) in parts {
                let value = module.attribute(rendering, own).unwrap_or_else(|| {
                    let message = format!("the imported template has no `{own}`");
                    let failure = Failure::new(ErrorKind::Undefined, message);
                    Object::Missing(frame.at(failure.fault(), import.from.span))
                });
                frame.set(here, value);
            }
        }
    }
    Ok(())
}

/// A template's names.
#[derive(Debug)]
struct Module {
    frame: Frame,
    text: String,
}

impl Special for Module {
    fn kind(&self) -> &'static str {
        "a template"
    }

    fn attribute(&self, _rendering: &Rendering, name: &str) -> Option<Object> {
        // Names with an underline in front are the template's own.
        let layer = self
            .frame
            .layers
            .last()
            .filter(|_| !name.starts_with('_'))?;
        layer.get(name)
    }

    fn print(&self) -> Option<String> {
        Some(self.text.clone())
    }
}

/// Returns what a block writes: the version of the first template that has one, or a later one for `super()`.
pub(crate) fn block(
    rendering: &Rendering,
    frame: &Frame,
    name: &Arc<str>,
    version: usize,
) -> Result<Object, Fault> {
    let versions = frame.blocks.iter().find(|(own, _)| own == name);
    let Some(found) = versions.and_then(|(_, versions)| versions.get(version)) else {
        return Err(failed(format!("there is no block `{name}` above this one")));
    };
    let inner = frame.other(Arc::clone(&found.program), Rc::clone(&found.place));
    let (outer, own) = (inner.clone(), Arc::clone(name));
    let above = callable("super", move |rendering, _: Arguments| {
        block(rendering, &outer, &own, version + 1)
    });
    inner.set(&Arc::from("super"), above);
    if let Some(layer) = inner.layers.last() {
        rendering.hold(layer);
    }
    set_self(rendering, &inner);
    rendering.deeper(|| rendering.captured(&inner, &found.body))
}

/// Sets `self`, if the template has blocks.
pub(crate) fn set_self(rendering: &Rendering, frame: &Frame) {
    if frame.blocks.is_empty() {
        return;
    }
    let here = Blocks(frame.clone());
    frame.set(&Arc::from("self"), Object::Special(Rc::new(here)));
    if let Some(layer) = frame.layers.last() {
        rendering.hold(layer);
    }
}

/// `self`: the blocks of the template that is being written.
#[derive(Debug)]
struct Blocks(Frame);

impl Special for Blocks {
    fn kind(&self) -> &'static str {
        "the template's blocks"
    }

    fn attribute(&self, _rendering: &Rendering, name: &str) -> Option<Object> {
        let (name, frame) = (Arc::<str>::from(name), self.0.clone());
        frame.blocks.iter().find(|(own, _)| *own == name)?;
        let call = move |rendering: &Rendering, _: Arguments| block(rendering, &frame, &name, 0);
        Some(callable("a block", call))
    }
}
