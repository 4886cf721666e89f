//! One server's process: a child of this starter, or one that it found running.

use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use tokio::process::{Child, Command};

/// A process.
#[derive(Debug)]
pub enum Process {
    /// It was started here.
    Child(Box<Child>, u32),
    /// It was running already; its end is found by asking for it once a second.
    Adopted(u32),
}

impl Process {
    /// Starts a program with its arguments; it goes on when the starter is killed.
    pub fn start(line: &[String]) -> std::io::Result<Self> {
        let (program, args) = line
            .split_first()
            .ok_or_else(|| std::io::Error::other("no program is named"))?;
        let child = Command::new(program)
            .args(args)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        let pid = child.id().unwrap_or(0);
        Ok(Self::Child(Box::new(child), pid))
    }

    /// Returns its number.
    pub fn pid(&self) -> u32 {
        match self {
            Self::Child(_, pid) | Self::Adopted(pid) => *pid,
        }
    }

    /// Waits until it has ended; returns its exit code, which only a parent learns.
    pub async fn wait(&mut self, poll: Duration) -> Option<i32> {
        match self {
            Self::Child(child, _) => child.wait().await.ok().and_then(|status| status.code()),
            Self::Adopted(pid) => {
                while is_alive(*pid) {
                    tokio::time::sleep(poll).await;
                }
                None
            }
        }
    }
}

/// Returns the number of the process that holds a data directory, if that process is alive.
///
/// The file outlives a killed process, and numbers come again: the process that is found may
/// be any.
pub fn holder_of(data: &Path) -> Option<u32> {
    let text = fs::read_to_string(data.join("LOCK")).ok()?;
    let pid: u32 = text.parse().ok()?;
    is_alive(pid).then_some(pid)
}

fn number(pid: u32) -> Option<Pid> {
    Pid::from_raw(i32::try_from(pid).ok()?)
}

/// Tells whether there is a process with a number.
pub fn is_alive(pid: u32) -> bool {
    number(pid).is_some_and(|pid| test_kill_process(pid).is_ok())
}

/// Sends a signal.
pub fn signal(pid: u32, signal: Signal) {
    if let Some(pid) = number(pid) {
        // A process that is gone does not need a signal.
        kill_process(pid, signal).ok();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::files;

    #[test]
    fn only_a_living_process_holds_a_directory() {
        let dir = tempfile::tempdir().unwrap();
        let lock = dir.path().join("LOCK");
        let own = std::process::id();
        assert_eq!(holder_of(dir.path()), None, "no file");
        for (text, holder) in [
            (own.to_string(), Some(own)),
            ("999999999".to_owned(), None),
            ("nonsense".to_owned(), None),
            (format!("{own}\n"), None),
        ] {
            files::replace(&lock, text.as_bytes(), 0o644).unwrap();
            assert_eq!(holder_of(dir.path()), holder, "{text:?}");
        }
    }
}
