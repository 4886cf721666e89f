//! A server's data directory: who holds it, which engine and which version made it.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, fcntl_lock};
use serde::{Deserialize, Serialize};

use crate::sim::files;
use crate::sim::version::Version;

/// The identifier of `_system` in every data directory.
const SYSTEM_DATABASE: &str = "1";

/// What an upgrade does to each database, in this order.
pub const TASKS: [&str; 6] = [
    "setupGraphs",
    "setupUsers",
    "createUsersIndex",
    "addDefaultUserOther",
    "updateGraphsIndexes",
    "upgradeGeoIndexes",
];

/// The content of a `VERSION` file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DirectoryVersion {
    /// The version as a number such as 30400.
    pub version: u32,
    /// Which tasks of which upgrade are done.
    pub tasks: BTreeMap<String, bool>,
}

/// How a directory stands to a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fit {
    /// There was nothing yet.
    Fresh,
    /// Same series.
    Same,
    /// The directory is older; it holds this version.
    Older(u32),
    /// The directory is newer; it holds this version.
    Newer(u32),
}

/// A data directory that this process holds.
#[derive(Debug)]
pub struct DataDir {
    path: PathBuf,
    // Dropping the file gives the lock back.
    _lock: File,
}

/// Why a data directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    /// Another process holds it.
    #[error(
        "database directory '{0}' is already locked by another process, please check the lock file"
    )]
    Locked(String),
    /// The engine that made it is not the one that is wanted.
    #[error(
        "content of 'ENGINE' file '{path}' and command-line/configuration option value do not match: '{found}' != '{wanted}'. please validate the command-line/configuration option value of '--server.storage-engine' or use a different database directory if the change is intentional"
    )]
    Engine {
        /// The file.
        path: String,
        /// What it says.
        found: String,
        /// What was wanted.
        wanted: String,
    },
    /// Something in it cannot be read or written.
    #[error("{path}: {source}")]
    Io {
        /// What.
        path: String,
        /// What was said.
        source: io::Error,
    },
}

impl DataError {
    /// Returns the exit code that goes with it.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Locked(_) => 22,
            Self::Engine { .. } => 25,
            Self::Io { .. } => 1,
        }
    }
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> DataError + use<'_> {
    move |source| DataError::Io {
        path: path.display().to_string(),
        source,
    }
}

impl DataDir {
    /// Takes hold of a directory, makes it if it is not there, and checks its engine.
    pub fn hold(path: &Path, engine: Option<&str>) -> Result<Self, DataError> {
        std::fs::create_dir_all(path).map_err(at(path))?;
        let lock = lock(&path.join("LOCK"))?;
        let dir = Self {
            path: path.to_owned(),
            _lock: lock,
        };
        dir.check_engine(engine)?;
        dir.check_writable()?;
        Ok(dir)
    }

