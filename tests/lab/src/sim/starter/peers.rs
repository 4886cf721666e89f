//! The starters of a cluster, and the file in which each keeps what it knows of them.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::kinds::Kind;

/// One starter and what it runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
#[expect(
    clippy::struct_excessive_bools,
    reason = "the file has one flag for each kind of server"
)]
pub struct Peer {
    /// Its identifier.
    #[serde(rename = "ID")]
    pub id: String,
    /// Where it is reached.
    pub address: String,
    /// Its port, without the offset.
    pub port: u16,
    /// How far all its ports are shifted.
    pub port_offset: u16,
    /// Its data directory.
    pub data_dir: String,
    /// Whether it runs an agent.
    pub has_agent: bool,
    /// Whether it runs a DB-Server; shown only where it does not.
    #[serde(
        rename = "HasDBServer",
        default,
        skip_serializing_if = "Option::is_none"
    )]
    pub has_db_server: Option<bool>,
    /// Whether it runs a coordinator; shown only where it does not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub has_coordinator: Option<bool>,
    /// Whether it runs a sync master.
    #[serde(default, skip_serializing_if = "is_false")]
    pub has_sync_master: bool,
    /// Whether it runs a sync worker.
    #[serde(default, skip_serializing_if = "is_false")]
    pub has_sync_worker: bool,
    /// Whether its servers speak TLS.
    pub is_secure: bool,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde asks for a reference"
)]
fn is_false(flag: &bool) -> bool {
    !flag
}

impl Peer {
    /// Tells whether it runs a server of a kind, as part of a cluster.
    pub fn has(&self, kind: Kind) -> bool {
        match kind {
            Kind::Agent => self.has_agent,
            Kind::DbServer => self.has_db_server.unwrap_or(true),
            Kind::Coordinator => self.has_coordinator.unwrap_or(true),
            Kind::SyncMaster => self.has_sync_master,
            Kind::SyncWorker => self.has_sync_worker,
            Kind::Single => false,
        }
    }

    /// Returns the port of one of its servers.
    pub fn port_of(&self, kind: Kind) -> u16 {
        self.port + self.port_offset + kind.port_offset()
    }

    /// Returns its own URL with a path.
    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.endpoint(self.port + self.port_offset))
    }

    /// Returns the URL of one of its servers.
    pub fn server_url(&self, kind: Kind) -> String {
        self.endpoint(self.port_of(kind))
    }

    fn endpoint(&self, port: u16) -> String {
        let scheme = if self.is_secure { "https" } else { "http" };
        format!("{scheme}://{}:{port}", self.address)
    }
}

/// All starters of a cluster.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Peers {
    /// The starters.
    #[serde(rename = "Peers")]
    pub all: Vec<Peer>,
    /// How many agents there are.
    pub agency_size: usize,
    /// When this changed last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_modified: Option<String>,
    /// How far apart the ports of two starters on one machine are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port_offset_increment: Option<u16>,
    /// The engine of all servers.
    #[serde(default)]
    pub server_storage_engine: String,
}

const INCREMENT: u16 = 10;
const INCREMENT_BEFORE_0_11: u16 = 5;

impl Peers {
    /// Returns the peers that a cluster begins with.
    pub fn beginning(first: Peer, agency_size: usize, engine: &str, now: String) -> Self {
        Self {
            all: vec![first],
            agency_size,
            last_modified: Some(now),
            port_offset_increment: Some(INCREMENT),
            server_storage_engine: engine.to_owned(),
        }
    }

    /// Returns a starter.
    pub fn by_id(&self, id: &str) -> Option<&Peer> {
        self.all.iter().find(|peer| peer.id == id)
    }

    /// Tells whether there are as many agents as there are to be.
    pub fn have_enough_agents(&self) -> bool {
        self.all.iter().filter(|peer| peer.has_agent).count() >= self.agency_size
    }

    /// Returns the first shift of ports that is free at an address.
    pub fn free_port_offset(&self, address: &str, port: u16, unique: bool) -> u16 {
        let step = self.port_offset_increment.unwrap_or(INCREMENT_BEFORE_0_11);
        let taken = |offset: u16| {
            self.all.iter().any(|peer| {
                let begin = peer.port + peer.port_offset;
                let wanted = port + offset;
                let overlaps = begin < wanted + step && wanted < begin + step;
                overlaps && (unique || peer.address == address)
            })
        };
        let mut offset = 0;
        while taken(offset) {
            offset += step;
        }
        offset
    }

