//! What the lab needs of the machine, brought about where it can be.
//!
//! Looked at before anything is made. Programs that are missing are installed with apt; where
//! that is not possible the error says the one command to run.

use std::path::Path;
use std::time::Duration;

use super::{Error, cgroup};
use crate::command::Command;
use crate::files;

/// A program that the fleet is made with, and the Debian package that brings it.
const PROGRAMS: [(&str, &str); 12] = [
    ("debootstrap", "debootstrap"),
    ("systemd-nspawn", "systemd-container"),
    ("ip", "iproute2"),
    ("ssh", "openssh-client"),
    ("ssh-keygen", "openssh-client"),
    ("dpkg-deb", "dpkg"),
    ("mount", "mount"),
    ("umount", "mount"),
    ("nsenter", "util-linux"),
    ("unshare", "util-linux"),
    ("setsid", "util-linux"),
    ("flock", "util-linux"),
];

const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";
const INOTIFY: &str = "/proc/sys/fs/inotify/max_user_instances";
/// A systemd takes several, and the usual limit of 128 ends the 21st host.
const INOTIFY_INSTANCES: u64 = 8_192;
const INSTALL_LIMIT: Duration = Duration::from_mins(10);

/// Tells why no host can ever be booted here, if so: another system, or not root.
pub fn impossible() -> Option<String> {
    if !cfg!(target_os = "linux") {
        return Some("hosts can only be booted on Linux".to_owned());
    }
    if !rustix::process::geteuid().is_root() {
        return Some("booting hosts needs root".to_owned());
    }
    None
}

/// Makes sure that hosts can be booted on this machine.
pub fn provide() -> Result<(), Error> {
    if let Some(reason) = impossible() {
        return Err(Error::Impossible(reason));
    }
    let missing = missing_packages();
    if !missing.is_empty() {
        install(&missing)?;
    }
    cgroup::Layout::provide()?;
    raise_inotify_instances()
}

fn missing_packages() -> Vec<&'static str> {
    let mut missing: Vec<_> = PROGRAMS
        .iter()
        .filter(|(program, _)| !is_there(program))
        .map(|(_, package)| *package)
        .collect();
    if !Path::new(KEYRING).exists() {
        missing.push("debian-archive-keyring");
    }
    missing.sort_unstable();
    missing.dedup();
    missing
}

fn is_there(program: &str) -> bool {
    let places = [
        "/usr/local/sbin",
        "/usr/local/bin",
        "/usr/sbin",
        "/usr/bin",
        "/sbin",
        "/bin",
    ];
    places
        .iter()
        .any(|place| Path::new(place).join(program).exists())
}

fn install(packages: &[&str]) -> Result<(), Error> {
    let apt = |words: &str| {
        Command::line("apt-get -q -y")
            .args(words.split(' '))
            .env("DEBIAN_FRONTEND", "noninteractive")
            .within(INSTALL_LIMIT)
    };
    let installed = apt("update")
        .run()
        .and_then(|_| apt("install --no-install-recommends").args(packages).run());
    match installed {
        Ok(_) => Ok(()),
        Err(source) => Err(Error::Missing {
            packages: packages.join(" "),
            source,
        }),
    }
}

fn raise_inotify_instances() -> Result<(), Error> {
    let path = Path::new(INOTIFY);
    let now: u64 = files::read(path)?.trim().parse().unwrap_or(0);
    if now < INOTIFY_INSTANCES {
        files::tell_kernel(path, &INOTIFY_INSTANCES.to_string())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_found_where_programs_lie_and_nowhere_else() {
        assert!(is_there("sh"));
        assert!(!is_there("no-such-program"));
    }
}
