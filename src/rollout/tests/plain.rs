//! What people who know Ansible expect of tasks, loops, conditions, results, handlers, includes.

use serde_json::json;

use crate::events::EventKind;
use crate::rollout::testing::{Fault, Kit, Ran};

/// Runs tasks of one play on hosts, one after another where the order matters.
fn play(hosts: &str, tasks: &str) -> Kit {
    let indented = tasks.trim_matches('\n').replace('\n', "\n    ");
    let text = format!("- hosts: all\n  gather_facts: false\n  tasks:\n    {indented}\n");
    Kit::new(hosts, &text).with(|settings| settings.forks = 1)
}

fn message(ran: &Ran, host: &str, index: usize) -> String {
    ran.failures(host).get(index).cloned().unwrap_or_default()
}

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
fn without_until_a_failed_task_is_tried_again() {
    let ran = play("a", "- launch: x\n  retries: 3\n  delay: 2")
        .fault("a job x", Fault::Fails)
        .fault("a job x", Fault::Fails)
        .run();
    assert_eq!(ran.did(), ["a job x"; 3], "each try is a job of its own");
    assert_eq!((ran.exit(), ran.elapsed_s), (0, 4));
    assert_eq!(ran.told(&["step_intended"]).len(), 3);
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
fn handlers_run_once_in_their_order_at_the_end_of_the_section() {
    let kit = Kit::new(
        "a b",
        "
- hosts: all
  gather_facts: false
  tasks:
    - act: one
      notify: [second, topic]
    - act: two
      notify: second
    - act: three
  post_tasks:
    - act: post
  handlers:
    - name: first
      act: h1
      listen: topic
    - name: second
      act: h2
      notify: third
    - name: third
      act: h3
    - name: never
      act: h4
",
    );
    let ran = kit.with(|settings| settings.forks = 1).run();
    let a: Vec<&str> = ran
        .did()
        .into_iter()
        .filter(|call| call.starts_with('a'))
        .collect();
    assert_eq!(
        a,
        [
            "a do one",
            "a do two",
            "a do three",
            "a do h1",
            "a do h2",
            "a do h3",
            "a do post"
        ]
    );
}

#[test]
fn handlers_are_flushed_and_failed_hosts_run_theirs_only_by_force() {
    let text = |force: bool| {
        format!(
            "
- hosts: all
  gather_facts: false
  force_handlers: {force}
  tasks:
    - act: one
      notify: h
    - meta: flush_handlers
    - act: two
      notify: h
    - launch: three
  handlers:
    - name: h
      launch: handler
"
        )
    };
    let run = |force| {
        Kit::new("a", &text(force))
            .fault("a job three", Fault::Fails)
            .run()
    };
    let ran = run(false);
    assert_eq!(
        ran.did(),
        ["a do one", "a job handler", "a do two", "a job three"]
    );
    let ran = run(true);
    assert_eq!(ran.did().last(), Some(&"a job handler"));
    assert_eq!(ran.exit(), 2);
}

#[test]
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "only these kinds matter here; the others are passed over on purpose"
)]
fn includes_are_found_for_each_host_and_walked_together() {
    let kit = Kit::new(
        "a b c",
        "
- hosts: all
  gather_facts: false
  tasks:
    - include_tasks: \"{{ 'odd' if inventory_hostname == 'b' else 'even' }}.yml\"
      vars: {word: w}
    - include_tasks: each.yml
      loop: [1, 2]
      loop_control: {loop_var: number}
      when: inventory_hostname != 'c'
",
    );
    let ran = kit
        .file("odd.yml", "- act: odd-{{ word }}\n")
        .file("even.yml", "- act: even-{{ word }}\n- act: even-2\n")
        .file("each.yml", "- launch: \"n{{ number }}\"\n")
        .with(|settings| settings.forks = 1)
        .run();
    assert_eq!(
        ran.did(),
        [
            "a do even-w",
            "c do even-w",
            "a do even-2",
            "c do even-2",
            "b do odd-w",
            "a job n1",
            "b job n1",
            "a job n2",
            "b job n2"
        ]
    );
    let ids: std::collections::BTreeSet<String> = ran
        .events
        .iter()
        .filter_map(|event| match &event.kind {
            EventKind::StepIntended { step, .. } => Some(step.to_string()),
            _ => None,
        })
        .collect();
    assert_eq!(ids.len(), 9, "every step has a name of its own: {ids:#?}");
}

#[test]
fn roles_bring_defaults_handlers_and_parameters() {
    let kit = Kit::new(
        "a",
        "
- hosts: all
  gather_facts: false
  roles:
    - {role: db, size: 7}
  tasks:
    - include_role: {name: late}
",
    );
    let ran = kit
        .file("roles/db/defaults/main.yml", "size: 1\nname: db\n")
        .file("roles/db/vars/main.yml", "kind: v\n")
        .file(
            "roles/db/tasks/main.yml",
            "- act: \"{{ name }}-{{ size }}-{{ kind }}-{{ role_name }}\"\n  notify: restart\n",
        )
        .file(
            "roles/db/handlers/main.yml",
            "- name: restart\n  act: restarted\n",
        )
        .file(
            "roles/late/tasks/main.yml",
            "- act: late\n  notify: later\n",
        )
        .file(
            "roles/late/handlers/main.yml",
            "- name: later\n  act: later\n",
        )
        .run();
    assert_eq!(
        ran.did(),
        [
            "a do db-7-v-db",
            "a do late",
            "a do restarted",
            "a do later"
        ]
    );
}

#[test]
fn a_role_refuses_wrong_arguments() {
    let kit = Kit::new("a", "- hosts: all\n  gather_facts: false\n  roles: [db]\n");
    let ran = kit
        .inventory("all:\n  hosts:\n    a:\n      port: many\n")
        .file("roles/db/tasks/main.yml", "- act: x\n")
        .file(
            "roles/db/meta/argument_specs.yml",
            "argument_specs:\n  main:\n    options:\n      port: {type: int}\n      word: {type: str, required: true}\n",
        )
        .run();
    assert!(ran.did().is_empty());
    let said = message(&ran, "a", 0);
    assert!(said.contains("port") && said.contains("word"), "{said}");
    assert_eq!(ran.exit(), 2);
}

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
fn an_include_that_runs_once_is_included_by_the_first_host_only() {
    let text = "
- hosts: all
  gather_facts: false
  tasks:
    - include_tasks: more.yml
      run_once: true
";
    let ran = Kit::new("a b", text)
        .file("more.yml", "- act: inside\n")
        .run();
    let did: Vec<&String> = ran
        .log
        .iter()
        .filter(|line| line.contains(" do "))
        .collect();
    assert_eq!(did, ["a do inside"]);
}
