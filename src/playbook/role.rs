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
    /// The tasks of `tasks/main.yml`, as written.
    pub(super) tasks: Option<Node>,
    /// The handlers of `handlers/main.yml`, as written.
    pub(super) handlers: Option<Node>,
    /// The dependencies of `meta/main.yml`, as written.
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
    /// The map of `vars` written beside the role's name.
    pub vars: Option<Node>,
    /// The uses that the role's `meta/main.yml` asks for, in their order.
    pub dependencies: Vec<Arc<RoleUse>>,
    /// Whether its defaults and variables are seen by the rest of the play.
    pub public: bool,
}
