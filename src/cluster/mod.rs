//! What a stateful cluster looks like.
//!
//! [`model`] is pure: members, their states, and the invariants and orders that a safe upgrade rests on. Readers beside
//! it turn a system's own status into that model. Nothing here changes a cluster.

pub mod arangodb;
pub mod memsql;
pub mod model;
pub mod process;
pub mod readiness;
pub mod sections;
