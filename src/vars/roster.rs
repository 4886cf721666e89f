//! The inventory as it is at one moment, with what is costly to make of it.

use std::ops::Deref;
use std::sync::{Arc, OnceLock};

use serde_json::{Map, Value};

use super::layer::plain;
use crate::inventory::Inventory;
use crate::template::Raw;

/// An inventory that does not change any more, and the magic variable `groups` that shows it: made once, since a large
/// inventory's takes longer than all else that a template does.
#[derive(Debug)]
pub(super) struct Roster {
    inventory: Arc<Inventory>,
    groups: OnceLock<Arc<Raw>>,
}

impl Roster {
    pub(super) fn new(inventory: Inventory) -> Arc<Self> {
        Arc::new(Self {
            inventory: Arc::new(inventory),
            groups: OnceLock::new(),
        })
    }

    pub(super) fn inventory(&self) -> &Arc<Inventory> {
        &self.inventory
    }

    /// Returns `groups`: the hosts of every group.
    pub(super) fn groups(&self) -> Arc<Raw> {
        let make = || Arc::new(plain(&Value::Object(groups(&self.inventory)), false));
        Arc::clone(self.groups.get_or_init(make))
    }
}

impl Deref for Roster {
    type Target = Inventory;

    fn deref(&self) -> &Inventory {
        &self.inventory
    }
}

fn groups(inventory: &Inventory) -> Map<String, Value> {
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
