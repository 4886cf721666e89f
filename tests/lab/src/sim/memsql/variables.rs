//! Variables of a server, and the file that they come from at its start. Pure.

use std::collections::BTreeMap;

use super::wire::Fault;

/// The variables of one server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Variables {
    all: BTreeMap<String, String>,
}

const DEFAULTS: [(&str, &str); 12] = [
    ("aggregator_failure_detection", "ON"),
    ("auto_attach", "ON"),
    ("leaf_failure_detection", "ON"),
    ("redundancy_level", "1"),
    ("max_allowed_packet", "104857600"),
    ("wait_timeout", "28800"),
    ("net_read_timeout", "3600"),
    ("sql_mode", "STRICT_ALL_TABLES"),
    ("default_partitions_per_leaf", "8"),
    ("snapshot_trigger_size", "268435456"),
    ("have_ssl", "DISABLED"),
    ("socket", "/tmp/memsql.sock"),
];

const SWITCHES: [&str; 3] = [
    "aggregator_failure_detection",
    "auto_attach",
    "leaf_failure_detection",
];

impl Variables {
    /// Returns what holds after a start with a configuration file, for a version.
    pub fn at_start(configuration: &str, version: &str) -> Self {
        let mut all: BTreeMap<String, String> = DEFAULTS
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        all.insert("memsql_version".to_owned(), version.to_owned());
        for (name, value) in settings(configuration) {
            let value = on_off(&name, &value).unwrap_or(value);
            all.insert(name, value);
        }
        Self { all }
    }

    /// Returns a variable's value.
    pub fn value(&self, name: &str) -> Option<&str> {
        self.all.get(&name.to_lowercase()).map(String::as_str)
    }

    /// Tells whether a variable is on.
    pub fn is_on(&self, name: &str) -> bool {
        self.value(name) == Some("ON")
    }

    /// Returns all of them.
    pub fn all(&self) -> &BTreeMap<String, String> {
        &self.all
    }

    /// Sets a variable.
    pub fn set(&mut self, name: &str, value: &str) -> Result<(), Fault> {
        let name = name.to_lowercase();
        if !self.all.contains_key(&name) {
            return Err(Fault::new(
                1193,
                format!("Unknown system variable '{name}'"),
            ));
        }
        if name == "memsql_version" {
            return Err(Fault::new(
                1238,
                format!("Variable '{name}' is a read only variable"),
            ));
        }
        let value = if SWITCHES.contains(&name.as_str()) {
            on_off(&name, value).ok_or_else(|| {
                let text = format!("Variable '{name}' can't be set to the value of '{value}'");
                Fault::new(1231, text)
            })?
        } else {
            value.to_owned()
        };
        self.all.insert(name, value);
        Ok(())
    }
}

fn on_off(name: &str, value: &str) -> Option<String> {
    if !SWITCHES.contains(&name) {
        return None;
    }
    match value.to_lowercase().as_str() {
        "on" | "1" | "true" => Some("ON".to_owned()),
        "off" | "0" | "false" => Some("OFF".to_owned()),
        _ => None,
    }
}

/// Returns the settings of a configuration file, names with underscores.
pub fn settings(text: &str) -> Vec<(String, String)> {
    let lines = text.lines().map(str::trim);
    let lines = lines.filter(|line| !line.is_empty() && !line.starts_with(['#', ';', '[']));
    let pairs = lines.map(|line| line.split_once('=').unwrap_or((line, "")));
    let pairs = pairs.map(|(name, value)| (plain(name), value.trim().to_owned()));
    pairs.collect()
}

/// Returns a configuration file's text with a setting changed, added or, without a value, gone.
pub fn with_setting(text: &str, name: &str, value: Option<&str>) -> String {
    let name = plain(name);
    let is_it = |line: &&str| plain(line.split('=').next().unwrap_or("")) == name;
    let mut lines: Vec<String> = text
        .lines()
        .filter(|line| !is_it(line))
        .map(str::to_owned)
        .collect();
    lines.extend(value.map(|value| format!("{name} = {value}")));
    lines.join("\n") + "\n"
}

fn plain(name: &str) -> String {
    name.trim().replace('-', "_").to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_file_says_holds_after_a_start_and_what_was_set_does_not() {
        let file = "[server]\nport = 3306\nauto-attach = off\n";
        let mut variables = Variables::at_start(file, "5.5.12");
        assert_eq!(variables.value("AUTO_ATTACH"), Some("OFF"));
        variables.set("leaf_failure_detection", "0").unwrap();
        assert!(!variables.is_on("leaf_failure_detection"));
        assert_eq!(
            variables.set("auto_attach", "maybe").unwrap_err().number,
            1231
        );
        assert_eq!(variables.set("no_such", "1").unwrap_err().number, 1193);
        let again = Variables::at_start(file, "5.5.12");
        assert!(again.is_on("leaf_failure_detection"));
    }

    #[test]
    fn a_setting_is_changed_in_place_of_the_old_one() {
        let file = "[server]\nauto_attach = ON\nport = 1\n";
        let off = with_setting(file, "auto-attach", Some("OFF"));
        assert_eq!(
            settings(&off),
            [
                ("port".into(), "1".into()),
                ("auto_attach".into(), "OFF".into())
            ]
        );
        assert!(!with_setting(&off, "auto_attach", None).contains("auto_attach"));
    }
}
