//! Runs: what is applied, what is shown, and how each way to end is told to the shell.

use std::fs;
use std::process::Stdio;

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::user::User;

const GREETING: &str = "\
- name: greeting
  hosts: all
  gather_facts: false
  tasks:
    - name: write the greeting
      copy:
        content: \"hello {{ who | default('world') }}\\n\"
        dest: DIRECTORY/greeting
        mode: \"0644\"
";

fn greeting() -> User {
    let user = User::new();
    let text = GREETING.replace("DIRECTORY", &user.path("").to_string_lossy());
    user.with("site.yml", &text)
}

fn playbook(tasks: &str) -> User {
    User::new().with(
        "site.yml",
        &format!("- name: work\n  hosts: all\n  gather_facts: false\n  tasks:\n{tasks}"),
    )
}

#[test]
fn the_second_run_changes_nothing() {
    let user = greeting();
    let first = user.applies("site.yml");
    assert_eq!(first.done(), "");
    assert_eq!(first.lines("changed").len(), 1, "{first:#?}");
    assert!(
        first
            .err
            .contains("localhost  ok=1  changed=1  unreachable=0  failed=0")
    );
    assert_eq!(user.read("greeting"), "hello world\n");
    let second = user.applies("site.yml");
    assert_eq!(second.done(), "");
    assert_eq!(second.lines("changed"), [""; 0], "{second:#?}");
    assert_eq!(second.lines("ok"), ["localhost: write the greeting"]);
    assert!(second.err.contains("localhost  ok=1  changed=0"));
}

#[test]
fn check_mode_says_what_it_would_change_and_changes_nothing() {
    let user = greeting();
    let ran = user.applies("site.yml --check --diff");
    ran.ended(0, &["check mode: nothing is changed", "+hello world\n"]);
    assert_eq!(ran.lines("changed").len(), 1, "{ran:#?}");
    assert!(!user.has("greeting"));
}

#[test]
fn differences_are_shown_when_asked_for() {
    let user = greeting().with("greeting", "hello world\n");
    let plain = user.applies("site.yml -e who=moon --check");
    assert!(!plain.err.contains("+hello"), "{plain:#?}");
    let ran = user.applies("site.yml -e who=moon --diff");
    ran.ended(0, &["-hello world\n", "+hello moon\n"]);
    assert_eq!(user.read("greeting"), "hello moon\n");
}

#[test]
fn a_failed_task_stops_the_run() {
    let user = playbook(
        "    - name: it breaks\n      shell: echo out; echo err >&2; exit 3\n    - name: after it\n      command: touch after\n",
    );
    let ran = user.applies("site.yml");
    ran.ended(
        2,
        &[
            "echo out; echo err >&2; exit 3",
            "task: site.yml:5:7\n",
            "command: echo out; echo err >&2; exit 3\n",
            "ended with: exit code 3\n",
            "stdout: out\n",
            "stderr: err\n",
            "where: play `work`, batch 1 of 1 (localhost)",
            "go on: stagger resume RUN --state state\n",
            "exit code 2",
        ],
    );
    assert_eq!(ran.lines("failed"), ["localhost: it breaks"], "{ran:#?}");
    assert!(!ran.err.contains("after it"), "{ran:#?}");
}

#[test]
fn a_failure_on_one_host_keeps_the_next_batch_untouched() {
    let user = User::new().with("hosts", "a\nb\n").with(
        "site.yml",
        "- hosts: all\n  gather_facts: false\n  serial: 1\n  tasks:\n    - command: \"false\"\n",
    );
    let ran = user.types("apply site.yml -i hosts -e ansible_connection=local --state state");
    ran.ended(2, &["no further batch starts"]);
    assert!(!ran.err.contains("batch       2 of 2"), "{ran:#?}");
}

#[test]
fn an_unreachable_host_has_its_own_code() {
    let user = greeting();
    let ran = user.types(
        "apply site.yml -i localhost, -e ansible_host=127.0.0.1 -e ansible_port=1 -T 5 --state state",
    );
    ran.ended(
        4,
        &["cannot reach 127.0.0.1:1", "unreachable=1", "exit code 4"],
    );
    assert!(!user.has("greeting"));
}

