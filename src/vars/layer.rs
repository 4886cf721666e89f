//! A set of variables with its place in the order of precedence.

use std::fmt::Debug;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::Precedence;
use crate::inventory::{Level, LevelVars, VarTable};
use crate::template::Raw;
use crate::yaml::{
    Data, Key, Loc, Node, Problem, inert_text, is_vaulted, variable_template, variable_value,
};

/// Variables that lie somewhere else as they were written: in a role, a play, a task.
pub trait Written: Send + Sync + Debug {
    /// Finds a variable by its name.
    fn find(&self, name: &str) -> Option<&Node>;

    /// Returns all names.
    fn names(&self) -> Vec<String>;
}

/// The variables of a layer.
#[derive(Debug, Clone)]
pub enum Values {
    /// A table with positions; its texts are templates.
    Table(Arc<VarTable>),
    /// What is written elsewhere; its texts are templates.
    Written(Arc<dyn Written>),
    /// Values without positions whose texts are templates.
    Templates(Arc<Map<String, Value>>),
    /// Data, never evaluated.
    Data(Arc<Map<String, Value>>),
}

/// A set of variables with its place in the order of precedence.
#[derive(Debug, Clone)]
pub struct Layer {
    /// Its place.
    pub precedence: Precedence,
    /// What it belongs to: a group, a host, a role, a file.
    pub of: Arc<str>,
    /// The variables.
    pub values: Values,
}

impl Layer {
    /// Makes a layer of a map that a person wrote.
    pub fn from_node(precedence: Precedence, of: &str, node: &Node) -> Result<Self, Problem> {
        let table = VarTable::from_node(node, &precedence.to_string())?;
        Ok(Self::table(precedence, of, Arc::new(table)))
    }

    /// Makes a layer of a table.
    pub fn table(precedence: Precedence, of: &str, table: Arc<VarTable>) -> Self {
        Self {
            precedence,
            of: Arc::from(of),
            values: Values::Table(table),
        }
    }

    /// Makes a layer of data that is never evaluated.
    pub fn data(precedence: Precedence, of: &str, data: Map<String, Value>) -> Self {
        Self {
            precedence,
            of: Arc::from(of),
            values: Values::Data(Arc::new(data)),
        }
    }

    /// Finds a variable.
    pub fn find(&self, name: &str) -> Option<Raw> {
        match &self.values {
            Values::Table(table) => table.find(name).map(|(_, node)| raw(node)),
            Values::Written(written) => written.find(name).map(raw),
            Values::Templates(values) => values.get(name).map(|value| plain(value, true)),
            Values::Data(values) => values.get(name).map(|value| plain(value, false)),
        }
    }

    /// Returns where a variable is written: its name if that is known, else its value.
    pub(super) fn loc(&self, name: &str) -> Option<Loc> {
        match &self.values {
            Values::Table(table) => table.find(name).map(|(key, _)| key.loc.clone()),
            Values::Written(written) => written.find(name).map(|node| node.loc.clone()),
            Values::Templates(_) | Values::Data(_) => None,
        }
    }

    /// Returns what the same table said of a variable before its last word.
    pub(super) fn replaced(&self, name: &str) -> Vec<(Key, Node)> {
        match &self.values {
            Values::Table(table) => table.replaced(name).cloned().collect(),
            Values::Written(_) | Values::Templates(_) | Values::Data(_) => Vec::new(),
        }
    }

    /// Adds all names to a list.
    pub(super) fn add_names(&self, names: &mut Vec<String>) {
        match &self.values {
            Values::Table(table) => names.extend(table.iter().map(|(key, _)| key.name.clone())),
            Values::Written(written) => names.extend(written.names()),
            Values::Templates(values) | Values::Data(values) => {
                names.extend(values.keys().cloned());
            }
        }
    }
}

impl From<Level> for Layer {
    fn from(level: Level) -> Self {
        Self {
            precedence: level.kind.into(),
            of: level.of,
            values: match level.vars {
                LevelVars::Table(table) => Values::Table(table),
                LevelVars::Data(data) => Values::Data(data),
            },
        }
    }
}

/// Makes what a template looks up of what a person wrote.
pub(super) fn raw(node: &Node) -> Raw {
    let is_unsafe = node.tag.as_deref() == Some("unsafe") || is_vaulted(node);
    Raw {
        value: if is_unsafe {
            variable_value(node)
        } else {
            variable_template(node)
        },
        templated: !is_unsafe,
        origin: Some(match &node.data {
            Data::Str(_) => node.inside(1, 1),
            Data::Null
            | Data::Bool(_)
            | Data::Int(_)
            | Data::Float(_)
            | Data::Seq(_)
            | Data::Map(_) => node.loc.clone(),
        }),
    }
}

/// Makes what a template looks up of a value without a position.
pub(super) fn plain(value: &Value, templated: bool) -> Raw {
    Raw {
        value: value.clone(),
        templated,
        origin: None,
    }
}

/// Makes templates of data that render to that data.
pub(super) fn inert(value: &Value) -> Value {
    match value {
        Value::String(text) => Value::String(inert_text(text)),
        Value::Array(items) => items.iter().map(inert).collect(),
        Value::Object(entries) => entries
            .iter()
            .map(|(name, value)| (name.clone(), inert(value)))
            .collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
    }
}

/// Layers in order: the same for all hosts of a task.
#[derive(Debug, Clone, Default)]
pub struct Layers {
    /// From the lowest to the highest.
    list: Vec<Layer>,
}

impl Layers {
    /// Puts layers in order; of two of one place the later wins.
    pub fn new(mut list: Vec<Layer>) -> Self {
        list.sort_by_key(|layer| layer.precedence);
        Self { list }
    }

    /// Returns the layers from the highest to the lowest, of those that lie between two places, both included.
    pub(super) fn down(&self, from: Precedence, to: Precedence) -> impl Iterator<Item = &Layer> {
        let inside = move |layer: &&Layer| (to..=from).contains(&layer.precedence);
        self.list.iter().rev().filter(inside)
    }
}
