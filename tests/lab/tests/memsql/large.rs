//! A large cluster is looked at quickly and in little memory: 64 leaves, 2,000 partitions.

use std::path::{Component, Path, PathBuf};
use std::time::{Duration, SystemTime};

use lab::command::{Command, Exit, Running};
use lab::{clock, files};
use serde_json::{Value, json};

use crate::harness::{Case, case};
use crate::servers::{Cluster, does, on_one_thread};
use crate::stack::program;

pub(crate) fn cases() -> Vec<Case> {
    vec![
        case(
            "large: a large cluster is looked at quickly",
            a_large_cluster_is_looked_at_quickly,
        )
        .timed(),
    ]
}

const LEAVES: usize = 64;
const PARTITIONS: usize = 2_000;
/// What a released program may take; one with debugging in it takes longer.
const LIMIT_MS: u64 = 1_000;
const DEBUG_LIMIT_MS: u64 = 10_000;
const LIMIT_KB: u64 = 100_000;

fn a_large_cluster_is_looked_at_quickly() {
    on_one_thread(async {
        let cluster = Cluster::up(LEAVES).await;
        does(
            &cluster.master.at,
            &format!("CREATE DATABASE big PARTITIONS {PARTITIONS}"),
        )
        .await;
        let home = tempfile::tempdir().unwrap();
        let playbook = json!([{ "hosts": "all", "gather_facts": false, "tasks": [
            {"name": "look", "register": "seen", "memsql_info": {"master": cluster.master.at.to_string(), "ops": false}},
            {"assert": {"that": ["seen.servers.ok", "seen.redundancy.ok", "seen.status.ok", "seen.leaves | length == 64",
                "seen.led_by.values() | sum == 2004"], "fail_msg": "{{ seen.servers }} {{ seen.redundancy.problems[:3] }}"}},
        ]}]);
        files::write(&home.path().join("look.yml"), playbook.to_string(), 0o644).unwrap();
        let (program, limit_ms) = judged();
        let command = Command::new(&program)
            .args([
                "apply",
                "look.yml",
                "-i",
                "localhost,",
                "-e",
                "ansible_connection=local",
                "--state",
                "state",
            ])
            .args(["--events", "events.ndjson"])
            .env("HOME", home.path())
            .directory(home.path());
        let mut running = command.start().unwrap();
        let (exit, most_kb) = watched(&mut running);
        let (out, err) = running.said();
        assert_eq!(exit.to_string(), "exit code 0", "{out}{err}");
        let events = files::read(&home.path().join("events.ndjson")).unwrap();
        let events = events
            .lines()
            .filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let look = events.into_iter().find(|event| {
            event["event"] == json!("step_finished") && event["name"] == json!("look")
        });
        let took_ms = look.unwrap()["took_ms"].as_u64().unwrap();
        println!(
            "memsql_info on {LEAVES} leaves and {PARTITIONS} partitions: {took_ms} ms, {most_kb} kB ({})",
            program.display()
        );
        assert!(
            took_ms < limit_ms && most_kb < LIMIT_KB,
            "{took_ms} ms, {most_kb} kB"
        );
    });
}

/// Returns the program that is judged, and how long it may take: the one that was built as it is released, where there is
/// one; else the one of the tests, which takes longer.
fn judged() -> (PathBuf, u64) {
    let program = program();
    let is_debug = |part: Component<'_>| part.as_os_str() == "debug";
    if !program.components().any(is_debug) {
        return (program.to_owned(), LIMIT_MS);
    }
    let released: PathBuf = program
        .components()
        .map(|part| {
            if is_debug(part) {
                Component::Normal("release".as_ref())
            } else {
                part
            }
        })
        .collect();
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../src");
    if made(&released).is_some_and(|made| made >= newest(&sources)) {
        (released, LIMIT_MS)
    } else {
        (program.to_owned(), DEBUG_LIMIT_MS)
    }
}

fn made(path: &Path) -> Option<SystemTime> {
    path.metadata().and_then(|known| known.modified()).ok()
}

/// Returns when the newest of the files below a directory was written: a program that is older is of another tree.
fn newest(directory: &Path) -> SystemTime {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    let of = entries.map(|entry| {
        let path = entry.path();
        if path.is_dir() {
            newest(&path)
        } else {
            made(&path).unwrap_or(SystemTime::UNIX_EPOCH)
        }
    });
    of.max().unwrap_or(SystemTime::UNIX_EPOCH)
}

/// Waits for the end of a program; returns it with the most that it had in memory.
fn watched(running: &mut Running) -> (Exit, u64) {
    let mut most_kb = 0;
    loop {
        most_kb = most_kb.max(memory_kb(running.pid()));
        if let Some(exit) = running.ended().unwrap() {
            return (exit, most_kb);
        }
        clock::pause(Duration::from_millis(5));
    }
}

/// The most that a process has had in memory.
fn memory_kb(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok())
        .unwrap_or(0)
}
