//! Filters for lists.

use std::rc::Rc;

use super::super::access;
use super::super::arguments::Bound;
use super::super::attribute::Getter;
use super::super::compare;
use super::super::failure::{ErrorKind, Failure, Fault, failed};
use super::super::object::Object;
use super::super::operate;
use super::super::plugin::Plugin;
use super::super::rendering::Rendering;
use super::super::tree::Operator;

/// How many items a filter may make.
const MOST: usize = 1_000_000;

pub(super) const FILTERS: &[Plugin] = &[
    Plugin::new("batch", &["value", "linecount", "fill_with"], 2, batch),
    Plugin::new("combinations", &["value", "r"], 2, |r, b| {
        chosen(r, b, false)
    }),
    Plugin::new("count", &["value"], 1, length),
    Plugin::new("first", &["seq"], 1, |r, b| {
        let value = b.value();
        let first = if let Object::List(list) = &value {
            list.get(r, 0)
        } else {
            r.items(&value)?.into_iter().next()
        };
        Ok(first.unwrap_or_else(|| nothing("the list is empty: it has no first item")))
    }),
    Plugin::new("flatten", &["value", "levels", "skip_nulls"], 1, flatten),
    Plugin::new("join", &["value", "d", "attribute"], 1, join),
    Plugin::new("last", &["seq"], 1, |r, b| {
        let value = b.value();
        let last = if value.as_map().is_some() {
            r.items(&value)?.pop()
        } else {
            access::item(r, &value, &Object::Int(-1))
        };
        Ok(last.unwrap_or_else(|| nothing("the list is empty: it has no last item")))
    }),
    Plugin::new("length", &["value"], 1, length),
    Plugin::new("list", &["value"], 1, |r, b| {
        Ok(Object::list(r.present(&b.value())?))
    }),
    Plugin::new(
        "max",
        &["value", "case_sensitive", "attribute"],
        1,
        |r, b| extreme(r, b, true),
    ),
    Plugin::new(
        "min",
        &["value", "case_sensitive", "attribute"],
        1,
        |r, b| extreme(r, b, false),
    ),
    Plugin::new("permutations", &["value", "r"], 1, |r, b| {
        chosen(r, b, true)
    }),
    Plugin::new("product", &["value", "repeat"], 1, product).more(),
    Plugin::new("random", &["end", "start", "step", "seed"], 1, |r, b| {
        super::super::random::pick(r, b)
    }),
    Plugin::new("reverse", &["value"], 1, |r, b| {
        let value = b.value();
        if let Some(text) = value.as_text() {
            return Ok(Object::from(text.chars().rev().collect::<String>()));
        }
        let mut items = r.present(&value)?;
        items.reverse();
        Ok(Object::list(items))
    }),
    Plugin::new("shuffle", &["mylist", "seed"], 1, |r, b| {
        super::super::random::shuffle(r, b)
    }),
    Plugin::new("slice", &["value", "slices", "fill_with"], 2, slice),
    Plugin::new(
        "sort",
        &["value", "reverse", "case_sensitive", "attribute"],
        1,
        sort,
    ),
    Plugin::new("sum", &["iterable", "attribute", "start"], 1, sum),
    Plugin::new("zip", &["value"], 1, |r, b| zip(r, b, None)).more(),
    Plugin::new("zip_longest", &["value"], 1, |r, b| {
        let own = b
            .named
            .iter()
            .find(|(name, _)| name.as_ref() == "fillvalue");
        zip(r, b, Some(own.map_or(&Object::None, |(_, value)| value)))
    })
    .more()
    .any_name(),
];

fn nothing(message: &str) -> Object {
    Failure::new(ErrorKind::Undefined, message).missing()
}

fn length(_: &Rendering, bound: &Bound) -> Result<Object, Fault> {
    let value = bound.value();
    let count = match &value {
        Object::Text(text) => text.chars().count(),
        Object::List(list) => list.len(),
        Object::Tuple(items) => items.len(),
        Object::Map(map) => map.len(),
        Object::Range(range) => range.count(),
        Object::Missing(fault) => return Err(Rc::clone(fault)),
        Object::None
        | Object::Bool(_)
        | Object::Int(_)
        | Object::Float(_)
        | Object::Special(_)
        | Object::Omit => {
            return Err(failed(format!("{} has no length", value.described())));
        }
    };
    Ok(Object::count(count))
}

