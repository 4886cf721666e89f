//! Filters for IP addresses: the part of `ansible.utils` that playbooks use.
//!
//! What is no address gives `False`; a list gives its items that fit.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::super::arguments::Bound;
use super::super::failure::{Fault, failed};
use super::super::object::Object;
use super::super::plugin::Plugin;
use super::super::rendering::Rendering;

pub(super) const FILTERS: &[Plugin] = &[
    Plugin::new("ipaddr", &["value", "query", "version"], 1, |r, b| {
        asked(r, b, None)
    }),
    Plugin::new("ipv4", &["value", "query"], 1, |r, b| asked(r, b, Some(4))),
    Plugin::new("ipv6", &["value", "query"], 1, |r, b| asked(r, b, Some(6))),
    Plugin::new("ipwrap", &["value", "query"], 1, |r, b| {
        let value = b.value();
        if !value.is_list() {
            return Ok(Object::from(wrapped(&r.print(&value)?)));
        }
        let items = r.present(&value)?.into_iter();
        let wrapped = items.map(|item| Ok(Object::from(wrapped(&r.print(&item)?))));
        Ok(Object::list(wrapped.collect::<Result<_, Fault>>()?))
    }),
    Plugin::new("nthhost", &["value", "query"], 2, |r, b| {
        let network = Network::parse(&b.printed(r, 0)?);
        let index = b.int(1, 0)?;
        Ok(network
            .and_then(|network| network.nth(index))
            .map_or(Object::Bool(false), |ip| Object::from(ip.to_string())))
    }),
];

/// An address with the length of its network's prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Network {
    ip: IpAddr,
    prefix: u32,
    /// Whether the prefix was written.
    written: bool,
}

impl Network {
    fn parse(text: &str) -> Option<Self> {
        let (ip, prefix) = match text.split_once('/') {
            Some((ip, prefix)) => (ip, Some(prefix)),
            None => (text, None),
        };
        let ip: IpAddr = ip.parse().ok()?;
        let width = width(ip);
        let prefix = match prefix {
            None => {
                return Some(Self {
                    ip,
                    prefix: width,
                    written: false,
                });
            }
            Some(prefix) => {
                if let Ok(prefix) = prefix.parse::<u32>() {
                    prefix
                } else {
                    let mask = u32::from(prefix.parse::<Ipv4Addr>().ok()?);
                    (mask.leading_ones() + mask.trailing_zeros() == 32 || mask == 0)
                        .then(|| mask.leading_ones())?
                }
            }
        };
        (prefix <= width).then_some(Self {
            ip,
            prefix,
            written: true,
        })
    }

    fn host_bits(self) -> u32 {
        width(self.ip) - self.prefix
    }

    fn mask(self) -> u128 {
        let all = ones(width(self.ip));
        all & !ones(self.host_bits())
    }

    fn at(self, number: u128) -> IpAddr {
        match self.ip {
            IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::from(u32::try_from(number).unwrap_or(0))),
            IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::from(number)),
        }
    }

    fn first(self) -> u128 {
        number(self.ip) & self.mask()
    }

    fn last(self) -> u128 {
        self.first() | ones(self.host_bits())
    }

    fn is_network(self) -> bool {
        self.host_bits() > 0 && number(self.ip) == self.first()
    }

    /// Returns the broadcast address; networks of two addresses have none.
    fn broadcast(self) -> Option<IpAddr> {
        (self.host_bits() > 1).then(|| self.at(self.last()))
    }

    fn nth(self, index: i128) -> Option<IpAddr> {
        let (first, last) = (self.first(), self.last());
        let offset = index.unsigned_abs();
        let number = if index < 0 {
            last.checked_sub(offset - 1)?
        } else {
            first.checked_add(offset)?
        };
        (first..=last).contains(&number).then(|| self.at(number))
    }

    fn contains(self, other: Self) -> bool {
        width(self.ip) == width(other.ip)
            && other.first() >= self.first()
            && other.last() <= self.last()
    }

    fn with_prefix(self, ip: IpAddr) -> String {
        format!("{ip}/{}", self.prefix)
    }
}

