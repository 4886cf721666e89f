//! stagger's own parts of a playbook: brackets, guards, and conditions that ask a host first.

use std::sync::Arc;

use super::{Context, Item, Task, TaskId};
use crate::yaml::{Loc, Node};

/// How often a bracket is entered and left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Per {
    /// Once in a run: the bracket wraps plays.
    Run,
    /// Once in a play.
    #[default]
    Play,
    /// Once in a batch.
    Batch,
    /// Once for each host.
    Host,
}

/// Enter, within, leave: what `enter` switched, `leave` switches back, on every way out.
///
/// Order: the play's gate, `read`, `enter`, what is inside, `settle`, `leave`, `after`. With `per: host` its tasks run
/// on each host; otherwise they run once, with the variables of one host of its scope that can be reached.
#[derive(Debug)]
pub struct Bracket {
    /// Its place in the tree.
    pub id: TaskId,
    /// Where it is written.
    pub loc: Loc,
    /// Its name, never a template: the journal and the notes on the hosts know it by this name.
    pub name: String,
    /// Its keywords, and through it those of everything around it: what its expressions see.
    pub context: Arc<Context>,
    /// How often it is entered.
    pub per: Per,
    /// The value that `found` normally has; another one, without a note of an earlier run, is a question to the operator.
    pub expect: Option<Node>,
    /// Tasks that read what is there before the first change.
    pub read: Vec<Item>,
    /// An expression over what `read` registered: the value that is written down and that `leave` sees as `found`.
    pub found: Option<Node>,
    /// Tasks that switch.
    pub enter: Vec<Item>,
    /// What keeps it switched while it lasts, such as a time to live that runs out: written like guards, but they may
    /// change something. Done once on entering, then again and again until it is left.
    pub renew: Vec<Arc<Guard>>,
    /// Conditions, as tasks, that must hold inside before it is left.
    pub settle: Vec<Item>,
    /// Tasks that switch back.
    pub leave: Vec<Item>,
    /// A gate, as tasks, behind it.
    pub after: Vec<Item>,
    /// While this holds, the bracket must not be left: it is held.
    pub hold_while: Option<Probed>,
    /// Whether a step in doubt that may still run inside holds it too; not where being switched off does more harm to what
    /// is around the step than the step's end can do.
    pub hold_in_doubt: bool,
    /// How long it is waited for that what `hold_while` says passes; without it as long as leaving is tried again.
    pub hold_wait: Option<Node>,
}

/// A condition watched in the background all through the scope that declares it.
#[derive(Debug)]
pub struct Guard {
    /// Its place in the tree.
    pub id: TaskId,
    /// Where it is written.
    pub loc: Loc,
    /// Its name, never a template.
    pub name: String,
    /// The read-only task that asks; its result is seen by `until` as `result`.
    pub probe: Arc<Task>,
    /// How often to ask; [`Guard::EVERY_SECONDS`] if absent.
    pub every: Option<Node>,
    /// Conditions that all must hold.
    pub until: Vec<Node>,
    /// How long it may be false before it is a breach; no time if absent.
    pub grace: Option<Node>,
    /// How long it may be unknown, because the probe failed, before forward steps wait; [`Guard::UNKNOWN_SECONDS`] if
    /// absent.
    pub unknown_grace: Option<Node>,
}

impl Guard {
    /// How often a guard asks if it does not say, in seconds.
    pub const EVERY_SECONDS: u64 = 5;
    /// How long a guard may be unknown if it does not say, in seconds.
    pub const UNKNOWN_SECONDS: u64 = 60;
}

/// A condition that may ask a host first: `done_when`, `hold_while`.
///
/// Written as one or more conditions, or as a map of one read-only module and `that:` with conditions on its `result`.
#[derive(Debug)]
pub struct Probed {
    /// Where it is written.
    pub loc: Loc,
    /// The read-only task that asks; its result is seen by the conditions as `result`.
    pub probe: Option<Arc<Task>>,
    /// Conditions that all must hold.
    pub that: Vec<Node>,
}

/// The members of a cluster that a block or task takes down on purpose.
#[derive(Debug, Clone)]
pub struct TakesDown {
    /// Their ids: a text, a list, or a template of either.
    pub members: Node,
    /// For how long at most guards leave them out; as long as the block or task runs if absent.
    pub within: Option<Node>,
}
