//! What the agency's supervision does, and of which servers it is told to look away.

use serde_json::{Value, json};

use super::parse::{Job, Store};
use super::read::ClusterView;
use crate::clock::Timestamp;
use crate::cluster::model::arangodb::Shard;

/// The jobs that have failed and would still have something to do: what they were to move is where it was.
fn failed<'a>(store: &'a Store, shards: &[Shard]) -> Vec<&'a Job> {
    let leads = |shard: &Shard, job: &Job| shard.leader() == Some(job.server.as_str());
    let open = |job: &&Job| match job.kind.as_str() {
        "moveShard" => {
            let mut own = shards.iter().filter(|shard| shard.shard == job.shard);
            own.any(|shard| leads(shard, job))
        }
        "resignLeadership" => shards.iter().any(|shard| leads(shard, job)),
        _ => false,
    };
    store.failed_jobs.iter().filter(open).collect()
}

/// What the supervision does, and whether it is told to look away: from all, or from one DB-Server.
pub(super) fn supervision(view: &ClusterView, shards: &[Shard], now: Option<Timestamp>) -> Value {
    let about = |store: &Store, kind: &str, what: fn(&Job) -> &String| -> Vec<String> {
        let jobs = store.jobs.iter().filter(|job| job.kind == kind);
        jobs.map(|job| what(job).clone()).collect()
    };
    let age_s = |since: &str| {
        let since: Timestamp = since.parse().ok()?;
        Some(now?.as_second().saturating_sub(since.as_second()).max(0))
    };
    match &view.store {
        Ok(store) => json!({
            "asked_for": asked_for(store, now),
            "in_force": store.in_force,
            "mode": store.mode.as_deref().unwrap_or("Normal"),
            "since": store.mode_since,
            "age_s": store.mode_since.as_deref().and_then(age_s),
            "maintenance": store.maintenance,
            "normal": is_normal(store, now),
            "jobs": store.jobs.iter().map(|job| &job.id).collect::<Vec<_>>(),
            "moving": about(store, "moveShard", |job| &job.shard),
            "resigning": about(store, "resignLeadership", |job| &job.server),
            "failed": failed(store, shards),
            "unfit": store.unfit,
        }),
        Err(problem) => {
            json!({"mode": null, "since": null, "age_s": null, "maintenance": null, "asked_for": [], "in_force": [], "normal": false, "problem": problem,
                   "jobs": [], "moving": [], "resigning": [], "failed": [], "unfit": []})
        }
    }
}

/// The DB-Servers for which maintenance mode is asked. What has run out is left where it was, and asks for nothing
/// (ArangoDB 3.12, `Supervision.cpp`, `updateDBServerMaintenance`).
fn asked_for(store: &Store, now: Option<Timestamp>) -> Vec<&String> {
    let has_run_out = |until: &str| {
        let until: Option<Timestamp> = until.parse().ok();
        until.zip(now).is_some_and(|(until, now)| until < now)
    };
    let asked = store.asked_for.iter();
    asked
        .filter(|(_, until)| !has_run_out(until))
        .map(|(id, _)| id)
        .collect()
}

/// The supervision looks after every server.
fn is_normal(store: &Store, now: Option<Timestamp>) -> bool {
    store.maintenance.is_none()
        && store.mode.as_deref().unwrap_or("Normal") == "Normal"
        && asked_for(store, now).is_empty()
        && store.in_force.is_empty()
}
