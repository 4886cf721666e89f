//! Partitions: who leads, who follows, whether both are there; and that copies only go from old to new.

use std::collections::BTreeMap;

use super::super::Verdict;
use super::{Address, InstanceRole, ONLINE, Overview, OwnDoing, Partition, ProductVersion};

/// The state of a slave that follows.
pub(super) const REPLICATING: &str = "replicating";

/// Returns how many partitions each leaf leads; leaves that lead none are there with 0.
pub fn led_by(over: &Overview<'_>) -> BTreeMap<Address, usize> {
    let mut led: BTreeMap<Address, usize> = over
        .cluster
        .leaves
        .iter()
        .map(|leaf| (leaf.address.clone(), 0))
        .collect();
    for partition in &over.partitions {
        for master in &partition.masters {
            *led.entry((*master).clone()).or_default() += 1;
        }
    }
    led
}

/// Judges that every partition has one master and one slave, in different groups, on leaves that are up, and is not
/// locked (I2 is the part about masters).
pub fn redundancy(over: &Overview<'_>) -> Verdict {
    redundancy_without(over, &OwnDoing::default())
}

/// Judges the same, but for slaves whose place is on a leaf that this run detached and that is away still: those come when
/// it is back.
pub fn redundancy_without(over: &Overview<'_>, doing: &OwnDoing) -> Verdict {
    let mut problems = Vec::new();
    for partition in &over.partitions {
        let name = &partition.name;
        master_problem(over, partition, &mut problems);
        if partition.slaves.is_empty()
            && is_explained(over, partition, doing)
            && !over
                .pair_of_master(partition)
                .is_some_and(|pair| over.takes_part(pair))
        {
            continue;
        }
        let [slave] = partition.slaves.as_slice() else {
            problems.push(format!(
                "{name} has {} slaves, not one",
                partition.slaves.len()
            ));
            continue;
        };
        if !over.is_up(slave) {
            problems.push(format!(
                "{name}: its slave on {slave} is not on a leaf that is up"
            ));
        }
        if partition
            .masters
            .first()
            .is_some_and(|master| over.group(master) == over.group(slave))
        {
            problems.push(format!(
                "{name}: its master and its slave are in one availability group"
            ));
        }
        if partition.locked {
            problems.push(format!("{name} is locked"));
        }
    }
    Verdict::of(problems)
}

/// Tells whether the place of a partition's second copy, the pair of who leads it, is a leaf that this run detached.
pub(super) fn is_explained(
    over: &Overview<'_>,
    partition: &Partition<'_>,
    doing: &OwnDoing,
) -> bool {
    let pair = over.pair_of_master(partition);
    pair.is_some_and(|pair| doing.detached.contains(pair))
}

/// I2: judges that every partition has exactly one master, on a leaf that is up, and that no query has to wait.
pub fn masters(over: &Overview<'_>) -> Verdict {
    let mut problems = Vec::new();
    for partition in &over.partitions {
        master_problem(over, partition, &mut problems);
        if partition.locked {
            problems.push(format!("{} is locked", partition.name));
        }
    }
    Verdict::of(problems)
}

/// I2: says what stands against a partition having one master on a leaf that is up.
pub(super) fn master_problem(
    over: &Overview<'_>,
    partition: &Partition<'_>,
    problems: &mut Vec<String>,
) {
    let name = &partition.name;
    match partition.masters.as_slice() {
        [master] => {
            if !over.is_up(master) {
                problems.push(format!(
                    "{name}: its master on {master} is not on a leaf that is up"
                ));
            }
            let state = over
                .instance(name, master)
                .map(|found| found.state.as_str());
            if state.is_some_and(|state| state != ONLINE) {
                problems.push(format!(
                    "{name}: its master on {master} is {}, not {ONLINE}",
                    state.unwrap_or_default()
                ));
            }
        }
        [] => problems.push(format!("{name} has no master")),
        several => problems.push(format!("{name} has {} masters", several.len())),
    }
}

/// Judges the states of all copies: masters online, slaves replicating, nothing orphaned.
pub fn statuses(over: &Overview<'_>) -> Verdict {
    let mut problems = Vec::new();
    for instance in &over.cluster.instances {
        let (name, address, state) = (&instance.name, &instance.address, instance.state.as_str());
        let wanted: &[&str] = match &instance.role {
            InstanceRole::Master => &[ONLINE],
            InstanceRole::Slave => &[REPLICATING],
            InstanceRole::Reference => &[ONLINE, REPLICATING],
            InstanceRole::Orphan => {
                problems.push(format!("{name} on {address} is an orphan"));
                continue;
            }
            InstanceRole::Other(word) => {
                problems.push(format!("{name} on {address} has the unknown role `{word}`"));
                continue;
            }
        };
        if !wanted.contains(&state) {
            problems.push(format!(
                "{name} on {address} is {state}, not {}",
                wanted.join(" or ")
            ));
        }
    }
    Verdict::of(problems)
}

/// I10: judges that no partition is copied from a newer master to an older slave.
pub fn copies_forward(over: &Overview<'_>) -> Verdict {
    let version = |address: &Address| {
        let leaf = over.leaf(address)?;
        leaf.version.as_deref()?.parse::<ProductVersion>().ok()
    };
    let mut problems = Vec::new();
    for partition in &over.partitions {
        for (master, slave) in partition
            .masters
            .iter()
            .flat_map(|master| partition.slaves.iter().map(move |slave| (master, slave)))
        {
            if let (Some(newer), Some(older)) = (version(master), version(slave))
                && newer > older
            {
                problems.push(format!(
                    "{} is copied from {newer} on {master} to {older} on {slave}",
                    partition.name
                ));
            }
        }
    }
    Verdict::of(problems)
}

/// Judges that masters are spread evenly: of each database no leaf leads more than one partition more than another.
pub fn even(over: &Overview<'_>) -> Verdict {
    let mut problems = Vec::new();
    for database in &over.cluster.databases {
        let mut led: BTreeMap<&Address, usize> = over
            .cluster
            .leaves
            .iter()
            .map(|leaf| (&leaf.address, 0))
            .collect();
        for partition in &over.partitions {
            if partition.database == database {
                for master in &partition.masters {
                    *led.entry(master).or_default() += 1;
                }
            }
        }
        let (least, most) = (led.values().min(), led.values().max());
        if let (Some(least), Some(most)) = (least, most)
            && most - least > 1
        {
            problems.push(format!(
                "{database}: one leaf leads {most} partitions, another {least}"
            ));
        }
    }
    Verdict::of(problems)
}
