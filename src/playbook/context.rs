//! What a task inherits: the keywords of everything around it.

use std::sync::Arc;

use super::{Files, RoleUse, join};
use crate::yaml::Node;

/// The inheritable keywords of a play, role, block, include or task, as written at that level.
#[derive(Debug, Clone, Default)]
pub struct Keywords {
    /// Conditions; all levels' conditions must hold, the outermost is asked first.
    pub when: Vec<Node>,
    /// Tags; all levels' tags count.
    pub tags: Vec<Node>,
    /// Variables, a map; all levels' variables are seen, the innermost wins.
    pub vars: Option<Node>,
    /// Maps (or templates of maps) of the environment; all levels' are merged, the innermost wins.
    pub environment: Vec<Node>,
    /// Arguments that modules get if a task does not say otherwise, a map; merged into the tasks by the loader.
    pub module_defaults: Vec<Node>,
    /// `become`.
    pub r#become: Option<Node>,
    /// `become_user`.
    pub become_user: Option<Node>,
    /// `become_method`.
    pub become_method: Option<Node>,
    /// `become_flags`.
    pub become_flags: Option<Node>,
    /// `become_exe`.
    pub become_exe: Option<Node>,
    /// `remote_user`.
    pub remote_user: Option<Node>,
    /// `port`.
    pub port: Option<Node>,
    /// `connection`.
    pub connection: Option<Node>,
    /// `check_mode`.
    pub check_mode: Option<Node>,
    /// `diff`.
    pub diff: Option<Node>,
    /// `no_log`.
    pub no_log: Option<Node>,
    /// `run_once`.
    pub run_once: Option<Node>,
    /// `throttle`.
    pub throttle: Option<Node>,
    /// `timeout`: the limit of a step; of a task with `until`, the limit of all its tries together.
    pub timeout: Option<Node>,
    /// `any_errors_fatal`.
    pub any_errors_fatal: Option<Node>,
    /// `ignore_errors`.
    pub ignore_errors: Option<Node>,
    /// `ignore_unreachable`.
    pub ignore_unreachable: Option<Node>,
    /// `delegate_to`.
    pub delegate_to: Option<Node>,
    /// `delegate_facts`.
    pub delegate_facts: Option<Node>,
    /// `notify`; empty when not given.
    pub notify: Vec<Node>,
}

/// What kind of thing a level of inheritance is; decides the precedence of its variables.
#[derive(Debug, Clone)]
pub enum Level {
    /// A bracket around plays, or the import of a playbook.
    Playbook,
    /// A play.
    Play,
    /// A use of a role.
    Role(Arc<RoleUse>),
    /// A block, or a static import of tasks or of a role.
    Block,
    /// A dynamic include: its variables have the precedence of include parameters.
    Include,
    /// A play's gate, a bracket or a guard: tags cannot take away what is inside.
    Protection,
    /// A bracket: tags cannot take away what is inside, and conditions around it were judged when it was entered.
    Bracket,
    /// A task.
    Task,
}

/// One level of inheritance and, through `parent`, all levels around it.
#[derive(Debug)]
pub struct Context {
    /// What this level is.
    pub level: Level,
    /// What is written at this level.
    pub keywords: Keywords,
    /// The level around it.
    pub parent: Option<Arc<Context>>,
    /// The directory of the file in which this level is written.
    pub directory: Arc<str>,
    /// The directory of the playbook that holds the play.
    pub playbook_directory: Arc<str>,
}

impl Context {
    /// Returns this level and all around it, from the innermost to the outermost.
    pub fn levels(&self) -> impl Iterator<Item = &Context> {
        std::iter::successors(Some(self), |level| level.parent.as_deref())
    }

