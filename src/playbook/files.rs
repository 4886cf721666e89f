//! Where the files of playbooks and roles come from; `cli` hands it in.

use std::fmt::Debug;

use crate::secrets::Vault;

/// What a path names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileKind {
    /// A file.
    File,
    /// A directory.
    Directory,
}

/// The files that a playbook can name: those on disk first, then those inside the binary; or those that a run froze.
pub trait Files: Send + Sync + Debug {
    /// Reads a whole file; the error is a reason for people ("permission denied").
    fn read(&self, path: &str) -> Result<Vec<u8>, String>;

    /// Says what a path names, if anything.
    fn kind(&self, path: &str) -> Option<FileKind>;

    /// Lists the names in a directory, sorted; empty if it is none.
    fn list(&self, directory: &str) -> Vec<String>;

    /// Returns what opens values that are encrypted one by one; a whole file that is encrypted is opened by `read`.
    fn vault(&self) -> Option<&Vault> {
        None
    }

    /// Says whether a file came with stagger, so that more is demanded of it.
    fn is_shipped(&self, path: &str) -> bool {
        let _ = path;
        false
    }
}

/// Joins a path to a directory, unless it is absolute, and takes out `.` and `..`.
pub fn join(directory: &str, path: &str) -> String {
    let whole = if path.starts_with('/') || directory.is_empty() {
        path.to_owned()
    } else {
        format!("{directory}/{path}")
    };
    let mut parts: Vec<&str> = Vec::new();
    for part in whole.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            ".." if whole.starts_with('/') => {}
            other => parts.push(other),
        }
    }
    let joined = parts.join("/");
    match (whole.starts_with('/'), joined.is_empty()) {
        (true, _) => format!("/{joined}"),
        (false, true) => ".".to_owned(),
        (false, false) => joined,
    }
}

/// Returns the directory of a path, `.` if it names none.
pub fn directory_of(path: &str) -> &str {
    match path.rsplit_once('/') {
        Some(("", _)) => "/",
        Some((directory, _)) => directory,
        None => ".",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_joined_and_cleaned() {
        for (directory, path, expected) in [
            ("roles/a/tasks", "x.yml", "roles/a/tasks/x.yml"),
            ("roles/a/tasks", "../files/x", "roles/a/files/x"),
            ("roles", "/etc/x", "/etc/x"),
            (".", "site.yml", "site.yml"),
            ("", "./site.yml", "site.yml"),
            ("a", "../../b", "../b"),
            ("/", "../b", "/b"),
            ("a", "..", "."),
        ] {
            assert_eq!(join(directory, path), expected, "{directory} + {path}");
        }
        assert_eq!(directory_of("a/b.yml"), "a");
        assert_eq!(directory_of("b.yml"), ".");
        assert_eq!(directory_of("/b.yml"), "/");
    }
}
