//! Runs beside each other: of those that protect a cluster only one goes on at a time on any host, as far as they are
//! started on this machine and kept in one state directory.
//!
//! Each keeps the names of its hosts beside its lock. Who begins or goes on reads those of all runs whose lock is held;
//! two that begin at the same moment do so one after the other. The cluster's own lock is the roles', and judges runs of
//! other machines.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::{JournalError, RunLock};

/// The file in a run's directory with its hosts, one a line.
const HOSTS: &str = "hosts";

/// Lets one process at a time begin a run; it ends with the value.
#[derive(Debug)]
pub(super) struct Alone {
    _file: File,
}

fn failed(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> JournalError {
    let path = path.to_owned();
    move |error| JournalError::Io {
        what,
        path,
        reason: error.to_string(),
    }
}

/// Waits until no other process begins a run.
pub(super) fn alone(state: &Path) -> Result<Alone, JournalError> {
    let path = state.join("beginning");
    let file = File::create(&path).map_err(failed("make", &path))?;
    file.lock().map_err(failed("lock", &path))?;
    Ok(Alone { _file: file })
}

/// Writes down which hosts a run protects.
pub(super) fn write(directory: &Path, hosts: &[String]) -> Result<(), JournalError> {
    let path = directory.join(HOSTS);
    let write = || -> io::Result<()> {
        let mut file = File::create(&path)?;
        for host in hosts {
            writeln!(file, "{host}")?;
        }
        file.sync_all()
    };
    write().map_err(failed("write", &path))
}

/// Reads which hosts a run protects.
pub(super) fn read(directory: &Path) -> Vec<String> {
    let text = fs::read_to_string(directory.join(HOSTS)).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

/// A run that protects one of some hosts.
#[derive(Debug)]
struct Other {
    run: String,
    host: String,
    owner: Option<String>,
}

/// Finds the other runs that protect one of these hosts.
fn others(runs: &Path, own: &str, hosts: &[String]) -> Vec<Other> {
    if hosts.is_empty() {
        return Vec::new();
    }
    let entries = fs::read_dir(runs).into_iter().flatten();
    let directories: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .collect();
    let mut found: Vec<Other> = directories
        .iter()
        .filter_map(|directory| {
            let run = directory.file_name()?.to_str()?.to_owned();
            let host = read(directory)
                .into_iter()
                .find(|host| hosts.contains(host))?;
            let owner = RunLock::owner(&directory.join("lock"));
            (run != own).then_some(Other { run, host, owner })
        })
        .collect();
    found.sort_by(|a, b| a.run.cmp(&b.run));
    found
}

/// Refuses where another run goes on that protects one of these hosts.
pub(super) fn refuse(runs: &Path, own: &str, hosts: &[String]) -> Result<(), JournalError> {
    for Other { run, host, owner } in others(runs, own, hosts) {
        if let Some(owner) = owner {
            return Err(JournalError::Busy { run, owner, host });
        }
    }
    Ok(())
}

/// Names the other runs that protected one of these hosts and that no process works on.
pub(super) fn stopped(runs: &Path, own: &str, hosts: &[String]) -> Vec<String> {
    let others = others(runs, own, hosts).into_iter();
    others
        .filter(|other| other.owner.is_none())
        .map(|other| other.run)
        .collect()
}
