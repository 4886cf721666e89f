//! Where a value stands: its source, line and column.

use std::fmt;
use std::sync::Arc;

/// A text that was read, with the name under which it is shown to people.
#[derive(PartialEq, Eq)]
pub struct Source {
    /// The path as the user would type it, or a name such as `-e` or `embedded:roles/arangodb/upgrade.yml`.
    pub name: String,
    /// The whole text.
    pub text: String,
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Source({}, {} bytes)", self.name, self.text.len())
    }
}

impl Source {
    /// Makes a source.
    pub fn new(name: impl Into<String>, text: impl Into<String>) -> Arc<Self> {
        Arc::new(Self {
            name: name.into(),
            text: text.into(),
        })
    }

    /// Returns line `number`, counted from 1, without its end.
    pub fn line(&self, number: u32) -> Option<&str> {
        let index = usize::try_from(number).ok()?.checked_sub(1)?;
        self.text.lines().nth(index)
    }
}

/// A position in a [`Source`]; line and column count characters from 1.
#[derive(Clone, PartialEq, Eq)]
pub struct Loc {
    /// The text it is in.
    pub source: Arc<Source>,
    /// The line, from 1.
    pub line: u32,
    /// The column in characters, from 1.
    pub column: u32,
}

impl Loc {
    /// Makes a position.
    pub fn new(source: &Arc<Source>, line: u32, column: u32) -> Self {
        Self {
            source: Arc::clone(source),
            line,
            column,
        }
    }

    /// Returns the first position of a source.
    pub fn start(source: &Arc<Source>) -> Self {
        Self::new(source, 1, 1)
    }
}

impl fmt::Display for Loc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.source.name, self.line, self.column)
    }
}

impl fmt::Debug for Loc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}
