//! What the shell text printed -> what the machine shows.

use std::collections::BTreeMap;

use crate::cluster::sections::Part;

/// The room below one path.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Room {
    /// The path that was asked for.
    pub path: String,
    /// Whether the user may write there; never on a file system that is mounted read-only.
    pub writable: bool,
    /// What lies there already, in kibibytes, if that was asked.
    pub used_kib: u64,
    /// Where the file system is mounted.
    pub mount: String,
    /// What is free, in kibibytes; `None` if `df` did not say.
    pub free_kib: Option<u64>,
    /// The inodes that are free; `None` where the file system does not count them.
    pub free_inodes: Option<u64>,
}

/// Who holds a lock, or runs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lock {
    /// The lock's file.
    pub path: String,
    /// The process.
    pub pid: String,
    /// Its program; empty if it ended meanwhile.
    pub program: String,
}

/// A unit that may interfere.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Interfering {
    /// Whether it is active or about to be.
    pub active: bool,
    /// When a timer elapses next, as systemd prints it.
    pub next: String,
}

/// What a machine shows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Shown {
    /// The user id that tasks run as.
    pub uid: String,
    /// The user's name.
    pub user: String,
    /// Who logged in, where the user was reached with sudo.
    pub login: String,
    /// Seconds since 1970.
    pub clock_s: Option<i64>,
    /// The name of the first process, and `booted` where systemd is in charge.
    pub init: String,
    /// Room by path.
    pub rooms: Vec<Room>,
    /// What is wrong with the package system; empty if nothing is.
    pub audit: String,
    /// The package's state and version, as dpkg abbreviates it: `ii  3.3.20`.
    pub package: String,
    /// Locks of the package system that are held.
    pub locks: Vec<Lock>,
    /// Units that may interfere, by name.
    pub units: BTreeMap<String, Interfering>,
    /// `APT::Periodic::Unattended-Upgrade`, where it is on.
    pub unattended: bool,
    /// Files of cron that name a configuration agent.
    pub cron: Vec<String>,
    /// Configuration agents that run at this moment.
    pub running: Vec<Lock>,
    /// Whether logind ends all of a user's processes with the session.
    pub kill_user_processes: bool,
    /// Users whom logind spares.
    pub spared: Vec<String>,
    /// What sudo says about the login user's rules.
    pub sudo: String,
}

