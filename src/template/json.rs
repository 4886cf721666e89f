//! JSON as Python's `json.dumps` writes it.

use std::fmt::Write as _;
use std::rc::Rc;

use super::failure::{Fault, failed};
use super::key::Key;
use super::object::Object;
use super::print::{check_depth, float};
use super::rendering::Rendering;

/// How JSON is laid out.
#[derive(Debug, Clone)]
pub(crate) struct Layout {
    /// How many blanks each level is indented by; none for one line.
    pub(crate) indent: Option<String>,
    pub(crate) sort_keys: bool,
    /// Whether everything but ASCII is escaped.
    pub(crate) ascii: bool,
    pub(crate) item_separator: String,
    pub(crate) key_separator: String,
    /// Whether `<`, `>`, `&` and `'` are escaped, so that the text can stand in HTML.
    pub(crate) html: bool,
}

impl Default for Layout {
    fn default() -> Self {
        Self {
            indent: None,
            sort_keys: false,
            ascii: true,
            item_separator: ", ".to_owned(),
            key_separator: ": ".to_owned(),
            html: false,
        }
    }
}

/// Returns a key as the name of an entry.
pub(crate) fn key(key: &Key) -> String {
    match key {
        Key::None => "null".to_owned(),
        Key::Bool(flag) => flag.to_string(),
        Key::Int(number) => number.to_string(),
        Key::Float(number) => float(*number),
        Key::Text(text) => text.to_string(),
        Key::Tuple(items) => items.iter().map(self::key).collect::<Vec<_>>().join(","),
    }
}

/// Writes a value as JSON.
pub(crate) fn write(
    rendering: &Rendering,
    object: &Object,
    layout: &Layout,
) -> Result<String, Fault> {
    let mut writer = Writer {
        rendering,
        layout,
        out: String::new(),
    };
    writer.object(object, 0)?;
    Ok(writer.out)
}

struct Writer<'a> {
    rendering: &'a Rendering,
    layout: &'a Layout,
    out: String,
}

impl Writer<'_> {
    fn object(&mut self, object: &Object, depth: usize) -> Result<(), Fault> {
        check_depth(depth)?;
        match object {
            Object::Missing(fault) if fault.blank => self.text(""),
            Object::Missing(fault) => return Err(Rc::clone(fault)),
            Object::None => self.out.push_str("null"),
            Object::Bool(flag) => {
                let _ = write!(self.out, "{flag}");
            }
            Object::Int(number) => {
                let _ = write!(self.out, "{number}");
            }
            Object::Float(number) if number.is_nan() => self.out.push_str("NaN"),
            Object::Float(number) if number.is_infinite() => {
                let sign = if *number < 0.0 { "-" } else { "" };
                let _ = write!(self.out, "{sign}Infinity");
            }
            Object::Float(number) => self.out.push_str(&float(*number)),
            Object::Text(text) => self.text(text),
            Object::List(list) => self.items(&list.items(self.rendering), depth)?,
            Object::Tuple(items) => self.items(items, depth)?,
            Object::Map(map) => {
                let mut entries: Vec<(String, Object)> = map
                    .items(self.rendering)
                    .into_iter()
                    .filter(|(_, item)| !matches!(item, Object::Omit))
                    .map(|(key, item)| (self::key(&key), item))
                    .collect();
                if self.layout.sort_keys {
                    entries.sort_by(|(left, _), (right, _)| left.cmp(right));
                }
                self.entries(&entries, depth)?;
            }
            Object::Special(special) if special.order().is_some() => {
                let text = special.print().unwrap_or_default();
                self.text(&text);
            }
            Object::Range(_) => self.items(&self.rendering.items(object)?, depth)?,
            Object::Special(_) | Object::Omit => {
                if let Some(items) = object.as_special().and_then(|own| own.items()) {
                    return self.items(&items, depth);
                }
                let what = object.described();
                return Err(failed(format!("{what} cannot be written as JSON")));
            }
        }
        Ok(())
    }

    fn items(&mut self, items: &[Object], depth: usize) -> Result<(), Fault> {
        let present: Vec<&Object> = items
            .iter()
            .filter(|item| !matches!(item, Object::Omit))
            .collect();
        if present.is_empty() {
            self.out.push_str("[]");
            return Ok(());
        }
        self.out.push('[');
        for (index, item) in present.into_iter().enumerate() {
            self.separate(index, depth + 1);
            self.object(item, depth + 1)?;
        }
        self.close(depth, ']');
        Ok(())
    }

    fn entries(&mut self, entries: &[(String, Object)], depth: usize) -> Result<(), Fault> {
        if entries.is_empty() {
            self.out.push_str("{}");
            return Ok(());
        }
        self.out.push('{');
        for (index, (key, item)) in entries.iter().enumerate() {
            self.separate(index, depth + 1);
            self.text(key);
            self.out.push_str(&self.layout.key_separator);
            self.object(item, depth + 1)?;
        }
        self.close(depth, '}');
        Ok(())
    }

    fn separate(&mut self, index: usize, depth: usize) {
        if index > 0 {
            self.out.push_str(&self.layout.item_separator);
        }
        self.line(depth);
    }

    fn close(&mut self, depth: usize, bracket: char) {
        self.line(depth);
        self.out.push(bracket);
    }

    fn line(&mut self, depth: usize) {
        if let Some(indent) = &self.layout.indent {
            self.out.push('\n');
            self.out.push_str(&indent.repeat(depth));
        }
    }

    fn text(&mut self, text: &str) {
        self.out.push('"');
        for c in text.chars() {
            match c {
                '"' => self.out.push_str("\\\""),
                '\\' => self.out.push_str("\\\\"),
                '\n' => self.out.push_str("\\n"),
                '\r' => self.out.push_str("\\r"),
                '\t' => self.out.push_str("\\t"),
                '\x08' => self.out.push_str("\\b"),
                '\x0c' => self.out.push_str("\\f"),
                '<' | '>' | '&' | '\'' if self.layout.html => self.escape(c),
                c if c < ' ' || (self.layout.ascii && !(' '..='~').contains(&c)) => {
                    self.escape(c);
                }
                c => self.out.push(c),
            }
        }
        self.out.push('"');
    }

    fn escape(&mut self, c: char) {
        for unit in c.encode_utf16(&mut [0; 2]) {
            let _ = write!(self.out, "\\u{unit:04x}");
        }
    }
}
