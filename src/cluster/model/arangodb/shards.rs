//! Shards: which are in sync, which would suffer if a DB-Server stopped, and where leadership could go.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

/// A shard as the agency plans it and as the DB-Servers report it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Default)]
pub struct Shard {
    /// Its database.
    pub database: String,
    /// Its collection's id.
    pub collection: String,
    /// Its collection's name.
    pub name: String,
    /// Its own id, `s100...`.
    pub shard: String,
    /// The servers it is planned on, the leader first; a leader that has resigned has `_` before its id.
    pub plan: Vec<String>,
    /// The servers that are in sync, the leader first.
    pub current: Vec<String>,
    /// How many copies the collection asks for; 0 for satellite collections.
    pub replication_factor: u64,
    /// How many copies must be in sync for a write to be taken (`writeConcern`, formerly `minReplicationFactor`).
    pub write_concern: u64,
    /// The collection's id that this one's shards follow, if any.
    pub follows: Option<String>,
}

impl Shard {
    /// Tells whether plan and current agree: same leader, not resigned, same followers as sets.
    pub fn in_sync(&self) -> bool {
        match (self.plan.split_first(), self.current.split_first()) {
            (Some((planned, followers)), Some((leading, copies))) => {
                planned == leading
                    && !planned.starts_with('_')
                    && BTreeSet::from_iter(followers) == BTreeSet::from_iter(copies)
            }
            _ => false,
        }
    }

    /// Returns the server that is planned to lead it, resigned or not.
    pub fn leader(&self) -> Option<&str> {
        self.plan.first().map(|id| id.trim_start_matches('_'))
    }

    /// Names it for people: `db/collection/s1001`.
    pub fn title(&self) -> String {
        format!("{}/{}/{}", self.database, self.name, self.shard)
    }
}

/// Says why a shard forbids that a DB-Server stops, if it does.
///
/// kube-arangodb's rule for restarts: a shard allows it when the server holds no copy, or when more copies are in sync
/// than must be for writes; if the server's own copy is out of sync, as many suffice. A shard that only this server
/// holds forbids it unless it was overridden by name.
pub fn blocks_stop(
    shard: &Shard,
    server: &str,
    allowed_single: &dyn Fn(&Shard) -> bool,
) -> Option<String> {
    let planned = |id: &String| id.trim_start_matches('_') == server;
    if !shard.plan.iter().any(planned) {
        return None;
    }
    let title = shard.title();
    if shard.plan.len() == 1 {
        return if allowed_single(shard) {
            None
        } else {
            Some(format!(
                "{title} has its only copy on {server} (replication factor 1)"
            ))
        };
    }
    let synced = shard
        .current
        .iter()
        .filter(|id| !id.starts_with('_'))
        .count();
    let own = shard.current.iter().any(|id| id == server);
    let copies = u64::try_from(synced).unwrap_or(u64::MAX);
    let needed = shard
        .write_concern
        .max(1)
        .min(shard.replication_factor.saturating_sub(1).max(1));
    let enough = if own {
        copies > needed
    } else {
        copies >= needed
    };
    if enough {
        None
    } else {
        Some(format!(
            "{title} has {copies} copies in sync, stopping {server} leaves too few (needs {needed})"
        ))
    }
}

/// Returns the shards that each server is planned to lead.
pub fn led_by(shards: &[Shard]) -> BTreeMap<String, Vec<&Shard>> {
    let mut led: BTreeMap<String, Vec<&Shard>> = BTreeMap::new();
    for shard in shards {
        if let Some(leader) = shard.leader() {
            led.entry(leader.to_owned()).or_default().push(shard);
        }
    }
    led
}

/// One `moveShard` that takes leadership away from a server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Move {
    /// The database.
    pub database: String,
    /// The collection's name.
    pub collection: String,
    /// The shard.
    pub shard: String,
    /// From whom.
    pub from: String,
    /// To whom.
    pub to: String,
}

/// Why leadership cannot be moved away.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MoveRefusal {
    /// The shard.
    pub shard: String,
    /// The reason, for people.
    pub reason: String,
}

