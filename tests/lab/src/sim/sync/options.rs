//! The command line of `arangosync`.

use std::collections::BTreeMap;

use crate::sim::http::Target;

const KNOWN: &[&str] = &[
    "auth.keyfile",
    "auth.password",
    "auth.user",
    "cluster.endpoint",
    "cluster.jwt-secret",
    "ensure-in-sync",
    "log.file",
    "log.level",
    "master.cacert",
    "master.endpoint",
    "master.jwt-secret",
    "master.keyfile",
    "monitoring.token",
    "mq.type",
    "server.client-cafile",
    "server.endpoint",
    "server.keyfile",
    "server.port",
    "source.cacert",
    "source.endpoint",
    "timeout",
];

/// What was asked of `arangosync`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Options {
    values: BTreeMap<String, Vec<String>>,
}

/// There is no such option, or it lacks its value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown flag or missing value: --{0}")]
pub struct OptionError(String);

impl Options {
    /// Reads a command line; returns its bare words apart.
    pub fn parse(args: &[String]) -> Result<(Vec<String>, Self), OptionError> {
        let mut words = Vec::new();
        let mut options = Self::default();
        let mut rest = args.iter();
        while let Some(arg) = rest.next() {
            if arg == "-v" || arg == "--verbose" {
                continue;
            }
            let Some(body) = arg.strip_prefix("--") else {
                words.push(arg.clone());
                continue;
            };
            let (name, given) = match body.split_once('=') {
                Some((name, value)) => (name, Some(value.to_owned())),
                None => (body, None),
            };
            if !KNOWN.contains(&name) {
                return Err(OptionError(name.to_owned()));
            }
            let value = given.or_else(|| rest.next().cloned());
            let value = value.ok_or_else(|| OptionError(name.to_owned()))?;
            options
                .values
                .entry(name.to_owned())
                .or_default()
                .push(value);
        }
        Ok((words, options))
    }

    /// Returns an option's value, unless it is empty.
    pub fn text(&self, name: &str) -> Option<&str> {
        let value = self.values.get(name)?.last()?;
        (!value.is_empty()).then_some(value)
    }

    /// Returns the addresses that an option lists.
    pub fn targets(&self, name: &str) -> Vec<Target> {
        let given = self.values.get(name).map_or(&[][..], Vec::as_slice);
        given
            .iter()
            .flat_map(|text| text.split(','))
            .filter_map(|text| Target::parse(text.trim()))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_options_and_lists_are_read() {
        let args = [
            "stop",
            "sync",
            "--master.endpoint=https://a:8532,https://b:8532",
            "--ensure-in-sync=false",
            "--auth.password=",
            "-v",
        ];
        let args: Vec<String> = args.iter().map(|arg| (*arg).to_owned()).collect();
        let (words, options) = Options::parse(&args).unwrap();
        assert_eq!(words, ["stop", "sync"]);
        assert_eq!(options.targets("master.endpoint").len(), 2);
        assert_eq!(options.text("ensure-in-sync"), Some("false"));
        assert_eq!(options.text("auth.password"), None);
        assert!(Options::parse(&["--no.such=1".to_owned()]).is_err());
    }
}
