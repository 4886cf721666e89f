//! Lookups that put lists together; the `with_*` loops are made of them.

use std::rc::Rc;

use super::super::failure::{Fault, failed};
use super::super::key::Key;
use super::super::map::Map;
use super::super::object::{Object, Range};
use super::super::percent;
use super::super::python_number;
use super::super::random;
use super::super::rendering::Rendering;
use super::{Call, Lookup};

pub(super) const LOOKUPS: &[Lookup] = &[
    Lookup::new("cartesian", nested),
    Lookup::new("dict", dict),
    Lookup::new("flattened", |call| {
        let mut flat = Vec::new();
        for term in &call.terms {
            flatten(call.rendering, term, 0, &mut flat)?;
        }
        Ok(flat)
    }),
    Lookup::new("indexed_items", |call| {
        let items = level(call.rendering, &call.terms)?.into_iter();
        let indexed = items
            .enumerate()
            .map(|(index, item)| Object::Tuple(Rc::from([Object::count(index), item])));
        Ok(indexed.collect())
    }),
    Lookup::new("items", |call| level(call.rendering, &call.terms)),
    Lookup::new("list", |call| Ok(call.terms.clone())),
    Lookup::new("nested", nested),
    Lookup::new("random_choice", |call| {
        let count = call.terms.len();
        let chosen = call.terms.get(random::unseeded(count.max(1)));
        Ok(chosen.cloned().into_iter().collect())
    }),
    Lookup::new("sequence", sequence),
    Lookup::new("subelements", subelements),
    Lookup::new("together", together),
];

/// Opens lists by one level.
fn level(rendering: &Rendering, terms: &[Object]) -> Result<Vec<Object>, Fault> {
    let mut items = Vec::new();
    for term in terms {
        if term.is_list() {
            items.extend(rendering.present(term)?);
        } else {
            items.push(term.clone());
        }
    }
    Ok(items)
}

fn flatten(
    rendering: &Rendering,
    term: &Object,
    depth: usize,
    flat: &mut Vec<Object>,
) -> Result<(), Fault> {
    super::super::print::check_depth(depth)?;
    if term.is_list() {
        for item in rendering.present(term)? {
            flatten(rendering, &item, depth + 1, flat)?;
        }
    } else if !matches!(term, Object::None) {
        flat.push(term.clone());
    }
    Ok(())
}

fn dict(call: &Call<'_>) -> Result<Vec<Object>, Fault> {
    let mut items = Vec::new();
    for term in &call.terms {
        let Some(map) = term.as_map() else {
            return Err(failed(format!("needs maps, not {}", term.described())));
        };
        for (key, item) in call.rendering.entries(map)? {
            items.push(Object::Map(Map::new([
                (Key::text("key"), key.object()),
                (Key::text("value"), item),
            ])));
        }
    }
    Ok(items)
}

/// Returns the lists that the terms are.
fn columns(call: &Call<'_>) -> Result<Vec<Vec<Object>>, Fault> {
    if call.terms.is_empty() {
        return Err(failed("needs at least one list"));
    }
    let column = |term: &Object| {
        if term.is_list() {
            call.rendering.present(term)
        } else {
            Ok(vec![term.clone()])
        }
    };
    call.terms.iter().map(column).collect()
}

fn nested(call: &Call<'_>) -> Result<Vec<Object>, Fault> {
    let mut rows: Vec<Vec<Object>> = vec![Vec::new()];
    for column in columns(call)? {
        if rows.len().saturating_mul(column.len()) > 1_000_000 {
            return Err(failed("would make too many items"));
        }
        let add = |row: &Vec<Object>| {
            let with = |item: &Object| -> Result<Vec<Object>, Fault> {
                let mut row = row.clone();
                row.extend(level(call.rendering, std::slice::from_ref(item))?);
                Ok(row)
            };
            column.iter().map(with).collect::<Result<Vec<_>, Fault>>()
        };
        let added = rows.iter().map(add).collect::<Result<Vec<_>, Fault>>()?;
        rows = added.into_iter().flatten().collect();
    }
    Ok(rows.into_iter().map(Object::list).collect())
}

fn together(call: &Call<'_>) -> Result<Vec<Object>, Fault> {
    let columns = columns(call)?;
    let longest = columns.iter().map(Vec::len).max().unwrap_or(0);
    let mut rows = Vec::with_capacity(longest);
    for index in 0..longest {
        let row = columns.iter();
        let row = row.map(|column| column.get(index).cloned().unwrap_or(Object::None));
        rows.push(Object::list(level(
            call.rendering,
            &row.collect::<Vec<_>>(),
        )?));
    }
    Ok(rows)
}

