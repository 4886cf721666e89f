//! The methods of text.

use std::rc::Rc;

use super::super::arguments::Bound;
use super::super::failure::{Fault, failed};
use super::super::format;
use super::super::object::Object;
use super::super::plugin::Plugin;
use super::super::python_text as python;
use super::super::rendering::Rendering;

pub(super) const METHODS: &[Plugin] = &[
    Plugin::new("capitalize", &["text"], 1, |_, b| {
        one(b, python::capitalize)
    }),
    Plugin::new("casefold", &["text"], 1, |_, b| one(b, str::to_lowercase)),
    Plugin::new("center", &["text", "width", "fill"], 2, |_, b| {
        beside(b, python::Side::Both)
    }),
    Plugin::new("count", &["text", "part"], 2, count),
    Plugin::new("endswith", &["text", "suffix"], 2, |r, b| {
        begins(r, b, |text, part| text.ends_with(part))
    }),
    Plugin::new("expandtabs", &["text", "size"], 1, expandtabs),
    Plugin::new("find", &["text", "part", "start", "stop"], 2, |_, b| {
        Ok(Object::Int(
            found(b, |text, part| text.find(part))?.unwrap_or(-1),
        ))
    }),
    Plugin::new("format", &["text"], 1, |r, b| {
        format::format(r, &b.need_text(0)?, &b.rest, &b.named).map(Object::from)
    })
    .more()
    .any_name(),
    Plugin::new("index", &["text", "part", "start", "stop"], 2, |_, b| {
        found(b, |text, part| text.find(part))?
            .map(Object::Int)
            .ok_or_else(absent)
    }),
    Plugin::new("isalnum", &["text"], 1, |_, b| {
        all(b, char::is_alphanumeric)
    }),
    Plugin::new("isalpha", &["text"], 1, |_, b| all(b, char::is_alphabetic)),
    Plugin::new("isascii", &["text"], 1, |_, b| {
        Ok(Object::Bool(b.need_text(0)?.is_ascii()))
    }),
    Plugin::new("isdecimal", &["text"], 1, |_, b| {
        all(b, |c| c.is_ascii_digit())
    }),
    Plugin::new("isdigit", &["text"], 1, |_, b| all(b, char::is_numeric)),
    Plugin::new("isidentifier", &["text"], 1, isidentifier),
    Plugin::new("islower", &["text"], 1, |_, b| {
        Ok(Object::Bool(python::is_lower(&b.need_text(0)?)))
    }),
    Plugin::new("isnumeric", &["text"], 1, |_, b| all(b, char::is_numeric)),
    Plugin::new("isspace", &["text"], 1, |_, b| all(b, char::is_whitespace)),
    Plugin::new("istitle", &["text"], 1, |_, b| {
        let text = b.need_text(0)?;
        let cased = text.chars().any(char::is_alphabetic);
        Ok(Object::Bool(cased && *text == python::title(&text)))
    }),
    Plugin::new("isupper", &["text"], 1, |_, b| {
        Ok(Object::Bool(python::is_upper(&b.need_text(0)?)))
    }),
    Plugin::new("join", &["text", "items"], 2, join),
    Plugin::new("ljust", &["text", "width", "fill"], 2, |_, b| {
        beside(b, python::Side::Right)
    }),
    Plugin::new("lower", &["text"], 1, |_, b| one(b, str::to_lowercase)),
    Plugin::new("lstrip", &["text", "chars"], 1, |_, b| {
        strip(b, python::Side::Left)
    }),
    Plugin::new("partition", &["text", "separator"], 2, |_, b| {
        let (text, separator) = (b.need_text(0)?, b.need_text(1)?);
        Ok(match text.split_once(separator.as_ref()) {
            Some((before, after)) => three(before, &separator, after),
            None => three(&text, "", ""),
        })
    }),
    Plugin::new("removeprefix", &["text", "prefix"], 2, |_, b| {
        let (text, prefix) = (b.need_text(0)?, b.need_text(1)?);
        Ok(Object::from(
            text.strip_prefix(prefix.as_ref()).unwrap_or(&text),
        ))
    }),
    Plugin::new("removesuffix", &["text", "suffix"], 2, |_, b| {
        let (text, suffix) = (b.need_text(0)?, b.need_text(1)?);
        Ok(Object::from(
            text.strip_suffix(suffix.as_ref()).unwrap_or(&text),
        ))
    }),
    Plugin::new("replace", &["text", "old", "new", "count"], 3, |_, b| {
        let count = python::limit(b.int(3, -1)?);
        let (text, old, new) = (b.need_text(0)?, b.need_text(1)?, b.need_text(2)?);
        Ok(Object::from(text.replacen(old.as_ref(), &new, count)))
    }),
    Plugin::new("rfind", &["text", "part", "start", "stop"], 2, |_, b| {
        Ok(Object::Int(
            found(b, |text, part| text.rfind(part))?.unwrap_or(-1),
        ))
    }),
    Plugin::new("rindex", &["text", "part", "start", "stop"], 2, |_, b| {
        found(b, |text, part| text.rfind(part))?
            .map(Object::Int)
            .ok_or_else(absent)
    }),
    Plugin::new("rjust", &["text", "width", "fill"], 2, |_, b| {
        beside(b, python::Side::Left)
    }),
    Plugin::new("rpartition", &["text", "separator"], 2, |_, b| {
        let (text, separator) = (b.need_text(0)?, b.need_text(1)?);
        Ok(match text.rsplit_once(separator.as_ref()) {
            Some((before, after)) => three(before, &separator, after),
            None => three("", "", &text),
        })
    }),
    Plugin::new("rsplit", &["text", "sep", "maxsplit"], 1, |_, b| {
        let (text, separator) = (b.need_text(0)?, b.text(1)?);
        Ok(texts(python::rsplit(
            &text,
            separator.as_deref(),
            b.int(2, -1)?,
        )?))
    }),
    Plugin::new("rstrip", &["text", "chars"], 1, |_, b| {
        strip(b, python::Side::Right)
    }),
    Plugin::new("split", &["text", "sep", "maxsplit"], 1, |_, b| {
        let (text, separator) = (b.need_text(0)?, b.text(1)?);
        Ok(texts(python::split(
            &text,
            separator.as_deref(),
            b.int(2, -1)?,
        )?))
    }),
    Plugin::new("splitlines", &["text", "keepends"], 1, |_, b| {
        Ok(texts(python::lines(&b.need_text(0)?, b.flag(1, false)?)))
    }),
    Plugin::new("startswith", &["text", "prefix"], 2, |r, b| {
        begins(r, b, |text, part| text.starts_with(part))
    }),
    Plugin::new("strip", &["text", "chars"], 1, |_, b| {
        strip(b, python::Side::Both)
    }),
    Plugin::new("swapcase", &["text"], 1, |_, b| one(b, python::swap_case)),
    Plugin::new("title", &["text"], 1, |_, b| one(b, python::title)),
    Plugin::new("upper", &["text"], 1, |_, b| one(b, str::to_uppercase)),
    Plugin::new("zfill", &["text", "width"], 2, zfill),
];

