//! Filters for maps.

use std::rc::Rc;

use super::super::access;
use super::super::arguments::Bound;
use super::super::compare;
use super::super::failure::{ErrorKind, Failure, Fault, failed};
use super::super::finish;
use super::super::key::Key;
use super::super::map::Map;
use super::super::object::Object;
use super::super::operate;
use super::super::plugin::Plugin;
use super::super::rendering::{Rendering, need};
use super::super::tree::Operator;

pub(super) const FILTERS: &[Plugin] = &[
    Plugin::new("combine", &["value"], 1, combine)
        .more()
        .any_name(),
    Plugin::new(
        "dict2items",
        &["value", "key_name", "value_name"],
        1,
        dict2items,
    ),
    Plugin::new(
        "dictsort",
        &["value", "case_sensitive", "by", "reverse"],
        1,
        dictsort,
    ),
    Plugin::new("extract", &["item", "container", "morekeys"], 2, extract).takes_missing(),
    Plugin::new("items", &["value"], 1, |r, b| {
        let pairs = r
            .entries(&own(b)?)?
            .into_iter()
            .map(|(key, item)| pair(&key, item));
        Ok(Object::list(pairs.collect()))
    }),
    Plugin::new(
        "items2dict",
        &["value", "key_name", "value_name"],
        1,
        items2dict,
    ),
    Plugin::new("json_query", &["value", "expr"], 2, json_query),
    Plugin::new("rekey_on_member", &["data", "key", "duplicates"], 2, rekey),
    Plugin::new(
        "subelements",
        &["obj", "subelements", "skip_missing"],
        2,
        |r, b| subelements(r, &b.value(), &b.object(1), b.flag(2, false)?),
    ),
];

fn pair(key: &Key, item: Object) -> Object {
    Object::Tuple(Rc::from([key.object(), item]))
}

fn own(bound: &Bound) -> Result<Map, Fault> {
    as_map(&bound.value())
}

fn as_map(value: &Object) -> Result<Map, Fault> {
    need(value)?;
    match value.as_map() {
        Some(map) => Ok(map.clone()),
        None => Err(failed(format!("needs a map, not {}", value.described()))),
    }
}

fn dict2items(rendering: &Rendering, bound: &Bound) -> Result<Object, Fault> {
    let key_name = bound.text(1)?.unwrap_or_else(|| "key".into());
    let value_name = bound.text(2)?.unwrap_or_else(|| "value".into());
    let item = |(key, item): (Key, Object)| {
        Object::Map(Map::new([
            (Key::Text(key_name.clone()), key.object()),
            (Key::Text(value_name.clone()), item),
        ]))
    };
    let entries = rendering.entries(&own(bound)?)?;
    Ok(Object::list(entries.into_iter().map(item).collect()))
}

fn items2dict(rendering: &Rendering, bound: &Bound) -> Result<Object, Fault> {
    let key_name = bound.text(1)?.unwrap_or_else(|| "key".into());
    let value_name = bound.text(2)?.unwrap_or_else(|| "value".into());
    let mut entries = Vec::new();
    for item in rendering.present(&bound.value())? {
        let map = as_map(&item)?;
        let get = |name: &str| {
            let found = map.named(rendering, name);
            found.ok_or_else(|| failed(format!("an item has no `{name}`")))
        };
        let key = Key::of(&get(&key_name)?)?;
        let value = get(&value_name)?;
        need(&value)?;
        entries.push((key, value));
    }
    Ok(Object::Map(Map::new(entries)))
}

fn dictsort(rendering: &Rendering, bound: &Bound) -> Result<Object, Fault> {
    let by = bound.text(2)?;
    let by_value = match by.as_deref().unwrap_or("key") {
        "key" => false,
        "value" => true,
        _ => return Err(failed("`by` must be key or value")),
    };
    let case_sensitive = bound.flag(1, false)?;
    let mut keyed = Vec::new();
    for (key, item) in rendering.entries(&own(bound)?)? {
        let by = if by_value { item.clone() } else { key.object() };
        keyed.push((by.folded(case_sensitive), pair(&key, item)));
    }
    compare::sort(rendering, keyed, bound.flag(3, false)?).map(Object::list)
}

/// How `combine` merges lists.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Lists {
    Replace,
    Keep,
    Append,
    Prepend,
    AppendNew,
    PrependNew,
}

fn combine(rendering: &Rendering, bound: &Bound) -> Result<Object, Fault> {
    let (mut recursive, mut lists) = (false, Lists::Replace);
    for (name, value) in &bound.named {
        match name.as_ref() {
            "recursive" => recursive = value.truth()?,
            "list_merge" => {
                lists = match rendering.print(value)?.as_str() {
                    "replace" => Lists::Replace,
                    "keep" => Lists::Keep,
                    "append" => Lists::Append,
                    "prepend" => Lists::Prepend,
                    "append_rp" => Lists::AppendNew,
                    "prepend_rp" => Lists::PrependNew,
                    _ => {
                        return Err(failed(
                            "`list_merge` must be replace, keep, append, prepend, append_rp or prepend_rp",
                        ));
                    }
                }
            }
            other => {
                let failure =
                    Failure::new(ErrorKind::Unknown, format!("takes no argument `{other}`"));
                return Err(failure
                    .hint("it takes `recursive` and `list_merge`")
                    .fault());
            }
        }
    }
    let mut maps = Vec::new();
    for term in std::iter::once(&bound.value()).chain(&bound.rest) {
        if term.is_list() {
            maps.extend(rendering.present(term)?);
        } else {
            maps.push(term.clone());
        }
    }
    let mut maps = maps.into_iter();
    let Some(first) = maps.next() else {
        return Ok(Object::Map(Map::new([])));
    };
    let mut merged = as_map(&first)?;
    for other in maps {
        merged = merge(rendering, &merged, &as_map(&other)?, recursive, lists, 0)?;
    }
    Ok(Object::Map(merged))
}

