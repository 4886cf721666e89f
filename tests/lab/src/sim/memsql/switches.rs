//! How the simulated cluster behaves where the real thing varies, is not known, or breaks.
//!
//! The switches of a host lie in `/etc/lab/memsql.json`. Its top level holds for everything on
//! the host; an object under a role's name (`master`, `aggregator`, `leaf`, `ops`), under a
//! port, or under an address (`10.0.0.2:3307`) overrides it, in this order. What others do to
//! the server of an address, such as attaching it, follows its object too, in the file of who
//! does it. The file is looked at again while a program runs. A name that is not
//! known is an error: a fault that is not armed must not pass for one that was survived.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::address::Address;
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
    /// How many starts of a server end at once before one does not.
    pub start_failures: u64,
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
    /// How long DETACH LEAF stands in the queue before its work is begun.
    pub detach_waits_ms: u64,
    /// How much longer DETACH LEAF takes, after its work is done.
    pub detach_hang_ms: u64,
    /// How many DETACH LEAF are refused before one is done.
    pub detach_refusals: u64,
    /// Whether a detach waits until a slave has all that its master has, before it leads.
    pub detach_drains: bool,
    /// A partition that DETACH LEAF leaves where it is: its leaf goes on to lead it.
    pub detach_forgets: Option<String>,
    /// How many ATTACH LEAF fail before one is done, for diverged data.
    pub attach_failures: u64,
    /// Whether a leaf that is attached keeps its copies and follows on from where they are, as from 6.7 on.
    pub attach_keeps_copies: bool,
    /// How many SNAPSHOT DATABASE fail before one is done.
    pub snapshot_failures: u64,
    /// How long the transaction of a write stays open, which a change of the master waits for.
    pub write_ms: u64,
    /// A statement that begins with this is refused, as to who may not send it.
    pub refuses: Option<String>,
    /// A statement that begins with this is done, and the connection is cut before the answer.
    pub cut_after: Option<String>,
    /// How long copying a partition takes at least.
    pub copy_ms: u64,
    /// Whether RESTORE REDUNDANCY and REBALANCE PARTITIONS do anything; they say that they did in any case.
    pub restores: bool,
    /// How long a change of a table takes.
    pub alter_ms: u64,
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
    /// Whether a server of an older version starts on what a newer one wrote.
    pub old_reads_new: bool,
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
    /// Whether `@@memsql_version` is known; it is among the variables in any case.
    pub knows_memsql_version: bool,
    /// Whether SHOW REBALANCE STATUS is known.
    pub knows_rebalance_status: bool,
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
    /// A `run_state` that, once a server has it, `memsql-list` shows of all as it was then.
    pub ops_list_freezes_on: String,
    /// Other names by which Ops shows hosts.
    pub ops_names: BTreeMap<String, String>,
    /// On how many agents a file is shown; all without it.
    pub ops_files_on: Option<usize>,
    /// What is said before any JSON.
    pub ops_says_first: String,
    /// Whether JSON ends in the middle.
    pub ops_tears_json: bool,
    /// What every command that changes something does: `ok`, `fail`, `lie` (exit 0, not done) or
    /// `deny` (exit 1, done).
    pub ops_outcome: OpsOutcome,
    /// The command that `ops_outcome` holds for, and what else it must be told, such as a name; all if empty.
    pub ops_outcome_of: String,
    /// What `memsql-upgrade` of one server ends in.
    pub upgrade_outcome: OpsOutcome,
    /// How long it takes.
    pub upgrade_ms: u64,
    /// Whether a server that was upgraded runs then, also where it did not before.
    pub upgrade_starts: bool,
    /// Whether a server whose upgrade was taken back runs then.
    pub rollback_starts: bool,
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
    #[expect(clippy::too_many_lines, reason = "one line for each switch")]
    fn default() -> Self {
        Self {
            time_factor: 1.0,
            start_delay_ms: 3_000,
            start_exit: None,
            start_failures: 0,
            recovery_ms: 2_000,
            recovery_ends: true,
            stop_delay_ms: 2_000,
            heartbeat_ms: 1_000,
            heartbeats_missed: 3,
            auto_attach_after_absence: true,
            promote_ms: 30,
            stays_locked: None,
            detach_waits_ms: 0,
            detach_hang_ms: 0,
            detach_refusals: 0,
            detach_drains: true,
            detach_forgets: None,
            attach_failures: 0,
            attach_keeps_copies: false,
            snapshot_failures: 0,
            write_ms: 0,
            refuses: None,
            cut_after: None,
            copy_ms: 1_000,
            restores: true,
            alter_ms: 0,
            backup_ms: 2_000,
            copy_failures: 0,
            sync_replication: false,
            replicates: true,
            replication_lag_ms: 0,
            old_follows_new: false,
            old_reads_new: false,
            compile_ms: 50,
            dead_leaf_wait_ms: 300_000,
            slave_word: "Slave".to_owned(),
            detached_leaves_are_listed: true,
            later_columns: false,
            null_latency: false,
            knows_memsql_version: true,
            knows_rebalance_status: true,
            lists_itself_as_localhost: true,
            partitions_per_leaf: 4,
            requires_tls: false,
            ops_monitor_ms: 1_000,
            ops_start_after_ms: 5_000,
            ops_attaches: true,
            ops_list_is_stale: false,
            ops_list_freezes_on: String::new(),
            ops_names: BTreeMap::new(),
            ops_files_on: None,
            ops_says_first: String::new(),
            ops_tears_json: false,
            ops_outcome: OpsOutcome::Ok,
            ops_outcome_of: String::new(),
            upgrade_outcome: OpsOutcome::Ok,
            upgrade_ms: 15_000,
            upgrade_starts: false,
            rollback_starts: false,
            upgrade_takes_id: true,
            ops_shows_role: None,
            ops_version: "5.7.1".to_owned(),
        }
    }
}