    /// Returns the directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn check_engine(&self, wanted: Option<&str>) -> Result<(), DataError> {
        let path = self.path.join("ENGINE");
        if let Some(found) = files::read_if_there(&path).map_err(at(&path))? {
            let found = found.trim();
            match wanted {
                Some(wanted) if wanted != "auto" && wanted != found => Err(DataError::Engine {
                    path: path.display().to_string(),
                    found: found.to_owned(),
                    wanted: wanted.to_owned(),
                }),
                _ => Ok(()),
            }
        } else {
            let engine = wanted
                .filter(|wanted| *wanted != "auto")
                .unwrap_or("rocksdb");
            files::replace(&path, engine.as_bytes(), 0o644).map_err(at(&path))
        }
    }

    /// Opens what is there for writing: files that another user left behind end the start.
    fn check_writable(&self) -> Result<(), DataError> {
        for entry in std::fs::read_dir(&self.path).map_err(at(&self.path))? {
            let path = entry.map_err(at(&self.path))?.path();
            if path.is_file() {
                drop(
                    OpenOptions::new()
                        .append(true)
                        .open(&path)
                        .map_err(at(&path))?,
                );
            }
        }
        Ok(())
    }

    /// Returns the engine that made the directory.
    pub fn engine(&self) -> String {
        std::fs::read_to_string(self.path.join("ENGINE"))
            .map_or_else(|_| "rocksdb".to_owned(), |text| text.trim().to_owned())
    }

    /// Tells how the directory stands to a program of the given version.
    pub fn fit(&self, version: &Version) -> Result<Fit, DataError> {
        let mut lowest: Option<u32> = None;
        for path in self.version_files()? {
            let held = read_version(&path)?.version;
            lowest = Some(lowest.map_or(held, |lowest| lowest.min(held)));
        }
        Ok(match lowest {
            None => Fit::Fresh,
            Some(held) if held / 100 < version.series() => Fit::Older(held),
            Some(held) if held / 100 > version.series() => Fit::Newer(held),
            Some(_) => Fit::Same,
        })
    }

    /// Writes the version files of a directory that has none.
    pub fn initialize(&self, version: &Version) -> Result<(), DataError> {
        self.set_version(SYSTEM_DATABASE, version)
    }

    /// Writes the version file of one database.
    pub fn set_version(&self, database: &str, version: &Version) -> Result<(), DataError> {
        let done = DirectoryVersion {
            version: version.number(),
            tasks: TASKS
                .iter()
                .map(|task| ((*task).to_owned(), true))
                .collect(),
        };
        Self::write_version(&self.path.join(format!("VERSION-{database}")), &done)
    }

    fn write_version(path: &Path, content: &DirectoryVersion) -> Result<(), DataError> {
        let text =
            serde_json::to_vec(content).map_err(|error| at(path)(io::Error::other(error)))?;
        files::replace(path, &text, 0o644).map_err(at(path))
    }

    /// Returns the version files of all databases.
    pub fn version_files(&self) -> Result<Vec<PathBuf>, DataError> {
        let mut found = Vec::new();
        for entry in std::fs::read_dir(&self.path).map_err(at(&self.path))? {
            let entry = entry.map_err(at(&self.path))?;
            let name = entry.file_name();
            let name = name.to_string_lossy();
            let id = name.strip_prefix("VERSION-");
            if id.is_some_and(|id| !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_digit())) {
                found.push(entry.path());
            }
        }
        found.sort();
        Ok(found)
    }

    /// Does one task of an upgrade in one database and writes it down; the last one ends it.
    pub fn upgrade_task(
        &self,
        path: &Path,
        task: usize,
        version: &Version,
    ) -> Result<(), DataError> {
        let mut held = read_version(path)?;
        if task == 0 {
            held.tasks.clear();
        }
        if let Some(name) = TASKS.get(task) {
            held.tasks.insert((*name).to_owned(), true);
        }
        if task + 1 >= TASKS.len() {
            held.version = version.number();
        }
        Self::write_version(path, &held)
    }

    /// Returns the identifier of this server, made at its first start.
    pub fn identity(&self, prefix: &str) -> Result<String, DataError> {
        let path = self.path.join("UUID");
        if let Some(known) = files::read_if_there(&path).map_err(at(&path))? {
            return Ok(known.trim().to_owned());
        }
        let made = format!("{prefix}-{}", uuid().map_err(at(&path))?);
        files::replace(&path, format!("{made}\n").as_bytes(), 0o644).map_err(at(&path))?;
        Ok(made)
    }

    /// Takes the lock file away, as a server does that stops in good order.
    pub fn leave(self) {
        drop(std::fs::remove_file(self.path.join("LOCK")));
    }
}

fn read_version(path: &Path) -> Result<DirectoryVersion, DataError> {
    let text = std::fs::read_to_string(path).map_err(at(path))?;
    serde_json::from_str(&text).map_err(|error| at(path)(io::Error::other(error)))
}

/// Locks the file and writes this process's number into it. The file outlives a killed
/// process; the lock does not.
fn lock(path: &Path) -> Result<File, DataError> {
    let mut file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .read(true)
        .write(true)
        .open(path)
        .map_err(at(path))?;
    if fcntl_lock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
        return Err(DataError::Locked(path.display().to_string()));
    }
    let write = |file: &mut File| -> io::Result<()> {
        file.set_len(0)?;
        file.seek(SeekFrom::Start(0))?;
        file.write_all(std::process::id().to_string().as_bytes())?;
        file.sync_all()
    };
    write(&mut file).map_err(at(path))?;
    Ok(file)
}

