//! Host patterns and `--limit`: `web:&eu:!web3`, `db*`, `~db\d+`, `web[0:2]`, `@file`.
//!
//! The order of evaluation is Ansible's: first what is added, then `&`, then `!`. Other than in Ansible a name that is
//! neither a group's nor a host's is a mistake wherever it stands, and so is a pattern that matches nothing.

use std::collections::HashSet;
use std::sync::Arc;

use fancy_regex::Regex;

use super::files::Files;
use super::load::small;
use super::model::{ALL, is_localhost};
use super::range::is_one_host;
use super::{HostName, Inventory};
use crate::yaml::{Loc, Problem, Source};

/// One part of a pattern with its column in the whole, in characters from 0.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Term {
    text: String,
    at: Option<Loc>,
}

/// What restricts a run (`--limit`).
#[derive(Debug, Clone)]
pub struct Limit {
    text: String,
    terms: Vec<Term>,
}

impl Limit {
    /// Returns what the user typed: `ansible_limit`.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Returns those of the hosts that the limit leaves. Asked anew for each play, since hosts may have been added.
    pub fn apply(&self, inventory: &Inventory, hosts: &[HostName]) -> Vec<HostName> {
        let left = inventory.evaluate(&self.terms, &mut Vec::new());
        let left: HashSet<HostName> = left.into_iter().collect();
        hosts
            .iter()
            .filter(|host| left.contains(*host))
            .cloned()
            .collect()
    }
}

impl Inventory {
    /// Returns the hosts of a pattern in the inventory's order; `at` is where its first character stands. A part that
    /// names nothing is a problem, and so is a pattern that matches no host.
    pub fn select(&self, pattern: &str, at: Option<&Loc>) -> Result<Vec<HostName>, Problem> {
        let hosts = self.select_any(pattern, at)?;
        if !hosts.is_empty() {
            return Ok(hosts);
        }
        let message = format!("no host matches `{pattern}`");
        let problem = at.map_or_else(
            || Problem::nowhere(&message),
            |at| Problem::at(at, &message),
        );
        Err(problem.width(pattern.chars().count()))
    }

    /// Does the same, but lets a pattern of groups that the inventory names match no host: such a group may be empty.
    pub fn select_any(&self, pattern: &str, at: Option<&Loc>) -> Result<Vec<HostName>, Problem> {
        let terms = split(pattern, at);
        if terms.is_empty() {
            let problem = |at| Problem::at(at, "a pattern is empty");
            return Err(at.map_or_else(|| Problem::nowhere("a pattern is empty"), problem));
        }
        let mut problems = Vec::new();
        let hosts = self.evaluate(&terms, &mut problems);
        match problems.into_iter().next() {
            Some(problem) => Err(problem),
            None => Ok(hosts),
        }
    }

    /// Reads what `--limit` says, and the files that it names with `@`; each part must match, and some host must.
    pub fn limit(&self, text: &str, files: &dyn Files) -> Result<Limit, Vec<Problem>> {
        let source = Source::new("--limit", text);
        let (mut terms, mut problems) = (Vec::new(), Vec::new());
        for term in split(text, Some(&Loc::start(&source))) {
            match term.text.strip_prefix('@') {
                None => terms.push(term),
                Some(path) => match read_lines(path, files) {
                    Ok(lines) => terms.extend(lines),
                    Err(reason) => {
                        let message = format!("cannot read {path}: {reason}");
                        problems.push(term.problem(message));
                    }
                },
            }
        }
        let hosts = self.evaluate(&terms, &mut problems);
        if hosts.is_empty() && problems.is_empty() {
            let problem = Problem::at(&Loc::start(&source), "no host matches this limit");
            problems.push(problem.width(text.chars().count()));
        }
        if problems.is_empty() {
            let text = text.to_owned();
            Ok(Limit { text, terms })
        } else {
            Err(problems)
        }
    }

    fn evaluate(&self, terms: &[Term], problems: &mut Vec<Problem>) -> Vec<HostName> {
        let kind = |wanted: Option<char>| terms.iter().filter(move |term| term.kind() == wanted);
        let mut hosts = Vec::new();
        let mut any = false;
        for term in kind(None) {
            any = true;
            hosts.extend(self.term(term, problems));
        }
        if !any {
            hosts = self.hosts();
        }
        let mut seen = HashSet::new();
        hosts.retain(|host| seen.insert(host.clone()));
        for term in kind(Some('&')) {
            let these: HashSet<HostName> = self.term(term, problems).into_iter().collect();
            hosts.retain(|host| these.contains(host));
        }
        for term in kind(Some('!')) {
            let these: HashSet<HostName> = self.term(term, problems).into_iter().collect();
            hosts.retain(|host| !these.contains(host));
        }
        hosts
    }

