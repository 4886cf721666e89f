//! A database cluster on a fleet, set up as its own documentation says.
//!
//! What is done here is what an operator would have done a year ago: the old packages
//! installed, the documented unit file written, the starters started. It is the state that
//! an upgrade begins with. The upgrade itself is the product's, and nothing of it is here.

pub mod arangodb;
mod inventory;
mod keys;
pub mod loopback;
pub mod memsql;
mod replication;

pub use arangodb::{Cluster, Options, Security};
pub use replication::Clusters;

use crate::{command, files, fleet, packages};

/// Makes a certificate for a host: the authority's own, then the host's with its key, as PEM.
pub fn certificate(host: &fleet::Host) -> Result<(String, String), Error> {
    let authority = keys::Authority::make()?;
    let server = authority.server(host.name(), host.address())?;
    Ok((authority.certificate(), server))
}

/// A cluster that could not be set up or asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A host failed.
    #[error(transparent)]
    Fleet(#[from] fleet::Error),
    /// A package could not be made.
    #[error(transparent)]
    Package(#[from] packages::Error),
    /// A program failed.
    #[error(transparent)]
    Command(#[from] command::Error),
    /// A file failed.
    #[error(transparent)]
    File(#[from] files::Error),
    /// Keys and certificates could not be made.
    #[error("cannot make a certificate: {0}")]
    Certificate(String),
    /// The cluster did not come up.
    #[error("the cluster is not up: {0}")]
    NotUp(String),
}
