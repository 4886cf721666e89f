//! Gates and guards: what is waited for, and what is watched.

use std::sync::Arc;

use serde_json::json;

use crate::clock::StopLevel;
use crate::events::{EventKind, StopCause};
use crate::journal::Journal as _;
use crate::rollout::Recollection;
use crate::rollout::testing::{Fault, Kit};

use super::kit;

#[test]
fn a_gate_waits_and_stops_the_run_when_it_does_not_pass() {
    let waits = [json!(false), json!(false), json!(true)];
    let ran = kit().finds("sync", &waits).run();
    assert_eq!((ran.exit(), ran.elapsed_s), (0, 10));
    assert_eq!(ran.told(&["gate_waited"]).len(), 1);

    let ran = kit().finds("sync", &[json!(true), json!(false)]).run();
    assert_eq!(ran.exit(), 3);
    assert!(
        ran.did().iter().all(|call| call.starts_with("a ")),
        "the second batch is not let in"
    );
    match &ran.ended.stopped {
        Some((StopCause::Gate { saw }, _)) => assert!(saw.contains("sync.value"), "{saw}"),
        other => panic!("{other:?}"),
    }

    let ran = kit().fault("a look sync", Fault::GoneForGood).run();
    assert_eq!(
        ran.told(&["gate_passed"]).len(),
        1,
        "another host is asked: {:?}",
        ran.log
    );
    assert_eq!(
        (ran.exit(), ran.did().len()),
        (4, 0),
        "and no batch begins without the first"
    );
}

#[test]
fn a_polite_stop_ends_the_wait_of_a_gate() {
    let ran = kit()
        .finds("sync", &[json!(false)])
        .fault("a look sync", Fault::Fine)
        .fault("a look sync", Fault::Stop(StopLevel::Drain))
        .run();
    assert_eq!((ran.exit(), ran.elapsed_s), (6, 5));
    assert!(ran.did().is_empty());
}

const GUARDED: &str = "
- hosts: all
  gather_facts: false
  serial: 1
  guards:
    - name: quorum
      look: quorum
      every: 2s
      until: result.value
      grace: 15s
      unknown_grace: 10s
  tasks:
    - act: one
    - pause: {seconds: 20}
    - act: two
    - indivisible: true
      block:
        - act: down
        - look: up
          register: up
          until: up.value
          delay: 5
          retries: 10
    - act: three
";

#[test]
fn a_guard_that_is_breached_stops_at_the_next_rest_point() {
    let fine = Kit::new("a", GUARDED).run();
    assert_eq!((fine.exit(), fine.did().len()), (0, 4));

    let mut values = vec![json!(true); 2];
    values.push(json!(false));
    let ran = Kit::new("a", GUARDED).finds("quorum", &values).run();
    assert_eq!(ran.exit(), 3);
    assert_eq!(ran.told(&["guard_breached"]).len(), 1);
    match &ran.ended.stopped {
        Some((StopCause::Guard { name, saw }, _)) => {
            assert_eq!(
                (name.as_str(), saw.as_str()),
                ("quorum", "`result.value` does not hold")
            );
        }
        other => panic!("{other:?}"),
    }

    // A short dip within the grace is no breach.
    let dip = [json!(true), json!(false), json!(false), json!(true)];
    let ran = Kit::new("a", GUARDED).finds("quorum", &dip).run();
    assert_eq!(ran.exit(), 0);
}

#[test]
fn a_breach_does_not_stop_inside_of_an_indivisible_block() {
    let text = GUARDED
        .replace("    - pause: {seconds: 20}\n", "")
        .replace("grace: 15s", "grace: 4s");
    let ran = Kit::new("a", &text)
        .finds(
            "quorum",
            &[
                json!(true),
                json!(true),
                json!(true),
                json!(true),
                json!(false),
            ],
        )
        .finds(
            "up",
            &[json!(false), json!(false), json!(false), json!(true)],
        )
        .run();
    assert_eq!(ran.did(), ["a do one", "a do two", "a do down"]);
    let waited = ran
        .log
        .iter()
        .filter(|call| call.contains("look up"))
        .count();
    assert_eq!(waited, 4, "the block came to its end");
    assert_eq!(ran.exit(), 3);
}

