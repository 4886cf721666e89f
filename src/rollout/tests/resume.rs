//! A run that was cut off at any moment goes on to the same end, and runs no command twice.

use std::sync::Arc;

use serde_json::json;

use crate::clock::Clock as _;
use crate::journal::{Journal, MemoryJournal};
use crate::rollout::testing::{Fault, Kit};
use crate::rollout::{InDoubt, Recollection};

const UPGRADE: &str = "
- hosts: all
  gather_facts: true
  serial: 1
  gate:
    - launch: gate
      changed_when: false
  brackets:
    - name: maintenance
      per: batch
      read: [{look: mode, register: mode}]
      found: mode.value
      enter: [{launch: \"on\"}]
      leave: [{launch: \"back-{{ found }}\"}]
  tasks:
    - look: version
      register: before
    - launch: fetch
      register: fetched
    - set_fact: {word: \"{{ fetched.stdout }}\"}
    - act: config
      notify: restart
    - block:
        - launch: may-fail
      rescue:
        - launch: mend
    - include_tasks: more.yml
      loop: [x, y]
    - indivisible: true
      block:
        - launch: stop
        - launch: \"upgrade-{{ word }}\"
          when: before.value == 3
      always:
        - launch: start
    - meta: flush_handlers
    - launch: last
  handlers:
    - name: restart
      launch: restarted
- hosts: all
  gather_facts: false
  tasks:
    - launch: \"end-{{ word }}-{{ before.value }}\"
";

const BATCHES: &str = "
- hosts: all
  gather_facts: false
  serial: 1
  brackets:
    - name: maintenance
      read: [{look: mode, register: mode}]
      found: mode.value
      enter: [{launch: \"on\"}]
      leave: [{launch: \"back-{{ found }}\"}]
  tasks:
    - launch: one
      register: one
- hosts: b,a
  gather_facts: false
  tasks:
    - launch: \"two-{{ one.stdout }}\"
";

/// Which run is cut off.
#[derive(Debug, Clone, Copy)]
enum Story {
    Upgrade,
    Batches,
}

fn kit_of(story: Story) -> Kit {
    let (hosts, text) = match story {
        Story::Upgrade => ("a", UPGRADE),
        Story::Batches => ("a b", BATCHES),
    };
    let mut kit = Kit::new(hosts, text)
        .file("more.yml", "- launch: \"more-{{ item }}\"\n")
        .finds("mode", &[json!("normal")])
        .finds("version", &[json!(3)])
        .fault("a job may-fail", Fault::Fails)
        .with(|settings| settings.forks = 1);
    kit.settings.leave.truncate(1);
    kit
}

fn kit() -> Kit {
    kit_of(Story::Upgrade)
}

/// What a run may do more than once: what is asked anew, and what switches.
fn repeatable(call: &str) -> bool {
    ["job gate", "job on", "job back-normal"]
        .iter()
        .any(|end| call.ends_with(end))
}

fn crash(story: Story, at: usize, at_once: bool) -> (Kit, MemoryJournal) {
    let kit = kit_of(story);
    kit.dies(at, at_once);
    kit.run();
    let journal = kit.journal.clone();
    (kit, journal)
}

fn resume(story: Story, crashed: &Kit, journal: &MemoryJournal, in_doubt: Option<InDoubt>) -> Kit {
    let entries = journal.entries().unwrap();
    let recollection = Recollection::of(&entries).unwrap().answering(in_doubt);
    let mut again = kit_of(story);
    again.goes_on(crashed, Arc::new(recollection));
    assert_eq!(again.journal.len(), journal.len());
    again
}

#[test]
fn any_crash_of_an_upgrade_resumes_to_the_same_end() {
    crashes_everywhere(Story::Upgrade, 130);
}

#[test]
fn any_crash_between_batches_and_plays_resumes_to_the_same_end() {
    crashes_everywhere(Story::Batches, 50);
}

/// Cuts a run off at each of its records, once right after it and once before the next one, and goes on each time.
fn crashes_everywhere(story: Story, at_least: usize) {
    let whole = kit_of(story);
    let ran = whole.run();
    assert_eq!(ran.exit(), 0, "{:?} {:?}", ran.ended, ran.failures("a"));
    let expected = whole.fleet.effects();
    assert!(expected.values().all(|count| *count <= 2), "{expected:?}");
    let total = ran.records.len();
    assert!(total > at_least, "{total}");
    for at in 3..total {
        for at_once in [false, true] {
            let (crashed, journal) = crash(story, at, at_once);
            let case = format!("record {at} of {total}, at once: {at_once}");
            let ran = resume(story, &crashed, &journal, None).run();
            assert_eq!(
                ran.exit(),
                0,
                "{case}: {:?} {:?}",
                ran.ended.stopped,
                ran.failures("a")
            );
            let effects = crashed.fleet.effects();
            for (call, count) in &expected {
                let done = effects.get(call).copied().unwrap_or(0);
                assert!(done >= 1, "{case}: {call} was never done");
                if !repeatable(call) {
                    assert_eq!(done, *count, "{case}: {call} was done again");
                }
            }
            assert_eq!(effects.len(), expected.len(), "{case}: {effects:?}");
            let last = ran
                .log
                .iter()
                .rfind(|call| call.ends_with("job on") || call.ends_with("job back-normal"));
            assert!(
                last.is_none_or(|call| call.ends_with("back-normal")),
                "{case}: maintenance was left on"
            );
        }
    }
}

#[test]
fn a_failed_run_goes_on_at_the_step_that_failed() {
    let failed = kit().fault("a job stop", Fault::Fails);
    let ran = failed.run();
    assert_eq!(ran.exit(), 2);
    failed.fleet.clear_log();
    let again = resume(Story::Upgrade, &failed, &failed.journal, None);
    let ran = again.run();
    assert_eq!(ran.exit(), 0, "{:?}", ran.ended.stopped);
    let did = ran.did();
    assert_eq!(
        did[..4],
        ["a job gate", "a job on", "a job stop", "a job upgrade-out"]
    );
    assert_eq!(failed.fleet.effects()["a job fetch"], 1);
}

#[test]
fn a_command_in_doubt_without_an_answer_is_the_operators() {
    let text = "- hosts: all\n  gather_facts: false\n  tasks:\n    - launch: x\n    - launch: y\n";
    let run = |answer: Option<InDoubt>, task: &str| {
        let text = text.replace("launch: x", task);
        let first = Kit::new("a", &text).fault("a job x", Fault::TimesOut);
        let ran = first.run();
        assert_eq!(ran.exit(), 2, "in doubt");
        first.fleet.fault("a connect", Fault::Fine);
        first.fleet.reboot("a");
        let recollection = Recollection::of(&first.journal.entries().unwrap()).unwrap();
        let mut again = Kit::new("a", &text);
        again.goes_on(&first, Arc::new(recollection.answering(answer)));
        let ran = again.run();
        (ran.exit(), again.fleet.effects()["a job x"])
    };
    assert_eq!(run(None, "launch: x"), (2, 1), "refused");
    assert_eq!(run(Some(InDoubt::Rerun), "launch: x"), (0, 2));
    assert_eq!(run(Some(InDoubt::Skip), "launch: x"), (0, 1));
    let asks = "{launch: x, done_when: {look: there, that: result.value}}";
    assert_eq!(run(None, asks), (0, 1), "it can be asked");
    let creates = "launch: {what: x, creates: y}";
    assert_eq!(run(None, creates), (0, 2), "what it creates is not there");
}

#[test]
fn a_command_whose_answer_was_lost_is_asked_for_at_once_and_not_sent_again() {
    let text = "- hosts: all\n  gather_facts: false\n  tasks:\n    - {send: x, done_when: {look: there, that: result.value}, register: sent}\n    - assert: {that: sent is changed}\n";
    let run = |values: &[serde_json::Value]| {
        let kit = Kit::new("a", text).fault("a do x", Fault::LostAfter);
        let kit = kit.finds("there", values);
        let ran = kit.run();
        (ran.exit(), kit.fleet.effects()["a do x"])
    };
    let (yes, no) = (json!(true), json!(false));
    assert_eq!(run(std::slice::from_ref(&yes)), (0, 1));
    assert_eq!(
        run(&[no.clone(), no.clone(), yes]),
        (0, 1),
        "a little later"
    );
    // Not done so far: it may be done yet, so nobody sends it again, and the run stops.
    assert_eq!(run(&[no]), (2, 1));
}

#[test]
fn a_machine_that_was_replaced_is_done_again() {
    let text = "- hosts: all\n  gather_facts: false\n  tasks:\n    - launch: x\n    - launch: y\n";
    let first = Kit::new("a", text).fault("a job y", Fault::Fails);
    assert_eq!(first.run().exit(), 2);
    first.fleet.replace("a");
    let mut again = Kit::new("a", text);
    let recollection = Recollection::of(&first.journal.entries().unwrap()).unwrap();
    again.goes_on(&first, Arc::new(recollection));
    assert_eq!(again.run().exit(), 0);
    assert_eq!(again.fleet.effects()["a job x"], 2);
}

/// Makes the part of a run that follows on another.
fn after(first: &Kit, mut again: Kit) -> Kit {
    let entries = first.journal.entries().unwrap();
    let recollection = Recollection::of(&entries).unwrap();
    again.goes_on(first, Arc::new(recollection));
    again
}

const MINTED: &str = "
- hosts: all
  gather_facts: false
  tasks:
    - {look: token, register: token, no_log: true}
    - set_fact: {word: 1}
- hosts: all
  gather_facts: false
  brackets:
    - name: maintenance
      enter: [{launch: \"on-{{ token.value }}\"}]
      leave: [{launch: \"off-{{ token.value }}\"}]
  tasks:
    - launch: \"use-{{ token.value }}-{{ word }}\"
";

#[test]
fn a_secret_that_was_read_is_read_again_and_not_stored() {
    let tokens = [json!("minted-first"), json!("minted-again")];
    let kit = || Kit::new("a", MINTED).finds("token", &tokens);
    let first = kit().fault("a job use-minted-first-1", Fault::Fails);
    assert_eq!(first.run().exit(), 2);
    let stored = format!("{:?}", first.journal.entries().unwrap());
    assert!(!stored.contains("minted-first"), "{stored}");
    let again = after(&first, kit());
    let ran = again.run();
    assert_eq!(ran.exit(), 0, "{:?} {:?}", ran.ended, ran.failures("a"));
    let did = ran.did();
    assert!(did.contains(&"a job use-minted-again-1"), "{did:?}");
}

#[test]
fn what_a_dead_run_left_switched_is_put_back_with_a_secret_that_is_read_again() {
    let tokens = [json!("minted-first"), json!("minted-again")];
    let kit = || Kit::new("a b", MINTED).finds("token", &tokens);
    let whole = kit().run().records.len();
    let mut put_back = 0;
    for at in 3..whole {
        let dead = kit();
        dead.dies(at, true);
        let ran = dead.run();
        let is_in = ran.did().iter().any(|call| call.contains("job on-"))
            && !ran.did().iter().any(|call| call.contains("job off-"));
        if !is_in {
            continue;
        }
        let mut again = after(&dead, kit());
        again.recovers = true;
        let ran = again.run();
        assert_eq!(
            ran.exit(),
            0,
            "record {at}: {:?} {:?}",
            ran.ended,
            ran.failures("a")
        );
        let last = ran.did().last().copied();
        assert_eq!(last, Some("a job off-minted-again"), "record {at}");
        put_back += 1;
    }
    assert!(put_back > 3, "{put_back}");
}

#[test]
fn a_secret_that_cannot_be_read_again_hurts_only_who_uses_it() {
    let text = "
- hosts: all
  gather_facts: false
  tasks:
    - {look: token, register: token, no_log: true}
    - set_fact: {kept: \"{{ token.value }}\", word: 1}
- hosts: all
  gather_facts: false
  tasks:
    - launch: \"plain-{{ word }}\"
    - launch: \"use-{{ kept | default('nothing') }}\"
";
    let kit = || Kit::new("a", text).finds("token", &[json!("minted-first")]);
    let first = kit().fault("a job plain-1", Fault::Fails);
    assert_eq!(first.run().exit(), 2);
    let again = after(&first, kit());
    let ran = again.run();
    assert_eq!(ran.exit(), 2);
    let done = again.fleet.effects();
    assert!(done.contains_key("a job plain-1"), "{done:?}");
    let told = ran.failures("a").join("; ");
    assert!(told.contains("stored nowhere"), "{told}");
}

#[test]
fn a_bracket_is_held_while_a_job_of_an_earlier_part_still_runs() {
    let text = "
- hosts: all
  gather_facts: false
  brackets:
    - name: maintenance
      enter: [{launch: \"on\"}]
      leave: [{launch: \"off\"}]
  tasks:
    - {launch: upgrade, timeout: 5}
";
    let kit = || {
        let mut kit = Kit::new("a b", text);
        kit.settings.leave.truncate(1);
        kit
    };
    let first = kit().fault("a job upgrade", Fault::TimesOut);
    assert_eq!(first.run().exit(), 7, "held");
    let recover = |earlier: &Kit| {
        let mut again = after(earlier, kit());
        again.recovers = true;
        let ran = again.run();
        (again, ran)
    };
    let (second, ran) = recover(&first);
    assert_eq!(ran.exit(), 7);
    assert!(!ran.did().contains(&"a job off"), "{:?}", ran.did());
    let reason = &ran.ended.debts[0];
    assert!(
        reason.held && reason.reason.contains("still runs"),
        "{reason:?}"
    );
    // An hour later it has ended, one way or the other.
    first
        .clock
        .wait(std::time::Duration::from_hours(2), &first.stop);
    let (_, ran) = recover(&second);
    assert_eq!(ran.exit(), 0, "{:?}", ran.ended);
    assert_eq!(ran.did().last().copied(), Some("a job off"));
}

#[test]
fn a_request_without_an_answer_is_in_doubt_and_sent_again_only_where_the_task_says_so() {
    let run = |keywords: &str, values: &[serde_json::Value]| {
        let text = format!(
            "- hosts: all\n  gather_facts: false\n  tasks:\n    - {{post: x, register: sent{keywords}}}\n"
        );
        let kit = Kit::new("a", &text).fault("a do x", Fault::LostAfter);
        let kit = kit.finds("there", values);
        let ran = kit.run();
        let sent = kit.fleet.effects()["a do x"];
        (ran.exit(), ran.steps("a"), sent)
    };
    let step = |word: &str| vec![format!("post: {word}")];
    let (yes, no) = (json!(true), json!(false));
    let asks = ", done_when: {look: there, that: result.value}";
    let tries = ", until: sent is succeeded, retries: 2, delay: 1";
    assert_eq!(run("", &[]), (2, step("in doubt"), 1));
    assert_eq!(
        run(asks, std::slice::from_ref(&yes)),
        (0, step("changed"), 1)
    );
    assert_eq!(run(tries, &[]), (0, step("changed"), 2));
    let both = format!("{asks}{tries}");
    assert_eq!(run(&both, &[yes]), (0, step("changed"), 1));
    assert_eq!(run(&both, &[no]), (0, step("changed"), 2));
    assert_eq!(run(", failed_when: false", &[]), (0, step("ok"), 1));
    assert_eq!(run(", ignore_errors: true", &[]), (0, step("ignored"), 1));
}

#[test]
fn a_request_in_doubt_is_asked_for_when_the_run_goes_on() {
    let text = "- hosts: all\n  gather_facts: false\n  tasks:\n    - {post: x, done_when: {look: there, that: result.value}}\n    - launch: y\n";
    let kit = || Kit::new("a", text);
    let first = kit()
        .fault("a do x", Fault::LostAfter)
        .finds("there", &[json!(false)]);
    assert_eq!(first.run().exit(), 2);
    first.fleet.finds("there", &[json!(true)]);
    let again = after(&first, kit());
    assert_eq!(again.run().exit(), 0);
    assert_eq!(again.fleet.effects()["a do x"], 1);
}

/// A bracket that is switched through what the block stops: while that is down nobody can be asked, and nothing switched.
const THROUGH_IT: &str = "
- hosts: all
  gather_facts: false
  brackets:
    - name: quiet
      read: [{look: mode, register: mode}]
      found: mode.value
      enter: [{launch: \"on\"}]
      leave: [{launch: \"back-{{ found }}\"}]
  tasks:
    - launch: first
    - indivisible: true
      block:
        - launch: stop
        - launch: start
    - launch: last
";

#[test]
fn a_bracket_that_nobody_can_be_asked_for_is_entered_again_behind_the_block_that_was_begun() {
    let goes_on = |at: &str| {
        let kit = || {
            let kit = Kit::new("a", THROUGH_IT).finds("mode", &[json!("normal")]);
            kit.with(|settings| settings.leave.clear())
        };
        let first = kit()
            .fault(&format!("a job {at}"), Fault::Fails)
            .fault("a job back-normal", Fault::Fails);
        assert_eq!(first.run().exit(), 7, "it is owed");
        first.fleet.heal();
        first.fleet.clear_log();
        let again = after(&first, kit()).fault("a look mode", Fault::Fails);
        let ran = again.run();
        assert_eq!(ran.exit(), 0, "{:?} {:?}", ran.ended, ran.failures("a"));
        let did = ran.did().into_iter();
        did.map(str::to_owned).collect::<Vec<String>>()
    };
    let inside = ["a job start", "a job on", "a job last", "a job back-normal"];
    assert_eq!(goes_on("start"), inside);
    let behind = ["a job on", "a job last", "a job back-normal"];
    assert_eq!(goes_on("last"), behind, "the block was done");
}
