//! `stagger inventory`: what the sources give, in the forms that Ansible's tools use.

use super::super::args;
use super::super::failure::Failure;
use super::super::machine::Machine;
use super::super::{output, settings};

/// Prints the inventory.
pub(in crate::cli) fn run(arguments: &args::Inventory, machine: &Machine) -> Result<(), Failure> {
    // As `ansible-inventory`: what is encrypted by itself is shown so, and no password is needed.
    machine.vault.stay_closed();
    let inventory = settings::inventory(&arguments.sources, machine)?;
    let hosts = settings::limited(&inventory, &arguments.sources, machine)?;
    let text = if let Some(host) = &arguments.host {
        let value = inventory.host_json(host, None);
        let value = value
            .ok_or_else(|| Failure::usage(format!("there is no host `{host}` in the inventory")))?;
        settings::pretty(&value)
    } else if let Some(group) = &arguments.graph {
        let graph = inventory.graph(group);
        graph.ok_or_else(|| {
            Failure::usage(format!("there is no group `{group}` in the inventory"))
        })?
    } else {
        settings::pretty(&inventory.to_list_json(None, &hosts))
    };
    output::data(&format!("{}\n", text.trim_end()))
        .map_err(|error| Failure::usage(format!("cannot print: {error}")))
}
