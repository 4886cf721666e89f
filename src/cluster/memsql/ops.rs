//! What `memsql-ops` says: agents, nodes, files, itself. Its exit code is never believed alone, and its JSON may come
//! after other words.

use serde_json::Value;

use super::super::model::memsql::{Address, OPS_NEEDED, ProductVersion};

/// What one call of the program gave.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Said {
    /// The exit code.
    pub code: i32,
    /// Both streams.
    pub text: String,
}

/// An agent: one on each machine.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Agent {
    /// Its id.
    pub id: String,
    /// Its machine.
    pub host: String,
    /// PRIMARY or FOLLOWER.
    pub role: String,
    /// ONLINE, or something else.
    pub state: String,
    /// The version of Ops.
    pub version: String,
}

/// A node as Ops knows it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Node {
    /// Its id.
    pub id: String,
    /// The agent that looks after it.
    pub agent: String,
    /// MASTER, AGGREGATOR or LEAF.
    pub role: String,
    /// Where it is.
    pub address: Address,
    /// Its availability group, if it is a leaf.
    pub group: Option<u32>,
    /// The version on disk.
    pub version: String,
    /// ONLINE, or something else.
    pub state: String,
    /// CONNECTED, or something else.
    pub cluster_state: String,
    /// RUNNING or NOT RUNNING.
    pub run_state: String,
}

/// A program file that Ops has.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct File {
    /// The version that it brings.
    pub version: String,
    /// Its hash.
    pub hash: String,
    /// The agents that have it; empty where the list does not say.
    pub agents: Vec<String>,
}

/// What Ops knows. Parts that were not asked for are none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ops {
    /// Whether it runs.
    pub runs: Option<bool>,
    /// Its version.
    pub version: Option<String>,
    /// Whether it can upgrade single nodes.
    pub has_memsql_id: Option<bool>,
    /// The agents.
    pub agents: Option<Vec<Agent>>,
    /// The nodes.
    pub nodes: Vec<Node>,
    /// The nodes with those that are not monitored.
    pub with_unmonitored: Option<usize>,
    /// The files.
    pub files: Option<Vec<File>>,
    /// What could not be read.
    pub problems: Vec<String>,
}

/// Finds the JSON list in an answer: the program may say other things before it.
pub fn list(said: &Said) -> Result<Vec<Value>, String> {
    let text = said.text.as_str();
    let mut from = 0;
    while let Some(at) = text.get(from..).and_then(|rest| rest.find('[')) {
        let begin = from + at;
        let rest = text.get(begin..).unwrap_or_default();
        let mut values = serde_json::Deserializer::from_str(rest).into_iter::<Vec<Value>>();
        if let Some(Ok(list)) = values.next()
            && list.iter().all(Value::is_object)
        {
            return Ok(list);
        }
        from = begin + 1;
    }
    let shown: String = text.trim().chars().take(200).collect();
    Err(format!(
        "no list in its answer (exit code {}): {shown}",
        said.code
    ))
}

fn word(value: &Value, names: &[&str]) -> String {
    let found = names.iter().find_map(|name| value.get(*name));
    match found {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Null) | None => String::new(),
        Some(other @ (Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_))) => {
            other.to_string()
        }
    }
}

/// Reads `agent-list`.
pub fn agents(said: &Said) -> Result<Vec<Agent>, String> {
    let agent = |value: &Value| Agent {
        id: word(value, &["agent_id"]),
        host: word(value, &["host"]),
        role: word(value, &["role"]).to_uppercase(),
        state: word(value, &["state"]),
        version: word(value, &["version"]),
    };
    Ok(list(said)?.iter().map(agent).collect())
}

/// Reads `memsql-list`.
pub fn nodes(said: &Said) -> Result<Vec<Node>, String> {
    let node = |value: &Value| Node {
        id: word(value, &["memsql_id"]),
        agent: word(value, &["agent_id"]),
        role: word(value, &["role"]).to_uppercase(),
        address: Address::new(
            word(value, &["host"]),
            word(value, &["port"]).parse().unwrap_or_default(),
        ),
        group: word(value, &["availability_group"]).parse().ok(),
        version: word(value, &["memsql_version", "version"]),
        state: word(value, &["state"]),
        cluster_state: word(value, &["cluster_state"]),
        run_state: word(value, &["run_state"]),
    };
    Ok(list(said)?.iter().map(node).collect())
}

/// Reads `file-list`.
pub fn files(said: &Said) -> Result<Vec<File>, String> {
    let file = |value: &Value| {
        let mut agents: Vec<String> = value
            .get("agents")
            .or_else(|| value.get("agent_ids"))
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .map(str::to_owned)
            .collect();
        let one = word(value, &["agent_id"]);
        if !one.is_empty() {
            agents.push(one);
        }
        File {
            version: word(value, &["version", "memsql_version", "file_version"]),
            hash: word(
                value,
                &[
                    "version_hash",
                    "hash",
                    "sha",
                    "file_hash",
                    "memsql_version_hash",
                ],
            ),
            agents,
        }
    };
    Ok(list(said)?.iter().map(file).collect())
}

