//! The functions that every template can call: `range`, `dict`, `namespace`, `now`, `lookup` ...

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;

use super::arguments::{Arguments, Bound, Signature};
use super::failure::{ErrorKind, Failure, Fault, failed};
use super::frame::Layer;
use super::key::Key;
use super::lookups;
use super::map::Map;
use super::object::{Object, Range};
use super::rendering::Rendering;
use super::special::{Special, callable};
use super::times;

/// The names of the functions, for the check of names that nothing defines.
pub(crate) const NAMES: [&str; 12] = [
    "range",
    "dict",
    "cycler",
    "joiner",
    "namespace",
    "now",
    "undef",
    "omit",
    "lookup",
    "query",
    "q",
    "ansible_managed",
];

/// Returns what a name stands for that no variable has.
pub(crate) fn global(name: &str) -> Option<Object> {
    Some(match name {
        "range" => callable("range", range),
        "dict" => callable("dict", dict),
        "namespace" => callable("namespace", namespace),
        "cycler" => callable("cycler", cycler),
        "joiner" => callable("joiner", joiner),
        "now" => callable("now", now),
        "undef" => callable("undef", undef),
        "omit" => Object::Omit,
        "lookup" | "query" | "q" => lookups::function(name != "lookup"),
        "ansible_managed" => Object::text("Ansible managed"),
        _ => return None,
    })
}

fn bind(
    arguments: Arguments,
    parameters: &'static [&'static str],
    required: usize,
) -> Result<Bound, Fault> {
    arguments.bind(&Signature {
        parameters,
        required,
        more: false,
        any_name: false,
    })
}

fn range(_: &Rendering, arguments: Arguments) -> Result<Object, Fault> {
    let bound = bind(arguments, &["start", "stop", "step"], 1)?;
    let first = bound.int(0, 0)?;
    let (start, stop) = match bound.get(1) {
        Some(_) => (first, bound.int(1, 0)?),
        None => (0, first),
    };
    let step = bound.int(2, 1)?;
    if step == 0 {
        return Err(failed("the step of a range must not be 0"));
    }
    Ok(Object::Range(Range { start, stop, step }))
}

/// Returns the entries of a map, or of a list of pairs.
pub(crate) fn entries_of(
    rendering: &Rendering,
    source: &Object,
) -> Result<Vec<(Key, Object)>, Fault> {
    if let Some(map) = source.as_map() {
        return Ok(map.items(rendering));
    }
    let mut entries = Vec::new();
    for pair in rendering.present(source)? {
        let pair = rendering.items(&pair)?;
        let [key, item] = pair.as_slice() else {
            return Err(failed("a map is made of pairs"));
        };
        entries.push((Key::of(key)?, item.clone()));
    }
    Ok(entries)
}

fn dict(rendering: &Rendering, arguments: Arguments) -> Result<Object, Fault> {
    let mut entries = Vec::new();
    for source in &arguments.positional {
        entries.extend(entries_of(rendering, source)?);
    }
    let named = arguments.named.into_iter();
    entries.extend(named.map(|(name, value)| (Key::Text(name), value)));
    Ok(Object::Map(Map::new(entries)))
}

/// A namespace: names that an inner scope may set for an outer one.
#[derive(Debug)]
struct Namespace(Layer);

impl Special for Namespace {
    fn kind(&self) -> &'static str {
        "a namespace"
    }

    fn attribute(&self, _rendering: &Rendering, name: &str) -> Option<Object> {
        self.0.get(name)
    }

    fn set(&self, name: &Arc<str>, value: Object) -> bool {
        self.0.set(name, value);
        true
    }
}

fn namespace(rendering: &Rendering, arguments: Arguments) -> Result<Object, Fault> {
    let layer = Layer::default();
    for source in &arguments.positional {
        for (key, item) in entries_of(rendering, source)? {
            layer.set(&Arc::from(rendering.key_text(&key)?), item);
        }
    }
    for (name, value) in arguments.named {
        layer.set(&name, value);
    }
    Ok(Object::Special(Rc::new(Namespace(layer))))
}

/// `cycler('a', 'b')`: one value after the other, again and again.
#[derive(Debug)]
struct Cycler {
    values: Vec<Object>,
    at: Rc<Cell<usize>>,
}

impl Cycler {
    fn current(&self) -> Object {
        self.values
            .get(self.at.get())
            .cloned()
            .unwrap_or(Object::None)
    }
}

impl Special for Cycler {
    fn kind(&self) -> &'static str {
        "a cycler"
    }

    fn attribute(&self, _rendering: &Rendering, name: &str) -> Option<Object> {
        let at = Rc::clone(&self.at);
        Some(match name {
            "current" => self.current(),
            "next" => {
                let values = self.values.clone();
                callable("cycler.next", move |_, _| {
                    let index = at.get();
                    at.set((index + 1) % values.len().max(1));
                    Ok(values.get(index).cloned().unwrap_or(Object::None))
                })
            }
            "reset" => callable("cycler.reset", move |_, _| {
                at.set(0);
                Ok(Object::None)
            }),
            _ => return None,
        })
    }
}

fn cycler(_: &Rendering, arguments: Arguments) -> Result<Object, Fault> {
    if arguments.positional.is_empty() {
        return Err(failed("`cycler` needs values"));
    }
    Ok(Object::Special(Rc::new(Cycler {
        values: arguments.positional,
        at: Rc::default(),
    })))
}

fn joiner(rendering: &Rendering, arguments: Arguments) -> Result<Object, Fault> {
    let bound = bind(arguments, &["sep"], 0)?;
    let separator = match bound.get(0) {
        Some(separator) => rendering.print(separator)?,
        None => ", ".to_owned(),
    };
    let used = RefCell::new(false);
    Ok(callable("a joiner", move |_, _| {
        let first = !used.replace(true);
        Ok(Object::text(if first { "" } else { separator.as_str() }))
    }))
}

fn now(rendering: &Rendering, arguments: Arguments) -> Result<Object, Fault> {
    let bound = bind(arguments, &["utc", "fmt"], 0)?;
    let time = times::now(rendering, bound.flag(0, false)?);
    match bound.text(1)? {
        Some(format) => times::format(&time, &format).map(Object::from),
        None => Ok(times::object(time)),
    }
}

fn undef(_: &Rendering, arguments: Arguments) -> Result<Object, Fault> {
    let bound = bind(arguments, &["hint"], 0)?;
    let hint = bound.text(0)?;
    let message = hint
        .as_deref()
        .unwrap_or("a mandatory variable was not set");
    Ok(Failure::new(ErrorKind::Undefined, message).missing())
}
