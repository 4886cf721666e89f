//! What `/proc` shows of a process: who it is, what it runs, under which limits, where, as whom.
//!
//! One shell function prints it, one parser reads it. A process is named by its pid, the time at which it started and the
//! boot it belongs to: a pid alone may have been given to somebody else meanwhile.

use std::collections::BTreeMap;

use super::sections::Part;

/// A process of a host, as it was at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Process {
    /// Its id.
    pub pid: u32,
    /// When it started, in clock ticks since boot (field 22 of `/proc/PID/stat`).
    pub start: u64,
    /// Its parent's id.
    pub parent: u32,
    /// Its state's letter; `Z` is dead already.
    pub state: char,
    /// The file that it runs; ` (deleted)` at its end when that was replaced.
    pub exe: String,
    /// Its argument vector, byte for byte.
    pub argv: Vec<Vec<u8>>,
    /// Its environment, `NAME=value` byte for byte.
    pub environment: Vec<Vec<u8>>,
    /// Its working directory.
    pub directory: String,
    /// Its effective user's id.
    pub uid: u32,
    /// Its effective group's id.
    pub gid: u32,
    /// Its further groups.
    pub groups: Vec<u32>,
    /// Its file mode creation mask, as octal text; empty before Linux 4.7.
    pub umask: String,
    /// Its limits by the names of `/proc/PID/limits`: soft and hard, `unlimited` or a number.
    pub limits: BTreeMap<String, (String, String)>,
}

impl Process {
    /// Returns the arguments as text, bad UTF-8 replaced; for people, not for running.
    pub fn command_line(&self) -> Vec<String> {
        self.argv
            .iter()
            .map(|word| String::from_utf8_lossy(word).into_owned())
            .collect()
    }

    /// Returns the file name of what it runs.
    pub fn program(&self) -> &str {
        let path = self.exe.trim_end_matches(" (deleted)");
        path.rsplit('/').next().unwrap_or(path)
    }

    /// Returns the value of an option given as `--name value` or `--name=value`; the last one if it is given twice.
    pub fn option(&self, name: &str) -> Option<String> {
        option(&self.command_line(), name)
    }
}

/// Returns the last value of an option in an argument vector.
pub fn option(argv: &[String], name: &str) -> Option<String> {
    let mut found = None;
    let mut words = argv.iter().peekable();
    while let Some(word) = words.next() {
        if word == name {
            found = words.peek().map(|value| (*value).clone());
        } else if let Some(value) = word
            .strip_prefix(name)
            .and_then(|rest| rest.strip_prefix('='))
        {
            found = Some(value.to_owned());
        }
    }
    found
}

/// Defines the shell function `stagger_process PID`, which prints a process for [`parse`]; it prints nothing and fails
/// when there is none. What it prints belongs together: it looks at the start time before and after.
///
/// It wants `stagger_at` of a [`Marker`](super::sections::Marker) before it. It starts four programs; the `readlink` of
/// busybox takes one path only, and knows no `-z`.
pub const SHELL: &str = r#"stagger_process() {
  case $1 in ''|0|*[!0-9]*) return 1;; esac
  stagger_d=/proc/$1
  read -r stagger_s 2>/dev/null <"$stagger_d/stat" || return 1
  stagger_at process; stagger_at stat; printf %s "$stagger_s"
  stagger_at links
  readlink -z "$stagger_d/exe" "$stagger_d/cwd" 2>/dev/null || {
    stagger_at exe; readlink "$stagger_d/exe" 2>/dev/null
    stagger_at cwd; readlink "$stagger_d/cwd" 2>/dev/null
  }
  stagger_at argv; cat "$stagger_d/cmdline" 2>/dev/null
  stagger_at environ; cat "$stagger_d/environ" 2>/dev/null
  stagger_at status; cat "$stagger_d/status" "$stagger_d/limits" 2>/dev/null
  read -r stagger_s 2>/dev/null <"$stagger_d/stat" || return 1
  stagger_at again; printf %s "$stagger_s"
}
"#;