fn width(ip: IpAddr) -> u32 {
    if ip.is_ipv4() { 32 } else { 128 }
}

fn ones(count: u32) -> u128 {
    1_u128.checked_shl(count).map_or(u128::MAX, |bit| bit - 1)
}

fn number(ip: IpAddr) -> u128 {
    match ip {
        IpAddr::V4(ip) => u128::from(u32::from(ip)),
        IpAddr::V6(ip) => u128::from(ip),
    }
}

fn wrapped(text: &str) -> String {
    let (address, prefix) = text.split_once('/').unwrap_or((text, ""));
    if address.parse::<Ipv6Addr>().is_err() {
        return text.to_owned();
    }
    if prefix.is_empty() {
        format!("[{address}]")
    } else {
        format!("[{address}]/{prefix}")
    }
}

fn asked(rendering: &Rendering, bound: &Bound, version: Option<i128>) -> Result<Object, Fault> {
    let query = match bound.get(1) {
        Some(query) => rendering.print(query)?,
        None => String::new(),
    };
    let version = match bound.get(2) {
        Some(_) => Some(bound.int(2, 4)?),
        None => version,
    };
    let one = |item: &Object| -> Result<Option<Object>, Fault> {
        let Some(text) = item.as_text() else {
            return Ok(None);
        };
        let network = Network::parse(text)
            .filter(|network| version.is_none_or(|version| (version == 4) == network.ip.is_ipv4()));
        match network {
            Some(network) => answer(network, text, &query),
            None => Ok(None),
        }
    };
    let value = bound.value();
    if let Object::List(_) | Object::Tuple(_) = value {
        let mut kept = Vec::new();
        for item in rendering.present(&value)? {
            kept.extend(one(&item)?);
        }
        return Ok(Object::list(kept));
    }
    Ok(one(&value)?.unwrap_or(Object::Bool(false)))
}

/// Answers one question about an address.
fn answer(network: Network, text: &str, query: &str) -> Result<Option<Object>, Fault> {
    let ip = network.ip;
    let words = |text: String| Some(Object::from(text));
    let whether = |fits: bool| fits.then(|| Object::from(text));
    let own = ip.to_string();
    let usable = |ip: Option<IpAddr>| {
        let ip = ip.filter(|_| network.host_bits() > 1);
        ip.and_then(|ip| words(ip.to_string()))
    };
    if let Some(fits) = is_of_class(ip, query) {
        return Ok(whether(fits));
    }
    Ok(match query {
        "" => Some(Object::from(text)),
        "address" | "ip" => {
            let is_host = !network.is_network() || network.broadcast().is_none();
            words(own).filter(|_| is_host)
        }
        "host" | "host/prefix" | "hostnet" | "router" | "gateway" | "gw" => {
            let is_host = network.host_bits() == 0 || !network.is_network();
            words(network.with_prefix(ip)).filter(|_| is_host)
        }
        "bool" => Some(Object::Bool(true)),
        "broadcast" => network.broadcast().and_then(|ip| words(ip.to_string())),
        "first_usable" => usable(network.nth(1)),
        "last_usable" => usable(network.nth(-2)),
        "hostmask" | "wildcard" => words(network.at(ones(network.host_bits())).to_string()),
        "int" => Some(Object::Int(i128::try_from(number(ip)).unwrap_or(i128::MAX))),
        "net" => words(network.with_prefix(ip)).filter(|_| network.is_network()),
        "netmask" => words(network.at(network.mask()).to_string()),
        "network" | "network_id" => words(network.at(network.first()).to_string()),
        "network/prefix" | "subnet" => words(network.with_prefix(network.at(network.first()))),
        "prefix" => Some(Object::Int(i128::from(network.prefix))),
        "size" => {
            let size = ones(network.host_bits()).checked_add(1);
            size.and_then(|size| i128::try_from(size).ok())
                .map(Object::Int)
        }
        "type" if network.is_network() => words("network".to_owned()),
        "type" => words("address".to_owned()),
        "version" => Some(Object::Int(if ip.is_ipv4() { 4 } else { 6 })),
        other => {
            if let Ok(index) = other.parse::<i128>() {
                let found = network.nth(index);
                found.map(|ip| Object::from(network.with_prefix(ip)))
            } else if let Some(outer) = Network::parse(other) {
                whether(outer.contains(network))
            } else {
                return Err(failed(format!(
                    "there is no question `{other}` about addresses"
                )));
            }
        }
    })
}

