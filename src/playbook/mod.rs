//! Plays, roles, tasks, blocks, brackets, guards, with the positions at which they were written.
//!
//! Loading reads every file that a playbook names, expands what is static (imports, roles) and collects all mistakes of
//! all files. Whatever may hold a template stays a [`yaml::Node`](crate::yaml::Node); nothing is rendered and no host is
//! known here. Called by `plan`, `rollout` and `cli`.

mod argument_spec;
mod check;
mod context;
mod files;
mod id;
mod load;
mod role;
mod safety;
mod share;
mod task;
#[cfg(test)]
pub(crate) mod testing;
mod tree;

pub use argument_spec::{ArgumentSpec, RoleOption};
pub use check::{Checked, Surroundings};
pub use context::{Context, Keywords, Level};
pub use files::{FileKind, Files, directory_of, join};
pub use id::TaskId;
pub use load::{Loaded, Loader, RoleChoice};
pub use role::{Role, RoleUse};
pub use safety::{Bracket, Guard, Per, Probed, TakesDown};
pub use share::Share;
pub use task::{
    Action, Include, Included, Loop, LoopControl, LoopOver, Meta, OnDeadline, RoleFiles, Task,
};
pub use tree::{
    Block, BlockKind, BracketEntry, Entry, Item, OnFailure, Order, Play, Playbook, Prompt, Section,
    Strategy,
};
