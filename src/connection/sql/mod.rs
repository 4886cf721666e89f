//! SQL over the MySQL protocol, from this machine or through a host's session, in text only.
//!
//! Used by `mysql_query` and by the probes of databases. Nothing is prepared: a 5.x server of MemSQL is best asked in
//! text. A statement is sent once; an error tells whether the server can have seen it. A thread of its own holds the
//! connection, since the library's timeouts are for each read: whoever asked waits for as long as the limit allows and
//! then gives the thread up, which ends with its socket.

mod session;
mod target;
mod value;

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

pub use session::SqlSession;
pub use target::{SqlTarget, SqlTls};

use serde_json::{Map, Value};

/// What a statement gave.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct SqlRows {
    /// The names of the columns, in their order; empty for a statement without a result set.
    pub columns: Vec<String>,
    /// The rows, by column name.
    pub rows: Vec<Map<String, Value>>,
    /// How many rows it changed.
    pub affected: u64,
    /// The id that it made, if any.
    pub last_insert_id: Option<u64>,
    /// How many warnings the server has for it.
    pub warnings: u16,
}

/// Why there are no rows.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SqlError {
    /// The statement did not leave: nobody listens, a certificate that is not trusted, a login that was refused.
    #[error("{0}")]
    NotSent(String),
    /// The server refused it.
    #[error("error {number} ({state}): {text}")]
    Server {
        /// The server's number for it.
        number: u16,
        /// The SQL state.
        state: String,
        /// The server's words.
        text: String,
    },
    /// It was sent, and there was no answer: it may have had its effect, or have it yet.
    #[error("{0}; the statement was sent and may have had its effect")]
    Unknown(String),
    /// The operator asked to stop waiting; whether the statement was sent tells the flag.
    #[error("stopped waiting")]
    Stopped {
        /// Whether the statement was sent.
        sent: bool,
    },
}

impl SqlError {
    /// Tells whether the server cannot have seen the statement, or has refused it.
    pub fn has_no_effect(&self) -> bool {
        match self {
            Self::NotSent(_) | Self::Server { .. } | Self::Stopped { sent: false } => true,
            Self::Unknown(_) | Self::Stopped { sent: true } => false,
        }
    }

    /// Returns the server's number, if it was the server that refused.
    pub fn number(&self) -> Option<u16> {
        match self {
            Self::Server { number, .. } => Some(*number),
            Self::NotSent(_) | Self::Unknown(_) | Self::Stopped { .. } => None,
        }
    }
}
