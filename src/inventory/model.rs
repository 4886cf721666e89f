//! Hosts and groups, and the rules that hold between them, as Ansible's inventory has them.
//!
//! A copy is cheap: groups and hosts are shared until one of them is changed, so that a run can add hosts while others
//! still look at the inventory as it was. Reads nothing.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use serde_json::{Map, Value};

use super::{HostName, VarTable, VarsDirectory};
use crate::yaml::Problem;

/// The group that holds every host.
pub(super) const ALL: &str = "all";
/// The group of the hosts that are in no other group.
pub(super) const UNGROUPED: &str = "ungrouped";
/// Names that stand for the machine stagger runs on, although no inventory names it.
const LOCALHOST: [&str; 3] = ["localhost", "127.0.0.1", "::1"];

/// The place of a group in the inventory; groups are never removed.
pub(super) type GroupId = usize;
/// The place of a host in the inventory; hosts are never removed.
pub(super) type HostId = usize;

/// A group of hosts and of other groups.
#[derive(Debug, Clone)]
pub(super) struct Group {
    pub name: Arc<str>,
    /// The hosts that are in this group itself.
    pub hosts: Vec<HostId>,
    pub children: Vec<GroupId>,
    pub parents: Vec<GroupId>,
    /// The longest way from `all`.
    pub depth: u32,
    /// `ansible_group_priority`.
    pub priority: i64,
    pub vars: Arc<VarTable>,
}

/// A host.
#[derive(Debug, Clone)]
pub(super) struct Host {
    pub name: HostName,
    /// The groups that name this host themselves.
    pub groups: Vec<GroupId>,
    pub vars: Arc<VarTable>,
    /// Variables given while a run was going on (`add_host`); they are data, not templates.
    pub added: Arc<Map<String, Value>>,
    /// The source in which the host was seen first.
    pub source: Option<Arc<str>>,
}

/// All hosts and groups of a run.
#[derive(Debug, Clone, Default)]
pub struct Inventory {
    pub(super) groups: Vec<Arc<Group>>,
    group_places: Arc<HashMap<Arc<str>, GroupId>>,
    pub(super) hosts: Vec<Arc<Host>>,
    host_places: Arc<HashMap<HostName, HostId>>,
    pub(super) directories: Vec<Arc<VarsDirectory>>,
    pub(super) sources: Vec<String>,
    pub(super) warnings: Vec<Problem>,
}

/// A group that would hold itself.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("group `{child}` cannot be a child of `{parent}`: it holds that group already")]
pub(super) struct Loop {
    parent: String,
    child: String,
}

impl Inventory {
    /// Makes an inventory that has only the groups every inventory has.
    pub fn empty() -> Self {
        let mut inventory = Self::default();
        let all = inventory.add_group(ALL);
        let ungrouped = inventory.add_group(UNGROUPED);
        if let Err(Loop { .. }) = inventory.add_child(all, ungrouped) {
            // Two new groups cannot hold each other.
        }
        inventory
    }

    pub(super) fn group_id(&self, name: &str) -> Option<GroupId> {
        self.group_places.get(name).copied()
    }

    pub(super) fn host_id(&self, name: &str) -> Option<HostId> {
        self.host_places.get(name).copied()
    }

    pub(super) fn group(&self, id: GroupId) -> Option<&Group> {
        self.groups.get(id).map(Arc::as_ref)
    }

    pub(super) fn host(&self, id: HostId) -> Option<&Host> {
        self.hosts.get(id).map(Arc::as_ref)
    }

    pub(super) fn group_mut(&mut self, id: GroupId) -> Option<&mut Group> {
        self.groups.get_mut(id).map(Arc::make_mut)
    }

    pub(super) fn host_mut(&mut self, id: HostId) -> Option<&mut Host> {
        self.hosts.get_mut(id).map(Arc::make_mut)
    }

    /// Adds a group unless it is there.
    pub(super) fn add_group(&mut self, name: &str) -> GroupId {
        if let Some(id) = self.group_id(name) {
            return id;
        }
        let name: Arc<str> = Arc::from(name);
        let id = self.groups.len();
        Arc::make_mut(&mut self.group_places).insert(Arc::clone(&name), id);
        self.groups.push(Arc::new(Group {
            name,
            hosts: Vec::new(),
            children: Vec::new(),
            parents: Vec::new(),
            depth: 0,
            priority: 1,
            vars: Arc::default(),
        }));
        id
    }

    /// Adds a host unless it is there; tells whether it is new.
    pub(super) fn new_host(&mut self, name: &str, source: Option<&Arc<str>>) -> (HostId, bool) {
        if let Some(id) = self.host_id(name) {
            return (id, false);
        }
        let name = HostName::new(name);
        let id = self.hosts.len();
        Arc::make_mut(&mut self.host_places).insert(name.clone(), id);
        self.hosts.push(Arc::new(Host {
            name,
            groups: Vec::new(),
            vars: Arc::default(),
            added: Arc::default(),
            source: source.cloned(),
        }));
        (id, true)
    }

