//! What the primary agent knows, and how it is shown. Pure.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// An agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Agent {
    /// Its id.
    pub agent_id: String,
    /// Its host.
    pub host: String,
    /// Whether it is the primary.
    pub primary: bool,
    /// Whether it answers.
    #[serde(skip)]
    pub offline: bool,
}

/// A server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Server {
    /// Its id.
    pub memsql_id: String,
    /// The agent that looks after it.
    pub agent_id: String,
    /// `MASTER`, `AGGREGATOR` or `LEAF`.
    pub role: String,
    /// Its host.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// Its availability group, of a leaf.
    pub group: Option<u8>,
    /// Its directory.
    pub directory: String,
    /// What is installed for it.
    pub version: String,
    /// Whether Ops has been told to leave it alone: it is not listed, unless asked for.
    #[serde(default)]
    pub unmonitored: bool,
    /// Whether its process was there at the last look.
    #[serde(skip)]
    pub runs: bool,
    /// Whether it answered at the last look.
    #[serde(skip)]
    pub answers: bool,
    /// Whether the cluster has it.
    #[serde(skip)]
    pub connected: bool,
    /// Since when its process is not there.
    #[serde(skip)]
    pub down_since_ms: Option<u64>,
    /// Whether a command works on it.
    #[serde(skip)]
    pub busy: bool,
}

/// A version that can be installed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Installable {
    /// The version.
    pub version: String,
    /// Its hash.
    pub hash: String,
}

/// All of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Known {
    /// The agents.
    pub agents: Vec<Agent>,
    /// The servers.
    pub servers: Vec<Server>,
    /// The versions.
    pub files: Vec<Installable>,
    /// Whether Ops leaves the servers alone.
    pub manual_control: bool,
}

impl Known {
    /// Finds a server by a beginning of its id that no other has.
    pub fn server(&self, id: &str) -> Result<&Server, String> {
        let mut found = self
            .servers
            .iter()
            .filter(|one| !one.unmonitored && one.memsql_id.starts_with(&id.to_uppercase()));
        match (found.next(), found.next()) {
            (Some(one), None) if !id.is_empty() => Ok(one),
            (Some(_), Some(_)) => Err(format!("The MemSQL ID {id} is ambiguous.")),
            _ => Err(format!("No MemSQL node with ID {id} was found.")),
        }
    }

    /// Finds a server to be changed.
    pub fn server_mut(&mut self, id: &str) -> Option<&mut Server> {
        self.servers.iter_mut().find(|one| one.memsql_id == id)
    }

    /// Finds a version by hash, by name, or the newest.
    pub fn file(&self, hash: Option<&str>, version: Option<&str>) -> Result<&Installable, String> {
        let fits = |file: &&Installable| {
            hash.is_none_or(|hash| file.hash == hash)
                && version.is_none_or(|version| file.version == version)
        };
        let newest = self
            .files
            .iter()
            .filter(fits)
            .max_by_key(|file| numbers(&file.version));
        newest.ok_or_else(|| "The requested MemSQL version was not found.".to_owned())
    }

    /// The list of servers as JSON, without those that are not monitored unless they are asked for.
    pub fn servers_json(&self, shows_role: Option<&str>, unmonitored_too: bool) -> Value {
        let all = self.servers.iter();
        let all = all.filter(|one| unmonitored_too || !one.unmonitored);
        let all = all.map(|one| {
            let role = shows_role
                .filter(|_| one.role != "LEAF")
                .unwrap_or(&one.role);
            json!({
                "memsql_id": one.memsql_id,
                "agent_id": one.agent_id,
                "memsql_version": one.version,
                "role": role,
                "host": one.host,
                "port": one.port,
                "availability_group": one.group,
                "cluster_state": if one.connected { "CONNECTED" } else { "NOT CONNECTED" },
                "run_state": if one.runs { "RUNNING" } else { "NOT RUNNING" },
                "state": if one.answers { "ONLINE" } else { "OFFLINE" },
            })
        });
        Value::Array(all.collect())
    }

    /// The list of agents as JSON.
    pub fn agents_json(&self, version: &str) -> Value {
        let all = self.agents.iter().map(|one| {
            json!({
                "agent_id": one.agent_id,
                "host": one.host,
                "port": 9000,
                "role": if one.primary { "PRIMARY" } else { "FOLLOWER" },
                "state": if one.offline { "OFFLINE" } else { "ONLINE" },
                "version": version,
            })
        });
        Value::Array(all.collect())
    }

