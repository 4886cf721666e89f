//! A person with the binary in a directory of their own: files are written, a command is typed, and what it printed and
//! how it ended is looked at together.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use regex::Regex;
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

/// Somebody at a shell.
#[derive(Debug)]
pub(crate) struct User {
    home: TempDir,
    /// Where the hosts, which are all this machine, keep jobs and notes.
    hosts: TempDir,
}

/// What one command did.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Ran {
    /// The exit code; nothing if a signal ended it.
    pub(crate) code: Option<i32>,
    /// Standard output.
    pub(crate) out: String,
    /// Standard error, with `TIME`, `RUN` and `HOME` in place of what differs from run to run.
    pub(crate) err: String,
}

impl User {
    pub(crate) fn new() -> Self {
        Self {
            home: tempfile::tempdir().unwrap(),
            hosts: tempfile::tempdir().unwrap(),
        }
    }

    /// Has a file.
    #[must_use]
    pub(crate) fn with(self, path: &str, text: &str) -> Self {
        self.writes(path, text);
        self
    }

    /// Writes a file, with its directories.
    #[expect(
        clippy::disallowed_methods,
        reason = "a test's file need not survive a crash"
    )]
    pub(crate) fn writes(&self, path: &str, text: &str) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// Returns the directory in which the hosts keep what is theirs.
    pub(crate) fn hosts(&self) -> PathBuf {
        let user = rustix::process::geteuid().as_raw();
        self.hosts.path().join(user.to_string())
    }

    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.home.path().join(path)
    }

    pub(crate) fn read(&self, path: &str) -> String {
        fs::read_to_string(self.path(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    pub(crate) fn has(&self, path: &str) -> bool {
        self.path(path).exists()
    }

    /// Types `stagger` and the words of a line; a word with blanks stands in single quotes.
    pub(crate) fn types(&self, line: &str) -> Ran {
        let output = self.command(line).stdin(Stdio::null()).output().unwrap();
        self.ran(&output)
    }

    /// Applies a playbook to this machine.
    pub(crate) fn applies(&self, line: &str) -> Ran {
        self.types(&format!(
            "apply {line} -i localhost, -e ansible_connection=local --state state"
        ))
    }

    /// Types a line and sends a signal as soon as a line like this one is told; returns what was told until then, and the
    /// end with all that was told behind it.
    pub(crate) fn types_and_signals(
        &self,
        line: &str,
        signal: Signal,
        is_there: impl Fn(&str) -> bool,
    ) -> (String, Ran) {
        let mut child = self
            .command(line)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let mut lines = lines.map(Result::unwrap);
        let mut before = Vec::new();
        for line in lines.by_ref() {
            let found = is_there(&line);
            before.push(line);
            if found {
                break;
            }
        }
        let pid = Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
        kill_process(pid, signal).unwrap();
        let behind: Vec<String> = lines.collect();
        let ran = Ran {
            code: child.wait().unwrap().code(),
            out: String::new(),
            err: behind.join("\n"),
        };
        (before.join("\n"), ran)
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "the one place where this test starts the binary"
    )]
    pub(crate) fn command(&self, line: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_stagger"));
        command
            .args(words(line))
            .current_dir(self.home.path())
            .env_clear()
            .env("HOME", self.home.path())
            .env("STAGGER_HOST_STATE", self.hosts.path())
            .env(
                "PATH",
                "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            );
        command
    }

    pub(crate) fn ran(&self, output: &Output) -> Ran {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Ran {
            code: output.status.code(),
            out: text(&output.stdout),
            err: steady(&text(&output.stderr), self.home.path()),
        }
    }
}

impl Ran {
    /// Requires an end without a mistake, and returns what was printed as data.
    #[track_caller]
    pub(crate) fn done(&self) -> &str {
        assert_eq!(self.code, Some(0), "{self:#?}");
        &self.out
    }

    /// Requires an exit code and texts in what was told.
    #[track_caller]
    pub(crate) fn ended(&self, code: i32, told: &[&str]) {
        assert_eq!(self.code, Some(code), "{self:#?}");
        for text in told {
            assert!(self.err.contains(text), "`{text}` is not in {self:#?}");
        }
    }

    /// Returns the lines that begin with a word, such as `changed`.
    pub(crate) fn lines(&self, word: &str) -> Vec<&str> {
        let start = format!("TIME {word:<11} ");
        let lines = self.err.lines();
        lines.filter_map(|line| line.strip_prefix(&start)).collect()
    }
}

fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    for (part, quoted) in line.split('\'').zip([false, true].into_iter().cycle()) {
        if quoted {
            words.push(part.to_owned());
        } else {
            words.extend(part.split_whitespace().map(str::to_owned));
        }
    }
    words
}

fn steady(text: &str, home: &Path) -> String {
    let text = text.replace(&*home.to_string_lossy(), "HOME");
    let run = Regex::new(r"\d{8}-\d{6}-[0-9a-f]{4}").unwrap();
    let time = Regex::new(r"(?m)^\d\d:\d\d:\d\d ").unwrap();
    time.replace_all(&run.replace_all(&text, "RUN"), "TIME ")
        .into_owned()
}

/// The top level of the files that belong to the product.
pub(crate) fn top() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
