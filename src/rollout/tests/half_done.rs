//! A run that was cut off in the middle of a batch: what is half done is finished before anything else is asked or begun.

use std::sync::Arc;

use serde_json::json;

use crate::journal::{BracketChange, Entry, Journal as _, Record};
use crate::rollout::Recollection;
use crate::rollout::testing::{Fault, Kit, Ran};

/// Makes the part of a run that follows on another, on hosts on which nothing goes wrong any more.
fn after(first: &Kit, kit: Kit) -> Kit {
    follows(first, kit, &first.journal.entries().unwrap())
}

fn follows(first: &Kit, mut again: Kit, entries: &[Entry]) -> Kit {
    first.fleet.heal();
    first.fleet.clear_log();
    let recollection = Recollection::of(entries).unwrap();
    again.goes_on(first, Arc::new(recollection));
    again
}

/// Tells which of these calls came.
fn came(ran: &Ran, calls: &[&str]) -> Vec<bool> {
    let did = ran.did();
    calls.iter().map(|call| did.contains(call)).collect()
}

/// Tells whether a host's bracket was switched on last.
fn is_on(ran: &Ran, host: &str) -> bool {
    let last = last_of(ran, &format!("{host} job on"), &format!("{host} job off"));
    last.is_some_and(|last| last.ends_with("job on"))
}

/// Where a call stands in the log.
fn at(ran: &Ran, call: &str) -> Option<usize> {
    ran.log.iter().position(|other| other.ends_with(call))
}

