//! Handlers, includes and roles.

use crate::events::EventKind;
use crate::rollout::testing::{Fault, Kit};

use super::message;

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
