//! Who does what: delegation, hosts that are added, that end, that go at their own pace.

use serde_json::json;

use crate::rollout::testing::{Fault, Kit};

use super::play;

#[test]
fn what_runs_once_runs_once_in_a_batch_for_all() {
    let text = |serial: u32| {
        format!(
            "
- hosts: all
  gather_facts: false
  serial: {serial}
  tasks:
    - look: x
      run_once: true
      register: found
    - act: \"got-{{{{ found.value }}}}\"
"
        )
    };
    let run = |serial| {
        let kit = Kit::new("a b c d", &text(serial)).finds("x", &[json!(5)]);
        kit.with(|settings| settings.forks = 1).run()
    };
    let ran = run(4);
    assert_eq!(
        ran.log.iter().filter(|call| call.contains("look")).count(),
        1
    );
    assert_eq!(ran.did().len(), 4);
    let ran = run(2);
    let looks: Vec<&String> = ran
        .log
        .iter()
        .filter(|call| call.contains("look"))
        .collect();
    assert_eq!(looks, ["a look x", "c look x"], "once in each batch");
}

#[test]
fn steps_are_delegated_and_facts_go_where_they_are_told() {
    let ran = play(
        "a b",
        "
- act: \"for-{{ inventory_hostname }}\"
  delegate_to: b
  when: inventory_hostname == 'a'
- set_fact: {color: red}
  delegate_to: b
  delegate_facts: true
  when: inventory_hostname == 'a'
- act: \"{{ hostvars['b'].color }}-{{ color | default('none') }}\"
  when: inventory_hostname == 'a'
",
    )
    .run();
    assert_eq!(ran.did(), ["b do for-a", "a do red-none"]);
}

