//! What a task is repeated over: `loop`, `with_*`, and the variables of an item.

use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::playbook::{Loop, LoopOver, Task};
use crate::yaml::{Node, Problem};

use super::scope::{Scope, text_of};

/// The items of a task on one host.
#[derive(Debug, Clone)]
pub(super) struct Items {
    values: Vec<Value>,
    variable: String,
    index_variable: Option<String>,
    label: Option<Node>,
    /// How long to wait between two items.
    pub(super) pause: Option<Duration>,
    /// Conditions that end the loop after an item.
    pub(super) break_when: Vec<Node>,
    extended: bool,
    all: bool,
}

impl Items {
    /// Finds a task's items on a host; `None` when it is not repeated.
    pub(super) fn of(task: &Task, scope: &Scope) -> Result<Option<Self>, Problem> {
        let Some(written) = &task.r#loop else {
            return Ok(None);
        };
        let control = &written.control;
        let text = |node: &Option<Node>| node.as_ref().map(|node| scope.text(node)).transpose();
        Ok(Some(Self {
            values: values(written, scope)?,
            variable: text(&control.loop_var)?.unwrap_or_else(|| "item".to_owned()),
            index_variable: text(&control.index_var)?,
            label: control.label.clone(),
            pause: scope.duration(control.pause.as_ref())?,
            break_when: control.break_when.clone(),
            extended: scope.flag(control.extended.as_ref(), false)?,
            all: scope.flag(control.extended_allitems.as_ref(), true)?,
        }))
    }

    /// Counts them.
    pub(super) fn len(&self) -> usize {
        self.values.len()
    }

    /// Returns the variables of one item.
    pub(super) fn variables(&self, index: usize) -> Map<String, Value> {
        let value = self.values.get(index).cloned().unwrap_or(Value::Null);
        let mut variables = Map::new();
        variables.insert(self.variable.clone(), value);
        variables.insert("ansible_loop_var".to_owned(), json!(self.variable));
        if let Some(name) = &self.index_variable {
            variables.insert(name.clone(), json!(index));
            variables.insert("ansible_index_var".to_owned(), json!(name));
        }
        if self.extended {
            variables.insert("ansible_loop".to_owned(), self.extended(index));
        }
        variables
    }

    /// Returns what people see of an item.
    pub(super) fn label(&self, index: usize, scope: &Scope) -> String {
        let label = self
            .label
            .as_ref()
            .and_then(|label| scope.value(label).ok());
        let value = label.or_else(|| self.values.get(index).cloned());
        value.map(text_of).unwrap_or_default()
    }

    fn extended(&self, index: usize) -> Value {
        let length = self.values.len();
        let mut about = json!({
            "index": index + 1,
            "index0": index,
            "revindex": length - index,
            "revindex0": length - index - 1,
            "first": index == 0,
            "last": index + 1 == length,
            "length": length,
        });
        if let Some(about) = about.as_object_mut() {
            if self.all {
                about.insert("allitems".to_owned(), json!(self.values));
            }
            if let Some(before) = index.checked_sub(1).and_then(|at| self.values.get(at)) {
                about.insert("previtem".to_owned(), before.clone());
            }
            if let Some(after) = self.values.get(index + 1) {
                about.insert("nextitem".to_owned(), after.clone());
            }
        }
        about
    }
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "only these kinds matter here; the others are passed over on purpose"
)]
fn values(written: &Loop, scope: &Scope) -> Result<Vec<Value>, Problem> {
    match &written.over {
        LoopOver::Items(node) => match scope.value(node)? {
            Value::Array(items) => Ok(items),
            other => {
                let message = format!("`loop` needs a list, not {other}");
                let problem = Problem::at(&node.loc, message);
                Err(match other {
                    Value::Object(_) => problem.hint("use `| dict2items`"),
                    _ => problem,
                })
            }
        },
        LoopOver::With { lookup, terms } => {
            let value = scope.value(terms)?;
            scope.lookup(lookup, &listed(value), terms)
        }
    }
}

/// The terms of a lookup: a list's items, or the one thing there is.
fn listed(value: Value) -> Vec<Value> {
    match value {
        Value::Array(items) => items,
        Value::Null => Vec::new(),
        one @ (Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_)) => {
            vec![one]
        }
    }
}
