//! The lock while a run works: renewed, lost, joined, and given back.

use serde_json::json;

use super::{LOCK, did, held, kit, owner, taken_over_at, token, with_steps};
use crate::rollout::testing::{Fault, OnCall};

#[test]
fn who_lost_it_goes_to_the_next_rest_point_and_stops() {
    let steps = "
    - indivisible: true
      block:
        - act: down
        - look: up
          register: up
          until: up.value
          delay: 15
          retries: 10
        - act: back
    - act: after
";
    let kit = with_steps("a b c", steps).finds("up", &[json!(false), json!(false), json!(true)]);
    // Somebody removed it by hand: no later run works, and what is down comes back.
    taken_over_at(&kit, "a do down", "a b", None);
    let ran = kit.run();
    assert_eq!(did(&ran), ["a do down", "a do back"], "{:?}", ran.log);
    assert_eq!(ran.exit(), 5);
    let (_, why) = ran.ended.stopped.clone().unwrap();
    assert!(
        why.contains("the lock is lost: b9 r-9 has it, on 2 of 3 machines"),
        "{why}"
    );
    assert_eq!(
        (owner(&kit, "a").as_str(), owner(&kit, "c").as_str()),
        ("b9 r-9", ""),
        "only its own is given back"
    );
}

#[test]
fn what_could_not_be_asked_is_joined_once_it_can() {
    let kit = kit("a b c").fault("c connect", Fault::GoneForGood);
    kit.fleet
        .when("a do one", OnCall::ComesBack("c".to_owned()));
    let ran = kit.run();
    assert_eq!(ran.exit(), 0);
    assert!(
        ran.log
            .iter()
            .any(|call| call == "c : see to the lock: join"),
        "{:?}",
        ran.log
    );
    assert_eq!(
        (owner(&kit, "c"), token(&kit, "c")),
        (String::new(), "1".to_owned())
    );

    // What was taken away from it is not taken again: its removal by hand stops the run.
    let kit = super::kit("a b c");
    for host in ["a", "b", "c"] {
        let removed = OnCall::Removes(host.to_owned(), LOCK.to_owned());
        kit.fleet.when("a do one", removed);
    }
    let ran = kit.run();
    assert_eq!(
        (ran.exit(), did(&ran)),
        (5, vec!["a do one"]),
        "{:?}",
        ran.ended.stopped
    );
    let (_, why) = ran.ended.stopped.clone().unwrap();
    assert!(why.contains("nobody has it"), "{why}");
}

#[test]
fn while_nobody_knows_the_run_waits_and_goes_on_when_somebody_does() {
    let kit = with_steps(
        "a b c",
        "    - act: one\n    - pause: {seconds: 60}\n    - act: two\n",
    );
    for host in ["b", "c"] {
        kit.fleet.when("a do one", OnCall::Goes(host.to_owned()));
    }
    let ran = kit.run();
    assert_eq!(
        (ran.exit(), did(&ran)),
        (7, vec!["a do one"]),
        "it may still be theirs on the machines that are gone: {:?}",
        ran.ended.stopped
    );
    assert!(
        ran.elapsed_s > 60 * 20,
        "it waited for them: {}",
        ran.elapsed_s
    );
}

#[test]
fn a_look_ahead_takes_nothing() {
    let kit = kit("a b c").with(|settings| settings.check = true);
    let ran = kit.run();
    assert_eq!(ran.exit(), 0, "{:?}", ran.failures("a"));
    assert_eq!(
        (owner(&kit, "a"), token(&kit, "a")),
        (String::new(), String::new())
    );
    let kit = super::kit("a b c").with(|settings| settings.check = true);
    held(&kit, "a b", "b9 r-9", "5");
    assert_eq!(
        kit.run().exit(),
        5,
        "it says beforehand that it would be refused"
    );
}

#[test]
fn a_later_token_under_the_same_name_is_another_process_of_the_run() {
    let kit = kit("a b c");
    for host in ["b", "c"] {
        let later = OnCall::Writes(host.to_owned(), "/lock/x.token".to_owned(), "9".to_owned());
        kit.fleet.when("a do one", later);
    }
    let ran = kit.run();
    assert_eq!((ran.exit(), did(&ran)), (5, vec!["a do one"]));
}

#[test]
fn where_it_cannot_be_given_back_is_told() {
    let kit = kit("a b c");
    kit.fleet.when("a do three", OnCall::Goes("c".to_owned()));
    let ran = kit.run();
    assert_eq!(ran.exit(), 0, "{:?}", ran.ended.stopped);
    let told: Vec<String> = ran
        .events
        .iter()
        .map(|event| format!("{event:?}"))
        .filter(|event| event.contains("may still lie on this machine"))
        .collect();
    assert_eq!(told.len(), 1, "{:?}", ran.events);
    assert!(told[0].contains("\"c\""), "{told:?}");
}
