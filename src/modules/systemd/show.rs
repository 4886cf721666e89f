//! What `systemctl show` says of a unit, and what must be done to have it as asked.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::{ModuleError, State, Wanted};
use crate::modules::files::Reply;

/// What was read of a unit.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Seen {
    /// The properties of `systemctl show`.
    pub(super) status: Map<String, Value>,
    /// What `systemctl is-enabled` said, if the properties do not tell.
    enabled: Option<String>,
    /// What was said instead of properties.
    trouble: Option<String>,
}

/// What must be done to a unit, in this order.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Steps {
    mask: Option<bool>,
    enable: Option<bool>,
    /// The verb that changes its state.
    pub(super) action: Option<String>,
    /// What people should know.
    pub(super) warning: Option<String>,
}

impl Steps {
    /// Tells whether nothing must be done.
    pub(super) fn is_empty(&self) -> bool {
        self.mask.is_none() && self.enable.is_none() && self.action.is_none()
    }

    /// Returns the verbs for `systemctl`.
    pub(super) fn words(&self) -> Vec<&str> {
        let mut words = Vec::new();
        words.extend(self.mask.map(|mask| if mask { "mask" } else { "unmask" }));
        words.extend(
            self.enable
                .map(|enable| if enable { "enable" } else { "disable" }),
        );
        words.extend(self.action.as_deref());
        words
    }
}

impl Seen {
    /// Reads what the script printed.
    pub(super) fn of(reply: &Reply) -> Self {
        let shown = reply.get("show").unwrap_or_default();
        let well = reply.line("rc") == Some("0");
        Self {
            status: if well { properties(shown) } else { Map::new() },
            enabled: reply.line("enabled").map(str::to_owned),
            trouble: (!well && !shown.is_empty()).then(|| shown.trim().to_owned()),
        }
    }

    fn property(&self, name: &str) -> &str {
        self.status
            .get(name)
            .and_then(Value::as_str)
            .unwrap_or_default()
    }

    fn is_there(&self) -> bool {
        let loaded = self.property("LoadState");
        let by_file = self
            .enabled
            .as_deref()
            .is_some_and(|state| FILE_STATES.contains(&state));
        (!loaded.is_empty() && loaded != "not-found") || by_file
    }

    fn file_state(&self) -> &str {
        match self.property("UnitFileState") {
            "" => self.enabled.as_deref().unwrap_or_default(),
            state => state,
        }
    }

    fn is_running(&self) -> bool {
        matches!(self.property("ActiveState"), "active" | "activating")
    }
}

/// What `systemctl is-enabled` says of units that exist.
const FILE_STATES: [&str; 12] = [
    "enabled",
    "enabled-runtime",
    "linked",
    "linked-runtime",
    "alias",
    "masked",
    "masked-runtime",
    "static",
    "indirect",
    "disabled",
    "generated",
    "transient",
];

/// The states of a unit file that count as enabled.
const ENABLED: [&str; 5] = ["enabled", "static", "generated", "linked", "transient"];

impl Wanted {
    /// Works out what must be done.
    pub(super) fn judge(&self, seen: &Seen) -> Result<Steps, ModuleError> {
        let mut steps = Steps::default();
        let Some(name) = &self.name else {
            return Ok(steps);
        };
        let masked = seen.file_state() == "masked";
        let error = seen.property("LoadError");
        if seen.is_there() && seen.property("LoadState") != "masked" && !error.is_empty() {
            return Err(ModuleError::failed(format!(
                "Error loading unit file '{name}': {error}"
            )));
        }
        if let Some(mask) = self.masked.filter(|mask| *mask != masked) {
            steps.mask = Some(mask);
        }
        if self.enabled.is_none() && self.state.is_none() {
            return Ok(steps);
        }
        if !seen.is_there() {
            let why = seen
                .trouble
                .as_ref()
                .map_or(String::new(), |said| format!(" ({said})"));
            return Err(ModuleError::failed(format!(
                "Could not find the requested service {name}: host{why}"
            )));
        }
        if let Some(enable) = self.enabled
            && ENABLED.contains(&seen.file_state()) != enable
        {
            steps.enable = Some(enable);
        }
        steps.action = self.action(seen)?.map(str::to_owned);
        Ok(steps)
    }

    fn action(&self, seen: &Seen) -> Result<Option<&'static str>, ModuleError> {
        let Some(state) = self.state else {
            return Ok(None);
        };
        if seen.property("ActiveState").is_empty() {
            return Err(ModuleError::failed("Service is in unknown state"));
        }
        let running = seen.is_running();
        let stopping = seen.property("ActiveState") == "deactivating";
        Ok(match state {
            State::Started if running => None,
            State::Stopped if !running && !stopping => None,
            State::Stopped => Some("stop"),
            State::Restarted if running => Some("restart"),
            State::Reloaded if running => Some("reload"),
            State::Started | State::Restarted | State::Reloaded => Some("start"),
        })
    }
}

