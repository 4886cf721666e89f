//! The positions of a YAML text, without its meaning.
//!
//! Walks the events of `granit-parser` into a tree of marks of the same shape as the tree of values. Never decides what
//! a scalar means. Called by `join` only.

use std::collections::HashMap;
use std::rc::Rc;

use granit_parser::{Event, Parser, ScalarStyle, Span};

/// Where one value stands.
#[derive(Debug, Clone)]
pub(super) struct Mark {
    /// The line, from 1.
    pub line: u32,
    /// The column in characters, from 1.
    pub column: u32,
    /// What stands there.
    pub shape: Shape,
}

/// The shape of what stands at a mark.
#[derive(Debug, Clone)]
pub(super) enum Shape {
    Scalar(ScalarStyle),
    Seq(Vec<Mark>),
    Map(Vec<(Mark, Mark)>),
    /// `*name`: what the anchor holds, or nothing if that is not known.
    Alias(Option<Rc<Mark>>),
}

/// Reads the marks of each document, as far as the text can be read.
pub(super) fn documents(text: &str) -> Vec<Mark> {
    let mut options = granit_parser::options! { emit_unresolved_aliases: true };
    options.set_emit_comments(false);
    let mut reader = Reader::default();
    for next in Parser::new_from_str_with_options(text, options) {
        let Ok((event, span)) = next else {
            break;
        };
        reader.read(&event, &span);
    }
    reader.documents
}

/// A collection whose end has not come yet.
#[derive(Debug)]
enum Open {
    Seq(Vec<Mark>),
    Map(Vec<(Mark, Mark)>, Option<Mark>),
}

#[derive(Debug)]
struct OpenMark {
    line: u32,
    column: u32,
    anchor: usize,
    open: Open,
}

#[derive(Debug, Default)]
struct Reader {
    documents: Vec<Mark>,
    stack: Vec<OpenMark>,
    anchors: HashMap<usize, Rc<Mark>>,
}

impl Reader {
    fn read(&mut self, event: &Event<'_>, span: &Span) {
        let (line, column) = (small(span.start.line()), small(span.start.col() + 1));
        let mark = |shape| Mark {
            line,
            column,
            shape,
        };
        match event {
            Event::Scalar(_, style, anchor, _) => self.done(mark(Shape::Scalar(*style)), *anchor),
            Event::Alias(id) => {
                let target = self.anchors.get(id).cloned();
                self.done(mark(Shape::Alias(target)), 0);
            }
            Event::UnresolvedAlias(_) => self.done(mark(Shape::Alias(None)), 0),
            Event::SequenceStart(_, anchor, _) => {
                self.begin(line, column, *anchor, Open::Seq(Vec::new()));
            }
            Event::MappingStart(_, anchor, _) => {
                self.begin(line, column, *anchor, Open::Map(Vec::new(), None));
            }
            Event::SequenceEnd | Event::MappingEnd => self.end(),
            Event::DocumentStart(..) => self.stack.clear(),
            // Nothing of it is a value, nor is what a newer parser may add.
            Event::StreamStart
            | Event::StreamEnd
            | Event::DocumentEnd
            | Event::Anchor(..)
            | Event::Comment(..)
            | _ => {}
        }
    }

    fn begin(&mut self, line: u32, column: u32, anchor: usize, open: Open) {
        self.stack.push(OpenMark {
            line,
            column,
            anchor,
            open,
        });
    }

    fn end(&mut self) {
        let Some(top) = self.stack.pop() else {
            return;
        };
        let shape = match top.open {
            Open::Seq(items) => Shape::Seq(items),
            Open::Map(entries, _) => Shape::Map(entries),
        };
        let mark = Mark {
            line: top.line,
            column: top.column,
            shape,
        };
        self.done(mark, top.anchor);
    }

    fn done(&mut self, mark: Mark, anchor: usize) {
        if anchor != 0 {
            self.anchors.insert(anchor, Rc::new(mark.clone()));
        }
        match self.stack.last_mut().map(|top| &mut top.open) {
            None => self.documents.push(mark),
            Some(Open::Seq(items)) => items.push(mark),
            Some(Open::Map(entries, key)) => match key.take() {
                None => *key = Some(mark),
                Some(key) => entries.push((key, mark)),
            },
        }
    }
}

fn small(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
