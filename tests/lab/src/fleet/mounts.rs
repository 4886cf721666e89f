//! What is mounted on this machine, and taking mounts away.

use std::path::{Path, PathBuf};

use super::Error;
use crate::command::Command;
use crate::files;

/// One mount.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Mount<'a> {
    /// Where it is mounted.
    pub(super) place: PathBuf,
    /// The kind of its file system.
    pub(super) kind: &'a str,
}

/// Returns the machine's list of mounts.
pub(super) fn text() -> Result<String, Error> {
    Ok(files::read(Path::new("/proc/self/mountinfo"))?)
}

/// Reads a list of mounts.
pub(super) fn parse(mountinfo: &str) -> impl Iterator<Item = Mount<'_>> {
    mountinfo.lines().filter_map(|line| {
        let (fields, about) = line.split_once(" - ")?;
        Some(Mount {
            place: unescape(fields.split(' ').nth(4)?),
            kind: about.split(' ').next()?,
        })
    })
}

/// Takes away every mount at or below a directory, the innermost first.
pub(super) fn take_away_below(directory: &Path) -> Result<(), Error> {
    let mountinfo = text()?;
    let below = parse(&mountinfo).filter(|mount| mount.place.starts_with(directory));
    let places: Vec<_> = below.map(|mount| mount.place).collect();
    for place in places.iter().rev() {
        let plain = Command::line("umount --").arg(place);
        if plain.run().is_err() {
            // Somebody still stands in it; out of sight is all that is needed to go on.
            Command::line("umount --lazy --").arg(place).run()?;
        }
    }
    Ok(())
}

/// Undoes the kernel's writing of spaces, tabs, newlines and backslashes as octal numbers.
fn unescape(field: &str) -> PathBuf {
    let escapes = [("\\040", " "), ("\\011", "\t"), ("\\012", "\n")];
    let text = escapes
        .iter()
        .fold(field.to_owned(), |text, (from, to)| text.replace(from, to));
    PathBuf::from(text.replace("\\134", "\\"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_of_mounts_is_read_with_its_optional_fields_and_escapes() {
        let text = "31 23 0:28 / /sys rw,relatime - tmpfs tmpfs rw\n\
                    40 31 0:38 / /a\\040b/c rw shared:1 master:2 - overlay overlay rw,lowerdir=/x\n\
                    not a mount\n";
        let mounts: Vec<_> = parse(text).collect();
        let expected = [("/sys", "tmpfs"), ("/a b/c", "overlay")];
        assert_eq!(mounts.len(), expected.len());
        for (mount, (place, kind)) in mounts.iter().zip(expected) {
            assert_eq!(
                (mount.place.as_path(), mount.kind),
                (Path::new(place), kind)
            );
        }
    }
}
