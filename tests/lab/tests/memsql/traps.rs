//! What an upgrade counts on, and every trap that it must not step into, each switch both ways.

use std::time::Duration;

use lab::sim::memsql::Address;
use lab::sim::memsql::peer::{self, Message};
use lab::sim::memsql::switches::Switches;
use lab::sim::memsql::wire::client::ask;
use lab::sim::memsql::wire::{Answer, ClientError, Fault, Login, Tls};

use crate::harness::{Case, case};
use crate::servers::{
    Cluster, NEW, OLD, Server, does, free_port, number, on_one_thread, rows, say, switches, until,
};

pub(crate) fn cases() -> Vec<Case> {
    vec![
        case(
            "traps: a killed leaf fails over only if somebody looks",
            a_killed_leaf_fails_over_only_if_somebody_looks,
        )
        .timed(),
        case(
            "traps: auto attach takes back what was detached and restarted",
            auto_attach_takes_back_what_was_detached_and_restarted,
        )
        .timed(),
        case(
            "traps: statements are refused with the known numbers",
            statements_are_refused_with_the_known_numbers,
        )
        .timed(),
        case(
            "traps: the last copy goes and comes back with its leaf",
            the_last_copy_goes_and_comes_back_with_its_leaf,
        )
        .timed(),
        case(
            "traps: what is not known is shown both ways",
            what_is_not_known_is_shown_both_ways,
        )
        .timed(),
        case(
            "traps: an older leaf does not follow a newer one unless told to",
            an_older_leaf_does_not_follow_a_newer_one_unless_told_to,
        )
        .timed(),
        case("traps: faults do what they say", faults_do_what_they_say).timed(),
        case(
            "traps: a dead leaf is waited for as long as is said",
            a_dead_leaf_is_waited_for_as_long_as_is_said,
        )
        .timed(),
        case(
            "traps: a lost leaf is seen as soon as heartbeats come",
            a_lost_leaf_is_seen_as_soon_as_heartbeats_come,
        )
        .timed(),
        case(
            "traps: who changes a table or copies it is waited for",
            who_changes_a_table_or_copies_it_is_waited_for,
        ),
        case(
            "traps: databases have as many partitions as is said",
            databases_have_as_many_partitions_as_is_said,
        ),
        case(
            "traps: tls is spoken where it is wanted",
            tls_is_spoken_where_it_is_wanted,
        )
        .timed(),
    ]
}

fn a_killed_leaf_fails_over_only_if_somebody_looks() {
    on_one_thread(async {
        let mut cluster = Cluster::up(2).await;
        cluster.fill(20).await;
        tokio::time::sleep(Duration::from_millis(200)).await;
        cluster.leaves[0].kill();
        until("offline", || async { cluster.state(0).await == "offline" }).await;
        // The other aggregator hears of it a moment later.
        let count = "SELECT COUNT(*) FROM `s-1`.t";
        until("served", || async {
            say(&cluster.child.at, count).await.is_ok()
        })
        .await;
        assert_eq!((cluster.masters_on(1).await, cluster.held().await), (4, 20));
        // Back again it is attached by itself, as auto_attach is on, and masters are evened out.
        cluster.leaves[0].restart(OLD);
        until("online", || async { cluster.state(0).await == "online" }).await;
        until("even", || async { cluster.masters_on(0).await == 2 }).await;

        does(
            &cluster.master.at,
            "SET @@GLOBAL.leaf_failure_detection = OFF",
        )
        .await;
        cluster.leaves[0].kill();
        tokio::time::sleep(Duration::from_millis(1_500)).await;
        assert_eq!(
            (cluster.state(0).await.as_str(), cluster.masters_on(1).await),
            ("online", 2)
        );
        // Nobody moves the masters, so whoever asks waits.
        let waits = tokio::time::timeout(Duration::from_secs(1), cluster.held()).await;
        assert!(waits.is_err(), "it was answered");
    });
}

