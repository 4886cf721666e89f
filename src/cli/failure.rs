//! Every room's errors -> text with hints, and the exit code. The only place where errors become text for people.

use std::cmp::Ordering;
use std::fmt::Write as _;

use crate::yaml::Problem;

/// The exit codes; what ends in several ways at once ends with the heaviest. They are compared by weight: 7 > 6 > 5 > 4 >
/// 3 > 2 > 8 > 1 > 0, a bug above all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum ExitCode {
    /// Everything was done.
    Done = 0,
    /// The command line, a file or an inventory is wrong; nothing was touched.
    Usage = 1,
    /// A step failed.
    Failed = 2,
    /// A guard, a gate or a missing approval stopped the run.
    Stopped = 3,
    /// A host could not be reached.
    Unreachable = 4,
    /// Another run holds the lock.
    Locked = 5,
    /// The operator interrupted the run.
    Interrupted = 6,
    /// Something that was switched off is still off.
    Owed = 7,
    /// All is done but for what was skipped by name.
    Partial = 8,
    /// stagger has a bug.
    Bug = 101,
}

impl ExitCode {
    /// All codes, the lightest first.
    const BY_WEIGHT: [Self; 10] = [
        Self::Done,
        Self::Usage,
        Self::Partial,
        Self::Failed,
        Self::Stopped,
        Self::Unreachable,
        Self::Locked,
        Self::Interrupted,
        Self::Owed,
        Self::Bug,
    ];

    fn weight(self) -> usize {
        let place = Self::BY_WEIGHT.iter().position(|code| *code == self);
        place.unwrap_or(Self::BY_WEIGHT.len())
    }

    /// Returns the code of a number; one that is not in the table is a failure.
    pub fn from_number(number: u8) -> Self {
        let mut all = Self::BY_WEIGHT.into_iter();
        all.find(|code| *code as u8 == number)
            .unwrap_or(Self::Failed)
    }
}

impl Ord for ExitCode {
    fn cmp(&self, other: &Self) -> Ordering {
        self.weight().cmp(&other.weight())
    }
}

impl PartialOrd for ExitCode {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Why a command did not do what it was asked, ready to be shown.
#[derive(Debug, Clone)]
pub struct Failure {
    /// How the process ends.
    pub code: ExitCode,
    /// What is wrong; shown one after another.
    pub problems: Vec<Problem>,
}

impl Failure {
    /// Makes a failure of bad input.
    pub fn usage(message: impl Into<String>) -> Self {
        Self::from(vec![Problem::nowhere(message)])
    }

    /// Makes a failure with another code.
    pub fn new(code: ExitCode, message: impl Into<String>) -> Self {
        Self {
            code,
            problems: vec![Problem::nowhere(message)],
        }
    }

    /// Adds a hint to the last problem.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        if let Some(problem) = self.problems.last_mut() {
            problem.hint = Some(hint.into());
        }
        self
    }
}

impl From<Vec<Problem>> for Failure {
    fn from(problems: Vec<Problem>) -> Self {
        Self {
            code: ExitCode::Usage,
            problems,
        }
    }
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        Self::from(vec![problem])
    }
}

/// Draws a problem: message, position, the source line with a caret, hint and notes.
pub fn draw(problem: &Problem) -> String {
    draw_as("error", problem)
}

/// Draws a problem under another heading, such as `warning`.
pub fn draw_as(heading: &str, problem: &Problem) -> String {
    let mut text = format!("{heading}: {}\n", problem.message);
    let mut gutter = 1;
    let mut hint = problem.hint.as_deref();
    if let Some(loc) = &problem.loc {
        gutter = loc.line.to_string().len();
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{:gutter$}--> {loc}", "");
        if let Some(line) = loc.source.line(loc.line) {
            let shown = line.replace('\t', " ");
            let blank = " ".repeat(usize::try_from(loc.column.saturating_sub(1)).unwrap_or(0));
            let room = shown.chars().count().saturating_sub(blank.len()).max(1);
            let carets = "^".repeat(usize::try_from(problem.width).unwrap_or(1).clamp(1, room));
            let label = hint
                .take()
                .map(|hint| format!(" {hint}"))
                .unwrap_or_default();
            let _ = writeln!(text, "{:gutter$} |", "");
            let _ = writeln!(text, "{} | {shown}", loc.line);
            let _ = writeln!(text, "{:gutter$} | {blank}{carets}{label}", "");
        }
    }
    if let Some(hint) = hint {
        let _ = writeln!(text, "{:gutter$} = hint: {hint}", "");
    }
    for note in &problem.notes {
        let _ = writeln!(text, "{:gutter$} = {note}", "");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::yaml::{Loc, Source};

    #[test]
    fn the_heaviest_code_wins() {
        let heavy_first = [101, 7, 6, 5, 4, 3, 2, 8, 1, 0];
        for pair in heavy_first.windows(2) {
            let [heavy, light] = [
                ExitCode::from_number(pair[0]),
                ExitCode::from_number(pair[1]),
            ];
            assert_eq!((heavy as u8, light as u8), (pair[0], pair[1]));
            assert_eq!(heavy.max(light), heavy, "{pair:?}");
        }
    }

    #[test]
    fn a_problem_is_drawn_with_its_line_and_caret() {
        let source = Source::new(
            "templates/arangodb.service.j2",
            "a\nb\n\n\n\n\n\n\nRestart={{ restrat_policy }}\n",
        );
        let problem = Problem::at(&Loc::new(&source, 9, 12), "`restrat_policy` is undefined")
            .width(14)
            .hint("did you mean `restart_policy` (roles/arangodb/defaults/main.yml:4)?")
            .note("task: \"write the unit\" at roles/arangodb/tasks/unit.yml:3, host: node1");
        let expected = "\
error: `restrat_policy` is undefined
 --> templates/arangodb.service.j2:9:12
  |
9 | Restart={{ restrat_policy }}
  |            ^^^^^^^^^^^^^^ did you mean `restart_policy` (roles/arangodb/defaults/main.yml:4)?
  = task: \"write the unit\" at roles/arangodb/tasks/unit.yml:3, host: node1
";
        assert_eq!(draw(&problem), expected);
    }

    #[test]
    fn a_caret_never_leaves_its_line_and_a_problem_without_place_keeps_its_hint() {
        let source = Source::new("x.yml", "ab");
        let drawn = draw(&Problem::at(&Loc::new(&source, 1, 2), "bad").width(99));
        assert!(drawn.ends_with("1 | ab\n  |  ^\n"), "{drawn}");
        assert_eq!(
            draw(&Problem::nowhere("no").hint("try yes")),
            "error: no\n  = hint: try yes\n"
        );
    }
}
