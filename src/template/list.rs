//! A list of a template: shared, changeable, and rendered item by item.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use serde_json::Value;

use super::object::Object;
use super::rendering::Rendering;
use super::written::{Step, Written};

/// An item or entry of a container.
#[derive(Debug, Clone)]
pub(crate) enum Slot {
    /// It is there.
    Ready(Object),
    /// It is still as it was written.
    Waiting(Written),
    /// It is a variable of a scope, not yet looked up.
    Variable(usize, Arc<str>),
}

impl Slot {
    /// Makes the slot of a value inside a variable.
    pub(crate) fn written(written: &Written, step: impl FnOnce() -> Step, value: &Value) -> Self {
        let plain = match value {
            Value::Null | Value::Bool(_) | Value::Number(_) => true,
            Value::String(text) => !written.templated() || !super::syntax::is_template(text),
            Value::Array(_) | Value::Object(_) => false,
        };
        if plain {
            Self::Ready(Object::scalar(value))
        } else {
            Self::Waiting(written.step(step()))
        }
    }

    /// Returns the value, rendered; it may be missing.
    pub(crate) fn object(self, rendering: &Rendering) -> Object {
        match self {
            Self::Ready(object) => object,
            Self::Waiting(written) => rendering.open(&written),
            Self::Variable(scope, name) => rendering.variable(scope, &name).unwrap_or(Object::None),
        }
    }
}

/// A list, shared by all who hold it.
#[derive(Debug, Clone)]
pub(crate) struct List(Rc<RefCell<Vec<Slot>>>);

impl List {
    /// Makes a list of values.
    pub(crate) fn new(items: Vec<Object>) -> Self {
        Self::of_slots(items.into_iter().map(Slot::Ready).collect())
    }

    /// Makes the list that stands in a variable.
    pub(crate) fn written(written: &Written, items: &[Value]) -> Self {
        let slots = items
            .iter()
            .enumerate()
            .map(|(index, value)| Slot::written(written, || Step::Index(index), value))
            .collect();
        Self::of_slots(slots)
    }

    fn of_slots(slots: Vec<Slot>) -> Self {
        Self(Rc::new(RefCell::new(slots)))
    }

    /// Counts the items.
    pub(crate) fn len(&self) -> usize {
        self.0.borrow().len()
    }

    /// Returns an item, rendered; it may be missing.
    pub(crate) fn get(&self, rendering: &Rendering, index: usize) -> Option<Object> {
        let slot = self.0.borrow().get(index).cloned()?;
        if let Slot::Ready(object) = slot {
            return Some(object);
        }
        let object = slot.object(rendering);
        if let Some(slot) = self.0.borrow_mut().get_mut(index) {
            *slot = Slot::Ready(object.clone());
        }
        Some(object)
    }

    /// Returns all items, rendered; some may be missing.
    pub(crate) fn items(&self, rendering: &Rendering) -> Vec<Object> {
        let count = self.len();
        let mut items = Vec::with_capacity(count);
        for index in 0..count {
            items.extend(self.get(rendering, index));
        }
        items
    }

    /// Returns a list with the same items, not yet rendered where they are not.
    pub(crate) fn copy(&self) -> Self {
        Self::of_slots(self.0.borrow().clone())
    }

    /// Returns the items `from..to`, not yet rendered where they are not, joined with those of another list.
    pub(crate) fn joined(&self, other: &Self) -> Self {
        let mut slots = self.0.borrow().clone();
        slots.extend(other.0.borrow().iter().cloned());
        Self::of_slots(slots)
    }

    /// Adds an item at the end.
    pub(crate) fn push(&self, item: Object) {
        self.0.borrow_mut().push(Slot::Ready(item));
    }

    /// Adds an item before position `index`.
    pub(crate) fn insert(&self, index: usize, item: Object) {
        let mut slots = self.0.borrow_mut();
        let index = index.min(slots.len());
        slots.insert(index, Slot::Ready(item));
    }

    /// Takes an item out.
    pub(crate) fn remove(&self, rendering: &Rendering, index: usize) -> Option<Object> {
        let item = self.get(rendering, index)?;
        let mut slots = self.0.borrow_mut();
        (index < slots.len()).then(|| slots.remove(index))?;
        Some(item)
    }

    /// Puts other items in place of all.
    pub(crate) fn replace(&self, items: Vec<Object>) {
        *self.0.borrow_mut() = items.into_iter().map(Slot::Ready).collect();
    }

    /// Tells whether both are one and the same list.
    pub(crate) fn is(&self, other: &Self) -> bool {
        Rc::ptr_eq(&self.0, &other.0)
    }
}
