//! `group_vars` and `host_vars`: the files of variables beside an inventory or a playbook.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::files::{Files, Kind, extension, join};
use super::{Inventory, VarTable};
use crate::secrets::{VaultError, is_vaulted};
use crate::yaml::{Problem, Source, open_vaulted, parse};

/// The endings of files of variables, in the order in which they are looked for.
const ENDINGS: [&str; 4] = ["", ".yml", ".yaml", ".json"];

/// What was found for one name: its tables, the later wins, or what is wrong with its files.
type Found = Result<Vec<Arc<VarTable>>, Vec<Problem>>;

/// The variables of `group_vars` and `host_vars` in one directory, for every name that has files there: groups and
/// hosts may come while a run goes on.
#[derive(Debug, Default)]
pub struct VarsDirectory {
    groups: HashMap<String, Found>,
    hosts: HashMap<String, Found>,
    /// What looks like a mistake: files that nobody reads.
    pub warnings: Vec<Problem>,
}

impl VarsDirectory {
    /// Reads a directory's `group_vars` and `host_vars`; mistakes are problems if the inventory knows the name.
    pub fn load(
        directory: &str,
        inventory: &Inventory,
        files: &dyn Files,
        problems: &mut Vec<Problem>,
    ) -> Self {
        let mut warnings = Vec::new();
        let mut read = |what: &str, known: &dyn Fn(&str) -> bool| {
            let mut reader = Reader {
                files,
                warnings: Vec::new(),
            };
            let found = reader.names(&join(directory, what));
            warnings.append(&mut reader.warnings);
            for (name, tables) in &found {
                match tables {
                    Err(wrong) if known(name) => problems.extend(wrong.iter().cloned()),
                    Ok(_) | Err(_) => {}
                }
            }
            found
        };
        let groups = read("group_vars", &|name| inventory.has_group(name));
        let hosts = read("host_vars", &|name| inventory.has_host(name));
        Self {
            groups,
            hosts,
            warnings,
        }
    }

    /// Returns the tables of a group, the later wins.
    pub fn group(&self, name: &str) -> &[Arc<VarTable>] {
        tables(self.groups.get(name))
    }

    /// Returns the tables of a host, the later wins.
    pub fn host(&self, name: &str) -> &[Arc<VarTable>] {
        tables(self.hosts.get(name))
    }

    /// Returns what is wrong in the files of a group.
    pub fn group_problems(&self, name: &str) -> Vec<Problem> {
        wrong(self.groups.get(name))
    }

    /// Returns what is wrong in the files of a host.
    pub fn host_problems(&self, name: &str) -> Vec<Problem> {
        wrong(self.hosts.get(name))
    }

    /// Names the files that belong to no group or host of an inventory: slips of the pen, mostly.
    pub(super) fn unknown<'a>(
        &'a self,
        inventory: &'a Inventory,
    ) -> impl Iterator<Item = String> + 'a {
        let groups = self.groups.keys().filter(|name| !inventory.has_group(name));
        let hosts = self.hosts.keys().filter(|name| !inventory.has_host(name));
        groups
            .map(|name| format!("group_vars/{name}"))
            .chain(hosts.map(|name| format!("host_vars/{name}")))
    }
}

fn tables(found: Option<&Found>) -> &[Arc<VarTable>] {
    match found {
        Some(Ok(tables)) => tables,
        Some(Err(_)) | None => &[],
    }
}

fn wrong(found: Option<&Found>) -> Vec<Problem> {
    match found {
        Some(Err(problems)) => problems.clone(),
        Some(Ok(_)) | None => Vec::new(),
    }
}

#[derive(Debug)]
struct Reader<'a> {
    files: &'a dyn Files,
    warnings: Vec<Problem>,
}

