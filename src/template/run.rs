//! From statements to what they write.
//!
//! A template that writes exactly one value stands for that value with its type; otherwise what it writes is joined to
//! a text, in which `None` is nothing. The first value that is missing is the result of the whole.

use std::rc::Rc;
use std::sync::Arc;

use super::arguments::Arguments;
use super::failure::{Fault, failed};
use super::frame::{Blocks, Frame, Version};
use super::key::Key;
use super::loops::Loop;
use super::macros;
use super::object::Object;
use super::others;
use super::rendering::{Rendering, need};
use super::tree::{Expression, For, Statement, Target};

/// What a template has written so far.
#[derive(Debug, Default)]
pub(crate) struct Output(Vec<Object>);

/// Whether to go on after a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flow {
    On,
    Continue,
    Break,
}

impl Output {
    /// Adds a value; nothing is added for `None`.
    pub(crate) fn push(&mut self, value: Object) {
        if !matches!(value, Object::None) {
            self.0.push(value);
        }
    }

    /// Returns the first value that is missing.
    fn missing(&self) -> Option<Object> {
        let missing = |value: &&Object| matches!(value, Object::Missing(fault) if !fault.blank);
        self.0.iter().find(missing).cloned()
    }

    /// Returns what was written: one value as it is, several joined to a text.
    pub(crate) fn value(self, rendering: &Rendering) -> Result<Object, Fault> {
        if let Some(missing) = self.missing() {
            return Ok(missing);
        }
        let mut pieces = self.0.into_iter();
        match (pieces.next(), pieces.len()) {
            (None, _) => Ok(Object::None),
            (Some(piece), 0) => Ok(piece),
            (Some(first), _) => {
                let mut text = String::new();
                rendering.write_output(&mut text, &first)?;
                for piece in pieces {
                    rendering.write_output(&mut text, &piece)?;
                }
                Ok(Object::from(text))
            }
        }
    }
}

/// Copies a container, so that later changes do not show in what was written before.
fn copy(value: Object) -> Object {
    if let Object::List(list) = value {
        Object::List(list.copy())
    } else if let Object::Map(map) = value {
        Object::Map(map.copy())
    } else {
        value
    }
}

impl Rendering {
    /// Runs a whole template.
    pub(crate) fn whole(&self, frame: &Frame) -> Result<Object, Fault> {
        let mut output = Output::default();
        match self.template(frame, &mut output) {
            Ok(()) => output.value(self),
            Err(fault) => Ok(output.missing().unwrap_or(Object::Missing(fault))),
        }
    }

    /// Runs a template, and the one that it extends.
    pub(crate) fn template(&self, frame: &Frame, output: &mut Output) -> Result<(), Fault> {
        let mut blocks: Blocks = frame.blocks.as_ref().clone();
        for (name, body) in &frame.program.blocks {
            let version = Version {
                body: Arc::clone(body),
                program: Arc::clone(&frame.program),
                place: Rc::clone(&frame.place),
            };
            match blocks.iter_mut().find(|(own, _)| own == name) {
                Some((_, versions)) => versions.push(version),
                None => blocks.push((Arc::clone(name), vec![version])),
            }
        }
        let frame = Frame {
            blocks: Rc::new(blocks),
            ..frame.clone()
        };
        others::set_self(self, &frame);
        let mut parent = None;
        for statement in &frame.program.body {
            if let Statement::Extends(name) = statement {
                if parent.is_some() {
                    return Err(frame.at(failed("a template extends one other only"), name.span));
                }
                parent = Some(others::find(self, &frame, name)?);
            } else if parent.is_some() {
                // What a template that extends another writes outside of blocks is nowhere to be seen.
                self.statement(&frame, statement, &mut Output::default())?;
            } else {
                self.statement(&frame, statement, output)?;
            }
        }
        match parent {
            Some(other) => {
                let below = frame.other(other.program, other.place);
                self.deeper(|| self.template(&below, output))
            }
            None => Ok(()),
        }
    }

    /// Runs statements.
    pub(crate) fn statements(
        &self,
        frame: &Frame,
        statements: &[Statement],
        output: &mut Output,
    ) -> Result<Flow, Fault> {
        for statement in statements {
            let flow = self.statement(frame, statement, output)?;
            if flow != Flow::On {
                return Ok(flow);
            }
        }
        Ok(Flow::On)
    }

    /// Runs statements and returns what they write.
    pub(crate) fn captured(
        &self,
        frame: &Frame,
        statements: &[Statement],
    ) -> Result<Object, Fault> {
        let mut output = Output::default();
        self.statements(frame, statements, &mut output)?;
        output.value(self)
    }

