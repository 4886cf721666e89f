//! Jinja as Ansible means it, over minijinja: environment, filters, tests, lookups, undefined.
//!
//! Nothing undefined or invalid is ever printed into a text: an undefined name is an error with its position. Variables
//! are rendered on access, so that only what is used must be defined. Reaches files and programs (lookups) only through
//! [`Outside`], which `cli` hands in. Called by `vars` scopes' users: `rollout`, `modules`, `playbook` checks, `plan`.

mod quote;

use std::fmt::Debug;
use std::sync::Arc;

pub use quote::{shell_quote, shell_quote_bytes};
pub use serde_json::Value;

use crate::yaml::Loc;

/// A variable as it was written, before rendering.
#[derive(Debug, Clone)]
pub struct Raw {
    /// The value; its texts may hold templates.
    pub value: Value,
    /// Whether its texts are templates: true for what a person wrote in files, false for facts, registered results
    /// and other data that came from hosts, which is never evaluated.
    pub templated: bool,
    /// Where the first character of its text was written, if it was in a text (`Node::inside(1, 1)`).
    pub origin: Option<Loc>,
}

/// A map whose entries are found when they are asked for: `hostvars`, `groups`. Too large to be made as a whole.
pub trait LazyMap: Send + Sync + Debug {
    /// Returns the keys, in order.
    fn keys(&self) -> Vec<String>;

    /// Returns an entry.
    fn entry(&self, key: &str) -> Option<LazyEntry>;
}

/// What a [`LazyMap`] holds.
#[derive(Debug, Clone)]
pub enum LazyEntry {
    /// A value as it was written.
    Raw(Raw),
    /// The variables of another scope, as a map; each is rendered in that scope (`hostvars['db1'].port`).
    Scope(Arc<dyn Variables>),
}

/// The variables that a template sees, looked up on access.
pub trait Variables: Send + Sync + Debug {
    /// Returns a variable as it was written.
    fn lookup(&self, name: &str) -> Option<Raw>;

    /// Returns a variable that is a map found on access; asked before [`Variables::lookup`].
    fn lazy(&self, _name: &str) -> Option<Arc<dyn LazyMap>> {
        None
    }

    /// Returns all names, for "did you mean" and for the lookups that list variables.
    fn names(&self) -> Vec<String>;
}

/// What templates may ask of the machine that stagger runs on, by the lookups `file`, `env`, `pipe` and so on.
pub trait Outside: Send + Sync + Debug {
    /// Reads a file; a relative path is searched for as Ansible does for `kind` ("files", "templates", "vars").
    fn read(&self, kind: &str, path: &str) -> Result<String, String>;

    /// Finds a file, and returns the path at which it was found.
    fn find(&self, kind: &str, path: &str) -> Option<String>;

    /// Lists the files that match a shell pattern.
    fn glob(&self, kind: &str, pattern: &str) -> Vec<String>;

    /// Returns a variable of the environment.
    fn env(&self, name: &str) -> Option<String>;

    /// Runs a shell command and returns its output.
    fn pipe(&self, command: &str) -> Result<String, String>;
}

/// The marker that makes a module argument as if it had not been given.
pub const OMIT: &str = "__omit_place_holder__";
