//! The lab's own files: written, read and removed with an error that names the path.
//!
//! What another process may read at any moment is written under a temporary name and renamed,
//! so that it is there whole or not at all. Nothing here follows a path into a host that is
//! running: that is `fleet::Host`'s.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

/// An access to a file that failed.
#[derive(Debug, thiserror::Error)]
#[error("cannot {what} {}: {source}", path.display())]
pub struct Error {
    what: &'static str,
    path: PathBuf,
    source: io::Error,
}

fn failed(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Error {
    let path = path.to_owned();
    move |source| Error { what, path, source }
}

/// Makes a directory and what is missing above it.
pub fn make_directory(path: &Path) -> Result<(), Error> {
    fs::create_dir_all(path).map_err(failed("make the directory", path))
}

/// Reads a text.
pub fn read(path: &Path) -> Result<String, Error> {
    fs::read_to_string(path).map_err(failed("read", path))
}

/// Reads bytes.
pub fn read_bytes(path: &Path) -> Result<Vec<u8>, Error> {
    fs::read(path).map_err(failed("read", path))
}

/// Returns the path by which a file is found from any directory.
pub fn absolute(path: &Path) -> Result<PathBuf, Error> {
    std::path::absolute(path).map_err(failed("find", path))
}

/// Reads a text, if the file is there.
pub fn read_if_there(path: &Path) -> Result<Option<String>, Error> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(failed("read", path)(error)),
    }
}

/// Writes a file with a mode, making the directories above it; it is there whole or not at all.
pub fn write(path: &Path, content: impl AsRef<[u8]>, mode: u32) -> Result<(), Error> {
    if let Some(parent) = path.parent() {
        make_directory(parent)?;
    }
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(format!(".{}.new", std::process::id()));
    let temporary = PathBuf::from(temporary);
    plain_write(&temporary, content.as_ref())?;
    fs::set_permissions(&temporary, fs::Permissions::from_mode(mode))
        .map_err(failed("set the mode of", &temporary))?;
    rename(&temporary, path)
}

/// Writes to a file that the kernel offers, in one write and in place.
pub fn tell_kernel(path: &Path, content: &str) -> Result<(), Error> {
    plain_write(path, content.as_bytes())
}

/// Gives a file another name.
#[expect(
    clippy::disallowed_methods,
    reason = "the lab's files need not outlive the machine, only other processes"
)]
pub fn rename(from: &Path, to: &Path) -> Result<(), Error> {
    fs::rename(from, to).map_err(failed("rename to", to))
}

/// Removes a file or a link, if it is there.
pub fn remove(path: &Path) -> Result<(), Error> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed("remove", path)(error)),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Returns the names in a directory, sorted; none if it is not there.
pub fn names(path: &Path) -> Result<Vec<String>, Error> {
    let entries = match fs::read_dir(path) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed("list", path)(error)),
    };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry.map_err(failed("list", path))?;
        names.push(entry.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names)
}

/// Opens a lock file, making it where it is missing, and waits until the lock is ours.
pub fn lock(path: &Path) -> Result<fs::File, Error> {
    if let Some(parent) = path.parent() {
        make_directory(parent)?;
    }
    let file = fs::OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(path)
        .map_err(failed("open", path))?;
    file.lock().map_err(failed("lock", path))?;
    Ok(file)
}

#[expect(
    clippy::disallowed_methods,
    reason = "the lab's files need not outlive the machine, only other processes"
)]
fn plain_write(path: &Path, content: &[u8]) -> Result<(), Error> {
    fs::write(path, content).map_err(failed("write", path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_written_with_its_mode_and_leaves_nothing_beside_it() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("a/b/key");
        write(&path, "one", 0o600).unwrap();
        write(&path, "two", 0o640).unwrap();
        assert_eq!(read(&path).unwrap(), "two");
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o7777, 0o640);
        assert_eq!(names(&place.path().join("a/b")).unwrap(), ["key"]);
    }

    #[test]
    fn what_is_missing_is_told_apart_from_what_cannot_be_read() {
        let place = tempfile::tempdir().unwrap();
        assert_eq!(read_if_there(&place.path().join("no")).unwrap(), None);
        assert!(names(&place.path().join("no")).unwrap().is_empty());
        remove(&place.path().join("no")).unwrap();
        let error = read_if_there(place.path()).unwrap_err().to_string();
        assert!(error.starts_with("cannot read /"), "{error}");
    }
}
