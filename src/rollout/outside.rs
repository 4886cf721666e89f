//! What the engine is handed from outside: sessions, answers, files, variables, templates.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};

use crate::connection::{ConnError, Connection};
use crate::playbook::{Context, RoleUse};
use crate::template::Variables;
use crate::yaml::{Node, Problem};

use super::login::BecomeDefaults;

/// A session that is wanted.
#[derive(Debug)]
pub struct Wish<'a> {
    /// The inventory's name of the host.
    pub host: &'a str,
    /// The host's variables, with those of the task on top.
    pub variables: &'a Arc<dyn Variables>,
    /// The keyword `remote_user`, rendered.
    pub remote_user: Option<&'a str>,
    /// The keyword `port`, rendered.
    pub port: Option<u16>,
    /// The keyword `connection`, rendered.
    pub connection: Option<&'a str>,
}

/// Why there is no session.
#[derive(Debug)]
pub enum NoSession {
    /// The host's variables are wrong.
    Problem(Problem),
    /// The host does not answer, or does not let us in.
    Connection(ConnError),
}

/// Opens sessions.
pub trait Connector: Send + Sync + Debug {
    /// Makes a session; it may connect at once or with its first call.
    fn connect(&self, wish: &Wish<'_>) -> Result<Box<dyn Connection>, NoSession>;
}

/// What the operator says to a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StepAnswer {
    /// Do it.
    Run,
    /// Leave it out.
    Skip,
    /// Do it and do not ask again.
    Continue,
    /// Stop here.
    Stop,
}

/// Asks the operator, or says that nobody is there.
pub trait Asker: Send + Sync + Debug {
    /// Asks whether a task shall be done (`--step`).
    fn step(&self, task: &str) -> StepAnswer;

    /// Asks whether a point of no return shall be passed; `None` when nobody can be asked.
    fn approve(&self, name: &str, note: &str) -> Option<bool>;

    /// Waits for the operator's line; `None` when nobody can be asked.
    fn pause(&self, prompt: &str, echo: bool) -> Option<String>;
}

/// The files on the controller's side: those on disk first, then those inside the binary; and where results are put.
pub trait Desk: Send + Sync + Debug {
    /// Reads a whole file; the error is a reason for people.
    fn read(&self, path: &str) -> Result<Vec<u8>, String>;

    /// Tells whether a path is there, as a file or a directory.
    fn exists(&self, path: &str) -> bool;

    /// Lists the files below a directory, as paths relative to it, sorted.
    fn list(&self, path: &str) -> Result<Vec<String>, String>;

    /// Returns the permission bits of a file; `None` for one inside the binary.
    fn mode(&self, path: &str) -> Option<u32>;

    /// Writes a file, atomically, making its directories.
    fn write(&self, path: &str, content: &[u8]) -> Result<(), String>;
}

/// Where a set of variables stands in the order of precedence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rank {
    /// A role's `defaults`.
    RoleDefaults,
    /// A play's `vars`.
    Play,
    /// A play's `vars_prompt`.
    Prompt,
    /// A play's `vars_files`.
    VarsFile,
    /// A role's `vars`.
    RoleVars,
    /// A block's `vars`.
    Block,
    /// A task's `vars`.
    Task,
    /// A role's parameters.
    RoleParams,
    /// A dynamic include's parameters.
    IncludeParams,
}

/// A set of variables with its place in the order of precedence; of two of one rank the later one wins.
#[derive(Debug, Clone)]
pub struct Layer {
    /// Its place.
    pub rank: Rank,
    /// The variables.
    pub values: LayerValues,
}

/// The variables of a [`Layer`], where they lie.
#[derive(Debug, Clone)]
pub enum LayerValues {
    /// `vars` of a level.
    Level(Arc<Context>),
    /// One of a role's files of defaults.
    Defaults(Arc<RoleUse>, usize),
    /// One of a role's files of variables.
    Vars(Arc<RoleUse>, usize),
    /// A role's parameters.
    Params(Arc<RoleUse>),
    /// A file of variables: a map.
    File(Arc<Node>),
    /// Data that is never evaluated.
    Given(Arc<Map<String, Value>>),
}

impl LayerValues {
    /// Returns a variable as written; data that is never evaluated is not written anywhere.
    pub fn written(&self, name: &str) -> Option<&Node> {
        match self {
            Self::Level(context) => context.keywords.vars.as_ref()?.entry(name),
            Self::Defaults(role, file) => role.role.defaults.get(*file)?.entry(name),
            Self::Vars(role, file) => role.role.vars.get(*file)?.entry(name),
            Self::Params(role) => role
                .params
                .iter()
                .find(|(key, _)| key.name == name)
                .map(|(_, value)| value),
            Self::File(node) => node.entry(name),
            Self::Given(_) => None,
        }
    }

