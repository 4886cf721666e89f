//! The order in which variables win, as Ansible documents it.

use std::fmt;

use crate::inventory::LevelKind;

/// Where a value is from; later ones win. Groups go from `all` down to those that are deepest, and of each kind the
/// files beside the inventory come before those beside the playbook.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Precedence {
    /// What holds if nobody says anything: `ansible_host` is the host's name.
    BuiltIn,
    /// A role's `defaults`.
    RoleDefaults,
    /// A group in a source of the inventory.
    Group,
    /// `group_vars` beside the inventory.
    GroupVars,
    /// `group_vars` beside the playbook.
    PlaybookGroupVars,
    /// A host in a source of the inventory.
    Host,
    /// `host_vars` beside the inventory.
    HostVars,
    /// `host_vars` beside the playbook.
    PlaybookHostVars,
    /// Facts of the host.
    Facts,
    /// A play's `vars`.
    Play,
    /// Answers to a play's `vars_prompt`.
    Prompt,
    /// A play's `vars_files`.
    VarsFiles,
    /// A role's `vars`.
    RoleVars,
    /// A block's `vars`.
    Block,
    /// A task's `vars`.
    Task,
    /// `include_vars`.
    IncludeVars,
    /// `set_fact` and `register`.
    SetFact,
    /// Parameters of a role.
    RoleParams,
    /// Parameters of an include.
    IncludeParams,
    /// `-e` on the command line.
    Extra,
    /// What stagger itself knows: `inventory_hostname`, `groups`.
    Magic,
    /// The variables of a loop.
    Loop,
}

impl From<LevelKind> for Precedence {
    fn from(kind: LevelKind) -> Self {
        match kind {
            LevelKind::Group => Self::Group,
            LevelKind::GroupVars => Self::GroupVars,
            LevelKind::PlaybookGroupVars => Self::PlaybookGroupVars,
            LevelKind::Host => Self::Host,
            LevelKind::HostVars => Self::HostVars,
            LevelKind::PlaybookHostVars => Self::PlaybookHostVars,
        }
    }
}

impl fmt::Display for Precedence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::BuiltIn => "built in",
            Self::RoleDefaults => "role defaults",
            Self::Group => "inventory, group",
            Self::GroupVars => "inventory group_vars",
            Self::PlaybookGroupVars => "playbook group_vars",
            Self::Host => "inventory, host",
            Self::HostVars => "inventory host_vars",
            Self::PlaybookHostVars => "playbook host_vars",
            Self::Facts => "facts",
            Self::Play => "play vars",
            Self::Prompt => "vars_prompt",
            Self::VarsFiles => "vars_files",
            Self::RoleVars => "role vars",
            Self::Block => "block vars",
            Self::Task => "task vars",
            Self::IncludeVars => "include_vars",
            Self::SetFact => "set_fact or register",
            Self::RoleParams => "role parameters",
            Self::IncludeParams => "include parameters",
            Self::Extra => "extra vars (-e)",
            Self::Magic => "magic",
            Self::Loop => "loop",
        })
    }
}
