//! An aggregator: sends what clients ask for to the leaves that lead the partitions.
//!
//! Who asks for a locked partition waits. A leaf that says that it does not lead the partition
//! has done nothing, so that the next one can be asked.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use super::address::Address;
use super::data::{Change, Row, partition_of};
use super::leaf::ELSEWHERE;
use super::meta::Partition;
use super::node::{Node, Part};
use super::peer::{self, Message};
use super::promote::{fault_of, partition_name};
use super::sql::{Filter, Insert, Select, TableName};
use super::wire::{ClientError, Fault, Rows};
use crate::sim::time;

/// How long a leaf may take for a client's statement.
const LIMIT: Duration = Duration::from_mins(1);
/// How long a partition is looked for that nobody says to lead.
const LOOK_MS: u64 = 30_000;

/// A table that a statement is about.
#[derive(Debug, Clone)]
pub struct Table {
    database: String,
    name: String,
    columns: Vec<String>,
    partitions: usize,
}

impl Table {
    fn key(&self) -> &str {
        self.columns.first().map_or("", String::as_str)
    }
}

/// Finds a table.
pub fn table(node: &Node, name: &TableName, used: Option<&str>) -> Result<Table, Fault> {
    let database = name.database.as_deref().or(used);
    let database = database.ok_or_else(|| Fault::new(1046, "No database selected"))?;
    let meta = node.meta();
    let found = meta.databases.get(database);
    let found = found.ok_or_else(|| Fault::new(1049, format!("Unknown database '{database}'")))?;
    let columns = found.tables.get(&name.table).ok_or_else(|| {
        Fault::new(
            1146,
            format!("Table '{database}.{}' doesn't exist", name.table),
        )
    })?;
    Ok(Table {
        database: database.to_owned(),
        name: name.table.clone(),
        columns: columns.clone(),
        partitions: found.partitions.len(),
    })
}

/// Puts rows into a table.
pub async fn insert(node: &Arc<Node>, table: &Table, insert: &Insert) -> Result<u64, Fault> {
    let columns = if insert.columns.is_empty() {
        &table.columns
    } else {
        &insert.columns
    };
    let mut by_partition: BTreeMap<usize, Vec<(String, Row)>> = BTreeMap::new();
    for values in &insert.rows {
        if values.len() != columns.len() {
            return Err(Fault::new(
                1136,
                "Column count doesn't match value count at row 1",
            ));
        }
        let row: Row = columns
            .iter()
            .cloned()
            .zip(values.iter().cloned())
            .collect();
        if let Some(unknown) = columns
            .iter()
            .find(|column| !table.columns.contains(column))
        {
            return Err(Fault::new(
                1054,
                format!("Unknown column '{unknown}' in 'field list'"),
            ));
        }
        let key = row.get(table.key()).cloned().flatten();
        let key =
            key.ok_or_else(|| Fault::new(1364, "Field of the key doesn't have a default value"))?;
        let ordinal = partition_of(&key, table.partitions);
        by_partition.entry(ordinal).or_default().push((key, row));
    }
    let mut count = 0;
    for (ordinal, rows) in by_partition {
        let change = Change::Insert {
            rows,
            update: insert.update.clone(),
            replaces: insert.replaces,
        };
        count += change_one(node, table, ordinal, change).await?;
    }
    Ok(count)
}

/// Changes the rows of a table that match.
pub async fn change(
    node: &Arc<Node>,
    table: &Table,
    filters: &[Filter],
    change: Change,
) -> Result<u64, Fault> {
    let mut count = 0;
    for ordinal in places(table, filters) {
        count += change_one(node, table, ordinal, change.clone()).await?;
    }
    Ok(count)
}

fn places(table: &Table, filters: &[Filter]) -> std::ops::Range<usize> {
    match Select::key(filters, table.key()) {
        Some(key) => {
            let own = partition_of(key, table.partitions);
            own..own + 1
        }
        None => 0..table.partitions,
    }
}

async fn change_one(
    node: &Arc<Node>,
    table: &Table,
    ordinal: usize,
    change: Change,
) -> Result<u64, Fault> {
    let message = Message::Write {
        partition: partition_name(&table.database, ordinal),
        table: table.name.clone(),
        change,
    };
    let reply = ask(node, &table.database, ordinal, &message).await?;
    Ok(reply.as_u64().unwrap_or(0))
}

/// Picks rows from a table.
pub async fn select(node: &Arc<Node>, table: &Table, select: &Select) -> Result<Rows, Fault> {
    let mut rows = Rows {
        columns: table.columns.clone(),
        rows: Vec::new(),
    };
    for ordinal in places(table, &select.filters) {
        let message = Message::Read {
            partition: partition_name(&table.database, ordinal),
            table: table.name.clone(),
            filters: select.filters.clone(),
        };
        let reply = ask(node, &table.database, ordinal, &message).await?;
        let found: Vec<Row> = serde_json::from_value(reply).unwrap_or_default();
        for mut row in found {
            let cells = table
                .columns
                .iter()
                .map(|column| row.remove(column).flatten());
            rows.rows.push(cells.collect());
        }
    }
    select.pick(&rows)
}

/// Asks whoever leads a partition, once it is not locked.
async fn ask(
    node: &Arc<Node>,
    database: &str,
    ordinal: usize,
    message: &Message,
) -> Result<Value, Fault> {
    let begin = time::mono_ms();
    let mut changes = node.cluster_watch();
    loop {
        changes.mark_unchanged();
        let (partition, detects) = {
            let state = node.state();
            (
                state.meta.partition(database, ordinal).cloned(),
                state.meta.detects,
            )
        };
        let partition = partition.ok_or_else(|| Fault::new(1049, "Unknown database"))?;
        let Some(leader) = leader(&partition) else {
            if partition.locked {
                drop(tokio::time::timeout(Duration::from_secs(1), changes.changed()).await);
                refresh(node).await;
                continue;
            }
            let name = partition_name(database, ordinal);
            return Err(Fault::new(
                1777,
                format!(
                    "Partition {name} has no master instance, or all instances of the partition are down"
                ),
            ));
        };
        let waited = time::mono_ms().saturating_sub(begin);
        match peer::say(leader, message, LIMIT).await {
            Ok(reply) => return Ok(reply),
            Err(ClientError::Fault(fault)) if fault.number == ELSEWHERE => {
                if waited > LOOK_MS {
                    return Err(Fault::new(1777, fault.text));
                }
                drop(tokio::time::timeout(Duration::from_millis(20), changes.changed()).await);
                refresh(node).await;
            }
            Err(ClientError::NotReached(why)) => {
                let patience = node.switches().timer(node.switches().dead_leaf_wait_ms);
                if detects || waited > time::ms(patience) {
                    return Err(fault_of(leader, ClientError::NotReached(why)));
                }
                // Nobody will say that the leaf is gone, so it is waited for.
                drop(tokio::time::timeout(Duration::from_millis(200), changes.changed()).await);
            }
            Err(error) => return Err(fault_of(leader, error)),
        }
    }
}

fn leader(partition: &Partition) -> Option<&Address> {
    partition.master().filter(|_| !partition.locked)
}

/// A child asks the master how the cluster is now.
pub async fn refresh(node: &Arc<Node>) {
    if node.part() != Part::Aggregator {
        return;
    }
    let Some(master) = node.meta().master().cloned() else {
        return;
    };
    if let Ok(meta) = peer::say(&master, &Message::Meta, Duration::from_secs(1)).await
        && let Ok(meta) = serde_json::from_value(meta)
    {
        node.take_meta(meta);
    }
}
