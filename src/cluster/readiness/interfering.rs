//! Who on a machine would interfere with an upgrade: updates that come by themselves, configuration agents, logind, sudo.
//!
//! Verdicts on what was read, each with what to do about it; whoever knows better may allow them by name. Called by
//! [`judge`](super::judge).

use super::judge::{Finding, process};
use super::reading::{Interfering, Shown};

/// Finds everybody who would interfere.
pub(super) fn interfering(shown: &Shown) -> Vec<Finding> {
    let mut findings = Vec::new();
    updates(shown, &mut findings);
    agents(shown, &mut findings);
    sessions(shown, &mut findings);
    sudo(shown, &mut findings);
    findings
}

fn active<'a>(shown: &'a Shown, names: &[&'static str]) -> Vec<(&'static str, &'a Interfering)> {
    let found = names
        .iter()
        .filter_map(|name| Some((*name, shown.units.get(*name)?)));
    found.filter(|(_, unit)| unit.active).collect()
}

/// Updates that come on their own: they lock the package system, and may restart services for new libraries.
fn updates(shown: &Shown, findings: &mut Vec<Finding>) {
    for (name, _) in active(
        shown,
        &[
            "apt-daily.service",
            "apt-daily-upgrade.service",
            "dnf-automatic.service",
        ],
    ) {
        findings.push(Finding::stop(
            "updates",
            format!("{name} works at this moment"),
            "wait until it has ended",
        ));
    }
    let timers = [
        "apt-daily-upgrade.timer",
        "dnf-automatic.timer",
        "dnf-automatic-install.timer",
        "yum-cron.service",
    ];
    for (name, unit) in active(shown, &timers) {
        let next = if unit.next.is_empty() {
            String::new()
        } else {
            format!(", next at {}", unit.next)
        };
        let found = format!("{name} is active{next}");
        let advice = format!(
            "`systemctl stop {name}` for the time of the upgrade, and start it again afterwards"
        );
        // Without this setting Debian's timer looks for updates and installs none.
        if name == "apt-daily-upgrade.timer" && !shown.unattended {
            findings.push(Finding::note("unattended-upgrades", found, advice));
        } else {
            let found =
                format!("{found}: packages are updated, and services restarted, by themselves");
            findings.push(Finding::stop("unattended-upgrades", found, advice));
        }
    }
    for (name, unit) in active(shown, &["apt-daily.timer", "packagekit.service"]) {
        let next = if unit.next.is_empty() {
            String::new()
        } else {
            format!(", next at {}", unit.next)
        };
        findings.push(Finding::note(
            "updates",
            format!("{name} is active{next}; it locks the package system for a while"),
            format!("`systemctl stop {name}` until the packages are installed"),
        ));
    }
}

/// Configuration agents: the word that allows them, their unit, and how they are held back.
const AGENTS: [(&str, &str, &str); 8] = [
    (
        "puppet",
        "puppet.service",
        "`puppet agent --disable \"upgrade\"` and wait for a run to end",
    ),
    (
        "puppet",
        "pe-puppet.service",
        "`puppet agent --disable \"upgrade\"` and wait for a run to end",
    ),
    (
        "chef",
        "chef-client.service",
        "`systemctl stop chef-client`",
    ),
    (
        "chef",
        "chef-client.timer",
        "`systemctl stop chef-client.timer`",
    ),
    (
        "salt",
        "salt-minion.service",
        "`systemctl stop salt-minion`",
    ),
    (
        "cfengine",
        "cfengine3.service",
        "`systemctl stop cfengine3`",
    ),
    ("cfengine", "cf-execd.service", "`systemctl stop cf-execd`"),
    ("rudder", "rudder-agent.service", "`rudder agent disable`"),
];

/// Agents that put a configuration back: they would take the drop-in away, or start the starter.
fn agents(shown: &Shown, findings: &mut Vec<Finding>) {
    for (about, unit, advice) in AGENTS {
        if shown.units.get(unit).is_some_and(|unit| unit.active) {
            let found =
                format!("{unit} is active: it may take the unit's drop-in away or start services");
            findings.push(Finding::stop(
                about,
                found,
                format!("{advice} for the time of the upgrade"),
            ));
        }
    }
    for file in &shown.cron {
        findings.push(Finding::stop(
            "cron",
            format!("{file} starts a configuration agent"),
            "disable the agent for the time of the upgrade",
        ));
    }
    for lock in &shown.running {
        let about = if lock.path.contains("chef") {
            "chef"
        } else {
            "puppet"
        };
        findings.push(Finding::stop(
            about,
            format!("{} works at this moment", process(lock)),
            "wait until it has ended, and disable it for the time of the upgrade",
        ));
    }
}

/// Logind may end what a session left behind: an installation would be cut off with the network.
fn sessions(shown: &Shown, findings: &mut Vec<Finding>) {
    let spared = |name: &String| !name.is_empty() && shown.spared.contains(name);
    let login = if shown.login.is_empty() {
        &shown.user
    } else {
        &shown.login
    };
    if shown.kill_user_processes && !spared(login) {
        findings.push(Finding::stop(
            "logind",
            format!("logind has KillUserProcesses=yes: what {login} started ends with the session"),
            format!("set `KillUserProcesses=no` or add {login} to `KillExcludeUsers=` in /etc/systemd/logind.conf, then `systemctl restart systemd-logind`"),
        ));
    }
}

/// Sudo may write down what passes through it, secrets included.
fn sudo(shown: &Shown, findings: &mut Vec<Finding>) {
    let words: Vec<&str> = shown.sudo.split([',', '\n', ' ']).map(str::trim).collect();
    let login = &shown.login;
    let recorded = [
        "log_input",
        "log_stdin",
        "log_output",
        "log_stdout",
        "LOG_INPUT:",
        "LOG_OUTPUT:",
    ];
    let on: Vec<&str> = recorded
        .into_iter()
        .filter(|word| words.contains(word))
        .collect();
    if !on.is_empty() {
        findings.push(Finding::stop(
            "sudo",
            format!("sudo records what passes through it for {login} ({}): secrets would be in its logs", on.join(", ")),
            format!("add `Defaults:{login} !log_input, !log_output` to sudoers with visudo"),
        ));
    }
    if words.contains(&"requiretty") {
        findings.push(Finding::stop(
            "sudo",
            format!("sudo wants a terminal from {login} (requiretty)"),
            format!("add `Defaults:{login} !requiretty` to sudoers with visudo"),
        ));
    }
    if words.contains(&"use_pty") {
        findings.push(Finding::note(
            "sudo",
            format!("sudo gives {login}'s commands a terminal of their own (use_pty), which ends with the session"),
            format!("what must outlive it is detached; `Defaults:{login} !use_pty` avoids it altogether"),
        ));
    }
}
