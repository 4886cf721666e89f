//! Where a session leads and how it is opened: everything as values, nothing looked up here.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::secrets::Secret;

use super::Connection;
use super::local::LocalTransport;
use super::openssh::OpenSshTransport;
use super::shells::{Options, Shells};
use super::ssh::{Handshakes, SshTransport};

/// How a host is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Over SSH.
    Ssh,
    /// Over SSH by the system's program `ssh`.
    OpenSsh,
    /// It is this machine.
    Local,
}

/// A host to open a session to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Over SSH, or this machine; for the program `ssh` only `address`, `words`, `timeouts` count, and for all but SSH
    /// spoken by stagger itself only `shell` and `state_directory` count further.
    pub kind: Kind,
    /// The name or address that is dialled.
    pub address: String,
    /// The port.
    pub port: u16,
    /// The login user.
    pub user: String,
    /// What the login user is proved with.
    pub auth: Auth,
    /// How the host's key is checked.
    pub host_keys: HostKeys,
    /// The hosts that the way leads through, the first one first; their own jumps do not count.
    pub jumps: Vec<Target>,
    /// How it is dialled.
    pub way: Way,
    /// Which algorithms are offered.
    pub algorithms: Algorithms,
    /// How long things may take.
    pub timeouts: Timeouts,
    /// What the program `ssh` is told of the host; the first word on a thing wins.
    pub words: Vec<String>,
    /// The host's shell, if not `/bin/sh`; it must be a POSIX shell.
    pub shell: Option<String>,
    /// Where jobs are kept, if not `/var/lib/stagger` (root) or `~/.local/state/stagger`; each user gets a directory in it.
    pub state_directory: Option<String>,
}

/// How a host is dialled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Way {
    /// Which of its addresses are tried.
    pub family: AddressFamily,
    /// The address of this machine that the connection comes from.
    pub from: Option<String>,
    /// Whether the system asks a silent host whether it is there.
    pub tcp_keepalive: bool,
    /// Whether what is sent is compressed.
    pub compression: bool,
    /// How often a host that is not there is dialled, with a second between.
    pub attempts: u32,
}

impl Default for Way {
    fn default() -> Self {
        Self {
            family: AddressFamily::Any,
            from: None,
            tcp_keepalive: true,
            compression: false,
            attempts: 1,
        }
    }
}

/// Which addresses of a name are tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum AddressFamily {
    /// All, as the system sorts them.
    #[default]
    Any,
    /// Those of version 4.
    V4,
    /// Those of version 6.
    V6,
}

/// Which algorithms are offered, written as in `ssh_config`: a list, or changes to the usual one after `+`, `-` or `^`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Algorithms {
    /// `KexAlgorithms`.
    pub kex: Option<String>,
    /// `HostKeyAlgorithms`.
    pub host_keys: Option<String>,
    /// `Ciphers`.
    pub ciphers: Option<String>,
    /// `MACs`.
    pub macs: Option<String>,
}

/// A way to log in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LoginMethod {
    /// With a key, of the agent or of a file.
    PublicKey,
    /// With a password.
    Password,
    /// With answers to questions, of which the password is one.
    KeyboardInteractive,
}

impl LoginMethod {
    /// The methods in the order in which they are tried when nobody says otherwise.
    pub const USUAL: [Self; 3] = [Self::PublicKey, Self::Password, Self::KeyboardInteractive];

    /// Returns the name that the protocol has for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::PublicKey => "publickey",
            Self::Password => "password",
            Self::KeyboardInteractive => "keyboard-interactive",
        }
    }

    /// Returns the method of a name; `None` for those that are not spoken.
    pub fn named(name: &str) -> Option<Self> {
        Self::USUAL.into_iter().find(|method| method.name() == name)
    }
}

/// What a login user is proved with, in the order in which it is tried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Auth {
    /// Private key files.
    pub keys: Vec<KeyFile>,
    /// Whether the agent's keys count only if they are those of `keys`.
    pub identities_only: bool,
    /// The agent's socket.
    pub agent: Option<PathBuf>,
    /// The password, for the methods `password` and `keyboard-interactive`; it is tried once.
    pub password: Option<Secret>,
    /// The ways to log in, the first one first.
    pub methods: Vec<LoginMethod>,
}

impl Default for Auth {
    fn default() -> Self {
        Self {
            keys: Vec::new(),
            identities_only: false,
            agent: None,
            password: None,
            methods: LoginMethod::USUAL.to_vec(),
        }
    }
}

/// A private key file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyFile {
    /// Its path.
    pub path: PathBuf,
    /// What it is encrypted with.
    pub passphrase: Option<Secret>,
    /// Whether somebody named it; one of the usual names that is missing is no mistake.
    pub named: bool,
}

/// How a host key is checked before anything else is said to the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum HostKeyCheck {
    /// It must be known.
    #[default]
    Strict,
    /// A host that is not known at all is added to the first file; a changed key is refused.
    AcceptNew,
    /// Nothing is checked: whoever sits between can read and change everything.
    Off,
}

/// Where host keys are known from.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct HostKeys {
    /// How strictly.
    pub check: HostKeyCheck,
    /// The files, the user's own first.
    pub files: Vec<PathBuf>,
    /// The name it is known under, if not the address.
    pub alias: Option<String>,
    /// Whether names are hashed when they are added.
    pub hash_names: bool,
}

