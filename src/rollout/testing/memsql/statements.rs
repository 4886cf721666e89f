//! What its servers answer to statements, and what these do.

use serde_json::{Map, Value, json};

use super::{DATABASE, MASTER, Role, State, pair, partition_name};
use crate::connection::sql::{SqlError, SqlRows};

type Answer = Result<Vec<SqlRows>, SqlError>;

/// Makes a result set of its rows.
#[expect(clippy::unnecessary_wraps, reason = "an answer like any other")]
fn rows(rows: Vec<Value>) -> Answer {
    let rows: Vec<Map<String, Value>> = rows
        .into_iter()
        .map(|row| row.as_object().cloned().unwrap_or_default())
        .collect();
    let first = rows.first();
    let columns = first.map(|row| row.keys().cloned().collect());
    Ok(vec![SqlRows {
        columns: columns.unwrap_or_else(|| vec!["x".to_owned()]),
        rows,
        ..SqlRows::default()
    }])
}

#[expect(clippy::unnecessary_wraps, reason = "an answer like any other")]
fn done() -> Answer {
    Ok(vec![SqlRows::default()])
}

fn refused(number: u16, text: impl Into<String>) -> Answer {
    Err(SqlError::Server {
        number,
        state: "HY000".to_owned(),
        text: text.into(),
    })
}

/// Splits `host:port` for a row.
fn place(address: &str) -> (&str, &str) {
    address.split_once(':').unwrap_or((address, ""))
}

/// Reads the leaf that a statement names as `'host':port`.
fn leaf_in(statement: &str) -> String {
    let (_, rest) = statement.split_once(" LEAF ").unwrap_or_default();
    let word = rest.split(' ').next().unwrap_or_default();
    word.replace(['\'', '`'], "")
}

impl State {
    /// Answers a statement on a server that runs.
    pub(super) fn statement(&mut self, to: &str, statement: &str, orphans_shown: bool) -> Answer {
        let upper = statement.to_uppercase();
        let begins = |word: &str| upper.starts_with(word);
        let node = &self.standing.nodes[to];
        if upper == "SELECT 1" {
            return rows(vec![json!({"1": 1})]);
        }
        if begins("SELECT @@MEMSQL_VERSION") {
            return rows(vec![json!({"version": node.runs})]);
        }
        if upper.contains("PROCESSLIST") || begins("SHOW REBALANCE STATUS") {
            return rows(vec![]);
        }
        if begins("SHOW VARIABLES") {
            let variables = node.variables.iter();
            let own = variables.map(|(key, value)| json!({"Variable_name": key, "Value": value}));
            let level = json!({"Variable_name": "redundancy_level", "Value": "2"});
            return rows(own.chain([level]).collect());
        }
        if let Role::Leaf(_) = node.role {
            return rows(vec![]);
        }
        if upper.contains("INFORMATION_SCHEMA.TABLES") {
            return rows(vec![
                json!({"TABLE_SCHEMA": DATABASE, "TABLE_NAME": "orders"}),
            ]);
        }
        if begins("SELECT 1 FROM") {
            return self.serves();
        }
        if to != MASTER {
            return refused(1752, "this is not the master aggregator");
        }
        self.master(statement, &upper, orphans_shown)
    }

    /// Answers clients: every partition must have a master that is up.
    fn serves(&mut self) -> Answer {
        for (ordinal, partition) in self.standing.partitions.iter().enumerate() {
            let up = partition.master.as_ref().is_some_and(|master| {
                let node = &self.standing.nodes[master];
                node.takes_part && node.runs.is_some()
            });
            if !up {
                return refused(
                    1777,
                    format!("{} has no master instance", partition_name(ordinal)),
                );
            }
        }
        rows(vec![json!({"1": 1})])
    }

