//! The variables of a run: the inventory, the files beside playbooks, the command line, and what each host came to know.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use serde_json::{Map, Value};

use super::roster::Roster;
use super::{HostState, Layer, Layers, RunMagic, Scope, Values};
use crate::inventory::{Files, Inventory, VarTable, VarsDirectory};
use crate::yaml::Problem;

/// The variables of a run; shared by all its threads.
#[derive(Debug)]
pub struct World {
    roster: RwLock<Arc<Roster>>,
    /// What runs added to the inventory, to be added again when it is read anew.
    additions: RwLock<Vec<Addition>>,
    playbooks: RwLock<BTreeMap<String, Arc<VarsDirectory>>>,
    hosts: RwLock<HashMap<String, Arc<HostState>>>,
    pub(super) extra: Layers,
    pub(super) run: RunMagic,
    pub(super) run_variables: Map<String, Value>,
}

#[derive(Debug, Clone)]
enum Addition {
    Host {
        name: String,
        groups: Vec<String>,
        variables: Map<String, Value>,
    },
    Group {
        host: String,
        group: String,
        parents: Vec<String>,
    },
}

impl World {
    /// Makes the world of a run; `extra` are the layers of `-e`, in the order of the command line.
    pub fn new(inventory: Inventory, extra: Vec<Layer>, run: RunMagic) -> Arc<Self> {
        Arc::new(Self {
            roster: RwLock::new(Roster::new(inventory)),
            additions: RwLock::default(),
            playbooks: RwLock::default(),
            hosts: RwLock::default(),
            extra: Layers::new(extra),
            run_variables: run.variables(),
            run,
        })
    }

    /// Returns the inventory as it is now.
    pub fn inventory(&self) -> Arc<Inventory> {
        Arc::clone(self.roster().inventory())
    }

    pub(super) fn roster(&self) -> Arc<Roster> {
        Arc::clone(&read(&self.roster))
    }

    /// Reads `group_vars` and `host_vars` beside a playbook; returns warnings.
    pub fn add_playbook_directory(
        &self,
        directory: &str,
        files: &dyn Files,
    ) -> Result<Vec<Problem>, Vec<Problem>> {
        let mut problems = Vec::new();
        let found = VarsDirectory::load(directory, &self.inventory(), files, &mut problems);
        if !problems.is_empty() {
            return Err(problems);
        }
        let warnings = found.warnings.clone();
        write(&self.playbooks).insert(directory.to_owned(), Arc::new(found));
        Ok(warnings)
    }

    pub(super) fn playbook(&self, directory: &str) -> Option<Arc<VarsDirectory>> {
        read(&self.playbooks).get(directory).cloned()
    }

    pub(super) fn playbooks(&self) -> Vec<Arc<VarsDirectory>> {
        read(&self.playbooks).values().cloned().collect()
    }

    /// Returns what a template sees for a host: `layers` are those of play, role, block and task, `magic` the magic
    /// variables of play and task, `playbook` the directory of the playbook.
    pub fn scope(
        self: &Arc<Self>,
        host: &str,
        playbook: &str,
        layers: &Arc<Layers>,
        magic: &Arc<Map<String, Value>>,
    ) -> Scope {
        Scope::new(self, host, playbook, Arc::clone(layers), Arc::clone(magic))
    }

    /// Returns what is known of a host since the run began.
    pub fn state(&self, host: &str) -> Arc<HostState> {
        read(&self.hosts).get(host).cloned().unwrap_or_default()
    }

    fn change(&self, host: &str, change: impl FnOnce(&mut HostState)) {
        let mut hosts = write(&self.hosts);
        let state = hosts.entry(host.to_owned()).or_default();
        change(Arc::make_mut(state));
    }

    /// Sets facts as modules give them, `ansible_hostname` or `services`; they are data, never evaluated.
    pub fn set_facts(&self, host: &str, facts: Map<String, Value>) {
        self.change(host, |state| state.set_facts(facts));
    }

    /// Forgets the facts of a host.
    pub fn clear_facts(&self, host: &str) {
        self.change(host, HostState::clear_facts);
    }