fn join(rendering: &Rendering, bound: &Bound) -> Result<Object, Fault> {
    let separator = match bound.get(1) {
        Some(separator) => rendering.print(separator)?,
        None => String::new(),
    };
    let getter = Getter::new(bound.get(2))?;
    let mut out = String::new();
    for (index, item) in rendering.present(&bound.value())?.iter().enumerate() {
        if index > 0 {
            out.push_str(&separator);
        }
        out.push_str(&rendering.print(&getter.get(rendering, item))?);
    }
    Ok(Object::from(out))
}

fn batch(rendering: &Rendering, bound: &Bound) -> Result<Object, Fault> {
    let size = bound.count(1, 1)?.max(1);
    let items = rendering.present(&bound.value())?;
    let mut batches = Vec::new();
    for batch in items.chunks(size) {
        let mut batch = batch.to_vec();
        if let Some(fill) = bound.get(2) {
            batch.resize(size.min(MOST), fill.clone());
        }
        batches.push(Object::list(batch));
    }
    Ok(Object::list(batches))
}

fn slice(rendering: &Rendering, bound: &Bound) -> Result<Object, Fault> {
    let count = bound.count(1, 1)?;
    if count == 0 || count > MOST {
        return Err(failed("`slices` must be a number above 0"));
    }
    let items = rendering.present(&bound.value())?;
    let (size, longer) = (items.len() / count, items.len() % count);
    let mut rest = items.as_slice();
    let mut slices = Vec::with_capacity(count);
    for index in 0..count {
        let own = size + usize::from(index < longer);
        let (slice, after) = rest.split_at_checked(own).unwrap_or((rest, &[]));
        rest = after;
        let mut slice = slice.to_vec();
        if index >= longer {
            slice.extend(bound.get(2).cloned());
        }
        slices.push(Object::list(slice));
    }
    Ok(Object::list(slices))
}

fn keyed(
    rendering: &Rendering,
    items: Vec<Object>,
    getter: &Getter,
    case_sensitive: bool,
) -> Result<Vec<(Object, Object)>, Fault> {
    let mut keyed = Vec::with_capacity(items.len());
    for item in items {
        let key = getter.key(rendering, &item, case_sensitive)?;
        keyed.push((key, item));
    }
    Ok(keyed)
}

fn sort(rendering: &Rendering, bound: &Bound) -> Result<Object, Fault> {
    let getter = Getter::several(bound.get(3))?;
    let items = rendering.present(&bound.value())?;
    let keyed = keyed(rendering, items, &getter, bound.flag(2, false)?)?;
    compare::sort(rendering, keyed, bound.flag(1, false)?).map(Object::list)
}

fn extreme(rendering: &Rendering, bound: &Bound, largest: bool) -> Result<Object, Fault> {
    let getter = Getter::new(bound.get(2))?;
    let items = rendering.present(&bound.value())?;
    let keyed = keyed(rendering, items, &getter, bound.flag(1, false)?)?;
    let mut best: Option<(Object, Object)> = None;
    for (key, item) in keyed {
        let better =
            match &best {
                None => true,
                Some((top, _)) if largest => compare::order(rendering, ">", &key, top)?
                    .is_some_and(std::cmp::Ordering::is_gt),
                Some((top, _)) => compare::order(rendering, "<", &key, top)?
                    .is_some_and(std::cmp::Ordering::is_lt),
            };
        if better {
            best = Some((key, item));
        }
    }
    Ok(best.map_or_else(|| nothing("the list is empty"), |(_, item)| item))
}

fn sum(rendering: &Rendering, bound: &Bound) -> Result<Object, Fault> {
    let getter = Getter::new(bound.get(1))?;
    let mut total = bound.raw(2).cloned().unwrap_or(Object::Int(0));
    for item in rendering.present(&bound.value())? {
        let item = getter.get(rendering, &item);
        total = operate::operate(rendering, Operator::Add, &total, &item)?;
    }
    Ok(total)
}

