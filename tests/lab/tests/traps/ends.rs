//! How a run ends that meets a fault: its exit code and what serves then, each with what makes it so. A code is never only
//! written down here: it follows from where in the role the run is stopped, or a case that runs the thing has it.

use super::cases::is_case;
use super::faults::{CASES, DEAF};
use super::kinds::KINDS;
use super::{read, rows};

/// What serves when a run has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// No server, starter or unit was touched.
    Untouched,
    /// Every server runs, on whichever version.
    Serves,
    /// One server is down, or its starter must stay out; the others serve.
    Held,
    /// All is upgraded.
    Done,
}

/// What makes that a run ends so.
#[derive(Debug, Clone, Copy)]
pub(super) enum By {
    /// Nothing stops it: the case, by file and name, that shows how it goes on.
    GoesOn(&'static str, &'static str),
    /// A task of a play: its file below the role's `tasks`, and its name.
    Task(&'static str, &'static str),
    /// A gate: which of the role's files it is, then file and name of the task that stops.
    Gate(&'static str, &'static str, &'static str),
    /// What a bracket waits for before it is left: the file with the bracket, and the file of what it waits for.
    Settle(&'static str, &'static str),
    /// What must be approved, by name.
    Approval(&'static str),
    /// Somebody else has the cluster: the file and the task that takes its lock.
    Lock(&'static str, &'static str),
    /// A bracket that is held: its file and name.
    Bracket(&'static str, &'static str),
    /// The script stops in it: the case, which has the code.
    Script(&'static str),
    /// A case runs it: its file, and the words there that ask for the code.
    Ran(&'static str, &'static str),
}

/// One way in which a run ends.
#[derive(Debug)]
pub(super) struct End {
    /// The run's exit code.
    pub(super) exit: u8,
    pub(super) state: State,
    pub(super) by: By,
}

pub(super) const fn end(exit: u8, state: State, by: By) -> End {
    End { exit, state, by }
}

/// The exit code of a run that is stopped so.
fn of_kind(kind: &str) -> u8 {
    let known = KINDS.iter().find(|(name, _)| *name == kind);
    known.expect("a kind of end that is run").1
}

/// Which of the role's files are gates: what the `gate:` of a play imports.
fn gates() -> Vec<String> {
    let files = ["servers", "coordinators", "starter", "upgrade_servers"];
    let mut found = Vec::new();
    for file in files {
        let text = read(&format!("roles/arangodb/{file}.yml"));
        let mut inside = None;
        for line in text.lines() {
            let indent = line.len() - line.trim_start().len();
            match (line.trim(), inside) {
                ("gate:", _) => inside = Some(indent),
                (_, Some(outer)) if indent <= outer && !line.trim().is_empty() => inside = None,
                (text, Some(_)) => {
                    let named = text.strip_prefix("tasks_from: ");
                    found.extend(named.map(str::to_owned));
                }
                (_, None) => {}
            }
        }
    }
    found
}

/// The text of a file of the role's tasks.
fn tasks(file: &str) -> String {
    read(&format!("roles/arangodb/tasks/{file}"))
}

/// The text of a task, or of anything that is named so, up to the next one of its own depth.
pub(super) fn named(text: &str, name: &str) -> Option<String> {
    let is_it = |line: &&str| {
        let line = line.trim_start().trim_start_matches("- ");
        let said = line
            .strip_prefix("name: ")
            .map(|said| said.trim_matches('"'));
        said == Some(name)
    };
    let at = text.lines().position(|line| is_it(&line))?;
    let depth = |line: &str| line.len() - line.trim_start().len();
    let mut lines = text.lines().skip(at);
    let first = lines.next()?;
    let own = depth(first);
    let rest = lines.take_while(|line| {
        line.trim().is_empty()
            || depth(line) > own
            || (depth(line) == own && !line.trim_start().starts_with('-'))
    });
    Some(
        [first]
            .into_iter()
            .chain(rest)
            .collect::<Vec<_>>()
            .join("\n"),
    )
}

/// Whether a number stands in a text by itself.
fn has_number(text: &str, number: u8) -> bool {
    let mut words = text.split(|one: char| !one.is_ascii_alphanumeric() && one != '.');
    words.any(|word| word == number.to_string())
}

/// Whether a bracket waits for what a file says before it is left.
fn settles(bracket: &str, file: &str) -> bool {
    let text = tasks(bracket);
    let settle = text.split_once("settle:\n").map(|(_, rest)| rest);
    let first = settle.and_then(|rest| rest.lines().next());
    let wanted = format!("- import_tasks: {file}");
    first.is_some_and(|line| line.trim() == wanted) && !tasks(file).is_empty()
}

/// What is wrong with an end, if anything is.
fn wrong(one: &End) -> Option<String> {
    let is = |kind: &str, found: bool| {
        let code = of_kind(kind);
        (one.exit == code && found)
            .then_some(())
            .ok_or_else(|| format!("{kind} ends with {code}, or is not there"))
    };
    let first = |file: &str| file.ends_with("preflight.yml") || file == "readiness.yml";
    let has = |file: &str, name: &str| named(&tasks(file), name).is_some();
    let found = match one.by {
        By::GoesOn(file, name) => is(
            "nothing",
            is_case(file, name) && [State::Done, State::Serves].contains(&one.state),
        ),
        By::Task(file, name) => {
            let stem = file.trim_end_matches(".yml");
            let told = first(file) == (one.state == State::Untouched);
            let is_gate = gates().iter().any(|gate| gate == stem);
            is("a task", has(file, name) && told && !is_gate)
        }
        By::Gate(gate, file, name) => {
            let there = gates().iter().any(|one| one == gate);
            let has_it = file == format!("{gate}.yml")
                || tasks(&format!("{gate}.yml")).contains(&format!("include_tasks: {file}"));
            is("a gate", there && has_it && has(file, name))
        }
        By::Settle(bracket, file) => is("settle", settles(bracket, file)),
        By::Approval(name) => {
            let point = format!("point_of_no_return: {name}");
            let files = [
                "roles/arangodb/upgrade_servers.yml",
                "roles/arangodb/tasks/gap.yml",
            ];
            is(
                "an approval",
                files.iter().any(|file| read(file).contains(&point)),
            )
        }
        By::Lock(file, name) => {
            let task = named(&tasks(file), name).unwrap_or_default();
            let takes = task.contains("cluster_lock:") && task.contains("action: take");
            is("the lock", takes)
        }
        By::Bracket(file, name) => {
            let text = read(&format!("roles/arangodb/{file}"));
            let bracket = named(&text, name).unwrap_or_default();
            is("what holds a bracket", bracket.contains("hold_while:"))
        }
        By::Script(name) => script(one, name),
        By::Ran(file, words) => {
            let said = read(file).contains(words) && has_number(words, one.exit);
            said.then_some(())
                .ok_or_else(|| format!("{file} does not ask for {}: {words}", one.exit))
        }
    };
    found.err()
}

/// The script has the run's exit code as data, which its own test runs; its own code tells what serves.
fn script(one: &End, name: &str) -> Result<(), String> {
    let mut cases = CASES.iter().chain([&DEAF]);
    let case = cases.find(|case| case.name == name);
    let case = case.ok_or_else(|| format!("the script has no case `{name}`"))?;
    let state = match case.code {
        0 => State::Done,
        10 => State::Untouched,
        11 => State::Serves,
        _ => State::Held,
    };
    let is = (case.exit, state);
    // What the script itself has not touched may still be as somebody else has left it.
    let held = case.code == 10 && case.exit == 7 && one.state == State::Held;
    (is == (one.exit, one.state) || (held && case.exit == one.exit))
        .then_some(())
        .ok_or_else(|| format!("`{name}` ends with {is:?}"))
}

#[test]
fn every_end_is_what_a_run_truly_comes_to() {
    let mut found = Vec::new();
    for row in rows() {
        if row.ends.is_empty() {
            found.push(format!("{}: how does it end?", row.fault));
        }
        let ends = row.ends.iter();
        found.extend(ends.filter_map(|one| {
            let why = wrong(one)?;
            Some(format!("{}: {} {:?}: {why}", row.fault, one.exit, one.by))
        }));
        // A number in words would be one that nothing checks.
        if row
            .end
            .split("exit ")
            .skip(1)
            .any(|rest| rest.starts_with(|one: char| one.is_ascii_digit()))
        {
            found.push(format!("{}: an exit code in words", row.fault));
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn the_codes_are_those_of_the_program() {
    let text = read("src/rollout/exit.rs");
    let codes = text.lines().filter_map(|line| {
        let (_, code) = line.trim().strip_prefix("Self::")?.split_once(" => ")?;
        code.trim_end_matches(',').parse::<u8>().ok()
    });
    let codes: Vec<u8> = codes.collect();
    assert!(codes.len() > 6, "{codes:?}");
    for row in rows() {
        for one in row.ends {
            assert!(codes.contains(&one.exit), "{}: {}", row.fault, one.exit);
        }
    }
}

#[test]
fn every_kind_of_end_is_shown_by_a_run() {
    let shown = read("tests/cli/ends.rs");
    for (kind, _) in KINDS {
        assert!(shown.contains(&format!("\"{kind}\" => ")), "{kind}");
    }
}
