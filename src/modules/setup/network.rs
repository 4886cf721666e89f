//! Interfaces, addresses and default routes.

use core::net::Ipv4Addr;

use serde_json::{Map, Value, json};

use crate::modules::files::Reply;

/// Puts the facts of the network into the map.
pub(super) fn facts(reply: &Reply, facts: &mut Map<String, Value>) {
    let mut interfaces = links(reply);
    let (mut four, mut six) = (Vec::new(), Vec::new());
    for address in reply
        .get("ip_addr")
        .unwrap_or_default()
        .lines()
        .filter_map(Address::parse)
    {
        let own = interfaces
            .entry(address.interface.clone())
            .or_insert_with(|| json!({}));
        let Some(own) = own.as_object_mut() else {
            continue;
        };
        if address.version_six {
            let list = own.entry("ipv6").or_insert_with(|| json!([]));
            if let Some(list) = list.as_array_mut() {
                list.push(json!({"address": address.text, "prefix": address.prefix, "scope": address.scope}));
            }
            if address.text != "::1" {
                six.push(address.text);
            }
            continue;
        }
        let value = address.four();
        if own.contains_key("ipv4") {
            let list = own.entry("ipv4_secondaries").or_insert_with(|| json!([]));
            if let Some(list) = list.as_array_mut() {
                list.push(value);
            }
        } else {
            own.insert("ipv4".into(), value);
        }
        if !address.text.starts_with("127.") {
            four.push(address.text);
        }
    }
    let names: Vec<&String> = interfaces.keys().collect();
    facts.insert("ansible_interfaces".into(), json!(names));
    facts.insert("ansible_all_ipv4_addresses".into(), json!(four));
    facts.insert("ansible_all_ipv6_addresses".into(), json!(six));
    for (name, record, part) in [
        ("default_ipv4", "route4", "ipv4"),
        ("default_ipv6", "route6", "ipv6"),
    ] {
        let route = reply.line(record).unwrap_or_default();
        facts.insert(
            format!("ansible_{name}"),
            Value::Object(default(route, part, &interfaces)),
        );
    }
    for (name, interface) in interfaces {
        let clean = name.replace(['-', '.', ':'], "_");
        facts.insert(format!("ansible_{clean}"), interface);
    }
}

/// Reads what `/sys/class/net` says of each interface.
fn links(reply: &Reply) -> Map<String, Value> {
    let mut interfaces = Map::new();
    for line in reply.get("links").unwrap_or_default().lines() {
        let words: Vec<&str> = line.split(' ').collect();
        let &[name, mac, mtu, state, kind, flags, special] = words.as_slice() else {
            continue;
        };
        let flags = u32::from_str_radix(flags.trim_start_matches("0x"), 16).unwrap_or(0);
        let kind = match (special, kind) {
            ("bridge", _) => "bridge",
            ("bonding", _) => "bonding",
            (_, "1") => "ether",
            (_, "32") => "infiniband",
            (_, "772") => "loopback",
            (_, "512") => "ppp",
            (_, "65534") => "tunnel",
            _ => "unknown",
        };
        let mut entry = json!({
            "device": name,
            "mtu": mtu.parse::<u32>().unwrap_or(0),
            "active": state == "up" || (state == "unknown" && flags & 1 != 0),
            "promisc": flags & 0x100 != 0,
            "type": kind,
        });
        if let Some(entry) = entry
            .as_object_mut()
            .filter(|_| !matches!(mac, "-" | "00:00:00:00:00:00"))
        {
            entry.insert("macaddress".into(), json!(mac));
        }
        interfaces.insert(name.to_owned(), entry);
    }
    interfaces
}

/// One line of `ip -o addr`.
struct Address {
    interface: String,
    text: String,
    prefix: String,
    broadcast: String,
    scope: String,
    version_six: bool,
}

impl Address {
    fn parse(line: &str) -> Option<Self> {
        let mut words = line.split_whitespace().skip(1);
        let interface = words.next()?.split('@').next()?.to_owned();
        let version_six = match words.next()? {
            "inet" => false,
            "inet6" => true,
            _ => return None,
        };
        let address = words.next()?;
        // A peer's address has its prefix: `10.0.0.1 peer 10.0.0.2/32`.
        let rest: Vec<&str> = words.collect();
        let after = |name: &str| {
            let at = rest.iter().position(|word| *word == name)?;
            rest.get(at + 1).copied()
        };
        let (address, prefix) = match address.split_once('/') {
            Some(parts) => parts,
            None => (
                address,
                after("peer")
                    .and_then(|peer| peer.split('/').nth(1))
                    .unwrap_or("32"),
            ),
        };
        Some(Self {
            interface,
            text: address.to_owned(),
            prefix: prefix.to_owned(),
            broadcast: after("brd").unwrap_or_default().to_owned(),
            scope: after("scope").unwrap_or_default().to_owned(),
            version_six,
        })
    }

