//! Values as text, as Python's `str()` and `repr()` write them.

use std::fmt::Write as _;
use std::rc::Rc;

use super::failure::{Fault, failed};
use super::map::Map;
use super::object::{Object, Range};
use super::rendering::Rendering;

/// How deep a value may be nested that is printed or handed on.
pub(crate) const DEEPEST: usize = 100;

/// Fails if a value is nested too deep; a list that holds itself is.
pub(crate) fn check_depth(depth: usize) -> Result<(), Fault> {
    if depth > DEEPEST {
        return Err(failed(format!(
            "the value is nested more than {DEEPEST} levels deep"
        )));
    }
    Ok(())
}

/// How a value is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum How {
    /// As `str()` does: a text without quotes.
    Str,
    /// As `repr()` does: a text in quotes.
    Repr,
}

/// What a value is written for.
#[derive(Debug, Clone, Copy)]
struct Writing {
    how: How,
    /// Whether tuples are written as lists, as in what a template makes.
    tuples_as_lists: bool,
    depth: usize,
}

impl Writing {
    const fn new(how: How) -> Self {
        Self {
            how,
            tuples_as_lists: false,
            depth: 0,
        }
    }

    const fn inner(self) -> Self {
        Self {
            how: How::Repr,
            depth: self.depth + 1,
            ..self
        }
    }
}

impl Rendering {
    /// Returns what `str()` gives; fails if a value in it is missing.
    pub(crate) fn print(&self, object: &Object) -> Result<String, Fault> {
        if let Object::Text(text) = object {
            return Ok(text.to_string());
        }
        let mut out = String::new();
        self.write(&mut out, object, Writing::new(How::Str))?;
        Ok(out)
    }

    /// Returns what `repr()` gives; fails if a value in it is missing.
    pub(crate) fn repr(&self, object: &Object) -> Result<String, Fault> {
        let mut out = String::new();
        self.write(&mut out, object, Writing::new(How::Repr))?;
        Ok(out)
    }

    /// Writes a value as a part of a text that a template makes: nothing for `None`, lists for tuples.
    pub(crate) fn write_output(&self, out: &mut String, object: &Object) -> Result<(), Fault> {
        if matches!(object, Object::None | Object::Omit) {
            return Ok(());
        }
        let mut writing = Writing::new(How::Str);
        writing.tuples_as_lists = true;
        self.write(out, object, writing)
    }

    fn write(&self, out: &mut String, object: &Object, writing: Writing) -> Result<(), Fault> {
        check_depth(writing.depth)?;
        match object {
            Object::Missing(fault) if fault.blank => {}
            Object::Missing(fault) => return Err(Rc::clone(fault)),
            Object::None => out.push_str("None"),
            Object::Bool(true) => out.push_str("True"),
            Object::Bool(false) => out.push_str("False"),
            Object::Int(number) => {
                let _ = write!(out, "{number}");
            }
            Object::Float(number) => out.push_str(&float(*number)),
            Object::Text(text) if writing.how == How::Repr => quote(out, text),
            Object::Text(text) => out.push_str(text),
            Object::List(list) => {
                out.push('[');
                self.write_items(out, &list.items(self), writing)?;
                out.push(']');
            }
            Object::Tuple(items) if writing.tuples_as_lists => {
                out.push('[');
                self.write_items(out, items, writing)?;
                out.push(']');
            }
            Object::Tuple(items) => {
                out.push('(');
                self.write_items(out, items, writing)?;
                out.push_str(if items.len() == 1 { ",)" } else { ")" });
            }
            Object::Map(map) => self.write_entries(out, map, writing)?,
            Object::Range(range) => write_range(out, *range),
            Object::Special(special) => match (special.print(), special.items()) {
                (Some(text), _) => out.push_str(&text),
                (None, Some(items)) => self.write(out, &Object::Tuple(items.into()), writing)?,
                (None, None) => {
                    return Err(failed(format!("{} cannot be printed", special.kind())));
                }
            },
            Object::Omit => return Err(failed("`omit` cannot be printed")),
        }
        Ok(())
    }

