//! What a fleet looks like from outside, to see whether anybody has touched it.

use std::collections::BTreeMap;
use std::sync::Mutex;

use lab::fleet::Fleet;

use crate::harness::Failure;

/// The processes of the databases, the packages, and what systemd is told, of each host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fingerprint {
    hosts: BTreeMap<String, Vec<String>>,
}

/// One line for each thing.
const LOOK: &str = "\
    for p in /proc/[0-9]*; do \
        exe=$(readlink $p/exe); \
        case ${exe% (deleted)} in \
            /usr/sbin/arangod|/usr/bin/arangodb|/usr/sbin/arangosync) \
                echo \"process ${p#/proc/} $(cut -d' ' -f22 $p/stat)\";; \
        esac; \
    done; \
    dpkg-query -W -f 'package ${Package} ${Version} ${db:Status-Abbrev}\\n'; \
    find /etc/systemd /run/systemd/system /lib/systemd/system/arangodb3.service -type f \
        -exec sha256sum {} + | sed 's/^/unit /'; \
    find /etc/systemd -type l | sed 's/^/link /'; \
    systemctl show -p Restart -p KillMode -p ActiveState -p DropInPaths arangodb | sed 's/^/state /'; \
    ls -d /usr/sbin/policy-rc.d /var/lib/stagger/hold/* /var/lib/stagger/owed/* 2>/dev/null \
        | sed 's/^/file /'; \
    find /var/lib/arangodb/cluster -name 'VERSION*' -exec sha256sum {} + | sed 's/^/data /'";

impl Fingerprint {
    /// Takes the fleet's fingerprint.
    pub(crate) fn of(fleet: &Fleet) -> Result<Self, Failure> {
        let hosts = Mutex::new(BTreeMap::new());
        fleet.on_all(|host| {
            let mut lines: Vec<_> = host.must(LOOK)?.lines().map(str::to_owned).collect();
            lines.sort();
            let mut hosts = hosts
                .lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner);
            hosts.insert(host.name().to_owned(), lines);
            Ok::<_, lab::fleet::Error>(())
        })?;
        let hosts = hosts.into_inner();
        Ok(Self {
            hosts: hosts.unwrap_or_else(std::sync::PoisonError::into_inner),
        })
    }

    /// Returns what is gone and what is new in a later one.
    pub(crate) fn changes(&self, later: &Self) -> Vec<String> {
        let mut changes = Vec::new();
        for (host, before) in &self.hosts {
            let none = Vec::new();
            let after = later.hosts.get(host).unwrap_or(&none);
            let gone = before.iter().filter(|line| !after.contains(line));
            let new = after.iter().filter(|line| !before.contains(line));
            changes.extend(gone.map(|line| format!("{host}: no more: {line}")));
            changes.extend(new.map(|line| format!("{host}: new: {line}")));
        }
        changes
    }
}
