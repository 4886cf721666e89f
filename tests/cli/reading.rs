//! Commands that only read: inventory, check, plan, modules, completions, man, and wrong lines.

use serde_json::{Value, json};

use crate::user::{Ran, User};

const INVENTORY: &str = "\
[web]
web[1:2] port=80

[db]
db1 port=3306

[site:children]
web
db

[site:vars]
region=north
";

fn json_of(ran: &Ran) -> Value {
    serde_json::from_str(ran.done()).unwrap_or_else(|error| panic!("{error}: {ran:#?}"))
}

#[test]
fn the_inventory_is_printed_as_ansible_does() {
    let user = User::new().with("hosts", INVENTORY);
    let list = json_of(&user.types("inventory -i hosts --list"));
    assert_eq!(list["web"]["hosts"], json!(["web1", "web2"]));
    assert_eq!(list["site"]["children"], json!(["web", "db"]));
    assert_eq!(
        list["_meta"]["hostvars"]["db1"],
        json!({"port": 3306, "region": "north"})
    );
    let limited = json_of(&user.types("inventory -i hosts --list -l 'web:!web1'"));
    assert_eq!(limited["web"]["hosts"], json!(["web2"]), "{limited}");
    assert_eq!(limited["_meta"]["hostvars"]["web1"], Value::Null);

    let host = json_of(&user.types("inventory -i hosts --host web2"));
    assert_eq!(host, json!({"port": 80, "region": "north"}));

    let graph = user.types("inventory -i hosts --graph site");
    assert_eq!(
        graph.done(),
        "@site:\n  |--@web:\n  |  |--web1\n  |  |--web2\n  |--@db:\n  |  |--db1\n"
    );
    assert_eq!(graph.err, "");
}

#[test]
fn what_is_not_in_the_inventory_is_an_error() {
    let user = User::new().with("hosts", INVENTORY);
    let cases = [
        (
            "inventory -i hosts --host web9",
            "there is no host `web9`",
            "did you mean `web1`?",
        ),
        (
            "inventory -i hosts --graph wbe",
            "there is no group `wbe`",
            "did you mean `web`?",
        ),
        (
            "inventory -i hosts --graph elsewhere",
            "there is no group `elsewhere`",
            "--graph shows all groups",
        ),
        (
            "inventory -i hosts --list -l wbe",
            "`wbe` is no group",
            "did you mean `web`?",
        ),
        (
            "inventory -i hosts --list -l all:!elsewhere",
            "`elsewhere` is no group",
            "`stagger inventory --graph` shows",
        ),
        (
            "exec -i hosts SITE -- true",
            "`SITE` is no group",
            "did you mean `site`?",
        ),
        ("inventory -i missing --list", "missing", ""),
    ];
    for (line, told, hint) in cases {
        let ran = user.types(line);
        ran.ended(1, &["error: ", told, hint]);
        assert_eq!(ran.out, "", "{line}");
    }
}

#[test]
fn a_good_playbook_passes_the_check_and_every_mistake_of_a_bad_one_is_told() {
    let user = User::new()
        .with(
            "good.yml",
            "- hosts: all\n  tasks:\n    - command: echo hello\n",
        )
        .with(
            "bad.yml",
            "- hosts: all\n  taks:\n    - ping:\n  tasks:\n    - copy: { srcc: a, src: a, dest: /tmp/b }\n    - cpoy: { src: a }\n",
        );
    let good = user.types("check good.yml");
    assert_eq!(good.code, Some(0), "{good:#?}");
    assert!(good.err.contains("good.yml: ") && good.err.contains("no mistakes"));
    let bad = user.types("check bad.yml good.yml");
    assert_eq!(bad.code, Some(1), "{bad:#?}");
    let expected = "\
error: unknown keyword `taks` of a play
 --> bad.yml:2:3
  |
2 |   taks:
  |   ^^^^ did you mean `tags`?
error: unknown argument `srcc` of `copy`
 --> bad.yml:5:15
  |
5 |     - copy: { srcc: a, src: a, dest: /tmp/b }
  |               ^^^^ did you mean `src`?
error: there is no file `a`
 --> bad.yml:5:29
  |
5 |     - copy: { srcc: a, src: a, dest: /tmp/b }
  |                             ^
  = looked in files, .
error: unknown module `cpoy`
 --> bad.yml:6:7
  |
6 |     - cpoy: { src: a }
  |       ^^^^ did you mean `copy`?
";
    assert!(bad.err.ends_with(expected), "{}", bad.err);
    assert_eq!(bad.out, "");
}

