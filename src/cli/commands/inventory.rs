//! `stagger inventory`: what the sources give, in the forms that Ansible's tools use.

use super::super::args;
use super::super::failure::Failure;
use super::super::machine::Machine;
use super::super::{output, settings};
use crate::inventory::HostName;
use crate::yaml::Problem;

/// Prints the inventory.
pub(in crate::cli) fn run(arguments: &args::Inventory, machine: &Machine) -> Result<(), Failure> {
    // As `ansible-inventory`: what is encrypted by itself is shown so, and no password is needed.
    machine.vault.stay_closed();
    let inventory = settings::inventory(&arguments.sources, machine)?;
    let hosts = settings::limited(&inventory, &arguments.sources, machine)?;
    let text = if let Some(host) = &arguments.host {
        let value = inventory.host_json(host, None);
        settings::pretty(&value.ok_or_else(|| {
            let hosts = inventory.hosts();
            let known = hosts.iter().map(HostName::as_str);
            none(
                format!("there is no host `{host}` in the inventory"),
                host,
                known,
            )
        })?)
    } else if let Some(group) = &arguments.graph {
        let graph = inventory.graph(group);
        graph.ok_or_else(|| {
            let message = format!("there is no group `{group}` in the inventory");
            none(message, group, inventory.groups())
        })?
    } else {
        settings::pretty(&inventory.to_list_json(None, &hosts))
    };
    output::data(&format!("{}\n", text.trim_end()))
        .map_err(|error| Failure::usage(format!("cannot print: {error}")))
}

/// Says that there is no such thing, and what it may be instead.
fn none<'a>(message: String, name: &str, known: impl Iterator<Item = &'a str>) -> Failure {
    let problem = Problem::nowhere(message).did_you_mean(name, known);
    if problem.hint.is_some() {
        return problem.into();
    }
    problem.hint("--graph shows all groups and hosts").into()
}
