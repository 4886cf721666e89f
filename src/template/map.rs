//! A map of a template: shared, changeable, in the order of arrival, and rendered entry by entry.
//!
//! A map that stands in a variable is not copied: an entry is taken out when somebody looks at it. The maps of other
//! hosts' variables (`hostvars`) are read the same way, host by host and variable by variable.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use indexmap::IndexMap;
use serde_json::Value;

use super::key::Key;
use super::list::Slot;
use super::object::Object;
use super::rendering::Rendering;
use super::written::{Step, Written};
use super::{Scopes, Variables};

/// Where the entries of a map are that nobody has looked at yet.
#[derive(Debug, Clone)]
enum Source {
    /// There are none.
    Nowhere,
    /// In a variable.
    Variable(Written),
    /// In the variables of many hosts: one map a host.
    Hosts(Arc<dyn Scopes>),
    /// In the variables of one scope, which has this number.
    Scope(usize, Arc<dyn Variables>),
}

#[derive(Debug)]
struct Inner {
    source: Source,
    entries: IndexMap<Key, Slot>,
}

/// A map, shared by all who hold it.
#[derive(Debug, Clone)]
pub(crate) struct Map(Rc<RefCell<Inner>>);

impl Map {
    /// Makes a map of entries; a later one with the same key wins.
    pub(crate) fn new(entries: impl IntoIterator<Item = (Key, Object)>) -> Self {
        let entries = entries
            .into_iter()
            .map(|(key, item)| (key, Slot::Ready(item)))
            .collect();
        Self::with(Source::Nowhere, entries)
    }

    /// Makes the map that stands in a variable.
    pub(crate) fn written(written: Written) -> Self {
        Self::with(Source::Variable(written), IndexMap::new())
    }

    /// Makes the map from the names of hosts to their variables.
    pub(crate) fn hosts(hosts: Arc<dyn Scopes>) -> Self {
        Self::with(Source::Hosts(hosts), IndexMap::new())
    }

    fn with(source: Source, entries: IndexMap<Key, Slot>) -> Self {
        Self(Rc::new(RefCell::new(Inner { source, entries })))
    }

    /// Returns an entry, rendered; it may be missing.
    pub(crate) fn get(&self, rendering: &Rendering, key: &Key) -> Option<Object> {
        let known = self.0.borrow().entries.get(key).cloned();
        let slot = match known {
            Some(Slot::Ready(object)) => return Some(object),
            Some(slot) => slot,
            None => {
                let source = self.0.borrow().source.clone();
                source.slot(rendering, key.as_text()?)?
            }
        };
        let object = slot.object(rendering);
        let slot = Slot::Ready(object.clone());
        self.0.borrow_mut().entries.insert(key.clone(), slot);
        Some(object)
    }

    /// Returns an entry by its name.
    pub(crate) fn named(&self, rendering: &Rendering, name: &str) -> Option<Object> {
        self.get(rendering, &Key::text(name))
    }

    /// Tells whether there is an entry.
    pub(crate) fn contains(&self, key: &Key) -> bool {
        let inner = self.0.borrow();
        inner.entries.contains_key(key)
            || key
                .as_text()
                .is_some_and(|name| inner.source.contains(name))
    }

    /// Returns the keys in order.
    pub(crate) fn keys(&self, rendering: &Rendering) -> Vec<Key> {
        self.open(rendering);
        self.0.borrow().entries.keys().cloned().collect()
    }

    /// Returns the keys that are texts, without rendering anything.
    pub(crate) fn names(&self) -> Vec<Arc<str>> {
        let inner = self.0.borrow();
        let own = inner.entries.keys().filter_map(Key::as_text).cloned();
        own.chain(inner.source.names()).collect()
    }

    /// Returns all entries, rendered; some values may be missing.
    pub(crate) fn items(&self, rendering: &Rendering) -> Vec<(Key, Object)> {
        self.keys(rendering)
            .into_iter()
            .filter_map(|key| {
                let item = self.get(rendering, &key)?;
                Some((key, item))
            })
            .collect()
    }

