//! Versions of ArangoDB: read, compared, written.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

/// A version of ArangoDB: `3.4.6-1` is 3.4.6 with packaging revision 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version {
    /// The first number.
    pub major: u32,
    /// The second number.
    pub minor: u32,
    /// The third number.
    pub patch: u32,
    /// The number after the dash or dot, 0 without one.
    pub revision: u32,
}

/// A text that is no version.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a version such as 3.4.0 or 3.4.6-1")]
pub struct ParseVersionError(String);

impl Version {
    /// Makes a version without revision.
    pub const fn new(major: u32, minor: u32, patch: u32) -> Self {
        Self {
            major,
            minor,
            patch,
            revision: 0,
        }
    }

    /// Returns the release line, `3.4`.
    pub fn line(self) -> (u32, u32) {
        (self.major, self.minor)
    }

    /// Returns the number that the `VERSION` file of a data directory holds for this release line, to be compared by
    /// its hundreds: patch differences never need an upgrade (arangod, `Version.cpp`).
    pub fn data_number(self) -> u32 {
        (self.major * 100 + self.minor) * 100 + self.patch
    }
}

/// Tells whether a text is made of what versions are made of, and so can stand in a script or a message as it is.
pub fn is_plain(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '+' | '-');
    !text.is_empty() && text.chars().all(plain)
}

impl FromStr for Version {
    type Err = ParseVersionError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || ParseVersionError(text.to_owned());
        if !is_plain(text.trim()) {
            return Err(wrong());
        }
        let (main, revision) = text.trim().split_once('-').unwrap_or((text.trim(), "0"));
        let mut numbers = main.split('.');
        let mut next = || numbers.next().map(str::parse::<u32>);
        let (Some(Ok(major)), Some(Ok(minor)), patch, dotted) = (next(), next(), next(), next())
        else {
            return Err(wrong());
        };
        let patch = patch.transpose().map_err(|_| wrong())?.unwrap_or(0);
        let revision = match dotted {
            Some(number) => number.map_err(|_| wrong())?,
            None => revision
                .chars()
                .take_while(char::is_ascii_digit)
                .collect::<String>()
                .parse()
                .unwrap_or(0),
        };
        if numbers.next().is_some() {
            Err(wrong())
        } else {
            Ok(Self {
                major,
                minor,
                patch,
                revision,
            })
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)?;
        if self.revision > 0 {
            write!(f, "-{}", self.revision)
        } else {
            Ok(())
        }
    }
}

impl Serialize for Version {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn v(text: &str) -> Version {
        text.parse().unwrap()
    }

    #[test]
    fn versions_are_read_and_compared_by_number() {
        assert!(v("3.10.0") > v("3.9.11"));
        assert!(v("3.4.6-1") > v("3.4.6"));
        assert_eq!(v("3.12.0.2").to_string(), "3.12.0-2");
        assert_eq!(v("3.4").to_string(), "3.4.0");
        assert_eq!(v("3.4.0-rc.2"), v("3.4.0"));
        assert_eq!(v("3.4.0").data_number(), 30400);
        for bad in [
            "",
            "x",
            "3",
            "3.x",
            "3.4.0.1.2",
            "3.3.20-1\nreboot",
            "3.4.0-$(id)",
            "3.4.0-1 x",
        ] {
            assert!(bad.parse::<Version>().is_err(), "{bad}");
        }
    }
}
