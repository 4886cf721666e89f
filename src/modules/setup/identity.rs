//! Who and what the host is: names, system, distribution, user, time, environment, container or virtual machine.

use serde_json::{Map, Value, json};

use crate::clock::Timestamp;
use crate::modules::files::Reply;

/// Names of distributions in `/etc/os-release`, what Ansible calls them, and their family.
const DISTRIBUTIONS: &[(&str, &str, &str)] = &[
    ("almalinux", "AlmaLinux", "RedHat"),
    ("alpine", "Alpine", "Alpine"),
    ("amzn", "Amazon", "RedHat"),
    ("arch", "Archlinux", "Archlinux"),
    ("centos", "CentOS", "RedHat"),
    ("debian", "Debian", "Debian"),
    ("fedora", "Fedora", "RedHat"),
    ("kali", "Kali", "Debian"),
    ("linuxmint", "Linux Mint", "Debian"),
    ("ol", "OracleLinux", "RedHat"),
    ("opensuse-leap", "openSUSE Leap", "Suse"),
    ("opensuse-tumbleweed", "openSUSE Tumbleweed", "Suse"),
    ("raspbian", "Debian", "Debian"),
    ("rhel", "RedHat", "RedHat"),
    ("rocky", "Rocky", "RedHat"),
    ("scientific", "Scientific", "RedHat"),
    ("sles", "SLES", "Suse"),
    ("ubuntu", "Ubuntu", "Debian"),
];

/// Puts the facts that are always gathered into the map.
pub(super) fn facts(reply: &Reply, facts: &mut Map<String, Value>) {
    system(reply, facts);
    distribution(reply, facts);
    managers(reply, facts);
    user(reply, facts);
    date_time(reply, facts);
    environment(reply, facts);
    security(reply, facts);
    own(reply, facts);
}

fn set(facts: &mut Map<String, Value>, name: &str, value: Value) {
    facts.insert(format!("ansible_{name}"), value);
}

#[expect(
    clippy::too_many_lines,
    reason = "one thing after another; cutting it would hide the order"
)]
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
    let chroot = reply.line("root").is_some_and(|root| {
        reply
            .line("root1")
            .is_some_and(|first| !first.is_empty() && root != first)
    });
    set(facts, "is_chroot", json!(chroot));
}

/// Reads `NAME="value"` lines.
fn assignment<'t>(text: &'t str, name: &str) -> &'t str {
    text.lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix('='))
        .map_or("", |value| value.trim().trim_matches(['"', '\'']))
}

