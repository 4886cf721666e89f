//! An ArangoDB cluster as data: agents, DB-Servers, coordinators, shards, supervision; and what must hold of them.
//!
//! Facts come from the documentation of ArangoDB 3.3 and 3.4, from the sources of arangod of that time, and from
//! kube-arangodb where it says so.

mod abilities;
mod agency;
mod paths;
mod shards;
mod stranded;
mod versions;

pub use abilities::{Ability, LeadershipWay, leadership_way};
pub use agency::{AgentStatus, Round, agency_ok, has_quorum, leader};
pub use paths::{Order, PathRule, check_path, data_upgrade, notes, order};
pub use shards::{Move, MoveRefusal, Shard, blocks_stop, led_by, plan_moves};
pub use stranded::Start;
pub use versions::{ParseVersionError, Version, is_plain};

use serde::Serialize;

/// What a server of the cluster is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Keeps the cluster's configuration; three or five of them agree by majority.
    Agent,
    /// Keeps data.
    Dbserver,
    /// Takes the clients' requests.
    Coordinator,
    /// Replicates between data centres: leads.
    Syncmaster,
    /// Replicates between data centres: works.
    Syncworker,
    /// A server that belongs to no cluster.
    Single,
}

impl Role {
    /// Returns the name that the starter uses for it in paths and in `/process`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Agent => "agent",
            Self::Dbserver => "dbserver",
            Self::Coordinator => "coordinator",
            Self::Syncmaster => "syncmaster",
            Self::Syncworker => "syncworker",
            Self::Single => "single",
        }
    }

    /// Reads the starter's name for it.
    pub fn from_name(name: &str) -> Option<Self> {
        [
            Self::Agent,
            Self::Dbserver,
            Self::Coordinator,
            Self::Syncmaster,
            Self::Syncworker,
            Self::Single,
        ]
        .into_iter()
        .find(|role| role.name() == name)
    }

    /// Returns what `GET /_admin/server/role` answers for it.
    pub fn server_role(self) -> &'static str {
        match self {
            Self::Agent => "AGENT",
            Self::Dbserver => "PRIMARY",
            Self::Coordinator => "COORDINATOR",
            Self::Syncmaster | Self::Syncworker => "UNDEFINED",
            Self::Single => "SINGLE",
        }
    }
}
