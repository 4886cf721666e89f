//! Conditions: `when`, `until`, `failed_when`. The result is true or false, and nothing else, as in ansible-core 2.19.

use std::rc::Rc;

use super::failure::{ErrorKind, Failure, Fault, Near, at};
use super::frame::Frame;
use super::locate::Place;
use super::object::Object;
use super::rendering::Rendering;
use super::syntax::{self, Mode};
use super::templater::whole_text;
use super::tree::{Form, Statement};

impl Rendering {
    /// Evaluates a condition.
    pub(crate) fn condition(&self, written: &str, place: &Rc<Place>) -> Result<bool, Fault> {
        let refuse = |failure: Failure| at(failure.fault(), || whole_text(written, place));
        if !syntax::is_all_template(written.trim()) {
            return self
                .bare(written, place)
                .map_err(|fault| match &fault.spot {
                    Some(_) => fault,
                    None => refuse(Rc::unwrap_or_clone(fault)),
                });
        }
        let object = self.render_text(written, Mode::Value, Rc::clone(place), 0)?;
        let Some(text) = object.as_text() else {
            return decide(&object).map_err(|fault| refuse(Rc::unwrap_or_clone(fault)));
        };
        if !self.is_written(written, text, place)? {
            // Text that came from a host or was put together must never be run as an expression.
            return Err(refuse(Failure::new(
                ErrorKind::Failed,
                "text that does not stand in a file of the playbook is not evaluated",
            )));
        }
        self.bare(text, &Rc::new(Place::Nowhere))
            .map_err(|fault| refuse(Rc::unwrap_or_clone(fault)))
    }

    fn bare(&self, text: &str, place: &Rc<Place>) -> Result<bool, Fault> {
        if text.trim().is_empty() {
            let failure = Failure::new(ErrorKind::Condition, "the condition is empty");
            return Err(failure.fault());
        }
        let program = self.templater.program(text, Mode::Condition, place)?;
        let mut frame = Frame::new(program, Rc::clone(place), 0);
        frame.embedded = true;
        let object = self.deeper(|| self.whole(&frame))?;
        decide(&object)
    }

    /// Tells whether `{{ name }}` stands for a text that a person wrote as it is.
    fn is_written(&self, written: &str, text: &str, place: &Rc<Place>) -> Result<bool, Fault> {
        let program = self.templater.program(written, Mode::Value, place)?;
        let [Statement::Output(expression)] = program.body.as_slice() else {
            return Ok(false);
        };
        let Form::Name(name) = &expression.form else {
            return Ok(false);
        };
        let raw = self.variables(0).and_then(|all| all.shared(name));
        let Some(raw) = raw.filter(|raw| raw.templated) else {
            return Ok(false);
        };
        let own = raw.value.as_str().unwrap_or_default();
        Ok(if syntax::is_all_template(own) {
            self.deeper(|| self.is_written(own, text, &Rc::new(Place::Nowhere)))?
        } else {
            own == text && !syntax::is_template(own)
        })
    }
}

/// Takes a result as true or false.
fn decide(object: &Object) -> Result<bool, Fault> {
    if let Object::Missing(fault) = object {
        return Err(Rc::clone(fault));
    }
    if let Object::Bool(flag) = object {
        return Ok(*flag);
    }
    let hint = if object.as_text().is_some() {
        "compare it, or use `| bool` for a text such as \"true\" or \"yes\""
    } else if object.is_list() || object.as_map().is_some() {
        "use `| length > 0` to ask whether there is anything in it"
    } else if matches!(object, Object::None) {
        "use `is not none` to ask whether there is a value"
    } else {
        "compare it with something, as in `x > 0`"
    };
    let message = format!(
        "a condition must be true or false, not {}",
        object.described()
    );
    let mut failure = Failure::new(ErrorKind::Condition, message);
    failure.near = Near::Hint(hint.to_owned());
    Err(failure.fault())
}
