//! The machine as templates see it: files that are searched, programs, addresses, the environment.

use std::fs;
use std::io;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};
use std::time::Duration;

use super::{Machine, end, reason};
use crate::clock::{Clock as _, Stop, SystemClock};
use crate::connection::Limit;
use crate::connection::http::{HttpCall, http};
use crate::{playbook, template};

/// How long the lookup `url` may take, as in Ansible.
const FETCHING: Duration = Duration::from_secs(10);

impl template::Outside for Machine {
    fn read(&self, kind: &str, path: &str) -> Result<String, String> {
        let found =
            template::Outside::find(self, kind, path).ok_or_else(|| "no such file".to_owned())?;
        let content = self.memory.read(&found, || Self::read_file(&found))?;
        let content = self.opened(&found, content)?;
        String::from_utf8(content).map_err(|_| format!("{found} is no UTF-8 text"))
    }

    fn find(&self, kind: &str, path: &str) -> Option<String> {
        let is_file =
            |place: &String| playbook::Files::kind(self, place) == Some(playbook::FileKind::File);
        self.candidates(kind, path).into_iter().find(is_file)
    }

    fn glob(&self, kind: &str, pattern: &str) -> Vec<String> {
        let (directory, name) = pattern.rsplit_once('/').unwrap_or((".", pattern));
        let matches = |found: &String| wildcard(name, found);
        for place in self.candidates(kind, directory) {
            let mut found: Vec<String> = playbook::Files::list(self, &place)
                .into_iter()
                .filter(matches)
                .collect();
            if !found.is_empty() {
                found.sort();
                return found
                    .into_iter()
                    .map(|name| playbook::join(&place, &name))
                    .collect();
            }
        }
        Vec::new()
    }

    fn env(&self, name: &str) -> Option<String> {
        self.environment.get(name).map(str::to_owned)
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "the `pipe` lookup runs a command of the operator's machine"
    )]
    fn pipe(&self, command: &str) -> Result<String, String> {
        let output = Command::new("/bin/sh")
            .args(["-c", command])
            .stdin(Stdio::null())
            // A Ctrl-C at the terminal, and its loss, are for the run.
            .process_group(0)
            .output()
            .map_err(|error| reason(&error))?;
        if output.status.success() {
            Ok(String::from_utf8_lossy(&output.stdout)
                .trim_end_matches('\n')
                .to_owned())
        } else {
            Err(format!(
                "{}: {}",
                end(output.status),
                String::from_utf8_lossy(&output.stderr).trim()
            ))
        }
    }

    fn fetch(&self, url: &str) -> Result<String, String> {
        let (clock, stop) = (SystemClock::new(), Stop::new());
        let limit = Limit {
            clock: &clock,
            stop: &stop,
            deadline: clock.deadline(FETCHING),
        };
        let call = HttpCall {
            redirects: 10,
            ..HttpCall::get(url, FETCHING)
        };
        let reply = http(&call, None, limit).map_err(|error| format!("{url}: {error}"))?;
        if !(200..300).contains(&reply.status) {
            return Err(format!("{url} answered with status {}", reply.status));
        }
        String::from_utf8(reply.body).map_err(|_| format!("{url}: its answer is no UTF-8 text"))
    }

    fn path_kind(&self, path: &str) -> Result<Option<template::PathKind>, String> {
        match fs::metadata(path) {
            Ok(found) if found.is_dir() => Ok(Some(template::PathKind::Directory)),
            Ok(found) if found.is_file() => Ok(Some(template::PathKind::File)),
            Ok(_) => Ok(Some(template::PathKind::Other)),
            Err(error) if is_missing(&error) => {
                Ok(playbook::Files::kind(self, path).map(|kind| match kind {
                    playbook::FileKind::File => template::PathKind::File,
                    playbook::FileKind::Directory => template::PathKind::Directory,
                }))
            }
            Err(error) => Err(format!("{path}: {}", reason(&error))),
        }
    }
}

/// Tells whether an error means that nothing is there; a path below a file is none either.
fn is_missing(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    )
}

/// Matches a name against a shell pattern with `*` and `?`.
pub(super) fn wildcard(pattern: &str, name: &str) -> bool {
    match (pattern.chars().next(), name.chars().next()) {
        (None, None) => true,
        (Some('*'), _) => {
            let rest = pattern.get(1..).unwrap_or_default();
            wildcard(rest, name)
                || name
                    .char_indices()
                    .nth(1)
                    .map_or(!name.is_empty() && wildcard(pattern, ""), |(next, _)| {
                        wildcard(pattern, name.get(next..).unwrap_or_default())
                    })
        }
        (Some('?'), Some(c)) => wildcard(
            pattern.get(1..).unwrap_or_default(),
            name.get(c.len_utf8()..).unwrap_or_default(),
        ),
        (Some(a), Some(b)) if a == b => wildcard(
            pattern.get(a.len_utf8()..).unwrap_or_default(),
            name.get(b.len_utf8()..).unwrap_or_default(),
        ),
        _ => false,
    }
}
