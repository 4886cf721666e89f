//! What stands in for the outside world in stagger's tests: simulators of the databases,
//! and the load that proves what an upgrade does to the people who use them.
//!
//! - [`sim`]: `arangod`, `arangodb` (the starter) and `arangosync`, as real processes that
//!   speak real HTTP, keep real files and obey real signals.
//! - [`load`]: a client that writes all the time, and the oracle that judges the outcome.
//!
//! Nothing in here is part of the product.

pub mod load;
pub mod sim;