    fn term(&self, term: &Term, problems: &mut Vec<Problem>) -> Vec<HostName> {
        let name = term.name();
        if term.kind().is_none()
            && let Some(host) = self.host_id(name).and_then(|id| self.host(id))
        {
            return vec![host.name.clone()];
        }
        let (name, subscript) = split_subscript(name);
        let found = match self.matches(name) {
            Ok(found) => found,
            Err(reason) => {
                problems.push(term.problem(format!("`{name}` is no pattern: {reason}")));
                return Vec::new();
            }
        };
        let Some(hosts) = found else {
            if is_localhost(name) {
                return vec![HostName::new(name)];
            }
            // Even of nothing, all is all.
            if name != ALL {
                problems.push(self.unknown(term, name));
            }
            return Vec::new();
        };
        match subscript {
            None => hosts,
            Some(subscript) => subscript.of(&hosts).unwrap_or_else(|| {
                let count = match hosts.len() {
                    0 => "no host".to_owned(),
                    1 => "1 host".to_owned(),
                    count => format!("{count} hosts"),
                };
                let message = format!("`{}` is none of `{name}`, which has {count}", term.name());
                problems.push(term.problem(message));
                Vec::new()
            }),
        }
    }

    /// Returns the hosts of all groups that match, and the hosts that match; none if nothing does.
    fn matches(&self, name: &str) -> Result<Option<Vec<HostName>>, String> {
        let is_regex = name.starts_with('~');
        let is_glob = name.contains(['?', '*', '[']);
        let mut hosts = Vec::new();
        let mut seen = HashSet::new();
        let mut any = false;
        if !is_regex && !is_glob {
            if let Some(group) = self.group_id(name) {
                return Ok(Some(self.names(&self.hosts_below(group))));
            }
            let host = self.host_id(name);
            return Ok(host.map(|host| self.names(&[host])));
        }
        let regex = compile(name)?;
        let is_match = |text: &str| regex.is_match(text).unwrap_or(false);
        for (id, group) in self.groups.iter().enumerate() {
            if is_match(&group.name) {
                any = true;
                hosts.extend(
                    self.hosts_below(id)
                        .into_iter()
                        .filter(|host| seen.insert(*host)),
                );
            }
        }
        for (id, host) in self.hosts.iter().enumerate() {
            if is_match(host.name.as_str()) {
                any = true;
                hosts.extend(Some(id).filter(|host| seen.insert(*host)));
            }
        }
        Ok(any.then(|| self.names(&hosts)))
    }

    fn unknown(&self, term: &Term, name: &str) -> Problem {
        if name.starts_with('~') || name.contains(['?', '*', '[']) {
            return term.problem(format!("`{name}` matches no group and no host"));
        }
        let hosts = self.hosts.iter().map(|host| host.name.as_str());
        let message = format!("`{name}` is no group and no host of the inventory");
        term.problem(message)
            .did_you_mean(name, self.groups().chain(hosts))
    }
}

impl Term {
    fn kind(&self) -> Option<char> {
        self.text.chars().next().filter(|c| matches!(c, '&' | '!'))
    }

    fn name(&self) -> &str {
        self.text.strip_prefix(['&', '!']).unwrap_or(&self.text)
    }

    fn problem(&self, message: String) -> Problem {
        let problem = match &self.at {
            Some(at) => Problem::at(at, message),
            None => Problem::nowhere(message),
        };
        problem.width(self.text.chars().count())
    }
}

