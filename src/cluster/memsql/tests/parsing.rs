//! What statements answer, in every version.

use super::table;
use crate::cluster::memsql::parse;
use crate::cluster::model::memsql::{Address, InstanceRole, ONLINE};

#[test]
fn leaves_of_every_version() {
    let old = table(
        "| Host | Port | Availability_Group | Pair_Host | Pair_Port | State | Opened_Connections | Average_Roundtrip_Latency_ms |
         | 10.1.10.51 | 3307 | 1 | 10.1.10.52 | 3308 | online | 18 | 0.262 |
         | 10.1.10.52 | 3308 | 2 | NULL | NULL | Detached | 1 | NULL |",
    );
    let leaves = parse::leaves(&old);
    assert_eq!(leaves[0].group, Some(1));
    assert_eq!(leaves[0].pair, Some(Address::new("10.1.10.52", 3308)));
    assert_eq!(leaves[0].state, ONLINE);
    assert_eq!(leaves[1].pair, None);
    assert_eq!(leaves[1].state, "detached");
    // Later versions add columns, in another order and with other capitals.
    let new = table(
        "| NODEID | STATE | PORT | HOST | availability_group | Pair_Host | Pair_Port | Runtime_State |
         | 3 | online | 3306 | fd00::1 | 2 | h-1 | 3307 | online |",
    );
    let leaf = &parse::leaves(&new)[0];
    assert_eq!(leaf.address.to_string(), "[fd00::1]:3306");
    assert_eq!(leaf.group, Some(2));
}

#[test]
fn whoever_answers_lists_itself_as_this_machine() {
    let rows = table(
        "| Host | Port | State | Opened_Connections | Average_Roundtrip_Latency_ms | Master_Aggregator |
         | 127.0.0.1 | 3306 | online | 0 | NULL | 1 |
         | 10.0.0.2 | 3306 | online | 1 | 0.3 | 0 |",
    );
    let found = parse::aggregators(&rows, &Address::new("10.0.0.1", 3306));
    assert_eq!(found[0].address.to_string(), "10.0.0.1:3306");
    assert!(found[0].master && !found[1].master);
}

#[test]
fn partitions_are_told_by_the_names_of_databases() {
    let names = |names: &[&str]| -> Vec<String> { names.iter().map(ToString::to_string).collect() };
    let databases = names(&["x", "x_3", "a`b", "my-db"]);
    for (name, expected) in [
        ("x_0", Some(("x", 0))),
        ("x_3_1", Some(("x_3", 1))),
        ("x_3", Some(("x", 3))),
        ("a`b_12", Some(("a`b", 12))),
        ("my-db_7", Some(("my-db", 7))),
        ("x_", None),
        ("y_1", None),
        ("x_1a", None),
    ] {
        let found = parse::partition_of(name, &databases);
        let found = found
            .as_ref()
            .map(|(database, number)| (database.as_str(), *number));
        assert_eq!(found, expected, "{name}");
    }
    let status = table(
        "| Host | Port | Database | Role | State | Position | Details |
         | 127.0.0.1 | 10001 | x_3 | Reference | replicating | 0:57 | |
         | 127.0.0.1 | 10001 | x_0 | Master | online | 0:10 | |
         | 127.0.0.1 | 10002 | x_1 | Replica | replicating | NULL | |
         | 127.0.0.1 | 10002 | x_2 | sync slave | replicating | 3:1 | |
         | 127.0.0.1 | 10001 | memsql | Reference | online | 0:1 | |
         | 127.0.0.1 | 10002 | gone_1 | Orphan | online | 0:10 | |",
    );
    let found = parse::instances(&status, &databases);
    let roles: Vec<&InstanceRole> = found.iter().map(|instance| &instance.role).collect();
    assert_eq!(
        found[0].ordinal, None,
        "a reference database is no partition"
    );
    assert_eq!(found[1].position.unwrap().offset, 10);
    assert_eq!(found[2].position, None);
    assert_eq!(
        (roles[2], roles[3]),
        (&InstanceRole::Slave, &InstanceRole::Slave)
    );
    assert!(roles.contains(&&InstanceRole::Orphan));
}

