//! Hosts that are not as they should be: one clear error, the right exit code, and a fleet
//! that nobody has touched.

use std::time::Duration;

use lab::cluster::{Clusters, Options as ClusterOptions};
use lab::command::{Command, Exit, Output};
use lab::files;
use lab::fleet::{Fleet, Host, Login, Options};
use serde_json::json;

use crate::fingerprint::Fingerprint;
use crate::harness::{Case, Failure, Lab, Outcome, case, check, same};
use crate::upgrade::FACTOR;

pub(crate) fn cases() -> Vec<Case> {
    let cases = [
        case(
            "broken::each_fault_is_named_and_nothing_is_touched",
            each_fault,
        ),
        case(
            "broken::limits_that_cannot_be_set_are_found_before_the_stop",
            limits,
        ),
    ];
    cases.into_iter().map(Case::heavy).collect()
}

/// Something that is wrong with one host.
struct Fault {
    name: &'static str,
    begin: fn(&Host) -> Outcome,
    end: fn(&Fleet, &Host) -> Outcome,
    exit: i32,
    /// What the operator is told, beside the host's name.
    told: &'static [&'static str],
}

const FAULTS: [Fault; 6] = [
    Fault {
        name: "unreachable",
        begin: |host| Ok(host.part_from_bastion()?),
        end: |_, host| Ok(host.rejoin_bastion()?),
        exit: 4,
        told: &["unreachable"],
    },
    Fault {
        name: "wrong key",
        begin: |host| {
            host.must("mv /etc/ssh/authorized_keys/ops /etc/ssh/authorized_keys/.away")?;
            Ok(())
        },
        end: |_, host| {
            host.must("mv /etc/ssh/authorized_keys/.away /etc/ssh/authorized_keys/ops")?;
            Ok(())
        },
        exit: 4,
        told: &["unreachable", "key"],
    },
    Fault {
        name: "changed host key",
        begin: |host| {
            host.make_host_key()?;
            host.must("systemctl restart ssh")?;
            Ok(())
        },
        end: |fleet, _| Ok(fleet.know_hosts()?),
        exit: 4,
        told: &["host key"],
    },
    Fault {
        name: "missing sudo",
        begin: |host| {
            host.must("mv /etc/sudoers.d/operator /root/operator")?;
            Ok(())
        },
        end: |_, host| {
            host.must("mv /root/operator /etc/sudoers.d/operator")?;
            Ok(())
        },
        exit: 2,
        told: &["sudo"],
    },
    Fault {
        name: "full disk",
        begin: |host| {
            host.small_disk("/var/lib/stagger", 1 << 20)?;
            Ok(host.fill_disk("/var/lib/stagger")?)
        },
        end: |_, host| {
            host.must("umount /var/lib/stagger")?;
            Ok(())
        },
        exit: 2,
        told: &[
            "/var/lib/stagger has 0 MB free",
            "make room on /var/lib/stagger",
        ],
    },
    Fault {
        name: "half-configured package",
        begin: |host| package_is(host, "half-configured"),
        end: |_, host| package_is(host, "installed"),
        exit: 2,
        told: &["dpkg --configure -a"],
    },
];

/// What dpkg has written down of the database's package, as when its installation was cut off.
fn package_is(host: &Host, state: &str) -> Outcome {
    let status = "/var/lib/dpkg/status";
    let change = format!("/^Package: arangodb3$/,/^$/ s/^Status: .*/Status: install ok {state}/");
    host.must(&format!(
        "sed -i '{change}' {status}; dpkg-query -W -f '${{Status}}' arangodb3 | grep -q ' {state}$'"
    ))?;
    Ok(())
}

/// Boots a cluster, with all on the bastion that an upgrade needs.
fn cluster(lab: &Lab, login: Login) -> Result<Fleet, Failure> {
    let fleet = lab.fleet(&Options {
        login,
        ..Options::new("test: broken hosts", 3)
    })?;
    let mut wanted = ClusterOptions::default();
    wanted
        .switches
        .insert("time_factor".to_owned(), json!(FACTOR));
    let clusters = Clusters::up(&fleet, &lab.place()?.program, &wanted)?;
    let bastion = fleet.bastion();
    bastion.provide("stagger", &lab.product()?.program)?;
    let inventory = clusters.inventory(login);
    files::write(&bastion.home().join("inventory.yml"), inventory, 0o600)?;
    Ok(fleet)
}

