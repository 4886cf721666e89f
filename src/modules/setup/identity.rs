//! Who the host is: names, system, user, time, environment, security.

use serde_json::{Map, Value, json};

use crate::clock::Timestamp;
use crate::modules::files::Reply;

/// Puts the facts that are always gathered into the map.
pub(super) fn facts(reply: &Reply, facts: &mut Map<String, Value>) {
    system(reply, facts);
    super::distribution::facts(reply, facts);
    managers(reply, facts);
    user(reply, facts);
    date_time(reply, facts);
    environment(reply, facts);
    security(reply, facts);
    own(reply, facts);
}

pub(super) fn set(facts: &mut Map<String, Value>, name: &str, value: Value) {
    facts.insert(format!("ansible_{name}"), value);
}

fn system(reply: &Reply, facts: &mut Map<String, Value>) {
    let uname: Vec<&str> = reply.line("uname").unwrap_or_default().lines().collect();
    let part = |index: usize| uname.get(index).copied().unwrap_or_default();
    let node = part(1);
    let fqdn = match reply.line("fqdn").unwrap_or_default() {
        "" => node,
        fqdn => fqdn,
    };
    let short = node.split('.').next().unwrap_or(node);
    let bits = reply
        .line("bits")
        .filter(|bits| !bits.is_empty())
        .unwrap_or("64");
    let machine = part(4);
    for (name, value) in [
        ("system", part(0)),
        ("nodename", node),
        ("hostname", short),
        ("fqdn", fqdn),
        (
            "domain",
            fqdn.split_once('.').map_or("", |(_, domain)| domain),
        ),
        ("kernel", part(2)),
        ("kernel_version", part(3)),
        ("machine", machine),
        ("architecture", machine),
        ("userspace_bits", bits),
        (
            "userspace_architecture",
            if bits == "32" && machine == "x86_64" {
                "i386"
            } else {
                machine
            },
        ),
        ("machine_id", reply.line("machine_id").unwrap_or_default()),
    ] {
        set(facts, name, json!(value));
    }
    load(reply, facts);
    let chroot = reply.line("root").is_some_and(|root| {
        reply
            .line("root1")
            .is_some_and(|first| !first.is_empty() && root != first)
    });
    set(facts, "is_chroot", json!(chroot));
}

fn load(reply: &Reply, facts: &mut Map<String, Value>) {
    let uptime = reply
        .line("uptime")
        .and_then(|line| line.split('.').next()?.parse::<u64>().ok());
    if let Some(uptime) = uptime {
        set(facts, "uptime_seconds", json!(uptime));
    }
    let loads: Vec<f64> = reply
        .line("loadavg")
        .unwrap_or_default()
        .split(' ')
        .take(3)
        .filter_map(|load| load.parse().ok())
        .collect();
    if let &[one, five, fifteen] = loads.as_slice() {
        set(
            facts,
            "loadavg",
            json!({"1m": one, "5m": five, "15m": fifteen}),
        );
    }
}

/// Reads `NAME="value"` lines.
pub(super) fn assignment<'t>(text: &'t str, name: &str) -> &'t str {
    text.lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix('='))
        .map_or("", |value| value.trim().trim_matches(['"', '\'']))
}

fn managers(reply: &Reply, facts: &mut Map<String, Value>) {
    let first = reply.line("proc_1").unwrap_or_default();
    let service = match first {
        _ if reply.yes("systemd") => "systemd",
        "" | "init" if reply.yes("has_openrc") => "openrc",
        "" | "init" => "sysvinit",
        other => other,
    };
    set(facts, "service_mgr", json!(service));
    let programs = [
        ("has_apt-get", "apt"),
        ("has_dnf5", "dnf5"),
        ("has_dnf", "dnf"),
        ("has_yum", "yum"),
        ("has_zypper", "zypper"),
        ("has_apk", "apk"),
        ("has_pacman", "pacman"),
    ];
    let package = programs.iter().find(|(record, _)| reply.yes(record));
    set(
        facts,
        "pkg_mgr",
        json!(package.map_or("unknown", |(_, name)| name)),
    );
}

