//! The ArangoDB upgrade.

use std::sync::Arc;

use super::{Ending, Whole, matrix};
use crate::rollout::testing::{Arangodb, AtWrite, Upgrade};

const INVENTORY: &str = r#"
all:
  children:
    arangodb:
      hosts: { node1: {}, node2: {}, node3: {} }
  vars:
    arangodb_version: 3.4.0
    arangodb_packages: [packages/new.deb]
    arangodb_backup: /backup
    arangodb_via: host
    arangodb_leaders: move
    arangodb_agency_settle: 4
    arangodb_leader_settle: 6
    arangodb_drain: "lb out {{ inventory_hostname }}"
    arangodb_undrain: "lb in {{ inventory_hostname }}"
"#;

fn whole() -> Whole {
    let upgrade = Upgrade::of("arangodb", INVENTORY, &["upgrade-data"]);
    Whole::of(upgrade, || Arc::new(Arangodb::new()))
}

/// What is done once, and nothing else: no server twice, no shard moved for nothing, all shards led as they were.
#[test]
fn the_upgrade_is_whole_in_one_process() {
    let done: Vec<String> = whole().done.into_keys().collect();
    let expected = [
        "install on node1",
        "install on node2",
        "install on node3",
        "move s1 from node1 to node3",
        "move s1 from node3 to node1",
        "move s2 from node1 to node2",
        "move s2 from node2 to node1",
        "move s3 from node2 to node3",
        "move s3 from node3 to node2",
        "upgrade the agent of node1",
        "upgrade the agent of node2",
        "upgrade the agent of node3",
        "upgrade the coordinator of node1",
        "upgrade the coordinator of node2",
        "upgrade the coordinator of node3",
        "upgrade the dbserver of node1",
        "upgrade the dbserver of node2",
        "upgrade the dbserver of node3",
    ];
    assert_eq!(done, expected);
}

/// Whose clock differs from the bastion's is not begun with: when the clock is right again it is.
#[test]
fn every_write_times_every_fault() {
    let whole = whole().also(&[(AtWrite::ClockBack, Ending::ResumesToEnd)]);
    matrix("arangodb", &whole, 1009);
}
