//! One rendering: the scopes that it sees, what it has rendered already, what it is rendering now.
//!
//! Made for one call of the `Templater` and dropped with it; nothing is kept from one rendering to the next but parsed
//! programs. Every function that looks into a container takes the rendering, since looking may mean to render.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use super::failure::{ErrorKind, Failure, Fault, failed, while_rendering};
use super::frame::{Frame, Layer};
use super::locate::Place;
use super::map::Map;
use super::object::Object;
use super::syntax::{self, Mode};
use super::templater::Templater;
use super::written::Written;
use super::{Scopes, Variables};

/// How deep templates may use each other before it is taken for a mistake; keeps the stack of a thread whole.
const DEEPEST: usize = 100;

/// The variables that templates see, and what they were rendered to.
#[derive(Debug)]
struct Scope {
    variables: Arc<dyn Variables>,
    known: RefCell<HashMap<Arc<str>, Object>>,
}

impl Scope {
    fn new(variables: Arc<dyn Variables>) -> Rc<Self> {
        Rc::new(Self {
            variables,
            known: RefCell::default(),
        })
    }
}

/// One rendering.
#[derive(Debug)]
pub(crate) struct Rendering {
    pub(crate) templater: Templater,
    scopes: RefCell<Vec<Rc<Scope>>>,
    hosts: RefCell<HashMap<Arc<str>, usize>>,
    active: RefCell<Vec<Written>>,
    depth: Cell<usize>,
    scope_now: Cell<usize>,
    held: RefCell<Vec<Rc<Layer>>>,
}

impl Drop for Rendering {
    /// Frees macros: a macro holds the names that it sees, and is one of them.
    fn drop(&mut self) {
        for layer in self.held.borrow().iter() {
            layer.clear();
        }
    }
}

impl Rendering {
    /// Starts a rendering; scope 0 are these variables.
    pub(crate) fn new(templater: &Templater, variables: &Arc<dyn Variables>) -> Self {
        Self {
            templater: templater.clone(),
            scopes: RefCell::new(vec![Scope::new(Arc::clone(variables))]),
            hosts: RefCell::default(),
            active: RefCell::default(),
            depth: Cell::new(0),
            scope_now: Cell::new(0),
            held: RefCell::default(),
        }
    }

    /// Remembers a layer of names whose macros must be freed at the end.
    pub(crate) fn hold(&self, layer: &Rc<Layer>) {
        self.held.borrow_mut().push(Rc::clone(layer));
    }

    fn scope(&self, scope: usize) -> Option<Rc<Scope>> {
        self.scopes.borrow().get(scope).cloned()
    }

    /// Returns the variables of a scope.
    pub(crate) fn variables(&self, scope: usize) -> Option<Arc<dyn Variables>> {
        Some(Arc::clone(&self.scope(scope)?.variables))
    }

    /// Opens the scope of another host.
    pub(crate) fn enter(
        &self,
        hosts: &dyn Scopes,
        host: &Arc<str>,
    ) -> Option<(usize, Arc<dyn Variables>)> {
        let known = self.hosts.borrow().get(host).copied();
        if let Some(scope) = known {
            return Some((scope, self.variables(scope)?));
        }
        let variables = hosts.scope(host)?;
        let scope = {
            let mut scopes = self.scopes.borrow_mut();
            scopes.push(Scope::new(Arc::clone(&variables)));
            scopes.len() - 1
        };
        self.hosts.borrow_mut().insert(Arc::clone(host), scope);
        Some((scope, variables))
    }

    /// Returns the scope in which a template is rendered now.
    pub(crate) fn scope_now(&self) -> usize {
        self.scope_now.get()
    }

    /// Looks up a variable of a scope, rendered; the value may be missing.
    pub(crate) fn variable(&self, scope: usize, name: &Arc<str>) -> Option<Object> {
        let here = self.scope(scope)?;
        let known = here.known.borrow().get(name).cloned();
        if known.is_some() {
            return known;
        }
        let object = if let Some(hosts) = here.variables.scopes(name) {
            Object::Map(Map::hosts(hosts))
        } else {
            let raw = here.variables.shared(name)?;
            self.open(&Written::new(name, raw, scope))
        };
        here.known
            .borrow_mut()
            .insert(Arc::clone(name), object.clone());
        Some(object)
    }

    /// Opens a value inside a variable: a template is rendered, a container opened by one level.
    pub(crate) fn open(&self, written: &Written) -> Object {
        if let Some(text) = written.value().as_str()
            && written.templated()
            && syntax::is_template(text)
        {
            return match self.render_written(written, text) {
                Ok(Object::Missing(fault)) | Err(fault) => {
                    Object::Missing(while_rendering(fault, written))
                }
                Ok(object) => object,
            };
        }
        Object::open(written)
    }

