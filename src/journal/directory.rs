//! The state directory: one directory a run, with its journal and its lock, and the ballast beside them.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use super::beside;
use super::{BALLAST_BYTES, Ballast, Entry, Header, Journal, JournalError, Record};
use super::{BracketChange, Holder, RunLock, SqliteJournal};
use crate::clock::Timestamp;
use crate::events::BracketRef;

/// Where a run stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RunState {
    /// A process works on it.
    Running {
        /// Who, as it wrote into its lock.
        owner: String,
    },
    /// It stopped before its end, or its process is gone.
    Stopped,
    /// It came to its end with this exit code.
    Finished(u8),
    /// Its journal cannot be read.
    Unreadable(String),
}

/// A run in a list of runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunSummary {
    /// Its id.
    pub run: String,
    /// What it is; empty when its journal cannot be read.
    pub header: Header,
    /// When it was started.
    pub started: Option<Timestamp>,
    /// Where it stands.
    pub state: RunState,
    /// The brackets that it entered and did not leave.
    pub open: Vec<BracketRef>,
}

/// The directory in which runs are kept.
#[derive(Debug, Clone)]
pub struct StateDirectory {
    path: PathBuf,
}

impl StateDirectory {
    /// Makes the directory if it is missing, takes on the ballast, and writes and syncs a record to see that it can.
    pub fn prepare(path: &Path) -> Result<Self, JournalError> {
        let runs = path.join("runs");
        let refused = |error: io::Error| JournalError::NotWritable {
            path: path.to_owned(),
            reason: error.to_string(),
        };
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&runs)
            .map_err(refused)?;
        let probe = runs.join(".probe");
        let write = || -> io::Result<()> {
            let mut file = File::create(&probe)?;
            file.write_all(&[b'x'; 4096])?;
            file.sync_all()?;
            fs::remove_file(&probe)?;
            File::open(&runs)?.sync_all()
        };
        write().map_err(refused)?;
        let directory = Self::at(path);
        directory.ballast().take_on(BALLAST_BYTES)?;
        Ok(directory)
    }

    /// Names a directory without touching it, to read what is in it.
    pub fn at(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
        }
    }

    /// Makes a run's directory, its lock and its journal. Refuses where another run goes on that protects one of the
    /// hosts that this one `protects`.
    pub fn create(
        &self,
        run: &str,
        owner: &str,
        protects: &[String],
    ) -> Result<(RunLock, SqliteJournal), JournalError> {
        let directory = self.directory(run);
        let _alone = beside::alone(&self.path)?;
        beside::refuse(&self.path.join("runs"), run, protects)?;
        fs::DirBuilder::new()
            .mode(0o700)
            .create(&directory)
            .map_err(|error| JournalError::Io {
                what: "make",
                path: directory.clone(),
                reason: error.to_string(),
            })?;
        let lock = RunLock::take(&directory.join("lock"), run, owner)?;
        beside::write(&directory, protects)?;
        let journal = SqliteJournal::create(&directory.join("journal"), self.ballast())?;
        for made in [directory.as_path(), &self.path.join("runs")] {
            sync(made)?;
        }
        Ok((lock, journal))
    }

    /// Names the earlier runs that protected one of these hosts and that no process works on. While `run` protects them
    /// none of those can go on.
    pub fn stopped_runs(&self, run: &str, hosts: &[String]) -> Vec<String> {
        beside::stopped(&self.path.join("runs"), run, hosts)
    }

    /// Takes a run's lock and opens its journal to go on with it. Refuses where another run goes on that protects one of
    /// its hosts.
    pub fn open(&self, run: &str, owner: &str) -> Result<(RunLock, SqliteJournal), JournalError> {
        let directory = self.existing(run)?;
        let _alone = beside::alone(&self.path)?;
        let lock = RunLock::take(&directory.join("lock"), run, owner)?;
        beside::refuse(&self.path.join("runs"), run, &beside::read(&directory))?;
        let journal = SqliteJournal::open(&directory.join("journal"), self.ballast())?;
        Ok((lock, journal))
    }

    /// Opens a run's journal to read it, also while another process writes it.
    pub fn read(&self, run: &str) -> Result<SqliteJournal, JournalError> {
        let directory = self.existing(run)?;
        SqliteJournal::open(&directory.join("journal"), self.ballast())
    }

    /// Returns the file for what a run says that has no terminal.
    pub fn lines_of(&self, run: &str) -> PathBuf {
        self.directory(run).join("lines")
    }

    /// Tells who works on a run, or did last.
    pub fn holder(&self, run: &str) -> Option<Holder> {
        RunLock::holder(&self.directory(run).join("lock"))
    }

    /// Lists the runs, the newest last.
    pub fn runs(&self) -> Result<Vec<RunSummary>, JournalError> {
        let runs = self.path.join("runs");
        let entries = match fs::read_dir(&runs) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => {
                return Err(JournalError::Io {
                    what: "list",
                    path: runs,
                    reason: error.to_string(),
                });
            }
        };
        let mut found: Vec<RunSummary> = entries
            .filter_map(Result::ok)
            .filter(|entry| entry.path().is_dir())
            .filter_map(|entry| entry.file_name().into_string().ok())
            .map(|run| self.summary(&run))
            .collect();
        found.sort_by(|a, b| (a.started, &a.run).cmp(&(b.started, &b.run)));
        Ok(found)
    }

    fn summary(&self, run: &str) -> RunSummary {
        let owner = RunLock::owner(&self.directory(run).join("lock"));
        match self.read(run).and_then(|journal| journal.entries()) {
            Ok(entries) => summarise(run, &entries, owner),
            Err(error) => RunSummary {
                run: run.to_owned(),
                header: Header::default(),
                started: None,
                state: RunState::Unreadable(error.to_string()),
                open: Vec::new(),
            },
        }
    }

    fn directory(&self, run: &str) -> PathBuf {
        self.path.join("runs").join(run)
    }

    fn existing(&self, run: &str) -> Result<PathBuf, JournalError> {
        let directory = self.directory(run);
        let plain = !run.is_empty() && !run.contains('/') && !run.starts_with('.');
        if plain && directory.join("journal").is_file() {
            Ok(directory)
        } else {
            Err(JournalError::NoRun {
                run: run.to_owned(),
                path: self.path.join("runs"),
            })
        }
    }

    fn ballast(&self) -> Ballast {
        Ballast::new(&self.path)
    }
}

