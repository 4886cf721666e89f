//! What a server keeps on its disk: on a leaf every change of every partition, on an
//! aggregator what it knows of the cluster.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::address::Address;
use super::data::{Entry, Replica, Role};
use crate::sim::files;

/// A line of a leaf's journal.
#[derive(Debug, Serialize, Deserialize)]
enum Line<'a> {
    /// This is the whole of a partition.
    Whole(std::borrow::Cow<'a, Replica>),
    /// It has this part now.
    Role(Role, Option<Address>),
    /// This changed.
    Entry(std::borrow::Cow<'a, Entry>),
    /// It is gone.
    Gone,
}

/// A leaf's journal.
#[derive(Debug)]
pub struct Journal {
    file: File,
}

impl Journal {
    /// Reads what is there, and begins a new file with it.
    pub fn open(directory: &Path) -> io::Result<(Self, BTreeMap<String, Replica>)> {
        std::fs::create_dir_all(directory)?;
        let path = directory.join("journal");
        let mut held: BTreeMap<String, Replica> = BTreeMap::new();
        let text = std::fs::read(&path).unwrap_or_default();
        for line in String::from_utf8_lossy(&text).lines() {
            // A line that was cut off by a crash is the last one.
            let Ok((partition, line)) = serde_json::from_str::<(String, Line<'_>)>(line) else {
                break;
            };
            replay(&mut held, partition, line);
        }
        let mut whole = Vec::new();
        for (partition, replica) in &mut held {
            replica.forget_log();
            let line = Line::Whole(std::borrow::Cow::Borrowed(replica));
            whole.extend(serde_json::to_vec(&(partition, line)).map_err(io::Error::other)?);
            whole.push(b'\n');
        }
        files::replace(&path, &whole, 0o600)?;
        let file = OpenOptions::new().append(true).open(path)?;
        Ok((Self { file }, held))
    }

    /// Writes down that a partition is as it is now.
    pub fn whole(&mut self, partition: &str, replica: &Replica) -> io::Result<()> {
        self.write(partition, &Line::Whole(std::borrow::Cow::Borrowed(replica)))
    }

    /// Writes down which part a copy has.
    pub fn role(&mut self, partition: &str, replica: &Replica) -> io::Result<()> {
        self.write(partition, &Line::Role(replica.role, replica.source.clone()))
    }

    /// Writes down a change.
    pub fn entry(&mut self, partition: &str, entry: &Entry) -> io::Result<()> {
        self.write(partition, &Line::Entry(std::borrow::Cow::Borrowed(entry)))
    }

    /// Writes down that a partition is gone.
    pub fn gone(&mut self, partition: &str) -> io::Result<()> {
        self.write(partition, &Line::Gone)
    }

    fn write(&mut self, partition: &str, line: &Line<'_>) -> io::Result<()> {
        let mut text = serde_json::to_vec(&(partition, line)).map_err(io::Error::other)?;
        text.push(b'\n');
        self.file.write_all(&text)
    }
}

fn replay(held: &mut BTreeMap<String, Replica>, partition: String, line: Line<'_>) {
    match line {
        Line::Whole(replica) => drop(held.insert(partition, replica.into_owned())),
        Line::Gone => drop(held.remove(&partition)),
        Line::Role(role, source) => {
            if let Some(replica) = held.get_mut(&partition) {
                replica.role = role;
                replica.source = source;
            }
        }
        Line::Entry(entry) => {
            if let Some(replica) = held.get_mut(&partition) {
                replica.append(entry.into_owned());
            }
        }
    }
}

/// What a server is, and what it knows, as its directory has it.
#[derive(Debug, Clone)]
pub struct Notes {
    directory: PathBuf,
}

impl Notes {
    /// Looks into a server's directory.
    pub fn of(directory: &Path) -> Self {
        Self {
            directory: directory.to_owned(),
        }
    }

    /// Reads a note.
    pub fn read<T: for<'a> Deserialize<'a>>(&self, name: &str) -> Option<T> {
        let text = std::fs::read_to_string(self.directory.join(name)).ok()?;
        serde_json::from_str(&text).ok()
    }

    /// Writes a note, whole and durably.
    pub fn write<T: Serialize>(&self, name: &str, value: &T) -> io::Result<()> {
        std::fs::create_dir_all(&self.directory)?;
        let text = serde_json::to_vec(value).map_err(io::Error::other)?;
        files::replace(&self.directory.join(name), &text, 0o600)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::memsql::data::Change;

    #[test]
    fn what_was_written_is_there_after_a_crash() {
        let dir = tempfile::tempdir().unwrap();
        let (mut journal, held) = Journal::open(dir.path()).unwrap();
        assert!(held.is_empty());
        let mut replica = Replica::new(Role::Slave, Some(Address::new("h", 1)));
        journal.whole("db_0", &replica).unwrap();
        journal.whole("db_1", &replica).unwrap();
        journal.gone("db_1").unwrap();
        let insert = Change::Insert {
            rows: vec![("a".into(), BTreeMap::from([("k".into(), Some("a".into()))]))],
            update: None,
            replaces: false,
        };
        for entry in replica.change("t", &insert).unwrap().0 {
            journal.entry("db_0", &entry).unwrap();
        }
        replica.role = Role::Master;
        replica.source = None;
        journal.role("db_0", &replica).unwrap();
        journal.file.write_all(b"[\"db_0\",{\"Ent").unwrap();
        let (_, held) = Journal::open(dir.path()).unwrap();
        assert_eq!(held.len(), 1);
        let back = &held["db_0"];
        assert_eq!(
            (back.role, back.position, &back.tables),
            (Role::Master, replica.position, &replica.tables)
        );
    }
}
