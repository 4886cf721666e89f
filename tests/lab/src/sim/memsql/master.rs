//! The master aggregator: what it does with leaves, aggregators and partitions when told to.
//!
//! Operations on the cluster take its lock for themselves, those on a database share it and
//! take the database's: whoever comes second waits.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use super::address::Address;
use super::data::{Position, Role};
use super::meta::{Action, Aggregator, COPY, Instance, LeafState, Meta};
use super::node::{Node, Part};
use super::peer::{self, CONNECT, Message};
use super::promote::{After, copy, fault_of, partition_name, promote, publish, tell};
use super::wire::Fault;
use crate::sim::time;

fn no_such_leaf(at: &Address) -> Fault {
    Fault::new(1738, format!("Leaf {at} does not exist"))
}

/// Takes a leaf out: its masters are moved to its pair first.
pub async fn detach(node: &Arc<Node>, at: &Address) -> Result<(), Fault> {
    let _lock = node.cluster_lock.write().await;
    let begin = time::mono_ms();
    let switches = node.switches();
    match node.meta().leaf(at).map(|leaf| leaf.state) {
        None => return Err(no_such_leaf(at)),
        Some(LeafState::Offline) => {
            return Err(Fault::new(1802, format!("Leaf {at} is offline")));
        }
        Some(LeafState::Detached) => {
            return Err(Fault::new(1804, format!("Leaf {at} is not online")));
        }
        Some(LeafState::Online) => {}
    }
    if node.plays_on(at, "detach", |own| own.detach_refusals) {
        return Err(Fault::new(1787, format!("Concurrent node removal: {at}")));
    }
    stands_in_the_queue(node, at).await;
    let meta = node.meta();
    let behind = behind(&meta, at).await;
    let forgotten = |name: &str| switches.detach_forgets.as_deref() == Some(name);
    for (database, ordinal, partition) in meta.partitions() {
        // The last copy goes with its leaf: 5.x does not look.
        let leads = partition.master() == Some(at) && partition.slave().is_some();
        if leads && !forgotten(&partition_name(database, ordinal)) {
            promote(node, database, ordinal, After::Leaves).await?;
        }
    }
    node.change_meta(|meta| {
        for (name, database) in &mut meta.databases {
            for (ordinal, partition) in database.partitions.iter_mut().enumerate() {
                if !forgotten(&partition_name(name, ordinal)) {
                    partition.leave(at);
                }
            }
        }
        if let Some(leaf) = meta.leaf_mut(at) {
            leaf.state = LeafState::Detached;
        }
    });
    publish(node).await;
    orphan_all(at, switches.detach_forgets.as_deref()).await;
    let took = time::mono_ms().saturating_sub(begin);
    node.effects
        .record(
            "detach",
            &json!({"leaf": at.to_string(), "took_ms": took, "behind": behind}),
        )
        .ok();
    node.pause(switches.detach_hang_ms).await;
    Ok(())
}

/// Waits for as long as the switches say, which may change meanwhile.
async fn stands_in_the_queue(node: &Node, at: &Address) {
    let begun = time::mono_ms();
    loop {
        let own = node
            .live
            .toward(at)
            .map_or_else(|| node.switches(), Arc::new);
        let ends = begun.saturating_add(time::ms(own.timer(own.detach_waits_ms)));
        let Some(left) = ends.checked_sub(time::mono_ms()).filter(|left| *left > 0) else {
            return;
        };
        tokio::time::sleep(Duration::from_millis(left.min(200))).await;
    }
}

/// How long a slave may take to have what its master has, to count as one that has caught up.
const BEHIND_MS: u64 = 1_000;

