//! What is at a path: kind, permissions, owner, times, by one `stat` of coreutils or busybox.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::word::Reply;
use crate::modules::ModuleError;

/// What a path is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum FileKind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link.
    Link,
    /// A character device.
    Character,
    /// A block device.
    Block,
    /// A named pipe.
    Pipe,
    /// A socket.
    Socket,
}

/// What `stat` knows of a path.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PathState {
    /// What it is.
    pub kind: FileKind,
    /// Its permission bits, without the kind.
    pub bits: u32,
    /// Its size in bytes.
    pub size: u64,
    /// Its owner's number.
    pub uid: u32,
    /// Its group's number.
    pub gid: u32,
    /// Its owner's name, if that number has one.
    pub user: Option<String>,
    /// Its group's name, if that number has one.
    pub group: Option<String>,
    /// Its inode.
    pub inode: u64,
    /// The device that it is on.
    pub device: u64,
    /// How many hard links it has.
    pub links: u64,
    /// When it was read, changed, and its inode changed: seconds since 1970.
    pub times: [f64; 3],
    /// Its blocks, of 512 bytes.
    pub blocks: u64,
    /// The block size that reading it is best done in.
    pub block_size: u64,
    /// A device's number.
    pub device_type: u64,
}

/// What `stat` is asked for, as a shell word; [`PathState::parse`] reads the answer.
pub(super) const FORMAT: &str = "'%f %s %u %g %i %d %h %.9X %.9Y %.9Z %b %o %t %T %U %G'";

/// The shell function `st NAME PATH [-L]`: prints the record NAME, empty if nothing is there.
///
/// An error other than "nothing there" is the record `error`.
pub const STATE: &str = r#"st() {
printf '%s=' "$1"
stat $3 -c '%f %s %u %g %i %d %h %.9X %.9Y %.9Z %b %o %t %T %U %G' -- "$2" 2>/dev/null || {
 m=$(stat $3 -c x -- "$2" 2>&1 >/dev/null)
 case $m in ''|*'No such file'*|*'Not a directory'*|*'Too many levels'*) ;; *) printf '\0error=%s' "$m" ;; esac
}
printf '\0'
}
"#;

/// Reads the record `name` that `st` printed; `None` if nothing was there.
pub fn read_state(reply: &Reply, name: &str) -> Result<Option<PathState>, ModuleError> {
    if let Some(error) = reply.line("error") {
        return Err(ModuleError::failed(error.to_owned()));
    }
    match reply.line(name) {
        Some("") => Ok(None),
        Some(line) => PathState::parse(line).map(Some).ok_or_else(|| {
            ModuleError::failed(format!("cannot read what `stat` printed: `{line}`"))
        }),
        None => Err(reply.failure("`stat` gave no answer")),
    }
}

impl PathState {
    /// Reads one line as the function `st` prints it.
    pub fn parse(line: &str) -> Option<Self> {
        let mut words = line.split(' ');
        let mut word = || words.next();
        let raw = u32::from_str_radix(word()?, 16).ok()?;
        let (size, uid, gid) = (word()?, word()?, word()?);
        let (inode, device, links) = (word()?, word()?, word()?);
        let times = [word()?, word()?, word()?];
        let (blocks, block_size) = (word()?, word()?);
        let (major, minor) = (word()?, word()?);
        let (user, group) = (word()?, words.collect::<Vec<_>>().join(" "));
        let [accessed, modified, changed] = times.map(str::parse::<f64>);
        let hex = |text| u64::from_str_radix(text, 16).ok();
        let known = |name: &str| (!matches!(name, "UNKNOWN" | "")).then(|| name.to_owned());
        Some(Self {
            kind: FileKind::of(raw)?,
            bits: raw & 0o7777,
            size: size.parse().ok()?,
            uid: uid.parse().ok()?,
            gid: gid.parse().ok()?,
            user: known(user),
            group: known(&group),
            inode: inode.parse().ok()?,
            device: device.parse().ok()?,
            links: links.parse().ok()?,
            times: [accessed.ok()?, modified.ok()?, changed.ok()?],
            blocks: blocks.parse().ok()?,
            block_size: block_size.parse().ok()?,
            device_type: (hex(major)? << 8) | hex(minor)?,
        })
    }

