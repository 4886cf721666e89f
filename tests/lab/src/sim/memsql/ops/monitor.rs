//! The primary's look at all servers, and what it does of itself: start what is stopped, attach
//! what is detached. Manual control ends that.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::agent::Ops;
use super::local::Order;
use super::state::Server;
use crate::sim::memsql::address::Address;
use crate::sim::memsql::meta::{LeafState, Meta};
use crate::sim::memsql::peer::{self, Message};
use crate::sim::memsql::wire::client::{ask, quoted_text};
use crate::sim::time;

/// Looks until the agent ends.
pub async fn live(ops: Arc<Ops>) {
    loop {
        let every = ops.switches().timer(ops.switches().ops_monitor_ms);
        tokio::time::sleep(every.max(Duration::from_millis(50))).await;
        let meta = look(&ops).await;
        if !ops.known().manual_control {
            heal(&ops, meta.as_ref()).await;
        }
    }
}

/// Returns where a server is.
pub fn address(server: &Server) -> Address {
    Address::new(&server.host, server.port)
}

/// Looks at all servers once; returns what the master aggregator knows, if it answers.
pub async fn look(ops: &Arc<Ops>) -> Option<Meta> {
    let known = ops.known().clone();
    let mut seen = serde_json::Map::new();
    for agent in &known.agents {
        let own = known
            .servers
            .iter()
            .filter(|one| one.agent_id == agent.agent_id);
        let servers = own
            .map(|one| (one.directory.clone(), address(one)))
            .collect();
        let reply = ops
            .order(&agent.host, Order::Look { servers }, Duration::from_secs(5))
            .await;
        let offline = reply.is_err();
        for own in ops
            .known()
            .agents
            .iter_mut()
            .filter(|one| one.host == agent.host)
        {
            own.offline = offline;
        }
        if let Ok(Value::Object(servers)) = reply {
            let host = agent.host.clone();
            seen.extend(
                servers
                    .into_iter()
                    .map(|(directory, one)| (format!("{host} {directory}"), one)),
            );
        }
    }
    let meta = cluster(&known.servers).await;
    let mut known = ops.known();
    for server in &mut known.servers {
        let look = seen.get(&format!("{} {}", server.host, server.directory));
        let is = |name: &str| look.is_some_and(|look| look.get(name) == Some(&json!(true)));
        (server.runs, server.answers) = (is("runs"), is("answers"));
        if let Some(version) = look.and_then(|look| look.get("version")?.as_str()) {
            version.clone_into(&mut server.version);
        }
        let in_cluster = meta.as_ref().is_some_and(|meta| {
            let at = address(server);
            meta.is_online(&at)
                || meta
                    .aggregators
                    .iter()
                    .any(|one| one.at == at && one.online)
        });
        server.connected = server.answers && in_cluster;
        server.down_since_ms = match (server.runs, server.down_since_ms) {
            (true, _) => None,
            (false, known) => known.or(Some(time::mono_ms())),
        };
    }
    meta
}

async fn cluster(servers: &[Server]) -> Option<Meta> {
    let master = servers.iter().find(|one| one.role == "MASTER")?;
    let meta = peer::say(&address(master), &Message::Meta, Duration::from_secs(1)).await;
    serde_json::from_value(meta.ok()?).ok()
}

async fn heal(ops: &Arc<Ops>, meta: Option<&Meta>) {
    let switches = ops.switches();
    let patience = time::ms(switches.timer(switches.ops_start_after_ms));
    let servers = ops.known().servers.clone();
    for server in servers.iter().filter(|one| !one.busy && !one.unmonitored) {
        let down = server
            .down_since_ms
            .map_or(0, |since| time::mono_ms().saturating_sub(since));
        if !server.runs && down > patience {
            ops.effects
                .record(
                    "ops-started",
                    &json!({"port": server.port, "host": server.host}),
                )
                .ok();
            let order = Order::Start {
                directory: server.directory.clone(),
                at: address(server),
                timeout_s: 60,
            };
            drop(
                ops.order(&server.host, order, Duration::from_secs(70))
                    .await,
            );
        }
    }
    let detached = meta.into_iter().flat_map(|meta| &meta.leaves);
    let detached = detached.filter(|leaf| leaf.state == LeafState::Detached);
    let master = servers.iter().find(|one| one.role == "MASTER");
    for leaf in detached.filter(|_| switches.ops_attaches) {
        let answers = servers
            .iter()
            .any(|one| address(one) == leaf.at && one.answers && !one.busy);
        if let Some(master) = master.filter(|_| answers) {
            ops.effects
                .record("ops-attached", &json!({"leaf": leaf.at.to_string()}))
                .ok();
            let text = format!(
                "ATTACH LEAF {}:{}",
                quoted_text(&leaf.at.host),
                leaf.at.port
            );
            let limits = (Duration::from_secs(5), Duration::from_mins(10));
            drop(ask(&master.host, master.port, &ops.login(), &text, limits).await);
        }
    }
}
