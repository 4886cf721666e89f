//! Text to entries: what stands in a configuration file, with its place; nothing is decided for a host yet.
//!
//! Files named by `Include` are read where they are named. All mistakes of all files are collected.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::yaml::{Loc, Problem, Source};

use super::words::{keyword, matches, split};

/// How deep files may include one another.
const DEEPEST: usize = 16;

/// One option with what was said about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line {
    /// Its name in lower case, an older name replaced by today's.
    pub(super) key: String,
    /// Its name as written.
    pub(super) shown: String,
    /// Its words.
    pub(super) words: Vec<String>,
    /// All that follows the name, for commands.
    pub(super) rest: String,
    /// Where it stands.
    pub(super) loc: Loc,
    /// Whether it is in the file for all users of the machine.
    pub(super) system: bool,
}

impl Line {
    /// Returns the first word.
    pub(super) fn word(&self) -> &str {
        self.words.first().map_or("", String::as_str)
    }

    /// Makes a problem that points at the line.
    pub(super) fn problem(&self, message: impl Into<String>) -> Problem {
        Problem::at(&self.loc, message).width(self.shown.chars().count())
    }
}

/// What `Match` asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Criterion {
    /// Whether it must not be so.
    pub(super) negated: bool,
    /// Its name in lower case.
    pub(super) name: String,
    /// The patterns it is compared with.
    pub(super) patterns: String,
}

/// One line, or what a line stands for.
#[derive(Debug, Clone)]
pub(super) enum Entry {
    /// What follows is for hosts that match.
    Host(Vec<String>),
    /// What follows is for hosts of which all is true.
    Match(Vec<Criterion>, Line),
    /// The entries of included files, each file for itself.
    Include(Vec<Vec<Entry>>),
    /// An option.
    Option(Line),
}

/// Reads files; mistakes gather in `problems`.
#[derive(Debug)]
pub(super) struct Reader<'a> {
    /// The home directory.
    pub(super) home: Option<&'a Path>,
    /// Where included files lie that are named without a directory.
    pub(super) base: PathBuf,
    /// Whether it is the file for all users of the machine.
    pub(super) system: bool,
    /// What is wrong.
    pub(super) problems: Vec<Problem>,
}

impl Reader<'_> {
    /// Reads one text.
    pub(super) fn read(&mut self, source: &Arc<Source>, depth: usize) -> Vec<Entry> {
        let mut entries = Vec::new();
        for (number, line) in (1_u32..).zip(source.text.lines()) {
            let text = line.trim();
            if text.is_empty() || text.starts_with('#') {
                continue;
            }
            let before = line.chars().take_while(|c| c.is_whitespace()).count();
            let column = u32::try_from(before + 1).unwrap_or(1);
            let loc = Loc::new(source, number, column);
            match self.line(text, loc, depth) {
                Ok(entry) => entries.push(entry),
                Err(problem) => self.problems.push(problem),
            }
        }
        entries
    }

    fn line(&mut self, text: &str, loc: Loc, depth: usize) -> Result<Entry, Problem> {
        let line = line_of(text, loc, self.system)?;
        match line.key.as_str() {
            "host" => Ok(Entry::Host(line.words)),
            "match" => criteria(&line).map(|criteria| Entry::Match(criteria, line)),
            "include" => self.include(&line, depth).map(Entry::Include),
            _ => Ok(Entry::Option(line)),
        }
    }

    fn include(&mut self, line: &Line, depth: usize) -> Result<Vec<Vec<Entry>>, Problem> {
        if depth >= DEEPEST {
            return Err(line.problem("files include one another too deeply"));
        }
        let mut files = Vec::new();
        for word in &line.words {
            let path = match (word.strip_prefix("~/"), self.home) {
                (Some(rest), Some(home)) => home.join(rest),
                _ => self.base.join(word),
            };
            for found in glob(&path) {
                let name = found.to_string_lossy();
                match std::fs::read_to_string(&found) {
                    Ok(text) => files.push(self.read(&Source::new(name, text), depth + 1)),
                    Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                    Err(error) => {
                        return Err(line.problem(format!("cannot read {name}: {error}")));
                    }
                }
            }
        }
        Ok(files)
    }
}

/// Reads one option.
pub(super) fn line_of(text: &str, loc: Loc, system: bool) -> Result<Line, Problem> {
    let (shown, rest) = keyword(text);
    let problem = |message: String| Problem::at(&loc, message).width(shown.chars().count());
    let words = split(rest).map_err(problem)?;
    if words.is_empty() {
        return Err(problem(format!("`{shown}` has no value")));
    }
    Ok(Line {
        key: todays_name(&shown.to_ascii_lowercase()).to_owned(),
        shown: shown.to_owned(),
        words,
        rest: rest.trim_end().to_owned(),
        loc,
        system,
    })
}

