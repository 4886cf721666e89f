//! The tree: playbook, plays, blocks.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Bracket, Context, Guard, Loaded, RoleUse, TakesDown, Task, TaskId};
use crate::yaml::{Loc, Node, Problem, Source};

/// A playbook with everything static that it names.
#[derive(Debug)]
pub struct Playbook {
    /// The file that was asked for.
    pub source: Arc<Source>,
    /// Its plays, and the brackets around plays, in their order.
    pub entries: Vec<Entry>,
    /// Every file that was read for it, in the order of reading.
    pub sources: Vec<Arc<Source>>,
    /// What dynamic includes load whose names are no templates, by the include's id: for checks and plans. When a run
    /// comes to an include it loads it again, with what its names are then.
    pub includes: BTreeMap<TaskId, Arc<Loaded>>,
    /// What is worth knowing and no mistake.
    pub notes: Vec<Problem>,
}

impl Playbook {
    /// Returns all plays in their order, also those inside brackets.
    pub fn plays(&self) -> impl Iterator<Item = &Arc<Play>> {
        let mut plays = Vec::new();
        collect(&self.entries, &mut plays);
        plays.into_iter()
    }
}

fn collect<'a>(entries: &'a [Entry], plays: &mut Vec<&'a Arc<Play>>) {
    for entry in entries {
        match entry {
            Entry::Play(play) => plays.push(play),
            Entry::Bracket(around) => collect(&around.entries, plays),
        }
    }
}

/// One entry of a playbook.
#[derive(Debug, Clone)]
pub enum Entry {
    /// A play.
    Play(Arc<Play>),
    /// A bracket around plays.
    Bracket(Arc<BracketEntry>),
}

/// A bracket that wraps plays, with the guards that watch all through it.
#[derive(Debug)]
pub struct BracketEntry {
    /// The bracket, per run.
    pub bracket: Arc<Bracket>,
    /// The guards.
    pub guards: Vec<Arc<Guard>>,
    /// The hosts of which one lends its variables to the bracket's tasks; those of the plays inside if absent.
    pub hosts: Option<Node>,
    /// Its keywords.
    pub context: Arc<Context>,
    /// What is inside.
    pub entries: Vec<Entry>,
}

/// The order in which a play's hosts are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// As the inventory has them.
    #[default]
    Inventory,
    /// The inventory's order from its end.
    ReverseInventory,
    /// By name.
    Sorted,
    /// By name from the end.
    ReverseSorted,
    /// By chance.
    Shuffle,
}

impl Order {
    /// Reads the word that is written.
    pub fn parse(word: &str) -> Option<Self> {
        match word {
            "inventory" => Some(Self::Inventory),
            "reverse_inventory" => Some(Self::ReverseInventory),
            "sorted" => Some(Self::Sorted),
            "reverse_sorted" => Some(Self::ReverseSorted),
            "shuffle" => Some(Self::Shuffle),
            _ => None,
        }
    }
}

/// Whether the hosts of a batch wait for each other after each task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Strategy {
    /// They do.
    #[default]
    Linear,
    /// Each goes on at its own pace.
    Free,
}

impl Strategy {
    /// Reads the word that is written.
    pub fn parse(word: &str) -> Option<Self> {
        match word {
            "linear" => Some(Self::Linear),
            "free" => Some(Self::Free),
            _ => None,
        }
    }
}

/// What a failed host means for the batches that follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnFailure {
    /// No further batch starts.
    #[default]
    Stop,
    /// Ansible's rule: the next batch starts unless the whole batch failed.
    Continue,
}

/// A section of a play.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Section {
    /// `pre_tasks`; handlers are run after them.
    PreTasks,
    /// `roles`.
    Roles,
    /// `tasks`; handlers are run after them.
    Tasks,
    /// `post_tasks`; handlers are run after them.
    PostTasks,
}

