//! Every call of a run times every fault: the run rides it out, or goes on to the same end; nothing that was switched
//! stays so in silence, and no command is run twice.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::clock::StopLevel;
use crate::journal::Journal as _;
use crate::rollout::testing::{Fault, Kit, Ran};
use crate::rollout::{Previously, Recollection};

const PLAYBOOK: &str = "
- hosts: all
  gather_facts: false
  serial: 1
  gate: [{look: quorum, register: seen, failed_when: not seen.value}]
  brackets:
    - name: maintenance
      per: batch
      enter: [{launch: {what: \"on\", creates: \"on\"}}]
      leave: [{launch: \"off\"}]
  tasks:
    - act: config
    - launch: fetch
    - indivisible: true
      takes_down: [\"m-{{ inventory_hostname }}\"]
      block:
        - launch: upgrade
      always:
        - launch: start
    - act: tidy
";

const FAULTS: &[Fault] = &[
    Fault::Fails,
    Fault::Gone,
    Fault::GoneForGood,
    Fault::LostBefore,
    Fault::LostAfter,
    Fault::TimesOut,
    Fault::DiskFull,
    Fault::Stop(StopLevel::Drain),
    Fault::Stop(StopLevel::Abandon),
    Fault::StopNow(StopLevel::Abandon),
    Fault::Reboots,
    Fault::RebootsAfter,
];

/// How a case comes to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Expected {
    RidesOut,
    ResumesToEnd,
    NeedsOperator,
}

fn kit() -> Kit {
    let mut kit = Kit::new("a b", PLAYBOOK).with(|settings| settings.forks = 1);
    kit.settings.leave.truncate(1);
    kit
}

/// Goes on with a run whose trouble is over, as often as an operator would.
fn to_its_end(first: &Kit, ran: &Ran) -> Expected {
    if ran.exit() == 0 {
        return Expected::RidesOut;
    }
    for _ in 0..2 {
        first.fleet.heal();
        let entries = first.journal.entries().unwrap();
        let recollection = Recollection::of(&entries).unwrap();
        let mut again = kit();
        let known: Arc<dyn Previously> = Arc::new(recollection);
        again.goes_on(first, known);
        if again.run().exit() == 0 {
            return Expected::ResumesToEnd;
        }
    }
    Expected::NeedsOperator
}

/// What a case may need the operator for: a command that a reboot cut off, which nothing tells the end of.
fn may_need_operator(fault: Fault, call: &str) -> bool {
    matches!(
        fault,
        Fault::Reboots | Fault::RebootsAfter | Fault::TimesOut
    ) && call.contains(" job ")
}

fn check(whole: &Kit, call: &str, number: usize, fault: Fault) -> Expected {
    let case = format!("{fault:?} at call {number}, {call}");
    let first = kit();
    first.fleet.fault_at(number, fault);
    let ran = first.run();
    assert_ne!(ran.exit(), 101, "{case}: {:?}", ran.ended);
    assert_ne!(ran.exit(), 1, "{case}: {:?}", ran.ended);
    let effects = first.fleet.effects();
    for host in ["a", "b"] {
        let switched = effects.contains_key(&format!("{host} job on"));
        let back = effects.contains_key(&format!("{host} job off"));
        let told = ran.exit() == 7;
        assert!(
            !switched || back || told,
            "{case}: left switched, exit {}",
            ran.exit()
        );
    }
    let end = to_its_end(&first, &ran);
    if end == Expected::NeedsOperator {
        assert!(may_need_operator(fault, call), "{case}: {:?}", ran.ended);
        return end;
    }
    for host in ["a", "b"] {
        let notes = first.fleet.notes(host);
        assert!(
            notes.is_empty() || call.contains("notes gone"),
            "{case}: noted as owed on {host}"
        );
    }
    let effects = first.fleet.effects();
    for (call, times) in whole.fleet.effects() {
        let found = effects.get(&call).copied().unwrap_or(0);
        // What puts things back may be done once more; no other command is.
        let again =
            call.ends_with("job off") || call.ends_with("job on") || call.ends_with("job start");
        assert!(
            found == times || again && found > 0,
            "{case}: {call} was done {found} times"
        );
    }
    end
}

#[test]
fn every_call_times_every_fault() {
    let whole = kit();
    assert_eq!(whole.run().exit(), 0);
    assert!(whole.fleet.left_over().is_empty());
    let calls = whole.fleet.log();
    let calls: Vec<&String> = calls
        .iter()
        .filter(|call| !call.ends_with(" reset"))
        .collect();
    assert_eq!(calls.len(), whole.fleet.calls());
    let mut ends: BTreeMap<Expected, usize> = BTreeMap::new();
    for (number, call) in calls.iter().enumerate() {
        for fault in FAULTS {
            *ends.entry(check(&whole, call, number, *fault)).or_default() += 1;
        }
    }
    let cases: usize = ends.values().sum();
    assert_eq!(cases, calls.len() * FAULTS.len());
    let operator = ends.get(&Expected::NeedsOperator).copied().unwrap_or(0);
    assert!(
        operator * 10 <= cases,
        "too many need the operator: {ends:?}"
    );
    assert!(ends[&Expected::RidesOut] > 0 && ends[&Expected::ResumesToEnd] > 0);
}
