//! Where the operator is asked, and what is told when something is left undone.

use crate::events::EventKind;
use crate::rollout::StepAnswer;
use crate::rollout::testing::{Fault, Kit, Ran};

use super::kit;

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
