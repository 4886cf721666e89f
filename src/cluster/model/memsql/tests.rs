use std::time::Duration;

use proptest::prelude::*;

use super::caught_up::Progress;
use super::testing::{detach, healthy, leaf, place};
use super::*;

const TWO: &[(&str, u32)] = &[("shop", 8), ("x_3", 4)];

#[test]
fn a_healthy_cluster_passes_everything() {
    let cluster = healthy(2, TWO);
    assert!(redundancy(&cluster.overview()).ok);
    assert!(statuses(&cluster.overview()).ok);
    assert!(even(&cluster.overview()).ok);
    assert!(copies_forward(&cluster.overview()).ok);
    let (verdict, warnings) = layout(&cluster, &Aliases::default());
    assert!(
        verdict.ok && warnings.is_empty(),
        "{verdict:?} {warnings:?}"
    );
    for found in &cluster.leaves {
        let verdict = may_detach(&cluster.overview(), &found.address, &OwnDoing::default());
        assert!(verdict.ok, "{verdict:?}");
        assert!(!may_stop(&cluster.overview(), &found.address).ok);
    }
}

type Fault = fn(&mut Cluster);

/// What is wrong with the cluster, and whether a leaf of group 1 may still be detached, whether redundancy and statuses
/// are judged well.
#[expect(clippy::too_many_lines, reason = "a table with a row for each fault")]
#[test]
fn faults_and_what_they_forbid() {
    fn at(cluster: &mut Cluster, name: &str, role: &InstanceRole) -> usize {
        let position = cluster
            .instances
            .iter()
            .position(|found| found.name == name && found.role == *role);
        position.unwrap()
    }
    let faults: [(&str, Fault, [bool; 3]); 12] = [
        (
            "its own state is offline",
            |c| c.leaves[0].state = "offline".into(),
            [false, false, true],
        ),
        (
            "it is online and silent",
            |c| c.leaves[0].answers = false,
            [false, false, true],
        ),
        (
            "a leaf of the other group is detached",
            |c| c.leaves[3].state = "detached".into(),
            [false, false, true],
        ),
        (
            "a leaf of the other group is silent",
            |c| c.leaves[3].answers = false,
            [false, false, true],
        ),
        (
            "another leaf of its own group is detached, by others",
            |c| c.leaves[1].state = "detached".into(),
            [false, false, true],
        ),
        (
            "a slave does not replicate",
            |c| {
                let at = at(c, "shop_0", &InstanceRole::Slave);
                c.instances[at].state = "recovering".into();
            },
            [false, true, false],
        ),
        (
            "a slave of a partition led elsewhere does not replicate",
            |c| {
                let at = at(c, "shop_1", &InstanceRole::Slave);
                c.instances[at].state = "recovering".into();
            },
            [false, true, false],
        ),
        (
            "a partition has no slave",
            |c| {
                c.placements
                    .retain(|found| found.ordinal != 0 || found.role != InstanceRole::Slave);
            },
            [false, false, true],
        ),
        (
            "a partition is locked",
            |c| c.placements[4].locked = true,
            [false, false, true],
        ),
        (
            "a partition has two masters",
            |c| {
                place(c, "shop", 0, leaf(2, 1), InstanceRole::Master);
            },
            [false, false, true],
        ),
        (
            "a master is not online",
            |c| {
                let at = at(c, "shop_3", &InstanceRole::Master);
                c.instances[at].state = "transition".into();
            },
            [false, false, false],
        ),
        (
            "there is an orphan",
            |c| {
                place(c, "shop", 99, leaf(2, 0), InstanceRole::Orphan);
                c.placements.pop();
            },
            [false, true, false],
        ),
    ];
    for (what, fault, [detach, whole, healthy_states]) in faults {
        let mut cluster = healthy(2, TWO);
        fault(&mut cluster);
        let verdict = may_detach(&cluster.overview(), &leaf(1, 0), &OwnDoing::default());
        assert_eq!(verdict.ok, detach, "{what}: {verdict:?}");
        let verdict = redundancy(&cluster.overview());
        assert_eq!(verdict.ok, whole, "{what}: {verdict:?}");
        let verdict = statuses(&cluster.overview());
        assert_eq!(verdict.ok, healthy_states, "{what}: {verdict:?}");
    }
}