fn a_dead_leaf_is_waited_for_as_long_as_is_said() {
    on_one_thread(async {
        for (patience_ms, answers) in [(4_000, true), (300_000, false)] {
            let mut cluster = Cluster::up(2).await;
            let set = "SET @@GLOBAL.leaf_failure_detection = OFF";
            does(&cluster.master.at, set).await;
            for server in [&cluster.master, &cluster.child] {
                server.set(|switches| switches.dead_leaf_wait_ms = patience_ms);
            }
            // The other aggregator hears of it a moment later.
            tokio::time::sleep(Duration::from_millis(1_200)).await;
            cluster.leaves[0].kill();
            let asked = say(&cluster.child.at, "SELECT COUNT(*) FROM `s-1`.t");
            let answer = tokio::time::timeout(Duration::from_secs(3), asked).await;
            assert_eq!(answer.is_ok(), answers, "{patience_ms}: {answer:?}");
            // Waiting makes no leaf of it: what comes at last is an error, and never a part of the rows.
            let is_refused = |answer| matches!(answer, Err(ClientError::Fault(_)));
            assert!(answer.is_err() || answer.is_ok_and(is_refused));
        }
    });
}

fn a_lost_leaf_is_seen_as_soon_as_heartbeats_come() {
    on_one_thread(async {
        for (every_ms, seen) in [(1_000, "offline"), (600_000, "online")] {
            let mut cluster = Cluster::up(2).await;
            cluster
                .master
                .set(|switches| switches.heartbeat_ms = every_ms);
            // The lap that has begun still has its old length.
            tokio::time::sleep(Duration::from_millis(300)).await;
            cluster.leaves[0].kill();
            tokio::time::sleep(Duration::from_millis(1_500)).await;
            assert_eq!(cluster.state(0).await, seen, "{every_ms}");
        }
    });
}

/// The lock of the cluster waits for those of databases, and each of these lets one at a time in; rows need neither.
fn who_changes_a_table_or_copies_it_is_waited_for() {
    on_one_thread(async {
        let cluster = Cluster::up(2).await;
        cluster.master.set(|switches| {
            (switches.alter_ms, switches.backup_ms) = (10_000, 10_000);
        });
        let detach = format!("DETACH LEAF {}", cluster.leaf(0));
        let attach = format!("ATTACH LEAF {} NO REBALANCE", cluster.leaf(0));
        for (first, second) in [
            ("ALTER TABLE `s-1`.t ADD COLUMN m BIGINT", detach.as_str()),
            ("BACKUP DATABASE `s-1` TO '/x'", &attach),
            (
                "BACKUP DATABASE `s-1` TO '/x'",
                "RESTORE REDUNDANCY ON `s-1`",
            ),
        ] {
            let over = std::cell::RefCell::new(Vec::new());
            let says = async |at: &Address, text: &str| {
                does(at, text).await;
                over.borrow_mut().push(text.to_owned());
            };
            let then = async |at: &Address, text: &str, ms: u64| {
                tokio::time::sleep(Duration::from_millis(ms)).await;
                says(at, text).await;
            };
            let (master, child) = (&cluster.master.at, &cluster.child.at);
            let count = "SELECT COUNT(*) FROM `s-1`.t";
            tokio::join!(
                says(master, first),
                then(master, second, 200),
                then(child, count, 400),
            );
            assert_eq!(*over.borrow(), [count, first, second]);
        }
    });
}

fn databases_have_as_many_partitions_as_is_said() {
    on_one_thread(async {
        let cluster = Cluster::up(2).await;
        for (name, each) in [("few", 1), ("many", 9)] {
            cluster
                .master
                .set(|switches| switches.partitions_per_leaf = each);
            does(&cluster.master.at, &format!("CREATE DATABASE {name}")).await;
            let shown = rows(&cluster.master.at, &format!("SHOW PARTITIONS ON {name}")).await;
            let ordinals: std::collections::BTreeSet<_> = shown
                .rows
                .iter()
                .filter_map(|row| shown.cell(row, "Ordinal"))
                .collect();
            assert_eq!(ordinals.len(), 2 * each, "{name}: {shown:?}");
        }
    });
}

fn auto_attach_takes_back_what_was_detached_and_restarted() {
    on_one_thread(async {
        for (auto, state) in [("ON", "online"), ("OFF", "detached")] {
            let mut cluster = Cluster::up(2).await;
            does(
                &cluster.master.at,
                &format!("SET @@GLOBAL.auto_attach = {auto}"),
            )
            .await;
            does(
                &cluster.master.at,
                &format!("DETACH LEAF {}", cluster.leaf(0)),
            )
            .await;
            tokio::time::sleep(Duration::from_millis(500)).await;
            assert_eq!(cluster.state(0).await, "detached", "it was not away");
            cluster.leaves[0].kill();
            tokio::time::sleep(Duration::from_millis(500)).await;
            cluster.leaves[0].restart(OLD);
            tokio::time::sleep(Duration::from_millis(1_500)).await;
            assert_eq!(cluster.state(0).await, state, "auto_attach {auto}");
        }
    });
}