/// Returns a random identifier in the usual form.
pub fn uuid() -> io::Result<String> {
    let mut bytes = [0_u8; 16];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    let hex = bytes
        .iter()
        .fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"));
    let cut = |from: usize, to: usize| hex.get(from..to).unwrap_or_default().to_owned();
    Ok(format!(
        "{}-{}-{}-{}-{}",
        cut(0, 8),
        cut(8, 12),
        cut(12, 16),
        cut(16, 20),
        cut(20, 32)
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(text: &str) -> Version {
        Version::parse(text).unwrap()
    }

    #[test]
    fn a_directory_fits_its_series_and_no_other() {
        let dir = tempfile::tempdir().unwrap();
        let data = DataDir::hold(&dir.path().join("data"), Some("rocksdb")).unwrap();
        assert_eq!(data.fit(&version("3.3.20")).unwrap(), Fit::Fresh);
        data.initialize(&version("3.3.20")).unwrap();
        for (program, fit) in [
            ("3.3.20", Fit::Same),
            ("3.3.99", Fit::Same),
            ("3.3.0", Fit::Same),
            ("3.4.0", Fit::Older(30320)),
            ("3.2.17", Fit::Newer(30320)),
        ] {
            assert_eq!(data.fit(&version(program)).unwrap(), fit, "{program}");
        }
        assert!(data.path().join("VERSION-1").is_file());
    }

    #[test]
    fn one_database_that_is_older_makes_the_directory_older() {
        let dir = tempfile::tempdir().unwrap();
        let data = DataDir::hold(dir.path(), None).unwrap();
        data.set_version("1", &version("3.4.0")).unwrap();
        data.set_version("77", &version("3.3.20")).unwrap();
        assert_eq!(data.fit(&version("3.4.0")).unwrap(), Fit::Older(30320));
    }

    #[test]
    fn an_upgrade_counts_only_when_its_last_task_is_done() {
        let dir = tempfile::tempdir().unwrap();
        let data = DataDir::hold(dir.path(), None).unwrap();
        data.initialize(&version("3.3.20")).unwrap();
        let new = version("3.4.0");
        let file = data.version_files().unwrap().remove(0);
        for task in 0..TASKS.len() {
            assert_eq!(
                data.fit(&new).unwrap(),
                Fit::Older(30320),
                "before task {task}"
            );
            data.upgrade_task(&file, task, &new).unwrap();
        }
        assert_eq!(data.fit(&new).unwrap(), Fit::Same);
    }

    #[test]
    fn the_lock_file_names_its_holder_and_stays_until_a_clean_end() {
        let dir = tempfile::tempdir().unwrap();
        let data = DataDir::hold(dir.path(), None).unwrap();
        let lock = dir.path().join("LOCK");
        let pid = std::fs::read_to_string(&lock).unwrap();
        assert_eq!(pid, std::process::id().to_string());
        drop(data);
        assert!(lock.exists(), "an end without order leaves it");
        DataDir::hold(dir.path(), None).unwrap().leave();
        assert!(!lock.exists());
    }

    #[test]
    fn another_engine_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        drop(DataDir::hold(dir.path(), Some("mmfiles")).unwrap());
        let error = DataDir::hold(dir.path(), Some("rocksdb")).unwrap_err();
        assert_eq!(error.exit_code(), 25, "{error}");
        assert!(DataDir::hold(dir.path(), Some("auto")).is_ok());
    }

    #[test]
    fn an_identity_is_kept() {
        let dir = tempfile::tempdir().unwrap();
        let data = DataDir::hold(dir.path(), None).unwrap();
        let first = data.identity("PRMR").unwrap();
        assert!(first.starts_with("PRMR-") && first.len() == 41, "{first}");
        assert_eq!(data.identity("PRMR").unwrap(), first);
    }
}
