//! From what ArangoDB's servers answer to the model, and from what a host shows to the members that run on it.
//!
//! [`parse`] knows the formats of every version met during an upgrade; `read` asks live servers through [`Ask`], which
//! `modules` implement over HTTP; [`host`] reads what one machine shows. Nothing here changes anything.

mod auto_upgrade;
pub mod host;
mod judge;
mod member;
pub mod parse;
mod path;
mod read;
pub mod setup;
mod sightings;
mod supervision;
mod sync;
mod token;

#[cfg(test)]
mod tests;

pub use auto_upgrade::auto_upgrade;
pub use judge::{Judgement, Questions, judge};
pub use member::{HostView, Listed, listed};
pub use read::{
    Answer, Ask, AskError, ClusterView, Confirmation, Glance, ServerView, read_cluster, read_round,
};
pub use sightings::{BETWEEN_LOOKS, Sightings};
pub use sync::{Replication, read_incoming, read_outgoing};
pub use token::superuser_token;
