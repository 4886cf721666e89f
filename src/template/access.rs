//! Attributes, items and slices of values, as Jinja looks for them.

use std::rc::Rc;
use std::sync::Arc;

use super::failure::{Fault, failed};
use super::key::Key;
use super::methods;
use super::object::Object;
use super::rendering::{Rendering, need};
use super::special::Method;

/// Returns `base.name`: a method if there is one of that name, else the entry of a map.
pub(crate) fn attribute(rendering: &Rendering, base: &Object, name: &Arc<str>) -> Option<Object> {
    match base {
        Object::Missing(_) => Some(base.clone()),
        Object::Special(special) => special.attribute(rendering, name),
        Object::Map(map) => method(base, name).or_else(|| map.named(rendering, name)),
        Object::Text(_) | Object::List(_) | Object::Tuple(_) => method(base, name),
        Object::None
        | Object::Bool(_)
        | Object::Int(_)
        | Object::Float(_)
        | Object::Range(_)
        | Object::Omit => None,
    }
}

fn method(base: &Object, name: &Arc<str>) -> Option<Object> {
    let method = methods::find(base, name)?;
    let of = base.clone();
    Some(Object::Special(Rc::new(Method { of, method })))
}

/// Returns `base[item]`, or a method of that name, if there is one.
pub(crate) fn item(rendering: &Rendering, base: &Object, item: &Object) -> Option<Object> {
    let found = match base {
        Object::Map(map) => {
            let key = Key::of(item);
            key.ok().and_then(|key| map.get(rendering, &key))
        }
        Object::List(list) => {
            position(item, list.len()).and_then(|index| list.get(rendering, index))
        }
        Object::Tuple(items) => {
            position(item, items.len()).and_then(|index| items.get(index).cloned())
        }
        Object::Text(text) => position(item, text.chars().count())
            .and_then(|index| text.chars().nth(index))
            .map(|c| Object::text(c.to_string())),
        Object::Range(range) => position(item, range.count())
            .and_then(|index| range.get(index))
            .map(Object::Int),
        Object::Missing(_) => Some(base.clone()),
        Object::Special(special) => special.items().and_then(|items| {
            let index = position(item, items.len())?;
            items.get(index).cloned()
        }),
        Object::None | Object::Bool(_) | Object::Int(_) | Object::Float(_) | Object::Omit => None,
    };
    match (found, item.as_text()) {
        (None, Some(name)) => attribute(rendering, base, name),
        (found, _) => found,
    }
}

/// Returns the position that an index means; a negative one counts from the end.
pub(crate) fn position(index: &Object, count: usize) -> Option<usize> {
    let index = index.as_int()?;
    let count = i128::try_from(count).ok()?;
    let index = if index < 0 { index + count } else { index };
    (0..count)
        .contains(&index)
        .then_some(index)?
        .try_into()
        .ok()
}

/// Returns `base[start:stop:step]`.
pub(crate) fn slice(
    rendering: &Rendering,
    base: &Object,
    bounds: &[Option<Object>; 3],
) -> Result<Object, Fault> {
    need(base)?;
    let [start, stop, step] = bounds;
    let step = bound(step.as_ref())?.unwrap_or(1);
    if step == 0 {
        return Err(failed("the step of a slice must not be 0"));
    }
    let pick = |count: usize| -> Result<Vec<usize>, Fault> {
        Ok(positions(
            bound(start.as_ref())?,
            bound(stop.as_ref())?,
            step,
            count,
        ))
    };
    match base {
        Object::Text(text) => {
            let chars: Vec<char> = text.chars().collect();
            let picked = pick(chars.len())?;
            let text: String = picked.iter().filter_map(|at| chars.get(*at)).collect();
            Ok(Object::from(text))
        }
        Object::List(list) => {
            let picked = pick(list.len())?;
            let items = picked.iter().filter_map(|at| list.get(rendering, *at));
            Ok(Object::list(items.collect()))
        }
        Object::Tuple(items) => {
            let picked = pick(items.len())?;
            Ok(Object::Tuple(
                picked
                    .iter()
                    .filter_map(|at| items.get(*at).cloned())
                    .collect(),
            ))
        }
        Object::Range(range) => {
            let picked = pick(range.count())?;
            let numbers = picked.iter().filter_map(|at| range.get(*at));
            Ok(Object::list(numbers.map(Object::Int).collect()))
        }
        Object::Missing(_)
        | Object::None
        | Object::Bool(_)
        | Object::Int(_)
        | Object::Float(_)
        | Object::Map(_)
        | Object::Special(_)
        | Object::Omit => Err(failed(format!("{} cannot be sliced", base.described()))),
    }
}

fn bound(bound: Option<&Object>) -> Result<Option<i128>, Fault> {
    match bound {
        None | Some(Object::None) => Ok(None),
        Some(value) => {
            need(value)?;
            match value.as_int() {
                Some(number) => Ok(Some(number)),
                None => Err(failed(format!(
                    "a bound of a slice must be a whole number, not {}",
                    value.described()
                ))),
            }
        }
    }
}

/// Returns the positions of a slice, as Python counts them.
fn positions(start: Option<i128>, stop: Option<i128>, step: i128, count: usize) -> Vec<usize> {
    let count = i128::try_from(count).unwrap_or(i128::MAX);
    let clamp = |bound: i128, low: i128, high: i128| {
        let bound = if bound < 0 {
            bound.saturating_add(count)
        } else {
            bound
        };
        bound.clamp(low, high)
    };
    let (start, stop) = if step > 0 {
        let start = start.map_or(0, |bound| clamp(bound, 0, count));
        (start, stop.map_or(count, |bound| clamp(bound, 0, count)))
    } else {
        let start = start.map_or(count - 1, |bound| clamp(bound, -1, count - 1));
        (start, stop.map_or(-1, |bound| clamp(bound, -1, count - 1)))
    };
    let mut positions = Vec::new();
    let mut at = start;
    while if step > 0 { at < stop } else { at > stop } {
        positions.extend(usize::try_from(at));
        at = at.saturating_add(step);
    }
    positions
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_count_as_python_does() {
        type Case = (Option<i128>, Option<i128>, i128, &'static [usize]);
        let cases: [Case; 9] = [
            (None, None, 1, &[0, 1, 2, 3, 4]),
            (Some(1), Some(3), 1, &[1, 2]),
            (Some(-2), None, 1, &[3, 4]),
            (None, Some(-3), 1, &[0, 1]),
            (None, None, -1, &[4, 3, 2, 1, 0]),
            (Some(3), Some(0), -2, &[3, 1]),
            (Some(-100), Some(100), 2, &[0, 2, 4]),
            (Some(4), Some(1), 1, &[]),
            (Some(100), None, -3, &[4, 1]),
        ];
        for (start, stop, step, expected) in cases {
            assert_eq!(
                positions(start, stop, step, 5),
                expected,
                "{start:?}:{stop:?}:{step}"
            );
        }
        assert_eq!(position(&Object::Int(-1), 3), Some(2));
        assert_eq!(position(&Object::Int(-4), 3), None);
        assert_eq!(position(&Object::Int(3), 3), None);
        assert_eq!(position(&Object::text("1"), 3), None);
    }
}