    /// Returns the innermost value of a keyword: `context.nearest(|keywords| keywords.become_user.as_ref())`.
    pub fn nearest<'a, T>(
        &'a self,
        keyword: impl Fn(&'a Keywords) -> Option<&'a T>,
    ) -> Option<&'a T> {
        self.levels().find_map(|level| keyword(&level.keywords))
    }

    /// Returns the conditions, the outermost level's first: the order in which they are asked. Inside of a bracket those
    /// around it do not count: they were judged once, for the bracket as a whole, and may have become false by what was
    /// done inside.
    pub fn conditions(&self) -> Vec<&Node> {
        let levels: Vec<&Self> = self.levels().collect();
        let mut around = levels.iter().skip(1);
        let bracket = around.position(|level| matches!(level.level, Level::Bracket));
        let own = bracket.map_or(levels.len(), |place| place + 1);
        let own = levels.into_iter().take(own).rev();
        own.flat_map(|level| &level.keywords.when).collect()
    }

    /// Returns all maps of the environment, the outermost level's first: later ones win.
    pub fn environment(&self) -> Vec<&Node> {
        self.outermost_first(|keywords| &keywords.environment)
    }

    /// Returns all tags of all levels.
    pub fn tags(&self) -> Vec<&Node> {
        self.outermost_first(|keywords| &keywords.tags)
    }

    /// Returns what is to be notified: that of the innermost level that says it.
    pub fn notify(&self) -> &[Node] {
        self.levels()
            .map(|level| level.keywords.notify.as_slice())
            .find(|names| !names.is_empty())
            .unwrap_or_default()
    }

    /// Returns the uses of roles around this level, the innermost first: a dependency is inside of what asks for it.
    pub fn roles(&self) -> impl Iterator<Item = &Arc<RoleUse>> {
        self.levels().filter_map(|level| match &level.level {
            Level::Role(role) => Some(role),
            Level::Playbook
            | Level::Play
            | Level::Block
            | Level::Include
            | Level::Protection
            | Level::Bracket
            | Level::Task => None,
        })
    }

    /// Returns the role in which this level is written.
    pub fn role(&self) -> Option<&Arc<RoleUse>> {
        self.roles().next()
    }

    /// Returns the directories in which a file of `kind` (`templates`, `files`, `vars`) that is named here is looked for,
    /// the first first: the roles around, the file that names it, the playbook; in each the directory of that kind comes
    /// before the directory itself. Roles that lie side by side share the directory of that kind beside theirs.
    pub fn search(&self, kind: &str) -> Vec<String> {
        let mut places: Vec<String> = Vec::new();
        let mut shared = Vec::new();
        for used in self.roles() {
            places.push(used.role.path.clone());
            shared.push(join(&used.role.path, "../.."));
        }
        places.push(self.directory.to_string());
        places.push(self.playbook_directory.to_string());
        let beside = |place: String| [join(&place, kind), place];
        let mut found: Vec<String> = Vec::new();
        let shared = shared.iter().map(|place| join(place, kind));
        for directory in places.into_iter().flat_map(beside).chain(shared) {
            if !found.contains(&directory) {
                found.push(directory);
            }
        }
        found
    }

    /// Finds a file of `kind` that is named here.
    pub fn find_file(&self, kind: &str, name: &str, files: &dyn Files) -> Option<String> {
        self.search(kind)
            .into_iter()
            .map(|directory| join(&directory, name))
            .find(|path| files.kind(path).is_some())
    }

    /// Says whether this is inside a gate, bracket or guard, so that tags cannot take it away.
    pub fn is_protected(&self) -> bool {
        self.levels()
            .any(|level| matches!(level.level, Level::Protection | Level::Bracket))
    }

    fn outermost_first<'a>(
        &'a self,
        part: impl Fn(&'a Keywords) -> &'a Vec<Node>,
    ) -> Vec<&'a Node> {
        let mut levels: Vec<&Context> = self.levels().collect();
        levels.reverse();
        levels
            .into_iter()
            .flat_map(|level| part(&level.keywords))
            .collect()
    }
}
