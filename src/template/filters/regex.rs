//! Filters for regular expressions, with Python's syntax.

use super::super::arguments::Bound;
use super::super::failure::{Fault, failed};
use super::super::object::Object;
use super::super::plugin::Plugin;
use super::super::python_re::{self, Flags, Found, Group, Pattern, Replacement};
use super::super::rendering::Rendering;

pub(super) const FILTERS: &[Plugin] = &[
    Plugin::new("regex_escape", &["string", "re_type"], 1, escape),
    Plugin::new(
        "regex_findall",
        &["value", "regex", "multiline", "ignorecase"],
        2,
        findall,
    ),
    Plugin::new(
        "regex_replace",
        &[
            "value",
            "pattern",
            "replacement",
            "ignorecase",
            "multiline",
            "count",
            "mandatory_count",
        ],
        1,
        replace,
    ),
    Plugin::new("regex_search", &["value", "regex"], 2, search)
        .more()
        .any_name(),
];

fn escape(rendering: &Rendering, bound: &Bound) -> Result<Object, Fault> {
    let text = bound.printed(rendering, 0)?;
    let kind = bound.text(1)?;
    match kind.as_deref().unwrap_or("python") {
        "python" => Ok(Object::from(python_re::escape(&text))),
        "posix_basic" => {
            let mut out = String::new();
            for c in text.chars() {
                if "].[^$*\\".contains(c) {
                    out.push('\\');
                }
                out.push(c);
            }
            Ok(Object::from(out))
        }
        _ => Err(failed("`re_type` must be python or posix_basic")),
    }
}

fn text_of(found: &Found<'_>, group: &Group) -> Object {
    group.of(found).map_or(Object::None, Object::from)
}

fn findall(rendering: &Rendering, bound: &Bound) -> Result<Object, Fault> {
    let text = bound.printed(rendering, 0)?;
    let flags = Flags {
        multiline: bound.flag(2, false)?,
        ignore_case: bound.flag(3, false)?,
    };
    let pattern = Pattern::new(&bound.printed(rendering, 1)?, flags)?;
    let groups = pattern.groups();
    let part = |found: &Found<'_>, number| {
        Object::from(Group::Number(number).of(found).unwrap_or_default())
    };
    let found = pattern.all(&text, usize::MAX)?;
    let items = found.iter().map(|found| match groups {
        0 | 1 => part(found, groups),
        _ => Object::Tuple((1..=groups).map(|number| part(found, number)).collect()),
    });
    Ok(Object::list(items.collect()))
}

fn replace(rendering: &Rendering, bound: &Bound) -> Result<Object, Fault> {
    let text = bound.printed(rendering, 0)?;
    let given = |index| match bound.get(index) {
        Some(value) => rendering.print(value),
        None => Ok(String::new()),
    };
    let flags = Flags {
        ignore_case: bound.flag(3, false)?,
        multiline: bound.flag(4, false)?,
    };
    let pattern = Pattern::new(&given(1)?, flags)?;
    let replacement = Replacement::new(&given(2)?, &pattern)?;
    let most = match bound.count(5, 0)? {
        0 => usize::MAX,
        most => most,
    };
    let matches = pattern.all(&text, most)?;
    let wanted = bound.count(6, 0)?;
    if wanted > 0 && wanted != matches.len() {
        return Err(failed(format!(
            "the pattern should match {wanted} times, but matches {} times",
            matches.len()
        )));
    }
    let mut out = String::with_capacity(text.len());
    let mut last = 0;
    for found in &matches {
        let Some(whole) = found.get(0) else { continue };
        out.push_str(text.get(last..whole.start()).unwrap_or_default());
        replacement.write(&mut out, found);
        last = whole.end();
    }
    out.push_str(text.get(last..).unwrap_or_default());
    Ok(Object::from(out))
}

fn search(rendering: &Rendering, bound: &Bound) -> Result<Object, Fault> {
    let mut flags = Flags::default();
    for (name, value) in &bound.named {
        match name.as_ref() {
            "ignorecase" => flags.ignore_case = value.truth()?,
            "multiline" => flags.multiline = value.truth()?,
            other => return Err(failed(format!("takes no argument `{other}`"))),
        }
    }
    let text = bound.printed(rendering, 0)?;
    let pattern = Pattern::new(&bound.printed(rendering, 1)?, flags)?;
    let mut groups = Vec::new();
    for group in &bound.rest {
        let group = Group::read(&rendering.print(group)?)
            .ok_or_else(|| failed(r"a group is asked for as '\1' or '\g<name>'"))?;
        group.check(&pattern)?;
        groups.push(group);
    }
    let Some(found) = pattern.search(&text)? else {
        return Ok(Object::None);
    };
    if groups.is_empty() {
        return Ok(text_of(&found, &Group::Number(0)));
    }
    let items = groups.iter().map(|group| text_of(&found, group));
    Ok(Object::list(items.collect()))
}
