//! One shard on this server: its documents, and what this server is to it.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};
use tokio::sync::{Mutex as WaitingMutex, RwLock};

use super::documents::Documents;

/// What this server is to a shard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// It does not know yet: the plan was not read since the start.
    Unknown,
    /// It leads, with these followers in sync.
    Leader {
        /// The followers that have every acknowledged write.
        followers: Vec<String>,
    },
    /// It led and was asked to resign.
    Resigned {
        /// The followers that were in sync.
        followers: Vec<String>,
    },
    /// It follows this server.
    Follower {
        /// Who leads.
        leader: String,
    },
}

/// A shard.
#[derive(Debug)]
pub struct Shard {
    name: String,
    path: PathBuf,
    documents: Mutex<Documents>,
    standing: Mutex<Standing>,
    /// Held for reading by each write until its followers have it; held for writing when the
    /// set of followers grows or the leader resigns.
    pub gate: RwLock<()>,
    /// Held while a follower is dropped, so that one failure is reported once.
    pub dropping: WaitingMutex<()>,
}

const DIRECTORY: &str = "shards";

/// Opens every shard that the data directory holds.
pub fn open_all(data: &Path) -> io::Result<BTreeMap<String, Arc<Shard>>> {
    let directory = data.join(DIRECTORY);
    std::fs::create_dir_all(&directory)?;
    let mut shards = BTreeMap::new();
    for entry in std::fs::read_dir(&directory)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        // What a crash left half written beside a file is not a shard.
        if !name.contains('.') {
            shards.insert(name.clone(), Arc::new(Shard::open(data, &name)?));
        }
    }
    Ok(shards)
}

impl Shard {
    /// Opens a shard, empty if it is new.
    pub fn open(data: &Path, name: &str) -> io::Result<Self> {
        let path = data.join(DIRECTORY).join(name);
        Ok(Self {
            name: name.to_owned(),
            documents: Mutex::new(Documents::open(&path)?),
            path,
            standing: Mutex::new(Standing::Unknown),
            gate: RwLock::new(()),
            dropping: WaitingMutex::new(()),
        })
    }

    /// Returns the shard's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the documents, locked.
    pub fn documents(&self) -> MutexGuard<'_, Documents> {
        self.documents
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns what this server is to the shard.
    pub fn standing(&self) -> Standing {
        self.lock_standing().clone()
    }

    fn lock_standing(&self) -> MutexGuard<'_, Standing> {
        self.standing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes this server something else to the shard.
    pub fn become_(&self, standing: Standing) {
        *self.lock_standing() = standing;
    }

    /// Returns the followers in sync, if this server leads.
    pub fn followers(&self) -> Option<Vec<String>> {
        match self.standing() {
            Standing::Leader { followers } => Some(followers),
            Standing::Unknown | Standing::Resigned { .. } | Standing::Follower { .. } => None,
        }
    }

    /// Adds or removes a follower, if this server still leads.
    pub fn change_followers(&self, change: impl FnOnce(&mut Vec<String>)) {
        if let Standing::Leader { followers } = &mut *self.lock_standing() {
            change(followers);
        }
    }

    /// Forgets the shard on disk.
    pub fn remove(&self) {
        drop(std::fs::remove_file(&self.path));
    }

    /// Returns what the server is to the shard, for who looks from outside.
    pub fn lab_state(&self) -> Value {
        let (standing, with) = match self.standing() {
            Standing::Unknown => ("unknown", json!([])),
            Standing::Leader { followers } => ("leader", json!(followers)),
            Standing::Resigned { followers } => ("resigned", json!(followers)),
            Standing::Follower { leader } => ("follower", json!([leader])),
        };
        let documents = self.documents();
        json!({
            "standing": standing,
            "with": with,
            "count": documents.count(),
            "digest": format!("{:016x}", documents.digest()),
        })
    }

    /// Returns all documents, for who looks from outside.
    pub fn lab_documents(&self) -> Value {
        let documents = self.documents();
        let all: BTreeMap<&String, Value> = documents
            .all()
            .iter()
            .map(|(key, document)| {
                (
                    key,
                    json!({"revision": document.revision, "body": document.body}),
                )
            })
            .collect();
        json!(all)
    }
}
