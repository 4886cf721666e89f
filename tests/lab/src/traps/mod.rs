//! The table of what can go wrong, run: the cases of all rows, some side by side, and how each row ended.
//!
//! The table is data of the test `traps`, which writes it out when it has judged it. A case is a test that cargo runs by its
//! name, also one that is listed as ignored because it is too long for each landing. A row with a case that failed, was not
//! run, or is not there, is red.

mod find;
pub mod report;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::command::{self, Command};
use crate::{clock, files};
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
    /// A thread that ran cases panicked.
    #[error("a bug: running the cases ended in a panic")]
    Bug,
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

impl Ended {
    fn not_run(why: &str) -> Self {
        Self {
            passed: false,
            took: Duration::ZERO,
            why: why.to_owned(),
        }
    }
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

/// Runs every case of the rows once, so many side by side, telling each, and returns how the rows ended.
pub fn run(rows: &[Row], at_once: usize, tell: &(dyn Fn(&str) + Sync)) -> Result<Value, Error> {
    let begin = clock::now();
    let cases: BTreeSet<_> = rows.iter().flat_map(|row| &row.cases).collect();
    let mut tests = BTreeMap::new();
    let mut listed = BTreeMap::new();
    for (file, name) in cases {
        let found = Target::of(file).map(|target| found(target, file, name, &mut listed));
        tests.insert((file, name), found.transpose()?);
    }
    let wanted: BTreeSet<_> = tests.values().flatten().flatten().cloned().collect();
    let known = all(&wanted.into_iter().collect::<Vec<_>>(), at_once, tell)?;
    let of_case = |(file, name): &(String, String)| match tests.get(&(file, name)) {
        Some(Some(tests)) => together(tests, &known),
        Some(None) | None => Ended::not_run("no test is made of this file"),
    };
    let mut told = Vec::new();
    for row in rows {
        let cases = row.cases.iter();
        let cases = cases.map(|case| (case.0.as_str(), case.1.as_str(), of_case(case)));
        told.push(report::row(row, &cases.collect::<Vec<_>>()));
    }
    let is_red = |row: &&Value| row.get("ok") != Some(&json!(true));
    let red = told.iter().filter(is_red).count();
    Ok(json!({
        "ok": red == 0 && !told.is_empty(),
        "rows": told.len(),
        "red": red,
        "tests": known.len(),
        "wall_s": begin.elapsed().as_secs_f64(),
        "table": told,
    }))
}

/// One test: what it is part of, and its name.
type Test = (Target, String);

/// Finds the tests that a case is.
fn found(
    target: Target,
    file: &str,
    name: &str,
    listed: &mut BTreeMap<Target, Vec<String>>,
) -> Result<Vec<Test>, Error> {
    if !listed.contains_key(&target) {
        let output = cargo(&format!("{} -- --list", target.words())).output()?;
        listed.insert(target.clone(), find::listed(&output.out));
    }
    let tests = tests_of(file, name, listed.get(&target).map_or(&[], Vec::as_slice));
    let of_target = |test| (target.clone(), test);
    Ok(tests.into_iter().map(of_target).collect())
}

/// Runs tests, so many side by side.
fn all(
    tests: &[Test],
    at_once: usize,
    tell: &(dyn Fn(&str) + Sync),
) -> Result<BTreeMap<Test, Ended>, Error> {
    let next = AtomicUsize::new(0);
    let known = Mutex::new(BTreeMap::new());
    let work = || {
        while let Some(test) = tests.get(next.fetch_add(1, Ordering::Relaxed)) {
            let ended = one(&test.0, &test.1)?;
            let verdict = if ended.passed { "ok" } else { "RED" };
            let (took, name) = (ended.took.as_secs_f64(), &test.1);
            tell(&format!("{took:5.1} s {verdict} {name}"));
            let mut known = known.lock().unwrap_or_else(PoisonError::into_inner);
            known.insert(test.clone(), ended);
        }
        Ok(())
    };
    std::thread::scope(|scope| {
        let working: Vec<_> = (0..at_once.max(1)).map(|_| scope.spawn(work)).collect();
        let bug = |_| Err(Error::Bug);
        let mut ends = working.into_iter();
        ends.try_for_each(|worker| worker.join().unwrap_or_else(bug))
    })?;
    Ok(known.into_inner().unwrap_or_else(PoisonError::into_inner))
}

/// How a case ended whose tests ended so; a test that several rows name was run once.
fn together(tests: &[Test], known: &BTreeMap<Test, Ended>) -> Ended {
    if tests.is_empty() {
        return Ended::not_run("no such test");
    }
    let mut all = Ended {
        passed: true,
        took: Duration::ZERO,
        why: String::new(),
    };
    for test in tests {
        let Some(ended) = known.get(test) else {
            return Ended::not_run("it was not run");
        };
        all.passed &= ended.passed;
        all.took += ended.took;
        all.why += &ended.why;
    }
    all
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
