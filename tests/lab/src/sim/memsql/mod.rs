//! A MemSQL 5.x cluster: `memsqld` and `memsql-ops`.
//!
//! - [`wire`]: the MySQL protocol, both sides; [`sql`]: what is understood of its language;
//! - [`server`]: a `memsqld` process: command line, port, signals; [`node`]: its state;
//!   [`session`]: what clients ask for; [`show`]: what is shown to them;
//!   [`operate`]: what of it changes the cluster;
//! - [`leaf`]: partitions, over [`data`] and [`store`]; [`follow`]: their replication;
//! - [`aggregator`]: where a row lies, and who is asked for it;
//! - [`master`]: DETACH, ATTACH, RESTORE, REBALANCE, over [`promote`] and [`meta`];
//!   [`databases`]: what it does with those;
//!   [`heartbeat`]: failure detection and auto attach;
//! - [`peer`]: what servers say to each other;
//! - [`ops`]: the agents of `memsql-ops`, one a host, and its command;
//! - [`switches`]: faults, and what is not known of the real thing.
//!
//! A row lies in memory and in a journal; replication, promotion and copying move real rows, so
//! that a write that is lost is lost.

pub mod address;
pub mod aggregator;
pub mod data;
pub mod databases;
pub mod follow;
pub mod heartbeat;
pub mod leaf;
pub mod master;
pub mod meta;
pub mod node;
pub mod operate;
pub mod ops;
pub mod peer;
pub mod promote;
pub mod server;
pub mod session;
pub mod show;
pub mod sql;
pub mod store;
pub mod switches;
pub mod variables;
pub mod wire;

pub use address::Address;
