//! What the master aggregator knows of the cluster, and what follows from it. Pure.
//!
//! Child aggregators have a copy. The plans of RESTORE REDUNDANCY and REBALANCE PARTITIONS are
//! made here, for EXPLAIN as for the deed.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::address::Address;
use super::data::Role;

/// How a leaf stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LeafState {
    /// It takes part.
    Online,
    /// It does not answer.
    Offline,
    /// It answers and takes no part.
    Detached,
}

impl LeafState {
    /// Returns the word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Online => "online",
            Self::Offline => "offline",
            Self::Detached => "detached",
        }
    }
}

/// A leaf.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Leaf {
    /// Where it is.
    pub at: Address,
    /// Its availability group.
    pub group: u8,
    /// The leaf of the other group that has the same partitions.
    pub pair: Option<Address>,
    /// How it stands.
    pub state: LeafState,
}

/// An aggregator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Aggregator {
    /// Where it is.
    pub at: Address,
    /// Whether it is the master.
    pub master: bool,
    /// Whether it answers, as far as is looked.
    pub online: bool,
}

/// One copy of a partition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Instance {
    /// On which leaf.
    pub leaf: Address,
    /// Which part it has.
    pub role: Role,
}

/// A partition.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Partition {
    /// Its copies.
    pub instances: Vec<Instance>,
    /// Whether who asks for it waits.
    pub locked: bool,
}

impl Partition {
    /// Returns the leaf that takes writes.
    pub fn master(&self) -> Option<&Address> {
        self.of(Role::Master)
    }

    /// Returns the leaf that follows.
    pub fn slave(&self) -> Option<&Address> {
        self.of(Role::Slave)
    }

    fn of(&self, role: Role) -> Option<&Address> {
        let mut instances = self.instances.iter();
        instances.find(|one| one.role == role).map(|one| &one.leaf)
    }

    /// Makes the slave the master, and the master the slave.
    pub fn swap(&mut self) {
        for one in &mut self.instances {
            one.role = match one.role {
                Role::Master => Role::Slave,
                Role::Slave => Role::Master,
                Role::Orphan => Role::Orphan,
            };
        }
    }

    /// Takes away a leaf's copy.
    pub fn leave(&mut self, leaf: &Address) {
        self.instances.retain(|one| one.leaf != *leaf);
    }
}

/// A database.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Database {
    /// Its partitions, in their order.
    pub partitions: Vec<Partition>,
    /// The columns of its tables; the first is the key.
    pub tables: BTreeMap<String, Vec<String>>,
}

/// A step of a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Action {
    /// What is done.
    pub what: &'static str,
    /// To which partition.
    pub ordinal: usize,
    /// On which leaf.
    pub target: Address,
    /// When: steps of one phase are done at once.
    pub phase: u8,
}

/// Makes a second copy.
pub const COPY: &str = "COPY PARTITION FORCE";
/// Makes a slave the master.
pub const PROMOTE: &str = "PROMOTE PARTITION WITH REPOINT";

/// The cluster.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Meta {
    /// Grows with every change.
    pub version: u64,
    /// The leaves.
    pub leaves: Vec<Leaf>,
    /// The aggregators.
    pub aggregators: Vec<Aggregator>,
    /// The user's databases.
    pub databases: BTreeMap<String, Database>,
    /// Whether somebody looks after leaves that do not answer.
    pub detects: bool,
}

impl Meta {
    /// Returns a leaf.
    pub fn leaf(&self, at: &Address) -> Option<&Leaf> {
        self.leaves.iter().find(|leaf| leaf.at == *at)
    }

    /// Returns a leaf to be changed.
    pub fn leaf_mut(&mut self, at: &Address) -> Option<&mut Leaf> {
        self.leaves.iter_mut().find(|leaf| leaf.at == *at)
    }

    /// Returns where the master aggregator is.
    pub fn master(&self) -> Option<&Address> {
        let mut all = self.aggregators.iter();
        all.find(|one| one.master).map(|one| &one.at)
    }

    /// Tells whether a leaf takes part.
    pub fn is_online(&self, at: &Address) -> bool {
        self.leaf(at)
            .is_some_and(|leaf| leaf.state == LeafState::Online)
    }

    /// Returns a partition.
    pub fn partition(&self, database: &str, ordinal: usize) -> Option<&Partition> {
        self.databases.get(database)?.partitions.get(ordinal)
    }

    /// Returns a partition to be changed.
    pub fn partition_mut(&mut self, database: &str, ordinal: usize) -> Option<&mut Partition> {
        self.databases
            .get_mut(database)?
            .partitions
            .get_mut(ordinal)
    }

    /// Returns database and number of every partition.
    pub fn partitions(&self) -> impl Iterator<Item = (&str, usize, &Partition)> {
        self.databases.iter().flat_map(|(name, database)| {
            let all = database.partitions.iter().enumerate();
            all.map(move |(ordinal, partition)| (name.as_str(), ordinal, partition))
        })
    }

    /// Adds a leaf to a group, and pairs it with one of the other that has no pair.
    pub fn add_leaf(&mut self, at: Address, group: u8) {
        let alone = |leaf: &&mut Leaf| leaf.pair.is_none() && leaf.group != group;
        // Never on the same machine, if it can be helped.
        let mut others: Vec<&mut Leaf> = self.leaves.iter_mut().filter(alone).collect();
        others.sort_by_key(|leaf| leaf.at.host == at.host);
        let pair = others.into_iter().next().map(|other| {
            other.pair = Some(at.clone());
            other.at.clone()
        });
        self.leaves.push(Leaf {
            at,
            group,
            pair,
            state: LeafState::Online,
        });
    }

