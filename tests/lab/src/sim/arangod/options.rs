//! The command line of `arangod`: what it knows, what it refuses, and with which exit code.
//!
//! Options stand as `--name value` or `--name=value`; a truth value may be left out. A
//! configuration file (`-c`) sets what the command line does not.

use std::collections::BTreeMap;
use std::path::Path;

use super::config;
use crate::sim::version::Version;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    Bool,
    Number,
}

use Kind::{Bool, Number, Text};

/// Every option that this program takes, with the version that it came with.
const KNOWN: &[(&str, Kind, (u32, u32, u32))] = &[
    ("agency.activate", Bool, (0, 0, 0)),
    ("agency.compaction-keep-size", Number, (0, 0, 0)),
    ("agency.compaction-step-size", Number, (0, 0, 0)),
    ("agency.disaster-recovery-id", Text, (0, 0, 0)),
    ("agency.election-timeout-max", Number, (0, 0, 0)),
    ("agency.election-timeout-min", Number, (0, 0, 0)),
    ("agency.endpoint", Text, (0, 0, 0)),
    ("agency.my-address", Text, (0, 0, 0)),
    ("agency.pool-size", Number, (0, 0, 0)),
    ("agency.size", Number, (0, 0, 0)),
    ("agency.supervision", Bool, (0, 0, 0)),
    ("agency.supervision-frequency", Number, (0, 0, 0)),
    ("agency.supervision-grace-period", Number, (0, 0, 0)),
    ("agency.supervision-ok-threshold", Number, (3, 7, 0)),
    ("agency.wait-for-sync", Bool, (0, 0, 0)),
    ("cluster.agency-endpoint", Text, (0, 0, 0)),
    ("cluster.agency-prefix", Text, (0, 0, 0)),
    ("cluster.create-waits-for-sync-replication", Bool, (0, 0, 0)),
    ("cluster.my-address", Text, (0, 0, 0)),
    ("cluster.my-advertised-endpoint", Text, (3, 4, 0)),
    ("cluster.my-role", Text, (0, 0, 0)),
    ("cluster.system-replication-factor", Number, (0, 0, 0)),
    ("cluster.upgrade", Text, (3, 5, 0)),
    ("config", Text, (0, 0, 0)),
    ("configuration", Text, (0, 0, 0)),
    ("console", Bool, (0, 0, 0)),
    ("database.auto-upgrade", Bool, (0, 0, 0)),
    ("database.check-version", Bool, (0, 0, 0)),
    ("database.directory", Text, (0, 0, 0)),
    ("database.init-database", Bool, (0, 0, 0)),
    ("database.password", Text, (0, 0, 0)),
    ("database.upgrade-check", Bool, (0, 0, 0)),
    ("database.wait-for-sync", Bool, (0, 0, 0)),
    ("foxx.queues", Bool, (0, 0, 0)),
    ("javascript.app-path", Text, (0, 0, 0)),
    ("javascript.copy-installation", Bool, (3, 3, 20)),
    ("javascript.startup-directory", Text, (0, 0, 0)),
    ("javascript.v8-contexts", Number, (0, 0, 0)),
    ("log.color", Bool, (0, 0, 0)),
    ("log.file", Text, (0, 0, 0)),
    ("log.force-direct", Bool, (0, 0, 0)),
    ("log.foreground-tty", Bool, (0, 0, 0)),
    ("log.level", Text, (0, 0, 0)),
    ("log.output", Text, (0, 0, 0)),
    ("replication.automatic-failover", Bool, (3, 3, 0)),
    ("rocksdb.encryption-keyfile", Text, (0, 0, 0)),
    ("server.authentication", Bool, (0, 0, 0)),
    ("server.endpoint", Text, (0, 0, 0)),
    ("server.jwt-secret", Text, (0, 0, 0)),
    ("server.rest-server", Bool, (0, 0, 0)),
    ("server.statistics", Bool, (0, 0, 0)),
    ("server.storage-engine", Text, (0, 0, 0)),
    ("server.threads", Number, (0, 0, 0)),
    ("ssl.cafile", Text, (0, 0, 0)),
    ("ssl.keyfile", Text, (0, 0, 0)),
    ("temp.path", Text, (0, 0, 0)),
    ("uid", Text, (0, 0, 0)),
    ("gid", Text, (0, 0, 0)),
    ("version", Bool, (0, 0, 0)),
    ("help", Bool, (0, 0, 0)),
];

