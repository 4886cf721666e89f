//! From the sources that `-i` names to an inventory: files, scripts, directories, lists of hosts.
//!
//! Every mistake of every source is collected. A source that cannot be read is a mistake, other than in Ansible, which
//! goes on without its hosts.

use std::sync::Arc;

use super::files::{Files, Kind, directory_of, extension, join};
use super::model::UNGROUPED;
use super::{Inventory, VarTable, VarsDirectory, ini, script, structured};
use crate::secrets::{VaultError, is_vaulted};
use crate::yaml::{Loc, Problem, Source};

/// The endings of files that a directory may hold beside its inventories.
const IGNORED_ENDINGS: [&str; 12] = [
    ".pyc", ".pyo", ".swp", ".bak", "~", ".rpm", ".md", ".txt", ".rst", ".orig", ".cfg", ".retry",
];
/// The names that a directory may hold beside its inventories.
const IGNORED_NAMES: [&str; 3] = ["host_vars", "group_vars", "vars_plugins"];
/// How deep directories of inventories may be nested.
const DEEPEST: usize = 16;

impl Inventory {
    /// Reads all sources, in their order: later ones add to earlier ones and win.
    pub fn load(sources: &[String], files: &dyn Files) -> Result<Self, Vec<Problem>> {
        let mut loading = Loading {
            inventory: Self::empty(),
            files,
            problems: Vec::new(),
            source: None,
        };
        let mut directories: Vec<&str> = Vec::new();
        for source in sources {
            loading.read(source, 0);
            let directory = match files.kind(source) {
                Some(Kind::Directory) => source.as_str(),
                Some(Kind::File { .. }) => directory_of(source),
                None => continue,
            };
            // Of a directory that is named twice the later place counts, as it is read again there.
            directories.retain(|known| *known != directory);
            directories.push(directory);
        }
        loading.finish(sources, &directories)
    }
}

/// An inventory that is being read.
#[derive(Debug)]
pub(super) struct Loading<'a> {
    pub inventory: Inventory,
    pub files: &'a dyn Files,
    pub problems: Vec<Problem>,
    /// The source that is being read.
    pub source: Option<Arc<str>>,
}

impl Loading<'_> {
    fn read(&mut self, source: &str, depth: usize) {
        match self.files.kind(source) {
            Some(Kind::Directory) if depth < DEEPEST => self.directory(source, depth),
            Some(Kind::Directory) => self.problem(format!("{source} is too deep a directory")),
            Some(Kind::File { executable }) => {
                self.source = Some(Arc::from(source));
                self.file(source, executable);
            }
            None if source.contains(',') => {
                self.source = Some(Arc::from(source));
                self.host_list(source);
            }
            None => {
                let problem = Problem::nowhere(format!("there is no inventory {source}"));
                let is_path = source.contains('/') || source.contains(char::is_whitespace);
                self.problems.push(if is_path {
                    problem
                } else {
                    problem.hint(format!("a list of hosts has a comma: -i {source},"))
                });
            }
        }
    }

    fn problem(&mut self, message: String) {
        self.problems.push(Problem::nowhere(message));
    }

    fn directory(&mut self, directory: &str, depth: usize) {
        let mut names = match self.files.list(directory) {
            Ok(names) => names,
            Err(reason) => return self.problem(format!("cannot list {directory}: {reason}")),
        };
        names.sort_unstable();
        names.retain(|name| {
            let ignored = name.starts_with('.') || IGNORED_NAMES.contains(&name.as_str());
            !ignored && !IGNORED_ENDINGS.iter().any(|ending| name.ends_with(ending))
        });
        if names.is_empty() {
            self.problem(format!("the directory {directory} holds no inventory"));
        }
        for name in names {
            self.read(&join(directory, &name), depth + 1);
        }
    }

    fn file(&mut self, path: &str, executable: bool) {
        let bytes = match self.files.read(path) {
            Ok(bytes) => bytes,
            Err(reason) => return self.problem(format!("cannot read {path}: {reason}")),
        };
        if is_vaulted(&bytes) {
            return self.problem(format!("cannot read {path}: {}", VaultError::NoPassword));
        }
        let is_program = bytes.starts_with(b"#!") || bytes.starts_with(b"\x7fELF");
        if executable && is_program {
            return script::read(self, path);
        }
        let Ok(text) = String::from_utf8(bytes) else {
            return self.problem(format!("{path} is no UTF-8 text"));
        };
        let source = Source::new(path, text);
        if is_program {
            let problem = Problem::at(&Loc::start(&source), "this script may not be run");
            self.problems.push(problem.hint(format!("chmod +x {path}")));
            return;
        }
        match extension(path) {
            ".yml" | ".yaml" | ".json" => structured::read(self, &source),
            ".toml" => self.problem(format!("{path}: inventories in TOML are not supported")),
            // Ansible tries YAML first, and then INI; YAML that is a map cannot be meant as INI.
            _ => {
                if !structured::try_read(self, &source) {
                    ini::read(self, &source);
                }
            }
        }
    }

    fn host_list(&mut self, list: &str) {
        let source = Source::new("-i", list);
        let group = self.inventory.add_group(UNGROUPED);
        let mut column = 1;
        for item in list.split(',') {
            let spaces = item.chars().take_while(|c| c.is_whitespace()).count();
            let loc = Loc::new(&source, 1, small(column + spaces));
            if !item.trim().is_empty() {
                self.add_hosts(item.trim(), &loc, group);
            }
            column += item.chars().count() + 1;
        }
    }

    fn finish(
        mut self,
        sources: &[String],
        directories: &[&str],
    ) -> Result<Inventory, Vec<Problem>> {
        if let Err(error) = self.inventory.settle() {
            self.problem(error.to_string());
        }
        self.inventory.sources = sources.to_vec();
        for directory in directories {
            let found =
                VarsDirectory::load(directory, &self.inventory, self.files, &mut self.problems);
            self.inventory
                .warnings
                .extend(found.warnings.iter().cloned());
            self.inventory.directories.push(Arc::new(found));
        }
        self.check_tables();
        self.check_names(directories);
        if self.problems.is_empty() {
            Ok(self.inventory)
        } else {
            Err(self.problems)
        }
    }

    fn check_tables(&mut self) {
        let groups = self.inventory.groups.iter().map(|group| &group.vars);
        let hosts = self.inventory.hosts.iter().map(|host| &host.vars);
        for table in groups.chain(hosts) {
            VarTable::check(table, &mut self.problems, &mut self.inventory.warnings);
        }
    }

    fn check_names(&mut self, directories: &[&str]) {
        let mut warnings = Vec::new();
        for group in self.inventory.groups() {
            if self.inventory.host_id(group).is_some() {
                let message = format!("`{group}` is the name of a host and of a group");
                warnings.push(Problem::nowhere(message));
            }
        }
        for (path, directory) in directories.iter().zip(&self.inventory.directories) {
            let mut unknown: Vec<String> = directory.unknown(&self.inventory).collect();
            unknown.sort_unstable();
            for file in unknown {
                let message = format!("{} belongs to nothing in the inventory", join(path, &file));
                warnings.push(Problem::nowhere(message));
            }
        }
        self.inventory.warnings.append(&mut warnings);
    }
}