const BATCHES: &str = "
- hosts: all
  gather_facts: false
  serial: 1
  gate:
    - {look: sync, register: sync, until: sync.value, delay: 5, timeout: 60}
  bracket:
    name: maintenance
    per: batch
    enter: [{launch: \"on\"}]
    leave: [{launch: \"off\"}]
  tasks:
    - act: before
    - indivisible: true
      block:
        - launch: stop
        - launch: start
    - act: behind
";

fn batches() -> Kit {
    Kit::new("a b c", BATCHES)
        .finds("sync", &[json!(true)])
        .with(|settings| settings.forks = 1)
}

/// A run that was cut off between the end of the first batch and that of the second one: whether the second one's bracket
/// was begun to be entered, and whether it is on.
fn cut_off_in_the_second_batch(record: usize) -> Option<(Kit, bool, bool)> {
    let dead = batches();
    dead.dies(record, record.is_multiple_of(2));
    let ran = dead.run();
    let (mut done, mut begun) = ([false; 2], false);
    for (record, _) in &ran.records {
        if let Record::Done { batch, path, .. } = record {
            done[0] |= *batch == 1 && path.is_empty();
            done[1] |= *batch == 2 && path.is_empty();
        }
        if let Record::Bracket { change, .. } = record {
            begun |= matches!(change, BracketChange::Entering { batch: 2, .. });
        }
    }
    (done == [true, false]).then(|| (dead, begun, is_on(&ran, "b")))
}

#[test]
fn a_block_in_flight_in_a_later_batch_is_finished_before_any_gate_is_asked() {
    let whole = batches().run().records.len();
    let (mut in_flight, mut at_rest) = (0, 0);
    for record in 3..whole {
        let Some((dead, begun, was_on)) = cut_off_in_the_second_batch(record) else {
            continue;
        };
        // The cluster is not whole: no gate passes before the block is finished.
        let shut = after(&dead, batches());
        shut.fleet.finds("sync", &[json!(false)]);
        let ran = shut.run();
        let case = format!("record {record} of {whole}: {:?}", ran.log);
        assert_eq!(ran.exit(), 3, "{case}");
        assert!(at(&ran, "look sync").is_some(), "{case}");
        if begun {
            in_flight += 1;
            // Who was killed when the bracket was left already has nothing to leave.
            let off = at(&ran, "b job off");
            assert!(off < at(&ran, "look sync"), "{case}");
            assert!(off.is_some() || !was_on, "{case}");
        } else {
            at_rest += 1;
            assert_eq!(
                came(&ran, &["b job stop", "b job on"]),
                [false; 2],
                "{case}"
            );
        }
        assert_eq!(came(&ran, &["a job on", "c job on"]), [false; 2], "{case}");
        let open = after(&shut, batches());
        open.fleet.finds("sync", &[json!(true)]);
        let ran = open.run();
        assert_eq!(ran.exit(), 0, "record {record}: {:?}", ran.ended.stopped);
        for call in [
            "a job stop",
            "a job start",
            "b job stop",
            "b job start",
            "c job stop",
        ] {
            assert_eq!(open.fleet.effects()[call], 1, "record {record}: {call}");
        }
    }
    assert!(in_flight >= 4 && at_rest >= 3, "{in_flight} {at_rest}");
}

#[test]
fn a_guard_does_not_keep_what_is_in_flight_from_being_finished() {
    let guard = "  guards: [{name: all up, look: up, every: 1s, until: result.value}]\n  gate:";
    let text = BATCHES.replace("  gate:", guard);
    let kit = || Kit::new("a b", &text).with(|settings| settings.forks = 1);
    let mut seen = 0;
    for record in 3..kit().run().records.len() {
        let dead = kit();
        dead.dies(record, true);
        if came(&dead.run(), &["b job stop", "b job start"]) != [true, false] {
            continue;
        }
        // It would be a breach at once: the member that is in flight is down.
        let again = after(&dead, kit());
        again.fleet.finds("up", &[json!(false), json!(true)]);
        let ran = again.run();
        let case = format!("record {record}: {:?} {:?}", ran.ended, ran.log);
        assert_eq!(ran.exit(), 0, "{case}");
        seen += 1;
    }
    assert!(seen > 1, "{seen}");
}

#[test]
fn a_guard_that_does_not_hold_behind_what_was_in_flight_stops_the_run_there() {
    let guard = "  guards: [{name: all up, look: up, every: 1s, until: result.value}]\n  gate:";
    let text = BATCHES.replace("  gate:", guard);
    let kit = || Kit::new("a b c", &text).with(|settings| settings.forks = 1);
    let mut seen = 0;
    for record in 3..kit().run().records.len() {
        let dead = kit();
        dead.dies(record, true);
        if came(&dead.run(), &["b job stop", "b job start"]) != [true, false] {
            continue;
        }
        let again = after(&dead, kit());
        again.fleet.finds("up", &[json!(false)]);
        let ran = again.run();
        let case = format!("record {record}: {:?} {:?}", ran.ended, ran.log);
        assert_eq!(ran.exit(), 3, "{case}");
        let calls = ["b job start", "b job off", "b do behind", "c job on"];
        assert_eq!(came(&ran, &calls), [true, true, false, false], "{case}");
        seen += 1;
    }
    assert!(seen > 1, "{seen}");
}

#[test]
fn a_batch_that_is_done_is_not_gated_again() {
    let first = batches().fault("b do before", Fault::Fails);
    assert_eq!(first.run().exit(), 2);
    let ran = after(&first, batches()).run();
    assert_eq!(ran.exit(), 0, "{:?}", ran.ended.stopped);
    let gates = ran.log.iter().filter(|call| call.ends_with("look sync"));
    assert_eq!(
        gates.count(),
        3,
        "before b, before c, and the last: {:?}",
        ran.log
    );
}

#[test]
fn what_is_in_flight_comes_before_an_earlier_batch_that_failed_outside_of_its_block() {
    let text = BATCHES.replace("serial: 1\n", "serial: 1\n  max_fail_percentage: 90\n");
    let kit = || {
        let kit = Kit::new("a b c", &text).finds("sync", &[json!(true)]);
        kit.with(|settings| settings.forks = 1)
    };
    let fails = || kit().fault("a do before", Fault::Fails);
    let mut seen = 0;
    for record in 3..fails().run().records.len() {
        let dead = fails();
        dead.dies(record, true);
        let ran = dead.run();
        if came(&ran, &["b job stop", "b job start"]) != [true, false] {
            continue;
        }
        let ran = after(&dead, kit()).run();
        let case = format!("record {record}: {:?} {:?}", ran.ended, ran.log);
        assert_eq!(ran.exit(), 0, "{case}");
        let (gate, start) = (at(&ran, "look sync"), at(&ran, "b job start"));
        assert!(start.is_some() && start < gate, "{case}");
        let (gated, stop) = (at(&ran, "look sync"), at(&ran, "a job stop"));
        assert!(gated < stop && start < stop, "{case}");
        let gates = ran.log.iter().filter(|call| call.ends_with("look sync"));
        assert_eq!(gates.count(), 3, "before a, before c, and the last: {case}");
        seen += 1;
    }
    assert!(seen > 1, "{seen}");
}

const INCLUDED: &str = "
- hosts: all
  gather_facts: false
  serial: 1
  gate: [{launch: gate, changed_when: false}]
  tasks:
    - {look: old, register: old}
    - include_tasks: upgrade.yml
      when: old.value
    - {look: servers, register: servers}
    - include_tasks: one.yml
      loop: \"{{ servers.value }}\"
    - launch: last
";

const DRAINED: &str = "
- bracket:
    name: drained
    per: host
    enter: [{launch: drain}]
    leave: [{launch: undrain}]
  block:
    - launch: first
    - indivisible: true
      block:
        - launch: stop
        - launch: start
";

const EACH: &str = "
- bracket:
    name: quiet
    enter: [{launch: \"hush-{{ item }}\"}]
    leave: [{launch: \"speak-{{ item }}\"}]
  block:
    - launch: \"one-{{ item }}\"
    - launch: \"two-{{ item }}\"
";

fn included() -> Kit {
    Kit::new("a b", INCLUDED)
        .file("upgrade.yml", DRAINED)
        .file("one.yml", EACH)
        .finds("old", &[json!(true)])
        .finds("servers", &[json!(["x", "y"])])
        .with(|settings| settings.forks = 1)
}

/// Which of two calls came last in a run that was cut off and gone on with.
fn last_of(ran: &Ran, on: &str, off: &str) -> Option<String> {
    let mut calls = ran.log.iter().rev();
    calls
        .find(|call| call.contains(on) || call.contains(off))
        .cloned()
}

#[test]
fn an_include_that_was_taken_stays_taken_whatever_its_conditions_say_now() {
    let whole = included().run().records.len();
    let mut in_the_middle = 0;
    for record in 3..whole {
        let dead = included();
        dead.dies(record, record % 2 == 0);
        let before = dead.run();
        let begun = came(
            &before,
            &["a job first", "a job one-x", "b job first", "b job one-x"],
        );
        in_the_middle += usize::from(begun[0]);
        let mut again = included();
        let recollection = Recollection::of(&dead.journal.entries().unwrap()).unwrap();
        again.goes_on(&dead, Arc::new(recollection));
        again.fleet.finds("old", &[json!(false)]);
        again.fleet.finds("servers", &[json!([])]);
        let ran = again.run();
        let case = format!("record {record} of {whole}: {:?} {:?}", ran.ended, ran.log);
        assert_eq!(ran.exit(), 0, "{case}");
        let effects = again.fleet.effects();
        for (host, upgrade, each) in [("a", begun[0], begun[1]), ("b", begun[2], begun[3])] {
            let count = |what: &str| effects.get(&format!("{host} job {what}")).copied();
            for what in ["first", "stop", "start"] {
                assert!(!upgrade || count(what) == Some(1), "{host} {what}: {case}");
            }
            for what in ["one-x", "two-x"] {
                assert!(!each || count(what) == Some(1), "{host} {what}: {case}");
            }
            assert_eq!(count("last"), Some(1), "{case}");
            for (on, off) in [("job drain", "job undrain"), ("job hush-x", "job speak-x")] {
                let last = last_of(&ran, &format!("{host} {on}"), &format!("{host} {off}"));
                assert!(
                    last.is_none_or(|last| last.contains(off)),
                    "{host} {off}: {case}"
                );
            }
        }
    }
    assert!(in_the_middle > 20, "{in_the_middle}");
}

#[test]
fn a_bracket_that_is_passed_by_is_left_before_the_next_gate() {
    let whole = included().run().records.len();
    let mut passed_by = 0;
    for record in 3..whole {
        let dead = included();
        dead.dies(record, true);
        let before = dead.run();
        let drains = came(&before, &["a job drain", "a job undrain"]);
        if drains != [true, false] {
            continue;
        }
        // As a journal of before: nothing in it says which includes were taken.
        let mut entries = dead.journal.entries().unwrap();
        entries.retain(|entry| entry.record.kind() != "included");
        let again = follows(&dead, included(), &entries);
        again.fleet.finds("old", &[json!(false)]);
        let ran = again.run();
        let case = format!("record {record} of {whole}: {:?} {:?}", ran.ended, ran.log);
        assert_eq!(ran.exit(), 0, "{case}");
        let (off, gate) = (at(&ran, "a job undrain"), at(&ran, "b job gate"));
        assert!(off.is_some(), "{case}");
        assert!(gate.is_none_or(|gate| off < Some(gate)), "{case}");
        passed_by += 1;
    }
    assert!(passed_by > 5, "{passed_by}");
}

#[test]
fn a_bracket_of_a_play_that_has_no_hosts_any_more_is_left_at_the_end() {
    let text = "
- hosts: \"{{ [] if gone is defined else 'all' }}\"
  gather_facts: false
  bracket:
    name: maintenance
    enter: [{launch: \"on\"}]
    leave: [{launch: \"off\"}]
  tasks:
    - launch: one
- hosts: all
  gather_facts: false
  tasks:
    - launch: last
";
    let inventory = "all:\n  hosts:\n    a:\n  vars:\n    gone: 1\n";
    let dead = Kit::new("a", text);
    dead.dies(Kit::new("a", text).run().records.len() / 3, true);
    assert_eq!(came(&dead.run(), &["a job on", "a job off"]), [true, false]);
    let again = after(&dead, Kit::new("a", text).inventory(inventory));
    let ran = again.run();
    assert_eq!(
        (ran.exit(), ran.did()),
        (0, vec!["a job last", "a job off"])
    );
}
