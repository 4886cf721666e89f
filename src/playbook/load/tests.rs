//! Whole playbooks in memory, loaded.

use super::super::testing::{load, outline, shown};
use crate::playbook::{Action, Item, Level, Loop, LoopOver, RoleChoice};

fn tree(files: &[(&str, &str)]) -> String {
    match load(files) {
        Ok(playbook) => outline(&playbook),
        Err(problems) => panic!("{}", shown(&problems).join("\n")),
    }
}

fn mistakes(files: &[(&str, &str)]) -> Vec<String> {
    shown(&load(files).unwrap_err())
}

#[test]
fn a_role_brings_its_dependencies_handlers_and_checks_in_their_order() {
    let files = [
        (
            "site.yml",
            "- hosts: db\n  roles:\n    - { role: b, port: 1, tags: x }\n    - a\n  handlers:\n    - name: restart\n      debug: {}\n  tasks:\n    - import_role: { name: b, tasks_from: other }\n",
        ),
        ("roles/a/tasks/main.yml", "- debug: { msg: a }\n"),
        (
            "roles/a/handlers/main.yml",
            "- name: restart\n  systemd: { name: a }\n",
        ),
        (
            "roles/b/meta/main.yml",
            "dependencies: [a]\nargument_specs: { main: { options: { port: { type: int } } } }\n",
        ),
        (
            "roles/b/tasks/main.yml",
            "- name: first\n  include_tasks: more.yml\n",
        ),
        ("roles/b/tasks/more.yml", "- command: ls creates=/x\n"),
        ("roles/b/tasks/other.yml", "- debug:\n"),
        ("roles/b/defaults/main.yml", "port: 2\n"),
    ];
    assert_eq!(
        tree(&files),
        "play 1 db
block 1.roles.1 Role
block 1.roles.1.dependencies.1 Role
task 1.roles.1.dependencies.1.tasks.1 debug [debug] {\"msg\":\"a\"}
task 1.roles.1.arguments Validating arguments against arg spec 'main' [validate_argument_spec] 
task 1.roles.1.tasks.1 first [include_tasks] 
block 1.tasks.1 Role
block 1.tasks.1 Role
task 1.tasks.1.tasks.1 debug [debug] {}
handler 1.roles.1.dependencies.1.handlers.1 restart [systemd] {\"name\":\"a\"}
handler 1.handlers.1 restart [debug] {}
roles a b b
include 1.roles.1.tasks.1
block 1.roles.1.tasks.1.more.yml Tasks
task 1.roles.1.tasks.1.more.yml.1 command [command] {\"cmd\":\"ls\",\"creates\":\"/x\"}"
    );
}

#[test]
fn what_a_task_inherits_is_in_its_context() {
    let playbook = load(&[
        (
            "site.yml",
            "- hosts: db\n  become: true\n  vars: { a: 1 }\n  tags: [one]\n  environment: { A: 1 }\n  tasks:\n    - when: x\n      tags: two,three\n      environment: { B: 2 }\n      become: false\n      block:\n        - import_tasks: more.yml\n          when: y\n          vars: { b: 2 }\n",
        ),
        ("more.yml", "- debug:\n  when: z\n  tags: four\n"),
    ])
    .unwrap();
    let play = playbook.plays().next().unwrap();
    let Item::Block(outer) = &play.tasks[0] else {
        panic!()
    };
    let Item::Block(import) = &outer.block[0] else {
        panic!()
    };
    let Item::Task(task) = &import.block[0] else {
        panic!()
    };
    let texts = |nodes: Vec<&crate::yaml::Node>| {
        nodes
            .iter()
            .map(|node| node.as_str().unwrap_or("?").to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(texts(task.context.conditions()), ["x", "y", "z"]);
    assert_eq!(texts(task.context.tags()), ["one", "two", "three", "four"]);
    assert_eq!(task.context.environment().len(), 2);
    let nearest = task.context.nearest(|keywords| keywords.r#become.as_ref());
    assert_eq!(nearest.unwrap().to_value(), false);
    let levels: Vec<bool> = task
        .context
        .levels()
        .map(|level| level.keywords.vars.is_some())
        .collect();
    assert_eq!(levels, [false, true, false, true]);
    assert!(matches!(task.context.level, Level::Task));
}

#[test]
fn old_forms_mean_the_same() {
    let found = tree(&[(
        "site.yml",
        "- hosts: all
  module_defaults: { copy: { mode: '0600' }, ansible.builtin.service: { enabled: yes } }
  tasks:
    - action: copy src=a dest='/b c' mode=0644
    - local_action: { module: command, cmd: ls }
    - ansible.builtin.shell: |
        echo a=b
        exit 0
      args: { chdir: /tmp, creates: /x }
    - copy: content=x dest=/y
    - systemd_service: name=x state=started
",
    )]);
    assert_eq!(
        found,
        "play 1 all
task 1.tasks.1 copy [copy] {\"src\":\"a\",\"dest\":\"/b c\",\"mode\":\"0644\"}
task 1.tasks.2 command [command] {\"cmd\":\"ls\"}
task 1.tasks.3 ansible.builtin.shell [ansible.builtin.shell] {\"cmd\":\"echo a=b\\nexit 0\\n\",\"chdir\":\"/tmp\",\"creates\":\"/x\"}
task 1.tasks.4 copy [copy] {\"content\":\"x\",\"dest\":\"/y\",\"mode\":\"0600\"}
task 1.tasks.5 systemd_service [systemd_service] {\"name\":\"x\",\"state\":\"started\",\"enabled\":\"yes\"}"
    );
}

#[test]
fn a_command_without_quotes_that_is_no_text_is_refused() {
    let found = mistakes(&[(
        "site.yml",
        "- hosts: all\n  tasks:\n    - command: true\n    - shell: 5\n",
    )]);
    assert_eq!(
        found,
        [
            "site.yml:3:16: `command` takes text or a map, not a truth value (quote it: `command: \"true\"`)",
            "site.yml:4:14: `shell` takes text or a map, not a number (quote it: `shell: \"5\"`)",
        ]
    );
}

#[test]
fn loops_old_and_new_are_kept_as_written() {
    let playbook = load(&[(
        "site.yml",
        "- hosts: all\n  tasks:\n    - debug:\n      loop: [1]\n      loop_control: { loop_var: x, label: '{{ x }}' }\n    - debug:\n      with_dict: { a: 1 }\n    - debug:\n      first_available_file: [a, b]\n",
    )])
    .unwrap();
    let play = playbook.plays().next().unwrap();
    let over: Vec<String> = play
        .tasks
        .iter()
        .map(|item| match item {
            Item::Task(task) => match &task.r#loop {
                Some(Loop {
                    over: LoopOver::Items(_),
                    ..
                }) => "items".to_owned(),
                Some(Loop {
                    over: LoopOver::With { lookup, .. },
                    ..
                }) => lookup.clone(),
                None => "none".to_owned(),
            },
            Item::Block(_) => "block".to_owned(),
        })
        .collect();
    assert_eq!(over, ["items", "dict", "first_found"]);
}

#[test]
fn protection_is_read_with_its_own_names() {
    let found = tree(&[
        (
            "site.yml",
            "- name: DB-Servers
  hosts: db
  serial: [1, '25%', '{{ n }}']
  guards:
    - name: a leader
      arangodb_info: { endpoints: '{{ e }}' }
      every: 2s
      until: result.agency.quorum
      grace: 15s
  gate:
    - name: in sync
      arangodb_info: { endpoints: '{{ e }}' }
      register: cluster
      until: cluster.ok
      timeout: 30m
  bracket:
    name: maintenance
    per: batch
    expect: Normal
    read: [ { arangodb_info: { endpoints: [] }, register: m } ]
    found: m.mode
    enter: [ { import_tasks: on.yml } ]
    leave: [ { uri: { url: x } } ]
    hold_while: { stat: { path: /x }, that: result.stat.exists }
  tasks:
    - name: upgrade
      indivisible: true
      takes_down: ['{{ id }}']
      block: [ { command: up, done_when: { stat: { path: /y }, that: result.stat.exists } } ]
",
        ),
        ("on.yml", "- uri: { url: y }\n"),
    ]);
    assert_eq!(
        found,
        "play 1 DB-Servers
task 1.gate.1 in sync [arangodb_info] {\"endpoints\":\"{{ e }}\"}
guard 1.guards.1 a leader
bracket 1.bracket.1 maintenance Batch
block 1.bracket.1.enter.1 Tasks
task 1.bracket.1.enter.1.1 uri [uri] {\"url\":\"y\"}
task 1.bracket.1.leave.1 uri [uri] {\"url\":\"x\"}
block 1.tasks.1 Written
task 1.tasks.1.block.1 command [command] {\"cmd\":\"up\"}"
    );
}

#[test]
fn brackets_go_around_plays_and_imports_put_their_variables_on_top() {
    let files = [
        (
            "site.yml",
            "- bracket: { name: m, enter: [], leave: [] }\n  hosts: all\n  plays:\n    - hosts: a\n    - import_playbook: sub/more.yml\n      vars: { x: outer }\n      when: w\n- hosts: c\n",
        ),
        ("sub/more.yml", "- hosts: b\n  vars: { x: inner, y: 1 }\n"),
    ];
    assert_eq!(
        tree(&files),
        "bracket around1.bracket m\nplay 1 a\nplay 2 b\nend around1.bracket\nplay 3 c"
    );
    let playbook = load(&files).unwrap();
    let play = playbook.plays().nth(1).unwrap();
    let vars = play.context.keywords.vars.as_ref().unwrap();
    assert_eq!(vars.to_value(), serde_json::json!({"x": "outer", "y": 1}));
    assert_eq!(play.context.conditions().len(), 1);
    assert_eq!(&*play.context.playbook_directory, "sub");
    assert!(play.context.parent.is_some());
}

#[test]
fn includes_are_loaded_when_they_run_as_before() {
    let files = [
        (
            "site.yml",
            "- hosts: all\n  tasks:\n    - include_tasks: { file: '{{ f }}.yml', apply: { become: true, tags: [t] } }\n      vars: { v: 1 }\n    - include_role: { name: '{{ r }}' }\n",
        ),
        ("one.yml", "- debug:\n- include_tasks: two.yml\n"),
        ("two.yml", "- debgu:\n"),
        ("roles/r/tasks/main.yml", "- debug:\n  notify: h\n"),
        ("roles/r/handlers/main.yml", "- name: h\n  debug:\n"),
    ];
    let loader = super::super::testing::loader(&files);
    let playbook = loader.load("site.yml").unwrap();
    let play = playbook.plays().next().unwrap();
    let Item::Task(include) = &play.tasks[0] else {
        panic!()
    };
    let problems = loader.load_tasks(include, "one.yml").unwrap_err();
    assert_eq!(
        shown(&problems),
        ["two.yml:1:3: unknown module `debgu` (did you mean `debug`?)"]
    );
    let problems = loader.load_tasks(include, "oen.yml").unwrap_err();
    assert_eq!(
        shown(&problems),
        ["site.yml:3:30: there is no file `oen.yml` (did you mean `one.yml`?)"]
    );
    let Item::Task(include) = &play.tasks[1] else {
        panic!()
    };
    let choice = RoleChoice {
        name: "r".to_owned(),
        ..RoleChoice::default()
    };
    let loaded = loader.load_role(include, &choice).unwrap();
    assert_eq!(loaded.block.id.as_str(), "1.tasks.2.r");
    assert_eq!(loaded.handlers.len(), 1);
    assert_eq!(
        loaded.handlers[0].context.role().unwrap().role.path,
        "roles/r"
    );
    assert!(!loaded.role.as_ref().unwrap().public);
}

#[test]
fn circles_end() {
    assert_eq!(
        mistakes(&[
            (
                "site.yml",
                "- hosts: all\n  tasks:\n    - import_tasks: a.yml\n  roles: [x]\n- import_playbook: site.yml\n"
            ),
            ("a.yml", "- import_tasks: b.yml\n"),
            ("b.yml", "- import_tasks: a.yml\n"),
            ("roles/x/meta/main.yml", "dependencies: [y]\n"),
            ("roles/y/meta/main.yml", "dependencies: [x]\n"),
        ]),
        [
            "site.yml:5:20: `site.yml` imports itself",
            "roles/y/meta/main.yml:1:16: roles depend on each other in a circle: roles/x -> roles/y -> roles/x",
            "b.yml:1:17: `a.yml` imports itself",
        ]
    );
    // A file may include itself, until a condition says no.
    let found = tree(&[
        (
            "site.yml",
            "- hosts: all\n  tasks:\n    - include_tasks: a.yml\n",
        ),
        ("a.yml", "- include_tasks: a.yml\n  when: again\n"),
    ]);
    assert!(
        found.ends_with("task 1.tasks.1.a.yml.1 include_tasks [include_tasks] "),
        "{found}"
    );
}

#[test]
fn a_role_runs_once_for_one_text() {
    let files = |meta: &'static str| {
        [
            (
                "site.yml",
                "- hosts: all\n  roles: [r, r, { role: r, x: 1 }]\n  tasks: [ { import_role: { name: r } } ]\n",
            ),
            ("roles/r/tasks/main.yml", "- debug:\n"),
            ("roles/r/meta/main.yml", meta),
        ]
    };
    let count = |meta| tree(&files(meta)).matches("debug").count() / 2;
    assert_eq!(count("{}\n"), 3);
    assert_eq!(count("allow_duplicates: yes\n"), 4);
}

#[test]
fn a_literal_include_keeps_its_action_for_the_run() {
    let playbook = load(&[
        (
            "site.yml",
            "- hosts: all\n  tasks:\n    - include_role: { name: r, public: true }\n",
        ),
        ("roles/r/tasks/main.yml", "[]\n"),
    ])
    .unwrap();
    let play = playbook.plays().next().unwrap();
    let Item::Task(task) = &play.tasks[0] else {
        panic!()
    };
    assert!(matches!(&task.action, Action::Include(_)));
    assert!(play.role_uses.is_empty());
    assert_eq!(playbook.includes.len(), 1);
    assert_eq!(playbook.sources.len(), 2);
}

#[test]
fn roles_of_a_gate_bring_their_variables_and_handlers() {
    let playbook = load(&[
        (
            "site.yml",
            "- hosts: all\n  gate: [ { import_role: { name: r } } ]\n  handlers: [ { name: own, debug: } ]\n",
        ),
        ("roles/r/tasks/main.yml", "- debug:\n"),
        ("roles/r/handlers/main.yml", "- name: h\n  debug:\n"),
    ])
    .unwrap();
    let play = playbook.plays().next().unwrap();
    let names: Vec<&str> = play
        .handlers
        .iter()
        .map(|handler| handler.title())
        .collect();
    assert_eq!(names, ["own", "h"]);
    assert_eq!(play.role_uses.len(), 1);
}
