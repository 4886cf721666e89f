//! The durable record of a run: what was intended, what came of it, what is owed.
//!
//! A record is on disk before the first byte of its step goes out. The engine writes through [`Journal`]; beside the
//! `SQLite` file there can be other implementations. Nothing here decides what a record means for a resumed run (that is
//! `rollout::decide`), and nothing here prints. A secret is stored as a reference ([`Seal`]), never as itself and never
//! as a mask.

mod ballast;
mod beside;
mod directory;
mod export;
mod header;
mod lock;
mod memory;
mod record;
mod seal;
mod sqlite;

use std::fmt::Debug;
use std::path::PathBuf;

use crate::clock::Timestamp;

pub use ballast::{BALLAST_BYTES, Ballast};
pub use directory::{RunState, RunSummary, StateDirectory};
pub use export::{EXPORT_MAJOR, export};
pub use header::{Frozen, Header, content_digest};
pub use lock::{Holder, RunLock};
pub use memory::MemoryJournal;
pub use record::{BracketChange, Intent, Outcome, Record, RecordedEffect};
pub use seal::{Seal, SealError, Sealer, mask_references};
pub use sqlite::{SCHEMA_VERSION, SqliteJournal};

/// How sure a record must be before the call returns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Durability {
    /// It may be lost with the machine, though not with the process: what was only read, and what is told again.
    Lazy,
    /// It is on disk.
    Synced,
}

/// A record as it is read back.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// Its number, from 1.
    pub seq: u64,
    /// When it was written, by the wall clock.
    pub at: Timestamp,
    /// What was written.
    pub record: Record,
}

/// The record of one run, open for writing or for reading.
pub trait Journal: Send + Debug {
    /// Writes records in order, all or none.
    fn append(
        &mut self,
        at: Timestamp,
        records: &[Record],
        durability: Durability,
    ) -> Result<(), JournalError>;

    /// Reads all records in order.
    fn entries(&self) -> Result<Vec<Entry>, JournalError>;

    /// Keeps a content under its digest; keeping it twice is no error.
    fn keep(&mut self, content: &[u8]) -> Result<String, JournalError>;

    /// Returns a content that was kept.
    fn kept(&self, digest: &str) -> Result<Option<Vec<u8>>, JournalError>;

    /// Tells, once, what had to be given up in order to write: nothing, or a sentence for people.
    fn take_warning(&mut self) -> Option<String> {
        None
    }
}

/// What goes wrong with a journal.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The disk is full, and there is no ballast left to give up.
    #[error("the disk under {path} is full")]
    Full {
        /// The journal's file.
        path: PathBuf,
    },
    /// The directory cannot be written.
    #[error("cannot write in {path}: {reason}")]
    NotWritable {
        /// The directory.
        path: PathBuf,
        /// What the system said.
        reason: String,
    },
    /// A file operation failed.
    #[error("cannot {what} {path}: {reason}")]
    Io {
        /// What was tried: "open", "make" ...
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        reason: String,
    },
    /// The database says no.
    #[error("the journal {path} cannot be used: {reason}")]
    Database {
        /// The journal's file.
        path: PathBuf,
        /// What it said.
        reason: String,
    },
    /// The file was written by a newer stagger.
    #[error(
        "the journal {path} has format {found}, this stagger writes format {known}: use the stagger that wrote it"
    )]
    Newer {
        /// The journal's file.
        path: PathBuf,
        /// Its format.
        found: u32,
        /// This program's format.
        known: u32,
    },
    /// A stored record cannot be read.
    #[error("record {seq} of the journal cannot be read: {reason}")]
    Record {
        /// Its number.
        seq: u64,
        /// Why.
        reason: String,
    },
    /// Another process works on the run.
    #[error("run {run} is being worked on by {owner}")]
    Locked {
        /// The run's id.
        run: String,
        /// Who, as it wrote into its lock.
        owner: String,
    },
    /// Another run that protects a cluster goes on on one of the hosts.
    #[error("run {run} goes on on {host}, started by {owner}")]
    Busy {
        /// The other run's id.
        run: String,
        /// Who, as it wrote into its lock.
        owner: String,
        /// The host.
        host: String,
    },
    /// There is no such run.
    #[error("there is no run {run} in {path}")]
    NoRun {
        /// The run's id.
        run: String,
        /// The directory of runs.
        path: PathBuf,
    },
}
