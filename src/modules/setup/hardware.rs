//! Processors, memory, mounts and what the firmware says of the machine.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use crate::modules::files::Reply;

/// Puts the facts of the hardware into the map.
pub(super) fn facts(reply: &Reply, facts: &mut Map<String, Value>) {
    processors(reply, facts);
    memory(reply, facts);
    facts.insert("ansible_mounts".into(), json!(mounts(reply)));
    for (record, name) in FIRMWARE {
        let value = reply
            .line(&format!("dmi_{record}"))
            .map(str::trim)
            .unwrap_or_default();
        let value = if value.is_empty() { "NA" } else { value };
        facts.insert(format!("ansible_{name}"), json!(value));
    }
}

/// The files of `/sys/class/dmi/id` and the names of their facts.
const FIRMWARE: [(&str, &str); 17] = [
    ("bios_date", "bios_date"),
    ("bios_vendor", "bios_vendor"),
    ("bios_version", "bios_version"),
    ("board_asset_tag", "board_asset_tag"),
    ("board_name", "board_name"),
    ("board_serial", "board_serial"),
    ("board_vendor", "board_vendor"),
    ("board_version", "board_version"),
    ("chassis_asset_tag", "chassis_asset_tag"),
    ("chassis_serial", "chassis_serial"),
    ("chassis_vendor", "chassis_vendor"),
    ("chassis_version", "chassis_version"),
    ("product_name", "product_name"),
    ("product_serial", "product_serial"),
    ("product_uuid", "product_uuid"),
    ("product_version", "product_version"),
    ("sys_vendor", "system_vendor"),
];

fn processors(reply: &Reply, facts: &mut Map<String, Value>) {
    let info = reply.get("cpuinfo").unwrap_or_default();
    let mut listed: Vec<&str> = Vec::new();
    let (mut sockets, mut logical) = (BTreeSet::new(), 0_u64);
    let mut numbers: BTreeMap<&str, u64> = BTreeMap::new();
    for line in info.lines() {
        let Some((name, value)) = line.split_once(':') else {
            continue;
        };
        let (name, value) = (name.trim(), value.trim());
        match name {
            "processor" => {
                logical += 1;
                listed.push(value);
            }
            "vendor_id" | "model name" | "Processor" | "cpu" => listed.push(value),
            "physical id" => {
                sockets.insert(value);
            }
            "cpu cores" | "siblings" => {
                numbers.insert(name, value.parse().unwrap_or(1));
            }
            "flags" | "Features" if !facts.contains_key("ansible_flags") => {
                let flags: Vec<&str> = value.split(' ').collect();
                facts.insert("ansible_flags".into(), json!(flags));
            }
            _ => {}
        }
    }
    let count = u64::try_from(sockets.len()).unwrap_or(1);
    let count = if count == 0 { logical.max(1) } else { count };
    let cores = numbers.get("cpu cores").copied().unwrap_or(1).max(1);
    let threads = (numbers.get("siblings").copied().unwrap_or(cores) / cores).max(1);
    let nproc = reply
        .line("nproc")
        .and_then(|line| line.parse::<u64>().ok())
        .unwrap_or(logical);
    for (name, value) in [
        ("processor", json!(listed)),
        ("processor_count", json!(count)),
        ("processor_cores", json!(cores)),
        ("processor_threads_per_core", json!(threads)),
        ("processor_vcpus", json!(count * cores * threads)),
        ("processor_nproc", json!(nproc)),
    ] {
        facts.insert(format!("ansible_{name}"), value);
    }
}

fn memory(reply: &Reply, facts: &mut Map<String, Value>) {
    let info = reply.get("meminfo").unwrap_or_default();
    let megabytes = |name: &str| {
        let line = info
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        let kilobytes = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
        kilobytes.unwrap_or(0) / 1024
    };
    let (total, free) = (megabytes("MemTotal"), megabytes("MemFree"));
    let (swap, swap_free) = (megabytes("SwapTotal"), megabytes("SwapFree"));
    let without_cache = free + megabytes("Cached") + megabytes("Buffers");
    for (name, value) in [
        ("memtotal_mb", json!(total)),
        ("memfree_mb", json!(free)),
        ("swaptotal_mb", json!(swap)),
        ("swapfree_mb", json!(swap_free)),
        (
            "memory_mb",
            json!({
                "real": {"total": total, "free": free, "used": total.saturating_sub(free)},
                "nocache": {"free": without_cache, "used": total.saturating_sub(without_cache)},
                "swap": {"total": swap, "free": swap_free, "used": swap.saturating_sub(swap_free), "cached": megabytes("SwapCached")},
            }),
        ),
    ] {
        facts.insert(format!("ansible_{name}"), value);
    }
}

