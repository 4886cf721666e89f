//! From rendered values to plain data, for those who called: nothing that is missing passes here.

use std::rc::Rc;

use serde_json::{Map, Number, Value};

use super::failure::{Fault, failed};
use super::locate::{Origin, Place};
use super::object::Object;
use super::print::check_depth;
use super::rendering::Rendering;
use super::syntax::{self, Mode};
use super::templater::is_unsafe;
use crate::yaml::{Data, Node};

/// Makes a value plain data; `None` if it is `omit`.
pub(crate) fn object(
    rendering: &Rendering,
    object: &Object,
    depth: usize,
) -> Result<Option<Value>, Fault> {
    check_depth(depth)?;
    Ok(Some(match object {
        Object::Missing(fault) => return Err(Rc::clone(fault)),
        Object::Omit => return Ok(None),
        Object::None => Value::Null,
        Object::Bool(flag) => Value::Bool(*flag),
        Object::Int(whole) => Value::Number(number(*whole)?),
        Object::Float(float) => match Number::from_f64(*float) {
            Some(number) => Value::Number(number),
            None => return Err(failed("the number is not finite, and cannot be handed on")),
        },
        Object::Text(text) => Value::String(text.to_string()),
        Object::List(list) => items(rendering, &list.items(rendering), depth)?,
        Object::Tuple(own) => items(rendering, own, depth)?,
        Object::Map(map) => {
            let mut entries = Map::new();
            for (key, item) in map.items(rendering) {
                if let Some(item) = self::object(rendering, &item, depth + 1)? {
                    entries.insert(super::json::key(&key), item);
                }
            }
            Value::Object(entries)
        }
        Object::Range(_) => {
            return Err(failed(
                "a range cannot be handed on; make it a list with `| list`",
            ));
        }
        Object::Special(special) => match (special.print(), special.items()) {
            (Some(text), _) if special.order().is_some() => Value::String(text),
            (_, Some(own)) => items(rendering, &own, depth)?,
            _ => {
                return Err(failed(format!(
                    "{} is no value that can be handed on",
                    special.kind()
                )));
            }
        },
    }))
}

fn number(whole: i128) -> Result<Number, Fault> {
    Number::from_i128(whole).ok_or_else(|| failed("the number is too large to be handed on"))
}

fn items(rendering: &Rendering, own: &[Object], depth: usize) -> Result<Value, Fault> {
    let mut items = Vec::with_capacity(own.len());
    for item in own {
        items.extend(object(rendering, item, depth + 1)?);
    }
    Ok(Value::Array(items))
}

/// Renders every text of a value; `None` if the whole is `omit`.
pub(crate) fn value(
    rendering: &Rendering,
    value: &Value,
    place: &Rc<Place>,
) -> Result<Option<Value>, Fault> {
    Ok(Some(match value {
        Value::String(text) => return self::text(rendering, text, place),
        Value::Array(own) => {
            let mut items = Vec::with_capacity(own.len());
            for item in own {
                items.extend(self::value(rendering, item, place)?);
            }
            Value::Array(items)
        }
        Value::Object(own) => {
            let mut entries = Map::new();
            for (key, item) in own {
                if let Some(item) = self::value(rendering, item, place)? {
                    entries.insert(key.clone(), item);
                }
            }
            Value::Object(entries)
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
    }))
}

/// Renders every text of a node; `None` if the whole is `omit`.
pub(crate) fn node(rendering: &Rendering, node: &Node) -> Result<Option<Value>, Fault> {
    Ok(Some(match &node.data {
        Data::Str(text) if is_unsafe(node) => Value::String(text.clone()),
        Data::Str(text) => {
            let place = Rc::new(Place::from(Origin::Scalar(node)));
            return self::text(rendering, text, &place);
        }
        Data::Seq(own) => {
            let mut items = Vec::with_capacity(own.len());
            for item in own {
                items.extend(self::node(rendering, item)?);
            }
            Value::Array(items)
        }
        Data::Map(own) => {
            let mut entries = Map::new();
            for (key, item) in own {
                if let Some(item) = self::node(rendering, item)? {
                    entries.insert(key.name.clone(), item);
                }
            }
            Value::Object(entries)
        }
        Data::Null | Data::Bool(_) | Data::Int(_) | Data::Float(_) => node.to_value(),
    }))
}

fn text(rendering: &Rendering, text: &str, place: &Rc<Place>) -> Result<Option<Value>, Fault> {
    if !syntax::is_template(text) {
        return Ok((text != super::OMIT).then(|| Value::from(text)));
    }
    let rendered = rendering.render_text(text, Mode::Value, Rc::clone(place), 0)?;
    object(rendering, &rendered, 0)
        .map_err(|fault| super::failure::at(fault, || super::templater::whole_text(text, place)))
}