    fn render_written(&self, written: &Written, text: &str) -> Result<Object, Fault> {
        if let Some(fault) = self.circle(written) {
            return Err(fault);
        }
        self.active.borrow_mut().push(written.clone());
        let place = Rc::new(Place::Written(written.clone()));
        let before = self.scope_now.replace(written.scope());
        let result = self.render_text(text, Mode::Value, place, written.scope());
        self.scope_now.set(before);
        self.active.borrow_mut().pop();
        result
    }

    /// Renders a text of a variable or an argument to the value that it stands for.
    pub(crate) fn render_text(
        &self,
        text: &str,
        mode: Mode,
        place: Rc<Place>,
        scope: usize,
    ) -> Result<Object, Fault> {
        let program = self.templater.program(text, mode, &place)?;
        let frame = Frame::new(program, place, scope);
        let result = self.deeper(|| self.whole(&frame))?;
        if let Object::Text(own) = &result
            && text.ends_with('\n')
        {
            let own = Arc::clone(own);
            let whole = syntax::with_trailing_newlines(text, own, frame.program.newline);
            return Ok(Object::Text(whole));
        }
        Ok(result)
    }

    /// Does something one level deeper, unless that is too deep.
    pub(crate) fn deeper<T>(&self, work: impl FnOnce() -> Result<T, Fault>) -> Result<T, Fault> {
        if self.depth.get() >= DEEPEST {
            return Err(failed(format!(
                "templates, macros or includes use each other more than {DEEPEST} levels deep"
            )));
        }
        self.depth.set(self.depth.get() + 1);
        let result = work();
        self.depth.set(self.depth.get().saturating_sub(1));
        result
    }

    /// Returns the failure of a variable that is being rendered already: `c1` -> `c2` -> `c1`.
    fn circle(&self, written: &Written) -> Option<Fault> {
        let active = self.active.borrow();
        let first = active.iter().position(|one| one.same(written))?;
        let mut names: Vec<String> = active.iter().skip(first).map(Written::label).collect();
        names.push(written.label());
        let circle = names
            .iter()
            .map(|name| format!("`{name}`"))
            .collect::<Vec<_>>()
            .join(" -> ");
        let message = format!("variables need each other in a circle: {circle}");
        Some(Failure::new(ErrorKind::Cycle, message).fault())
    }

    /// Returns what a loop goes through; items may be missing.
    pub(crate) fn items(&self, object: &Object) -> Result<Vec<Object>, Fault> {
        match object {
            Object::Missing(fault) => Err(Rc::clone(fault)),
            Object::Text(text) => Ok(text.chars().map(|c| Object::text(c.to_string())).collect()),
            Object::List(list) => Ok(list.items(self)),
            Object::Tuple(items) => Ok(items.to_vec()),
            Object::Map(map) => Ok(map.keys(self).iter().map(super::key::Key::object).collect()),
            Object::Range(range) => {
                if range.count() > 10_000_000 {
                    return Err(failed("the range has too many numbers"));
                }
                let numbers = (0..range.count()).filter_map(|index| range.get(index));
                Ok(numbers.map(Object::Int).collect())
            }
            Object::Special(special) => special.items().ok_or_else(|| no_items(object)),
            Object::None | Object::Bool(_) | Object::Int(_) | Object::Float(_) | Object::Omit => {
                Err(no_items(object))
            }
        }
    }

    /// Returns what a loop goes through; fails if an item is missing.
    pub(crate) fn present(&self, object: &Object) -> Result<Vec<Object>, Fault> {
        let items = self.items(object)?;
        for item in &items {
            need(item)?;
        }
        Ok(items)
    }

    /// Returns the values of a map or the items of a list; fails if one is missing.
    pub(crate) fn elements(&self, object: &Object) -> Result<Vec<Object>, Fault> {
        match object.as_map() {
            Some(map) => {
                let entries = self.entries(map)?.into_iter();
                Ok(entries.map(|(_, item)| item).collect())
            }
            None => self.present(object),
        }
    }

    /// Returns a map's entries; fails if a value is missing.
    pub(crate) fn entries(&self, map: &Map) -> Result<Vec<(super::key::Key, Object)>, Fault> {
        let entries = map.items(self);
        for (_, item) in &entries {
            need(item)?;
        }
        Ok(entries)
    }
}

fn no_items(object: &Object) -> Fault {
    failed(format!("{} has no items to go through", object.described()))
}

/// Fails if a value is missing.
pub(crate) fn need(object: &Object) -> Result<(), Fault> {
    if let Object::Missing(fault) = object {
        Err(Rc::clone(fault))
    } else {
        Ok(())
    }
}
