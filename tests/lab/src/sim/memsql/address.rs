//! Where a server of the cluster is.

use serde::{Deserialize, Serialize};

/// A host and a port.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(from = "(String, u16)", into = "(String, u16)")]
pub struct Address {
    /// The host.
    pub host: String,
    /// The port.
    pub port: u16,
}

impl Address {
    /// Makes one.
    pub fn new(host: impl Into<String>, port: u16) -> Self {
        Self {
            host: host.into(),
            port,
        }
    }

    /// Reads `host:port`, or `[v6]:port`.
    pub fn parse(text: &str) -> Option<Self> {
        let (host, port) = text.rsplit_once(':')?;
        let host = host.trim_start_matches('[').trim_end_matches(']');
        Some(Self::new(host, port.parse().ok()?))
    }
}

impl From<(String, u16)> for Address {
    fn from((host, port): (String, u16)) -> Self {
        Self { host, port }
    }
}

impl From<Address> for (String, u16) {
    fn from(address: Address) -> Self {
        (address.host, address.port)
    }
}

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_as_they_are_written() {
        for (text, host) in [("h1:3306", "h1"), ("[fd00::1]:3306", "fd00::1")] {
            let at = Address::new(host, 3306);
            assert_eq!(Address::parse(text), Some(at.clone()));
            assert_eq!(at.to_string(), text);
        }
        assert_eq!(Address::parse("h1"), None);
    }
}
