//! Who a fleet belongs to: a process, told apart from a later one with the same number.
//!
//! A fleet whose owner is gone is nobody's and is taken down by whoever finds it. One that is
//! kept on purpose belongs to the boot of the machine that it was made in.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::files;

/// A process of this machine, or the machine's boot alone for a fleet that is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owner {
    /// The machine's boot.
    pub boot_id: String,
    /// The process; none if the fleet is kept until somebody takes it down.
    pub process: Option<Process>,
}

/// A process by its number and the moment of its start, in the kernel's ticks since boot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Process {
    /// Its number.
    pub pid: u32,
    /// When it started.
    pub start: u64,
}

impl Owner {
    /// Returns this process as an owner, or the boot alone.
    pub fn here(kept: bool) -> Result<Self, files::Error> {
        let boot_id = boot_id()?;
        let own = Process {
            pid: std::process::id(),
            start: start_of(std::process::id())?.unwrap_or_default(),
        };
        Ok(Self {
            boot_id,
            process: (!kept).then_some(own),
        })
    }

    /// Tells whether the owner is still there.
    pub fn is_alive(&self) -> Result<bool, files::Error> {
        if self.boot_id != boot_id()? {
            return Ok(false);
        }
        match self.process {
            None => Ok(true),
            Some(process) => Ok(start_of(process.pid)? == Some(process.start)),
        }
    }
}

fn boot_id() -> Result<String, files::Error> {
    let text = files::read(Path::new("/proc/sys/kernel/random/boot_id"))?;
    Ok(text.trim().to_owned())
}

/// Returns when a process started, or nothing if there is none or only its shell of a zombie.
fn start_of(pid: u32) -> Result<Option<u64>, files::Error> {
    let path = format!("/proc/{pid}/stat");
    Ok(files::read_if_there(Path::new(&path))?.and_then(|stat| start_in(&stat)))
}

/// Reads the start time from the text of `/proc/PID/stat`.
///
/// The second field is the program's name in brackets and may hold anything, brackets too.
fn start_in(stat: &str) -> Option<u64> {
    let (_, after_name) = stat.rsplit_once(')')?;
    let mut fields = after_name.split_whitespace();
    if fields.next()? == "Z" {
        return None;
    }
    // The state is the third field of the whole line, the start time the twenty-second.
    fields.nth(22 - 3 - 1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const REST: &str = "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 4711 20 21";

    #[test]
    fn the_start_time_is_found_behind_any_name() {
        let cases = [
            ("7 (sh) S", Some(4711)),
            ("7 (a b) c) R", Some(4711)),
            ("7 (sh) Z", None),
            ("7 sh S", None),
        ];
        for (begin, start) in cases {
            assert_eq!(start_in(&format!("{begin} {REST}")), start, "{begin}");
        }
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_process_is_alive_until_it_ends_and_its_number_alone_proves_nothing() {
        let own = Owner::here(false).unwrap();
        assert!(own.is_alive().unwrap());
        let mut later = own.clone();
        later.process.as_mut().unwrap().start += 1;
        assert!(!later.is_alive().unwrap(), "another process, same number");
        let mut kept = Owner::here(true).unwrap();
        assert!(kept.is_alive().unwrap());
        kept.boot_id = "another".to_owned();
        assert!(!kept.is_alive().unwrap(), "the machine was restarted");
    }
}
