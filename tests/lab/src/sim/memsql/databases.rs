//! The master aggregator: what it does with databases and their tables when told to.

use std::sync::Arc;

use serde_json::json;

use super::data::Role;
use super::master::must_exist;
use super::meta::{Database, Partition};
use super::node::Node;
use super::peer::Message;
use super::promote::{partition_name, publish, tell};
use super::wire::Fault;

/// Makes the copies of a partition that is new: the master's first.
async fn make_copies(name: String, partition: Partition) -> Result<(), Fault> {
    for instance in &partition.instances {
        let message = match (instance.role, partition.master()) {
            (Role::Slave, Some(source)) => Message::Follow {
                partition: name.clone(),
                source: source.clone(),
                copy: true,
            },
            _ => Message::Create(name.clone()),
        };
        tell(&instance.leaf, message).await?;
    }
    Ok(())
}

/// Makes a database.
pub async fn create_database(
    node: &Arc<Node>,
    name: &str,
    partitions: Option<usize>,
) -> Result<(), Fault> {
    let _lock = node.cluster_lock.write().await;
    let meta = node.meta();
    let redundancy = if node.state().variables.value("redundancy_level") == Some("2") {
        2
    } else {
        1
    };
    let count = partitions.unwrap_or(node.switches().partitions_per_leaf * meta.leaves.len());
    let laid = meta.lay_out(count, redundancy);
    if laid.is_empty() {
        return Err(Fault::new(1747, "There are no leaves"));
    }
    let mut under_way = tokio::task::JoinSet::new();
    for (ordinal, partition) in laid.iter().enumerate() {
        under_way.spawn(make_copies(
            partition_name(name, ordinal),
            partition.clone(),
        ));
    }
    let made: Result<Vec<()>, Fault> = under_way.join_all().await.into_iter().collect();
    made?;
    node.change_meta(|meta| {
        let database = Database {
            partitions: laid,
            ..Database::default()
        };
        meta.databases.insert(name.to_owned(), database);
    });
    node.effects.record("ddl", &json!({"create": name})).ok();
    publish(node).await;
    Ok(())
}

/// Takes a database away.
pub async fn drop_database(node: &Arc<Node>, name: &str) -> Result<(), Fault> {
    let _lock = node.cluster_lock.write().await;
    let gone = node.change_meta(|meta| meta.databases.remove(name));
    let partitions = gone.map_or_else(Vec::new, |gone| gone.partitions);
    for (ordinal, partition) in partitions.iter().enumerate() {
        for instance in &partition.instances {
            drop(tell(&instance.leaf, Message::Drop(partition_name(name, ordinal))).await);
        }
    }
    publish(node).await;
    Ok(())
}

/// Changes the tables of a database.
pub async fn change_tables(
    node: &Arc<Node>,
    database: &str,
    takes_ms: u64,
    change: impl FnOnce(&mut Database) -> Result<(), Fault>,
) -> Result<(), Fault> {
    let _shared = node.cluster_lock.read().await;
    let lock = node.database_lock(database);
    let _lock = lock.lock().await;
    must_exist(node, database)?;
    node.change_meta(|meta| meta.databases.get_mut(database).map_or(Ok(()), change))?;
    publish(node).await;
    node.pause(takes_ms).await;
    Ok(())
}

/// Writes a snapshot of all partitions of a database.
pub async fn snapshot(node: &Arc<Node>, database: &str) -> Result<(), Fault> {
    must_exist(node, database)?;
    if node.plays("snapshot", node.switches().snapshot_failures) {
        return Err(Fault::new(
            1205,
            "Lock wait timeout exceeded; try restarting transaction",
        ));
    }
    let meta = node.meta();
    for (name, ordinal, partition) in meta.partitions() {
        if let Some(master) = partition.master().filter(|_| name == database) {
            tell(master, Message::Snapshot(partition_name(name, ordinal))).await?;
        }
    }
    node.effects
        .record("snapshot", &json!({"database": database}))
        .ok();
    Ok(())
}