/// Counts the partitions that a leaf leads of which the slave has not caught up.
async fn behind(meta: &Meta, at: &Address) -> usize {
    let Ok(held) = tell(at, Message::Status).await else {
        return 0;
    };
    let mut asked = tokio::task::JoinSet::new();
    for (database, ordinal, partition) in meta.partitions() {
        let name = partition_name(database, ordinal);
        let (true, Some(slave)) = (partition.master() == Some(at), partition.slave()) else {
            continue;
        };
        let position = held
            .get(&name)
            .and_then(|one| one.get("position")?.as_str());
        let Some(position) = position.and_then(Position::parse) else {
            continue;
        };
        let (slave, limit) = (slave.clone(), Duration::from_millis(BEHIND_MS + 1_000));
        let message = Message::Reach {
            partition: name,
            position,
            limit_ms: BEHIND_MS,
        };
        asked.spawn(async move { peer::say(&slave, &message, limit).await.is_err() });
    }
    let behind = asked.join_all().await;
    behind.into_iter().filter(|is_behind| *is_behind).count()
}

/// What a leaf that takes no part holds is nobody's, but for one partition if that is named.
pub async fn orphan_all(at: &Address, but: Option<&str>) {
    let Ok(held) = tell(at, Message::Status).await else {
        return;
    };
    let names = held.as_object().into_iter().flat_map(|held| held.keys());
    for name in names.filter(|name| but != Some(name.as_str())) {
        drop(tell(at, Message::Orphan(name.clone())).await);
    }
}

/// Lets a leaf take part again.
pub async fn attach(
    node: &Arc<Node>,
    at: &Address,
    force: bool,
    rebalance: bool,
) -> Result<(), Fault> {
    let _lock = node.cluster_lock.write().await;
    attach_locked(node, at, force, rebalance).await
}

/// The same, by whoever has the lock.
pub async fn attach_locked(
    node: &Arc<Node>,
    at: &Address,
    force: bool,
    rebalance: bool,
) -> Result<(), Fault> {
    let begin = time::mono_ms();
    let state = node.meta().leaf(at).map(|leaf| leaf.state);
    match state {
        None => return Err(no_such_leaf(at)),
        Some(LeafState::Online) => {
            return Err(Fault::new(1803, format!("Leaf {at} is already online")));
        }
        Some(LeafState::Offline | LeafState::Detached) => {}
    }
    let hello = peer::say(at, &Message::Hello, CONNECT)
        .await
        .map_err(|error| fault_of(at, error))?;
    let fails = node.plays_on(at, "attach", |own| own.attach_failures) && !force;
    if fails || hello.get("recovers") == Some(&json!(true)) {
        let why = if fails {
            "the data on it has diverged"
        } else {
            "it is recovering"
        };
        return Err(Fault::new(
            1811,
            format!("Attaching leaf {at} failed: {why}"),
        ));
    }
    adopt(node, at).await?;
    if node.switches().attach_keeps_copies {
        keep_copies(node, at).await?;
    }
    node.change_meta(|meta| {
        if let Some(leaf) = meta.leaf_mut(at) {
            leaf.state = LeafState::Online;
        }
    });
    publish(node).await;
    let took = time::mono_ms().saturating_sub(begin);
    let detail =
        json!({"leaf": at.to_string(), "rebalance": rebalance, "force": force, "took_ms": took});
    node.effects.record("attach", &detail).ok();
    if rebalance {
        for database in node.meta().databases.keys() {
            carry_out(node, database, node.meta().rebalance_plan(database)).await?;
            // Masters can only be evened out once there are second copies.
            carry_out(node, database, node.meta().rebalance_plan(database)).await?;
        }
    }
    Ok(())
}

/// Partitions of which a leaf that comes back holds the only copy are served from it again.
async fn adopt(node: &Arc<Node>, at: &Address) -> Result<(), Fault> {
    let held = tell(at, Message::Status).await?;
    let meta = node.meta();
    for (database, ordinal, partition) in meta.partitions() {
        let name = partition_name(database, ordinal);
        if !partition.instances.is_empty() || held.get(&name).is_none() {
            continue;
        }
        tell(at, Message::Promote(name)).await?;
        node.change_meta(|meta| {
            if let Some(partition) = meta.partition_mut(database, ordinal) {
                partition.instances.push(Instance {
                    leaf: at.clone(),
                    role: Role::Master,
                });
            }
        });
    }
    Ok(())
}

