//! The same tasks under the real Ansible and here, each in a directory of its own: equal end state, equal `changed`.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use crate::case::Case;
use crate::host::Shell;
use crate::laid;
use crate::run::{self, Ran};

/// Modules whose cases need nothing that only the tests have.
const MODULES: &[&str] = &[
    "blockinfile",
    "command",
    "copy",
    "file",
    "find",
    "lineinfile",
    "replace",
    "shell",
    "slurp",
    "stat",
    "template",
    "tempfile",
    "assemble",
    "unarchive",
    "assert",
    "debug",
    "fail",
    "set_fact",
    "getent",
    "wait_for",
    "known_hosts",
];

/// Fields of results that differ by their nature.
const VOLATILE: &[&str] = &[
    "start",
    "end",
    "delta",
    "atime",
    "mtime",
    "ctime",
    "inode",
    "backup",
    "backup_file",
    "src",
    "elapsed",
    "diff",
    "version",
    "path",
    "match_groups",
    "invocation",
    "warnings",
    "exception",
    "deprecations",
    "msg",
    "failed",
    "_ansible_no_log",
    "stdout",
    "skipped_reason",
    "cmd",
    "examined",
];

/// Compares all cases; returns what differed.
pub fn compare(playbook: &str, cases: &[(String, usize, String)]) -> Vec<String> {
    let temporary = tempfile::tempdir().unwrap();
    let root = fs::canonicalize(temporary.path()).unwrap();
    let (mut main, mut chosen) = (String::new(), Vec::new());
    for (module, index, document) in cases {
        let probe: Result<Case, _> = serde_yaml::from_str(document);
        let Ok(probe) = probe else { continue };
        let usable = MODULES.contains(&module.as_str())
            && probe.programs.is_empty()
            && probe.listener.is_none()
            && !document.contains("{port}")
            && probe.expressions.is_empty()
            && probe.differs.is_none();
        if !usable {
            continue;
        }
        let place = root.join(format!("{module}-{index}"));
        fs::create_dir(&place).unwrap();
        let dir = place.join("host");
        let text = document.replace("{dir}", &dir.to_string_lossy());
        let case: Case = serde_yaml::from_str(&text).unwrap();
        run::lay_out(&case, &place, &dir);
        for (name, entry) in &case.controller {
            laid::make(&place.join(name), entry);
        }
        let play = json!([{
            "hosts": "localhost",
            "gather_facts": false,
            "vars": case.variables,
            "environment": case.environment.iter().map(|(k, v)| (k.clone(), json!(v))).chain([("HOME".to_owned(), json!(place.join("home")))]).collect::<serde_json::Map<_, _>>(),
            "tasks": [{
                "name": format!("{module}-{index}"),
                module.as_str(): case.arguments,
                "ignore_errors": true,
                "check_mode": case.check,
                "diff": case.diff,
                "register": "the_result",
            }, {
                "copy": {"content": "{{ the_result | to_json }}", "dest": place.join("result.json")},
                "check_mode": false, "ignore_errors": true,
                "environment": {},
            }],
        }]);
        fs::write(place.join("play.yml"), play.to_string()).unwrap();
        writeln!(main, "- import_playbook: {}/play.yml", place.display()).unwrap();
        chosen.push((module.clone(), *index, document.clone(), place));
    }
    fs::write(root.join("main.yml"), main).unwrap();
    let said = ansible(playbook, &root);
    let mut differences = Vec::new();
    for (module, index, document, place) in chosen {
        let name = format!("{module}-{index}");
        let Ok(theirs) = fs::read_to_string(place.join("result.json")) else {
            let last = said.rsplit(&format!("[{name}]")).next().unwrap_or_default();
            let last: String = last.chars().take(600).collect();
            differences.push(format!("{name}: Ansible gave no result: {last}"));
            continue;
        };
        let theirs: Value = serde_json::from_str(&theirs).unwrap();
        let ours = run::ran(&module, &document, Shell::Bash);
        if let Some(difference) = one(&theirs, &ours, &place.join("host")) {
            differences.push(format!("{name}: {difference}"));
        }
    }
    differences
}

/// Runs all plays and returns what was printed.
fn ansible(playbook: &str, root: &Path) -> String {
    let output = Command::new(playbook)
        .args(["-i", "localhost,", "-c", "local", "main.yml"])
        .current_dir(root)
        .env(
            "ANSIBLE_PYTHON_INTERPRETER",
            Path::new(playbook).with_file_name("python3"),
        )
        .env("ANSIBLE_LOCALHOST_WARNING", "false")
        .env("ANSIBLE_HOME", root.join("ansible-home"))
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text + &String::from_utf8_lossy(&output.stderr)
}

