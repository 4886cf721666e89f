//! A cluster that answers as a real one.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::cluster::memsql::ops::Said;
use crate::cluster::memsql::parse::Row;
use crate::cluster::memsql::{Ask, AskError};
use crate::cluster::model::memsql::{Address, Cluster, InstanceRole, Leaf};

/// Rows of a table as a client prints it.
pub(super) fn table(text: &str) -> Vec<Row> {
    let cells = |line: &str| -> Vec<String> {
        line.trim()
            .trim_matches('|')
            .split('|')
            .map(|cell| cell.trim().to_owned())
            .collect()
    };
    let mut lines = text.lines().filter(|line| !line.trim().is_empty());
    let columns = cells(lines.next().unwrap());
    lines
        .map(|line| {
            let values = cells(line).into_iter().map(|cell| match cell.as_str() {
                "NULL" => Value::Null,
                _ => Value::String(cell),
            });
            columns.iter().cloned().zip(values).collect()
        })
        .collect()
}

pub(super) fn said(text: &str) -> Said {
    Said {
        code: 0,
        text: text.to_owned(),
    }
}

/// A cluster that answers as a real one.
pub(super) struct Fake {
    pub(super) cluster: Cluster,
    pub(super) later: bool,
    pub(super) ops: BTreeMap<String, Said>,
    pub(super) asked: Vec<String>,
    pub(super) broken: Option<(&'static str, Option<u16>)>,
    /// What a statement answers in place of what it would: its beginning, its table.
    pub(super) instead: Option<(&'static str, &'static str)>,
}

pub(super) const MASTER: &str = "10.0.9.0";

impl Fake {
    pub(super) fn new(cluster: Cluster) -> Self {
        let mut nodes = Vec::new();
        let mut add = |address: &Address, role: &str, group: Option<u32>| {
            nodes.push(json!({
                "memsql_id": format!("{:0>40}", nodes.len()), "agent_id": "A1", "memsql_version": "5.5.12",
                "role": role, "host": address.host, "port": address.port, "availability_group": group,
                "cluster_state": "CONNECTED", "run_state": "RUNNING", "state": "ONLINE",
            }));
        };
        for found in &cluster.aggregators {
            add(
                &found.address,
                if found.master { "MASTER" } else { "AGGREGATOR" },
                None,
            );
        }
        for leaf in &cluster.leaves {
            add(&leaf.address, "LEAF", leaf.group);
        }
        let list = said(&Value::Array(nodes).to_string());
        let agents = r#"[{"agent_id":"A1","host":"10.0.9.0","port":9000,"role":"PRIMARY","state":"ONLINE","version":"5.7.1"}]"#;
        let files = r#"[{"version":"5.7.2","version_hash":"03e5","file_type":"memsql","agent_ids":["A1"]}]"#;
        let ops = [
            ("nodes", list.clone()),
            ("all", list),
            (
                "status",
                said("MemSQL Ops is running with pid 3270 on port 9000."),
            ),
            ("version", said("5.7.1")),
            ("agents", said(agents)),
            (
                "help",
                said("usage: memsql-ops memsql-upgrade [--memsql-id ID]"),
            ),
            ("files", said(files)),
        ];
        Self {
            cluster,
            later: false,
            ops: ops.map(|(name, said)| (name.to_owned(), said)).into(),
            asked: Vec::new(),
            broken: None,
            instead: None,
        }
    }

    #[expect(clippy::too_many_lines, reason = "one answer for each statement")]
    fn answer(&self, at: &Address, statement: &str) -> String {
        let mut text = String::new();
        if statement == "SHOW LEAVES" {
            text.push_str("Host|Port|Availability_Group|Pair_Host|Pair_Port|State\n");
            for leaf in &self.cluster.leaves {
                let pair = leaf.pair.clone().unwrap();
                let (host, port) = (&leaf.address.host, leaf.address.port);
                let group = leaf.group.unwrap();
                writeln!(
                    text,
                    "{host}|{port}|{group}|{}|{}|{}",
                    pair.host, pair.port, leaf.state
                )
                .unwrap();
            }
        } else if statement == "SHOW AGGREGATORS" {
            text.push_str("Host|Port|State|Master_Aggregator\n");
            for found in &self.cluster.aggregators {
                let host = if found.master {
                    "127.0.0.1"
                } else {
                    &found.address.host
                };
                let flag = u8::from(found.master);
                writeln!(text, "{host}|{}|{}|{flag}", found.address.port, found.state).unwrap();
            }
        } else if statement == "SHOW DATABASES" {
            text.push_str("Database\ninformation_schema\nmemsql\nsharding\n");
            text.push_str(&self.cluster.databases.join("\n"));
        } else if statement == "SHOW CLUSTER STATUS" {
            text.push_str("Host|Port|Database|Role|State|Position|Details\n");
            for copy in &self.cluster.instances {
                let role = match (&copy.role, self.later) {
                    (InstanceRole::Slave, true) => "Replica".to_owned(),
                    (role, _) => format!("{role:?}"),
                };
                let (host, port) = (&copy.address.host, copy.address.port);
                writeln!(
                    text,
                    "{host}|{port}|{}|{role}|{}|0:100|",
                    copy.name, copy.state
                )
                .unwrap();
            }
        } else if let Some(database) = statement.strip_prefix("SHOW PARTITIONS ON ") {
            text.push_str("Ordinal|Host|Port|Role|Locked\n");
            let name = database.trim_matches('`').replace("``", "`");
            for copy in self
                .cluster
                .placements
                .iter()
                .filter(|copy| copy.database == name)
            {
                let address = copy.address.clone().unwrap();
                let locked = u8::from(copy.locked);
                writeln!(
                    text,
                    "{}|{}|{}|{:?}|{locked}",
                    copy.ordinal, address.host, address.port, copy.role
                )
                .unwrap();
            }
        } else if statement.starts_with("SELECT @@memsql_version") {
            text.push_str("version\n5.5.12");
        } else if statement == "SHOW VARIABLES" {
            text.push_str("Variable_name|Value\nredundancy_level|2\nauto_attach|ON\nleaf_failure_detection|ON\naggregator_failure_detection|ON");
        } else if statement == "SELECT 1" {
            text.push_str("1\n1");
        } else {
            text.push_str("Action\n");
        }
        assert!(
            !at.host.starts_with("127."),
            "nobody dials a list's 127.0.0.1"
        );
        text
    }
}

impl Ask for Fake {
    fn sql(&mut self, at: &Address, statement: &str) -> Result<Vec<Row>, AskError> {
        self.asked.push(format!("{at} {statement}"));
        let silent = |leaf: &&Leaf| leaf.address == *at && !leaf.answers;
        if self.cluster.leaves.iter().find(silent).is_some() {
            return Err(AskError::new("refused"));
        }
        if let Some((broken, number)) = self.broken
            && statement.starts_with(broken)
        {
            return Err(AskError {
                message: "no".to_owned(),
                number,
            });
        }
        if let Some((words, answer)) = self.instead
            && statement.starts_with(words)
        {
            return Ok(table(answer));
        }
        Ok(table(&self.answer(at, statement)))
    }

    fn leave(&mut self, _: &Address) {}

    fn ops(&mut self, _: bool) -> Result<BTreeMap<String, Said>, AskError> {
        Ok(self.ops.clone())
    }
}
