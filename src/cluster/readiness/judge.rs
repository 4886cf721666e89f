//! What a machine shows -> findings, each with what to do.

use std::collections::BTreeMap;

use serde::Serialize;

use super::interfering::interfering;
use super::reading::{Lock, Room, Shown};
use super::script::Wanted;

/// The inodes that must be free wherever something is written.
const INODES: u64 = 1000;

/// Something that stands in the way, or may.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// One word by which it can be allowed, such as `puppet`.
    pub about: String,
    /// What was found.
    pub found: String,
    /// What to do about it.
    pub advice: String,
    /// Whether it forbids to begin.
    pub stops: bool,
}

impl Finding {
    pub(super) fn stop(about: &str, found: String, advice: impl Into<String>) -> Self {
        Self {
            about: about.to_owned(),
            found,
            advice: advice.into(),
            stops: true,
        }
    }

    pub(super) fn note(about: &str, found: String, advice: impl Into<String>) -> Self {
        Self {
            stops: false,
            ..Self::stop(about, found, advice)
        }
    }
}

/// Judges what a machine shows; `asked_s` are the seconds since 1970 on the own clock before and after the look.
pub fn judge(shown: &Shown, wanted: &Wanted, asked_s: (i64, i64)) -> Vec<Finding> {
    let mut findings = Vec::new();
    identity(shown, &mut findings);
    clock(shown, wanted, asked_s, &mut findings);
    room(shown, wanted, &mut findings);
    packages(shown, wanted, &mut findings);
    // Whoever knows better may let these go on; nobody may wish away a full disk or a broken package system.
    let mut others = interfering(shown);
    for finding in &mut others {
        finding.stops &= !wanted.allowed.contains(&finding.about);
    }
    findings.extend(others);
    findings
}

fn identity(shown: &Shown, findings: &mut Vec<Finding>) {
    if shown.uid != "0" {
        findings.push(Finding::stop(
            "become",
            format!("tasks run as the user {}, not as root", shown.user),
            "set `ansible_become: true` for the group, or log in as root",
        ));
    }
    if shown.init != "systemd booted" {
        findings.push(Finding::stop(
            "systemd",
            format!(
                "the first process is `{}`, and systemd is not in charge",
                shown.init
            ),
            "the upgrade needs a starter that runs as a unit of systemd",
        ));
    }
}

fn clock(shown: &Shown, wanted: &Wanted, (before, after): (i64, i64), findings: &mut Vec<Finding>) {
    let Some(now) = shown.clock_s else {
        findings.push(Finding::stop(
            "clock",
            "`date +%s` printed no number".to_owned(),
            "look at the host's `date`",
        ));
        return;
    };
    let (early, late) = (before.saturating_sub(now), now.saturating_sub(after));
    let (off, way) = if early > 0 {
        (early, "behind")
    } else {
        (late, "ahead")
    };
    if off > i64::try_from(wanted.skew_s).unwrap_or(i64::MAX) {
        findings.push(Finding::stop(
            "clock",
            format!("its clock is {off} s {way} that of this machine"),
            format!(
                "set the clock (chrony, systemd-timesyncd); {} s are allowed",
                wanted.skew_s
            ),
        ));
    }
}

/// Adds up what is needed on each file system.
fn room(shown: &Shown, wanted: &Wanted, findings: &mut Vec<Finding>) {
    let mut needed: BTreeMap<&str, (u64, &Room, Vec<&str>)> = BTreeMap::new();
    for need in &wanted.needs {
        let Some(room) = shown.rooms.iter().find(|room| room.path == need.path) else {
            continue;
        };
        if !room.writable {
            findings.push(Finding::stop(
                "disk",
                format!("nothing can be written below {}", room.path),
                format!("is {} mounted read-only?", room.mount),
            ));
        }
        let again = if need.rewritten { room.used_kib } else { 0 };
        let entry = needed.entry(&room.mount).or_insert((0, room, Vec::new()));
        entry.0 = entry.0.saturating_add(need.kib).saturating_add(again);
        entry.2.push(&need.path);
    }
    for (mount, (kib, room, paths)) in needed {
        let paths = paths.join(", ");
        match room.free_kib {
            Some(free) if free >= kib => {}
            Some(free) => findings.push(Finding::stop(
                "disk",
                format!(
                    "{mount} has {} MB free, {} MB are needed for {paths}",
                    free / 1024,
                    kib.div_ceil(1024)
                ),
                format!("make room on {mount}"),
            )),
            None => findings.push(Finding::stop(
                "disk",
                format!("`df` does not say how much is free below {paths}"),
                "look at the file system",
            )),
        }
        if let Some(inodes) = room.free_inodes.filter(|free| *free < INODES) {
            findings.push(Finding::stop(
                "disk",
                format!("{mount} has {inodes} inodes free"),
                format!("remove files from {mount}"),
            ));
        }
    }
}

