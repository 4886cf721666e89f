//! What the servers of a cluster share: the agency as they ask it, and what it says.

pub mod agency_client;
pub mod catalog;
pub mod membership;

pub use agency_client::{AgencyClient, AgencyError};
pub use catalog::{Catalog, Collection, ShardPath, bare, leader_of, responsible_shard};
pub use membership::{Membership, beat, join};