    fn write_entries(&self, out: &mut String, map: &Map, writing: Writing) -> Result<(), Fault> {
        out.push('{');
        let mut first = true;
        for (key, item) in map.items(self) {
            if matches!(item, Object::Omit) {
                continue;
            }
            if !std::mem::take(&mut first) {
                out.push_str(", ");
            }
            self.write(out, &key.object(), writing.inner())?;
            out.push_str(": ");
            self.write(out, &item, writing.inner())?;
        }
        out.push('}');
        Ok(())
    }

    fn write_items(
        &self,
        out: &mut String,
        items: &[Object],
        writing: Writing,
    ) -> Result<(), Fault> {
        let present = items.iter().filter(|item| !matches!(item, Object::Omit));
        for (index, item) in present.enumerate() {
            if index > 0 {
                out.push_str(", ");
            }
            self.write(out, item, writing.inner())?;
        }
        Ok(())
    }
}

fn write_range(out: &mut String, range: Range) {
    let _ = write!(out, "range({}, {}", range.start, range.stop);
    if range.step != 1 {
        let _ = write!(out, ", {}", range.step);
    }
    out.push(')');
}

/// Writes a text as Python does between quotes.
fn quote(out: &mut String, text: &str) {
    let quote = if text.contains('\'') && !text.contains('"') {
        '"'
    } else {
        '\''
    };
    out.push(quote);
    for c in text.chars() {
        match c {
            '\\' => out.push_str(r"\\"),
            '\n' => out.push_str(r"\n"),
            '\r' => out.push_str(r"\r"),
            '\t' => out.push_str(r"\t"),
            c if c == quote => {
                out.push('\\');
                out.push(c);
            }
            c if is_hidden(c) => {
                let number = u32::from(c);
                let _ = match number {
                    0..=0xff => write!(out, r"\x{number:02x}"),
                    0x100..=0xffff => write!(out, r"\u{number:04x}"),
                    _ => write!(out, r"\U{number:08x}"),
                };
            }
            c => out.push(c),
        }
    }
    out.push(quote);
}

/// Tells whether Python writes a character as an escape: control characters and white space other than a blank.
fn is_hidden(c: char) -> bool {
    c.is_control()
        || (c != ' ' && c.is_whitespace())
        || matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{e000}'..='\u{f8ff}')
}

/// Returns a float as Python writes it: the shortest text that gives it back.
pub(crate) fn float(number: f64) -> String {
    if number.is_nan() {
        return "nan".to_owned();
    }
    if number.is_infinite() {
        return if number > 0.0 { "inf" } else { "-inf" }.to_owned();
    }
    let scientific = format!("{number:e}");
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if (-4..16).contains(&exponent) {
        let plain = format!("{number}");
        if plain.contains('.') {
            plain
        } else {
            plain + ".0"
        }
    } else {
        let sign = if exponent < 0 { '-' } else { '+' };
        format!("{mantissa}e{sign}{:02}", exponent.abs())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_are_written_as_python_writes_them() {
        let cases = [
            (1.0, "1.0"),
            (0.1 + 0.2, "0.30000000000000004"),
            (1e15, "1000000000000000.0"),
            (1e16, "1e+16"),
            (1.5e-5, "1.5e-05"),
            (0.0001, "0.0001"),
            (-2.5, "-2.5"),
            (1e300, "1e+300"),
            (f64::INFINITY, "inf"),
            (-0.0, "-0.0"),
        ];
        for (number, expected) in cases {
            assert_eq!(float(number), expected);
        }
    }

    #[test]
    fn texts_are_quoted_as_python_quotes_them() {
        let cases = [
            ("a", "'a'"),
            ("it's", "\"it's\""),
            ("it's \"x\"", r#"'it\'s "x"'"#),
            ("a\nb\\", r"'a\nb\\'"),
            ("\x00\u{7f}\u{a0}é", r"'\x00\x7f\xa0é'"),
        ];
        for (text, expected) in cases {
            let mut out = String::new();
            quote(&mut out, text);
            assert_eq!(out, expected);
        }
    }
}
