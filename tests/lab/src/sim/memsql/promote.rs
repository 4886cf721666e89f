//! A partition's change of master, and a second copy of it: the parts that DETACH, ATTACH,
//! RESTORE, REBALANCE and a failover are made of. Only the master aggregator does this.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use super::address::Address;
use super::data::{Position, Role};
use super::meta::Instance;
use super::node::Node;
use super::peer::{self, Message};
use super::wire::{ClientError, Fault};

/// How long a server of the cluster may take for what is small.
const LIMIT: Duration = Duration::from_secs(5);
/// How long a slave may take to have what its master has, once that takes no more.
const DRAIN_MS: u64 = 60_000;

/// Returns the name of a partition's database on a leaf.
pub fn partition_name(database: &str, ordinal: usize) -> String {
    format!("{database}_{ordinal}")
}

/// Says a server's words in one's own name.
pub fn fault_of(at: &Address, error: ClientError) -> Fault {
    match error {
        ClientError::Fault(fault) => fault,
        ClientError::NotReached(why) => {
            Fault::new(1735, format!("Unable to connect to leaf @{at}: {why}"))
        }
        ClientError::Lost(why) => Fault::new(
            1857,
            format!(
                "An error in this transaction required closing a connection to a leaf: {at}: {why}"
            ),
        ),
    }
}

/// Says something to a leaf that must do it.
pub async fn tell(at: &Address, message: Message) -> Result<serde_json::Value, Fault> {
    let reply = peer::say(at, &message, LIMIT).await;
    reply.map_err(|error| fault_of(at, error))
}

/// Tells all aggregators how the cluster is now; those that do not answer are asked again later.
pub async fn publish(node: &Arc<Node>) {
    let meta = node.meta();
    let others = meta.aggregators.iter().map(|one| one.at.clone());
    let others = others.filter(|at| *at != node.at);
    let tellings: Vec<_> = others
        .map(|at| {
            let message = Message::Cluster(meta.clone());
            tokio::spawn(async move {
                peer::say(&at, &message, Duration::from_secs(1))
                    .await
                    .is_ok()
            })
        })
        .collect();
    for telling in tellings {
        drop(telling.await);
    }
}

fn lock(node: &Node, database: &str, ordinal: usize, locked: bool) {
    node.change_meta(|meta| {
        if let Some(partition) = meta.partition_mut(database, ordinal) {
            partition.locked = locked;
        }
    });
}

/// What becomes of the old master.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum After {
    /// It follows the new one.
    Follows,
    /// It has no part in the partition any more.
    Leaves,
}

/// Makes the slave of a partition its master, and loses nothing: queries wait meanwhile.
pub async fn promote(
    node: &Arc<Node>,
    database: &str,
    ordinal: usize,
    after: After,
) -> Result<(), Fault> {
    lock(node, database, ordinal, true);
    publish(node).await;
    let outcome = exchange(node, database, ordinal, after).await;
    let stays = node.switches().stays_locked.clone();
    if stays.as_deref() != Some(&partition_name(database, ordinal)) {
        lock(node, database, ordinal, false);
    }
    publish(node).await;
    outcome
}

async fn exchange(
    node: &Arc<Node>,
    database: &str,
    ordinal: usize,
    after: After,
) -> Result<(), Fault> {
    let name = partition_name(database, ordinal);
    let partition = node
        .meta()
        .partition(database, ordinal)
        .cloned()
        .unwrap_or_default();
    let (Some(old), Some(new)) = (partition.master(), partition.slave()) else {
        return Err(Fault::new(
            1777,
            format!("Partition {name} has no second instance"),
        ));
    };
    let drained = drain(node, old, new, &name, after).await;
    if let Err(fault) = drained {
        tell(old, Message::Thaw(name)).await?;
        return Err(fault);
    }
    node.pause(node.switches().promote_ms).await;
    tell(new, Message::Promote(name.clone())).await?;
    node.change_meta(|meta| {
        if let Some(partition) = meta.partition_mut(database, ordinal) {
            partition.swap();
            if after == After::Leaves {
                partition.leave(old);
            }
        }
    });
    node.effects
        .record(
            "promote",
            &json!({"partition": name, "on": new.to_string()}),
        )
        .ok();
    let message = match after {
        After::Leaves => Message::Orphan(name),
        After::Follows => Message::Follow {
            partition: name,
            source: new.clone(),
            copy: false,
        },
    };
    tell(old, message).await?;
    Ok(())
}

/// Lets the old master take no more, and waits until the new one has what it had.
async fn drain(
    node: &Node,
    old: &Address,
    new: &Address,
    name: &str,
    after: After,
) -> Result<(), Fault> {
    // Transactions that are open end first, however long that takes.
    let limit = Duration::from_mins(10);
    let frozen = peer::say(old, &Message::Freeze(name.to_owned()), limit).await;
    let position = frozen.map_err(|error| fault_of(old, error))?;
    let position: Position = serde_json::from_value(position).unwrap_or_default();
    if after == After::Leaves && !node.switches().detach_drains {
        return Ok(());
    }
    reach(new, name, position).await
}

async fn reach(at: &Address, partition: &str, position: Position) -> Result<(), Fault> {
    let message = Message::Reach {
        partition: partition.to_owned(),
        position,
        limit_ms: DRAIN_MS,
    };
    let limit = Duration::from_millis(DRAIN_MS + 5_000);
    let reply = peer::say(at, &message, limit).await;
    reply.map(|_| ()).map_err(|error| fault_of(at, error))
}

/// Makes the slave of a partition its master without asking the old one, which is gone.
pub async fn fail_over(node: &Arc<Node>, database: &str, ordinal: usize, gone: &Address) {
    let name = partition_name(database, ordinal);
    let partition = node
        .meta()
        .partition(database, ordinal)
        .cloned()
        .unwrap_or_default();
    let led = partition.master() == Some(gone);
    let mut promoted = false;
    if let Some(slave) = partition.slave().filter(|_| led) {
        promoted = tell(slave, Message::Promote(name.clone())).await.is_ok();
    }
    node.change_meta(|meta| {
        if let Some(partition) = meta.partition_mut(database, ordinal) {
            if promoted {
                partition.swap();
            }
            partition.leave(gone);
        }
    });
    if led {
        node.effects
            .record("failover", &json!({"partition": name, "done": promoted}))
            .ok();
    }
}

/// Makes a second copy of a partition on a leaf.
pub async fn copy(
    node: &Arc<Node>,
    database: &str,
    ordinal: usize,
    target: &Address,
) -> Result<(), Fault> {
    let name = partition_name(database, ordinal);
    let partition = node
        .meta()
        .partition(database, ordinal)
        .cloned()
        .unwrap_or_default();
    let Some(source) = partition.master() else {
        return Err(Fault::new(
            1777,
            format!("Partition {name} has no master instance"),
        ));
    };
    let message = Message::Follow {
        partition: name,
        source: source.clone(),
        copy: true,
    };
    let limit = Duration::from_mins(10);
    let reply = peer::say(target, &message, limit).await;
    reply.map_err(|error| fault_of(target, error))?;
    node.change_meta(|meta| {
        if let Some(partition) = meta.partition_mut(database, ordinal) {
            partition.leave(target);
            partition.instances.push(Instance {
                leaf: target.clone(),
                role: Role::Slave,
            });
        }
    });
    Ok(())
}
