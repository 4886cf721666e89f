//! The journal in a `SQLite` file: write-ahead log, synced before a step goes out.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension as _, params};

use crate::clock::Timestamp;

use super::{Ballast, Durability, Entry, Journal, JournalError, Record, content_digest};

/// The format of the file; a newer one is read and never written.
pub const SCHEMA_VERSION: u32 = 1;

/// "stgr", so that `file` and a curious person can tell what it is.
const APPLICATION_ID: i32 = 0x7374_6772;
/// How long another process that reads (`stagger status`) may keep a write waiting.
const BUSY: Duration = Duration::from_secs(10);

const SCHEMA: &str = "
CREATE TABLE record (seq INTEGER PRIMARY KEY, at TEXT NOT NULL, kind TEXT NOT NULL, body TEXT NOT NULL) STRICT;
CREATE TABLE kept (digest TEXT PRIMARY KEY, content BLOB NOT NULL) STRICT, WITHOUT ROWID;
";

/// A run's journal in a file.
#[derive(Debug)]
pub struct SqliteJournal {
    path: PathBuf,
    database: Connection,
    durability: Durability,
    ballast: Ballast,
    warning: Option<String>,
    newer: Option<u32>,
}

impl SqliteJournal {
    /// Makes a new file; one that exists is an error.
    pub fn create(path: &Path, ballast: Ballast) -> Result<Self, JournalError> {
        if path.exists() {
            return Err(JournalError::Io {
                what: "make",
                path: path.to_owned(),
                reason: "it exists already".to_owned(),
            });
        }
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
            | OpenFlags::SQLITE_OPEN_CREATE
            | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let journal = Self::connect(path, flags, ballast)?;
        let made = || -> rusqlite::Result<()> {
            let database = &journal.database;
            database.pragma_update(None, "application_id", APPLICATION_ID)?;
            database.execute_batch(SCHEMA)?;
            database.pragma_update(None, "user_version", SCHEMA_VERSION)
        };
        made().map_err(|error| journal.failed(&error))?;
        Ok(journal)
    }

    /// Opens a file to go on with it.
    pub fn open(path: &Path, ballast: Ballast) -> Result<Self, JournalError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut journal = Self::connect(path, flags, ballast)?;
        let version = journal
            .database
            .pragma_query_value(None, "user_version", |row| row.get(0));
        let version: u32 = version.map_err(|error| journal.failed(&error))?;
        if version == 0 {
            return Err(JournalError::Database {
                path: path.to_owned(),
                reason: "it is no journal of stagger".to_owned(),
            });
        }
        journal.newer = (version > SCHEMA_VERSION).then_some(version);
        Ok(journal)
    }

    fn connect(path: &Path, flags: OpenFlags, ballast: Ballast) -> Result<Self, JournalError> {
        let fail = |error: rusqlite::Error| failure(path, &error);
        let database = Connection::open_with_flags(path, flags).map_err(fail)?;
        database.busy_timeout(BUSY).map_err(fail)?;
        database
            .pragma_update(None, "journal_mode", "WAL")
            .map_err(fail)?;
        database
            .pragma_update(None, "synchronous", "FULL")
            .map_err(fail)?;
        Ok(Self {
            path: path.to_owned(),
            database,
            durability: Durability::Synced,
            ballast,
            warning: None,
            newer: None,
        })
    }

    fn failed(&self, error: &rusqlite::Error) -> JournalError {
        failure(&self.path, error)
    }

    /// The file is not as it was written.
    fn damaged(&self, what: String) -> JournalError {
        JournalError::Database {
            path: self.path.clone(),
            reason: format!("it is damaged: {what}"),
        }
    }

    fn set_durability(&mut self, durability: Durability) -> Result<(), JournalError> {
        if self.durability != durability {
            let level = match durability {
                Durability::Lazy => "NORMAL",
                Durability::Synced => "FULL",
            };
            self.database
                .pragma_update(None, "synchronous", level)
                .map_err(|error| failure(&self.path, &error))?;
            self.durability = durability;
        }
        Ok(())
    }

    fn writable(&self) -> Result<(), JournalError> {
        match self.newer {
            Some(found) => Err(JournalError::Newer {
                path: self.path.clone(),
                found,
                known: SCHEMA_VERSION,
            }),
            None => Ok(()),
        }
    }

    /// Does a write, with the ballast as its last reserve.
    fn write<T>(
        &mut self,
        mut write: impl FnMut(&mut Connection) -> rusqlite::Result<T>,
    ) -> Result<T, JournalError> {
        let (database, path) = (&mut self.database, &self.path);
        let attempt = || write(database).map_err(|error| failure(path, &error));
        let (done, gave_up) = self.ballast.with(attempt)?;
        if gave_up {
            self.warning = Some(format!(
                "the disk under {} is full: the ballast beside it was given up, make room now",
                self.path.display()
            ));
        }
        Ok(done)
    }
}

