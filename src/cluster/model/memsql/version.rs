//! Versions, compared as numbers, and whether a way between two of them can be gone online.

use std::fmt;
use std::str::FromStr;

use super::super::Verdict;

/// A version of three numbers; a version of two has 0 as the third.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProductVersion {
    /// The first number.
    pub major: u32,
    /// The second.
    pub minor: u32,
    /// The third.
    pub patch: u32,
}

/// The first version of Ops that upgrades node by node.
pub const OPS_NEEDED: ProductVersion = ProductVersion {
    major: 5,
    minor: 7,
    patch: 0,
};

/// The only major version that the procedure is for: from 5.x to 6.0 the cluster's own data changes, which is offline.
const MAJOR: u32 = 5;

/// What is no version.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no version")]
pub struct ParseProductVersionError(String);

impl FromStr for ProductVersion {
    type Err = ParseProductVersionError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || ParseProductVersionError(text.to_owned());
        let numbers = text.trim().trim_start_matches('v');
        let numbers = numbers.split(['-', '+', ' ']).next().unwrap_or_default();
        let mut parts = numbers.split('.').map(str::parse::<u32>);
        let mut next = || parts.next().transpose().map_err(|_| wrong());
        Ok(Self {
            major: next()?.ok_or_else(wrong)?,
            minor: next()?.ok_or_else(wrong)?,
            patch: next()?.unwrap_or(0),
        })
    }
}

impl fmt::Display for ProductVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

/// Judges the way from the versions that run to another one.
pub fn target(running: &[String], to: &str) -> Verdict {
    let mut problems = Vec::new();
    let wanted = match to.parse::<ProductVersion>() {
        Ok(wanted) => wanted,
        Err(error) => return Verdict::of(vec![error.to_string()]),
    };
    if wanted.major != MAJOR {
        problems.push(format!(
            "{to} is not a version {MAJOR}.x: to another major version there is no online upgrade"
        ));
    }
    for version in running {
        match version.parse::<ProductVersion>() {
            Err(error) => problems.push(error.to_string()),
            Ok(version) if version.major != MAJOR => {
                problems.push(format!("{version} runs, which is not a version {MAJOR}.x"));
            }
            Ok(version) if version > wanted => {
                problems.push(format!("{version} runs, which is newer than {to}"));
            }
            Ok(_) => {}
        }
    }
    Verdict::of(problems)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_as_numbers() {
        let version = |text: &str| text.parse::<ProductVersion>().unwrap();
        assert!(version("5.7") >= OPS_NEEDED);
        assert!(
            version("6.0.1") >= OPS_NEEDED,
            "a later major version is later"
        );
        assert!(version("5.10.0") > version("5.9.9"));
        assert!(version("5.6.99") < OPS_NEEDED);
        assert_eq!(version("5.8.12-abc"), version("5.8.12"));
        for bad in ["", "5", "x.y", "5.x"] {
            assert!(bad.parse::<ProductVersion>().is_err(), "{bad}");
        }
    }

    #[test]
    fn only_forward_within_the_major_version() {
        let judge = |running: &[&str], to: &str| {
            let running: Vec<String> = running.iter().map(ToString::to_string).collect();
            target(&running, to).ok
        };
        assert!(judge(&["5.5.12"], "5.7.2"));
        assert!(judge(&["5.5.12", "5.7.2"], "5.7.2"));
        assert!(!judge(&["5.7.2"], "5.5.12"));
        assert!(!judge(&["5.7.2"], "6.0.0"));
        assert!(!judge(&["4.1.0"], "5.7.2"));
        assert!(!judge(&["5.5.12"], "latest"));
    }
}
