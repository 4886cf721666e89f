//! The local lock of a run: one process works on it at a time. The kernel lets it go when the process ends, however.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{Seek, Write};
use std::path::Path;

use super::JournalError;

/// How often a lock that is held is tried again at once.
const ASKERS: u32 = 100;

/// Holds a run for this process.
#[derive(Debug)]
pub struct RunLock {
    _file: File,
}

impl RunLock {
    /// Takes the lock and writes who has it; fails at once if another process has it.
    pub fn take(path: &Path, run: &str, owner: &str) -> Result<Self, JournalError> {
        let fail = |error: std::io::Error| JournalError::Io {
            what: "lock",
            path: path.to_owned(),
            reason: error.to_string(),
        };
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        let mut file = options.open(path).map_err(fail)?;
        // Who only asks for the owner holds the lock for a moment too.
        let mut locked = file.try_lock();
        for _ in 0..ASKERS {
            if !matches!(locked, Err(TryLockError::WouldBlock)) {
                break;
            }
            std::thread::yield_now();
            locked = file.try_lock();
        }
        match locked {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let owner = fs::read_to_string(path).unwrap_or_default();
                return Err(JournalError::Locked {
                    run: run.to_owned(),
                    owner: owner.trim().to_owned(),
                });
            }
            Err(TryLockError::Error(error)) => return Err(fail(error)),
        }
        file.set_len(0).map_err(fail)?;
        file.rewind().map_err(fail)?;
        writeln!(file, "{owner}").map_err(fail)?;
        Ok(Self { _file: file })
    }

    /// Tells who holds the lock now; `None` when nobody does.
    pub fn owner(path: &Path) -> Option<String> {
        let file = File::open(path).ok()?;
        match file.try_lock_shared() {
            Err(TryLockError::WouldBlock) => Some(
                fs::read_to_string(path)
                    .unwrap_or_default()
                    .trim()
                    .to_owned(),
            ),
            Ok(()) | Err(TryLockError::Error(_)) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_held_once_and_let_go_at_the_end() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("lock");
        assert_eq!(RunLock::owner(&path), None);
        let held = RunLock::take(&path, "r1", "ann on bastion1").unwrap();
        assert_eq!(RunLock::owner(&path).as_deref(), Some("ann on bastion1"));
        match RunLock::take(&path, "r1", "bob") {
            Err(JournalError::Locked { owner, .. }) => assert_eq!(owner, "ann on bastion1"),
            other => panic!("{other:?}"),
        }
        drop(held);
        assert_eq!(RunLock::owner(&path), None);
        RunLock::take(&path, "r1", "bob").unwrap();
    }
}
