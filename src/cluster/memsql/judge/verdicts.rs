//! A verdict for each thing that must hold.

use std::collections::BTreeSet;

use super::super::read::View;
use super::super::{parse, unread};
use super::{Questions, node_of, same};
use crate::cluster::model::Verdict;
use crate::cluster::model::memsql::{self as model, ONLINE, Overview};

/// P6: every server takes part and answers.
pub(super) fn servers(view: &View) -> Verdict {
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
pub(super) fn nodes(view: &View, questions: &Questions) -> Verdict {
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
pub(super) fn target(view: &View, questions: &Questions, versions: &[String]) -> Verdict {
    let Some(to) = &questions.to else {
        return Verdict::of(Vec::new());
    };
    let mut problems = model::target(versions, to).problems;
    problems.extend(file(view, questions));
    Verdict::of(problems)
}

/// P6: the file of the version is on every agent.
pub(super) fn file(view: &View, questions: &Questions) -> Vec<String> {
    let (Some(to), Some(ops)) = (&questions.to, &view.ops) else {
        return Vec::new();
    };
    ops.file_problems(to, questions.hash.as_deref(), questions.file_everywhere)
}

/// P5 and P7: redundancy 2, one master and one slave of every partition.
pub(super) fn redundancy(view: &View, over: &Overview<'_>) -> Verdict {
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
pub(super) fn status(view: &View, over: &Overview<'_>) -> Verdict {
    let mut problems = model::statuses(over).problems;
    for name in &view.replicated {
        problems.push(format!("{name} is replicated from another cluster"));
    }
    Verdict::of(problems)
}

/// P7: there is nothing to restore and nothing to balance.
pub(super) fn plans(view: &View) -> Verdict {
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
pub(super) fn busy(view: &View, questions: &Questions) -> Verdict {
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
pub(super) fn inventory(view: &View, questions: &Questions) -> Verdict {
    if questions.machines.is_empty() {
        return Verdict::of(Vec::new());
    }
    let leaves = view.cluster.leaves.iter().map(|leaf| &leaf.address);
    let aggregators = view.cluster.aggregators.iter().map(|found| &found.address);
    let mut problems = Vec::new();
    for address in leaves.chain(aggregators) {
        let host = if parse::is_loopback(&address.host) {
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
