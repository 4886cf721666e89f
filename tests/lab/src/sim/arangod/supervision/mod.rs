//! Supervision: the agency's leader watches the servers, fails shards over and runs jobs.
//!
//! One lap a second. In maintenance mode a lap does nothing but say so: no health, no
//! failover, no jobs. What a lap decides is decided by pure functions in [`health`],
//! [`failover`], [`move_shard`] and [`resign`]; [`lap`] carries it to the agency.

pub mod failover;
pub mod health;
pub mod jobs;
pub mod lap;
pub mod maintenance;
pub mod move_shard;
pub mod resign;

pub use lap::run;
