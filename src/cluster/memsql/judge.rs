//! From what was read to what a playbook asks: nodes as data, and a verdict for each thing that must hold.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::ops::Node;
use super::read::{Depth, Plan, View};
use super::unread;
use crate::cluster::model::Verdict;
use crate::cluster::model::memsql::{
    self as model, Address, Aliases, InstanceRole, ONLINE, Overview, OwnDoing,
};

/// What else is asked.
#[derive(Debug, Clone, Default)]
pub struct Questions {
    /// The version to go to.
    pub to: Option<String>,
    /// Its file's hash.
    pub hash: Option<String>,
    /// Whether it is known, and not from Ops, that the file is on every agent.
    pub file_everywhere: bool,
    /// What this run did itself.
    pub doing: OwnDoing,
    /// From how many seconds on a statement is a long one.
    pub long_statement: u64,
    /// The names that machines go by.
    pub aliases: Aliases,
    /// The machines of the inventory, by the name that the aliases lead to.
    pub machines: BTreeSet<String>,
    /// Names that several hosts of the inventory go by.
    pub doubled: BTreeMap<String, BTreeSet<String>>,
}

impl Questions {
    /// Adds a name that a host of the inventory goes by; every machine goes by those that mean itself.
    pub fn names(&mut self, name: &str, host: &str) {
        if let Some(other) = self.aliases.add(name, host)
            && other != host
            && !super::parse::is_loopback(name)
        {
            let hosts = self.doubled.entry(name.to_owned()).or_default();
            hosts.extend([other, host.to_owned()]);
        }
    }
}

/// Judges a view.
pub fn judge(view: &View, questions: &Questions) -> Map<String, Value> {
    let over = view.cluster.overview();
    let cluster = over.cluster;
    let led = model::led_by(&over);
    let versions = versions(view);
    let (layout, warnings) = model::layout(cluster, &questions.aliases);
    let addresses =
        |all: Vec<Address>| -> Vec<String> { all.iter().map(ToString::to_string).collect() };
    let groups = model::groups(cluster);
    let order = order(&over, questions.to.as_deref());
    let groups: BTreeMap<String, Vec<String>> = groups
        .into_iter()
        .map(|(group, leaves)| (group.to_string(), addresses(leaves)))
        .collect();
    let leaves: Vec<Value> = cluster
        .leaves
        .iter()
        .map(|leaf| leaf_value(view, questions, leaf, led.get(&leaf.address)))
        .collect();
    let aggregators: Vec<Value> = cluster
        .aggregators
        .iter()
        .map(|aggregator| aggregator_value(view, questions, aggregator))
        .collect();
    let mut value = fields(json!({
        "master": view.master,
        "leaves": leaves,
        "aggregators": aggregators,
        "databases": cluster.databases,
        "groups": groups,
        "order": order,
        "versions": versions,
        "led_by": keyed(led),
        "orphans": orphans(&over),
        "variables": keyed(view.variables.clone()),
        "warnings": warnings,
        "layout": layout,
        "servers": servers(view),
        "redundancy": redundancy(view, &over),
        "redundancy_without_detached": model::redundancy_without(&over, &questions.doing),
        "status": status(view, &over),
        "one_group_down": model::one_group_down(cluster),
        "masters": model::masters(&over),
        "switches": switches(view, questions),
        "switches_known": unread::switches_known(view),
        "even": model::even(&over),
        "copies": model::copies_forward(&over),
        "detach": each(cluster.leaves.iter().map(|leaf| &leaf.address), |address| {
            model::may_detach(&over, address, &questions.doing)
        }),
        "stop": each(cluster.leaves.iter().map(|leaf| &leaf.address), |address| {
            model::may_stop(&over, address)
        }),
        "aggregator": each(cluster.aggregators.iter().map(|found| &found.address), |address| {
            model::others_answer(&over, address, questions.to.as_deref())
        }),
    }));
    value.extend(fields(asked_in_full(view, questions, &versions)));
    value.retain(|name, _| is_asked(view, name));
    value
}

