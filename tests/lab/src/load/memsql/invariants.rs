//! What must hold in a MemSQL cluster at every moment, judged from what the servers themselves
//! hold. Pure.

use std::collections::{BTreeMap, BTreeSet};

use crate::load::invariants::Breach;
use crate::sim::memsql::Address;
use crate::sim::memsql::data::Role;
use crate::sim::memsql::meta::{LeafState, Meta};
use crate::sim::version::Version;

/// A server as one look found it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Look {
    /// Its version.
    pub version: String,
    /// Whether it takes itself for the master aggregator.
    pub is_master: bool,
    /// The partitions that it holds, with its part in each and whom it follows.
    pub replicas: BTreeMap<String, (Option<Role>, Option<Address>)>,
}

/// The cluster at one moment.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Moment {
    /// What the master aggregator knows, or knew last.
    pub meta: Meta,
    /// Every server that answers, with what it holds.
    pub looks: BTreeMap<Address, Look>,
    /// The servers that do not answer.
    pub down: BTreeSet<Address>,
    /// How many aggregators may be away at once.
    pub aggregators_at_once: usize,
    /// The version that all are to have in the end: the newest that was seen.
    pub newest: String,
}

/// Returns what does not hold at a moment.
pub fn judge(moment: &Moment) -> Vec<Breach> {
    let mut found = groups(moment);
    found.extend(masters(moment));
    found.extend(aggregators(moment));
    found.extend(directions(moment));
    let all = moment.looks.iter().filter(|(_, look)| look.is_master);
    let all: Vec<String> = all.map(|(at, _)| at.to_string()).collect();
    if all.len() > 1 {
        found.push(breach("P3 there is one master aggregator", all.join(" ")));
    }
    found
}

/// How long a partition may be locked: whoever asks for it waits so long.
const LOCK_LIMIT_MS: u64 = 5_000;

/// Keeps since when partitions are locked, and returns those for which that is too long.
pub fn judge_locks(since: &mut BTreeMap<String, u64>, meta: &Meta, now: u64) -> Vec<Breach> {
    let locked = meta.partitions().filter(|(_, _, one)| one.locked);
    let locked: BTreeSet<String> = locked
        .map(|(database, ordinal, _)| format!("{database}_{ordinal}"))
        .collect();
    since.retain(|name, _| locked.contains(name));
    for name in locked {
        since.entry(name).or_insert(now);
    }
    let long = since
        .iter()
        .filter(|(_, since)| now.saturating_sub(**since) > LOCK_LIMIT_MS);
    long.map(|(name, _)| breach("I5 no partition stays locked", name))
        .collect()
}

fn breach(invariant: &'static str, what: impl Into<String>) -> Breach {
    Breach {
        invariant,
        what: what.into(),
    }
}

fn groups(moment: &Moment) -> Vec<Breach> {
    let mut found = Vec::new();
    let out = moment
        .meta
        .leaves
        .iter()
        .filter(|leaf| leaf.state != LeafState::Online || moment.down.contains(&leaf.at));
    let groups: BTreeSet<u8> = out.map(|leaf| leaf.group).collect();
    if groups.len() > 1 {
        found.push(breach(
            "I1 one group has leaves out at most",
            format!("{groups:?}"),
        ));
    }
    for leaf in &moment.meta.leaves {
        if moment.down.contains(&leaf.at) && leaf.state != LeafState::Detached {
            let what = format!("{} is {}", leaf.at, leaf.state.word());
            found.push(breach("I3 no leaf is down that is not detached", what));
        }
    }
    found
}

/// Who takes writes for a partition is asked of the leaves, not of the master aggregator.
fn masters(moment: &Moment) -> Vec<Breach> {
    let mut found = Vec::new();
    for (database, ordinal, _) in moment.meta.partitions() {
        let name = format!("{database}_{ordinal}");
        let leads = |at: &&Address| {
            let look = moment.looks.get(at);
            look.and_then(|look| look.replicas.get(&name))
                .is_some_and(|one| one.0 == Some(Role::Master))
        };
        let online = moment
            .meta
            .leaves
            .iter()
            .filter(|leaf| leaf.state == LeafState::Online);
        let count = online.map(|leaf| &leaf.at).filter(leads).count();
        if count != 1 {
            found.push(breach(
                "I2 every partition has one master",
                format!("{name}: {count}"),
            ));
        }
    }
    found
}

