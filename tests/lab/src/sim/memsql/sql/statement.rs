//! What can be asked for.

use std::collections::BTreeMap;

use super::select::{Filter, Select};
use crate::sim::memsql::address::Address;

/// A table's name, with its database if that was said.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TableName {
    /// The database.
    pub database: Option<String>,
    /// The table.
    pub table: String,
}

/// Rows to be put into a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Insert {
    /// The table.
    pub table: TableName,
    /// The columns' names; empty for all.
    pub columns: Vec<String>,
    /// The rows.
    pub rows: Vec<Vec<Option<String>>>,
    /// What is set where the row is there; nothing if that is an error.
    pub update: Option<BTreeMap<String, Option<String>>>,
    /// Whether a row that is there is replaced.
    pub replaces: bool,
}

/// A statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Statement {
    /// Says something about the session that changes nothing here.
    Nothing,
    /// `USE db`.
    Use(String),
    /// `SELECT`.
    Select(Select),
    /// `INSERT` and `REPLACE`.
    Insert(Insert),
    /// `UPDATE table SET ... WHERE ...`.
    Update(TableName, BTreeMap<String, Option<String>>, Vec<Filter>),
    /// `DELETE FROM table WHERE ...`.
    Delete(TableName, Vec<Filter>),
    /// `CREATE DATABASE [IF NOT EXISTS] db [PARTITIONS n]`.
    CreateDatabase(String, bool, Option<usize>),
    /// `DROP DATABASE [IF EXISTS] db`.
    DropDatabase(String, bool),
    /// `CREATE TABLE [IF NOT EXISTS] table (columns)`.
    CreateTable(TableName, bool, Vec<String>),
    /// `DROP TABLE [IF EXISTS] table`.
    DropTable(TableName, bool),
    /// `ALTER TABLE table ...`.
    AlterTable(TableName),
    /// `SET GLOBAL name = value`.
    SetGlobal(String, String),
    /// `SHOW LEAVES`.
    ShowLeaves,
    /// `SHOW AGGREGATORS`.
    ShowAggregators,
    /// `SHOW CLUSTER STATUS`.
    ShowClusterStatus,
    /// `SHOW PARTITIONS [EXTENDED] [ON db]`.
    ShowPartitions(Option<String>, bool),
    /// `SHOW DATABASES [EXTENDED] [LIKE pattern]`.
    ShowDatabases(bool, Option<String>),
    /// `SHOW TABLES`.
    ShowTables(Option<String>),
    /// `SHOW REPLICATION STATUS`.
    ShowReplicationStatus,
    /// `SHOW [GLOBAL] VARIABLES [LIKE pattern | WHERE Variable_name ...]`.
    ShowVariables(Option<String>),
    /// `SHOW [FULL] PROCESSLIST`.
    ShowProcesslist,
    /// `SHOW REBALANCE STATUS ON db`.
    ShowRebalanceStatus(String),
    /// `EXPLAIN RESTORE REDUNDANCY ON db`.
    ExplainRestore(String),
    /// `EXPLAIN REBALANCE PARTITIONS ON db`.
    ExplainRebalance(String),
    /// `SNAPSHOT [DATABASE] db`.
    Snapshot(String),
    /// `DETACH LEAF 'host':port`.
    DetachLeaf(Address),
    /// `ATTACH LEAF 'host':port [FORCE] [NO REBALANCE]`.
    AttachLeaf {
        /// Which one.
        leaf: Address,
        /// Whether diverged data is thrown away.
        force: bool,
        /// Whether masters are moved to it.
        rebalance: bool,
    },
    /// `ATTACH LEAF ALL`.
    AttachLeafAll,
    /// `ADD LEAF user:'password'@'host':port [INTO GROUP n]`.
    AddLeaf(Address, Option<u8>),
    /// `REMOVE LEAF 'host':port [FORCE]`.
    RemoveLeaf(Address, bool),
    /// `ADD AGGREGATOR user:'password'@'host':port`.
    AddAggregator(Address),
    /// `REMOVE AGGREGATOR 'host':port`.
    RemoveAggregator(Address),
    /// `BOOTSTRAP AGGREGATOR 'host'[:port]`.
    BootstrapAggregator(String, Option<u16>),
    /// `AGGREGATOR SET AS MASTER`.
    SetAsMaster,
    /// `RESTORE REDUNDANCY ON db`.
    RestoreRedundancy(String),
    /// `REBALANCE PARTITIONS ON db [FULL] [FORCE]`.
    Rebalance(String, bool),
    /// `CLEAR ORPHAN DATABASES`.
    ClearOrphans,
    /// `BACKUP DATABASE db TO path`.
    Backup(String),
    /// `KILL [CONNECTION|QUERY] id`.
    Kill(u32),
}
