//! Inventories in YAML or JSON: groups with `hosts`, `vars` and `children`; and the output of `inventory --list`.

use std::sync::Arc;

use super::load::Loading;
use super::model::GroupId;
use super::{ini, script};
use crate::yaml::{Data, Fields, Key, Node, Problem, Source, parse};

/// How deep groups may be nested in a text.
const DEEPEST: usize = 64;

/// Reads a text whose name does not say what it is; gives it back if it is no YAML.
pub(super) fn try_read(loading: &mut Loading<'_>, source: &Arc<Source>) -> bool {
    match parse(source) {
        Ok(node) if node.as_map().is_some() => {
            read_node(loading, &node);
            true
        }
        // Broken YAML must not be complained about as broken INI.
        Err(mut problems) if looks_like_yaml(&source.text) => {
            loading.problems.append(&mut problems);
            true
        }
        Ok(_) | Err(_) => false,
    }
}

fn looks_like_yaml(text: &str) -> bool {
    if text.lines().any(|line| ini::section(line.trim()).is_some()) {
        return false;
    }
    let mut lines = text.lines().map(str::trim_end);
    let first = lines.find(|line| !line.is_empty() && !line.starts_with('#'));
    first.is_some_and(|line| line == "---" || line.starts_with('{') || line.ends_with(':'))
}

/// Reads a source.
pub(super) fn read(loading: &mut Loading<'_>, source: &Arc<Source>) {
    match parse(source) {
        Ok(node) => read_node(loading, &node),
        Err(mut problems) => loading.problems.append(&mut problems),
    }
}

fn read_node(loading: &mut Loading<'_>, node: &Node) {
    let Some(groups) = node.as_map() else {
        let message = format!("an inventory must be a map of groups, not {}", node.kind());
        return loading.problems.push(Problem::at(&node.loc, message));
    };
    if let Some((key, _)) = groups.iter().find(|(key, _)| key.name == "plugin") {
        let message = "inventory plugins are not supported";
        let problem = Problem::at(&key.loc, message).width(key.name.len());
        let hint = "write its hosts to a file: ansible-inventory -i THIS --list > hosts.json";
        return loading.problems.push(problem.hint(hint));
    }
    if node.entry("_meta").is_some() {
        return script::listing(loading, node, None);
    }
    for (name, data) in groups {
        group(loading, name, data, 0);
    }
}

fn group(loading: &mut Loading<'_>, name: &Key, data: &Node, depth: usize) -> Option<GroupId> {
    let id = loading.add_group(&name.name, &name.loc);
    if data.data == Data::Null {
        return Some(id);
    }
    if depth > DEEPEST {
        let message = "groups are nested too deep";
        loading.problems.push(Problem::at(&name.loc, message));
        return None;
    }
    let what = format!("group `{}`", name.name);
    let mut fields = match Fields::new(data, &what) {
        Ok(fields) => fields,
        Err(problem) => {
            loading.problems.push(problem);
            return None;
        }
    };
    // In the text's order, as Ansible: it decides which of two values of a host's variable is the later.
    while let Some((key, value)) =
        fields.take_where(|key| matches!(key, "hosts" | "vars" | "children"))
    {
        let Some(entries) = section(loading, &name.name, key, value) else {
            continue;
        };
        match key.name.as_str() {
            "hosts" => hosts(loading, id, &entries),
            "vars" => {
                for (key, value) in entries {
                    loading.set_group_var(id, key, value);
                }
            }
            _ => {
                for (child, data) in &entries {
                    if let Some(child_id) = group(loading, child, data, depth + 1) {
                        loading.add_child(id, child_id, &child.loc);
                    }
                }
            }
        }
    }
    fields.finish(
        "key of a group",
        &["hosts", "vars", "children"],
        &mut loading.problems,
    );
    Some(id)
}

/// Returns the entries of `hosts`, `vars` or `children`; one bare word is one entry.
fn section(
    loading: &mut Loading<'_>,
    group: &str,
    key: &Key,
    value: &Node,
) -> Option<Vec<(Key, Node)>> {
    match &value.data {
        Data::Map(entries) => Some(entries.clone()),
        Data::Null => None,
        Data::Str(text) if key.name != "vars" => {
            let key = Key {
                name: text.clone(),
                loc: value.loc.clone(),
            };
            Some(vec![(key, Node::new(Data::Null, value.loc.clone()))])
        }
        Data::Str(_) | Data::Bool(_) | Data::Int(_) | Data::Float(_) | Data::Seq(_) => {
            let name = &key.name;
            let message = format!(
                "`{name}` of group `{group}` must be a map, not {}",
                value.kind()
            );
            let problem = Problem::at(&value.loc, message);
            let is_list = value.as_seq().is_some();
            loading.problems.push(match name.as_str() {
                "hosts" if is_list => problem.hint("write each host as a key: `web1:`"),
                "children" if is_list => problem.hint("write each group as a key: `web:`"),
                _ => problem,
            });
            None
        }
    }
}

fn hosts(loading: &mut Loading<'_>, group: GroupId, entries: &[(Key, Node)]) {
    for (pattern, variables) in entries {
        let hosts = loading.add_hosts(&pattern.name, &pattern.loc, group);
        match &variables.data {
            Data::Null => {}
            Data::Map(entries) => {
                for (key, value) in entries {
                    for host in &hosts {
                        loading.set_host_var(*host, key.clone(), value.clone());
                    }
                }
            }
            Data::Bool(_) | Data::Int(_) | Data::Float(_) | Data::Str(_) | Data::Seq(_) => {
                let kind = variables.kind();
                let name = &pattern.name;
                let message = format!("host `{name}` must have a map of variables, not {kind}");
                loading.problems.push(Problem::at(&variables.loc, message));
            }
        }
    }
}
