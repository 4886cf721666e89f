//! What has become of a cluster, as its servers and their counts tell.

use std::time::Duration;

use lab::files;
use lab::sim::memsql::Address;
use lab::sim::memsql::meta::Meta;
use lab::sim::memsql::peer::{self, Message};
use serde_json::{Value, json};

use crate::stack::{Machine, Stack, block};

impl Stack {
    fn said(&self, at: &Address, message: &Message) -> Value {
        block(peer::say(at, message, Duration::from_secs(5))).unwrap_or_default()
    }

    /// Reads what the master aggregator knows.
    pub(crate) fn meta(&self) -> Value {
        self.said(&self.master, &Message::Meta)
    }

    /// Reads all that a server is.
    pub(crate) fn state(&self, at: &Address) -> Value {
        self.said(at, &Message::State)
    }

    /// Tells how each leaf stands and what it runs: `online 5.5.12`, `detached -` where it does not run.
    pub(crate) fn leaf(&self, number: usize) -> String {
        let at = &self.leaves[number];
        let meta = self.meta();
        let all = meta["leaves"].as_array().cloned().unwrap_or_default();
        let own = json!(at);
        let state = all.iter().find(|leaf| leaf["at"] == own);
        let state = state.and_then(|leaf| leaf["state"].as_str().map(str::to_owned));
        let state_of = self.state(at);
        let version = state_of["version"].as_str().unwrap_or("-");
        format!(
            "{} {version}",
            state.unwrap_or_else(|| "unknown".to_owned())
        )
    }

    /// Tells which version an aggregator runs; `-` where it does not.
    pub(crate) fn version(&self, at: &Address) -> String {
        self.state(at)["version"].as_str().unwrap_or("-").to_owned()
    }

    /// Tells the switches that are off, with the part of who has them off.
    pub(crate) fn off(&self) -> Vec<String> {
        let mut off = Vec::new();
        for at in [&self.master, &self.child] {
            let state = self.state(at);
            let part = state["part"].as_str().unwrap_or("away").to_owned();
            for name in [
                "auto_attach",
                "leaf_failure_detection",
                "aggregator_failure_detection",
            ] {
                if state["variables"][name] == json!("OFF") {
                    off.push(format!("{part} {name}"));
                }
            }
        }
        off
    }

    /// Tells whether Ops is under manual control.
    pub(crate) fn manual_control(&self) -> bool {
        let path = self.machines[0].root.join("var/lib/memsql-ops/data/state");
        let known = files::read_if_there(&path).unwrap().unwrap_or_default();
        let known: Value = serde_json::from_str(&known).unwrap_or_default();
        known["manual_control"] == json!(true)
    }

    /// Tells what is wrong with the partitions: none, when each has a master and a slave, unlocked, on leaves that take part.
    pub(crate) fn missing(&self) -> Vec<String> {
        let meta: Meta = serde_json::from_value(self.meta()).unwrap();
        let mut wrong = Vec::new();
        for (database, ordinal, partition) in meta.partitions() {
            if partition.master().is_none() || partition.slave().is_none() || partition.locked {
                wrong.push(format!("{database}_{ordinal}"));
            }
        }
        wrong
    }

    /// Returns all that was counted, in its order.
    pub(crate) fn effects(&self) -> Vec<Value> {
        let mut all: Vec<Value> = self.machines.iter().flat_map(Machine::effects).collect();
        all.sort_by_key(|effect| effect["unix_ms"].as_u64());
        all
    }

    /// Counts an effect.
    pub(crate) fn count(&self, what: &str) -> usize {
        self.effects()
            .iter()
            .filter(|effect| effect["what"] == json!(what))
            .count()
    }

    /// Tells that nothing was done to the cluster: no server, no switch, no partition.
    pub(crate) fn assert_untouched(&self, since: usize, what: &str) {
        let done: Vec<Value> = self.effects().into_iter().skip(since).collect();
        // What the cluster and Ops do of themselves.
        let allowed = ["recovered", "offline", "failover", "ops-started"];
        let done: Vec<&Value> = done
            .iter()
            .filter(|one| !allowed.contains(&one["what"].as_str().unwrap_or_default()))
            .collect();
        assert!(done.is_empty(), "{what}: {done:?}");
    }
}
