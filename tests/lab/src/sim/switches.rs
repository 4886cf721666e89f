//! How a simulator behaves where the real thing varies, is not known, or breaks.
//!
//! The switches of a host lie in one JSON file. Its top level holds for every server; an
//! object under a role's name (`agent`, `dbserver`, `coordinator`, `single`, `starter`,
//! `syncmaster`, `syncworker`) overrides it for that role. The file is looked at again while
//! a server runs, so that a fault can begin and end; what is only meaningful at a start is
//! read then. A name that is not known is an error: a fault that is not armed must not pass
//! for one that was survived.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;

use super::time;

/// What an auto-upgrade ends in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// It upgrades the directory and exits 0.
    Ok,
    /// A task fails; exit 1.
    Fail,
    /// It never ends.
    Hang,
    /// It exits 0 and has changed nothing.
    Lie,
}

/// The behaviour of one server.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a switch of its own that a test sets by its name"
)]
pub struct Switches {
    /// Multiplies every timer of the databases.
    pub time_factor: f64,
    /// The address to listen on instead of the one the configuration names.
    pub bind: Option<String>,
    /// How long a server takes until it opens its port.
    pub start_delay_ms: u64,
    /// How long it then answers 503 on `/_admin/server/availability`.
    pub unavailable_ms: u64,
    /// How long a stop takes after the last request is finished.
    pub stop_delay_ms: u64,
    /// How long a stop waits for requests that are being worked on.
    pub finish_requests_ms: u64,
    /// How long `/_api/version` and `/_admin/server/role` take to answer.
    pub version_answer_delay_ms: u64,
    /// The exit code with which every ordinary start ends at once, if it does.
    pub start_exit: Option<u8>,
    /// How long an auto-upgrade takes.
    pub upgrade_ms: u64,
    /// What an auto-upgrade ends in.
    pub upgrade_outcome: Outcome,
    /// The exit code of a plain start on an older directory: 1, or 11 in later versions.
    pub old_directory_exit: u8,
    /// How long a coordinator tries to connect.
    pub connect_limit_ms: u64,
    /// How long a coordinator looks for a shard's leader to read from.
    pub read_retry_ms: u64,
    /// How long a coordinator looks for a shard's leader to write to.
    pub write_retry_ms: u64,
    /// How long a leader waits for a follower before it drops it.
    pub replication_timeout_ms: u64,
    /// Whether a follower that fell behind catches up at all.
    pub resync: bool,
    /// Whether it catches up while supervision is in maintenance.
    pub resync_in_maintenance: bool,
    /// How long catching up takes at least, for each shard.
    pub resync_delay_ms: u64,
    /// How many documents are copied in a second.
    pub resync_documents_per_s: u64,
    /// How much longer than its own lap supervision takes to enter or leave maintenance.
    pub maintenance_delay_ms: u64,
    /// Whether a DB-Server is put into maintenance mode, and taken out of it, only while the supervision finds it well.
    pub maintenance_needs_good: bool,
    /// How many cursors clients have open at this coordinator, and read from until they are done.
    pub running_cursors: u64,
    /// How many transactions clients have open at this coordinator.
    pub running_transactions: u64,
    /// How long clients take to finish those once nothing new is let in; without it they never do.
    pub running_ends_ms: Option<u64>,
    /// The version as which this coordinator gives clients other documents than were written, if it does.
    pub misreads_as: Option<String>,
    /// Whether this agent takes part in the agency: if not, it hears nobody.
    pub agent_catches_up: bool,
    /// How often this agent starts an election without need, if it does.
    pub term_flap_ms: Option<u64>,
    /// Whether the agency's log is forced to disk before it counts.
    pub agency_sync: bool,
    /// Whether a coordinator refuses to start when a DB-Server is down.
    pub coordinator_needs_dbservers: bool,
    /// The password of `root`; empty as the starter leaves it.
    pub root_password: String,
    /// The version of the starter itself; one from 0.17.1 on upgrades data by itself when a server ends with 11.
    pub starter_version: String,
    /// Whether `arangosync stop sync` says that it is done although it is not.
    pub sync_stop_lies: bool,
    /// How long the source takes until both sides are equal.
    pub sync_drain_ms: u64,
}

impl Default for Switches {
    fn default() -> Self {
        Self {
            time_factor: 1.0,
            bind: None,
            start_delay_ms: 500,
            unavailable_ms: 500,
            stop_delay_ms: 300,
            finish_requests_ms: 30_000,
            version_answer_delay_ms: 0,
            start_exit: None,
            upgrade_ms: 1_000,
            upgrade_outcome: Outcome::Ok,
            old_directory_exit: 1,
            connect_limit_ms: 2_000,
            read_retry_ms: 120_000,
            write_retry_ms: 900_000,
            replication_timeout_ms: 500,
            resync: true,
            resync_in_maintenance: true,
            resync_delay_ms: 300,
            resync_documents_per_s: 20_000,
            maintenance_delay_ms: 500,
            maintenance_needs_good: true,
            running_cursors: 0,
            running_transactions: 0,
            running_ends_ms: Some(1_000),
            misreads_as: None,
            agent_catches_up: true,
            term_flap_ms: None,
            agency_sync: true,
            coordinator_needs_dbservers: false,
            root_password: String::new(),
            starter_version: "0.13.10".to_owned(),
            sync_stop_lies: false,
            sync_drain_ms: 1_000,
        }
    }
}

