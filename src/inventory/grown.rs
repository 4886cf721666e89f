//! Hosts and groups that a run itself adds: `add_host` and `group_by`.
//!
//! What else looks at the inventory keeps it as it was. Called by the engine.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::{Inventory, VarsDirectory};
use crate::yaml::Problem;

impl Inventory {
    /// Adds a host to groups that are made if need be, and sets variables of it, while a run goes on (`add_host`).
    /// Tells whether anything changed.
    pub fn add_host(
        &mut self,
        name: &str,
        groups: &[String],
        variables: Map<String, Value>,
    ) -> Result<bool, Vec<Problem>> {
        let (host, mut changed) = self.new_host(name, None);
        let mut problems = self.vars_problems(None, Some(name));
        for group in groups {
            changed |= !self.has_group(group);
            problems.extend(self.vars_problems(Some(group), None));
            let group = self.add_group(group);
            changed |= self.add_to_group(host, group);
        }
        if let Some(host) = self.host_mut(host) {
            let added = Arc::make_mut(&mut host.added);
            for (name, value) in variables {
                if added.get(&name) != Some(&value) {
                    changed = true;
                    added.insert(name, value);
                }
            }
        }
        self.settled(problems, changed)
    }

    /// Puts a host into a group, and that into its parents, all of them made if need be (`group_by`). Tells whether
    /// anything changed.
    pub fn group_by(
        &mut self,
        host: &str,
        group: &str,
        parents: &[String],
    ) -> Result<bool, Vec<Problem>> {
        let Some(host_id) = self.host_id(host) else {
            let message = format!("host `{host}` is not in the inventory and cannot be grouped");
            return Err(vec![Problem::nowhere(message)]);
        };
        let mut problems = self.vars_problems(Some(group), None);
        let mut changed = !self.has_group(group);
        let group = self.add_group(group);
        for parent in parents {
            changed |= !self.has_group(parent);
            problems.extend(self.vars_problems(Some(parent), None));
            let parent = self.add_group(parent);
            match self.add_child(parent, group) {
                Ok(added) => changed |= added,
                Err(error) => problems.push(Problem::nowhere(error.to_string())),
            }
        }
        changed |= self.add_to_group(host_id, group);
        self.settled(problems, changed)
    }

    fn settled(&mut self, mut problems: Vec<Problem>, changed: bool) -> Result<bool, Vec<Problem>> {
        if let Err(error) = self.settle() {
            problems.push(Problem::nowhere(error.to_string()));
        }
        if problems.is_empty() {
            Ok(changed)
        } else {
            Err(problems)
        }
    }

    /// Returns what is wrong in files of variables that nobody needed until this group or host came.
    fn vars_problems(&self, group: Option<&str>, host: Option<&str>) -> Vec<Problem> {
        let new_group = group.filter(|group| !self.has_group(group));
        let wrong = |directory: &Arc<VarsDirectory>| {
            let of_group = new_group.map(|group| directory.group_problems(group));
            let of_host = host.map(|host| directory.host_problems(host));
            [of_group.unwrap_or_default(), of_host.unwrap_or_default()].concat()
        };
        self.directories.iter().flat_map(wrong).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_of_no_group_are_ungrouped_until_they_get_one() {
        let mut inventory = Inventory::empty();
        inventory.add_host("h1", &[], Map::new()).unwrap();
        assert_eq!(inventory.groups_of("h1"), ["ungrouped"]);
        assert_eq!(inventory.hosts_of("ungrouped").unwrap(), ["h1"]);
        let groups = ["web".to_owned(), "all".to_owned()];
        let changed = inventory.add_host("h1", &groups, Map::new()).unwrap();
        assert!(changed);
        assert_eq!(inventory.groups_of("h1"), ["web"]);
        assert!(inventory.hosts_of("ungrouped").unwrap().is_empty());
        assert!(!inventory.add_host("h1", &groups, Map::new()).unwrap());
    }

    #[test]
    fn copies_are_not_changed_by_what_a_run_adds() {
        let mut inventory = Inventory::empty();
        inventory.add_host("h1", &[], Map::new()).unwrap();
        let before = inventory.clone();
        assert_eq!(
            inventory.group_by("h1", "os_Debian", &["os".to_owned()]),
            Ok(true)
        );
        assert_eq!(
            inventory.group_by("h1", "os_Debian", &["os".to_owned()]),
            Ok(false)
        );
        assert_eq!(inventory.groups_of("h1"), ["os", "os_Debian"]);
        assert_eq!(inventory.hosts_of("os").unwrap(), ["h1"]);
        assert_eq!(before.groups_of("h1"), ["ungrouped"]);
        assert!(before.hosts_of("os").is_none());
        assert!(inventory.group_by("h2", "x", &[]).is_err());
        let looped = inventory.group_by("h1", "os", &["os_Debian".to_owned()]);
        assert!(looped.is_err());
    }
}
