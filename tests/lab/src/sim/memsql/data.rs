//! What a leaf holds of one partition: rows, the log of their changes, the place in it. Pure.

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};

use super::address::Address;
use super::sql::Filter;
use super::wire::{Cell, Fault};

/// A place in a partition's log: the number of the file, and the bytes in it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Position(pub u64, pub u64);

impl Position {
    /// Reads `file:bytes`.
    pub fn parse(text: &str) -> Option<Self> {
        let (file, bytes) = text.split_once(':')?;
        Some(Self(file.parse().ok()?, bytes.parse().ok()?))
    }
}

impl std::fmt::Display for Position {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.0, self.1)
    }
}

/// A row, by its columns.
pub type Row = BTreeMap<String, Cell>;

/// A change as the log has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Entry {
    /// A row is there now.
    Put(String, String, Row),
    /// A row is gone.
    Remove(String, String),
    /// A table is gone.
    Drop(String),
    /// A snapshot was made, and a new file begun.
    File,
}

/// What a replica is to its partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Role {
    /// It takes writes.
    Master,
    /// It follows the master.
    Slave,
    /// It is nobody's.
    Orphan,
}

/// What a client wants done in one partition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Change {
    /// Puts rows in, by their keys.
    Insert {
        /// The rows.
        rows: Vec<(String, Row)>,
        /// What is set where one is there; nothing if that is an error.
        update: Option<Row>,
        /// Whether it takes the place of one that is there.
        replaces: bool,
    },
    /// Sets columns of the rows that match.
    Update(Row, Vec<Filter>),
    /// Takes away the rows that match.
    Delete(Vec<Filter>),
    /// Takes the table away.
    Drop,
}

/// One copy of a partition.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Replica {
    /// What it is to its partition.
    pub role: Role,
    /// Whom it follows.
    pub source: Option<Address>,
    /// How far it is.
    pub position: Position,
    /// The rows of each table, by their keys.
    pub tables: BTreeMap<String, BTreeMap<String, Row>>,
    /// The end of the log.
    #[serde(skip)]
    log: VecDeque<(Position, Entry)>,
    /// Where the end of the log that is kept begins.
    #[serde(skip)]
    kept_from: Option<Position>,
    /// Whether writes wait, as the master is about to change.
    #[serde(skip)]
    pub frozen: bool,
    /// How far a slave has said that it is.
    #[serde(skip)]
    pub acked: Position,
    /// Whether a slave has what it needs to follow.
    #[serde(skip)]
    pub follows: bool,
}

/// So many changes are kept for those who are behind; others copy everything.
const KEPT: usize = 20_000;

impl Replica {
    /// Makes an empty one.
    pub fn new(role: Role, source: Option<Address>) -> Self {
        Self {
            role,
            source,
            position: Position(0, 0),
            tables: BTreeMap::new(),
            log: VecDeque::new(),
            kept_from: Some(Position(0, 0)),
            frozen: false,
            acked: Position(0, 0),
            follows: false,
        }
    }

    /// Does what a client wants and returns the log's new entries and how many rows it met.
    pub fn change(&mut self, table: &str, change: &Change) -> Result<(Vec<Entry>, u64), Fault> {
        let entries = self.entries(table, change)?;
        let count = entries.len();
        for entry in &entries {
            self.append(entry.clone());
        }
        Ok((entries, u64::try_from(count).unwrap_or(0)))
    }

    fn entries(&self, table: &str, change: &Change) -> Result<Vec<Entry>, Fault> {
        let none = BTreeMap::new();
        let rows = self.tables.get(table).unwrap_or(&none);
        let matching = |filters: &[Filter]| -> Vec<(String, Row)> {
            let found = rows.iter().filter(|(_, row)| matches(row, filters));
            found.map(|(key, row)| (key.clone(), row.clone())).collect()
        };
        let put = |key: &str, row: Row| Entry::Put(table.to_owned(), key.to_owned(), row);
        Ok(match change {
            Change::Insert {
                rows: new,
                update,
                replaces,
            } => {
                let mut entries = Vec::new();
                for (key, row) in new {
                    let old = rows.get(key).filter(|_| !*replaces);
                    entries.push(match (old, update) {
                        (None, _) => put(key, row.clone()),
                        (Some(_), None) => {
                            let text = format!("Duplicate entry '{key}' for key 'PRIMARY'");
                            return Err(Fault::new(1062, text));
                        }
                        (Some(old), Some(update)) => {
                            let mut merged = old.clone();
                            merged.extend(row.clone());
                            merged.extend(update.clone());
                            put(key, merged)
                        }
                    });
                }
                entries
            }
            Change::Update(set, filters) => {
                let found = matching(filters).into_iter();
                let changed = found.map(|(key, mut row)| {
                    row.extend(set.clone());
                    put(&key, row)
                });
                changed.collect()
            }
            Change::Delete(filters) => {
                let found = matching(filters).into_iter();
                found
                    .map(|(key, _)| Entry::Remove(table.to_owned(), key))
                    .collect()
            }
            Change::Drop => vec![Entry::Drop(table.to_owned())],
        })
    }