/// Reads what `stagger_process` printed, for any number of processes; parts of others are passed over, and a process that
/// ended or changed while it was read is left out.
pub fn parse(parts: &[Part<'_>]) -> Vec<Process> {
    let mut found = Vec::new();
    let mut fields: BTreeMap<&str, &[u8]> = BTreeMap::new();
    for part in parts {
        if part.name == "process" {
            fields.clear();
        } else {
            fields.insert(part.name, part.content);
        }
        if part.name == "again" {
            found.extend(process(&fields));
        }
    }
    found
}

fn process(fields: &BTreeMap<&str, &[u8]>) -> Option<Process> {
    let bytes = |key: &str| fields.get(key).copied().unwrap_or_default();
    let text = |key: &str| String::from_utf8_lossy(bytes(key)).into_owned();
    let (before, after) = (Stat::parse(&text("stat"))?, Stat::parse(&text("again"))?);
    if before.start != after.start || after.state == 'Z' {
        return None;
    }
    let status = text("status");
    let of = |key: &str| {
        let mut lines = status.lines();
        lines.find_map(|line| line.strip_prefix(key)).unwrap_or("")
    };
    let ids = |key: &str| -> Vec<u32> {
        let ids = of(key).split_whitespace();
        ids.filter_map(|id| id.parse().ok()).collect()
    };
    let (exe, directory) = links(fields);
    Some(Process {
        pid: before.pid,
        start: before.start,
        parent: before.parent,
        state: after.state,
        exe,
        argv: nul_separated(bytes("argv")),
        environment: nul_separated(bytes("environ")),
        directory,
        uid: ids("Uid:").get(1).copied()?,
        gid: ids("Gid:").get(1).copied()?,
        groups: ids("Groups:"),
        umask: of("Umask:").trim().to_owned(),
        limits: limits(&status),
    })
}

/// Returns the file that runs and the working directory, as one `readlink` told them or as two did.
fn links(fields: &BTreeMap<&str, &[u8]>) -> (String, String) {
    let bytes = |key: &str| fields.get(key).copied().unwrap_or_default();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if let [exe, directory] = &nul_separated(bytes("links"))[..]
        && !fields.contains_key("exe")
    {
        return (text(exe), text(directory));
    }
    let line = |key| text(bytes(key)).trim_end_matches('\n').to_owned();
    (line("exe"), line("cwd"))
}

/// The fields of `/proc/PID/stat` that matter; the program's name in parentheses may hold anything.
struct Stat {
    pid: u32,
    state: char,
    parent: u32,
    start: u64,
}

impl Stat {
    fn parse(line: &str) -> Option<Self> {
        let (pid, _) = line.split_once(' ')?;
        let (_, rest) = line.rsplit_once(") ")?;
        let fields: Vec<&str> = rest.split_whitespace().collect();
        Some(Self {
            pid: pid.parse().ok()?,
            state: fields.first()?.chars().next()?,
            parent: fields.get(1)?.parse().ok()?,
            start: fields.get(19)?.parse().ok()?,
        })
    }
}

fn nul_separated(bytes: &[u8]) -> Vec<Vec<u8>> {
    let bytes = bytes.strip_suffix(&[0]).unwrap_or(bytes);
    if bytes.is_empty() {
        Vec::new()
    } else {
        bytes.split(|byte| *byte == 0).map(<[u8]>::to_vec).collect()
    }
}

/// Reads `/proc/PID/limits` behind the status: below a headline the name, two or more blanks, soft, hard, unit.
fn limits(text: &str) -> BTreeMap<String, (String, String)> {
    let row = |line: &str| {
        let (name, rest) = line.split_once("  ")?;
        let mut values = rest.split_whitespace();
        Some((
            name.to_owned(),
            (values.next()?.to_owned(), values.next()?.to_owned()),
        ))
    };
    let rows = text.lines().skip_while(|line| !line.starts_with("Limit "));
    rows.skip(1).filter_map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::sections::Marker;
    use crate::cluster::sections::testing::{SHELLS, printed, programs_of};
    use std::os::unix::ffi::OsStrExt as _;
    use std::process::{Command, Stdio};

    fn show(shell: &[&str], pid: u32) -> Vec<Process> {
        let marker = Marker::new("b0a1");
        let text = format!(
            "{}{SHELL}\nstagger_process {pid}\nstagger_process 0 || stagger_at none\n",
            marker.shell()
        );
        let out = printed(shell, &text, None);
        let parts = marker.parts(&out);
        let last = parts.last().map(|part| part.name);
        assert_eq!(last, Some("none"), "pid 0 is nobody: {parts:?}");
        parse(&parts)
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "a process to look at is needed")]
    fn a_process_is_read_back_by_every_shell_as_it_was_started() {
        // Neither in its words nor in its environment can it pretend to be something else.
        let forged = "\n\u{1e}b0a2 exe\n/bin/evil\n\u{1e}b0a2 again\n";
        let bad = std::ffi::OsStr::from_bytes(b"\xff\xfe");
        let argv0 = ["-c", "read x; :", "a b", "", "c\nd", "$HOME`x`", forged];
        let mut child = Command::new("/bin/sh")
            .args(argv0)
            .env("STAGGER_PROBE", "1\n2")
            .env("STAGGER_FORGED", forged)
            .env("STAGGER_BAD", bad)
            .current_dir("/usr")
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        for shell in SHELLS {
            let found = show(shell, child.id());
            let [process] = &found[..] else {
                panic!("{shell:?}: {found:?}")
            };
            assert_eq!(process.pid, child.id());
            assert_eq!(process.parent, std::process::id());
            assert_eq!(process.directory, "/usr");
            assert_eq!(process.command_line()[1..], argv0);
            for (name, value) in [
                ("PROBE", &b"1\n2"[..]),
                ("FORGED", forged.as_bytes()),
                ("BAD", bad.as_bytes()),
            ] {
                let entry = [b"STAGGER_", name.as_bytes(), b"=", value].concat();
                assert!(process.environment.contains(&entry), "{name}");
            }
            assert_eq!(process.umask.len(), 4);
            assert!(
                process.limits.contains_key("Max open files"),
                "{:?}",
                process.limits
            );
            assert!(
                process.start > 0 && process.exe.starts_with('/'),
                "{process:?}"
            );
        }
        child.stdin.take();
        child.wait().unwrap();
        let gone = show(&["dash"], child.id());
        assert_eq!(gone, [], "one that ended is no process");
    }

    #[test]
    fn few_programs_are_started_for_a_process() {
        let marker = Marker::new("b0a1");
        let own = std::process::id();
        let text = format!("{}{SHELL}\nstagger_process {own}\n", marker.shell());
        assert_eq!(programs_of(&text), ["readlink", "cat", "cat", "cat"]);
    }

    #[test]
    fn a_program_name_with_parentheses_does_not_shift_the_fields() {
        let line = "42 (a) b) (c) S 7 42 42 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 987654 1 1";
        let stat = Stat::parse(line).unwrap();
        assert_eq!(
            (stat.pid, stat.state, stat.parent, stat.start),
            (42, 'S', 7, 987_654)
        );
    }

    #[test]
    fn options_are_found_in_both_forms() {
        let argv: Vec<String> = ["x", "--a", "1", "--b=2", "--a=3"]
            .map(str::to_owned)
            .into();
        assert_eq!(option(&argv, "--a").as_deref(), Some("3"));
        assert_eq!(option(&argv, "--b").as_deref(), Some("2"));
        assert_eq!(option(&argv, "--c"), None);
    }
}
