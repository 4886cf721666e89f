//! How the simulated cluster behaves where the real thing varies, is not known, or breaks.
//!
//! The switches of a host lie in `/etc/lab/memsql.json`. Its top level holds for everything on
//! the host; an object under a role's name (`master`, `aggregator`, `leaf`, `ops`) or under a
//! port overrides it. The file is looked at again while a program runs. A name that is not
//! known is an error: a fault that is not armed must not pass for one that was survived.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::sim::effects::eprint_line;
use crate::sim::time;

/// The behaviour of one program.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Switches {
    /// Multiplies every timer.
    pub time_factor: f64,
    /// How long a server takes until it opens its port.
    pub start_delay_ms: u64,
    /// The exit code with which every start ends at once, if it does.
    pub start_exit: Option<u8>,
    /// How long a leaf then recovers before its partitions are online.
    pub recovery_ms: u64,
    /// Whether a leaf that recovers ever gets done.
    pub recovery_ends: bool,
    /// How long a stop takes.
    pub stop_delay_ms: u64,
    /// How often the master aggregator looks at the others.
    pub heartbeat_ms: u64,
    /// How many heartbeats in a row must fail.
    pub heartbeats_missed: u32,
    /// Whether auto attach waits for a leaf to have been away; if not it attaches any that is detached.
    pub auto_attach_after_absence: bool,
    /// How long a partition is locked while its master changes.
    pub promote_ms: u64,
    /// A partition that stays locked after a change of its master.
    pub stays_locked: Option<String>,
    /// How much longer DETACH LEAF takes, after its work is done.
    pub detach_hang_ms: u64,
    /// How many DETACH LEAF are refused before one is done.
    pub detach_refusals: u64,
    /// How many ATTACH LEAF fail before one is done, for diverged data.
    pub attach_failures: u64,
    /// A statement that begins with this is done, and the connection is cut before the answer.
    pub cut_after: Option<String>,
    /// How long copying a partition takes at least.
    pub copy_ms: u64,
    /// How long a backup of a database takes.
    pub backup_ms: u64,
    /// How many copies fail before one is done.
    pub copy_failures: u64,
    /// Whether a slave is waited for before a write is acknowledged.
    pub sync_replication: bool,
    /// Whether slaves take what they are sent.
    pub replicates: bool,
    /// How far behind a slave stays, in milliseconds.
    pub replication_lag_ms: u64,
    /// Whether a server of an older version can follow a newer one.
    pub old_follows_new: bool,
    /// Whether the plan of a query is made anew once after each start, and how long that takes.
    pub compile_ms: u64,
    /// How long a statement waits for a leaf that is not there, where nothing detects that.
    pub dead_leaf_wait_ms: u64,
    /// What the copy of a partition is called: `Slave`, later `Replica`.
    pub slave_word: String,
    /// Whether what a detached leaf holds is listed, as orphans.
    pub detached_leaves_are_listed: bool,
    /// Whether results have the columns of later versions too.
    pub later_columns: bool,
    /// Whether latencies are unknown.
    pub null_latency: bool,
    /// Whether an aggregator lists itself as 127.0.0.1.
    pub lists_itself_as_localhost: bool,
    /// How many partitions a new database gets for each leaf.
    pub partitions_per_leaf: usize,
    /// Whether who speaks no TLS is turned away.
    pub requires_tls: bool,
    /// How often Ops looks at the servers.
    pub ops_monitor_ms: u64,
    /// How long Ops waits before it starts what is stopped, without manual control.
    pub ops_start_after_ms: u64,
    /// Whether Ops also attaches leaves that are detached, without manual control.
    pub ops_attaches: bool,
    /// Whether `memsql-list` shows what was seen when this was set.
    pub ops_list_is_stale: bool,
    /// What is said before any JSON.
    pub ops_says_first: String,
    /// Whether JSON ends in the middle.
    pub ops_tears_json: bool,
    /// What every command that changes something does: `ok`, `fail`, `lie` (exit 0, not done) or
    /// `deny` (exit 1, done).
    pub ops_outcome: OpsOutcome,
    /// The command that `ops_outcome` holds for; all if empty.
    pub ops_outcome_of: String,
    /// What `memsql-upgrade` of one server ends in.
    pub upgrade_outcome: OpsOutcome,
    /// How long it takes.
    pub upgrade_ms: u64,
    /// Whether `memsql-upgrade` knows `--memsql-id`.
    pub upgrade_takes_id: bool,
    /// A role that is shown for all aggregators, such as `MASTER`.
    pub ops_shows_role: Option<String>,
    /// The version of Ops.
    pub ops_version: String,
}