    fn master(&mut self, statement: &str, upper: &str, orphans_shown: bool) -> Answer {
        let begins = |word: &str| upper.starts_with(word);
        if begins("SHOW LEAVES") {
            return self.leaves();
        }
        if begins("SHOW AGGREGATORS") {
            return self.aggregators();
        }
        if begins("SHOW DATABASES") {
            let names = ["information_schema", "memsql", "sharding", DATABASE];
            return rows(names.iter().map(|name| json!({"Database": name})).collect());
        }
        if begins("SHOW CLUSTER STATUS") {
            return self.copies(orphans_shown);
        }
        if begins("SHOW PARTITIONS ON") {
            return self.placements();
        }
        if begins("EXPLAIN RESTORE REDUNDANCY ON") {
            let wanting = self.wanting().into_iter();
            return rows(
                wanting
                    .map(|(ordinal, leaf)| step("COPY PARTITION FORCE", ordinal, &leaf))
                    .collect(),
            );
        }
        if begins("EXPLAIN REBALANCE PARTITIONS ON") {
            let moves = self.moves().into_iter();
            return rows(
                moves
                    .map(|(ordinal, leaf)| step("PROMOTE PARTITION WITH REPOINT", ordinal, &leaf))
                    .collect(),
            );
        }
        if begins("DETACH LEAF") {
            return self.detach(&leaf_in(statement));
        }
        if begins("ATTACH LEAF") {
            return self.attach(&leaf_in(statement), upper.ends_with("NO REBALANCE"));
        }
        if begins("RESTORE REDUNDANCY ON") {
            self.restore();
            return done();
        }
        if begins("REBALANCE PARTITIONS ON") {
            self.spread();
            return done();
        }
        if begins("SNAPSHOT") {
            return done();
        }
        self.count
            .accidents
            .push(format!("nobody expected: {statement}"));
        refused(1064, format!("nobody expected: {statement}"))
    }

    fn leaves(&self) -> Answer {
        let nodes = self.standing.nodes.iter();
        let leaves = nodes.filter_map(|(address, node)| {
            let Role::Leaf(group) = node.role else {
                return None;
            };
            let ((host, port), (pair_host, pair_port)) = (place(address), place(pair(address)));
            let state = if node.takes_part { "online" } else { "detached" };
            Some(json!({"Host": host, "Port": port, "Availability_Group": group, "Pair_Host": pair_host,
                "Pair_Port": pair_port, "State": state}))
        });
        rows(leaves.collect())
    }

    fn aggregators(&self) -> Answer {
        let nodes = self.standing.nodes.iter();
        let found = nodes.filter_map(|(address, node)| {
            if matches!(node.role, Role::Leaf(_)) {
                return None;
            }
            let is_master = node.role == Role::Master;
            let (host, port) = place(address);
            // Whoever answers lists itself as this machine.
            let host = if is_master { "127.0.0.1" } else { host };
            let state = if node.runs.is_some() { "online" } else { "offline" };
            Some(json!({"Host": host, "Port": port, "State": state, "Master_Aggregator": u8::from(is_master)}))
        });
        rows(found.collect())
    }

    fn copies(&self, orphans_shown: bool) -> Answer {
        let mut found = Vec::new();
        let mut add = |address: &str, name: &str, role: &str, state: &str| {
            let (host, port) = place(address);
            found.push(
                json!({"Host": host, "Port": port, "Database": name, "Role": role, "State": state,
                "Position": "0:10"}),
            );
        };
        for (ordinal, partition) in self.standing.partitions.iter().enumerate() {
            let name = partition_name(ordinal);
            if let Some(master) = &partition.master {
                add(master, &name, "Master", "online");
            }
            if let Some(slave) = &partition.slave {
                add(slave, &name, "Slave", "replicating");
            }
        }
        for (leaf, name) in &self.standing.orphans {
            if orphans_shown && self.standing.nodes[leaf].runs.is_some() {
                add(leaf, name, "Orphan", "online");
            }
        }
        rows(found)
    }

    fn placements(&self) -> Answer {
        let mut found = Vec::new();
        for (ordinal, partition) in self.standing.partitions.iter().enumerate() {
            for (role, address) in [("Master", &partition.master), ("Slave", &partition.slave)] {
                if let Some((host, port)) = address.as_deref().map(place) {
                    found.push(json!({"Ordinal": ordinal, "Host": host, "Port": port, "Role": role, "Locked": 0}));
                }
            }
        }
        rows(found)
    }

    /// The partitions without a second copy whose place is there, with that place.
    fn wanting(&self) -> Vec<(usize, String)> {
        let partitions = self.standing.partitions.iter().enumerate();
        let wanting = partitions.filter_map(|(ordinal, partition)| {
            let place = pair(partition.master.as_deref()?);
            let there = self.standing.nodes[place].takes_part;
            (partition.slave.is_none() && there).then(|| (ordinal, place.to_owned()))
        });
        wanting.collect()
    }

