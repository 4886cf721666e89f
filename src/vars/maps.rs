//! `hostvars`, `groups` and `vars`: maps that are found on access, since they are too large to be made as a whole.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::layer::plain;
use super::{Layers, Scope, World};
use crate::inventory::Inventory;
use crate::template::{LazyEntry, LazyMap, Variables};

/// The variables of every host, also of those that no play has touched: without those of plays, roles and tasks.
#[derive(Debug)]
pub(super) struct HostVarsMap {
    world: Arc<World>,
    inventory: Arc<Inventory>,
    playbook: Arc<str>,
}

impl HostVarsMap {
    pub(super) fn new(world: &Arc<World>, inventory: &Arc<Inventory>, playbook: &Arc<str>) -> Self {
        Self {
            world: Arc::clone(world),
            inventory: Arc::clone(inventory),
            playbook: Arc::clone(playbook),
        }
    }
}

impl LazyMap for HostVarsMap {
    fn keys(&self) -> Vec<String> {
        let hosts = self.inventory.hosts();
        hosts.iter().map(ToString::to_string).collect()
    }

    fn entry(&self, key: &str) -> Option<LazyEntry> {
        if !self.inventory.has_host(key) {
            return None;
        }
        let (layers, magic) = (Arc::new(Layers::default()), Arc::default());
        let scope = Scope::new(&self.world, key, &self.playbook, layers, magic);
        Some(LazyEntry::Scope(Arc::new(scope)))
    }
}

/// The hosts of every group.
#[derive(Debug)]
pub(super) struct GroupsMap {
    inventory: Arc<Inventory>,
}

impl GroupsMap {
    pub(super) fn new(inventory: &Arc<Inventory>) -> Self {
        Self {
            inventory: Arc::clone(inventory),
        }
    }

    fn hosts(&self, group: &str) -> Option<Value> {
        let hosts = self.inventory.hosts_of(group)?;
        Some(
            hosts
                .iter()
                .map(|host| Value::from(host.as_str()))
                .collect(),
        )
    }

    pub(super) fn whole(&self) -> Map<String, Value> {
        let entry = |group: &str| Some((group.to_owned(), self.hosts(group)?));
        self.inventory.groups().filter_map(entry).collect()
    }
}

impl LazyMap for GroupsMap {
    fn keys(&self) -> Vec<String> {
        self.inventory.groups().map(str::to_owned).collect()
    }

    fn entry(&self, key: &str) -> Option<LazyEntry> {
        Some(LazyEntry::Raw(plain(&self.hosts(key)?, false)))
    }
}

/// The variables of the scope itself, by name.
#[derive(Debug)]
pub(super) struct VarsMap {
    scope: Scope,
}

impl VarsMap {
    pub(super) fn new(scope: Scope) -> Self {
        Self { scope }
    }
}

impl LazyMap for VarsMap {
    fn keys(&self) -> Vec<String> {
        let mut names = self.scope.names();
        // It holds neither itself nor the variables of all hosts.
        names.retain(|name| name != "vars" && name != "hostvars");
        names
    }

    fn entry(&self, key: &str) -> Option<LazyEntry> {
        self.scope.lookup(key).map(LazyEntry::Raw)
    }
}
