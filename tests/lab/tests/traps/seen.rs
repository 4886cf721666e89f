//! Who notices a fault where its gate does not: each detector with the place where it can be looked up.

use super::cases::is_case;
use super::ends::named;
use super::{Row, read, rows};

/// What notices.
#[derive(Debug, Clone, Copy)]
pub(super) enum Seen {
    /// The oracle, by the invariants that it finds broken.
    Oracle(&'static [&'static str]),
    /// A number of the clients' report.
    Report(&'static str),
    /// What a simulator counts: its file, and the name of the effect.
    Effect(&'static str, &'static str),
    /// Something later in the role: its file, and the task or guard there.
    Later(&'static str, &'static str),
    /// Something later in the script, by what it says.
    Script(&'static str),
    /// A test that shows it, by file and name.
    Test(&'static str, &'static str),
}

/// The code of a file, without its tests.
fn code(file: &str) -> String {
    let text = read(file);
    let code = text.split("#[cfg(test)]").next();
    code.unwrap_or_default().to_owned()
}

/// What the oracle of ArangoDB finds broken, as its code names it.
const ORACLE: &[&str] = &[
    "tests/lab/src/load/invariants.rs",
    "tests/lab/src/load/verdict.rs",
];

/// The names of invariants in a text: a letter and a number.
fn invariants(text: &str) -> Vec<&str> {
    let is_name = |word: &&str| {
        let digits = word.trim_start_matches(['I', 'P', 'R']);
        digits.len() + 1 == word.len() && digits.parse::<u8>().is_ok()
    };
    let words = text.split(|one: char| !one.is_alphanumeric());
    words.filter(is_name).collect()
}

fn can_see(one: &Seen) -> bool {
    match one {
        Seen::Oracle(names) => {
            let code: String = ORACLE.iter().map(|file| code(file)).collect();
            let has = |name: &&str| code.contains(&format!("\"{name} "));
            !names.is_empty() && names.iter().all(has)
        }
        Seen::Report(name) => {
            let files = [
                "tests/lab/src/load/tally.rs",
                "tests/lab/src/load/verdict.rs",
            ];
            let key = format!("\"{name}\":");
            files.iter().any(|file| code(file).contains(&key))
        }
        Seen::Effect(file, name) => {
            let counts = [format!("count(\"{name}\""), format!("        \"{name}\",")];
            counts.iter().any(|count| code(file).contains(count))
        }
        Seen::Later(file, name) => named(&read(&format!("roles/arangodb/{file}")), name).is_some(),
        Seen::Script(words) => read("templates/arangodb/upgrade_server.sh.j2").contains(words),
        Seen::Test(file, name) => is_case(file, name),
    }
}

#[test]
fn every_detector_can_see_what_it_is_said_to_see() {
    let mut blind = Vec::new();
    for row in rows() {
        let Row { fault, seen, .. } = row;
        if seen.is_empty() {
            blind.push(format!("{fault}: who sees it? {}", row.detector));
        }
        let own = seen.iter().filter(|one| !can_see(one));
        blind.extend(own.map(|one| format!("{fault}: {one:?}")));
        // What is said in words of the oracle is what it is asked for.
        let told = row.detector.split_once("the oracle: ");
        let told = told.map(|(_, told)| invariants(told)).unwrap_or_default();
        let asked = seen.iter().find_map(|one| {
            let Seen::Oracle(names) = one else {
                return None;
            };
            Some(names.to_vec())
        });
        if told != asked.unwrap_or_default() {
            blind.push(format!("{fault}: {}", row.detector));
        }
    }
    assert!(blind.is_empty(), "{}", blind.join("\n"));
}

/// The same of MemSQL, whose rows name in words what the oracle sees.
#[test]
fn every_invariant_that_the_oracle_is_said_to_see_is_in_it() {
    let code = code("tests/lab/src/load/memsql/invariants.rs");
    for row in super::memsql::rows() {
        let Some((_, told)) = row.detector.split_once("the oracle: ") else {
            continue;
        };
        let names = invariants(told);
        assert!(!names.is_empty(), "{}: {told}", row.fault);
        for name in names {
            let is_there = code.contains(&format!("\"{name} "));
            assert!(is_there, "{}: {name}", row.fault);
        }
    }
}
