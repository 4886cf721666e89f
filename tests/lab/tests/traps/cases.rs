//! What counts as a case: what a test's harness runs by that name, and nothing else that happens to be written so.

use super::{memsql, read, rows};

/// What stands directly before the name of a case as text: the case itself, or a row of a table of which each is one.
const BEFORE: &[&str] = &["case(", "name: ", "fault: ", "gate: ", "name = format!("];
/// What makes one row of a table of MemSQL's cases.
const MAKES: &[&str] = &[
    "row(",
    "with(",
    "failing(",
    "failing_then_again(",
    "survived(",
    "resumed(",
    "second(",
];

/// Whether a function of this name has the attribute of a test, with or without others beside it.
fn is_test(text: &str, name: &str) -> bool {
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let begins = format!("fn {name}(");
    let Some(at) = lines.iter().position(|line| line.starts_with(&begins)) else {
        return false;
    };
    let above = lines.iter().take(at).rev();
    let mut own = above.take_while(|line| !line.is_empty() && **line != "}");
    own.any(|line| *line == "#[test]")
}

/// Whether a name stands as text behind one of these words, with blanks between or not.
fn stands_behind(text: &str, name: &str, words: &[&str]) -> bool {
    let quoted = format!("\"{name}\"");
    text.match_indices(&quoted).any(|(at, _)| {
        let before = text.get(..at).unwrap_or_default();
        let trimmed = before.trim_end();
        let is_it = |word: &&str| {
            let word = word.trim_end();
            let rest = trimmed.strip_suffix(word);
            // A word of its own, not the end of a longer one.
            rest.is_some_and(|rest| {
                !rest.ends_with(|one: char| one.is_alphanumeric() || one == '_')
            })
        };
        words.iter().any(is_it)
    })
}

/// Whether a row of a table begins with this text: nothing but a bracket stands before it.
fn begins_a_row(text: &str, name: &str) -> bool {
    let quoted = format!("\"{name}\"");
    text.match_indices(&quoted).any(|(at, _)| {
        let before = text.get(..at).unwrap_or_default().trim_end();
        let open = before.strip_suffix('(').map(str::trim_end);
        open.is_some_and(|rest| rest.ends_with([',', '[', '{']))
    })
}

/// Whether a file has a case of this name.
pub(super) fn is_case(file: &str, name: &str) -> bool {
    let text = read(file);
    let own = file.contains("memsql");
    is_test(&text, name)
        || stands_behind(&text, name, BEFORE.get(..2).unwrap_or_default())
        || (own && stands_behind(&text, name, BEFORE))
        || (own && stands_behind(&text, name, MAKES))
        || (own && begins_a_row(&text, name))
}

#[test]
fn every_case_of_the_table_is_there() {
    let mut gone = Vec::new();
    for row in rows().chain(memsql::rows()) {
        let cases = row.cases.iter().filter(|(file, name)| !is_case(file, name));
        gone.extend(cases.map(|(file, name)| format!("{}: {file}: {name}", row.fault)));
    }
    assert!(gone.is_empty(), "{}", gone.join("\n"));
}

#[test]
fn only_what_is_run_by_its_name_is_a_case() {
    let file = "tests/cli/arangodb_role/somebody_else.rs";
    assert!(is_case(
        file,
        "somebody_else_who_upgrades_or_switches_is_seen"
    ));
    // The name of a task that the test reads.
    assert!(!is_case(file, "maintenance mode is still asked for"));
    // A part of a case.
    let file = "tests/lab/tests/hosts/cluster.rs";
    assert!(is_case(
        file,
        "cluster::serves_and_meets_packages_and_systemd"
    ));
    assert!(!is_case(file, "the_package_meets_the_cluster"));
    assert!(!is_case("tests/lab/tests/memsql/whole.rs", "assert_never"));
}