/// Tells whether an address is of a class; `None` if the question is another one.
fn is_of_class(ip: IpAddr, query: &str) -> Option<bool> {
    Some(match query {
        "ipv4" => ip.is_ipv4(),
        "ipv6" => ip.is_ipv6(),
        "loopback" | "lo" => ip.is_loopback(),
        "multicast" => ip.is_multicast(),
        "link-local" => is_link_local(ip),
        "private" => is_private(ip),
        "public" => !(is_private(ip) || ip.is_loopback() || ip.is_multicast() || is_link_local(ip)),
        _ => return None,
    })
}

fn is_private(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.is_private(),
        IpAddr::V6(ip) => ip.is_unique_local(),
    }
}

fn is_link_local(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_unicast_link_local(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(value: &str, query: &str) -> String {
        match Network::parse(value).map(|network| answer(network, value, query)) {
            Some(Ok(Some(Object::Text(text)))) => text.to_string(),
            Some(Ok(Some(other))) => format!("{other:?}"),
            Some(Ok(None)) | None => "False".to_owned(),
            Some(Err(fault)) => fault.message.clone(),
        }
    }

    #[test]
    fn addresses_answer() {
        let cases = [
            ("192.168.1.5/24", "address", "192.168.1.5"),
            ("192.168.1.5/24", "network", "192.168.1.0"),
            ("192.168.1.5/24", "netmask", "255.255.255.0"),
            ("192.168.1.5/24", "prefix", "Int(24)"),
            ("192.168.1.5/24", "broadcast", "192.168.1.255"),
            ("192.168.1.5/24", "subnet", "192.168.1.0/24"),
            ("192.168.1.5/24", "net", "False"),
            ("192.168.1.0/24", "net", "192.168.1.0/24"),
            ("192.168.1.0/24", "address", "False"),
            ("192.168.1.0/24", "1", "192.168.1.1/24"),
            ("192.168.1.0/24", "-1", "192.168.1.255/24"),
            ("192.168.1.0/24", "size", "Int(256)"),
            ("192.168.1.0/24", "first_usable", "192.168.1.1"),
            ("192.168.1.0/24", "last_usable", "192.168.1.254"),
            ("192.168.1.0/255.255.255.0", "prefix", "Int(24)"),
            ("10.1.2.3", "10.0.0.0/8", "10.1.2.3"),
            ("11.1.2.3", "10.0.0.0/8", "False"),
            ("fe80::1", "ipv4", "False"),
            ("fe80::1/64", "network", "fe80::"),
            ("10.0.0.1", "private", "10.0.0.1"),
            ("8.8.8.8", "public", "8.8.8.8"),
            ("no", "", "False"),
            ("10.0.0.1/33", "", "False"),
            (
                "10.0.0.1",
                "what",
                "there is no question `what` about addresses",
            ),
        ];
        for (value, query, expected) in cases {
            assert_eq!(shown(value, query), expected, "{value} {query}");
        }
        assert_eq!(wrapped("::1"), "[::1]");
        assert_eq!(wrapped("1.2.3.4"), "1.2.3.4");
    }
}
