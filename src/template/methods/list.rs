//! The methods of lists.

use super::super::access;
use super::super::arguments::Bound;
use super::super::compare;
use super::super::failure::{Fault, failed};
use super::super::list::List;
use super::super::object::Object;
use super::super::plugin::Plugin;
use super::super::rendering::Rendering;

pub(super) const METHODS: &[Plugin] = &[
    Plugin::new("append", &["list", "item"], 2, append),
    Plugin::new("clear", &["list"], 1, clear),
    Plugin::new("copy", &["list"], 1, copy),
    Plugin::new("count", &["list", "item"], 2, count),
    Plugin::new("extend", &["list", "items"], 2, extend),
    Plugin::new("index", &["list", "item", "start", "stop"], 2, index),
    Plugin::new("insert", &["list", "index", "item"], 3, insert),
    Plugin::new("pop", &["list", "index"], 1, pop),
    Plugin::new("remove", &["list", "item"], 2, remove),
    Plugin::new("reverse", &["list"], 1, reverse),
    Plugin::new("sort", &["list", "reverse"], 1, sort),
];

pub(super) const TUPLE_METHODS: &[Plugin] = &[
    Plugin::new("count", &["list", "item"], 2, count),
    Plugin::new("index", &["list", "item", "start", "stop"], 2, index),
];

fn own(bound: &Bound) -> Result<List, Fault> {
    let value = bound.value();
    let Object::List(list) = value else {
        return Err(failed(format!("{} is no list", value.described())));
    };
    Ok(list)
}

fn append(_: &Rendering, bound: &Bound) -> Result<Object, Fault> {
    own(bound)?.push(bound.object(1));
    Ok(Object::None)
}

fn clear(_: &Rendering, bound: &Bound) -> Result<Object, Fault> {
    own(bound)?.replace(Vec::new());
    Ok(Object::None)
}

fn copy(_: &Rendering, bound: &Bound) -> Result<Object, Fault> {
    Ok(Object::List(own(bound)?.copy()))
}

fn count(rendering: &Rendering, bound: &Bound) -> Result<Object, Fault> {
    let mut count = 0;
    for item in rendering.items(&bound.value())? {
        count += usize::from(compare::equal(rendering, &item, &bound.object(1))?);
    }
    Ok(Object::count(count))
}

fn extend(rendering: &Rendering, bound: &Bound) -> Result<Object, Fault> {
    let list = own(bound)?;
    for item in rendering.items(&bound.object(1))? {
        list.push(item);
    }
    Ok(Object::None)
}

fn index(rendering: &Rendering, bound: &Bound) -> Result<Object, Fault> {
    let items = rendering.items(&bound.value())?;
    let start = bound.count(2, 0)?;
    let stop = bound.count(3, items.len())?;
    for (at, item) in items.iter().enumerate().take(stop).skip(start) {
        if compare::equal(rendering, item, &bound.object(1))? {
            return Ok(Object::count(at));
        }
    }
    Err(failed("the item is not in the list"))
}

fn insert(_: &Rendering, bound: &Bound) -> Result<Object, Fault> {
    let list = own(bound)?;
    let index = bound.int(1, 0)?;
    let count = i128::try_from(list.len()).unwrap_or(i128::MAX);
    let index = if index < 0 {
        (index + count).max(0)
    } else {
        index
    };
    let index = usize::try_from(index).unwrap_or(usize::MAX);
    list.insert(index, bound.object(2));
    Ok(Object::None)
}

fn pop(rendering: &Rendering, bound: &Bound) -> Result<Object, Fault> {
    let list = own(bound)?;
    let index = Object::Int(bound.int(1, -1)?);
    access::position(&index, list.len())
        .and_then(|index| list.remove(rendering, index))
        .ok_or_else(|| failed("the list has no such item"))
}

fn remove(rendering: &Rendering, bound: &Bound) -> Result<Object, Fault> {
    let list = own(bound)?;
    for (at, item) in list.items(rendering).iter().enumerate() {
        if compare::equal(rendering, item, &bound.object(1))? {
            list.remove(rendering, at);
            return Ok(Object::None);
        }
    }
    Err(failed("the item is not in the list"))
}

fn reverse(rendering: &Rendering, bound: &Bound) -> Result<Object, Fault> {
    let list = own(bound)?;
    let mut items = list.items(rendering);
    items.reverse();
    list.replace(items);
    Ok(Object::None)
}

fn sort(rendering: &Rendering, bound: &Bound) -> Result<Object, Fault> {
    let list = own(bound)?;
    let items = list.items(rendering);
    let keyed = items.into_iter().map(|item| (item.clone(), item)).collect();
    list.replace(compare::sort(rendering, keyed, bound.flag(1, false)?)?);
    Ok(Object::None)
}