fn aggregators(moment: &Moment) -> Vec<Breach> {
    let mut found = Vec::new();
    let all = moment.meta.aggregators.iter();
    let down: Vec<String> = all
        .filter(|one| moment.down.contains(&one.at))
        .map(|one| one.at.to_string())
        .collect();
    if down.len() > moment.aggregators_at_once {
        found.push(breach(
            "I6 one set of aggregators down at most",
            down.join(" "),
        ));
    }
    let master = moment.meta.master();
    if master.is_some_and(|master| moment.down.contains(master)) {
        let others = moment.looks.iter().filter(|(at, _)| Some(*at) != master);
        let old: Vec<String> = others
            .filter(|(_, look)| look.version != moment.newest)
            .map(|(at, look)| format!("{at} {}", look.version))
            .collect();
        let away = moment.down.iter().filter(|at| Some(*at) != master).count();
        if !old.is_empty() || away > 0 {
            found.push(breach(
                "I6 the master aggregator comes last",
                old.join(", "),
            ));
        }
    }
    found
}

fn directions(moment: &Moment) -> Vec<Breach> {
    let mut found = BTreeSet::new();
    let version = |text: &str| Version::parse(text).ok();
    for (at, look) in &moment.looks {
        if !moment.meta.is_online(at) {
            continue;
        }
        for (role, source) in look.replicas.values() {
            let source = source.as_ref().filter(|_| *role == Some(Role::Slave));
            let Some(lead) = source.and_then(|source| moment.looks.get(source)) else {
                continue;
            };
            if version(&lead.version) > version(&look.version) {
                let what = format!("{at} {} follows {}", look.version, lead.version);
                found.insert(breach("I10 no older server follows a newer one", what));
            }
        }
    }
    found.into_iter().collect()
}

