//! From an offset in a template's text to line and column of the file that it stands in.
//!
//! A template file is its own source. A text of a YAML file is found through its node; for a text inside a variable
//! the file is read once more, which happens only when there is an error to show.

use std::sync::Arc;

use super::written::{Step, Written};
use crate::yaml::{self, Data, Loc, Node, Source, Style};

/// Where the text of a template stands.
#[derive(Debug, Clone)]
pub(crate) enum Place {
    /// In no file.
    Nowhere,
    /// It is a whole file.
    File(Arc<Source>),
    /// It is a scalar of a YAML file, written in this style.
    Scalar(Loc, Style),
    /// It is a value of a file, at its start; how it was written is not known.
    Value(Loc),
    /// It stands inside a variable.
    Written(Written),
}

/// Where a text stands, so that a mistake in it can be shown there.
#[derive(Debug, Clone, Copy)]
pub enum Origin<'a> {
    /// In no file.
    Nowhere,
    /// At this position.
    At(&'a Loc),
    /// It is this scalar.
    Scalar(&'a Node),
}

impl<'a> From<&'a Loc> for Origin<'a> {
    fn from(loc: &'a Loc) -> Self {
        Self::At(loc)
    }
}

impl<'a> From<&'a Node> for Origin<'a> {
    fn from(node: &'a Node) -> Self {
        Self::Scalar(node)
    }
}

impl<'a> From<Option<&'a Loc>> for Origin<'a> {
    fn from(loc: Option<&'a Loc>) -> Self {
        loc.map_or(Self::Nowhere, Self::At)
    }
}

impl From<Origin<'_>> for Place {
    fn from(origin: Origin<'_>) -> Self {
        match origin {
            Origin::Nowhere => Self::Nowhere,
            Origin::At(loc) => Self::Value(loc.clone()),
            Origin::Scalar(node) => Self::Scalar(node.loc.clone(), node.style),
        }
    }
}

impl Place {
    /// Returns the position of a byte of the template's text.
    pub(crate) fn position(&self, text: &str, offset: u32) -> Option<Loc> {
        let (line, column) = line_and_column(text, offset);
        match self {
            Self::Nowhere => None,
            Self::File(source) => Some(Loc::new(source, line, column)),
            Self::Scalar(loc, style) => Some(inside(loc, *style, line, column)),
            Self::Value(loc) => Some(inside(loc, guess(loc), line, column)),
            Self::Written(written) => {
                let origin = written.raw().origin.as_ref()?;
                Some(match node(written, origin) {
                    Some(node) => node.inside(line, column),
                    None if written.steps().is_empty() => {
                        inside(origin, guess(origin), line, column)
                    }
                    None => origin.clone(),
                })
            }
        }
    }
}

/// Returns the position where a value of a variable was written.
pub(crate) fn written_at(written: &Written) -> Option<Loc> {
    let origin = written.raw().origin.as_ref()?;
    Some(node(written, origin).map_or_else(|| origin.clone(), |node| node.loc))
}

/// Finds the node of a value inside a variable, by reading the variable's file once more.
fn node(written: &Written, origin: &Loc) -> Option<Node> {
    let documents = yaml::parse_documents(&origin.source).ok()?;
    let mut node = documents.iter().find_map(|root| find(root, origin))?;
    for step in written.steps() {
        node = match step {
            Step::Key(key) => node.entry(&key)?,
            Step::Index(index) => node.as_seq()?.get(index)?,
        };
    }
    Some(node.clone())
}

/// Finds the node that stands at a position, or whose key does.
fn find<'n>(node: &'n Node, at: &Loc) -> Option<&'n Node> {
    let same = |loc: &Loc| loc.line == at.line && loc.column == at.column;
    match &node.data {
        _ if same(&node.loc) && node.as_map().is_none() => Some(node),
        Data::Seq(items) => items.iter().find_map(|item| find(item, at)),
        Data::Map(entries) => entries
            .iter()
            .find_map(|(key, value)| {
                if same(&key.loc) {
                    Some(value)
                } else {
                    find(value, at)
                }
            })
            .or_else(|| same(&node.loc).then_some(node)),
        Data::Null | Data::Bool(_) | Data::Int(_) | Data::Float(_) | Data::Str(_) => None,
    }
}

