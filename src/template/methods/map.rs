//! The methods of maps.

use std::rc::Rc;
use std::sync::Arc;

use super::super::arguments::Bound;
use super::super::failure::{Fault, failed};
use super::super::functions;
use super::super::key::Key;
use super::super::map::Map;
use super::super::object::Object;
use super::super::plugin::Plugin;
use super::super::rendering::Rendering;

pub(super) const METHODS: &[Plugin] = &[
    Plugin::new("clear", &["map"], 1, clear),
    Plugin::new("copy", &["map"], 1, copy),
    Plugin::new("get", &["map", "key", "default"], 2, get),
    Plugin::new("items", &["map"], 1, items),
    Plugin::new("keys", &["map"], 1, keys),
    Plugin::new("pop", &["map", "key", "default"], 2, pop),
    Plugin::new("popitem", &["map"], 1, popitem),
    Plugin::new("setdefault", &["map", "key", "default"], 2, setdefault),
    Plugin::new("update", &["map", "other"], 1, update).any_name(),
    Plugin::new("values", &["map"], 1, values),
];

fn own(bound: &Bound) -> Result<Map, Fault> {
    let value = bound.value();
    let Object::Map(map) = value else {
        return Err(failed(format!("{} is no map", value.described())));
    };
    Ok(map)
}

fn key(bound: &Bound) -> Result<Key, Fault> {
    Key::of(&bound.object(1))
}

fn clear(_: &Rendering, bound: &Bound) -> Result<Object, Fault> {
    own(bound)?.clear();
    Ok(Object::None)
}

fn copy(_: &Rendering, bound: &Bound) -> Result<Object, Fault> {
    Ok(Object::Map(own(bound)?.copy()))
}

fn get(rendering: &Rendering, bound: &Bound) -> Result<Object, Fault> {
    let found = own(bound)?.get(rendering, &key(bound)?);
    Ok(found.unwrap_or_else(|| bound.object(2)))
}

/// Returns a pair.
fn pair(key: &Key, item: Object) -> Object {
    Object::Tuple(Rc::from([key.object(), item]))
}

fn items(rendering: &Rendering, bound: &Bound) -> Result<Object, Fault> {
    let entries = rendering.entries(&own(bound)?)?;
    let pairs = entries.into_iter().map(|(key, item)| pair(&key, item));
    Ok(Object::list(pairs.collect()))
}

fn keys(rendering: &Rendering, bound: &Bound) -> Result<Object, Fault> {
    let keys = own(bound)?.keys(rendering);
    Ok(Object::list(keys.iter().map(Key::object).collect()))
}

fn values(rendering: &Rendering, bound: &Bound) -> Result<Object, Fault> {
    let entries = rendering.entries(&own(bound)?)?;
    Ok(Object::list(
        entries.into_iter().map(|(_, item)| item).collect(),
    ))
}

fn pop(rendering: &Rendering, bound: &Bound) -> Result<Object, Fault> {
    let removed = own(bound)?.remove(rendering, &key(bound)?);
    removed
        .or_else(|| bound.raw(2).cloned())
        .ok_or_else(|| failed("the map has no such key"))
}

fn popitem(rendering: &Rendering, bound: &Bound) -> Result<Object, Fault> {
    let map = own(bound)?;
    let last = map.keys(rendering).pop();
    last.and_then(|key| {
        let item = map.remove(rendering, &key)?;
        Some(pair(&key, item))
    })
    .ok_or_else(|| failed("the map is empty"))
}

fn setdefault(rendering: &Rendering, bound: &Bound) -> Result<Object, Fault> {
    let (map, key) = (own(bound)?, key(bound)?);
    if let Some(found) = map.get(rendering, &key) {
        return Ok(found);
    }
    map.insert(rendering, key, bound.object(2));
    Ok(bound.object(2))
}

fn update(rendering: &Rendering, bound: &Bound) -> Result<Object, Fault> {
    let map = own(bound)?;
    if let Some(other) = bound.get(1) {
        for (key, item) in functions::entries_of(rendering, other)? {
            map.insert(rendering, key, item);
        }
    }
    for (name, item) in &bound.named {
        map.insert(rendering, Key::Text(Arc::clone(name)), item.clone());
    }
    Ok(Object::None)
}
