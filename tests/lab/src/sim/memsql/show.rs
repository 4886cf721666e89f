//! What SHOW and EXPLAIN answer, column by column.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use super::address::Address;
use super::data::Role;
use super::meta::{Action, LeafState, Meta};
use super::node::{Node, Part};
use super::peer::{self, Message};
use super::promote::partition_name;
use super::sql::select::like;
use super::wire::packet::Cell;
use super::wire::{Fault, Rows};
use crate::sim::time;

#[expect(
    clippy::unnecessary_wraps,
    reason = "a cell of a row, which may be NULL elsewhere"
)]
fn text(value: impl ToString) -> Cell {
    Some(value.to_string())
}

fn latency(node: &Node, is_known: bool) -> Cell {
    (is_known && !node.switches().null_latency).then(|| "0.262".to_owned())
}

/// `SHOW LEAVES`.
pub fn leaves(node: &Node) -> Rows {
    let later = node.switches().later_columns;
    let mut rows = Rows::of(&[
        "Host",
        "Port",
        "Availability_Group",
        "Pair_Host",
        "Pair_Port",
        "State",
        "Opened_Connections",
        "Average_Roundtrip_Latency_ms",
    ]);
    if later {
        let more = ["NodeId", "Grace_Period_in_Seconds"].map(str::to_owned);
        rows.columns.extend(more);
    }
    for (id, leaf) in (1..).zip(&node.meta().leaves) {
        let mut row = vec![
            text(&leaf.at.host),
            text(leaf.at.port),
            text(leaf.group),
            leaf.pair.as_ref().map(|pair| pair.host.clone()),
            leaf.pair.as_ref().map(|pair| pair.port.to_string()),
            text(leaf.state.word()),
            text(if leaf.state == LeafState::Online {
                18
            } else {
                0
            }),
            latency(node, leaf.state == LeafState::Online),
        ];
        if later {
            row.extend([text(id), None]);
        }
        rows.push(row);
    }
    rows
}

/// `SHOW AGGREGATORS`.
pub fn aggregators(node: &Node) -> Rows {
    let switches = node.switches();
    let mut rows = Rows::of(&[
        "Host",
        "Port",
        "State",
        "Opened_Connections",
        "Average_Roundtrip_Latency_ms",
        "Master_Aggregator",
    ]);
    if switches.later_columns {
        rows.columns.push("NodeId".to_owned());
    }
    for (id, one) in (1..).zip(&node.meta().aggregators) {
        let is_self = one.at == node.at;
        let host = if is_self && switches.lists_itself_as_localhost {
            "127.0.0.1"
        } else {
            &one.at.host
        };
        let mut row = vec![
            text(host),
            text(one.at.port),
            text(if one.online { "online" } else { "offline" }),
            text(u8::from(!is_self)),
            latency(node, !is_self),
            text(u8::from(one.master)),
        ];
        if switches.later_columns {
            row.push(text(id));
        }
        rows.push(row);
    }
    rows
}

/// Asks leaves what they hold, all at once; nothing from those that do not answer.
async fn held(leaves: Vec<Address>) -> Vec<(Address, Option<Value>)> {
    let asked: Vec<_> = leaves
        .into_iter()
        .map(|at| {
            tokio::spawn(async move {
                let reply = peer::say(&at, &Message::Status, Duration::from_secs(1)).await;
                (at, reply.ok())
            })
        })
        .collect();
    let mut found = Vec::new();
    for one in asked {
        found.extend(one.await.ok());
    }
    found
}

/// A row of `SHOW CLUSTER STATUS`, without host and port.
struct StatusRow {
    database: String,
    role: String,
    state: String,
    position: Cell,
    details: &'static str,
}

/// `SHOW CLUSTER STATUS`.
pub async fn cluster_status(node: &Arc<Node>) -> Rows {
    let switches = node.switches();
    let mut rows = Rows::of(&[
        "Host", "Port", "Database", "Role", "State", "Position", "Details",
    ]);
    if switches.later_columns {
        rows.columns
            .extend(["Master_Host", "Master_Port"].map(str::to_owned));
    }
    let meta = node.meta();
    let is_listed = |at: &Address| {
        meta.is_online(at) || (meta.leaf(at).is_some() && switches.detached_leaves_are_listed)
    };
    let leaves = meta.leaves.iter().map(|leaf| leaf.at.clone());
    for (at, status) in held(leaves.filter(is_listed).collect()).await {
        for one in rows_of(&meta, &at, status.as_ref(), &switches.slave_word) {
            let mut row = vec![
                text(&at.host),
                text(at.port),
                text(one.database),
                text(one.role),
                text(one.state),
                one.position,
                text(one.details),
            ];
            if switches.later_columns {
                row.extend([None, None]);
            }
            rows.push(row);
        }
    }
    rows
}

