//! A fault run that is killed leaves nothing behind: its servers end with it, and their files go.

use std::path::PathBuf;
use std::time::Duration;

use lab::clock::{self, Look};
use lab::command::Command;
use rustix::process::Signal;

use crate::harness::{Case, case};
use crate::stack::program;

/// Returns what the programs that a process owns say of the directory of their cluster, one for each program.
fn owned_by(pid: u32) -> Vec<PathBuf> {
    let of = format!("\"pid\":{pid},");
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let told = processes.filter_map(|process| {
        // Many of them are gone before they are looked at.
        let told = std::fs::read(process.path().join("environ")).ok()?;
        let told = String::from_utf8_lossy(&told).into_owned();
        let owner = told.split('\0').find(|one| one.starts_with("LAB_OWNER="))?;
        let directory = |one: &str| one.strip_prefix("LAB_OWNED=").map(PathBuf::from);
        told.split('\0')
            .find_map(directory)
            .filter(|_| owner.contains(&of))
    });
    told.collect()
}

fn until(what: &str, look: impl Fn() -> bool) {
    let met = clock::wait(Duration::from_secs(40), || {
        Ok::<_, ()>(if look() {
            Look::Done(())
        } else {
            Look::NotYet(String::new())
        })
    });
    assert!(matches!(met, Ok(Ok(()))), "never: {what}");
}

fn nothing_is_left(signal: Signal) {
    let mut running = Command::new(env!("CARGO_BIN_EXE_lab"))
        .args(["faults", "memsql", "--only", "kill-9", "--at-once", "1"])
        .arg("--program")
        .arg(program())
        .start()
        .unwrap();
    let pid = running.pid();
    // Two agents, two aggregators, four leaves.
    until("its cluster stands", || owned_by(pid).len() >= 8);
    let directories = owned_by(pid);
    running.signal(signal);
    running.wait(Duration::from_mins(1)).unwrap();
    until("its servers have ended", || owned_by(pid).is_empty());
    for directory in directories {
        let what = format!("{} is gone", directory.display());
        until(&what, || !directory.exists());
    }
}

pub(crate) fn cases() -> Vec<Case> {
    let one = |name: &str, signal| case(name, move || nothing_is_left(signal));
    vec![
        one("orphans: a fault run that is killed", Signal::KILL),
        one("orphans: a fault run that is told to end", Signal::TERM),
    ]
}