/// Reads `/proc/mounts` as Ansible does: what has a device of its own, and what comes over the network.
fn mounts(reply: &Reply) -> Vec<Value> {
    let mut sizes: BTreeMap<&str, Vec<u64>> = BTreeMap::new();
    for line in reply.get("sizes").unwrap_or_default().lines() {
        let words: Vec<&str> = line.splitn(7, ' ').collect();
        if let [numbers @ .., path] = words.as_slice()
            && numbers.len() == 6
        {
            sizes.insert(
                path,
                numbers
                    .iter()
                    .filter_map(|number| number.parse().ok())
                    .collect(),
            );
        }
    }
    let uuids: BTreeMap<&str, &str> = reply
        .get("uuids")
        .unwrap_or_default()
        .lines()
        .filter_map(|line| {
            let (before, device) = line.split_once(" -> ")?;
            Some((device.rsplit('/').next()?, before.rsplit(' ').next()?))
        })
        .collect();
    let mut found = Vec::new();
    for line in reply.get("mounts").unwrap_or_default().lines() {
        let words: Vec<&str> = line.split(' ').collect();
        let &[device, mount, kind, options, dump, pass] = words.as_slice() else {
            continue;
        };
        if !(device.starts_with(['/', '\\']) || device.contains(":/")) || kind == "none" {
            continue;
        }
        let path = unescaped(mount);
        let device = unescaped(device);
        let uuid = device.rsplit('/').next().and_then(|name| uuids.get(name));
        let mut entry = json!({
            "device": device,
            "mount": path,
            "fstype": kind,
            "options": options,
            "dump": dump.parse::<u32>().unwrap_or(0),
            "passno": pass.parse::<u32>().unwrap_or(0),
            "uuid": uuid.copied().unwrap_or("N/A"),
        });
        if let Some(entry) = entry.as_object_mut() {
            entry.extend(
                sizes
                    .get(path.as_str())
                    .map(|own| sized(own))
                    .unwrap_or_default(),
            );
        }
        found.push(entry);
    }
    found
}

/// Makes the fields of a file system's size, of what `stat -f` said.
fn sized(numbers: &[u64]) -> Map<String, Value> {
    let &[block, total, _, available, inodes, inodes_free] = numbers else {
        return Map::new();
    };
    crate::modules::fields([
        ("block_size", json!(block)),
        ("block_total", json!(total)),
        ("block_available", json!(available)),
        ("block_used", json!(total.saturating_sub(available))),
        ("size_total", json!(total.saturating_mul(block))),
        ("size_available", json!(available.saturating_mul(block))),
        ("inode_total", json!(inodes)),
        ("inode_available", json!(inodes_free)),
        ("inode_used", json!(inodes.saturating_sub(inodes_free))),
    ])
}

/// Resolves the `\040` that the kernel writes for a blank.
fn unescaped(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('\\') {
        out.push_str(before);
        let digits = after
            .get(..3)
            .and_then(|digits| u32::from_str_radix(digits, 8).ok());
        if let Some(c) = digits.and_then(char::from_u32) {
            out.push(c);
            rest = after.get(3..).unwrap_or_default();
        } else {
            out.push('\\');
            rest = after;
        }
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::modules::setup::testing::replied;

    #[test]
    fn processors_memory_and_mounts_are_read() {
        let out = "cpuinfo=processor\t: 0\nvendor_id\t: X\nmodel name\t: Y 3\nphysical id\t: 0\nsiblings\t: 4\ncpu cores\t: 2\nflags\t\t: a b\n\nprocessor\t: 1\nphysical id\t: 0\n\0\
            nproc=2\0meminfo=MemTotal:  2048 kB\nMemFree: 1024 kB\nCached: 0 kB\n\0\
            mounts=/dev/sda1 / ext4 rw,relatime 0 1\nproc /proc proc rw 0 0\n/dev/sdb /a\\040b xfs rw 0 0\nnas:/x /n nfs4 rw 0 0\n\0\
            sizes=4096 100 50 40 10 5 /\n4096 7 6 5 4 3 /a b\n\0\
            uuids=total 0\nlrwxrwxrwx 1 root root 10 Jan 1 00:00 abc-1 -> ../../sda1\n\0";
        let reply = replied(out);
        let mut found = Map::new();
        facts(&reply, &mut found);
        assert_eq!(found["ansible_processor"], json!(["0", "X", "Y 3", "1"]));
        assert_eq!(found["ansible_processor_vcpus"], json!(4));
        assert_eq!(found["ansible_memtotal_mb"], json!(2));
        let mounts = found["ansible_mounts"].as_array().unwrap();
        assert_eq!(mounts.len(), 3);
        assert_eq!(
            (&mounts[0]["uuid"], &mounts[0]["size_available"]),
            (&json!("abc-1"), &json!(40 * 4096))
        );
        assert_eq!(
            (&mounts[1]["mount"], &mounts[1]["inode_used"]),
            (&json!("/a b"), &json!(1))
        );
        assert_eq!(
            (&mounts[2]["device"], mounts[2].get("size_total")),
            (&json!("nas:/x"), None)
        );
        assert_eq!(found["ansible_product_name"], json!("NA"));
    }
}
