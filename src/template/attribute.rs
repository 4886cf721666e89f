//! `attribute='a.b.0'`: how filters look into the items of a list.

use std::rc::Rc;

use super::access;
use super::failure::{Failure, Fault, Near, failed};
use super::object::Object;
use super::rendering::{Rendering, need};

/// A way into an item; without parts it is the item itself.
#[derive(Debug)]
pub(crate) struct Getter {
    ways: Vec<Vec<Object>>,
    name: String,
    default: Option<Object>,
    several: bool,
}

impl Getter {
    /// Reads an attribute's way; `None` means the item itself.
    pub(crate) fn new(attribute: Option<&Object>) -> Result<Self, Fault> {
        Self::read(attribute, false)
    }

    /// Reads one or several attributes' ways, with commas between.
    pub(crate) fn several(attribute: Option<&Object>) -> Result<Self, Fault> {
        Self::read(attribute, true)
    }

    fn read(attribute: Option<&Object>, several: bool) -> Result<Self, Fault> {
        let mut name = String::new();
        let ways = match attribute {
            None | Some(Object::None) => vec![Vec::new()],
            Some(Object::Text(text)) => {
                name = text.to_string();
                let split = |way: &str| way.split('.').map(part).collect();
                if several {
                    text.split(',').map(split).collect()
                } else {
                    vec![split(text)]
                }
            }
            Some(Object::Int(index)) => vec![vec![Object::Int(*index)]],
            Some(other) => {
                need(other)?;
                return Err(failed(format!(
                    "`attribute` must be a name, not {}",
                    other.described()
                )));
            }
        };
        Ok(Self {
            ways,
            name,
            default: None,
            several,
        })
    }

    /// Sets what stands for an attribute that does not exist.
    pub(crate) fn with_default(mut self, default: Option<Object>) -> Self {
        self.default = default;
        self
    }

    /// Returns the attribute of an item; it may be missing.
    pub(crate) fn get(&self, rendering: &Rendering, item: &Object) -> Object {
        match self.ways.first() {
            Some(way) => self.follow(rendering, item, way),
            None => item.clone(),
        }
    }

    /// Returns what an item is sorted by; text is compared in lower case unless case matters.
    pub(crate) fn key(
        &self,
        rendering: &Rendering,
        item: &Object,
        case_sensitive: bool,
    ) -> Result<Object, Fault> {
        let mut keys = Vec::with_capacity(self.ways.len());
        for way in &self.ways {
            let key = self.follow(rendering, item, way);
            need(&key)?;
            keys.push(key.folded(case_sensitive));
        }
        match keys.pop() {
            Some(key) if keys.is_empty() || !self.several => Ok(key),
            last => {
                keys.extend(last);
                Ok(Object::list(keys))
            }
        }
    }

    fn follow(&self, rendering: &Rendering, item: &Object, way: &[Object]) -> Object {
        let mut value = item.clone();
        for part in way {
            if let Object::Missing(_) = value {
                return value;
            }
            value = match access::item(rendering, &value, part) {
                Some(found) => found,
                None => match &self.default {
                    Some(default) => default.clone(),
                    None => return self.lacking(&value),
                },
            };
            if let (Object::Missing(_), Some(default)) = (&value, &self.default) {
                value = default.clone();
            }
        }
        value
    }

    fn lacking(&self, value: &Object) -> Object {
        let near = Near::inside(value, &self.name.as_str().into());
        let mut failure = Failure::undefined(self.name.as_str(), near);
        failure.message = format!("an item has no attribute `{}`", self.name);
        Object::Missing(Rc::new(failure))
    }
}

fn part(part: &str) -> Object {
    match part.parse::<i128>() {
        Ok(index) if part.bytes().all(|b| b.is_ascii_digit()) => Object::Int(index),
        _ => Object::text(part),
    }
}
