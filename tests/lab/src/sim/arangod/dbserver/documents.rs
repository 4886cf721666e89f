//! The documents of one shard, in memory and in a file that is only ever appended to.
//!
//! Pure but for the file: every change is handed to it before it is visible, so that what was
//! acknowledged survives a killed process.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::sim::files;

/// A document's content with its revision.
#[derive(Debug, Clone, PartialEq)]
pub struct Document {
    /// Grows with each write to the shard.
    pub revision: u64,
    /// The content without the system's attributes.
    pub body: Map<String, Value>,
}

/// One change, as a line of the file and as it travels between servers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Change {
    /// The document's key.
    pub key: String,
    /// Its revision.
    pub revision: u64,
    /// Its content; nothing if it is gone.
    pub body: Option<Map<String, Value>>,
}

/// All documents of a shard.
#[derive(Debug)]
pub struct Documents {
    path: PathBuf,
    file: File,
    all: BTreeMap<String, Document>,
    last_revision: u64,
    lines: usize,
}

impl Documents {
    /// Opens a shard's file and reads it; a line that was cut off is taken away.
    pub fn open(path: &Path) -> io::Result<Self> {
        let mut all = BTreeMap::new();
        let mut last_revision = 0;
        let mut lines = 0;
        if let Some(text) = files::read_if_there(path)? {
            let mut good = 0;
            for line in text.split_inclusive('\n') {
                let Ok(change) = serde_json::from_str::<Change>(line) else {
                    break;
                };
                if !line.ends_with('\n') {
                    break;
                }
                good += line.len();
                lines += 1;
                last_revision = last_revision.max(change.revision);
                put(&mut all, change);
            }
            if good < text.len() {
                let file = OpenOptions::new().write(true).open(path)?;
                file.set_len(u64::try_from(good).unwrap_or(0))?;
            }
        }
        let mut documents = Self {
            path: path.to_owned(),
            file: OpenOptions::new().create(true).append(true).open(path)?,
            all,
            last_revision,
            lines,
        };
        documents.compact()?;
        Ok(documents)
    }

    /// Writes the file anew when most of its lines are of the past.
    fn compact(&mut self) -> io::Result<()> {
        if self.lines < 10_000 || self.lines < 4 * self.all.len() {
            return Ok(());
        }
        let text = self
            .all
            .keys()
            .filter_map(|key| self.change_of(key))
            .filter_map(|change| serde_json::to_string(&change).ok())
            .fold(String::new(), |text, line| text + &line + "\n");
        files::replace(&self.path, text.as_bytes(), 0o644)?;
        self.file = OpenOptions::new().append(true).open(&self.path)?;
        self.lines = self.all.len();
        Ok(())
    }

    /// Returns a document.
    pub fn get(&self, key: &str) -> Option<&Document> {
        self.all.get(key)
    }

    /// Returns how many documents there are.
    pub fn count(&self) -> usize {
        self.all.len()
    }

    /// Returns how many bytes the documents take, about.
    pub fn size(&self) -> usize {
        self.all
            .values()
            .map(|document| Value::Object(document.body.clone()).to_string().len())
            .sum()
    }

    /// Returns a revision for the next change: the time, and later than all before.
    pub fn next_revision(&self, now_us: u64) -> u64 {
        now_us.max(self.last_revision + 1)
    }

    /// Makes changes, on disk first. An older change of a document never overwrites a newer.
    pub fn apply(&mut self, changes: Vec<Change>) -> io::Result<()> {
        let mut lines = String::new();
        let fresh: Vec<Change> = changes
            .into_iter()
            .filter(|change| {
                self.all
                    .get(&change.key)
                    .is_none_or(|known| known.revision < change.revision)
            })
            .collect();
        self.append(&mut lines, fresh)
    }

    /// Drops documents that the leader does not have and takes its own in their place.
    pub fn take_over(&mut self, drop_keys: &[String], changes: Vec<Change>) -> io::Result<()> {
        let gone = drop_keys.iter().map(|key| Change {
            key: key.clone(),
            revision: self.all.get(key).map_or(0, |known| known.revision),
            body: None,
        });
        let all: Vec<Change> = gone.chain(changes).collect();
        self.append(&mut String::new(), all)
    }

