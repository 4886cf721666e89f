//! The root file system that every host starts from.
//!
//! Made once by `debootstrap`, kept in a cache directory outside the build tree, and named by
//! a digest of its recipe, so that a changed recipe makes another one. Several processes may
//! want it at once: one makes it, under a lock that its children hold too, the others wait.
//! It gets its final name when all of it is there; a half-made one is thrown away.
//! Hosts never write to it: each has an overlay over it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use sha2::{Digest as _, Sha256};

use super::Error;
use crate::command::Command;
use crate::files;

const BUILD: &str = include_str!("rootfs.sh");
const SUITE: &str = "bookworm";
/// python3 is there so that the same hosts can be driven by programs that need it, and as a
/// web server that every play can start.
const PACKAGES: [&str; 11] = [
    "ca-certificates",
    "curl",
    "dbus",
    "iproute2",
    "libpam-systemd",
    "openssh-server",
    "procps",
    "python3",
    "sudo",
    "systemd",
    "systemd-sysv",
];
const LIMIT: Duration = Duration::from_mins(20);

/// Waits for the lock, and makes a directory by a program unless it is there by then.
/// `flock` hands the lock to all it starts, so it is held until the last of them is gone.
const ONCE: &str = r#"set -eu
final=$1 making=$1.making
shift
[ -d "$final" ] && exit 0
rm -rf --one-file-system -- "$making"
mkdir -p -- "$making"
"$@" "$making"
sync -f "$making"
mv -T -- "$making" "$final"
"#;

/// What a root file system is made from.
#[derive(Debug, Clone, Default)]
pub(super) struct Recipe {
    /// Debian packages beside those that every host has.
    pub extra_packages: Vec<String>,
}

impl Recipe {
    /// Returns the directory with the root file system, making it if there is none yet.
    pub(super) fn provide(&self, cache: &Path) -> Result<PathBuf, Error> {
        let packages = self.packages().join(",");
        let digest = digest(&[BUILD, SUITE, &packages]);
        let build = Command::line("sh -c")
            .arg(BUILD)
            .args(["rootfs", SUITE, &packages, &mirror()]);
        let directory = cache.join(format!("rootfs-{digest}"));
        once(&directory, build)?;
        Ok(directory)
    }

    fn packages(&self) -> Vec<&str> {
        let extra = self.extra_packages.iter().map(String::as_str);
        let mut packages: Vec<_> = PACKAGES.into_iter().chain(extra).collect();
        packages.sort_unstable();
        packages.dedup();
        packages
    }
}

/// Makes a directory by a program that is given its temporary name as last argument.
///
/// However many ask for it at once, and however many of them are killed, the directory is
/// there whole or not at all, and the program runs alone.
pub fn once(directory: &Path, program: Command) -> Result<(), Error> {
    if directory.is_dir() {
        return Ok(());
    }
    if let Some(parent) = directory.parent() {
        files::make_directory(parent)?;
    }
    let mut lock = directory.as_os_str().to_owned();
    lock.push(".lock");
    // What is mounted while it is made is gone with the last process that makes it.
    let frame = Command::line("flock")
        .arg(lock)
        .args(["unshare", "--mount", "--propagation", "private"])
        .args(["sh", "-c", ONCE, "once"])
        .arg(directory);
    program.under(frame).within(LIMIT).run()?;
    Ok(())
}

fn digest(parts: &[&str]) -> String {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update(part.len().to_le_bytes());
        hasher.update(part.as_bytes());
    }
    let bytes = hasher.finalize();
    let first = bytes.iter().take(6);
    first
        .map(|byte| format!("{byte:02x}"))
        .collect::<Vec<_>>()
        .concat()
}

/// Returns where this machine itself gets the suite from; empty where it does not.
fn mirror() -> String {
    let targets = Command::line("apt-get indextargets --format")
        .args([
            "$(REPO_URI) $(RELEASE) $(COMPONENT)",
            "Created-By: Packages",
        ])
        .run();
    targets
        .ok()
        .and_then(|targets| mirror_in(&targets, SUITE))
        .unwrap_or_default()
}

fn mirror_in(targets: &str, suite: &str) -> Option<String> {
    targets.lines().find_map(|line| {
        let mut fields = line.split(' ');
        let place = fields.next()?;
        (fields.next()? == suite && fields.next()? == "main").then(|| place.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_recipe_has_another_name() {
        let parts: [&[&str]; 4] = [&["ab", "c"], &["a", "bc"], &["abc"], &["ab", "c", ""]];
        let digests: std::collections::BTreeSet<_> = parts.iter().map(|p| digest(p)).collect();
        assert_eq!(digests.len(), parts.len());
        assert_eq!(digest(parts[0]), digest(parts[0]));
    }

    #[test]
    fn extra_packages_are_added_once_and_in_order() {
        let recipe = Recipe {
            extra_packages: vec!["busybox".to_owned(), "sudo".to_owned()],
        };
        let packages = recipe.packages();
        assert_eq!(packages.len(), PACKAGES.len() + 1);
        assert_eq!(packages.first(), Some(&"busybox"));
        assert!(packages.is_sorted());
    }

    #[test]
    fn the_mirror_is_the_machines_own_for_the_suite() {
        let targets = "a://x bookworm contrib\na://u bookworm-updates main\na://m bookworm main\n";
        assert_eq!(mirror_in(targets, "bookworm").as_deref(), Some("a://m"));
        assert_eq!(mirror_in(targets, "trixie"), None);
    }
}
