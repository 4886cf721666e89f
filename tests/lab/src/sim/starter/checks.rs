//! What the starter looks at before and during its own upgrade, no more and no less.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::Value;

use super::bootstrap::fetch;
use super::kinds::Kind;
use super::service::Starter;
use crate::sim::http::{Call, Reply, Target, call};
use crate::sim::version::Version;

/// Something to wait for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Check {
    /// One agent leads and the others send there.
    Agency,
    /// Every server is GOOD.
    Cluster,
    /// All servers of a kind answer.
    Responding(Kind),
}

/// Waits, without an end, looking every 5 s.
pub async fn wait(starter: &Starter, check: Check) {
    loop {
        let result = match check {
            Check::Agency => agency_healthy(starter).await,
            Check::Cluster => cluster_healthy(starter).await,
            Check::Responding(kind) => responding(starter, kind).await,
        };
        match result {
            Ok(()) => return,
            Err(why) => starter
                .log
                .info(&format!("{check:?} is not yet healthy: {why}")),
        }
        tokio::time::sleep(starter.live.now().timer(5000)).await;
    }
}

async fn ask(
    starter: &Starter,
    url: &str,
    method: &str,
    path: &str,
    body: &str,
) -> Result<Reply, String> {
    let target = Target::parse(url).ok_or_else(|| format!("`{url}` is not a URL"))?;
    let authorization = starter.authorization();
    let mut request = Call::new(&target, method, path, Duration::from_secs(10))
        .authorized(authorization.as_deref());
    request.body = body.as_bytes().to_vec();
    call(request).await.map_err(|error| error.to_string())
}

async fn agency_healthy(starter: &Starter) -> Result<(), String> {
    let mut leaders: BTreeSet<String> = BTreeSet::new();
    let body = r#"[["/arangodb-helper/arangodb/master"]]"#;
    for url in starter.peers().urls(Kind::Agent) {
        let reply = ask(starter, &url, "POST", "/_api/agency/read", body).await?;
        let leader = match reply.status {
            200 => Target::parse(&url),
            307 => reply
                .headers
                .get("location")
                .and_then(|at| at.to_str().ok())
                .and_then(Target::parse),
            other => return Err(format!("{url} answers {other}")),
        };
        // Only the hosts are compared, never the ports.
        leaders.extend(leader.map(|leader| leader.host));
    }
    if leaders.len() == 1 {
        Ok(())
    } else {
        Err(format!("{} leaders", leaders.len()))
    }
}

/// Tells whether a coordinator finds every server GOOD; agents without a status pass.
pub async fn cluster_healthy(starter: &Starter) -> Result<(), String> {
    let mut last = "there is no coordinator".to_owned();
    for url in starter.peers().urls(Kind::Coordinator) {
        match ask(starter, &url, "GET", "/_admin/cluster/health", "").await {
            Ok(reply) if reply.status == 200 => return all_good(&reply.json()),
            Ok(reply) => last = format!("{url} answers {}", reply.status),
            Err(why) => last = why,
        }
    }
    Err(last)
}

fn all_good(health: &Value) -> Result<(), String> {
    let all = health.get("Health").and_then(Value::as_object);
    for (id, server) in all.into_iter().flatten() {
        let status = server
            .get("Status")
            .and_then(Value::as_str)
            .unwrap_or_default();
        let agent = server.get("Role").is_some_and(|role| role == "Agent");
        if status != "GOOD" && !(agent && status.is_empty()) {
            return Err(format!("server {id} has a '{status}' status"));
        }
    }
    Ok(())
}

async fn responding(starter: &Starter, kind: Kind) -> Result<(), String> {
    if kind.is_sync() {
        return Ok(());
    }
    for url in starter.peers().urls(kind) {
        let reply = ask(starter, &url, "GET", "/_api/version", "").await?;
        if reply.status != 200 {
            return Err(format!("{url} answers {}", reply.status));
        }
    }
    Ok(())
}

/// Returns the versions that run and the one that is installed everywhere.
pub async fn versions(starter: &Starter) -> Result<(Vec<String>, String), (u16, String)> {
    let failed = |why: String| (500, why);
    let peers = starter.peers();
    let mut starters = BTreeSet::new();
    let mut binaries = BTreeSet::new();
    for peer in &peers.all {
        let own = fetch(&peer.url("/version"), "GET", None)
            .await
            .map_err(failed)?;
        starters.insert(own.json().to_string());
        let database = fetch(&peer.url("/database-version"), "GET", None)
            .await
            .map_err(failed)?;
        let version = database.json();
        let version = version.get("version").and_then(Value::as_str);
        binaries.insert(version.unwrap_or_default().to_owned());
    }
    if starters.len() > 1 {
        return Err((
            500,
            format!("Found multiple Starter versions: {starters:?}"),
        ));
    }
    let to = binaries.first().cloned().unwrap_or_default();
    if binaries.len() > 1 {
        return Err((
            400,
            format!(
                "Found multiple database versions ({binaries:?}). Make sure all machines have the same version"
            ),
        ));
    }
    let mut running = BTreeSet::new();
    for kind in [Kind::Agent, Kind::Coordinator, Kind::DbServer] {
        for url in peers.urls(kind) {
            let reply = ask(starter, &url, "GET", "/_api/version", "")
                .await
                .map_err(failed)?;
            let version = reply.json();
            let version = version.get("version").and_then(Value::as_str);
            running.insert(version.unwrap_or_default().to_owned());
        }
    }
    Ok((running.into_iter().collect(), to))
}

/// Tells whether the rules let a version go to another: patches, or the next minor.
pub fn may_upgrade(from: &str, to: &str) -> Result<(), String> {
    let parse = |text: &str| Version::parse(text).map_err(|error| error.to_string());
    let (from, to) = (parse(from)?, parse(to)?);
    if to < from {
        return Err(format!("Downgrade from {from} to {to} is not possible"));
    }
    if to.series() > from.series() + 1 {
        return Err(format!(
            "Found incompatible upgrade versions: {from} to {to} skips a minor version"
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_patches_and_the_next_minor_are_allowed() {
        for (from, to, allowed) in [
            ("3.3.20", "3.4.0", true),
            ("3.3.14", "3.4.0", true),
            ("3.4.0", "3.4.5", true),
            ("3.3.20", "3.5.1", false),
            ("3.4.0", "3.3.20", false),
        ] {
            assert_eq!(may_upgrade(from, to).is_ok(), allowed, "{from} {to}");
        }
    }

    #[test]
    fn an_agent_without_a_status_passes_and_a_bad_server_does_not() {
        let health = |server: Value| json!({"Health": {"x": server}});
        for (server, good) in [
            (json!({"Role": "Agent"}), true),
            (json!({"Role": "Agent", "Status": "BAD"}), false),
            (json!({"Role": "DBServer", "Status": "GOOD"}), true),
            (json!({"Role": "DBServer"}), false),
        ] {
            assert_eq!(all_good(&health(server.clone())).is_ok(), good, "{server}");
        }
    }
}
