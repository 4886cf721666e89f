//! Brackets: entered, left on every way out, renewed, owed and held.

use serde_json::json;

use crate::clock::StopLevel;
use crate::events::StopCause;
use crate::rollout::testing::{Fault, Kit};

use super::{BRACKET, changes, kit};

#[test]
fn gate_enter_tasks_settle_leave_after_in_this_order() {
    let ran = kit().run();
    assert_eq!(ran.exit(), 0);
    let of_a: Vec<&str> = ran
        .log
        .iter()
        .map(String::as_str)
        .filter(|call| call.starts_with('a') && !call.contains(" see "))
        .collect();
    assert_eq!(
        of_a,
        [
            "a look sync",
            "a look mode",
            "a job on",
            "a do one",
            "a job stop",
            "a job upgrade",
            "a job start",
            "a do two",
            "a look settled",
            "a job back-normal",
            "a look after",
            "a look sync"
        ]
    );
    let once = ["found", "entering", "entered", "leaving", "left"];
    assert_eq!(changes(&ran), [once, once].concat());
    assert_eq!(ran.told(&["gate_passed"]).len(), 3, "first, between, last");
    let marks = ran.told(&["member_down", "member_up"]);
    assert_eq!(
        marks,
        ["member_down", "member_up", "member_down", "member_up"]
    );
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table of cases")]
fn a_bracket_is_left_on_every_way_out() {
    let ways: [(&str, &str, Fault, u8, &[&str]); 7] = [
        (
            "a step fails",
            "a do one",
            Fault::Fails,
            2,
            &["a do one", "a job back-normal"],
        ),
        (
            "a step inside of the block fails",
            "a job upgrade",
            Fault::Fails,
            2,
            &["a job upgrade", "a job start", "a job back-normal"],
        ),
        (
            "the operator stops in the block",
            "a job stop",
            Fault::Stop(StopLevel::Drain),
            6,
            &["a job upgrade", "a job start", "a job back-normal"],
        ),
        (
            "the operator stops before the block",
            "a do one",
            Fault::Stop(StopLevel::Drain),
            6,
            &["a do one", "a job back-normal"],
        ),
        (
            "the operator does not wait",
            "a job upgrade",
            Fault::StopNow(StopLevel::Abandon),
            7,
            &["a job stop", "a job upgrade", "a job start"],
        ),
        (
            "the module has a bug",
            "a do one",
            Fault::Panics,
            101,
            &["a do one", "a job back-normal"],
        ),
        (
            "entering fails",
            "a job on",
            Fault::Fails,
            2,
            &["a job on", "a job back-normal"],
        ),
    ];
    for (way, call, fault, exit, end) in ways {
        let ran = kit().fault(call, fault).run();
        let did = ran.did();
        assert_eq!(did[did.len() - end.len()..], *end, "{way}");
        assert_eq!(ran.exit(), exit, "{way}: {:?}", ran.ended);
        assert!(
            !did.iter().any(|call| call.starts_with("b ")),
            "{way}: no further batch"
        );
    }
}

#[test]
fn a_bracket_that_cannot_be_left_is_tried_again_then_owed() {
    let ran = kit()
        .fault("a job back-normal", Fault::Fails)
        .fault("a job back-normal", Fault::Fails)
        .run();
    assert_eq!(ran.exit(), 0);
    assert_eq!(
        changes(&ran)[..7],
        [
            "found", "entering", "entered", "leaving", "leaving", "leaving", "left"
        ]
    );
    let mut bad = kit();
    for _ in 0..3 {
        bad = bad.fault("a job back-normal", Fault::Fails);
    }
    let ran = bad.run();
    assert_eq!(ran.exit(), 7);
    assert_eq!(changes(&ran).last(), Some(&"owed"));
    let debt = &ran.ended.debts[0];
    assert!(!debt.held && debt.what.name == "maintenance");
    assert_eq!(debt.by_hand[0].command, "do-it back-normal");
    assert!(
        ran.told(&["bracket_owed"]).len() == 1 && ran.did().len() == 9,
        "{:?}",
        ran.did()
    );
}

#[test]
fn a_host_that_is_gone_does_not_keep_a_cluster_wide_bracket_from_being_left() {
    let text = BRACKET.replace("per: batch", "per: play");
    let ran = Kit::new("a b", &text)
        .finds("mode", &[json!("normal")])
        .fault("a see one", Fault::GoneForGood)
        .run();
    assert_eq!(ran.did(), ["a job on", "b job back-normal"]);
    assert_eq!(ran.exit(), 4);
    assert_eq!(changes(&ran).last(), Some(&"left"));
}

#[test]
fn the_second_signal_leaves_what_is_not_held_and_the_third_quits() {
    // The upgrade may still run when nobody waits for it: the bracket is held.
    let ran = kit().fault("a job upgrade", Fault::LostAfter).run();
    assert_eq!(ran.exit(), 0, "it was attached to: {:?}", ran.log);
    let held = kit().fault("a job upgrade", Fault::TimesOut).run();
    assert_eq!(changes(&held).last(), Some(&"held"));
    assert!(held.ended.debts[0].held);
    assert_eq!(held.exit(), 7);

    let quit = kit().fault("a do one", Fault::Stop(StopLevel::Quit)).run();
    assert_eq!(quit.did(), ["a job on", "a do one"], "nothing more is done");
    assert_eq!(changes(&quit).last(), Some(&"owed"));
    assert_eq!(quit.exit(), 7);

    let abandoned = kit()
        .fault("a do one", Fault::StopNow(StopLevel::Abandon))
        .run();
    assert_eq!(
        abandoned.did(),
        ["a job on", "a do one", "a job back-normal"]
    );
    assert_eq!(abandoned.exit(), 6);
}

#[test]
fn while_it_must_not_be_left_a_bracket_is_held() {
    let text = BRACKET.replace(
        "      after: [{look: after}]",
        "      hold_while: {look: busy, that: result.value}",
    );
    let kit = |busy: &[serde_json::Value]| {
        let mut kit = Kit::new("a", &text)
            .finds("mode", &[json!("normal")])
            .finds("busy", busy);
        kit.settings.leave.truncate(2);
        kit
    };
    let ran = kit(&[json!(true), json!(false)]).run();
    assert_eq!(ran.exit(), 0, "it is looked at again");
    let ran = kit(&[json!(true)]).run();
    assert_eq!(ran.exit(), 7);
    assert_eq!(changes(&ran).last(), Some(&"held"));
    assert!(!ran.did().contains(&"a job back-normal"));
}

#[test]
fn what_does_not_pass_by_itself_is_waited_for_as_long_as_its_bracket_says() {
    let run = |wait: &str, busy: &[serde_json::Value]| {
        let hold = format!("      hold_while: {{look: busy, that: result.value}}{wait}");
        let text = BRACKET.replace("      after: [{look: after}]", &hold);
        let kit = Kit::new("a", &text).finds("mode", &[json!("normal")]);
        kit.finds("busy", busy).run()
    };
    let (holds, passes) = ([json!(true)], [json!(true), json!(false)]);
    let all = run("", &holds);
    assert_eq!((all.exit(), changes(&all).last()), (7, Some(&"held")));
    for (wait, seconds) in [("0s", 0), ("2s", 2), ("1h", 38)] {
        let ran = run(&format!("\n      hold_wait: {wait}"), &holds);
        assert_eq!((ran.exit(), changes(&ran).last()), (7, Some(&"held")));
        assert_eq!(all.elapsed_s - ran.elapsed_s, 38 - seconds, "{wait}");
    }
    assert_eq!(run("\n      hold_wait: 1s", &passes).exit(), 0);
    assert_eq!(run("\n      hold_wait: 0s", &passes).exit(), 7);
}

#[test]
fn a_step_in_doubt_holds_all_around_it_but_what_says_otherwise_and_is_waited_for_once() {
    let bracket = |name: &str, more: &str| {
        format!(
            "    - name: {name}\n      enter: [{{act: {name}-on}}]\n      leave: [{{act: {name}-off}}]\n{more}"
        )
    };
    let text = format!(
        "- hosts: all\n  gather_facts: false\n  brackets:\n{}{}{}  tasks:\n    - launch: upgrade\n",
        bracket("lock", ""),
        bracket("attach", ""),
        bracket("detection", "      hold_in_doubt: false\n"),
    );
    let kit = || Kit::new("a", &text).fault("a job upgrade", Fault::TimesOut);
    let ran = kit().run();
    assert_eq!(ran.exit(), 7);
    let done = ran.did();
    assert!(done.contains(&"a do detection-off"), "{done:?}");
    assert!(!done.contains(&"a do attach-off") && !done.contains(&"a do lock-off"));
    let held: Vec<_> = ran
        .ended
        .debts
        .iter()
        .map(|debt| (debt.what.name.as_str(), debt.held))
        .collect();
    assert_eq!(held, [("attach", true), ("lock", true)]);
    let mut impatient = kit();
    impatient.settings.leave.clear();
    let waits: std::time::Duration = kit().settings.leave.iter().sum();
    assert_eq!(
        ran.elapsed_s - impatient.run().elapsed_s,
        waits.as_secs(),
        "it was waited for one of them"
    );
}

#[test]
fn another_value_than_expected_needs_the_operators_word() {
    let strange = || {
        let mut kit = kit().finds("mode", &[json!("maintenance")]);
        kit.settings.leave.clear();
        kit
    };
    let ran = strange().run();
    assert_eq!((ran.exit(), ran.did().len()), (3, 0));
    assert!(matches!(
        ran.ended.stopped,
        Some((StopCause::Approval { .. }, _))
    ));
    let ran = strange()
        .with(|settings| settings.approved.push("maintenance".to_owned()))
        .run();
    assert_eq!(ran.exit(), 0);
    assert!(ran.did().contains(&"a job back-maintenance"));
}

#[test]
fn a_bracket_can_wrap_plays() {
    let text = "
- bracket:
    name: whole
    enter: [{launch: \"on\"}]
    leave: [{launch: \"off\"}]
  plays:
    - hosts: a
      gather_facts: false
      tasks: [{act: one}]
    - hosts: b
      gather_facts: false
      tasks: [{act: two}]
- hosts: all
  gather_facts: false
  tasks: [{act: three}]
";
    let kit = || {
        let mut kit = Kit::new("a b", text).with(|settings| settings.forks = 1);
        kit.settings.leave.clear();
        kit
    };
    let ran = kit().run();
    assert_eq!(
        ran.did(),
        [
            "a job on",
            "a do one",
            "b do two",
            "a job off",
            "a do three",
            "b do three"
        ]
    );
    let ran = kit().fault("a do one", Fault::Fails).run();
    assert_eq!(ran.did(), ["a job on", "a do one", "a job off"]);
}

#[test]
fn a_bracket_on_each_host_is_left_on_those_that_entered() {
    let text = "
- hosts: all
  gather_facts: false
  brackets:
    - name: drained
      per: host
      enter: [{launch: drain}]
      leave: [{launch: fill}]
  tasks:
    - act: one
";
    let mut kit = Kit::new("a b c", text).with(|settings| settings.forks = 1);
    kit.settings.leave.clear();
    let ran = kit
        .fault("b job drain", Fault::Fails)
        .fault("c do one", Fault::Fails)
        .run();
    let mut did = ran.did();
    did.sort_unstable();
    assert_eq!(
        did,
        [
            "a do one",
            "a job drain",
            "a job fill",
            "b job drain",
            "b job fill",
            "c do one",
            "c job drain",
            "c job fill"
        ]
    );
    assert_eq!(ran.exit(), 2);
}

/// Whoever waits for the end must not wait for hours: a host that was waited for in vain is tried once for each further
/// step, and for each bracket around the first one.
#[test]
fn a_host_that_is_gone_is_waited_for_once_and_not_for_each_bracket_anew() {
    const PLAYBOOK: &str = "
- hosts: a
  gather_facts: false
  brackets:
    - {name: outer, enter: [{launch: on-1}], leave: [{launch: off-1}]}
    - {name: middle, enter: [{launch: on-2}], leave: [{launch: off-2}]}
    - {name: inner, enter: [{launch: on-3}], leave: [{launch: off-3}]}
  tasks:
    - launch: upgrade
";
    let kit = Kit::new("a", PLAYBOOK).fault("a job upgrade", Fault::GoneForGood);
    let seconds =
        |waits: &[std::time::Duration]| waits.iter().map(std::time::Duration::as_secs).sum::<u64>();
    let (once, leaving) = (
        seconds(&kit.settings.reconnect),
        seconds(&kit.settings.leave),
    );
    let ran = kit.run();
    assert_eq!(ran.exit(), 7, "{:?}", ran.ended);
    let most = once + leaving + 30;
    assert!(ran.elapsed_s <= most, "{} s, not {most}", ran.elapsed_s);
    assert!(
        ran.elapsed_s >= once,
        "it is waited for: {} s",
        ran.elapsed_s
    );
}
