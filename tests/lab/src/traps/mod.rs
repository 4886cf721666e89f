//! The table of what can go wrong, run: each row's cases, one after the other, and how each row ended.
//!
//! The table is data of the test `traps`, which writes it out when it has judged it. A case is a test that cargo runs by its
//! name, also one that is listed as ignored because it is too long for each landing. A row with a case that failed, was not
//! run, or is not there, is red.

mod find;
pub mod report;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::command::{self, Command};
use crate::files;
use find::{Target, tests_of};

/// Why the table could not be run.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Cargo could not be started, or did not come to an end.
    #[error(transparent)]
    Command(#[from] command::Error),
    /// The table could not be read.
    #[error(transparent)]
    File(#[from] files::Error),
    /// There is no room for the table.
    #[error("a directory for the table: {0}")]
    Place(std::io::Error),
    /// What cargo or the table's test wrote is not what it should be.
    #[error("{0}: {1}")]
    Malformed(String, serde_json::Error),
    /// The table itself is wrong.
    #[error("the table's own test fails: {0}")]
    Table(String),
}

/// One way in which things go wrong, and what tries it.
#[derive(Debug, Clone, Deserialize)]
pub struct Row {
    /// The gates, invariants and silences of the procedure that it arms.
    pub arms: String,
    /// What goes wrong.
    pub fault: String,
    /// What must come of it.
    pub end: String,
    /// File, from the top of the tree, and name of each case.
    pub cases: Vec<(String, String)>,
}

/// How a case ended.
#[derive(Debug, Clone, PartialEq)]
pub struct Ended {
    /// Whether it ran and passed.
    pub passed: bool,
    /// How long its tests took together.
    pub took: Duration,
    /// What is wrong with it; nothing if it passed.
    pub why: String,
}

/// The longest that one test may take, with what must be built for it.
const LIMIT: Duration = Duration::from_hours(1);

fn cargo(words: &str) -> Command {
    let top = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..");
    Command::line("cargo")
        .args(words.split(' '))
        .directory(top)
        .env("STAGGER_LAB", "required")
        .within(LIMIT)
}

/// Lets the table's test judge the table, and reads the rows of a system that it has written out.
pub fn table(system: &str) -> Result<Vec<Row>, Error> {
    let malformed = |what: &str| {
        let what = what.to_owned();
        |error| Error::Malformed(what, error)
    };
    let place = tempfile::tempdir().map_err(Error::Place)?;
    let judged = cargo("test --locked -p lab --test traps").env("STAGGER_TABLES", place.path());
    let judged = judged.output()?;
    if !judged.is_ok() {
        return Err(Error::Table(judged.out));
    }
    let file = place.path().join(format!("traps-{system}.json"));
    let text = files::read(&file)?;
    serde_json::from_str(&text).map_err(malformed(&file.display().to_string()))
}

/// Runs every case of the rows once, telling each, and returns how the rows ended.
pub fn run(rows: &[Row], tell: &dyn Fn(&str)) -> Result<Value, Error> {
    let mut known = BTreeMap::new();
    let mut listed = BTreeMap::new();
    let mut told = Vec::new();
    for row in rows {
        let mut cases = Vec::new();
        for (file, name) in &row.cases {
            let ended = of_case(file, name, &mut listed, &mut known, tell)?;
            cases.push((file.as_str(), name.as_str(), ended));
        }
        told.push(report::row(row, &cases));
    }
    let is_red = |row: &&Value| row.get("ok") != Some(&json!(true));
    let red = told.iter().filter(is_red).count();
    Ok(json!({"ok": red == 0 && !told.is_empty(), "rows": told.len(), "red": red, "table": told}))
}

/// Runs the tests that a case is; a test that several rows name is run once.
fn of_case(
    file: &str,
    name: &str,
    listed: &mut BTreeMap<Target, Vec<String>>,
    known: &mut BTreeMap<String, Ended>,
    tell: &dyn Fn(&str),
) -> Result<Ended, Error> {
    let none = |why: &str| Ended {
        passed: false,
        took: Duration::ZERO,
        why: why.to_owned(),
    };
    let Some(target) = Target::of(file) else {
        return Ok(none("no test is made of this file"));
    };
    if !listed.contains_key(&target) {
        let output = cargo(&format!("{} -- --list", target.words())).output()?;
        listed.insert(target.clone(), find::listed(&output.out));
    }
    let tests = tests_of(file, name, listed.get(&target).map_or(&[], Vec::as_slice));
    if tests.is_empty() {
        return Ok(none("no such test"));
    }
    let mut all = Ended {
        passed: true,
        took: Duration::ZERO,
        why: String::new(),
    };
    for test in tests {
        let key = format!("{} {test}", target.words());
        if !known.contains_key(&key) {
            let ended = one(&target, &test)?;
            let verdict = if ended.passed { "ok" } else { "RED" };
            tell(&format!(
                "{:5.1} s {verdict} {test}",
                ended.took.as_secs_f64()
            ));
            known.insert(key.clone(), ended);
        }
        if let Some(ended) = known.get(&key) {
            all.passed &= ended.passed;
            all.took += ended.took;
            all.why += &ended.why;
        }
    }
    Ok(all)
}

/// Runs one test, also one that is listed as ignored.
fn one(target: &Target, test: &str) -> Result<Ended, Error> {
    let words = format!("{} -- --include-ignored --exact {test}", target.words());
    let output = cargo(&words).output()?;
    let passed = output.is_ok() && find::passed(&output.out) == 1;
    let lines: Vec<&str> = output.out.lines().collect();
    let end = lines.get(lines.len().saturating_sub(30)..);
    let why = (!passed).then(|| format!("{}: {}", output.exit, end.unwrap_or_default().join("\n")));
    Ok(Ended {
        passed,
        took: output.took,
        why: why.unwrap_or_default(),
    })
}