/// One play.
#[derive(Debug)]
pub struct Play {
    /// Its number in the playbook, from 1, as an id.
    pub id: TaskId,
    /// Where it starts.
    pub loc: Loc,
    /// Its name, which may be a template.
    pub name: Option<Node>,
    /// The pattern of its hosts: a text, or a list of texts; may be a template.
    pub hosts: Node,
    /// Its inheritable keywords.
    pub context: Arc<Context>,
    /// The sizes of its batches: numbers or percents, may be templates. Empty means all hosts at once.
    pub serial: Vec<Node>,
    /// The order of its hosts; may be a template.
    pub order: Option<Node>,
    /// A template that is rendered for each host that is left before every batch, after the gate: low values go first.
    /// So an order that depends on the cluster (the leader last) is that of the moment.
    pub order_by: Option<Node>,
    /// Its strategy; may be a template.
    pub strategy: Option<Node>,
    /// Whether facts are gathered first; a flag, which may be a template. Yes if absent.
    pub gather_facts: Option<Node>,
    /// Files of variables: each entry a text, or a list of which the first that exists is taken.
    pub vars_files: Vec<Node>,
    /// Variables that the operator is asked for.
    pub vars_prompt: Vec<Prompt>,
    /// `pre_tasks`.
    pub pre_tasks: Vec<Item>,
    /// The tasks of `roles`, each role's in a block.
    pub roles: Vec<Item>,
    /// `tasks`.
    pub tasks: Vec<Item>,
    /// `post_tasks`.
    pub post_tasks: Vec<Item>,
    /// The handlers of its roles, then its own, in the order in which they run.
    pub handlers: Vec<Arc<Task>>,
    /// The uses of roles whose variables the whole play sees, in the order of their precedence, low to high.
    pub role_uses: Vec<Arc<RoleUse>>,
    /// What must pass before its first batch, between batches and after the last one.
    pub gate: Vec<Item>,
    /// What is watched all through it.
    pub guards: Vec<Arc<Guard>>,
    /// What is entered for it, the outermost first.
    pub brackets: Vec<Arc<Bracket>>,
    /// The share of hosts that may fail, in percent; may be a template.
    pub max_fail_percentage: Option<Node>,
    /// What a failed host means for the batches that follow.
    pub on_failure: OnFailure,
    /// Whether notified handlers run also on hosts that failed; a flag, which may be a template.
    pub force_handlers: Option<Node>,
    /// The name of the point of no return that this play is.
    pub point_of_no_return: Option<Node>,
}

impl Play {
    /// Returns the sections in the order in which they run.
    pub fn sections(&self) -> [(Section, &[Item]); 4] {
        [
            (Section::PreTasks, &self.pre_tasks),
            (Section::Roles, &self.roles),
            (Section::Tasks, &self.tasks),
            (Section::PostTasks, &self.post_tasks),
        ]
    }

    /// Returns the name as written, else the pattern of its hosts.
    pub fn title(&self) -> String {
        let written = self.name.as_ref().and_then(Node::as_str);
        written.map_or_else(|| text_of(&self.hosts), str::to_owned)
    }

    /// Says whether the play protects a cluster, so that `on_failure: continue` and `--start-at-task` are refused.
    pub fn is_protected(&self) -> bool {
        !(self.gate.is_empty() && self.guards.is_empty() && self.brackets.is_empty())
    }
}

/// Shows a text, or a list of texts with commas.
fn text_of(node: &Node) -> String {
    match (node.as_str(), node.as_seq()) {
        (Some(text), _) => text.to_owned(),
        (None, Some(items)) => {
            let texts: Vec<&str> = items.iter().filter_map(Node::as_str).collect();
            texts.join(",")
        }
        (None, None) => String::new(),
    }
}

/// A variable that the operator is asked for before a play.
#[derive(Debug, Clone)]
pub struct Prompt {
    /// The variable.
    pub name: String,
    /// Where it is written.
    pub loc: Loc,
    /// What is shown.
    pub prompt: Option<String>,
    /// Its value if nothing is typed.
    pub default: Option<Node>,
    /// Whether what is typed is hidden and secret.
    pub private: bool,
    /// Whether it is asked twice.
    pub confirm: bool,
}

/// A task or a block.
#[derive(Debug, Clone)]
pub enum Item {
    /// A task.
    Task(Arc<Task>),
    /// A block, or a static import.
    Block(Arc<Block>),
}

/// Where a block comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BlockKind {
    /// `block:` as written.
    Written,
    /// `import_tasks`, or the file that a dynamic include loaded.
    Tasks,
    /// A use of a role.
    Role,
}

/// Tasks that belong together.
#[derive(Debug)]
pub struct Block {
    /// Its place in the tree.
    pub id: TaskId,
    /// Where it starts.
    pub loc: Loc,
    /// Its name, which may be a template.
    pub name: Option<Node>,
    /// Where it comes from.
    pub kind: BlockKind,
    /// Its inheritable keywords.
    pub context: Arc<Context>,
    /// What is done.
    pub block: Vec<Item>,
    /// What is done if that fails.
    pub rescue: Vec<Item>,
    /// What is done in any case.
    pub always: Vec<Item>,
    /// Whether the run must not stop inside: rest points are only before and after it.
    pub indivisible: bool,
    /// The members that it takes down.
    pub takes_down: Option<TakesDown>,
    /// What is watched all through it.
    pub guards: Vec<Arc<Guard>>,
    /// What is entered for it, the outermost first.
    pub brackets: Vec<Arc<Bracket>>,
    /// The name of the point of no return that this block is.
    pub point_of_no_return: Option<Node>,
}