    fn four(&self) -> Value {
        let prefix: u32 = self.prefix.parse().unwrap_or(32);
        let mask = u32::MAX
            .checked_shl(32_u32.saturating_sub(prefix))
            .unwrap_or(0);
        let own: Ipv4Addr = self.text.parse().unwrap_or(Ipv4Addr::UNSPECIFIED);
        json!({
            "address": self.text,
            "prefix": self.prefix,
            "netmask": Ipv4Addr::from(mask).to_string(),
            "network": Ipv4Addr::from(u32::from(own) & mask).to_string(),
            "broadcast": self.broadcast,
        })
    }
}

/// Reads `8.8.8.8 via GATEWAY dev INTERFACE src ADDRESS`, and joins what is known of that interface.
fn default(route: &str, part: &str, interfaces: &Map<String, Value>) -> Map<String, Value> {
    let words: Vec<&str> = route.split_whitespace().collect();
    let after = |name: &str| {
        let at = words.iter().position(|word| *word == name)?;
        words.get(at + 1).copied()
    };
    let mut found = Map::new();
    let (Some(device), Some(address)) = (after("dev"), after("src")) else {
        return found;
    };
    found.insert("interface".into(), json!(device));
    found.insert("address".into(), json!(address));
    if let Some(gateway) = after("via") {
        found.insert("gateway".into(), json!(gateway));
    }
    let interface = interfaces.get(device).cloned().unwrap_or_default();
    for name in ["macaddress", "mtu", "type"] {
        if let Some(value) = interface.get(name) {
            found.insert(name.into(), value.clone());
        }
    }
    let lists = [
        interface.get(part).cloned(),
        interface.get(format!("{part}_secondaries")).cloned(),
    ];
    for entry in lists.into_iter().flatten() {
        let entries = entry.as_array().cloned().unwrap_or_else(|| vec![entry]);
        let own = entries
            .into_iter()
            .find(|entry| entry.get("address") == Some(&json!(address)));
        if let Some(Value::Object(own)) = own {
            found.extend(own);
        }
    }
    if part == "ipv4" {
        found.insert("alias".into(), json!(device));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::modules::setup::testing::replied;

    #[test]
    fn interfaces_addresses_and_the_default_route_are_read() {
        let out = "links=eth0 02:fc:00:00:00:01 1400 up 1 0x1003 -\nlo 00:00:00:00:00:00 65536 unknown 772 0x9 -\nbr-1 02:00:00:00:00:02 1500 down 1 0x1003 bridge\n\0\
            ip_addr=1: lo    inet 127.0.0.1/8 scope host lo\\       valid_lft forever\n\
            2: eth0    inet 192.0.2.2/24 brd 192.0.2.255 scope global eth0\\ valid\n\
            2: eth0    inet 192.0.2.9/24 scope global secondary eth0\\ valid\n\
            2: eth0    inet6 fd00::2/64 scope global \\ valid\n\0\
            route4=8.8.8.8 via 192.0.2.1 dev eth0 src 192.0.2.2 uid 0 \n    cache\0route6=\0";
        let reply = replied(out);
        let mut found = Map::new();
        facts(&reply, &mut found);
        assert_eq!(
            found["ansible_all_ipv4_addresses"],
            json!(["192.0.2.2", "192.0.2.9"])
        );
        assert_eq!(found["ansible_interfaces"], json!(["eth0", "lo", "br-1"]));
        assert_eq!(
            found["ansible_default_ipv4"],
            json!({"interface": "eth0", "address": "192.0.2.2", "gateway": "192.0.2.1", "macaddress": "02:fc:00:00:00:01", "mtu": 1400, "type": "ether", "prefix": "24", "netmask": "255.255.255.0", "network": "192.0.2.0", "broadcast": "192.0.2.255", "alias": "eth0"})
        );
        assert_eq!(found["ansible_br_1"]["type"], json!("bridge"));
        assert_eq!(
            found["ansible_eth0"]["ipv4_secondaries"][0]["address"],
            json!("192.0.2.9")
        );
        assert_eq!(found["ansible_default_ipv6"], json!({}));
    }
}