#[test]
fn what_this_run_detached_explains_what_is_missing() {
    let mut cluster = healthy(2, TWO);
    detach(&mut cluster, &leaf(1, 0));
    place(&mut cluster, "shop", 0, leaf(1, 0), InstanceRole::Orphan);
    cluster.placements.pop();
    let mut doing = OwnDoing::default();
    // The second leaf of the group: not while nobody explains the first.
    assert!(!may_detach(&cluster.overview(), &leaf(1, 1), &doing).ok);
    doing.detached.insert(leaf(1, 0));
    let verdict = may_detach(&cluster.overview(), &leaf(1, 1), &doing);
    assert!(verdict.ok, "{verdict:?}");
    // Its pair holds the last copies: never, whoever explains what.
    let verdict = may_detach(&cluster.overview(), &leaf(2, 0), &doing);
    assert!(!verdict.ok);
    assert!(!may_detach(&cluster.overview(), &leaf(2, 1), &doing).ok);
    assert!(may_stop(&cluster.overview(), &leaf(1, 0)).ok);
    // Orphans that were recorded stay explained after the leaf is attached again.
    let mut attached = cluster.clone();
    attached.leaves[0].state = ONLINE.into();
    doing.orphans.insert((leaf(1, 0), "shop_0".into()));
    assert!(may_detach(&attached.overview(), &leaf(1, 1), &doing).ok);
    doing.orphans.clear();
    doing.detached.clear();
    assert!(!may_detach(&attached.overview(), &leaf(1, 1), &doing).ok);
}

#[test]
fn groups_and_pairs() {
    let judged = |change: Fault| {
        let mut cluster = healthy(2, &[]);
        change(&mut cluster);
        layout(&cluster, &Aliases::default())
    };
    assert_eq!(
        groups(&healthy(2, &[])).into_keys().collect::<Vec<_>>(),
        [1, 2]
    );
    let wrong: [Fault; 6] = [
        |c| drop(c.leaves.pop()),
        |c| c.leaves[0].pair = None,
        |c| c.leaves[0].pair = Some(leaf(2, 1)),
        |c| c.leaves[0].group = None,
        |c| c.leaves[0].group = Some(3),
        |c| c.leaves.clear(),
    ];
    for (number, change) in wrong.into_iter().enumerate() {
        assert!(!judged(change).0.ok, "{number}");
    }
    let mut aliases = Aliases::default();
    aliases.add("10.0.1.0", "one");
    aliases.add("10.0.2.0", "one");
    let (verdict, warnings) = layout(&healthy(2, &[]), &aliases);
    assert!(verdict.ok);
    assert_eq!(warnings.len(), 1, "{warnings:?}");
}

#[test]
fn aggregators_one_at_a_time_and_the_master_last() {
    let mut cluster = healthy(1, TWO);
    let [master, child] = [0, 1].map(|number| cluster.aggregators[number].address.clone());
    let to = Some("5.7.2");
    assert!(others_answer(&cluster.overview(), &child, to).ok);
    assert!(
        !others_answer(&cluster.overview(), &master, to).ok,
        "the leaves are old"
    );
    for found in &mut cluster.leaves {
        found.version = Some("5.7.2".into());
    }
    assert!(
        !others_answer(&cluster.overview(), &master, to).ok,
        "the child is old"
    );
    cluster.aggregators[1].version = Some("5.7.2".into());
    assert!(others_answer(&cluster.overview(), &master, to).ok);
    cluster.aggregators[1].answers = false;
    assert!(!others_answer(&cluster.overview(), &master, to).ok);
    cluster.aggregators.pop();
    assert!(
        !others_answer(&cluster.overview(), &master, to).ok,
        "nobody is left"
    );
}

