//! The count of what was done to the simulated servers.
//!
//! Each start, signal, auto-upgrade and stop appends one JSON line to a file on the host.
//! A test counts there, never in the records of the tool under test. A simulator that cannot
//! write down what happens to it refuses to start: an uncounted effect would be a lie.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;
use std::sync::Arc;

use serde_json::{Value, json};

use super::time;

/// Where one process writes down what happens to it.
#[derive(Debug, Clone)]
pub struct Effects {
    file: Arc<File>,
    role: String,
    version: String,
    place: String,
}

impl Effects {
    /// Opens the count of this host for one process: its role, version and data directory or port.
    pub fn open(path: &Path, role: &str, version: &str, place: &str) -> io::Result<Self> {
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent)?;
        }
        let file = OpenOptions::new()
            .create(true)
            .append(true)
            .mode(0o666)
            .open(path)?;
        // Servers run under several users and all count in one file; only its owner may do
        // this, and for the others it has been done.
        if file.metadata()?.permissions().mode() & 0o777 != 0o666 {
            drop(file.set_permissions(std::fs::Permissions::from_mode(0o666)));
        }
        Ok(Self {
            file: Arc::new(file),
            role: role.to_owned(),
            version: version.to_owned(),
            place: place.to_owned(),
        })
    }

    /// Writes down one effect, with whatever else belongs to it.
    pub fn record(&self, what: &str, detail: &Value) -> io::Result<()> {
        let line = json!({
            "time": time::iso_ms(time::unix_ms()),
            "unix_ms": time::unix_ms(),
            "role": self.role,
            "pid": std::process::id(),
            "version": self.version,
            "place": self.place,
            "what": what,
            "detail": detail,
        });
        // One write call, so that lines of several processes do not mix.
        (&*self.file).write_all(format!("{line}\n").as_bytes())
    }

    /// Writes down one effect of which nothing else is to be said.
    pub fn note(&self, what: &str) {
        if let Err(error) = self.record(what, &Value::Null) {
            eprint_line(&format!(
                "lab: the effect `{what}` was not counted: {error}"
            ));
        }
    }
}

/// Writes one line to the standard error stream, if there still is one.
pub fn eprint_line(text: &str) {
    drop(writeln!(io::stderr(), "{text}"));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn effects_of_several_processes_are_lines_of_one_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("var/lib/lab/effects.log");
        let agent = Effects::open(&path, "agent", "3.3.20", "/d/agent8531").unwrap();
        let dbserver = Effects::open(&path, "dbserver", "3.4.0", "/d/dbserver8530").unwrap();
        agent.note("start");
        dbserver
            .record("signal", &json!({"signal": "TERM"}))
            .unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        let lines: Vec<Value> = text
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        assert_eq!(lines.len(), 2);
        assert_eq!(lines[0]["what"], "start");
        assert_eq!(lines[1]["detail"]["signal"], "TERM");
        assert_eq!(lines[1]["version"], "3.4.0");
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o666, "every user can count");
    }
}
