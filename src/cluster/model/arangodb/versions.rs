//! Versions, and which upgrade goes from where to where: a table, with reasons.
//!
//! Sources: the upgrading pages and known issues of the ArangoDB 3.3, 3.4 and 3.5 documentation, the incompatible
//! changes of 3.12, the starter's change log, and kube-arangodb's upgrade order.

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

/// One row of the table of refused paths.
#[derive(Debug, Clone, Copy)]
pub struct PathRule {
    /// Whether the row speaks about this path.
    pub applies: fn(Version, Version) -> bool,
    /// Why it is refused, and what to do instead.
    pub reason: &'static str,
}

/// The release lines in their order: a rolling upgrade goes from one to the next only.
const LINES: &[(u32, u32)] = &[
    (3, 2),
    (3, 3),
    (3, 4),
    (3, 5),
    (3, 6),
    (3, 7),
    (3, 8),
    (3, 9),
    (3, 10),
    (3, 11),
    (3, 12),
];

/// Paths that the vendor does not support or that are known to go wrong.
const REFUSED: &[PathRule] = &[
    PathRule {
        applies: |from, to| {
            from.line() == (3, 3) && to.line() == (3, 4) && from < Version::new(3, 3, 20)
        },
        reason: "a rolling upgrade from 3.3 to 3.4 starts at 3.3.20: upgrade to the latest 3.3 first",
    },
    PathRule {
        applies: |from, to| {
            from.line() == (3, 2)
                && to.line() == (3, 3)
                && (from < Version::new(3, 2, 15) || to < Version::new(3, 3, 9))
        },
        reason: "a rolling upgrade from 3.2 to 3.3 needs 3.2.15 or later and 3.3.9 or later",
    },
    PathRule {
        applies: |_, to| to == Version::new(3, 4, 6),
        reason: "3.4.6 may drop collections; use 3.4.6-1 or later",
    },
    PathRule {
        applies: |from, to| from == Version::new(3, 5, 0) && to == Version::new(3, 5, 1),
        reason: "a rolling upgrade from 3.5.0 to 3.5.1 is impossible; go to a later 3.5",
    },
    PathRule {
        applies: |from, to| {
            from.line() <= (3, 7) && from <= Version::new(3, 7, 12) && to.line() == (3, 8)
        },
        reason: "from 3.7.12 or earlier to 3.8 the agency's log may be misread; upgrade to the latest 3.7 first",
    },
    PathRule {
        applies: |_, to| to == Version::new(3, 8, 0),
        reason: "3.8.0 may misread the agency's log; use a later 3.8",
    },
    PathRule {
        applies: |from, to| {
            from.line() == (3, 11) && to >= Version::new(3, 12, 0) && to < Version::new(3, 12, 4)
        },
        reason: "3.12.0 to 3.12.3 must not be installed over 3.11; use 3.12.4 or later",
    },
];

/// Says why a path is refused: nothing when it is supported.
pub fn check_path(from: Version, to: Version) -> Vec<String> {
    let mut reasons = Vec::new();
    if to < from {
        reasons.push(format!(
            "{to} is older than {from}: a data directory cannot be taken back to an older version"
        ));
    }
    let index = |version: Version| LINES.iter().position(|line| *line == version.line());
    match (index(from), index(to)) {
        (Some(old), Some(new)) if new > old + 1 => {
            let between: Vec<String> = LINES
                .get(old + 1..new)
                .unwrap_or_default()
                .iter()
                .map(|(a, b)| format!("{a}.{b}"))
                .collect();
            reasons.push(format!(
                "from {from} to {to} skips {}: a rolling upgrade goes one release line at a time",
                between.join(", ")
            ));
        }
        (Some(_), Some(_)) => {}
        (old, new) => {
            for (version, known) in [(from, old), (to, new)] {
                if known.is_none() {
                    reasons.push(format!(
                        "nothing is known about the release line of {version}"
                    ));
                }
            }
        }
    }
    reasons.extend(
        REFUSED
            .iter()
            .filter(|rule| (rule.applies)(from, to))
            .map(|rule| rule.reason.to_owned()),
    );
    reasons
}

/// Tells whether data directories must be upgraded between two versions: only a new release line asks for it.
pub fn data_upgrade(from: Version, to: Version) -> bool {
    from.line() != to.line()
}

/// How leadership can be taken away from a DB-Server before it stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum LeadershipWay {
    /// `resignLeadership`: followers in sync take over.
    Resign,
    /// Only `moveShard`, to servers without a copy.
    Move,
}

/// Says which way a version offers: resigning came with 3.4.8 and 3.5.1, and is unsafe in 3.6.0 to 3.6.14 and in 3.7.0
/// to 3.7.12 (starter change log 0.15.1; kube-arangodb, `skipResignLeadership`).
pub fn leadership_way(version: Version) -> LeadershipWay {
    let exists = match version.line() {
        (3, 4) => version >= Version::new(3, 4, 8),
        (3, 5) => version >= Version::new(3, 5, 1),
        line => line > (3, 5),
    };
    let unsafe_there = (version.line() == (3, 6) && version <= Version::new(3, 6, 14))
        || (version.line() == (3, 7) && version <= Version::new(3, 7, 12));
    if exists && !unsafe_there {
        LeadershipWay::Resign
    } else {
        LeadershipWay::Move
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

    #[test]
    fn paths_are_refused_with_a_reason() {
        let refused = [
            ("3.3.19", "3.4.0", "3.3.20"),
            ("3.3.20", "3.4.6", "drop collections"),
            ("3.3.20", "3.5.0", "skips 3.4"),
            ("3.4.0", "3.3.20", "older"),
            ("3.5.0", "3.5.1", "impossible"),
            ("3.11.8", "3.12.3", "3.12.4"),
            ("3.7.12", "3.8.1", "latest 3.7"),
            ("2.8.0", "3.4.0", "nothing is known"),
        ];
        for (from, to, expected) in refused {
            let reasons = check_path(v(from), v(to));
            assert!(
                reasons.iter().any(|reason| reason.contains(expected)),
                "{from} -> {to}: {reasons:?}"
            );
        }
        for (from, to) in [
            ("3.3.20", "3.4.0"),
            ("3.3.24", "3.4.6-1"),
            ("3.4.0", "3.4.8"),
            ("3.11.8", "3.12.4"),
            ("3.4.8", "3.5.1"),
        ] {
            assert_eq!(
                check_path(v(from), v(to)),
                Vec::<String>::new(),
                "{from} -> {to}"
            );
        }
    }

    #[test]
    fn resigning_is_used_only_where_it_exists_and_is_safe() {
        let resign = ["3.4.8", "3.5.1", "3.6.15", "3.8.1", "3.12.4"];
        let only_move = ["3.3.20", "3.4.7", "3.5.0", "3.6.14", "3.7.12"];
        assert!(
            resign
                .iter()
                .all(|version| leadership_way(v(version)) == LeadershipWay::Resign)
        );
        assert!(
            only_move
                .iter()
                .all(|version| leadership_way(v(version)) == LeadershipWay::Move)
        );
    }
}
