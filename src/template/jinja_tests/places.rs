//! Tests of texts that name something: patterns, paths, addresses.

use super::super::PathKind;
use super::super::arguments::Bound;
use super::super::failure::{ErrorKind, Failure, Fault, failed};
use super::super::object::Object;
use super::super::plugin::Plugin;
use super::super::python_re::{Flags, Pattern};
use super::super::rendering::Rendering;

const PATTERN: &[&str] = &["value", "pattern", "ignorecase", "multiline"];
const PATH: &[&str] = &["path"];

pub(super) const TESTS: &[Plugin] = &[
    Plugin::new("abs", PATH, 1, |r, b| {
        Ok(Object::Bool(b.printed(r, 0)?.starts_with('/')))
    }),
    Plugin::new("directory", PATH, 1, |r, b| {
        path(r, b, |kind| kind == PathKind::Directory)
    }),
    Plugin::new("exists", PATH, 1, |r, b| path(r, b, |_| true)),
    Plugin::new("file", PATH, 1, |r, b| {
        path(r, b, |kind| kind == PathKind::File)
    }),
    Plugin::new("is_abs", PATH, 1, |r, b| {
        Ok(Object::Bool(b.printed(r, 0)?.starts_with('/')))
    }),
    Plugin::new("is_dir", PATH, 1, |r, b| {
        path(r, b, |kind| kind == PathKind::Directory)
    }),
    Plugin::new("is_file", PATH, 1, |r, b| {
        path(r, b, |kind| kind == PathKind::File)
    }),
    Plugin::new("match", PATTERN, 1, |r, b| matches(r, b, "match")),
    Plugin::new(
        "regex",
        &["value", "pattern", "ignorecase", "multiline", "match_type"],
        1,
        |r, b| {
            let kind = b.text(4)?;
            matches(r, b, kind.as_deref().unwrap_or("search"))
        },
    ),
    Plugin::new("search", PATTERN, 1, |r, b| matches(r, b, "search")),
    Plugin::new("uri", &["value", "schemes"], 1, |r, b| uri(r, b, false)),
    Plugin::new("url", &["value", "schemes"], 1, |r, b| uri(r, b, true)),
    Plugin::new("urn", &["value"], 1, |r, b| {
        Ok(Object::Bool(
            b.printed(r, 0)?.to_lowercase().starts_with("urn:"),
        ))
    }),
];

fn path(rendering: &Rendering, bound: &Bound, fits: fn(PathKind) -> bool) -> Result<Object, Fault> {
    let path = bound.printed(rendering, 0)?;
    match rendering.templater.outside().path_kind(&path) {
        Ok(kind) => Ok(Object::Bool(kind.is_some_and(fits))),
        Err(problem) => Err(Failure::new(ErrorKind::Lookup, problem).fault()),
    }
}

fn matches(rendering: &Rendering, bound: &Bound, kind: &str) -> Result<Object, Fault> {
    let text = bound.printed(rendering, 0)?;
    let flags = Flags {
        ignore_case: bound.flag(2, false)?,
        multiline: bound.flag(3, false)?,
    };
    let written = match bound.get(1) {
        Some(pattern) => rendering.print(pattern)?,
        None => String::new(),
    };
    Ok(Object::Bool(match kind {
        "search" => Pattern::new(&written, flags)?.search(&text)?.is_some(),
        "match" => Pattern::new(&format!("\\A(?:{written})"), flags)?
            .search(&text)?
            .is_some(),
        "fullmatch" => Pattern::new(&format!("\\A(?:{written})\\Z"), flags)?
            .search(&text)?
            .is_some(),
        other => {
            return Err(failed(format!(
                "`match_type` must be search, match or fullmatch, not `{other}`"
            )));
        }
    }))
}

fn uri(rendering: &Rendering, bound: &Bound, with_host: bool) -> Result<Object, Fault> {
    let text = bound.printed(rendering, 0)?;
    let (scheme, rest) = text.split_once(':').unwrap_or(("", &text));
    let scheme = scheme.to_lowercase();
    if let Some(schemes) = bound.get(1) {
        let mut known = false;
        for own in rendering.present(schemes)? {
            known |= rendering.print(&own)?.to_lowercase() == scheme;
        }
        if !known {
            return Ok(Object::Bool(false));
        }
    }
    let host = rest
        .strip_prefix("//")
        .is_some_and(|rest| !rest.is_empty() && !rest.starts_with('/'));
    Ok(Object::Bool(!with_host || host || scheme == "file"))
}
