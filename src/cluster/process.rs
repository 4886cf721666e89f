//! What `/proc` shows of a process: who it is, what it runs, under which limits, where, as whom.
//!
//! One shell function prints it, one parser reads it. A process is named by its pid, the time at which it started and the
//! boot it belongs to: a pid alone may have been given to somebody else meanwhile.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

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
pub const SHELL: &str = r#"stagger_b64() { base64 | tr -d '\n'; }
stagger_process() {
  case $1 in ''|0|*[!0-9]*) return 1;; esac
  stagger_d=/proc/$1
  read -r stagger_s 2>/dev/null <"$stagger_d/stat" || return 1
  printf 'process %s\n' "$1"
  printf 'stat %s\n' "$(printf %s "$stagger_s" | stagger_b64)"
  printf 'exe %s\n' "$(readlink "$stagger_d/exe" 2>/dev/null | stagger_b64)"
  printf 'cwd %s\n' "$(readlink "$stagger_d/cwd" 2>/dev/null | stagger_b64)"
  printf 'argv %s\n' "$(stagger_b64 2>/dev/null <"$stagger_d/cmdline")"
  printf 'environ %s\n' "$(cat "$stagger_d/environ" 2>/dev/null | stagger_b64)"
  printf 'status %s\n' "$(cat "$stagger_d/status" 2>/dev/null | stagger_b64)"
  printf 'limits %s\n' "$(cat "$stagger_d/limits" 2>/dev/null | stagger_b64)"
  read -r stagger_s 2>/dev/null <"$stagger_d/stat" || return 1
  printf 'again %s\n' "$(printf %s "$stagger_s" | stagger_b64)"
}
"#;

/// Reads what `stagger_process` printed, for any number of processes; lines of others are passed over, and a process that
/// ended or changed while it was read is left out.
pub fn parse(text: &str) -> Vec<Process> {
    let mut found = Vec::new();
    let mut fields: BTreeMap<&str, Vec<u8>> = BTreeMap::new();
    for line in text.lines() {
        let (key, value) = line.split_once(' ').unwrap_or((line, ""));
        if key == "process" {
            fields = BTreeMap::new();
        } else if let Ok(bytes) = STANDARD.decode(value) {
            fields.insert(key, bytes);
            if key == "again" {
                found.extend(process(&fields));
            }
        }
    }
    found
}

fn process(fields: &BTreeMap<&str, Vec<u8>>) -> Option<Process> {
    let text = |key: &str| {
        String::from_utf8_lossy(fields.get(key).map(Vec::as_slice).unwrap_or_default()).into_owned()
    };
    let (before, after) = (Stat::parse(&text("stat"))?, Stat::parse(&text("again"))?);
    if before.start != after.start || after.state == 'Z' {
        return None;
    }
    let status = text("status");
    let ids = |key: &str| -> Vec<u32> {
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix(key))
            .unwrap_or_default();
        line.split_whitespace()
            .filter_map(|id| id.parse().ok())
            .collect()
    };
    let umask = status
        .lines()
        .find_map(|line| line.strip_prefix("Umask:"))
        .unwrap_or_default();
    let words = |key: &str| nul_separated(fields.get(key).map(Vec::as_slice).unwrap_or_default());
    Some(Process {
        pid: before.pid,
        start: before.start,
        parent: before.parent,
        state: after.state,
        exe: text("exe").trim_end_matches('\n').to_owned(),
        argv: words("argv"),
        environment: words("environ"),
        directory: text("cwd").trim_end_matches('\n').to_owned(),
        uid: ids("Uid:").get(1).copied()?,
        gid: ids("Gid:").get(1).copied()?,
        groups: ids("Groups:"),
        umask: umask.trim().to_owned(),
        limits: limits(&text("limits")),
    })
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

/// Reads `/proc/PID/limits`: the name, two or more blanks, soft, hard, unit.
fn limits(text: &str) -> BTreeMap<String, (String, String)> {
    let row = |line: &str| {
        let (name, rest) = line.split_once("  ")?;
        let mut values = rest.split_whitespace();
        Some((
            name.to_owned(),
            (values.next()?.to_owned(), values.next()?.to_owned()),
        ))
    };
    text.lines().skip(1).filter_map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;
    use std::process::{Command, Stdio};

    #[expect(
        clippy::disallowed_methods,
        reason = "the shell function is tried in real shells"
    )]
    fn show(shell: &[&str], pid: u32) -> String {
        let (program, arguments) = shell.split_first().unwrap();
        let mut child = Command::new(program)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let text = format!("{SHELL}\nstagger_process {pid}\nstagger_process 0 || echo none\n");
        child
            .stdin
            .take()
            .unwrap()
            .write_all(text.as_bytes())
            .unwrap();
        String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap()
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "a process to look at is needed")]
    fn a_process_is_read_back_by_every_shell_as_it_was_started() {
        let argv0 = ["-c", "read x; :", "a b", "", "c\nd", "$HOME`x`"];
        let mut child = Command::new("/bin/sh")
            .args(argv0)
            .env("STAGGER_PROBE", "1\n2")
            .current_dir("/usr")
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        for shell in [&["dash"][..], &["bash"], &["busybox", "sh"]] {
            let text = show(shell, child.id());
            assert!(text.ends_with("none\n"), "pid 0 is nobody: {text}");
            let [process] = &parse(&text)[..] else {
                panic!("{shell:?}: {text}")
            };
            assert_eq!(process.pid, child.id());
            assert_eq!(process.parent, std::process::id());
            assert_eq!(process.directory, "/usr");
            assert_eq!(process.command_line()[1..], argv0);
            assert!(
                process
                    .environment
                    .contains(&b"STAGGER_PROBE=1\n2".to_vec())
            );
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
        assert_eq!(
            parse(&show(&["dash"], child.id())),
            [],
            "one that ended is no process"
        );
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
