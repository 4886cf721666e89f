//! `~/.ssh/config` and `/etc/ssh/ssh_config`: what they say of a host, as a [`Target`].
//!
//! As `ssh` does it: of each option the first value counts, what was said of the host beforehand (by the inventory, on
//! the command line) comes before the files, the user's file before that of all users. What cannot be done is named; a
//! host that cannot be reached without it is an error, found before anything is sent. Reads files once; asks nobody
//! else. Called by `cli`.

mod jump;
mod keywords;
mod lines;
mod reach;
mod resolve;
#[cfg(test)]
mod tests;
mod tokens;
mod words;

use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::{Surroundings, Target};
use crate::yaml::{Loc, Problem, Source};

use lines::{Entry, Line, Reader, line_of};

/// Which files are read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum ConfigFiles {
    /// The user's, then that of all users.
    #[default]
    Usual,
    /// This one only.
    Only(PathBuf),
    /// None.
    Nothing,
}

/// Something said of a host outside of files: an option, its value, and where it was said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// The option.
    pub key: String,
    /// Its value, as it would stand in a file.
    pub value: String,
    /// The name of the variable or argument that says it.
    pub by: String,
}

impl Said {
    /// Says something of a host.
    pub fn new(key: &str, value: &str, by: &str) -> Self {
        Self {
            key: key.to_owned(),
            value: value.to_owned(),
            by: by.to_owned(),
        }
    }

    /// Says something of a host in one word, whatever characters are in it.
    pub fn plain(key: &str, value: &str, by: &str) -> Self {
        let escaped = value.replace('\\', "\\\\").replace('"', "\\\"");
        Self::new(key, &format!("\"{escaped}\""), by)
    }
}

/// What the files say of all hosts.
#[derive(Debug, Clone, Default)]
pub struct SshConfig {
    files: Vec<Vec<Entry>>,
}

/// How a host is reached, and what of its configuration is not done.
#[derive(Debug, Clone)]
pub struct Reached {
    /// The target.
    pub target: Target,
    /// Lines that have no effect here, and why.
    pub warnings: Vec<Problem>,
}

impl SshConfig {
    /// Reads the files; a file that somebody named must be there.
    pub fn load(files: &ConfigFiles, surroundings: &Surroundings) -> Result<Self, Vec<Problem>> {
        let mut loading = Loading {
            home: surroundings.home.as_deref(),
            files: Vec::new(),
            problems: Vec::new(),
        };
        match files {
            ConfigFiles::Nothing => {}
            ConfigFiles::Only(path) => loading.file(path, &Kind::Named),
            ConfigFiles::Usual => {
                if let Some(home) = &surroundings.home {
                    loading.file(&home.join(".ssh/config"), &Kind::Own(surroundings.uid));
                }
                loading.file(Path::new("/etc/ssh/ssh_config"), &Kind::System);
            }
        }
        if loading.problems.is_empty() {
            Ok(Self {
                files: loading.files,
            })
        } else {
            Err(loading.problems)
        }
    }

    /// Makes the target that a host is, by what was said of it and by the files; the strongest word comes first.
    pub fn reach(
        &self,
        host: &str,
        said: &[Said],
        surroundings: &Surroundings,
    ) -> Result<Reached, Vec<Problem>> {
        let mut said_lines = Vec::new();
        let mut problems = Vec::new();
        for one in said {
            match one.line() {
                Ok(line) => said_lines.push(line),
                Err(problem) => problems.push(problem),
            }
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        reach::reach(&self.files, host, &said_lines, surroundings)
    }
}

impl Said {
    fn line(&self) -> Result<Line, Problem> {
        let text = format!("{} {}", self.key, self.value);
        let source = Source::new(self.by.clone(), text.clone());
        line_of(&text, Loc::start(&source), false)
    }
}

enum Kind {
    /// Somebody named it.
    Named,
    /// The user's own, by the user's number.
    Own(u32),
    /// That of all users.
    System,
}

struct Loading<'a> {
    home: Option<&'a Path>,
    files: Vec<Vec<Entry>>,
    problems: Vec<Problem>,
}

impl Loading<'_> {
    fn file(&mut self, path: &Path, kind: &Kind) {
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound && !matches!(kind, Kind::Named) => {
                return;
            }
            Err(error) => {
                let message = format!("cannot read {}: {error}", path.display());
                self.problems.push(Problem::nowhere(message));
                return;
            }
        };
        if let Kind::Own(uid) = kind
            && !is_own(path, *uid)
        {
            let message = format!("{} may be written by others", path.display());
            let hint = "whoever can write it decides where you log in: chmod go-w, and own it";
            self.problems.push(Problem::nowhere(message).hint(hint));
            return;
        }
        let system = matches!(kind, Kind::System);
        let base = match self.home.filter(|_| !system) {
            Some(home) => home.join(".ssh"),
            None => PathBuf::from("/etc/ssh"),
        };
        let mut reader = Reader {
            home: self.home,
            base,
            system,
            problems: Vec::new(),
        };
        let source = Source::new(path.to_string_lossy(), text);
        self.files.push(reader.read(&source, 0));
        self.problems.append(&mut reader.problems);
    }
}

/// Tells whether only the user and root can write a file.
fn is_own(path: &Path, uid: u32) -> bool {
    std::fs::metadata(path)
        .is_ok_and(|found| (found.uid() == uid || found.uid() == 0) && found.mode() & 0o022 == 0)
}