/// Reads properties, one a line; a value in braces goes on until its closing one.
fn properties(text: &str) -> Map<String, Value> {
    let mut found = Map::new();
    let mut open: Option<(String, String)> = None;
    for line in text.lines() {
        if let Some((name, mut value)) = open.take() {
            value.push('\n');
            value.push_str(line);
            if line.trim_end().ends_with('}') {
                found.insert(name, json!(value.trim()));
            } else {
                open = Some((name, value));
            }
            continue;
        }
        let Some((name, value)) = line.split_once('=') else {
            continue;
        };
        let spans = name.starts_with("Exec") && value.trim_start().starts_with('{');
        if spans && !value.trim_end().ends_with('}') {
            open = Some((name.to_owned(), value.to_owned()));
        } else {
            found.insert(name.to_owned(), json!(value.trim()));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn properties_may_span_lines() {
        let found = properties(
            "Id=a.service\nExecStart={ path=/x ; argv[]=/x a\nb ; }\nDescription=a = b\nEmpty=\nnoise\n",
        );
        assert_eq!(found.get("Id"), Some(&json!("a.service")));
        assert_eq!(
            found.get("ExecStart"),
            Some(&json!("{ path=/x ; argv[]=/x a\nb ; }"))
        );
        assert_eq!(found.get("Description"), Some(&json!("a = b")));
        assert_eq!(found.get("Empty"), Some(&json!("")));
        assert_eq!(found.len(), 4);
    }

    #[test]
    #[expect(
        clippy::too_many_lines,
        reason = "one thing after another; cutting it would hide the order"
    )]
    fn what_must_be_done_follows_from_what_is() {
        let seen = |load: &str, active: &str, file: &str| Seen {
            status: [
                ("LoadState", load),
                ("ActiveState", active),
                ("UnitFileState", file),
            ]
            .map(|(name, value)| (name.to_owned(), json!(value)))
            .into_iter()
            .collect(),
            ..Seen::default()
        };
        let wanted = |state, enabled, masked| Wanted {
            name: Some("x".into()),
            state,
            enabled,
            masked,
            reload: false,
            reexec: false,
            scope: "",
            options: String::new(),
        };
        for (wanted, seen, words) in [
            (
                wanted(Some(State::Started), None, None),
                seen("loaded", "active", "enabled"),
                vec![],
            ),
            (
                wanted(Some(State::Started), None, None),
                seen("loaded", "activating", "enabled"),
                vec![],
            ),
            (
                wanted(Some(State::Started), None, None),
                seen("loaded", "failed", "enabled"),
                vec!["start"],
            ),
            (
                wanted(Some(State::Started), None, None),
                seen("loaded", "deactivating", ""),
                vec!["start"],
            ),
            (
                wanted(Some(State::Stopped), None, None),
                seen("loaded", "inactive", ""),
                vec![],
            ),
            (
                wanted(Some(State::Stopped), None, None),
                seen("loaded", "deactivating", ""),
                vec!["stop"],
            ),
            (
                wanted(Some(State::Restarted), None, None),
                seen("loaded", "active", ""),
                vec!["restart"],
            ),
            (
                wanted(Some(State::Restarted), None, None),
                seen("loaded", "inactive", ""),
                vec!["start"],
            ),
            (
                wanted(Some(State::Reloaded), None, None),
                seen("loaded", "active", ""),
                vec!["reload"],
            ),
            (
                wanted(None, Some(true), None),
                seen("loaded", "active", "disabled"),
                vec!["enable"],
            ),
            (
                wanted(None, Some(true), None),
                seen("loaded", "active", "static"),
                vec![],
            ),
            (
                wanted(None, Some(true), None),
                seen("loaded", "active", "indirect"),
                vec!["enable"],
            ),
            (
                wanted(None, Some(false), None),
                seen("loaded", "active", "enabled"),
                vec!["disable"],
            ),
            (
                wanted(None, None, Some(true)),
                seen("not-found", "inactive", ""),
                vec!["mask"],
            ),
            (
                wanted(Some(State::Started), Some(true), Some(false)),
                seen("masked", "inactive", "masked"),
                vec!["unmask", "enable", "start"],
            ),
        ] {
            assert_eq!(
                wanted.judge(&seen).unwrap().words(),
                words,
                "{wanted:?} {seen:?}"
            );
        }
        assert!(
            wanted(Some(State::Started), None, None)
                .judge(&seen("not-found", "inactive", ""))
                .is_err()
        );
    }
}
