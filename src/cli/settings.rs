//! What the arguments mean: sources loaded, limits applied, defaults found.

use super::args::Sources;
use super::failure::Failure;
use super::machine::Machine;
use super::vaults;
use crate::inventory::{HostName, Inventory, Kind, Limit};
use crate::modules;
use crate::modules::spec::Specs;
use crate::playbook::Loader;

/// The inventories that are taken when none is named, first to last.
const DEFAULT_INVENTORIES: [&str; 3] = ["inventory", "inventory.yml", "hosts"];

/// Loads the inventory.
pub(super) fn inventory(arguments: &Sources, machine: &Machine) -> Result<Inventory, Failure> {
    vaults::unlock(&arguments.unlocking, machine)?;
    Ok(Inventory::load(&sources(arguments, machine)?, machine)?)
}

/// Returns the inventory's sources; without `-i` the directory or file that lies here.
pub(super) fn sources(sources: &Sources, machine: &Machine) -> Result<Vec<String>, Failure> {
    let named = &sources.inventory;
    let default = || {
        let there = |path: &&str| {
            crate::inventory::Files::kind(machine, path).is_some_and(|kind| match kind {
                Kind::Directory | Kind::File { .. } => std::path::Path::new(path).exists(),
            })
        };
        DEFAULT_INVENTORIES
            .iter()
            .copied()
            .find(there)
            .map(|path| vec![path.to_owned()])
    };
    if named.is_empty() {
        default().ok_or_else(|| {
            Failure::usage("no inventory is named and none lies here")
                .hint("name one: -i inventory/arangodb.yml, or -i HOST,")
        })
    } else {
        Ok(named.clone())
    }
}

/// Returns the hosts that `--limit` leaves.
pub(super) fn limited(
    inventory: &Inventory,
    sources: &Sources,
    machine: &Machine,
) -> Result<Vec<HostName>, Failure> {
    let all = inventory.hosts();
    if sources.limit.is_empty() {
        return Ok(all);
    }
    let limit = inventory.limit(&sources.limit.join(","), machine)?;
    Ok(limit.apply(inventory, &all))
}

/// Returns what `--limit` says, if it says anything.
pub(super) fn limit(
    inventory: &Inventory,
    sources: &Sources,
    machine: &Machine,
) -> Result<Option<Limit>, Failure> {
    if sources.limit.is_empty() {
        return Ok(None);
    }
    Ok(Some(inventory.limit(&sources.limit.join(","), machine)?))
}

/// Writes a value as people read it.
pub(super) fn pretty(value: &serde_json::Value) -> String {
    format!("{value:#}")
}

/// Makes the loader of playbooks.
pub(super) fn loader(machine: &std::sync::Arc<Machine>) -> Loader {
    let specs: Specs = modules::ALL.iter().map(|module| module.spec()).collect();
    let files: std::sync::Arc<dyn crate::playbook::Files> = machine.clone();
    Loader::new(files, std::sync::Arc::new(specs), vec!["roles".to_owned()])
}
