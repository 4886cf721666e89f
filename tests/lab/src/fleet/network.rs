//! A fleet's network: a bridge in a namespace of its own, and a namespace for each host.
//!
//! The bridge's namespace is also where the bastion's commands run. Nothing is connected to
//! the machine's own network, so nothing leaves, and taking the namespaces away takes all of
//! it away. Faults of a link are made here too.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

use super::Error;
use crate::command::Command;
use crate::files;

const BRIDGE: &str = "br0";
/// The last number of the first host's address; the bastion is number 1.
const FIRST_HOST: u8 = 11;
/// The clients' machine: its name, and the last number of its address.
const CLIENTS: &str = "clients";
const CLIENTS_NUMBER: u8 = 2;

/// The network of one fleet.
#[derive(Debug, Clone)]
pub(super) struct Network {
    namespace: String,
    subnet: u8,
}

/// One host's place in the network: which one it is, counted from 0, and its name.
#[derive(Debug, Clone, Copy)]
pub(super) struct Port<'a> {
    /// Its number in the fleet.
    pub(super) index: u8,
    /// Its name.
    pub(super) host: &'a str,
}

impl Network {
    /// Returns the network of the fleet with this name and subnet number.
    pub(super) fn new(fleet: &str, subnet: u8) -> Self {
        Self {
            namespace: fleet.to_owned(),
            subnet,
        }
    }

    /// Returns the address of the bastion.
    pub(super) fn bastion(&self) -> Ipv4Addr {
        Ipv4Addr::new(10, 77, self.subnet, 1)
    }

    /// Returns the address of a host.
    pub(super) fn address(&self, index: u8) -> Ipv4Addr {
        Ipv4Addr::new(10, 77, self.subnet, FIRST_HOST.saturating_add(index))
    }

    /// Returns what starts a command on the bastion.
    pub(super) fn on_bastion(&self) -> Command {
        Command::line("ip netns exec").arg(&self.namespace)
    }

    /// Returns what starts a command on the clients' machine, once there is one.
    pub(super) fn on_clients(&self) -> Command {
        Command::line("ip netns exec").arg(self.namespace_of(CLIENTS))
    }

    /// Makes a machine for clients, whose way to the hosts is not the bastion's.
    pub(super) fn make_clients(&self) -> Result<(), Error> {
        let inner = self.namespace_of(CLIENTS);
        Command::line("ip netns add").arg(&inner).run()?;
        ip_batch(
            &self.namespace,
            &format!(
                "link add {CLIENTS} type veth peer name eth0 netns {inner}\n\
                 link set {CLIENTS} master {BRIDGE}\n\
                 link set {CLIENTS} up\n"
            ),
        )?;
        let address = Ipv4Addr::new(10, 77, self.subnet, CLIENTS_NUMBER);
        ip_batch(
            &inner,
            &format!(
                "link set lo up\n\
                 addr add {address}/24 dev eth0\n\
                 link set eth0 up\n"
            ),
        )
    }

    /// Returns the name of a host's namespace.
    pub(super) fn namespace_of(&self, host: &str) -> String {
        format!("{}-{host}", self.namespace)
    }

    /// Makes the namespace with the bridge, and the bastion's own list of names.
    pub(super) fn make(&self, names: &str) -> Result<(), Error> {
        files::write(&self.own_files().join("hosts"), names, 0o644)?;
        // There is nobody to ask for a name, and asking must not take long.
        files::write(&self.own_files().join("resolv.conf"), "", 0o644)?;
        Command::line("ip netns add").arg(&self.namespace).run()?;
        let bastion = format!("{}/24", self.bastion());
        let batch = format!(
            "link set lo up\n\
             link add {BRIDGE} type bridge\n\
             addr add {bastion} dev {BRIDGE}\n\
             link set {BRIDGE} up\n"
        );
        ip_batch(&self.namespace, &batch)
    }

    /// Makes a host's namespace and connects it.
    pub(super) fn connect(&self, port: Port<'_>) -> Result<(), Error> {
        let inner = self.namespace_of(port.host);
        let outer_end = link(port.index);
        Command::line("ip netns add").arg(&inner).run()?;
        ip_batch(
            &self.namespace,
            &format!(
                "link add {outer_end} type veth peer name eth0 netns {inner}\n\
                 link set {outer_end} master {BRIDGE}\n\
                 link set {outer_end} up\n"
            ),
        )?;
        let (address, bastion) = (self.address(port.index), self.bastion());
        ip_batch(
            &inner,
            &format!(
                "link set lo up\n\
                 addr add {address}/24 dev eth0\n\
                 link set eth0 up\n\
                 route add default via {bastion}\n"
            ),
        )
    }