/// What is shown of one leaf: what it says that it holds, in the part that the cluster gives it.
fn rows_of(meta: &Meta, at: &Address, status: Option<&Value>, slave: &str) -> Vec<StatusRow> {
    let own = meta
        .partitions()
        .filter_map(|(database, ordinal, partition)| {
            let role = partition.instances.iter().find(|one| one.leaf == *at)?.role;
            Some((partition_name(database, ordinal), role))
        });
    let own: BTreeMap<String, Role> = own.collect();
    let mut rows = Vec::new();
    let mut add = |database: &str, role: &str, state: &str, position: Cell, details| {
        rows.push(StatusRow {
            database: database.to_owned(),
            role: role.to_owned(),
            state: state.to_owned(),
            position,
            details,
        });
    };
    for database in meta.databases.keys().filter(|_| meta.is_online(at)) {
        let state = if status.is_some() {
            "replicating"
        } else {
            "offline"
        };
        add(
            database,
            "Reference",
            state,
            status.map(|_| "0:57".to_owned()),
            "",
        );
    }
    let known = status.and_then(Value::as_object);
    for (partition, known) in known.into_iter().flatten() {
        let role = own.get(partition).copied().unwrap_or(Role::Orphan);
        let word = |name: &str| known.get(name).and_then(Value::as_str).unwrap_or_default();
        let details = match role {
            Role::Slave => "stage: packet wait, state: x_streaming, err: no",
            Role::Master | Role::Orphan => "",
        };
        add(
            partition,
            role_word(role, slave),
            word("state"),
            text(word("position")),
            details,
        );
    }
    for (partition, role) in &own {
        if known.is_none_or(|known| !known.contains_key(partition)) {
            let state = if known.is_none() {
                "offline"
            } else {
                "unrecoverable"
            };
            add(partition, role_word(*role, slave), state, None, "");
        }
    }
    rows
}

fn role_word(role: Role, slave: &str) -> &str {
    match role {
        Role::Master => "Master",
        Role::Slave => slave,
        Role::Orphan => "Orphan",
    }
}

/// `SHOW PARTITIONS`.
pub fn partitions(node: &Node, database: Option<&str>, extended: bool) -> Result<Rows, Fault> {
    let meta = node.meta();
    let database = database.ok_or_else(|| Fault::new(1046, "No database selected"))?;
    let found = meta.databases.get(database);
    let found = found.ok_or_else(|| Fault::new(1049, format!("Unknown database '{database}'")))?;
    let slave = node.switches().slave_word.clone();
    let mut rows = Rows::of(&["Ordinal", "Host", "Port", "Role", "Locked"]);
    if extended {
        let more = [
            "Replication_Status",
            "Last_Command",
            "Last_Error",
            "Last_Error_Message",
        ];
        rows.columns.extend(more.map(str::to_owned));
    }
    for (ordinal, partition) in found.partitions.iter().enumerate() {
        let locked = text(u8::from(partition.locked));
        let mut add = |host: Cell, port: Cell, role: Cell| {
            let mut row = vec![text(ordinal), host, port, role, locked.clone()];
            if extended {
                row.extend([text("SYNCED"), text("none"), text(0), text("")]);
            }
            rows.push(row);
        };
        for one in &partition.instances {
            add(
                text(&one.leaf.host),
                text(one.leaf.port),
                text(role_word(one.role, &slave)),
            );
        }
        if partition.instances.is_empty() {
            add(None, None, None);
        }
    }
    Ok(rows)
}

/// `SHOW DATABASES`.
pub fn databases(node: &Node, extended: bool, pattern: Option<&str>) -> Rows {
    let state = node.state();
    let fits = |name: &str| pattern.is_none_or(|pattern| like(pattern, name));
    let system = ["information_schema", "memsql", "sharding"];
    let system = system
        .iter()
        .filter(|name| **name != "sharding" || state.part != Part::Leaf);
    let mut names: Vec<String> = system.map(|name| (*name).to_owned()).collect();
    names.extend(state.meta.databases.keys().cloned());
    names.extend(state.replicas.keys().cloned());
    names.retain(|name| fits(name));
    drop(state);
    if !extended {
        let mut rows = Rows::of(&["Database"]);
        rows.rows = names.into_iter().map(|name| vec![Some(name)]).collect();
        return rows;
    }
    extended_databases(node, names)
}

