//! `memsql-ops` on the host of the primary agent.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::{HOSTS, MASTER, Memsql, NEW, Node, Role, State, pair};
use crate::connection::scripted::ended;
use crate::connection::{JobEnd, Reply};
use crate::rollout::testing::notes::well;

impl Memsql {
    /// Answers the script that asks Ops several things at once: the name of each, its exit code and what it said.
    pub(super) fn ops_asked(&self, text: &str) -> Option<Reply> {
        let mut out = String::new();
        for line in text.lines() {
            let Some((_, words)) = line.split_once("o=$($t memsql-ops ") else {
                continue;
            };
            let (words, rest) = words.split_once(" </dev/null")?;
            let name = rest.split_once("\\n' ")?.1.split(' ').next()?;
            let said = self.answers(words)?;
            out = out + name + " 0 " + &STANDARD.encode(said) + "\n";
        }
        (!out.is_empty()).then(|| well(out))
    }

    fn answers(&self, words: &str) -> Option<String> {
        let agents = || {
            let hosts = HOSTS.iter().enumerate();
            let agents = hosts.map(|(number, host)| (format!("A{number}"), *host, "FOLLOWER"));
            let primary = ("A9".to_owned(), "ops1", "PRIMARY");
            agents.chain([primary]).collect::<Vec<_>>()
        };
        Some(match words {
            "status" => "MemSQL Ops is running with pid 3270 on port 9000.".to_owned(),
            "version --client-version-only" => "5.7.1".to_owned(),
            "memsql-upgrade --help" => "usage: memsql-upgrade [--memsql-id ID]".to_owned(),
            "agent-list --json" => json!(agents().iter().map(|(id, host, role)| json!({
                "agent_id": id, "host": host, "port": 9000, "role": role, "state": "ONLINE", "version": "5.7.1"
            })).collect::<Vec<_>>())
            .to_string(),
            "file-list --json" => {
                let ids: Vec<String> = agents().into_iter().map(|(id, ..)| id).collect();
                json!([{"version": NEW, "hash": "", "agents": ids}]).to_string()
            }
            "memsql-list --json" | "memsql-list --json --include-unmonitored" => {
                let state = self.lock();
                let nodes = state.standing.nodes.iter().enumerate();
                let nodes: Vec<Value> = nodes
                    .map(|(number, (address, node))| listed(number, address, node))
                    .collect();
                json!(nodes).to_string()
            }
            _ => return None,
        })
    }

    /// Runs a command of Ops.
    pub(super) fn ops(&self, words: &[&str]) -> JobEnd {
        let mut state = self.lock();
        match words {
            ["cluster-manual-control", mode] => {
                state.standing.manual_control = *mode == "--enable";
                ended(0, "")
            }
            [
                "memsql-update-config",
                id,
                "--key",
                key,
                "--value",
                value,
                ..,
            ] => state.with(id, |_, node, _| {
                node.variables
                    .insert((*key).to_owned(), (*value).to_owned())
            }),
            ["memsql-stop", id, ..] => state.stop(id),
            ["memsql-start", id, ..] => state.with(id, |state, node, address| {
                let is_needed = node.runs.is_none();
                state
                    .count
                    .does(format!("start {address} with {}", node.program), is_needed);
                node.runs = Some(node.program);
            }),
            ["memsql-upgrade", rest @ ..] => state.upgrade(rest),
            _ => ended(2, "no such command"),
        }
    }
}

fn listed(number: usize, address: &str, node: &Node) -> Value {
    let (role, group) = match node.role {
        Role::Master => ("MASTER", None),
        Role::Child => ("AGGREGATOR", None),
        Role::Leaf(group) => ("LEAF", Some(group)),
    };
    let runs = node.runs.is_some();
    json!({
        "memsql_id": node.id, "agent_id": format!("A{number}"), "memsql_version": node.program, "role": role,
        "host": address.split(':').next(), "port": 3306, "availability_group": group,
        "cluster_state": if runs && node.takes_part { "CONNECTED" } else { "DISCONNECTED" },
        "run_state": if runs { "RUNNING" } else { "NOT RUNNING" },
        "state": if runs { "ONLINE" } else { "OFFLINE" },
    })
}

