//! The arguments that a role takes, from its `meta/argument_specs.yml`.

use crate::yaml::Node;

/// The arguments of one entry point of a role.
#[derive(Debug)]
pub struct ArgumentSpec {
    /// The entry point: `main`, or what `tasks_from` names.
    pub entry_point: String,
    /// What the entry point is for, in one line.
    pub short_description: Option<String>,
    /// The map of options, as written.
    pub options: Node,
}
