//! Host patterns and `--limit`: `web:&eu:!web3`, `db*`, `~db\d+`, `web[0:2]`, `@file`.
//!
//! The order of evaluation is Ansible's: first what is added, then `&`, then `!`. Other than in Ansible a name that is
//! neither a group's nor a host's is a mistake wherever it stands, and so is a pattern that matches nothing.

use std::collections::HashSet;

use super::files::Files;
use super::glob::compile;
use super::model::{ALL, is_localhost};
use super::term::{Term, read_lines, split, split_subscript};
use super::{HostName, Inventory};
use crate::yaml::{Loc, Problem, Source};

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
        let problem = term.problem(message);
        let problem = problem.did_you_mean(name, self.groups().chain(hosts));
        if problem.hint.is_some() {
            return problem;
        }
        problem.hint("`stagger inventory --graph` shows its groups and hosts")
    }
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
