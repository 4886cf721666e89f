//! The same error on many hosts at once: who has not begun does not begin.

use std::sync::Arc;

use crate::journal::Journal as _;
use crate::rollout::Recollection;
use crate::rollout::testing::{Fault, Kit};

const HOSTS: &str = "a b c d e f g h";
const PLAY: &str = "
- hosts: all
  gather_facts: false
  max_fail_percentage: 90
  tasks:
    - launch: one
    - act: two
";

fn kit(play: &str, bad: &[&str]) -> Kit {
    let mut kit = Kit::new(HOSTS, play).with(|settings| settings.forks = 1);
    for host in bad {
        kit = kit.fault(&format!("{host} job one"), Fault::Fails);
    }
    kit
}

#[test]
fn what_fails_alike_on_the_first_hosts_is_not_tried_on_all() {
    let kit_failed = kit(PLAY, &["a", "b", "c"]);
    let ran = kit_failed.run();
    assert_eq!(ran.did(), ["a job one", "b job one", "c job one"]);
    assert_eq!(ran.exit(), 2);
    let (_, why) = ran.ended.stopped.clone().unwrap();
    assert!(
        why.starts_with(
            "3 hosts have failed at it with the same error, and no further host begins: "
        ),
        "{why}"
    );

    // Who did not begin is in no doubt: a resumed run begins there.
    kit_failed.fleet.clear_log();
    let recollection = Recollection::of(&kit_failed.journal.entries().unwrap()).unwrap();
    let mut again = kit(PLAY, &[]);
    again.goes_on(&kit_failed, Arc::new(recollection));
    let ran = again.run();
    assert_eq!(ran.exit(), 0, "{:?}", ran.ended.stopped);
    let began = |call: &&&str| call.ends_with("job one");
    assert_eq!(ran.did().iter().filter(began).count(), 8, "{:?}", ran.did());
}

#[test]
fn a_minority_that_fails_alike_is_what_the_percentage_is_for() {
    let ran = kit(PLAY, &["d", "e", "f"]).run();
    assert_eq!(ran.exit(), 2);
    let did = ran.did();
    let count = |end: &str| did.iter().filter(|call| call.ends_with(end)).count();
    assert_eq!((count("job one"), count("do two")), (8, 5), "{did:?}");
}

#[test]
fn failures_that_do_not_matter_keep_nobody_from_beginning() {
    let on = |play: &str| kit(play, &["a", "b", "c", "d", "e"]).run();
    let plays = [
        PLAY.replace("max_fail_percentage: 90", "on_failure: continue"),
        PLAY.replace("launch: one", "launch: one\n      ignore_errors: true"),
        PLAY.replace(
            "    - launch: one\n",
            "    - block: [{launch: one}]\n      rescue: [{act: mended}]\n",
        ),
    ];
    for play in plays {
        let ran = on(&play);
        let did = ran.did();
        let began = did.iter().filter(|call| call.ends_with("job one"));
        assert_eq!(began.count(), 8, "{play}: {did:?}");
    }
}