/// Nothing comes behind the block in the scope of the guard, which is around the play, the block, or all plays.
fn scopes_of_a_guard() -> [(&'static str, String); 4] {
    const GUARD: &str =
        "guards: [{name: quorum, look: quorum, every: 2s, until: result.value, grace: 4s}]\n";
    const BEHIND: &str = "- {hosts: all, gather_facts: false, tasks: [{act: behind}]}\n";
    let play = |of_play: &str, of_block: &str| {
        format!(
            "- hosts: all\n  gather_facts: false\n  {of_play}\n  tasks:\n    - act: one\n    - indivisible: true\n      {of_block}\n      block:\n        - act: down\n        - {{look: up, register: up, until: up.value, delay: 5, retries: 10}}\n"
        )
    };
    let inner = play("", "").replace('\n', "\n    ");
    let switch = "- bracket: {name: quiet, enter: [{launch: \"on\"}], leave: [{launch: \"off\"}]}";
    [
        ("of a play", format!("{}{BEHIND}", play(GUARD, ""))),
        ("of the last play", play(GUARD, "")),
        ("of a block", format!("{}{BEHIND}", play("", GUARD))),
        (
            "around plays",
            format!(
                "{switch}\n  {GUARD}  plays:\n    {}\n{BEHIND}",
                inner.trim_end()
            ),
        ),
    ]
}

#[test]
fn a_breach_in_the_last_steps_of_its_scope_stops_the_run_behind_them() {
    let (yes, no) = (json!(true), json!(false));
    for (scope, text) in scopes_of_a_guard() {
        let kit = |quorum: &[serde_json::Value]| {
            let up = [no.clone(), no.clone(), no.clone(), yes.clone()];
            Kit::new("a", &text)
                .finds("quorum", quorum)
                .finds("up", &up)
        };
        let first = kit(&[yes.clone(), no.clone()]);
        let ran = first.run();
        let effects = first.fleet.effects();
        assert_eq!(ran.told(&["guard_breached"]).len(), 1, "{scope}");
        assert_eq!(ran.exit(), 3, "{scope}: {:?}", ran.ended.stopped);
        match &ran.ended.stopped {
            Some((StopCause::Guard { name, .. }, _)) => assert_eq!(name, "quorum"),
            other => panic!("{scope}: {other:?}"),
        }
        assert!(effects.contains_key("a do down"), "{scope}: {effects:?}");
        assert!(!effects.contains_key("a do behind"), "{scope}: {effects:?}");
        let waits = ran.log.iter().filter(|call| call.contains("look up"));
        assert_eq!(waits.count(), 4, "{scope}: the block came to its end");

        let mut again = kit(std::slice::from_ref(&yes));
        let recollection = Recollection::of(&first.journal.entries().unwrap()).unwrap();
        again.goes_on(&first, Arc::new(recollection));
        assert_eq!(again.run().exit(), 0, "{scope}");
        assert_eq!(again.fleet.effects()["a do down"], 1, "{scope}");

        let dip = [yes.clone(), no.clone(), yes.clone()];
        assert_eq!(kit(&dip).run().exit(), 0, "{scope}: within the grace");
    }
}

#[test]
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "only these kinds matter here; the others are passed over on purpose"
)]
fn while_nobody_knows_forward_steps_wait() {
    let mut kit = Kit::new("a", GUARDED);
    for _ in 0..8 {
        kit = kit.fault("a look quorum", Fault::Fails);
    }
    let ran = kit.run();
    assert_eq!(
        ran.exit(),
        0,
        "unknown alone is no breach: {:?}",
        ran.ended.stopped
    );
    let values: Vec<String> = ran
        .events
        .iter()
        .filter_map(|event| match &event.kind {
            EventKind::GuardChanged { value, .. } => Some(format!("{value:?}")),
            _ => None,
        })
        .collect();
    assert_eq!(values, ["Unknown", "True"]);
}

#[test]
fn guards_judge_the_cluster_without_the_members_that_are_down_on_purpose() {
    let text = "
- hosts: all
  gather_facts: false
  guards:
    - name: all but those
      look: \"left-out-{{ members_down | join('+') }}\"
      every: 1s
      until: result.value
  tasks:
    - takes_down: {members: [m1, m2], within: 5s}
      block:
        - act: one
        - pause: {seconds: 3}
        - act: two
        - pause: {seconds: 9}
        - act: three
";
    let ran = Kit::new("a", text).run();
    let probes: Vec<&str> = ran
        .log
        .iter()
        .filter_map(|call| call.strip_prefix("a look left-out-"))
        .collect();
    assert_eq!(probes.first(), Some(&""));
    assert!(probes.contains(&"m1+m2"), "{probes:?}");
    assert_eq!(probes.last(), Some(&""), "their time is over: {probes:?}");
}