/// As from 6.7 on: what a leaf holds of partitions that its pair leads follows on from where it is.
async fn keep_copies(node: &Arc<Node>, at: &Address) -> Result<(), Fault> {
    let held = tell(at, Message::Status).await?;
    let meta = node.meta();
    let pair = meta.leaf(at).and_then(|leaf| leaf.pair.clone());
    for (database, ordinal, partition) in meta.partitions() {
        let name = partition_name(database, ordinal);
        let source = partition.master().filter(|_| partition.slave().is_none());
        let Some(source) = source.filter(|source| pair.as_ref() == Some(*source)) else {
            continue;
        };
        if held.get(&name).is_none() {
            continue;
        }
        let message = Message::Follow {
            partition: name,
            source: source.clone(),
            copy: false,
        };
        tell(at, message).await?;
        node.change_meta(|meta| {
            if let Some(partition) = meta.partition_mut(database, ordinal) {
                partition.instances.push(Instance {
                    leaf: at.clone(),
                    role: Role::Slave,
                });
            }
        });
    }
    Ok(())
}

/// Makes second copies where there is one.
pub async fn restore(node: &Arc<Node>, database: &str) -> Result<u64, Fault> {
    let _shared = node.cluster_lock.read().await;
    let lock = node.database_lock(database);
    let _lock = lock.lock().await;
    must_exist(node, database)?;
    let begin = time::mono_ms();
    let plan = node.meta().restore_plan(database);
    let outcome = if node.switches().restores {
        carry_out(node, database, plan).await
    } else {
        Ok(())
    };
    let took = time::mono_ms().saturating_sub(begin);
    node.effects
        .record("restore", &json!({"database": database, "took_ms": took}))
        .ok();
    outcome?;
    Ok(1)
}

/// Makes second copies, and evens masters out.
pub async fn rebalance(node: &Arc<Node>, database: &str, force: bool) -> Result<u64, Fault> {
    let _shared = node.cluster_lock.read().await;
    let lock = node.database_lock(database);
    let _lock = lock.lock().await;
    must_exist(node, database)?;
    let begin = time::mono_ms();
    if force {
        revive_empty(node, database).await?;
    }
    let plan = node.meta().rebalance_plan(database);
    let outcome = if node.switches().restores {
        carry_out(node, database, plan).await
    } else {
        Ok(())
    };
    let took = time::mono_ms().saturating_sub(begin);
    node.effects
        .record(
            "rebalance",
            &json!({"database": database, "force": force, "took_ms": took}),
        )
        .ok();
    outcome?;
    Ok(1)
}

/// FORCE makes empty partitions where there is none: what was in them is lost.
async fn revive_empty(node: &Arc<Node>, database: &str) -> Result<(), Fault> {
    let meta = node.meta();
    let fresh = meta.lay_out(
        meta.databases
            .get(database)
            .map_or(0, |all| all.partitions.len()),
        1,
    );
    for (ordinal, partition) in fresh.into_iter().enumerate() {
        let is_lost = meta
            .partition(database, ordinal)
            .is_some_and(|one| one.instances.is_empty());
        if let Some(leaf) = partition.master().filter(|_| is_lost) {
            tell(leaf, Message::Create(partition_name(database, ordinal))).await?;
            node.change_meta(|meta| {
                if let Some(own) = meta.partition_mut(database, ordinal) {
                    *own = partition.clone();
                }
            });
        }
    }
    Ok(())
}

pub(super) fn must_exist(node: &Node, database: &str) -> Result<(), Fault> {
    if node.meta().databases.contains_key(database) {
        return Ok(());
    }
    Err(Fault::new(1049, format!("Unknown database '{database}'")))
}

/// Does what a plan says: all of one phase at once, copies beside each other.
async fn carry_out(node: &Arc<Node>, database: &str, plan: Vec<Action>) -> Result<(), Fault> {
    node.state()
        .rebalancing
        .insert(database.to_owned(), format!("{} steps", plan.len()));
    let mut outcome = Ok(());
    let (copies, promotions): (Vec<_>, Vec<_>) = plan.into_iter().partition(|one| one.what == COPY);
    let mut under_way = tokio::task::JoinSet::new();
    for action in copies {
        let (node, database) = (Arc::clone(node), database.to_owned());
        under_way
            .spawn(async move { copy(&node, &database, action.ordinal, &action.target).await });
    }
    for done in under_way.join_all().await {
        outcome = outcome.and(done);
    }
    for action in promotions {
        if outcome.is_ok() {
            outcome = promote(node, database, action.ordinal, After::Follows).await;
        }
    }
    node.state().rebalancing.remove(database);
    publish(node).await;
    outcome
}