    /// Puts a host into a group; tells whether it was not there.
    pub(super) fn add_to_group(&mut self, host_id: HostId, group_id: GroupId) -> bool {
        let is_member = |host: &Host| host.groups.contains(&group_id);
        if self.host(host_id).is_none_or(is_member) {
            return false;
        }
        if let Some(host) = self.host_mut(host_id) {
            host.groups.push(group_id);
        }
        if let Some(group) = self.group_mut(group_id) {
            group.hosts.push(host_id);
        }
        true
    }

    /// Makes a group the child of another; tells whether it was not.
    pub(super) fn add_child(&mut self, parent: GroupId, child: GroupId) -> Result<bool, Loop> {
        if parent == child || self.ancestors(&[parent]).contains(&child) {
            let name = |id| {
                self.group(id)
                    .map_or_else(String::new, |group| group.name.to_string())
            };
            return Err(Loop {
                parent: name(parent),
                child: name(child),
            });
        }
        let known = |group: &Group| group.children.contains(&child);
        if self.group(parent).is_none_or(known) {
            return Ok(false);
        }
        let mut depth = 0;
        if let Some(group) = self.group_mut(parent) {
            group.children.push(child);
            depth = group.depth + 1;
        }
        if let Some(group) = self.group_mut(child) {
            group.parents.push(parent);
        }
        self.sink(child, depth);
        Ok(true)
    }

    /// Moves a group and what it holds at least `depth` below `all`.
    fn sink(&mut self, group: GroupId, depth: u32) {
        let mut open = vec![(group, depth)];
        while let Some((id, depth)) = open.pop() {
            let Some(group) = self.group_mut(id) else {
                continue;
            };
            // A group that is deep enough has children that are deep enough.
            if group.depth < depth {
                group.depth = depth;
                open.extend(group.children.iter().map(|child| (*child, depth + 1)));
            }
        }
    }

    /// Returns every group that holds one of these groups, without them unless one holds another.
    pub(super) fn ancestors(&self, groups: &[GroupId]) -> HashSet<GroupId> {
        let mut found = HashSet::new();
        let mut open: Vec<GroupId> = groups.to_vec();
        while let Some(id) = open.pop() {
            let parents = self.group(id).map_or(&[][..], |group| &group.parents);
            open.extend(parents.iter().filter(|parent| found.insert(**parent)));
        }
        found
    }

    /// Brings about what holds for every inventory: all groups are below `all`, and hosts of no group in `ungrouped`.
    pub(super) fn settle(&mut self) -> Result<(), Loop> {
        let (all, ungrouped) = (self.add_group(ALL), self.add_group(UNGROUPED));
        for id in 0..self.groups.len() {
            let orphan = self.group(id).is_some_and(|group| group.parents.is_empty());
            if id != all && orphan {
                self.add_child(all, id)?;
            }
        }
        let mut left = HashSet::new();
        for id in 0..self.hosts.len() {
            let groups = self.host(id).map_or(&[][..], |host| &host.groups);
            let elsewhere = groups
                .iter()
                .any(|group| *group != all && *group != ungrouped);
            let is_ungrouped = groups.contains(&ungrouped);
            if elsewhere && is_ungrouped {
                left.insert(id);
                if let Some(host) = self.host_mut(id) {
                    host.groups.retain(|group| *group != ungrouped);
                }
            } else if !elsewhere && !is_ungrouped {
                self.add_to_group(id, ungrouped);
            }
        }
        if !left.is_empty()
            && let Some(group) = self.group_mut(ungrouped)
        {
            group.hosts.retain(|host| !left.contains(host));
        }
        Ok(())
    }

    /// Returns the hosts of a group and of what it holds, level by level, each once.
    pub(super) fn hosts_below(&self, group: GroupId) -> Vec<HostId> {
        let (mut hosts, mut seen_hosts) = (Vec::new(), HashSet::new());
        let (mut level, mut seen) = (vec![group], HashSet::from([group]));
        while !level.is_empty() {
            let mut next = Vec::new();
            for group in level.iter().filter_map(|id| self.group(*id)) {
                hosts.extend(group.hosts.iter().filter(|host| seen_hosts.insert(**host)));
                next.extend(group.children.iter().filter(|child| seen.insert(**child)));
            }
            level = next;
        }
        hosts
    }

    /// Returns the groups of a host in the order in which their variables apply: `all`, then by depth, priority, name.
    pub(super) fn sorted_groups(&self, direct: &[GroupId]) -> Vec<GroupId> {
        let mut ids: HashSet<GroupId> = self.ancestors(direct);
        ids.extend(direct);
        ids.extend(self.group_id(ALL));
        let mut sorted: Vec<GroupId> = ids.into_iter().collect();
        sorted.sort_by_key(|id| {
            let group = self.group(*id);
            group.map(|group| {
                let is_all = &*group.name == ALL;
                (
                    !is_all,
                    group.depth,
                    group.priority,
                    Arc::clone(&group.name),
                )
            })
        });
        sorted
    }

    /// Returns every host, in the inventory's order.
    pub fn hosts(&self) -> Vec<HostName> {
        let all = self.group_id(ALL).map(|all| self.hosts_below(all));
        self.names(&all.unwrap_or_default())
    }

