//! `stagger check`: every mistake of playbooks, roles, templates and the inventory, without touching a host.

use std::sync::Arc;

use super::super::failure::{Failure, draw_as};
use super::super::machine::Machine;
use super::super::prepared::{MachineTemplaters, Mode, checked, world};
use super::super::sessions::wrong_variables;
use super::super::{args, embedded, output, settings, vaults};
use crate::clock::SystemClock;
use crate::playbook::directory_of;
use crate::rollout::Templaters as _;
use crate::vars::World;
use crate::yaml::Problem;

/// Checks the playbooks named, or all shipped ones.
pub(in crate::cli) fn run(arguments: &args::Check, machine: &Machine) -> Result<(), Failure> {
    let mut problems: Vec<Problem> = Vec::new();
    let world = match known(arguments, machine) {
        Ok(world) => world,
        Err(failure) => {
            problems.extend(failure.problems);
            None
        }
    };
    let loader = settings::loader(&Arc::new(machine.clone()));
    let templaters = MachineTemplaters::new(machine, &Arc::new(SystemClock::new()));
    let playbooks = match arguments.playbooks.as_slice() {
        [] => shipped(),
        named => named.to_vec(),
    };
    let mut seen: Vec<(String, String)> = Vec::new();
    if let Some(world) = &world {
        let hosts = world.inventory().hosts();
        let templater = templaters.searching(&[]);
        problems.extend(wrong_variables(world, ".", &hosts, &templater));
    }
    for playbook in &playbooks {
        // A shipped playbook that another one imports stands on what that one did before.
        let part = seen.iter().find(|(source, _)| source == playbook);
        if let (true, Some((_, whole))) = (arguments.playbooks.is_empty(), part) {
            output::message(&format!("{playbook}: checked as a part of {whole}\n"));
            continue;
        }
        let names = match names(world.as_ref(), playbook, machine) {
            Ok(names) => names,
            Err(found) => {
                problems.extend(found);
                continue;
            }
        };
        match checked(
            &loader,
            playbook,
            &templaters,
            (names.as_deref(), true),
            machine,
        ) {
            Ok((loaded, notes)) => {
                for note in &notes {
                    output::message(&draw_as("note", note));
                }
                let sources = loaded.sources.iter();
                seen.extend(sources.map(|source| (source.name.clone(), playbook.clone())));
                let files = match loaded.sources.len() {
                    1 => "1 file".to_owned(),
                    count => format!("{count} files"),
                };
                output::message(&format!("{playbook}: {files}, no mistakes\n"));
            }
            Err(failure) => problems.extend(failure.problems),
        }
    }
    if problems.is_empty() {
        Ok(())
    } else {
        Err(Failure::from(problems))
    }
}

/// Reads the inventory, if one is named: without it nobody knows which variables there are.
fn known(arguments: &args::Check, machine: &Machine) -> Result<Option<Arc<World>>, Failure> {
    let sources = &arguments.sources;
    vaults::unlock(&sources.unlocking, machine)?;
    if sources.inventory.is_empty() {
        return Ok(None);
    }
    let everything = args::Selection {
        tags: Vec::new(),
        skip_tags: Vec::new(),
    };
    let inventory = settings::inventory(sources, machine)?;
    world(inventory, sources, &everything, Mode::default(), machine).map(Some)
}

/// Returns the names of the variables around a playbook.
fn names(
    world: Option<&Arc<World>>,
    playbook: &str,
    machine: &Machine,
) -> Result<Option<Vec<String>>, Vec<Problem>> {
    let Some(world) = world else {
        return Ok(None);
    };
    let directory = directory_of(playbook);
    world.add_playbook_directory(directory, machine)?;
    Ok(Some(world.variable_names(directory)))
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