/// Splits a pattern: at commas if it has any, else at colons unless it is one host with a port or a range.
fn split(pattern: &str, at: Option<&Loc>) -> Vec<Term> {
    let by_comma = pattern.contains(',');
    let whole = !by_comma && is_one_host(pattern.trim());
    let mut terms = Vec::new();
    let (mut text, mut start, mut depth) = (String::new(), 0, 0_usize);
    let mut push = |text: &mut String, start: usize| {
        let spaces = text.chars().take_while(|c| c.is_whitespace()).count();
        let trimmed = text.trim();
        if !trimmed.is_empty() {
            let shift = |at: &Loc| {
                let column = at.column.saturating_add(small(start + spaces));
                Loc::new(&at.source, at.line, column)
            };
            terms.push(Term {
                text: trimmed.to_owned(),
                at: at.map(shift),
            });
        }
        text.clear();
    };
    for (column, c) in pattern.chars().enumerate() {
        depth = match c {
            '[' => depth + 1,
            ']' => depth.saturating_sub(1),
            _ => depth,
        };
        let splits = match c {
            ',' => by_comma,
            ':' => !by_comma && !whole && depth == 0,
            _ => false,
        };
        if splits {
            push(&mut text, start);
            start = column + 1;
        } else {
            text.push(c);
        }
    }
    push(&mut text, start);
    terms
}

/// Reads a file of patterns, one a line.
fn read_lines(path: &str, files: &dyn Files) -> Result<Vec<Term>, String> {
    let bytes = files.read(path)?;
    let text = String::from_utf8(bytes).map_err(|_| "it is no UTF-8 text".to_owned())?;
    let source: Arc<Source> = Source::new(path, text);
    let lines = (1..).zip(source.text.lines());
    let term = |(number, line): (u32, &str)| {
        let text = line.trim();
        let indent = line.chars().take_while(|c| c.is_whitespace()).count();
        (!text.is_empty() && !text.starts_with('#')).then(|| Term {
            text: text.to_owned(),
            at: Some(Loc::new(&source, number, small(indent + 1))),
        })
    };
    Ok(lines.filter_map(term).collect())
}

/// `[1]`, `[-1]`, `[0:2]` or `[2:]` after a pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Subscript {
    One(i64),
    Range(usize, Option<usize>),
}

impl Subscript {
    /// Returns these hosts; none if there are none.
    fn of(self, hosts: &[HostName]) -> Option<Vec<HostName>> {
        match self {
            Self::One(index) => {
                let place = if index < 0 {
                    let back = usize::try_from(index.unsigned_abs()).ok()?;
                    hosts.len().checked_sub(back)?
                } else {
                    usize::try_from(index).ok()?
                };
                hosts.get(place).map(|host| vec![host.clone()])
            }
            Self::Range(first, last) => {
                let end = last.map_or(hosts.len(), |last| (last + 1).min(hosts.len()));
                let found = hosts.get(first..end)?;
                (!found.is_empty()).then(|| found.to_vec())
            }
        }
    }
}

fn split_subscript(name: &str) -> (&str, Option<Subscript>) {
    if name.starts_with('~') {
        return (name, None);
    }
    let parts = name
        .strip_suffix(']')
        .and_then(|name| name.rsplit_once('['));
    let Some((pattern, inner)) = parts.filter(|(pattern, _)| !pattern.is_empty()) else {
        return (name, None);
    };
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let subscript = match inner.split_once(':') {
        None => inner
            .parse()
            .ok()
            .filter(|_| is_number(inner.strip_prefix('-').unwrap_or(inner)))
            .map(Subscript::One),
        Some((first, "")) if is_number(first) => first
            .parse()
            .ok()
            .map(|first| Subscript::Range(first, None)),
        Some((first, last)) if is_number(first) && is_number(last) => {
            let bounds = first.parse().ok().zip(last.parse().ok());
            bounds.map(|(first, last)| Subscript::Range(first, Some(last)))
        }
        Some(_) => None,
    };
    match subscript {
        Some(subscript) => (pattern, Some(subscript)),
        None => (name, None),
    }
}

/// Makes a regular expression of `~regex`, which must match from the begin, or of a glob, which must match whole.
fn compile(name: &str) -> Result<Regex, String> {
    let text = match name.strip_prefix('~') {
        Some(regex) => format!("^(?:{regex})"),
        None => glob(name),
    };
    Regex::new(&text).map_err(|error| error.to_string())
}