fn sync(directory: &Path) -> Result<(), JournalError> {
    File::open(directory)
        .and_then(|file| file.sync_all())
        .map_err(|error| JournalError::Io {
            what: "sync",
            path: directory.to_owned(),
            reason: error.to_string(),
        })
}

fn summarise(run: &str, entries: &[Entry], owner: Option<String>) -> RunSummary {
    let mut header = Header::default();
    let mut ended = None;
    let mut open: Vec<BracketRef> = Vec::new();
    for entry in entries {
        match &entry.record {
            Record::Opened(found) => header = found.clone(),
            Record::PartStarted { .. } => ended = None,
            Record::Stopped { .. } => ended = Some(RunState::Stopped),
            Record::Finished { exit_code } => {
                ended.get_or_insert(RunState::Finished(*exit_code));
            }
            Record::Bracket { bracket, change } => match change {
                BracketChange::Entering { .. } if open.contains(bracket) => {}
                BracketChange::Entering { .. } => open.push(bracket.clone()),
                BracketChange::Left => open.retain(|other| other != bracket),
                BracketChange::Found { .. }
                | BracketChange::Entered
                | BracketChange::Leaving { .. }
                | BracketChange::Owed { .. }
                | BracketChange::Held { .. } => {}
            },
            Record::Batch { .. }
            | Record::Intent(_)
            | Record::Outcome(_)
            | Record::Registered { .. }
            | Record::Shared { .. }
            | Record::Learned { .. }
            | Record::Done { .. }
            | Record::PutRight { .. }
            | Record::Included { .. }
            | Record::Rescued { .. }
            | Record::HostLeft { .. }
            | Record::RestPoint { .. }
            | Record::Approval { .. }
            | Record::Event(_)
            | Record::Unknown { .. } => {}
        }
    }
    let state = match owner {
        Some(owner) => RunState::Running { owner },
        None => ended.unwrap_or(RunState::Stopped),
    };
    RunSummary {
        run: run.to_owned(),
        header,
        started: entries.first().map(|entry| entry.at),
        state,
        open,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::Durability;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_767_225_600 + second).unwrap()
    }

    fn opened(run: &str) -> Record {
        Record::Opened(Header {
            run: run.to_owned(),
            ..Header::default()
        })
    }

    #[test]
    #[expect(
        clippy::too_many_lines,
        reason = "one thing after another; cutting it would hide the order"
    )]
    fn runs_are_listed_with_what_became_of_them() {
        let place = tempfile::tempdir().unwrap();
        let state = StateDirectory::prepare(place.path()).unwrap();
        assert!(place.path().join("ballast").exists());
        let bracket = BracketRef {
            name: "maintenance".to_owned(),
            object: String::new(),
        };
        let entering = Record::Bracket {
            bracket: bracket.clone(),
            change: BracketChange::Entering {
                by_hand: vec![],
                play: String::new(),
                batch: 0,
                hosts: vec![],
                top: serde_json::Map::new(),
            },
        };
        let stories: [(&str, Vec<Record>); 3] = [
            ("r2-done", vec![Record::Finished { exit_code: 0 }]),
            ("r1-crashed", vec![entering]),
            (
                "r3-stopped",
                vec![
                    Record::Stopped {
                        cause: crate::events::StopCause::Failed,
                        place: "x".to_owned(),
                    },
                    Record::Finished { exit_code: 2 },
                ],
            ),
        ];
        for (second, (run, records)) in (1..).zip(&stories) {
            let (_lock, mut journal) = state.create(run, "ann", &[]).unwrap();
            journal
                .append(at(second), &[opened(run)], Durability::Synced)
                .unwrap();
            journal
                .append(at(second), records, Durability::Synced)
                .unwrap();
        }
        let (_lock, _journal) = state.open("r2-done", "bob").unwrap();
        let runs = state.runs().unwrap();
        let told: Vec<_> = runs
            .iter()
            .map(|run| (run.header.run.as_str(), run.state.clone(), run.open.len()))
            .collect();
        assert_eq!(
            told,
            [
                (
                    "r2-done",
                    RunState::Running {
                        owner: "bob".to_owned()
                    },
                    0
                ),
                ("r1-crashed", RunState::Stopped, 1),
                ("r3-stopped", RunState::Stopped, 0),
            ]
        );
        assert!(matches!(
            state.open("r9", "x"),
            Err(JournalError::NoRun { .. })
        ));
        assert!(matches!(
            state.open("../runs/r2-done", "x"),
            Err(JournalError::NoRun { .. })
        ));
        assert!(state.create("r2-done", "x", &[]).is_err());
    }

    #[test]
    fn a_directory_that_cannot_be_made_is_an_error_before_anything() {
        let place = tempfile::tempdir().unwrap();
        let file = place.path().join("file");
        File::create(&file).unwrap();
        assert!(matches!(
            StateDirectory::prepare(&file.join("state")),
            Err(JournalError::NotWritable { .. })
        ));
    }

    #[test]
    fn of_runs_that_protect_the_same_host_one_goes_on() {
        let place = tempfile::tempdir().unwrap();
        let state = StateDirectory::prepare(place.path()).unwrap();
        let hosts = |names: &str| -> Vec<String> { names.split(' ').map(str::to_owned).collect() };
        let first = state.create("r1", "ann", &hosts("a b c")).unwrap();
        let _elsewhere = state.create("r2", "bob", &hosts("d e")).unwrap();
        let _unprotected = state.create("r3", "bob", &[]).unwrap();
        match state.create("r4", "bob", &hosts("e c")) {
            Err(JournalError::Busy { run, owner, host }) => {
                assert_eq!((run, owner, host), ("r1".into(), "ann".into(), "c".into()));
            }
            other => panic!("{other:?}"),
        }
        assert!(
            !place.path().join("runs/r4").exists(),
            "nothing is left of it"
        );
        drop(first);
        let second = state.create("r5", "bob", &hosts("c")).unwrap();
        assert_eq!(state.stopped_runs("r5", &hosts("c")), ["r1"]);
        assert!(matches!(
            state.open("r1", "ann"),
            Err(JournalError::Busy { .. })
        ));
        drop(second);
        let _again = state.open("r1", "ann").unwrap();
        assert_eq!(state.stopped_runs("r1", &hosts("a c")), ["r5"]);
    }
}
