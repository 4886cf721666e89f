//! What a statement does that changes the cluster: from its meaning to the deed.

use std::sync::Arc;

use super::address::Address;
use super::data::Change;
use super::meta::LeafState;
use super::node::Node;
use super::sql::{Filter, Statement, TableName};
use super::wire::{Answer, Fault, Peer};
use super::{aggregator, databases, master};

/// It was done, to no row.
const DONE: Answer = Answer::Done(0);

/// Does what changes the cluster; only the master aggregator does.
pub async fn operate(node: &Arc<Node>, peer: &Peer, statement: Statement) -> Result<Answer, Fault> {
    if let Statement::BootstrapAggregator(host, port) = statement {
        let at = Address::new(host, port.unwrap_or(node.at.port));
        master::bootstrap(node, at)?;
        return Ok(DONE);
    }
    if statement == Statement::SetAsMaster {
        master::set_as_master(node).await?;
        return Ok(DONE);
    }
    node.must_be_master()?;
    // What was begun is finished, also when who asked for it has gone.
    let (node, database) = (Arc::clone(node), peer.database.clone());
    let work = tokio::spawn(async move { on_master(&node, database.as_deref(), statement).await });
    work.await
        .unwrap_or_else(|error| Err(Fault::new(1105, error.to_string())))
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "all other statements are another function's"
)]
async fn on_master(
    node: &Arc<Node>,
    used: Option<&str>,
    statement: Statement,
) -> Result<Answer, Fault> {
    match statement {
        Statement::Snapshot(name) => databases::snapshot(node, &name).await?,
        Statement::DetachLeaf(at) => master::detach(node, &at).await?,
        Statement::AttachLeaf {
            leaf,
            force,
            rebalance,
        } => master::attach(node, &leaf, force, rebalance).await?,
        Statement::AttachLeafAll => {
            for leaf in node.meta().leaves {
                if leaf.state == LeafState::Detached {
                    master::attach(node, &leaf.at, false, true).await?;
                }
            }
            node.effects.note("attach-all");
        }
        Statement::AddLeaf(at, group) => master::add_leaf(node, at, group).await?,
        Statement::RemoveLeaf(at, force) => master::remove_leaf(node, &at, force).await?,
        Statement::AddAggregator(at) => master::add_aggregator(node, at).await?,
        Statement::RemoveAggregator(at) => {
            node.change_meta(|meta| meta.aggregators.retain(|one| one.at != at || one.master));
        }
        Statement::RestoreRedundancy(name) => {
            return master::restore(node, &name).await.map(Answer::Done);
        }
        Statement::Rebalance(name, force) => {
            return master::rebalance(node, &name, force)
                .await
                .map(Answer::Done);
        }
        Statement::ClearOrphans => master::clear_orphans(node).await?,
        other => return define(node, used, other).await,
    }
    Ok(DONE)
}

/// Takes its time, with the locks that it needs.
async fn backup(node: &Node, name: &str) {
    let _shared = node.cluster_lock.read().await;
    let lock = node.database_lock(name);
    let _lock = lock.lock().await;
    node.pause(node.switches().backup_ms).await;
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "all other statements are another function's"
)]
async fn define(
    node: &Arc<Node>,
    used: Option<&str>,
    statement: Statement,
) -> Result<Answer, Fault> {
    let exists = |name: &str| node.meta().databases.contains_key(name);
    let of = |table: &TableName| {
        let database = table.database.clone().or_else(|| used.map(str::to_owned));
        database.ok_or_else(|| Fault::new(1046, "No database selected"))
    };
    match statement {
        Statement::CreateDatabase(name, if_not, partitions) => {
            if !exists(&name) {
                databases::create_database(node, &name, partitions).await?;
            } else if !if_not {
                let text = format!("Can't create database '{name}'; database exists");
                return Err(Fault::new(1007, text));
            }
        }
        Statement::DropDatabase(name, if_there) => {
            if exists(&name) {
                databases::drop_database(node, &name).await?;
            } else if !if_there {
                return Err(Fault::new(1008, format!("Can't drop database '{name}'")));
            }
        }
        Statement::CreateTable(table, if_not, columns) => {
            let there = Fault::new(1050, format!("Table '{}' already exists", table.table));
            databases::change_tables(node, &of(&table)?, 0, |database| {
                if database.tables.contains_key(&table.table) {
                    return if if_not { Ok(()) } else { Err(there) };
                }
                database.tables.insert(table.table.clone(), columns);
                Ok(())
            })
            .await?;
        }
        Statement::DropTable(name, if_there) => {
            if let Ok(table) = aggregator::table(node, &name, used) {
                let none: [Filter; 0] = [];
                aggregator::change(node, &table, &none, Change::Drop).await?;
            }
            let unknown = Fault::new(1051, format!("Unknown table '{}'", name.table));
            databases::change_tables(node, &of(&name)?, 0, |database| {
                match database.tables.remove(&name.table) {
                    None if !if_there => Err(unknown),
                    None | Some(_) => Ok(()),
                }
            })
            .await?;
        }
        Statement::AlterTable(table) => {
            let takes_ms = node.switches().alter_ms;
            databases::change_tables(node, &of(&table)?, takes_ms, |_| Ok(())).await?;
        }
        Statement::Backup(name) => backup(node, &name).await,
        _ => return Err(Fault::new(1295, "This command is not supported here")),
    }
    Ok(DONE)
}
