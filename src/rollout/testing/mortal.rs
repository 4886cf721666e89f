//! A process that dies.

use std::sync::Arc;

use crate::clock::Timestamp;
use crate::journal::{Durability, Entry, Journal, JournalError, MemoryJournal, Record};

use super::Fleet;

/// A journal whose process dies when it has written a number of records: from then on nothing reaches hosts or disk.
#[derive(Debug)]
pub(super) struct Mortal {
    pub(super) inner: MemoryJournal,
    pub(super) fleet: Arc<Fleet>,
    /// How many records it still writes.
    pub(super) left: usize,
    /// Whether it dies as soon as the last record is written, or only when it would write the next one.
    pub(super) at_once: bool,
}

impl Journal for Mortal {
    fn append(
        &mut self,
        at: Timestamp,
        records: &[Record],
        durability: Durability,
    ) -> Result<(), JournalError> {
        if self.left < records.len() {
            self.fleet.die();
            self.left = 0;
        }
        if !self.fleet.is_dead() {
            self.inner.append(at, records, durability)?;
            self.left -= records.len();
        }
        if self.at_once && self.left == 0 {
            self.fleet.die();
        }
        Ok(())
    }

    fn entries(&self) -> Result<Vec<Entry>, JournalError> {
        self.inner.entries()
    }

    fn keep(&mut self, content: &[u8]) -> Result<String, JournalError> {
        self.inner.keep(content)
    }

    fn kept(&self, digest: &str) -> Result<Option<Vec<u8>>, JournalError> {
        self.inner.kept(digest)
    }
}