/// Reads a number out of what `id` prints: `uid=0(root) gid=0(root) ...`.
fn id_number(ids: &str, name: &str) -> Option<u32> {
    let after = ids.split(&format!("{name}=")).nth(1)?;
    after.split(['(', ' ']).next()?.parse().ok()
}

fn user(reply: &Reply, facts: &mut Map<String, Value>) {
    let ids = reply.line("ids").unwrap_or_default();
    let (uid, gid) = (id_number(ids, "uid"), id_number(ids, "gid"));
    let by_id = ids
        .split_once('(')
        .and_then(|(_, rest)| rest.split(')').next());
    let entry: Vec<&str> = reply.line("user").unwrap_or_default().lines().collect();
    let part = |index: usize| entry.get(index).copied();
    set(facts, "user_id", json!(part(0).or(by_id)));
    set(facts, "user_uid", json!(uid));
    set(
        facts,
        "user_gid",
        json!(part(1).and_then(|gid| gid.parse::<u32>().ok()).or(gid)),
    );
    set(facts, "user_gecos", json!(part(2).unwrap_or_default()));
    set(facts, "user_dir", json!(part(3).unwrap_or_default()));
    set(facts, "user_shell", json!(part(4).unwrap_or_default()));
    for name in ["real_user_id", "effective_user_id"] {
        set(facts, name, json!(uid));
    }
    for name in ["real_group_id", "effective_group_id"] {
        set(facts, name, json!(gid));
    }
}

fn date_time(reply: &Reply, facts: &mut Map<String, Value>) {
    let words: Vec<&str> = reply.line("date").unwrap_or_default().split(' ').collect();
    let &[
        epoch,
        year,
        month,
        weekday,
        number,
        week,
        day,
        hour,
        minute,
        second,
        zone,
        offset,
    ] = words.as_slice()
    else {
        return;
    };
    let utc = epoch
        .parse()
        .ok()
        .and_then(|epoch| Timestamp::from_second(epoch).ok());
    let written = |format: &str| utc.map_or(String::new(), |utc| utc.strftime(format).to_string());
    set(
        facts,
        "date_time",
        json!({
            "year": year,
            "month": month,
            "weekday": weekday,
            "weekday_number": number,
            "weeknumber": week,
            "day": day,
            "hour": hour,
            "minute": minute,
            "second": second,
            "epoch": epoch,
            "epoch_int": epoch,
            "date": format!("{year}-{month}-{day}"),
            "time": format!("{hour}:{minute}:{second}"),
            "iso8601": written("%Y-%m-%dT%H:%M:%SZ"),
            "iso8601_micro": written("%Y-%m-%dT%H:%M:%S.000000Z"),
            "iso8601_basic": format!("{year}{month}{day}T{hour}{minute}{second}000000"),
            "iso8601_basic_short": format!("{year}{month}{day}T{hour}{minute}{second}"),
            "tz": zone,
            "tz_dst": zone,
            "tz_offset": offset,
        }),
    );
}

