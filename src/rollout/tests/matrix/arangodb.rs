//! The ArangoDB upgrade.

use std::sync::Arc;

use super::{Whole, matrix};
use crate::rollout::testing::{Arangodb, Upgrade};

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
    arangodb_leaders: wait
    arangodb_drain: "lb out {{ inventory_hostname }}"
    arangodb_undrain: "lb in {{ inventory_hostname }}"
"#;

fn upgrade() -> Upgrade {
    Upgrade::of("arangodb", INVENTORY, &["upgrade-data", "gap"])
}

#[test]
fn every_write_times_every_fault() {
    let whole = Whole::of(upgrade(), || Arc::new(Arangodb::new()));
    matrix("arangodb", &whole, 173);
}
