//! Checks of the whole tree: what cannot work is found before a host is touched.
//!
//! Loading checked what a file says by itself; here parts are held against each other and against their surroundings:
//! names of handlers and variables, files that must be there, templates, arguments of roles, what commands owe to a
//! resume. Reads files, renders nothing, knows no host. Called by `cli` for `check`, `plan`, `preflight` and `apply`.

mod demands;
mod differences;
mod files;
mod handlers;
mod names;
mod role_arguments;
mod scope;
mod survey;
#[cfg(test)]
mod tests;
mod texts;

use std::fmt;

use super::load::in_order;
use super::{Files, Loader, Playbook};
use crate::template::Templater;
use crate::yaml::Problem;
use survey::Survey;

/// What a playbook is held against.
#[derive(Clone, Copy)]
pub struct Surroundings<'a> {
    /// Where files come from.
    pub files: &'a dyn Files,
    /// What reads texts as templates.
    pub templater: &'a Templater,
    /// Makes what reads a template file, which may name others that are looked for in these directories.
    pub searching: &'a dyn Fn(&[String]) -> Templater,
    /// The names of all variables of the inventory, of the files beside it and the playbook, and of the command line;
    /// without an inventory they are not known, and no variable is called undefined.
    pub variables: Option<&'a [String]>,
    /// Whether the commands of shipped roles are held to what a resume without an operator needs.
    pub demanding: bool,
}

impl fmt::Debug for Surroundings<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Surroundings")
            .field("files", &self.files)
            .field("variables", &self.variables)
            .finish_non_exhaustive()
    }
}

/// What the checks found.
#[derive(Debug, Default)]
struct Findings {
    /// Mistakes: the playbook cannot be run.
    problems: Vec<Problem>,
    /// What is worth knowing.
    notes: Vec<Problem>,
}

/// A playbook that can be run, and what is worth knowing about it.
#[derive(Debug)]
pub struct Checked {
    /// The playbook.
    pub playbook: Playbook,
    /// What is worth knowing: differences to Ansible, what cannot be checked.
    pub notes: Vec<Problem>,
}

impl Loader {
    /// Loads a playbook and checks it, or returns every mistake that can be found in one go.
    pub fn load_checked(
        &self,
        entry: &str,
        surroundings: &Surroundings<'_>,
    ) -> Result<Checked, Vec<Problem>> {
        let (playbook, mut problems) = self.load_tree(entry);
        let Some(playbook) = playbook else {
            return Err(problems);
        };
        let found = check(&playbook, surroundings, problems.is_empty());
        problems.extend(found.problems);
        if problems.is_empty() {
            let notes = found.notes;
            Ok(Checked { playbook, notes })
        } else {
            Err(in_order(problems, &playbook.sources))
        }
    }
}

/// Checks a tree. Of one that is not whole only that is checked which needs no other part: what is not there might
/// stand where a mistake is.
fn check(playbook: &Playbook, surroundings: &Surroundings<'_>, is_whole: bool) -> Findings {
    let survey = Survey::of(playbook);
    let mut findings = Findings::default();
    demands::check(&survey, surroundings, is_whole, &mut findings);
    files::check(&survey, surroundings.files, &mut findings);
    let mut names = names::collect(&survey, surroundings, &mut findings);
    names.anything |= !is_whole;
    names.missing = role_arguments::check(&survey, &names, &mut findings);
    texts::check(&survey, surroundings, &names, &mut findings);
    if is_whole {
        handlers::check(&survey, &mut findings);
        differences::note(&survey, &mut findings);
    }
    findings.notes.extend(playbook.notes.iter().cloned());
    Findings {
        problems: in_order(findings.problems, &playbook.sources),
        notes: in_order(findings.notes, &playbook.sources),
    }
}
