//! What is known of a host since the run began: facts, registered results, variables that tasks set or loaded.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use serde_json::{Map, Value};

use super::layer::plain;
use super::{Layer, Precedence, Values};
use crate::template::Raw;

/// The variables of a host that came while the run went on. A copy is cheap; values are shared.
#[derive(Debug, Clone, Default)]
pub struct HostState {
    facts: Arc<Map<String, Value>>,
    ansible_facts: OnceLock<Arc<Raw>>,
    set: Arc<BTreeMap<String, Arc<Raw>>>,
    included: Vec<Layer>,
}

impl HostState {
    /// Returns the facts as modules gave them: `ansible_hostname`, `services`.
    pub fn facts(&self) -> &Map<String, Value> {
        &self.facts
    }

    /// Returns the variables that were registered or set, by name.
    pub fn variables(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.set
            .iter()
            .map(|(name, raw)| (name.as_str(), &raw.value))
    }

    /// Returns a fact under the name that a variable has: `ansible_hostname`, `services`.
    pub(super) fn fact(&self, name: &str) -> Option<&Value> {
        self.facts.get(name)
    }

    /// Returns `ansible_facts`: all facts, without `ansible_` before their names; made once for all who look.
    pub(super) fn ansible_facts(&self) -> Arc<Raw> {
        let short = |(name, value): (&String, &Value)| {
            let short = name.strip_prefix("ansible_").unwrap_or(name);
            (short.to_owned(), value.clone())
        };
        let make = || {
            let all = self.facts.iter().map(short).collect();
            Arc::new(plain(&Value::Object(all), false))
        };
        Arc::clone(self.ansible_facts.get_or_init(make))
    }

    pub(super) fn variable(&self, name: &str) -> Option<&Arc<Raw>> {
        self.set.get(name)
    }

    /// Returns what `include_vars` loaded, from the lowest to the highest.
    pub(super) fn included(&self) -> &[Layer] {
        &self.included
    }

    pub(super) fn set_facts(&mut self, facts: Map<String, Value>) {
        let known = Arc::make_mut(&mut self.facts);
        // A fact must not lead the connection elsewhere: the inventory says how a host is reached.
        let harmless = facts.into_iter().filter(|(name, _)| !is_connection(name));
        known.extend(harmless);
        self.ansible_facts = OnceLock::new();
    }

    pub(super) fn clear_facts(&mut self) {
        self.facts = Arc::default();
        self.ansible_facts = OnceLock::new();
    }

    pub(super) fn set_variables(&mut self, variables: Map<String, Value>) {
        let known = Arc::make_mut(&mut self.set);
        let raw = |value| Raw {
            value,
            templated: false,
            origin: None,
        };
        let shared = |(name, value)| (name, Arc::new(raw(value)));
        known.extend(variables.into_iter().map(shared));
    }

    /// Adds what a file of variables holds; loading a file again moves it to the top.
    pub(super) fn include(&mut self, source: &str, values: Values) {
        self.included.retain(|layer| &*layer.of != source);
        self.included.push(Layer {
            precedence: Precedence::IncludeVars,
            of: Arc::from(source),
            values,
        });
    }
}

/// Tells a variable that says how a host is reached, from a fact that is only called similarly.
fn is_connection(name: &str) -> bool {
    const NAMES: [&str; 6] = [
        "ansible_host",
        "ansible_port",
        "ansible_user",
        "ansible_password",
        "ansible_connection",
        "ansible_private_key_file",
    ];
    NAMES.contains(&name)
        || name.starts_with("ansible_become")
        || name.starts_with("ansible_ssh_") && !name.starts_with("ansible_ssh_host_key_")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn map(value: &Value) -> Map<String, Value> {
        value.as_object().cloned().unwrap()
    }

    #[test]
    fn facts_have_two_names_and_cannot_redirect_the_connection() {
        let mut state = HostState::default();
        state.set_facts(map(&json!({
            "ansible_hostname": "db1", "services": {}, "ansible_host": "evil", "ansible_become_user": "x",
            "ansible_ssh_host_key_rsa_public": "AAAA", "ansible_ssh_common_args": "-o ProxyCommand=evil",
        })));
        assert_eq!(state.fact("ansible_hostname"), Some(&json!("db1")));
        let expected =
            json!({"hostname": "db1", "services": {}, "ssh_host_key_rsa_public": "AAAA"});
        assert_eq!(state.ansible_facts().value, expected);
        let before = state.clone();
        state.clear_facts();
        assert!(state.facts().is_empty());
        assert_eq!(before.facts().len(), 3);
        assert_eq!(state.ansible_facts().value, json!({}));
    }

    #[test]
    fn a_file_that_is_included_again_wins_again() {
        let mut state = HostState::default();
        for (source, value) in [("a.yml", 1), ("b.yml", 2), ("a.yml", 3)] {
            let values = Values::Templates(Arc::new(map(&json!({"x": value}))));
            state.include(source, values);
        }
        let found: Vec<_> = state
            .included()
            .iter()
            .rev()
            .filter_map(|l| l.find("x"))
            .collect();
        assert_eq!(found.len(), 2);
        assert_eq!(found[0].value, json!(3));
        assert!(found[0].templated);
    }
}
