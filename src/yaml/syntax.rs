//! A text that is no YAML: what is wrong, where, and what was probably meant.

use std::sync::Arc;

use super::{Loc, Problem, Source};

/// Makes a problem of the error that the parser gave.
pub(super) fn problem(source: &Arc<Source>, error: &serde_yaml::Error) -> Problem {
    let loc = match error.location() {
        Some(at) => inside(Loc::new(source, small(at.line()), small(at.column()))),
        None => Loc::start(source),
    };
    let text = error.to_string();
    let mut parts = text.splitn(2, ", ");
    let message = without_position(parts.next().unwrap_or_default());
    let mut problem = Problem::at(&loc, format!("this is no YAML: {message}"));
    if let Some(context) = parts.next() {
        problem = problem.note(context.replace(" at line ", " that starts at line "));
    }
    match hint(&loc, &message) {
        Some(hint) => problem.hint(hint),
        None => problem,
    }
}

/// Guesses what a person meant: the usual slips in YAML that holds templates.
fn hint(loc: &Loc, message: &str) -> Option<&'static str> {
    let line = loc.source.line(loc.line).unwrap_or_default();
    let before = loc
        .line
        .checked_sub(1)
        .and_then(|line| loc.source.line(line))
        .unwrap_or_default();
    let indentation = |line: &str| line.len() - line.trim_start().len();
    if line.get(..indentation(line))?.contains('\t') {
        return Some("indent with spaces, not with tabs");
    }
    let starts_template = |line: &str| line.contains(": {{") || line.contains("- {{");
    if starts_template(line) || starts_template(before) {
        return Some("a value that starts with `{{` must be quoted");
    }
    if message.starts_with("mapping values are not allowed") {
        return Some("text with `: ` in it must be quoted; else look at the indentation");
    }
    if message.starts_with("found character that cannot start any token") {
        return Some("text that starts with `%`, `@` or a backquote must be quoted");
    }
    let after_quote = |line: &str| line.contains(": \"") || line.contains(": '");
    if message.starts_with("did not find expected key")
        && (after_quote(line) || after_quote(before))
    {
        return Some("if a value starts with a quote, the quote must end at the value's end");
    }
    None
}

/// Cuts " at line 3 column 4" off: the problem has its position beside it.
fn without_position(message: &str) -> String {
    message
        .split(" at line ")
        .next()
        .unwrap_or(message)
        .to_owned()
}

/// Moves a position behind the end of the text to the end of the last line, where there is something to show.
fn inside(loc: Loc) -> Loc {
    let lines = small(loc.source.text.lines().count());
    if loc.line <= lines {
        return loc;
    }
    let last = loc.source.line(lines).unwrap_or_default();
    Loc::new(&loc.source, lines.max(1), small(last.chars().count() + 1))
}

fn small(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
