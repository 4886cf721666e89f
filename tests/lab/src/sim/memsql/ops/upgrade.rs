//! `memsql-upgrade`: of some servers with `--memsql-id`, of the whole cluster, offline, without.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use super::agent::Ops;
use super::cli::Typed;
use super::local::Order;
use super::primary::{busy, sql, start_one, stop_one};
use super::state::{Installable, Server};
use crate::sim::memsql::peer::{self, Message};
use crate::sim::memsql::switches::OpsOutcome;
use crate::sim::memsql::wire::client::quoted_name;
use crate::sim::time;

/// Runs the command.
pub async fn run(ops: &Arc<Ops>, typed: &Typed) -> Result<String, String> {
    let (servers, file) = {
        let known = ops.known();
        let file = known
            .file(typed.value("version-hash"), typed.value("version"))?
            .clone();
        let ids = typed.values.get("memsql-id");
        let servers = match ids {
            Some(ids) => ids
                .iter()
                .map(|id| known.server(id).cloned())
                .collect::<Result<Vec<_>, _>>()?,
            None => known.servers.clone(),
        };
        (servers, file)
    };
    if typed.values.contains_key("memsql-id") {
        some(ops, typed, servers, &file).await
    } else {
        whole(ops, typed, servers, &file).await
    }
}

async fn some(
    ops: &Arc<Ops>,
    typed: &Typed,
    servers: Vec<Server>,
    file: &Installable,
) -> Result<String, String> {
    let mut under_way = tokio::task::JoinSet::new();
    let count = servers.len();
    for server in servers {
        let (ops, typed, file) = (Arc::clone(ops), typed.clone(), file.clone());
        under_way.spawn(async move { one(&ops, &typed, &server, &file).await });
    }
    let outcomes: Result<Vec<()>, String> = under_way.join_all().await.into_iter().collect();
    outcomes?;
    Ok(format!(
        "{count}/{count} MemSQL nodes have upgraded\nSuccessfully upgraded to MemSQL version {}",
        file.version
    ))
}

/// Upgrades one server; one that runs is stopped first and started after.
async fn one(
    ops: &Arc<Ops>,
    typed: &Typed,
    server: &Server,
    file: &Installable,
) -> Result<(), String> {
    let begin = time::mono_ms();
    let own = ops.live.toward(&super::monitor::address(server));
    let switches = own.map_or_else(|| ops.switches(), Arc::new);
    let outcome = switches.upgrade_outcome;
    if outcome == OpsOutcome::Lie {
        return Ok(());
    }
    let runs = peer::say(
        &super::monitor::address(server),
        &Message::Hello,
        Duration::from_secs(1),
    )
    .await
    .is_ok();
    if runs {
        let timeout = typed
            .value("stop-timeout")
            .and_then(|text| text.parse().ok())
            .unwrap_or(300);
        stop_one(ops, server, timeout, false).await?;
    }
    busy(ops, &server.memsql_id, true);
    let work = replace(ops, server, file, outcome).await;
    busy(ops, &server.memsql_id, false);
    let took = time::mono_ms().saturating_sub(begin);
    let detail = json!({"directory": server.directory, "host": server.host, "to": file.version,
        "ok": work.is_ok(), "was_running": runs, "took_ms": took});
    ops.effects.record("upgraded", &detail).ok();
    // What was rolled back stays stopped unless somebody said otherwise.
    let starts = match work {
        Ok(()) => runs || switches.upgrade_starts,
        Err(_) => switches.rollback_starts || (runs && typed.has("restart-on-rollback")),
    };
    if starts {
        start_one(ops, server).await?;
    }
    if outcome == OpsOutcome::Deny {
        return Err("The upgrade failed: the lab has been told to say so".to_owned());
    }
    work
}

async fn replace(
    ops: &Arc<Ops>,
    server: &Server,
    file: &Installable,
    outcome: OpsOutcome,
) -> Result<(), String> {
    let install = |hash: &str| Order::Install {
        directory: server.directory.clone(),
        hash: hash.to_owned(),
    };
    let limit = Duration::from_mins(5);
    let switches = ops.switches();
    ops.order(&server.host, install(&file.hash), limit).await?;
    tokio::time::sleep(switches.timer(switches.upgrade_ms)).await;
    match outcome {
        OpsOutcome::Hang => {
            tokio::time::sleep(Duration::from_hours(24)).await;
            Ok(())
        }
        OpsOutcome::Fail => {
            let old = ops.known().file(None, Some(&server.version))?.clone();
            ops.order(&server.host, install(&old.hash), limit).await?;
            Err(format!(
                "The upgrade failed. Rolled back to MemSQL version {}",
                server.version
            ))
        }
        OpsOutcome::Ok | OpsOutcome::Lie | OpsOutcome::Deny => {
            let version = file.version.clone();
            ops.change(|known| {
                if let Some(own) = known.server_mut(&server.memsql_id) {
                    own.version = version;
                }
            });
            Ok(())
        }
    }
}

/// Stops everything, upgrades everything, starts everything.
async fn whole(
    ops: &Arc<Ops>,
    typed: &Typed,
    servers: Vec<Server>,
    file: &Installable,
) -> Result<String, String> {
    let mut said = vec!["Starting MemSQL Upgrade".to_owned()];
    let mut state =
        |name: &str| said.push(format!("Currently on state OfflineClusterUpgrade.{name}"));
    state("OfflineClusterUpgradeInit");
    let master = servers.iter().find(|one| one.role == "MASTER");
    if let Some(master) = master.filter(|_| !typed.has("skip-snapshot")) {
        state("SnapshottingDatabases");
        snapshot(ops, master).await?;
    }
    ops.effects.note("offline-upgrade");
    state("StoppingCluster");
    for server in &servers {
        stop_one(ops, server, 300, false).await?;
        busy(ops, &server.memsql_id, true);
    }
    state("UpgradingCluster");
    let mut outcome = Ok(());
    for server in &servers {
        outcome = outcome.and(replace(ops, server, file, ops.switches().upgrade_outcome).await);
    }
    state("StartingCluster");
    for server in &servers {
        start_one(ops, server).await?;
    }
    outcome?;
    state("DeletingOldInstalls");
    state("OfflineClusterUpgradeSuccess");
    said.push(format!(
        "Successfully upgraded cluster to MemSQL version {}",
        file.version
    ));
    Ok(said.join("\n"))
}

async fn snapshot(ops: &Arc<Ops>, master: &Server) -> Result<(), String> {
    let meta = peer::say(
        &super::monitor::address(master),
        &Message::Meta,
        Duration::from_secs(5),
    )
    .await;
    let meta = meta.map_err(|error| error.to_string())?;
    let databases = meta.get("databases").and_then(|all| all.as_object());
    for name in databases.into_iter().flat_map(|all| all.keys()) {
        sql(
            ops,
            master,
            &format!("SNAPSHOT DATABASE {}", quoted_name(name)),
        )
        .await?;
    }
    Ok(())
}