fn one(bound: &Bound, work: fn(&str) -> String) -> Result<Object, Fault> {
    Ok(Object::from(work(&bound.need_text(0)?)))
}

fn all(bound: &Bound, test: fn(char) -> bool) -> Result<Object, Fault> {
    let text = bound.need_text(0)?;
    Ok(Object::Bool(!text.is_empty() && text.chars().all(test)))
}

fn absent() -> Fault {
    failed("the text does not hold that part")
}

fn texts(parts: Vec<String>) -> Object {
    Object::list(parts.into_iter().map(Object::from).collect())
}

fn three(before: &str, separator: &str, after: &str) -> Object {
    Object::Tuple(Rc::from([before, separator, after].map(Object::from)))
}

fn count(_: &Rendering, bound: &Bound) -> Result<Object, Fault> {
    let (text, part) = (bound.need_text(0)?, bound.need_text(1)?);
    Ok(Object::count(text.matches(part.as_ref()).count()))
}

fn begins(
    rendering: &Rendering,
    bound: &Bound,
    test: for<'a, 'b> fn(&'a str, &'b str) -> bool,
) -> Result<Object, Fault> {
    let text = bound.need_text(0)?;
    if let Object::Tuple(parts) = bound.object(1) {
        let mut any = false;
        for part in parts.iter() {
            any |= test(&text, &rendering.print(part)?);
        }
        return Ok(Object::Bool(any));
    }
    Ok(Object::Bool(test(&text, &bound.need_text(1)?)))
}

