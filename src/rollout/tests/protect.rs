//! Gates, brackets, guards, rest points, points of no return: on every way out.

use serde_json::json;

use crate::clock::StopLevel;
use crate::events::{EventKind, StopCause};
use crate::journal::{BracketChange, Record};
use crate::rollout::StepAnswer;
use crate::rollout::testing::{Fault, Kit, Ran};

const BRACKET: &str = "
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

fn kit() -> Kit {
    let mut kit = Kit::new("a b", BRACKET).finds("mode", &[json!("normal")]);
    kit.settings.leave.truncate(2);
    kit
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "only these kinds matter here; the others are passed over on purpose"
)]
fn changes(ran: &Ran) -> Vec<&'static str> {
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

const POINT: &str = "
- hosts: all
  gather_facts: false
  gate: [{look: gate}]
  brackets:
    - name: maintenance
      enter: [{launch: \"on\"}]
      leave: [{launch: \"off\"}]
  tasks:
    - act: one
    - point_of_no_return: new format
      indivisible: true
      block: [{act: two}]
    - act: three
";

#[test]
#[expect(clippy::too_many_lines, reason = "a table of cases")]
fn a_point_of_no_return_is_asked_for_with_the_brackets_left() {
    let calls = |ran: &Ran| -> Vec<String> {
        let calls = ran.log.iter().filter(|call| !call.contains(" see "));
        calls.map(|call| call[2..].to_owned()).collect()
    };
    let kit = || {
        let mut kit = Kit::new("a", POINT);
        kit.settings.leave.clear();
        kit
    };
    let unattended = kit().run();
    assert_eq!(unattended.exit(), 3);
    assert_eq!(
        calls(&unattended),
        ["look gate", "job on", "do one", "job off"]
    );
    let (_, message) = unattended.ended.stopped.unwrap();
    assert!(message.contains("--approve 'new format'"), "{message}");

    let said_no = kit()
        .answering(|answers| answers.approves("new format", false))
        .run();
    assert_eq!(said_no.exit(), 3);
    assert_eq!(
        calls(&said_no),
        ["look gate", "job on", "do one", "job off"]
    );

    let said_yes = kit()
        .answering(|answers| answers.approves("new format", true))
        .run();
    assert_eq!(said_yes.exit(), 0);
    assert_eq!(
        calls(&said_yes),
        [
            "look gate",
            "job on",
            "do one",
            "job off",
            "look gate",
            "job on",
            "do two",
            "do three",
            "job off",
            "look gate"
        ]
    );

    let beforehand = kit()
        .with(|settings| settings.approved.push("new format".to_owned()))
        .run();
    assert_eq!(beforehand.exit(), 0);
    assert_eq!(
        calls(&beforehand),
        [
            "look gate",
            "job on",
            "do one",
            "do two",
            "do three",
            "job off",
            "look gate"
        ]
    );
    let given = beforehand.events.iter().any(
        |event| matches!(&event.kind, EventKind::ApprovalGiven { by, .. } if by == "beforehand"),
    );
    assert!(given);
}

#[test]
fn nobody_is_asked_about_a_point_that_is_skipped_on_every_host() {
    let text = |condition: &str| {
        format!(
            "
- hosts: all
  gather_facts: false
  tasks:
    - act: one
    - point_of_no_return: new format
      when: {condition}
      block: [{{act: two}}]
    - act: three
"
        )
    };
    let exit = |condition: &str| Kit::new("a b", &text(condition)).run().exit();
    assert_eq!(exit("false"), 0);
    assert_eq!(exit("inventory_hostname == 'b'"), 3, "one host is enough");
    assert_eq!(
        exit("no_such_variable"),
        3,
        "what cannot be asked is no reason to go on"
    );
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

#[test]
fn steps_are_asked_for_only_where_the_run_may_stop() {
    let kit = |skip: &str, stop: &str| {
        let (skip, stop) = (skip.to_owned(), stop.to_owned());
        let mut kit = Kit::new("a", POINT).answering(|answers| {
            answers.steps(&skip, StepAnswer::Skip);
            answers.steps(&stop, StepAnswer::Stop);
            answers.approves("new format", true);
        });
        kit.settings.leave.clear();
        kit.with(|settings| settings.step = true)
    };
    let kit_1 = kit("act", "nothing");
    let ran = kit_1.run();
    let asked = kit_1.answers.asked();
    assert_eq!(
        asked.iter().filter(|line| line.starts_with("step")).count(),
        3,
        "{asked:?}"
    );
    assert!(!ran.did().contains(&"a do one") && ran.did().contains(&"a do two"));
    let ran = kit("nothing", "act").run();
    assert_eq!(ran.did(), ["a job on", "a job off"]);
    assert_eq!(ran.exit(), 6);
}

#[test]
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "only these kinds matter here; the others are passed over on purpose"
)]
fn what_was_left_undone_is_told_with_the_commands_for_it() {
    let ran = kit()
        .fault("a job upgrade", Fault::Fails)
        .fault("a job start", Fault::Fails)
        .run();
    let commands: Vec<&str> = ran
        .ended
        .unfinished
        .iter()
        .map(|line| line.command.as_str())
        .collect();
    assert_eq!(
        commands,
        ["do-it upgrade", "do-it start"],
        "{:?}",
        ran.ended.unfinished
    );
    assert_eq!(ran.ended.down, [("member-a".to_owned(), "a".to_owned())]);
    let stopped = ran.events.iter().find_map(|event| match &event.kind {
        EventKind::RunStopped { by_hand, .. } => Some(by_hand.len()),
        _ => None,
    });
    assert_eq!(stopped, Some(2));
}

const RENEWED: &str = "
- hosts: all
  gather_facts: false
  point_of_no_return: new format
  bracket:
    name: maintenance
    enter: [{launch: \"on\"}]
    renew:
      - name: its time to live
        launch: again
        every: 5s
        until: result.rc == 0
        unknown_grace: 0s
    settle: [{look: settled}]
    leave: [{launch: \"off\"}]
  tasks:
    - act: one
    - pause: {seconds: 4}
    - act: two
    - pause: {seconds: 4}
    - act: three
";

#[test]
fn a_bracket_is_renewed_while_it_is_entered_and_never_while_it_is_left() {
    let ran = Kit::new("a", RENEWED)
        .with(|settings| settings.approved.push("new format".to_owned()))
        .run();
    assert_eq!(ran.exit(), 0);
    let calls: Vec<&str> = ran.log.iter().map(|call| &call[2..]).collect();
    let calls: Vec<&str> = calls
        .into_iter()
        .filter(|call| !call.starts_with("see"))
        .collect();
    assert_eq!(
        calls,
        [
            "job on",
            "job again",
            "do one",
            "do two",
            "job again",
            "do three",
            "job again",
            "look settled",
            "job off"
        ]
    );

    // While somebody is asked it is left: nothing may switch it on again behind the back of `leave`.
    let asked = Kit::new("a", RENEWED)
        .answering(|answers| answers.approves("new format", true))
        .run();
    let mut on = false;
    for call in asked.log.iter().map(|call| &call[2..]) {
        match call {
            "job on" => on = true,
            "job off" => on = false,
            "job again" => assert!(on, "{:?}", asked.log),
            _ => {}
        }
    }
    assert!(
        asked
            .log
            .iter()
            .filter(|call| call.ends_with("job again"))
            .count()
            >= 2
    );
}

#[test]
fn while_a_bracket_cannot_be_renewed_forward_steps_wait() {
    let ran = |failures: usize| {
        let mut kit = Kit::new("a", RENEWED)
            .with(|settings| settings.approved.push("new format".to_owned()))
            .fault("a job again", Fault::Fine);
        for _ in 0..failures {
            kit = kit.fault("a job again", Fault::Fails);
        }
        kit.run()
    };
    let soon = ran(3);
    let last = soon.log.iter().any(|call| call == "a do three");
    assert!(
        soon.exit() == 0 && last && soon.elapsed_s >= 15,
        "{:?}",
        soon.log
    );
    let never = ran(1000);
    let last = never.log.iter().any(|call| call == "a do three");
    assert!(never.exit() == 3 && !last, "{:?}", never.log);
    assert_eq!(never.log.last().map(String::as_str), Some("a job off"));
}

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
    let around = "
- bracket:
    name: held
    per: host
    enter: [{act: \"on\"}]
    leave: [{act: \"off\"}]
  plays:
    - hosts: all
      gather_facts: false
      max_fail_percentage: 90
      tasks: [{act: work}]
";
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
        (around, Fault::Fails, 2, Some(StopCause::Failed), false),
        (around, Fault::Gone, 4, Some(StopCause::Unreachable), false),
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
    let text = "
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
    let ran = Kit::new("a b", text).fault("b do on", Fault::Fails).run();
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
