//! Random plays with random failures: what must hold whatever happens.

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;

use crate::clock::StopLevel;
use crate::journal::Journal as _;
use crate::journal::{BracketChange, Durability, Record};
use crate::rollout::Recollection;
use crate::rollout::testing::{Fault, Kit, Ran};

/// Turns from here on are those of what is asked anew and of the way out.
const FRESH: u32 = 1_000_000;

#[derive(Debug, Clone)]
enum Part {
    Act,
    Launch,
    Look,
    Loop,
    Block {
        indivisible: bool,
        bracket: Option<&'static str>,
        block: Vec<Part>,
        rescue: Vec<Part>,
        always: Vec<Part>,
    },
}

fn part() -> impl Strategy<Value = Part> {
    let leaf = prop_oneof![
        3 => Just(Part::Act),
        3 => Just(Part::Launch),
        1 => Just(Part::Look),
        1 => Just(Part::Loop),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        let some = || prop::collection::vec(inner.clone(), 0..2);
        (
            any::<bool>(),
            prop::option::of(prop_oneof![Just("batch"), Just("host")]),
            prop::collection::vec(inner.clone(), 1..3),
            some(),
            some(),
        )
            .prop_map(
                |(indivisible, bracket, block, rescue, always)| Part::Block {
                    indivisible,
                    bracket,
                    block,
                    rescue,
                    always,
                },
            )
    })
}

/// Writes parts as YAML; tasks are numbered.
fn write(parts: &[Part], indent: usize, count: &mut usize, text: &mut String) {
    use std::fmt::Write as _;
    let pad = " ".repeat(indent);
    for part in parts {
        let number = *count;
        *count += 1;
        match part {
            Part::Act => writeln!(text, "{pad}- act: t{number}").unwrap(),
            Part::Launch => writeln!(text, "{pad}- launch: t{number}").unwrap(),
            Part::Look => writeln!(text, "{pad}- look: t{number}").unwrap(),
            Part::Loop => {
                writeln!(
                    text,
                    "{pad}- launch: \"t{number}-{{{{ item }}}}\"\n{pad}  loop: [0, 1]"
                )
                .unwrap();
            }
            Part::Block {
                indivisible,
                bracket,
                block,
                rescue,
                always,
            } => {
                writeln!(text, "{pad}- name: block {number}").unwrap();
                if *indivisible {
                    writeln!(text, "{pad}  indivisible: true").unwrap();
                    writeln!(
                        text,
                        "{pad}  takes_down: [\"m{number}-{{{{ inventory_hostname }}}}\"]"
                    )
                    .unwrap();
                }
                if let Some(per) = bracket {
                    writeln!(
                        text,
                        "{pad}  bracket:\n{pad}    name: b{number}\n{pad}    per: {per}"
                    )
                    .unwrap();
                    writeln!(text, "{pad}    enter: [{{launch: enter{number}}}]").unwrap();
                    writeln!(text, "{pad}    leave: [{{launch: leave{number}}}]").unwrap();
                }
                for (word, parts) in [("block", block), ("rescue", rescue), ("always", always)] {
                    if !parts.is_empty() {
                        writeln!(text, "{pad}  {word}:").unwrap();
                        write(parts, indent + 4, count, text);
                    }
                }
            }
        }
    }
}

fn fault() -> impl Strategy<Value = Fault> {
    prop_oneof![
        4 => Just(Fault::Fails),
        1 => Just(Fault::Gone),
        2 => Just(Fault::GoneForGood),
        1 => Just(Fault::LostBefore),
        1 => Just(Fault::LostAfter),
        1 => Just(Fault::TimesOut),
        2 => Just(Fault::Stop(StopLevel::Drain)),
        1 => Just(Fault::Stop(StopLevel::Abandon)),
        1 => Just(Fault::StopNow(StopLevel::Abandon)),
    ]
}

#[derive(Debug, Clone)]
struct Case {
    hosts: usize,
    #[expect(dead_code, reason = "shown when a case fails")]
    serial: usize,
    text: String,
    faults: Vec<(String, Fault)>,
}

