//! The inventory's share of the precedence of variables: which tables a host has, from the lowest to the highest.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::model::{ALL, GroupId, is_localhost};
use super::{HostName, Inventory, VarTable, VarsDirectory};

/// What kind of place the variables of a level come from, in the order of precedence, with `all` before other groups.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LevelKind {
    /// A group in a source of the inventory.
    Group,
    /// A group's files beside the inventory.
    GroupVars,
    /// A group's files beside the playbook.
    PlaybookGroupVars,
    /// A host in a source of the inventory, or as a run added it.
    Host,
    /// A host's files beside the inventory.
    HostVars,
    /// A host's files beside the playbook.
    PlaybookHostVars,
}

/// The variables of a level.
#[derive(Debug, Clone)]
pub enum LevelVars {
    /// As a person wrote them; their texts are templates.
    Table(Arc<VarTable>),
    /// Data that a run made.
    Data(Arc<Map<String, Value>>),
}

/// One level of a host's variables.
#[derive(Debug, Clone)]
pub struct Level {
    /// Where it is from.
    pub kind: LevelKind,
    /// The group or host that it belongs to.
    pub of: Arc<str>,
    /// Its variables.
    pub vars: LevelVars,
}

impl Inventory {
    /// Returns the levels of a host, from the lowest to the highest, with the files beside the playbook at their
    /// places. `localhost` that no inventory names has those of `all`.
    pub fn levels(&self, host: &str, playbook: Option<&VarsDirectory>) -> Vec<Level> {
        let found = self.host_id(host).and_then(|id| self.host(id));
        let groups = self.sorted_groups(found.map_or(&[][..], |host| &host.groups));
        let mut levels = Levels::default();
        let (all, others) = groups.split_at(groups.len().min(1));
        for ids in [all, others] {
            levels.groups(self, ids);
        }
        for ids in [all, others] {
            for directory in &self.directories {
                levels.group_files(self, ids, LevelKind::GroupVars, directory);
            }
            if let Some(directory) = playbook {
                levels.group_files(self, ids, LevelKind::PlaybookGroupVars, directory);
            }
        }
        let name: Arc<str> = Arc::from(host);
        match found {
            Some(found) => {
                levels.table(LevelKind::Host, &name, &found.vars);
                levels.data(LevelKind::Host, &name, &found.added);
            }
            None if is_localhost(host) => {
                let connection = ("ansible_connection".to_owned(), Value::from("local"));
                let vars = Arc::new(Map::from_iter([connection]));
                levels.data(LevelKind::Host, &name, &vars);
            }
            None => {}
        }
        for directory in &self.directories {
            for table in directory.host(host) {
                levels.table(LevelKind::HostVars, &name, table);
            }
        }
        for table in playbook.map_or(&[][..], |playbook| playbook.host(host)) {
            levels.table(LevelKind::PlaybookHostVars, &name, table);
        }
        levels.list
    }

    /// Returns the groups of a host whose variables have no order but that of their names: pairs of groups of the same
    /// depth and priority.
    pub fn siblings(&self, host: &HostName) -> Vec<(Arc<str>, Arc<str>)> {
        let found = self.host_id(host.as_str()).and_then(|id| self.host(id));
        let groups = self.sorted_groups(found.map_or(&[][..], |host| &host.groups));
        let groups: Vec<_> = groups.into_iter().filter_map(|id| self.group(id)).collect();
        let mut pairs = Vec::new();
        for (place, group) in groups.iter().enumerate() {
            for other in groups.iter().skip(place + 1) {
                let equal = group.depth == other.depth && group.priority == other.priority;
                if equal && &*group.name != ALL {
                    pairs.push((Arc::clone(&group.name), Arc::clone(&other.name)));
                }
            }
        }
        pairs
    }
}

#[derive(Debug, Default)]
struct Levels {
    list: Vec<Level>,
}

impl Levels {
    fn table(&mut self, kind: LevelKind, of: &Arc<str>, table: &Arc<VarTable>) {
        if !table.is_empty() {
            self.list.push(Level {
                kind,
                of: Arc::clone(of),
                vars: LevelVars::Table(Arc::clone(table)),
            });
        }
    }

    fn data(&mut self, kind: LevelKind, of: &Arc<str>, data: &Arc<Map<String, Value>>) {
        if !data.is_empty() {
            self.list.push(Level {
                kind,
                of: Arc::clone(of),
                vars: LevelVars::Data(Arc::clone(data)),
            });
        }
    }

    fn groups(&mut self, inventory: &Inventory, ids: &[GroupId]) {
        for group in ids.iter().filter_map(|id| inventory.group(*id)) {
            self.table(LevelKind::Group, &group.name, &group.vars);
        }
    }

    /// Adds the files of all groups in one directory: a later directory wins over a deeper group.
    fn group_files(
        &mut self,
        inventory: &Inventory,
        ids: &[GroupId],
        kind: LevelKind,
        directory: &VarsDirectory,
    ) {
        for group in ids.iter().filter_map(|id| inventory.group(*id)) {
            for table in directory.group(&group.name) {
                self.table(kind, &group.name, table);
            }
        }
    }
}
