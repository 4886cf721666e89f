//! `stagger plan`: what a run would do.

use super::super::args;
use super::super::failure::Failure;
use super::super::machine::Machine;
use super::super::prepared::{Mode, prepare};
use super::super::{output, plan_file, settings};

/// Prints the plan; no host is touched.
pub(in crate::cli) fn run(arguments: &args::Plan, machine: &Machine) -> Result<(), Failure> {
    let prepared = prepare(
        &arguments.playbook,
        &arguments.sources,
        &arguments.selection,
        Mode::default(),
        machine,
    )?;
    if let Some(path) = &arguments.out {
        let (sources, selection) = (&arguments.sources, &arguments.selection);
        plan_file::write(path, &prepared.plan, sources, selection, machine)?;
    }
    let text = if arguments.json {
        let value = serde_json::to_value(&prepared.plan);
        settings::pretty(&value.map_err(|error| Failure::usage(error.to_string()))?)
    } else {
        prepared.plan.text()
    };
    output::data(&format!("{}\n", text.trim_end()))
        .map_err(|error| Failure::usage(format!("cannot print: {error}")))
}