#[test]
fn copies_never_go_from_new_to_old() {
    let mut cluster = healthy(1, &[("a", 1)]);
    // a_0 is led in group 1.
    cluster.leaves[1].version = Some("5.7.2".into());
    assert!(copies_forward(&cluster.overview()).ok);
    cluster.leaves[0].version = Some("5.8.0".into());
    assert!(!copies_forward(&cluster.overview()).ok);
}

fn moved(cluster: &Cluster, role: &InstanceRole, offset: u64) -> Cluster {
    let mut cluster = cluster.clone();
    for instance in &mut cluster.instances {
        if instance.role == *role {
            instance.position = Some(Position { file: 0, offset });
        }
    }
    cluster
}

#[test]
fn caught_up_is_proved_in_two_rounds() {
    let (master, slave) = (InstanceRole::Master, InstanceRole::Slave);
    let seconds = Duration::from_secs;
    let start = moved(&healthy(1, TWO), &master, 500);
    let leaves = [leaf(1, 0)];
    let mut proof = CaughtUp::begin(&start.overview(), &leaves, seconds(5), seconds(0));
    // Masters move on all the time: equality never comes, and is not asked for.
    let behind = moved(&start, &master, 900);
    assert!(
        matches!(proof.look(&behind.overview(), seconds(60)), Progress::Behind(names) if names.len() == 6)
    );
    let first = moved(&behind, &slave, 500);
    assert_eq!(
        proof.look(&first.overview(), seconds(90)),
        Progress::Behind(vec![])
    );
    // The second round takes too long, so a third one is needed.
    let second = moved(&moved(&first, &master, 2000), &slave, 900);
    assert_eq!(
        proof.look(&second.overview(), seconds(99)),
        Progress::Behind(vec![])
    );
    let third = moved(&second, &slave, 2000);
    assert_eq!(
        proof.look(&third.overview(), seconds(103)),
        Progress::Proved
    );
}

#[test]
fn what_cannot_be_compared_is_waited_for() {
    let cluster = healthy(1, &[("a", 1)]);
    let leaves = [leaf(1, 0)];
    let zero = Duration::ZERO;
    let broken: [Fault; 5] = [
        |c| c.instances[0].position = None,
        |c| c.instances[1].position = None,
        |c| c.instances[1].state = "recovering".into(),
        |c| c.leaves[1].answers = false,
        |c| c.placements.clear(),
    ];
    for (number, change) in broken.into_iter().enumerate() {
        let mut other = cluster.clone();
        change(&mut other);
        // Masters without a position matter at the first look.
        let first = if number == 0 { &other } else { &cluster };
        let mut proof = CaughtUp::begin(&first.overview(), &leaves, Duration::from_secs(5), zero);
        for _ in 0..4 {
            let found = proof.look(&other.overview(), zero);
            assert!(
                matches!(&found, Progress::Behind(names) if !names.is_empty()),
                "{number}: {found:?}"
            );
        }
    }
}

/// One thing that may be wrong, for the property tests.
fn spoil(cluster: &mut Cluster, fault: u8, at: usize) {
    let leaf_at = at % cluster.leaves.len();
    let copy = at % cluster.instances.len();
    match fault {
        0 => cluster.leaves[leaf_at].state = "offline".into(),
        1 => cluster.leaves[leaf_at].answers = false,
        2 => {
            let address = cluster.leaves[leaf_at].address.clone();
            detach(cluster, &address);
        }
        3 => cluster.instances[copy].state = "recovering".into(),
        4 => drop(cluster.placements.remove(at % cluster.placements.len())),
        5 => {
            let count = cluster.placements.len();
            cluster.placements[at % count].locked = true;
        }
        _ => cluster.leaves[leaf_at].pair = None,
    }
}