/// Returns the name that an option has today.
fn todays_name(key: &str) -> &str {
    match key {
        "identityfile2" => "identityfile",
        "userknownhostsfile2" => "userknownhostsfile",
        "globalknownhostsfile2" => "globalknownhostsfile",
        "challengeresponseauthentication" | "skeyauthentication" | "tisauthentication" => {
            "kbdinteractiveauthentication"
        }
        "pubkeyacceptedkeytypes" => "pubkeyacceptedalgorithms",
        "hostbasedkeytypes" | "hostbasedacceptedkeytypes" => "hostbasedacceptedalgorithms",
        "smartcarddevice" => "pkcs11provider",
        "keepalive" => "tcpkeepalive",
        "dsaauthentication" => "pubkeyauthentication",
        key => key,
    }
}

fn criteria(line: &Line) -> Result<Vec<Criterion>, Problem> {
    let mut criteria = Vec::new();
    let mut rest = line.rest.as_str();
    while !rest.is_empty() && !rest.starts_with('#') {
        let (word, after) = keyword(rest);
        let (negated, name) = match word.strip_prefix('!') {
            Some(name) => (true, name),
            None => (false, word),
        };
        let name = name.to_ascii_lowercase();
        let mut patterns = String::new();
        rest = after;
        if !matches!(name.as_str(), "all" | "canonical" | "final") {
            let (value, after) = value(rest).map_err(|message| line.problem(message))?;
            if value.is_empty() {
                return Err(line.problem(format!("`{word}` has no value")));
            }
            patterns = value;
            rest = after;
        }
        criteria.push(Criterion {
            negated,
            name,
            patterns,
        });
    }
    if criteria.len() > 1 && criteria.iter().any(|criterion| criterion.name == "all") {
        return Err(line.problem("`all` stands alone"));
    }
    Ok(criteria)
}

/// Takes one value, in double quotes if it has blanks.
fn value(text: &str) -> Result<(String, &str), String> {
    let (value, rest) = if let Some(quoted) = text.strip_prefix('"') {
        quoted
            .split_once('"')
            .ok_or_else(|| "a quote is not closed".to_owned())?
    } else {
        text.split_at(text.find([' ', '\t']).unwrap_or(text.len()))
    };
    Ok((value.to_owned(), rest.trim_start_matches([' ', '\t'])))
}

/// Lists the files that a path with `*` and `?` stands for, sorted as a shell does.
fn glob(path: &Path) -> Vec<PathBuf> {
    let mut found = vec![PathBuf::new()];
    for part in path.components() {
        let name = part.as_os_str().to_string_lossy().into_owned();
        if !name.contains(['*', '?']) {
            for path in &mut found {
                path.push(&name);
            }
            continue;
        }
        let mut next = Vec::new();
        for directory in &found {
            let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
            let mut names: Vec<String> = entries
                .map(|entry| entry.file_name().to_string_lossy().into_owned())
                .filter(|entry| matches(&name, entry))
                .filter(|entry| !entry.starts_with('.') || name.starts_with('.'))
                .collect();
            names.sort();
            next.extend(names.iter().map(|name| directory.join(name)));
        }
        found = next;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> (Vec<Entry>, Vec<String>) {
        let mut reader = Reader {
            home: None,
            base: PathBuf::from("/nowhere"),
            system: false,
            problems: Vec::new(),
        };
        let entries = reader.read(&Source::new("config", text), 0);
        let problems = reader.problems.iter().map(|problem| {
            let loc = problem.loc.as_ref();
            loc.map_or_else(String::new, |loc| format!("{loc} {}", problem.message))
        });
        (entries, problems.collect())
    }

    #[test]
    fn every_mistake_has_its_place() {
        let (entries, problems) = read(
            "Port\n  Host \"a\n# a comment\nMatch all host x\nMatch user\nUser me # all is well\n",
        );
        assert_eq!(
            problems,
            [
                "config:1:1 `Port` has no value",
                "config:2:3 a quote is not closed",
                "config:4:1 `all` stands alone",
                "config:5:1 `user` has no value",
            ]
        );
        assert!(matches!(entries.as_slice(), [Entry::Option(line)] if line.words == ["me"]));
    }

    #[test]
    fn what_is_matched_is_read() {
        let (entries, problems) = read("Match host=\"a b\" !user x,y exec \"test 1\"\n");
        assert_eq!(problems, [""; 0]);
        let Some(Entry::Match(criteria, _)) = entries.first() else {
            panic!("{entries:?}");
        };
        let shown: Vec<String> = criteria
            .iter()
            .map(|one| format!("{} {} {}", one.negated, one.name, one.patterns))
            .collect();
        assert_eq!(
            shown,
            ["false host a b", "true user x,y", "false exec test 1"]
        );
    }
}