/// Reads `version`: with or without a word before the number.
pub fn version(said: &Said) -> Option<String> {
    said.text
        .split_whitespace()
        .find(|word| word.parse::<ProductVersion>().is_ok())
        .map(str::to_owned)
}

impl Ops {
    /// P1, P2, P10: says what stands against Ops doing the work.
    pub fn problems(&self) -> Vec<String> {
        let mut problems = self.problems.clone();
        if self.runs == Some(false) {
            problems.push("MemSQL Ops does not run on this host".to_owned());
        }
        match self.version.as_deref().map(str::parse::<ProductVersion>) {
            Some(Ok(version)) if version < OPS_NEEDED => problems.push(format!(
                "MemSQL Ops is {version}; upgrading node by node needs at least {OPS_NEEDED}: memsql-ops agent-upgrade"
            )),
            Some(Ok(_)) => {}
            Some(Err(error)) => problems.push(error.to_string()),
            // Whether it runs is asked in a full look only, and its version with it.
            None if self.runs.is_some() => problems.push(format!(
                "MemSQL Ops does not say its version; upgrading node by node needs at least {OPS_NEEDED}"
            )),
            None => {}
        }
        if self.has_memsql_id == Some(false) {
            problems.push(
                "`memsql-ops memsql-upgrade` does not know `--memsql-id`: it would upgrade, and stop, the whole cluster"
                    .to_owned(),
            );
        }
        if let Some(agents) = &self.agents {
            agent_problems(agents, &mut problems);
        }
        problems
    }

    /// P3: says what stands against the nodes as Ops sees them.
    pub fn node_problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        let masters = self
            .nodes
            .iter()
            .filter(|node| node.role == "MASTER")
            .count();
        if masters != 1 {
            problems.push(format!("Ops knows {masters} master aggregators, not one"));
        }
        for node in &self.nodes {
            for (found, wanted) in [
                (&node.state, "ONLINE"),
                (&node.cluster_state, "CONNECTED"),
                (&node.run_state, "RUNNING"),
            ] {
                if found != wanted {
                    problems.push(format!(
                        "Ops sees {} as {found}, not {wanted}",
                        node.address
                    ));
                }
            }
        }
        if let Some(all) = self.with_unmonitored
            && all != self.nodes.len()
        {
            problems.push(format!("Ops monitors {} of {all} nodes", self.nodes.len()));
        }
        problems
    }

    /// Says what stands against a version's file being on every agent. A list that names no agents proves it of none of
    /// them: then it must be known otherwise, `everywhere`.
    pub fn file_problems(&self, to: &str, hash: Option<&str>, everywhere: bool) -> Vec<String> {
        let Some(files) = &self.files else {
            return Vec::new();
        };
        // A hash that was left over from another version must not bring that one.
        let fits = |file: &&File| {
            let is_hash = hash.is_some_and(|hash| file.hash == hash);
            file.version == to && (hash.is_none() || is_hash) || file.version.is_empty() && is_hash
        };
        let found: Vec<&File> = files.iter().filter(fits).collect();
        let named = hash.map_or_else(|| to.to_owned(), |hash| format!("{to} ({hash})"));
        if found.is_empty() {
            return vec![format!(
                "Ops has no file of {named}: memsql-ops file-add, before anything is taken away"
            )];
        }
        if everywhere {
            return Vec::new();
        }
        if found.iter().all(|file| file.agents.is_empty()) {
            return vec![format!(
                "the file of {named} is not known to be everywhere: the list of Ops names no agents"
            )];
        }
        let agents = self.agents.iter().flatten();
        agents
            .filter(|agent| !found.iter().any(|file| file.agents.contains(&agent.id)))
            .map(|agent| format!("the agent on {} has no file of {named}", agent.host))
            .collect()
    }
}

fn agent_problems(agents: &[Agent], problems: &mut Vec<String>) {
    let primaries = agents
        .iter()
        .filter(|agent| agent.role == "PRIMARY")
        .count();
    if primaries != 1 {
        problems.push(format!("Ops has {primaries} primary agents, not one"));
    }
    for agent in agents.iter().filter(|agent| agent.state != "ONLINE") {
        problems.push(format!("the agent on {} is {}", agent.host, agent.state));
    }
    let first = agents.first().map(|agent| &agent.version);
    if agents.iter().any(|agent| Some(&agent.version) != first) {
        let versions: Vec<String> = agents
            .iter()
            .map(|agent| format!("{} {}", agent.host, agent.version))
            .collect();
        problems.push(format!(
            "the agents are of several versions: {}",
            versions.join(", ")
        ));
    }
}