/// What a command ends in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OpsOutcome {
    /// It is done, and says so.
    #[default]
    Ok,
    /// It is not done, and says so.
    Fail,
    /// It is not done, and ends with 0.
    Lie,
    /// It is done, and ends with 1.
    Deny,
    /// It does not come back.
    Hang,
}

impl Default for Switches {
    /// As a small cluster is in the field: what an upgrade waits for is the package of some hundred megabytes that Ops
    /// unpacks, and servers that end and start.
    fn default() -> Self {
        Self {
            time_factor: 1.0,
            start_delay_ms: 3_000,
            start_exit: None,
            recovery_ms: 2_000,
            recovery_ends: true,
            stop_delay_ms: 2_000,
            heartbeat_ms: 1_000,
            heartbeats_missed: 3,
            auto_attach_after_absence: true,
            promote_ms: 30,
            stays_locked: None,
            detach_hang_ms: 0,
            detach_refusals: 0,
            attach_failures: 0,
            cut_after: None,
            copy_ms: 1_000,
            backup_ms: 2_000,
            copy_failures: 0,
            sync_replication: false,
            replicates: true,
            replication_lag_ms: 0,
            old_follows_new: false,
            compile_ms: 50,
            dead_leaf_wait_ms: 300_000,
            slave_word: "Slave".to_owned(),
            detached_leaves_are_listed: true,
            later_columns: false,
            null_latency: false,
            lists_itself_as_localhost: true,
            partitions_per_leaf: 4,
            requires_tls: false,
            ops_monitor_ms: 1_000,
            ops_start_after_ms: 5_000,
            ops_attaches: true,
            ops_list_is_stale: false,
            ops_says_first: String::new(),
            ops_tears_json: false,
            ops_outcome: OpsOutcome::Ok,
            ops_outcome_of: String::new(),
            upgrade_outcome: OpsOutcome::Ok,
            upgrade_ms: 15_000,
            upgrade_takes_id: true,
            ops_shows_role: None,
            ops_version: "5.7.1".to_owned(),
        }
    }
}

const ROLES: [&str; 4] = ["master", "aggregator", "leaf", "ops"];

impl Switches {
    /// Returns the switches that a file's text sets for a role at a port.
    pub fn parse(text: &str, role: &str, port: u16) -> Result<Self, serde_json::Error> {
        let mut all: Map<String, Value> = serde_json::from_str(text)?;
        let names: Vec<String> = all.keys().cloned().collect();
        let is_section =
            |name: &&String| ROLES.contains(&name.as_str()) || name.parse::<u16>().is_ok();
        let mut own = Vec::new();
        for name in names.iter().filter(is_section) {
            let section = all.remove(name).unwrap_or_default();
            // Checked for everybody, so that a mistake shows whoever reads it first.
            let _checked: Switches = serde_json::from_value(section.clone())?;
            if *name == role || *name == port.to_string() {
                own.push((name.parse::<u16>().is_ok(), section));
            }
        }
        own.sort_by_key(|(is_port, _)| *is_port);
        for (_, section) in own {
            if let Value::Object(section) = section {
                all.extend(section);
            }
        }
        serde_json::from_value(Value::Object(all))
    }

    /// Returns a timer of the given length, scaled.
    pub fn timer(&self, ms: u64) -> Duration {
        time::scaled(Duration::from_millis(ms), self.time_factor)
    }