#[expect(
    clippy::too_many_lines,
    reason = "one thing after another; cutting it would hide the order"
)]
fn distribution(reply: &Reply, facts: &mut Map<String, Value>) {
    let release = reply.get("os_release").unwrap_or_default();
    let id = assignment(release, "ID");
    let known = DISTRIBUTIONS.iter().find(|(known, _, _)| *known == id);
    let like = assignment(release, "ID_LIKE");
    let family = known.map_or_else(
        || {
            let kin = DISTRIBUTIONS
                .iter()
                .find(|(known, _, _)| like.split(' ').any(|like| like == *known));
            kin.map_or_else(|| assignment(release, "NAME"), |(_, _, family)| family)
        },
        |(_, _, family)| family,
    );
    let name = known.map_or_else(|| assignment(release, "NAME"), |(_, name, _)| name);
    let listed = assignment(release, "VERSION_ID");
    let exact = match id {
        "debian" | "raspbian" => reply.line("debian_version").unwrap_or_default().to_owned(),
        "centos" => {
            let words = reply.line("redhat_release").unwrap_or_default().split(' ');
            let number = words
                .into_iter()
                .find(|word| word.starts_with(|c: char| c.is_ascii_digit()));
            number.map_or(String::new(), |number| {
                number.split('.').take(2).collect::<Vec<_>>().join(".")
            })
        }
        _ => String::new(),
    };
    // Debian's testing has a name with a slash there.
    let version = if exact.starts_with(|c: char| c.is_ascii_digit()) {
        exact.as_str()
    } else {
        listed
    };
    let mut parts = version.split('.');
    set(facts, "distribution", json!(name));
    set(
        facts,
        "distribution_version",
        json!(if version.is_empty() { "NA" } else { version }),
    );
    set(
        facts,
        "distribution_major_version",
        json!(parts.next().filter(|part| !part.is_empty()).unwrap_or("NA")),
    );
    if let Some(minor) = parts.next() {
        set(facts, "distribution_minor_version", json!(minor));
    }
    let codename = assignment(release, "VERSION_CODENAME");
    let long = assignment(release, "VERSION");
    let in_brackets = long
        .split_once('(')
        .map_or("", |(_, rest)| rest.trim_end_matches(')'));
    let codename = if codename.is_empty() {
        in_brackets
    } else {
        codename
    };
    set(
        facts,
        "distribution_release",
        json!(if codename.is_empty() { "NA" } else { codename }),
    );
    set(facts, "distribution_file_path", json!("/etc/os-release"));
    set(facts, "distribution_file_variety", json!(name));
    set(
        facts,
        "distribution_file_parsed",
        json!(!release.is_empty()),
    );
    set(facts, "os_family", json!(family));
    let lsb = reply.get("lsb_release").unwrap_or_default();
    let lsb_id = assignment(lsb, "DISTRIB_ID");
    if !lsb_id.is_empty() {
        let release = assignment(lsb, "DISTRIB_RELEASE");
        set(
            facts,
            "lsb",
            json!({
                "id": lsb_id,
                "release": release,
                "codename": assignment(lsb, "DISTRIB_CODENAME"),
                "description": assignment(lsb, "DISTRIB_DESCRIPTION"),
                "major_release": release.split('.').next(),
            }),
        );
    }
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

/// Puts the facts about containers and virtual machines into the map.
pub(super) fn virtualization(reply: &Reply, facts: &mut Map<String, Value>) {
    let text = |name: &str| reply.line(name).unwrap_or_default().to_lowercase();
    let container = text("container");
    let cgroup = text("cgroup");
    let hints = format!(
        "{} {} {}",
        text("virt_product"),
        text("virt_vendor"),
        text("virt_bios")
    );
    let machine = MACHINES
        .iter()
        .find(|(hint, _)| hints.contains(hint))
        .map(|(_, name)| *name);
    let (kind, role) = if reply.yes("docker") || cgroup.contains("/docker") || container == "docker"
    {
        ("docker", "guest")
    } else if reply.yes("podman") || container == "podman" {
        ("podman", "guest")
    } else if cgroup.contains("/lxc") || container == "lxc" {
        ("lxc", "guest")
    } else if !container.is_empty() {
        ("container", "guest")
    } else if let Some(machine) = machine {
        (machine, "guest")
    } else if text("hypervisor") == "xen" {
        ("xen", "guest")
    } else if !text("cpu_flags").is_empty() {
        ("kvm", "guest")
    } else if reply.yes("dev_kvm") || text("modules").contains("kvm") {
        ("kvm", "host")
    } else if text("modules").contains("vboxdrv") {
        ("virtualbox", "host")
    } else {
        ("NA", "NA")
    };
    set(facts, "virtualization_type", json!(kind));
    set(facts, "virtualization_role", json!(role));
    let (guest, host): (Vec<&str>, Vec<&str>) = match role {
        "guest" => (vec![kind], Vec::new()),
        "host" => (Vec::new(), vec![kind]),
        _ => (Vec::new(), Vec::new()),
    };
    set(facts, "virtualization_tech_guest", json!(guest));
    set(facts, "virtualization_tech_host", json!(host));
}

/// What names of products and vendors tell of the kind of machine.
const MACHINES: &[(&str, &str)] = &[
    ("vmware", "VMware"),
    ("virtualbox", "virtualbox"),
    ("openstack", "openstack"),
    ("kvm", "kvm"),
    ("qemu", "kvm"),
    ("bochs", "kvm"),
    ("ovirt", "oVirt"),
    ("rhev", "RHEV"),
    ("xen", "xen"),
    ("amazon ec2", "kvm"),
    ("google", "kvm"),
    ("digitalocean", "kvm"),
    ("hetzner", "kvm"),
    ("nutanix", "kvm"),
    ("virtual machine microsoft corporation", "VirtualPC"),
    ("parallels", "parallels"),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connection::Reply as RawReply;

    fn reply(records: &[(&str, &str)]) -> Reply {
        let out: String = records
            .iter()
            .map(|(name, value)| format!("{name}={value}\0"))
            .collect();
        Reply::parse(&RawReply {
            out: out.into_bytes(),
            ..RawReply::default()
        })
    }

    #[test]
    fn distributions_have_the_names_and_versions_that_playbooks_test_for() {
        for (release, further, wanted) in [
            (
                "ID=debian\nNAME=\"Debian GNU/Linux\"\nVERSION_ID=\"12\"\nVERSION_CODENAME=bookworm\n",
                ("debian_version", "12.11\n"),
                ("Debian", "12.11", "12", "bookworm", "Debian"),
            ),
            (
                "ID=debian\nNAME=\"Debian GNU/Linux\"\nVERSION_CODENAME=trixie\n",
                ("debian_version", "trixie/sid\n"),
                ("Debian", "NA", "NA", "trixie", "Debian"),
            ),
            (
                "ID=ubuntu\nVERSION_ID=\"22.04\"\nVERSION=\"22.04.3 LTS (Jammy Jellyfish)\"\nVERSION_CODENAME=jammy\n",
                ("x", ""),
                ("Ubuntu", "22.04", "22", "jammy", "Debian"),
            ),
            (
                "ID=\"centos\"\nVERSION_ID=\"7\"\nVERSION=\"7 (Core)\"\n",
                ("redhat_release", "CentOS Linux release 7.9.2009 (Core)\n"),
                ("CentOS", "7.9", "7", "Core", "RedHat"),
            ),
            (
                "ID=\"rhel\"\nVERSION_ID=\"8.6\"\nVERSION=\"8.6 (Ootpa)\"\n",
                ("x", ""),
                ("RedHat", "8.6", "8", "Ootpa", "RedHat"),
            ),
            (
                "ID=newos\nNAME=NewOS\nID_LIKE=\"rhel fedora\"\nVERSION_ID=3\n",
                ("x", ""),
                ("NewOS", "3", "3", "NA", "RedHat"),
            ),
        ] {
            let mut found = Map::new();
            distribution(&reply(&[("os_release", release), further]), &mut found);
            let of = |name: &str| {
                found[&format!("ansible_{name}")]
                    .as_str()
                    .unwrap()
                    .to_owned()
            };
            let got = (
                of("distribution"),
                of("distribution_version"),
                of("distribution_major_version"),
                of("distribution_release"),
                of("os_family"),
            );
            let wanted = (
                wanted.0.into(),
                wanted.1.into(),
                wanted.2.into(),
                wanted.3.into(),
                wanted.4.into(),
            );
            assert_eq!(got, wanted);
        }
    }

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

    #[test]
    fn the_kind_of_machine_is_told() {
        for (records, kind, role) in [
            (
                vec![("container", "systemd-nspawn\n")],
                "container",
                "guest",
            ),
            (vec![("docker", "yes")], "docker", "guest"),
            (
                vec![("virt_vendor", "QEMU"), ("cpu_flags", "hypervisor")],
                "kvm",
                "guest",
            ),
            (
                vec![("virt_product", "VMware Virtual Platform")],
                "VMware",
                "guest",
            ),
            (vec![("dev_kvm", "yes")], "kvm", "host"),
            (vec![], "NA", "NA"),
        ] {
            let mut found = Map::new();
            virtualization(&reply(&records), &mut found);
            assert_eq!(
                (
                    &found["ansible_virtualization_type"],
                    &found["ansible_virtualization_role"]
                ),
                (&json!(kind), &json!(role))
            );
        }
    }
}
