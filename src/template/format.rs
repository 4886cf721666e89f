//! `'{} {name:>5}'.format(a, name=b)`: Python's new way to format a text.

use std::iter::Peekable;
use std::str::Chars;
use std::sync::Arc;

use super::access;
use super::failure::{Fault, failed};
use super::object::Object;
use super::rendering::{Rendering, need};
use super::spec::Spec;

/// Formats a text with values.
pub(crate) fn format(
    rendering: &Rendering,
    text: &str,
    positional: &[Object],
    named: &[(Arc<str>, Object)],
) -> Result<String, Fault> {
    let mut formatter = Formatter {
        rendering,
        positional,
        named,
        next: 0,
    };
    formatter.text(text, 0)
}

struct Formatter<'a> {
    rendering: &'a Rendering,
    positional: &'a [Object],
    named: &'a [(Arc<str>, Object)],
    next: usize,
}

impl Formatter<'_> {
    fn text(&mut self, text: &str, depth: usize) -> Result<String, Fault> {
        if depth > 2 {
            return Err(failed("the format is nested too deep"));
        }
        let mut out = String::with_capacity(text.len());
        let mut chars = text.chars().peekable();
        while let Some(c) = chars.next() {
            match c {
                '{' if chars.next_if_eq(&'{').is_some() => out.push('{'),
                '}' if chars.next_if_eq(&'}').is_some() => out.push('}'),
                '}' => return Err(failed("a single `}` in the format")),
                '{' => {
                    let field = field(&mut chars)?;
                    out.push_str(&self.field(&field, depth)?);
                }
                c => out.push(c),
            }
        }
        Ok(out)
    }

    fn field(&mut self, field: &str, depth: usize) -> Result<String, Fault> {
        let (name, spec) = match field.split_once(':') {
            Some((name, spec)) => (name, self.text(spec, depth + 1)?),
            None => (field, String::new()),
        };
        let (name, conversion) = match name.split_once('!') {
            Some((name, conversion)) => (name, Some(conversion)),
            None => (name, None),
        };
        let value = self.value(name)?;
        need(&value)?;
        match conversion {
            Some("r" | "a") => self.lay_out(&Object::from(self.rendering.repr(&value)?), &spec),
            Some("s") => self.lay_out(&Object::from(self.rendering.print(&value)?), &spec),
            Some(other) => Err(failed(format!("`!{other}` is no conversion of a format"))),
            None => self.lay_out(&value, &spec),
        }
    }

    /// Finds the value that a field names: `0`, `name`, `name.attribute[key]`.
    fn value(&mut self, name: &str) -> Result<Object, Fault> {
        let end = name.find(['.', '[']).unwrap_or(name.len());
        let (first, mut rest) = name.split_at(end);
        let found = if first.is_empty() {
            self.next += 1;
            self.positional.get(self.next - 1)
        } else if let Ok(index) = first.parse::<usize>() {
            self.positional.get(index)
        } else {
            let named = self.named.iter().find(|(own, _)| own.as_ref() == first);
            named.map(|(_, value)| value)
        };
        let lacks = || failed(format!("the format has no value for `{{{name}}}`"));
        let mut value = found.cloned().ok_or_else(lacks)?;
        while !rest.is_empty() {
            let (key, after) = if let Some(inner) = rest.strip_prefix('[') {
                inner.split_once(']').ok_or_else(lacks)?
            } else {
                let own = rest.strip_prefix('.').ok_or_else(lacks)?;
                own.split_at(own.find(['.', '[']).unwrap_or(own.len()))
            };
            let key = match key.parse::<i128>() {
                Ok(index) => Object::Int(index),
                Err(_) => Object::text(key),
            };
            value = access::item(self.rendering, &value, &key).ok_or_else(lacks)?;
            rest = after;
        }
        Ok(value)
    }

    fn lay_out(&self, value: &Object, spec: &str) -> Result<String, Fault> {
        if spec.is_empty() {
            return self.rendering.print(value);
        }
        let wrong = || failed(format!("`{spec}` is no format for {}", value.described()));
        let (spec, kind) = Spec::parse(spec).ok_or_else(wrong)?;
        match (value, kind) {
            (Object::Text(text), None | Some('s')) => Ok(spec.pad(&spec.cut(text), false)),
            (Object::Int(number), None | Some('d' | 'x' | 'X' | 'o' | 'b')) => {
                Ok(spec.whole(kind.unwrap_or('d'), *number))
            }
            (_, Some(kind @ ('e' | 'E' | 'f' | 'F' | 'g' | 'G' | '%'))) => {
                let number = value.as_float().ok_or_else(wrong)?;
                Ok(spec.float(kind, number))
            }
            (Object::Float(number), None) if spec.precision.is_some() => {
                Ok(spec.float('g', *number))
            }
            (Object::Float(_), None) => {
                let printed = self.rendering.print(value)?;
                Ok(spec.pad(&printed, true))
            }
            _ => Err(wrong()),
        }
    }
}

/// Reads up to the `}` that closes a field.
fn field(chars: &mut Peekable<Chars<'_>>) -> Result<String, Fault> {
    let mut field = String::new();
    let mut open = 1;
    for c in chars.by_ref() {
        match c {
            '{' => open += 1,
            '}' => open -= 1,
            _ => {}
        }
        if open == 0 {
            return Ok(field);
        }
        field.push(c);
    }
    Err(failed("a `{` in the format is not closed"))
}