#[test]
fn a_delegated_step_becomes_as_the_host_says_on_which_it_runs() {
    let hosts = "a ansible_connection=local ansible_become=true ansible_become_exe=/bin/false\n";
    let task =
        "- hosts: a\n  gather_facts: false\n  tasks:\n    - name: here\n      command: id -u\n";
    let delegated = format!("{task}      delegate_to: localhost\n      become: false\n");
    let user = User::new()
        .with("hosts", hosts)
        .with("own.yml", task)
        .with("delegated.yml", &delegated);
    let ran = user.types("apply delegated.yml -i hosts --state state");
    ran.ended(0, &["a -> localhost: here"]);
    let ran = user.types("apply own.yml -i hosts --state state");
    ran.ended(2, &["cannot become root"]);
}

#[test]
fn bad_input_touches_nothing() {
    let user = greeting()
        .with(
            "broken.yml",
            "- hosts: all\n  tasks:\n    - command: echo {{ 1 +\n",
        )
        .with("broken.ini", "[web\nhost1\n");
    let local = "-e ansible_connection=local --state state";
    let cases = [
        (
            format!("apply site.yml -i localhost, -l nobody {local}"),
            "`nobody` is no group and no host",
        ),
        (
            format!("apply site.yml -i broken.ini {local}"),
            "broken.ini:1:",
        ),
        (
            format!("apply broken.yml -i localhost, {local}"),
            "broken.yml:3:",
        ),
        (
            format!("apply site.yml -i localhost, -e @missing {local}"),
            "missing",
        ),
    ];
    for (line, told) in cases {
        let ran = user.types(&line);
        ran.ended(1, &["error: ", told]);
        assert_eq!(ran.out, "", "{line}");
        assert!(!ran.err.contains("starts:"), "{line}: {ran:#?}");
    }
    assert!(!user.has("greeting"));
}

#[test]
fn a_protected_play_asks_why() {
    let user = User::new().with(
        "site.yml",
        "- name: guarded\n  hosts: all\n  gather_facts: false\n  gate:\n    - name: the door is open\n      assert: { that: open | default(false) | bool, fail_msg: the door is shut }\n  tasks:\n    - name: go through\n      debug: { msg: through }\n",
    );
    let ran = user.applies("site.yml");
    ran.ended(1, &["say why it is applied", "--reason"]);
    let ran = user.applies("site.yml --reason 'to see'");
    ran.ended(
        3,
        &[
            "the door is shut",
            "gate: the door is open (site.yml:5:7)",
            "exit code 3",
        ],
    );
    assert!(!ran.err.contains("go through"), "{ran:#?}");
    let ran = user.applies("site.yml --reason 'to see' -e open=true");
    ran.ended(0, &["go through"]);
}

#[test]
fn a_point_of_no_return_wants_approval() {
    let user = User::new().with(
        "site.yml",
        "- name: burn the ships\n  hosts: all\n  gather_facts: false\n  point_of_no_return: ships\n  tasks:\n    - name: burn\n      debug: { msg: fire }\n",
    );
    let ran = user.applies("site.yml");
    ran.ended(3, &["`ships` is not approved"]);
    assert!(!ran.err.contains("localhost: burn"), "{ran:#?}");
    let ran = user.applies("site.yml --approve ships");
    ran.ended(0, &["localhost: burn"]);
}

#[test]
fn an_interrupt_ends_at_the_next_rest_point() {
    let user = playbook(
        "    - name: slow\n      command: sleep 2\n    - name: after it\n      debug: { msg: more }\n",
    );
    let line = "apply site.yml -i localhost, -e ansible_connection=local --state state -vv";
    let (told, ran) = user.types_and_signals(line, Signal::INT, |told| {
        told.contains("begin") && told.contains("slow")
    });
    let (code, rest) = (ran.code, ran.err);
    assert_eq!(code, Some(6), "{told}{rest}");
    assert!(
        rest.contains("localhost: slow"),
        "the step in flight ends: {rest}"
    );
    assert!(!rest.contains("after it"), "{rest}");
    let (heard, ended) = (rest.find("stopping"), rest.find("localhost: slow"));
    assert!(
        heard.is_some() && heard < ended,
        "that it was heard is told while the step is in flight: {rest}"
    );
}

