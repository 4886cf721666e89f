//! Which upgrade goes from where to where, in which order, and what is to be known of it: tables, with reasons.
//!
//! Sources: the upgrading pages and known issues of the ArangoDB 3.3, 3.4 and 3.5 documentation, the incompatible
//! changes of 3.12, and kube-arangodb's upgrade order (`plan_builder_rotate_upgrade.go`, `getUpgradeOrder`).

use super::{Role, Version};

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

/// One row of the table of orders.
#[derive(Debug, Clone, Copy)]
struct OrderRule {
    /// Whether the row speaks about this path.
    applies: fn(Version, Version) -> bool,
    /// Which servers are upgraded first, second and last.
    order: [Role; 3],
    /// Why it is not the usual order.
    reason: &'static str,
}

/// The order of the vendor's procedure and of the starter.
const USUAL: [Role; 3] = [Role::Agent, Role::Dbserver, Role::Coordinator];

/// Paths that go in another order than the usual one.
const ORDERS: &[OrderRule] = &[OrderRule {
    applies: |from, to| is_early_3_12(from) && to >= Version::new(3, 12, 4),
    order: [Role::Agent, Role::Coordinator, Role::Dbserver],
    reason: "from 3.12.0 to 3.12.3 coordinators go to 3.12.4 or later before the DB-Servers: these sort index entries in \
             another order, which older coordinators do not expect",
}];

fn is_early_3_12(version: Version) -> bool {
    version >= Version::new(3, 12, 0) && version < Version::new(3, 12, 4)
}

/// In which order the servers of a cluster are upgraded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Order {
    /// Which servers are first, second and last.
    pub roles: [Role; 3],
    /// Why it is not the usual order; nothing where it is.
    pub reason: Option<&'static str>,
}

impl Order {
    /// Tells whether coordinators are upgraded before the DB-Servers.
    pub fn coordinators_first(&self) -> bool {
        let place = |wanted| self.roles.iter().position(|role| *role == wanted);
        place(Role::Coordinator) < place(Role::Dbserver)
    }
}

/// Says in which order a cluster is upgraded whose servers are of these versions. One server of a version that asks for
/// another order decides, so that an upgrade that was cut off goes on in the order in which it began.
pub fn order(from: &[Version], to: Version) -> Order {
    let asks = |rule: &&OrderRule| from.iter().any(|from| (rule.applies)(*from, to));
    match ORDERS.iter().find(asks) {
        Some(rule) => Order {
            roles: rule.order,
            reason: Some(rule.reason),
        },
        None => Order {
            roles: USUAL,
            reason: None,
        },
    }
}

/// What is to be known of paths that are supported.
const NOTES: &[PathRule] = &[PathRule {
    applies: |from, to| from < Version::new(3, 12, 4) && to >= Version::new(3, 12, 4),
    reason: "3.12.4 corrects the order of index entries: afterwards ask a coordinator, GET \
             /_admin/cluster/vpackSortMigration/check, and follow the vendor's page on 3.12 if indexes are named",
}];

/// Says what is to be known of a path.
pub fn notes(from: Version, to: Version) -> Vec<&'static str> {
    let own = NOTES.iter().filter(|rule| (rule.applies)(from, to));
    own.map(|rule| rule.reason).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn v(text: &str) -> Version {
        text.parse().unwrap()
    }

    #[test]
    fn paths_are_refused_with_a_reason() {
        let refused = [
            ("3.2.14", "3.3.9", "needs 3.2.15"),
            ("3.2.15", "3.3.8", "3.3.9 or later"),
            ("3.3.19", "3.4.0", "3.3.20"),
            ("3.3.20", "3.4.6", "drop collections"),
            ("3.3.20", "3.5.0", "skips 3.4"),
            ("3.4.0", "3.3.20", "older"),
            ("3.5.0", "3.5.1", "impossible"),
            ("3.11.8", "3.12.3", "3.12.4"),
            ("3.7.12", "3.8.1", "latest 3.7"),
            ("3.7.13", "3.8.0", "a later 3.8"),
            ("3.11.14", "3.12.0", "3.12.4"),
            ("3.10.9", "3.12.4", "skips 3.11"),
            ("3.12.4", "3.12.3", "older"),
            ("3.12.4", "3.13.0", "nothing is known"),
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
            ("3.2.15", "3.3.9"),
            ("3.3.20", "3.4.0"),
            ("3.3.24", "3.4.6-1"),
            ("3.7.13", "3.8.1"),
            ("3.4.0", "3.4.8"),
            ("3.11.8", "3.12.4"),
            ("3.4.8", "3.5.1"),
            ("3.10.14", "3.11.0"),
            ("3.12.0", "3.12.3"),
            ("3.12.3", "3.12.4"),
            ("3.12.3-1", "3.12.4-2"),
        ] {
            assert_eq!(
                check_path(v(from), v(to)),
                Vec::<String>::new(),
                "{from} -> {to}"
            );
        }
    }

    #[test]
    fn coordinators_come_first_from_3_12_0_to_3_12_3_to_later_and_nowhere_else() {
        let usual = [
            ("3.3.20", "3.4.0"),
            ("3.11.8", "3.12.3"),
            ("3.11.8", "3.12.4"),
            ("3.12.0", "3.12.3"),
            ("3.12.4", "3.12.5"),
            ("3.12.4", "3.12.4"),
        ];
        for (from, to) in usual {
            let order = order(&[v(from)], v(to));
            assert_eq!(order.roles, USUAL, "{from} -> {to}");
            assert_eq!(order.reason, None, "{from} -> {to}");
            assert!(!order.coordinators_first());
        }
        for (from, to) in [
            ("3.12.0", "3.12.4"),
            ("3.12.3", "3.12.4"),
            ("3.12.3-1", "3.12.9"),
        ] {
            let order = order(&[v(from)], v(to));
            assert!(order.coordinators_first(), "{from} -> {to}");
            assert!(order.reason.is_some_and(|why| why.contains("3.12.4")));
            assert_eq!(order.roles[0], Role::Agent);
        }
    }

    #[test]
    fn an_upgrade_that_was_cut_off_goes_on_in_its_order() {
        let mixed = [v("3.12.4"), v("3.12.3")];
        assert!(order(&mixed, v("3.12.4")).coordinators_first());
        assert!(!order(&[v("3.12.4")], v("3.12.4")).coordinators_first());
        assert!(!order(&[], v("3.12.4")).coordinators_first());
    }

    #[test]
    fn what_comes_after_is_told_where_it_comes() {
        for (from, to, told) in [
            ("3.11.8", "3.12.4", true),
            ("3.12.3", "3.12.4", true),
            ("3.12.4", "3.12.5", false),
            ("3.3.20", "3.4.0", false),
        ] {
            assert_eq!(!notes(v(from), v(to)).is_empty(), told, "{from} -> {to}");
        }
    }
}
