//! What lies on a case's host: made before it, compared after it, and pictured to see that observing changes nothing.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use base64::Engine as _;

use crate::case::{Entry, Thing};

fn thing(entry: &Entry) -> Thing {
    match entry {
        Entry::Text(text) => Thing {
            content: Some(text.clone()),
            ..Thing::default()
        },
        Entry::Other(thing) => thing.clone(),
    }
}

fn bytes(thing: &Thing) -> Vec<u8> {
    match &thing.base64 {
        Some(text) => base64::engine::general_purpose::STANDARD
            .decode(text)
            .unwrap(),
        None => thing.content.clone().unwrap_or_default().into_bytes(),
    }
}

/// Makes one file, directory or link.
pub fn make(path: &Path, entry: &Entry) {
    let thing = thing(entry);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    if let Some(target) = &thing.link {
        std::os::unix::fs::symlink(target, path).unwrap();
        return;
    }
    if let Some(other) = &thing.hard {
        fs::hard_link(other, path).unwrap();
        return;
    }
    if thing.directory {
        fs::create_dir_all(path).unwrap();
    } else {
        fs::write(path, bytes(&thing)).unwrap();
    }
    if let Some(owner) = &thing.owner {
        let (uid, gid) = owner.split_once(':').unwrap();
        std::os::unix::fs::chown(path, uid.parse().ok(), gid.parse().ok()).unwrap();
    }
    let default = if thing.directory { "0755" } else { "0644" };
    let mode = u32::from_str_radix(thing.mode.as_deref().unwrap_or(default), 8).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    if let Some(modified) = thing.modified {
        let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(modified);
        fs::File::open(path).unwrap().set_modified(time).unwrap();
    }
}

/// Compares what is there with what a case wants.
pub fn compare_tree(dir: &Path, wanted: &BTreeMap<String, Option<Entry>>) -> Result<(), String> {
    for (name, entry) in wanted {
        let path = dir.join(name);
        let found = fs::symlink_metadata(&path);
        let Some(entry) = entry else {
            if found.is_ok() {
                return Err(format!("{name} is there"));
            }
            continue;
        };
        let found = found
            .map_err(|error| format!("{name}: {error}; there are {:?}", snapshot(dir).keys()))?;
        let thing = thing(entry);
        if let Some(target) = &thing.link {
            if fs::read_link(&path).ok().as_deref() != Some(Path::new(target)) {
                return Err(format!("{name} does not lead to {target}"));
            }
            continue;
        }
        if thing.directory != found.is_dir() || found.is_symlink() {
            return Err(format!("{name} is {:?}", found.file_type()));
        }
        if (thing.content.is_some() || thing.base64.is_some())
            && fs::read(&path).unwrap() != bytes(&thing)
        {
            let text = String::from_utf8_lossy(&fs::read(&path).unwrap()).into_owned();
            return Err(format!("{name} holds {text:?}"));
        }
        let mode = format!("{:04o}", found.permissions().mode() & 0o7777);
        if thing.mode.as_ref().is_some_and(|wanted| *wanted != mode) {
            return Err(format!("{name} has the mode {mode}"));
        }
        let owner = format!("{}:{}", found.uid(), found.gid());
        if thing.owner.as_ref().is_some_and(|wanted| *wanted != owner) {
            return Err(format!("{name} belongs to {owner}"));
        }
        if let Some(other) = &thing.hard {
            let other = fs::metadata(other).map_err(|error| error.to_string())?;
            if other.ino() != found.ino() {
                return Err(format!("{name} is another file"));
            }
        }
        if thing
            .modified
            .is_some_and(|wanted| i64::try_from(wanted).unwrap() != found.mtime())
        {
            return Err(format!("{name} was changed at {}", found.mtime()));
        }
    }
    Ok(())
}

/// Everything in a directory, as text that differs when anything differs.
pub fn snapshot(dir: &Path) -> BTreeMap<PathBuf, String> {
    let mut found = BTreeMap::new();
    let mut left = vec![dir.to_path_buf()];
    while let Some(path) = left.pop() {
        let Ok(state) = fs::symlink_metadata(&path) else {
            continue;
        };
        let mut shown = String::new();
        write!(
            shown,
            "{:o} {}:{} {} {}.{}",
            state.mode(),
            state.uid(),
            state.gid(),
            state.size(),
            state.mtime(),
            state.mtime_nsec()
        )
        .unwrap();
        if state.is_dir() {
            left.extend(
                fs::read_dir(&path)
                    .unwrap()
                    .map(|entry| entry.unwrap().path()),
            );
        } else if state.is_file() {
            write!(
                shown,
                " {:?}",
                String::from_utf8_lossy(&fs::read(&path).unwrap())
            )
            .unwrap();
        }
        found.insert(path, shown);
    }
    found
}
