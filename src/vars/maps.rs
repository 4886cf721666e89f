//! `hostvars` and `groups`: the variables of every host, found on access since they are too large to be made as a whole,
//! and the hosts of every group.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::{Layers, Scope, World};
use crate::inventory::Inventory;
use crate::template::{Scopes, Variables};

/// The variables of every host, also of those that no play has touched: without those of plays, roles and tasks.
#[derive(Debug)]
pub(super) struct HostVars {
    world: Arc<World>,
    inventory: Arc<Inventory>,
    playbook: Arc<str>,
}

impl HostVars {
    pub(super) fn new(world: &Arc<World>, inventory: &Arc<Inventory>, playbook: &Arc<str>) -> Self {
        Self {
            world: Arc::clone(world),
            inventory: Arc::clone(inventory),
            playbook: Arc::clone(playbook),
        }
    }
}

impl Scopes for HostVars {
    fn names(&self) -> Vec<String> {
        let hosts = self.inventory.hosts();
        hosts.iter().map(ToString::to_string).collect()
    }

    fn scope(&self, host: &str) -> Option<Arc<dyn Variables>> {
        if !self.inventory.has_host(host) {
            return None;
        }
        let (layers, magic) = (Arc::new(Layers::default()), Arc::default());
        let scope = Scope::new(&self.world, host, &self.playbook, layers, magic);
        Some(Arc::new(scope))
    }
}

/// Returns the hosts of every group.
pub(super) fn groups(inventory: &Inventory) -> Map<String, Value> {
    let hosts = |group: &str| -> Option<Value> {
        let hosts = inventory.hosts_of(group)?;
        Some(
            hosts
                .iter()
                .map(|host| Value::from(host.as_str()))
                .collect(),
        )
    };
    let entry = |group: &str| Some((group.to_owned(), hosts(group)?));
    inventory.groups().filter_map(entry).collect()
}