/// Returns what did not hold when leaves went from online to detached between two looks: second
/// copies must not have been missing where there was a leaf for them.
pub fn judge_detach(before: &Meta, after: &Meta) -> Vec<Breach> {
    let went = after
        .leaves
        .iter()
        .filter(|leaf| leaf.state == LeafState::Detached && before.is_online(&leaf.at));
    let mut found = Vec::new();
    for leaf in went {
        for (database, ordinal, partition) in before.partitions() {
            let Some(master) = partition.master().and_then(|at| before.leaf(at)) else {
                continue;
            };
            // What the leaf itself had goes first, partition by partition.
            let is_another = |pair: &&Address| before.is_online(pair) && **pair != leaf.at;
            let pair = master.pair.as_ref().filter(is_another);
            if partition.slave().is_none() && pair.is_some() {
                let what = format!("{} went while {database}_{ordinal} had one copy", leaf.at);
                found.push(breach("I5 no leaf goes while copies are missing", what));
                break;
            }
        }
        let lost = after.partitions().find(|(database, ordinal, now)| {
            let then = before.partition(database, *ordinal);
            now.instances.is_empty() && then.is_some_and(|then| !then.instances.is_empty())
        });
        if let Some((database, ordinal, _)) = lost {
            let what = format!("{} took {database}_{ordinal} with it", leaf.at);
            found.push(breach("I4 no leaf goes with the last copy", what));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::memsql::meta::{Aggregator, Database};

    fn at(n: u16) -> Address {
        Address::new(format!("h{n}"), 3307)
    }

    /// Two leaves in two groups, one partition led by the first, a master and a child aggregator.
    fn healthy() -> Moment {
        let mut meta = Meta::default();
        meta.add_leaf(at(1), 1);
        meta.add_leaf(at(2), 2);
        let partitions = meta.lay_out(1, 2);
        meta.databases.insert(
            "db".into(),
            Database {
                partitions,
                ..Database::default()
            },
        );
        for (n, master) in [(8, true), (9, false)] {
            meta.aggregators.push(Aggregator {
                at: at(n),
                master,
                online: true,
            });
        }
        let look = |role: Option<Role>, source: Option<Address>| Look {
            version: "5.5.12".into(),
            is_master: false,
            replicas: role
                .map(|role| ("db_0".to_owned(), (Some(role), source)))
                .into_iter()
                .collect(),
        };
        let looks = [
            (at(1), look(Some(Role::Master), None)),
            (at(2), look(Some(Role::Slave), Some(at(1)))),
            (at(8), look(None, None)),
            (at(9), look(None, None)),
        ];
        Moment {
            meta,
            looks: looks.into(),
            down: BTreeSet::new(),
            aggregators_at_once: 1,
            newest: "5.5.12".into(),
        }
    }

    fn broken(change: impl FnOnce(&mut Moment)) -> Vec<&'static str> {
        let mut moment = healthy();
        change(&mut moment);
        let found = judge(&moment).into_iter().map(|one| one.invariant);
        let mut found: Vec<&str> = found.filter_map(|name| name.split(' ').next()).collect();
        found.dedup();
        found
    }

    fn down(moment: &mut Moment, n: u16) {
        moment.looks.remove(&at(n));
        moment.down.insert(at(n));
    }

    #[test]
    fn a_lock_that_is_held_too_long_is_seen() {
        let mut meta = healthy().meta;
        let mut since = BTreeMap::new();
        let count = |since: &mut _, meta: &Meta, now| judge_locks(since, meta, now).len();
        meta.partition_mut("db", 0).unwrap().locked = true;
        assert_eq!(count(&mut since, &meta, 1_000), 0);
        assert_eq!(count(&mut since, &meta, 5_900), 0);
        assert_eq!(count(&mut since, &meta, 6_100), 1);
        meta.partition_mut("db", 0).unwrap().locked = false;
        assert_eq!(count(&mut since, &meta, 6_200), 0);
        meta.partition_mut("db", 0).unwrap().locked = true;
        assert_eq!(count(&mut since, &meta, 9_000), 0, "it is another lock");
    }

    #[test]
    fn a_second_master_aggregator_is_seen() {
        let is_master = |moment: &mut Moment, n| {
            moment.looks.get_mut(&at(n)).unwrap().is_master = true;
        };
        let none: [&str; 0] = [];
        assert_eq!(broken(|moment| is_master(moment, 8)), none);
        let two = broken(|moment| {
            is_master(moment, 8);
            is_master(moment, 9);
        });
        assert_eq!(two, ["P3"]);
    }

    #[test]
    #[expect(
        clippy::too_many_lines,
        reason = "a table, one break for each invariant"
    )]
    fn each_invariant_is_seen_to_break() {
        let none: [&str; 0] = [];
        assert_eq!(broken(|_| ()), none);
        let detached = |moment: &mut Moment, n| {
            moment.meta.leaf_mut(&at(n)).unwrap().state = LeafState::Detached;
        };
        assert_eq!(
            broken(|m| {
                detached(m, 2);
                down(m, 2);
            }),
            none,
            "detached, then stopped"
        );
        assert_eq!(broken(|m| down(m, 2)), ["I3"]);
        assert_eq!(
            broken(|m| {
                detached(m, 1);
                detached(m, 2);
            }),
            ["I1", "I2"]
        );
        assert_eq!(
            broken(|m| {
                m.looks
                    .get_mut(&at(2))
                    .unwrap()
                    .replicas
                    .get_mut("db_0")
                    .unwrap()
                    .0 = Some(Role::Master);
            }),
            ["I2"]
        );
        assert_eq!(
            broken(|m| {
                down(m, 8);
                down(m, 9);
            }),
            ["I6"]
        );
        assert_eq!(
            broken(|m| {
                m.newest = "5.7.2".into();
                down(m, 8);
            }),
            ["I6"]
        );
        assert_eq!(broken(|m| down(m, 9)), none, "a child may go");
        let children = |at_once| {
            broken(|m| {
                m.aggregators_at_once = at_once;
                m.meta.aggregators.push(Aggregator {
                    at: at(10),
                    master: false,
                    online: true,
                });
                down(m, 9);
                down(m, 10);
            })
        };
        assert_eq!(children(1), ["I6"], "one at a time was planned");
        assert_eq!(children(2), none, "a set of two was planned");
        assert_eq!(
            broken(|m| m.looks.get_mut(&at(1)).unwrap().version = "5.7.2".into()),
            ["I10"]
        );
        assert_eq!(
            broken(|m| m.looks.get_mut(&at(2)).unwrap().version = "5.7.2".into()),
            none,
            "old to new"
        );
    }

    #[test]
    fn a_leaf_must_not_go_while_copies_are_missing() {
        let before = healthy().meta;
        let gone = |mut meta: Meta, n| {
            meta.leaf_mut(&at(n)).unwrap().state = LeafState::Detached;
            for database in meta.databases.values_mut() {
                database.partitions[0].leave(&at(n));
            }
            meta
        };
        assert!(judge_detach(&before, &gone(before.clone(), 2)).is_empty());
        // A look in the middle of a detach: some of what the leaf had is gone already.
        let mut half = before.clone();
        half.partition_mut("db", 0).unwrap().leave(&at(2));
        assert!(judge_detach(&half, &gone(half.clone(), 2)).is_empty());
        let mut single = before.clone();
        single.partition_mut("db", 0).unwrap().leave(&at(2));
        let found = judge_detach(&single, &gone(single.clone(), 1));
        let names: Vec<_> = found.iter().map(|one| &one.invariant[..2]).collect();
        assert_eq!(names, ["I5", "I4"]);
    }
}