/// Tells whether what a verdict needs was read: one on what nobody asked would say that all is well.
fn is_asked(view: &View, name: &str) -> bool {
    match name {
        "ops" | "target" | "file" => view.ops.is_some() && view.depth == Depth::Full,
        "nodes" => view.ops.is_some(),
        "plans" | "busy" | "restore" | "rebalance" => view.depth >= Depth::Cluster,
        _ => true,
    }
}

/// The versions that run.
fn versions(view: &View) -> Vec<String> {
    let leaves = view.cluster.leaves.iter().map(|leaf| &leaf.version);
    let aggregators = view.cluster.aggregators.iter().map(|found| &found.version);
    let versions: BTreeSet<&String> = leaves.chain(aggregators).flatten().collect();
    versions.into_iter().cloned().collect()
}

/// The groups in the order in which they are taken: the one that has fewer leaves left to upgrade is the one begun.
fn order(over: &Overview<'_>, to: Option<&str>) -> Vec<u32> {
    let mut left: BTreeMap<u32, usize> = BTreeMap::new();
    for leaf in &over.cluster.leaves {
        if let Some(group) = leaf.group {
            *left.entry(group).or_default() += usize::from(leaf.version.as_deref() != to);
        }
    }
    let mut order: Vec<(usize, u32)> = left
        .into_iter()
        .map(|(group, left)| (left, group))
        .collect();
    order.sort_unstable();
    order.into_iter().map(|(_, group)| group).collect()
}

/// What is switched off around the work: for each switch the aggregator, its id, the name and the value. Failure
/// detection of leaves, and attaching, are the master aggregator's; failure detection of aggregators is everybody's.
fn switches(view: &View, questions: &Questions) -> Value {
    let mut attach = Vec::new();
    let mut detection = Vec::new();
    for aggregator in &view.cluster.aggregators {
        let Some(variables) = view.variables.get(&aggregator.address) else {
            continue;
        };
        let node = node_of(view, questions, &aggregator.address);
        for (key, value) in variables {
            let one = json!({
                "address": aggregator.address,
                "memsql_id": node.map(|node| &node.id),
                "key": key,
                "value": value,
            });
            match (key.as_str(), aggregator.master) {
                ("auto_attach", true) => attach.push(one),
                ("leaf_failure_detection", true) | ("aggregator_failure_detection", _) => {
                    detection.push(one);
                }
                _ => {}
            }
        }
    }
    json!({"auto_attach": attach, "failure_detection": detection})
}

/// Makes the nodes that Ops knows data, for when the master aggregator itself is away.
pub fn ops_nodes(ops: &super::Ops) -> Value {
    let node = |node: &Node| {
        json!({
            "memsql_id": node.id,
            "address": node.address,
            "role": node.role,
            "version": node.version,
            "run_state": node.run_state,
            "state": node.state,
        })
    };
    json!({"ops_nodes": ops.nodes.iter().map(node).collect::<Vec<_>>(), "problems": ops.problems})
}

/// What only a full look can judge.
fn asked_in_full(view: &View, questions: &Questions, versions: &[String]) -> Value {
    let lengths = |pick: fn(&Plan) -> &Vec<String>| -> BTreeMap<&String, usize> {
        let plans = view.plans.iter();
        plans
            .map(|(database, plan)| (database, pick(plan).len()))
            .collect()
    };
    json!({
        "ops": Verdict::of(view.ops.iter().flat_map(super::Ops::problems).collect()),
        "nodes": nodes(view, questions),
        "target": target(view, questions, versions),
        "file": Verdict::of(file(view, questions)),
        "plans": plans(view),
        "busy": busy(view, questions),
        "restore": restorable(view, &questions.doing),
        "rebalance": lengths(|plan| &plan.rebalance),
        "inventory": inventory(view, questions),
    })
}

