//! The MemSQL upgrade.

use std::sync::Arc;

use super::{Whole, matrix};
use crate::connection::scripted::Fault;
use crate::rollout::testing::{Memsql, Upgrade};

const INVENTORY: &str = r#"
all:
  children:
    memsql:
      hosts: { agg1: {}, agg2: {}, leaf1: {}, leaf2: {} }
    memsql_ops:
      hosts: { ops1: {} }
  vars:
    memsql_version: 5.8.12
    memsql_backup: /backup
    memsql_via: host
    memsql_drain: "lb out {{ memsql_aggregator.address }}"
    memsql_undrain: "lb in {{ memsql_aggregator.address }}"
"#;

fn upgrade() -> Upgrade {
    Upgrade::of("memsql", INVENTORY, &["second-group"])
}

#[test]
fn every_write_times_every_fault() {
    let whole = Whole::of(upgrade(), || Arc::new(Memsql::new(true)));
    matrix("memsql", &whole, 109);
}

/// Who only reads has nothing to be in doubt about, and no leaf is taken back for it.
#[test]
fn a_read_whose_answer_is_lost_is_sent_once_more() {
    let upgrade = upgrade();
    let run = |lost: Option<(&str, usize)>| {
        let stage = Upgrade::on(Arc::new(Memsql::new(true)));
        for _ in 0..lost.map_or(0, |(_, times)| times) {
            stage.hosts.fault(lost.unwrap().0, Fault::LostAfter);
        }
        let ended = upgrade.run(&stage, Box::new(stage.journal.clone()));
        let sent = stage.hosts.log();
        (ended.exit_code, sent, stage.hosts.left_over())
    };
    let (code, sent, _) = run(None);
    assert_eq!(code, 0);
    let read = sent
        .iter()
        .find(|call| call.contains(" sql ") && call.contains("information_schema.TABLES"))
        .unwrap();
    let count = |sent: &[String]| sent.iter().filter(|call| *call == read).count();
    let (code, again, left_over) = run(Some((read, 1)));
    assert_eq!((code, left_over), (0, vec![]));
    assert_eq!(count(&again), count(&sent) + 1);
    // Once, and not for ever.
    let (code, _, left_over) = run(Some((read, 2)));
    assert_eq!((code, left_over), (2, vec![]));
}

#[test]
fn the_same_where_copies_without_a_partition_are_not_listed() {
    let whole = Whole::of(upgrade(), || Arc::new(Memsql::new(false)));
    matrix("memsql", &whole, 509);
}