fn packages(shown: &Shown, wanted: &Wanted, findings: &mut Vec<Finding>) {
    if !shown.audit.is_empty() {
        let first: Vec<&str> = shown
            .audit
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty())
            .take(3)
            .collect();
        findings.push(Finding::stop(
            "packages",
            format!("the package system is broken: {}", first.join(" ")),
            "mend it first: `dpkg --configure -a`, `apt-get -f install`, or `rpm --rebuilddb`",
        ));
    }
    if shown.package.starts_with('h') {
        findings.push(Finding::stop(
            "packages",
            format!("the package {} is on hold", wanted.package),
            format!("`apt-mark unhold {}`", wanted.package),
        ));
    }
    let mut told: Vec<&str> = Vec::new();
    for lock in &shown.locks {
        if !told.contains(&lock.pid.as_str()) {
            told.push(&lock.pid);
            findings.push(Finding::stop(
                "packages",
                format!("{} is locked by {}", lock.path, process(lock)),
                "wait until it has ended, or find out why it hangs; never remove the lock's file",
            ));
        }
    }
}

pub(super) fn process(lock: &Lock) -> String {
    let program = if lock.program.is_empty() {
        "a process that ended meanwhile"
    } else {
        &lock.program
    };
    format!("{program} (process {})", lock.pid)
}

#[cfg(test)]
mod tests {
    use super::super::reading::Interfering;
    use super::super::script::Need;
    use super::*;

    fn fine() -> Shown {
        Shown {
            uid: "0".into(),
            user: "root".into(),
            clock_s: Some(1000),
            init: "systemd booted".into(),
            package: "ii  3.3.20".into(),
            rooms: vec![room_at("/stage", 4000), room_at("/data", 4000)],
            ..Shown::default()
        }
    }

    fn room_at(path: &str, free: u64) -> Room {
        Room {
            path: path.into(),
            writable: true,
            used_kib: 3000,
            mount: "/".into(),
            free_kib: Some(free),
            free_inodes: Some(5000),
        }
    }

    fn wanted() -> Wanted {
        let need = |path: &str| Need {
            path: path.into(),
            kib: 1500,
            rewritten: false,
        };
        Wanted {
            package: "arangodb3".into(),
            needs: vec![need("/stage"), need("/data")],
            skew_s: 10,
            allowed: Vec::new(),
        }
    }

    fn unit(name: &str) -> impl Fn(&mut Shown) {
        let name = name.to_owned();
        move |shown| {
            let unit = Interfering {
                active: true,
                next: "Sat 08:00".into(),
            };
            shown.units.insert(name.clone(), unit);
        }
    }

