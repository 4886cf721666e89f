//! From what was read to what a playbook asks: nodes as data, and a verdict for each thing that must hold.

mod verdicts;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use verdicts::{busy, file, inventory, nodes, plans, redundancy, servers, status, target};

use super::ops::Node;
use super::read::{Depth, Plan, View};
use super::unread;
use crate::cluster::model::Verdict;
use crate::cluster::model::memsql::{
    self as model, Address, Aliases, InstanceRole, Overview, OwnDoing,
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
