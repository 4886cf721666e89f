//! What is so now, beside what a plan says: the order of hosts, who is who, which steps would be skipped.
//!
//! It is shown and never part of the digest: a plan is the same plan when a leader changes. Filled by `cli` from a look
//! ahead.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use super::fold::fold;
use crate::inventory::HostName;

/// What is so now.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Live {
    /// When it was seen.
    pub at: String,
    /// The members of the cluster, a line each.
    pub cluster: Vec<String>,
    /// The batches of each play in the order of now.
    pub batches: BTreeMap<String, Vec<Vec<HostName>>>,
    /// What each step would come to, with the hosts.
    pub steps: BTreeMap<String, BTreeMap<String, Vec<HostName>>>,
}

impl Live {
    /// Adds a batch of a play.
    pub fn saw_batch(&mut self, play: &str, hosts: &[String]) {
        let batches = self.batches.entry(play.to_owned()).or_default();
        batches.push(hosts.iter().map(|host| HostName::new(host)).collect());
    }

    /// Adds what a step would come to on a host; the items of a loop count as their task.
    pub fn saw_step(&mut self, task: &str, host: &str, what: &str) {
        let task = task.split('@').next().unwrap_or(task);
        let said = self.steps.entry(task.to_owned()).or_default();
        let hosts = said.entry(what.to_owned()).or_default();
        let host = HostName::new(host);
        if !hosts.contains(&host) {
            hosts.push(host);
        }
    }

    /// Takes the members from what a probe of the cluster read; what is no such thing is passed over.
    pub fn saw_cluster(&mut self, read: &Value) {
        let leader = read.pointer("/agency/leader").and_then(Value::as_str);
        let mut lines = Vec::new();
        for (part, role) in [
            ("agents", "agent"),
            ("dbservers", "DB-Server"),
            ("coordinators", "coordinator"),
        ] {
            for server in read
                .get(part)
                .and_then(Value::as_array)
                .into_iter()
                .flatten()
            {
                lines.push(member(server, role, leader, read));
            }
        }
        if !lines.is_empty() {
            self.cluster = lines;
        }
    }

    /// Says what a step would come to now.
    pub(super) fn of_step(&self, task: &str) -> Vec<String> {
        let said = self.steps.get(task).into_iter().flatten();
        said.map(|(what, hosts)| format!("now, on {}: {what}", fold(hosts)))
            .collect()
    }

    /// Says in which order a play's hosts would be taken now.
    pub(super) fn of_play(&self, play: &str) -> Option<String> {
        let batches = self.batches.get(play)?;
        let names: Vec<String> = batches.iter().map(|batch| fold(batch)).collect();
        Some(format!("order as of now: {}", names.join(", then ")))
    }
}

fn member(server: &Value, role: &str, leader: Option<&str>, read: &Value) -> String {
    let text = |name: &str| server.get(name).and_then(Value::as_str).unwrap_or_default();
    let id = text("id");
    let name = match text("short_name") {
        "" => id,
        short => short,
    };
    let mut line = format!("{role} {name} at {}", text("endpoint"));
    if let Some(version) = server.get("version").and_then(Value::as_str) {
        line.push_str(", ");
        line.push_str(version);
    }
    if leader == Some(id) && role == "agent" {
        line.push_str(", leads the agency");
    }
    let led = read.pointer("/shards/led_by").and_then(|led| led.get(id));
    let led = led.and_then(Value::as_array).map_or(0, Vec::len);
    match led {
        0 => {}
        1 => line.push_str(", leads 1 shard"),
        more => {
            line.push_str(", leads ");
            line.push_str(&more.to_string());
            line.push_str(" shards");
        }
    }
    if let Some(problem) = server.get("problem").and_then(Value::as_str) {
        line.push_str(": ");
        line.push_str(problem);
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn members_are_told_with_their_roles_and_what_they_lead() {
        let mut live = Live::default();
        live.saw_cluster(&json!({"stdout": "no cluster"}));
        assert!(live.cluster.is_empty());
        live.saw_cluster(&json!({
            "agency": {"leader": "A1"},
            "agents": [{"id": "A1", "endpoint": "tcp://a:1", "version": "3.3.0"}, {"id": "A2", "endpoint": "tcp://b:1"}],
            "dbservers": [
                {"id": "P1", "short_name": "DB1", "endpoint": "tcp://a:2", "version": "3.3.0"},
                {"id": "P2", "short_name": "DB2", "endpoint": "tcp://b:2", "problem": "no answer"},
            ],
            "coordinators": [],
            "shards": {"led_by": {"P1": [{}, {}], "P2": [{}]}},
        }));
        let expected = [
            "agent A1 at tcp://a:1, 3.3.0, leads the agency",
            "agent A2 at tcp://b:1",
            "DB-Server DB1 at tcp://a:2, 3.3.0, leads 2 shards",
            "DB-Server DB2 at tcp://b:2, leads 1 shard: no answer",
        ];
        assert_eq!(live.cluster, expected);
    }

    #[test]
    fn hosts_that_come_to_the_same_are_told_together() {
        let mut live = Live::default();
        for host in ["n1", "n2"] {
            live.saw_step("1.tasks.0@3", host, "would be done");
            live.saw_step("1.tasks.0@4", host, "would be done");
        }
        assert_eq!(live.of_step("1.tasks.0"), ["now, on n1, n2: would be done"]);
        live.saw_batch("1", &["n2".to_owned()]);
        live.saw_batch("1", &["n1".to_owned()]);
        let order = live.of_play("1");
        assert_eq!(order.as_deref(), Some("order as of now: n2, then n1"));
    }
}
