//! Jinja as Ansible means it, over minijinja: environment, filters, tests, lookups, undefined.
//!
//! Nothing undefined or invalid is ever printed into a text: an undefined name is an error with its position. Variables
//! are rendered on access, so that only what is used must be defined. Reaches files and programs (lookups) only through
//! [`Outside`], which `cli` hands in. Called by `vars` scopes' users: `rollout`, `modules`, `playbook` checks, `plan`.

mod quote;

use std::fmt::Debug;

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
    /// Where it was written, if in a text.
    pub origin: Option<Loc>,
}

/// The variables that a template sees, looked up on access.
pub trait Variables: Send + Sync + Debug {
    /// Returns a variable as it was written.
    fn lookup(&self, name: &str) -> Option<Raw>;

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
