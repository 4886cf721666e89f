//! What has become of a cluster on loopback, as its servers and their counts tell.

use std::time::Duration;

use serde_json::{Value, json};

use super::{Error, Loopback, block, not_up};
use crate::files;
use crate::sim::memsql::Address;
use crate::sim::memsql::meta::Meta;
use crate::sim::memsql::peer::{self, Message};
use crate::sim::memsql::variables;

/// The switches that an upgrade switches off.
pub const SWITCHED: [&str; 3] = [
    "auto_attach",
    "leaf_failure_detection",
    "aggregator_failure_detection",
];

impl Loopback {
    /// A server that is away says nothing.
    fn said(&self, at: &Address, message: &Message) -> Value {
        let said = block(peer::say(
            &self.dialled(at),
            message,
            Duration::from_secs(5),
        ));
        said.ok().and_then(Result::ok).unwrap_or_default()
    }

    /// Reads what the master aggregator knows.
    pub fn meta(&self) -> Value {
        self.said(&self.master, &Message::Meta)
    }

    /// Reads all that a server is.
    pub fn state(&self, at: &Address) -> Value {
        self.said(at, &Message::State)
    }

    /// Returns the aggregators, the master first.
    pub fn aggregators(&self) -> Vec<&Address> {
        std::iter::once(&self.master)
            .chain(&self.children)
            .collect()
    }

    /// Tells how a leaf stands and what it runs: `online 5.5.12`, `detached -` where it does not run.
    pub fn leaf_at(&self, at: &Address) -> String {
        let meta = self.meta();
        let all = meta.get("leaves").and_then(Value::as_array);
        let mut all = all.into_iter().flatten();
        let own = all.find(|leaf| leaf.get("at") == Some(&json!(at)));
        let state = own.and_then(|leaf| leaf.get("state")?.as_str());
        format!("{} {}", state.unwrap_or("unknown"), self.version(at))
    }

    /// Tells which version a server runs; `-` where it does not.
    pub fn version(&self, at: &Address) -> String {
        let state = self.state(at);
        let version = state.get("version").and_then(Value::as_str);
        version.unwrap_or("-").to_owned()
    }

    /// Tells the switches that are off, with the part of who has them off.
    pub fn off(&self) -> Vec<String> {
        let mut off = Vec::new();
        for at in self.aggregators() {
            let state = self.state(at);
            let part = state.get("part").and_then(Value::as_str);
            let part = part.unwrap_or("away");
            let variables = state.get("variables");
            let is_off =
                |name: &&str| variables.and_then(|all| all.get(*name)) == Some(&json!("OFF"));
            let names = SWITCHED.into_iter().filter(is_off);
            off.extend(names.map(|name| format!("{part} {name}")));
        }
        off
    }

    /// Tells the switches that are off in the files that aggregators read at their start.
    pub fn off_in_files(&self) -> Result<Vec<String>, Error> {
        let mut off = Vec::new();
        for machine in &self.machines {
            let place = machine.root.join("var/lib/memsql");
            for name in files::names(&place)? {
                let file = place.join(&name).join("memsql.cnf");
                let text = files::read_if_there(&file)?.unwrap_or_default();
                let settings = variables::settings(&text).into_iter();
                let settings = settings.filter(|(switch, value)| {
                    SWITCHED.contains(&switch.as_str()) && value.eq_ignore_ascii_case("OFF")
                });
                off.extend(settings.map(|(switch, _)| format!("{name} {switch}")));
            }
        }
        Ok(off)
    }

    /// Tells whether Ops is under manual control.
    pub fn manual_control(&self) -> Result<bool, Error> {
        let [primary, _] = &self.machines;
        let path = primary.root.join("var/lib/memsql-ops/data/state");
        let known = files::read_if_there(&path)?.unwrap_or_default();
        let known: Value = serde_json::from_str(&known).unwrap_or_default();
        Ok(known.get("manual_control") == Some(&json!(true)))
    }

    /// Tells what is wrong with the partitions: none, when each has a master and a slave, unlocked, on leaves that take part.
    pub fn missing(&self) -> Result<Vec<String>, Error> {
        let meta: Meta = serde_json::from_value(self.meta()).map_err(not_up)?;
        let mut wrong = Vec::new();
        for (database, ordinal, partition) in meta.partitions() {
            if partition.master().is_none() || partition.slave().is_none() || partition.locked {
                wrong.push(format!("{database}_{ordinal}"));
            }
        }
        Ok(wrong)
    }

    /// Returns all that was counted, in its order.
    pub fn effects(&self) -> Result<Vec<Value>, Error> {
        let [first, second] = &self.machines;
        let mut all = first.effects()?;
        all.extend(second.effects()?);
        all.sort_by_key(|effect| effect.get("unix_ms").and_then(Value::as_u64));
        Ok(all)
    }
}
