//! What was read of a host -> its starter and members, as one JSON value, with what does not fit together.
//!
//! A server's process is proved from three sides: the starter's `/process`, the pid in `data/LOCK` and `/proc` itself.
//! The lock survives a `kill -9` and its pid may belong to somebody else by now, so it counts only when the process
//! behind it runs with that server's data directory.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::host::{Depth, ServerDirectory, Surface, binary_version, data_version};
use super::setup::{Peer, Setup};
use crate::cluster::model::arangodb::{Role, Start, Version};
use crate::cluster::process::Process;
use crate::template::shell_quote_bytes;

/// A server as the starter's `GET /process` lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// What it is.
    pub role: Role,
    /// Its port.
    pub port: u16,
    /// Its process.
    pub pid: u32,
}

/// Reads `GET /process` of a starter.
pub fn listed(body: &Value) -> Vec<Listed> {
    let read = |server: &Value| {
        Some(Listed {
            role: Role::from_name(server.get("type")?.as_str()?)?,
            port: u16::try_from(server.get("port")?.as_u64()?).ok()?,
            pid: u32::try_from(server.get("pid")?.as_u64()?).ok()?,
        })
    };
    body.get("servers")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(read)
        .collect()
}

/// Everything that was read of a host.
#[derive(Debug, Clone, Default)]
pub struct HostView {
    /// The first look.
    pub surface: Surface,
    /// The second look.
    pub depth: Depth,
    /// The set-up, if there is one.
    pub setup: Option<Setup>,
    /// The data directory that was looked at.
    pub data_dir: String,
    /// The server's program, whose version was read.
    pub binary: String,
    /// What the starter lists, or why it did not answer.
    pub listed: Option<Result<Vec<Listed>, String>>,
}

impl HostView {
    /// Returns the peer of the set-up that this host is.
    pub fn own(&self) -> Option<&Peer> {
        let setup = self.setup.as_ref()?;
        setup.peers.iter().find(|peer| peer.id == setup.id)
    }

    /// Returns the facts that templates see.
    pub fn value(&self) -> Value {
        let mut problems = Vec::new();
        let servers: Vec<Value> = self
            .directories()
            .map(|directory| self.server(directory, &mut problems))
            .collect();
        self.strangers(&mut problems);
        let stranded: Vec<&Value> = servers
            .iter()
            .filter(|server| server.get("stranded") == Some(&json!(true)))
            .filter_map(|server| server.get("title"))
            .collect();
        if let Some(Err(problem)) = &self.listed {
            problems.push(format!("the starter does not answer: {problem}"));
        }
        let own = self.own();
        json!({
            "unit": unit(&self.surface.unit),
            "standalone": unit(&self.surface.standalone),
            "starter": self.surface.starter.as_ref().map(starter),
            "held": self.surface.held,
            "starter_port": own.map_or(8528, |peer| 8528 + peer.offset),
            "data_dir": self.data_dir,
            "secure": own.is_some_and(|peer| peer.secure),
            "address": own.map(|peer| peer.address.clone()),
            "setup": self.setup.as_ref().map(setup),
            "agents": self.endpoints(Role::Agent),
            "coordinators": self.endpoints(Role::Coordinator),
            "sync_masters": self.sync_masters(),
            "stranded": stranded,
            "servers": servers,
            "sync_servers": self.sync_servers(),
            "binary_version": binary_version(&self.depth.binary),
            "tools": self.surface.tools,
            "machine_id": self.surface.machine_id,
            "boot_id": self.surface.boot_id,
            "ok": problems.is_empty(),
            "problems": problems,
        })
    }

    /// The directories of arangod's servers that this starter is set up to run.
    fn directories(&self) -> impl Iterator<Item = &ServerDirectory> {
        let roles = self.own().map(|peer| peer.roles.clone());
        let wanted = move |role: Role| match role {
            Role::Agent | Role::Dbserver | Role::Coordinator => {
                roles.as_ref().is_none_or(|roles| roles.contains(&role))
            }
            Role::Single => roles.is_none(),
            Role::Syncmaster | Role::Syncworker => false,
        };
        self.depth
            .servers
            .iter()
            .filter(move |server| server.place.is_some_and(|(role, _)| wanted(role)))
    }

    fn endpoints(&self, role: Role) -> Vec<String> {
        let peers = self.setup.iter().flat_map(|setup| &setup.peers);
        peers
            .filter(|peer| peer.roles.contains(&role))
            .map(|peer| peer.endpoint(role))
            .collect()
    }