/// Reads what the script printed.
pub fn parse(parts: &[Part<'_>]) -> Shown {
    let mut shown = Shown::default();
    for part in parts {
        take(&mut shown, part.name, part.text().trim());
    }
    shown
}

fn take(shown: &mut Shown, key: &str, value: &str) {
    match key {
        "uid" => value.clone_into(&mut shown.uid),
        "user" => value.clone_into(&mut shown.user),
        "login" => value.clone_into(&mut shown.login),
        "clock" => shown.clock_s = value.parse().ok(),
        "init" => value.clone_into(&mut shown.init),
        "room" => shown.rooms.extend(room(value)),
        "audit" => value.clone_into(&mut shown.audit),
        "package" => value.clone_into(&mut shown.package),
        "lock" => shown.locks.extend(lock(value)),
        "units" => shown.units = units(value),
        "periodic" => {
            let on = |line: &str| {
                line.split('"')
                    .nth(1)
                    .is_some_and(|n| !matches!(n, "" | "0"))
            };
            shown.unattended = value.lines().any(on);
        }
        "cron" => shown.cron = value.lines().map(str::to_owned).collect(),
        "running" => shown.running.extend(lock(value)),
        "kill" => shown.kill_user_processes = value == "b true",
        "spared" => {
            shown.spared = value
                .split('"')
                .skip(1)
                .step_by(2)
                .map(str::to_owned)
                .collect();
        }
        "sudo" => value.clone_into(&mut shown.sudo),
        _ => {}
    }
}

/// Reads path, whether it can be written, what is used, and a line of `df -Pk` and of `df -Pi`.
fn room(value: &str) -> Option<Room> {
    let mut lines = value.lines();
    let (path, writable, used) = (lines.next()?, lines.next()?, lines.next()?);
    // Device, size, used, available, percent, mount point; the last may hold spaces.
    let available = |line: &str| line.split_whitespace().nth(3)?.parse::<u64>().ok();
    let kib = lines.next().unwrap_or_default();
    let mount: Vec<&str> = kib.split_whitespace().skip(5).collect();
    let inodes = lines
        .next()
        .filter(|line| line.split_whitespace().nth(1) != Some("0"));
    Some(Room {
        path: path.to_owned(),
        writable: writable == "yes",
        used_kib: used.parse().unwrap_or(0),
        mount: mount.join(" "),
        free_kib: available(kib),
        free_inodes: inodes.and_then(available),
    })
}

fn lock(value: &str) -> Option<Lock> {
    let mut lines = value.lines();
    Some(Lock {
        path: lines.next()?.to_owned(),
        pid: lines.next()?.to_owned(),
        program: lines.next().unwrap_or_default().to_owned(),
    })
}

/// Reads blocks of `systemctl show`, one a unit.
fn units(value: &str) -> BTreeMap<String, Interfering> {
    let block = |block: &str| {
        let get = |name: &str| {
            let mut lines = block.lines().filter_map(|line| line.split_once('='));
            lines.find(|(key, _)| *key == name).map(|(_, value)| value)
        };
        let active = matches!(get("ActiveState")?, "active" | "activating" | "reloading");
        let next = get("NextElapseUSecRealtime").unwrap_or_default().to_owned();
        Some((get("Id")?.to_owned(), Interfering { active, next }))
    };
    value.split("\n\n").filter_map(block).collect()
}

#[cfg(test)]
mod tests {
    use super::super::script::{Need, Wanted, script};
    use super::*;
    use crate::cluster::sections::Marker;
    use crate::cluster::sections::testing::{SHELLS, printed};

    fn part<'a>(name: &'a str, content: &'a str) -> Part<'a> {
        let content = content.as_bytes();
        Part { name, content }
    }

    #[test]
    fn what_systemd_df_and_logind_print_is_read() {
        let room = room(
            "/var/lib/x\nyes\n12\n/dev/sda1 100 40 60 40% /mnt/a b\n/dev/sda1 10 4 6 40% /mnt/a b",
        )
        .unwrap();
        assert_eq!(
            (
                room.writable,
                room.used_kib,
                room.free_kib,
                room.free_inodes
            ),
            (true, 12, Some(60), Some(6))
        );
        assert_eq!(room.mount, "/mnt/a b");
        let none = super::room("/x\nno\n0\nbtrfs 100 40 60 40% /\nbtrfs 0 0 0 - /").unwrap();
        assert_eq!(
            (none.writable, none.free_inodes),
            (false, None),
            "btrfs counts no inodes"
        );
        let units = units(
            "Id=a.timer\nActiveState=active\nNextElapseUSecRealtime=Sat 2026-11-21 08:00:00 UTC\n\nId=b.service\nActiveState=inactive\n\nId=c.service\nActiveState=activating",
        );
        assert_eq!(units["a.timer"].next, "Sat 2026-11-21 08:00:00 UTC");
        assert!(units["a.timer"].active && !units["b.service"].active && units["c.service"].active);
        let shown = parse(&[
            part("noise", "x"),
            part("kill", "b true\n"),
            part("spared", "as 2 \"root\" \"ops\"\n"),
            part("periodic", "APT::Periodic::Unattended-Upgrade \"1\";\n"),
            part("clock", "1700000000\n"),
        ]);
        assert!(shown.kill_user_processes && shown.unattended);
        assert_eq!(
            (shown.spared, shown.clock_s),
            (
                vec!["root".to_owned(), "ops".to_owned()],
                Some(1_700_000_000)
            )
        );
        let off = part("periodic", "APT::Periodic::Unattended-Upgrade \"0\";");
        assert!(!parse(&[off]).unattended);
    }

    #[test]
    fn this_machine_is_read_by_every_shell() {
        let top = tempfile::tempdir().unwrap();
        let wanted = Wanted {
            package: "no 'such".into(),
            needs: vec![
                Need {
                    path: format!("{}/is/not/there", top.path().display()),
                    kib: 1,
                    rewritten: false,
                },
                Need {
                    path: top.path().display().to_string(),
                    kib: 1,
                    rewritten: true,
                },
            ],
            ..Wanted::default()
        };
        let marker = Marker::new("4ead");
        for shell in SHELLS {
            let out = printed(shell, &script(&marker, &wanted), None);
            let shown = parse(&marker.parts(&out));
            assert!(
                shown.clock_s.is_some() && !shown.uid.is_empty() && !shown.init.is_empty(),
                "{shown:?}"
            );
            let [missing, there] = &shown.rooms[..] else {
                panic!("{:?}", shown.rooms)
            };
            assert!(
                missing.writable && missing.free_kib.is_some() && !missing.mount.is_empty(),
                "{missing:?}"
            );
            assert!(there.used_kib > 0 || there.free_kib.is_some());
        }
    }

    #[test]
    fn a_held_lock_is_found_with_its_holder() {
        let marker = Marker::new("4ead");
        let text = script(&marker, &Wanted::default());
        let directory = tempfile::tempdir().unwrap();
        let lock = directory.path().join("lock");
        let file = std::fs::File::create(&lock).unwrap();
        file.lock().unwrap();
        let text = text.replace("/var/lib/dpkg/lock-frontend", &lock.to_string_lossy());
        let out = printed(&["sh"], &text, None);
        let shown = parse(&marker.parts(&out));
        let held = shown
            .locks
            .iter()
            .find(|held| held.path == lock.to_string_lossy());
        assert_eq!(
            held.map(|held| held.pid.clone()),
            Some(std::process::id().to_string()),
            "{:?}",
            shown.locks
        );
    }
}
