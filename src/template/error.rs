//! What went wrong, for those who called: a message, the place, what might have been meant. Never a value.

use std::fmt;

use super::failure::{ErrorKind, Failure, Near, Spot};
use super::locate::written_at;
use super::rendering::Rendering;
use super::tree::Span;
use crate::yaml::{Loc, Problem, nearest};

/// A template that could not be rendered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TemplateError {
    /// What kind of mistake it is.
    pub kind: ErrorKind,
    /// What is wrong: lower case, no full stop.
    pub message: String,
    /// The name or the expression that is undefined, if that is what is wrong.
    pub name: Option<String>,
    /// Where, if it stands in a text.
    pub loc: Option<Loc>,
    /// How many characters to underline.
    pub width: u32,
    /// What stands under the caret.
    pub hint: Option<String>,
    /// The variables that were being rendered, the innermost first: "while rendering `a` (vars/main.yml:3:4)".
    pub notes: Vec<String>,
}

impl fmt::Display for TemplateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for TemplateError {}

impl TemplateError {
    /// Returns it in the form in which all mistakes of files are shown.
    pub fn to_problem(&self) -> Problem {
        Problem {
            message: self.message.clone(),
            loc: self.loc.clone(),
            width: self.width,
            hint: self.hint.clone(),
            notes: self.notes.clone(),
        }
    }

    /// Finds out where a failure stands and what might have been meant.
    pub(crate) fn new(rendering: &Rendering, failure: &Failure) -> Self {
        let spot = failure.spot.as_ref();
        let loc = spot.and_then(|spot| spot.place.position(&spot.program.text, spot.start));
        let mut notes = Vec::new();
        for (index, written) in failure.uses.iter().enumerate() {
            let lead = if index == 0 {
                "while rendering"
            } else {
                "used by"
            };
            let at = written_at(written).map_or_else(String::new, |loc| format!(" ({loc})"));
            notes.push(format!("{lead} `{}`{at}", written.label()));
        }
        Self {
            kind: failure.kind,
            message: failure.message.clone(),
            name: failure.name.clone(),
            width: spot.map_or(1, |spot| {
                let span = Span {
                    start: spot.start,
                    end: spot.end,
                };
                width(&spot.program.text, span)
            }),
            hint: hint(rendering, failure, spot),
            loc,
            notes,
        }
    }
}

/// Counts the characters of a span on its first line.
pub(crate) fn width(text: &str, span: Span) -> u32 {
    let offset = |at: u32| usize::try_from(at).unwrap_or(usize::MAX);
    let end = offset(span.end).min(text.len());
    let marked = text.get(offset(span.start)..end).unwrap_or_default();
    let first = marked.lines().next().unwrap_or_default();
    u32::try_from(first.chars().count()).unwrap_or(1).max(1)
}

fn hint(rendering: &Rendering, failure: &Failure, spot: Option<&Spot>) -> Option<String> {
    match &failure.near {
        Near::Nothing => None,
        Near::Hint(hint) => Some(hint.clone()),
        Near::Keys(object, name) => {
            let names = object.as_map()?.names();
            let near = nearest(name, names.iter().map(AsRef::as_ref))?;
            Some(format!("did you mean `{near}`?"))
        }
        Near::Variables => {
            let name = failure.name.as_deref()?;
            let variables = rendering.variables(0)?;
            let known = variables.names();
            let own = spot.map_or(&[][..], |spot| spot.program.sets.as_slice());
            let all = known
                .iter()
                .map(String::as_str)
                .chain(own.iter().map(AsRef::as_ref));
            let near = nearest(name, all.filter(|near| *near != name))?;
            let defined = variables
                .lookup(near)
                .and_then(|raw| raw.origin)
                .map_or_else(String::new, |loc| {
                    format!(" ({}:{})", loc.source.name, loc.line)
                });
            Some(format!("did you mean `{near}`{defined}?"))
        }
    }
}