/// Translates a glob as Python's `fnmatch` does: `*`, `?`, `[a-c]`, `[!a-c]`; a `[` without `]` is itself.
fn glob(name: &str) -> String {
    let chars: Vec<char> = name.chars().collect();
    let mut out = "(?s)^".to_owned();
    let mut at = 0;
    while let Some(c) = chars.get(at) {
        at += 1;
        match c {
            '*' => out.push_str(".*"),
            '?' => out.push('.'),
            '[' => {
                let set = chars.get(at..).unwrap_or_default();
                // A `]` that comes first, or first after `!`, is a member.
                let skip = 1 + usize::from(set.first() == Some(&'!'));
                let length = set.iter().skip(skip).position(|c| *c == ']');
                let members = length.and_then(|length| set.get(..length + skip));
                match members {
                    None => out.push_str("\\["),
                    Some(members) => {
                        at += members.len() + 1;
                        out.push_str(&class(members));
                    }
                }
            }
            _ => out.push_str(&fancy_regex::escape(&c.to_string())),
        }
    }
    out.push('$');
    out
}

fn class(members: &[char]) -> String {
    let (negated, members) = match members.split_first() {
        Some(('!', rest)) => ("^", rest),
        Some(_) | None => ("", members),
    };
    let mut out = format!("[{negated}");
    for (place, c) in members.iter().enumerate() {
        let is_range = *c == '-' && place > 0 && place + 1 < members.len();
        if !is_range && !c.is_alphanumeric() {
            out.push('\\');
        }
        out.push(*c);
    }
    out.push(']');
    out
}

#[cfg(test)]
mod tests {
    use super::super::testing::{MemoryFiles, inventory};
    use super::*;
    use proptest::prelude::*;

    const TEXT: &str = "lone\n[web]\nweb1\nweb2\nweb3.eu\n[db]\ndb1\ndb2\n[eu:children]\ndb\n[eu]\nweb3.eu\n[none]\n";

    /// Patterns, and what they select or what is said of them.
    const PATTERNS: &[(&str, &str)] = &[
        ("all", "lone web1 web2 web3.eu db1 db2"),
        ("*", "lone web1 web2 web3.eu db1 db2"),
        ("web", "web1 web2 web3.eu"),
        ("db2", "db2"),
        ("db2,web1", "db2 web1"),
        ("web:db", "web1 web2 web3.eu db1 db2"),
        ("eu", "web3.eu db1 db2"),
        ("web:&eu", "web3.eu"),
        ("web:!eu", "web1 web2"),
        ("!eu:web", "web1 web2"),
        ("!web", "lone db1 db2"),
        ("&web:&eu", "web3.eu"),
        ("web[0]", "web1"),
        ("web[-1]", "web3.eu"),
        ("web[0:1]", "web1 web2"),
        ("web[1:]", "web2 web3.eu"),
        ("web[0:0]", "web1"),
        ("web[1:9]", "web2 web3.eu"),
        ("*.eu", "web3.eu"),
        ("web?", "web1 web2"),
        ("web[!1].*", "web3.eu"),
        ("~(web|db)1", "web1 db1"),
        ("~db$", "db1 db2"),
        ("ungrouped", "lone"),
        ("web,!web1,", "web2 web3.eu"),
        (" web , db1 ", "web1 web2 web3.eu db1"),
        ("localhost", "localhost"),
        ("web:localhost", "web1 web2 web3.eu localhost"),
        ("none", "no host matches `none`"),
        ("web:!all", "no host matches `web:!all`"),
        (
            "wbe",
            "`wbe` is no group and no host of the inventory (did you mean `web`?)",
        ),
        (
            "web:db3",
            "`db3` is no group and no host of the inventory (did you mean `db`?)",
        ),
        (
            "web:!wob1",
            "`wob1` is no group and no host of the inventory (did you mean `web1`?)",
        ),
        ("x*", "`x*` matches no group and no host"),
        ("~x", "`~x` matches no group and no host"),
        ("web[3]", "`web[3]` is none of `web`, which has 3 hosts"),
        ("web[-4]", "`web[-4]` is none of `web`, which has 3 hosts"),
        ("web[5:9]", "`web[5:9]` is none of `web`, which has 3 hosts"),
        ("none[0]", "`none[0]` is none of `none`, which has no host"),
        ("", "a pattern is empty"),
    ];

    fn shown(result: Result<Vec<HostName>, Problem>) -> String {
        match result {
            Ok(hosts) => hosts
                .iter()
                .map(HostName::as_str)
                .collect::<Vec<_>>()
                .join(" "),
            Err(problem) => format!(
                "{}{}",
                problem.message,
                problem
                    .hint
                    .map(|hint| format!(" ({hint})"))
                    .unwrap_or_default()
            ),
        }
    }