fn environment(reply: &Reply, facts: &mut Map<String, Value>) {
    let whole = String::from_utf8_lossy(&reply.raw);
    let env: Map<String, Value> = whole
        .split('\0')
        .filter_map(|entry| entry.split_once('='))
        .map(|(name, value)| (name.to_owned(), json!(value)))
        .collect();
    set(facts, "env", json!(env));
    let mut dns = Map::new();
    let (mut servers, mut options) = (Vec::new(), Map::new());
    for line in reply.get("resolv").unwrap_or_default().lines() {
        let mut words = line.split_whitespace();
        match words.next() {
            Some("nameserver") => servers.extend(words.next()),
            Some("search") => {
                dns.insert("search".into(), json!(words.collect::<Vec<_>>()));
            }
            Some("domain") => {
                dns.insert("domain".into(), json!(words.next()));
            }
            Some("options") => options.extend(words.map(|option| match option.split_once(':') {
                Some((name, value)) => (name.to_owned(), json!(value)),
                None => (option.to_owned(), json!(true)),
            })),
            _ => {}
        }
    }
    if !servers.is_empty() {
        dns.insert("nameservers".into(), json!(servers));
    }
    if !options.is_empty() {
        dns.insert("options".into(), json!(options));
    }
    set(facts, "dns", json!(dns));
    let words = reply.line("cmdline").unwrap_or_default().split_whitespace();
    let line: Map<String, Value> = words
        .map(|word| match word.split_once('=') {
            Some((name, value)) => (name.to_owned(), json!(value)),
            None => (word.to_owned(), json!(true)),
        })
        .collect();
    set(facts, "cmdline", json!(line));
    set(facts, "proc_cmdline", json!(line));
}

fn security(reply: &Reply, facts: &mut Map<String, Value>) {
    let config = reply.get("selinux_config").unwrap_or_default();
    let selinux = match reply.line("selinux_enforce") {
        None => json!({"status": "disabled"}),
        Some(enforce) => json!({
            "status": "enabled",
            "mode": if enforce == "1" { "enforcing" } else { "permissive" },
            "config_mode": assignment(config, "SELINUX"),
            "type": assignment(config, "SELINUXTYPE"),
            "policyvers": reply.line("selinux_policy").and_then(|version| version.parse::<u32>().ok()),
        }),
    };
    set(facts, "selinux", selinux);
    let apparmor = if reply.yes("apparmor") {
        "enabled"
    } else {
        "disabled"
    };
    set(facts, "apparmor", json!({"status": apparmor}));
    set(facts, "fips", json!(reply.line("fips") == Some("1")));
    for kind in ["rsa", "ecdsa", "ed25519", "dsa"] {
        let key = reply.line(&format!("ssh_{kind}")).unwrap_or_default();
        let mut words = key.split(' ');
        if let (Some(name), Some(public)) = (words.next(), words.next()) {
            set(facts, &format!("ssh_host_key_{kind}_public"), json!(public));
            set(
                facts,
                &format!("ssh_host_key_{kind}_public_keytype"),
                json!(name),
            );
        }
    }
}

/// Reads the host's own facts: JSON, else sections of `name = value`.
fn own(reply: &Reply, facts: &mut Map<String, Value>) {
    let own: Map<String, Value> = reply
        .starting_with("local_")
        .map(|(name, text)| {
            let value = serde_json::from_str(text).unwrap_or_else(|_| sections(text));
            (name.to_owned(), value)
        })
        .collect();
    set(facts, "local", json!(own));
}

fn sections(text: &str) -> Value {
    let mut all = Map::new();
    let mut section: Option<String> = None;
    for line in text.lines().map(str::trim) {
        if line.is_empty() || line.starts_with(['#', ';']) {
            continue;
        }
        if let Some(name) = line
            .strip_prefix('[')
            .and_then(|line| line.strip_suffix(']'))
        {
            all.insert(name.to_owned(), json!({}));
            section = Some(name.to_owned());
            continue;
        }
        let Some((name, value)) = line.split_once(['=', ':']) else {
            continue;
        };
        let place = section
            .as_ref()
            .and_then(|section| all.get_mut(section))
            .and_then(Value::as_object_mut);
        if let Some(place) = place {
            place.insert(name.trim().to_lowercase(), json!(value.trim()));
        }
    }
    Value::Object(all)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::modules::setup::testing::reply;

    #[test]
    fn own_facts_are_json_or_sections() {
        let mut found = Map::new();
        own(
            &reply(&[
                ("local_a", "{\"x\": 1}"),
                ("local_b", "# c\n[main]\nKey = v\n"),
            ]),
            &mut found,
        );
        assert_eq!(
            found["ansible_local"],
            json!({"a": {"x": 1}, "b": {"main": {"key": "v"}}})
        );
    }
}
