//! What the inventory may ask of the machine that stagger runs on; `cli` hands it in.

use std::fmt::Debug;

use crate::secrets::Vault;

/// What stands at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A file.
    File {
        /// Whether it may be run.
        executable: bool,
    },
    /// A directory.
    Directory,
}

/// What a program printed and how it ended.
#[derive(Debug, Clone, Default)]
pub struct Output {
    /// Whether it ended with exit code 0.
    pub success: bool,
    /// How it ended, for people: "exit code 3", "signal 9".
    pub end: String,
    /// Its standard output.
    pub stdout: Vec<u8>,
    /// Its standard error.
    pub stderr: Vec<u8>,
}

/// Files, directories and programs, by the path as the user typed it or as it was joined from that.
pub trait Files: Send + Sync + Debug {
    /// Returns what stands at a path, if anything.
    fn kind(&self, path: &str) -> Option<Kind>;

    /// Reads a whole file; the error is a reason for people ("permission denied").
    fn read(&self, path: &str) -> Result<Vec<u8>, String>;

    /// Lists the names in a directory, in any order; the error is a reason for people.
    fn list(&self, directory: &str) -> Result<Vec<String>, String>;

    /// Runs a program and waits for its end; the error says why it could not be started.
    fn run(&self, program: &str, arguments: &[&str]) -> Result<Output, String>;

    /// Returns what opens values that are encrypted one by one; a whole file that is encrypted is opened by `read`.
    fn vault(&self) -> Option<&Vault> {
        None
    }
}

/// Joins a directory and a name.
pub(super) fn join(directory: &str, name: &str) -> String {
    match directory {
        "" | "." => name.to_owned(),
        _ => format!("{}/{name}", directory.trim_end_matches('/')),
    }
}

/// Returns the directory that a file is in, `.` for a bare name.
pub fn directory_of(path: &str) -> &str {
    match path.rsplit_once('/') {
        Some(("", _)) => "/",
        Some((directory, _)) => directory,
        None => ".",
    }
}

/// Splits the extension off a name as Python does: `.hidden` has none.
pub(super) fn extension(name: &str) -> &str {
    match name.rfind('.') {
        Some(dot)
            if !name
                .get(..dot)
                .unwrap_or_default()
                .trim_matches('.')
                .is_empty() =>
        {
            name.get(dot..).unwrap_or_default()
        }
        Some(_) | None => "",
    }
}