/// What was asked of `arangod`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Options {
    values: BTreeMap<String, Vec<String>>,
}

/// Why a command line is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OptionError {
    /// There is no such option in this version.
    #[error("unknown option '{0}'")]
    Unknown(String),
    /// The option cannot have this value, or needs one.
    #[error("error setting value for option '--{name}': invalid value '{value}'")]
    Value {
        /// The option.
        name: String,
        /// What it was given.
        value: String,
    },
    /// The configuration file cannot be read.
    #[error("cannot read config file '{0}'")]
    Config(String),
}

impl OptionError {
    /// Returns the exit code that goes with it.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Unknown(_) => 3,
            Self::Value { .. } => 4,
            Self::Config(_) => 6,
        }
    }
}

impl Options {
    /// Reads a command line without the program's name, and the file that it names.
    pub fn parse(args: &[String], version: &Version) -> Result<Self, OptionError> {
        let mut options = Self::default();
        let mut rest = args.iter().peekable();
        while let Some(arg) = rest.next() {
            let Some((name, given)) = option_name(arg) else {
                // A bare word is the database directory.
                options.add("database.directory", arg.clone(), version)?;
                continue;
            };
            let value = match (given, kind(&name, version)?) {
                (Some(given), _) => given,
                (None, Bool) => match rest.next_if(|next| truth(next).is_some()) {
                    Some(next) => next.clone(),
                    None => "true".to_owned(),
                },
                (None, Text | Number) => rest.next().cloned().ok_or(OptionError::Value {
                    name: name.clone(),
                    value: String::new(),
                })?,
            };
            options.add(&name, value, version)?;
        }
        options.read_config(version)?;
        Ok(options)
    }

    fn add(&mut self, name: &str, value: String, version: &Version) -> Result<(), OptionError> {
        let good = match kind(name, version)? {
            Text => true,
            Bool => truth(&value).is_some(),
            Number => value.parse::<f64>().is_ok(),
        };
        if !good {
            let name = name.to_owned();
            return Err(OptionError::Value { name, value });
        }
        self.values.entry(name.to_owned()).or_default().push(value);
        Ok(())
    }

    fn read_config(&mut self, version: &Version) -> Result<(), OptionError> {
        let Some(path) = self.text("configuration").map(str::to_owned) else {
            return Ok(());
        };
        if path == "none" {
            return Ok(());
        }
        let text = std::fs::read_to_string(Path::new(&path))
            .map_err(|_| OptionError::Config(path.clone()))?;
        let mut from_file = Self::default();
        for (name, value) in config::settings(&text) {
            from_file.add(&name, value, version)?;
        }
        for (name, values) in from_file.values {
            self.values.entry(name).or_insert(values);
        }
        Ok(())
    }

    /// Returns an option's value; the last one if it was given several times.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.values.get(name)?.last().map(String::as_str)
    }

    /// Returns all values of an option.
    pub fn all(&self, name: &str) -> &[String] {
        self.values.get(name).map_or(&[], Vec::as_slice)
    }

    /// Tells whether an option is given and true.
    pub fn is_set(&self, name: &str) -> bool {
        self.text(name).and_then(truth).unwrap_or(false)
    }

    /// Returns an option's value as a number.
    pub fn number(&self, name: &str) -> Option<f64> {
        self.text(name)?.parse().ok()
    }
}

