//! From an expression to its value.
//!
//! A name, attribute or item that does not exist gives a value that is missing, which travels on through attributes,
//! filters and calls; an operation that needs it fails. A filter, a test or a call that fails gives a missing value as
//! well, as in Ansible, so that a part of a list that nobody uses does no harm.

use std::rc::Rc;
use std::sync::Arc;

use super::access;
use super::arguments::Arguments;
use super::compare;
use super::failure::{ErrorKind, Failure, Fault, Near};
use super::frame::Frame;
use super::functions;
use super::key::Key;
use super::locate::Place;
use super::lookups;
use super::map::Map;
use super::object::Object;
use super::operate;
use super::plugin::Plugin;
use super::rendering::{Rendering, need};
use super::syntax::{self, Mode};
use super::tree::{Argument, Constant, Expression, Form, Handing, Span};

impl Rendering {
    /// Evaluates an expression; the value may be missing.
    pub(crate) fn evaluate(&self, frame: &Frame, expression: &Expression) -> Result<Object, Fault> {
        match self.form(frame, expression) {
            Err(fault) => Err(frame.at(fault, expression.span)),
            Ok(Object::Missing(fault)) => Ok(Object::Missing(frame.at(fault, expression.span))),
            done => done,
        }
    }

    fn form(&self, frame: &Frame, expression: &Expression) -> Result<Object, Fault> {
        let span = expression.span;
        match &expression.form {
            Form::Constant(constant) => self.constant(frame, constant, span),
            Form::Name(name) => Ok(self.name(frame, name)),
            Form::Attribute(base, name) => {
                let base = self.evaluate(frame, base)?;
                Ok(access::attribute(self, &base, name)
                    .unwrap_or_else(|| lacking(frame, span, &base, name)))
            }
            Form::Item(base, item) => {
                let base = self.evaluate(frame, base)?;
                let item = self.evaluate(frame, item)?;
                self.item(frame, span, &base, &item)
            }
            Form::Slice(base, parts) => self.slice(frame, base, parts),
            Form::Not(inner) => Ok(Object::Bool(!self.evaluate(frame, inner)?.truth()?)),
            Form::Negate(inner) => operate::negate(&self.evaluate(frame, inner)?),
            Form::And(left, right) => self.either(frame, left, right, false),
            Form::Or(left, right) => self.either(frame, left, right, true),
            Form::Operate(operator, left, right) => {
                let left = self.evaluate(frame, left)?;
                let right = self.evaluate(frame, right)?;
                operate::operate(self, *operator, &left, &right)
            }
            Form::Compare(first, rest) => self.chain(frame, first, rest),
            Form::Choose(choice) => {
                let holds = self.evaluate(frame, &choice.test)?.truth()?;
                match (holds, &choice.otherwise) {
                    (true, _) => self.evaluate(frame, &choice.then),
                    (false, Some(otherwise)) => self.evaluate(frame, otherwise),
                    (false, None) => Ok(blank()),
                }
            }
            Form::Filter(filter) => {
                let value = match &filter.value {
                    Some(value) => self.evaluate(frame, value)?,
                    None => frame.captured.clone().unwrap_or(Object::None),
                };
                let arguments = self.arguments(frame, Some(value), &filter.arguments)?;
                Ok(self.plugin(frame, filter.plugin, "filter", filter.name, arguments))
            }
            Form::Test(test) => {
                let value = self.evaluate(frame, &test.value)?;
                let arguments = self.arguments(frame, Some(value), &test.arguments)?;
                Ok(self.plugin(frame, test.plugin, "test", span, arguments))
            }
            Form::Call(callee, arguments) => self.call(frame, callee, arguments),
            Form::List(items) => Ok(Object::list(self.several(frame, items)?)),
            Form::Tuple(items) => Ok(Object::Tuple(self.several(frame, items)?.into())),
            Form::Map(entries) => self.map(frame, entries),
        }
    }

    /// Evaluates the left side, and the right one unless the left decides.
    fn either(
        &self,
        frame: &Frame,
        left: &Expression,
        right: &Expression,
        decides: bool,
    ) -> Result<Object, Fault> {
        let left = self.evaluate(frame, left)?;
        if left.truth()? == decides {
            Ok(left)
        } else {
            self.evaluate(frame, right)
        }
    }

    fn slice(
        &self,
        frame: &Frame,
        base: &Expression,
        parts: &[Option<Box<Expression>>; 3],
    ) -> Result<Object, Fault> {
        let base = self.evaluate(frame, base)?;
        let mut bounds = [None, None, None];
        for (bound, part) in bounds.iter_mut().zip(parts) {
            if let Some(part) = part {
                *bound = Some(self.evaluate(frame, part)?);
            }
        }
        access::slice(self, &base, &bounds)
    }

    fn constant(&self, frame: &Frame, constant: &Constant, span: Span) -> Result<Object, Fault> {
        Ok(match constant {
            Constant::None => Object::None,
            Constant::Bool(flag) => Object::Bool(*flag),
            Constant::Int(number) => Object::Int(*number),
            Constant::Float(number) => Object::Float(*number),
            Constant::Text(text) if frame.embedded && syntax::is_template(text) => {
                self.embedded(frame, text, span)?
            }
            Constant::Text(text) => Object::Text(Arc::clone(text)),
        })
    }

    /// Renders a text between quotes that holds a template; Ansible tolerates that in conditions and in lookups.
    fn embedded(&self, frame: &Frame, text: &str, span: Span) -> Result<Object, Fault> {
        let Some(scope) = frame.scope else {
            return Ok(Object::text(text));
        };
        self.render_text(text, Mode::Value, Rc::new(Place::Nowhere), scope)
            .map_err(|fault| {
                let mut failure = Rc::unwrap_or_clone(fault);
                failure.spot = Some(frame.spot(span));
                failure.fault()
            })
    }

