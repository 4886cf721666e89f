//! A host's own control groups.
//!
//! Each host gets a group that nothing else is in: its systemd can then make groups below it
//! and end what is in them, which it cannot in a group that several hosts share. The lab
//! itself uses the same groups to find every process of a host, to freeze it and to end it.
//! Both layouts of a machine are known: cgroup2 alone, and version 1 with cgroup2 beside it.
//! With version 1 alone cgroup2 is mounted beside it: in a host that has only version 1 systemd
//! does not hear when a group is empty, and waits for processes that are gone.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use super::{Error, mounts};
use crate::clock::{self, Look};
use crate::command::Command;
use crate::files;

/// The group that the groups of all fleets are in.
const TOP: &str = "stagger-lab";
/// How long processes and groups may take to be gone once they have been told.
const END_LIMIT: Duration = Duration::from_secs(20);

/// How the machine lays out its control groups.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Layout {
    /// cgroup2 alone.
    Unified,
    /// Version 1, and cgroup2 beside it for systemd.
    Hybrid,
}

const ROOT: &str = "/sys/fs/cgroup";
const BESIDE: &str = "/sys/fs/cgroup/unified";
const NAMED: &str = "/sys/fs/cgroup/systemd";

/// The directory is often read-only, and then nobody else makes anything in it.
const MOUNT_BESIDE: &str = "set -e; cd /sys/fs/cgroup; \
    [ -d unified ] || mkdir unified 2>/dev/null || \
    { mount -o remount,rw .; mkdir unified; mount -o remount,ro .; }; \
    mount -t cgroup2 cgroup2 unified";

impl Layout {
    /// Finds the machine's layout as systemd does, from what is mounted where.
    pub(super) fn find(mountinfo: &str) -> Option<Self> {
        let kind = |place: &str| {
            mounts::parse(mountinfo)
                .filter(|mount| mount.place == Path::new(place))
                .last()
                .map(|mount| mount.kind)
        };
        match (kind(ROOT), kind(BESIDE), kind(NAMED)) {
            (Some("cgroup2"), _, _) => Some(Self::Unified),
            (_, Some("cgroup2"), Some("cgroup")) => Some(Self::Hybrid),
            (_, _, _) => None,
        }
    }

    /// Returns the layout of this machine.
    pub(super) fn here() -> Result<Self, Error> {
        Self::find(&mounts::text()?).ok_or(Error::NoControlGroups)
    }

    /// Makes sure that the machine has a layout that a host can have.
    pub(super) fn provide() -> Result<(), Error> {
        if Self::find(&mounts::text()?).is_none() {
            Command::line("sh -c").arg(MOUNT_BESIDE).run()?;
        }
        Self::here().map(drop)
    }

    fn roots(&self) -> Vec<PathBuf> {
        let roots: &[&str] = match self {
            Self::Unified => &[ROOT],
            Self::Hybrid => &[BESIDE, NAMED],
        };
        roots.iter().map(|root| Path::new(root).join(TOP)).collect()
    }
}

/// The groups of a fleet, or of one of its hosts: the same path in each of the machine's trees.
#[derive(Debug, Clone)]
pub(super) struct Groups {
    layout: Layout,
    path: PathBuf,
}

impl Groups {
    /// Returns the groups of a fleet.
    pub(super) fn of_fleet(layout: Layout, fleet: &str) -> Self {
        Self {
            layout,
            path: PathBuf::from(fleet),
        }
    }

    /// Returns the groups inside these with a name of their own.
    #[must_use]
    pub(super) fn inside(&self, name: &str) -> Self {
        Self {
            layout: self.layout.clone(),
            path: self.path.join(name),
        }
    }

    fn directories(&self) -> Vec<PathBuf> {
        let roots = self.layout.roots();
        roots.iter().map(|root| root.join(&self.path)).collect()
    }

    /// Makes the groups.
    pub(super) fn make(&self) -> Result<(), Error> {
        for directory in self.directories() {
            files::make_directory(&directory)?;
        }
        Ok(())
    }

    /// Returns the lines of a shell script that move the shell itself into the groups.
    pub(super) fn entering(&self) -> String {
        let enter = |directory: &PathBuf| {
            format!(
                "echo $$ >'{}/cgroup.procs' || exit 97\n",
                directory.display()
            )
        };
        self.directories().iter().map(enter).collect()
    }

    /// Returns the first process of the host: its systemd, as this machine numbers it.
    pub(super) fn first_process(&self) -> Result<Option<u32>, Error> {
        // nspawn puts the host below `payload`; with cgroup2 the host's systemd puts itself
        // below that again, in `init.scope`.
        for directory in self.directories() {
            for below in ["payload/init.scope", "payload"] {
                for pid in processes_in(&directory.join(below)) {
                    if is_first_in_its_namespace(pid)? {
                        return Ok(Some(pid));
                    }
                }
            }
        }
        Ok(None)
    }

    /// Returns every process in the groups and below.
    pub(super) fn processes(&self) -> Result<BTreeSet<u32>, Error> {
        let mut pids = BTreeSet::new();
        for directory in self.directories() {
            for group in all_below(&directory)? {
                pids.extend(processes_in(&group));
            }
        }
        Ok(pids)
    }

