//! What Ansible's people expect.

use crate::rollout::testing::{Fault, Kit};

#[test]
fn tasks_run_in_lockstep() {
    let kit = Kit::new(
        "a b",
        "
- hosts: all
  gather_facts: false
  tasks:
    - act: one
    - launch: two
",
    );
    let ran = kit.with(|settings| settings.forks = 1).run();
    assert_eq!(
        ran.did(),
        ["a do one", "b do one", "a job two", "b job two"]
    );
    assert_eq!(ran.exit(), 0);
    assert_eq!(ran.steps("a"), ["act: changed", "launch: changed"]);
    let _ = Fault::Fine;
}
