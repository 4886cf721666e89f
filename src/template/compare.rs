//! Equality, order and membership, as Python has them: text and numbers are never ordered against each other.

use std::cmp::Ordering;
use std::rc::Rc;

use super::failure::{Fault, failed};
use super::key::Key;
use super::object::Object;
use super::rendering::{Rendering, need};
use super::tree::Comparison;

/// Tells whether a comparison holds.
pub(crate) fn holds(
    rendering: &Rendering,
    comparison: Comparison,
    left: &Object,
    right: &Object,
) -> Result<bool, Fault> {
    need(left)?;
    need(right)?;
    match comparison {
        Comparison::Equal => equal(rendering, left, right),
        Comparison::NotEqual => Ok(!equal(rendering, left, right)?),
        Comparison::Less => Ok(order(rendering, "<", left, right)?.is_some_and(Ordering::is_lt)),
        Comparison::LessEqual => {
            Ok(order(rendering, "<=", left, right)?.is_some_and(Ordering::is_le))
        }
        Comparison::Greater => Ok(order(rendering, ">", left, right)?.is_some_and(Ordering::is_gt)),
        Comparison::GreaterEqual => {
            Ok(order(rendering, ">=", left, right)?.is_some_and(Ordering::is_ge))
        }
        Comparison::In => contains(rendering, right, left),
        Comparison::NotIn => Ok(!contains(rendering, right, left)?),
    }
}

/// Tells whether two values are equal.
pub(crate) fn equal(rendering: &Rendering, left: &Object, right: &Object) -> Result<bool, Fault> {
    match (left, right) {
        (Object::Missing(fault), _) | (_, Object::Missing(fault)) => Err(Rc::clone(fault)),
        (Object::None, Object::None) | (Object::Omit, Object::Omit) => Ok(true),
        (Object::Text(left), Object::Text(right)) => Ok(left == right),
        (Object::List(left), Object::List(right)) => Ok(left.is(right)
            || equal_items(rendering, &left.items(rendering), &right.items(rendering))?),
        (Object::Tuple(left), Object::Tuple(right)) => equal_items(rendering, left, right),
        (Object::Map(left), Object::Map(right)) => {
            if left.is(right) {
                return Ok(true);
            }
            let (left, right) = (left.items(rendering), right);
            if left.len() != right.len() {
                return Ok(false);
            }
            for (key, item) in left {
                let Some(other) = right.get(rendering, &key) else {
                    return Ok(false);
                };
                if !equal(rendering, &item, &other)? {
                    return Ok(false);
                }
            }
            Ok(true)
        }
        (Object::Range(left), Object::Range(right)) => Ok(left == right),
        (Object::Special(left), Object::Special(right)) => Ok(Rc::ptr_eq(left, right)
            || (left.kind() == right.kind()
                && left.order().is_some()
                && left.order() == right.order())),
        _ => Ok(numbers(left, right) == Some(Ordering::Equal)),
    }
}

fn equal_items(rendering: &Rendering, left: &[Object], right: &[Object]) -> Result<bool, Fault> {
    if left.len() != right.len() {
        return Ok(false);
    }
    for (left, right) in left.iter().zip(right) {
        if !equal(rendering, left, right)? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Orders two values; `None` where neither is before the other (a float that is no number).
pub(crate) fn order(
    rendering: &Rendering,
    sign: &str,
    left: &Object,
    right: &Object,
) -> Result<Option<Ordering>, Fault> {
    need(left)?;
    need(right)?;
    match (left, right) {
        (Object::Text(left), Object::Text(right)) => Ok(Some(left.cmp(right))),
        (Object::List(left), Object::List(right)) => order_items(
            rendering,
            sign,
            &left.items(rendering),
            &right.items(rendering),
        ),
        (Object::Tuple(left), Object::Tuple(right)) => order_items(rendering, sign, left, right),
        (Object::Special(own), Object::Special(other))
            if own.kind() == other.kind() && own.order().is_some() =>
        {
            Ok(own
                .order()
                .zip(other.order())
                .map(|(own, other)| own.cmp(&other)))
        }
        _ if left.as_float().is_some() && right.as_float().is_some() => Ok(numbers(left, right)),
        _ => Err(failed(format!(
            "`{sign}` cannot order {} and {}",
            left.described(),
            right.described()
        ))),
    }
}

fn order_items(
    rendering: &Rendering,
    sign: &str,
    left: &[Object],
    right: &[Object],
) -> Result<Option<Ordering>, Fault> {
    for (own, other) in left.iter().zip(right) {
        if !equal(rendering, own, other)? {
            return order(rendering, sign, own, other);
        }
    }
    Ok(Some(left.len().cmp(&right.len())))
}

fn numbers(left: &Object, right: &Object) -> Option<Ordering> {
    match (left.as_int(), right.as_int()) {
        (Some(left), Some(right)) => Some(left.cmp(&right)),
        _ => left.as_float()?.partial_cmp(&right.as_float()?),
    }
}

/// Tells whether a container holds a value.
pub(crate) fn contains(
    rendering: &Rendering,
    container: &Object,
    wanted: &Object,
) -> Result<bool, Fault> {
    need(container)?;
    need(wanted)?;
    match container {
        Object::Text(text) => match wanted.as_text() {
            Some(wanted) => Ok(text.contains(wanted.as_ref())),
            None => Err(failed(format!(
                "`in` looks for text in text, not for {}",
                wanted.described()
            ))),
        },
        Object::Map(map) => Ok(map.contains(&Key::of(wanted)?)),
        Object::List(_) | Object::Tuple(_) | Object::Range(_) => {
            for item in rendering.items(container)? {
                if equal(rendering, &item, wanted)? {
                    return Ok(true);
                }
            }
            Ok(false)
        }
        Object::Missing(_)
        | Object::None
        | Object::Bool(_)
        | Object::Int(_)
        | Object::Float(_)
        | Object::Special(_)
        | Object::Omit => Err(failed(format!(
            "`in` cannot look into {}",
            container.described()
        ))),
    }
}

/// Sorts values by keys; fails if two keys cannot be ordered.
pub(crate) fn sort(
    rendering: &Rendering,
    mut items: Vec<(Object, Object)>,
    reverse: bool,
) -> Result<Vec<Object>, Fault> {
    let mut fault = None;
    items.sort_by(|(left, _), (right, _)| {
        let (left, right) = if reverse {
            (right, left)
        } else {
            (left, right)
        };
        match order(rendering, "<", left, right) {
            Ok(ordering) => ordering.unwrap_or(Ordering::Equal),
            Err(problem) => {
                fault.get_or_insert(problem);
                Ordering::Equal
            }
        }
    });
    match fault {
        Some(fault) => Err(fault),
        None => Ok(items.into_iter().map(|(_, item)| item).collect()),
    }
}