fn statements_are_refused_with_the_known_numbers() {
    on_one_thread(async {
        let cluster = Cluster::up(2).await;
        let (master, child, leaf) = (&cluster.master.at, &cluster.child.at, &cluster.leaves[0].at);
        let detach = format!("DETACH LEAF {}", cluster.leaf(0));
        let attach = format!("ATTACH LEAF {} NO REBALANCE", cluster.leaf(0));
        assert_eq!(number(child, &detach).await, 1752);
        assert_eq!(number(leaf, "SHOW LEAVES").await, 1736);
        assert_eq!(number(master, "DETACH LEAF 'nowhere':1").await, 1738);
        assert_eq!(number(master, &attach).await, 1803);
        assert_eq!(number(master, "SNAPSHOT DATABASE nosuch").await, 1049);
        does(master, &detach).await;
        assert_eq!(number(master, &detach).await, 1804);
        cluster.master.set(|switches| switches.attach_failures = 1);
        assert_eq!(number(master, &attach).await, 1811);
        does(master, &attach).await;
        assert_eq!(number(master, "SELEKT").await, 1064);
        let wrong = Login {
            user: "root".to_owned(),
            password: "wrong".to_owned(),
            ..Login::default()
        };
        let limit = Duration::from_secs(5);
        let refused = ask(
            &master.host,
            master.port,
            &wrong,
            "SELECT 1",
            (limit, limit),
        )
        .await;
        assert!(
            matches!(refused, Err(ClientError::Fault(Fault { number: 1045, .. }))),
            "{refused:?}"
        );
    });
}

fn the_last_copy_goes_and_comes_back_with_its_leaf() {
    on_one_thread(async {
        let cluster = Cluster::up(2).await;
        cluster.fill(8).await;
        for n in 0..2 {
            does(
                &cluster.master.at,
                &format!("DETACH LEAF {}", cluster.leaf(n)),
            )
            .await;
        }
        assert_eq!(
            number(&cluster.child.at, "SELECT * FROM `s-1`.t").await,
            1777
        );
        does(
            &cluster.master.at,
            &format!("ATTACH LEAF {} NO REBALANCE", cluster.leaf(1)),
        )
        .await;
        assert_eq!(cluster.held().await, 8);
    });
}

fn what_is_not_known_is_shown_both_ways() {
    on_one_thread(async {
        let cluster = Cluster::up(2).await;
        let master = &cluster.master.at;
        let words = async |column: &str| -> Vec<String> {
            let shown = rows(master, "SHOW CLUSTER STATUS").await;
            let mut words: Vec<String> = shown
                .rows
                .iter()
                .filter_map(|row| shown.cell(row, column).map(str::to_owned))
                .collect();
            words.sort();
            words.dedup();
            words
        };
        assert_eq!(words("Role").await, ["Master", "Reference", "Slave"]);
        cluster
            .master
            .set(|switches| switches.slave_word = "Replica".to_owned());
        assert_eq!(words("Role").await, ["Master", "Reference", "Replica"]);
        let leaves = rows(master, "SHOW LEAVES").await;
        assert_eq!(leaves.columns.len(), 8);
        assert!(
            leaves
                .cell(&leaves.rows[0], "Average_Roundtrip_Latency_ms")
                .is_some()
        );
        cluster
            .master
            .set(|switches| (switches.later_columns, switches.null_latency) = (true, true));
        let leaves = rows(master, "SHOW LEAVES").await;
        assert!(leaves.columns.len() > 8);
        assert_eq!(
            leaves.cell(&leaves.rows[0], "Average_Roundtrip_Latency_ms"),
            None
        );
        let own = rows(master, "SHOW AGGREGATORS").await;
        assert_eq!(own.rows[0][0].as_deref(), Some("127.0.0.1"));
        does(master, &format!("DETACH LEAF {}", cluster.leaf(0))).await;
        assert!(words("Role").await.contains(&"Orphan".to_owned()));
        cluster
            .master
            .set(|switches| switches.detached_leaves_are_listed = false);
        assert!(!words("Role").await.contains(&"Orphan".to_owned()));
    });
}