fn merge(
    rendering: &Rendering,
    low: &Map,
    high: &Map,
    recursive: bool,
    lists: Lists,
    depth: usize,
) -> Result<Map, Fault> {
    super::super::print::check_depth(depth)?;
    let merged = Map::new(rendering.entries(low)?);
    for (key, item) in rendering.entries(high)? {
        let before = merged.get(rendering, &key);
        let item = match (before, item) {
            (Some(Object::Map(before)), Object::Map(item)) if recursive => Object::Map(merge(
                rendering,
                &before,
                &item,
                recursive,
                lists,
                depth + 1,
            )?),
            (Some(before @ Object::List(_)), item @ Object::List(_)) => {
                merge_lists(rendering, &before, &item, lists)?
            }
            (_, item) => item,
        };
        merged.insert(rendering, key, item);
    }
    Ok(merged)
}

fn merge_lists(
    rendering: &Rendering,
    low: &Object,
    high: &Object,
    lists: Lists,
) -> Result<Object, Fault> {
    let join =
        |left: &Object, right: &Object| operate::operate(rendering, Operator::Add, left, right);
    let without = || -> Result<Object, Fault> {
        let mut kept = Vec::new();
        for item in rendering.present(low)? {
            if !compare::contains(rendering, high, &item)? {
                kept.push(item);
            }
        }
        Ok(Object::list(kept))
    };
    match lists {
        Lists::Replace => Ok(high.clone()),
        Lists::Keep => Ok(low.clone()),
        Lists::Append => join(low, high),
        Lists::Prepend => join(high, low),
        Lists::AppendNew => join(&without()?, high),
        Lists::PrependNew => join(high, &without()?),
    }
}

fn extract(rendering: &Rendering, bound: &Bound) -> Result<Object, Fault> {
    let mut keys = vec![bound.value()];
    match bound.get(2) {
        None => {}
        Some(more @ Object::List(_)) => keys.extend(rendering.present(more)?),
        Some(one) => keys.push(one.clone()),
    }
    let mut value = bound.object(1);
    for key in keys {
        if let Object::Missing(_) = value {
            return Ok(value);
        }
        need(&key)?;
        let Some(found) = access::item(rendering, &value, &key) else {
            let name = rendering.print(&key)?;
            let mut failure = Failure::new(ErrorKind::Undefined, "");
            failure.message = format!("there is no `{name}` to extract");
            return Ok(failure.missing());
        };
        value = found;
    }
    Ok(value)
}

fn json_query(rendering: &Rendering, bound: &Bound) -> Result<Object, Fault> {
    let query = bound.need_text(1)?;
    let expression = jmespath::compile(&query)
        .map_err(|error| failed(format!("the query cannot be read: {}", reason(&error))))?;
    let data = finish::object(rendering, &bound.value(), 0)?.unwrap_or_default();
    let found = expression
        .search(data)
        .map_err(|error| failed(format!("the query fails: {}", reason(&error))))?;
    let found =
        serde_json::to_value(&*found).map_err(|_| failed("the query's result is no plain data"))?;
    Ok(Object::data(&found))
}

/// Takes the first line of a reason, without the values that may follow.
fn reason(error: &jmespath::JmespathError) -> String {
    error
        .to_string()
        .lines()
        .next()
        .unwrap_or_default()
        .to_owned()
}

fn rekey(rendering: &Rendering, bound: &Bound) -> Result<Object, Fault> {
    let name = bound.need_text(1)?;
    let duplicates = bound.text(2)?;
    let overwrite = match duplicates.as_deref().unwrap_or("error") {
        "error" => false,
        "overwrite" => true,
        _ => return Err(failed("`duplicates` must be error or overwrite")),
    };
    let items = rendering.elements(&bound.value())?;
    let rekeyed = Map::new([]);
    for item in items {
        let found = as_map(&item)?.named(rendering, &name);
        let found = found.ok_or_else(|| failed(format!("an item has no `{name}`")))?;
        let key = Key::of(&found)?;
        if !overwrite && rekeyed.contains(&key) {
            return Err(failed(format!("two items have the same `{name}`")));
        }
        rekeyed.insert(rendering, key, item);
    }
    Ok(Object::Map(rekeyed))
}

/// Pairs each element with each item of a list inside it.
pub(crate) fn subelements(
    rendering: &Rendering,
    elements: &Object,
    way: &Object,
    skip_missing: bool,
) -> Result<Object, Fault> {
    let elements = rendering.elements(elements)?;
    let way: Vec<String> = if let Some(text) = way.as_text() {
        text.split('.').map(str::to_owned).collect()
    } else {
        let parts = rendering.present(way)?;
        let printed = parts.iter().map(|part| rendering.print(part));
        printed.collect::<Result<_, _>>()?
    };
    let mut pairs = Vec::new();
    for element in elements {
        let mut value = Some(element.clone());
        for part in &way {
            let Some(own) = value else { break };
            value = as_map(&own)?.named(rendering, part);
            if value.is_none() && !skip_missing {
                return Err(failed(format!("an item has no `{part}`")));
            }
        }
        let Some(list) = value else { continue };
        need(&list)?;
        if !matches!(list, Object::List(_)) {
            let part = way.last().map_or("", String::as_str);
            return Err(failed(format!(
                "`{part}` must be a list, not {}",
                list.described()
            )));
        }
        for item in rendering.present(&list)? {
            pairs.push(Object::Tuple(Rc::from([element.clone(), item])));
        }
    }
    Ok(Object::list(pairs))
}
