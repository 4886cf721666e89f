//! A lock that is owed: noted on the hosts in the name of the run and machine that took it.

use std::sync::Arc;

use crate::rollout::testing::{Fault, Kit};
use crate::rollout::{FromHosts, Note};

use super::owed::note;

/// A lock is known by run and machine; what is decided once is known to who has only the note.
const LOCK: &str = "
- hosts: all
  gather_facts: false
  brackets:
    - name: lock
      per: play
      enter: [{launch: \"take {{ stagger_machine }} {{ stagger_run_id }}\"}]
      leave: [{launch: \"give {{ stagger_machine }} {{ stagger_run_id }} {{ stagger_from_hosts }} {{ decided }}\"}]
  tasks:
    - act: one
";

#[test]
fn a_lock_is_given_back_in_the_name_of_the_run_and_machine_that_took_it() {
    let playbook = LOCK.replace("- hosts: all", "- hosts: all\n  gather_facts: false\n  tasks:\n    - set_fact: { decided: \"yes {{ inventory_hostname }}\" }\n- hosts: all");
    let fails = "a job give machine-of-run-1 run-1 False yes a";
    let bad = Kit::new("a b", &playbook)
        .with(|settings| settings.leave.clear())
        .fault(fails, Fault::Fails);
    assert_eq!(bad.run().exit(), 7, "{:?}", bad.fleet.log());
    let mut second = Kit::new("a b", &playbook);
    second.follows(&bad, "run-2");
    let told = second.asks_hosts();
    second.previously = Arc::new(FromHosts::of(&told));
    second.recovers = true;
    let ran = second.run();
    assert_eq!(ran.exit(), 0, "{:?}", ran.ended);
    assert_eq!(ran.did(), ["a job give machine-of-run-1 run-1 True yes a"]);
    assert!(second.fleet.notes("a").is_empty() && second.fleet.notes("b").is_empty());
}

#[test]
fn a_job_of_the_run_on_any_host_holds_its_lock() {
    let text = LOCK.replace(" {{ decided }}", "");
    let bad = Kit::new("a b", &text).with(|settings| settings.leave.clear());
    let bad = bad.fault("a job give machine-of-run-1 run-1 False", Fault::Fails);
    assert_eq!(bad.run().exit(), 7, "{:?}", bad.fleet.log());
    // Its note is on both hosts, but it was entered for one of them only.
    let own = note(&bad, "a");
    let mut value: Note = serde_json::from_value(own).unwrap();
    value.hosts = vec!["a".to_owned()];
    let name = bad.fleet.notes("a").remove(0).0;
    bad.fleet.puts_note("a", &name, &value.to_text());
    bad.fleet.forgets("b", &name);
    bad.fleet.runs("b", &["run-1-0123-1", "run-9-0123-1"]);
    let mut second = Kit::new("a b", &text);
    second.follows(&bad, "run-2");
    second.settings.leave.clear();
    let told = second.asks_hosts();
    second.previously = Arc::new(FromHosts::of(&told));
    second.recovers = true;
    let ran = second.run();
    assert_eq!((ran.exit(), ran.did().len()), (7, 0), "{:?}", ran.ended);
    let debt = &ran.ended.debts[0];
    assert!(
        debt.held && debt.reason.contains("run-1-0123-1 still runs on b"),
        "{debt:?}"
    );
    second.fleet.runs("b", &["run-9-0123-1"]);
    assert_eq!(
        second.run().exit(),
        0,
        "another run's job elsewhere is not its own"
    );
}
