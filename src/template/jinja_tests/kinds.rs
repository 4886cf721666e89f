//! Tests of what a value is.

use super::super::arguments::Bound;
use super::super::failure::{ErrorKind, Fault, failed};
use super::super::filters;
use super::super::object::Object;
use super::super::plugin::Plugin;
use super::super::python_text;
use super::super::rendering::Rendering;

pub(super) const TESTS: &[Plugin] = &[
    Plugin::new("boolean", &["value"], 1, |_, b| {
        is(b, |v| matches!(v, Object::Bool(_)))
    }),
    Plugin::new("callable", &["value"], 1, |_, b| {
        is(b, |v| matches!(v, Object::Special(_)))
    }),
    Plugin::new("defined", &["value"], 1, |_, b| defined(b, true)).takes_missing(),
    Plugin::new("divisibleby", &["value", "num"], 2, |_, b| {
        let divisor = b.int(1, 1)?;
        if divisor == 0 {
            return Err(failed("divides by zero"));
        }
        Ok(Object::Bool(whole(b)? % divisor == 0))
    }),
    Plugin::new("escaped", &["value"], 1, |_, b| is(b, |_| false)),
    Plugin::new("even", &["value"], 1, |_, b| {
        Ok(Object::Bool(whole(b)?.rem_euclid(2) == 0))
    }),
    Plugin::new("false", &["value"], 1, |_, b| {
        is(b, |v| matches!(v, Object::Bool(false)))
    }),
    Plugin::new("falsy", &["value", "convert_bool"], 1, |r, b| {
        Ok(Object::Bool(!truthy(r, b)?))
    }),
    Plugin::new("filter", &["value"], 1, |r, b| {
        Ok(Object::Bool(filters::find(&b.printed(r, 0)?).is_some()))
    }),
    Plugin::new("float", &["value"], 1, |_, b| {
        is(b, |v| matches!(v, Object::Float(_)))
    }),
    Plugin::new("integer", &["value"], 1, |_, b| {
        is(b, |v| matches!(v, Object::Int(_)))
    }),
    Plugin::new("isnan", &["value"], 1, |_, b| is(b, is_nan)),
    Plugin::new("iterable", &["value"], 1, |_, b| {
        is(b, |v| {
            let items = v.as_special().and_then(|special| special.items());
            is_sequence(v) || items.is_some() || matches!(v, Object::Map(_) | Object::Range(_))
        })
    }),
    Plugin::new("lower", &["value"], 1, |r, b| {
        Ok(Object::Bool(python_text::is_lower(&b.printed(r, 0)?)))
    }),
    Plugin::new("mapping", &["value"], 1, |_, b| {
        is(b, |v| matches!(v, Object::Map(_)))
    }),
    Plugin::new("nan", &["value"], 1, |_, b| is(b, is_nan)),
    Plugin::new("none", &["value"], 1, |_, b| {
        is(b, |v| matches!(v, Object::None))
    }),
    Plugin::new("number", &["value"], 1, |_, b| {
        is(b, |v| v.as_float().is_some())
    }),
    Plugin::new("odd", &["value"], 1, |_, b| {
        Ok(Object::Bool(whole(b)?.rem_euclid(2) == 1))
    }),
    Plugin::new("sequence", &["value"], 1, |_, b| {
        is(b, |v| {
            is_sequence(v) || matches!(v, Object::Map(_) | Object::Range(_))
        })
    }),
    Plugin::new("string", &["value"], 1, |_, b| {
        is(b, |v| matches!(v, Object::Text(_)))
    }),
    Plugin::new("test", &["value"], 1, |r, b| {
        Ok(Object::Bool(super::find(&b.printed(r, 0)?).is_some()))
    }),
    Plugin::new("true", &["value"], 1, |_, b| {
        is(b, |v| matches!(v, Object::Bool(true)))
    }),
    Plugin::new("truthy", &["value", "convert_bool"], 1, |r, b| {
        Ok(Object::Bool(truthy(r, b)?))
    }),
    Plugin::new("undefined", &["value"], 1, |_, b| defined(b, false)).takes_missing(),
    Plugin::new("upper", &["value"], 1, |r, b| {
        Ok(Object::Bool(python_text::is_upper(&b.printed(r, 0)?)))
    }),
];

#[expect(
    clippy::unnecessary_wraps,
    reason = "every test has this shape, and this one cannot fail"
)]
fn is(bound: &Bound, test: fn(&Object) -> bool) -> Result<Object, Fault> {
    Ok(Object::Bool(test(&bound.value())))
}

fn is_sequence(value: &Object) -> bool {
    matches!(value, Object::Text(_) | Object::List(_) | Object::Tuple(_))
}

fn is_nan(value: &Object) -> bool {
    value.as_float().is_some_and(f64::is_nan)
}

fn whole(bound: &Bound) -> Result<i128, Fault> {
    let value = bound.value();
    value
        .as_int()
        .ok_or_else(|| failed(format!("needs a whole number, not {}", value.described())))
}

/// Tells whether a value is defined; one that is missing for another reason stays a failure.
fn defined(bound: &Bound, wanted: bool) -> Result<Object, Fault> {
    let value = bound.value();
    let Object::Missing(fault) = &value else {
        return Ok(Object::Bool(wanted));
    };
    if fault.kind == ErrorKind::Undefined {
        Ok(Object::Bool(!wanted))
    } else {
        Err(fault.clone())
    }
}

fn truthy(rendering: &Rendering, bound: &Bound) -> Result<bool, Fault> {
    let value = bound.value();
    if bound.flag(1, false)? && value.as_text().is_some() {
        match rendering.print(&value)?.trim().to_lowercase().as_str() {
            "y" | "yes" | "on" | "1" | "true" | "t" => return Ok(true),
            "n" | "no" | "off" | "0" | "false" | "f" => return Ok(false),
            _ => {}
        }
    }
    value.truth()
}