impl SqliteJournal {
    /// Reads the records behind one of a number, in order.
    pub fn entries_after(&self, seq: u64) -> Result<Vec<Entry>, JournalError> {
        let after = i64::try_from(seq).unwrap_or(i64::MAX);
        let read = || -> rusqlite::Result<Vec<(i64, String, String, String)>> {
            let mut query = self
                .database
                .prepare("SELECT seq, at, kind, body FROM record WHERE seq > ?1 ORDER BY seq")?;
            let rows = query.query_map([after], |row| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
            })?;
            rows.collect()
        };
        let rows = read().map_err(|error| self.failed(&error))?;
        // Records are numbered without a gap. One that is missing was in a page that the disk did not keep.
        for ((found, ..), wanted) in rows.iter().zip(after.saturating_add(1)..) {
            if *found != wanted {
                return Err(self.damaged(format!(
                    "record {wanted} is missing, and record {found} is there"
                )));
            }
        }
        rows.into_iter()
            .map(|(seq, at, kind, body)| entry(seq, &at, &kind, &body))
            .collect()
    }
}

impl Journal for SqliteJournal {
    fn append(
        &mut self,
        at: Timestamp,
        records: &[Record],
        durability: Durability,
    ) -> Result<(), JournalError> {
        if records.is_empty() {
            return Ok(());
        }
        self.writable()?;
        self.set_durability(durability)?;
        let at = at.to_string();
        let mut rows = Vec::with_capacity(records.len());
        for record in records {
            let body = record.to_text().map_err(|error| JournalError::Record {
                seq: 0,
                reason: error.to_string(),
            })?;
            rows.push((record.kind(), body));
        }
        self.write(|database| {
            let transaction = database.transaction()?;
            {
                let mut insert = transaction
                    .prepare_cached("INSERT INTO record (at, kind, body) VALUES (?1, ?2, ?3)")?;
                for (kind, body) in &rows {
                    insert.execute(params![at, kind, body])?;
                }
            }
            transaction.commit()
        })
    }

    fn entries(&self) -> Result<Vec<Entry>, JournalError> {
        self.entries_after(0)
    }

    fn keep(&mut self, content: &[u8]) -> Result<String, JournalError> {
        self.writable()?;
        let digest = content_digest(content);
        self.write(|database| {
            database.execute(
                "INSERT OR IGNORE INTO kept (digest, content) VALUES (?1, ?2)",
                params![digest, content],
            )
        })?;
        Ok(digest)
    }

    fn kept(&self, digest: &str) -> Result<Option<Vec<u8>>, JournalError> {
        let found: Option<Vec<u8>> = self
            .database
            .query_row(
                "SELECT content FROM kept WHERE digest = ?1",
                [digest],
                |row| row.get(0),
            )
            .optional()
            .map_err(|error| self.failed(&error))?;
        if found
            .as_ref()
            .is_some_and(|found| content_digest(found) != digest)
        {
            return Err(self.damaged(format!("what is kept under {digest} is something else")));
        }
        Ok(found)
    }

    fn take_warning(&mut self) -> Option<String> {
        self.warning.take()
    }
}

fn entry(seq: i64, at: &str, kind: &str, body: &str) -> Result<Entry, JournalError> {
    let seq = u64::try_from(seq).unwrap_or_default();
    let bad = |reason: String| JournalError::Record { seq, reason };
    Ok(Entry {
        seq,
        at: at.parse().map_err(|error| bad(format!("{error}")))?,
        record: Record::from_text(kind, body).map_err(|error| bad(error.to_string()))?,
    })
}

fn failure(path: &Path, error: &rusqlite::Error) -> JournalError {
    if error.sqlite_error_code() == Some(ErrorCode::DiskFull) {
        JournalError::Full {
            path: path.to_owned(),
        }
    } else {
        JournalError::Database {
            path: path.to_owned(),
            reason: error.to_string(),
        }
    }
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod torn;
