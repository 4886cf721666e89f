//! Whether a server could be started as it is: its data against the program that lies on the disk.
//!
//! Pure. A server that is down with data of an older release line than the only program there is is stranded: started
//! without `--database.auto-upgrade` it refuses (arangod 3.4, `UpgradeFeature.cpp`), and so it stays down until somebody
//! upgrades its data.

use super::{Role, Version};

/// What a server would do if it were started with the program on the disk, as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// It starts.
    Fits,
    /// It refuses, as its data must be upgraded first.
    Stranded,
    /// Its data is of a newer release line than the program; there is no way back for data.
    TooNew,
    /// Nobody knows: the data, or the program, does not tell its version.
    Unknown,
}

/// The first release line whose coordinators upgrade with the cluster and not by their own files (arangod 3.5,
/// `ClusterUpgradeFeature.cpp`); what their files say is then of earlier times.
const COORDINATORS_UPGRADE_WITH_THE_CLUSTER: (u32, u32) = (3, 5);

impl Start {
    /// Returns its name, as templates see it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Fits => "fits",
            Self::Stranded => "stranded",
            Self::TooNew => "too new",
            Self::Unknown => "unknown",
        }
    }

    /// Judges the lowest number in a server's `VERSION` files against the version of a program; patches never differ.
    pub fn of(role: Role, data: Option<u64>, program: Option<Version>) -> Self {
        let (Some(data), Some(program)) = (data.filter(|number| *number > 0), program) else {
            return Self::Unknown;
        };
        if role == Role::Coordinator && program.line() >= COORDINATORS_UPGRADE_WITH_THE_CLUSTER {
            return Self::Fits;
        }
        match (data / 100).cmp(&u64::from(program.data_number() / 100)) {
            std::cmp::Ordering::Less => Self::Stranded,
            std::cmp::Ordering::Equal => Self::Fits,
            std::cmp::Ordering::Greater => Self::TooNew,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[expect(clippy::too_many_lines, reason = "a table of cases")]
    fn data_that_the_program_on_disk_refuses_is_told_from_data_that_fits() {
        let cases = [
            (
                "old data",
                Role::Agent,
                Some(30320),
                "3.4.0",
                Start::Stranded,
            ),
            (
                "old data",
                Role::Dbserver,
                Some(30320),
                "3.4.0",
                Start::Stranded,
            ),
            (
                "old data",
                Role::Coordinator,
                Some(30320),
                "3.4.0",
                Start::Stranded,
            ),
            ("upgraded", Role::Agent, Some(30400), "3.4.0", Start::Fits),
            (
                "another patch",
                Role::Agent,
                Some(30400),
                "3.4.8",
                Start::Fits,
            ),
            (
                "a lower patch",
                Role::Agent,
                Some(30408),
                "3.4.0",
                Start::Fits,
            ),
            (
                "the old package is back",
                Role::Agent,
                Some(30320),
                "3.3.25",
                Start::Fits,
            ),
            (
                "upgraded, and the old package is back",
                Role::Agent,
                Some(30400),
                "3.3.20",
                Start::TooNew,
            ),
            (
                "a coordinator of 3.5",
                Role::Coordinator,
                Some(30408),
                "3.5.1",
                Start::Fits,
            ),
            (
                "not its DB-Server",
                Role::Dbserver,
                Some(30408),
                "3.5.1",
                Start::Stranded,
            ),
            ("a torn file", Role::Agent, Some(0), "3.4.0", Start::Unknown),
            ("never started", Role::Agent, None, "3.4.0", Start::Unknown),
            ("no program", Role::Agent, Some(30320), "", Start::Unknown),
            (
                "a major step",
                Role::Agent,
                Some(21200),
                "3.0.0",
                Start::Stranded,
            ),
        ];
        for (name, role, data, program, wanted) in cases {
            let is = Start::of(role, data, program.parse().ok());
            assert_eq!(is, wanted, "{name}: {role:?} {data:?} {program}");
        }
    }
}
