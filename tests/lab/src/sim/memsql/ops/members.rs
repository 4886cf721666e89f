//! Servers that Ops is told to leave alone, to look after again, or to throw away.

use std::sync::Arc;
use std::time::Duration;

use super::agent::Ops;
use super::cli::Typed;
use super::local::Order;
use super::primary::{meant, stop_one};

/// `memsql-unmonitor`: the servers go on, and are not listed any more.
pub fn unmonitor(ops: &Arc<Ops>, typed: &Typed) -> Result<String, String> {
    for server in meant(ops, typed)? {
        ops.change(|known| {
            if let Some(own) = known.server_mut(&server.memsql_id) {
                own.unmonitored = true;
            }
        });
    }
    Ok("Successfully unmonitored MemSQL".to_owned())
}

/// `memsql-monitor`: a server that was left alone is looked after again.
pub fn monitor(ops: &Arc<Ops>, typed: &Typed) -> Result<String, String> {
    let host = typed.value("host").ok_or("--host must be given.")?;
    let port = typed.value("port").unwrap_or("3306");
    let found = ops.change(|known| {
        let is_it = |port: u16| port.to_string();
        let mut all = known.servers.iter_mut();
        let own = all.find(|one| one.host == host && is_it(one.port) == port && one.unmonitored);
        own.map(|own| {
            own.unmonitored = false;
            own.memsql_id.clone()
        })
    });
    let id = found.ok_or_else(|| format!("No MemSQL node was found at {host}:{port}."))?;
    Ok(format!("Successfully monitored MemSQL\n{id}"))
}

/// `memsql-delete`: the servers are stopped, and their directories thrown away.
pub async fn delete(ops: &Arc<Ops>, typed: &Typed) -> Result<String, String> {
    for server in meant(ops, typed)? {
        stop_one(ops, &server, 300, false).await?;
        let order = Order::Delete {
            directory: server.directory.clone(),
        };
        ops.order(&server.host, order, Duration::from_mins(1))
            .await?;
        ops.change(|known| {
            known
                .servers
                .retain(|one| one.memsql_id != server.memsql_id);
        });
    }
    Ok("Successfully deleted MemSQL".to_owned())
}