#[test]
fn hosts_and_groups_are_added_while_the_run_goes_on() {
    let kit = Kit::new(
        "a b",
        "
- hosts: all
  gather_facts: false
  tasks:
    - group_by: {key: \"is_{{ inventory_hostname }}\"}
    - add_host: {name: new, groups: [fresh], color: blue}
- hosts: is_b
  gather_facts: false
  tasks: [{act: grouped}]
- hosts: fresh
  gather_facts: false
  tasks: [{act: \"added-{{ color }}\"}]
",
    );
    let ran = kit.run();
    assert_eq!(ran.did(), ["b do grouped", "new do added-blue"]);
    assert_eq!(ran.exit(), 0);
}

#[test]
fn a_play_whose_template_names_nobody_takes_no_part() {
    let kit = Kit::new(
        "a b",
        "
- hosts: \"{{ [] if quick else 'all' }}\"
  vars: {quick: true}
  gather_facts: false
  order_by: \"{{ never_defined }}\"
  gate: [{act: gate}]
  tasks: [{act: slow}]
- hosts: \"{{ [] if quick | default(false) else 'b' }}\"
  gather_facts: false
  tasks: [{act: other}]
",
    );
    let ran = kit.run();
    assert_eq!(ran.did(), ["b do other"]);
    assert_eq!(ran.exit(), 0);
}

#[test]
fn a_play_whose_variable_is_empty_is_a_mistake() {
    for nothing in ["''", "' '", "['']", "'' ~ []"] {
        let play = format!(
            "- hosts: \"{{{{ {nothing} }}}}\"\n  gather_facts: false\n  tasks: [{{act: one}}]\n"
        );
        let ran = Kit::new("a b", &play).run();
        assert!(ran.did().is_empty(), "{nothing}: {:?}", ran.did());
        assert_ne!(ran.exit(), 0, "{nothing}");
    }
}

#[test]
fn hosts_end_their_part_where_they_are_told() {
    let ran = play(
        "a b",
        "
- meta: end_host
  when: inventory_hostname == 'a'
- act: one
- meta: end_play
- act: two
",
    )
    .run();
    assert_eq!(ran.did(), ["b do one"]);
    assert_eq!(ran.exit(), 0);
}

#[test]
fn hosts_go_at_their_own_pace_when_the_play_says_so() {
    let kit = Kit::new(
        "a b",
        "
- hosts: all
  strategy: free
  gather_facts: false
  tasks:
    - act: one
      notify: h
    - look: x
      run_once: true
      register: r
    - act: \"two-{{ r.value }}\"
  handlers:
    - name: h
      act: handled
",
    );
    let ran = kit
        .finds("x", &[json!(1)])
        .with(|settings| settings.forks = 1)
        .run();
    assert_eq!(
        ran.did(),
        [
            "a do one",
            "a do two-1",
            "a do handled",
            "b do one",
            "b do two-1",
            "b do handled"
        ]
    );
    assert_eq!(
        ran.log.iter().filter(|call| call.contains("look")).count(),
        1
    );
}

#[test]
fn facts_are_gathered_first() {
    let kit = Kit::new(
        "a",
        "- hosts: all\n  tasks: [{act: \"{{ ansible_hostname }}-{{ ansible_facts.hostname }}\"}]",
    );
    assert_eq!(kit.run().did(), ["a do a-a"]);
}

#[test]
fn a_fatal_error_is_one_for_all_hosts() {
    let ran = play("a b", "- act: one\n  any_errors_fatal: true\n- act: two")
        .fault("a do one", Fault::Fails)
        .run();
    assert_eq!(ran.did(), ["a do one", "b do one"]);
    assert_eq!(ran.exit(), 2);
}

#[test]
fn throttle_and_forks_limit_what_is_done_at_once() {
    // Many hosts on a few threads: every host is done, once, whatever the limits are.
    let hosts: Vec<String> = (0..40).map(|number| format!("h{number}")).collect();
    for (forks, throttle) in [(8, 0), (8, 2), (3, 50), (1, 0)] {
        let text = format!(
            "- hosts: all\n  gather_facts: false\n  tasks:\n    - act: x\n      throttle: {throttle}\n"
        );
        let kit = Kit::new(&hosts.join(" "), &text).with(|settings| settings.forks = forks);
        let ran = kit.run();
        assert_eq!(ran.did().len(), 40);
        assert_eq!(ran.exit(), 0);
        let finished = ran.told(&["step_finished"]).len();
        assert_eq!(finished, 40);
    }
}

#[test]
fn variables_come_from_where_ansible_takes_them() {
    let kit = Kit::new(
        "a",
        "
- hosts: all
  gather_facts: false
  vars: {one: play, two: play, three: play}
  vars_files: [more.yml, \"{{ inventory_hostname }}.yml\"]
  tasks:
    - act: \"{{ one }}-{{ two }}-{{ three }}-{{ four }}\"
      vars: {three: task}
    - block:
        - act: \"{{ one }}\"
      vars: {one: block}
",
    );
    let ran = kit
        .file("more.yml", "two: file\n")
        .file("a.yml", "four: mine\n")
        .run();
    assert_eq!(ran.did(), ["a do play-file-task-mine", "a do block"]);
}

#[test]
fn a_host_that_failed_is_among_the_plays_hosts_no_more() {
    let kit = play(
        "a b",
        "
- act: one
- act: \"{{ ansible_play_hosts | join('+') }}\"
- meta: end_play
  when: ansible_play_hosts | length < ansible_play_hosts_all | length
- act: two
",
    );
    let ran = kit.fault("a do one", Fault::Fails).run();
    assert_eq!(ran.did(), ["a do one", "b do one", "b do b"]);
    assert_eq!(ran.exit(), 2);
    // One that is rescued stays.
    let kit = play(
        "a b",
        "
- block: [{act: one}]
  rescue: [{act: \"{{ ansible_play_hosts | join('+') }}\"}]
- act: \"all {{ ansible_play_hosts | join('+') }}\"
",
    );
    let ran = kit.fault("a do one", Fault::Fails).run();
    assert_eq!(
        ran.did(),
        [
            "a do one",
            "b do one",
            "a do a+b",
            "a do all a+b",
            "b do all a+b"
        ]
    );
}
