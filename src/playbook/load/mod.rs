//! From files to the tree: reads what a playbook names, expands what is static, collects all mistakes of all files.
//!
//! The same code loads what dynamic includes name: before the run where the name is no template, and when the task runs
//! for all of them. Renders nothing and knows no host. Called by `cli` for a playbook and by `rollout` for includes.

mod actions;
mod blocks;
mod imports;
mod includes;
mod keywords;
mod loops;
mod place;
mod play;
mod playbooks;
mod protection;
mod read;
mod role_files;
mod roles;
mod short;
mod tasks;
#[cfg(test)]
mod tests;
mod typed;
mod words;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

pub use includes::{Loaded, RoleChoice};

use super::{Files, Playbook, Role, RoleUse, Task, TaskId};
use crate::modules::spec::Specs;
use crate::yaml::{Node, Problem, Source};

/// Loads playbooks, and the files that dynamic includes name while a run goes on.
#[derive(Debug, Clone)]
pub struct Loader {
    files: Arc<dyn Files>,
    specs: Arc<Specs>,
    roles_path: Vec<String>,
}

impl Loader {
    /// Makes a loader; `roles_path` are directories in which roles are looked for after those beside the playbook.
    pub fn new(files: Arc<dyn Files>, specs: Arc<Specs>, roles_path: Vec<String>) -> Self {
        Self {
            files,
            specs,
            roles_path,
        }
    }

    /// Loads a playbook and everything that it names, or returns every mistake of every file.
    pub fn load(&self, entry: &str) -> Result<Playbook, Vec<Problem>> {
        match self.load_tree(entry) {
            (Some(playbook), problems) if problems.is_empty() => Ok(playbook),
            (_, problems) => Err(problems),
        }
    }

    /// Loads as much of a playbook as can be read, with every mistake.
    pub(super) fn load_tree(&self, entry: &str) -> (Option<Playbook>, Vec<Problem>) {
        let mut load = Load::new(self);
        let entries = load.playbook(entry);
        load.literal_includes();
        let problems = in_order(load.problems, &load.read);
        let first = load.read.first().map(Arc::clone);
        let playbook = first.map(|source| Playbook {
            source,
            entries,
            includes: load.includes,
            notes: in_order(load.notes, &load.read),
            sources: load.read,
        });
        (playbook, problems)
    }

    /// Returns where files come from.
    pub fn files(&self) -> &Arc<dyn Files> {
        &self.files
    }

    /// Returns the tables of the modules.
    pub fn specs(&self) -> &Arc<Specs> {
        &self.specs
    }
}

/// One loading: what was read and found so far.
#[derive(Debug)]
struct Load<'a> {
    loader: &'a Loader,
    /// Every file read, in the order of reading.
    read: Vec<Arc<Source>>,
    /// What each file holds, by path; nothing for a file with mistakes.
    documents: HashMap<String, Option<Node>>,
    /// The roles read, by path and choice of files.
    roles: HashMap<String, Option<Arc<Role>>>,
    /// How many plays and brackets around plays there are so far.
    count: Count,
    /// What is collected for the play that is being loaded.
    play: PlayParts,
    /// What dynamic includes with literal names load.
    includes: BTreeMap<TaskId, Arc<Loaded>>,
    /// Such includes that were found and not loaded yet.
    waiting: Vec<includes::Waiting>,
    problems: Vec<Problem>,
    notes: Vec<Problem>,
}

#[derive(Debug, Default)]
struct Count {
    plays: u32,
    brackets: u32,
}

/// What the parts of a play add to the whole play.
#[derive(Debug, Default)]
struct PlayParts {
    /// The uses of roles whose variables the whole play sees.
    uses: Vec<Arc<RoleUse>>,
    /// Handlers of roles.
    handlers: Vec<Arc<Task>>,
    /// What tells one use of a role from another, of those that run only once.
    ran: Vec<String>,
}

impl<'a> Load<'a> {
    fn new(loader: &'a Loader) -> Self {
        Self {
            loader,
            read: Vec::new(),
            documents: HashMap::new(),
            roles: HashMap::new(),
            count: Count::default(),
            play: PlayParts::default(),
            includes: BTreeMap::new(),
            waiting: Vec::new(),
            problems: Vec::new(),
            notes: Vec::new(),
        }
    }

    fn problem(&mut self, problem: Problem) {
        self.problems.push(problem);
    }
}

/// Leaves each mistake once, since a file that is imported twice has its mistakes twice, and puts them in the order of
/// the files as they were read.
pub(super) fn in_order(problems: Vec<Problem>, read: &[Arc<Source>]) -> Vec<Problem> {
    let mut kept: Vec<Problem> = Vec::new();
    for problem in problems {
        let is_same =
            |other: &Problem| other.loc == problem.loc && other.message == problem.message;
        if !kept.iter().any(is_same) {
            kept.push(problem);
        }
    }
    kept.sort_by_cached_key(|problem| {
        let loc = problem.loc.as_ref()?;
        let file = read
            .iter()
            .position(|source| source.name == loc.source.name);
        Some((file.unwrap_or(usize::MAX), loc.line, loc.column))
    });
    kept
}
