//! The MemSQL upgrade.

use std::sync::Arc;

use super::{Whole, matrix};
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

#[test]
fn the_same_where_copies_without_a_partition_are_not_listed() {
    let whole = Whole::of(upgrade(), || Arc::new(Memsql::new(false)));
    matrix("memsql", &whole, 509);
}
