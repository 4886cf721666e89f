//! A replication between two data centres, as both sides tell it.

use serde_json::json;

use super::asking::{Access, Requests};
use super::cluster_view::fields;
use crate::cluster::arangodb::read_replication;
use crate::modules::{HostCx, ModuleError, Outcome};

/// The sync masters of both sides.
#[derive(Debug)]
pub(super) struct Sides {
    pub(super) target: Vec<String>,
    pub(super) source: Vec<String>,
}

/// Asks both sides.
pub(super) fn read(
    cx: &mut HostCx<'_>,
    access: &Access,
    sides: &Sides,
) -> Result<Outcome, ModuleError> {
    let mut requests = Requests::new(cx, access);
    let seen = read_replication(&mut requests, &sides.target, &sides.source);
    requests.stopped()?;
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
