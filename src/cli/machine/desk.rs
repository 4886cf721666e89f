//! The machine as the engine's desk: what a run reads is remembered with it, what it writes is written whole.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use super::{Machine, reason};
use crate::cli::args::Sources;
use crate::cli::memory::Memory;
use crate::secrets::Vault;
use crate::yaml::Problem;
use crate::{inventory, playbook, rollout};

/// The machine as the engine's desk.
#[derive(Debug)]
pub(in crate::cli) struct MachineDesk {
    machine: Machine,
    sources: Sources,
}

impl MachineDesk {
    pub(in crate::cli) fn new(machine: &Machine, sources: &Sources) -> Self {
        Self {
            machine: machine.clone(),
            sources: sources.clone(),
        }
    }

    fn below(&self, directory: &str, prefix: &str, found: &mut Vec<String>) {
        for name in playbook::Files::list(&self.machine, directory) {
            let path = playbook::join(directory, &name);
            let shown = format!("{prefix}{name}");
            match playbook::Files::kind(&self.machine, &path) {
                Some(playbook::FileKind::Directory) => {
                    self.below(&path, &format!("{shown}/"), found);
                }
                Some(playbook::FileKind::File) => found.push(shown),
                None => {}
            }
        }
    }
}

impl rollout::Desk for MachineDesk {
    fn read(&self, path: &str) -> Result<Vec<u8>, String> {
        let memory = &self.machine.memory;
        let content = memory.read(path, || Machine::read_file(path))?;
        self.machine.opened(path, content)
    }

    fn carry(&self, path: &str) -> Result<Vec<u8>, String> {
        let memory = &self.machine.memory;
        let content = memory.carry(path, || Machine::read_file(path))?;
        self.machine.opened(path, content)
    }

    fn written(&self, path: &str) -> Option<Vec<u8>> {
        Machine::read_file(path).ok()
    }

    fn exists(&self, path: &str) -> bool {
        playbook::Files::kind(&self.machine, path).is_some()
    }

    fn list(&self, path: &str) -> Result<Vec<String>, String> {
        if playbook::Files::kind(&self.machine, path) != Some(playbook::FileKind::Directory) {
            return Err("no such directory".to_owned());
        }
        let mut found = Vec::new();
        self.below(path, "", &mut found);
        found.sort();
        Ok(found)
    }

    fn mode(&self, path: &str) -> Option<u32> {
        let found = fs::metadata(path).ok()?;
        Some(found.permissions().mode() & 0o7777)
    }

    fn write(&self, path: &str, content: &[u8]) -> Result<(), String> {
        self.machine.memory.forget(path);
        Machine::write_file(Path::new(path), content, 0o644).map_err(|error| reason(&error))
    }

    fn vault(&self) -> Option<&Vault> {
        Some(&self.machine.vault)
    }

    fn inventory(&self) -> Result<inventory::Inventory, Vec<Problem>> {
        // It is read again because it may be another one now.
        let fresh = self.machine.with(Memory::default());
        inventory::Inventory::load(&self.sources.inventory, &fresh)
    }
}
