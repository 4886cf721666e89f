//! What the engine is handed from outside: sessions, answers, files, variables, templates.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use crate::connection::{ConnError, Connection};
use crate::inventory::{Inventory, Limit};
use crate::plan::TagSelection;
use crate::secrets::Vault;
use crate::template::{Templater, Variables};
use crate::yaml::Problem;

use super::login::BecomeDefaults;
use super::pauses::Pauses;

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
    /// Tells whether somebody is there to answer.
    fn is_attended(&self) -> bool;

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

    /// Reads a whole file that goes to a host as it is.
    fn carry(&self, path: &str) -> Result<Vec<u8>, String> {
        self.read(path)
    }

    /// Reads a file that runs write, as it is now.
    fn written(&self, path: &str) -> Option<Vec<u8>> {
        self.read(path).ok()
    }

    /// Tells whether a path is there, as a file or a directory.
    fn exists(&self, path: &str) -> bool;

    /// Lists the files below a directory, as paths relative to it, sorted.
    fn list(&self, path: &str) -> Result<Vec<String>, String>;

    /// Returns the permission bits of a file; `None` for one inside the binary.
    fn mode(&self, path: &str) -> Option<u32>;

    /// Writes a file, atomically, making its directories.
    fn write(&self, path: &str, content: &[u8]) -> Result<(), String>;

    /// Returns what opens values that are encrypted one by one; a whole file that is encrypted is opened by `read`.
    fn vault(&self) -> Option<&Vault> {
        None
    }

    /// Reads the inventory again.
    fn inventory(&self) -> Result<Inventory, Vec<Problem>>;
}

/// Makes what renders templates.
pub trait Templaters: Send + Sync + Debug {
    /// Makes a templater whose lookups search relative paths in these directories, first to last.
    fn searching(&self, directories: &[String]) -> Templater;
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
    /// Which tasks take part, by their tags.
    pub tags: TagSelection,
    /// The hosts that the run is limited to.
    pub limit: Option<Limit>,
    /// Which machine each host is on, as far as preflight knows: hosts of one machine share a place in a batch.
    pub machines: BTreeMap<String, String>,
    /// What a shuffled order of hosts depends on.
    pub seed: u64,
    /// The earlier runs on these hosts that no process works on, and none can while this run goes on.
    pub stopped_runs: Vec<String>,
    /// The task at which the run starts, leaving out all before it.
    pub start_at: Option<String>,
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
    /// Where it stops by itself, and what it leaves out.
    pub pauses: Pauses,
    /// What the command line says of becoming another user.
    pub r#become: BecomeDefaults,
    /// How guards are watched.
    pub guards: GuardMode,
    /// Whether this is only a look ahead: nothing is changed, waited for, asked or watched, and what is not so yet stops
    /// nothing.
    pub survey: bool,
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
            tags: TagSelection::default(),
            limit: None,
            machines: BTreeMap::new(),
            seed: 0,
            stopped_runs: Vec::new(),
            start_at: None,
            approved: Vec::new(),
            step_limit: Duration::from_hours(24),
            force_handlers: false,
            reconnect: seconds(&[1, 2, 4, 8, 15, 30]),
            connect: seconds(&[1, 2, 4]),
            leave: seconds(&[1, 2, 5, 10, 20]),
            pauses: Pauses::default(),
            r#become: BecomeDefaults::default(),
            guards: GuardMode::Background,
            survey: false,
        }
    }
}
