//! What tasks do: one file per module, each complete with its argument table, its checks and its tests.
//!
//! A module is observed first and applied after: `observe` reads and says what would change, `apply` makes exactly that
//! change. Check mode ends after `observe`. Modules never print, never retry, never know about batches; `rollout` calls
//! them.

mod documentation;
pub mod files;
pub mod packages;
pub mod program;
mod registry;
pub mod spec;
pub mod sql;
pub mod waiting;
pub mod web;

mod add_host;
mod apt;
mod arangodb_info;
mod assemble;
mod assert;
mod async_status;
mod blockinfile;
mod cluster_lock;
mod command;
mod command_file;
mod copy;
mod cron;
mod debug;
mod dnf;
mod fail;
mod fetch;
mod file;
mod find;
mod get_url;
mod getent;
mod group;
mod group_by;
mod host;
mod hostname;
mod include_vars;
mod known_hosts;
mod lineinfile;
mod memsql_info;
mod meta;
mod mysql_query;
mod notes;
mod package;
mod pause;
mod ping;
mod process;
mod raw;
mod reboot;
mod replace;
mod script;
mod service_facts;
mod set_fact;
mod set_stats;
mod setup;
mod shell;
mod slurp;
mod stat;
mod sysctl;
mod systemd;
mod tempfile;
mod template;
mod unarchive;
mod uri;
mod user;
mod wait_for;
mod wait_for_connection;

pub use cluster_lock::{LockTold, LockWish, Locks};
pub use documentation::documentation;
pub use host::{Background, HostCx, Watch};
pub use notes::Notes;
pub use registry::{ALL, find};

use std::fmt::Debug;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::connection::ConnError;
use crate::secrets::Secret;
use crate::yaml::Problem;

use spec::{Arguments, ModuleSpec, Safety};

/// A module: its argument table and how it makes an action of arguments.
pub trait Module: Sync + Debug {
    /// Returns the table from which checks, help and documentation are made.
    fn spec(&self) -> &'static ModuleSpec;

    /// Makes an action of rendered arguments; they were checked against the table before.
    fn action(&self, arguments: &Arguments) -> Result<Box<dyn Action>, Vec<Problem>>;
}

/// A module with its arguments, ready to be observed and applied on a host.
pub trait Action: Send + Sync + Debug {
    /// Says what it does in one line, for plans: "write /etc/x.conf (0644 root:root)". Secrets are masked by the caller.
    fn describe(&self) -> String;

    /// Returns the literal command that does the same by hand, if there is one.
    fn by_hand(&self) -> Option<String> {
        None
    }

    /// Says what running it twice means, where these arguments make that another thing than the table says: a command
    /// with `creates` can be asked, a service that is `restarted` can't.
    fn safety(&self) -> Option<Safety> {
        None
    }

    /// Returns what asks whether what was sent goes on without its session, such as a statement on its server: it reads
    /// only, and its result has `running`, and says `where`.
    fn asks_whether_it_runs(&self) -> Option<Box<dyn Action>> {
        None
    }

    /// Reads the host and says what would change; changes nothing.
    fn observe(&self, cx: &mut HostCx<'_>) -> Result<Observed, ModuleError>;

    /// Makes the change that `observe` found.
    fn apply(&self, cx: &mut HostCx<'_>, change: &Change) -> Result<Outcome, ModuleError>;
}

/// What observing found.
#[derive(Debug, Clone)]
pub enum Observed {
    /// All is as it should be, or the module only reads: this is its result.
    Same(Outcome),
    /// This would change.
    Differs(Change),
    /// Nothing is to be done, for this reason (`creates` exists ...): ok, not changed.
    Skip(String),
    /// It cannot be known without doing it (a command): in check mode the step is skipped.
    Unknown(Change),
}

/// A change that would be made: data, so that plan, check mode, journal and report show the same.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Change {
    /// One line: "content and mode of /etc/x.conf".
    pub summary: String,
    /// What to show with `--diff`.
    pub diff: Option<Diff>,
    /// What `apply` needs to know of what was observed.
    pub data: Value,
    /// Whether it counts as no change when it is made (a daemon-reload): check mode shows "ok".
    #[serde(default)]
    pub silent: bool,
    /// The result's fields that are known beforehand, for `register` in check mode.
    #[serde(default)]
    pub result: Map<String, Value>,
}

impl Change {
    /// Makes a change of its summary.
    pub fn new(summary: impl Into<String>) -> Self {
        Self {
            summary: summary.into(),
            ..Self::default()
        }
    }
}

/// A difference for people.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Diff {
    /// What it is about, a path mostly.
    pub title: String,
    /// The text before.
    pub before: String,
    /// The text after.
    pub after: String,
}

/// What a module did and found out.
#[derive(Debug, Clone, Default)]
pub struct Outcome {
    /// Whether something was changed.
    pub changed: bool,
    /// The result's fields, as `register` sees them, without `changed`, `failed`, `skipped`.
    pub result: Map<String, Value>,
    /// What is to be shown with `--diff`.
    pub diff: Option<Diff>,
    /// What the engine shall do.
    pub effects: Vec<Effect>,
    /// Parts of the result that are secret.
    pub secrets: Vec<Secret>,
    /// Warnings for people.
    pub warnings: Vec<String>,
    /// What to tell people where nothing was changed; empty for most modules.
    pub tell: String,
}