impl State {
    /// Does something to the node with an id.
    fn with<T>(&mut self, id: &str, does: impl FnOnce(&mut Self, &mut Node, &str) -> T) -> JobEnd {
        let nodes = self.standing.nodes.iter();
        let found = nodes.map(|(address, node)| (address.clone(), node.clone()));
        let found = found.into_iter().find(|(_, node)| node.id == id);
        let Some((address, mut node)) = found else {
            return ended(1, "no such node");
        };
        does(self, &mut node, &address);
        self.standing.nodes.insert(address, node);
        ended(0, "")
    }

    fn stop(&mut self, id: &str) -> JobEnd {
        self.with(id, |state, node, address| {
            let is_needed = node.runs.is_some();
            state
                .count
                .does(format!("stop {address} with {}", node.program), is_needed);
            state.goes_down(node, address);
            node.runs = None;
        })
    }

    /// Judges that a server that runs may go down now.
    fn goes_down(&mut self, node: &Node, address: &str) {
        if node.runs.is_none() {
            return;
        }
        let nodes = &self.standing.nodes;
        let is_leaf = matches!(node.role, Role::Leaf(_));
        self.count.accident(is_leaf && node.takes_part, || {
            format!("{address} is stopped, and takes part")
        });
        let others = nodes.iter().filter(|(other, found)| {
            let is_leaf = matches!(found.role, Role::Leaf(_));
            *other != address && !is_leaf && found.runs.is_none()
        });
        let others = others.count();
        self.count.accident(!is_leaf && others > 0, || {
            format!("{address} is stopped, and no aggregator is left")
        });
        let drained = self.standing.drained.contains(address);
        self.count.accident(!is_leaf && !drained, || {
            format!("{address} is stopped, and clients are sent to it")
        });
    }

    fn upgrade(&mut self, words: &[&str]) -> JobEnd {
        let ids: Vec<&str> = words
            .windows(2)
            .filter(|pair| pair[0] == "--memsql-id")
            .map(|pair| pair[1])
            .collect();
        self.count.accident(ids.is_empty(), || {
            "the whole cluster is upgraded at once, offline".to_owned()
        });
        for id in ids {
            let ended = self.with(id, |state, node, address| {
                let is_needed = node.program != NEW;
                state.count.does(format!("upgrade {address}"), is_needed);
                state.goes_down(node, address);
                let behind = state.before(node, address);
                state.count.accident(!behind.is_empty(), || {
                    format!("{address} is upgraded before {}", behind.join(", "))
                });
                node.program = NEW;
                node.runs = node.runs.map(|_| NEW);
            });
            if ended.end != crate::connection::End::Code(0) {
                return ended;
            }
        }
        ended(0, "")
    }

    /// Who must run the new program before a server gets it: leaves, then children, then the master aggregator.
    fn before(&self, node: &Node, address: &str) -> Vec<String> {
        let rank = |role: Role| match role {
            Role::Leaf(_) => 0,
            Role::Child => 1,
            Role::Master => 2,
        };
        let nodes = self.standing.nodes.iter();
        let behind = nodes.filter(|(other, found)| {
            *other != address && rank(found.role) < rank(node.role) && found.runs != Some(NEW)
        });
        behind.map(|(other, _)| other.clone()).collect()
    }

    /// Where the leaf's other copies are.
    pub(super) fn pair_serves(&self, address: &str) -> bool {
        let node = self.standing.nodes.get(pair(address));
        node.is_some_and(|node| node.takes_part && node.runs.is_some())
    }

    /// Whether the master aggregator's switch is on.
    pub(super) fn is_on(&self, key: &str) -> bool {
        let variables = &self.standing.nodes[MASTER].variables;
        variables.get(key).is_some_and(|value| value == "ON")
    }
}