/// How many steps would restore each database's redundancy, but for copies on leaves that this run detached and that are away
/// still: those come when the leaf is back.
fn restorable<'v>(view: &'v View, doing: &OwnDoing) -> BTreeMap<&'v String, usize> {
    let over = view.cluster.overview();
    let away = doing.detached.iter();
    let away: Vec<String> = away
        .filter(|leaf| !over.takes_part(leaf))
        .map(|leaf| format!(" on {}:{}", leaf.host, leaf.port))
        .collect();
    let plans = view.plans.iter();
    plans
        .map(|(database, plan)| {
            let steps = plan.restore.iter();
            let here = steps.filter(|step| !away.iter().any(|away| step.ends_with(away)));
            (database, here.count())
        })
        .collect()
}

fn fields(value: Value) -> Map<String, Value> {
    if let Value::Object(fields) = value {
        fields
    } else {
        Map::new()
    }
}

fn keyed<T: serde::Serialize>(map: BTreeMap<Address, T>) -> Value {
    let pairs = map
        .into_iter()
        .map(|(address, value)| (address.to_string(), json!(value)));
    Value::Object(pairs.collect())
}

fn each<'a>(
    addresses: impl Iterator<Item = &'a Address>,
    judge: impl Fn(&Address) -> Verdict,
) -> Value {
    let pairs = addresses.map(|address| (address.to_string(), json!(judge(address))));
    Value::Object(pairs.collect())
}

fn node_of<'v>(view: &'v View, questions: &Questions, address: &Address) -> Option<&'v Node> {
    let ops = view.ops.as_ref()?;
    ops.nodes
        .iter()
        .find(|node| same(view, questions, &node.address, address))
}

/// Tells whether two lists mean one node; `127.0.0.1` is the machine that the master aggregator is on.
fn same(view: &View, questions: &Questions, one: &Address, other: &Address) -> bool {
    let plain = |address: &Address| {
        if super::parse::is_loopback(&address.host) {
            Address::new(&view.master.host, address.port)
        } else {
            address.clone()
        }
    };
    one == other || questions.aliases.same(&plain(one), &plain(other))
}

fn with_node(view: &View, questions: &Questions, address: &Address, mut value: Value) -> Value {
    let node = node_of(view, questions, address);
    let word = |pick: fn(&Node) -> &String| node.map(pick).cloned().unwrap_or_default();
    if let Some(fields) = value.as_object_mut() {
        fields.insert("host".into(), json!(address.host));
        fields.insert("port".into(), json!(address.port));
        fields.insert("memsql_id".into(), json!(word(|node| &node.id)));
        fields.insert("agent_id".into(), json!(word(|node| &node.agent)));
        fields.insert("run_state".into(), json!(word(|node| &node.run_state)));
        fields.insert("ops_state".into(), json!(word(|node| &node.state)));
        fields.insert(
            "cluster_state".into(),
            json!(word(|node| &node.cluster_state)),
        );
        fields.insert("ops_version".into(), json!(word(|node| &node.version)));
        fields.insert("problem".into(), json!(view.silent.get(address)));
        let machine = questions.aliases.machine(&address.host);
        fields.insert("machine".into(), json!(machine));
    }
    value
}

fn leaf_value(
    view: &View,
    questions: &Questions,
    leaf: &model::Leaf,
    led: Option<&usize>,
) -> Value {
    let mut value = json!(leaf);
    if let Some(fields) = value.as_object_mut() {
        fields.insert("led".into(), json!(led.copied().unwrap_or(0)));
        let recovering = view.recovering.get(&leaf.address).cloned();
        let mut recovering = recovering.unwrap_or_default();
        // Who did not tell may recover.
        if let Some(why) = view.unread.recovery.get(&leaf.address) {
            recovering.push(format!("it is not known: {why}"));
        }
        fields.insert("recovering".into(), json!(recovering));
    }
    with_node(view, questions, &leaf.address, value)
}

