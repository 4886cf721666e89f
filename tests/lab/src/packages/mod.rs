//! Debian packages made here, to be installed on the lab's hosts.
//!
//! [`deb`] makes a package of any name, version, files and scripts; [`memsql`] fills one with
//! `memsql-ops`, and [`arangodb`] one as
//! the database's own package is filled, with the simulators in place of the programs. What
//! a package's scripts do on a host is counted there, in the same file as what is done to
//! the servers. Packages are real: dpkg unpacks them, runs their scripts, and can fail.

pub mod arangodb;
pub mod deb;
pub mod memsql;

pub use deb::{Content, Deb, Entry, Script};

use crate::{command, files};

/// Where everything that happens to packages and servers is counted on a host.
pub const EFFECTS: &str = "/var/lib/lab/effects.log";

/// A package that could not be made.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A program failed.
    #[error(transparent)]
    Command(#[from] command::Error),
    /// A file failed.
    #[error(transparent)]
    File(#[from] files::Error),
    /// A path of the package is not one.
    #[error("`{0}` is not the path of a file in a package")]
    Path(String),
}
