//! Inventories in INI form: `[group]`, `[group:children]`, `[group:vars]`, and lines of hosts with variables.
//!
//! A line that is wrong is a problem and is left out; reading goes on, so that all of them are shown.

use std::collections::HashMap;
use std::sync::Arc;

use super::load::{Loading, small};
use super::model::{GroupId, UNGROUPED};
use super::{literal, words};
use crate::yaml::{Key, Loc, Problem, Source};

/// Reads a source.
pub(super) fn read(loading: &mut Loading<'_>, source: &Arc<Source>) {
    let group = loading.inventory.add_group(UNGROUPED);
    let mut reader = Reader {
        loading,
        section: Section::Hosts(group),
        waiting: HashMap::new(),
        order: Vec::new(),
    };
    for (number, whole) in (1..).zip(source.text.lines()) {
        let line = whole.trim();
        if line.is_empty() || line.starts_with(['#', ';']) {
            continue;
        }
        let indent = whole.chars().take_while(|c| c.is_whitespace()).count();
        reader.line(line, &Loc::new(source, number, small(indent + 1)));
    }
    reader.finish();
}

/// What the lines of a section are.
#[derive(Debug, Clone)]
enum Section {
    Hosts(GroupId),
    Children(String),
    Vars(GroupId),
    /// A section whose head is wrong: its lines would only make more noise.
    Unknown,
}

/// A group that was spoken of before it was declared.
#[derive(Debug)]
enum Waiting {
    /// By `[group:vars]`.
    Vars(Loc),
    /// As a child of these groups.
    Child(Vec<(String, Loc)>),
}

#[derive(Debug)]
struct Reader<'a, 'b> {
    loading: &'a mut Loading<'b>,
    section: Section,
    waiting: HashMap<String, Waiting>,
    order: Vec<String>,
}

impl Reader<'_, '_> {
    fn line(&mut self, line: &str, loc: &Loc) {
        if let Some((name, kind)) = section(line) {
            return self.section(name, kind, loc);
        }
        if line.starts_with('[') && line.ends_with(']') {
            let problem = Problem::at(loc, format!("`{line}` is no section"));
            let hint = "write [group], [group:children] or [group:vars], without spaces";
            self.section = Section::Unknown;
            return self.problem(problem.width(line.chars().count()).hint(hint));
        }
        match self.section.clone() {
            Section::Hosts(group) => self.host(line, loc, group),
            Section::Vars(group) => self.variable(line, loc, group),
            Section::Children(group) => self.child(line, loc, &group),
            Section::Unknown => {}
        }
    }

    fn problem(&mut self, problem: Problem) {
        self.loading.problems.push(problem);
    }

    fn section(&mut self, name: &str, kind: Option<&str>, loc: &Loc) {
        let known = self.loading.inventory.has_group(name);
        let at = right(loc, 1);
        self.section = match kind {
            None | Some("hosts") => Section::Hosts(self.loading.add_group(name, &at)),
            Some("children") => {
                self.loading.add_group(name, &at);
                Section::Children(name.to_owned())
            }
            Some("vars") => {
                if !known && !self.waiting.contains_key(name) {
                    self.wait(name, Waiting::Vars(at.clone()));
                }
                Section::Vars(self.loading.inventory.add_group(name))
            }
            Some(kind) => {
                self.section = Section::Unknown;
                let message = format!("a section [{name}:{kind}] is unknown");
                let problem = Problem::at(loc, message).width(name.len() + kind.len() + 3);
                let hint = "write [group], [group:children] or [group:vars]";
                return self.problem(problem.hint(hint));
            }
        };
        if !matches!(self.section, Section::Vars(_)) {
            self.declared(name);
        }
    }

    fn wait(&mut self, name: &str, waiting: Waiting) {
        self.order.push(name.to_owned());
        self.waiting.insert(name.to_owned(), waiting);
    }

    /// Does what waited for a group to be declared.
    fn declared(&mut self, name: &str) {
        let Some(Waiting::Child(parents)) = self.waiting.remove(name) else {
            return;
        };
        let child = self.loading.inventory.add_group(name);
        for (parent, loc) in parents {
            let id = self.loading.inventory.add_group(&parent);
            self.loading.add_child(id, child, &loc);
        }
    }