    /// Cuts a host off from everybody, or ends that.
    pub(super) fn cut(&self, port: Port<'_>, is_cut: bool) -> Result<(), Error> {
        let state = if is_cut { "down" } else { "up" };
        ip_batch(
            &self.namespace,
            &format!("link set {} {state}\n", link(port.index)),
        )
    }

    /// Leads a host's link through two interfaces that somebody hands frames between.
    pub(super) fn lead_through(&self, port: Port<'_>, near: &str, far: &str) -> Result<(), Error> {
        let (link, side) = (link(port.index), side_bridge(port.index));
        ip_batch(
            &self.namespace,
            &format!(
                "link add {side} type bridge\n\
                 link set {side} up\n\
                 link set {near} master {side}\n\
                 link set {far} master {BRIDGE}\n\
                 link set {link} master {side}\n"
            ),
        )
    }

    /// Leads a host's link straight to the bridge again.
    pub(super) fn lead_straight(&self, port: Port<'_>) -> Result<(), Error> {
        let (link, side) = (link(port.index), side_bridge(port.index));
        ip_batch(
            &self.namespace,
            &format!("link set {link} master {BRIDGE}\nlink del {side}\n"),
        )
    }

    /// Parts two hosts from each other without a word: packets between them are lost.
    pub(super) fn part(
        &self,
        one: Port<'_>,
        other: Port<'_>,
        is_parted: bool,
    ) -> Result<(), Error> {
        for (from, to) in [(one, other), (other, one)] {
            lose(
                &self.namespace_of(from.host),
                "eth0",
                self.address(to.index),
                is_parted,
            )?;
        }
        Ok(())
    }

    /// Parts a host from the bastion, while the hosts go on talking to each other.
    pub(super) fn part_from_bastion(&self, port: Port<'_>, is_parted: bool) -> Result<(), Error> {
        lose(&self.namespace, BRIDGE, self.address(port.index), is_parted)?;
        lose(
            &self.namespace_of(port.host),
            "eth0",
            self.bastion(),
            is_parted,
        )
    }

    /// Takes away the namespaces of a fleet, whatever of them is there.
    pub(super) fn take_away(&self) -> Result<(), Error> {
        let prefix = format!("{}-", self.namespace);
        for name in files::names(Path::new("/run/netns"))? {
            if name == self.namespace || name.starts_with(&prefix) {
                // A name left behind by another mount namespace has no mount to take away.
                if let Err(error) = Command::line("ip netns del").arg(&name).run() {
                    let file = Path::new("/run/netns").join(&name);
                    files::remove(&file).map_err(|_| error)?;
                }
            }
        }
        let own = self.own_files();
        if own.exists() {
            Command::line("rm -rf --").arg(own).run()?;
        }
        Ok(())
    }

    /// Returns the processes that run on the bastion and on the clients' machine.
    pub(super) fn processes(&self) -> Result<Vec<u32>, Error> {
        let mut pids = Vec::new();
        for namespace in [self.namespace.clone(), self.namespace_of(CLIENTS)] {
            if Path::new("/run/netns").join(&namespace).exists() {
                let list = Command::line("ip netns pids").arg(&namespace).run()?;
                pids.extend(list.lines().filter_map(|pid| pid.parse::<u32>().ok()));
            }
        }
        Ok(pids)
    }

    /// Files that `ip netns exec` shows in place of those in `/etc`.
    fn own_files(&self) -> PathBuf {
        Path::new("/etc/netns").join(&self.namespace)
    }
}

/// The bridge's end of a host's link; the kernel allows 15 letters, too few for names.
fn link(index: u8) -> String {
    format!("host{index}")
}

/// A bridge of its own for a host whose link is disturbed.
fn side_bridge(index: u8) -> String {
    format!("side{index}")
}

/// A neighbour with a made-up hardware address swallows what is sent to it.
fn lose(namespace: &str, device: &str, to: Ipv4Addr, lost: bool) -> Result<(), Error> {
    let batch = if lost {
        format!("neigh replace {to} lladdr 02:00:00:00:00:01 nud permanent dev {device}\n")
    } else {
        format!("neigh del {to} dev {device}\n")
    };
    ip_batch(namespace, &batch)
}

fn ip_batch(namespace: &str, batch: &str) -> Result<(), Error> {
    Command::line("ip -n")
        .arg(namespace)
        .args(["-batch", "-"])
        .input(batch)
        .run()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_fleets_side_by_side_are_apart() {
        let one = Network::new("lab0", 0);
        let other = Network::new("lab7", 7);
        assert_eq!(one.bastion().to_string(), "10.77.0.1");
        assert_eq!(one.address(0).to_string(), "10.77.0.11");
        assert_eq!(other.address(24).to_string(), "10.77.7.35");
        assert_eq!(other.namespace_of("node1"), "lab7-node1");
    }

    #[test]
    fn the_name_of_a_link_fits_for_every_host() {
        assert!(link(u8::MAX).len() <= 15);
    }
}