    /// Counts the entries.
    pub(crate) fn len(&self) -> usize {
        let inner = self.0.borrow();
        match &inner.source {
            Source::Nowhere => inner.entries.len(),
            Source::Variable(written) => {
                written.value().as_object().map_or(0, serde_json::Map::len)
            }
            Source::Scope(_, variables) => variables.names().len(),
            Source::Hosts(hosts) => hosts.names().len(),
        }
    }

    /// Puts an entry in.
    pub(crate) fn insert(&self, rendering: &Rendering, key: Key, item: Object) {
        self.open(rendering);
        self.0.borrow_mut().entries.insert(key, Slot::Ready(item));
    }

    /// Takes an entry out.
    pub(crate) fn remove(&self, rendering: &Rendering, key: &Key) -> Option<Object> {
        self.open(rendering);
        let item = self.get(rendering, key)?;
        self.0.borrow_mut().entries.shift_remove(key);
        Some(item)
    }

    /// Takes all entries out.
    pub(crate) fn clear(&self) {
        let mut inner = self.0.borrow_mut();
        inner.source = Source::Nowhere;
        inner.entries.clear();
    }

    /// Returns a map with the same entries, not yet rendered where they are not.
    pub(crate) fn copy(&self) -> Self {
        let inner = self.0.borrow();
        Self::with(inner.source.clone(), inner.entries.clone())
    }

    /// Tells whether both are one and the same map.
    pub(crate) fn is(&self, other: &Self) -> bool {
        Rc::ptr_eq(&self.0, &other.0)
    }

    /// Takes all entries out of the source, in its order, without rendering them.
    fn open(&self, rendering: &Rendering) {
        let source = std::mem::replace(&mut self.0.borrow_mut().source, Source::Nowhere);
        let slots = source.slots(rendering);
        if slots.is_empty() {
            return;
        }
        let mut inner = self.0.borrow_mut();
        let mut known = std::mem::take(&mut inner.entries);
        for (key, slot) in slots {
            let slot = known.shift_remove(&key).unwrap_or(slot);
            inner.entries.insert(key, slot);
        }
        inner.entries.extend(known);
    }
}

impl Source {
    fn slot(&self, rendering: &Rendering, name: &Arc<str>) -> Option<Slot> {
        match self {
            Self::Nowhere => None,
            Self::Variable(written) => {
                let value = written.value().as_object()?.get(name.as_ref())?;
                let step = || Step::Key(Arc::clone(name));
                Some(Slot::written(written, step, value))
            }
            Self::Hosts(hosts) => {
                let (scope, variables) = rendering.enter(hosts.as_ref(), name)?;
                let map = Map::with(Self::Scope(scope, variables), IndexMap::new());
                Some(Slot::Ready(Object::Map(map)))
            }
            Self::Scope(scope, variables) => variables
                .has(name)
                .then(|| Slot::Variable(*scope, Arc::clone(name))),
        }
    }

    fn contains(&self, name: &str) -> bool {
        match self {
            Self::Nowhere => false,
            Self::Variable(written) => written.value().get(name).is_some(),
            Self::Hosts(hosts) => hosts.scope(name).is_some(),
            Self::Scope(_, variables) => variables.has(name),
        }
    }

    fn names(&self) -> Vec<Arc<str>> {
        let share = |names: Vec<String>| names.into_iter().map(Arc::from).collect();
        match self {
            Self::Nowhere => Vec::new(),
            Self::Variable(written) => match written.value() {
                Value::Object(map) => map.keys().map(|key| key.as_str().into()).collect(),
                Value::Null
                | Value::Bool(_)
                | Value::Number(_)
                | Value::String(_)
                | Value::Array(_) => Vec::new(),
            },
            Self::Hosts(hosts) => share(hosts.names()),
            Self::Scope(_, variables) => share(variables.names()),
        }
    }

    fn slots(&self, rendering: &Rendering) -> Vec<(Key, Slot)> {
        let names = self.names().into_iter();
        let slot = |name: Arc<str>| {
            let slot = self.slot(rendering, &name)?;
            Some((Key::Text(name), slot))
        };
        names.filter_map(slot).collect()
    }
}
