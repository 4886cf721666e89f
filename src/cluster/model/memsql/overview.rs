//! A cluster with its leaves and copies at hand by name: judging thousands of partitions for each leaf must not search.

use std::collections::{BTreeMap, HashMap};

use super::{Address, Cluster, Instance, InstanceRole, Leaf, ONLINE, Placement};

/// A partition with where its copies are placed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Partition<'a> {
    /// The name of its own database.
    pub name: String,
    /// The database.
    pub database: &'a str,
    /// Its number.
    pub ordinal: u32,
    /// The leaves with a master.
    pub masters: Vec<&'a Address>,
    /// The leaves with a slave.
    pub slaves: Vec<&'a Address>,
    /// Whether queries to it wait.
    pub locked: bool,
}

/// What is at hand.
#[derive(Debug)]
pub struct Overview<'a> {
    /// The cluster.
    pub cluster: &'a Cluster,
    /// All partitions, in order.
    pub partitions: Vec<Partition<'a>>,
    leaves: HashMap<&'a Address, &'a Leaf>,
    copies: HashMap<&'a str, Vec<&'a Instance>>,
}

impl<'a> Overview<'a> {
    /// Looks over a cluster.
    pub fn of(cluster: &'a Cluster) -> Self {
        let mut copies: HashMap<&str, Vec<&Instance>> = HashMap::new();
        for instance in &cluster.instances {
            copies.entry(&instance.name).or_default().push(instance);
        }
        let leaves = cluster.leaves.iter();
        Self {
            cluster,
            partitions: partitions(cluster),
            leaves: leaves.map(|leaf| (&leaf.address, leaf)).collect(),
            copies,
        }
    }

    /// Finds a leaf.
    pub fn leaf(&self, address: &Address) -> Option<&'a Leaf> {
        self.leaves.get(address).copied()
    }

    /// Tells whether a leaf is there, takes part and answers.
    pub fn is_up(&self, address: &Address) -> bool {
        self.leaf(address).is_some_and(Leaf::is_up)
    }

    /// Tells whether a leaf is online for the cluster, whether it answers now or not.
    pub fn takes_part(&self, address: &Address) -> bool {
        self.leaf(address).is_some_and(|leaf| leaf.state == ONLINE)
    }

    /// Returns the leaf that a partition's second copy belongs on, if it has one master.
    pub fn pair_of_master(&self, partition: &Partition<'_>) -> Option<&'a Address> {
        let [master] = partition.masters.as_slice() else {
            return None;
        };
        self.leaf(master)?.pair.as_ref()
    }

    /// Returns a leaf's availability group.
    pub fn group(&self, address: &Address) -> Option<u32> {
        self.leaf(address)?.group
    }

    /// Finds the copy of a partition on a leaf, as the status shows it.
    pub fn instance(&self, name: &str, address: &Address) -> Option<&'a Instance> {
        let copies = self.copies.get(name)?;
        copies.iter().find(|copy| copy.address == *address).copied()
    }
}

fn partitions(cluster: &Cluster) -> Vec<Partition<'_>> {
    let mut all: BTreeMap<(&str, u32), Partition<'_>> = BTreeMap::new();
    for placement in &cluster.placements {
        let Placement {
            database, ordinal, ..
        } = placement;
        let partition = all
            .entry((database, *ordinal))
            .or_insert_with(|| Partition {
                name: format!("{database}_{ordinal}"),
                database,
                ordinal: *ordinal,
                masters: Vec::new(),
                slaves: Vec::new(),
                locked: false,
            });
        partition.locked |= placement.locked;
        let Some(address) = &placement.address else {
            continue;
        };
        match placement.role {
            InstanceRole::Master => partition.masters.push(address),
            InstanceRole::Slave => partition.slaves.push(address),
            InstanceRole::Reference | InstanceRole::Orphan | InstanceRole::Other(_) => {}
        }
    }
    all.into_values().collect()
}