fn aggregator_value(view: &View, questions: &Questions, found: &model::Aggregator) -> Value {
    let mut value = json!(found);
    if let Some(fields) = value.as_object_mut() {
        fields.insert(
            "variables".into(),
            json!(view.variables.get(&found.address)),
        );
    }
    with_node(view, questions, &found.address, value)
}

fn orphans(over: &Overview<'_>) -> Vec<String> {
    let orphans = over.cluster.instances.iter();
    orphans
        .filter(|instance| instance.role == InstanceRole::Orphan)
        .map(|instance| format!("{}/{}", instance.address, instance.name))
        .collect()
}

/// P6: every server takes part and answers.
fn servers(view: &View) -> Verdict {
    let mut problems = Vec::new();
    let leaves = view.cluster.leaves.iter();
    let leaves = leaves.map(|leaf| {
        let version = leaf.version.as_ref();
        ("leaf", &leaf.address, &leaf.state, leaf.answers, version)
    });
    let aggregators = view.cluster.aggregators.iter().map(|found| {
        let (address, version) = (&found.address, found.version.as_ref());
        ("aggregator", address, &found.state, found.answers, version)
    });
    for (what, address, state, answers, version) in leaves.chain(aggregators) {
        if state != ONLINE {
            problems.push(format!("{what} {address} is {state}, not {ONLINE}"));
        }
        if !answers {
            let why = view.silent.get(address).map(String::as_str);
            problems.push(format!(
                "{what} {address} does not answer: {}",
                why.unwrap_or("unknown")
            ));
        } else if version.is_none() {
            problems.push(format!("{what} {address} does not say its version"));
        }
    }
    let masters: Vec<_> = view
        .cluster
        .aggregators
        .iter()
        .filter(|found| found.master)
        .collect();
    if masters.len() != 1 {
        problems.push(format!(
            "there are {} master aggregators, not one",
            masters.len()
        ));
    }
    Verdict::of(problems)
}

/// P3 and P4: Ops knows the same nodes as the cluster, and finds all well.
fn nodes(view: &View, questions: &Questions) -> Verdict {
    let Some(ops) = &view.ops else {
        return Verdict::of(Vec::new());
    };
    let mut problems = ops.node_problems();
    let leaves = view.cluster.leaves.iter();
    let leaves = leaves.map(|leaf| (&leaf.address, "LEAF", leaf.group));
    let aggregators = view.cluster.aggregators.iter().map(|found| {
        let role = if found.master { "MASTER" } else { "AGGREGATOR" };
        (&found.address, role, None)
    });
    let members: Vec<_> = leaves.chain(aggregators).collect();
    for (address, role, group) in &members {
        match node_of(view, questions, address) {
            None => problems.push(format!("Ops does not know {address}")),
            Some(node) if node.role != *role => {
                problems.push(format!("Ops has {address} as {}, not {role}", node.role));
            }
            Some(node) if group.is_some() && node.group != *group => {
                problems.push(format!("Ops has {address} in another availability group"));
            }
            Some(node) if node.id.is_empty() => {
                problems.push(format!("Ops has no id for {address}"));
            }
            Some(_) => {}
        }
    }
    for node in &ops.nodes {
        let is_member = members
            .iter()
            .any(|(address, ..)| same(view, questions, address, &node.address));
        if !is_member {
            problems.push(format!(
                "Ops has {}, which the cluster does not",
                node.address
            ));
        }
    }
    Verdict::of(problems)
}

/// P6: the version to go to can be gone to, and its file is there.
fn target(view: &View, questions: &Questions, versions: &[String]) -> Verdict {
    let Some(to) = &questions.to else {
        return Verdict::of(Vec::new());
    };
    let mut problems = model::target(versions, to).problems;
    problems.extend(file(view, questions));
    Verdict::of(problems)
}

