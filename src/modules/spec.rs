//! The shape of a module's argument table, and the check of arguments against it.
//!
//! From a table come the parser's checks, `stagger modules NAME`, the documentation and the completions. No module's
//! code is here, so that the playbook's checks can use tables without reaching up.

mod check;
mod coerce;
mod specs;

pub use check::{check_arguments, is_template};
pub use coerce::coerce;
pub use specs::{Specs, builtin_name};

use serde_json::{Map, Value};

use crate::yaml::{Loc, Node, Problem};

/// What kind of value an argument takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Text; numbers and truth values are taken as their text.
    Str,
    /// A path on the host.
    Path,
    /// A flag: yes/no, true/false, on/off, 1/0.
    Flag,
    /// A whole number.
    Int,
    /// Any number.
    Float,
    /// File permissions: "0644" or "u=rw,g=r".
    Mode,
    /// A time span: seconds, or "2s", "30m", "1h30m".
    Duration,
    /// A list of texts; one text with commas is a list too, as in Ansible.
    List,
    /// A list of any values.
    Values,
    /// A map.
    Map,
    /// One or more conditions (Jinja expressions without braces).
    Conditions,
    /// Any value.
    Any,
}

/// One argument of a module.
#[derive(Debug, Clone, Copy)]
pub struct Argument {
    /// Its name.
    pub name: &'static str,
    /// Other names for it.
    pub aliases: &'static [&'static str],
    /// What it takes.
    pub kind: Kind,
    /// Whether it must be given.
    pub required: bool,
    /// Its default, as text for people.
    pub default: Option<&'static str>,
    /// The values it takes, if only some.
    pub choices: &'static [&'static str],
    /// Whether its value is secret.
    pub secret: bool,
    /// What it is for, in one or two sentences.
    pub summary: &'static str,
}

impl Argument {
    /// An argument that may be left out; the base for the others with `..`.
    pub const fn new(name: &'static str, kind: Kind, summary: &'static str) -> Self {
        Self {
            name,
            aliases: &[],
            kind,
            required: false,
            default: None,
            choices: &[],
            secret: false,
            summary,
        }
    }

    /// Makes it required.
    #[must_use]
    pub const fn required(mut self) -> Self {
        self.required = true;
        self
    }

    /// Sets its default.
    #[must_use]
    pub const fn default(mut self, default: &'static str) -> Self {
        self.default = Some(default);
        self
    }

    /// Sets its choices.
    #[must_use]
    pub const fn choices(mut self, choices: &'static [&'static str]) -> Self {
        self.choices = choices;
        self
    }

    /// Sets its other names.
    #[must_use]
    pub const fn aliases(mut self, aliases: &'static [&'static str]) -> Self {
        self.aliases = aliases;
        self
    }

    /// Marks its value as secret.
    #[must_use]
    pub const fn secret(mut self) -> Self {
        self.secret = true;
        self
    }
}

/// What running a module twice means; decides what resume may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Safety {
    /// It changes nothing on any host.
    ReadOnly,
    /// It brings about a state: observing again tells whether it is there.
    State,
    /// It runs something: never repeated blindly.
    Once,
    /// It only concerns the engine (facts, groups, meta).
    Engine,
}

/// A module's table.
#[derive(Debug, Clone, Copy)]
pub struct ModuleSpec {
    /// Its name.
    pub name: &'static str,
    /// Other names of the same module (`systemd_service`).
    pub aliases: &'static [&'static str],
    /// What it does, in one line.
    pub summary: &'static str,
    /// What else one should know.
    pub notes: &'static [&'static str],
    /// Its arguments.
    pub arguments: &'static [Argument],
    /// Arguments that Ansible's module has and this one deliberately has not: name, and what to do instead.
    pub absent: &'static [(&'static str, &'static str)],
    /// The argument that takes the text when the module is written with bare text (`command: ls`).
    pub free_form: Option<&'static str>,
    /// Whether arguments outside the table are allowed (`set_fact`).
    pub open: bool,
    /// Sets of arguments of which at most one may be given.
    pub exclusive: &'static [&'static [&'static str]],
    /// Sets of arguments of which at least one must be given.
    pub one_of: &'static [&'static [&'static str]],
    /// What running it twice means.
    pub safety: Safety,
    /// Whether it needs a session to a host.
    pub needs_host: bool,
    /// Whether stagger itself speaks to a server (HTTP, SQL), so that no host can compare the cluster's lock in the same
    /// request.
    pub speaks_itself: bool,
    /// An example task.
    pub example: &'static str,
    /// The fields of its result: name and meaning.
    pub returns: &'static [(&'static str, &'static str)],
}

impl ModuleSpec {
    /// An empty table to build on with `..`.
    pub const EMPTY: Self = Self {
        name: "",
        aliases: &[],
        summary: "",
        notes: &[],
        arguments: &[],
        absent: &[],
        free_form: None,
        open: false,
        exclusive: &[],
        one_of: &[],
        safety: Safety::State,
        needs_host: true,
        speaks_itself: false,
        example: "",
        returns: &[],
    };

    /// Tells whether its work is one job, so that it can go on while the next tasks run (`poll: 0`).
    pub fn goes_on_alone(&self) -> bool {
        ["command", "script", "shell"].contains(&self.name)
    }

    /// Says why it cannot go on alone.
    pub fn not_alone(&self, poll: &Node) -> Problem {
        let message = format!(
            "`{}` cannot go on by itself, as `poll: 0` wants it to",
            self.name
        );
        Problem::at(&poll.loc, message).hint("that is for command, script and shell")
    }

    /// Finds an argument by its name or another name of it.
    pub fn argument(&self, name: &str) -> Option<&'static Argument> {
        self.arguments
            .iter()
            .find(|argument| argument.name == name || argument.aliases.contains(&name))
    }
}

/// Rendered arguments of a task: names as in the table, kinds as the table says (flags are booleans, modes numbers or
/// symbolic text, durations seconds, lists arrays), what was not given is absent, unless it has a default.
#[derive(Debug, Clone)]
pub struct Arguments {
    /// The values.
    pub values: Map<String, Value>,
    /// Where the task stands.
    pub loc: Loc,
}

impl Arguments {
    /// Returns a text argument.
    pub fn str(&self, name: &str) -> Option<&str> {
        self.values.get(name).and_then(Value::as_str)
    }

    /// Returns a flag, false when it is absent.
    pub fn flag(&self, name: &str) -> bool {
        self.values
            .get(name)
            .and_then(Value::as_bool)
            .unwrap_or(false)
    }

    /// Returns a whole number.
    pub fn int(&self, name: &str) -> Option<i64> {
        self.values.get(name).and_then(Value::as_i64)
    }

    /// Returns a time span.
    pub fn duration(&self, name: &str) -> Option<std::time::Duration> {
        let seconds = self.values.get(name).and_then(Value::as_f64)?;
        std::time::Duration::try_from_secs_f64(seconds).ok()
    }

    /// Returns a list of texts, empty when it is absent.
    pub fn list(&self, name: &str) -> Vec<String> {
        let texts = |items: &Vec<Value>| {
            items
                .iter()
                .filter_map(Value::as_str)
                .map(str::to_owned)
                .collect()
        };
        self.values
            .get(name)
            .and_then(Value::as_array)
            .map(texts)
            .unwrap_or_default()
    }

    /// Returns any argument.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.values.get(name)
    }
}