/// Plans the moves that leave a server without leadership, by the rules of the supervision of 3.3 and 3.4.
///
/// A move is refused there when the target already holds the shard, follower or not; so leadership can only go to a
/// server without a copy, which is planned as a follower first and copies everything. A collection that follows another
/// one's distribution moves with it and is not moved itself. Targets are chosen so that the led shards spread evenly.
pub fn plan_moves(
    shards: &[Shard],
    server: &str,
    candidates: &[String],
) -> (Vec<Move>, Vec<MoveRefusal>) {
    let (mut moves, mut refusals) = (Vec::new(), Vec::new());
    let mut load: BTreeMap<&String, usize> = candidates.iter().map(|id| (id, 0)).collect();
    for shard in shards {
        if let Some(count) = shard.plan.first().and_then(|leader| load.get_mut(leader)) {
            *count += 1;
        }
    }
    for shard in shards
        .iter()
        .filter(|shard| shard.leader() == Some(server) && shard.follows.is_none())
    {
        let holds = |id: &String| {
            shard
                .plan
                .iter()
                .any(|held| held.trim_start_matches('_') == id)
        };
        let target = candidates
            .iter()
            .filter(|id| id.as_str() != server && !holds(id))
            .min_by_key(|id| load.get(id).copied().unwrap_or(0));
        match target {
            Some(to) => {
                *load.entry(to).or_default() += 1;
                moves.push(Move {
                    database: shard.database.clone(),
                    collection: shard.name.clone(),
                    shard: shard.shard.clone(),
                    from: server.to_owned(),
                    to: to.clone(),
                });
            }
            None => refusals.push(MoveRefusal {
                shard: shard.title(),
                reason: format!(
                    "every healthy DB-Server holds a copy already ({} copies, {} servers), and this version refuses such a target",
                    shard.plan.len(),
                    candidates.len()
                ),
            }),
        }
    }
    (moves, refusals)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn shard(plan: &[&str], current: &[&str]) -> Shard {
        let owned = |ids: &[&str]| ids.iter().map(|id| (*id).to_owned()).collect::<Vec<_>>();
        Shard {
            database: "_system".into(),
            name: "c".into(),
            shard: "s1".into(),
            plan: owned(plan),
            current: owned(current),
            replication_factor: u64::try_from(plan.len()).unwrap(),
            write_concern: 1,
            ..Shard::default()
        }
    }

    #[test]
    fn in_sync_means_same_leader_and_same_followers() {
        let cases: [(&[&str], &[&str], bool); 7] = [
            (&["A", "B"], &["A", "B"], true),
            (&["A", "B", "C"], &["A", "C", "B"], true),
            (&["A", "B"], &["B", "A"], false),
            (&["A", "B"], &["A"], false),
            (&["_A", "B"], &["_A", "B"], false),
            (&["A"], &[], false),
            (&[], &[], false),
        ];
        for (plan, current, expected) in cases {
            assert_eq!(
                shard(plan, current).in_sync(),
                expected,
                "{plan:?} {current:?}"
            );
        }
    }

    #[test]
    fn a_stop_is_refused_when_it_would_leave_too_few_copies() {
        let none = |_: &Shard| false;
        assert_eq!(
            blocks_stop(&shard(&["A", "B"], &["A", "B"]), "A", &none),
            None
        );
        assert_eq!(
            blocks_stop(&shard(&["A", "B"], &["A", "B"]), "C", &none),
            None
        );
        assert!(
            blocks_stop(&shard(&["A", "B"], &["A"]), "A", &none).is_some(),
            "the last copy"
        );
        assert_eq!(
            blocks_stop(&shard(&["A", "B"], &["A"]), "B", &none),
            None,
            "its own copy is out of sync already"
        );
        let only = shard(&["A"], &["A"]);
        assert!(
            blocks_stop(&only, "A", &none)
                .unwrap()
                .contains("replication factor 1")
        );
        assert_eq!(blocks_stop(&only, "A", &|shard| shard.name == "c"), None);
        let strict = Shard {
            write_concern: 2,
            ..shard(&["A", "B", "C"], &["A", "B"])
        };
        assert!(
            blocks_stop(&strict, "B", &none).is_some(),
            "two copies are needed for writes"
        );
    }

    #[test]
    fn leadership_goes_only_to_a_server_without_a_copy() {
        let three = ["A".to_owned(), "B".into(), "C".into()];
        let (moves, refusals) = plan_moves(&[shard(&["A", "B"], &["A", "B"])], "A", &three);
        assert_eq!((moves[0].to.as_str(), refusals.len()), ("C", 0));
        let (moves, refusals) =
            plan_moves(&[shard(&["A", "B", "C"], &["A", "B", "C"])], "A", &three);
        assert!(
            moves.is_empty() && refusals[0].reason.contains("3 copies, 3 servers"),
            "{refusals:?}"
        );
        let clone = Shard {
            follows: Some("7".into()),
            ..shard(&["A", "B"], &["A", "B"])
        };
        assert_eq!(plan_moves(&[clone], "A", &three), (vec![], vec![]));
    }

    proptest! {
        #[test]
        fn stopping_what_is_allowed_leaves_a_synced_copy(plan in proptest::sample::subsequence(vec!["A", "B", "C", "D"], 2..=4), kept in 0usize..4, server in 0usize..4) {
            let current: Vec<&str> = plan.iter().take(kept.max(1).min(plan.len())).copied().collect();
            let shard = shard(&plan, &current);
            let server = ["A", "B", "C", "D"][server];
            if blocks_stop(&shard, server, &|_| false).is_none() && plan.contains(&server) {
                prop_assert!(current.iter().any(|id| *id != server), "nothing is left of {shard:?} without {server}");
            }
        }
    }
}
