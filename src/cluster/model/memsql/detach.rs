//! May this leaf be detached, may it be stopped? The statement itself does not ask in 5.x: it takes the last copy away.

use std::collections::BTreeSet;

use super::super::Verdict;
use super::partitions::{REPLICATING, is_explained, master_problem};
use super::{Address, DETACHED, InstanceRole, Leaf, Overview, Partition, layout::one_group_down};

/// What this run did itself, and so explains.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OwnDoing {
    /// The leaves that it detached and has not made whole again.
    pub detached: BTreeSet<Address>,
    /// Orphans that it saw come about at its own detach: node and name.
    pub orphans: BTreeSet<(Address, String)>,
}

/// Tells whether an orphan is explained: it was recorded, or is on a leaf that this run detached.
pub fn explains(doing: &OwnDoing, address: &Address, name: &str) -> bool {
    doing.detached.contains(address) || doing.orphans.contains(&(address.clone(), name.to_owned()))
}

/// I1 to I5: judges whether a leaf may be detached now. That slaves have caught up is proved apart, as it takes time.
pub fn may_detach(over: &Overview<'_>, address: &Address, doing: &OwnDoing) -> Verdict {
    let mut problems = Vec::new();
    let Some(leaf) = over.leaf(address) else {
        return Verdict::of(vec![format!("{address} is no leaf of this cluster")]);
    };
    if !leaf.is_up() {
        problems.push(not_up(leaf));
    }
    problems.extend(one_group_down(over.cluster).problems);
    for other in over
        .cluster
        .leaves
        .iter()
        .filter(|other| other.address != *address)
    {
        let is_ours = doing.detached.contains(&other.address) && other.group == leaf.group;
        if !other.is_up() && !is_ours {
            problems.push(not_up(other));
        }
    }
    let pair = leaf.pair.as_ref().and_then(|pair| over.leaf(pair));
    match pair {
        Some(pair) if pair.group == leaf.group => {
            problems.push(format!("{address} and its pair are in one group"));
        }
        Some(_) => {}
        None => problems.push(format!("{address} has no pair")),
    }
    for partition in &over.partitions {
        partition_problems(over, leaf, partition, doing, &mut problems);
    }
    for instance in &over.cluster.instances {
        let is_orphan = instance.role == InstanceRole::Orphan;
        if is_orphan && !explains(doing, &instance.address, &instance.name) {
            problems.push(format!(
                "{} on {} is an orphan",
                instance.name, instance.address
            ));
        }
    }
    problems.sort();
    problems.dedup();
    Verdict::of(problems)
}

fn not_up(leaf: &Leaf) -> String {
    let address = &leaf.address;
    if leaf.answers {
        format!("leaf {address} is {}", leaf.state)
    } else {
        format!("leaf {address} is {} and does not answer", leaf.state)
    }
}

fn partition_problems(
    over: &Overview<'_>,
    leaf: &Leaf,
    partition: &Partition<'_>,
    doing: &OwnDoing,
    problems: &mut Vec<String>,
) {
    let name = &partition.name;
    if partition.locked {
        problems.push(format!("{name} is locked"));
    }
    master_problem(over, partition, problems);
    let [master] = partition.masters.as_slice() else {
        return;
    };
    let leads = **master == leaf.address;
    // Who follows on a leaf that stays, in another group than the master.
    let follows = |slave: &&&Address| {
        let is_up = over.is_up(slave);
        let state = over.instance(name, slave).map(|found| found.state.as_str());
        is_up && state == Some(REPLICATING) && over.group(slave) != over.group(master)
    };
    let followers = partition.slaves.iter().filter(follows).count();
    if leads && followers == 0 {
        problems.push(format!(
            "{name} is led by {master} and has no slave that could take over"
        ));
    }
    if !leads && partition.slaves.is_empty() && !is_explained(over, partition, doing) {
        problems.push(format!("{name} has no slave"));
    }
    if !leads && !partition.slaves.is_empty() && followers == 0 {
        problems.push(format!("{name} has no slave that replicates"));
    }
}

/// I3: judges whether a leaf may be stopped: it is detached, and leads nothing.
pub fn may_stop(over: &Overview<'_>, address: &Address) -> Verdict {
    let mut problems = Vec::new();
    match over.leaf(address) {
        None => problems.push(format!("{address} is no leaf of this cluster")),
        Some(leaf) if leaf.state != DETACHED => {
            problems.push(format!("leaf {address} is {}, not {DETACHED}", leaf.state));
        }
        Some(_) => {}
    }
    for partition in &over.partitions {
        if partition.masters.contains(&address) {
            problems.push(format!("{} is still led by {address}", partition.name));
        }
    }
    Verdict::of(problems)
}

/// I6: judges whether an aggregator may be taken away: all others are up and one of them remains; the master comes when
/// all other nodes run the version `to`.
pub fn others_answer(over: &Overview<'_>, address: &Address, to: Option<&str>) -> Verdict {
    let mut problems = Vec::new();
    let own = over
        .cluster
        .aggregators
        .iter()
        .find(|aggregator| aggregator.address == *address);
    if own.is_none() {
        problems.push(format!("{address} is no aggregator of this cluster"));
    }
    let others: Vec<_> = over
        .cluster
        .aggregators
        .iter()
        .filter(|other| other.address != *address)
        .collect();
    if others.is_empty() {
        problems.push(format!(
            "{address} is the only aggregator: clients would have none"
        ));
    }
    for other in &others {
        if !other.is_up() {
            problems.push(format!("aggregator {} is {}", other.address, other.state));
        }
    }
    if own.is_some_and(|own| own.master)
        && let Some(to) = to
    {
        let leaves = over
            .cluster
            .leaves
            .iter()
            .map(|leaf| (&leaf.address, &leaf.version));
        let others = others.iter().map(|other| (&other.address, &other.version));
        for (address, version) in leaves.chain(others) {
            if version.as_deref() != Some(to) {
                problems.push(format!(
                    "{address} runs {}, not {to}: the master aggregator comes last",
                    version.as_deref().unwrap_or("an unknown version")
                ));
            }
        }
    }
    Verdict::of(problems)
}
