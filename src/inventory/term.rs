//! A pattern cut into its parts, each with its place: `web:&eu:!web3` is three of them, `web[0:2]` one with a subscript.
//!
//! Knows no host. Called by the evaluation of patterns.

use std::sync::Arc;

use super::HostName;
use super::files::Files;
use super::load::small;
use super::range::is_one_host;
use crate::yaml::{Loc, Problem, Source};

/// One part of a pattern with its column in the whole, in characters from 0.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Term {
    pub(super) text: String,
    pub(super) at: Option<Loc>,
}

impl Term {
    pub(super) fn kind(&self) -> Option<char> {
        self.text.chars().next().filter(|c| matches!(c, '&' | '!'))
    }

    pub(super) fn name(&self) -> &str {
        self.text.strip_prefix(['&', '!']).unwrap_or(&self.text)
    }

    pub(super) fn problem(&self, message: String) -> Problem {
        let problem = match &self.at {
            Some(at) => Problem::at(at, message),
            None => Problem::nowhere(message),
        };
        problem.width(self.text.chars().count())
    }
}

/// Splits a pattern: at commas if it has any, else at colons unless it is one host with a port or a range.
pub(super) fn split(pattern: &str, at: Option<&Loc>) -> Vec<Term> {
    let by_comma = pattern.contains(',');
    let whole = !by_comma && is_one_host(pattern.trim());
    let mut terms = Vec::new();
    let (mut text, mut start, mut depth) = (String::new(), 0, 0_usize);
    let mut push = |text: &mut String, start: usize| {
        let spaces = text.chars().take_while(|c| c.is_whitespace()).count();
        let trimmed = text.trim();
        if !trimmed.is_empty() {
            let shift = |at: &Loc| {
                let column = at.column.saturating_add(small(start + spaces));
                Loc::new(&at.source, at.line, column)
            };
            terms.push(Term {
                text: trimmed.to_owned(),
                at: at.map(shift),
            });
        }
        text.clear();
    };
    for (column, c) in pattern.chars().enumerate() {
        depth = match c {
            '[' => depth + 1,
            ']' => depth.saturating_sub(1),
            _ => depth,
        };
        let splits = match c {
            ',' => by_comma,
            ':' => !by_comma && !whole && depth == 0,
            _ => false,
        };
        if splits {
            push(&mut text, start);
            start = column + 1;
        } else {
            text.push(c);
        }
    }
    push(&mut text, start);
    terms
}

/// Reads a file of patterns, one a line.
pub(super) fn read_lines(path: &str, files: &dyn Files) -> Result<Vec<Term>, String> {
    let bytes = files.read(path)?;
    let text = String::from_utf8(bytes).map_err(|_| "it is no UTF-8 text".to_owned())?;
    let source: Arc<Source> = Source::new(path, text);
    let lines = (1..).zip(source.text.lines());
    let term = |(number, line): (u32, &str)| {
        let text = line.trim();
        let indent = line.chars().take_while(|c| c.is_whitespace()).count();
        (!text.is_empty() && !text.starts_with('#')).then(|| Term {
            text: text.to_owned(),
            at: Some(Loc::new(&source, number, small(indent + 1))),
        })
    };
    Ok(lines.filter_map(term).collect())
}

/// `[1]`, `[-1]`, `[0:2]` or `[2:]` after a pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Subscript {
    One(i64),
    Range(usize, Option<usize>),
}

impl Subscript {
    /// Returns these hosts; none if there are none.
    pub(super) fn of(self, hosts: &[HostName]) -> Option<Vec<HostName>> {
        match self {
            Self::One(index) => {
                let place = if index < 0 {
                    let back = usize::try_from(index.unsigned_abs()).ok()?;
                    hosts.len().checked_sub(back)?
                } else {
                    usize::try_from(index).ok()?
                };
                hosts.get(place).map(|host| vec![host.clone()])
            }
            Self::Range(first, last) => {
                let end = last.map_or(hosts.len(), |last| (last + 1).min(hosts.len()));
                let found = hosts.get(first..end)?;
                (!found.is_empty()).then(|| found.to_vec())
            }
        }
    }
}

pub(super) fn split_subscript(name: &str) -> (&str, Option<Subscript>) {
    if name.starts_with('~') {
        return (name, None);
    }
    let parts = name
        .strip_suffix(']')
        .and_then(|name| name.rsplit_once('['));
    let Some((pattern, inner)) = parts.filter(|(pattern, _)| !pattern.is_empty()) else {
        return (name, None);
    };
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let subscript = match inner.split_once(':') {
        None => inner
            .parse()
            .ok()
            .filter(|_| is_number(inner.strip_prefix('-').unwrap_or(inner)))
            .map(Subscript::One),
        Some((first, "")) if is_number(first) => first
            .parse()
            .ok()
            .map(|first| Subscript::Range(first, None)),
        Some((first, last)) if is_number(first) && is_number(last) => {
            let bounds = first.parse().ok().zip(last.parse().ok());
            bounds.map(|(first, last)| Subscript::Range(first, Some(last)))
        }
        Some(_) => None,
    };
    match subscript {
        Some(subscript) => (pattern, Some(subscript)),
        None => (name, None),
    }
}