/// Who logs in may not raise limits: a server that has higher ones cannot be run again as it runs.
fn limits(lab: &Lab) -> Outcome {
    let fleet = cluster(lab, Login::Root)?;
    fleet.on_all(|host| {
        let drop_in = "/etc/systemd/system/ssh.service.d/limits.conf";
        let text = "[Service]\nLimitCORE=0\nCapabilityBoundingSet=~CAP_SYS_RESOURCE\n";
        host.must("mkdir -p /etc/systemd/system/ssh.service.d")?;
        host.write(drop_in, text, 0o644)?;
        host.must("systemctl daemon-reload && systemctl restart ssh")
            .map(drop)
    })?;
    let before = processes(&fleet)?;
    let output = apply(&fleet)?;
    let said = format!("{}\n{}", output.out, output.err);
    let must = |holds: bool, what: &str| check(holds, format!("{what}\n{said}"));
    must(output.exit == Exit::Code(2), "the exit code")?;
    for word in [
        "the program could not be run as the agent runs",
        "state: untouched",
    ] {
        must(said.contains(word), word)?;
    }
    same(processes(&fleet)?, before, "processes")
}

/// The starters' and servers' processes, each with its start; their programs may have been replaced on disk meanwhile.
fn processes(fleet: &Fleet) -> Result<Vec<String>, Failure> {
    let look =
        "for p in $(pgrep -x 'arangodb?'); do echo \"$p $(cut -d' ' -f22 /proc/$p/stat)\"; done";
    let hosts = fleet.hosts().iter();
    let shown = hosts.map(|host| Ok(host.must(look)?));
    let shown: Result<Vec<_>, Failure> = shown.collect();
    shown.and_then(|shown| {
        let there = shown.iter().all(|lines| lines.lines().count() == 4);
        check(
            there,
            format!("not three servers and a starter each: {shown:?}"),
        )?;
        Ok(shown)
    })
}

fn each_fault(lab: &Lab) -> Outcome {
    let fleet = cluster(lab, Login::Sudo)?;
    let host = fleet.host("node2")?;
    let mut wrong = Vec::new();
    for fault in &FAULTS {
        if let Err(Failure(why)) = one(&fleet, host, fault) {
            wrong.push(format!("{}: {why}", fault.name));
        }
    }
    check(wrong.is_empty(), wrong.join("\n\n"))
}

fn one(fleet: &Fleet, host: &Host, fault: &Fault) -> Outcome {
    (fault.begin)(host)?;
    let before = Fingerprint::of(fleet)?;
    let output = apply(fleet);
    let after = Fingerprint::of(fleet)?;
    (fault.end)(fleet, host)?;
    let output = output?;
    let said = format!("{}\n{}", output.out, output.err);
    let must = |holds: bool, what: String| check(holds, format!("{what}\n{said}"));
    must(
        output.exit == Exit::Code(fault.exit),
        format!("{}, not exit code {}", output.exit, fault.exit),
    )?;
    for word in fault.told.iter().chain([&"node2"]) {
        must(said.contains(word), format!("it does not say `{word}`"))?;
    }
    let errors = said.lines().filter(|line| is_error(line));
    let errors = errors.count();
    must(errors == 1, format!("{errors} errors for one fault"))?;
    let changes = before.changes(&after);
    must(changes.is_empty(), format!("it touched {changes:?}"))
}

/// A line that says what became of a step, and that it is nothing good: time, outcome, host.
fn is_error(line: &str) -> bool {
    let outcome = line.split_whitespace().nth(1);
    matches!(outcome, Some("failed" | "unreachable" | "in-doubt")) && line.contains(':')
}

fn apply(fleet: &Fleet) -> Result<Output, Failure> {
    let apply = Command::line("stagger apply roles/arangodb/upgrade.yml -i inventory.yml")
        .args(["--reason", "a test", "--state", "state"])
        .args(["--approve", "upgrade-data"])
        .args(["-e", "arangodb_agency_settle=1"])
        .within(Duration::from_mins(5));
    Ok(fleet.bastion().command(apply).output()?)
}