    #[test]
    #[expect(clippy::too_many_lines, reason = "a table of cases")]
    fn a_machine_that_is_fit_has_no_findings_and_each_lack_has_one() {
        type Change = Box<dyn Fn(&mut Shown)>;
        assert_eq!(judge(&fine(), &wanted(), (1000, 1001)), []);
        let lock = |path: &str| Lock {
            path: path.into(),
            pid: "7".into(),
            program: "apt-get".into(),
        };
        let cases: Vec<(Change, &str, &str, bool)> = vec![
            (
                Box::new(|s| {
                    s.uid = "1000".into();
                    s.user = "ops".into();
                }),
                "become",
                "as the user ops",
                true,
            ),
            (
                Box::new(|s| s.init = "busybox".into()),
                "systemd",
                "`busybox`",
                true,
            ),
            (
                Box::new(|s| s.clock_s = Some(989)),
                "clock",
                "11 s behind",
                true,
            ),
            (
                Box::new(|s| s.clock_s = Some(1012)),
                "clock",
                "11 s ahead",
                true,
            ),
            (Box::new(|s| s.clock_s = None), "clock", "no number", true),
            (
                Box::new(|s| s.rooms[0].free_kib = Some(2999)),
                "disk",
                "/stage, /data",
                true,
            ),
            (
                Box::new(|s| s.rooms[0].free_kib = None),
                "disk",
                "does not say",
                true,
            ),
            (
                Box::new(|s| s.rooms[1].writable = false),
                "disk",
                "below /data",
                true,
            ),
            (
                Box::new(|s| s.rooms[0].free_inodes = Some(9)),
                "disk",
                "9 inodes",
                true,
            ),
            (
                Box::new(|s| s.audit = "The following packages are broken:\n\n x".into()),
                "packages",
                "broken: The following",
                true,
            ),
            (
                Box::new(|s| s.package = "hi  3.3.20".into()),
                "packages",
                "on hold",
                true,
            ),
            (
                Box::new(move |s| s.locks = vec![lock("/l1"), lock("/l2")]),
                "packages",
                "/l1 is locked by apt-get (process 7)",
                true,
            ),
            (
                Box::new(unit("apt-daily-upgrade.service")),
                "updates",
                "at this moment",
                true,
            ),
            (
                Box::new(unit("apt-daily-upgrade.timer")),
                "unattended-upgrades",
                "next at Sat 08:00",
                false,
            ),
            (
                Box::new(|s| {
                    unit("apt-daily-upgrade.timer")(s);
                    s.unattended = true;
                }),
                "unattended-upgrades",
                "by themselves",
                true,
            ),
            (
                Box::new(unit("apt-daily.timer")),
                "updates",
                "for a while",
                false,
            ),
            (Box::new(unit("puppet.service")), "puppet", "drop-in", true),
            (
                Box::new(|s| s.cron = vec!["/etc/cron.d/x".into()]),
                "cron",
                "/etc/cron.d/x",
                true,
            ),
            (
                Box::new(|s| s.kill_user_processes = true),
                "logind",
                "KillUserProcesses",
                true,
            ),
            (
                Box::new(|s| s.sudo = "Defaults:\n env_reset, log_output, x".into()),
                "sudo",
                "log_output",
                true,
            ),
            (
                Box::new(|s| s.sudo = "(ALL) NOPASSWD: LOG_INPUT: ALL".into()),
                "sudo",
                "LOG_INPUT:",
                true,
            ),
            (
                Box::new(|s| s.sudo = "env_reset, requiretty".into()),
                "sudo",
                "requiretty",
                true,
            ),
            (
                Box::new(|s| s.sudo = "env_reset, use_pty".into()),
                "sudo",
                "use_pty",
                false,
            ),
        ];
        for (change, about, found, stops) in cases {
            let mut shown = fine();
            change(&mut shown);
            let findings = judge(&shown, &wanted(), (1000, 1001));
            let [finding] = &findings[..] else {
                panic!("{found}: {findings:?}")
            };
            assert_eq!(
                (finding.about.as_str(), finding.stops),
                (about, stops),
                "{finding:?}"
            );
            assert!(
                finding.found.contains(found) && !finding.advice.is_empty(),
                "{finding:?}"
            );
        }
    }

    #[test]
    fn what_is_allowed_by_name_only_warns_but_nothing_makes_room() {
        let mut shown = fine();
        unit("puppet.service")(&mut shown);
        shown.rooms[0].free_kib = Some(0);
        let wanted = Wanted {
            allowed: vec!["puppet".into(), "disk".into()],
            ..wanted()
        };
        let stops: Vec<bool> = judge(&shown, &wanted, (1000, 1000))
            .iter()
            .map(|finding| finding.stops)
            .collect();
        assert_eq!(stops, [true, false]);
    }

    #[test]
    fn files_that_are_written_anew_need_their_room_again() {
        let mut wanted = wanted();
        wanted.needs[1].rewritten = true;
        // 1500 + 1500 + 3000 of 4000.
        let findings = judge(&fine(), &wanted, (1000, 1000));
        assert!(
            findings
                .iter()
                .any(|finding| finding.found.contains("6 MB are needed")),
            "{findings:?}"
        );
    }

    #[test]
    fn logind_spares_whom_it_is_told_to() {
        let shown = Shown {
            kill_user_processes: true,
            spared: vec!["root".into()],
            ..fine()
        };
        assert_eq!(judge(&shown, &wanted(), (1000, 1000)), []);
        let by_sudo = Shown {
            login: "ops".into(),
            ..shown
        };
        assert_eq!(judge(&by_sudo, &wanted(), (1000, 1000)).len(), 1);
    }
}
