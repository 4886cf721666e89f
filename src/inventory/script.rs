//! Dynamic inventories: programs that print hosts as JSON when asked with `--list`.

use std::collections::HashSet;

use super::load::Loading;
use super::model::{GroupId, HostId};
use crate::yaml::{Data, Key, Node, Problem, Source, parse};

/// How many lines of a script's errors are shown.
const SHOWN_LINES: usize = 10;

/// Runs a script and reads what it prints.
pub(super) fn read(loading: &mut Loading<'_>, path: &str) {
    match run(loading, path, &["--list"]) {
        Ok(node) => listing(loading, &node, Some(path)),
        Err(mut problems) => loading.problems.append(&mut problems),
    }
}

/// Runs a script; empty output is `null`.
fn run(loading: &Loading<'_>, path: &str, arguments: &[&str]) -> Result<Node, Vec<Problem>> {
    let command = format!("{path} {}", arguments.join(" "));
    let one = |message: String| vec![Problem::nowhere(message)];
    // A bare name would be looked up among the system's programs.
    let program = if path.contains('/') {
        path.to_owned()
    } else {
        format!("./{path}")
    };
    let output = loading
        .files
        .run(&program, arguments)
        .map_err(|reason| one(format!("cannot run {command}: {reason}")))?;
    let stderr = String::from_utf8_lossy(&output.stderr);
    let shown = |mut problem: Problem| {
        let lines: Vec<&str> = stderr.lines().collect();
        let skipped = lines.len().saturating_sub(SHOWN_LINES);
        problem.notes.extend(
            lines
                .iter()
                .skip(skipped)
                .map(|line| format!("stderr: {line}")),
        );
        problem
    };
    if !output.success {
        let message = format!("{command} ended with {}", output.end);
        return Err(vec![shown(Problem::nowhere(message))]);
    }
    let text = String::from_utf8(output.stdout)
        .map_err(|_| one(format!("{command} printed what is no UTF-8 text")))?;
    parse(&Source::new(command, text)).map_err(|problems| {
        let mut problems = problems.into_iter();
        let first = problems.next().map(shown);
        first.into_iter().chain(problems).collect()
    })
}

/// Reads the JSON of `--list`; `script` is asked for each host's variables if `_meta` is not there.
pub(super) fn listing(loading: &mut Loading<'_>, node: &Node, script: Option<&str>) {
    let Some(groups) = node.as_map() else {
        let message = format!("an inventory must be a map of groups, not {}", node.kind());
        return loading.problems.push(Problem::at(&node.loc, message));
    };
    let mut hosts: Vec<HostId> = Vec::new();
    for (key, data) in groups {
        if key.name != "_meta" {
            group(loading, key, data, &mut hosts);
        }
    }
    let mut seen = HashSet::new();
    hosts.retain(|host| seen.insert(*host));
    match (node.entry("_meta"), script) {
        (Some(meta), _) => from_meta(loading, meta, &hosts),
        (None, Some(script)) => {
            for host in hosts {
                from_script(loading, script, host);
            }
        }
        (None, None) => {}
    }
}

fn group(loading: &mut Loading<'_>, name: &Key, data: &Node, hosts: &mut Vec<HostId>) {
    let id = loading.add_group(&name.name, &name.loc);
    let known = ["hosts", "vars", "children"];
    match &data.data {
        Data::Seq(_) => add_hosts(loading, name, data, id, hosts),
        Data::Map(entries)
            if !entries
                .iter()
                .any(|(key, _)| known.contains(&key.name.as_str())) =>
        {
            // A map that is no group is a host with its variables; an empty one names an empty group.
            if !entries.is_empty() {
                let host = loading.add_host(&name.name, &name.loc, id);
                if let Some((host, _)) = host {
                    let entries: Vec<_> = entries
                        .iter()
                        .map(|(key, value)| (key.clone(), untemplated(value)))
                        .collect();
                    set_vars(loading, &[host], &entries);
                    hosts.push(host);
                }
            }
        }
        Data::Map(entries) => {
            if let Some(list) = data.entry("hosts") {
                add_hosts(loading, name, list, id, hosts);
            }
            match data.entry("vars").map(|vars| (&vars.data, vars)) {
                None | Some((Data::Null, _)) => {}
                Some((Data::Map(vars), _)) => {
                    for (key, value) in vars {
                        loading.set_group_var(id, key.clone(), plain(value));
                    }
                }
                Some((_, vars)) => wrong(loading, name, "vars", "a map", vars),
            }
            if let Some(children) = data.entry("children") {
                add_children(loading, name, children, id);
            }
            for (key, _) in entries
                .iter()
                .filter(|(key, _)| !known.contains(&key.name.as_str()))
            {
                let message = format!("`{}` of group `{}` is not read", key.name, name.name);
                loading
                    .inventory
                    .warnings
                    .push(Problem::at(&key.loc, message));
            }
        }
        Data::Null | Data::Bool(_) | Data::Int(_) | Data::Float(_) | Data::Str(_) => {
            let kind = data.kind();
            let message = format!("group `{}` must be a list or a map, not {kind}", name.name);
            loading.problems.push(Problem::at(&data.loc, message));
        }
    }
}

