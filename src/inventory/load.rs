//! From the sources that `-i` names to an inventory: files, scripts, directories, lists of hosts.
//!
//! Every mistake of every source is collected. A source that cannot be read is a mistake, other than in Ansible, which
//! goes on without its hosts.

use std::sync::Arc;

use super::files::{Files, Kind, directory_of, extension, join};
use super::model::{GroupId, HostId, UNGROUPED};
use super::{Inventory, VarTable, VarsDirectory, ini, range, script, structured};
use crate::yaml::{Data, Key, Loc, Node, Problem, Source};

/// The endings of files that a directory may hold beside its inventories.
const IGNORED_ENDINGS: [&str; 12] = [
    ".pyc", ".pyo", ".swp", ".bak", "~", ".rpm", ".md", ".txt", ".rst", ".orig", ".cfg", ".retry",
];
/// The names that a directory may hold beside its inventories.
const IGNORED_NAMES: [&str; 3] = ["host_vars", "group_vars", "vars_plugins"];
/// How deep directories of inventories may be nested.
const DEEPEST: usize = 16;

impl Inventory {
    /// Reads all sources, in their order: later ones add to earlier ones and win.
    pub fn load(sources: &[String], files: &dyn Files) -> Result<Self, Vec<Problem>> {
        let mut loading = Loading {
            inventory: Self::empty(),
            files,
            problems: Vec::new(),
            source: None,
        };
        let mut directories: Vec<&str> = Vec::new();
        for source in sources {
            loading.read(source, 0);
            let directory = match files.kind(source) {
                Some(Kind::Directory) => source.as_str(),
                Some(Kind::File { .. }) => directory_of(source),
                None => continue,
            };
            // Of a directory that is named twice the later place counts, as it is read again there.
            directories.retain(|known| *known != directory);
            directories.push(directory);
        }
        loading.finish(sources, &directories)
    }
}

/// An inventory that is being read.
#[derive(Debug)]
pub(super) struct Loading<'a> {
    pub inventory: Inventory,
    pub files: &'a dyn Files,
    pub problems: Vec<Problem>,
    /// The source that is being read.
    source: Option<Arc<str>>,
}