    /// The list of versions as JSON, with all agents or so many of them.
    pub fn files_json(&self, on: Option<usize>) -> Value {
        let agents: Vec<&str> = self
            .agents
            .iter()
            .take(on.unwrap_or(usize::MAX))
            .map(|one| one.agent_id.as_str())
            .collect();
        let all = self.files.iter().map(|file| {
            json!({
                "version": file.version,
                "version_hash": file.hash,
                "file_type": "memsql",
                "agent_ids": agents,
            })
        });
        Value::Array(all.collect())
    }
}

/// Returns a table as people read it: a leading space, two spaces between columns.
pub fn table(heads: &[&str], rows: &[Vec<String>]) -> String {
    let width = |place: usize| {
        let cells = rows
            .iter()
            .filter_map(|row| row.get(place))
            .map(String::len);
        cells
            .chain(heads.get(place).map(|head| head.len()))
            .max()
            .unwrap_or(0)
    };
    let line = |cells: Vec<String>| {
        let cells = cells.iter().enumerate();
        let padded: Vec<String> = cells
            .map(|(place, cell)| format!("{cell:<w$}", w = width(place)))
            .collect();
        format!(" {}\n", padded.join("  ").trim_end())
    };
    let head = line(heads.iter().map(|head| (*head).to_owned()).collect());
    rows.iter()
        .fold(head, |text, row| text + &line(row.clone()))
}

/// The hash of a version: the real one, where that is known.
pub fn hash_of(version: &str) -> String {
    use sha1::{Digest as _, Sha1};
    match version {
        "5.5.12" => "28865cc3ab58b8ea8f4b0a6710fc87be6c8f1fb5".to_owned(),
        "5.7.2" => "03e5e3581e96d65caa30756f191323437a3840f0".to_owned(),
        other => hex(&Sha1::digest(other.as_bytes())),
    }
}

/// An id made of what it is for: 40 characters, capitals.
pub fn id_of(what: &str) -> String {
    use sha1::{Digest as _, Sha1};
    hex(&Sha1::digest(what.as_bytes())).to_uppercase()
}

fn hex(bytes: &[u8]) -> String {
    let all: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    all.concat()
}

fn numbers(version: &str) -> Vec<u32> {
    version
        .split('.')
        .map(|part| part.parse().unwrap_or(0))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(id: &str) -> Server {
        serde_json::from_value(json!({
            "memsql_id": id, "agent_id": "A1", "role": "LEAF", "host": "h", "port": 3307,
            "group": 1, "directory": "/d", "version": "5.5.12",
        }))
        .unwrap()
    }

    #[test]
    fn a_server_is_found_by_a_beginning_that_is_its_own() {
        let known = Known {
            servers: vec![server("ABC1"), server("ABD2")],
            ..Known::default()
        };
        assert_eq!(known.server("abc").unwrap().memsql_id, "ABC1");
        for id in ["AB", "X", ""] {
            assert!(known.server(id).is_err(), "{id}");
        }
        let shown = known.servers_json(None, false);
        assert_eq!(shown[0]["run_state"], "NOT RUNNING");
        let mut known = known;
        known.servers[0].unmonitored = true;
        assert!(known.server("abc").is_err());
        let count = |too| known.servers_json(None, too).as_array().unwrap().len();
        assert_eq!((count(false), count(true)), (1, 2));
    }

    #[test]
    fn the_newest_version_is_no_matter_of_letters() {
        let file = |version: &str| Installable {
            version: version.into(),
            hash: hash_of(version),
        };
        let known = Known {
            files: vec![file("5.10.0"), file("5.7.2"), file("5.5.12")],
            ..Known::default()
        };
        assert_eq!(known.file(None, None).unwrap().version, "5.10.0");
        assert_eq!(
            known
                .file(Some("03e5e3581e96d65caa30756f191323437a3840f0"), None)
                .unwrap()
                .version,
            "5.7.2"
        );
        assert!(known.file(None, Some("5.8.0")).is_err());
    }

    #[test]
    fn tables_are_aligned() {
        let text = table(&["ID", "Role"], &[vec!["0669D57".into(), "LEAF".into()]]);
        assert_eq!(text, " ID       Role\n 0669D57  LEAF\n");
    }
}
