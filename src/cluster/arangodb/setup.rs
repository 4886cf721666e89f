//! The starter's `setup.json`: who the peers are and which servers they run (arangodb starter 0.13.10,
//! `service/setup_config.go`).
//!
//! Pure; the secret in the file is handed out beside what is known, never inside it. Called by the module that
//! asks a host, and by `member`.

use serde_json::Value;

use crate::cluster::model::arangodb::Role;

/// One peer of the starter's set-up: a machine, or one of several starters on a machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// Its id.
    pub id: String,
    /// Its address as the others reach it.
    pub address: String,
    /// The starter's port.
    pub port: u16,
    /// What is added to 8529, 8530 and 8531 for its servers' ports.
    pub offset: u16,
    /// Its data directory, as it told the others.
    pub data_dir: String,
    /// The servers that it runs.
    pub roles: Vec<Role>,
    /// Whether its servers speak TLS.
    pub secure: bool,
}

impl Peer {
    /// Returns the port of one of its servers (starter 0.13.10, `service/service.go`).
    pub fn server_port(&self, role: Role) -> u16 {
        let step = match role {
            Role::Coordinator | Role::Single => 1,
            Role::Dbserver => 2,
            Role::Agent => 3,
            Role::Syncmaster => 4,
            Role::Syncworker => 5,
        };
        8528 + self.offset + step
    }

    /// Returns the endpoint of one of its servers.
    pub fn endpoint(&self, role: Role) -> String {
        let scheme = if self.secure { "ssl" } else { "tcp" };
        let address = if self.address.contains(':') {
            format!("[{}]", self.address)
        } else {
            self.address.clone()
        };
        format!("{scheme}://{address}:{}", self.server_port(role))
    }
}

/// The starter's `setup.json`, without its secret.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Setup {
    /// This starter's own id.
    pub id: String,
    /// All starters.
    pub peers: Vec<Peer>,
    /// How many agents there are.
    pub agency_size: u64,
    /// `rocksdb` or `mmfiles`.
    pub engine: String,
    /// `cluster`, `single` or `activefailover`.
    pub mode: String,
}

/// Reads a `setup.json`; the secret in it is returned beside, never in the set-up.
pub fn parse_setup(text: &str) -> Result<(Setup, Option<String>), String> {
    let value: Value =
        serde_json::from_str(text).map_err(|error| format!("setup.json: {error}"))?;
    let string = |value: &Value, key: &str| {
        value
            .get(key)
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    let peers = value.get("peers").ok_or("setup.json has no `peers`")?;
    let list = peers
        .get("Peers")
        .and_then(Value::as_array)
        .ok_or("setup.json has no list of peers")?;
    let setup = Setup {
        id: string(&value, "id"),
        peers: list.iter().map(peer).collect(),
        agency_size: peers.get("AgencySize").and_then(Value::as_u64).unwrap_or(0),
        engine: string(peers, "ServerStorageEngine"),
        mode: string(&value, "mode"),
    };
    Ok((
        setup,
        value
            .get("jwt-secret")
            .and_then(Value::as_str)
            .filter(|secret| !secret.is_empty())
            .map(str::to_owned),
    ))
}

/// Reads a peer; `HasDBServer` and `HasCoordinator` are written only when false, the sync roles only when true.
fn peer(value: &Value) -> Peer {
    let string = |key: &str| {
        value
            .get(key)
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    let number = |key: &str| {
        value
            .get(key)
            .and_then(Value::as_u64)
            .and_then(|n| u16::try_from(n).ok())
            .unwrap_or(0)
    };
    let flag =
        |key: &str, default: bool| value.get(key).and_then(Value::as_bool).unwrap_or(default);
    let roles = [
        (Role::Agent, flag("HasAgent", false)),
        (Role::Dbserver, flag("HasDBServer", true)),
        (Role::Coordinator, flag("HasCoordinator", true)),
        (Role::Syncmaster, flag("HasSyncMaster", false)),
        (Role::Syncworker, flag("HasSyncWorker", false)),
    ];
    Peer {
        id: string("ID"),
        address: string("Address"),
        port: number("Port"),
        offset: number("PortOffset"),
        data_dir: string("DataDir"),
        roles: roles
            .into_iter()
            .filter(|(_, has)| *has)
            .map(|(role, _)| role)
            .collect(),
        secure: flag("IsSecure", false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_setup_file_gives_peers_and_keeps_the_secret_apart() {
        let text = r#"{"version":"0.2.2","id":"5142bd7a","peers":{"Peers":[{"ID":"5142bd7a","Address":"10.0.0.1","Port":8528,"PortOffset":0,
            "DataDir":"/var/lib/arangodb/cluster","HasAgent":true,"IsSecure":false},
            {"ID":"b","Address":"fe80::2","Port":8538,"PortOffset":10,"DataDir":"/d","HasAgent":false,"HasDBServer":false,"HasSyncMaster":true,"IsSecure":true}],
            "AgencySize":3,"ServerStorageEngine":"rocksdb"},"mode":"cluster","jwt-secret":"hush"}"#;
        let (setup, secret) = parse_setup(text).unwrap();
        assert_eq!(
            (setup.id.as_str(), setup.agency_size, setup.engine.as_str()),
            ("5142bd7a", 3, "rocksdb")
        );
        assert_eq!(
            setup.peers[0].roles,
            [Role::Agent, Role::Dbserver, Role::Coordinator]
        );
        assert_eq!(setup.peers[1].roles, [Role::Coordinator, Role::Syncmaster]);
        assert_eq!(setup.peers[0].endpoint(Role::Agent), "tcp://10.0.0.1:8531");
        assert_eq!(
            setup.peers[1].endpoint(Role::Coordinator),
            "ssl://[fe80::2]:8539"
        );
        assert_eq!(secret.as_deref(), Some("hush"));
        assert!(!format!("{setup:?}").contains("hush"));
        assert!(parse_setup("{").is_err() && parse_setup("{}").is_err());
    }
}
