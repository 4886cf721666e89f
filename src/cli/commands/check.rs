//! `stagger check`: every mistake of playbooks, roles, templates and the inventory, without touching a host.

use std::sync::Arc;

use super::super::failure::{Failure, draw_as};
use super::super::machine::Machine;
use super::super::{args, embedded, output, settings};
use crate::yaml::Problem;

/// Checks the playbooks named, or all shipped ones.
pub(in crate::cli) fn run(arguments: &args::Check, machine: &Machine) -> Result<(), Failure> {
    let mut problems: Vec<Problem> = Vec::new();
    if !arguments.sources.inventory.is_empty() {
        match settings::inventory(&arguments.sources, machine) {
            Ok(inventory) => inventory
                .warnings()
                .iter()
                .for_each(|warning| output::message(&draw_as("warning", warning))),
            Err(failure) => problems.extend(failure.problems),
        }
    }
    let loader = settings::loader(&Arc::new(machine.clone()));
    let playbooks = if arguments.playbooks.is_empty() {
        shipped()
    } else {
        arguments.playbooks.clone()
    };
    for playbook in &playbooks {
        match loader.load(playbook) {
            Ok(loaded) => {
                loaded
                    .notes
                    .iter()
                    .for_each(|note| output::message(&draw_as("note", note)));
                let files = match loaded.sources.len() {
                    1 => "1 file".to_owned(),
                    count => format!("{count} files"),
                };
                output::message(&format!("{playbook}: {files}, no mistakes\n"));
            }
            Err(found) => problems.extend(found),
        }
    }
    if problems.is_empty() {
        Ok(())
    } else {
        Err(Failure::from(problems))
    }
}

/// The playbooks that the binary brings: those directly in a role's directory.
fn shipped() -> Vec<String> {
    #[expect(
        clippy::case_sensitive_file_extension_comparisons,
        reason = "these are our own files"
    )]
    let direct = |path: &&str| path.split('/').count() == 3 && path.ends_with(".yml");
    embedded::below("roles")
        .filter(direct)
        .map(str::to_owned)
        .collect()
}