    /// Returns the names of the variables.
    pub fn names(&self) -> Vec<String> {
        let keys = |node: Option<&Node>| -> Vec<String> {
            let entries = node.and_then(Node::as_map).unwrap_or_default();
            entries.iter().map(|(key, _)| key.name.clone()).collect()
        };
        match self {
            Self::Level(context) => keys(context.keywords.vars.as_ref()),
            Self::Defaults(role, file) => keys(role.role.defaults.get(*file)),
            Self::Vars(role, file) => keys(role.role.vars.get(*file)),
            Self::Params(role) => role.params.iter().map(|(key, _)| key.name.clone()).collect(),
            Self::File(node) => keys(Some(node)),
            Self::Given(values) => values.keys().cloned().collect(),
        }
    }
}

/// Where a host's own variables come from while a run goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// Gathered facts.
    Facts,
    /// `include_vars`: their texts are templates.
    IncludeVars,
    /// `set_fact`, `register`.
    SetFact,
}

/// A scope that is wanted.
#[derive(Debug)]
pub struct ScopeWish<'a> {
    /// The host.
    pub host: &'a str,
    /// The layers of play, roles, blocks and task.
    pub layers: &'a Arc<Vec<Layer>>,
    /// Magic variables about play and task: `ansible_play_hosts`, `role_path` and the like.
    pub magic: &'a Arc<Map<String, Value>>,
}

/// The variables of a run.
pub trait Memory: Send + Sync + Debug {
    /// Returns what a template sees.
    fn scope(&self, wish: ScopeWish<'_>) -> Arc<dyn Variables>;

    /// Sets variables of a host.
    fn set(&self, host: &str, origin: Origin, variables: Map<String, Value>);

    /// Forgets a host's facts.
    fn clear_facts(&self, host: &str);

    /// Adds a host to the inventory of this run.
    fn add_host(&self, name: &str, groups: &[String], variables: &Map<String, Value>);

    /// Puts a host into a group.
    fn group_by(&self, host: &str, group: &str, parents: &[String]);

    /// Returns the hosts that a pattern names, in the inventory's order.
    fn select(&self, pattern: &str) -> Result<Vec<String>, Problem>;

    /// Reads the inventory again.
    fn refresh(&self) -> Result<(), Vec<Problem>>;
}

/// Renders what a person wrote with the variables of a scope.
pub trait Language: Send + Sync + Debug {
    /// Renders a value; a text that is one expression keeps its type.
    fn value(&self, node: &Node, scope: &Arc<dyn Variables>) -> Result<Value, Problem>;

    /// Asks a condition.
    fn condition(&self, node: &Node, scope: &Arc<dyn Variables>) -> Result<bool, Problem>;

    /// Evaluates an expression without braces.
    fn expression(
        &self,
        expression: &str,
        scope: &Arc<dyn Variables>,
    ) -> Result<Value, Problem>;

    /// Renders a template file's text.
    fn file(
        &self,
        path: &str,
        text: &str,
        scope: &Arc<dyn Variables>,
    ) -> Result<String, Problem>;
}

/// What the run was asked to do, beside its plan.
#[derive(Debug, Clone)]
pub struct Settings {
    /// How many hosts are worked on at once.
    pub forks: usize,
    /// Whether nothing may be changed.
    pub check: bool,
    /// Whether differences are wanted.
    pub diff: bool,
    /// Whether every task is asked for.
    pub step: bool,
    /// The points of no return that were approved beforehand.
    pub approved: Vec<String>,
    /// The limit of a step that does not say one.
    pub step_limit: Duration,
    /// Whether handlers run also on hosts that failed.
    pub force_handlers: bool,
    /// How long to wait before each further try to reach a host that was reached before.
    pub reconnect: Vec<Duration>,
    /// How long to wait before each further try to reach a host for the first time.
    pub connect: Vec<Duration>,
    /// How long to wait before each further try to leave a bracket.
    pub leave: Vec<Duration>,
    /// What the command line says of becoming another user.
    pub r#become: BecomeDefaults,
    /// How guards are watched.
    pub guards: GuardMode,
}

/// How guards are watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GuardMode {
    /// By threads of their own.
    Background,
    /// By the engine, wherever it waits or may stop: for simulated time.
    Inline,
}

impl Default for Settings {
    fn default() -> Self {
        let seconds = |list: &[u64]| list.iter().copied().map(Duration::from_secs).collect();
        Self {
            forks: 20,
            check: false,
            diff: false,
            step: false,
            approved: Vec::new(),
            step_limit: Duration::from_secs(24 * 3600),
            force_handlers: false,
            reconnect: seconds(&[1, 2, 4, 8, 15, 30]),
            connect: seconds(&[1, 2, 4]),
            leave: seconds(&[1, 2, 5, 10, 20]),
            r#become: BecomeDefaults::default(),
            guards: GuardMode::Background,
        }
    }
}
