//! The log of one server, in the form of its version, reopened on SIGHUP.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use crate::sim::{effects, time};

/// A log file, or the standard error stream where none is named.
#[derive(Debug, Clone)]
pub struct Log {
    path: Option<PathBuf>,
    file: Arc<Mutex<Option<File>>>,
}

impl Log {
    /// Opens the log; its directory must be there.
    pub fn open(path: Option<&Path>) -> io::Result<Self> {
        let log = Self {
            path: path.map(Path::to_owned),
            file: Arc::new(Mutex::new(None)),
        };
        log.reopen()?;
        Ok(log)
    }

    /// Opens the file anew, after it was moved away.
    pub fn reopen(&self) -> io::Result<()> {
        let opened = match &self.path {
            Some(path) => Some(OpenOptions::new().create(true).append(true).open(path)?),
            None => None,
        };
        *self.file.lock().unwrap_or_else(PoisonError::into_inner) = opened;
        Ok(())
    }

    /// Writes a line at the given level.
    pub fn write(&self, level: &str, text: &str) {
        let at = time::iso(time::unix_ms());
        let line = format!("{at} [{}] {level} {text}\n", std::process::id());
        let file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        match &*file {
            Some(file) => {
                let mut file: &File = file;
                drop(file.write_all(line.as_bytes()));
            }
            None => effects::eprint_line(line.trim_end()),
        }
    }

    /// Writes what is worth knowing.
    pub fn info(&self, text: &str) {
        self.write("INFO", text);
    }

    /// Writes what may be wrong.
    pub fn warn(&self, text: &str) {
        self.write("WARNING", text);
    }

    /// Writes what is wrong.
    pub fn error(&self, text: &str) {
        self.write("ERROR", text);
    }

    /// Writes what ends the server, here and on the standard error stream.
    pub fn fatal(&self, text: &str) {
        self.write("FATAL", text);
        if self.path.is_some() {
            effects::eprint_line(&format!("FATAL {text}"));
        }
    }
}
