//! How far the log of a copy is: file and offset, compared as numbers in that order, never as text.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

/// A place in a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// The log file's number.
    pub file: u64,
    /// The offset in it.
    pub offset: u64,
}

/// What is no position.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no position")]
pub struct ParsePositionError(String);

impl FromStr for Position {
    type Err = ParsePositionError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || ParsePositionError(text.to_owned());
        let (file, offset) = text.trim().split_once(':').ok_or_else(wrong)?;
        Ok(Self {
            file: file.parse().map_err(|_| wrong())?,
            offset: offset.parse().map_err(|_| wrong())?,
        })
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.offset)
    }
}

impl Serialize for Position {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_are_numbers() {
        let position = |text: &str| text.parse::<Position>().unwrap();
        assert!(position("0:9") < position("0:10"));
        assert!(position("9:99") < position("10:0"));
        assert_eq!(position("3:57").to_string(), "3:57");
        for bad in ["", "57", "a:1", "1:b", "1:"] {
            assert!(bad.parse::<Position>().is_err(), "{bad}");
        }
    }
}
