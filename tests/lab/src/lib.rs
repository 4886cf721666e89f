//! The lab: what stands in for the outside world when stagger is tried.
//!
//! - [`fleet`]: hosts with a real systemd, a real sshd and addresses of their own, booted on
//!   this machine, with faults, and taken down so that nothing is left.
//! - [`cli`]: what a person types.
//! - [`mod@bench`]: how fast the product is, beside what the same work costs by hand.
//! - [`cluster`]: a database cluster set up on them as its documentation says.
//! - [`demo`]: an upgrade as an operator would do it, and what came of it.
//! - [`faults`]: what goes wrong in the middle of upgrades, task by task, and what comes of it.
//! - [`packages`]: Debian packages to be installed on them.
//! - [`product`]: the program under test, built as it is released.
//! - [`sim`]: `arangod`, `arangodb` (the starter) and `arangosync`, `memsqld` and `memsql-ops`, as
//!   real processes that speak real protocols, keep real files and obey real signals.
//! - [`load`]: a client that writes all the time, and the oracle that judges the outcome.
//! - [`traps`]: the tables of what can go wrong, run case by case.
//! - `relay`: a slow or lossy piece of cable.
//! - [`command`], [`clock`], [`files`]: the one place each that starts a program, waits, and
//!   touches the lab's own files.
//!
//! Nothing in here is part of the product, and nothing in here is linked with it: the product
//! is a program that is started like any other.

pub mod bench;
pub mod cli;
pub mod clock;
pub mod cluster;
pub mod command;
pub mod demo;
pub mod faults;
pub mod files;
pub mod fleet;
pub mod load;
pub mod packages;
pub mod product;
#[cfg(target_os = "linux")]
pub mod relay;
pub mod sim;
pub mod traps;
