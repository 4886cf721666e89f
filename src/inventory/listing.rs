//! The inventory as `ansible-inventory` shows it: `--list`, `--host`, `--graph`.

use std::collections::{BTreeMap, HashSet};

use serde_json::{Map, Value};

use super::levels::{Level, LevelVars};
use super::model::{ALL, GroupId};
use super::{HostName, Inventory, VarsDirectory};
use crate::secrets::MASK;
use crate::yaml::{Data, Node, is_vaulted, variable_value};

/// Variables that every host has, and that are therefore not listed.
const MAGIC: [&str; 35] = [
    "ansible_async_path",
    "ansible_check_mode",
    "ansible_collection_name",
    "ansible_config_file",
    "ansible_dependent_role_names",
    "ansible_diff_mode",
    "ansible_facts",
    "ansible_forks",
    "ansible_inventory_sources",
    "ansible_limit",
    "ansible_play_batch",
    "ansible_play_hosts",
    "ansible_play_hosts_all",
    "ansible_play_role_names",
    "ansible_playbook_python",
    "ansible_role_name",
    "ansible_role_names",
    "ansible_run_tags",
    "ansible_skip_tags",
    "ansible_verbosity",
    "ansible_version",
    "group_names",
    "groups",
    "hostvars",
    "inventory_dir",
    "inventory_file",
    "inventory_hostname",
    "inventory_hostname_short",
    "omit",
    "play_hosts",
    "playbook_dir",
    "role_name",
    "role_names",
    "role_path",
    "role_uuid",
];

impl Inventory {
    /// Returns the JSON of `--list`, with the variables of each host as they would be without a run; `hosts` restricts
    /// it. Other inventories, also Ansible's, can read it.
    pub fn to_list_json(&self, playbook: Option<&VarsDirectory>, hosts: &[HostName]) -> Value {
        let shown: HashSet<&str> = hosts.iter().map(HostName::as_str).collect();
        let mut groups = BTreeMap::new();
        if let Some(all) = self.group_id(ALL) {
            self.list_group(all, &shown, &mut groups, &mut HashSet::new());
        }
        let mut names: Vec<&HostName> = hosts.iter().collect();
        names.sort_unstable();
        let mut hostvars = Map::new();
        for name in names {
            let vars = self.vars(name.as_str(), playbook, &unsafe_marked);
            if !vars.is_empty() {
                hostvars.insert(name.to_string(), Value::Object(vars));
            }
        }
        let mut meta = Map::new();
        meta.insert("hostvars".to_owned(), Value::Object(hostvars));
        meta.insert("profile".to_owned(), Value::from("inventory_legacy"));
        let mut list = Map::new();
        list.insert("_meta".to_owned(), Value::Object(meta));
        list.extend(groups);
        Value::Object(list)
    }

    fn list_group(
        &self,
        id: GroupId,
        shown: &HashSet<&str>,
        groups: &mut BTreeMap<String, Value>,
        seen: &mut HashSet<GroupId>,
    ) {
        let Some(group) = self.group(id) else {
            return;
        };
        let mut entry = Map::new();
        let children: Vec<Value> = group
            .children
            .iter()
            .filter_map(|child| self.group(*child))
            .map(|child| Value::from(&*child.name))
            .collect();
        if !children.is_empty() {
            entry.insert("children".to_owned(), Value::Array(children));
        }
        let hosts = group.hosts.iter().filter_map(|host| self.host(*host));
        let hosts: Vec<Value> = hosts
            .filter(|host| shown.contains(host.name.as_str()))
            .map(|host| Value::from(host.name.as_str()))
            .collect();
        if !hosts.is_empty() && &*group.name != ALL {
            entry.insert("hosts".to_owned(), Value::Array(hosts));
        }
        if !entry.is_empty() {
            groups.insert(group.name.to_string(), Value::Object(entry));
        }
        for child in &group.children {
            if seen.insert(*child) {
                self.list_group(*child, shown, groups, seen);
            }
        }
    }

    /// Returns the variables of a host as they would be without a run, by name: the JSON of `--host`.
    pub fn host_json(&self, host: &str, playbook: Option<&VarsDirectory>) -> Option<Value> {
        let vars = || Value::Object(self.vars(host, playbook, &shown));
        self.has_host(host).then(vars)
    }