pub(super) fn small(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::super::testing::MemoryFiles;
    use super::*;
    use proptest::prelude::*;

    fn shown(problem: &Problem) -> String {
        let loc = problem
            .loc
            .as_ref()
            .map_or("-".to_owned(), ToString::to_string);
        let hint = problem.hint.iter().map(|hint| format!(" ({hint})"));
        let notes = problem.notes.iter().map(|note| format!(" [{note}]"));
        let rest: String = hint.chain(notes).collect();
        format!("{loc} {}{rest}", problem.message)
    }

    fn load(sources: &[&str], files: &MemoryFiles) -> Result<Inventory, Vec<String>> {
        let sources: Vec<String> = sources.iter().map(ToString::to_string).collect();
        Inventory::load(&sources, files).map_err(|problems| problems.iter().map(shown).collect())
    }

    fn problems(path: &str, text: &str) -> Vec<String> {
        load(&[path], &MemoryFiles::new([(path, text)])).unwrap_err()
    }

    #[test]
    fn all_mistakes_of_an_ini_inventory_are_found() {
        let text = "web[1:\n[web group]\nskipped because of its section\n[web:foo]\n[web]\nok a\n  ok b=1 c='x\n\
                    bad:\n[web:vars]\nnovalue\n[web:children]\nbd\na b\n[gone:vars]\nx=1\n[db:children]\nweb\n\
                    [web:children]\ndb\n[db:vars]\nansible_group_priority=high\n";
        assert_eq!(
            problems("hosts", text),
            [
                "hosts:1:1 `web[1:` has a `[` without a `]`",
                "hosts:2:1 `[web group]` is no section (write [group], [group:children] or [group:vars], without spaces)",
                "hosts:4:1 a section [web:foo] is unknown (write [group], [group:children] or [group:vars])",
                "hosts:6:4 `a` is no variable of a host: write name=value",
                "hosts:7:3 cannot read this host: a quote is not closed",
                "hosts:8:1 `bad:` ends with `:`, which is for a port",
                "hosts:10:1 `novalue` is no variable: write name=value",
                "hosts:13:1 `a b` is no name of a group",
                "hosts:19:1 group `db` cannot be a child of `web`: it holds that group already",
                "hosts:21:24 ansible_group_priority must be a whole number",
                "hosts:12:1 [web:children] names group `bd`, which is nowhere declared (did you mean `db`?)",
                "hosts:14:2 [gone:vars] is for group `gone`, which is nowhere declared",
            ]
        );
    }

    #[test]
    fn all_mistakes_of_a_yaml_inventory_are_found() {
        let text = "all:\n  host: {a: }\n  hosts: [h1]\n  vars: x\n  children:\n    web:\n      hosts:\n        \
                    w[2:1]:\n        w3: text\n        a b:\n      children: {all: }\n    db: 3\n    up: \
                    {children: {ungrouped: }}\n";
        assert_eq!(
            problems("i.yml", text),
            [
                "i.yml:3:10 `hosts` of group `all` must be a map, not a list (write each host as a key: `web1:`)",
                "i.yml:4:9 `vars` of group `all` must be a map, not text",
                "i.yml:8:9 `[2:1]` is no range: its begin comes after its end",
                "i.yml:9:13 host `w3` must have a map of variables, not text",
                "i.yml:10:9 `a b` is no host name: it holds a space",
                "i.yml:11:18 `all` holds every group and cannot be in one",
                "i.yml:12:9 group `db` must be a map, not a number",
                "i.yml:13:21 `ungrouped` holds the hosts that are in no group, and cannot be in one",
                "i.yml:2:3 unknown key of a group `host` (did you mean `hosts`?)",
            ]
        );
        // Only when a group is closed is it seen that it holds itself.
        let text = "a:\n  children:\n    b:\n      children:\n        a:\n";
        assert_eq!(
            problems("i.yml", text),
            ["i.yml:3:5 group `b` cannot be a child of `a`: it holds that group already"]
        );
        assert_eq!(
            problems("i.yml", "- a\n"),
            ["i.yml:1:1 an inventory must be a map of groups, not a list"]
        );
        assert_eq!(
            problems("aws.yml", "plugin: amazon.aws.aws_ec2\n"),
            ["aws.yml:1:1 inventory plugins are not supported \
              (write its hosts to a file: ansible-inventory -i THIS --list > hosts.json)"]
        );
        assert_eq!(
            problems("noending", "all:\n  hosts: {a: }\n  hosts: {b: }\n"),
            ["noending:3:3 `hosts` is given twice in this map [the first is at noending:2:3]"]
        );
    }

    #[test]
    fn sources_that_cannot_be_read_are_mistakes() {
        let files = MemoryFiles::new([
            ("empty/.keep", ""),
            ("empty/notes.md", ""),
            ("x.toml", "[a]"),
            ("secret.yml", "$ANSIBLE_VAULT;1.1;AES256\n33"),
            ("vars/hosts", "h1\nh2 v=1\n"),
            ("vars/group_vars/all.yml", "a: !vault x\nb: !nope 1\n"),
            ("vars/host_vars/h1.yml", "- a\n"),
            ("vars/host_vars/h2/x.yml", "a: [\n"),
            ("vars/host_vars/unknown.yml", "- not read\n"),
        ]);
        let cases: &[(&str, &[&str])] = &[
            (
                "gone",
                &["- there is no inventory gone (a list of hosts has a comma: -i gone,)"],
            ),
            ("a/gone", &["- there is no inventory a/gone"]),
            ("empty", &["- the directory empty holds no inventory"]),
            (
                "x.toml",
                &["- x.toml: inventories in TOML are not supported"],
            ),
            (
                "secret.yml",
                &["- cannot read secret.yml: it is in a vault, and no password is given"],
            ),
            ("a[1:,", &["-i:1:1 `a[1:` has a `[` without a `]`"]),
            (
                "vars/hosts",
                &[
                    "vars/group_vars/all.yml:1:11 this value cannot be read: it is in a vault, and no password is given \
                     (--vault-password-file FILE or --vault-id LABEL@SOURCE)",
                    "vars/group_vars/all.yml:2:10 unknown tag `!nope`",
                    "vars/host_vars/h1.yml:1:1 a file of variables must be a map of variables, not a list",
                    "vars/host_vars/h2/x.yml:1:5 this is no YAML: did not find expected node content \
                     [while parsing a flow node]",
                ],
            ),
        ];
        for (source, expected) in cases {
            let mut found = load(&[source], &files).unwrap_err();
            found.sort();
            assert_eq!(found, *expected, "{source}");
        }
        assert_eq!(load(&["gone", "x.toml"], &files).unwrap_err().len(), 2);
    }

    #[test]
    fn scripts_that_fail_say_what_they_printed() {
        let files = MemoryFiles::new([("s", "#!/bin/sh\n"), ("d/s", "#!/bin/sh\n")])
            .output("./s --list", 3, "", "no token\nlog in first\n")
            .output(
                "d/s --list",
                0,
                "{\"a\": 3, \"b\": {\"hosts\": {}}, \"_meta\": 1}",
                "",
            );
        assert_eq!(
            load(&["s"], &files).unwrap_err(),
            ["- s --list ended with exit code 3 [stderr: no token] [stderr: log in first]"]
        );
        assert_eq!(
            load(&["d/s"], &files).unwrap_err(),
            [
                "d/s --list:1:7 group `a` must be a list or a map, not a number",
                "d/s --list:1:25 `hosts` of group `b` must be a list, not a map",
            ]
        );
        let files = files.output("./s --list", 0, "no json: [", "");
        let found = load(&["s"], &files).unwrap_err();
        assert!(
            found[0].starts_with("s --list:1:11 this is no YAML"),
            "{found:?}"
        );
    }

    #[test]
    fn a_listing_is_an_inventory_again() {
        let text = "lone p=1\n[web:children]\nfront\n[front]\nw[1:2]:22 x='{{ y }}'\n[web:vars]\nv=[1]\n[none]\n";
        let first = load(&["hosts"], &MemoryFiles::new([("hosts", text)])).unwrap();
        let list = first.to_list_json(None, &first.hosts());
        let text = list.to_string();
        let files = MemoryFiles::new([("list.json", text.as_str()), ("s", "#!/bin/sh\n")]).output(
            "./s --list",
            0,
            &text,
            "",
        );
        for source in ["list.json", "s"] {
            let second = load(&[source], &files).unwrap();
            assert_eq!(second.to_list_json(None, &second.hosts()), list, "{source}");
        }
    }

    #[test]
    fn what_looks_like_a_mistake_is_a_warning() {
        let files = MemoryFiles::new([
            (
                "hosts",
                "h1 pass=a#b my-var=1\nh2 my-var=1\n[with-dash]\nh1:2222\n[same]\nsame:22\n[other]\nsame:22\n",
            ),
            ("group_vars/wbe.yml", "- not read\n"),
            ("group_vars/same.yml", "mode: 0644\n"),
            ("group_vars/same.json", "{}"),
        ]);
        let inventory = load(&["hosts"], &files).unwrap();
        let mut found: Vec<String> = inventory.warnings().iter().map(shown).collect();
        found.sort();
        assert_eq!(
            found,
            [
                "- `same` is the name of a host and of a group",
                "- group_vars/same.json is not read: group_vars/same.yml comes before it",
                "- group_vars/wbe belongs to nothing in the inventory",
                "group_vars/same.yml:1:7 `0644` without quotes is text here, and the number 420 in Ansible \
                 (put it in quotes)",
                "hosts:1:10 all from this `#` on is a comment \
                 (put a value with `#` in quotes, or a space before it)",
                "hosts:2:4 `my-var` is no name that a template can use (use letters, digits and `_`)",
                "hosts:3:2 group name `with-dash` is no valid name of a variable \
                 (in templates write groups['with-dash'])",
                "hosts:4:1 this port is not used: `h1` was named before (set ansible_port=2222)",
            ]
        );
        let h1 = inventory.host_json("h1", None).unwrap();
        assert_eq!(h1, serde_json::json!({"pass": "a"}));
        let mut later = inventory.clone();
        let error = later.group_by("h1", "wbe", &[]).unwrap_err();
        assert_eq!(
            error[0].message,
            "a file of variables must be a map of variables, not a list"
        );
    }

    #[test]
    fn values_know_where_they_stand() {
        let text = "h1 a=22 b='x y' c=plain:z\n[all:vars]\nntp =  ntp1\n";
        let inventory = load(&["hosts"], &MemoryFiles::new([("hosts", text)])).unwrap();
        let host = inventory.host(0).unwrap();
        let at = |name: &str| {
            let (key, value) = host.vars.find(name).unwrap();
            (key.loc.column, value.loc.column, value.inside(1, 1).column)
        };
        assert_eq!(at("a"), (4, 6, 6));
        assert_eq!(at("b"), (9, 11, 11));
        assert_eq!(at("c"), (17, 19, 19));
        let all = inventory.group(0).unwrap();
        let (_, ntp) = all.vars.find("ntp").unwrap();
        assert_eq!(ntp.inside(1, 3).to_string(), "hosts:3:10");
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn no_inventory_makes_it_panic(
            text in "(\\[|\\]|:|children|vars|hosts|\n|a|b|all| |=|\\[1:3\\]|'|\"|#|\\{|\\}|,|1){0,30}"
        ) {
            for path in ["hosts", "hosts.yml", "hosts.json"] {
                drop(load(&[path], &MemoryFiles::new([(path, text.as_str())])));
            }
            let script = MemoryFiles::new([("s", "#!/bin/sh")]).output("./s --list", 0, &text, "");
            drop(load(&["s"], &script));
        }
    }
}