/// Pairs each element, without the list inside it, with each item of that list.
fn subelements(call: &Call<'_>) -> Result<Vec<Object>, Fault> {
    let rendering = call.rendering;
    let (elements, way, flags) = match call.terms.as_slice() {
        [elements, Object::Text(way)] => (elements, way, None),
        [elements, Object::Text(way), Object::Map(flags)] => (elements, way, Some(flags)),
        _ => {
            return Err(failed(
                "needs a list, the name of a list in its elements, and maybe a map of flags",
            ));
        }
    };
    let skip = flags.and_then(|flags| flags.named(rendering, "skip_missing"));
    let skip = skip.map_or(Ok(false), |flag| flag.truth())?;
    let elements = rendering.elements(elements)?;
    let mut pairs = Vec::new();
    for element in elements {
        let Some(own) = element.as_map() else {
            return Err(failed(format!("needs maps, not {}", element.described())));
        };
        let shown = own.copy();
        let Some(list) = take(rendering, &shown, &way.split('.').collect::<Vec<_>>()) else {
            if skip {
                continue;
            }
            return Err(failed(format!("an element has no `{way}`")));
        };
        if !matches!(list, Object::List(_)) {
            return Err(failed(format!(
                "`{way}` must be a list, not {}",
                list.described()
            )));
        }
        for item in rendering.present(&list)? {
            pairs.push(Object::Tuple(Rc::from([Object::Map(shown.clone()), item])));
        }
    }
    Ok(pairs)
}

/// Takes a value out of a map, in which the maps on the way are replaced by copies.
fn take(rendering: &Rendering, map: &Map, way: &[&str]) -> Option<Object> {
    let (first, rest) = way.split_first()?;
    let key = Key::text(*first);
    if rest.is_empty() {
        return map.remove(rendering, &key);
    }
    let inner = map.get(rendering, &key)?.as_map()?.copy();
    let found = take(rendering, &inner, rest);
    map.insert(rendering, key, Object::Map(inner));
    found
}

/// What `sequence` counts.
#[derive(Debug, Default)]
struct Count {
    start: Option<i128>,
    end: Option<i128>,
    times: Option<i128>,
    stride: Option<i128>,
    format: Option<String>,
}

fn sequence(call: &Call<'_>) -> Result<Vec<Object>, Fault> {
    let mut terms = call.texts()?;
    if terms.is_empty() && !call.options.is_empty() {
        terms.push(String::new());
    }
    let mut numbers = Vec::new();
    for term in terms {
        let mut count = Count::default();
        for (name, value) in &call.options {
            count.set(name, &call.rendering.print(value)?)?;
        }
        if !count.short(&term) {
            for pair in term.split_whitespace() {
                let (name, value) = pair
                    .split_once('=')
                    .ok_or_else(|| failed(format!("`{pair}` is no part of a sequence")))?;
                count.set(name, value)?;
            }
        }
        numbers.extend(count.numbers(call.rendering)?);
    }
    Ok(numbers)
}

fn whole(text: &str) -> Option<i128> {
    let octal = text.len() > 1 && text.starts_with('0') && text.bytes().all(|b| b.is_ascii_digit());
    python_number::int(text, if octal { 8 } else { 0 })
}

impl Count {
    fn set(&mut self, name: &str, value: &str) -> Result<(), Fault> {
        let number = || {
            whole(value)
                .map(Some)
                .ok_or_else(|| failed(format!("`{name}` must be a whole number")))
        };
        match name {
            "start" => self.start = number()?,
            "end" => self.end = number()?,
            "count" => self.times = number()?,
            "stride" => self.stride = number()?,
            "format" => self.format = Some(value.trim_matches('"').to_owned()),
            _ => return Err(failed(format!("`{name}` is no part of a sequence"))),
        }
        Ok(())
    }

    /// Reads the short form, `[start-]end[/stride][:format]`.
    fn short(&mut self, term: &str) -> bool {
        let (numbers, format) = match term.split_once(':') {
            Some((numbers, format)) => (numbers, Some(format)),
            None => (term, None),
        };
        let (range, stride) = match numbers.split_once('/') {
            Some((range, stride)) => (range, Some(stride)),
            None => (numbers, None),
        };
        let (start, end) = match range.split_once('-') {
            Some((start, end)) => (Some(start), end),
            None => (None, range),
        };
        let all = [start, Some(end), stride];
        if term.contains('=') || all.iter().flatten().any(|part| whole(part).is_none()) {
            return false;
        }
        self.start = start.and_then(whole).or(self.start);
        self.end = whole(end);
        self.stride = stride.and_then(whole).or(self.stride);
        self.format = format.map(str::to_owned).or(self.format.take());
        true
    }

    fn numbers(&self, rendering: &Rendering) -> Result<Vec<Object>, Fault> {
        let start = self.start.unwrap_or(1);
        let mut stride = self.stride.unwrap_or(1);
        let end = match (self.end, self.times) {
            (Some(end), None) => end,
            (None, Some(0)) => return Ok(Vec::new()),
            (None, Some(count)) => start
                .checked_add(count.saturating_mul(stride).saturating_sub(1))
                .ok_or_else(|| failed("the sequence is too long"))?,
            _ => return Err(failed("needs either `end` or `count`")),
        };
        if stride == 0 {
            return Ok(Vec::new());
        }
        if (stride > 0 && end < start) || (stride < 0 && end > start) {
            return Err(failed("`stride` leads away from `end`"));
        }
        if self.stride.is_none() && end < start {
            stride = -1;
        }
        let range = Range {
            start,
            stop: if stride > 0 {
                end.saturating_add(1)
            } else {
                end.saturating_sub(1)
            },
            step: stride,
        };
        if range.count() > 1_000_000 {
            return Err(failed("the sequence is too long"));
        }
        let format = self.format.as_deref().unwrap_or("%d");
        (0..range.count())
            .filter_map(|index| range.get(index))
            .map(|number| {
                percent::format(rendering, format, &Object::Int(number)).map(Object::from)
            })
            .collect()
    }
}