    fn host(&mut self, line: &str, loc: &Loc, group: GroupId) {
        let words = match words::split(line) {
            Ok(words) => words,
            Err(reason) => {
                let problem = Problem::at(loc, format!("cannot read this host: {reason}"));
                return self.problem(problem.width(line.chars().count()));
            }
        };
        if let Some(column) = words.glued_comment {
            let message = "all from this `#` on is a comment";
            let problem = Problem::at(&right(loc, column), message);
            let warnings = &mut self.loading.inventory.warnings;
            warnings.push(problem.hint("put a value with `#` in quotes, or a space before it"));
        }
        let mut words = words.words.into_iter();
        let Some(name) = words.next() else {
            return;
        };
        let hosts = self.loading.add_hosts(&name.text, loc, group);
        for word in words {
            let at = right(loc, word.column);
            let Some((key, value)) = word.text.split_once('=') else {
                let message = format!("`{}` is no variable of a host: write name=value", word.text);
                self.problem(Problem::at(&at, message).width(word.text.chars().count()));
                continue;
            };
            let key = Key {
                name: key.to_owned(),
                loc: at,
            };
            let value = literal::value(value, &right(loc, word.value_column));
            for host in &hosts {
                self.loading.set_host_var(*host, key.clone(), value.clone());
            }
        }
    }

    fn variable(&mut self, line: &str, loc: &Loc, group: GroupId) {
        let Some((key, value)) = line.split_once('=') else {
            let problem = Problem::at(loc, format!("`{line}` is no variable: write name=value"));
            return self.problem(problem.width(line.chars().count()));
        };
        let spaces = value.chars().take_while(|c| c.is_whitespace()).count();
        let at = right(loc, key.chars().count() + 1 + spaces);
        let key = Key {
            name: key.trim().to_owned(),
            loc: loc.clone(),
        };
        let value = literal::value(value.trim(), &at);
        self.loading.set_group_var(group, key, value);
    }

    fn child(&mut self, line: &str, loc: &Loc, parent: &str) {
        let child = line.split('#').next().unwrap_or_default().trim_end();
        if child.is_empty() || child.contains(|c: char| c.is_whitespace() || c == ':' || c == ']') {
            let problem = Problem::at(loc, format!("`{line}` is no name of a group"));
            return self.problem(problem.width(line.chars().count()));
        }
        if self.loading.inventory.has_group(child) && !self.waiting.contains_key(child) {
            let inventory = &mut self.loading.inventory;
            let (parent, child) = (inventory.add_group(parent), inventory.add_group(child));
            return self.loading.add_child(parent, child, loc);
        }
        let parent = (parent.to_owned(), loc.clone());
        match self.waiting.get_mut(child) {
            Some(Waiting::Child(parents)) => parents.push(parent),
            Some(Waiting::Vars(_)) | None => {
                self.order.retain(|name| name != child);
                self.wait(child, Waiting::Child(vec![parent]));
            }
        }
    }

    /// Reports the groups that were spoken of and never declared.
    fn finish(mut self) {
        for name in std::mem::take(&mut self.order) {
            let (loc, message) = match self.waiting.remove(&name) {
                Some(Waiting::Vars(loc)) => (
                    loc,
                    format!("[{name}:vars] is for group `{name}`, which is nowhere declared"),
                ),
                Some(Waiting::Child(parents)) => {
                    let Some((parent, loc)) = parents.into_iter().next() else {
                        continue;
                    };
                    (
                        loc,
                        format!(
                            "[{parent}:children] names group `{name}`, which is nowhere declared"
                        ),
                    )
                }
                None => continue,
            };
            let known = self
                .loading
                .inventory
                .groups()
                .filter(|group| *group != name);
            let problem = Problem::at(&loc, message)
                .width(name.chars().count())
                .did_you_mean(&name, known);
            self.problem(problem);
        }
    }
}

/// Reads the head of a section: `[name]`, `[name:kind]`, and a comment after it.
pub(super) fn section(line: &str) -> Option<(&str, Option<&str>)> {
    let (inner, rest) = line.strip_prefix('[')?.split_once(']')?;
    let rest = rest.trim_start();
    if !rest.is_empty() && !rest.starts_with('#') {
        return None;
    }
    let (name, kind) = match inner.split_once(':') {
        Some((name, kind)) => (name, Some(kind)),
        None => (inner, None),
    };
    let is_word =
        |kind: &str| !kind.is_empty() && kind.chars().all(|c| c.is_alphanumeric() || c == '_');
    let good = !name.is_empty() && !name.contains(char::is_whitespace);
    (good && kind.is_none_or(is_word)).then_some((name, kind))
}

fn right(loc: &Loc, columns: usize) -> Loc {
    Loc::new(
        &loc.source,
        loc.line,
        loc.column.saturating_add(small(columns)),
    )
}