    pub(super) fn names(&self, ids: &[HostId]) -> Vec<HostName> {
        let name = |id: &HostId| self.host(*id).map(|host| host.name.clone());
        ids.iter().filter_map(name).collect()
    }

    /// Returns every group, in the order in which they were first named.
    pub fn groups(&self) -> impl Iterator<Item = &str> {
        self.groups.iter().map(|group| &*group.name)
    }

    /// Returns the hosts of a group and of the groups in it.
    pub fn hosts_of(&self, group: &str) -> Option<Vec<HostName>> {
        let id = self.group_id(group)?;
        Some(self.names(&self.hosts_below(id)))
    }

    /// Returns the groups of a host without `all`, by name: `group_names`. An unknown host has none.
    pub fn groups_of(&self, host: &str) -> Vec<&str> {
        let Some(host) = self.host_id(host).and_then(|id| self.host(id)) else {
            return Vec::new();
        };
        let name = |id: GroupId| self.group(id).map(|group| &*group.name);
        let sorted = self.sorted_groups(&host.groups);
        let mut names: Vec<&str> = sorted.into_iter().filter_map(name).collect();
        names.retain(|name| *name != ALL);
        names.sort_unstable();
        names
    }

    /// Tells whether a name is a host's; `localhost` always is.
    pub fn has_host(&self, name: &str) -> bool {
        self.host_id(name).is_some() || is_localhost(name)
    }

    /// Tells whether a name is a group's.
    pub fn has_group(&self, name: &str) -> bool {
        self.group_id(name).is_some()
    }

    /// Returns the source in which a host was seen first, as the user typed it; none if it was added later.
    pub fn source_of(&self, host: &str) -> Option<&str> {
        let host = self.host_id(host).and_then(|id| self.host(id))?;
        host.source.as_deref()
    }

    /// Returns the sources that were read, in their order.
    pub fn sources(&self) -> &[String] {
        &self.sources
    }

    /// Returns what looks like a mistake and is none for sure.
    pub fn warnings(&self) -> &[Problem] {
        &self.warnings
    }
}

/// Tells whether a name means the machine that stagger runs on.
pub(super) fn is_localhost(name: &str) -> bool {
    LOCALHOST.contains(&name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn grown(edges: &[(&str, &str)]) -> Inventory {
        let mut inventory = Inventory::empty();
        for (parent, child) in edges {
            let (parent, child) = (inventory.add_group(parent), inventory.add_group(child));
            inventory.add_child(parent, child).unwrap();
        }
        inventory.settle().unwrap();
        inventory
    }

    fn depth(inventory: &Inventory, name: &str) -> u32 {
        let id = inventory.group_id(name).unwrap();
        inventory.group(id).unwrap().depth
    }

    #[test]
    fn depth_is_the_longest_way_from_all() {
        let inventory = grown(&[("b", "c"), ("a", "c"), ("a", "b"), ("c", "d"), ("all", "d")]);
        let depths = ["all", "a", "b", "c", "d", "ungrouped"].map(|name| depth(&inventory, name));
        assert_eq!(depths, [0, 1, 2, 3, 4, 1]);
    }

    #[test]
    fn a_group_cannot_hold_itself() {
        let mut inventory = grown(&[("a", "b"), ("b", "c")]);
        let (a, c) = (inventory.add_group("a"), inventory.add_group("c"));
        let error = inventory.add_child(c, a).unwrap_err().to_string();
        assert_eq!(
            error,
            "group `a` cannot be a child of `c`: it holds that group already"
        );
        assert!(inventory.add_child(a, a).is_err());
        assert_eq!(inventory.add_child(a, c), Ok(true));
        assert_eq!(inventory.add_child(a, c), Ok(false));
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn parents_are_always_above_their_children(
            edges in prop::collection::vec((0_u8..8, 0_u8..8), 0..30),
            members in prop::collection::vec((0_u8..6, 0_u8..8), 0..20),
        ) {
            let mut inventory = Inventory::empty();
            for (parent, child) in edges {
                let parent = inventory.add_group(&format!("g{parent}"));
                let child = inventory.add_group(&format!("g{child}"));
                drop(inventory.add_child(parent, child));
            }
            for (host, group) in members {
                let (host, _) = inventory.new_host(&format!("h{host}"), None);
                let group = inventory.add_group(&format!("g{group}"));
                inventory.add_to_group(host, group);
            }
            inventory.settle().unwrap();
            for (id, group) in inventory.groups.iter().enumerate() {
                let longest = group.parents.iter().map(|parent| inventory.groups[*parent].depth + 1).max();
                prop_assert_eq!(group.depth, longest.unwrap_or(0));
                prop_assert_eq!(longest.is_none(), &*group.name == ALL);
                for host in inventory.hosts_below(id) {
                    let direct = &inventory.hosts[host].groups;
                    prop_assert!(inventory.sorted_groups(direct).contains(&id));
                }
            }
            prop_assert_eq!(inventory.hosts().len(), inventory.hosts.len());
        }
    }
}
