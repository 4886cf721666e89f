//! The local lock of a run: one process works on it at a time. The kernel lets it go when the process ends, however.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{Seek, Write};
use std::path::Path;

use super::JournalError;

/// How often a lock that is held is tried again at once.
const ASKERS: u32 = 100;

/// Who holds a run, or held it last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// Who started the process.
    pub owner: String,
    /// The process, as far as it was written down.
    pub process: Option<u32>,
    /// Whether it works on the run now.
    pub lives: bool,
    /// Whether the machine was booted since the process took the run.
    pub rebooted: bool,
}

/// Holds a run for this process.
#[derive(Debug)]
pub struct RunLock {
    file: File,
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
                return Err(JournalError::Locked {
                    run: run.to_owned(),
                    owner: written(path).0,
                });
            }
            Err(TryLockError::Error(error)) => return Err(fail(error)),
        }
        file.set_len(0).map_err(fail)?;
        file.rewind().map_err(fail)?;
        let process = rustix::process::getpid().as_raw_nonzero();
        let owner = owner.replace('\n', " ");
        writeln!(file, "{owner}\nprocess {process}\nboot {}", boot_id()).map_err(fail)?;
        Ok(Self { file })
    }

    /// Tells who holds the lock now; `None` when nobody does.
    pub fn owner(path: &Path) -> Option<String> {
        Self::holder(path)
            .filter(|holder| holder.lives)
            .map(|holder| holder.owner)
    }

    /// Tells who holds the lock, or held it last; `None` when nobody ever did.
    pub fn holder(path: &Path) -> Option<Holder> {
        let file = File::open(path).ok()?;
        let lives = matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock));
        let (owner, process, boot) = written(path);
        Some(Holder {
            owner,
            process,
            lives,
            rebooted: !boot.is_empty() && boot != boot_id(),
        })
    }
}

impl Drop for RunLock {
    fn drop(&mut self) {
        // A program that is being started at this moment still has the file open, and would keep the lock with it.
        drop(self.file.unlock());
    }
}

/// Returns what the last holder wrote: who, which process, since which boot of the machine.
fn written(path: &Path) -> (String, Option<u32>, String) {
    let text = fs::read_to_string(path).unwrap_or_default();
    let mut lines = text.lines();
    let owner = lines.next().unwrap_or_default().trim().to_owned();
    let (mut process, mut boot) = (None, String::new());
    for line in lines {
        match line.split_once(' ') {
            Some(("process", id)) => process = id.parse().ok(),
            Some(("boot", id)) => boot = id.to_owned(),
            _ => {}
        }
    }
    (owner, process, boot)
}

/// Returns what tells this boot of the machine from all others; empty where the system does not say.
fn boot_id() -> String {
    let read = fs::read_to_string("/proc/sys/kernel/random/boot_id");
    read.map(|id| id.trim().to_owned()).unwrap_or_default()
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
        let holder = RunLock::holder(&path).unwrap();
        assert_eq!(holder.process, Some(std::process::id()));
        assert!(holder.lives && !holder.rebooted, "{holder:?}");
        drop(held);
        assert_eq!(RunLock::owner(&path), None);
        let last = RunLock::holder(&path).unwrap();
        assert_eq!(
            (last.owner.as_str(), last.lives),
            ("ann on bastion1", false)
        );
        #[expect(
            clippy::disallowed_methods,
            reason = "a lock of another boot, or of an older stagger"
        )]
        for (text, rebooted) in [("ann\nprocess 7\nboot x\n", true), ("ann\n", false)] {
            fs::write(&path, text).unwrap();
            let last = RunLock::holder(&path).unwrap();
            assert_eq!((last.owner.as_str(), last.rebooted), ("ann", rebooted));
        }
        RunLock::take(&path, "r1", "bob").unwrap();
    }
}
