//! Tests that compare a value with another.

use super::super::arguments::Bound;
use super::super::compare;
use super::super::failure::Fault;
use super::super::key::Key;
use super::super::object::Object;
use super::super::plugin::Plugin;
use super::super::rendering::Rendering;
use super::super::tree::Comparison;

const TWO: &[&str] = &["value", "other"];

pub(super) const TESTS: &[Plugin] = &[
    Plugin::new("all", &["value"], 1, |r, b| {
        for item in r.present(&b.value())? {
            if !item.truth()? {
                return Ok(Object::Bool(false));
            }
        }
        Ok(Object::Bool(true))
    }),
    Plugin::new("any", &["value"], 1, |r, b| {
        for item in r.present(&b.value())? {
            if item.truth()? {
                return Ok(Object::Bool(true));
            }
        }
        Ok(Object::Bool(false))
    }),
    Plugin::new("contains", &["seq", "value"], 2, |r, b| {
        compare::contains(r, &b.value(), &b.object(1)).map(Object::Bool)
    }),
    Plugin::new("eq", TWO, 2, |r, b| holds(r, b, Comparison::Equal)),
    Plugin::new("equalto", TWO, 2, |r, b| holds(r, b, Comparison::Equal)),
    Plugin::new("==", TWO, 2, |r, b| holds(r, b, Comparison::Equal)),
    Plugin::new("ge", TWO, 2, |r, b| holds(r, b, Comparison::GreaterEqual)),
    Plugin::new(">=", TWO, 2, |r, b| holds(r, b, Comparison::GreaterEqual)),
    Plugin::new("greaterthan", TWO, 2, |r, b| {
        holds(r, b, Comparison::Greater)
    }),
    Plugin::new("gt", TWO, 2, |r, b| holds(r, b, Comparison::Greater)),
    Plugin::new(">", TWO, 2, |r, b| holds(r, b, Comparison::Greater)),
    Plugin::new("in", &["value", "seq"], 2, |r, b| {
        holds(r, b, Comparison::In)
    }),
    Plugin::new("issubset", TWO, 2, |r, b| {
        subset(r, &b.value(), &b.object(1))
    }),
    Plugin::new("issuperset", TWO, 2, |r, b| {
        subset(r, &b.object(1), &b.value())
    }),
    Plugin::new("le", TWO, 2, |r, b| holds(r, b, Comparison::LessEqual)),
    Plugin::new("<=", TWO, 2, |r, b| holds(r, b, Comparison::LessEqual)),
    Plugin::new("lessthan", TWO, 2, |r, b| holds(r, b, Comparison::Less)),
    Plugin::new("lt", TWO, 2, |r, b| holds(r, b, Comparison::Less)),
    Plugin::new("<", TWO, 2, |r, b| holds(r, b, Comparison::Less)),
    Plugin::new("ne", TWO, 2, |r, b| holds(r, b, Comparison::NotEqual)),
    Plugin::new("!=", TWO, 2, |r, b| holds(r, b, Comparison::NotEqual)),
    Plugin::new("sameas", TWO, 2, same),
    Plugin::new("subset", TWO, 2, |r, b| subset(r, &b.value(), &b.object(1))),
    Plugin::new("superset", TWO, 2, |r, b| {
        subset(r, &b.object(1), &b.value())
    }),
];

fn holds(rendering: &Rendering, bound: &Bound, comparison: Comparison) -> Result<Object, Fault> {
    compare::holds(rendering, comparison, &bound.value(), &bound.object(1)).map(Object::Bool)
}

fn subset(rendering: &Rendering, small: &Object, large: &Object) -> Result<Object, Fault> {
    let keys = |object: &Object| {
        let items = rendering.present(object)?;
        items
            .iter()
            .map(Key::of)
            .collect::<Result<Vec<Key>, Fault>>()
    };
    let large = keys(large)?;
    Ok(Object::Bool(
        keys(small)?.iter().all(|key| large.contains(key)),
    ))
}

/// Tells whether two values are one: for what cannot change, whether they are equal and of one kind.
fn same(rendering: &Rendering, bound: &Bound) -> Result<Object, Fault> {
    let (own, other) = (bound.value(), bound.object(1));
    Ok(Object::Bool(match (&own, &other) {
        (Object::List(own), Object::List(other)) => own.is(other),
        (Object::Map(own), Object::Map(other)) => own.is(other),
        _ => own.kind() == other.kind() && compare::equal(rendering, &own, &other)?,
    }))
}
