//! Files, scripts, ranges and patterns -> hosts and groups.
//!
//! Reads what Ansible reads: inventories in YAML, INI and JSON, scripts, directories of them, lists of hosts, and the
//! `group_vars` and `host_vars` beside them. Values keep their positions; nothing is rendered and nothing is merged
//! here. Other than in Ansible, a source that cannot be read and a pattern that matches nothing are mistakes. Reaches
//! files and programs only through [`Files`], which `cli` hands in. Called by `vars`, `plan`, `rollout` and `cli`.

mod adding;
mod files;
mod glob;
mod grown;
mod host_name;
mod ini;
mod levels;
mod listing;
mod literal;
mod load;
mod model;
mod number;
mod pattern;
mod range;
mod script;
mod structured;
mod table;
mod term;
#[cfg(test)]
pub(crate) mod testing;
mod vars_directory;
mod words;

pub use files::{Files, Kind, Output, directory_of};
pub use host_name::HostName;
pub use levels::{Level, LevelKind, LevelVars};
pub use model::Inventory;
pub use pattern::Limit;
pub use table::VarTable;
pub use vars_directory::{VarsDirectory, read_table};
