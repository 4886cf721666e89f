//! A replication between two data centres, as both sides tell it.

use serde_json::json;

use super::asking::{Access, Requests};
use super::cluster_view::fields;
use crate::cluster::arangodb::{Replication, read_incoming, read_outgoing};
use crate::modules::{HostCx, ModuleError, Outcome};
use crate::secrets::Secret;

/// The sync masters of both sides.
#[derive(Debug)]
pub(super) struct Sides {
    pub(super) target: Vec<String>,
    /// The header for the target's masters, if it is not that of all.
    pub(super) target_header: Option<Secret>,
    pub(super) source: Vec<String>,
    /// The header for the source's masters, if it is not that of all.
    pub(super) source_header: Option<Secret>,
}

/// Asks both sides.
pub(super) fn read(
    cx: &mut HostCx<'_>,
    access: &Access,
    sides: &Sides,
) -> Result<Outcome, ModuleError> {
    let with = |header: &Option<Secret>| Access {
        authorization: header.clone().or_else(|| access.authorization.clone()),
        via_host: access.via_host,
    };
    let (target, source) = (with(&sides.target_header), with(&sides.source_header));
    let mut requests = Requests::new(cx, &target);
    let incoming = read_incoming(&mut requests, &sides.target);
    requests.stopped()?;
    let mut requests = Requests::new(cx, &source);
    let outgoing = read_outgoing(&mut requests, &sides.source);
    requests.stopped()?;
    let seen = Replication { incoming, outgoing };
    let told = seen.told();
    let value = json!({"sync": {
        "incoming": seen.incoming.as_ref().ok(),
        "outgoing": seen.outgoing.as_ref().ok(),
        "inactive": seen.is_inactive(),
        "running": seen.is_running(),
        "ok": told.ok,
        "problems": told.problems,
    }});
    Ok(Outcome {
        result: fields(value),
        ..Outcome::default()
    })
}