#[test]
fn databases_without_those_of_the_cluster() {
    let rows = table(
        "| Database |\n| information_schema |\n| memsql |\n| sharding |\n| cluster |\n| sharding_7f |\n| shop |\n| memsql_2 |",
    );
    let (own, replicated) = parse::databases(&rows);
    assert_eq!(own, ["shop", "memsql_2"]);
    assert_eq!(replicated, ["sharding_7f"]);
}

#[test]
fn what_runs_beside() {
    let rows = table(
        "| Id | User | Host | db | Command | Time | State | Info |
         | 1 | root | x | NULL | Query | 0 | executing | SELECT ID FROM information_schema.PROCESSLIST |
         | 2 | root | x | NULL | Sleep | 900 | | NULL |
         | 3 | root | x | NULL | Query | 2 | executing | alter table t add c int |
         | 4 | root | x | NULL | Query | 99 | executing | SELECT SLEEP(1) |
         | 5 | root | x | NULL | Query | 1 | executing | (BACKUP DATABASE x TO 'y') |",
    );
    let found = parse::statements(&rows);
    let seen: Vec<(u64, bool)> = found.iter().map(|one| (one.seconds, one.forbids)).collect();
    assert_eq!(seen, [(2, true), (99, false), (1, true)]);
    for (statement, forbids) in [
        ("REBALANCE PARTITIONS ON x", true),
        ("restore redundancy on x", true),
        ("SNAPSHOT DATABASE x", true),
        ("CREATE TABLE t (c INT)", true),
        ("DROP TABLE t", true),
        ("TRUNCATE t", true),
        ("ATTACH LEAF 'h':1", true),
        ("DETACH LEAF 'h':1", true),
        ("EXPLAIN REBALANCE PARTITIONS ON x", false),
        ("INSERT INTO t VALUES ('DROP')", false),
    ] {
        let rows = table(&format!(
            "| COMMAND | TIME | INFO |\n| Query | 0 | {statement} |"
        ));
        let found = parse::statements(&rows);
        assert_eq!(found[0].forbids, forbids, "{statement}");
    }
}

#[test]
fn a_rebalance_runs_until_all_its_steps_are_over() {
    let rows = table(
        "| Action | Ordinal | Target_Host | Target_Port | Phase | Status |
         | COPY PARTITION | 3 | h | 3307 | 1 | running |
         | COPY PARTITION | 4 | h | 3307 | 1 | Completed |
         | PROMOTE PARTITION WITH DROP | 4 | h | 3308 | 2 | scheduled |",
    );
    assert_eq!(
        parse::running(&rows),
        [
            "COPY PARTITION 3 on h:3307",
            "PROMOTE PARTITION WITH DROP 4 on h:3308"
        ]
    );
    // A version that shows no state lists what is not over.
    let rows = table("| Action | Ordinal |\n| COPY PARTITION | 3 |");
    assert_eq!(parse::running(&rows), ["COPY PARTITION 3 on ?:?"]);
    assert!(parse::running(&[]).is_empty());
}

/// Later versions call columns otherwise, and have more of them.
#[test]
fn the_status_of_later_versions() {
    let names = ["x".to_owned()];
    let rows = table(
        "| NODE_ID | HOST | PORT | DATABASE_NAME | ROLE | STATE | POSITION | MASTER_HOST | MASTER_PORT | METADATA_MASTER_NODE_ID | METADATA_MASTER_HOST | METADATA_MASTER_PORT | METADATA_ROLE | DETAILS |
         | 2 | h1 | 3306 | x_0 | Master | online | 0:10 | NULL | NULL | NULL | NULL | NULL | Master | |
         | 3 | h2 | 3306 | x_0 | Replica | replicating | 0:9 | h1 | 3306 | 2 | h1 | 3306 | Replica | stage: packet wait |
         | 3 | h2 | 3306 | x | Reference | replicating | 0:57 | h0 | 3306 | 1 | h0 | 3306 | Reference | |",
    );
    let found = parse::instances(&rows, &names);
    let seen: Vec<_> = found
        .iter()
        .map(|one| (one.address.to_string(), one.role.clone(), one.ordinal))
        .collect();
    assert_eq!(
        seen,
        [
            ("h1:3306".to_owned(), InstanceRole::Master, Some(0)),
            ("h2:3306".to_owned(), InstanceRole::Slave, Some(0)),
            ("h2:3306".to_owned(), InstanceRole::Reference, None),
        ]
    );
    assert_eq!(found[1].position.unwrap().offset, 9);
}