/// What the engine does on behalf of a module.
#[derive(Debug, Clone)]
pub enum Effect {
    /// Sets variables of the host with the precedence of `set_fact`; with `facts`, also those of gathered facts.
    SetFact {
        /// The variables.
        variables: Map<String, Value>,
        /// Whether they are gathered facts (`ansible_facts`).
        facts: bool,
    },
    /// Loads variables with the precedence of `include_vars`; their texts are templates.
    IncludeVars {
        /// The variables.
        variables: Map<String, Value>,
        /// The file they come from.
        source: String,
    },
    /// Adds a host to the inventory of this run.
    AddHost {
        /// Its name.
        name: String,
        /// Its groups.
        groups: Vec<String>,
        /// Its variables.
        variables: Map<String, Value>,
    },
    /// Puts this host into a group.
    GroupBy {
        /// The group.
        group: String,
        /// The groups that this group is put into.
        parents: Vec<String>,
    },
    /// Opens a new session before the next step.
    ResetConnection,
    /// Waits for the operator.
    Pause {
        /// What is shown.
        prompt: String,
        /// How long to wait; `None` waits for the operator's answer.
        duration: Option<Duration>,
        /// Whether what is typed is shown.
        echo: bool,
    },
}

/// Why a module did not succeed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ModuleError {
    /// The session failed; the error tells whether something may have happened.
    #[error(transparent)]
    Connection(#[from] ConnError),
    /// The module failed: the message says what was found and what to do.
    #[error("{message}")]
    Failed {
        /// What failed.
        message: String,
        /// The result's fields (`rc`, `stdout` ...), and `changed` if something was changed all the same.
        result: Map<String, Value>,
    },
    /// Something was sent that changes something, and nobody answered: it may have had its effect.
    #[error("{message}")]
    InDoubt {
        /// What was sent, and what came of it.
        message: String,
        /// The result's fields.
        result: Map<String, Value>,
    },
    /// An argument is wrong, as seen only now.
    #[error("{}", .0.message)]
    Argument(Problem),
}

impl ModuleError {
    /// Makes a failure without further fields.
    pub fn failed(message: impl Into<String>) -> Self {
        Self::Failed {
            message: message.into(),
            result: Map::new(),
        }
    }

    /// Makes a mistake in a task of it, for what is found while an action is made.
    pub fn in_task(self, arguments: &Arguments) -> Vec<Problem> {
        match self {
            Self::Argument(problem) => vec![problem],
            other @ (Self::Connection(_) | Self::Failed { .. } | Self::InDoubt { .. }) => {
                vec![Problem::at(&arguments.loc, other.to_string())]
            }
        }
    }
}

/// Makes a result's fields of pairs.
pub fn fields<const N: usize>(pairs: [(&str, Value); N]) -> Map<String, Value> {
    pairs
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}

/// What a module may reach on the controller's side; implemented by `rollout` and `cli`.
pub trait Controller: Send + Sync + Debug {
    /// Finds and reads a file of the playbook's or role's `kind` directory ("files", "templates", "vars").
    fn read(&self, kind: &str, path: &str) -> Result<Vec<u8>, Problem>;

    /// Lists the files below a directory found like [`Controller::read`] finds files, as paths relative to it.
    fn list(&self, kind: &str, path: &str) -> Result<Vec<String>, Problem>;

    /// Renders a template file with the host's variables and these on top.
    fn render_file(&self, path: &str, further: &Map<String, Value>) -> Result<String, Problem>;

    /// Renders a text with the host's variables.
    fn render_text(&self, text: &str) -> Result<String, Problem>;

    /// Evaluates a condition with the host's variables.
    fn condition(&self, expression: &str) -> Result<bool, Problem>;

    /// Returns the rendered value of a variable of the host.
    fn variable(&self, name: &str) -> Result<Option<Value>, Problem>;

    /// Evaluates an expression (without braces) with the host's variables; its value keeps its type.
    fn evaluate(&self, expression: &str) -> Result<Value, Problem>;

    /// Reads a file of variables, YAML or JSON, also vaulted, found like [`Controller::read`] finds "vars"; their
    /// texts are not rendered.
    fn variables(&self, path: &str) -> Result<Map<String, Value>, Problem>;

    /// Returns the permission bits of a file found like [`Controller::read`] finds it; `None` for an embedded file.
    fn mode(&self, kind: &str, path: &str) -> Option<u32>;

    /// Reads a file at the place where [`Controller::write`] would put it; `None` if there is none.
    fn written(&self, path: &str) -> Option<Vec<u8>>;

    /// Writes a file on the controller, atomically, making its directories (for `fetch`).
    fn write(&self, path: &str, content: &[u8]) -> Result<(), Problem>;

    /// Returns who takes a cluster's lock for the run; nobody where there is no run.
    fn locks(&self) -> Option<&dyn Locks> {
        None
    }
}