fn case() -> impl Strategy<Value = Case> {
    let faults = prop::collection::vec((0_usize..3, 0_usize..14, 0_usize..4, fault()), 0..4);
    (1_usize..4, 1_usize..4, prop::collection::vec(part(), 1..4), faults).prop_map(
        |(hosts, serial, parts, faults)| {
            let mut text = format!(
                "- hosts: all\n  gather_facts: false\n  serial: {serial}\n  brackets:\n    - name: whole\n      enter: \
                 [{{launch: on}}]\n      leave: [{{launch: off}}]\n  tasks:\n"
            );
            write(&parts, 4, &mut 0, &mut text);
            let name = |(host, task, verb, fault): (usize, usize, usize, Fault)| {
                let host = ["a", "b", "c"][host];
                let what = [
                    format!("do t{task}"),
                    format!("job t{task}"),
                    format!("job enter{task}"),
                    format!("job leave{task}"),
                ];
                (format!("{host} {}", what[verb]), fault)
            };
            Case {
                hosts,
                serial,
                text,
                faults: faults.into_iter().map(name).collect(),
            }
        },
    )
}

fn run(case: &Case) -> (Ran, Vec<(String, usize)>) {
    let mut kit = kit_of(case);
    for (call, fault) in &case.faults {
        kit = kit.fault(call, *fault);
    }
    let ran = kit.run();
    let sent = kit.fleet.sent_after();
    (ran, sent)
}

/// Every bracket that may have been entered is left, owed or held in the end.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "only these kinds matter here; the others are passed over on purpose"
)]
fn brackets_are_settled(ran: &Ran) {
    let mut open = BTreeMap::new();
    for (record, _) in &ran.records {
        if let Record::Bracket { bracket, change } = record {
            match change {
                BracketChange::Entering { .. } => open.insert(bracket.clone(), "open"),
                BracketChange::Left => open.insert(bracket.clone(), "left"),
                BracketChange::Owed { .. } | BracketChange::Held { .. } => {
                    open.insert(bracket.clone(), "owed")
                }
                _ => None,
            };
        }
    }
    assert!(open.values().all(|state| *state != "open"), "{open:?}");
    let owed = open.values().any(|state| *state == "owed");
    assert!(
        !owed || ran.exit() == 7,
        "something is owed and the exit code is {}",
        ran.exit()
    );
    assert_eq!(ran.exit() == 7, !ran.ended.debts.is_empty());
}

/// Whatever changed a host was intended before, and not ended.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "only these kinds matter here; the others are passed over on purpose"
)]
fn intents_come_first(ran: &Ran, sent: &[(String, usize)]) {
    for (call, written) in sent {
        let host = call.split(' ').next().unwrap();
        let mut open = BTreeMap::new();
        for (record, durability) in &ran.records[..*written] {
            match record {
                Record::Intent(intent) if intent.runs_on == host => {
                    assert_eq!(
                        *durability,
                        Durability::Synced,
                        "{call}: the intent is not on disk"
                    );
                    open.insert(intent.step.clone(), true);
                }
                Record::Outcome(outcome) => {
                    open.remove(&outcome.step);
                }
                _ => {}
            }
        }
        assert!(!open.is_empty(), "{call} was sent without an intent");
    }
}

/// After the run was told to stop, only what puts things back is begun, and what completes an indivisible block that
/// was begun before.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "only these kinds matter here; the others are passed over on purpose"
)]
fn nothing_forward_after_a_stop(ran: &Ran) {
    let mut stopped = false;
    let mut blocks = Vec::new();
    for (record, _) in &ran.records {
        match record {
            Record::Stopped { .. } => stopped = true,
            Record::RestPoint { before, .. } if !stopped => blocks.push(format!("{before}.")),
            Record::Intent(intent) if stopped => {
                let step = &intent.step;
                let inside = blocks.iter().any(|block| step.task.starts_with(block));
                assert!(step.turn >= FRESH || inside, "{step} after the stop");
            }
            _ => {}
        }
    }
}

