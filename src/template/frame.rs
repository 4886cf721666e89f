//! Where a program runs: its text, and the names that it has set so far.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use super::failure::{Fault, Spot, at};
use super::locate::Place;
use super::object::Object;
use super::tree::{Program, Span, Statement};

/// Names that a template has set, and what they stand for.
#[derive(Debug, Default)]
pub(crate) struct Layer(RefCell<Vec<(Arc<str>, Object)>>);

impl Layer {
    /// Sets a name.
    pub(crate) fn set(&self, name: &Arc<str>, value: Object) {
        let mut names = self.0.borrow_mut();
        match names.iter_mut().find(|(own, _)| own == name) {
            Some((_, old)) => *old = value,
            None => names.push((Arc::clone(name), value)),
        }
    }

    /// Returns what a name stands for.
    pub(crate) fn get(&self, name: &str) -> Option<Object> {
        let names = self.0.borrow();
        let (_, value) = names.iter().find(|(own, _)| own.as_ref() == name)?;
        Some(value.clone())
    }

    /// Forgets all names.
    pub(crate) fn clear(&self) {
        self.0.take();
    }
}

/// A block with the version of it in each template of a chain that extends, the first that counts first.
#[derive(Debug, Clone)]
pub(crate) struct Version {
    pub(crate) body: Arc<[Statement]>,
    pub(crate) program: Arc<Program>,
    pub(crate) place: Rc<Place>,
}

/// The versions of each block.
pub(crate) type Blocks = Vec<(Arc<str>, Vec<Version>)>;

/// Where a program runs.
#[derive(Debug, Clone)]
pub(crate) struct Frame {
    pub(crate) program: Arc<Program>,
    pub(crate) place: Rc<Place>,
    /// The scope whose variables it sees; none in what was imported without context.
    pub(crate) scope: Option<usize>,
    /// The names that were set, the innermost last; there is always one layer.
    pub(crate) layers: Vec<Rc<Layer>>,
    /// The text that a filter block filters.
    pub(crate) captured: Option<Object>,
    /// The blocks of the templates that extend this one.
    pub(crate) blocks: Rc<Blocks>,
    /// Whether texts between quotes may hold templates, as Ansible tolerates in conditions.
    pub(crate) embedded: bool,
}

impl Frame {
    /// Makes the frame of a template that sees the variables of a scope.
    pub(crate) fn new(program: Arc<Program>, place: Rc<Place>, scope: usize) -> Self {
        Self {
            program,
            place,
            scope: Some(scope),
            layers: vec![Rc::default()],
            captured: None,
            blocks: Rc::default(),
            embedded: false,
        }
    }

    /// Makes a frame with one more layer of names.
    pub(crate) fn inner(&self) -> Self {
        let mut inner = self.clone();
        inner.layers.push(Rc::default());
        inner
    }

    /// Makes the frame of another program that sees what this one sees.
    pub(crate) fn other(&self, program: Arc<Program>, place: Rc<Place>) -> Self {
        Self {
            program,
            place,
            captured: None,
            ..self.inner()
        }
    }

    /// Sets a name in the innermost layer.
    pub(crate) fn set(&self, name: &Arc<str>, value: Object) {
        if let Some(layer) = self.layers.last() {
            layer.set(name, value);
        }
    }

    /// Returns what a name stands for, if the template set it.
    pub(crate) fn get(&self, name: &str) -> Option<Object> {
        self.layers.iter().rev().find_map(|layer| layer.get(name))
    }

    /// Says where a failure happened, unless that is known already.
    pub(crate) fn at(&self, fault: Fault, span: Span) -> Fault {
        at(fault, || self.spot(span))
    }

    /// Returns a piece of the program's text with the place where it stands.
    pub(crate) fn spot(&self, span: Span) -> Spot {
        Spot {
            program: Arc::clone(&self.program),
            place: Rc::clone(&self.place),
            start: span.start,
            end: span.end,
        }
    }
}