    /// Tells whether it is a directory.
    pub fn is_directory(&self) -> bool {
        self.kind == FileKind::Directory
    }

    /// Returns the permission bits as four octal digits.
    pub fn mode(&self) -> String {
        format!("{:04o}", self.bits)
    }

    /// Returns the fields that Ansible's file modules have in their results.
    pub fn fields(&self) -> Map<String, Value> {
        let owned =
            |name: &Option<String>, number: u32| name.clone().unwrap_or_else(|| number.to_string());
        let mut fields = Map::new();
        fields.insert("uid".into(), json!(self.uid));
        fields.insert("gid".into(), json!(self.gid));
        fields.insert("owner".into(), json!(owned(&self.user, self.uid)));
        fields.insert("group".into(), json!(owned(&self.group, self.gid)));
        fields.insert("mode".into(), json!(self.mode()));
        fields.insert("state".into(), json!(self.state()));
        fields.insert("size".into(), json!(self.size));
        fields
    }

    /// Returns the fields that Ansible's `stat` and `find` have.
    pub fn stat_fields(&self) -> Map<String, Value> {
        let mut fields = Map::new();
        let mut set = |name: &str, value: Value| {
            fields.insert(name.to_owned(), value);
        };
        set("mode", json!(self.mode()));
        for (name, kind) in [
            ("isdir", FileKind::Directory),
            ("ischr", FileKind::Character),
            ("isblk", FileKind::Block),
            ("isreg", FileKind::File),
            ("isfifo", FileKind::Pipe),
            ("islnk", FileKind::Link),
            ("issock", FileKind::Socket),
        ] {
            set(name, json!(self.kind == kind));
        }
        set("uid", json!(self.uid));
        set("gid", json!(self.gid));
        set("size", json!(self.size));
        set("inode", json!(self.inode));
        set("dev", json!(self.device));
        set("nlink", json!(self.links));
        for (name, time) in ["atime", "mtime", "ctime"].iter().zip(self.times) {
            set(name, json!(time));
        }
        for (name, bit) in [
            ("rusr", 0o400),
            ("wusr", 0o200),
            ("xusr", 0o100),
            ("rgrp", 0o040),
            ("wgrp", 0o020),
            ("xgrp", 0o010),
            ("roth", 0o004),
            ("woth", 0o002),
            ("xoth", 0o001),
            ("isuid", 0o4000),
            ("isgid", 0o2000),
        ] {
            set(name, json!(self.bits & bit != 0));
        }
        for (name, known) in [("pw_name", &self.user), ("gr_name", &self.group)] {
            if let Some(known) = known {
                set(name, json!(known));
            }
        }
        fields
    }

    /// Returns the word that Ansible's `file` has for it.
    pub fn state(&self) -> &'static str {
        match self.kind {
            FileKind::Directory => "directory",
            FileKind::Link => "link",
            FileKind::File if self.links > 1 => "hard",
            FileKind::File
            | FileKind::Character
            | FileKind::Block
            | FileKind::Pipe
            | FileKind::Socket => "file",
        }
    }
}

impl FileKind {
    /// Reads the kind from raw mode bits.
    pub fn of(raw: u32) -> Option<Self> {
        Some(match raw & 0o170_000 {
            0o100_000 => Self::File,
            0o040_000 => Self::Directory,
            0o120_000 => Self::Link,
            0o020_000 => Self::Character,
            0o060_000 => Self::Block,
            0o010_000 => Self::Pipe,
            0o140_000 => Self::Socket,
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_function_asks_for_what_is_read() {
        assert!(STATE.contains(&format!("-c {FORMAT} --")));
    }

    #[test]
    fn a_line_of_stat_is_read() {
        let line = "81a4 1267 0 65534 1196120 65024 1 1795232886.197311534 1795232886 1795232886.5 8 4096 0 0 root UNKNOWN";
        let state = PathState::parse(line).unwrap();
        assert_eq!(state.kind, FileKind::File);
        assert_eq!((state.bits, state.size, state.gid), (0o644, 1267, 65534));
        assert_eq!(
            (state.user.as_deref(), state.group.as_deref()),
            (Some("root"), None)
        );
        assert_eq!(state.fields().get("group"), Some(&json!("65534")));
        assert!(PathState::parse("81a4 x").is_none());
    }
}
