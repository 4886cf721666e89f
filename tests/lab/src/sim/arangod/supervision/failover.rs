//! What is planned for a shard when one of its servers has failed: pure.

use std::collections::BTreeSet;

use super::super::cluster::bare;

/// One shard, with all that go where it goes.
#[derive(Debug, Clone)]
pub struct Group<'a> {
    /// The servers that are planned, the leader first.
    pub plan: &'a [String],
    /// The servers that are in sync, of each of the shards.
    pub current: Vec<&'a [String]>,
}

/// Returns the servers to plan instead; nothing where nothing can be done.
///
/// A leader that failed is followed by its first follower that is planned, in sync for all
/// the shards, and well; it becomes the last follower itself. A follower that failed is
/// replaced by a server that has no copy yet, if there is one.
pub fn replan(group: &Group<'_>, failed: &str, well: &BTreeSet<String>) -> Option<Vec<String>> {
    let place = group
        .plan
        .iter()
        .position(|server| bare(server) == failed)?;
    if place == 0 {
        let heir = group.plan.iter().skip(1).find(|server| {
            well.contains(*server)
                && group
                    .current
                    .iter()
                    .all(|current| current.contains(*server))
        })?;
        let others = group
            .plan
            .iter()
            .filter(|server| bare(server) != failed && *server != heir);
        return Some(
            std::iter::once(heir)
                .chain(others)
                .cloned()
                .chain(std::iter::once(failed.to_owned()))
                .collect(),
        );
    }
    let spare = well.iter().find(|server| !group.plan.contains(*server))?;
    Some(
        group
            .plan
            .iter()
            .map(|server| if server == failed { spare } else { server })
            .cloned()
            .collect(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn leaders_follow_only_in_sync_and_followers_are_replaced_by_spares() {
        for (plan, current, well, expected) in [
            ("A B", "A B", "B", Some("B A")),
            ("A B C", "A C", "B C", Some("C B A")),
            ("A B", "A", "B C", None),
            ("A", "A", "B C", None),
            ("_A B", "_A B", "B", Some("B A")),
            ("B A", "B A", "B C", Some("B C")),
            ("B A", "B", "B", None),
            ("B C", "B C", "B C", None),
        ] {
            let (plan, current) = (list(plan), list(current));
            let group = Group {
                plan: &plan,
                current: vec![&current],
            };
            let well = list(well).into_iter().collect();
            let found = replan(&group, "A", &well);
            assert_eq!(found, expected.map(list), "{plan:?} {current:?} {well:?}");
        }
    }

    #[test]
    fn an_heir_must_be_in_sync_for_every_shard_of_the_group() {
        let (plan, first, second) = (list("A B C"), list("A B C"), list("A C"));
        let group = Group {
            plan: &plan,
            current: vec![&first, &second],
        };
        let well = list("B C").into_iter().collect();
        assert_eq!(replan(&group, "A", &well), Some(list("C B A")));
    }
}
