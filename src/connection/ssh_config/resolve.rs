//! Which lines of the files count for one host: the first value of each option wins, key files gather. Pure.

use std::collections::BTreeMap;

use crate::yaml::Problem;

use super::keywords::{Meaning, meaning, names};
use super::lines::{Criterion, Entry, Line};
use super::words::any_matches;

/// What counts for one host.
#[derive(Debug, Clone, Default)]
pub(super) struct Given {
    values: BTreeMap<String, Line>,
    /// The lines that name key files, the first one first.
    pub(super) identity_files: Vec<Line>,
    /// What cannot be done, and what `ssh` does not know either; nothing is lost that the host cannot do without.
    pub(super) warnings: Vec<Problem>,
    /// What the host cannot be reached without, and what is wrong.
    pub(super) problems: Vec<Problem>,
}

impl Given {
    /// Returns the line that counts for an option.
    pub(super) fn line(&self, key: &str) -> Option<&Line> {
        self.values.get(key)
    }

    /// Returns the first word said of an option.
    pub(super) fn word(&self, key: &str) -> Option<&str> {
        self.line(key).map(Line::word)
    }

    fn take(&mut self, line: &Line) {
        match line.key.as_str() {
            "identityfile" => {
                let known = |other: &Line| other.word() == line.word();
                if !self.identity_files.iter().any(known) {
                    self.identity_files.push(line.clone());
                }
            }
            // Whichever of them comes first says how the host is reached.
            "proxycommand" if self.values.contains_key("proxyjump") => {}
            "proxyjump" if self.values.contains_key("proxycommand") => {}
            _ => {
                self.values
                    .entry(line.key.clone())
                    .or_insert_with(|| line.clone());
            }
        }
    }

    /// Sorts what was said and is not understood into what may be told and what must be.
    fn judge(&mut self, dialled: bool) {
        let ignored = self
            .line("ignoreunknown")
            .map(|line| line.rest.to_ascii_lowercase());
        let ignored = |key: &str| {
            let patterns = ignored.iter().flat_map(|list| list.split([',', ' ']));
            any_matches(patterns, key)
        };
        for line in self.values.values() {
            match meaning(&line.key) {
                Some(Meaning::Taken | Meaning::NoMatter) => {}
                Some(Meaning::Not(harmless, lost)) => {
                    // Debian's file for all users turns Kerberos on everywhere: that says nothing of this host.
                    let usual = line.system && line.key.starts_with("gssapi");
                    if !usual && !is_one_of(line.word(), harmless) {
                        let message = format!("`{}` is not supported: {lost}", line.shown);
                        self.warnings.push(line.problem(message));
                    }
                }
                Some(Meaning::Needed(harmless, lost)) => {
                    let jump =
                        line.key == "proxycommand" && crate::vars::jump_of(&line.rest).is_some();
                    let matters = dialled || !line.key.starts_with("proxy");
                    if matters && !jump && !is_one_of(line.word(), harmless) {
                        let message = format!("`{}` is not supported: {lost}", line.shown);
                        let hint = "`ProxyJump HOST` leads through another host";
                        self.problems.push(line.problem(message).hint(hint));
                    }
                }
                None if ignored(&line.key) => {}
                None => {
                    let message = format!("`{}` is no option of ssh", line.shown);
                    let near = line.problem(message).did_you_mean(&line.key, names());
                    self.warnings.push(near);
                }
            }
        }
    }
}

fn is_one_of(word: &str, words: &[&str]) -> bool {
    words.iter().any(|one| one.eq_ignore_ascii_case(word))
}

/// For whom lines are looked up.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked<'a> {
    /// The host as it is named where it was asked for.
    pub(super) host: &'a str,
    /// The user of this machine.
    pub(super) local_user: &'a str,
    /// Whether it is dialled from here: how another one is reached is not for its own lines to say.
    pub(super) dialled: bool,
}

/// Looks up what counts for a host: what was said of it first, then the files, then what is to fill gaps.
pub(super) fn resolve(
    asked: Asked<'_>,
    said: &[Line],
    files: &[Vec<Entry>],
    gaps: &[Line],
) -> Given {
    let mut walk = Walk {
        asked,
        host: asked.host.to_owned(),
        last: false,
        wants_last: false,
        given: Given::default(),
    };
    for line in said {
        walk.given.take(line);
    }
    walk.files(files);
    let canonical = walk.given.word("canonicalizehostname");
    if walk.wants_last || canonical.is_some_and(|word| !is_one_of(word, &["no", "false"])) {
        walk.host = walk.name();
        walk.last = true;
        walk.files(files);
    }
    for line in gaps {
        walk.given.take(line);
    }
    walk.given.judge(asked.dialled);
    walk.given
}

struct Walk<'a> {
    asked: Asked<'a>,
    // What `Host` is compared with.
    host: String,
    last: bool,
    wants_last: bool,
    given: Given,
}

impl Walk<'_> {
    fn files(&mut self, files: &[Vec<Entry>]) {
        for file in files {
            self.entries(file, true, true);
        }
    }

    /// Goes through the entries of one file; `outer` tells whether any block in it may be for this host.
    fn entries(&mut self, entries: &[Entry], outer: bool, mut active: bool) {
        for entry in entries {
            match entry {
                Entry::Host(patterns) => {
                    let patterns = patterns.iter().map(String::as_str);
                    active = outer && any_matches(patterns, &self.host);
                }
                Entry::Match(criteria, line) => {
                    active = self.is_met(criteria, line, outer) && outer;
                }
                Entry::Include(files) => {
                    for file in files {
                        self.entries(file, active, active);
                    }
                }
                Entry::Option(line) if active => self.given.take(line),
                Entry::Option(_) => {}
            }
        }
    }

    /// Returns the name that the host has by now.
    fn name(&self) -> String {
        let name = self.given.word("hostname").unwrap_or("%h");
        name.replace("%h", self.asked.host).replace("%%", "%")
    }

    fn is_met(&mut self, criteria: &[Criterion], line: &Line, outer: bool) -> bool {
        let mut met = true;
        let mut unknown = None;
        for criterion in criteria {
            let list = |text: &str| any_matches(criterion.patterns.split(','), text);
            let lower = |text: &str| {
                let patterns = criterion.patterns.to_ascii_lowercase();
                any_matches(patterns.split(','), &text.to_ascii_lowercase())
            };
            let is_so = match criterion.name.as_str() {
                "all" => true,
                "canonical" => self.last,
                "final" => {
                    self.wants_last |= outer;
                    self.last
                }
                "host" => lower(&self.name()),
                "originalhost" => lower(self.asked.host),
                "user" => list(self.given.word("user").unwrap_or(self.asked.local_user)),
                "localuser" => list(self.asked.local_user),
                _ => {
                    unknown = Some(criterion);
                    continue;
                }
            };
            met &= is_so != criterion.negated;
        }
        let Some(criterion) = unknown.filter(|_| met && outer) else {
            return met && unknown.is_none();
        };
        let message = format!(
            "`Match {}` is not supported: the lines below it are left out",
            criterion.name
        );
        let problem = line.problem(message);
        if !self.given.warnings.contains(&problem) {
            self.given.warnings.push(problem);
        }
        false
    }
}
