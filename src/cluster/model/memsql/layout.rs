//! Two groups, pairs across them, and that never both are touched.

use std::collections::{BTreeMap, BTreeSet};

use super::super::Verdict;
use super::{Address, Aliases, Cluster};

/// Returns the leaves of each availability group, in the cluster's own order.
pub fn groups(cluster: &Cluster) -> BTreeMap<u32, Vec<Address>> {
    let mut groups: BTreeMap<u32, Vec<Address>> = BTreeMap::new();
    for leaf in &cluster.leaves {
        if let Some(group) = leaf.group {
            groups.entry(group).or_default().push(leaf.address.clone());
        }
    }
    groups
}

/// Judges whether the leaves are two groups of one size, paired one to one across them. The second list are warnings:
/// pairs that share a machine.
pub fn layout(cluster: &Cluster, aliases: &Aliases) -> (Verdict, Vec<String>) {
    let (mut problems, mut warnings) = (Vec::new(), Vec::new());
    let groups = groups(cluster);
    let sizes: Vec<String> = groups
        .iter()
        .map(|(group, leaves)| format!("group {group}: {}", leaves.len()))
        .collect();
    let mut counts = groups.values().map(Vec::len);
    match (counts.next(), counts.next(), counts.next()) {
        (Some(one), Some(other), None) if one == other => {}
        _ => problems.push(format!(
            "there must be two availability groups of one size, not {}",
            if sizes.is_empty() {
                "none".to_owned()
            } else {
                sizes.join(", ")
            }
        )),
    }
    for leaf in &cluster.leaves {
        let address = &leaf.address;
        let Some(group) = leaf.group else {
            problems.push(format!("leaf {address} is in no availability group"));
            continue;
        };
        let Some(pair) = leaf.pair.as_ref().and_then(|pair| cluster.leaf(pair)) else {
            problems.push(format!("leaf {address} has no pair"));
            continue;
        };
        if pair.group == Some(group) {
            problems.push(format!(
                "leaf {address} and its pair {} are in one group",
                pair.address
            ));
        }
        if pair.pair.as_ref() != Some(address) {
            problems.push(format!(
                "leaf {address} has the pair {}, which has another",
                pair.address
            ));
        }
        let (here, there) = (&address.host, &pair.address.host);
        if *address < pair.address && aliases.machine(here) == aliases.machine(there) {
            warnings.push(format!(
                "leaf {address} and its pair {} share a machine",
                pair.address
            ));
        }
    }
    (Verdict::of(problems), warnings)
}

/// I1: judges that at most one group has a leaf that is not up.
pub fn one_group_down(cluster: &Cluster) -> Verdict {
    let down: Vec<_> = cluster.leaves.iter().filter(|leaf| !leaf.is_up()).collect();
    let groups: BTreeSet<Option<u32>> = down.iter().map(|leaf| leaf.group).collect();
    if groups.len() < 2 {
        return Verdict::of(Vec::new());
    }
    let names: Vec<String> = down.iter().map(|leaf| leaf.address.to_string()).collect();
    Verdict::of(vec![format!(
        "leaves of both availability groups are not up: {}",
        names.join(", ")
    )])
}
