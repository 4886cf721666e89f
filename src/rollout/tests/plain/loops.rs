//! Loops, and tasks that are tried again.

use serde_json::json;

use crate::events::EventKind;
use crate::rollout::testing::Fault;

use super::{message, play};

#[test]
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "only these kinds matter here; the others are passed over on purpose"
)]
fn loops_give_results_and_go_on_after_a_failed_item() {
    let kit = play(
        "a",
        "
- act: \"{{ item }}\"
  loop: [x, y, z]
  when: item != 'z'
  register: all
  ignore_errors: true
- debug:
    msg: \"{{ all.results | length }} {{ all.results[0].item }} {{ all.failed }} {{ all.results[2].skipped }}\"
",
    );
    let ran = kit.fault("a do x", Fault::Fails).run();
    assert_eq!(ran.did(), ["a do x", "a do y"]);
    let said = ran.events.iter().find_map(|event| match &event.kind {
        EventKind::StepFinished { name, result, .. } if name == "debug" => {
            Some(result.fields["msg"].clone())
        }
        _ => None,
    });
    assert_eq!(said, Some(json!("3 x True True")));
    assert_eq!(ran.exit(), 0);
}

#[test]
fn a_failed_item_fails_the_task_when_the_loop_is_over() {
    let ran = play("a", "- act: \"{{ item }}\"\n  loop: [x, y]\n- act: after")
        .fault("a do x", Fault::Fails)
        .run();
    assert_eq!(ran.did(), ["a do x", "a do y"]);
    assert_eq!(ran.exit(), 2);
}

#[test]
fn items_see_what_earlier_items_set_and_old_loops_work() {
    let ran = play(
        "a",
        "
- set_fact:
    list: \"{{ (list | default([])) + [item * 2] }}\"
  loop: [1, 2, 3]
- act: \"sum-{{ list | sum }}\"
- act: \"{{ item.key }}-{{ item.value }}\"
  with_dict: {k: v}
- act: \"{{ i }}{{ thing }}\"
  loop: [p, q]
  loop_control: {loop_var: thing, index_var: i}
- act: \"all-{{ ansible_loop.length }}-{{ ansible_loop.first }}\"
  loop: [p]
  loop_control: {extended: true}
",
    )
    .run();
    let did = ran.did();
    assert_eq!(did[..4], ["a do sum-12", "a do k-v", "a do 0p", "a do 1q"]);
    assert_eq!(did[4], "a do all-1-True");
}

#[test]
fn an_empty_loop_is_skipped_and_a_skipped_loop_need_not_be_defined() {
    let ran = play(
        "a",
        "
- act: x
  loop: []
- act: x
  loop: \"{{ nothing }}\"
  when: false
- act: x
  loop: \"{{ nothing }}\"
",
    )
    .run();
    assert_eq!(ran.did(), Vec::<&str>::new());
    assert_eq!(ran.steps("a"), ["act: skipped", "act: failed"]);
}

#[test]
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "only these kinds matter here; the others are passed over on purpose"
)]
fn a_task_is_tried_until_its_condition_holds() {
    let kit = play(
        "a",
        "
- look: count
  register: found
  until: found.value >= 3
  retries: 5
  delay: 10
- act: \"after-{{ found.attempts }}\"
",
    );
    let ran = kit
        .finds("count", &[json!(1), json!(1), json!(2), json!(3)])
        .run();
    assert_eq!(ran.did(), ["a do after-4"]);
    assert_eq!(ran.elapsed_s, 30);
    let saw: Vec<String> = ran
        .events
        .iter()
        .filter_map(|event| match &event.kind {
            EventKind::StepWaited { saw, .. } => Some(saw.clone()),
            _ => None,
        })
        .collect();
    assert_eq!(
        saw,
        [
            "found.value is 1, waiting for >= 3",
            "found.value is 2, waiting for >= 3"
        ],
        "only news are told"
    );
}

#[test]
fn a_wait_that_ends_unmet_names_what_it_last_saw() {
    let tries = "- look: x\n  register: r\n  until: r.value == 9\n  retries: 2\n  delay: 1";
    let ran = play("a", tries).finds("x", &[json!(1), json!(2)]).run();
    assert_eq!(ran.log.len(), 3, "one try and two more");
    assert!(
        message(&ran, "a", 0).contains("last seen: r.value is 2"),
        "{ran:?}"
    );
    assert_eq!(ran.exit(), 2);

    let total = "- look: x\n  register: r\n  until: r.value == 9\n  timeout: 60\n  delay: 7";
    let ran = play("a", total).finds("x", &[json!(2)]).run();
    assert_eq!(ran.elapsed_s, 60, "the time is the only limit");
    assert!(message(&ran, "a", 0).contains("last seen: r.value is 2"));
}

#[test]
fn a_last_try_that_had_no_time_takes_nothing_of_what_was_seen() {
    let text = "- look: x\n  register: r\n  until: r.value == 9\n  timeout: 8\n  delay: 7\n  \
        ignore_errors: true\n- act: \"{{ r.value }}\"";
    let ran = play("a", text)
        .finds("x", &[json!(2)])
        .fault("a look x", Fault::Fine)
        .fault("a look x", Fault::TimesOut)
        .run();
    assert_eq!(ran.did(), ["a do 2"], "{ran:?}");
    let told = message(&ran, "a", 0);
    assert!(
        told.contains("tried 2 times; last seen: r.value is 2"),
        "{told}"
    );
}

#[test]
fn without_until_a_failed_task_is_tried_again() {
    let ran = play("a", "- launch: x\n  retries: 3\n  delay: 2")
        .fault("a job x", Fault::Fails)
        .fault("a job x", Fault::Fails)
        .run();
    assert_eq!(ran.did(), ["a job x"; 3], "each try is a job of its own");
    assert_eq!((ran.exit(), ran.elapsed_s), (0, 4));
    assert_eq!(ran.told(&["step_intended"]).len(), 3);
}