#[test]
fn a_plan_is_text_or_json_and_touches_nothing() {
    let user = User::new().with("hosts", INVENTORY).with(
        "site.yml",
        "- name: two at a time\n  hosts: site\n  gather_facts: false\n  serial: 2\n  tasks:\n    - name: mark\n      command: touch mark\n",
    );
    let text = user.types("plan site.yml -i hosts");
    for part in ["two at a time", "mark", "web1", "db1"] {
        assert!(text.done().contains(part), "{part}: {text:#?}");
    }
    assert_eq!(text.err, "", "differences to Ansible are told by the check");
    let check = user.types("check site.yml");
    let note = "note: a failed host stops the batches that follow";
    assert!(check.err.starts_with(note), "{check:#?}");
    let plan = json_of(&user.types("plan site.yml -i hosts --json"));
    let play = &plan["entries"][0];
    assert_eq!(play["title"], "two at a time");
    assert_eq!(play["hosts"], json!(["web1", "web2", "db1"]));
    assert_eq!(play["batches"], json!([2, 1]));
    assert_eq!(play["items"][0]["action"], "command");
    let limited = json_of(&user.types("plan site.yml -i hosts -l db --json"));
    assert_eq!(limited["entries"][0]["hosts"], json!(["db1"]));
    assert!(!user.has("mark"));
}

#[test]
fn modules_are_listed_and_described() {
    let user = User::new();
    let list = user.types("modules");
    for name in ["command ", "copy ", "arangodb_info ", "command_file "] {
        let found = list.done().lines().filter(|line| line.starts_with(name));
        assert_eq!(found.count(), 1, "{name}");
    }
    let copy = user.types("modules copy");
    for argument in ["dest", "content", "backup"] {
        assert!(copy.done().contains(argument), "{argument}: {copy:#?}");
    }
    assert!(!copy.done().contains("ModuleSpec"), "{copy:#?}");
    user.types("modules cpy")
        .ended(1, &["there is no module `cpy`", "did you mean `copy`?"]);
}

#[test]
fn completions_and_the_manual_are_made_from_the_arguments() {
    let user = User::new();
    for shell in ["bash", "zsh", "fish"] {
        let script = user.types(&format!("completions {shell}"));
        assert!(script.done().contains("preflight"), "{shell}");
    }
    let page = user.types("man");
    assert!(page.done().starts_with(".ie") || page.done().contains(".TH stagger"));
    assert!(page.done().contains("preflight"));
    assert!(page.done().contains("man apply"), "how others are shown");
    let named = regex::Regex::new(r"stagger\\-([a-z]+)\(1\)").unwrap();
    let names: Vec<&str> = named
        .captures_iter(page.done())
        .filter_map(|found| found.get(1))
        .map(|found| found.as_str())
        .collect();
    assert!(names.len() > 10, "{names:?}");
    for name in names {
        for wanted in [name.to_owned(), format!("stagger-{name}")] {
            let page = user.types(&format!("man {wanted}"));
            let title = format!(".TH stagger-{name} 1");
            assert!(page.done().contains(&title), "{wanted}: {page:#?}");
        }
    }
    user.types("man aply")
        .ended(1, &["there is no command `aply`", "did you mean `apply`?"]);
}

#[test]
fn an_unknown_connection_is_found_before_any_host_is_touched() {
    let user = User::new()
        .with("hosts", "web1\nweb2 ansible_connection=lcoal\n")
        .with(
            "site.yml",
            "- hosts: all\n  gather_facts: false\n  tags: [preflight]\n  tasks:\n    - command: touch mark\n",
        );
    let place = "error: ansible_connection: there is no connection `lcoal`\n --> hosts:2:25\n";
    for line in [
        "check site.yml -i hosts",
        "plan site.yml -i hosts",
        "apply site.yml -i hosts --state state",
        "preflight site.yml -i hosts --state state",
        "exec all -i hosts -- touch mark",
    ] {
        let ran = user.types(line);
        ran.ended(1, &[place, "did you mean `local`?"]);
        assert_eq!(ran.out, "", "{line}");
    }
    let play = "- hosts: all\n  gather_facts: false\n  vars: { ansible_connection: winrm }\n  tasks:\n    - command: touch mark\n";
    user.writes("site.yml", play);
    user.types("apply site.yml -i web1, --state state")
        .ended(1, &["site.yml:3:31", "there is no connection `winrm`"]);
    // What cannot be known yet is no mistake.
    user.writes("hosts", "web1 ansible_connection='{{ later }}'\n");
    user.writes(
        "site.yml",
        &play.replace("  vars: { ansible_connection: winrm }\n", ""),
    );
    let ran = user.types("plan site.yml -i hosts");
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    assert!(!user.has("mark") && !user.has("state"));
}

