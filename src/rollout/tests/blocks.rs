//! Blocks, batches, budgets.

use serde_json::json;

use crate::rollout::testing::{Fault, Kit};

const BLOCK: &str = "
- hosts: all
  gather_facts: false
  tasks:
    - block:
        - act: one
        - act: two
      rescue:
        - act: \"rescued-{{ ansible_failed_task.action }}\"
      always:
        - act: always
    - act: after
";

fn mine(did: &[&str], host: char) -> Vec<String> {
    let own = did.iter().filter(|call| call.starts_with(host));
    own.map(|call| call[2..].to_owned()).collect()
}

#[test]
fn a_failure_is_rescued_and_always_runs_on_all() {
    let ran = Kit::new("a b", BLOCK).fault("a do one", Fault::Fails).run();
    let did = ran.did();
    assert_eq!(
        mine(&did, 'a'),
        ["do one", "do rescued-act", "do always", "do after"]
    );
    assert_eq!(
        mine(&did, 'b'),
        ["do one", "do two", "do always", "do after"]
    );
    assert_eq!(ran.exit(), 0);
    let counts = ran.ended.recap["a"];
    assert_eq!((counts.failed, counts.rescued), (0, 1));
}

#[test]
fn a_failed_rescue_is_a_failure_and_always_runs_all_the_same() {
    let ran = Kit::new("a", BLOCK)
        .fault("a do two", Fault::Fails)
        .fault("a do rescued-act", Fault::Fails)
        .run();
    let did = ran.did();
    assert_eq!(
        mine(&did, 'a'),
        ["do one", "do two", "do rescued-act", "do always"]
    );
    assert_eq!(ran.exit(), 2);
}

#[test]
fn rescue_is_for_failures_and_always_is_tried_for_hosts_that_are_gone() {
    let ran = Kit::new("a", BLOCK).fault("a do two", Fault::Gone).run();
    assert_eq!(ran.exit(), 0, "it came back in time: {:?}", ran.log);

    let ran = Kit::new("a b", BLOCK)
        .fault("a see two", Fault::GoneForGood)
        .run();
    let did = ran.did();
    assert_eq!(mine(&did, 'a'), ["do one"]);
    assert_eq!(mine(&did, 'b').last().unwrap(), "do after");
    assert_eq!(ran.exit(), 7, "what `always` should have done is owed");
    let debt = &ran.ended.debts[0];
    assert!(debt.reason.contains("a could not be reached"), "{debt:?}");
    assert_eq!(debt.by_hand[0].command, "do-it always");
}

#[test]
fn always_runs_for_a_host_that_comes_back() {
    let mut kit = Kit::new("a", BLOCK);
    kit.settings.reconnect.truncate(1);
    let ran = kit
        .fault("a see two", Fault::Gone)
        .fault("a see two", Fault::Gone)
        .run();
    assert_eq!(ran.did(), ["a do one", "a do always"]);
    assert_eq!(ran.exit(), 4);
}

const SERIAL: &str = "
- hosts: all
  gather_facts: false
  serial: 2
  tasks:
    - act: one
    - act: two
";

#[test]
fn one_failed_host_and_no_further_batch_starts() {
    let kit = Kit::new("a b c d", SERIAL).with(|settings| settings.forks = 1);
    let ran = kit.fault("a do one", Fault::Fails).run();
    assert_eq!(
        ran.did(),
        ["a do one", "b do one", "b do two"],
        "the other host finishes"
    );
    assert_eq!(ran.exit(), 2);
    assert_eq!(ran.told(&["batch_started"]).len(), 1);
    let (_, why) = ran.ended.stopped.unwrap();
    assert!(why.contains("no further batch"), "{why}");

    let kit = Kit::new("a b c d", SERIAL);
    let ran = kit.fault("a connect", Fault::GoneForGood).run();
    assert_eq!(ran.exit(), 4, "unreachable hosts count");
    assert_eq!(ran.told(&["batch_started"]).len(), 1);
}