    /// Returns what a command of Ops ends in.
    pub fn outcome_of(&self, command: &str) -> OpsOutcome {
        if self.ops_outcome_of.is_empty() || self.ops_outcome_of == command {
            return self.ops_outcome;
        }
        OpsOutcome::Ok
    }
}

/// The switches of a running program, read again when their file changes.
#[derive(Debug)]
pub struct Live {
    path: PathBuf,
    role: Mutex<(String, u16)>,
    known: Mutex<Known>,
}

#[derive(Debug)]
struct Known {
    switches: Arc<Switches>,
    text: Option<String>,
    looked_ms: u64,
}

const LOOK_EVERY_MS: u64 = 200;

impl Live {
    /// Reads the switches for a role at a port; from then on they follow the file.
    pub fn open(path: &Path, role: &str, port: u16) -> Result<Self, String> {
        let text = std::fs::read_to_string(path).ok();
        let switches = Switches::parse(text.as_deref().unwrap_or("{}"), role, port)
            .map_err(|error| format!("{}: {error}", path.display()))?;
        Ok(Self {
            path: path.to_owned(),
            role: Mutex::new((role.to_owned(), port)),
            known: Mutex::new(Known {
                switches: Arc::new(switches),
                text,
                looked_ms: time::mono_ms(),
            }),
        })
    }

    /// Returns switches that follow no file, for a test.
    pub fn fixed(switches: Switches) -> Self {
        Self {
            path: PathBuf::new(),
            role: Mutex::new((String::new(), 0)),
            known: Mutex::new(Known {
                switches: Arc::new(switches),
                text: None,
                looked_ms: u64::MAX,
            }),
        }
    }

    /// Sets switches that follow no file anew.
    pub fn set(&self, switches: Switches) {
        self.lock().switches = Arc::new(switches);
    }

    /// Says which role the program has now.
    pub fn has_role(&self, role: &str) {
        let mut own = self.role.lock().unwrap_or_else(PoisonError::into_inner);
        if own.0 != role {
            role.clone_into(&mut own.0);
            drop(own);
            let mut known = self.lock();
            known.text = None;
            known.looked_ms = known
                .looked_ms
                .min(u64::MAX - 1)
                .saturating_sub(LOOK_EVERY_MS);
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the switches as they are now; a file that has become unreadable changes nothing.
    pub fn now(&self) -> Arc<Switches> {
        let mut known = self.lock();
        let now = time::mono_ms();
        if !self.path.as_os_str().is_empty() && now >= known.looked_ms.saturating_add(LOOK_EVERY_MS)
        {
            known.looked_ms = now;
            let text = std::fs::read_to_string(&self.path).ok();
            if text != known.text {
                let (role, port) = self
                    .role
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .clone();
                match Switches::parse(text.as_deref().unwrap_or("{}"), &role, port) {
                    Ok(switches) => known.switches = Arc::new(switches),
                    Err(error) => eprint_line(&format!("lab: {}: {error}", self.path.display())),
                }
                known.text = text;
            }
        }
        Arc::clone(&known.switches)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_overrides_a_role_and_a_role_overrides_all() {
        let text = r#"{"promote_ms": 1, "leaf": {"promote_ms": 2, "copy_ms": 7}, "3308": {"promote_ms": 3}}"#;
        let promote = |role, port| Switches::parse(text, role, port).unwrap().promote_ms;
        assert_eq!(
            (
                promote("master", 1),
                promote("leaf", 1),
                promote("leaf", 3308)
            ),
            (1, 2, 3)
        );
        assert!(Switches::parse(r#"{"leaf": {"promot_ms": 1}}"#, "master", 1).is_err());
        assert!(Switches::parse(r#"{"promot_ms": 1}"#, "master", 1).is_err());
    }

    #[test]
    fn switches_follow_their_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("memsql.json");
        let live = Live::open(&path, "leaf", 3307).unwrap();
        assert_eq!(live.now().promote_ms, 30);
        crate::sim::files::replace(&path, br#"{"promote_ms": 5}"#, 0o644).unwrap();
        std::thread::park_timeout(Duration::from_millis(250));
        assert_eq!(live.now().promote_ms, 5);
    }
}
