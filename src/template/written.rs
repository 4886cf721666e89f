//! A value of a variable as it was written, not yet rendered.
//!
//! A variable's containers are opened one level at a time, and a text in them is rendered when somebody looks at it:
//! only what is used must be defined. A [`Written`] is one value inside a variable: the variable and the way to it.

use std::rc::Rc;
use std::sync::Arc;

use serde_json::Value;

use super::Raw;

/// One step into a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    /// Into a map.
    Key(Arc<str>),
    /// Into a list.
    Index(usize),
}

/// A variable, as found in a scope.
#[derive(Debug)]
struct Root {
    name: Arc<str>,
    raw: Arc<Raw>,
    scope: usize,
}

/// The way from a variable to a value inside it, the last step first.
#[derive(Debug)]
struct Way {
    before: Option<Rc<Way>>,
    step: Step,
}

/// A value inside a variable.
#[derive(Debug, Clone)]
pub(crate) struct Written {
    root: Rc<Root>,
    way: Option<Rc<Way>>,
}

impl Written {
    /// Starts at a variable of a scope.
    pub(crate) fn new(name: &Arc<str>, raw: Arc<Raw>, scope: usize) -> Self {
        let name = Arc::clone(name);
        Self {
            root: Rc::new(Root { name, raw, scope }),
            way: None,
        }
    }

    /// Goes one step deeper.
    pub(crate) fn step(&self, step: Step) -> Self {
        Self {
            root: Rc::clone(&self.root),
            way: Some(Rc::new(Way {
                before: self.way.clone(),
                step,
            })),
        }
    }

    /// Returns the value as it was written.
    pub(crate) fn value(&self) -> &Value {
        descend(&self.root.raw.value, self.way.as_deref()).unwrap_or(&Value::Null)
    }

    /// Returns the variable as it was written.
    pub(crate) fn raw(&self) -> &Raw {
        &self.root.raw
    }

    /// Tells whether its texts are templates.
    pub(crate) fn templated(&self) -> bool {
        self.root.raw.templated
    }

    /// Returns the scope in which it is rendered.
    pub(crate) fn scope(&self) -> usize {
        self.root.scope
    }

    /// Returns the way from the variable to this value, the first step first.
    pub(crate) fn steps(&self) -> Vec<Step> {
        let mut steps = Vec::new();
        let mut way = self.way.as_deref();
        while let Some(here) = way {
            steps.push(here.step.clone());
            way = here.before.as_deref();
        }
        steps.reverse();
        steps
    }

    /// Returns how a template would name it: `cfg.ports[0]`.
    pub(crate) fn label(&self) -> String {
        let mut label = self.root.name.to_string();
        for step in self.steps() {
            match step {
                Step::Key(key) => {
                    label.push('.');
                    label.push_str(&key);
                }
                Step::Index(index) => {
                    label.push('[');
                    label.push_str(&index.to_string());
                    label.push(']');
                }
            }
        }
        label
    }

    /// Tells whether both are the same place of the same variable.
    pub(crate) fn same(&self, other: &Self) -> bool {
        let mut ways = (self.way.as_deref(), other.way.as_deref());
        while let (Some(left), Some(right)) = ways {
            if left.step != right.step {
                return false;
            }
            ways = (left.before.as_deref(), right.before.as_deref());
        }
        ways.0.is_none()
            && ways.1.is_none()
            && self.root.scope == other.root.scope
            && self.root.name == other.root.name
    }
}

fn descend<'v>(root: &'v Value, way: Option<&Way>) -> Option<&'v Value> {
    let Some(way) = way else { return Some(root) };
    let container = descend(root, way.before.as_deref())?;
    match &way.step {
        Step::Key(key) => container.get(key.as_ref()),
        Step::Index(index) => container.get(index),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_way_into_a_variable_is_walked_and_named() {
        let raw = Raw {
            value: json!({"ports": [1, {"x": "{{ y }}"}]}),
            templated: true,
            origin: None,
        };
        let root = Written::new(&Arc::from("cfg"), Arc::new(raw), 0);
        let port = root.step(Step::Key("ports".into()));
        let deep = port.step(Step::Index(1)).step(Step::Key("x".into()));
        assert_eq!(deep.value(), "{{ y }}");
        assert_eq!(deep.label(), "cfg.ports[1].x");
        assert_eq!(port.step(Step::Index(9)).value(), &Value::Null);
        assert!(deep.same(&port.step(Step::Index(1)).step(Step::Key("x".into()))));
        assert!(!deep.same(&port) && !port.same(&root) && root.same(&root));
    }
}
