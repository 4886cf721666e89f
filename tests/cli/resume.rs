//! Runs that stopped: they go on where they were, from what they were made of; what they owe is told and put back.

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

use rustix::process::Signal;
use serde_json::Value;

use crate::user::{Ran, User};

const HOSTS: &str = "a ansible_connection=local\nb ansible_connection=local\n";

const SERIAL: &str = "\
- name: work
  hosts: all
  gather_facts: false
  serial: 1
  tasks:
    - name: mark
      shell: echo {{ inventory_hostname }} {{ word | default('first') }} >> {{ playbook_dir }}/log
    - name: slow
      command: sleep 1
    - name: after
      shell: echo after {{ inventory_hostname }} >> {{ playbook_dir }}/log
";

const BRACKET: &str = "\
- name: work
  hosts: all
  gather_facts: false
  bracket:
    name: the lamp is off
    read:
      - slurp: { src: \"{{ playbook_dir }}/lamp\" }
        register: lamp
    found: \"{{ lamp.content | b64decode | trim }}\"
    enter:
      - name: off
        shell: echo off > {{ playbook_dir }}/lamp
    leave:
      - name: as it was
        shell: echo {{ found }} > {{ playbook_dir }}/lamp
  tasks:
    - name: mark
      shell: echo {{ inventory_hostname }} >> {{ playbook_dir }}/log
    - name: slow
      command: sleep 2
    - name: after
      shell: echo after {{ inventory_hostname }} >> {{ playbook_dir }}/log
";

fn user(playbook: &str) -> User {
    User::new().with("hosts", HOSTS).with("site.yml", playbook)
}

impl User {
    /// Applies, and sends a signal when a step of this name begins on the last host.
    pub(crate) fn is_cut_off(&self, line: &str, at: &str, signal: Signal) -> Ran {
        let line = format!("apply site.yml -i hosts --state state -vv {line}");
        let (before, mut ran) = self.types_and_signals(&line, signal, |told| {
            told.contains("begin") && told.contains(at)
        });
        ran.err = format!("{before}\n{}", ran.err);
        ran
    }

    fn resumes(&self, line: &str) -> Ran {
        self.types(&format!("resume --state state {line}"))
    }
}

#[test]
fn an_interrupted_run_goes_on_where_it_stopped_from_the_same_files() {
    let user = user(SERIAL);
    let ran = user.is_cut_off("", "b: slow", Signal::INT);
    assert_eq!(ran.code, Some(6), "{ran:#?}");
    let told = ran.err.find("going on to the next rest point");
    assert!(told < ran.err.find("b: slow (1"), "told at once: {ran:#?}");
    assert_eq!(user.read("log"), "a first\nafter a\nb first\n");
    let runs = user.types("runs --state state");
    assert!(runs.done().contains("stopped"), "{runs:#?}");

    user.writes("site.yml", "- hosts: nobody\n  taks: []\n");
    let ran = user.resumes("");
    ran.ended(
        0,
        &[
            "run RUN, the newest that did not come to its end: site.yml, started ",
            ", stopped\n",
            "goes on: site.yml",
            "b: after",
        ],
    );
    assert!(!ran.err.contains("mark"), "only the rest is done: {ran:#?}");
    assert_eq!(user.read("log"), "a first\nafter a\nb first\nafter b\n");
    user.resumes("")
        .ended(1, &["there is no run that stopped before its end"]);
    let report = user.types("report --state state");
    for part in [
        "part 1, by ",
        "exit code 6",
        "part 2, by ",
        "exit code 0",
        "Changed\n",
    ] {
        assert!(report.done().contains(part), "{part}: {report:#?}");
    }
}

#[test]
fn changed_files_are_taken_when_that_is_said() {
    let user = user(SERIAL);
    user.is_cut_off("", "b: slow", Signal::INT);
    user.writes("site.yml", &SERIAL.replace("echo after", "echo later"));
    let ran = user.resumes("--accept-changes");
    ran.ended(
        0,
        &["changed since the run was planned: file site.yml changed"],
    );
    assert_eq!(user.read("log"), "a first\nafter a\nb first\nlater b\n");
}

#[test]
fn a_failed_step_is_done_again_and_nothing_before_it() {
    let playbook = "\
- hosts: all
  gather_facts: false
  tasks:
    - name: mark
      shell: echo {{ inventory_hostname }} >> {{ playbook_dir }}/log
      throttle: 1
    - name: look
      command: test -e {{ playbook_dir }}/mended
";
    let user = user(playbook);
    let line = "apply site.yml -i hosts --state state";
    user.types(line)
        .ended(2, &["go on: stagger resume RUN --state state"]);
    user.resumes("").ended(2, &["goes on"]);
    user.writes("mended", "");
    user.resumes("").ended(0, &["a: look", "b: look"]);
    assert_eq!(user.read("log").lines().count(), 2, "{}", user.read("log"));
}

#[test]
fn an_approval_can_be_given_when_the_run_goes_on() {
    let playbook = "\
- hosts: all
  gather_facts: false
  tasks:
    - name: first
      shell: echo first >> {{ playbook_dir }}/log
      run_once: true
    - name: burn the ships
      shell: echo fire >> {{ playbook_dir }}/log
      run_once: true
      point_of_no_return: ships
";
    let user = user(playbook);
    let line = "apply site.yml -i hosts --state state";
    user.types(line).ended(
        3,
        &[
            "`ships` is not approved",
            "stagger resume RUN --approve 'ships' --state state",
        ],
    );
    assert_eq!(user.read("log"), "first\n");
    user.resumes("").ended(3, &["`ships` is not approved"]);
    user.resumes("--approve ships")
        .ended(0, &["burn the ships"]);
    assert_eq!(user.read("log"), "first\nfire\n");
}

#[test]
fn what_a_killed_run_left_switched_off_is_told_and_put_back() {
    let user = user(BRACKET).with("lamp", "dim\n");
    let killed = user.is_cut_off("--reason x", "slow", Signal::KILL);
    assert_eq!(killed.code, None, "{killed:#?}");
    assert_eq!(user.read("lamp"), "off\n");
    let runs = user.types("runs --state state");
    assert!(runs.done().contains("OWES: the lamp is off"), "{runs:#?}");
    user.writes(
        "other.yml",
        "- hosts: all\n  gather_facts: false\n  tasks: []\n",
    );
    user.types("apply other.yml -i hosts --state state")
        .ended(0, &["still owes: the lamp is off", "stagger recover RUN"]);

    let ran = user.types("recover --state state");
    ran.ended(0, &["the lamp is off", "exit code 0"]);
    assert_eq!(user.read("lamp"), "dim\n");
    assert!(!ran.err.contains("after"), "nothing else is done: {ran:#?}");
    let runs = user.types("runs --state state");
    assert!(!runs.done().contains("OWES"), "{runs:#?}");

    let first = user.read("log");
    let ran = user.resumes("");
    ran.ended(0, &["a: after", "b: after"]);
    assert!(
        user.read("log").starts_with(&first),
        "marks are not made again"
    );
    assert_eq!(user.read("log").lines().count(), 4);
    assert_eq!(user.read("lamp"), "dim\n");
}

#[test]
fn a_run_that_goes_on_inside_a_bracket_remembers_what_was_found() {
    let user = user(BRACKET).with("lamp", "dim\n");
    user.is_cut_off("--reason x", "slow", Signal::KILL);
    assert_eq!(user.read("lamp"), "off\n");
    user.resumes("").ended(0, &["the lamp is off"]);
    assert_eq!(
        user.read("lamp"),
        "dim\n",
        "not `off`, which it found this time"
    );
}

#[test]
fn a_secret_of_the_command_line_is_not_kept_and_asked_for_again() {
    let user = user(SERIAL);
    let secret = "-e db_password=hunter22";
    user.is_cut_off(secret, "b: slow", Signal::INT);
    let run = user.types("runs --state state --json");
    let runs: Value = serde_json::from_str(run.done()).unwrap();
    let name = runs[0]["run"].as_str().unwrap();
    let journal = std::fs::read(user.path(&format!("state/runs/{name}/journal"))).unwrap();
    let holds = |text: &str| {
        journal
            .windows(text.len())
            .any(|part| part == text.as_bytes())
    };
    assert!(holds("db_password") && !holds("hunter22"));
    user.resumes("")
        .ended(1, &["secret variable `db_password`", "-e db_password=..."]);
    user.resumes("-e word=second").ended(1, &["db_password"]);
    user.resumes(&format!("{secret} -e word=second")).ended(
        1,
        &["`word` was no variable of this run", "--accept-changes"],
    );
    user.resumes(secret).ended(0, &["b: after"]);
}

#[test]
fn a_run_goes_on_from_another_directory() {
    let user = user(SERIAL);
    user.is_cut_off("", "b: slow", Signal::INT);
    let state = user.path("state");
    let elsewhere = tempfile::tempdir().unwrap();
    let mut command = user.command(&format!("resume --state {}", state.display()));
    let output = command.current_dir(elsewhere.path()).output().unwrap();
    user.ran(&output).ended(0, &["b: after"]);
    assert!(user.read("log").ends_with("after b\n"));
}

#[test]
fn a_run_is_worked_on_once_and_runs_are_found_by_name() {
    let user = user(SERIAL);
    user.types("resume --state state")
        .ended(1, &["there is no run that stopped"]);
    user.types("resume nosuch --state state")
        .ended(1, &["there is no run nosuch", "`stagger runs`"]);
    user.types("report nosuch --state state")
        .ended(1, &["there is no run nosuch", "`stagger runs`"]);
    user.types("report nosuch --state state")
        .ended(1, &["there is no run nosuch"]);
    user.types("apply site.yml -i hosts --check --state state")
        .done();
    let json = user.types("report --state state --format json");
    let report: Value = serde_json::from_str(json.done()).unwrap();
    assert_eq!(report["check"], true);
    assert_eq!(report["plays"][0]["name"], "work");
    assert_eq!(report["parts"][0]["exit_code"], 0);
    let markdown = user.types("report --state state --format markdown");
    assert!(markdown.done().starts_with("# run "), "{markdown:#?}");
    let records = user.types("report --state state --format records");
    for line in records.done().lines() {
        assert!(serde_json::from_str::<Value>(line).is_ok(), "{line}");
    }
}

#[test]
fn what_is_first_read_while_it_goes_on_is_kept_too() {
    // The first host reads all that is read at run time, then the run is cut off and everything is edited.
    let playbook = "\
- name: work
  hosts: all
  gather_facts: false
  serial: 1
  tasks:
    - include_tasks: \"{{ 'more' }}.yml\"
    - name: write
      template: { src: \"{{ 'text' }}.j2\", dest: \"{{ playbook_dir }}/{{ inventory_hostname }}.txt\" }
    - name: carry
      copy: { src: \"{{ carried | default('data') }}\", dest: \"{{ playbook_dir }}/{{ inventory_hostname }}.data\" }
    - name: slow
      command: sleep 1
";
    let more = "- set_fact: { word: \"{{ lookup('file', 'word') }}\" }\n";
    let user = user(playbook)
        .with("more.yml", more)
        .with("word", "first")
        .with("text.j2", "{{ word }} one\n")
        .with("data", "data one");
    let ran = user.is_cut_off("", "a: slow", Signal::INT);
    assert_eq!(ran.code, Some(6), "{ran:#?}");
    assert_eq!(user.read("a.txt"), "first one\n");
    user.writes("more.yml", "- fail: { msg: edited }\n");
    user.writes("word", "edited");
    user.writes("text.j2", "edited\n");
    user.writes("data", "edited");
    user.resumes("").ended(
        2,
        &["it is another file now than the one that the run began with"],
    );
    assert_eq!(user.read("b.txt"), "first one\n");
    assert!(!user.has("b.data"));
    user.writes("data", "data one");
    user.resumes("").ended(0, &["b: carry"]);
    assert_eq!(user.read("b.data"), "data one");
}

#[test]
fn a_second_run_on_hosts_that_one_protects_is_refused() {
    let user = user(BRACKET).with("lamp", "dim\n").with(
        "other.yml",
        "- hosts: all\n  gather_facts: false\n  tasks: []\n",
    );
    let line = "apply site.yml -i hosts --state state -vv --reason x";
    let mut first = user
        .command(line)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(first.stderr.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().contains("slow")));
    let second = user.types(line);
    second.ended(
        5,
        &["run RUN goes on on a, started by", "one run at a time"],
    );
    assert!(
        !second.err.contains("mark"),
        "no host is touched: {second:#?}"
    );
    let checked = user.types(&format!("{line} --check"));
    assert_ne!(checked.code, Some(5), "it only looks: {checked:#?}");
    user.types("apply other.yml -i hosts --state state").done();
    assert_eq!(user.read("lamp"), "off\n", "the first is not disturbed");
    let rest: Vec<String> = lines.map(Result::unwrap).collect();
    assert_eq!(first.wait().unwrap().code(), Some(0), "{rest:#?}");
    assert_eq!(user.read("lamp"), "dim\n");
    user.types(line).ended(0, &["the lamp is off"]);
}

#[test]
fn a_run_whose_results_held_a_secret_goes_on_and_what_it_left_is_put_back() {
    let playbook = BRACKET
        .replace(
            "    read:\n",
            "    read:\n      - slurp: { src: \"{{ playbook_dir }}/token\" }\n        register: token\n        no_log: true\n",
        )
        .replace("echo {{ found }}", "echo {{ found }} {{ token.content | b64decode | trim }}");
    let user = user(&playbook)
        .with("lamp", "dim\n")
        .with("token", "minted-0123456789\n");
    user.is_cut_off("--reason x", "slow", Signal::KILL);
    assert_eq!(user.read("lamp"), "off\n");
    user.types("recover --state state")
        .ended(0, &["the lamp is off", "exit code 0"]);
    assert_eq!(user.read("lamp"), "dim minted-0123456789\n");
    user.resumes("").ended(0, &["a: after", "b: after"]);
}

#[test]
fn a_run_that_cannot_be_read_does_not_stretch_the_table() {
    let user = user(SERIAL);
    user.types("apply site.yml -i hosts --state state -l a")
        .done();
    let before = user.types("runs --state state").done().to_owned();
    user.writes("state/runs/torn/journal", "no database at all, for sure");
    let runs = user.types("runs --state state");
    let (table, reasons) = runs.done().split_once("\n\n").unwrap();
    for (line, whole) in table
        .lines()
        .filter(|line| !line.starts_with("torn"))
        .zip(before.lines())
    {
        let spaces = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!(spaces(line), spaces(whole));
    }
    assert!(
        table.lines().all(|line| line.chars().count() < 100),
        "{table}"
    );
    assert!(table.contains("unreadable"), "{table}");
    assert!(reasons.starts_with("torn cannot be read: "), "{reasons}");
    let json: Value = serde_json::from_str(user.types("runs --state state --json").done()).unwrap();
    assert!(
        json[0]["unreadable"].is_string() && json[1]["unreadable"].is_null(),
        "{json}"
    );
}

#[test]
fn a_second_terminal_sees_what_a_run_does_and_that_its_process_is_gone() {
    let user = user(BRACKET).with("lamp", "on\n");
    let line = "apply site.yml -i hosts --state state -vv --reason trying";
    let mut child = user
        .command(line)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let mut told = lines.by_ref().map(Result::unwrap);
    assert!(told.any(|line| line.contains("begin") && line.contains("a: slow")));
    let process = format!("goes on (process {} of ", child.id());
    let status = user.types("status --state state");
    for part in [
        process.as_str(),
        "play 1 of 1, work, batch 1 of 1: a, b",
        "a: slow, since ",
        "the lamp is off: entered since ",
    ] {
        assert!(status.done().contains(part), "{part}: {status:#?}");
    }
    let json: Value =
        serde_json::from_str(user.types("status --state state --json").done()).unwrap();
    assert_eq!(json["state"], "running");
    assert_eq!(json["process"], child.id());
    assert_eq!(json["hosts"][0]["step"], "slow");
    child.kill().unwrap();
    child.wait().unwrap();
    let status = user.types("status --state state");
    for part in [
        "cut off: its process is gone",
        "the lamp is off: entered since ",
    ] {
        assert!(status.done().contains(part), "{part}: {status:#?}");
    }
    user.types("status nosuch --state state")
        .ended(1, &["there is no run nosuch"]);
    user.types("status --state elsewhere")
        .ended(1, &["there are no runs"]);
}

#[test]
fn a_report_is_one_page_with_the_differences_also_of_a_run_that_was_cut_off() {
    let playbook = "\
- hosts: all
  name: 5 < 6 & \"more\"
  gather_facts: false
  tasks:
    - name: write
      copy: { content: \"<b>{{ inventory_hostname }} {{ a_password }}</b>\\n\", dest: \"{{ playbook_dir }}/{{ inventory_hostname }}.txt\" }
    - name: slow
      command: sleep 2
";
    let user = user(playbook);
    user.is_cut_off("-D -e a_password=hunter22", "b: slow", Signal::KILL);
    let report = user.types("report --state state --html page.html");
    report.ended(0, &["the report is in page.html"]);
    let page = user.read("page.html");
    for part in [
        "5 &lt; 6 &amp; &quot;more&quot;",
        "+&lt;b&gt;a ***&lt;/b&gt;",
        ">cut off</span>",
        "a_password=***",
        "<svg ",
    ] {
        assert!(page.contains(part), "{part}: {page}");
    }
    assert!(
        !page.contains("hunter22") && !page.contains("<b>"),
        "{page}"
    );
    let printed = user.types("report --state state --format html");
    assert_eq!(printed.done().trim_end(), page.trim_end());
    let markdown = user.types("report --state state --format markdown");
    assert!(markdown.done().contains("```diff\n"), "{markdown:#?}");
    user.writes("file", "");
    user.types("report --state state --html file/page.html")
        .ended(1, &["cannot write file/page.html"]);
}