#[test]
fn mistyped_names_are_told_with_what_may_be_meant() {
    let user = User::new().with(
        "site.yml",
        "- hosts: all\n  gather_facts: false\n  tags: [setup]\n  tasks:\n    - name: write the unit\n      command: touch mark\n      point_of_no_return: upgrade-data\n",
    );
    let cases = [
        (
            "--start-at-task 'write teh unit'",
            "did you mean `write the unit`?",
        ),
        ("--start-at-task write", "did you mean `write the unit`?"),
        ("--start-at-task nothing", "--list-tasks lists them"),
        ("--tags stup", "did you mean `setup`?"),
        ("--skip-tags SETUP", "did you mean `setup`?"),
        ("--approve upgrade-dta", "did you mean `upgrade-data`?"),
        ("--limit localhots", "did you mean `localhost`?"),
    ];
    for (line, hint) in cases {
        let ran = user.applies(&format!("site.yml {line}"));
        ran.ended(1, &["error: ", hint]);
    }
    assert!(!user.has("mark"));
    user.applies("site.yml --approve upgrade-data --approve elsewhere")
        .ended(0, &["warning: no point of no return is called `elsewhere`"]);
}

#[test]
fn a_closed_pipe_ends_quietly() {
    let user = User::new().with("hosts", INVENTORY);
    for line in ["man", "completions bash", "inventory -i hosts --list"] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut command = user.command(line);
        let output = command.stdout(writer).output().unwrap();
        let ran = user.ran(&output);
        assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""), "{line}");
    }
}

#[test]
fn a_wrong_line_is_bad_usage() {
    let user = User::new();
    let cases = [
        ("", "Usage: stagger <COMMAND>"),
        ("aply site.yml", "a similar subcommand exists: 'apply'"),
        ("apply", "<PLAYBOOK>"),
        (
            "apply site.yml --chekc",
            "a similar argument exists: '--check'",
        ),
        ("apply site.yml -f many", "invalid value 'many'"),
        ("inventory", "--list"),
        ("init mongodb", "invalid value 'mongodb'"),
        ("apply missing.yml -i localhost,", "missing.yml"),
        ("apply missing.yml", "error: "),
    ];
    for (line, told) in cases {
        let ran = user.types(line);
        assert_eq!(ran.out, "", "{line}");
        ran.ended(1, &[told]);
    }
    let version = user.types("--version");
    let expected = format!("stagger {}\n", env!("CARGO_PKG_VERSION"));
    assert_eq!(version.done(), expected);
    assert!(user.types("apply --help").done().contains("--approve"));
}

#[test]
fn a_plan_that_is_kept_is_done_or_refused() {
    let playbook = "- name: mark\n  hosts: web\n  gather_facts: false\n  tasks:\n    - name: mark\n      command: touch {{ playbook_dir }}/{{ inventory_hostname }}-{{ word }}\n";
    let user = User::new()
        .with("hosts", INVENTORY)
        .with("site.yml", playbook);
    let vars = "-e ansible_connection=local -e word=once";
    let plan = user.types(&format!("plan site.yml -i hosts -l web1 {vars} --out kept"));
    assert!(plan.done().contains("1 host, alone: web1"), "{plan:#?}");
    user.types("apply kept -l web2 --state state")
        .ended(1, &["they cannot be given again"]);
    user.types("apply kept --state state").done();
    assert!(user.has("web1-once") && !user.has("web2-once"));
    user.writes("hosts", &INVENTORY.replace("port=80", "port=81"));
    user.types("apply kept --state state").ended(
        1,
        &[
            "the plan does not hold any more",
            "changed since: variables of the inventory",
        ],
    );
    user.writes("hosts", INVENTORY);
    user.writes("site.yml", &playbook.replace("touch", "rm -f"));
    user.types("apply kept --state state")
        .ended(1, &["changed since: file site.yml changed"]);
    assert!(user.has("web1-once"), "nothing was touched");
    user.types("plan site.yml -i hosts -e api_token=abcdef -e word=x --out kept")
        .ended(1, &["`api_token` is a secret"]);
}

#[test]
fn a_plan_shows_values_that_are_the_same_everywhere_and_no_secrets() {
    let playbook = "- hosts: web\n  gather_facts: false\n  vars: { wait: 30s }\n  tasks:\n    - name: look\n      command: look {{ region }} {{ inventory_hostname }}\n      changed_when: false\n      register: seen\n      until: seen.rc == 0\n      timeout: \"{{ wait }}\"\n    - name: log in\n      command: login {{ region }} {{ db_password }}\n    - name: later\n      command: use {{ seen.stdout | default('none') }}\n";
    let user = User::new()
        .with("hosts", INVENTORY)
        .with("site.yml", playbook);
    let plan = user.types("plan site.yml -i hosts -e db_password=hunter22");
    for part in [
        "waits until seen.rc == 0, at most 30s",
        "login north ***",
        "use <after: look>",
        "{{ inventory_hostname }}",
    ] {
        assert!(plan.done().contains(part), "{part}: {}", plan.out);
    }
    assert!(!plan.out.contains("hunter22"), "{}", plan.out);
}
