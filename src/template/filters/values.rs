//! Filters for any value: defaults, truth, types.

use std::rc::Rc;

use super::super::arguments::Bound;
use super::super::failure::{ErrorKind, Failure, Fault, failed};
use super::super::key::Key;
use super::super::object::Object;
use super::super::plugin::Plugin;
use super::super::rendering::Rendering;

const DEFAULT: &[&str] = &["value", "default_value", "boolean"];

pub(super) const FILTERS: &[Plugin] = &[
    Plugin::new("bool", &["value"], 1, truth),
    Plugin::new("d", DEFAULT, 1, default).takes_missing(),
    Plugin::new("default", DEFAULT, 1, default).takes_missing(),
    Plugin::new("mandatory", &["value", "msg"], 1, mandatory).takes_missing(),
    Plugin::new(
        "ternary",
        &["value", "true_val", "false_val", "none_val"],
        3,
        ternary,
    )
    .takes_missing(),
    Plugin::new("type_debug", &["value"], 1, |_, b| {
        Ok(Object::from(b.value().kind()))
    })
    .takes_missing(),
];

/// Returns another value for one that is undefined; what is missing for another reason stays a failure.
fn default(_: &Rendering, bound: &Bound) -> Result<Object, Fault> {
    let instead = || bound.raw(1).cloned().unwrap_or_else(|| Object::text(""));
    let boolean = match bound.get(2) {
        None | Some(Object::Bool(false)) => false,
        Some(Object::Bool(true)) => true,
        Some(Object::Missing(fault)) => return Err(Rc::clone(fault)),
        Some(other) => {
            return Err(failed(format!(
                "`boolean` must be true or false, not {}",
                other.described()
            )));
        }
    };
    let value = bound.value();
    if let Object::Missing(fault) = &value {
        let undefined = fault.kind == ErrorKind::Undefined;
        return Ok(if undefined { instead() } else { value });
    }
    Ok(if boolean && !value.truth()? {
        instead()
    } else {
        value
    })
}

/// Reads a truth value as Ansible does: yes, on, true and 1 are true, whatever else is false.
fn truth(rendering: &Rendering, bound: &Bound) -> Result<Object, Fault> {
    let value = bound.value();
    if let Object::Float(number) = value {
        return Ok(Object::Bool(Key::Float(number) == Key::Int(1)));
    }
    if value.as_text().is_none() && value.as_int().is_none() {
        return Ok(Object::Bool(false));
    }
    let word = rendering.print(&value)?.to_lowercase();
    Ok(Object::Bool(
        ["yes", "on", "true", "1"].contains(&word.as_str()),
    ))
}

fn mandatory(_: &Rendering, bound: &Bound) -> Result<Object, Fault> {
    let value = bound.value();
    let Object::Missing(fault) = &value else {
        return Ok(value);
    };
    if fault.kind != ErrorKind::Undefined {
        return Ok(value);
    }
    let message = match (bound.text(1)?, &fault.name) {
        (Some(message), _) => message.to_string(),
        (None, Some(name)) => format!("the mandatory variable `{name}` is not defined"),
        (None, None) => "a mandatory variable is not defined".to_owned(),
    };
    let mut failure = Failure::new(ErrorKind::Failed, message);
    failure.spot.clone_from(&fault.spot);
    Err(failure.fault())
}

fn ternary(_: &Rendering, bound: &Bound) -> Result<Object, Fault> {
    let value = bound.value();
    if matches!(value, Object::None) && bound.get(3).is_some() {
        return Ok(bound.object(3));
    }
    Ok(bound.object(if value.truth()? { 1 } else { 2 }))
}
