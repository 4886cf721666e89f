//! A journal that lives in memory: for check mode, where nothing is owed after the end, and for tests.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::clock::Timestamp;

use super::{Durability, Entry, Journal, JournalError, Record, content_digest};

#[derive(Debug, Default)]
struct Contents {
    entries: Vec<(Entry, Durability)>,
    kept: BTreeMap<String, Vec<u8>>,
    fails_after: Option<usize>,
}

/// A journal in memory; clones share what is in it.
#[derive(Debug, Clone, Default)]
pub struct MemoryJournal {
    contents: Arc<Mutex<Contents>>,
}

impl MemoryJournal {
    /// Makes an empty journal.
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes every write fail for want of space once `records` more are in.
    pub fn fail_after(&self, records: usize) {
        let mut contents = self.lock();
        contents.fails_after = Some(contents.entries.len() + records);
    }

    /// Forgets what a power cut takes: the records behind the last one that had to be on disk.
    pub fn lose_what_was_not_synced(&self) {
        let mut contents = self.lock();
        let kept = contents
            .entries
            .iter()
            .rposition(|(_, durability)| *durability == Durability::Synced)
            .map_or(0, |last| last + 1);
        contents.entries.truncate(kept);
    }

    /// Returns the records with what was asked for each.
    pub fn written(&self) -> Vec<(Record, Durability)> {
        let contents = self.lock();
        let pairs = contents.entries.iter();
        pairs
            .map(|(entry, durability)| (entry.record.clone(), *durability))
            .collect()
    }

    /// Counts the records.
    pub fn len(&self) -> usize {
        self.lock().entries.len()
    }

    /// Tells whether there are no records.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Contents> {
        self.contents.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Journal for MemoryJournal {
    fn append(
        &mut self,
        at: Timestamp,
        records: &[Record],
        durability: Durability,
    ) -> Result<(), JournalError> {
        let mut contents = self.lock();
        let after = contents.entries.len() + records.len();
        if contents.fails_after.is_some_and(|limit| after > limit) {
            return Err(JournalError::Full {
                path: "memory".into(),
            });
        }
        for record in records {
            let seq = u64::try_from(contents.entries.len()).unwrap_or(u64::MAX - 1) + 1;
            let record = record.clone();
            contents
                .entries
                .push((Entry { seq, at, record }, durability));
        }
        Ok(())
    }

    fn entries(&self) -> Result<Vec<Entry>, JournalError> {
        let contents = self.lock();
        Ok(contents
            .entries
            .iter()
            .map(|(entry, _)| entry.clone())
            .collect())
    }

    fn keep(&mut self, content: &[u8]) -> Result<String, JournalError> {
        let digest = content_digest(content);
        self.lock().kept.insert(digest.clone(), content.to_vec());
        Ok(digest)
    }

    fn kept(&self, digest: &str) -> Result<Option<Vec<u8>>, JournalError> {
        Ok(self.lock().kept.get(digest).cloned())
    }
}
