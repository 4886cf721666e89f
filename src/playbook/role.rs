//! A role's files, and one use of a role.

use std::sync::Arc;

use crate::yaml::{Key, Loc, Node};

/// What a role's directory holds, for one choice of `tasks_from`, `vars_from` and the like.
#[derive(Debug)]
pub struct Role {
    /// Its name as it was asked for.
    pub name: String,
    /// Its directory.
    pub path: String,
    /// The maps of `defaults/`, one a file, the later wins.
    pub defaults: Vec<Node>,
    /// The maps of `vars/`, one a file, the later wins.
    pub vars: Vec<Node>,
    /// The file of its tasks.
    pub(super) tasks: Option<String>,
    /// The file of its handlers.
    pub(super) handlers: Option<String>,
    /// The dependencies of `meta/main.yml`, as written, and the file's directory.
    pub(super) dependencies: Vec<Node>,
    /// Whether `meta/main.yml` allows that the role runs twice in a play.
    pub(super) allow_duplicates: bool,
    /// The arguments that the chosen tasks take, from `meta/argument_specs.yml`.
    pub argument_spec: Option<Arc<super::ArgumentSpec>>,
}

/// One use of a role: by a play's `roles`, as a dependency, by `import_role` or `include_role`.
#[derive(Debug)]
pub struct RoleUse {
    /// The role.
    pub role: Arc<Role>,
    /// Where it was asked for.
    pub loc: Loc,
    /// The variables written beside the role's name, with the precedence of role parameters.
    pub params: Vec<(Key, Node)>,
    /// The uses that the role's `meta/main.yml` asks for, in their order.
    pub dependencies: Vec<Arc<RoleUse>>,
    /// What tells this use from others, if the role runs only once for a host in a play: a use whose text another one
    /// had, of which all was done, is skipped.
    pub once: Option<String>,
    /// Whether its defaults and variables are seen by the rest of the play.
    pub public: bool,
}