    /// The sync masters of this cluster; they speak TLS only.
    fn sync_masters(&self) -> Vec<String> {
        let endpoints = self.endpoints(Role::Syncmaster).into_iter();
        endpoints
            .filter_map(|endpoint| Some(format!("https://{}", endpoint.split_once("://")?.1)))
            .collect()
    }

    fn process(&self, pid: u32) -> Option<&Process> {
        self.depth
            .processes
            .iter()
            .find(|process| process.pid == pid)
    }

    /// The version of the program on the disk.
    fn program(&self) -> Option<Version> {
        binary_version(&self.depth.binary)?.parse().ok()
    }

    /// Whether a process with old data is the program on the disk, which is about to refuse it: the starter starts it
    /// again and again. One that runs the replaced program serves, and one that upgrades the data is at work.
    fn refuses(&self, process: &Process) -> bool {
        let upgrades = process.option("--database.auto-upgrade");
        process.exe == self.binary && upgrades.as_deref() != Some("true")
    }

    /// What tells one process from every other of this machine, before and after it boots anew.
    fn identity(&self, process: &Process) -> String {
        let boot = &self.surface.boot_id;
        format!("{boot}/{}/{}", process.pid, process.start)
    }

    fn listed_pid(&self, role: Role, port: u16) -> Option<u32> {
        let listed = self.listed.as_ref()?.as_ref().ok()?;
        listed
            .iter()
            .find(|server| server.role == role && server.port == port)
            .map(|server| server.pid)
    }

    fn server(&self, directory: &ServerDirectory, problems: &mut Vec<String>) -> Value {
        let (role, port) = directory.place.unwrap_or((Role::Single, 0));
        let title = format!("{} on port {port}", role.name());
        let (lock, listed) = (directory.lock_pid, self.listed_pid(role, port));
        let data = format!("{}/data", directory.path);
        let owns = |process: &&Process| {
            process
                .option("--database.directory")
                .is_some_and(|used| used.trim_end_matches('/') == data)
        };
        let process = listed
            .or(lock)
            .and_then(|pid| self.process(pid))
            .filter(owns);
        match (lock, listed, process) {
            (Some(lock), Some(listed), _) if lock != listed => {
                problems.push(format!(
                    "{title}: its lock names process {lock}, the starter process {listed}"
                ));
            }
            (_, Some(listed), None) => {
                problems.push(format!(
                    "{title}: process {listed}, which the starter lists, does not run with {data}"
                ));
            }
            (None, Some(_), Some(_)) => problems.push(format!("{title}: {data}/LOCK is missing")),
            (Some(_), None, Some(_)) if matches!(self.listed, Some(Ok(_))) => {
                problems.push(format!("{title} runs, but the starter does not list it"));
            }
            _ => {}
        }
        let mut value = json!({
            "role": role.name(),
            "title": title,
            "server_role": role.server_role(),
            "port": port,
            "directory": directory.path,
            "engine": directory.engine,
            "running": process.is_some(),
            "pid": process.map(|process| process.pid),
            "identity": process.map(|process| self.identity(process)),
            "lock_pid": lock,
            "endpoint": self.own().map(|peer| peer.endpoint(role)),
            "command_file": format!("{}/arangod_command.txt", directory.path),
            "command_file_found": directory.command.is_some(),
        });
        if let Value::Object(fields) = &mut value {
            fields.extend(self.data(directory, role, process));
            fields.extend(
                process
                    .map(|process| running(process, &directory.path))
                    .unwrap_or_default(),
            );
        }
        value
    }

    /// Of which version a server's data is, and whether the program on the disk takes it as it is.
    fn data(
        &self,
        directory: &ServerDirectory,
        role: Role,
        process: Option<&Process>,
    ) -> serde_json::Map<String, Value> {
        let versions: BTreeMap<&String, Option<u64>> = directory
            .versions
            .iter()
            .map(|(name, content)| (name, data_version(content)))
            .collect();
        let number = versions
            .values()
            .copied()
            .map(|number| number.unwrap_or(0))
            .min();
        let start = Start::of(role, number, self.program());
        let stranded =
            start == Start::Stranded && process.is_none_or(|process| self.refuses(process));
        let values = json!({
            "version_files": versions,
            "data_number": number,
            "start_as_it_is": start.name(),
            "stranded": stranded,
        });
        values.as_object().cloned().unwrap_or_default()
    }

    /// Processes that the starter lists and that are no arangod of a known directory.
    fn sync_servers(&self) -> Vec<Value> {
        let listed = self.listed.iter().flatten().flatten();
        let sync =
            listed.filter(|server| matches!(server.role, Role::Syncmaster | Role::Syncworker));
        sync.map(|server| {
            let process = self.process(server.pid);
            json!({"role": server.role.name(), "port": server.port, "pid": server.pid,
                   "replaced": process.is_some_and(|process| process.exe.ends_with(" (deleted)")),
                   "start": process.map(|process| process.start), "running": process.is_some()})
        })
        .collect()
    }