    /// Adds an entry to the log and does what it says.
    pub fn append(&mut self, entry: Entry) {
        let length = match &entry {
            Entry::Put(table, key, row) => {
                let cells = row
                    .values()
                    .map(|cell| cell.as_ref().map_or(1, String::len));
                table.len() + key.len() + cells.sum::<usize>() + 16
            }
            Entry::Remove(table, key) => table.len() + key.len() + 16,
            Entry::Drop(table) => table.len() + 16,
            Entry::File => 0,
        };
        let length = u64::try_from(length).unwrap_or(0);
        self.position = match entry {
            Entry::File => Position(self.position.0 + 1, 0),
            Entry::Put(..) | Entry::Remove(..) | Entry::Drop(_) => {
                Position(self.position.0, self.position.1 + length)
            }
        };
        self.perform(&entry);
        self.log.push_back((self.position, entry));
        if self.log.len() > KEPT {
            self.kept_from = self.log.pop_front().map(|(position, _)| position);
        }
    }

    fn perform(&mut self, entry: &Entry) {
        match entry {
            Entry::Put(table, key, row) => {
                let table = self.tables.entry(table.clone()).or_default();
                table.insert(key.clone(), row.clone());
            }
            Entry::Remove(table, key) => {
                if let Some(table) = self.tables.get_mut(table) {
                    table.remove(key);
                }
            }
            Entry::Drop(table) => drop(self.tables.remove(table)),
            Entry::File => {}
        }
    }

    /// Returns what follows a place in the log; nothing if that much is not kept.
    pub fn since(&self, position: Position) -> Option<Vec<Entry>> {
        let is_known = self.kept_from == Some(position)
            || self.position == position
            || self.log.iter().any(|(at, _)| *at == position);
        let later = self.log.iter().filter(|(at, _)| *at > position);
        is_known.then(|| later.map(|(_, entry)| entry.clone()).collect())
    }

    /// Returns the rows of a table that match.
    pub fn rows(&self, table: &str, filters: &[Filter]) -> Vec<Row> {
        let rows = self.tables.get(table).into_iter().flatten();
        let found = rows.filter(|(_, row)| matches(row, filters));
        found.map(|(_, row)| row.clone()).collect()
    }

    /// Takes the place of another copy: all its rows, and its place in the log.
    pub fn take_over(&mut self, other: &Self) {
        self.tables.clone_from(&other.tables);
        self.position = other.position;
        self.log.clear();
        self.kept_from = Some(other.position);
        self.follows = true;
    }

    /// After a start nothing of the log is kept, only the place in it.
    pub fn forget_log(&mut self) {
        self.log.clear();
        self.kept_from = Some(self.position);
        self.acked = Position(0, 0);
    }
}

fn matches(row: &Row, filters: &[Filter]) -> bool {
    filters.iter().all(|filter| {
        let mut columns = row.iter();
        let cell = columns.find(|(name, _)| name.eq_ignore_ascii_case(&filter.column));
        filter.holds(cell.and_then(|(_, cell)| cell.as_deref()))
    })
}

/// Returns the number of the partition that a key lies in.
pub fn partition_of(key: &str, partitions: usize) -> usize {
    // FNV-1a: the same on every server, and spread well enough.
    let hash = key.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let count = u64::try_from(partitions).unwrap_or(1).max(1);
    usize::try_from((hash ^ (hash >> 32)) % count).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(n: &str) -> Row {
        BTreeMap::from([
            ("k".to_owned(), Some("a".to_owned())),
            ("n".to_owned(), Some(n.to_owned())),
        ])
    }

    fn insert(n: &str, update: bool) -> Change {
        Change::Insert {
            rows: vec![("a".into(), row(n))],
            update: update.then(BTreeMap::new),
            replaces: false,
        }
    }

    #[test]
    fn a_slave_that_takes_the_log_holds_the_same() {
        let mut master = Replica::new(Role::Master, None);
        let mut slave = Replica::new(Role::Slave, None);
        master.change("t", &insert("1", false)).unwrap();
        assert_eq!(
            master.change("t", &insert("2", false)).unwrap_err().number,
            1062
        );
        master.change("t", &insert("3", true)).unwrap();
        master.append(Entry::File);
        assert_eq!(master.position, Position(1, 0));
        for entry in master.since(slave.position).unwrap() {
            slave.append(entry);
        }
        assert_eq!(
            (slave.position, &slave.tables),
            (master.position, &master.tables)
        );
        assert_eq!(slave.rows("t", &[])[0]["n"].as_deref(), Some("3"));
        assert_eq!(master.since(master.position), Some(Vec::new()));
        assert_eq!(master.since(Position(0, 7)), None, "a place that never was");
    }

    #[test]
    fn keys_are_spread_over_all_partitions() {
        let mut counts = [0_u32; 8];
        for n in 0..800 {
            counts[partition_of(&format!("k{n}"), 8)] += 1;
        }
        assert!(counts.iter().all(|count| *count > 50), "{counts:?}");
    }
}
