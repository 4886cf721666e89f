//! Where a node is: host and port, as one of the lists spells it; and the other names that the same machine goes by.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Serialize, Serializer};

/// A node's host and port. Spelled as it was read: that is how the master aggregator wants to hear it again.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Address {
    /// A name or an IP address.
    pub host: String,
    /// The port.
    pub port: u16,
}

impl Address {
    /// Makes an address.
    pub fn new(host: impl Into<String>, port: u16) -> Self {
        Self {
            host: host.into(),
            port,
        }
    }

    /// Reads `host:port`, `[v6]:port` or, since the last colon decides, `v6:port`.
    pub fn parse(text: &str) -> Option<Self> {
        let (host, port) = text.rsplit_once(':')?;
        let host = host.trim_start_matches('[').trim_end_matches(']');
        (!host.is_empty()).then_some(())?;
        Some(Self::new(host, port.parse().ok()?))
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

impl Serialize for Address {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// By which one name each machine is meant: `127.0.0.1` and a host's name may be the same leaf in two lists.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Aliases(BTreeMap<String, String>);

impl Aliases {
    /// Adds a name of a machine; returns the machine that went by it before.
    pub fn add(&mut self, alias: &str, machine: &str) -> Option<String> {
        self.0.insert(alias.to_lowercase(), machine.to_owned())
    }

    /// Returns the one name of a machine.
    pub fn machine(&self, host: &str) -> String {
        let lower = host.to_lowercase();
        self.0.get(&lower).cloned().unwrap_or(lower)
    }

    /// Tells whether two addresses are one node.
    pub fn same(&self, one: &Address, other: &Address) -> bool {
        one.port == other.port && self.machine(&one.host) == self.machine(&other.host)
    }

    /// Returns the address in `known` that is the same node, else the address as it is.
    pub fn spelled<'a>(
        &self,
        address: Address,
        known: impl IntoIterator<Item = &'a Address>,
    ) -> Address {
        known
            .into_iter()
            .find(|known| self.same(known, &address))
            .cloned()
            .unwrap_or(address)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_and_written() {
        for (text, host, port) in [
            ("10.0.0.1:3306", "10.0.0.1", 3306),
            ("leaf-1.example:3307", "leaf-1.example", 3307),
            ("[fd00::1]:3306", "fd00::1", 3306),
        ] {
            let address = Address::parse(text).unwrap();
            assert_eq!(address, Address::new(host, port));
            assert_eq!(address.to_string(), text);
        }
        for bad in ["", "host", ":3306", "host:", "host:x", "host:70000"] {
            assert_eq!(Address::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_machine_goes_by_several_names() {
        let mut aliases = Aliases::default();
        aliases.add("127.0.0.1", "node1");
        aliases.add("10.0.0.1", "node1");
        let (here, there) = (
            Address::new("127.0.0.1", 3306),
            Address::new("10.0.0.1", 3306),
        );
        assert!(aliases.same(&here, &there));
        assert!(!aliases.same(&here, &Address::new("10.0.0.1", 3307)));
        assert!(!aliases.same(&here, &Address::new("10.0.0.2", 3306)));
        assert_eq!(aliases.spelled(here, [&there]), there);
    }
}