/// How long things may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// From dialling to the end of the handshake, for each hop.
    pub connect: Duration,
    /// How long a silence is before the host is asked whether it is still there; zero never asks.
    pub keepalive: Duration,
    /// How many such questions may stay without an answer.
    pub keepalive_misses: u32,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            keepalive: Duration::from_secs(15),
            keepalive_misses: 3,
        }
    }
}

/// What is known of the person and the machine that sessions are opened from; `cli` fills it in.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Surroundings {
    /// The home directory.
    pub home: Option<PathBuf>,
    /// The user's name.
    pub user: String,
    /// The agent's socket (`SSH_AUTH_SOCK`).
    pub agent: Option<PathBuf>,
    /// The user's number.
    pub uid: u32,
    /// The machine's name.
    pub machine: String,
    /// The environment, for `${NAME}` in paths.
    pub environment: BTreeMap<String, String>,
}

impl Surroundings {
    /// Returns a path with a leading `~/` replaced by the home directory.
    pub(crate) fn expand(&self, path: &str) -> PathBuf {
        match (path.strip_prefix('~'), &self.home) {
            (Some(""), Some(home)) => home.clone(),
            (Some(rest), Some(home)) if rest.starts_with('/') => {
                home.join(rest.trim_start_matches('/'))
            }
            _ => PathBuf::from(path),
        }
    }

    /// Returns the key files that are tried when nobody names one.
    pub(crate) fn usual_keys(&self) -> Vec<KeyFile> {
        let key = |home: &Path, name| KeyFile {
            path: home.join(".ssh").join(name),
            passphrase: None,
            named: false,
        };
        let names = ["id_ed25519", "id_ecdsa", "id_rsa"];
        self.home
            .iter()
            .flat_map(|home| names.iter().map(|name| key(home, *name)))
            .collect()
    }

    /// Returns the files that host keys are known from when nobody names one.
    pub(crate) fn usual_known_hosts(&self) -> Vec<PathBuf> {
        let own = ["~/.ssh/known_hosts", "~/.ssh/known_hosts2"];
        let all = ["/etc/ssh/ssh_known_hosts", "/etc/ssh/ssh_known_hosts2"];
        let own = own.iter().filter(|_| self.home.is_some());
        own.chain(&all).map(|path| self.expand(path)).collect()
    }
}

impl Target {
    /// Makes a target over SSH with the usual port, keys and files.
    pub fn ssh(address: impl Into<String>, surroundings: &Surroundings) -> Self {
        Self {
            kind: Kind::Ssh,
            address: address.into(),
            port: 22,
            user: surroundings.user.clone(),
            auth: Auth {
                keys: surroundings.usual_keys(),
                agent: surroundings.agent.clone(),
                ..Auth::default()
            },
            host_keys: HostKeys {
                files: surroundings.usual_known_hosts(),
                ..HostKeys::default()
            },
            jumps: Vec::new(),
            way: Way::default(),
            algorithms: Algorithms::default(),
            timeouts: Timeouts::default(),
            words: Vec::new(),
            shell: None,
            state_directory: None,
        }
    }

    /// Makes a target that the program `ssh` reaches, with what it is told of it.
    pub fn openssh(address: impl Into<String>, words: Vec<String>) -> Self {
        Self {
            kind: Kind::OpenSsh,
            words,
            ..Self::ssh(address, &Surroundings::default())
        }
    }

    /// Makes the target that is this machine.
    pub fn local() -> Self {
        Self {
            kind: Kind::Local,
            ..Self::ssh("localhost", &Surroundings::default())
        }
    }
}

/// Makes a connection to a target; the session is opened by the first call that needs it.
///
/// All connections of a process share one [`Handshakes`], so that no SSH server gets more of them at once than it takes.
pub fn open(target: &Target, handshakes: &Handshakes) -> Box<dyn Connection> {
    let options = Options {
        state_directory: target.state_directory.clone(),
        shell: target.shell.clone(),
    };
    match target.kind {
        Kind::Local => Box::new(Shells::new(Box::new(LocalTransport::new()), options)),
        Kind::OpenSsh => {
            let link = OpenSshTransport::new(target.clone(), handshakes.clone());
            Box::new(Shells::new(Box::new(link), options))
        }
        Kind::Ssh => {
            let link = SshTransport::new(target.clone(), handshakes.clone());
            Box::new(Shells::new(Box::new(link), options))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_files_are_those_of_the_home() {
        let surroundings = Surroundings {
            home: Some("/home/me".into()),
            user: "me".to_owned(),
            ..Surroundings::default()
        };
        let target = Target::ssh("db1", &surroundings);
        assert_eq!(
            target.auth.keys.first().map(|key| key.path.clone()),
            Some("/home/me/.ssh/id_ed25519".into())
        );
        assert_eq!(
            target.host_keys.files.first(),
            Some(&PathBuf::from("/home/me/.ssh/known_hosts"))
        );
        assert_eq!(surroundings.expand("~/x"), PathBuf::from("/home/me/x"));
        assert_eq!(surroundings.expand("/x"), PathBuf::from("/x"));
        assert!(Target::local().auth.keys.is_empty());
    }
}
