//! The names of all variables that are known before a run, for checks that ask whether anything can define a name.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use serde_json::Value;

use super::{Layer, Precedence, World};
use crate::inventory::LevelVars;

impl World {
    /// Returns the names of the variables of all hosts, of the files beside the inventory and a playbook, and of `-e`.
    pub fn variable_names(&self, playbook: &str) -> Vec<String> {
        let inventory = self.inventory();
        let directory = self.playbook(playbook);
        let mut names = Vec::new();
        for layer in self.extra.down(Precedence::Loop, Precedence::BuiltIn) {
            layer.add_names(&mut names);
        }
        // Hosts share the tables of their groups: each is read once.
        let mut tables = HashSet::new();
        for host in inventory.hosts() {
            for level in inventory.levels(host.as_str(), directory.as_deref()) {
                let is_new = match &level.vars {
                    LevelVars::Table(table) => tables.insert(Arc::as_ptr(table).cast::<()>()),
                    LevelVars::Data(data) => tables.insert(Arc::as_ptr(data).cast::<()>()),
                };
                if is_new {
                    Layer::from(level).add_names(&mut names);
                }
            }
        }
        let names: BTreeSet<String> = names.into_iter().collect();
        names.into_iter().collect()
    }

    /// Returns hosts, groups and their variables as `inventory --list` shows them, with the files beside a playbook: what
    /// a plan remembers of them.
    pub fn listed(&self, playbook: &str) -> Value {
        let inventory = self.inventory();
        let directory = self.playbook(playbook);
        inventory.to_list_json(directory.as_deref(), &inventory.hosts())
    }
}

#[cfg(test)]
mod tests {
    use crate::inventory::Inventory;
    use crate::inventory::testing::MemoryFiles;
    use crate::vars::{RunMagic, World, extra_vars};

    #[test]
    fn names_come_from_hosts_groups_files_and_the_command_line() {
        let files = MemoryFiles::new([
            (
                "inv/hosts.yml",
                "all: { vars: { a: 1 }, hosts: { h: { b: 1 }, i: { c: 1 } } }\n",
            ),
            ("inv/group_vars/all.yml", "d: 1\na: 2\n"),
            ("play/host_vars/i.yml", "e: 1\n"),
        ]);
        let inventory = Inventory::load(&["inv/hosts.yml".to_owned()], &files).unwrap();
        let extra = extra_vars(&["f=1".to_owned()], &files, &mut Vec::new()).unwrap();
        let world = World::new(inventory, extra, RunMagic::default());
        world.add_playbook_directory("play", &files).unwrap();
        assert_eq!(world.variable_names("play"), ["a", "b", "c", "d", "e", "f"]);
        assert_eq!(world.variable_names("other"), ["a", "b", "c", "d", "f"]);
        assert_eq!(world.listed("play")["_meta"]["hostvars"]["i"]["e"], 1);
    }
}
