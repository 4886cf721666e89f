//! A value of a file with its position: what every parser of the upper rooms reads.

use super::Loc;

/// How a scalar was written; a template's positions inside it depend on that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// Without quotes, or not a scalar.
    Plain,
    /// In single or double quotes: the text starts one column after [`Node::loc`].
    Quoted,
    /// `|`: each line of the text is a line of the file, from `first_line`, indented by `indent` columns.
    Literal {
        /// The file's line that holds the text's first line, from 1.
        first_line: u32,
        /// How many columns precede each line of the text.
        indent: u32,
    },
    /// `>`: lines were folded, so that only the first line's position is known.
    Folded {
        /// The file's line that holds the text's first line, from 1.
        first_line: u32,
        /// How many columns precede each line of the text.
        indent: u32,
    },
}

/// What a value is.
#[derive(Debug, Clone, PartialEq)]
pub enum Data {
    /// `null`, `~` or nothing at all.
    Null,
    /// `true` or `false`; other spellings (`yes`, `on`) stay text and are read as flags where a flag is wanted.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// Any other number.
    Float(f64),
    /// Text.
    Str(String),
    /// A list.
    Seq(Vec<Node>),
    /// A map, in the file's order; keys are unique.
    Map(Vec<(Key, Node)>),
}

/// A map's key with its position. Keys that are not text are shown as YAML would write them.
#[derive(Debug, Clone, PartialEq)]
pub struct Key {
    /// The key.
    pub name: String,
    /// Where it stands.
    pub loc: Loc,
}

/// A value with its position.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// The value.
    pub data: Data,
    /// Where it starts.
    pub loc: Loc,
    /// How it was written.
    pub style: Style,
    /// Its local tag without `!`, such as `vault` or `unsafe`.
    pub tag: Option<String>,
}

impl Node {
    /// Makes a plain node.
    pub fn new(data: Data, loc: Loc) -> Self {
        Self {
            data,
            loc,
            style: Style::Plain,
            tag: None,
        }
    }

    /// Returns the text of a text node.
    pub fn as_str(&self) -> Option<&str> {
        match &self.data {
            Data::Str(text) => Some(text),
            Data::Null
            | Data::Bool(_)
            | Data::Int(_)
            | Data::Float(_)
            | Data::Seq(_)
            | Data::Map(_) => None,
        }
    }

    /// Returns the items of a list.
    pub fn as_seq(&self) -> Option<&[Node]> {
        match &self.data {
            Data::Seq(items) => Some(items),
            Data::Null
            | Data::Bool(_)
            | Data::Int(_)
            | Data::Float(_)
            | Data::Str(_)
            | Data::Map(_) => None,
        }
    }

    /// Returns the entries of a map.
    pub fn as_map(&self) -> Option<&[(Key, Node)]> {
        match &self.data {
            Data::Map(entries) => Some(entries),
            Data::Null
            | Data::Bool(_)
            | Data::Int(_)
            | Data::Float(_)
            | Data::Str(_)
            | Data::Seq(_) => None,
        }
    }

    /// Returns the value of a map's key.
    pub fn entry(&self, name: &str) -> Option<&Node> {
        self.as_map()?
            .iter()
            .find(|(key, _)| key.name == name)
            .map(|(_, value)| value)
    }

    /// Names what it is, for messages: "a list", "text" ...
    pub fn kind(&self) -> &'static str {
        match &self.data {
            Data::Null => "nothing",
            Data::Bool(_) => "a truth value",
            Data::Int(_) | Data::Float(_) => "a number",
            Data::Str(_) => "text",
            Data::Seq(_) => "a list",
            Data::Map(_) => "a map",
        }
    }

    /// Returns the value without its positions.
    pub fn to_value(&self) -> serde_json::Value {
        use serde_json::Value;
        match &self.data {
            Data::Null => Value::Null,
            Data::Bool(flag) => Value::Bool(*flag),
            Data::Int(number) => Value::from(*number),
            Data::Float(number) => Value::from(*number),
            Data::Str(text) => Value::String(text.clone()),
            Data::Seq(items) => Value::Array(items.iter().map(Self::to_value).collect()),
            Data::Map(entries) => Value::Object(
                entries
                    .iter()
                    .map(|(key, value)| (key.name.clone(), value.to_value()))
                    .collect(),
            ),
        }
    }

    /// Returns the position of character `column` (from 1) in line `line` (from 1) of a text node's text.
    ///
    /// For folded text only the first line's position is known, and is returned.
    pub fn inside(&self, line: u32, column: u32) -> Loc {
        let at = |line, column| Loc::new(&self.loc.source, line, column);
        match self.style {
            Style::Plain if line == 1 => at(self.loc.line, self.loc.column + column - 1),
            Style::Quoted if line == 1 => at(self.loc.line, self.loc.column + column),
            Style::Plain | Style::Quoted => self.loc.clone(),
            Style::Literal { first_line, indent } => at(first_line + line - 1, indent + column),
            Style::Folded { first_line, indent } => {
                if line == 1 {
                    at(first_line, indent + column)
                } else {
                    at(first_line, indent + 1)
                }
            }
        }
    }
}
