//! What agents write down and say to each other.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// One entry of the log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// Its place, counted from 1.
    pub index: u64,
    /// The term of the leader that made it.
    pub term: u64,
    /// The leader's wall clock, from which ends of life are counted.
    pub unix_ms: u64,
    /// The operations.
    pub operations: Value,
}

/// What must survive a restart.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Record {
    /// The term, and for whom this agent voted in it.
    Term {
        /// The term.
        term: u64,
        /// The candidate that has this agent's vote.
        voted_for: Option<String>,
    },
    /// An entry; it replaces all from its index on.
    Entry(Entry),
}

/// What one agent asks of another.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Ask {
    /// A candidate asks for a vote.
    Vote {
        /// The candidate's term.
        term: u64,
        /// The candidate.
        candidate: String,
        /// The last entry of its log.
        last_index: u64,
        /// That entry's term.
        last_term: u64,
    },
    /// A leader sends entries, or none to say that it is there.
    Append {
        /// The leader's term.
        term: u64,
        /// The leader.
        leader: String,
        /// The entry before those sent.
        prev_index: u64,
        /// That entry's term.
        prev_term: u64,
        /// The entries.
        entries: Vec<Entry>,
        /// Up to where the log counts.
        commit: u64,
    },
}

/// What the other agent answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// The answering agent's term.
    pub term: u64,
    /// Whether it gave its vote, or took the entries.
    pub yes: bool,
    /// The last entry it holds for certain in common with the asker, or may hold.
    pub index: u64,
}
