//! Which distribution the host runs, with the names and versions that playbooks test for.

use serde_json::{Map, Value, json};

use super::identity::{assignment, set};
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

/// Puts the facts about the distribution into the map.
pub(super) fn facts(reply: &Reply, facts: &mut Map<String, Value>) {
    let release = reply.get("os_release").unwrap_or_default();
    let id = assignment(release, "ID");
    let known = DISTRIBUTIONS.iter().find(|(known, _, _)| *known == id);
    let family = known.map_or_else(|| kin(release), |(_, _, family)| family);
    let name = known.map_or_else(|| assignment(release, "NAME"), |(_, name, _)| name);
    let listed = assignment(release, "VERSION_ID");
    let exact = exact_version(reply, id);
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
    lsb_facts(reply, facts);
}

/// Returns the version that the distribution itself writes, where it says more than `/etc/os-release`.
fn exact_version(reply: &Reply, id: &str) -> String {
    match id {
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
    }
}

/// Returns the family of a distribution that is not in the table, by what it says that it is like.
fn kin(release: &str) -> &str {
    let like = assignment(release, "ID_LIKE");
    let kin = DISTRIBUTIONS
        .iter()
        .find(|(known, _, _)| like.split(' ').any(|like| like == *known));
    kin.map_or_else(|| assignment(release, "NAME"), |(_, _, family)| family)
}

fn lsb_facts(reply: &Reply, facts: &mut Map<String, Value>) {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::modules::setup::testing::reply;

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
            facts(&reply(&[("os_release", release), further]), &mut found);
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
}