#[test]
fn a_play_may_go_on_as_ansible_does() {
    let text = SERIAL.replace("serial: 2", "serial: 2\n  on_failure: continue");
    let kit = Kit::new("a b c d", &text).with(|settings| settings.forks = 1);
    let ran = kit.fault("a do one", Fault::Fails).run();
    assert_eq!(ran.did().last(), Some(&"d do two"));
    assert_eq!(ran.exit(), 2);

    let kit = Kit::new("a b c d", &text);
    let ran = kit
        .fault("a do one", Fault::Fails)
        .fault("b do one", Fault::Fails)
        .run();
    assert_eq!(
        ran.told(&["batch_started"]).len(),
        1,
        "the whole batch failed"
    );
}

#[test]
fn a_budget_is_of_the_run_and_counts_hosts_that_are_gone() {
    let text = SERIAL.replace("serial: 2", "serial: 1\n  max_fail_percentage: 25");
    let run = |faults: &[(&str, Fault)]| {
        let mut kit = Kit::new("a b c d", &text);
        for (call, fault) in faults {
            kit = kit.fault(call, *fault);
        }
        kit.run()
    };
    let ran = run(&[("a do one", Fault::Fails)]);
    assert_eq!(
        ran.told(&["batch_started"]).len(),
        4,
        "25 % are not exceeded"
    );
    let ran = run(&[
        ("a do one", Fault::Fails),
        ("b connect", Fault::GoneForGood),
    ]);
    assert_eq!(ran.told(&["batch_started"]).len(), 2);
    let (_, why) = ran.ended.stopped.unwrap();
    assert!(why.contains("2 of 4 hosts"), "{why}");
}

#[test]
fn batches_are_cut_and_ordered_by_what_is_so_at_that_moment() {
    let text = "
- hosts: all
  gather_facts: false
  serial: [1, 50%]
  order: reverse_sorted
  tasks:
    - act: x
";
    let kit = Kit::new("a b c d", text).with(|settings| settings.forks = 1);
    assert_eq!(kit.run().did(), ["d do x", "c do x", "b do x", "a do x"]);

    let text = "
- hosts: all
  gather_facts: false
  serial: 1
  order_by: \"{{ 1 if leader.value == inventory_hostname else 0 }}\"
  gate:
    - look: leader
      register: leader
  tasks:
    - act: x
";
    let leaders = [json!("a"), json!("c"), json!("c"), json!("b")];
    let ran = Kit::new("a b c", text).finds("leader", &leaders).run();
    assert_eq!(
        ran.did(),
        ["b do x", "a do x", "c do x"],
        "c became the leader meanwhile"
    );
}

#[test]
fn hosts_of_one_machine_share_a_place_in_a_batch() {
    let text = SERIAL.replace("serial: 2", "serial: 1");
    let kit = Kit::new("a b c", &text).with(|settings| {
        for (host, machine) in [("a", "m1"), ("b", "m2"), ("c", "m1")] {
            settings
                .machines
                .insert(host.to_owned(), machine.to_owned());
        }
        settings.forks = 1;
    });
    let ran = kit.run();
    assert_eq!(
        ran.did()[..4],
        ["a do one", "c do one", "a do two", "c do two"]
    );
    assert_eq!(ran.told(&["batch_started"]).len(), 2);
}

#[test]
fn later_plays_are_without_the_hosts_that_were_lost() {
    let text = "
- hosts: all
  gather_facts: false
  on_failure: continue
  tasks: [{act: one}]
- hosts: all
  gather_facts: false
  tasks: [{act: two}]
";
    let kit = Kit::new("a b", text).with(|settings| settings.forks = 1);
    let ran = kit.fault("a do one", Fault::Fails).run();
    assert_eq!(ran.did(), ["a do one", "b do one", "b do two"]);
}

#[test]
fn a_limit_leaves_out_hosts() {
    let kit = Kit::new("a b c", SERIAL).with(|settings| {
        let files = crate::inventory::testing::MemoryFiles::new([(
            "h.yml",
            "all: {hosts: {a: , b: , c: }}",
        )]);
        let inventory = crate::inventory::Inventory::load(&["h.yml".to_owned()], &files).unwrap();
        settings.limit = Some(inventory.limit("b", &files).unwrap());
    });
    assert_eq!(kit.run().did(), ["b do one", "b do two"]);
}