    fn vars(
        &self,
        host: &str,
        playbook: Option<&VarsDirectory>,
        value: &impl Fn(&Node) -> Value,
    ) -> Map<String, Value> {
        let levels = self.levels(host, playbook);
        let mut winners: BTreeMap<&str, Found<'_>> = BTreeMap::new();
        for Level { vars, .. } in &levels {
            match vars {
                LevelVars::Table(table) => winners.extend(
                    table
                        .iter()
                        .map(|(key, node)| (key.name.as_str(), Found::Node(node))),
                ),
                LevelVars::Data(data) => {
                    let found = |(name, value)| (String::as_str(name), Found::Value(value));
                    winners.extend(data.iter().map(found));
                }
            }
        }
        let mut vars = Map::new();
        for (name, found) in winners {
            if MAGIC.binary_search(&name).is_err() {
                let value = match found {
                    Found::Node(node) => value(node),
                    Found::Value(value) => value.clone(),
                };
                vars.insert(name.to_owned(), value);
            }
        }
        vars
    }

    /// Returns the tree of groups and hosts below a group, as `--graph` shows it.
    pub fn graph(&self, group: &str) -> Option<String> {
        let mut lines = Vec::new();
        self.graph_group(self.group_id(group)?, 0, &mut lines);
        Some(lines.join("\n"))
    }

    fn graph_group(&self, id: GroupId, depth: usize, lines: &mut Vec<String>) {
        let Some(group) = self.group(id) else {
            return;
        };
        lines.push(branch(&format!("@{}:", group.name), depth));
        for child in &group.children {
            self.graph_group(*child, depth + 1, lines);
        }
        if &*group.name != ALL {
            let hosts = group.hosts.iter().filter_map(|host| self.host(*host));
            lines.extend(hosts.map(|host| branch(host.name.as_str(), depth + 1)));
        }
    }
}

#[derive(Debug)]
enum Found<'a> {
    Node(&'a Node),
    Value(&'a Value),
}

fn branch(name: &str, depth: usize) -> String {
    match depth {
        0 => name.to_owned(),
        _ => format!("{}--{name}", "  |".repeat(depth)),
    }
}

/// Returns a value in which what is in a vault is shown as it is written, and never what is inside.
fn shown(node: &Node) -> Value {
    match &node.data {
        Data::Str(text) if is_vaulted(node) => vault_marked(text),
        Data::Seq(items) => items.iter().map(shown).collect(),
        Data::Map(entries) => entries
            .iter()
            .map(|(key, value)| (key.name.clone(), shown(value)))
            .collect(),
        Data::Null | Data::Bool(_) | Data::Int(_) | Data::Float(_) | Data::Str(_) => {
            variable_value(node)
        }
    }
}

/// Marks what is in a vault as Ansible marks it; what was opened is masked.
fn vault_marked(text: &str) -> Value {
    let closed = crate::secrets::is_vaulted(text.trim_start().as_bytes());
    let text = if closed { text } else { MASK };
    Value::Object(Map::from_iter([(
        "__ansible_vault".to_owned(),
        text.into(),
    )]))
}

/// Returns a value in which text that is no template is marked as Ansible marks it.
fn unsafe_marked(node: &Node) -> Value {
    match &node.data {
        Data::Str(text) if is_vaulted(node) => vault_marked(text),
        Data::Str(text) if node.tag.as_deref() == Some("unsafe") => Value::Object(Map::from_iter(
            [("__ansible_unsafe".to_owned(), text.as_str().into())],
        )),
        Data::Seq(items) => items.iter().map(unsafe_marked).collect(),
        Data::Map(entries) => entries
            .iter()
            .map(|(key, value)| (key.name.clone(), unsafe_marked(value)))
            .collect(),
        Data::Null | Data::Bool(_) | Data::Int(_) | Data::Float(_) | Data::Str(_) => {
            variable_value(node)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::inventory;
    use super::*;

    #[test]
    fn magic_names_can_be_searched() {
        assert!(MAGIC.is_sorted());
    }

    #[test]
    fn the_graph_repeats_a_group_below_each_parent() {
        let inventory = inventory("[a:children]\nb\n[c:children]\nb\n[b]\nh1\n[d]\nh1\n");
        let expected = "@all:\n  |--@ungrouped:\n  |--@a:\n  |  |--@b:\n  |  |  |--h1\n  |--@c:\n  \
                        |  |--@b:\n  |  |  |--h1\n  |--@d:\n  |  |--h1";
        assert_eq!(inventory.graph("all").unwrap(), expected);
        assert_eq!(inventory.graph("b").unwrap(), "@b:\n  |--h1");
        assert_eq!(inventory.graph("x"), None);
    }
}