/// Says, without the judges, whether every partition keeps a good copy when a leaf and all that is not up are away.
fn survives(cluster: &Cluster, gone: &Address) -> bool {
    let mut names: Vec<(String, u32)> = Vec::new();
    for (database, count) in TWO {
        names.extend((0..*count).map(|ordinal| ((*database).to_owned(), ordinal)));
    }
    names.iter().all(|(database, ordinal)| {
        cluster.placements.iter().any(|placement| {
            let Some(address) = &placement.address else {
                return false;
            };
            let up = cluster
                .leaves
                .iter()
                .any(|leaf| leaf.address == *address && leaf.state == "online" && leaf.answers);
            let copy = cluster.instances.iter().find(|found| {
                found.address == *address && found.name == format!("{database}_{ordinal}")
            });
            let good =
                copy.is_some_and(|copy| ["online", "replicating"].contains(&copy.state.as_str()));
            placement.database == *database
                && placement.ordinal == *ordinal
                && address != gone
                && up
                && good
        })
    })
}

proptest! {
    /// Whatever is wrong: a leaf that may be detached leaves every partition a copy on a leaf that is up.
    #[test]
    fn a_leaf_that_may_go_leaves_a_copy_of_everything(
        pairs in 1_usize..4,
        faults in prop::collection::vec((0_u8..7, 0_usize..64), 0..4),
        wanted in 0_usize..6,
        ours in prop::collection::vec(0_usize..6, 0..3),
    ) {
        let mut cluster = healthy(pairs, TWO);
        for (fault, at) in faults {
            if !cluster.placements.is_empty() && !cluster.instances.is_empty() {
                spoil(&mut cluster, fault, at);
            }
        }
        let address = cluster.leaves[wanted % cluster.leaves.len()].address.clone();
        let mut doing = OwnDoing::default();
        for number in ours {
            let own = &cluster.leaves[number % cluster.leaves.len()];
            if own.state == DETACHED {
                doing.detached.insert(own.address.clone());
            }
        }
        if may_detach(&cluster.overview(), &address, &doing).ok {
            // A partition that no list names at all is not known: it cannot be missed.
            let known = cluster.overview().partitions.len() == TWO.iter().map(|(_, count)| *count as usize).sum::<usize>();
            prop_assert!(!known || survives(&cluster, &address));
            let mut after = cluster.clone();
            detach(&mut after, &address);
            prop_assert!(one_group_down(&after).ok);
            prop_assert!(may_stop(&after.overview(), &address).ok);
        }
    }

    /// What was refused is not allowed because something else is wrong too.
    #[test]
    fn more_faults_never_allow_more(
        faults in prop::collection::vec((0_u8..2, 0_usize..64), 1..4),
        wanted in 0_usize..4,
    ) {
        let mut cluster = healthy(2, TWO);
        let address = cluster.leaves[wanted].address.clone();
        let mut allowed = true;
        for (fault, at) in faults {
            spoil(&mut cluster, fault, at);
            let now = may_detach(&cluster.overview(), &address, &OwnDoing::default()).ok;
            prop_assert!(allowed || !now);
            allowed = now;
        }
    }

    /// A proof is made only where the slaves really have what the masters had when it began.
    #[test]
    fn a_proof_means_that_the_slaves_have_it(
        looks in prop::collection::vec((0_u64..40, 0_u64..40, 0_u64..8), 1..12),
    ) {
        let (master, slave) = (InstanceRole::Master, InstanceRole::Slave);
        let leaves = [leaf(1, 0)];
        let start = moved(&healthy(1, &[("a", 2)]), &master, 20);
        let quick = Duration::from_secs(5);
        let mut proof = CaughtUp::begin(&start.overview(), &leaves, quick, Duration::ZERO);
        let (mut masters, mut slaves, mut now) = (20, 0, 0);
        // What the masters had when the round began that goes on, when that was, and how many rounds were before it.
        let (mut mark, mut began, mut rounds) = (20, 0, 0);
        for (ahead, follow, passed) in looks {
            masters += ahead;
            slaves = (slaves + follow).min(masters);
            now += passed;
            let seen = moved(&moved(&start, &master, masters), &slave, slaves);
            let has_it = slaves >= mark;
            let is_proof = has_it && rounds > 0 && now - began <= 5;
            let proved = proof.look(&seen.overview(), Duration::from_secs(now)) == Progress::Proved;
            prop_assert_eq!(proved, is_proof, "{} of {}, {} s", slaves, mark, now - began);
            if proved {
                break;
            }
            if has_it {
                (mark, began, rounds) = (masters, now, rounds + 1);
            }
        }
    }

    /// I6: whoever may go leaves clients an aggregator, is alone away, and is the master only behind everybody else.
    #[test]
    fn an_aggregator_that_may_go_leaves_others(
        aggregators in prop::collection::vec((any::<bool>(), any::<bool>(), any::<bool>()), 1..4),
        old_leaf in prop::option::of(0_usize..4),
        wanted in 0_usize..3,
    ) {
        let (from, to) = ("5.5.12", "5.7.2");
        let mut cluster = healthy(2, TWO);
        for (number, found) in cluster.leaves.iter_mut().enumerate() {
            found.version = Some(if old_leaf == Some(number) { from } else { to }.to_owned());
        }
        let make = |(number, (online, answers, is_new)): (usize, &(bool, bool, bool))| Aggregator {
            address: Address::new(format!("10.0.9.{number}"), 3306),
            state: if *online { ONLINE } else { "offline" }.to_owned(),
            master: number == 0,
            answers: *answers,
            version: Some(if *is_new { to } else { from }.to_owned()),
        };
        cluster.aggregators = aggregators.iter().enumerate().map(make).collect();
        let wanted = wanted % aggregators.len();
        let address = cluster.aggregators[wanted].address.clone();
        let verdict = others_answer(&cluster.overview(), &address, Some(to));
        let others = || aggregators.iter().enumerate().filter(|(number, _)| *number != wanted);
        let all_up = others().all(|(_, (online, answers, _))| *online && *answers);
        let is_last = old_leaf.is_none() && others().all(|(_, (_, _, is_new))| *is_new);
        let may = others().count() > 0 && all_up && (wanted > 0 || is_last);
        prop_assert_eq!(verdict.ok, may, "{:?}", verdict.problems);
    }

    /// I10: copies go from old to new or between equal ones, by numbers and not by letters.
    #[test]
    fn no_copy_goes_from_new_to_old(versions in prop::collection::vec(0_usize..4, 4)) {
        const KNOWN: [&str; 4] = ["5.5.12", "5.7.2", "5.10.0", "5.10.1"];
        let mut cluster = healthy(2, TWO);
        for (found, version) in cluster.leaves.iter_mut().zip(&versions) {
            found.version = Some(KNOWN[*version].to_owned());
        }
        // Leaves stand group by group, and lead half of what their pair holds: with any difference something goes back.
        let goes_back = versions[0] != versions[2] || versions[1] != versions[3];
        let verdict = copies_forward(&cluster.overview());
        prop_assert_eq!(verdict.ok, !goes_back, "{:?}", verdict.problems);
        // When only the older of each pair leads, nothing does.
        for copy in &mut cluster.placements {
            let number = |group: u32| (copy.ordinal as usize / 2 % 2) + if group == 1 { 0 } else { 2 };
            let address = copy.address.clone().unwrap();
            let own = cluster.leaves.iter().find(|one| one.address == address).unwrap();
            let group = own.group.unwrap();
            let (own, pair) = (versions[number(group)], versions[number(3 - group)]);
            let leads = own < pair || (own == pair && group == 1);
            copy.role = if leads { InstanceRole::Master } else { InstanceRole::Slave };
        }
        let verdict = copies_forward(&cluster.overview());
        prop_assert!(verdict.ok, "{:?}", verdict.problems);
    }
}
