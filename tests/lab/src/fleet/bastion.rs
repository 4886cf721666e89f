//! The machine that the operator sits on: the fleet's namespace, with a home directory.
//!
//! In the home lie a key that the hosts accept, a `known_hosts` file with the hosts' keys, and
//! an `ssh_config`, as an operator would have them. Everything that a user of stagger would type
//! is run here, and so it can reach the hosts and nothing else.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

use super::network::Network;
use super::{Error, Login};
use crate::command::Command;
use crate::files;

/// The bastion of one fleet.
#[derive(Debug, Clone)]
pub struct Bastion {
    network: Network,
    home: PathBuf,
}

/// What ssh needs to know of a host.
#[derive(Debug, Clone, Copy)]
pub(super) struct Known<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its address.
    pub address: Ipv4Addr,
    /// The public half of its key, as in the `.pub` file.
    pub public_key: &'a str,
}

impl Bastion {
    /// Returns the bastion of the fleet in this directory.
    pub(super) fn new(network: Network, directory: &Path) -> Self {
        Self {
            network,
            home: directory.join("bastion"),
        }
    }

    /// Returns the operator's home directory.
    pub fn home(&self) -> &Path {
        &self.home
    }

    /// Returns the bastion's own address.
    pub fn address(&self) -> Ipv4Addr {
        self.network.bastion()
    }

    /// Returns the file with the private key that the hosts accept.
    pub fn key(&self) -> PathBuf {
        self.home.join(".ssh/id_ed25519")
    }

    /// Returns the file that OpenSSH is to be started with.
    pub fn ssh_config(&self) -> PathBuf {
        self.home.join(".ssh/config")
    }

    /// Makes the operator's key.
    pub(super) fn make(&self) -> Result<(), Error> {
        make_key(&self.key(), "operator@bastion")
    }

    /// Returns the public half of the operator's key.
    pub fn public_key(&self) -> Result<String, Error> {
        Ok(files::read(&self.home.join(".ssh/id_ed25519.pub"))?)
    }

    /// Writes down the hosts' keys and how to log in to them.
    pub(super) fn know(&self, hosts: &[Known<'_>], login: Login) -> Result<(), Error> {
        let ssh = self.home.join(".ssh");
        let keys: String = hosts.iter().map(|host| known_hosts_line(*host)).collect();
        files::write(&ssh.join("known_hosts"), keys, 0o600)?;
        let names: String = hosts.iter().map(|host| config_of(*host)).collect();
        let config = format!(
            "{names}Host *\n  User {user}\n  IdentityFile {key}\n  IdentitiesOnly yes\n  \
             UserKnownHostsFile {ssh}/known_hosts\n  StrictHostKeyChecking yes\n",
            user = login.user(),
            key = self.key().display(),
            ssh = ssh.display(),
        );
        files::write(&ssh.join("config"), config, 0o600)?;
        Ok(())
    }

    /// Puts a program where the operator finds it by a name.
    pub fn provide(&self, name: &str, program: &Path) -> Result<(), Error> {
        let directory = self.home.join("bin");
        files::make_directory(&directory)?;
        Command::line("ln --symbolic --force --no-target-directory")
            .args([program, &directory.join(name)])
            .run()?;
        Ok(())
    }

    /// Returns a command as the operator would start it: in the namespace, with his home.
    pub fn command(&self, command: Command) -> Command {
        let own_programs_first = "PATH=$HOME/bin:$PATH; exec \"$@\"";
        command
            .under(Command::line("sh -c").args([own_programs_first, "bastion"]))
            .under(self.network.on_bastion())
            .env("HOME", &self.home)
            .directory(&self.home)
    }

    /// Makes the machine that [`Bastion::beside`] runs commands on.
    pub fn make_clients(&self) -> Result<(), Error> {
        self.network.make_clients()
    }

    /// Returns a command as clients would start it: on a machine of their own, which goes on reaching a host that is
    /// parted from the bastion; with the bastion's home, to be told there when to end.
    pub fn beside(&self, command: Command) -> Command {
        command
            .under(self.network.on_clients())
            .env("HOME", &self.home)
            .directory(&self.home)
    }

    /// Returns an `ssh` to a host; arguments that are added to it are the remote command.
    pub fn ssh(&self, host: &str) -> Command {
        // OpenSSH takes the home from the machine's list of users, not from the environment.
        let ssh = Command::new("ssh")
            .arg("-F")
            .arg(self.ssh_config())
            .args(["-o", "LogLevel=ERROR"])
            .arg(host);
        self.command(ssh)
    }
}

/// Makes a key pair without a passphrase, replacing an older one.
pub(super) fn make_key(path: &Path, comment: &str) -> Result<(), Error> {
    if let Some(parent) = path.parent() {
        files::make_directory(parent)?;
    }
    files::remove(path)?;
    Command::line("ssh-keygen -q -t ed25519 -N")
        .args(["", "-C", comment, "-f"])
        .arg(path)
        .run()?;
    Ok(())
}

fn known_hosts_line(host: Known<'_>) -> String {
    let words: Vec<_> = host.public_key.split_whitespace().take(2).collect();
    format!("{},{} {}\n", host.name, host.address, words.join(" "))
}

fn config_of(host: Known<'_>) -> String {
    format!("Host {}\n  HostName {}\n", host.name, host.address)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_known_by_name_and_address_with_its_key_alone() {
        let host = Known {
            name: "node1",
            address: Ipv4Addr::new(10, 77, 0, 11),
            public_key: "ssh-ed25519 AAAA root@node1\n",
        };
        assert_eq!(
            known_hosts_line(host),
            "node1,10.77.0.11 ssh-ed25519 AAAA\n"
        );
        assert_eq!(config_of(host), "Host node1\n  HostName 10.77.0.11\n");
    }

    #[test]
    fn a_key_pair_is_made_and_made_anew() {
        let place = tempfile::tempdir().unwrap();
        let key = place.path().join("a/key");
        make_key(&key, "one").unwrap();
        let first = files::read(&place.path().join("a/key.pub")).unwrap();
        make_key(&key, "one").unwrap();
        let second = files::read(&place.path().join("a/key.pub")).unwrap();
        assert!(first.starts_with("ssh-ed25519 "));
        assert_ne!(first, second);
    }
}
