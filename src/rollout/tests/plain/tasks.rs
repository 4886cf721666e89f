//! Tasks: order, conditions, results, tags, check mode.

use serde_json::json;

use crate::clock::StopLevel;
use crate::rollout::testing::Fault;

use super::{message, play};

#[test]
fn tasks_run_in_lockstep() {
    let ran = play("a b", "- act: one\n- launch: two").run();
    assert_eq!(
        ran.did(),
        ["a do one", "b do one", "a job two", "b job two"]
    );
    assert_eq!(ran.exit(), 0);
    assert_eq!(ran.steps("a"), ["act: changed", "launch: changed"]);
}

#[test]
fn a_state_that_is_there_is_not_brought_about_again() {
    let ran = play("a", "- act: one\n- act: one").run();
    assert_eq!(ran.did(), ["a do one"]);
    assert_eq!(ran.steps("a"), ["act: changed", "act: ok"]);
}

#[test]
fn a_failed_host_leaves_and_the_others_go_on() {
    let ran = play("a b", "- act: one\n- act: two")
        .fault("a do one", Fault::Fails)
        .run();
    assert_eq!(ran.did(), ["a do one", "b do one", "b do two"]);
    assert_eq!(ran.exit(), 2);
    assert_eq!(ran.told(&["host_left"]).len(), 1);
}

#[test]
fn conditions_decide_and_results_are_registered() {
    let ran = play(
        "a",
        "
- look: thing
  register: seen
- act: one
  when: seen.value == 3
- act: two
  when:
    - seen.value == 3
    - seen.value == 4
- act: three
  when: seen.nothing == 1
",
    )
    .finds("thing", &[json!(3)])
    .run();
    assert_eq!(ran.did(), ["a do one"]);
    assert_eq!(ran.steps("a")[2], "act: skipped");
    assert_eq!(ran.steps("a")[3], "act: failed");
    assert!(
        message(&ran, "a", 0).contains("site.yml:"),
        "{:?}",
        ran.failures("a")
    );
}

#[test]
fn results_are_judged_by_the_task() {
    let ran = play(
        "a",
        "
- launch: x
  changed_when: false
  register: r
- launch: bad
  failed_when: false
- look: x
  register: seen
  failed_when: seen.value == 7
  ignore_errors: true
- act: y
  when: r is changed
- act: z
  when: seen is failed
",
    )
    .fault("a job bad", Fault::Fails)
    .finds("x", &[json!(7)])
    .run();
    assert_eq!(ran.did(), ["a job x", "a job bad", "a do z"]);
    assert_eq!(
        ran.steps("a"),
        [
            "launch: ok",
            "launch: ok",
            "look: ignored",
            "act: skipped",
            "act: changed"
        ]
    );
    assert_eq!(ran.exit(), 0);
}

#[test]
fn an_unreachable_host_is_tried_for_a_while_then_lost() {
    let ran = play("a b", "- act: x\n- act: y")
        .fault("a see x", Fault::GoneForGood)
        .run();
    assert_eq!(ran.steps("a"), ["act: unreachable"]);
    assert_eq!(ran.did(), ["b do x", "b do y"]);
    assert_eq!(ran.exit(), 4);
    assert_eq!(ran.elapsed_s, 60, "1 + 2 + 4 + 8 + 15 + 30");

    let ran = play("a", "- act: x\n- act: y")
        .fault("a see x", Fault::Gone)
        .run();
    assert_eq!((ran.exit(), ran.did().len()), (0, 2), "it came back");

    let ran = play("a", "- act: x\n  ignore_unreachable: true\n- act: y")
        .fault("a connect", Fault::GoneForGood)
        .run();
    assert_eq!(ran.steps("a"), ["act: ignored", "act: unreachable"]);
}

#[test]
fn tags_choose_tasks() {
    let tasks = "
- act: one
  tags: [x]
- act: two
- act: three
  tags: [always]
";
    let chosen = |only: &str, skip: &str| {
        let list =
            |text: &str| -> Vec<String> { text.split_whitespace().map(str::to_owned).collect() };
        let (only, skip) = (list(only), list(skip));
        let kit = play("a", tasks).with(|settings| {
            settings.tags = crate::plan::TagSelection::new(only, skip);
        });
        kit.run().did().join(", ")
    };
    assert_eq!(chosen("x", ""), "a do one, a do three");
    assert_eq!(chosen("", "x"), "a do two, a do three");
}

#[test]
fn check_mode_changes_nothing_and_says_what_it_would_do() {
    let tasks = "
- act: one
  register: r
- launch: two
- act: three
  check_mode: false
- act: four
  when: r is changed
";
    let ran = play("a", tasks)
        .with(|settings| settings.check = true)
        .run();
    assert_eq!(ran.did(), ["a do three"]);
    assert_eq!(
        ran.steps("a"),
        [
            "act: changed",
            "launch: skipped",
            "act: changed",
            "act: changed"
        ]
    );
}

#[test]
fn nothing_of_a_no_log_task_is_shown_or_written() {
    let ran = play(
        "a",
        "- look: x\n  no_log: true\n  register: r\n- act: \"{{ r.value }}\"",
    )
    .finds("x", &[json!("hunter22hunter22")])
    .run();
    assert_eq!(ran.did(), ["a do hunter22hunter22"], "the host gets it");
    let told = serde_json::to_string(&ran.events).unwrap();
    assert!(!told.contains("hunter22"), "{told}");
    for (record, _) in &ran.records {
        let text = serde_json::to_string(record).unwrap();
        assert!(!text.contains("hunter22"), "{text}");
    }
}

#[test]
fn a_pause_waits_or_asks_and_fails_when_nobody_is_there() {
    let ran = play("a b", "- pause: {seconds: 90}\n- act: x").run();
    assert_eq!(
        (ran.elapsed_s, ran.did().len()),
        (90, 2),
        "once for all hosts"
    );
    let tasks = "- pause: {prompt: sure}\n  register: said\n- act: \"{{ said.user_input }}\"";
    let ran = play("a", tasks)
        .answering(|answers| answers.types("yes"))
        .run();
    assert_eq!(ran.did(), ["a do yes"]);
    let ran = play("a", tasks).run();
    assert!(
        message(&ran, "a", 0).contains("nobody"),
        "{:?}",
        ran.failures("a")
    );
}

/// Ctrl-C is pressed at the first step; who waits there for clients to notice must still do so if the next step follows.
#[test]
fn a_pause_where_the_run_may_not_stop_is_waited_for_in_full() {
    let tasks = "- act: drain\n- pause: {seconds: 30}\n- act: stop\n";
    let indented = tasks.replace("- ", "    - ");
    let inside = format!("- indivisible: true\n  block:\n{indented}- act: next");
    let run = |tasks: &str, level: Fault| {
        let ran = play("a", tasks).fault("a do drain", level).run();
        (ran.exit(), ran.elapsed_s, ran.did().len())
    };
    let first = || Fault::Stop(StopLevel::Drain);
    assert_eq!(run(&inside, first()), (6, 30, 2), "the block is finished");
    assert_eq!(run(tasks, first()), (6, 0, 1));
    let second = Fault::Stop(StopLevel::Abandon);
    assert_eq!(run(&inside, second), (6, 0, 1), "nothing follows");
}