    fn statement(
        &self,
        frame: &Frame,
        statement: &Statement,
        output: &mut Output,
    ) -> Result<Flow, Fault> {
        match statement {
            Statement::Text(text) => output.0.push(Object::Text(Arc::clone(text))),
            Statement::Output(expression) => {
                let value = self.evaluate(frame, expression)?;
                output.push(if frame.program.changes {
                    copy(value)
                } else {
                    value
                });
            }
            Statement::For(repeat) => return self.repeat(frame, repeat, output),
            Statement::If(test, then, otherwise) => {
                let test = self.evaluate(frame, test)?.truth()?;
                let body = if test { then } else { otherwise };
                return self.statements(frame, body, output);
            }
            Statement::With(assignments, body) => {
                let inner = frame.inner();
                for (target, value) in assignments {
                    self.assign(&inner, target, self.evaluate(frame, value)?)?;
                }
                return self.statements(&inner, body, output);
            }
            Statement::Set(target, value) => {
                self.assign(frame, target, self.evaluate(frame, value)?)?;
            }
            Statement::SetBlock(target, filter, body) => {
                let value = self.filtered(frame, filter.as_ref(), body)?;
                self.assign(frame, target, value)?;
            }
            Statement::FilterBlock(filter, body) => {
                output.push(self.filtered(frame, Some(filter), body)?);
            }
            Statement::Scope(body) => return self.statements(&frame.inner(), body, output),
            Statement::Block(name) => output.push(others::block(self, frame, name, 0)?),
            Statement::Extends(name) => {
                return Err(frame.at(
                    failed("`extends` stands at the top of a template"),
                    name.span,
                ));
            }
            Statement::Include(include) => others::include(self, frame, include, output)?,
            Statement::Import(import) => others::import(self, frame, import)?,
            Statement::Macro(definition) => {
                let made = macros::define(self, frame, definition);
                frame.set(&definition.name, made);
            }
            Statement::CallBlock(call, body) => {
                output.push(macros::call_with_body(self, frame, call, body)?);
            }
            Statement::Do(call) => need(&self.evaluate(frame, call)?)?,
            Statement::Continue => return Ok(Flow::Continue),
            Statement::Break => return Ok(Flow::Break),
        }
        Ok(Flow::On)
    }

    fn filtered(
        &self,
        frame: &Frame,
        filter: Option<&Expression>,
        body: &[Statement],
    ) -> Result<Object, Fault> {
        let written = self.captured(&frame.inner(), body)?;
        let Some(filter) = filter else {
            return Ok(written);
        };
        let mut frame = frame.clone();
        frame.captured = Some(if matches!(written, Object::None) {
            Object::text("")
        } else {
            written
        });
        self.evaluate(&frame, filter)
    }

    /// Stores a value.
    pub(crate) fn assign(
        &self,
        frame: &Frame,
        target: &Target,
        value: Object,
    ) -> Result<(), Fault> {
        match target {
            Target::Name(name) => frame.set(name, value),
            Target::Attribute(name, attribute, span) => {
                let object = self.name(frame, name);
                need(&object).map_err(|fault| frame.at(fault, *span))?;
                let set = object
                    .as_special()
                    .is_some_and(|special| special.set(attribute, value));
                if !set {
                    let message = format!(
                        "an attribute can be set on a `namespace()` only, not on {}",
                        object.described()
                    );
                    return Err(frame.at(failed(message), *span));
                }
            }
            Target::Several(targets, span) => {
                let values = self.items(&value).map_err(|fault| frame.at(fault, *span))?;
                if values.len() != targets.len() {
                    let message = format!(
                        "{} names cannot take {} values",
                        targets.len(),
                        values.len()
                    );
                    return Err(frame.at(failed(message), *span));
                }
                for (target, value) in targets.iter().zip(values) {
                    self.assign(frame, target, value)?;
                }
            }
        }
        Ok(())
    }

    fn repeat(&self, frame: &Frame, repeat: &Arc<For>, output: &mut Output) -> Result<Flow, Fault> {
        let over = self.evaluate(frame, &repeat.over)?;
        self.go_through(frame, repeat, &over, 0, output)?;
        Ok(Flow::On)
    }

    /// Runs a loop over a value.
    pub(crate) fn go_through(
        &self,
        frame: &Frame,
        repeat: &Arc<For>,
        over: &Object,
        depth: usize,
        output: &mut Output,
    ) -> Result<(), Fault> {
        let mut items = self
            .items(over)
            .map_err(|fault| frame.at(fault, repeat.over.span))?;
        if let Some(test) = &repeat.only_if {
            let mut wanted = Vec::with_capacity(items.len());
            for item in items {
                let inner = frame.inner();
                self.assign(&inner, &repeat.target, item.clone())?;
                if self.evaluate(&inner, test)?.truth()? {
                    wanted.push(item);
                }
            }
            items = wanted;
        }
        if items.is_empty() {
            self.statements(&frame.inner(), &repeat.otherwise, output)?;
            return Ok(());
        }
        let name: Arc<str> = Arc::from("loop");
        let state = Rc::new(Loop::new(items, depth, repeat, frame));
        for (index, item) in state.items.iter().enumerate() {
            let inner = frame.inner();
            state.at.set(index);
            inner.set(&name, Object::Special(Rc::clone(&state) as _));
            self.assign(&inner, &repeat.target, item.clone())?;
            if self.statements(&inner, &repeat.body, output)? == Flow::Break {
                break;
            }
        }
        Ok(())
    }

    /// Calls something that code of this room made.
    pub(crate) fn invoke(&self, callee: &Object, arguments: Arguments) -> Result<Object, Fault> {
        match callee.as_special() {
            Some(special) => special.call(self, arguments),
            None => Err(failed(format!("{} cannot be called", callee.described()))),
        }
    }

    /// Returns a map's key as a name, or what it prints as.
    pub(crate) fn key_text(&self, key: &Key) -> Result<String, Fault> {
        self.print(&key.object())
    }
}