/// Adds a leaf to a group.
pub async fn add_leaf(node: &Arc<Node>, at: Address, group: Option<u8>) -> Result<(), Fault> {
    let _lock = node.cluster_lock.write().await;
    if node.meta().leaf(&at).is_some() {
        return Err(Fault::new(1737, format!("Leaf {at} already exists")));
    }
    let group = group.unwrap_or(1);
    if !(1..=2).contains(&group) {
        return Err(Fault::new(
            1779,
            format!("Invalid availability group {group}"),
        ));
    }
    peer::say(&at, &Message::Hello, CONNECT)
        .await
        .map_err(|error| fault_of(&at, error))?;
    node.change_meta(|meta| meta.add_leaf(at, group));
    publish(node).await;
    Ok(())
}

/// Takes a leaf away, with or without moving what it leads.
pub async fn remove_leaf(node: &Arc<Node>, at: &Address, force: bool) -> Result<(), Fault> {
    let is_online = node.meta().is_online(at);
    if !force && is_online {
        detach(node, at).await?;
    }
    let _lock = node.cluster_lock.write().await;
    node.effects
        .record("remove", &json!({"leaf": at.to_string(), "force": force}))
        .ok();
    node.change_meta(|meta| {
        meta.leaves.retain(|leaf| leaf.at != *at);
        for leaf in &mut meta.leaves {
            leaf.pair = leaf.pair.take().filter(|pair| pair != at);
        }
        for database in meta.databases.values_mut() {
            for partition in &mut database.partitions {
                partition.leave(at);
            }
        }
    });
    publish(node).await;
    Ok(())
}

/// Adds an aggregator.
pub async fn add_aggregator(node: &Arc<Node>, at: Address) -> Result<(), Fault> {
    let _lock = node.cluster_lock.write().await;
    node.change_meta(|meta| {
        meta.aggregators.retain(|one| one.at != at);
        meta.aggregators.push(Aggregator {
            at: at.clone(),
            master: false,
            online: true,
        });
    });
    tell(&at, Message::Join(node.meta())).await?;
    publish(node).await;
    Ok(())
}

/// Makes this server the master aggregator of a new cluster.
pub fn bootstrap(node: &Arc<Node>, at: Address) -> Result<(), Fault> {
    if node.part() != Part::Leaf {
        return Err(Fault::new(1753, "This node is already an aggregator"));
    }
    node.become_part(Part::Master);
    node.change_meta(|meta| {
        meta.aggregators = vec![Aggregator {
            at,
            master: true,
            online: true,
        }];
    });
    Ok(())
}

/// Makes this child the master aggregator, if the old one is gone.
pub async fn set_as_master(node: &Arc<Node>) -> Result<(), Fault> {
    node.must_aggregate()?;
    let old = node.meta().master().cloned();
    if let Some(old) = old.filter(|old| *old != node.at)
        && peer::is_there(&old, CONNECT).await
    {
        return Err(Fault::new(1761, "The master aggregator is alive"));
    }
    node.become_part(Part::Master);
    node.change_meta(|meta| {
        meta.aggregators
            .retain(|one| !one.master || one.at == node.at);
        for one in &mut meta.aggregators {
            one.master = one.at == node.at;
        }
    });
    publish(node).await;
    Ok(())
}

/// Throws away what is nobody's, on all leaves.
pub async fn clear_orphans(node: &Arc<Node>) -> Result<(), Fault> {
    let _lock = node.cluster_lock.write().await;
    for leaf in &node.meta().leaves {
        if leaf.state == LeafState::Online {
            tell(&leaf.at, Message::ClearOrphans).await?;
        }
    }
    node.effects.note("clear-orphans");
    Ok(())
}
