//! Looks at the replication into another cluster, and at the versions meanwhile: it must not
//! run while they are mixed, and it must run again at the end.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::Value;

use super::watch::{EVERY, LIMIT, Watch};
use crate::sim::http::{Call, call};
use crate::sim::time;

/// What was seen of the replication; nothing, where there is none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Replication {
    /// How it stands, as its target says: `running`, `inactive` or on the way between.
    pub status: String,
    /// The version of each of the source's servers; one that is down has its last one.
    pub versions: BTreeMap<String, String>,
    /// How long it did not run.
    pub off_ms: u64,
}

impl Replication {
    /// Returns the versions, if it runs between different ones.
    pub fn mixed(&self) -> Option<String> {
        let versions: BTreeSet<&str> = self.versions.values().map(String::as_str).collect();
        let is_mixed = self.status == "running" && versions.len() > 1;
        is_mixed.then(|| versions.into_iter().collect::<Vec<_>>().join(" "))
    }
}

/// Looks on until told to stop.
pub(super) async fn live(watch: Arc<Watch>) {
    if watch.options().sync_masters.is_empty() {
        return;
    }
    let mut last = time::mono_ms();
    while !watch.is_over() {
        let status = status(&watch).await;
        let versions = versions(&watch).await;
        let now = time::mono_ms();
        watch.note_replication(|known| {
            known.versions.extend(versions);
            if let Some(status) = status {
                known.status = status;
            }
            if known.status != "running" {
                known.off_ms += now.saturating_sub(last);
            }
        });
        last = now;
        tokio::time::sleep(EVERY).await;
    }
}

/// Asks the masters of the target in turn how the replication stands.
pub(super) async fn status(watch: &Watch) -> Option<String> {
    let token = format!("bearer {}", watch.options().sync_token);
    for master in &watch.options().sync_masters {
        let request = Call::new(master, "GET", "/_api/sync", LIMIT).authorized(Some(&token));
        if let Ok(reply) = call(request).await
            && reply.status == 200
        {
            let said = reply.json();
            let status = said.get("status").and_then(Value::as_str);
            return status.map(str::to_owned);
        }
    }
    None
}

async fn versions(watch: &Watch) -> BTreeMap<String, String> {
    let mut versions = BTreeMap::new();
    for (id, member) in watch.members() {
        let state = watch.get(&member.target, "/_lab/state").await;
        let version = state.as_ref().and_then(|state| state.get("version"));
        if let Some(version) = version.and_then(Value::as_str) {
            versions.insert(id.clone(), version.to_owned());
        }
    }
    versions
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_replication_that_runs_between_versions_is_a_breach() {
        let cases: &[(&str, &[&str], Option<&str>)] = &[
            ("running", &["3.3.20", "3.3.20"], None),
            ("running", &["3.3.20", "3.4.0"], Some("3.3.20 3.4.0")),
            ("inactive", &["3.3.20", "3.4.0"], None),
            ("cancelling", &["3.3.20", "3.4.0"], None),
            ("running", &["3.4.0", "3.4.0"], None),
            ("", &[], None),
        ];
        for (status, versions, expected) in cases {
            let versions = versions.iter().zip(["a", "b"]);
            let seen = Replication {
                status: (*status).to_owned(),
                versions: versions
                    .map(|(version, id)| (id.to_owned(), (*version).to_owned()))
                    .collect(),
                off_ms: 0,
            };
            assert_eq!(seen.mixed().as_deref(), *expected, "{seen:?}");
        }
    }
}
