//! The starter's log: to the console and to `arangodb.log`.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use crate::sim::{effects, time};

/// Where the starter says what it does.
#[derive(Debug, Clone)]
pub struct Log {
    console: bool,
    file: Arc<Mutex<Option<File>>>,
}

impl Log {
    /// Opens the log; a file that cannot be opened is left out.
    pub fn open(path: Option<&Path>, console: bool) -> Self {
        let file =
            path.and_then(|path| OpenOptions::new().create(true).append(true).open(path).ok());
        Self {
            console,
            file: Arc::new(Mutex::new(file)),
        }
    }

    fn write(&self, level: &str, text: &str) {
        let line = format!(
            "{} |{level}| {text} component=arangodb",
            time::iso(time::unix_ms())
        );
        if self.console {
            effects::eprint_line(&line);
        }
        if let Some(file) = &mut *self.file.lock().unwrap_or_else(PoisonError::into_inner) {
            drop(writeln!(file, "{line}"));
        }
    }

    /// Writes what is worth knowing.
    pub fn info(&self, text: &str) {
        self.write("INFO", text);
    }

    /// Writes what may be wrong.
    pub fn warn(&self, text: &str) {
        self.write("WARN", text);
    }

    /// Writes what is wrong.
    pub fn error(&self, text: &str) {
        self.write("ERROR", text);
    }

    /// Writes what ends the starter.
    pub fn fatal(&self, text: &str) {
        self.write("FATAL", text);
    }
}