fn one(theirs: &Value, ours: &Ran, their_dir: &Path) -> Option<String> {
    let flag = |name: &str| theirs[name].as_bool().unwrap_or(false);
    if flag("failed") != ours.failed {
        return Some(format!(
            "failed: {} there, {} here\n  there: {theirs}\n  here: {ours:?}",
            flag("failed"),
            ours.failed
        ));
    }
    if !flag("failed") && flag("changed") != ours.changed {
        return Some(format!(
            "changed: {} there, {} here\n  there: {theirs}\n  here: {ours:?}",
            flag("changed"),
            ours.changed
        ));
    }
    let (their_tree, our_tree) = (tree(their_dir), tree(&ours.dir));
    if their_tree != our_tree {
        return Some(format!(
            "the end state\n  there: {their_tree:?}\n  here: {our_tree:?}"
        ));
    }
    if flag("failed") {
        return None;
    }
    let plain = |value: &Value, dir: &Path| {
        let text = value.to_string();
        text.replace(&*dir.parent().unwrap().to_string_lossy(), "DIR")
    };
    let mut wrong = Vec::new();
    for (name, value) in &ours.result {
        let Some(there) = theirs
            .get(name)
            .filter(|_| !VOLATILE.contains(&name.as_str()))
        else {
            continue;
        };
        // A link is as long as what it leads to.
        if name == "size" && theirs["state"] == "link" {
            continue;
        }
        let (a, b) = (strip(there), strip(value));
        if plain(&a, their_dir) != plain(&b, &ours.dir) {
            wrong.push(format!(
                "{name}: {} there, {} here",
                plain(&a, their_dir),
                plain(&b, &ours.dir)
            ));
        }
    }
    let missing: Vec<&String> = theirs
        .as_object()
        .into_iter()
        .flatten()
        .map(|(name, _)| name)
        .filter(|name| {
            !ours.result.contains_key(*name)
                && !VOLATILE.contains(&name.as_str())
                && !name.starts_with("_ansible")
                && !["changed", "action", "skipped", "secontext"].contains(&name.as_str())
        })
        .collect();
    if !missing.is_empty() {
        wrong.push(format!("only there: {missing:?}"));
    }
    (!wrong.is_empty()).then(|| wrong.join("\n  "))
}

/// Leaves out of nested values what differs by its nature, and puts maps in order.
fn strip(value: &Value) -> Value {
    match value {
        Value::Object(entries) => {
            let mut sorted: Vec<(&String, &Value)> = entries
                .iter()
                .filter(|(name, _)| *name == "path" || !VOLATILE.contains(&name.as_str()))
                .collect();
            sorted.sort_by_key(|(name, _)| *name);
            Value::Object(
                sorted
                    .into_iter()
                    .map(|(name, value)| (name.clone(), strip(value)))
                    .collect(),
            )
        }
        Value::Array(items) => Value::Array(items.iter().map(strip).collect()),
        other => other.clone(),
    }
}

/// Lists a directory: kind, mode, owner and content of each path, without names that hold the time.
fn tree(dir: &Path) -> BTreeMap<PathBuf, String> {
    use std::os::unix::fs::MetadataExt as _;
    let mut found = BTreeMap::new();
    let mut left = vec![dir.to_path_buf()];
    while let Some(path) = left.pop() {
        let Ok(state) = fs::symlink_metadata(&path) else {
            continue;
        };
        let inner = path.strip_prefix(dir).unwrap().to_path_buf();
        let mut shown = format!("{:o} {}:{}", state.mode(), state.uid(), state.gid());
        if state.is_dir() {
            left.extend(
                fs::read_dir(&path)
                    .unwrap()
                    .map(|entry| entry.unwrap().path()),
            );
        } else if state.is_symlink() {
            let target = fs::read_link(&path).unwrap().to_string_lossy().into_owned();
            write!(
                shown,
                " -> {}",
                target.replace(&*dir.to_string_lossy(), "DIR")
            )
            .unwrap();
        } else if state.is_file() {
            let text = String::from_utf8_lossy(&fs::read(&path).unwrap()).into_owned();
            write!(
                shown,
                " {}",
                text.replace(&*dir.parent().unwrap().to_string_lossy(), "DIR")
            )
            .unwrap();
        }
        let name = inner.to_string_lossy();
        // The name of a backup holds a process's number and the time.
        let key = match name
            .strip_suffix('~')
            .and_then(|name| name.rsplitn(3, '.').nth(2))
        {
            Some(kept) => PathBuf::from(format!("{kept}~")),
            None => inner,
        };
        if key.to_string_lossy().contains("ansible.")
            || key.to_string_lossy().starts_with("a b") && state.size() == 0
        {
            continue;
        }
        found.insert(key, shown);
    }
    found
}