    fn append(&mut self, lines: &mut String, changes: Vec<Change>) -> io::Result<()> {
        for change in &changes {
            lines.push_str(&serde_json::to_string(change).map_err(io::Error::other)?);
            lines.push('\n');
        }
        self.file.write_all(lines.as_bytes())?;
        self.lines += changes.len();
        for change in changes {
            if change.body.is_some() {
                self.last_revision = self.last_revision.max(change.revision);
            }
            put(&mut self.all, change);
        }
        Ok(())
    }

    /// Returns every key with its revision.
    pub fn revisions(&self) -> BTreeMap<String, u64> {
        self.all
            .iter()
            .map(|(key, document)| (key.clone(), document.revision))
            .collect()
    }

    /// Returns a number that is equal for equal content.
    pub fn digest(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        for (key, document) in &self.all {
            (key, document.revision).hash(&mut hasher);
        }
        hasher.finish()
    }

    /// Returns the change that makes a document what it is.
    pub fn change_of(&self, key: &str) -> Option<Change> {
        self.all.get(key).map(|document| Change {
            key: key.to_owned(),
            revision: document.revision,
            body: Some(document.body.clone()),
        })
    }

    /// Returns the changes since a revision.
    pub fn since(&self, revision: u64) -> Vec<Change> {
        self.all
            .iter()
            .filter(|(_, document)| document.revision > revision)
            .filter_map(|(key, _)| self.change_of(key))
            .collect()
    }

    /// Returns all content, for who looks from outside.
    pub fn all(&self) -> &BTreeMap<String, Document> {
        &self.all
    }
}

fn put(all: &mut BTreeMap<String, Document>, change: Change) {
    match change.body {
        Some(body) => {
            let document = Document {
                revision: change.revision,
                body,
            };
            all.insert(change.key, document);
        }
        None => drop(all.remove(&change.key)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn change(key: &str, revision: u64, n: u64) -> Change {
        Change {
            key: key.into(),
            revision,
            body: Some(json!({"n": n}).as_object().unwrap().clone()),
        }
    }

    #[test]
    fn what_was_written_is_there_after_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s1");
        let mut documents = Documents::open(&path).unwrap();
        documents
            .apply(vec![change("a", 1, 1), change("b", 2, 1)])
            .unwrap();
        documents.apply(vec![change("a", 3, 2)]).unwrap();
        let digest = documents.digest();
        let mut file = OpenOptions::new().append(true).open(&path).unwrap();
        file.write_all(br#"{"key":"c","revi"#).unwrap();
        let documents = Documents::open(&path).unwrap();
        assert_eq!(documents.digest(), digest, "the torn line does not count");
        assert_eq!(documents.next_revision(0), 4);
        assert_eq!(documents.get("a").unwrap().body["n"], 2);
    }

    #[test]
    fn changes_that_arrive_out_of_order_leave_the_newest() {
        let dir = tempfile::tempdir().unwrap();
        let mut documents = Documents::open(&dir.path().join("s1")).unwrap();
        documents.apply(vec![change("a", 9, 9)]).unwrap();
        documents.apply(vec![change("a", 5, 5)]).unwrap();
        assert_eq!(documents.get("a").unwrap().body["n"], 9);
    }

    #[test]
    fn taking_over_drops_what_the_leader_does_not_have() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s1");
        let mut documents = Documents::open(&path).unwrap();
        documents
            .apply(vec![change("mine", 50, 1), change("both", 60, 1)])
            .unwrap();
        // The leader's revision of a shared document may be older than one that never counted.
        documents
            .take_over(&["mine".into()], vec![change("both", 55, 7)])
            .unwrap();
        for documents in [documents, Documents::open(&path).unwrap()] {
            assert_eq!(documents.count(), 1);
            assert_eq!(documents.get("both").unwrap().body["n"], 7);
        }
    }
}
