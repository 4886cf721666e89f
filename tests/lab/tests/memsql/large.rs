//! A large cluster is looked at quickly and in little memory: 64 leaves, 2,000 partitions; alone, and with what Ops knows.

use std::path::{Component, Path, PathBuf};
use std::time::{Duration, SystemTime};

use lab::command::{Command, Exit, Running};
use lab::sim::memsql::Address;
use lab::sim::memsql::ops::state::{Agent, Installable, Known, Server};
use lab::{clock, files};
use serde_json::{Value, json};

use crate::harness::{Case, case};
use crate::servers::{Cluster, NEW, OLD, does, on_one_thread};
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
/// How often it is looked until once was quick enough: another program may have had the processors.
const LOOKS: usize = 5;

fn a_large_cluster_is_looked_at_quickly() {
    on_one_thread(async {
        let cluster = Cluster::up(LEAVES).await;
        does(
            &cluster.master.at,
            &format!("CREATE DATABASE big PARTITIONS {PARTITIONS}"),
        )
        .await;
        let home = tempfile::tempdir().unwrap();
        let master = cluster.master.at.to_string();
        let (program, limit_ms) = judged();
        let all = "seen.servers.ok and seen.redundancy.ok and seen.status.ok and seen.leaves | length == 64 and \
            seen.led_by.values() | sum == 2004";
        let alone = json!({"master": master, "ops": false});
        let look = |what: &Value, judged: &str| {
            let looks = (0..LOOKS).map(|_| look(&program, home.path(), what, judged));
            let (mut least_ms, mut most_kb) = (u64::MAX, 0);
            for (took_ms, kb) in looks {
                (least_ms, most_kb) = (least_ms.min(took_ms), most_kb.max(kb));
                if least_ms < limit_ms {
                    break;
                }
            }
            (least_ms, most_kb)
        };
        let (took_ms, most_kb) = look(&alone, all);
        assert!(
            took_ms < limit_ms && most_kb < LIMIT_KB,
            "{took_ms} ms, {most_kb} kB"
        );
        // The program of Ops answers at once here: what it takes in the field is not stagger's.
        let ops = ops_of(&cluster, home.path());
        let with_ops =
            json!({"master": master, "to": NEW, "ops_program": ops.display().to_string()});
        let judged =
            format!("{all} and seen.ops.ok and seen.nodes.ok and seen.target.ok and seen.file.ok");
        let (took_ms, most_kb) = look(&with_ops, &judged);
        assert!(
            took_ms < limit_ms && most_kb < LIMIT_KB,
            "with Ops {took_ms} ms, {most_kb} kB"
        );
    });
}

/// Looks once, judges what was seen, and prints and returns how many milliseconds and how much memory it took.
fn look(program: &Path, home: &Path, arguments: &Value, judged: &str) -> (u64, u64) {
    let playbook = json!([{ "hosts": "all", "gather_facts": false, "tasks": [
        {"name": "look", "register": "seen", "memsql_info": arguments},
        {"assert": {"that": [judged], "fail_msg": "{{ seen.servers }} {{ seen.redundancy.problems[:3] }} {{ seen.nodes | default('') }} \
            {{ seen.ops | default('') }} {{ seen.target | default('') }}"}},
    ]}]);
    files::write(&home.join("look.yml"), playbook.to_string(), 0o644).unwrap();
    files::write(&home.join("events.ndjson"), "", 0o644).unwrap();
    let line = "apply look.yml -i localhost, -e ansible_connection=local --state state --events events.ndjson";
    let command = Command::new(program)
        .args(line.split(' '))
        .env("HOME", home)
        .directory(home);
    let mut running = command.start().unwrap();
    let (exit, most_kb) = watched(&mut running);
    let (out, err) = running.said();
    assert_eq!(exit.to_string(), "exit code 0", "{out}{err}");
    let events = files::read(&home.join("events.ndjson")).unwrap();
    let events = events
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let look = events
        .into_iter()
        .find(|event| event["event"] == json!("step_finished") && event["name"] == json!("look"));
    let took_ms = look.unwrap()["took_ms"].as_u64().unwrap();
    let ops = if arguments.get("ops").is_none() {
        ", with the nodes, agents and files of Ops"
    } else {
        ""
    };
    println!(
        "memsql_info on {LEAVES} leaves and {PARTITIONS} partitions{ops}: {took_ms} ms, {most_kb} kB ({})",
        program.display()
    );
    (took_ms, most_kb)
}

/// Writes a program that says what Ops would say of a cluster: an agent for each two leaves, all files everywhere.
fn ops_of(cluster: &Cluster, home: &Path) -> PathBuf {
    let agent = |number: usize| Agent {
        agent_id: format!("A{number:032x}"),
        host: format!("10.0.0.{number}"),
        primary: number == 0,
        offline: false,
    };
    let known = |number: usize, (role, at, group): (&str, &Address, Option<u8>)| Server {
        memsql_id: format!("{number:040X}"),
        agent_id: format!("A{:032x}", number / 2),
        role: role.to_owned(),
        host: at.host.clone(),
        port: at.port,
        group,
        directory: String::new(),
        unmonitored: false,
        version: OLD.to_owned(),
        runs: true,
        answers: true,
        connected: true,
        down_since_ms: None,
        busy: false,
    };
    let leaves = cluster.leaves.iter().enumerate();
    let leaves =
        leaves.map(|(n, leaf)| ("LEAF", &leaf.at, Some(if n * 2 < LEAVES { 1 } else { 2 })));
    let aggregators = [
        ("MASTER", &cluster.master.at, None),
        ("AGGREGATOR", &cluster.child.at, None),
    ];
    let all = aggregators.into_iter().chain(leaves);
    let known = Known {
        agents: (0..=LEAVES / 2).map(agent).collect(),
        servers: all
            .enumerate()
            .map(|(number, one)| known(number, one))
            .collect(),
        files: vec![Installable {
            version: NEW.to_owned(),
            hash: "0".repeat(40),
        }],
        manual_control: false,
    };
    for (name, list) in [
        ("nodes", known.servers_json(None, false)),
        ("agents", known.agents_json("5.7.1")),
        ("files", known.files_json(None)),
    ] {
        files::write(&home.join(name), format!("{list:#}"), 0o644).unwrap();
    }
    let script = "#!/bin/sh\ncd \"$(dirname \"$0\")\" && case \"$1\" in memsql-list) cat nodes;; agent-list) cat agents;; \
        file-list) cat files;; status) echo MemSQL Ops is running;; version) echo 5.7.1;; memsql-upgrade) echo --memsql-id;; esac\n";
    let program = home.join("memsql-ops");
    files::write(&program, script, 0o755).unwrap();
    program
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