    /// The partitions that another leaf would lead, were masters spread evenly.
    fn moves(&self) -> Vec<(usize, String)> {
        let partitions = &self.standing.partitions;
        let led = |leaf: &str| {
            let own = partitions
                .iter()
                .filter(|partition| partition.master.as_deref() == Some(leaf));
            own.count()
        };
        for leaf in ["leaf1:3306", "leaf2:3306"] {
            if led(leaf) > led(pair(leaf)) + 1 {
                let mut own = partitions.iter().enumerate().filter(|(_, partition)| {
                    partition.master.as_deref() == Some(leaf)
                        && partition.slave.as_deref() == Some(pair(leaf))
                });
                return own
                    .next()
                    .map(|(ordinal, _)| (ordinal, pair(leaf).to_owned()))
                    .into_iter()
                    .collect();
            }
        }
        Vec::new()
    }

    fn detach(&mut self, leaf: &str) -> Answer {
        let Some(node) = self.standing.nodes.get(leaf) else {
            return refused(1738, "no such leaf");
        };
        let (takes_part, version) = (node.takes_part, node.program);
        self.count
            .does(format!("detach {leaf} with {version}"), takes_part);
        if !takes_part {
            return refused(1804, "the leaf is not online");
        }
        let serves = self.pair_serves(leaf);
        self.count.accident(!serves, || {
            format!("{leaf} is detached, and its pair does not serve")
        });
        let attaches = self.is_on("auto_attach");
        self.count.accident(attaches, || {
            format!("{leaf} is detached, and would be attached by itself")
        });
        let helps = !self.standing.manual_control;
        self.count.accident(helps, || {
            format!("{leaf} is detached, and Ops would start and attach it")
        });
        for (ordinal, partition) in self.standing.partitions.iter_mut().enumerate() {
            if partition.slave.as_deref() == Some(leaf) {
                partition.slave = None;
            } else if partition.master.as_deref() == Some(leaf) {
                partition.master = partition.slave.take();
                let lost = partition.master.is_none();
                self.count.accident(lost, || {
                    format!(
                        "the last copy of {} goes with {leaf}",
                        partition_name(ordinal)
                    )
                });
            }
            self.standing
                .orphans
                .insert((leaf.to_owned(), partition_name(ordinal)));
        }
        if let Some(node) = self.standing.nodes.get_mut(leaf) {
            node.takes_part = false;
        }
        done()
    }

    fn attach(&mut self, leaf: &str, stays: bool) -> Answer {
        let Some(node) = self.standing.nodes.get_mut(leaf) else {
            return refused(1738, "no such leaf");
        };
        if node.runs.is_none() {
            return refused(1811, "the leaf cannot be reached");
        }
        let is_needed = !node.takes_part;
        node.takes_part = true;
        let version = node.program;
        self.count
            .does(format!("attach {leaf} with {version}"), is_needed);
        self.count
            .accident(!stays, || format!("{leaf} is attached, and masters move"));
        if is_needed {
            done()
        } else {
            refused(1803, "the leaf is online already")
        }
    }

    /// Makes second copies, and lets the leaves lead evenly.
    pub(super) fn spread(&mut self) {
        self.restore();
        for (ordinal, leaf) in self.moves() {
            let partition = &mut self.standing.partitions[ordinal];
            (partition.slave, partition.master) = (partition.master.take(), Some(leaf));
        }
    }

    /// Makes second copies where their place takes part; never from a new program to an old one.
    fn restore(&mut self) {
        for (ordinal, leaf) in self.wanting() {
            let (from, to) = (
                self.standing.nodes[pair(&leaf)].program,
                self.standing.nodes[&leaf].program,
            );
            self.count.accident(from > to, || {
                format!("{} is copied from {from} to {to}", partition_name(ordinal))
            });
            self.standing.partitions[ordinal].slave = Some(leaf.clone());
            self.standing
                .orphans
                .remove(&(leaf, partition_name(ordinal)));
        }
    }
}

fn step(action: &str, ordinal: usize, leaf: &str) -> Value {
    let (host, port) = place(leaf);
    json!({"Action": action, "Ordinal": ordinal, "Target_Host": host, "Target_Port": port, "Phase": 1})
}
