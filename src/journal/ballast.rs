//! A file that takes space away so that it can be given back: the journal's last reserve on a full disk.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use rustix::fs::{FallocateFlags, fallocate};

use super::JournalError;

/// How much space is kept back: enough for the leaves and the outcomes of any run.
pub const BALLAST_BYTES: u64 = 64 * 1024 * 1024;

/// The ballast file of a state directory.
#[derive(Debug, Clone)]
pub struct Ballast {
    path: PathBuf,
}

impl Ballast {
    /// Names the file; nothing is made yet.
    pub fn new(directory: &Path) -> Self {
        Self {
            path: directory.join("ballast"),
        }
    }

    /// Makes the file as long as it should be, with its space really taken.
    pub fn take_on(&self, bytes: u64) -> Result<(), JournalError> {
        let fail = |error: io::Error| JournalError::Io {
            what: "make the ballast file",
            path: self.path.clone(),
            reason: error.to_string(),
        };
        if fs::metadata(&self.path).is_ok_and(|found| found.len() >= bytes) {
            return Ok(());
        }
        let mut options = OpenOptions::new();
        let file = options.write(true).create(true).truncate(false);
        let mut file = file.open(&self.path).map_err(fail)?;
        match fallocate(&file, FallocateFlags::empty(), 0, bytes) {
            Ok(()) => {}
            Err(rustix::io::Errno::NOSPC) => {
                self.give_up();
                return Err(JournalError::Full {
                    path: self.path.clone(),
                });
            }
            Err(_) => fill(&mut file, bytes).map_err(fail)?,
        }
        file.sync_all().map_err(fail)
    }

    /// Gives the space back; returns whether there was any to give.
    pub fn give_up(&self) -> bool {
        fs::remove_file(&self.path).is_ok()
    }

    /// Tries to write; when the disk is full, gives up the ballast and tries once more.
    ///
    /// The flag tells whether the ballast was given up.
    pub(super) fn with<T>(
        &self,
        mut attempt: impl FnMut() -> Result<T, JournalError>,
    ) -> Result<(T, bool), JournalError> {
        match attempt() {
            Err(JournalError::Full { path }) => {
                if self.give_up() {
                    Ok((attempt()?, true))
                } else {
                    Err(JournalError::Full { path })
                }
            }
            Ok(done) => Ok((done, false)),
            Err(error) => Err(error),
        }
    }
}

/// Writes zeros, for file systems that cannot allocate without writing.
fn fill(file: &mut File, bytes: u64) -> io::Result<()> {
    let block = vec![0; 1024 * 1024];
    let mut left = bytes;
    while left > 0 {
        let part = usize::try_from(left).unwrap_or(usize::MAX).min(block.len());
        file.write_all(block.get(..part).unwrap_or_default())?;
        left -= part as u64;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn full() -> JournalError {
        JournalError::Full {
            path: PathBuf::from("x"),
        }
    }

    #[test]
    fn the_ballast_takes_space_and_is_given_up_once() {
        let directory = tempfile::tempdir().unwrap();
        let ballast = Ballast::new(directory.path());
        ballast.take_on(3 * 1024 * 1024 + 5).unwrap();
        let found = fs::metadata(directory.path().join("ballast")).unwrap();
        assert_eq!(found.len(), 3 * 1024 * 1024 + 5);
        let taken = std::os::unix::fs::MetadataExt::blocks(&found) * 512;
        assert!(taken >= found.len(), "only {taken} bytes are really taken");

        let mut tries = 0;
        let mut once_full = || {
            tries += 1;
            if tries == 1 { Err(full()) } else { Ok(tries) }
        };
        assert_eq!(ballast.with(&mut once_full).unwrap(), (2, true));
        assert!(!directory.path().join("ballast").exists());
        let again = ballast.with(|| -> Result<(), _> { Err(full()) });
        assert!(matches!(again, Err(JournalError::Full { .. })));
    }
}