/// What was begun ended, and the numbers of events have no gaps.
#[expect(clippy::zero_sized_map_values, reason = "a set by its entries")]
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "only these kinds matter here; the others are passed over on purpose"
)]
fn records_are_whole(ran: &Ran) {
    let mut open = BTreeMap::new();
    for (record, _) in &ran.records {
        match record {
            Record::Intent(intent) => {
                open.insert(intent.step.clone(), ());
            }
            Record::Outcome(outcome) => {
                open.remove(&outcome.step);
            }
            _ => {}
        }
    }
    assert!(open.is_empty(), "begun and not ended: {:?}", open.keys());
    let numbers: Vec<u64> = ran.events.iter().map(|event| event.seq).collect();
    assert!(
        numbers.windows(2).all(|pair| pair[1] == pair[0] + 1),
        "{numbers:?}"
    );
    let finished = matches!(ran.records.iter().rev().find(|(record, _)| !matches!(record, Record::Event(_))),
        Some((Record::Finished { exit_code }, _)) if *exit_code == ran.exit());
    assert!(finished);
}

/// The exit code says no less than what happened.
fn the_end_is_told_truly(ran: &Ran) {
    let lost = ran
        .ended
        .recap
        .values()
        .any(|counts| counts.failed + counts.unreachable + counts.in_doubt > 0);
    if ran.exit() == 0 {
        assert!(
            !lost && ran.ended.stopped.is_none() && ran.ended.down.is_empty(),
            "{:?}",
            ran.ended
        );
    }
    assert!(ran.exit() != 101 && ran.exit() != 1, "{:?}", ran.ended);
}

fn kit_of(case: &Case) -> Kit {
    let hosts = ["a", "b", "c"][..case.hosts].join(" ");
    let mut kit = Kit::new(&hosts, &case.text).with(|settings| settings.forks = 2);
    kit.settings.leave.truncate(1);
    kit.settings.reconnect.truncate(2);
    kit
}

/// Runs a play whole, then again with a crash at some record, then what is left of it.
fn cut_off_and_go_on(case: &Case, at: f64, at_once: bool) {
    let whole = kit_of(case);
    let ran = whole.run();
    assert_eq!(ran.exit(), 0, "{:?}", ran.ended);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "a share of a small number"
    )]
    let after = 3 + (at * (ran.records.len() - 3) as f64) as usize;
    let crashed = kit_of(case);
    crashed.dies(after, at_once);
    crashed.run();
    let recollection = Recollection::of(&crashed.journal.entries().unwrap()).unwrap();
    let mut again = kit_of(case);
    again.goes_on(&crashed, Arc::new(recollection));
    let ran = again.run();
    assert_eq!(ran.exit(), 0, "after {after} records: {:?}", ran.ended);
    brackets_are_settled(&ran);
    records_are_whole_in_the_end(&ran);
    let (expected, found) = (whole.fleet.effects(), again.fleet.effects());
    for (call, count) in &expected {
        let times = found.get(call).copied().unwrap_or(0);
        let switches = ["job on", "job off", "job enter", "job leave"];
        if switches.iter().any(|part| call.contains(part)) {
            assert!(times >= 1, "after {after} records: {call} was never done");
        } else {
            assert_eq!(times, *count, "after {after} records: {call}");
        }
    }
    assert_eq!(expected.len(), found.len(), "{found:?}");
}

/// The numbers of events have no gaps, over all parts of a run.
fn records_are_whole_in_the_end(ran: &Ran) {
    let numbers: Vec<u64> = ran.events.iter().map(|event| event.seq).collect();
    assert!(
        numbers.windows(2).all(|pair| pair[1] == pair[0] + 1),
        "{numbers:?}"
    );
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_fails_what_must_hold_holds(case in case()) {
        let (ran, sent) = run(&case);
        brackets_are_settled(&ran);
        intents_come_first(&ran, &sent);
        nothing_forward_after_a_stop(&ran);
        records_are_whole(&ran);
        the_end_is_told_truly(&ran);
    }

    #[test]
    fn wherever_it_is_cut_off_it_goes_on_to_the_same_end(
        case in case(),
        at in 0.0_f64..1.0,
        at_once in any::<bool>(),
    ) {
        cut_off_and_go_on(&Case { faults: Vec::new(), ..case }, at, at_once);
    }
}