fn inside(loc: &Loc, style: Style, line: u32, column: u32) -> Loc {
    let mut node = Node::new(Data::Null, loc.clone());
    node.style = style;
    node.inside(line, column)
}

/// Guesses how a scalar was written from the character that it begins with.
fn guess(loc: &Loc) -> Style {
    let line = loc.source.line(loc.line).unwrap_or_default();
    let column = usize::try_from(loc.column).unwrap_or(1);
    let first = line.chars().nth(column.saturating_sub(1));
    let block = || {
        let first_line = loc.line + 1;
        let next = loc.source.line(first_line).unwrap_or_default();
        let blanks = next.len() - next.trim_start_matches(' ').len();
        (first_line, u32::try_from(blanks).unwrap_or(0))
    };
    match first {
        Some('"' | '\'') => Style::Quoted,
        Some('|') => {
            let (first_line, indent) = block();
            Style::Literal { first_line, indent }
        }
        Some('>') => {
            let (first_line, indent) = block();
            Style::Folded { first_line, indent }
        }
        _ => Style::Plain,
    }
}

/// Counts lines and characters up to a byte, both from 1.
fn line_and_column(text: &str, offset: u32) -> (u32, u32) {
    let mut end = usize::try_from(offset)
        .unwrap_or(usize::MAX)
        .min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let before = text.get(..end).unwrap_or_default();
    let line = before.matches('\n').count() + 1;
    let column = before
        .rsplit('\n')
        .next()
        .unwrap_or_default()
        .chars()
        .count()
        + 1;
    let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    (number(line), number(column))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::template::Raw;
    use serde_json::json;

    fn position(place: &Place, text: &str, word: &str) -> String {
        let offset = u32::try_from(text.find(word).unwrap()).unwrap();
        place.position(text, offset).unwrap().to_string()
    }

    #[test]
    fn offsets_become_lines_and_columns() {
        assert_eq!(line_and_column("ab\ncé x", 7), (2, 4));
        assert_eq!(line_and_column("", 0), (1, 1));
        assert_eq!(line_and_column("a", 99), (1, 2));
        let source = Source::new("x.j2", "a\n  {{ b }}\n");
        let place = Place::File(Arc::clone(&source));
        assert_eq!(position(&place, &source.text, "b"), "x.j2:2:6");
    }

    #[test]
    fn a_scalar_is_found_in_its_style() {
        let text = "a: {{ x }}\nb: \"{{ x }}\"\nc: |\n  one\n  {{ x }}\n";
        let source = Source::new("v.yml", text);
        let at = |line, column| Place::Value(Loc::new(&source, line, column));
        assert_eq!(position(&at(1, 4), "{{ x }}", "x"), "v.yml:1:7");
        assert_eq!(position(&at(2, 4), "{{ x }}", "x"), "v.yml:2:8");
        assert_eq!(position(&at(3, 4), "one\n{{ x }}\n", "x"), "v.yml:5:6");
    }

    #[test]
    fn a_text_inside_a_variable_is_found_in_its_file() {
        let text = "cfg:\n  - name: x\n    path: '{{ base }}/x'\n";
        let source = Source::new("vars/main.yml", text);
        for column_of_value in [(1, 1), (2, 3)] {
            let raw = Raw {
                value: json!([{"name": "x", "path": "{{ base }}/x"}]),
                templated: true,
                origin: Some(Loc::new(&source, column_of_value.0, column_of_value.1)),
            };
            let written = Written::new(&Arc::from("cfg"), Arc::new(raw), 0)
                .step(Step::Index(0))
                .step(Step::Key("path".into()));
            let place = Place::Written(written.clone());
            assert_eq!(
                position(&place, "{{ base }}/x", "base"),
                "vars/main.yml:3:15"
            );
            assert_eq!(
                written_at(&written).unwrap().to_string(),
                "vars/main.yml:3:11"
            );
        }
    }
}
