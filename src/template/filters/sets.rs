//! Filters that treat lists as sets. The order is that of the first appearance, which Python leaves open.

use std::collections::HashSet;

use super::super::arguments::Bound;
use super::super::attribute::Getter;
use super::super::compare;
use super::super::failure::Fault;
use super::super::key::Key;
use super::super::object::Object;
use super::super::plugin::Plugin;
use super::super::rendering::Rendering;

pub(super) const FILTERS: &[Plugin] = &[
    Plugin::new("difference", &["a", "b"], 2, |r, b| {
        let (left, right) = both(r, b)?;
        merged(r, &left, |item| Ok(!right.has(r, item)?))
    }),
    Plugin::new("intersect", &["a", "b"], 2, |r, b| {
        let (left, right) = both(r, b)?;
        merged(r, &left, |item| right.has(r, item))
    }),
    Plugin::new("symmetric_difference", &["a", "b"], 2, |r, b| {
        let (left, right) = both(r, b)?;
        let all = [left.items.as_slice(), right.items.as_slice()].concat();
        let all = Items::new(all);
        merged(
            r,
            &all,
            |item| Ok(left.has(r, item)? != right.has(r, item)?),
        )
    }),
    Plugin::new("union", &["a", "b"], 2, |r, b| {
        let (left, right) = both(r, b)?;
        let all = [left.items.as_slice(), right.items.as_slice()].concat();
        merged(r, &Items::new(all), |_| Ok(true))
    }),
    Plugin::new("unique", &["a", "case_sensitive", "attribute"], 1, unique),
];

/// Items, with their keys where all of them can be keys.
struct Items {
    items: Vec<Object>,
    keys: Option<HashSet<Key>>,
}

impl Items {
    fn new(items: Vec<Object>) -> Self {
        let keys = items
            .iter()
            .map(Key::of)
            .collect::<Result<HashSet<Key>, Fault>>();
        Self {
            items,
            keys: keys.ok(),
        }
    }

    fn has(&self, rendering: &Rendering, item: &Object) -> Result<bool, Fault> {
        if let (Some(keys), Ok(key)) = (&self.keys, Key::of(item)) {
            return Ok(keys.contains(&key));
        }
        for own in &self.items {
            if compare::equal(rendering, own, item)? {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

fn both(rendering: &Rendering, bound: &Bound) -> Result<(Items, Items), Fault> {
    let items = |index| -> Result<Items, Fault> {
        let items = rendering.present(&bound.object(index))?;
        Ok(Items::new(items))
    };
    Ok((items(0)?, items(1)?))
}

/// Returns the items for which a test holds, each once.
fn merged(
    rendering: &Rendering,
    items: &Items,
    wanted: impl Fn(&Object) -> Result<bool, Fault>,
) -> Result<Object, Fault> {
    let mut seen = Seen::default();
    let mut kept = Vec::new();
    for item in &items.items {
        if wanted(item)? && seen.is_new(rendering, item)? {
            kept.push(item.clone());
        }
    }
    Ok(Object::list(kept))
}

/// What was seen already: keys where possible, else values that are compared one by one.
#[derive(Default)]
struct Seen {
    keys: HashSet<Key>,
    others: Vec<Object>,
}

impl Seen {
    fn is_new(&mut self, rendering: &Rendering, item: &Object) -> Result<bool, Fault> {
        if let Ok(key) = Key::of(item) {
            return Ok(self.keys.insert(key));
        }
        for own in &self.others {
            if compare::equal(rendering, own, item)? {
                return Ok(false);
            }
        }
        self.others.push(item.clone());
        Ok(true)
    }
}

fn unique(rendering: &Rendering, bound: &Bound) -> Result<Object, Fault> {
    let getter = Getter::new(bound.get(2))?;
    let case_sensitive = bound.flag(1, false)?;
    let mut seen = Seen::default();
    let mut kept = Vec::new();
    for item in rendering.present(&bound.value())? {
        let key = getter.key(rendering, &item, case_sensitive)?;
        if seen.is_new(rendering, &key)? {
            kept.push(item);
        }
    }
    Ok(Object::list(kept))
}
