//! What a version can do that another cannot, as a table of spans of versions.
//!
//! A cluster in the middle of its upgrade has servers of both versions: each question is asked of the version of the
//! server that must do it, or of the lowest of those that take part.

use serde::Serialize;

use super::Version;

/// Something that not every version can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ability {
    /// `resignLeadership` is there and safe: from 3.4.8 and 3.5.1 on (kube-arangodb's resource documentation), not in
    /// 3.6.0 to 3.6.14, not in 3.7.0 to 3.7.12 (starter change log 0.15.1; kube-arangodb, `skipResignLeadership`).
    ResignLeadership,
    /// Maintenance mode can be asked for a number of seconds: from 3.8.3 on (HTTP documentation of the cluster).
    MaintenanceForSeconds,
    /// One DB-Server can be in maintenance mode alone: from 3.10 on (API changes in 3.10).
    MaintenanceByDbserver,
    /// A coordinator ends when nothing is in hand any more: 3.7.12, 3.8.1 and later (HTTP documentation of
    /// `DELETE /_admin/shutdown`). An older one does not know the word and ends at once (`RestShutdownHandler.cpp`).
    SoftShutdown,
    /// Coordinators upgrade what all share with the cluster, and write no version file: from 3.5 on
    /// (`ClusterUpgradeFeature.cpp`).
    ClusterUpgrade,
}

/// From a version on, and before another one.
type Span = (Version, Version);

const EVER: Version = Version::new(u32::MAX, 0, 0);

impl Ability {
    /// Returns the versions that have it.
    fn spans(self) -> &'static [Span] {
        const RESIGN: &[Span] = &[
            (Version::new(3, 4, 8), Version::new(3, 5, 0)),
            (Version::new(3, 5, 1), Version::new(3, 6, 0)),
            (Version::new(3, 6, 15), Version::new(3, 7, 0)),
            (Version::new(3, 7, 13), EVER),
        ];
        const SECONDS: &[Span] = &[(Version::new(3, 8, 3), EVER)];
        const ONE: &[Span] = &[(Version::new(3, 10, 0), EVER)];
        const SOFT: &[Span] = &[
            (Version::new(3, 7, 12), Version::new(3, 8, 0)),
            (Version::new(3, 8, 1), EVER),
        ];
        const CLUSTER: &[Span] = &[(Version::new(3, 5, 0), EVER)];
        match self {
            Self::ResignLeadership => RESIGN,
            Self::MaintenanceForSeconds => SECONDS,
            Self::MaintenanceByDbserver => ONE,
            Self::SoftShutdown => SOFT,
            Self::ClusterUpgrade => CLUSTER,
        }
    }

    /// Tells whether a version has it.
    pub fn is_in(self, version: Version) -> bool {
        let within = |(from, before): &Span| version >= *from && version < *before;
        self.spans().iter().any(within)
    }
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

/// Says which way a version offers.
pub fn leadership_way(version: Version) -> LeadershipWay {
    if Ability::ResignLeadership.is_in(version) {
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

    #[test]
    fn each_ability_begins_and_ends_where_the_vendor_says() {
        type Case<'a> = (Ability, &'a [&'a str], &'a [&'a str]);
        let cases: &[Case<'_>] = &[
            (
                Ability::ResignLeadership,
                &[
                    "3.4.8", "3.4.11", "3.5.1", "3.6.15", "3.7.13", "3.8.0", "3.12.4",
                ],
                &[
                    "3.3.25", "3.4.7", "3.5.0", "3.6.0", "3.6.14", "3.7.0", "3.7.12",
                ],
            ),
            (
                Ability::MaintenanceForSeconds,
                &["3.8.3", "3.9.0", "3.12.4"],
                &["3.4.0", "3.8.2"],
            ),
            (
                Ability::MaintenanceByDbserver,
                &["3.10.0", "3.11.8", "3.12.3"],
                &["3.4.0", "3.8.3", "3.9.12"],
            ),
            (
                Ability::SoftShutdown,
                &["3.7.12", "3.7.18", "3.8.1", "3.9.0", "3.12.4"],
                &["3.3.20", "3.7.11", "3.8.0"],
            ),
            (
                Ability::ClusterUpgrade,
                &["3.5.0", "3.12.4"],
                &["3.3.20", "3.4.11"],
            ),
        ];
        for (ability, with, without) in cases {
            for version in *with {
                assert!(ability.is_in(v(version)), "{ability:?} {version}");
            }
            for version in *without {
                assert!(!ability.is_in(v(version)), "{ability:?} {version}");
            }
        }
    }
}