fn found(
    bound: &Bound,
    search: for<'a, 'b> fn(&'a str, &'b str) -> Option<usize>,
) -> Result<Option<i128>, Fault> {
    let (text, part) = (bound.need_text(0)?, bound.need_text(1)?);
    let count = text.chars().count();
    let start = python::clamp(bound.int(2, 0)?, count);
    let stop = python::clamp(bound.int(3, i128::MAX)?, count);
    let piece: String = text
        .chars()
        .skip(start)
        .take(stop.saturating_sub(start))
        .collect();
    let at = search(&piece, &part).and_then(|at| piece.get(..at));
    let at = at.map(|before| before.chars().count() + start);
    Ok(at.and_then(|at| i128::try_from(at).ok()))
}

fn beside(bound: &Bound, side: python::Side) -> Result<Object, Fault> {
    let fill = bound.text(2)?;
    let mut fill = fill.as_deref().unwrap_or(" ").chars();
    let (Some(fill), None) = (fill.next(), fill.next()) else {
        return Err(failed("`fill` must be one character"));
    };
    let width = bound.count(1, 0)?;
    python::pad(&bound.need_text(0)?, width, fill, side).map(Object::from)
}

fn strip(bound: &Bound, side: python::Side) -> Result<Object, Fault> {
    let (text, chars) = (bound.need_text(0)?, bound.text(1)?);
    Ok(Object::from(python::strip(&text, chars.as_deref(), side)))
}

fn expandtabs(_: &Rendering, bound: &Bound) -> Result<Object, Fault> {
    let size = bound.count(1, 8)?.min(1000);
    let (mut out, mut column) = (String::new(), 0);
    for c in bound.need_text(0)?.chars() {
        match c {
            '\t' if size > 0 => {
                let blanks = size - column % size;
                out.push_str(&" ".repeat(blanks));
                column += blanks;
            }
            '\t' => {}
            '\n' | '\r' => {
                out.push(c);
                column = 0;
            }
            c => {
                out.push(c);
                column += 1;
            }
        }
    }
    Ok(Object::from(out))
}

fn isidentifier(_: &Rendering, bound: &Bound) -> Result<Object, Fault> {
    let text = bound.need_text(0)?;
    let mut chars = text.chars();
    let first = chars.next().is_some_and(|c| c == '_' || c.is_alphabetic());
    Ok(Object::Bool(
        first && chars.all(|c| c == '_' || c.is_alphanumeric()),
    ))
}

fn join(rendering: &Rendering, bound: &Bound) -> Result<Object, Fault> {
    let mut parts = Vec::new();
    for item in rendering.present(&bound.object(1))? {
        let Some(part) = item.as_text() else {
            return Err(failed(format!(
                "only texts can be joined this way, not {}; use the filter `join`",
                item.described()
            )));
        };
        parts.push(part.to_string());
    }
    Ok(Object::from(parts.join(&bound.need_text(0)?)))
}

fn zfill(_: &Rendering, bound: &Bound) -> Result<Object, Fault> {
    let text = bound.need_text(0)?;
    let width = bound.count(1, 0)?;
    let (sign, digits) = match text.strip_prefix(['-', '+']) {
        Some(digits) => text.split_at(text.len() - digits.len()),
        None => ("", text.as_ref()),
    };
    let width = width.saturating_sub(sign.len());
    let padded = python::pad(digits, width, '0', python::Side::Left)?;
    Ok(Object::from(format!("{sign}{padded}")))
}
