//! The starter's own upgrade of the databases.

use std::sync::{Arc, PoisonError};

use super::kinds::Kind;
use super::service::Starter;
use crate::sim::http::{Request, Response};

/// What the starter's own upgrade is doing.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Upgrading {
    /// The server that is being upgraded.
    pub kind: Option<Kind>,
    /// Whether its next start is to upgrade its data.
    pub due: bool,
}

impl Starter {
    /// Tells whether the end of a server is part of its upgrade.
    pub fn expects_end_of(&self, kind: Kind) -> bool {
        self.upgrading().kind == Some(kind)
    }

    /// Tells whether the next start of a server is to upgrade its data.
    pub fn is_upgrade_due(&self, kind: Kind) -> bool {
        self.upgrading()
            == Upgrading {
                kind: Some(kind),
                due: true,
            }
    }

    /// Notes that a server was started to upgrade its data.
    pub fn upgrade_started(&self, kind: Kind) {
        let mut upgrading = self
            .upgrading
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if upgrading.kind == Some(kind) {
            upgrading.due = false;
        }
    }

    fn upgrading(&self) -> Upgrading {
        *self
            .upgrading
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

pub async fn watch(starter: Arc<Starter>) {
    starter.stopped().await;
}

pub async fn answer(_starter: &Arc<Starter>, _request: &Request) -> Response {
    Response::empty(404)
}