    /// Returns the URLs of all servers of a kind.
    pub fn urls(&self, kind: Kind) -> Vec<String> {
        self.all
            .iter()
            .filter(|peer| peer.has(kind))
            .map(|peer| peer.server_url(kind))
            .collect()
    }

    /// Tells whether the cluster speaks TLS.
    pub fn is_secure(&self) -> bool {
        self.all.iter().any(|peer| peer.is_secure)
    }
}

/// The content of `setup.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Setup {
    /// The version of this file's form.
    pub version: String,
    /// Which of the peers this one is.
    pub id: String,
    /// All starters.
    pub peers: Peers,
    /// `cluster` or `single`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub mode: String,
    /// The file with certificate and key.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub ssl_keyfile: String,
    /// The cluster's secret.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub jwt_secret: String,
}

/// The form of the file that this starter writes.
pub const SETUP_VERSION: &str = "0.2.2";

impl Setup {
    /// Returns what a starter knows that begins from nothing.
    pub fn none() -> Self {
        Self {
            version: SETUP_VERSION.to_owned(),
            id: String::new(),
            peers: Peers::default(),
            mode: String::new(),
            ssl_keyfile: String::new(),
            jwt_secret: String::new(),
        }
    }

    /// Reads the file of a data directory, if there is one that can be used.
    pub fn read(data_dir: &Path) -> Option<Self> {
        let text = std::fs::read_to_string(data_dir.join("setup.json")).ok()?;
        let setup: Self = serde_json::from_str(&text).ok()?;
        let usable = ["0.2.1", SETUP_VERSION].contains(&setup.version.as_str());
        usable.then_some(setup)
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// Returns a starter with all three servers.
    pub fn peer(id: &str, address: &str, port_offset: u16) -> Peer {
        Peer {
            id: id.into(),
            address: address.into(),
            port: 8528,
            port_offset,
            data_dir: "/d".into(),
            has_agent: true,
            has_db_server: None,
            has_coordinator: None,
            has_sync_master: false,
            has_sync_worker: false,
            is_secure: false,
        }
    }

    #[test]
    fn the_setup_file_has_the_form_of_the_real_one() {
        let mut peers = Peers::beginning(
            peer("5142bd7a", "10.0.0.1", 0),
            3,
            "rocksdb",
            "2018-12-01T10:00:00Z".into(),
        );
        let setup = Setup {
            version: SETUP_VERSION.into(),
            id: "5142bd7a".into(),
            peers: peers.clone(),
            mode: "cluster".into(),
            ssl_keyfile: String::new(),
            jwt_secret: String::new(),
        };
        let expected = r#"{"version":"0.2.2","id":"5142bd7a","peers":{"Peers":[{"ID":"5142bd7a","Address":"10.0.0.1","Port":8528,"PortOffset":0,"DataDir":"/d","HasAgent":true,"IsSecure":false}],"AgencySize":3,"LastModified":"2018-12-01T10:00:00Z","PortOffsetIncrement":10,"ServerStorageEngine":"rocksdb"},"mode":"cluster"}"#;
        assert_eq!(serde_json::to_string(&setup).unwrap(), expected);
        let read: Setup = serde_json::from_str(expected).unwrap();
        assert_eq!(read, setup);
        peers.all[0].has_db_server = Some(false);
        let text = serde_json::to_string(&peers).unwrap();
        assert!(text.contains(r#""HasDBServer":false"#), "{text}");
        assert!(!peers.all[0].has(Kind::DbServer) && peers.all[0].has(Kind::Coordinator));
    }

    #[test]
    fn two_starters_on_a_machine_stand_ten_ports_apart() {
        let mut peers = Peers::beginning(peer("a", "h1", 0), 3, "rocksdb", String::new());
        assert_eq!(peers.free_port_offset("h2", 8528, false), 0);
        assert_eq!(peers.free_port_offset("h2", 8528, true), 10);
        assert_eq!(peers.free_port_offset("h1", 8528, false), 10);
        peers.all.push(peer("b", "h1", 10));
        assert_eq!(peers.free_port_offset("h1", 8528, false), 20);
        assert_eq!(peers.all[1].server_url(Kind::Agent), "http://h1:8541");
    }

    #[test]
    fn a_setup_that_is_too_old_or_broken_is_no_setup() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(Setup::read(dir.path()), None);
        for text in [
            "{",
            r#"{"version":"0.1.0","id":"x","peers":{"Peers":[],"AgencySize":3}}"#,
        ] {
            crate::sim::files::replace(&dir.path().join("setup.json"), text.as_bytes(), 0o644)
                .unwrap();
            assert_eq!(Setup::read(dir.path()), None, "{text}");
        }
    }
}
