//! The kinds of server that a starter starts.

use super::super::paths::Paths;

/// A kind of server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// It holds a part of the agency.
    Agent,
    /// It answers clients.
    Coordinator,
    /// It holds data.
    DbServer,
    /// It is all there is.
    Single,
    /// It leads the replication between clusters.
    SyncMaster,
    /// It works for the replication between clusters.
    SyncWorker,
}

impl Kind {
    /// All kinds, in the order in which the starter lists its processes.
    pub const ALL: [Self; 6] = [
        Self::Agent,
        Self::Coordinator,
        Self::DbServer,
        Self::Single,
        Self::SyncMaster,
        Self::SyncWorker,
    ];

    /// The order in which servers are stopped.
    pub const STOP_ORDER: [Self; 6] = [
        Self::SyncWorker,
        Self::SyncMaster,
        Self::Single,
        Self::Coordinator,
        Self::DbServer,
        Self::Agent,
    ];

    /// Returns the kind's name, which also begins its directory's.
    pub fn name(self) -> &'static str {
        match self {
            Self::Agent => "agent",
            Self::Coordinator => "coordinator",
            Self::DbServer => "dbserver",
            Self::Single => "single",
            Self::SyncMaster => "syncmaster",
            Self::SyncWorker => "syncworker",
        }
    }

    /// Returns the kind that a name names.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// Returns how far its port is from the starter's.
    pub fn port_offset(self) -> u16 {
        match self {
            Self::Coordinator | Self::Single => 1,
            Self::DbServer => 2,
            Self::Agent => 3,
            Self::SyncMaster => 4,
            Self::SyncWorker => 5,
        }
    }

    /// Returns the role that such a server says it has.
    pub fn role(self) -> &'static str {
        match self {
            Self::Agent => "AGENT",
            Self::Coordinator => "COORDINATOR",
            Self::DbServer => "PRIMARY",
            Self::Single => "SINGLE",
            Self::SyncMaster | Self::SyncWorker => "",
        }
    }

    /// Tells whether it is a program of the replication between clusters.
    pub fn is_sync(self) -> bool {
        matches!(self, Self::SyncMaster | Self::SyncWorker)
    }

    /// Returns the file its command line is written to.
    pub fn command_file(self) -> &'static str {
        if self.is_sync() {
            "arangosync_command.txt"
        } else {
            "arangod_command.txt"
        }
    }

    /// Returns its log file's name.
    pub fn log_file(self) -> &'static str {
        if self.is_sync() {
            "arangosync.log"
        } else {
            "arangod.log"
        }
    }

    /// Returns where its program is installed.
    pub fn program(self, paths: &Paths) -> String {
        let name = if self.is_sync() {
            "usr/sbin/arangosync"
        } else {
            "usr/sbin/arangod"
        };
        paths.root().join(name).display().to_string()
    }
}