const ROLES: [&str; 4] = ["master", "aggregator", "leaf", "ops"];

impl Switches {
    /// Returns the switches that a file's text sets for a role at an address.
    pub fn parse(text: &str, role: &str, at: &Address) -> Result<Self, serde_json::Error> {
        let (known, _) = Self::toward(text, role, at, at)?;
        Ok(known)
    }

    /// Returns the switches by which a role at an address acts on another server, and whether that one has its own.
    fn toward(
        text: &str,
        role: &str,
        at: &Address,
        other: &Address,
    ) -> Result<(Self, bool), serde_json::Error> {
        let mut all: Map<String, Value> = serde_json::from_str(text)?;
        let names: Vec<String> = all.keys().cloned().collect();
        let (port, other) = (at.port.to_string(), other.to_string());
        let order = [role, &port, &other];
        let is_section = |name: &&String| {
            let is_port = name.parse::<u16>().is_ok();
            ROLES.contains(&name.as_str()) || is_port || Address::parse(name).is_some()
        };
        let mut own = [const { Value::Null }; 3];
        for name in names.iter().filter(is_section) {
            let section = all.remove(name).unwrap_or_default();
            // Checked for everybody, so that a mistake shows whoever reads it first.
            let _checked: Switches = serde_json::from_value(section.clone())?;
            for (place, _) in order.iter().enumerate().filter(|(_, one)| *one == name) {
                if let Some(own) = own.get_mut(place) {
                    *own = section.clone();
                }
            }
        }
        let has_own = own.last().is_some_and(Value::is_object);
        for section in own {
            if let Value::Object(section) = section {
                all.extend(section);
            }
        }
        Ok((serde_json::from_value(Value::Object(all))?, has_own))
    }

    /// Returns a timer of the given length, scaled.
    pub fn timer(&self, ms: u64) -> Duration {
        time::scaled(Duration::from_millis(ms), self.time_factor)
    }

    /// Returns what a command of Ops ends in, by all of its words.
    pub fn outcome_of(&self, typed: &[&str]) -> OpsOutcome {
        let mut wanted = self.ops_outcome_of.split_whitespace();
        if wanted.all(|word| typed.contains(&word)) {
            return self.ops_outcome;
        }
        OpsOutcome::Ok
    }
}

