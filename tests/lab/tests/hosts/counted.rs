//! What the simulated servers of a fleet counted: the only record that a case believes of what was done to them.

use lab::fleet::{Fleet, Host};
use lab::packages::EFFECTS;
use serde_json::{Value, json};

use crate::harness::Failure;

/// What the servers of a fleet counted, in the order of time.
#[derive(Debug)]
pub(crate) struct Counted(Vec<Value>);

impl Counted {
    /// Reads what the servers of all hosts counted.
    pub(crate) fn of(fleet: &Fleet) -> Result<Self, Failure> {
        let mut all: Vec<Value> = Vec::new();
        for host in fleet.hosts() {
            all.extend(Self::on(host)?.0);
        }
        all.sort_by_key(at);
        Ok(Self(all))
    }

    /// Reads what the servers of one host counted; each line then names the host too.
    pub(crate) fn on(host: &Host) -> Result<Self, Failure> {
        let counted = host.read(EFFECTS)?.unwrap_or_default();
        let lines = counted.lines();
        let lines = lines.filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let named = lines.map(|mut line| {
            if let Some(fields) = line.as_object_mut() {
                fields.insert("host".to_owned(), json!(host.name()));
            }
            line
        });
        Ok(Self(named.collect()))
    }

    /// Those that say this.
    pub(crate) fn what<'a>(&'a self, what: &'a str) -> impl DoubleEndedIterator<Item = &'a Value> {
        let is = move |effect: &&Value| effect.get("what") == Some(&json!(what));
        self.0.iter().filter(is)
    }

    /// Those of servers of a role that say this.
    pub(crate) fn of_role<'a>(
        &'a self,
        role: &'a str,
        what: &'a str,
    ) -> impl DoubleEndedIterator<Item = &'a Value> {
        let is = move |effect: &&Value| effect.get("role") == Some(&json!(role));
        self.what(what).filter(is)
    }

    /// When servers of a role were ready on a version, in milliseconds since 1970.
    pub(crate) fn ready(&self, role: &str, version: &str) -> Vec<u64> {
        self.times(role, "ready", version)
    }

    /// When servers of a role that ran a version ended, in milliseconds since 1970.
    pub(crate) fn ended(&self, role: &str, version: &str) -> Vec<u64> {
        self.times(role, "stop", version)
    }

    fn times(&self, role: &str, what: &str, version: &str) -> Vec<u64> {
        let own = self.of_role(role, what);
        let own = own.filter(|effect| effect.get("version") == Some(&json!(version)));
        own.map(at).collect()
    }
}

fn at(effect: &Value) -> u64 {
    let moment = effect.get("unix_ms").and_then(Value::as_u64);
    moment.unwrap_or_default()
}

/// What an effect says under a name; nothing where it says no text there.
pub(crate) fn text<'a>(effect: &'a Value, name: &str) -> &'a str {
    let found = effect.get(name).and_then(Value::as_str);
    found.unwrap_or_default()
}
