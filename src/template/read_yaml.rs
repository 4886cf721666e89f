//! YAML that a template reads, with the scalars of YAML 1.1 as Ansible has them: `yes` is true, `0644` is octal.

use super::failure::{Fault, failed};
use super::key::Key;
use super::map::Map;
use super::object::Object;
use super::plain_yaml::{self, Plain};
use crate::yaml::{self, Data, Node, Source, Style};

/// Reads one document.
pub(crate) fn one(text: &str) -> Result<Object, Fault> {
    let mut documents = all(text)?;
    match (documents.pop(), documents.is_empty()) {
        (None, _) => Ok(Object::None),
        (Some(document), true) => Ok(document),
        (Some(_), false) => Err(failed(
            "the text holds several documents; use `from_yaml_all`",
        )),
    }
}

/// Reads all documents.
pub(crate) fn all(text: &str) -> Result<Vec<Object>, Fault> {
    let source = Source::new("text", text);
    match yaml::parse_documents(&source) {
        Ok(nodes) => Ok(nodes.iter().map(object).collect()),
        Err(problems) => {
            let first = problems.first();
            let at = first.and_then(|problem| problem.loc.as_ref());
            let at = at.map_or_else(String::new, |loc| {
                format!(" at line {}, column {}", loc.line, loc.column)
            });
            Err(failed(format!("the text is no YAML{at}")))
        }
    }
}

fn object(node: &Node) -> Object {
    match &node.data {
        Data::Null => Object::None,
        Data::Bool(flag) => Object::Bool(*flag),
        Data::Int(number) => plain(node, || Object::Int(i128::from(*number))),
        Data::Float(number) => plain(node, || Object::Float(*number)),
        Data::Str(text) if node.style == Style::Plain => scalar(text),
        Data::Str(text) => Object::text(text.as_str()),
        Data::Seq(items) => Object::list(items.iter().map(object).collect()),
        Data::Map(entries) => Object::Map(Map::new(
            entries
                .iter()
                .map(|(key, item)| (self::key(node, key), object(item))),
        )),
    }
}

/// Reads a number from the source once more: what YAML 1.1 takes for a number, and for which, is lost in the node.
fn plain(node: &Node, otherwise: impl Fn() -> Object) -> Object {
    let line = node.loc.source.line(node.loc.line).unwrap_or_default();
    let column = usize::try_from(node.loc.column).unwrap_or(1);
    let rest: String = line.chars().skip(column.saturating_sub(1)).collect();
    let word = rest
        .split(|c: char| c.is_whitespace() || ",]}".contains(c))
        .next()
        .unwrap_or_default();
    match plain_yaml::resolve(word) {
        Plain::Int(number) => Object::Int(number),
        Plain::Float(number) => Object::Float(number),
        Plain::Text => Object::text(word),
        Plain::Null | Plain::Bool(_) | Plain::Other => otherwise(),
    }
}

fn scalar(text: &str) -> Object {
    match plain_yaml::resolve(text) {
        Plain::Null => Object::None,
        Plain::Bool(flag) => Object::Bool(flag),
        Plain::Int(number) => Object::Int(number),
        Plain::Float(number) => Object::Float(number),
        Plain::Text | Plain::Other => Object::text(text),
    }
}

/// Returns a key with the type that it has in the text.
fn key(node: &Node, key: &yaml::Key) -> Key {
    let line = node.loc.source.line(key.loc.line).unwrap_or_default();
    let column = usize::try_from(key.loc.column).unwrap_or(1);
    let quoted = line
        .chars()
        .nth(column.saturating_sub(1))
        .is_some_and(|c| c == '"' || c == '\'');
    if quoted {
        return Key::text(key.name.as_str());
    }
    match plain_yaml::resolve(&key.name) {
        Plain::Null => Key::None,
        Plain::Bool(flag) => Key::Bool(flag),
        Plain::Int(number) => Key::Int(number),
        Plain::Float(number) => Key::Float(number),
        Plain::Text | Plain::Other => Key::text(key.name.as_str()),
    }
}