fn wrong(loading: &mut Loading<'_>, group: &Key, section: &str, wanted: &str, found: &Node) {
    let kind = found.kind();
    let message = format!(
        "`{section}` of group `{}` must be {wanted}, not {kind}",
        group.name
    );
    loading.problems.push(Problem::at(&found.loc, message));
}

fn add_hosts(
    loading: &mut Loading<'_>,
    name: &Key,
    list: &Node,
    group: GroupId,
    hosts: &mut Vec<HostId>,
) {
    let Some(items) = list.as_seq() else {
        return wrong(loading, name, "hosts", "a list", list);
    };
    for item in items {
        match item.as_str() {
            Some(host) => hosts.extend(
                loading
                    .add_host(host, &item.loc, group)
                    .map(|(host, _)| host),
            ),
            None => wrong(loading, name, "hosts", "a list of names", item),
        }
    }
}

fn add_children(loading: &mut Loading<'_>, name: &Key, list: &Node, group: GroupId) {
    let Some(items) = list.as_seq() else {
        return wrong(loading, name, "children", "a list", list);
    };
    for item in items {
        match item.as_str() {
            Some(child) => {
                let child = loading.add_group(child, &item.loc);
                loading.add_child(group, child, &item.loc);
            }
            None => wrong(loading, name, "children", "a list of names", item),
        }
    }
}

fn from_meta(loading: &mut Loading<'_>, meta: &Node, hosts: &[HostId]) {
    let Some(all) = meta.entry("hostvars") else {
        return;
    };
    let Some(entries) = all.as_map() else {
        let message = format!("`_meta.hostvars` must be a map, not {}", all.kind());
        return loading.problems.push(Problem::at(&all.loc, message));
    };
    let named: HashSet<HostId> = hosts.iter().copied().collect();
    for (host, variables) in entries {
        let id = loading.inventory.host_id(&host.name);
        let Some(id) = id.filter(|id| named.contains(id)) else {
            let message = format!("host `{}` is in no group, and is left out", host.name);
            loading
                .inventory
                .warnings
                .push(Problem::at(&host.loc, message));
            continue;
        };
        if let Some(entries) = variables.as_map() {
            set_vars(loading, &[id], entries);
        } else {
            let message = format!("the variables of `{}` must be a map", host.name);
            loading.problems.push(Problem::at(&variables.loc, message));
        }
    }
}

fn from_script(loading: &mut Loading<'_>, script: &str, host: HostId) {
    let Some(name) = loading.inventory.host(host).map(|host| host.name.clone()) else {
        return;
    };
    match run(loading, script, &["--host", name.as_str()]) {
        Ok(node) => match &node.data {
            Data::Null => {}
            Data::Map(entries) => set_vars(loading, &[host], entries),
            Data::Bool(_) | Data::Int(_) | Data::Float(_) | Data::Str(_) | Data::Seq(_) => {
                let message = format!("the variables of `{name}` must be a map");
                loading.problems.push(Problem::at(&node.loc, message));
            }
        },
        Err(mut problems) => loading.problems.append(&mut problems),
    }
}

fn set_vars(loading: &mut Loading<'_>, hosts: &[HostId], entries: &[(Key, Node)]) {
    for (key, value) in entries {
        for host in hosts {
            loading.set_host_var(*host, key.clone(), plain(value));
        }
    }
}

/// Marks every text as no template: so Ansible takes what a script gives in this form.
fn untemplated(node: &Node) -> Node {
    let mut node = node.clone();
    match &mut node.data {
        Data::Str(_) => node.tag = Some("unsafe".to_owned()),
        Data::Seq(items) => items.iter_mut().for_each(|item| *item = untemplated(item)),
        Data::Map(entries) => {
            for (_, value) in entries {
                *value = untemplated(value);
            }
        }
        Data::Null | Data::Bool(_) | Data::Int(_) | Data::Float(_) => {}
    }
    node
}

/// Undoes how Ansible writes what is no template or is in a vault: `{"__ansible_unsafe": "text"}`.
fn plain(node: &Node) -> Node {
    let convert = |node: &Node| plain(node);
    let data = match &node.data {
        Data::Map(entries) => {
            if let [(key, value)] = entries.as_slice() {
                let tag = match key.name.as_str() {
                    "__ansible_unsafe" => Some("unsafe"),
                    "__ansible_vault" => Some("vault"),
                    _ => None,
                };
                if let Some(tag) = tag {
                    return Node {
                        tag: Some(tag.to_owned()),
                        ..value.clone()
                    };
                }
            }
            let entries = entries
                .iter()
                .map(|(key, value)| (key.clone(), convert(value)));
            Data::Map(entries.collect())
        }
        Data::Seq(items) => Data::Seq(items.iter().map(convert).collect()),
        Data::Null | Data::Bool(_) | Data::Int(_) | Data::Float(_) | Data::Str(_) => {
            return node.clone();
        }
    };
    Node {
        data,
        ..node.clone()
    }
}