fn extended_databases(node: &Node, names: Vec<String>) -> Rows {
    let is_sync = node.switches().sync_replication;
    let recovers = node.recovers();
    let state = node.state();
    let mut rows = Rows::of(&[
        "Database",
        "Commits",
        "Role",
        "State",
        "Position",
        "Details",
        "AsyncSlaves",
        "SyncSlaves",
    ]);
    for name in names {
        let replica = state.replicas.get(&name);
        let role = replica.map_or("master", |one| match (one.role, is_sync) {
            (Role::Master, _) => "master",
            (Role::Slave, true) => "sync slave",
            (Role::Slave, false) => "async slave",
            (Role::Orphan, _) => "orphan",
        });
        let word = match (recovers, role.ends_with("slave")) {
            (true, _) if replica.is_some() => "recovering",
            (_, true) => "replicating",
            (_, false) => "online",
        };
        let position = replica.map_or_else(|| "0:57".to_owned(), |one| one.position.to_string());
        let slaves = |own: bool| {
            text(u8::from(
                own && replica.is_some_and(|one| one.role == Role::Master),
            ))
        };
        rows.push(vec![
            Some(name),
            text(10),
            text(role),
            text(word),
            Some(position),
            text(""),
            slaves(!is_sync),
            slaves(is_sync),
        ]);
    }
    rows
}

/// `SHOW REPLICATION STATUS`.
pub fn replication_status(node: &Node) -> Rows {
    let state = node.state();
    let mut rows = Rows::of(&[
        "Role",
        "Database",
        "MasterURI",
        "Master_State",
        "Master_CommitLSN",
    ]);
    for (name, replica) in &state.replicas {
        let role = match replica.role {
            Role::Master => "master",
            Role::Slave if node.switches().sync_replication => "sync slave",
            Role::Slave => "async slave",
            Role::Orphan => continue,
        };
        let source = replica
            .source
            .as_ref()
            .map(|source| format!("{source}/{name}"));
        rows.push(vec![
            text(role),
            text(name),
            source,
            text("online"),
            text(replica.position),
        ]);
    }
    rows
}

/// `SHOW VARIABLES`.
pub fn variables(node: &Node, pattern: Option<&str>) -> Rows {
    let state = node.state();
    let mut rows = Rows::of(&["Variable_name", "Value"]);
    for (name, value) in state.variables.all() {
        if pattern.is_none_or(|pattern| like(pattern, name)) {
            rows.push(vec![text(name), text(value)]);
        }
    }
    rows
}

/// `SHOW PROCESSLIST`, and `information_schema.PROCESSLIST`.
pub fn processlist(node: &Node) -> Rows {
    let state = node.state();
    let now = time::mono_ms();
    let mut rows = Rows::of(&[
        "Id", "User", "Host", "db", "Command", "Time", "State", "Info",
    ]);
    for (id, session) in &state.sessions {
        let running = session.statement.as_ref();
        let since = running.map_or(0, |(_, since)| now.saturating_sub(*since) / 1000);
        rows.push(vec![
            text(id),
            text(&session.user),
            text("localhost:0"),
            session.database.clone(),
            text(if running.is_some() { "Query" } else { "Sleep" }),
            text(since),
            text(if running.is_some() { "executing" } else { "" }),
            running.map(|(text, _)| text.clone()),
        ]);
    }
    rows
}

/// `EXPLAIN RESTORE REDUNDANCY` and `EXPLAIN REBALANCE PARTITIONS`.
pub fn plan(node: &Node, plan: Vec<Action>) -> Rows {
    let later = node.switches().later_columns;
    let mut rows = Rows::of(&["Action", "Ordinal", "Target_Host", "Target_Port", "Phase"]);
    if later {
        rows.columns.push("Estimated_Time_Remaining_Ms".to_owned());
    }
    for action in plan {
        let mut row = vec![
            text(action.what),
            text(action.ordinal),
            text(&action.target.host),
            text(action.target.port),
            text(action.phase),
        ];
        if later {
            row.push(None);
        }
        rows.push(row);
    }
    rows
}

/// `SHOW REBALANCE STATUS`.
pub fn rebalance_status(node: &Node, database: &str) -> Rows {
    let mut rows = Rows::of(&[
        "Action",
        "Ordinal",
        "Target_Host",
        "Target_Port",
        "Phase",
        "Status",
        "Running_Time",
    ]);
    let state = node.state();
    if let Some(what) = state.rebalancing.get(database) {
        rows.push(vec![
            text(what),
            text(0),
            None,
            None,
            text(1),
            text("running"),
            text(0),
        ]);
    }
    rows
}
