//! Jinja as Ansible means it: values, filters, tests, lookups, undefined.
//!
//! minijinja reads the templates (`lower`); what they mean follows ansible-core 2.19: values keep their type, variables
//! are rendered when somebody looks at them, so that only what is used must be defined, and an undefined value travels
//! through attributes and filters until `default` catches it or something needs it. Nothing undefined or invalid is
//! ever printed into a text, nothing is escaped, and text is never ordered against numbers. Every mistake is shown at
//! its place, in the template or in the file in which the variable was written, and never with a value. Reaches files
//! and programs (lookups) only through [`Outside`], which `cli` hands in. Called by the users of `vars`' scopes:
//! `rollout`, `modules`, the checks of `playbook`, `plan`.

mod access;
mod arguments;
mod attribute;
mod check;
mod compare;
mod condition;
mod error;
mod evaluate;
mod failure;
mod filters;
mod finish;
mod format;
mod frame;
mod functions;
mod jinja_tests;
mod json;
mod key;
mod list;
mod literal;
mod locate;
mod lookups;
mod loops;
mod lower;
mod macros;
mod map;
mod methods;
mod object;
mod operate;
mod others;
mod parts;
mod password;
mod percent;
mod plain_yaml;
mod plugin;
mod print;
mod python_number;
mod python_re;
mod python_text;
mod quote;
mod quote_mysql;
mod random;
mod read_yaml;
mod reference;
mod rendering;
mod run;
mod spec;
mod special;
mod syntax;
mod templater;
mod times;
mod tree;
mod write_yaml;
mod written;
mod yaml_scalar;

use std::fmt::Debug;
use std::sync::Arc;

pub use check::{Checked, Kind, Need};
pub use error::TemplateError;
pub use failure::ErrorKind;
pub use locate::Origin;
pub use quote::{shell_quote, shell_quote_bytes};
pub use quote_mysql::{mysql_name, mysql_node, mysql_text};
pub use reference::{NAMELESS, REFERENCE};
pub use serde_json::Value;
pub use templater::Templater;

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

/// The variables that a template sees, looked up on access.
pub trait Variables: Send + Sync + Debug {
    /// Returns a variable as it was written.
    fn lookup(&self, name: &str) -> Option<Raw>;

    /// Returns all names, for "did you mean" and for the lookups that list variables.
    fn names(&self) -> Vec<String>;

    /// Returns a variable as it was written, without copying it where it is kept shared already.
    fn shared(&self, name: &str) -> Option<Arc<Raw>> {
        self.lookup(name).map(Arc::new)
    }

    /// Tells whether there is a variable of that name.
    fn has(&self, name: &str) -> bool {
        self.shared(name).is_some()
    }

    /// Returns the scopes behind a name that stands for many hosts' variables, as `hostvars` does.
    fn scopes(&self, _name: &str) -> Option<Arc<dyn Scopes>> {
        None
    }
}

/// The variables of many hosts, host by host: a map that is looked into, and never built as a whole.
pub trait Scopes: Send + Sync + Debug {
    /// Returns the names of the hosts.
    fn names(&self) -> Vec<String>;

    /// Returns the variables of a host.
    fn scope(&self, host: &str) -> Option<Arc<dyn Variables>>;
}

/// What lies at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PathKind {
    /// A file.
    File,
    /// A directory.
    Directory,
    /// Something else, such as a socket.
    Other,
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

    /// Returns what a URL gives, for the lookup `url`.
    fn fetch(&self, url: &str) -> Result<String, String> {
        Err(format!("{url} cannot be fetched here"))
    }

    /// Returns what lies at a path, for tests such as `is exists`.
    fn path_kind(&self, path: &str) -> Result<Option<PathKind>, String> {
        Err(format!("{path} cannot be looked at here"))
    }
}

/// The marker that makes a module argument as if it had not been given.
pub const OMIT: &str = "__omit_place_holder__";

#[cfg(test)]
mod differential;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod room_tests;
#[cfg(test)]
mod scope_tests;