    /// Ends every process in the groups at once, and waits until none is left.
    pub(super) fn kill(&self) -> Result<(), Error> {
        let left = clock::wait(END_LIMIT, || {
            // What is frozen does not end; what is ended while others live may be replaced.
            self.freeze(false)?;
            let pids = self.processes()?;
            if pids.is_empty() {
                return Ok::<_, Error>(Look::Done(()));
            }
            for pid in &pids {
                send(*pid, Signal::KILL);
            }
            Ok(Look::NotYet(format!("processes {pids:?}")))
        })?;
        left.map_err(|left| Error::NotGone {
            what: format!("control group {}", self.path.display()),
            left,
        })
    }

    /// Stops or continues all processes in the groups, as if the host hung.
    pub(super) fn freeze(&self, frozen: bool) -> Result<(), Error> {
        for directory in self.directories() {
            // Only cgroup2 has the switch, and every process is in its tree too.
            let switch = directory.join("cgroup.freeze");
            if switch.exists() {
                files::tell_kernel(&switch, if frozen { "1" } else { "0" })?;
            }
        }
        Ok(())
    }

    /// Removes the groups, which must be empty of processes, and all below them.
    pub(super) fn remove(&self) -> Result<(), Error> {
        let left = clock::wait(END_LIMIT, || {
            let mut last = None;
            for directory in self.directories() {
                for group in all_below(&directory)?.iter().rev() {
                    if let Err(error) = std::fs::remove_dir(group) {
                        last = Some(format!("{}: {error}", group.display()));
                    }
                }
            }
            Ok::<_, Error>(last.map_or(Look::Done(()), Look::NotYet))
        })?;
        left.map_err(|left| Error::NotGone {
            what: format!("control group {}", self.path.display()),
            left,
        })
    }

    /// Removes the group of all fleets, if this was the last fleet in it.
    pub(super) fn remove_top(layout: &Layout) {
        for root in layout.roots() {
            // Another fleet may be in it, or come just now: then it stays.
            let _stays = std::fs::remove_dir(root);
        }
    }
}

fn send(pid: u32, signal: Signal) {
    // Pid 0 stands for a process of another namespace: there is no way to name it.
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    if let Some(pid) = pid {
        // It may have ended by itself since it was listed.
        let _gone = kill_process(pid, signal);
    }
}

/// Returns the processes in one group; none if it is gone.
fn processes_in(group: &Path) -> Vec<u32> {
    // A group that goes away while it is read answers with "no such device".
    let text = files::read(&group.join("cgroup.procs")).unwrap_or_default();
    text.lines().filter_map(|line| line.parse().ok()).collect()
}

/// Returns a group and all below it, each after the one that it is in.
fn all_below(group: &Path) -> Result<Vec<PathBuf>, Error> {
    if !group.is_dir() {
        return Ok(Vec::new());
    }
    let mut found = vec![group.to_owned()];
    let names = match files::names(group) {
        // One that goes away while it is listed has nothing below it any more.
        Err(_) if !group.is_dir() => return Ok(Vec::new()),
        names => names?,
    };
    for name in names {
        let inner = group.join(name);
        if inner.is_dir() {
            found.extend(all_below(&inner)?);
        }
    }
    Ok(found)
}

fn is_first_in_its_namespace(pid: u32) -> Result<bool, Error> {
    let status = files::read_if_there(&PathBuf::from(format!("/proc/{pid}/status")))?;
    Ok(status.as_deref().is_some_and(numbers_itself_one))
}

/// Tells from `/proc/PID/status` whether a process is number 1 of a namespace of its own.
fn numbers_itself_one(status: &str) -> bool {
    let numbers = status.lines().find_map(|line| line.strip_prefix("NSpid:"));
    let numbers: Vec<_> = numbers.unwrap_or_default().split_whitespace().collect();
    numbers.len() > 1 && numbers.last() == Some(&"1")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mount(place: &str, kind: &str) -> String {
        format!("40 31 0:38 / {place} rw,relatime shared:1 - {kind} {kind} rw\n")
    }

    #[test]
    fn each_layout_is_told_from_the_mounts_and_the_last_mount_counts() {
        let version_1 = mount(ROOT, "tmpfs") + &mount(NAMED, "cgroup");
        let hybrid = version_1.clone() + &mount(BESIDE, "cgroup2");
        let covered = hybrid.clone() + &mount(ROOT, "cgroup2");
        let cases = [
            (mount(ROOT, "cgroup2"), Some(Layout::Unified)),
            (hybrid, Some(Layout::Hybrid)),
            (covered, Some(Layout::Unified)),
            (version_1, None),
            (mount(ROOT, "tmpfs"), None),
            (String::new(), None),
        ];
        for (mountinfo, layout) in cases {
            assert_eq!(Layout::find(&mountinfo), layout, "{mountinfo}");
        }
    }

    #[test]
    fn the_first_process_of_a_host_has_two_numbers_and_the_last_is_one() {
        let cases = [
            ("Name:\tsystemd\nNSpid:\t2408\t1\n", true),
            ("Name:\tsshd\nNSpid:\t2422\t31\n", false),
            ("Name:\tinit\nNSpid:\t1\n", false),
            ("Name:\tkthread\n", false),
        ];
        for (status, first) in cases {
            assert_eq!(numbers_itself_one(status), first, "{status}");
        }
    }
}
