//! What an agent does on its own host: directories, configuration files, processes.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::sim::files;
use crate::sim::memsql::address::Address;
use crate::sim::memsql::peer;
use crate::sim::memsql::store::Notes;
use crate::sim::memsql::variables::with_setting;
use crate::sim::paths::Paths;
use crate::sim::time;

/// What the primary tells an agent to do on its host.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Order {
    /// Keep a version to be installed.
    AddFile {
        /// The version.
        version: String,
        /// Its hash.
        hash: String,
    },
    /// Make a server's directory.
    Make {
        /// The directory.
        directory: String,
        /// The server's address.
        at: Address,
        /// The hash of what is installed.
        hash: String,
        /// The password of root.
        password: String,
        /// Lines for the configuration file.
        settings: Vec<(String, String)>,
    },
    /// Put another version into a server's directory.
    Install {
        /// The directory.
        directory: String,
        /// The hash of what is installed.
        hash: String,
    },
    /// Change a line of a configuration file.
    Configure {
        /// The directory.
        directory: String,
        /// The name.
        key: String,
        /// The value; nothing to take it away.
        value: Option<String>,
    },
    /// Start a server and wait until it answers.
    Start {
        /// The directory.
        directory: String,
        /// The server's address.
        at: Address,
        /// How long that may take.
        timeout_s: u64,
    },
    /// Stop a server and wait until it is gone.
    Stop {
        /// The directory.
        directory: String,
        /// How long that may take.
        timeout_s: u64,
        /// Whether it is killed.
        hard: bool,
    },
    /// Throw a server's directory away.
    Delete {
        /// The directory.
        directory: String,
    },
    /// Tell how servers are.
    Look {
        /// Their directories and addresses.
        servers: Vec<(String, Address)>,
    },
}

/// Where a server's directory lies on this host.
fn place(directory: &str) -> PathBuf {
    Paths::of_this_host().place(directory)
}

/// Where the versions of a host are kept.
fn file_directory(hash: &str) -> PathBuf {
    Paths::of_this_host()
        .root()
        .join("var/lib/memsql-ops/files")
        .join(hash)
}

/// The program that all versions are.
fn program() -> PathBuf {
    let installed = Paths::of_this_host().root().join("usr/bin/memsql-ops");
    if installed.exists() {
        return installed;
    }
    std::env::current_exe().unwrap_or(installed)
}

fn said(error: impl std::fmt::Display) -> String {
    error.to_string()
}

/// Does what the primary says; the error is what went wrong.
pub async fn obey(order: Order) -> Result<Value, String> {
    match order {
        Order::AddFile { version, hash } => {
            let directory = file_directory(&hash);
            std::fs::create_dir_all(&directory).map_err(said)?;
            files::replace(
                &directory.join("VERSION"),
                format!("{version}\n").as_bytes(),
                0o644,
            )
            .map_err(said)?;
            Ok(Value::Null)
        }
        Order::Make {
            directory,
            at,
            hash,
            password,
            settings,
        } => make(&place(&directory), &at, &hash, &password, &settings),
        Order::Install { directory, hash } => install(&place(&directory), &hash),
        Order::Configure {
            directory,
            key,
            value,
        } => {
            let file = place(&directory).join("memsql.cnf");
            let text = std::fs::read_to_string(&file).map_err(said)?;
            let text = with_setting(&text, &key, value.as_deref());
            files::replace(&file, text.as_bytes(), 0o644).map_err(said)?;
            Ok(Value::Null)
        }
        Order::Start {
            directory,
            at,
            timeout_s,
        } => start(&place(&directory), &at, Duration::from_secs(timeout_s)).await,
        Order::Stop {
            directory,
            timeout_s,
            hard,
        } => stop(&place(&directory), Duration::from_secs(timeout_s), hard).await,
        Order::Delete { directory } => {
            std::fs::remove_dir_all(place(&directory)).map_err(said)?;
            Ok(Value::Null)
        }
        Order::Look { servers } => Ok(look(&servers).await),
    }
}

