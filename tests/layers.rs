//! The house stands: no room imports one that lies above it, and only some rooms touch the machine.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test ends where it cannot go on"
)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// The rooms from low to high; rooms of one step do not import each other.
const STEPS: &[&[&str]] = &[
    &["clock", "secrets"],
    &["yaml"],
    &["inventory", "template"],
    &["vars"],
    &["modules::spec"],
    &["playbook"],
    &["cluster::model"],
    &["plan"],
    &["events"],
    &["connection", "journal"],
    &["cluster"],
    &["modules"],
    &["rollout"],
    &["report"],
    &["cli"],
];

/// What touches the machine or the network, and the rooms that may.
const EDGES: &[(&str, &[&str])] = &[
    ("ssh2", &["connection"]),
    ("ureq", &["connection"]),
    ("rusqlite", &["journal"]),
    ("std::net", &["connection", "cli"]),
    ("std::process", &["connection", "cli"]),
    ("std::fs", &["cli", "journal", "connection"]),
    ("rustix", &["connection", "cli", "journal"]),
    ("indicatif", &["cli"]),
    ("unicode_width", &["cli"]),
    ("clap", &["cli"]),
    ("serde_yaml", &["yaml"]),
    ("granit_parser", &["yaml"]),
    ("minijinja", &["template"]),
    ("std::time::Instant", &["clock"]),
    ("std::time::SystemTime", &["clock"]),
];

/// Files and directories that are compiled for unit tests alone; their rooms say so by `#[cfg(test)]`.
const TEST_FILES: &[&str] = &["tests", "testing", "trials"];

fn sources(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let stem = path
            .file_stem()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        if TEST_FILES.contains(&stem.as_str()) {
            continue;
        }
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|end| end == "rs") {
            found.push(path);
        }
    }
}

/// Returns the room of a file below `src`, and its code without comments and without its unit tests.
fn read(root: &Path, path: &Path) -> Option<(String, String)> {
    let inner = path.strip_prefix(root).ok()?;
    let mut parts = inner.iter().map(|part| part.to_string_lossy().into_owned());
    let first = parts.next()?;
    let second = parts.next()?;
    let room = match (first.as_str(), second.trim_end_matches(".rs")) {
        ("modules", "spec") => "modules::spec".to_owned(),
        ("cluster", "model") => "cluster::model".to_owned(),
        _ => first,
    };
    let text = fs::read_to_string(path).ok()?;
    let code = text.split("#[cfg(test)]").next().unwrap_or_default();
    let lines = code
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"));
    Some((room, lines.collect::<Vec<_>>().join("\n")))
}

fn step(room: &str) -> usize {
    STEPS
        .iter()
        .position(|step| step.contains(&room))
        .unwrap_or_else(|| panic!("room `{room}` is not on the map"))
}

/// Returns the rooms that a code names by `crate::ROOM`, also in `use crate::{a, b::c}`.
fn named(code: &str) -> Vec<String> {
    let mut rooms = Vec::new();
    for (at, _) in code.match_indices("crate::") {
        let before = code[..at].chars().next_back();
        if before.is_some_and(|c| c.is_alphanumeric() || c == '_') {
            continue;
        }
        let rest = &code[at + "crate::".len()..];
        let heads: Vec<String> = match rest.strip_prefix('{') {
            Some(list) => split_list(list),
            None => vec![
                rest.chars()
                    .take_while(|c| c.is_alphanumeric() || *c == '_' || *c == ':')
                    .collect(),
            ],
        };
        for head in heads {
            let mut parts = head.split("::").filter(|part| !part.is_empty());
            let (first, second) = (
                parts.next().unwrap_or_default(),
                parts.next().unwrap_or_default(),
            );
            let whole = format!("{first}::{second}");
            rooms.push(if STEPS.iter().any(|step| step.contains(&whole.as_str())) {
                whole
            } else {
                first.to_owned()
            });
        }
    }
    rooms
}

/// Splits `a, b::{c, d}}...` at the commas of the outer braces.
fn split_list(list: &str) -> Vec<String> {
    let (mut depth, mut item, mut items) = (0_u32, String::new(), Vec::new());
    for c in list.chars() {
        match c {
            '}' if depth == 0 => break,
            ',' if depth == 0 => items.push(std::mem::take(&mut item)),
            _ => {
                depth = match c {
                    '{' => depth + 1,
                    '}' => depth - 1,
                    _ => depth,
                };
                item.push(c);
            }
        }
    }
    items.push(item);
    items
        .iter()
        .map(|item| item.trim().replace('{', "::"))
        .filter(|item| !item.is_empty())
        .collect()
}

#[test]
fn no_room_imports_one_above_it() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let (mut files, mut wrong) = (Vec::new(), Vec::new());
    sources(&root, &mut files);
    let mut edges: BTreeMap<(String, String), PathBuf> = BTreeMap::new();
    for file in &files {
        let Some((room, code)) = read(&root, file) else {
            continue;
        };
        for other in named(&code) {
            edges
                .entry((room.clone(), other))
                .or_insert_with(|| file.clone());
        }
    }
    assert!(
        edges.len() > 5,
        "the test sees no imports at all: {edges:?}"
    );
    for ((room, other), file) in &edges {
        let same_house = room.split("::").next() == other.split("::").next();
        if room == other || (same_house && step(other) <= step(room)) {
            continue;
        }
        if step(other) >= step(room) {
            wrong.push(format!(
                "{}: {room} must not import {other}",
                file.display()
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn only_some_rooms_touch_the_machine() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let (mut files, mut wrong) = (Vec::new(), Vec::new());
    sources(&root, &mut files);
    for file in &files {
        let Some((room, code)) = read(&root, file) else {
            continue;
        };
        for (edge, rooms) in EDGES {
            let uses = code.match_indices(edge).any(|(at, _)| {
                let before = code[..at].chars().next_back().unwrap_or(' ');
                let after = code[at + edge.len()..].chars().next().unwrap_or(' ');
                let word = |c: char| c.is_alphanumeric() || c == '_';
                !word(before)
                    && before != '.'
                    && !word(after)
                    && (edge.contains("::") || after == ':')
            });
            if uses && !rooms.contains(&room.as_str()) {
                wrong.push(format!("{}: {room} must not use {edge}", file.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn lists_of_imports_are_read() {
    assert_eq!(
        named("use crate::{clock::{Clock, Stop}, yaml::Loc};"),
        ["clock", "yaml"]
    );
    assert_eq!(
        named("use crate::modules::spec::Kind; x(crate::cluster::model::A)"),
        ["modules::spec", "cluster::model"]
    );
    assert_eq!(named("mycrate::foo::bar"), Vec::<String>::new());
}
