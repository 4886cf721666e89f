//! Versions of the database, as the package's file names them and as data directories hold them.
//!
//! A process reads its version once, at its start, as a real binary has it compiled in: a
//! package that is installed meanwhile does not change what runs.

use std::fmt;
use std::path::Path;

/// A version of the database, such as `3.4.6-1`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    major: u32,
    minor: u32,
    patch: u32,
    suffix: String,
}

/// Why a version is not known.
#[derive(Debug, thiserror::Error)]
pub enum VersionError {
    /// The package's version file cannot be read.
    #[error("cannot read {path}: {source}")]
    Unreadable {
        /// The file that names the version.
        path: String,
        /// What reading it said.
        source: std::io::Error,
    },
    /// The text is not a version.
    #[error("`{0}` is not a version such as 3.4.0")]
    Malformed(String),
}

impl Version {
    /// Returns the version that a text such as `3.4.6-1` names.
    pub fn parse(text: &str) -> Result<Self, VersionError> {
        let malformed = || VersionError::Malformed(text.to_owned());
        let text = text.trim();
        let (numbers, suffix) = text.split_once('-').unwrap_or((text, ""));
        let mut parts = numbers.split('.');
        let mut next = || -> Result<u32, VersionError> {
            parts
                .next()
                .and_then(|part| part.parse().ok())
                .ok_or_else(malformed)
        };
        let (major, minor, patch) = (next()?, next()?, next()?);
        if parts.next().is_some() {
            return Err(malformed());
        }
        Ok(Self {
            major,
            minor,
            patch,
            suffix: suffix.to_owned(),
        })
    }

    /// Reads the version of the programs that are installed now.
    pub fn installed(path: &Path) -> Result<Self, VersionError> {
        let text = std::fs::read_to_string(path).map_err(|source| VersionError::Unreadable {
            path: path.display().to_string(),
            source,
        })?;
        Self::parse(&text)
    }

    /// Returns the number a data directory holds, such as 30400.
    pub fn number(&self) -> u32 {
        (self.major * 100 + self.minor) * 100 + self.patch
    }

    /// Returns the series as a number, such as 304: patches never need an upgrade.
    pub fn series(&self) -> u32 {
        self.number() / 100
    }

    /// Tells whether this version is the given one or a later one.
    pub fn at_least(&self, major: u32, minor: u32, patch: u32) -> bool {
        (self.major, self.minor, self.patch) >= (major, minor, patch)
    }

    /// Tells whether leadership can be resigned: from 3.4.8 in its series, then from 3.5.1.
    pub fn can_resign_leadership(&self) -> bool {
        self.at_least(3, 5, 1) || (self.series() == 304 && self.patch >= 8)
    }

    /// Tells whether one DB-Server can be in maintenance mode alone.
    pub fn maintains_one(&self) -> bool {
        self.at_least(3, 10, 0)
    }

    /// Tells whether a coordinator can end when nothing is in hand any more: 3.7.12, 3.8.1 and later.
    pub fn ends_softly(&self) -> bool {
        self.at_least(3, 8, 1) || (self.series() == 307 && self.patch >= 12)
    }

    /// Tells whether this is a coordinator's version that misreads the order in which the DB-Servers of another sort.
    pub fn misreads_order_of(&self, other: &Self) -> bool {
        self.at_least(3, 12, 0) && !self.at_least(3, 12, 4) && other.at_least(3, 12, 4)
    }

    /// Tells whether the agency's leader shows each agent's acknowledgement as an object.
    pub fn has_detailed_acks(&self) -> bool {
        self.at_least(3, 4, 0)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)?;
        if !self.suffix.is_empty() {
            write!(f, "-{}", self.suffix)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_parse_compare_and_print() {
        for (text, number, printed) in [
            ("3.3.20\n", 30320, "3.3.20"),
            ("3.4.0", 30400, "3.4.0"),
            ("3.4.6-1", 30406, "3.4.6-1"),
            ("3.12.4", 31204, "3.12.4"),
        ] {
            let version = Version::parse(text).unwrap();
            assert_eq!(version.number(), number, "{text}");
            assert_eq!(version.to_string(), printed);
        }
        for bad in ["", "3.4", "3.4.x", "3.4.0.1", "latest"] {
            assert!(Version::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn soft_shutdown_and_order_begin_where_the_vendor_says() {
        for (text, softly) in [
            ("3.7.11", false),
            ("3.7.12", true),
            ("3.8.0", false),
            ("3.8.1", true),
            ("3.11.8", true),
        ] {
            let version = Version::parse(text).unwrap();
            assert_eq!(version.ends_softly(), softly, "{text}");
        }
        for (coordinator, dbserver, misreads) in [
            ("3.12.3", "3.12.4", true),
            ("3.12.3", "3.12.3", false),
            ("3.12.4", "3.12.3", false),
            ("3.11.8", "3.12.4", false),
        ] {
            let (own, other) = (
                Version::parse(coordinator).unwrap(),
                Version::parse(dbserver).unwrap(),
            );
            assert_eq!(
                own.misreads_order_of(&other),
                misreads,
                "{coordinator} {dbserver}"
            );
        }
    }

    #[test]
    fn resigning_starts_at_3_4_8_and_at_3_5_1() {
        for (text, can) in [
            ("3.3.20", false),
            ("3.4.7", false),
            ("3.4.8", true),
            ("3.5.0", false),
            ("3.5.1", true),
            ("3.12.0", true),
        ] {
            let version = Version::parse(text).unwrap();
            assert_eq!(version.can_resign_leadership(), can, "{text}");
        }
    }
}