/// Why the switches of a host are not known.
#[derive(Debug, thiserror::Error)]
pub enum SwitchError {
    /// The file is there and cannot be read.
    #[error("cannot read {path}: {source}")]
    Unreadable {
        /// The file.
        path: String,
        /// What reading it said.
        source: std::io::Error,
    },
    /// The file is not what it must be.
    #[error("{path}: {source}")]
    Malformed {
        /// The file.
        path: String,
        /// What is wrong, and where.
        source: serde_json::Error,
    },
}

const ROLES: [&str; 7] = [
    "agent",
    "dbserver",
    "coordinator",
    "single",
    "starter",
    "syncmaster",
    "syncworker",
];

impl Switches {
    /// Returns the switches that a file's text sets for a role.
    pub fn parse(text: &str, role: &str) -> Result<Self, serde_json::Error> {
        let mut all: serde_json::Map<String, Value> = serde_json::from_str(text)?;
        let mut own = Value::Null;
        for known in ROLES {
            let Some(section) = all.remove(known) else {
                continue;
            };
            // Checked for every role, so that a mistake shows whichever server reads it first.
            let _checked: Switches = serde_json::from_value(section.clone())?;
            if known == role {
                own = section;
            }
        }
        if let Value::Object(own) = own {
            all.extend(own);
        }
        serde_json::from_value(Value::Object(all))
    }

    /// Reads the switches of a host; one without a file has the default ones.
    pub fn read(path: &Path, role: &str) -> Result<Self, SwitchError> {
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => "{}".to_owned(),
            Err(source) => {
                return Err(SwitchError::Unreadable {
                    path: path.display().to_string(),
                    source,
                });
            }
        };
        Self::parse(&text, role).map_err(|source| SwitchError::Malformed {
            path: path.display().to_string(),
            source,
        })
    }

    /// Returns a database timer of the given length, scaled.
    pub fn timer(&self, ms: u64) -> Duration {
        time::scaled(Duration::from_millis(ms), self.time_factor)
    }

    /// Returns a scaled database timer in milliseconds.
    pub fn timer_ms(&self, ms: u64) -> u64 {
        time::ms(self.timer(ms))
    }
}

/// The switches of a running server, read again when their file changes.
#[derive(Debug, Clone)]
pub struct Live {
    path: PathBuf,
    role: String,
    state: Arc<Mutex<Known>>,
}

#[derive(Debug)]
struct Known {
    switches: Arc<Switches>,
    stamp: Option<std::time::SystemTime>,
    looked_ms: u64,
}

const LOOK_EVERY_MS: u64 = 200;

impl Live {
    /// Reads the switches for a role; from then on they follow the file.
    pub fn open(path: &Path, role: &str) -> Result<Self, SwitchError> {
        let switches = Switches::read(path, role)?;
        Ok(Self {
            path: path.to_owned(),
            role: role.to_owned(),
            state: Arc::new(Mutex::new(Known {
                switches: Arc::new(switches),
                stamp: stamp(path),
                looked_ms: time::mono_ms(),
            })),
        })
    }

    /// Returns switches that follow no file.
    pub fn fixed(switches: Switches) -> Self {
        Self {
            path: PathBuf::from("/nonexistent/sim.json"),
            role: String::new(),
            state: Arc::new(Mutex::new(Known {
                switches: Arc::new(switches),
                stamp: None,
                looked_ms: u64::MAX,
            })),
        }
    }

    /// Returns the switches as they are now; a file that has become unreadable changes nothing.
    pub fn now(&self) -> Arc<Switches> {
        let mut known = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let now = time::mono_ms();
        if now >= known.looked_ms.saturating_add(LOOK_EVERY_MS) {
            known.looked_ms = now;
            let stamp = stamp(&self.path);
            if stamp != known.stamp {
                known.stamp = stamp;
                match Switches::read(&self.path, &self.role) {
                    Ok(switches) => known.switches = Arc::new(switches),
                    Err(error) => super::effects::eprint_line(&format!("lab: {error}")),
                }
            }
        }
        Arc::clone(&known.switches)
    }
}

fn stamp(path: &Path) -> Option<std::time::SystemTime> {
    std::fs::metadata(path).ok()?.modified().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_overrides_what_holds_for_all() {
        let text = r#"{"time_factor": 0.5, "stop_delay_ms": 10,
                       "dbserver": {"stop_delay_ms": 99, "upgrade_outcome": "hang"}}"#;
        let agent = Switches::parse(text, "agent").unwrap();
        assert_eq!(
            (agent.stop_delay_ms, agent.upgrade_outcome),
            (10, Outcome::Ok)
        );
        let dbserver = Switches::parse(text, "dbserver").unwrap();
        assert_eq!(
            (dbserver.stop_delay_ms, dbserver.upgrade_outcome),
            (99, Outcome::Hang)
        );
        assert_eq!(dbserver.timer(1000), Duration::from_millis(500));
    }

    #[test]
    fn unknown_names_are_errors_also_in_another_role() {
        assert!(Switches::parse(r#"{"stop_dely_ms": 1}"#, "agent").is_err());
        assert!(Switches::parse(r#"{"dbserver": {"x": 1}}"#, "agent").is_err());
    }

    #[test]
    fn a_host_without_a_file_has_the_default() {
        let none = Switches::read(Path::new("/nonexistent/sim.json"), "agent").unwrap();
        assert_eq!(none, Switches::default());
    }
}
