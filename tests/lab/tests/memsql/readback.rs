//! What has become of a cluster, as its servers and their counts tell, for a case.

use lab::sim::memsql::meta::Meta;
use serde_json::{Value, json};

use crate::stack::Stack;

impl Stack {
    /// Tells who leads a partition.
    pub(crate) fn leader(&self, name: &str) -> Option<String> {
        let meta: Meta = serde_json::from_value(self.meta()).unwrap();
        let (_, _, partition) = meta
            .partitions()
            .find(|(database, ordinal, _)| format!("{database}_{ordinal}") == name)?;
        partition.master().map(ToString::to_string)
    }

    /// Tells how each leaf stands and what it runs: `online 5.5.12`, `detached -` where it does not run.
    pub(crate) fn leaf(&self, number: usize) -> String {
        self.leaf_at(&self.leaves[number])
    }

    /// Tells the same of all leaves.
    pub(crate) fn all_leaves(&self) -> Vec<String> {
        (0..self.leaves.len())
            .map(|number| self.leaf(number))
            .collect()
    }

    /// Tells whether Ops is under manual control.
    pub(crate) fn manual_control(&self) -> bool {
        (**self).manual_control().unwrap()
    }

    /// Tells what is wrong with the partitions: none, when each has a master and a slave, unlocked, on leaves that take part.
    pub(crate) fn missing(&self) -> Vec<String> {
        (**self).missing().unwrap()
    }

    /// Returns all that was counted, in its order.
    pub(crate) fn effects(&self) -> Vec<Value> {
        (**self).effects().unwrap()
    }

    /// Returns the notes of what is owed that lie on the hosts.
    pub(crate) fn notes(&self) -> Vec<String> {
        (**self).notes().unwrap()
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