/// The switches of a running program, read again when their file changes.
#[derive(Debug)]
pub struct Live {
    path: PathBuf,
    role: Mutex<(String, Address)>,
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
    /// Reads the switches for a role at an address; from then on they follow the file.
    pub fn open(path: &Path, role: &str, at: &Address) -> Result<Self, String> {
        let text = std::fs::read_to_string(path).ok();
        let switches = Switches::parse(text.as_deref().unwrap_or("{}"), role, at)
            .map_err(|error| format!("{}: {error}", path.display()))?;
        Ok(Self {
            path: path.to_owned(),
            role: Mutex::new((role.to_owned(), at.clone())),
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
            role: Mutex::new((String::new(), Address::default())),
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

    fn who(&self) -> (String, Address) {
        let own = self.role.lock().unwrap_or_else(PoisonError::into_inner);
        own.clone()
    }

    /// Returns the switches by which the program acts on a server, if that one has its own.
    pub fn toward(&self, at: &Address) -> Option<Switches> {
        let _fresh = self.now();
        let text = self.lock().text.clone()?;
        let (role, own) = self.who();
        let (switches, has_own) = Switches::toward(&text, &role, &own, at).ok()?;
        has_own.then_some(switches)
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
                let (role, at) = self.who();
                match Switches::parse(text.as_deref().unwrap_or("{}"), &role, &at) {
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
    use serde_json::json;

    #[test]
    fn an_address_overrides_a_port_that_overrides_a_role_that_overrides_all() {
        let text = r#"{"promote_ms": 1, "leaf": {"promote_ms": 2, "copy_ms": 7}, "3308": {"promote_ms": 3},
            "h2:3308": {"promote_ms": 4}}"#;
        let promote = |role, host, port| {
            let known = Switches::parse(text, role, &Address::new(host, port)).unwrap();
            (known.promote_ms, known.copy_ms)
        };
        assert_eq!(promote("master", "h1", 1), (1, 1_000));
        assert_eq!(promote("leaf", "h2", 1), (2, 7));
        assert_eq!(promote("leaf", "h1", 3308), (3, 7));
        assert_eq!(promote("leaf", "h2", 3308), (4, 7));
        let at = Address::new("h1", 1);
        for wrong in ["leaf", "3308", "h2:3308"] {
            let text = json!({ wrong: {"promot_ms": 1} }).to_string();
            assert!(Switches::parse(&text, "master", &at).is_err(), "{wrong}");
        }
        assert!(Switches::parse(r#"{"promot_ms": 1}"#, "master", &at).is_err());
    }

    #[test]
    fn what_is_done_to_a_server_follows_what_is_said_of_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("memsql.json");
        let text = r#"{"master": {"attach_failures": 1}, "h2:3307": {"attach_failures": 9}}"#;
        crate::sim::files::replace(&path, text.as_bytes(), 0o644).unwrap();
        let live = Live::open(&path, "master", &Address::new("h1", 3306)).unwrap();
        assert_eq!(live.now().attach_failures, 1);
        let toward = |host| live.toward(&Address::new(host, 3307));
        assert_eq!(toward("h2").map(|known| known.attach_failures), Some(9));
        assert_eq!(toward("h1"), None, "it has none of its own");
    }

    #[test]
    fn an_outcome_is_of_the_words_that_were_typed() {
        let outcome = |of: &str, typed: &[&str]| {
            let known = Switches {
                ops_outcome: OpsOutcome::Fail,
                ops_outcome_of: of.to_owned(),
                ..Switches::default()
            };
            known.outcome_of(typed) == OpsOutcome::Fail
        };
        let typed = ["memsql-update-config", "auto_attach", "OFF"];
        assert!(outcome("", &typed) && outcome("memsql-update-config", &typed));
        assert!(outcome("memsql-update-config auto_attach", &typed));
        assert!(!outcome("memsql-update-config auto_attach ON", &typed));
    }

    #[test]
    fn switches_follow_their_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("memsql.json");
        let live = Live::open(&path, "leaf", &Address::new("h1", 3307)).unwrap();
        assert_eq!(live.now().promote_ms, 30);
        crate::sim::files::replace(&path, br#"{"promote_ms": 5}"#, 0o644).unwrap();
        std::thread::park_timeout(Duration::from_millis(250));
        assert_eq!(live.now().promote_ms, 5);
    }
}