impl Reader<'_> {
    /// Reads what a `group_vars` or `host_vars` directory holds, by name.
    fn names(&mut self, directory: &str) -> HashMap<String, Found> {
        let mut found = HashMap::new();
        match self.files.kind(directory) {
            Some(Kind::Directory) => {}
            Some(Kind::File { .. }) => {
                let message = format!("{directory} is no directory, and is not read");
                self.warnings.push(Problem::nowhere(message));
                return found;
            }
            None => return found,
        }
        let names = match self.files.list(directory) {
            Ok(names) => names,
            Err(reason) => {
                let message = format!("cannot list {directory}: {reason}");
                self.warnings.push(Problem::nowhere(message));
                return found;
            }
        };
        let present: HashSet<&str> = names.iter().map(String::as_str).collect();
        let stems: HashSet<&str> = names.iter().flat_map(|name| stems(name)).collect();
        for stem in stems {
            let mut candidates = ENDINGS
                .iter()
                .map(|ending| format!("{stem}{ending}"))
                .filter(|name| present.contains(name.as_str()));
            let Some(first) = candidates.next() else {
                continue;
            };
            for ignored in candidates {
                let (ignored, first) = (join(directory, &ignored), join(directory, &first));
                let message = format!("{ignored} is not read: {first} comes before it");
                self.warnings.push(Problem::nowhere(message));
            }
            let tables = self.entity(&join(directory, &first));
            found.insert(stem.to_owned(), tables);
        }
        found
    }

    fn entity(&mut self, path: &str) -> Found {
        let mut paths = Vec::new();
        match self.files.kind(path) {
            Some(Kind::Directory) => self.below(path, &mut paths),
            Some(Kind::File { .. }) | None => paths.push(path.to_owned()),
        }
        let (mut tables, mut problems) = (Vec::new(), Vec::new());
        for path in paths {
            match read_table(&path, self.files, &mut self.warnings) {
                Ok(table) => tables.push(Arc::new(table)),
                Err(mut wrong) => problems.append(&mut wrong),
            }
        }
        if problems.is_empty() {
            Ok(tables)
        } else {
            Err(problems)
        }
    }

    /// Finds the files of variables in a directory, in the order of their names.
    fn below(&mut self, directory: &str, paths: &mut Vec<String>) {
        let mut names = match self.files.list(directory) {
            Ok(names) => names,
            Err(reason) => {
                let message = format!("cannot list {directory}: {reason}");
                self.warnings.push(Problem::nowhere(message));
                return;
            }
        };
        names.sort_unstable();
        names.retain(|name| !name.starts_with('.') && !name.ends_with('~'));
        for name in names {
            let path = join(directory, &name);
            let ending = extension(&name);
            match self.files.kind(&path) {
                Some(Kind::Directory) if ending.is_empty() => self.below(&path, paths),
                Some(Kind::File { .. }) if ENDINGS.contains(&ending) => paths.push(path),
                Some(Kind::Directory | Kind::File { .. }) | None => {}
            }
        }
    }
}

/// Returns the names that a file may hold the variables of: `a.b.yml` is for `a.b`, or for `a.b.yml` itself.
fn stems(file: &str) -> Vec<&str> {
    if file.starts_with('.') || file.ends_with('~') {
        return Vec::new();
    }
    let ending = extension(file);
    match file.strip_suffix(ending) {
        Some(stem) if !ending.is_empty() && ENDINGS.contains(&ending) => vec![stem],
        Some(_) | None => vec![file],
    }
}

/// Reads a file of variables.
pub fn read_table(
    path: &str,
    files: &dyn Files,
    warnings: &mut Vec<Problem>,
) -> Result<VarTable, Vec<Problem>> {
    let one = |message: String| vec![Problem::nowhere(message)];
    let bytes = files
        .read(path)
        .map_err(|reason| one(format!("cannot read {path}: {reason}")))?;
    if is_vaulted(&bytes) {
        return Err(one(format!(
            "cannot read {path}: {}",
            VaultError::NoPassword
        )));
    }
    let text = String::from_utf8(bytes).map_err(|_| one(format!("{path} is no UTF-8 text")))?;
    let mut node = parse(&Source::new(path, text))?;
    let mut problems = Vec::new();
    open_vaulted(&mut node, files.vault(), &mut problems);
    let table =
        VarTable::from_node(&node, "a file of variables").map_err(|problem| vec![problem])?;
    table.check(&mut problems, warnings);
    if problems.is_empty() {
        Ok(table)
    } else {
        Err(problems)
    }
}