    /// What selects hosts was given by the inventory manager of ansible-core 2.19, in this order.
    #[test]
    fn patterns_select_as_in_ansible_and_refuse_what_names_nothing() {
        let inventory = inventory(TEXT);
        for (pattern, expected) in PATTERNS {
            assert_eq!(
                shown(inventory.select(pattern, None)),
                *expected,
                "{pattern}"
            );
        }
        assert!(inventory.select("~(", None).is_err());
        assert_eq!(
            inventory.select_any("none", None).unwrap(),
            Vec::<HostName>::new()
        );
        assert!(inventory.select_any("nome", None).is_err());
    }

    #[test]
    fn a_problem_stands_at_its_part_of_the_pattern() {
        let source = Source::new("site.yml", "- hosts: web: dbx\n");
        let at = Loc::new(&source, 1, 10);
        let problem = inventory(TEXT).select("web: dbx", Some(&at)).unwrap_err();
        assert_eq!(problem.loc.unwrap().to_string(), "site.yml:1:15");
        assert_eq!(problem.width, 3);
    }

    #[test]
    fn limits_are_checked_once_and_applied_to_plays() {
        let mut inventory = inventory(TEXT);
        let files = MemoryFiles::new([("failed.txt", "# left over\nweb2\n\n  db1\n")]);
        let all = inventory.hosts();
        let limit = inventory.limit("@failed.txt,lone", &files).unwrap();
        assert_eq!(shown(Ok(limit.apply(&inventory, &all))), "lone web2 db1");
        let limit = inventory.limit("all:!web", &files).unwrap();
        inventory
            .add_host("new", &[], serde_json::Map::new())
            .unwrap();
        let all = inventory.hosts();
        assert_eq!(shown(Ok(limit.apply(&inventory, &all))), "lone new db1 db2");
        let wrong = |text: &str| {
            let problems = inventory.limit(text, &files).unwrap_err();
            let problem = problems.first().unwrap();
            format!("{} {}", problem.loc.as_ref().unwrap(), problem.message)
        };
        assert_eq!(wrong("web:&db"), "--limit:1:1 no host matches this limit");
        assert_eq!(
            wrong("web,dbb"),
            "--limit:1:5 `dbb` is no group and no host of the inventory"
        );
        assert_eq!(
            wrong("@gone"),
            "--limit:1:1 cannot read gone: there is no such file"
        );
        let files = MemoryFiles::new([("f", "web1\n wob1\n")]);
        let problems = inventory.limit("@f", &files).unwrap_err();
        assert_eq!(problems[0].loc.as_ref().unwrap().to_string(), "f:2:2");
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn union_intersection_and_exclusion_are_those_of_sets(
            parts in prop::collection::vec(
                (prop_oneof![Just(""), Just("&"), Just("!")],
                 prop_oneof![Just("web"), Just("db"), Just("eu"), Just("db1"), Just("web*"), Just("lone")]),
                1..5,
            )
        ) {
            let inventory = inventory(TEXT);
            let pattern: Vec<String> = parts.iter().map(|(sign, name)| format!("{sign}{name}")).collect();
            let of = |name: &str| -> HashSet<HostName> {
                inventory.select_any(name, None).unwrap().into_iter().collect()
            };
            let any = parts.iter().any(|(sign, _)| sign.is_empty());
            let expected = inventory.hosts().into_iter().filter(|host| {
                let member = |wanted: &'static str| parts.iter().filter(move |(sign, _)| *sign == wanted);
                (!any || member("").any(|(_, name)| of(name).contains(host)))
                    && member("&").all(|(_, name)| of(name).contains(host))
                    && !member("!").any(|(_, name)| of(name).contains(host))
            });
            let expected: HashSet<HostName> = expected.collect();
            let found = inventory.select_any(&pattern.join(","), None).unwrap();
            prop_assert_eq!(found.len(), expected.len());
            prop_assert_eq!(found.into_iter().collect::<HashSet<_>>(), expected);
        }

        #[test]
        fn no_pattern_makes_it_panic(text in "[a-c0-2:,&!~*?\\[\\]\\-. ]{0,16}") {
            drop(inventory(TEXT).select(&text, None));
        }
    }
}
