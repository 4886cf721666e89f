//! What the readers of every format add to an inventory while it is loaded: hosts, groups, who is in whom, variables.
//!
//! Each mistake is collected with its place, so that all of a source are told at once. Called by the readers of INI,
//! YAML, scripts and lists of hosts.

use std::sync::Arc;

use super::load::Loading;
use super::model::{ALL, GroupId, HostId, UNGROUPED};
use super::range;
use crate::yaml::{Data, Key, Loc, Node, Problem, open_vaulted};

impl Loading<'_> {
    /// Adds the hosts of a pattern such as `db[1:3]:2222` to a group.
    pub(super) fn add_hosts(&mut self, text: &str, loc: &Loc, group: GroupId) -> Vec<HostId> {
        let (pattern, port) = range::split_port(text);
        let width = text.chars().count();
        let problem = |message: String| Problem::at(loc, message).width(width);
        let names = match range::expand(pattern) {
            Ok(names) => names,
            Err(message) => {
                self.problems.push(problem(message));
                return Vec::new();
            }
        };
        if text.ends_with(':') && port.is_none() {
            let message = format!("`{text}` ends with `:`, which is for a port");
            self.problems.push(problem(message));
            return Vec::new();
        }
        let mut hosts = Vec::with_capacity(names.len());
        for name in names {
            let Some((host, is_new)) = self.add_host(&name, loc, group) else {
                continue;
            };
            if let Some(port) = port {
                self.set_port(host, is_new, port, loc);
            }
            hosts.push(host);
        }
        hosts
    }

    /// Sets the port that stands beside a name: it counts only where the host is named first, as in Ansible.
    fn set_port(&mut self, host: HostId, is_new: bool, port: u16, loc: &Loc) {
        let value = Data::Int(i64::from(port));
        if is_new {
            let key = Key {
                name: "ansible_port".to_owned(),
                loc: loc.clone(),
            };
            return self.set_host_var(host, key, Node::new(value, loc.clone()));
        }
        let Some(host) = self.inventory.host(host) else {
            return;
        };
        let known = host.vars.find("ansible_port").map(|(_, node)| &node.data);
        if known != Some(&value) {
            let message = format!("this port is not used: `{}` was named before", host.name);
            let problem = Problem::at(loc, message).hint(format!("set ansible_port={port}"));
            self.inventory.warnings.push(problem);
        }
    }

    /// Adds a host by its name to a group; tells whether it is new.
    pub(super) fn add_host(
        &mut self,
        name: &str,
        loc: &Loc,
        group: GroupId,
    ) -> Option<(HostId, bool)> {
        if let Some(reason) = bad_name(name) {
            let problem = Problem::at(loc, format!("`{name}` is no host name: {reason}"));
            self.problems.push(problem.width(name.chars().count()));
            return None;
        }
        let (host, is_new) = self.inventory.new_host(name, self.source.as_ref());
        self.inventory.add_to_group(host, group);
        Some((host, is_new))
    }

    /// Adds a group by its name.
    pub(super) fn add_group(&mut self, name: &str, loc: &Loc) -> GroupId {
        if !self.inventory.has_group(name) {
            let unusable = |c: char| !(c.is_alphanumeric() || c == '_');
            if name.contains(unusable) || name.starts_with(|c: char| c.is_ascii_digit()) {
                let message = format!("group name `{name}` is no valid name of a variable");
                let hint = format!("in templates write groups['{name}']");
                let problem = Problem::at(loc, message).width(name.chars().count());
                self.inventory.warnings.push(problem.hint(hint));
            }
        }
        self.inventory.add_group(name)
    }

    /// Makes a group the child of another.
    pub(super) fn add_child(&mut self, parent: GroupId, child: GroupId, loc: &Loc) {
        let is = |id, name| self.inventory.group_id(name) == Some(id);
        if is(child, ALL) {
            let message = "`all` holds every group and cannot be in one";
            return self.problems.push(Problem::at(loc, message));
        }
        if is(child, UNGROUPED) && !is(parent, ALL) {
            let message = "`ungrouped` holds the hosts that are in no group, and cannot be in one";
            return self.problems.push(Problem::at(loc, message));
        }
        if let Err(error) = self.inventory.add_child(parent, child) {
            self.problems.push(Problem::at(loc, error.to_string()));
        }
    }

    pub(super) fn set_host_var(&mut self, host: HostId, key: Key, mut value: Node) {
        open_vaulted(&mut value, self.files.vault(), &mut self.problems);
        if let Some(host) = self.inventory.host_mut(host) {
            Arc::make_mut(&mut host.vars).set(key, value);
        }
    }

    pub(super) fn set_group_var(&mut self, group: GroupId, key: Key, mut value: Node) {
        open_vaulted(&mut value, self.files.vault(), &mut self.problems);
        let Some(group) = self.inventory.group_mut(group) else {
            return;
        };
        if key.name != "ansible_group_priority" {
            return Arc::make_mut(&mut group.vars).set(key, value);
        }
        let number = match &value.data {
            Data::Int(number) => Some(*number),
            Data::Str(text) => text.trim().parse().ok(),
            Data::Null | Data::Bool(_) | Data::Float(_) | Data::Seq(_) | Data::Map(_) => None,
        };
        if let Some(number) = number {
            group.priority = number;
        } else {
            let message = "ansible_group_priority must be a whole number";
            self.problems.push(Problem::at(&value.loc, message));
        }
    }
}

/// Says why a name cannot be a host's.
fn bad_name(name: &str) -> Option<&'static str> {
    if name.is_empty() {
        Some("it is empty")
    } else if name == "---" {
        Some("this begins a YAML file")
    } else if name.contains(|c: char| c.is_whitespace() || c.is_control()) {
        Some("it holds a space")
    } else {
        None
    }
}