fn flatten(rendering: &Rendering, bound: &Bound) -> Result<Object, Fault> {
    let levels = bound.get(1).map(|_| bound.count(1, 0)).transpose()?;
    let skip = bound.flag(2, true)?;
    let mut flat = Vec::new();
    level(rendering, &bound.value(), levels, skip, 0, &mut flat)?;
    Ok(Object::list(flat))
}

fn level(
    rendering: &Rendering,
    value: &Object,
    levels: Option<usize>,
    skip: bool,
    depth: usize,
    flat: &mut Vec<Object>,
) -> Result<(), Fault> {
    super::super::print::check_depth(depth)?;
    for item in rendering.present(value)? {
        let word = item.as_text().map(AsRef::as_ref);
        let null = matches!(item, Object::None) || matches!(word, Some("None" | "null"));
        if item.is_list() && levels != Some(0) {
            let below = levels.map(|levels| levels - 1);
            level(rendering, &item, below, skip, depth + 1, flat)?;
        } else if !(null && skip) {
            flat.push(item);
        }
    }
    Ok(())
}

fn zip(rendering: &Rendering, bound: &Bound, fill: Option<&Object>) -> Result<Object, Fault> {
    let mut columns = vec![rendering.present(&bound.value())?];
    for other in &bound.rest {
        columns.push(rendering.present(other)?);
    }
    let lengths = columns.iter().map(Vec::len);
    let count = if fill.is_some() {
        lengths.max()
    } else {
        lengths.min()
    };
    let mut rows = Vec::new();
    for index in 0..count.unwrap_or(0) {
        let row = columns.iter().map(|column| {
            let item = column.get(index).or(fill);
            item.cloned().unwrap_or(Object::None)
        });
        rows.push(Object::Tuple(row.collect()));
    }
    Ok(Object::list(rows))
}

fn product(rendering: &Rendering, bound: &Bound) -> Result<Object, Fault> {
    // `repeat` has a name only: what is given without one is a further list.
    let mut columns = vec![rendering.present(&bound.value())?];
    let mut repeat = 1;
    match bound.get(1) {
        Some(Object::Int(_)) => repeat = bound.count(1, 1)?,
        Some(other) => columns.push(rendering.present(other)?),
        None => {}
    }
    for other in &bound.rest {
        columns.push(rendering.present(other)?);
    }
    let columns: Vec<Vec<Object>> = columns
        .iter()
        .cycle()
        .take(columns.len().saturating_mul(repeat.min(MOST)))
        .cloned()
        .collect();
    let mut rows: Vec<Vec<Object>> = vec![Vec::new()];
    for column in &columns {
        if rows.len().saturating_mul(column.len()) > MOST {
            return Err(failed("would make too many items"));
        }
        rows = rows
            .iter()
            .flat_map(|row| {
                column.iter().map(|item| {
                    let mut row = row.clone();
                    row.push(item.clone());
                    row
                })
            })
            .collect();
    }
    let tuples = rows.into_iter().map(|row| Object::Tuple(row.into()));
    Ok(Object::list(tuples.collect()))
}

fn chosen(rendering: &Rendering, bound: &Bound, ordered: bool) -> Result<Object, Fault> {
    let items = rendering.present(&bound.value())?;
    let size = bound.count(1, items.len())?;
    let mut rows = Vec::new();
    let mut picked = Vec::new();
    choose(items.len(), size, ordered, &mut picked, &mut rows)?;
    let tuples = rows.into_iter().map(|row| {
        let own = row
            .into_iter()
            .filter_map(|index| items.get(index).cloned());
        Object::Tuple(own.collect())
    });
    Ok(Object::list(tuples.collect()))
}

fn choose(
    count: usize,
    size: usize,
    ordered: bool,
    picked: &mut Vec<usize>,
    rows: &mut Vec<Vec<usize>>,
) -> Result<(), Fault> {
    if picked.len() == size {
        rows.push(picked.clone());
        return if rows.len() > MOST {
            Err(failed("would make too many items"))
        } else {
            Ok(())
        };
    }
    if size > count {
        return Ok(());
    }
    let first = match picked.last() {
        Some(last) if !ordered => last + 1,
        _ => 0,
    };
    for index in first..count {
        if !picked.contains(&index) {
            picked.push(index);
            choose(count, size, ordered, picked, rows)?;
            picked.pop();
        }
    }
    Ok(())
}
