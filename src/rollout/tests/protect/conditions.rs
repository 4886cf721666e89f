//! Conditions and tags around what protects.

use crate::events::StopCause;
use crate::rollout::testing::{Fault, Kit};

/// A bracket of each host around a play.
const AROUND: &str = "
- bracket:
    name: held
    per: host
    enter: [{act: \"on\"}]
    leave: [{act: \"off\"}]
  plays:
    - hosts: all
      gather_facts: false
      tasks: [{act: work}]
";

#[test]
fn leaving_does_not_ask_the_conditions_around_the_bracket_again() {
    // What is done inside makes the block's own condition false.
    let text = "
- hosts: all
  gather_facts: false
  tasks:
    - set_fact: {needed: true}
    - when: needed
      bracket:
        name: maintenance
        enter: [{launch: \"on\"}]
        settle: [{look: settled}]
        leave: [{launch: \"off\"}]
        after: [{look: after}]
      block:
        - act: one
        - set_fact: {needed: false}
        - act: never
";
    let ran = Kit::new("a", text).run();
    assert_eq!(ran.exit(), 0);
    let did = |call: &str| ran.log.iter().any(|line| line == call);
    for call in [
        "a job on",
        "a do one",
        "a look settled",
        "a job off",
        "a look after",
    ] {
        assert!(did(call), "{call}: {:?}", ran.log);
    }
    assert!(!did("a do never"));
}

#[test]
fn a_bracket_whose_conditions_do_not_hold_is_not_entered() {
    let text = "
- hosts: all
  gather_facts: false
  tasks:
    - when: inventory_hostname == 'b'
      bracket:
        name: maintenance
        per: host
        enter: [{launch: \"on\"}]
        leave: [{launch: \"off\"}]
      block:
        - act: one
";
    let ran = Kit::new("a b", text).run();
    assert_eq!(ran.exit(), 0);
    let jobs: Vec<&String> = ran
        .log
        .iter()
        .filter(|line| line.contains(" job "))
        .collect();
    assert_eq!(jobs, ["b job on", "b job off"]);
}

#[test]
fn a_leave_that_did_nothing_is_owed() {
    let text = "
- hosts: all
  gather_facts: false
  bracket:
    name: maintenance
    enter: [{launch: \"on\"}]
    leave: [{launch: \"off\", when: wanted | default(false)}]
  tasks:
    - act: one
";
    let mut kit = Kit::new("a", text);
    kit.settings.leave.truncate(1);
    let ran = kit.run();
    assert_eq!(ran.exit(), 7);
    assert!(
        ran.ended.debts[0].reason.contains("was skipped"),
        "{:?}",
        ran.ended.debts
    );
    let ran = Kit::new("a", text)
        .with(|settings| settings.check = true)
        .run();
    assert_eq!(ran.exit(), 0, "in check mode nothing was switched");
}

#[test]
fn where_tags_leave_nothing_to_do_nothing_is_protected() {
    let text = "
- hosts: all
  gather_facts: false
  tasks:
    - {act: look, tags: [preflight]}
- bracket:
    name: held
    enter: [{launch: \"on\"}]
    leave: [{launch: \"off\"}]
  plays:
    - hosts: all
      gather_facts: false
      gate: [{look: gate}]
      tasks: [{act: work}]
";
    let tags =
        |names: &[&str]| crate::plan::TagSelection::new(names.iter().map(ToString::to_string), []);
    let ran = Kit::new("a", text)
        .with(|settings| settings.tags = tags(&["preflight"]))
        .run();
    assert_eq!(ran.exit(), 0);
    assert_eq!(ran.log, ["a see look", "a do look"]);
    let ran = Kit::new("a", text).run();
    for call in ["a job on", "a look gate", "a do work", "a job off"] {
        assert!(
            ran.log.iter().any(|line| line == call),
            "{call}: {:?}",
            ran.log
        );
    }
}

#[test]
fn who_does_not_meet_a_protected_blocks_condition_walks_nothing_in_it() {
    // What is done inside on `b` makes the condition hold on `a`, where nothing was entered.
    for (protection, entered) in [
        (
            "bracket: {name: held, enter: [{launch: \"on\"}], leave: [{launch: \"off\"}]}",
            vec!["b job on", "b do one", "b job off"],
        ),
        (
            "takes_down: [\"m-{{ inventory_hostname }}\"]",
            vec!["b do one"],
        ),
    ] {
        let text = format!(
            "
- hosts: all
  gather_facts: false
  tasks:
    - set_fact: {{wanted: \"{{{{ inventory_hostname == 'b' }}}}\"}}
    - when: wanted
      {protection}
      block:
        - {{set_fact: {{wanted: true}}, delegate_to: a, delegate_facts: true, when: inventory_hostname == 'b'}}
        - act: one
          register: done
        - include_tasks: more.yml
        - act: two
          when: done is not skipped
    - {{look: end, failed_when: (done is skipped) != (inventory_hostname == 'a')}}
"
        );
        let text = text.replace("delegate_to: a", "delegate_to: \"{{ 'a' }}\"");
        let ran = Kit::new("a b", &text)
            .file("more.yml", "- act: three\n")
            .run();
        assert_eq!(ran.exit(), 0, "{:?}", ran.ended);
        let did = ran.did();
        assert!(did.iter().all(|call| call.starts_with("b ")), "{did:?}");
        for call in entered {
            assert!(did.contains(&call), "{call}: {did:?}");
        }
        assert!(did.contains(&"b do three"), "{did:?}");
        assert!(
            ran.steps("a").contains(&"act: skipped".to_owned()),
            "{:?}",
            ran.steps("a")
        );
    }
}

#[test]
fn outside_of_batches_a_bracket_that_is_not_entered_stops_the_run_inside_the_budget_judges() {
    let around = AROUND.replace("tasks:", "max_fail_percentage: 90\n      tasks:");
    let batch = "
- hosts: all
  gather_facts: false
  max_fail_percentage: 90
  tasks:
    - bracket: {name: held, per: host, enter: [{act: \"on\"}], leave: [{act: \"off\"}]}
      block: [{act: work}]
";
    // Where the bracket stands and what befalls `b`; the exit code, why it stops, and whether the others go on.
    let table = [
        (
            around.as_str(),
            Fault::Fails,
            2,
            Some(StopCause::Failed),
            false,
        ),
        (
            around.as_str(),
            Fault::Gone,
            4,
            Some(StopCause::Unreachable),
            false,
        ),
        (batch, Fault::Fails, 2, None, true),
        (batch, Fault::Gone, 4, None, true),
    ];
    for (text, fault, exit, cause, goes_on) in table {
        let kit = Kit::new("a b c", text).fault("b do on", fault);
        let kit = kit.with(|settings| {
            settings.connect.clear();
            settings.reconnect.clear();
        });
        let ran = kit.run();
        let told = format!("{fault:?}: {:?}", ran.ended);
        assert_eq!(ran.exit(), exit, "{told}");
        assert_eq!(
            ran.ended.stopped.clone().map(|(cause, _)| cause),
            cause,
            "{told}"
        );
        let worked = ran.did().contains(&"a do work");
        assert_eq!(worked, goes_on, "{told}");
        for host in ["a", "c"] {
            assert!(
                ran.did().contains(&format!("{host} do off").as_str()),
                "{told}"
            );
        }
    }
}

#[test]
fn a_bracket_around_plays_that_is_not_entered_on_a_host_stops_the_run() {
    let ran = Kit::new("a b", AROUND).fault("b do on", Fault::Fails).run();
    assert_eq!(ran.exit(), 2);
    assert!(
        !ran.log.iter().any(|line| line.ends_with(" do work")),
        "{:?}",
        ran.log
    );
    assert!(ran.log.contains(&"a do off".to_owned()), "{:?}", ran.log);
    let (cause, message) = ran.ended.stopped.clone().unwrap();
    assert_eq!(cause, StopCause::Failed);
    assert!(message.contains("could not be entered on b"), "{message}");
}
