//! A task: what it does and all that is said about how.

use std::sync::Arc;

use super::{Context, Probed, RoleUse, TakesDown, TaskId};
use crate::modules::spec::ModuleSpec;
use crate::yaml::{Loc, Node};

/// One task, or a handler.
#[derive(Debug)]
pub struct Task {
    /// Its place in the tree.
    pub id: TaskId,
    /// Where it starts.
    pub loc: Loc,
    /// Its name, which may be a template.
    pub name: Option<Node>,
    /// Its own inheritable keywords, and through it those of everything around it.
    pub context: Arc<Context>,
    /// What it does.
    pub action: Action,
    /// What it is repeated over; without it the task runs once for a host.
    pub r#loop: Option<Loop>,
    /// The variable that gets its result.
    pub register: Option<String>,
    /// Conditions on the result; it is tried again until all hold. Empty when not given.
    pub until: Vec<Node>,
    /// How often it is tried again.
    pub retries: Option<Node>,
    /// How long to wait between two tries.
    pub delay: Option<Node>,
    /// Conditions; the task counts as changed when all of them hold. Empty when not given.
    pub changed_when: Vec<Node>,
    /// Conditions; the task is failed when all of them hold. Empty when not given.
    pub failed_when: Vec<Node>,
    /// Whether it is a handler, or was loaded by one.
    pub is_handler: bool,
    /// The topics that a handler listens to.
    pub listen: Vec<Node>,
    /// `async`: how long it may run in the background.
    pub r#async: Option<Node>,
    /// `poll`: how often to look at it; 0 leaves it running.
    pub poll: Option<Node>,
    /// What tells that a step in doubt is done.
    pub done_when: Option<Probed>,
    /// The members that it takes down.
    pub takes_down: Option<TakesDown>,
    /// The name of the point of no return that this task is.
    pub point_of_no_return: Option<Node>,
    /// What its deadline does to what runs on the host.
    pub on_deadline: Option<OnDeadline>,
    /// `failure_is: locked`: whether its failure says that another run has the cluster.
    pub finds_lock: bool,
}

impl Task {
    /// Makes a task that says nothing but what it does.
    pub(super) fn plain(
        id: TaskId,
        loc: Loc,
        name: Node,
        context: Arc<Context>,
        action: Action,
    ) -> Arc<Self> {
        Arc::new(Self {
            id,
            loc,
            name: Some(name),
            context,
            action,
            r#loop: None,
            register: None,
            until: Vec::new(),
            retries: None,
            delay: None,
            changed_when: Vec::new(),
            failed_when: Vec::new(),
            is_handler: false,
            listen: Vec::new(),
            r#async: None,
            poll: None,
            done_when: None,
            takes_down: None,
            point_of_no_return: None,
            on_deadline: None,
            finds_lock: false,
        })
    }

    /// Tells whether this is the task's name, with or without its role's: `ROLE : NAME`.
    pub fn is_called(&self, name: &str) -> bool {
        if self.title() == name {
            return true;
        }
        let role = self.context.role().map(|role| role.role.name.as_str());
        let rest = role.and_then(|role| name.strip_prefix(role));
        let rest = rest.and_then(|rest| rest.trim_start().strip_prefix(':'));
        rest.is_some_and(|rest| rest.trim_start() == self.title())
    }

    /// Returns the name as written, else that of the module.
    pub fn title(&self) -> &str {
        self.name
            .as_ref()
            .and_then(Node::as_str)
            .unwrap_or_else(|| self.action.name())
    }
}

/// What a task does.
#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "there is one in each task, which lies behind an Arc"
)]
pub enum Action {
    /// Runs a module.
    Module {
        /// Its table.
        spec: &'static ModuleSpec,
        /// Its name as written.
        name: String,
        /// Its arguments: a map, with the module defaults of everything around it merged in.
        arguments: Node,
    },
    /// Loads tasks or a role when the task runs.
    Include(Include),
    /// Speaks to the engine.
    Meta(Meta),
    /// Checks a role's arguments against its `meta/argument_specs.yml`: the first step of a role that has one.
    RoleArguments(Arc<RoleUse>),
}

impl Action {
    /// Returns the name of what it does, as written.
    pub fn name(&self) -> &str {
        match self {
            Self::Module { name, .. } => name,
            Self::Include(include) => match include.what {
                Included::Tasks { .. } => "include_tasks",
                Included::Role { .. } => "include_role",
            },
            Self::Meta(_) => "meta",
            Self::RoleArguments(_) => "validate_argument_spec",
        }
    }
}

