//! A MemSQL cluster as data: leaves in pairs over two availability groups, aggregators, partitions with their instances;
//! and what must hold of them.
//!
//! Facts come from the documentation of MemSQL 5.x (managing high availability, leaf states, online upgrade) and of its
//! successors where it says so.

mod address;
mod caught_up;
mod detach;
mod layout;
mod overview;
mod partitions;
mod position;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
mod version;

pub use address::{Address, Aliases};
pub use caught_up::{CaughtUp, Progress};
pub use detach::{OwnDoing, explains, may_detach, may_stop, others_answer};
pub use layout::{groups, layout, one_group_down};
pub use overview::{Overview, Partition};
pub use partitions::{
    copies_forward, even, led_by, masters, redundancy, redundancy_without, statuses,
};
pub use position::Position;
pub use version::{OPS_NEEDED, ProductVersion, target};

use serde::Serialize;

/// The state of a leaf or aggregator that takes part; every other word means that it does not.
pub const ONLINE: &str = "online";

/// The state of a leaf that was taken out, or that has come back and was not attached.
pub const DETACHED: &str = "detached";

/// A leaf as the master aggregator lists it, and as it answers itself.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Leaf {
    /// Where it is, as the master aggregator spells it.
    pub address: Address,
    /// Its availability group.
    pub group: Option<u32>,
    /// The leaf of the other group that holds the same partitions.
    pub pair: Option<Address>,
    /// Its state: online, offline, detached, or a word of a later version.
    pub state: String,
    /// Whether it answers by itself: while failure detection is off, its state alone proves nothing.
    pub answers: bool,
    /// The version that it says it runs.
    pub version: Option<String>,
}

impl Leaf {
    /// Tells whether it takes part and answers.
    pub fn is_up(&self) -> bool {
        self.state == ONLINE && self.answers
    }
}

/// An aggregator.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Aggregator {
    /// Where it is.
    pub address: Address,
    /// Its state.
    pub state: String,
    /// Whether it is the master aggregator.
    pub master: bool,
    /// Whether it answers by itself.
    pub answers: bool,
    /// The version that it says it runs.
    pub version: Option<String>,
}

impl Aggregator {
    /// Tells whether it takes part and answers.
    pub fn is_up(&self) -> bool {
        self.state == ONLINE && self.answers
    }
}

/// What an instance of a partition is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum InstanceRole {
    /// Takes reads and writes.
    Master,
    /// Follows a master; `Slave` in 5.x, `Replica` later.
    Slave,
    /// The database itself, on every node.
    Reference,
    /// Belongs to no partition any more.
    Orphan,
    /// A word that is not known.
    Other(String),
}

impl InstanceRole {
    /// Reads the word of any version.
    pub fn of(word: &str) -> Self {
        let lower = word.to_lowercase();
        match lower.as_str() {
            "master" => Self::Master,
            "slave" | "replica" | "sync slave" | "async slave" | "sync replica"
            | "async replica" => Self::Slave,
            "reference" => Self::Reference,
            "orphan" => Self::Orphan,
            _ => Self::Other(lower),
        }
    }
}

/// One copy of a partition or of a reference database, as the cluster's status shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Instance {
    /// The name of the partition's own database, such as `x_test_3`.
    pub name: String,
    /// The database.
    pub database: String,
    /// The partition's number; none for a reference database.
    pub ordinal: Option<u32>,
    /// The node it is on.
    pub address: Address,
    /// What it is.
    pub role: InstanceRole,
    /// `online` for a master, `replicating` for a slave; every other word is not healthy.
    pub state: String,
    /// How far its log is.
    pub position: Option<Position>,
}

/// Where the master aggregator places a copy of a partition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Placement {
    /// The database.
    pub database: String,
    /// The partition's number.
    pub ordinal: u32,
    /// The leaf; none if the partition has no copy.
    pub address: Option<Address>,
    /// Master or slave.
    pub role: InstanceRole,
    /// Whether queries to it wait.
    pub locked: bool,
}

/// What was read of a cluster.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cluster {
    /// The leaves.
    pub leaves: Vec<Leaf>,
    /// The aggregators.
    pub aggregators: Vec<Aggregator>,
    /// The users' databases.
    pub databases: Vec<String>,
    /// All copies.
    pub instances: Vec<Instance>,
    /// Where partitions are placed.
    pub placements: Vec<Placement>,
}

impl Cluster {
    /// Finds a leaf.
    pub fn leaf(&self, address: &Address) -> Option<&Leaf> {
        self.leaves.iter().find(|leaf| leaf.address == *address)
    }

    /// Looks over it, for judging.
    pub fn overview(&self) -> Overview<'_> {
        Overview::of(self)
    }
}
