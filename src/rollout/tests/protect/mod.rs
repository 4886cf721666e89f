//! Gates, brackets, guards, rest points, points of no return: on every way out.

mod brackets;
mod conditions;
mod guards;
mod points;
mod renewing;

use serde_json::json;

use crate::journal::{BracketChange, Record};
use crate::rollout::testing::{Kit, Ran};

pub(super) const BRACKET: &str = "
- hosts: all
  gather_facts: false
  serial: 1
  gate:
    - look: sync
      register: sync
      until: sync.value
      delay: 5
      timeout: 60
  brackets:
    - name: maintenance
      per: batch
      expect: normal
      read: [{look: mode, register: mode}]
      found: mode.value
      enter: [{launch: \"on\"}]
      settle: [{look: settled}]
      leave: [{launch: \"back-{{ found }}\"}]
      after: [{look: after}]
  tasks:
    - act: one
    - name: the upgrade
      indivisible: true
      takes_down: [\"member-{{ inventory_hostname }}\"]
      block:
        - launch: stop
        - launch: upgrade
      always:
        - launch: start
    - act: two
";

pub(super) fn kit() -> Kit {
    let mut kit = Kit::new("a b", BRACKET).finds("mode", &[json!("normal")]);
    kit.settings.leave.truncate(2);
    kit
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "only these kinds matter here; the others are passed over on purpose"
)]
pub(super) fn changes(ran: &Ran) -> Vec<&'static str> {
    let word = |change: &BracketChange| match change {
        BracketChange::Found { .. } => "found",
        BracketChange::Entering { .. } => "entering",
        BracketChange::Entered => "entered",
        BracketChange::Leaving { .. } => "leaving",
        BracketChange::Left => "left",
        BracketChange::Owed { .. } => "owed",
        BracketChange::Held { .. } => "held",
    };
    let changes = ran.records.iter().filter_map(|(record, _)| match record {
        Record::Bracket { change, .. } => Some(word(change)),
        _ => None,
    });
    changes.collect()
}