/// P6: the file of the version is on every agent.
fn file(view: &View, questions: &Questions) -> Vec<String> {
    let (Some(to), Some(ops)) = (&questions.to, &view.ops) else {
        return Vec::new();
    };
    ops.file_problems(to, questions.hash.as_deref(), questions.file_everywhere)
}

/// P5 and P7: redundancy 2, one master and one slave of every partition.
fn redundancy(view: &View, over: &Overview<'_>) -> Verdict {
    let mut problems = model::redundancy(over).problems;
    let variables = view.variables.get(&view.master).or_else(|| {
        let own = view.cluster.aggregators.iter().find(|found| found.master)?;
        view.variables.get(&own.address)
    });
    let level = variables.and_then(|all| all.get("redundancy_level"));
    if level.is_none_or(|level| level.trim() != "2") {
        let level = level.map_or("not known", String::as_str);
        problems.insert(0, format!("redundancy_level is {level}, not 2"));
    }
    let known: BTreeSet<&str> = over.partitions.iter().map(|found| found.database).collect();
    for database in &view.cluster.databases {
        if !known.contains(database.as_str()) {
            problems.push(format!("{database} has no partitions"));
        }
    }
    Verdict::of(problems)
}

/// P8: every copy is well, and nothing comes from another cluster.
fn status(view: &View, over: &Overview<'_>) -> Verdict {
    let mut problems = model::statuses(over).problems;
    for name in &view.replicated {
        problems.push(format!("{name} is replicated from another cluster"));
    }
    Verdict::of(problems)
}

/// P7: there is nothing to restore and nothing to balance.
fn plans(view: &View) -> Verdict {
    let mut problems = Vec::new();
    for (database, plan) in &view.plans {
        for (what, steps) in [
            ("its redundancy is not restored", &plan.restore),
            ("it is not balanced", &plan.rebalance),
        ] {
            if let Some(first) = steps.first() {
                problems.push(format!(
                    "{database}: {what}: {} steps, first {first}",
                    steps.len()
                ));
            }
        }
    }
    Verdict::of(problems)
}

/// P9: nothing runs that a leaf may not be detached beside.
fn busy(view: &View, questions: &Questions) -> Verdict {
    let mut problems: Vec<String> = unread::statements(view).collect();
    for (database, plan) in &view.plans {
        if let Some(first) = plan.running.first() {
            problems.push(format!("{database} is being rebalanced: {first}"));
        }
    }
    for busy in &view.busy {
        let statement = &busy.statement;
        let is_long = statement.seconds > questions.long_statement;
        if statement.forbids || is_long {
            let shown: String = statement.text.chars().take(60).collect();
            problems.push(format!(
                "on {} `{shown}` has been running for {} s",
                busy.at, statement.seconds
            ));
        }
    }
    Verdict::of(problems)
}

/// Every node of the cluster runs on a machine of the inventory, so that it can be looked at.
fn inventory(view: &View, questions: &Questions) -> Verdict {
    if questions.machines.is_empty() {
        return Verdict::of(Vec::new());
    }
    let leaves = view.cluster.leaves.iter().map(|leaf| &leaf.address);
    let aggregators = view.cluster.aggregators.iter().map(|found| &found.address);
    let mut problems = Vec::new();
    for address in leaves.chain(aggregators) {
        let host = if super::parse::is_loopback(&address.host) {
            &view.master.host
        } else {
            &address.host
        };
        if !questions
            .machines
            .contains(&questions.aliases.machine(host))
        {
            problems.push(format!("{address} is on no host of the inventory"));
        }
    }
    for (name, hosts) in &questions.doubled {
        let hosts: Vec<&str> = hosts.iter().map(String::as_str).collect();
        problems.push(format!(
            "{name} is the name of several hosts of the inventory: {}",
            hosts.join(", ")
        ));
    }
    Verdict::of(problems)
}