fn make(
    directory: &Path,
    at: &Address,
    hash: &str,
    password: &str,
    settings: &[(String, String)],
) -> Result<Value, String> {
    std::fs::create_dir_all(directory).map_err(said)?;
    let mut text = format!("[server]\nport = {}\nbind_address = {}\n", at.port, at.host);
    for (key, value) in settings {
        text = with_setting(&text, key, Some(value));
    }
    files::replace(&directory.join("memsql.cnf"), text.as_bytes(), 0o644).map_err(said)?;
    Notes::of(&directory.join("data"))
        .write("password", &password)
        .map_err(said)?;
    install(directory, hash)
}

fn install(directory: &Path, hash: &str) -> Result<Value, String> {
    let version = std::fs::read_to_string(file_directory(hash).join("VERSION"))
        .map_err(|error| format!("version {hash} is not on this host: {error}"))?;
    let target = directory.join("memsqld");
    drop(std::fs::remove_file(&target));
    // A second name, not a link: what runs is then seen by its own name.
    std::fs::hard_link(program(), &target)
        .or_else(|_| std::fs::copy(program(), &target).map(|_| ()))
        .map_err(said)?;
    files::replace(&directory.join("VERSION"), version.as_bytes(), 0o644).map_err(said)?;
    Ok(json!(version.trim()))
}

/// Returns the process of a server, if there is one.
fn process(directory: &Path) -> Option<Pid> {
    let pid = std::fs::read_to_string(directory.join("memsqld.pid")).ok()?;
    let pid = pid.trim().parse::<i32>().ok()?;
    let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    // The number may be another process's by now.
    let is_it = String::from_utf8_lossy(&line).contains(&*directory.to_string_lossy());
    let pid = Pid::from_raw(pid)?;
    (is_it && test_kill_process(pid).is_ok()).then_some(pid)
}

async fn start(directory: &Path, at: &Address, limit: Duration) -> Result<Value, String> {
    if process(directory).is_some() {
        return Ok(json!("already running"));
    }
    let log = std::fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(directory.join("memsql.log"));
    let log = log.map_err(said)?;
    let mut child = tokio::process::Command::new(directory.join("memsqld"))
        .arg(format!(
            "--defaults-file={}",
            directory.join("memsql.cnf").display()
        ))
        .stdin(std::process::Stdio::null())
        .stdout(log.try_clone().map_err(said)?)
        .stderr(log)
        // In a group of its own: what ends the agent does not end the server.
        .process_group(0)
        .spawn()
        .map_err(said)?;
    let end = tokio::time::Instant::now() + limit;
    loop {
        if let Ok(Some(status)) = child.try_wait() {
            return Err(format!("memsqld ended at its start: {status}"));
        }
        if peer::is_there(at, Duration::from_secs(1)).await {
            // Somebody must wait for it, so that it does not stay a zombie.
            tokio::spawn(async move { drop(child.wait().await) });
            return Ok(json!("started"));
        }
        if tokio::time::Instant::now() >= end {
            return Err("memsqld did not answer in time".to_owned());
        }
        tokio::time::sleep(Duration::from_millis(30)).await;
    }
}

async fn stop(directory: &Path, limit: Duration, hard: bool) -> Result<Value, String> {
    let Some(pid) = process(directory) else {
        return Ok(json!("not running"));
    };
    let signal = if hard { Signal::KILL } else { Signal::TERM };
    kill_process(pid, signal).map_err(said)?;
    let begin = time::mono_ms();
    while process(directory).is_some() {
        if time::mono_ms().saturating_sub(begin) >= time::ms(limit) {
            return Err("memsqld did not stop in time".to_owned());
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(json!("stopped"))
}

async fn look(servers: &[(String, Address)]) -> Value {
    let mut all = serde_json::Map::new();
    for (directory, at) in servers {
        let own = place(directory);
        let runs = process(&own).is_some();
        let version = std::fs::read_to_string(own.join("VERSION")).unwrap_or_default();
        let answers = runs && peer::is_there(at, Duration::from_secs(1)).await;
        let known = json!({"runs": runs, "answers": answers, "version": version.trim()});
        all.insert(directory.clone(), known);
    }
    Value::Object(all)
}
