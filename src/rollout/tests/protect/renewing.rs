//! Brackets renewed while they are entered.

use serde_json::json;

use crate::rollout::testing::{Fault, Kit};

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
        .filter(|call| !call.contains("see "))
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
    assert_eq!(never.did().last(), Some(&"a job off"));
}

#[test]
fn who_finds_the_cluster_locked_ends_with_the_locks_code() {
    let text = "
- hosts: all
  gather_facts: false
  brackets:
    - name: the lock
      enter:
        - assert:
            that: stagger_run_id == 'run-1' and stagger_stopped_runs == ['run-0']
        - {look: holder, register: holder}
        - {assert: {that: holder.value == 'nobody'}, failure_is: locked}
        - act: take
      leave:
        - {look: mine, until: mine.value, register: mine}
  tasks:
    - act: one
";
    let run = |holder: &str, fault: Fault| {
        Kit::new("a", text)
            .finds("holder", &[json!(holder)])
            .fault("a do take", fault)
            .with(|settings| settings.stopped_runs = vec!["run-0".to_owned()])
            .run()
            .exit()
    };
    assert_eq!(run("nobody", Fault::Fine), 0);
    assert_eq!(run("bob", Fault::Fine), 5);
    assert_eq!(run("nobody", Fault::Fails), 2, "another failure is none");
}

#[test]
fn a_renewal_that_failed_is_not_left_for_its_whole_interval() {
    let text = RENEWED
        .replace("every: 5s", "every: 20m")
        .replace("unknown_grace: 0s", "unknown_grace: 20m")
        .replace("seconds: 4", "seconds: 30");
    let again = |fault: Fault| {
        let ran = Kit::new("a", &text)
            .with(|settings| settings.approved.push("new format".to_owned()))
            .fault("a job again", fault)
            .run();
        assert_eq!(ran.exit(), 0);
        let calls = ran.log.iter();
        calls.filter(|call| call.ends_with("job again")).count()
    };
    // Once inside, and once while it settles.
    assert_eq!(again(Fault::Fine), 2);
    assert_eq!(again(Fault::Fails), 3, "once more, soon");
}
