//! The command line of the starter.
//!
//! Options stand as `--name=value` or `--name value`; truth values stand alone or with `=`.
//! `--all.x`, `--coordinators.x`, `--dbservers.x`, `--agents.x` and the like are passed on.

use std::collections::BTreeMap;

use super::kinds::Kind;

const TEXTS: &[&str] = &[
    "auth.jwt-secret",
    "auth.user",
    "cluster.advertised-endpoint",
    "cluster.agency-size",
    "cluster.start-agent",
    "cluster.start-coordinator",
    "cluster.start-dbserver",
    "cluster.start-single",
    "log.dir",
    "log.rotate-files-to-keep",
    "log.rotate-interval",
    "rocksdb.encryption-keyfile",
    "server.arangod",
    "server.arangosync",
    "server.js-dir",
    "server.rr",
    "server.storage-engine",
    "server.threads",
    "ssl.auto-organization",
    "ssl.auto-server-name",
    "ssl.cafile",
    "ssl.keyfile",
    "starter.address",
    "starter.data-dir",
    "starter.endpoint",
    "starter.host",
    "starter.id",
    "starter.instance-up-timeout",
    "starter.join",
    "starter.mode",
    "starter.port",
    "sync.master.jwt-secret",
    "sync.monitoring.token",
    "sync.mq.type",
    "sync.server.client-cafile",
    "sync.server.keyfile",
    "sync.start-master",
    "sync.start-worker",
];

const TRUTHS: &[&str] = &[
    "log.color",
    "log.console",
    "log.file",
    "log.verbose",
    "ssl.auto-key",
    "starter.debug-cluster",
    "starter.disable-ipv6",
    "starter.local",
    "starter.sync",
    "starter.unique-port-offsets",
    "version",
];

const PASSED_ON: &[&str] = &[
    "all",
    "agents",
    "coordinators",
    "dbservers",
    "sync",
    "syncmasters",
    "syncworkers",
];

/// What was asked of the starter.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Options {
    values: BTreeMap<String, Vec<String>>,
}

/// Why a command line is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OptionError {
    /// There is no such option.
    #[error("unknown flag: --{0}")]
    Unknown(String),
    /// The option needs a value.
    #[error("flag needs an argument: --{0}")]
    NoValue(String),
}

impl Options {
    /// Reads a command line; returns its bare words apart.
    pub fn parse(args: &[String]) -> Result<(Vec<String>, Self), OptionError> {
        let mut words = Vec::new();
        let mut options = Self::default();
        let mut rest = args.iter();
        while let Some(arg) = rest.next() {
            let Some(body) = arg.strip_prefix("--") else {
                words.push(arg.clone());
                continue;
            };
            let (name, given) = match body.split_once('=') {
                Some((name, value)) => (name, Some(value.to_owned())),
                None => (body, None),
            };
            let value = if TRUTHS.contains(&name) {
                given.unwrap_or_else(|| "true".to_owned())
            } else if TEXTS.contains(&name) || passed_on(name).is_some() {
                given
                    .or_else(|| rest.next().cloned())
                    .ok_or_else(|| OptionError::NoValue(name.to_owned()))?
            } else {
                return Err(OptionError::Unknown(name.to_owned()));
            };
            options
                .values
                .entry(name.to_owned())
                .or_default()
                .push(value);
        }
        Ok((words, options))
    }

    /// Returns an option's value.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.values.get(name)?.last().map(String::as_str)
    }

    /// Tells whether an option is given and true.
    pub fn is_set(&self, name: &str) -> bool {
        self.text(name) == Some("true")
    }

    /// Returns whether an option says yes or no, if it says anything.
    pub fn choice(&self, name: &str) -> Option<bool> {
        self.text(name).map(|text| text == "true")
    }

    /// Returns an option's value as a number.
    pub fn number(&self, name: &str) -> Option<u16> {
        self.text(name)?.parse().ok()
    }

    /// Returns the items of an option that takes a list, also given several times.
    pub fn list(&self, name: &str) -> Vec<String> {
        let given = self.values.get(name).map_or(&[][..], Vec::as_slice);
        given
            .iter()
            .flat_map(|text| text.split(','))
            .map(|item| item.trim().to_owned())
            .filter(|item| !item.is_empty())
            .collect()
    }

    /// Returns what is passed on to servers of a kind: names without dashes, and values.
    pub fn passed_to(&self, kind: Kind) -> Vec<(String, String)> {
        let own: &[&str] = match kind {
            Kind::Agent => &["all", "agents"],
            Kind::Coordinator => &["all", "coordinators"],
            Kind::DbServer => &["all", "dbservers"],
            Kind::Single => &["all"],
            Kind::SyncMaster => &["sync", "syncmasters"],
            Kind::SyncWorker => &["sync", "syncworkers"],
        };
        self.values
            .iter()
            .filter_map(|(name, values)| Some((passed_on(name)?, values)))
            .filter(|((prefix, _), _)| own.contains(prefix))
            .flat_map(|((_, option), values)| {
                values
                    .iter()
                    .map(move |value| (option.to_owned(), value.clone()))
            })
            .collect()
    }
}

fn passed_on(name: &str) -> Option<(&str, &str)> {
    if TEXTS.contains(&name) {
        return None;
    }
    let (prefix, option) = name.split_once('.')?;
    PASSED_ON.contains(&prefix).then_some((prefix, option))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(args: &[&str]) -> Result<(Vec<String>, Options), OptionError> {
        let args: Vec<String> = args.iter().map(|arg| (*arg).to_owned()).collect();
        Options::parse(&args)
    }

    #[test]
    fn options_and_words_are_told_apart() {
        let (words, options) = parse(&[
            "auth",
            "header",
            "--auth.jwt-secret=/s",
            "--starter.join",
            "a,b",
            "--starter.join=c",
            "--starter.sync",
            "--log.file=false",
        ])
        .unwrap();
        assert_eq!(words, ["auth", "header"]);
        assert_eq!(options.text("auth.jwt-secret"), Some("/s"));
        assert_eq!(options.list("starter.join"), ["a", "b", "c"]);
        assert!(options.is_set("starter.sync"));
        assert_eq!(options.choice("log.file"), Some(false));
    }

    #[test]
    fn what_is_passed_on_goes_to_its_kinds_only() {
        let (_, options) = parse(&[
            "--agents.agency.supervision-frequency=0.5",
            "--all.log.level",
            "debug",
        ])
        .unwrap();
        let level = ("log.level".to_owned(), "debug".to_owned());
        let frequency = ("agency.supervision-frequency".to_owned(), "0.5".to_owned());
        assert_eq!(options.passed_to(Kind::Agent), [frequency, level.clone()]);
        assert_eq!(options.passed_to(Kind::DbServer), [level]);
        assert_eq!(options.passed_to(Kind::SyncMaster), []);
    }

    #[test]
    fn what_is_not_known_is_refused() {
        assert!(matches!(
            parse(&["--no.such=1"]),
            Err(OptionError::Unknown(_))
        ));
        assert!(matches!(
            parse(&["--starter.join"]),
            Err(OptionError::NoValue(_))
        ));
    }
}