fn option_name(arg: &str) -> Option<(String, Option<String>)> {
    let body = match arg {
        "-c" => return Some(("configuration".to_owned(), None)),
        "-h" => return Some(("help".to_owned(), None)),
        _ => arg.strip_prefix("--")?,
    };
    let (name, value) = match body.split_once('=') {
        Some((name, value)) => (name, Some(value.to_owned())),
        None => (body, None),
    };
    let name = if name == "config" {
        "configuration"
    } else {
        name
    };
    Some((name.to_owned(), value))
}

fn kind(name: &str, version: &Version) -> Result<Kind, OptionError> {
    KNOWN
        .iter()
        .find(|(known, _, (major, minor, patch))| {
            *known == name && version.at_least(*major, *minor, *patch)
        })
        .map(|(_, kind, _)| *kind)
        .ok_or_else(|| OptionError::Unknown(format!("--{name}")))
}

fn truth(text: &str) -> Option<bool> {
    match text {
        "true" | "on" | "yes" | "1" | "y" => Some(true),
        "false" | "off" | "no" | "0" | "n" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(args: &[&str], version: &str) -> Result<Options, OptionError> {
        let args: Vec<String> = args.iter().map(|arg| (*arg).to_owned()).collect();
        Options::parse(&args, &Version::parse(version).unwrap())
    }

    #[test]
    fn options_stand_apart_or_joined_and_repeat() {
        let options = parse(
            &[
                "--database.directory",
                "/d",
                "--agency.endpoint=tcp://a:1",
                "--agency.endpoint",
                "tcp://b:1",
                "--agency.activate",
                "true",
                "--database.auto-upgrade",
                "--agency.size",
                "3",
            ],
            "3.3.20",
        )
        .unwrap();
        assert_eq!(options.text("database.directory"), Some("/d"));
        assert_eq!(options.all("agency.endpoint"), ["tcp://a:1", "tcp://b:1"]);
        assert!(options.is_set("agency.activate"));
        assert!(options.is_set("database.auto-upgrade"), "without a value");
        assert_eq!(options.number("agency.size"), Some(3.0));
        let upgrade = parse(&["--database.auto-upgrade=true"], "3.3.20").unwrap();
        assert!(upgrade.is_set("database.auto-upgrade"));
        let no = parse(&["--database.auto-upgrade", "false"], "3.3.20").unwrap();
        assert!(!no.is_set("database.auto-upgrade"));
    }

    #[test]
    fn what_is_wrong_has_the_exit_code_of_the_real_one() {
        for (args, version, code) in [
            (&["--no.such", "1"][..], "3.3.20", 3),
            (&["--javascript.copy-installation", "true"], "3.3.19", 3),
            (&["--cluster.upgrade", "auto"], "3.4.0", 3),
            (&["--agency.size", "three"], "3.3.20", 4),
            (&["--database.directory"], "3.3.20", 4),
            (&["-c", "/nonexistent/arangod.conf"], "3.3.20", 6),
        ] {
            let error = parse(args, version).unwrap_err();
            assert_eq!(error.exit_code(), code, "{args:?}: {error}");
        }
        assert!(parse(&["--javascript.copy-installation", "true"], "3.3.20").is_ok());
        assert!(parse(&["--cluster.upgrade", "auto"], "3.5.0").is_ok());
    }

    #[test]
    fn the_command_line_wins_over_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("arangod.conf");
        let text = "# c\n[server]\nendpoint = tcp://[::]:8531\nauthentication = true\n[log]\nlevel = INFO\n";
        crate::sim::files::replace(&path, text.as_bytes(), 0o644).unwrap();
        let file = path.to_str().unwrap();
        let options = parse(&["-c", file, "--log.level", "debug"], "3.3.20").unwrap();
        assert_eq!(options.text("server.endpoint"), Some("tcp://[::]:8531"));
        assert!(options.is_set("server.authentication"));
        assert_eq!(options.all("log.level"), ["debug"]);
    }
}