    /// Looks up a name: what the template set, then variables, then what is always there.
    pub(crate) fn name(&self, frame: &Frame, name: &Arc<str>) -> Object {
        if let Some(value) = frame.get(name) {
            return value;
        }
        let variable = frame.scope.and_then(|scope| self.variable(scope, name));
        variable
            .or_else(|| functions::global(name))
            .unwrap_or_else(|| Failure::undefined(name.as_ref(), Near::Variables).missing())
    }

    fn item(
        &self,
        frame: &Frame,
        span: Span,
        base: &Object,
        item: &Object,
    ) -> Result<Object, Fault> {
        if let Object::Missing(_) = base {
            return Ok(base.clone());
        }
        need(item)?;
        Ok(match access::item(self, base, item) {
            Some(found) => found,
            None => match item.as_text() {
                Some(name) => lacking(frame, span, base, name),
                None => Failure::undefined(source(frame, span), Near::Nothing).missing(),
            },
        })
    }

    fn chain(
        &self,
        frame: &Frame,
        first: &Expression,
        rest: &[(super::tree::Comparison, Expression)],
    ) -> Result<Object, Fault> {
        let mut left = self.evaluate(frame, first)?;
        for (comparison, right) in rest {
            let right = self.evaluate(frame, right)?;
            if !compare::holds(self, *comparison, &left, &right)? {
                return Ok(Object::Bool(false));
            }
            left = right;
        }
        Ok(Object::Bool(true))
    }

    /// Evaluates expressions one after the other; values may be missing.
    pub(crate) fn several(
        &self,
        frame: &Frame,
        expressions: &[Expression],
    ) -> Result<Vec<Object>, Fault> {
        expressions
            .iter()
            .map(|expression| self.evaluate(frame, expression))
            .collect()
    }

    fn map(&self, frame: &Frame, entries: &[(Expression, Expression)]) -> Result<Object, Fault> {
        let mut made = Vec::with_capacity(entries.len());
        for (key, value) in entries {
            let key =
                Key::of(&self.evaluate(frame, key)?).map_err(|fault| frame.at(fault, key.span))?;
            made.push((key, self.evaluate(frame, value)?));
        }
        Ok(Object::Map(Map::new(made)))
    }

    pub(crate) fn arguments(
        &self,
        frame: &Frame,
        value: Option<Object>,
        arguments: &[Argument],
    ) -> Result<Arguments, Fault> {
        let mut made = Arguments::positional(value.into_iter().collect());
        for argument in arguments {
            let value = self.evaluate(frame, &argument.value)?;
            match &argument.how {
                Handing::Positional => made.positional.push(value),
                Handing::Named(name) => made.named.push((Arc::clone(name), value)),
                Handing::Spread => made.positional.extend(self.items(&value)?),
                Handing::SpreadNamed => {
                    let Some(map) = value.as_map() else {
                        need(&value)?;
                        return Err(super::failure::failed(format!(
                            "`**` needs a map, not {}",
                            value.described()
                        )));
                    };
                    for (key, value) in map.items(self) {
                        if let Some(name) = key.as_text() {
                            made.named.push((Arc::clone(name), value));
                        }
                    }
                }
            }
        }
        Ok(made)
    }

    /// Calls a filter or a test; if it fails, its value is missing.
    fn plugin(
        &self,
        frame: &Frame,
        plugin: &'static Plugin,
        what: &str,
        span: Span,
        arguments: Arguments,
    ) -> Object {
        match plugin.call(self, arguments) {
            Ok(value) => value,
            Err(fault) => {
                let own = fault.spot.is_none() && fault.kind != ErrorKind::Undefined;
                let fault = if own {
                    let mut failure = Rc::unwrap_or_clone(fault);
                    failure.message = format!("{what} `{}`: {}", plugin.name, failure.message);
                    failure.fault()
                } else {
                    fault
                };
                Object::Missing(frame.at(fault, span))
            }
        }
    }

    fn call(
        &self,
        frame: &Frame,
        callee: &Expression,
        arguments: &[Argument],
    ) -> Result<Object, Fault> {
        let target = self.evaluate(frame, callee)?;
        if let Object::Missing(_) = target {
            return Ok(target);
        }
        let Some(special) = target.as_special() else {
            return Err(super::failure::failed(format!(
                "{} cannot be called",
                target.described()
            )));
        };
        let mut arguments = if lookups::is_lookup(special.kind()) {
            let mut tolerant = frame.clone();
            tolerant.embedded = true;
            self.arguments(&tolerant, None, arguments)?
        } else {
            self.arguments(frame, None, arguments)?
        };
        if !special.takes_missing()
            && let Some(missing) = arguments.missing()
        {
            return Ok(missing);
        }
        Ok(special
            .call(self, arguments)
            .unwrap_or_else(Object::Missing))
    }
}

/// Makes the value of an `if` without `else` that does not hold.
fn blank() -> Object {
    let mut failure = Failure::new(
        ErrorKind::Undefined,
        "the inline `if` does not hold and has no `else`",
    );
    failure.blank = true;
    failure.missing()
}

/// Makes the value of an attribute that does not exist.
fn lacking(frame: &Frame, span: Span, base: &Object, name: &Arc<str>) -> Object {
    if let Object::Missing(_) = base {
        return base.clone();
    }
    Failure::undefined(source(frame, span), Near::inside(base, name)).missing()
}

/// Returns the text of an expression, on one line.
fn source(frame: &Frame, span: Span) -> String {
    let offset = |at: u32| usize::try_from(at).unwrap_or(usize::MAX);
    let text = frame
        .program
        .text
        .get(offset(span.start)..offset(span.end))
        .unwrap_or_default();
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