impl Loading<'_> {
    fn read(&mut self, source: &str, depth: usize) {
        match self.files.kind(source) {
            Some(Kind::Directory) if depth < DEEPEST => self.directory(source, depth),
            Some(Kind::Directory) => self.problem(format!("{source} is too deep a directory")),
            Some(Kind::File { executable }) => {
                self.source = Some(Arc::from(source));
                self.file(source, executable);
            }
            None if source.contains(',') => {
                self.source = Some(Arc::from(source));
                self.host_list(source);
            }
            None => {
                let problem = Problem::nowhere(format!("there is no inventory {source}"));
                let is_path = source.contains('/') || source.contains(char::is_whitespace);
                self.problems.push(if is_path {
                    problem
                } else {
                    problem.hint(format!("a list of hosts has a comma: -i {source},"))
                });
            }
        }
    }

    fn problem(&mut self, message: String) {
        self.problems.push(Problem::nowhere(message));
    }

    fn directory(&mut self, directory: &str, depth: usize) {
        let mut names = match self.files.list(directory) {
            Ok(names) => names,
            Err(reason) => return self.problem(format!("cannot list {directory}: {reason}")),
        };
        names.sort_unstable();
        names.retain(|name| {
            let ignored = name.starts_with('.') || IGNORED_NAMES.contains(&name.as_str());
            !ignored && !IGNORED_ENDINGS.iter().any(|ending| name.ends_with(ending))
        });
        if names.is_empty() {
            self.problem(format!("the directory {directory} holds no inventory"));
        }
        for name in names {
            self.read(&join(directory, &name), depth + 1);
        }
    }

    fn file(&mut self, path: &str, executable: bool) {
        let bytes = match self.files.read(path) {
            Ok(bytes) => bytes,
            Err(reason) => return self.problem(format!("cannot read {path}: {reason}")),
        };
        let is_program = bytes.starts_with(b"#!") || bytes.starts_with(b"\x7fELF");
        if executable && is_program {
            return script::read(self, path);
        }
        let Ok(text) = String::from_utf8(bytes) else {
            return self.problem(format!("{path} is no UTF-8 text"));
        };
        if text.starts_with("$ANSIBLE_VAULT;") {
            let message = format!("{path} is in a vault: vaults are not supported in this version");
            return self.problem(message);
        }
        let source = Source::new(path, text);
        if is_program {
            let problem = Problem::at(&Loc::start(&source), "this script may not be run");
            self.problems.push(problem.hint(format!("chmod +x {path}")));
            return;
        }
        match extension(path) {
            ".yml" | ".yaml" | ".json" => structured::read(self, &source),
            ".toml" => self.problem(format!("{path}: inventories in TOML are not supported")),
            // Ansible tries YAML first, and then INI; YAML that is a map cannot be meant as INI.
            _ => {
                if !structured::try_read(self, &source) {
                    ini::read(self, &source);
                }
            }
        }
    }

    fn host_list(&mut self, list: &str) {
        let source = Source::new("-i", list);
        let group = self.inventory.add_group(UNGROUPED);
        let mut column = 1;
        for item in list.split(',') {
            let spaces = item.chars().take_while(|c| c.is_whitespace()).count();
            let loc = Loc::new(&source, 1, small(column + spaces));
            if !item.trim().is_empty() {
                self.add_hosts(item.trim(), &loc, group);
            }
            column += item.chars().count() + 1;
        }
    }

    /// Adds the hosts of a pattern such as `db[1:3]:2222` to a group.
    pub(super) fn add_hosts(&mut self, text: &str, loc: &Loc, group: GroupId) -> Vec<HostId> {
        let (pattern, port) = range::split_port(text);
        let width = text.chars().count();
        let problem = |message: String| Problem::at(loc, message).width(width);
        if text.ends_with(':') && port.is_none() {
            let message = format!("`{text}` ends with `:`, which is for a port");
            self.problems.push(problem(message));
            return Vec::new();
        }
        let names = match range::expand(pattern) {
            Ok(names) => names,
            Err(message) => {
                self.problems.push(problem(message));
                return Vec::new();
            }
        };
        let mut hosts = Vec::with_capacity(names.len());
        for name in names {
            let Some((host, is_new)) = self.add_host(&name, loc, group) else {
                continue;
            };
            // A port beside the name counts only where the host is named first, as in Ansible.
            if let Some(port) = port.filter(|_| is_new) {
                let key = Key {
                    name: "ansible_port".to_owned(),
                    loc: loc.clone(),
                };
                self.set_host_var(
                    host,
                    key,
                    Node::new(Data::Int(i64::from(port)), loc.clone()),
                );
            }
            hosts.push(host);
        }
        hosts
    }

    /// Adds a host by its name to a group; tells whether it is new.
    pub(super) fn add_host(
        &mut self,
        name: &str,
        loc: &Loc,
        group: GroupId,
    ) -> Option<(HostId, bool)> {
        if let Some(reason) = bad_name(name) {
            let problem = Problem::at(loc, format!("`{name}` is no host name: {reason}"));
            self.problems.push(problem.width(name.chars().count()));
            return None;
        }
        let (host, is_new) = self.inventory.new_host(name, self.source.as_ref());
        self.inventory.add_to_group(host, group);
        Some((host, is_new))
    }

    /// Adds a group by its name.
    pub(super) fn add_group(&mut self, name: &str, loc: &Loc) -> GroupId {
        if !self.inventory.has_group(name) {
            let unusable = |c: char| !(c.is_alphanumeric() || c == '_');
            if name.contains(unusable) || name.starts_with(|c: char| c.is_ascii_digit()) {
                let message = format!("group name `{name}` is no valid name of a variable");
                let hint = format!("in templates write groups['{name}']");
                let problem = Problem::at(loc, message).width(name.chars().count());
                self.inventory.warnings.push(problem.hint(hint));
            }
        }
        self.inventory.add_group(name)
    }

    /// Makes a group the child of another.
    pub(super) fn add_child(&mut self, parent: GroupId, child: GroupId, loc: &Loc) {
        if let Err(error) = self.inventory.add_child(parent, child) {
            self.problems.push(Problem::at(loc, error.to_string()));
        }
    }

    pub(super) fn set_host_var(&mut self, host: HostId, key: Key, value: Node) {
        if let Some(host) = self.inventory.host_mut(host) {
            Arc::make_mut(&mut host.vars).set(key, value);
        }
    }

    pub(super) fn set_group_var(&mut self, group: GroupId, key: Key, value: Node) {
        let Some(group) = self.inventory.group_mut(group) else {
            return;
        };
        if key.name != "ansible_group_priority" {
            return Arc::make_mut(&mut group.vars).set(key, value);
        }
        let number = match &value.data {
            Data::Int(number) => Some(*number),
            Data::Str(text) => text.trim().parse().ok(),
            Data::Null | Data::Bool(_) | Data::Float(_) | Data::Seq(_) | Data::Map(_) => None,
        };
        match number {
            Some(number) => group.priority = number,
            None => {
                let message = "ansible_group_priority must be a whole number";
                self.problems.push(Problem::at(&value.loc, message));
            }
        }
    }

    fn finish(
        mut self,
        sources: &[String],
        directories: &[&str],
    ) -> Result<Inventory, Vec<Problem>> {
        if let Err(error) = self.inventory.settle() {
            self.problem(error.to_string());
        }
        self.inventory.sources = sources.to_vec();
        for directory in directories {
            let found =
                VarsDirectory::load(directory, &self.inventory, self.files, &mut self.problems);
            self.inventory
                .warnings
                .extend(found.warnings.iter().cloned());
            self.inventory.directories.push(Arc::new(found));
        }
        self.check_tables();
        self.check_names(directories);
        if self.problems.is_empty() {
            Ok(self.inventory)
        } else {
            Err(self.problems)
        }
    }

    fn check_tables(&mut self) {
        let groups = self.inventory.groups.iter().map(|group| &group.vars);
        let hosts = self.inventory.hosts.iter().map(|host| &host.vars);
        for table in groups.chain(hosts) {
            VarTable::check(table, &mut self.problems, &mut self.inventory.warnings);
        }
    }

    fn check_names(&mut self, directories: &[&str]) {
        let mut warnings = Vec::new();
        for group in self.inventory.groups() {
            if self.inventory.host_id(group).is_some() {
                let message = format!("`{group}` is the name of a host and of a group");
                warnings.push(Problem::nowhere(message));
            }
        }
        for (path, directory) in directories.iter().zip(&self.inventory.directories) {
            let mut unknown: Vec<String> = directory.unknown(&self.inventory).collect();
            unknown.sort_unstable();
            for file in unknown {
                let message = format!("{} belongs to nothing in the inventory", join(path, &file));
                warnings.push(Problem::nowhere(message));
            }
        }
        self.inventory.warnings.append(&mut warnings);
    }
}

/// Says why a name cannot be a host's.
fn bad_name(name: &str) -> Option<&'static str> {
    if name.is_empty() {
        Some("it is empty")
    } else if name == "---" {
        Some("this begins a YAML file")
    } else if name.contains(|c: char| c.is_whitespace() || c.is_control()) {
        Some("it holds a space")
    } else {
        None
    }
}

pub(super) fn small(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