#[test]
fn events_are_one_json_value_a_line_and_hold_no_secret() {
    let user = playbook(
        "    - name: hidden\n      command: echo {{ token }}\n      no_log: true\n    - name: shown\n      command: echo {{ token }}\n",
    );
    let ran = user.applies("site.yml -v -e token=s3cr3t-value --events events");
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    let text = user.read("events");
    for (stream, text) in [("events", &text), ("messages", &ran.err)] {
        assert!(!text.contains("s3cr3t-value"), "{stream}: {text}");
    }
    let values: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let kinds: Vec<&str> = values
        .iter()
        .filter_map(|value| value["event"].as_str())
        .collect();
    assert_eq!(kinds.first(), Some(&"run_started"));
    assert_eq!(kinds.last(), Some(&"run_finished"));
    assert_eq!(
        kinds
            .iter()
            .filter(|kind| **kind == "step_finished")
            .count(),
        2,
        "{kinds:?}"
    );
    assert_eq!(values.last().unwrap()["exit_code"], 0);
}

#[test]
fn one_command_runs_on_the_hosts_of_a_pattern() {
    let user = User::new().with("hosts", "[web]\na\nb\n[db]\nc\n");
    let line = "exec web -i hosts -e ansible_connection=local";
    let ran = user.types(&format!("{line} -- echo hello"));
    let mut lines: Vec<&str> = ran.done().lines().collect();
    lines.sort_unstable();
    assert_eq!(
        lines,
        [
            "a | CHANGED | rc=0 >>",
            "b | CHANGED | rc=0 >>",
            "hello",
            "hello"
        ]
    );
    let ran = user.types(&format!("{line} -l a -- 'echo no >&2; exit 5'"));
    assert_eq!(
        (ran.code, ran.out.as_str()),
        (Some(2), "a | FAILED | rc=5 >>\nno\n"),
        "{ran:#?}"
    );
    user.types("exec nobody -i hosts -- true")
        .ended(1, &["`nobody`"]);

    let ran = user.types(&format!(
        "{line} --group -t answers -- 'echo same; echo why >&2'"
    ));
    assert_eq!(ran.done(), "a,b | CHANGED | rc=0 >>\nsame\nwhy\n");
    let kept: Value = serde_json::from_str(&user.read("answers/b")).unwrap();
    assert_eq!(
        (&kept["stdout"], &kept["stderr"]),
        (&json!("same\n"), &json!("why\n"))
    );
    let ran = user.types(&format!("{line} -o -l b -- 'echo 1; echo 2'"));
    assert_eq!(ran.done(), "b | CHANGED | rc=0 >> 1\\n2\n");

    // The heaviest end is the exit code; who is not reached does not keep the others from being asked.
    user.writes(
        "far",
        "far ansible_host=127.0.0.1 ansible_port=1\nnear ansible_connection=local\n",
    );
    let ran = user.types("exec all -i far -- false");
    assert_eq!(ran.code, Some(4), "{ran:#?}");
    assert!(ran.out.contains("far | UNREACHABLE! => "), "{ran:#?}");
    assert!(ran.out.contains("near | FAILED | rc=1 >>"), "{ran:#?}");
}