/// A dynamic include.
#[derive(Debug)]
pub struct Include {
    /// What is loaded.
    pub what: Included,
    /// Keywords that go onto what is loaded (`apply`), a map.
    pub apply: Option<Node>,
    /// Whether what is loaded cannot be stopped inside.
    pub indivisible: bool,
}

/// What a dynamic include loads.
#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "there is one in each task, which lies behind an Arc"
)]
pub enum Included {
    /// A file of tasks.
    Tasks {
        /// Its path, which may be a template.
        file: Node,
    },
    /// A role.
    Role {
        /// Its name, which may be a template.
        name: Node,
        /// Which of its files.
        files: RoleFiles,
        /// Whether its variables are seen by the rest of the play; a flag, which may be a template.
        public: Option<Node>,
        /// Whether its arguments are checked.
        validate: bool,
        /// Whether it runs again on a host on which it ran before in the play.
        allow_duplicates: bool,
    },
}

/// Which files of a role are used instead of `main.yml`; each may be a template in an include.
#[derive(Debug, Clone, Default)]
pub struct RoleFiles {
    /// `tasks_from`.
    pub tasks: Option<Node>,
    /// `vars_from`.
    pub vars: Option<Node>,
    /// `defaults_from`.
    pub defaults: Option<Node>,
    /// `handlers_from`.
    pub handlers: Option<Node>,
}

/// What `meta` can ask of the engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meta {
    /// Runs the handlers notified so far.
    FlushHandlers,
    /// Ends the play for this host.
    EndHost,
    /// Ends the play for all hosts.
    EndPlay,
    /// Ends the batch.
    EndBatch,
    /// Ends the role for this host.
    EndRole,
    /// Takes back failed and unreachable hosts.
    ClearHostErrors,
    /// Forgets the host's facts.
    ClearFacts,
    /// Opens a new session.
    ResetConnection,
    /// Reads the inventory again.
    RefreshInventory,
    /// Does nothing.
    Noop,
}

impl Meta {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::FlushHandlers,
        Self::EndHost,
        Self::EndPlay,
        Self::EndBatch,
        Self::EndRole,
        Self::ClearHostErrors,
        Self::ClearFacts,
        Self::ResetConnection,
        Self::RefreshInventory,
        Self::Noop,
    ];

    /// Returns the word that is written.
    pub fn name(self) -> &'static str {
        match self {
            Self::FlushHandlers => "flush_handlers",
            Self::EndHost => "end_host",
            Self::EndPlay => "end_play",
            Self::EndBatch => "end_batch",
            Self::EndRole => "end_role",
            Self::ClearHostErrors => "clear_host_errors",
            Self::ClearFacts => "clear_facts",
            Self::ResetConnection => "reset_connection",
            Self::RefreshInventory => "refresh_inventory",
            Self::Noop => "noop",
        }
    }
}

/// What a task is repeated over.
#[derive(Debug)]
pub struct Loop {
    /// Where it is written.
    pub loc: Loc,
    /// The items.
    pub over: LoopOver,
    /// `loop_control`.
    pub control: LoopControl,
}

/// Where a loop's items come from.
#[derive(Debug)]
pub enum LoopOver {
    /// `loop:` a list, or a template of a list.
    Items(Node),
    /// `with_NAME:` the lookup `NAME` with these terms.
    With {
        /// The lookup's name.
        lookup: String,
        /// Its terms, as written.
        terms: Node,
    },
}

/// How a loop goes.
#[derive(Debug, Default)]
pub struct LoopControl {
    /// The variable of the item; `item` if absent.
    pub loop_var: Option<Node>,
    /// The variable of the item's number, from 0.
    pub index_var: Option<Node>,
    /// What is shown instead of the item.
    pub label: Option<Node>,
    /// How long to wait between two items.
    pub pause: Option<Node>,
    /// Whether `ansible_loop` is wanted.
    pub extended: Option<Node>,
    /// Whether `ansible_loop.allitems` is wanted.
    pub extended_allitems: Option<Node>,
    /// Conditions that end the loop when all hold after an item. Empty when not given.
    pub break_when: Vec<Node>,
}

/// What a deadline does to what runs on the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnDeadline {
    /// It goes on; only the wait ends.
    Leave,
    /// It gets SIGTERM.
    Term,
    /// It gets SIGKILL.
    Kill,
}
