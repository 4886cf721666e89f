//! `loop`: what a loop's body may ask about the loop.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;

use super::arguments::Arguments;
use super::failure::{ErrorKind, Failure, Fault, failed};
use super::frame::Frame;
use super::object::Object;
use super::rendering::Rendering;
use super::run::Output;
use super::special::{Special, callable};
use super::tree::For;

/// A running loop.
#[derive(Debug)]
pub(crate) struct Loop {
    pub(crate) items: Vec<Object>,
    /// The index of the item that is being worked on.
    pub(crate) at: Cell<usize>,
    depth: usize,
    changed: Rc<RefCell<Option<Vec<Object>>>>,
    /// The loop itself, if it is recursive.
    again: Option<(Arc<For>, Frame)>,
}

impl Loop {
    /// Makes the state of a loop over items.
    pub(crate) fn new(items: Vec<Object>, depth: usize, repeat: &Arc<For>, frame: &Frame) -> Self {
        Self {
            items,
            at: Cell::new(0),
            depth,
            changed: Rc::default(),
            again: repeat
                .recursive
                .then(|| (Arc::clone(repeat), frame.clone())),
        }
    }

    fn item(&self, index: Option<usize>, what: &str) -> Object {
        index
            .and_then(|index| self.items.get(index).cloned())
            .unwrap_or_else(|| {
                Failure::new(ErrorKind::Undefined, format!("there is no {what} item")).missing()
            })
    }
}

impl Special for Loop {
    fn kind(&self) -> &'static str {
        "the loop"
    }

    fn attribute(&self, _rendering: &Rendering, name: &str) -> Option<Object> {
        let at = self.at.get();
        let count = self.items.len();
        Some(match name {
            "index" => Object::count(at + 1),
            "index0" => Object::count(at),
            "revindex" => Object::count(count - at),
            "revindex0" => Object::count(count - at - 1),
            "first" => Object::Bool(at == 0),
            "last" => Object::Bool(at + 1 == count),
            "length" => Object::count(count),
            "depth" => Object::count(self.depth + 1),
            "depth0" => Object::count(self.depth),
            "previtem" => self.item(at.checked_sub(1), "previous"),
            "nextitem" => self.item(at.checked_add(1), "next"),
            "cycle" => callable("loop.cycle", move |_, arguments| {
                let values = arguments.positional;
                if values.is_empty() {
                    return Err(failed("`loop.cycle` needs values"));
                }
                Ok(values
                    .get(at % values.len())
                    .cloned()
                    .unwrap_or(Object::None))
            }),
            "changed" => {
                let last = Rc::clone(&self.changed);
                callable("loop.changed", move |rendering, arguments| {
                    let values = arguments.positional;
                    let before = last.replace(Some(values.clone()));
                    let Some(before) = before.filter(|old| old.len() == values.len()) else {
                        return Ok(Object::Bool(true));
                    };
                    for (old, new) in before.iter().zip(&values) {
                        if !super::compare::equal(rendering, old, new)? {
                            return Ok(Object::Bool(true));
                        }
                    }
                    Ok(Object::Bool(false))
                })
            }
            _ => return None,
        })
    }

    /// Runs a recursive loop's body over other items.
    fn call(&self, rendering: &Rendering, arguments: Arguments) -> Result<Object, Fault> {
        let Some((repeat, frame)) = &self.again else {
            return Err(failed("the loop is called, but is not `recursive`"));
        };
        let [over] = arguments.positional.as_slice() else {
            return Err(failed("`loop()` takes what to go through"));
        };
        let mut output = Output::default();
        rendering
            .deeper(|| rendering.go_through(frame, repeat, over, self.depth + 1, &mut output))?;
        output.value(rendering)
    }
}
