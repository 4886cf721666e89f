//! From a text to nodes: the meaning of one parser joined with the positions of the other.
//!
//! Applies `<<` and refuses what a person did not mean: a key given twice, a key that is no text, a text that is no
//! YAML. Where the two parsers disagree about the shape, values keep the nearest position that is known: a column is
//! lost, never a value. Reads no file.

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::Arc;

use granit_parser::ScalarStyle;

use super::marks::{self, Mark, Shape};
use super::syntax;
use super::tree::Tree;
use super::{Data, Key, Loc, Node, Problem, Source, Style};

/// Reads the one document of a text; an empty text is `null`.
pub fn parse(source: &Arc<Source>) -> Result<Node, Vec<Problem>> {
    let mut documents = parse_documents(source)?;
    match (documents.pop(), documents.is_empty()) {
        (None, _) => Ok(Node::new(Data::Null, Loc::start(source))),
        (Some(node), true) => Ok(node),
        (Some(node), false) => {
            let message = "a second document: this file must hold one";
            Err(vec![Problem::at(&node.loc, message)])
        }
    }
}

/// Reads every document of a text; an empty text has none.
pub fn parse_documents(source: &Arc<Source>) -> Result<Vec<Node>, Vec<Problem>> {
    let trees = match Tree::documents(&source.text) {
        Ok(trees) => trees,
        Err(error) => return Err(vec![syntax::problem(source, &error)]),
    };
    let marks = marks::documents(&source.text);
    let mut join = Join::new(source);
    let nodes = trees
        .into_iter()
        .enumerate()
        .map(|(index, tree)| join.node(tree, marks.get(index), &Loc::start(source)))
        .collect();
    if join.problems.is_empty() {
        Ok(nodes)
    } else {
        Err(join.problems)
    }
}

/// The joining of one text's trees.
#[derive(Debug)]
struct Join<'a> {
    source: &'a Arc<Source>,
    lines: Vec<&'a str>,
    problems: Vec<Problem>,
}

impl<'a> Join<'a> {
    fn new(source: &'a Arc<Source>) -> Self {
        Self {
            source,
            lines: source.text.lines().collect(),
            problems: Vec::new(),
        }
    }

    fn node(&mut self, tree: Tree, mark: Option<&Mark>, near: &Loc) -> Node {
        let mark = mark.map(behind_alias);
        let loc = mark.map_or_else(|| near.clone(), |mark| self.loc(mark));
        let shape = mark.map(|mark| &mark.shape);
        // Of a text without a mark nobody knows whether it was quoted; plain text may be read as something else.
        let mut style = Style::Plain;
        let data = match tree {
            Tree::Null => Data::Null,
            Tree::Bool(flag) => Data::Bool(flag),
            Tree::Int(number) => Data::Int(number),
            Tree::Float(number) => Data::Float(number),
            Tree::Str(text) => {
                style = match shape {
                    Some(Shape::Scalar(written)) => self.style(*written, loc.line, &text),
                    Some(Shape::Seq(_) | Shape::Map(_) | Shape::Alias(_)) | None => Style::Quoted,
                };
                Data::Str(text)
            }
            Tree::Seq(items) => Data::Seq(self.items(items, shape, &loc)),
            Tree::Map(entries) => Data::Map(self.entries(entries, shape, &loc)),
            Tree::Tagged(tag, inner) => {
                let mut node = self.node(*inner, mark, near);
                node.tag = (tag != "!").then_some(tag);
                return node;
            }
        };
        Node {
            data,
            loc,
            style,
            tag: None,
        }
    }

    fn loc(&self, mark: &Mark) -> Loc {
        Loc::new(self.source, mark.line, mark.column)
    }

    fn items(&mut self, items: Vec<Tree>, shape: Option<&Shape>, near: &Loc) -> Vec<Node> {
        let marks = match shape {
            Some(Shape::Seq(marks)) if marks.len() == items.len() => marks.as_slice(),
            Some(Shape::Seq(_) | Shape::Map(_) | Shape::Scalar(_) | Shape::Alias(_)) | None => &[],
        };
        let item = |(index, item)| self.node(item, marks.get(index), near);
        items.into_iter().enumerate().map(item).collect()
    }

    fn entries(
        &mut self,
        entries: Vec<(Tree, Tree)>,
        shape: Option<&Shape>,
        near: &Loc,
    ) -> Vec<(Key, Node)> {
        let marks = match shape {
            Some(Shape::Map(marks)) if marks.len() == entries.len() => marks.as_slice(),
            Some(Shape::Seq(_) | Shape::Map(_) | Shape::Scalar(_) | Shape::Alias(_)) | None => &[],
        };
        let mut map = Entries::default();
        let mut own: HashMap<String, Loc> = HashMap::with_capacity(entries.len());
        let mut plain = Vec::with_capacity(entries.len());
        for (index, (key, value)) in entries.into_iter().enumerate() {
            let mark = marks.get(index);
            let key_mark = mark.map(|(key, _)| key);
            let Some(key) = self.key(key, key_mark, near) else {
                continue;
            };
            let value = self.node(value, mark.map(|(_, value)| value), &key.loc);
            if let Some(first) = own.get(&key.name) {
                let message = format!("`{}` is given twice in this map", key.name);
                let problem = Problem::at(&key.loc, message).width(key.name.chars().count());
                self.problems
                    .push(problem.note(format!("the first is at {first}")));
                continue;
            }
            own.insert(key.name.clone(), key.loc.clone());
            if key.name == "<<" && !is_quoted(key_mark) {
                self.merge(value, &mut map);
            } else {
                plain.push((key, value));
            }
        }
        // What is merged comes first, as PyYAML orders it, and gives way to the map's own keys.
        for (key, value) in plain {
            map.set(key, value);
        }
        map.list
    }