fn an_older_leaf_does_not_follow_a_newer_one_unless_told_to() {
    on_one_thread(async {
        for follows in [false, true] {
            let mut cluster = Cluster::up(2).await;
            for n in 0..2 {
                cluster.leaves[n].set(|switches| switches.old_follows_new = follows);
            }
            does(
                &cluster.master.at,
                "SET @@GLOBAL.leaf_failure_detection = OFF",
            )
            .await;
            // Attached with a rebalance the new leaf leads, and the old one has to follow it.
            does(
                &cluster.master.at,
                &format!("DETACH LEAF {}", cluster.leaf(0)),
            )
            .await;
            cluster.leaves[0].restart(NEW);
            until("recovered", || async { !cluster.leaves[0].node.recovers() }).await;
            does(
                &cluster.master.at,
                &format!("ATTACH LEAF {}", cluster.leaf(0)),
            )
            .await;
            assert_eq!(cluster.masters_on(0).await, 2);
            cluster.fill(20).await;
            tokio::time::sleep(Duration::from_millis(600)).await;
            let held = async |n: usize| {
                let at: &Address = &cluster.leaves[n].at;
                peer::say(at, &Message::Documents, Duration::from_secs(5))
                    .await
                    .unwrap()
            };
            let (new, old) = (held(0).await, held(1).await);
            let same = (0..4).all(|n| {
                let path = format!("/s-1_{n}/tables");
                new.pointer(&path) == old.pointer(&path)
            });
            assert_eq!(same, follows);
        }
    });
}

fn faults_do_what_they_say() {
    on_one_thread(async {
        let cluster = Cluster::up(2).await;
        let master = &cluster.master.at;
        // The statement is done, and nobody hears of it.
        cluster
            .master
            .set(|switches| switches.cut_after = Some("DETACH".to_owned()));
        let lost = say(master, &format!("DETACH LEAF {}", cluster.leaf(0))).await;
        assert!(matches!(lost, Err(ClientError::Lost(_))), "{lost:?}");
        assert_eq!(cluster.state(0).await, "detached");
        // A copy that fails leaves an orphan, and is made by the next try.
        cluster.leaves[0].set(|switches| switches.copy_failures = 1);
        does(
            master,
            &format!("ATTACH LEAF {} NO REBALANCE", cluster.leaf(0)),
        )
        .await;
        assert_eq!(number(master, "RESTORE REDUNDANCY ON `s-1`").await, 1772);
        assert_eq!(cluster.explained("RESTORE REDUNDANCY").await, 1);
        does(master, "RESTORE REDUNDANCY ON `s-1`").await;
        assert_eq!(cluster.explained("RESTORE REDUNDANCY").await, 0);
        // A locked partition keeps who asks for it waiting.
        cluster
            .master
            .set(|switches| switches.stays_locked = Some("s-1_0".to_owned()));
        does(master, "REBALANCE PARTITIONS ON `s-1`").await;
        let shown = rows(master, "SHOW PARTITIONS ON `s-1`").await;
        let locked = shown
            .rows
            .iter()
            .filter(|row| shown.cell(row, "Locked") == Some("1"))
            .count();
        let waits = tokio::time::timeout(Duration::from_millis(800), cluster.held()).await;
        assert_eq!(locked > 0, waits.is_err(), "{shown:?}");
        assert!(
            locked > 0,
            "the partition was not among those that moved: {shown:?}"
        );
    });
}

fn tls_is_spoken_where_it_is_wanted() {
    on_one_thread(async {
        let home = tempfile::tempdir().unwrap();
        let pem = lab::sim::tls::self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
        let tls = Tls(lab::sim::tls::acceptor_of(pem.as_bytes()).unwrap());
        let wanted = Switches {
            requires_tls: true,
            ..switches()
        };
        let server = Server::start(home.path(), free_port(), OLD, wanted, Some(tls));
        let login = |tls| Login {
            user: "root".to_owned(),
            tls,
            ..Login::default()
        };
        let limit = Duration::from_secs(5);
        let asked = async |tls: bool| {
            ask(
                &server.at.host,
                server.at.port,
                &login(tls),
                "SELECT 1",
                (limit, limit),
            )
            .await
        };
        assert!(matches!(asked(true).await, Ok(Answer::Rows(_))));
        assert!(matches!(
            asked(false).await,
            Err(ClientError::Fault(Fault { number: 3159, .. }))
        ));
    });
}
