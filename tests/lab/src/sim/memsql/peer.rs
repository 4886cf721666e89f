//! What the servers of a cluster say to each other, over the same protocol and port as all else.
//!
//! A message is a statement `LAB {json}`, its answer one cell of JSON. The user `lab` may say
//! nothing else. The oracle looks into the servers the same way.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::address::Address;
use super::data::{Change, Position};
use super::meta::Meta;
use super::sql::Filter;
use super::wire::client::{self, ClientError, Login};
use super::wire::{Answer, Client};

/// The user that servers log in with.
pub const USER: &str = "lab";
/// What a message begins with.
pub const WORD: &str = "LAB ";

/// A message.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Message {
    /// Who are you.
    Hello,
    /// What do you hold, and where are you in it.
    Status,
    /// All that is to be known, for the oracle.
    State,
    /// The rows of all copies, for the oracle.
    Documents,
    /// Change this.
    Write {
        /// The partition.
        partition: String,
        /// The table.
        table: String,
        /// What is to be changed.
        change: Change,
    },
    /// Give me rows.
    Read {
        /// The partition.
        partition: String,
        /// The table.
        table: String,
        /// Which.
        filters: Vec<Filter>,
    },
    /// Give me what follows in these logs, once there is something.
    Pull {
        /// Partitions, and how far they are.
        wants: Vec<(String, Position)>,
        /// How long it may wait.
        wait_ms: u64,
        /// The version of who asks.
        version: String,
    },
    /// Give me all of a partition.
    Copy(String),
    /// Begin a partition as its master.
    Create(String),
    /// Follow a master: with a new copy, or from where you are.
    Follow {
        /// The partition.
        partition: String,
        /// The master.
        source: Address,
        /// Whether what is there is thrown away first.
        copy: bool,
    },
    /// Take no more writes, and tell where you are.
    Freeze(String),
    /// Take writes again.
    Thaw(String),
    /// Wait until you are as far as this.
    Reach {
        /// The partition.
        partition: String,
        /// How far.
        position: Position,
        /// For how long.
        limit_ms: u64,
    },
    /// Be the master.
    Promote(String),
    /// Be nobody's.
    Orphan(String),
    /// Throw it away.
    Drop(String),
    /// Throw away what is nobody's.
    ClearOrphans,
    /// Write a snapshot.
    Snapshot(String),
    /// This is the cluster now.
    Cluster(Meta),
    /// What is the cluster now.
    Meta,
    /// Be an aggregator of this cluster.
    Join(Meta),
}

fn login() -> Login {
    Login {
        user: USER.to_owned(),
        ..Login::default()
    }
}

/// Connects to a server of the cluster.
pub async fn connect(at: &Address, limit: Duration) -> Result<Client, ClientError> {
    Client::connect(&at.host, at.port, &login(), limit).await
}

/// How long a connection may take that is worth waiting for.
pub const CONNECT: Duration = Duration::from_secs(2);

/// Says something to a server, and returns what it says to that.
pub async fn say(at: &Address, message: &Message, limit: Duration) -> Result<Value, ClientError> {
    let mut client = connect(at, CONNECT.min(limit)).await?;
    say_on(&mut client, message, limit).await
}

/// The same on a connection that is there.
pub async fn say_on(
    client: &mut Client,
    message: &Message,
    limit: Duration,
) -> Result<Value, ClientError> {
    let text =
        serde_json::to_string(message).map_err(|error| ClientError::Lost(error.to_string()))?;
    let Answer::Rows(rows) = client.query(&format!("{WORD}{text}"), limit).await? else {
        return Err(ClientError::Lost("no rows".to_owned()));
    };
    let cell = rows
        .rows
        .into_iter()
        .next()
        .and_then(|row| row.into_iter().next());
    let text = cell.flatten().unwrap_or_default();
    serde_json::from_str(&text).map_err(|error| ClientError::Lost(error.to_string()))
}

/// Asks whether a server answers at all.
pub async fn is_there(at: &Address, limit: Duration) -> bool {
    client::ask(&at.host, at.port, &login(), "SELECT 1", (limit, limit))
        .await
        .is_ok()
}
