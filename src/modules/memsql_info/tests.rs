//! The shipped role as text, and a probe of a server that speaks the protocol.

use std::fs;
use std::path::{Path, PathBuf};

use crate::template::mysql_node;

fn role_files() -> Vec<(String, String)> {
    fn collect(directory: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                collect(&path, found);
            } else {
                found.push(path);
            }
        }
    }
    let top = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    collect(&top.join("roles/memsql"), &mut files);
    collect(&top.join("templates/memsql"), &mut files);
    files
        .into_iter()
        .filter(|path| path.extension().is_none_or(|end| end != "md"))
        .map(|path| {
            (
                path.display().to_string(),
                fs::read_to_string(&path).unwrap(),
            )
        })
        .collect()
}

/// I2: every play that takes servers away, or moves masters, is watched.
#[test]
fn every_play_that_takes_something_away_is_guarded() {
    let mut found = 0;
    for (file, text) in role_files() {
        if !file.ends_with("_servers.yml") {
            continue;
        }
        for play in text.split("\n- name: ").skip(1) {
            let takes = ["leaves", "aggregators", "rebalance"];
            let takes = takes.map(|name| format!("tasks_from: {name}\n"));
            if !takes.iter().any(|name| play.contains(name)) {
                continue;
            }
            let name = play.lines().next().unwrap_or_default();
            assert!(play.contains("\n  guards:\n"), "{file}: {name}");
            let guard = "until: result.masters.ok\n";
            assert!(play.contains(guard), "{file}: {name}");
            found += 1;
        }
    }
    assert_eq!(found, 6, "both ways: groups, masters, child aggregators");
}

/// I7: nothing of the kind is written anywhere.
#[test]
fn the_role_forces_nothing_and_means_no_node_that_it_does_not_name() {
    let files = role_files();
    assert!(files.len() > 20, "{}", files.len());
    for (file, text) in &files {
        let upper = text.to_uppercase();
        for forbidden in [
            "FORCE",
            "--HARD-STOP",
            "--ALL",
            "REMOVE LEAF",
            "LEAF ALL",
            "CLEAR ORPHAN",
            "ADD LEAF",
        ] {
            assert!(!upper.contains(forbidden), "{file}: {forbidden}");
        }
    }
    let upgrades: Vec<&str> = files
        .iter()
        .flat_map(|(_, text)| text.lines())
        .filter(|line| line.contains("'memsql-upgrade'"))
        .collect();
    let [only] = upgrades.as_slice() else {
        panic!("the command is made in one place: {upgrades:?}");
    };
    assert!(
        only.contains("['--memsql-id'] | product(memsql_ids)"),
        "{only}"
    );
    assert!(only.contains("if memsql_ids else ['false']"), "{only}");
    for command in [
        "'memsql-stop', memsql_ids_of[item]",
        "'memsql-start', memsql_ids_of[item]",
    ] {
        let all = |text: &str| text.matches(command.split(", ").next().unwrap()).count();
        let named = |text: &str| text.matches(command).count();
        for (file, text) in &files {
            assert_eq!(all(text), named(text), "{file}: {command} without an id");
        }
    }
}

#[test]
fn attaching_never_moves_who_leads() {
    for (file, text) in role_files() {
        for line in text.lines().filter(|line| line.starts_with("ATTACH LEAF")) {
            assert!(line.ends_with("NO REBALANCE"), "{file}: {line}");
        }
    }
    assert!(mysql_node("h:1").is_some());
}