#[test]
fn an_interrupted_exec_begins_no_further_host_and_then_no_longer_waits() {
    let user = User::new().with("hosts", "a\nb\n");
    let line =
        "exec all -i hosts -e ansible_connection=local -f 1 -- 'touch began; sleep 3; echo done'";
    for (signals, first) in [(1, "a | CHANGED | rc=0 >>\ndone\n"), (2, "a | IN DOUBT: ")] {
        let mut child = user.command(line);
        let child = child
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let child = child.spawn().unwrap();
        while !user.has("began") {
            std::thread::yield_now();
        }
        fs::remove_file(user.path("began")).unwrap();
        for number in 0..signals {
            let pid = rustix::process::Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
            rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
            let clock = stagger::clock::SystemClock::new();
            let wait = std::time::Duration::from_millis(300 * (number + 1));
            stagger::clock::Clock::wait(&clock, wait, &stagger::clock::Stop::new());
        }
        let ran = user.ran(&child.wait_with_output().unwrap());
        assert_eq!(ran.code, Some(6), "{ran:#?}");
        assert!(ran.out.starts_with(first), "{ran:#?}");
        assert!(ran.out.ends_with("b | NOT RUN: interrupted\n"), "{ran:#?}");
        assert!(ran.err.contains("no further host begins"), "{ran:#?}");
    }
}

#[test]
fn a_directory_for_records_that_cannot_be_written_is_told_before_anything() {
    let user = greeting().with("state", "a file\n");
    let ran = user.applies("site.yml");
    ran.ended(1, &["state", "--state DIR"]);
    assert!(!user.has("greeting"));
    fs::remove_file(user.path("state")).unwrap();
    user.applies("site.yml").done();
}

#[test]
fn an_undefined_variable_is_told_with_its_place() {
    let user = playbook("    - name: mark\n      command: touch {{ nobody_sets_this }}\n");
    let ran = user.applies("site.yml");
    ran.ended(1, &["`nobody_sets_this` is undefined", "site.yml:6:25"]);
    assert!(!ran.err.contains("starts:"), "no host is touched: {ran:#?}");
    assert!(!user.has("state"), "nothing is recorded");
    user.types("check site.yml -i localhost,")
        .ended(1, &["`nobody_sets_this` is undefined"]);
}

#[test]
fn a_run_can_start_at_a_task_but_not_past_what_protects() {
    let tasks = "    - name: one\n      command: touch one\n      tags: [x]\n    - name: two\n      debug: { msg: two }\n      tags: [y, z]\n    - name: three\n      debug: { msg: three }\n";
    let user = playbook(tasks);
    let ran = user.applies("site.yml --start-at-task two");
    ran.ended(0, &["localhost: two", "localhost: three"]);
    assert!(!ran.err.contains("localhost: one"), "{ran:#?}");
    user.applies("site.yml --start-at-task tow")
        .ended(1, &["there is no task `tow`", "did you mean `two`?"]);
    let gated = "- hosts: all\n  gather_facts: false\n  gate:\n    - name: open\n      debug: { msg: x }\n  tasks:\n    - name: two\n      debug: { msg: x }\n";
    user.writes("gated.yml", gated);
    user.applies("gated.yml --reason x --start-at-task two")
        .ended(1, &["would pass over gates, guards or brackets"]);

    let ran = user.applies("site.yml --list-tasks --list-tags --list-hosts");
    let expected = "\nplaybook: site.yml\n\n  play #1 (all): work\tTAGS: []\n    pattern: ['all']\n    hosts (1):\n      localhost\n    tasks:\n      one\tTAGS: [x]\n      two\tTAGS: [y, z]\n      three\tTAGS: []\n      TASK TAGS: [x, y, z]\n";
    assert_eq!(ran.done(), expected);
    let ran = user.applies("site.yml --list-tasks -t y");
    assert!(
        ran.done().contains("two") && !ran.out.contains("one"),
        "{ran:#?}"
    );
}

#[test]
fn a_playbook_can_ask_for_variables() {
    let user = User::new().with(
        "site.yml",
        "- hosts: all\n  gather_facts: false\n  vars_prompt:\n    - { name: who, prompt: for whom, default: world, private: false }\n    - { name: pin }\n  tasks:\n    - debug: { msg: \"hello {{ who }}\" }\n",
    );
    user.applies("site.yml")
        .ended(1, &["`pin` is to be typed", "-e pin=..."]);
    user.applies("site.yml -e pin=1").ended(0, &["hello world"]);
    user.applies("site.yml -e pin=1 -e who=moon")
        .ended(0, &["hello moon"]);
}