    /// Lays out the partitions of a new database: masters in turn, slaves on the pairs.
    pub fn lay_out(&self, partitions: usize, redundancy: u8) -> Vec<Partition> {
        let online: Vec<&Leaf> = self
            .leaves
            .iter()
            .filter(|leaf| self.is_online(&leaf.at))
            .collect();
        let mut laid = Vec::new();
        for leaf in online
            .iter()
            .cycle()
            .take(if online.is_empty() { 0 } else { partitions })
        {
            let mut instances = vec![Instance {
                leaf: leaf.at.clone(),
                role: Role::Master,
            }];
            let pair = leaf
                .pair
                .as_ref()
                .filter(|pair| redundancy > 1 && self.is_online(pair));
            instances.extend(pair.map(|pair| Instance {
                leaf: pair.clone(),
                role: Role::Slave,
            }));
            laid.push(Partition {
                instances,
                locked: false,
            });
        }
        laid
    }

    /// Returns what RESTORE REDUNDANCY would do.
    pub fn restore_plan(&self, database: &str) -> Vec<Action> {
        let all = self.databases.get(database).into_iter();
        let all = all.flat_map(|database| database.partitions.iter().enumerate());
        let wanting = all.filter(|(_, partition)| partition.slave().is_none());
        let actions = wanting.filter_map(|(ordinal, partition)| {
            let master = self.leaf(partition.master()?)?;
            let target = master.pair.clone().filter(|pair| self.is_online(pair))?;
            Some(Action {
                what: COPY,
                ordinal,
                target,
                phase: 2,
            })
        });
        actions.collect()
    }

    /// Returns what REBALANCE PARTITIONS would do.
    pub fn rebalance_plan(&self, database: &str) -> Vec<Action> {
        let mut actions = self.restore_plan(database);
        for action in &mut actions {
            action.phase = 1;
        }
        for leaf in &self.leaves {
            if self.is_online(&leaf.at) {
                actions.extend(self.promotions(database, leaf));
            }
        }
        actions
    }

    /// Returns which masters should move from a leaf to its pair, so that both have as many.
    pub fn promotions(&self, database: &str, from: &Leaf) -> Vec<Action> {
        let Some(pair) = from.pair.as_ref().filter(|pair| self.is_online(pair)) else {
            return Vec::new();
        };
        let partitions = self.databases.get(database).into_iter();
        let partitions: Vec<_> = partitions
            .flat_map(|all| all.partitions.iter().enumerate())
            .collect();
        let led = |leaf: &Address| {
            partitions
                .iter()
                .filter(|(_, one)| one.master() == Some(leaf))
                .count()
        };
        let surplus = led(&from.at).saturating_sub(led(pair)) / 2;
        let own = partitions
            .iter()
            .filter(|(_, one)| one.master() == Some(&from.at));
        let moves = own.take(surplus).map(|(ordinal, _)| Action {
            what: PROMOTE,
            ordinal: *ordinal,
            target: pair.clone(),
            phase: 2,
        });
        moves.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(n: u16) -> Address {
        Address::new(format!("h{n}"), 3307)
    }

    fn cluster() -> Meta {
        let mut meta = Meta::default();
        for (n, group) in [(1, 1), (2, 1), (3, 2), (4, 2)] {
            meta.add_leaf(at(n), group);
        }
        let partitions = meta.lay_out(8, 2);
        let database = Database {
            partitions,
            ..Database::default()
        };
        meta.databases.insert("db".into(), database);
        meta
    }

    #[test]
    fn leaves_are_paired_across_groups_and_machines() {
        let meta = cluster();
        for leaf in &meta.leaves {
            let pair = meta.leaf(leaf.pair.as_ref().unwrap()).unwrap();
            assert_eq!(pair.pair.as_ref(), Some(&leaf.at));
            assert_ne!(pair.group, leaf.group);
        }
        let mut same = Meta::default();
        for (host, port, group) in [("a", 1, 1), ("b", 1, 1), ("a", 2, 2), ("b", 2, 2)] {
            same.add_leaf(Address::new(host, port), group);
        }
        assert!(
            same.leaves
                .iter()
                .all(|leaf| leaf.pair.as_ref().unwrap().host != leaf.at.host)
        );
    }

    #[test]
    fn a_new_cluster_has_nothing_to_restore_or_rebalance() {
        let meta = cluster();
        assert!(meta.restore_plan("db").is_empty());
        assert!(meta.rebalance_plan("db").is_empty());
        let led = |leaf| {
            meta.partitions()
                .filter(|(_, _, p)| p.master() == Some(&at(leaf)))
                .count()
        };
        assert_eq!([1, 2, 3, 4].map(led), [2, 2, 2, 2]);
    }

    #[test]
    fn plans_fill_gaps_on_the_pair_and_even_masters_out() {
        let mut meta = cluster();
        // As after a detach and an attach of leaf 1: all masters and no slaves on its pair.
        for ordinal in 0..8 {
            let partition = meta.partition_mut("db", ordinal).unwrap();
            if partition.master() == Some(&at(1)) {
                partition.swap();
            }
            partition.leave(&at(1));
        }
        let plan = meta.restore_plan("db");
        assert_eq!(plan.len(), 4);
        assert!(
            plan.iter()
                .all(|action| action.target == at(1) && action.what == COPY)
        );
        let promotions = |meta: &Meta| {
            let plan = meta.rebalance_plan("db");
            plan.iter().filter(|action| action.what == PROMOTE).count()
        };
        assert_eq!(promotions(&meta), 2);
        meta.leaf_mut(&at(1)).unwrap().state = LeafState::Detached;
        assert!(
            meta.restore_plan("db").is_empty(),
            "there is nowhere to copy to"
        );
        assert_eq!(promotions(&meta), 0);
    }
}
