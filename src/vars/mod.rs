//! Precedence, magic variables, where a value came from.
//!
//! Values lie in layers that are looked up, never merged: a host of a large inventory costs what its own variables
//! cost. What changes while a run goes on (facts, registered results, hosts that are added) is replaced as a whole, so
//! that those who render with what was before are not disturbed. Nothing is rendered here. Called by `plan`, `rollout`
//! and `cli`.

mod connection;
mod explain;
mod extra;
mod host_vars;
mod layer;
mod magic;
mod names;
mod precedence;
#[cfg(test)]
mod precedence_tests;
mod roster;
mod scope;
mod siblings;
mod ssh_arguments;
mod state;
mod words;
mod world;

pub use connection::{ConnectionKind, ConnectionVars, connection_vars};
pub use explain::Explained;
pub use extra::extra_vars;
pub use layer::{Layer, Layers, Values, Written};
pub use magic::RunMagic;
pub use precedence::Precedence;
pub use scope::Scope;
pub use ssh_arguments::{HostKeyChecking, SshArguments, jump_of};
pub use state::HostState;
pub use world::World;