    /// Sets variables with the precedence of `set_fact` and `register`; they are data, never evaluated.
    pub fn set_variables(&self, host: &str, variables: Map<String, Value>) {
        self.change(host, |state| state.set_variables(variables));
    }

    /// Sets variables with the precedence of `include_vars`; their texts are templates.
    pub fn include_vars(&self, host: &str, source: &str, variables: Map<String, Value>) {
        let values = Values::Templates(Arc::new(variables));
        self.change(host, |state| state.include(source, values));
    }

    /// Does the same with a table that knows its positions.
    pub fn include_table(&self, host: &str, source: &str, table: Arc<VarTable>) {
        self.change(host, |state| state.include(source, Values::Table(table)));
    }

    /// Adds a host (`add_host`); tells whether anything changed.
    pub fn add_host(
        &self,
        name: &str,
        groups: &[String],
        variables: &Map<String, Value>,
    ) -> Result<bool, Vec<Problem>> {
        self.add(Addition::Host {
            name: name.to_owned(),
            groups: groups.to_vec(),
            variables: variables.clone(),
        })
    }

    /// Puts a host into a group (`group_by`); tells whether anything changed.
    pub fn group_by(
        &self,
        host: &str,
        group: &str,
        parents: &[String],
    ) -> Result<bool, Vec<Problem>> {
        self.add(Addition::Group {
            host: host.to_owned(),
            group: group.to_owned(),
            parents: parents.to_vec(),
        })
    }

    fn add(&self, addition: Addition) -> Result<bool, Vec<Problem>> {
        let mut problems = self.addition_problems(&addition);
        let mut current = write(&self.roster);
        // Those who look at the inventory as it was keep their copy.
        let mut changed = (**current.inventory()).clone();
        match addition.apply(&mut changed) {
            Err(mut wrong) => problems.append(&mut wrong),
            Ok(_) if !problems.is_empty() => {}
            Ok(has_changed) => {
                *current = Roster::new(changed);
                write(&self.additions).push(addition);
                return Ok(has_changed);
            }
        }
        Err(problems)
    }

    fn addition_problems(&self, addition: &Addition) -> Vec<Problem> {
        let (host, mut groups) = match addition {
            Addition::Host { name, groups, .. } => (Some(name), groups.clone()),
            Addition::Group { group, parents, .. } => (
                None,
                [parents.as_slice(), std::slice::from_ref(group)].concat(),
            ),
        };
        let inventory = self.inventory();
        groups.retain(|group| !inventory.has_group(group));
        let host = host.filter(|host| !inventory.has_host(host));
        let mut problems = Vec::new();
        for playbook in self.playbooks() {
            problems.extend(
                host.into_iter()
                    .flat_map(|host| playbook.host_problems(host)),
            );
            problems.extend(
                groups
                    .iter()
                    .flat_map(|group| playbook.group_problems(group)),
            );
        }
        problems
    }

    /// Takes an inventory that was read anew (`meta: refresh_inventory`), and adds to it what the run had added.
    pub fn refresh(&self, mut inventory: Inventory) -> Result<(), Vec<Problem>> {
        for addition in read(&self.additions).iter() {
            // A host that the new inventory has no longer is not put into groups again.
            match addition {
                Addition::Group { host, .. } if !inventory.has_host(host) => {}
                Addition::Host { .. } | Addition::Group { .. } => {
                    addition.apply(&mut inventory)?;
                }
            }
        }
        *write(&self.roster) = Roster::new(inventory);
        Ok(())
    }
}

impl Addition {
    fn apply(&self, inventory: &mut Inventory) -> Result<bool, Vec<Problem>> {
        match self {
            Self::Host {
                name,
                groups,
                variables,
            } => inventory.add_host(name, groups, variables.clone()),
            Self::Group {
                host,
                group,
                parents,
            } => inventory.group_by(host, group, parents),
        }
    }
}

fn read<T>(lock: &RwLock<T>) -> RwLockReadGuard<'_, T> {
    lock.read().unwrap_or_else(PoisonError::into_inner)
}

fn write<T>(lock: &RwLock<T>) -> RwLockWriteGuard<'_, T> {
    lock.write().unwrap_or_else(PoisonError::into_inner)
}