    fn strangers(&self, problems: &mut Vec<String>) {
        let known: Vec<(Role, u16)> = self
            .directories()
            .filter_map(|directory| directory.place)
            .collect();
        for server in self.listed.iter().flatten().flatten() {
            let sync = matches!(server.role, Role::Syncmaster | Role::Syncworker);
            if !sync && !known.contains(&(server.role, server.port)) {
                problems.push(format!(
                    "the starter lists a {} on port {}, but {} has no directory of it",
                    server.role.name(),
                    server.port,
                    self.data_dir
                ));
            }
        }
    }
}

fn unit(properties: &BTreeMap<String, String>) -> Value {
    let text = |name: &str| properties.get(name).cloned().unwrap_or_default();
    json!({
        "name": text("Id"),
        "load": text("LoadState"),
        "active": text("ActiveState"),
        "sub": text("SubState"),
        "result": text("Result"),
        "main_pid": text("MainPID").parse::<u32>().unwrap_or(0),
        "kill_mode": text("KillMode"),
        "restart": text("Restart"),
        "user": text("User"),
        "fragment": text("FragmentPath"),
        "drop_ins": text("DropInPaths").split_whitespace().collect::<Vec<_>>(),
        "enabled": text("UnitFileState"),
        "need_reload": text("NeedDaemonReload") == "yes",
        "restarts": text("NRestarts").parse::<u64>().unwrap_or(0),
    })
}

fn starter(process: &Process) -> Value {
    json!({
        "pid": process.pid,
        "start": process.start,
        "exe": process.exe,
        "program": process.program(),
        "argv": process.command_line(),
        "data_dir": process.option("--starter.data-dir"),
        "uid": process.uid,
    })
}

fn setup(setup: &Setup) -> Value {
    let peers: Vec<Value> = setup.peers.iter().map(peer).collect();
    json!({"id": setup.id, "mode": setup.mode, "engine": setup.engine, "agency_size": setup.agency_size, "peers": peers})
}

fn peer(peer: &Peer) -> Value {
    json!({
        "id": peer.id,
        "address": peer.address,
        "starter_port": 8528 + peer.offset,
        "data_dir": peer.data_dir,
        "roles": peer.roles.iter().map(|role| role.name()).collect::<Vec<_>>(),
        "secure": peer.secure,
    })
}

/// The limits of `/proc/PID/limits` and the names by which `prlimit` (util-linux) sets them.
const LIMITS: &[(&str, &str)] = &[
    ("Max address space", "as"),
    ("Max core file size", "core"),
    ("Max cpu time", "cpu"),
    ("Max data size", "data"),
    ("Max file locks", "locks"),
    ("Max file size", "fsize"),
    ("Max locked memory", "memlock"),
    ("Max msgqueue size", "msgqueue"),
    ("Max nice priority", "nice"),
    ("Max open files", "nofile"),
    ("Max pending signals", "sigpending"),
    ("Max processes", "nproc"),
    ("Max realtime priority", "rtprio"),
    ("Max realtime timeout", "rttime"),
    ("Max resident set", "rss"),
    ("Max stack size", "stack"),
];

/// What is needed to run the same program in the same way again.
fn running(process: &Process, directory: &str) -> serde_json::Map<String, Value> {
    let limits: Vec<Value> = LIMITS
        .iter()
        .filter_map(|(title, name)| {
            let (soft, hard) = process.limits.get(*title)?;
            Some(json!({"title": title, "name": name, "soft": soft, "hard": hard}))
        })
        .collect();
    let log = process
        .option("--log.file")
        .unwrap_or_else(|| format!("{directory}/arangod.log"));
    let environment: Vec<String> = process
        .environment
        .iter()
        .map(|word| shell_quote_bytes(word))
        .collect();
    let values = json!({
        "start": process.start,
        "parent": process.parent,
        "exe": process.exe,
        "replaced": process.exe.ends_with(" (deleted)"),
        "argv": process.command_line(),
        "uid": process.uid,
        "gid": process.gid,
        "groups": process.groups,
        "umask": process.umask,
        "working_directory": process.directory,
        "environment_quoted": environment,
        "limits": limits,
        "log": log,
        "copies_javascript": process.option("--javascript.copy-installation").as_deref() == Some("true"),
    });
    values.as_object().cloned().unwrap_or_default()
}

#[cfg(test)]
mod tests;