    fn merge(&mut self, value: Node, map: &mut Entries) {
        let loc = value.loc.clone();
        match value.data {
            Data::Map(entries) => entries.into_iter().for_each(|(key, value)| {
                map.set(key, value);
            }),
            Data::Seq(items) if items.iter().all(|item| item.as_map().is_some()) => {
                // The first of several maps wins.
                for item in items.into_iter().rev() {
                    self.merge(item, map);
                }
            }
            Data::Seq(_)
            | Data::Null
            | Data::Bool(_)
            | Data::Int(_)
            | Data::Float(_)
            | Data::Str(_) => {
                let message = "`<<` takes a map or a list of maps";
                self.problems.push(Problem::at(&loc, message));
            }
        }
    }

    fn key(&mut self, key: Tree, mark: Option<&Mark>, near: &Loc) -> Option<Key> {
        let loc = mark.map_or_else(|| near.clone(), |mark| self.loc(mark));
        let name = match key {
            Tree::Str(text) => text,
            Tree::Null => "null".to_owned(),
            Tree::Bool(flag) => flag.to_string(),
            Tree::Int(number) => number.to_string(),
            Tree::Float(number) => format!("{number:?}"),
            Tree::Tagged(_, inner) => return self.key(*inner, mark, near),
            Tree::Seq(_) | Tree::Map(_) => {
                // `key: {{ x }}` without quotes is, to YAML, a map with a map as its key.
                let mut problem = Problem::at(&loc, "a key must be text, not a list or a map");
                if matches!(key, Tree::Map(_)) {
                    problem = problem.hint("a value that starts with `{{` must be quoted");
                }
                self.problems.push(problem);
                return None;
            }
        };
        Some(Key { name, loc })
    }

    fn style(&self, written: ScalarStyle, line: u32, text: &str) -> Style {
        match written {
            ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted => Style::Quoted,
            ScalarStyle::Literal => {
                let (first_line, indent) = self.block(line, text);
                Style::Literal { first_line, indent }
            }
            ScalarStyle::Folded => {
                let (first_line, indent) = self.block(line, text);
                Style::Folded { first_line, indent }
            }
            ScalarStyle::Plain => Style::Plain,
        }
    }

    /// Finds the file's line with the block's first line, and how many columns of each line are not the block's, by
    /// the first line that is not blank: at `line` or below.
    fn block(&self, line: u32, text: &str) -> (u32, u32) {
        let mut in_file = (line..).zip(self.lines.iter().skip(index(line)));
        let mut in_text = (0..).zip(text.lines());
        let blank = |line: &str| line.trim().is_empty();
        let in_file = in_file.find(|(_, line)| !blank(line));
        let in_text = in_text.find(|(_, line)| !blank(line));
        let (Some((number, in_file)), Some((skipped, in_text))) = (in_file, in_text) else {
            return (line, 0);
        };
        let spaces = |line: &str| line.chars().take_while(|c| *c == ' ').count();
        let indent = spaces(in_file).saturating_sub(spaces(in_text));
        (
            number.saturating_sub(skipped),
            u32::try_from(indent).unwrap_or(0),
        )
    }
}

/// Returns the index of a line that is counted from 1.
fn index(line: u32) -> usize {
    usize::try_from(line.saturating_sub(1)).unwrap_or(usize::MAX)
}

/// The entries of a map while it is built, found by name.
#[derive(Debug, Default)]
struct Entries {
    list: Vec<(Key, Node)>,
    places: HashMap<String, usize>,
}

impl Entries {
    fn set(&mut self, key: Key, value: Node) {
        let place = self.places.get(&key.name).copied();
        if let Some(entry) = place.and_then(|place| self.list.get_mut(place)) {
            *entry = (key, value);
        } else {
            self.places.insert(key.name.clone(), self.list.len());
            self.list.push((key, value));
        }
    }
}

/// Follows an alias to what it stands for: that is where the text was written.
fn behind_alias(mark: &Mark) -> &Mark {
    match &mark.shape {
        Shape::Alias(target) => target.as_deref().unwrap_or(mark),
        Shape::Scalar(_) | Shape::Seq(_) | Shape::Map(_) => mark,
    }
}

fn is_quoted(mark: Option<&Mark>) -> bool {
    matches!(
        mark.map(|mark| &mark.shape),
        Some(Shape::Scalar(
            ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted
        ))
    )
}
