//! Runs that go on without their terminal, stop by themselves, and leave hosts out.

use std::os::unix::process::CommandExt as _;
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use stagger::clock::{Clock as _, Stop, SystemClock};
use stagger::journal::{Holder, RunLock};

use crate::login::Login;
use crate::user::{Ran, User};

const HOSTS: &str =
    "a ansible_connection=local\nb ansible_connection=local\nc ansible_connection=local\n";

/// Each host waits until a file is there.
const WAITS: &str = "\
- name: work
  hosts: all
  gather_facts: false
  serial: 1
  tasks:
    - name: begin
      shell: echo {{ inventory_hostname }} >> {{ playbook_dir }}/log
    - name: wait
      shell: i=0; while [ ! -e {{ playbook_dir }}/go ] && [ $i -lt 600 ]; do i=$((i+1)); sleep 0.05; done
    - name: end
      shell: echo end of {{ inventory_hostname }} >> {{ playbook_dir }}/log
";

const QUICK: &str = "\
- name: first play
  hosts: all
  gather_facts: false
  serial: 1
  tasks:
    - name: mark
      shell: echo first {{ inventory_hostname }} >> {{ playbook_dir }}/log
- name: second play
  hosts: all
  gather_facts: false
  serial: 1
  tasks:
    - name: mark
      shell: echo second {{ inventory_hostname }} >> {{ playbook_dir }}/log
";

fn user(playbook: &str) -> User {
    User::new().with("hosts", HOSTS).with("site.yml", playbook)
}

impl User {
    /// Waits until a file holds a text.
    fn waits_for(&self, path: &str, text: &str) {
        let (clock, never) = (SystemClock::new(), Stop::new());
        while clock.elapsed() < Duration::from_mins(1) {
            if self.has(path) && self.read(path).contains(text) {
                return;
            }
            clock.wait(Duration::from_millis(20), &never);
        }
        panic!("`{text}` is not in {path} within a minute");
    }

    fn log(&self) -> Vec<String> {
        self.read("log").lines().map(str::to_owned).collect()
    }

    fn typed(&self, line: &str) -> Ran {
        self.types(&format!("{line} --state state"))
    }
}

/// Ends what goes on without a terminal together with its test, however that ends, within a time: by the process that the
/// run's own record names.
struct Ends<'a>(&'a User);

impl Ends<'_> {
    fn of(&self) -> Vec<Pid> {
        let runs = std::fs::read_dir(self.0.path("state/runs")).into_iter();
        let runs = runs.flatten().flatten();
        let holders = runs.filter_map(|run| RunLock::holder(&run.path().join("lock")));
        let pid = |holder: Holder| Pid::from_raw(i32::try_from(holder.process?).ok()?);
        holders.filter(|one| one.lives).filter_map(pid).collect()
    }

    /// Asks and waits; tells whether nothing goes on any more.
    fn told(&self, signal: Signal, patience: Duration) -> bool {
        let (clock, never) = (SystemClock::new(), Stop::new());
        for pid in self.of() {
            // It may have ended meanwhile.
            let _gone = kill_process(pid, signal).is_err();
        }
        while !self.of().is_empty() {
            if clock.elapsed() > patience {
                return false;
            }
            clock.wait(Duration::from_millis(20), &never);
        }
        true
    }
}

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.writes("go", "");
        let ended = self.told(Signal::USR2, Duration::from_secs(10))
            || self.told(Signal::KILL, Duration::from_secs(5));
        assert!(
            ended || std::thread::panicking(),
            "a run of this test still goes on: {:?}",
            self.of()
        );
    }
}

/// A Ctrl-C ends the look and not the run.
fn is_looked_at_and_left(user: &User) {
    let line = "attach --state state -vv";
    let (before, ran) = user.types_and_signals(line, Signal::INT, |told| told.contains("a: begin"));
    let told = format!("{before}\n{}", ran.err);
    assert_eq!(ran.code, Some(0), "{told}");
    for text in ["starts: site.yml", "goes on; `stagger attach"] {
        assert!(told.contains(text), "`{text}` is not in {told}");
    }
}

/// A terminal tells everybody in the foreground: what a template asks for is the run's alone.
#[test]
fn a_program_that_a_template_asks_outlives_the_terminal() {
    let user = user("\
- hosts: a
  gather_facts: false
  tasks:
    - command: echo asked
      register: first
    - debug: { msg: \"{{ lookup('pipe', 'echo ' ~ first.stdout ~ ' >' ~ playbook_dir ~ '/log; sleep 1; echo whole') }}\" }
");
    let child = user
        .command("apply site.yml -i hosts")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn()
        .unwrap();
    user.waits_for("log", "asked");
    let pid = Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
    kill_process_group(pid, Signal::HUP).unwrap();
    let ran = user.ran(&child.wait_with_output().unwrap());
    ran.ended(0, &["whole"]);
}

#[test]
fn a_run_goes_on_without_its_terminal_and_is_looked_at_and_stopped() {
    let user = user(WAITS);
    let _ends = Ends(&user);
    let begun = user.typed("apply site.yml -i hosts --detach");
    begun.ended(
        0,
        &[
            "goes on without this terminal",
            "stagger attach",
            "stagger stop",
        ],
    );
    let run = begun.out.trim().to_owned();
    assert!(!run.is_empty(), "{begun:#?}");
    user.waits_for("log", "a");
    let status = user.typed("status");
    assert!(status.done().contains(&run), "{status:#?}");

    is_looked_at_and_left(&user);
    let mut child = user.command("attach --state state");
    let child = child
        .stdin(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    user.typed(&format!("stop {run}"))
        .ended(0, &["asked to go on to its next rest point"]);
    // Asked twice it is still the polite wish.
    user.typed("stop").ended(0, &[]);
    user.waits_for(&format!("state/runs/{run}/lines"), "stopping");
    user.writes("go", "");
    let seen = user.ran(&child.wait_with_output().unwrap());
    seen.ended(
        6,
        &[
            "going on to the next rest point",
            "the operator stopped the run",
        ],
    );
    assert_eq!(
        user.log(),
        ["a"],
        "it stopped at the rest point behind the step in flight"
    );
    let lines = user.read(&format!("state/runs/{run}/lines"));
    assert!(lines.contains("exit code 6"), "{lines}");

    user.typed("attach").ended(1, &["no run goes on"]);
    user.typed(&format!("stop {run}"))
        .ended(1, &["does not go on", "stagger status"]);
    user.typed("stop 20200101-000000-0000")
        .ended(1, &["there is no run"]);
    let again = user.typed("resume --detach");
    again.ended(0, &["goes on without this terminal"]);
    user.waits_for(&format!("state/runs/{run}/lines"), "exit code 0");
    assert_eq!(user.log().len(), 6, "{:?}", user.log());
}

#[test]
fn a_run_outlives_its_terminal() {
    // One that is detached leaves it; one that is not loses it, and goes on all the same.
    for (line, seen) in [
        ("apply site.yml -i hosts --state state --detach", "shell: 0"),
        (
            "apply site.yml -i hosts --state state --plain -vv",
            "a: wait",
        ),
    ] {
        let user = user(WAITS);
        let _ends = Ends(&user);
        let mut login = Login::types(&user, line);
        login.shows(seen);
        user.waits_for("log", "a");
        login.loses_its_terminal();
        user.writes("go", "");
        user.waits_for("log", "end of c");
        let seen = user.typed("attach");
        assert!([Some(0), Some(1)].contains(&seen.code), "{seen:#?}");
        let report = user.typed("report");
        assert!(report.done().contains("exit code 0"), "{line}: {report:#?}");
    }
}

#[test]
fn what_is_wrong_is_told_before_the_terminal_is_left() {
    let user = user("- hosts: all\n  taks: []\n");
    let _ends = Ends(&user);
    let ran = user.typed("apply site.yml -i hosts --detach");
    ran.ended(1, &["taks"]);
    assert_eq!(ran.out, "");
    assert!(!user.has("state/runs"));
    let point = "- hosts: all\n  gather_facts: false\n  tasks:\n    - command: 'true'\n      point_of_no_return: ships\n";
    user.writes("site.yml", point);
    let ran = user.typed("apply site.yml -i hosts --detach");
    ran.ended(0, &["nobody can be asked about `ships`"]);
    user.waits_for(
        &format!("state/runs/{}/lines", ran.out.trim()),
        "exit code 3",
    );

    user.writes("hosts", "far ansible_host=192.0.2.1\n");
    let output = user
        .command("apply site.yml -i hosts --state state --detach")
        .env("SSH_AUTH_SOCK", "/tmp/ssh-x/agent.1")
        .env("SSH_CONNECTION", "192.0.2.2 1 192.0.2.3 22")
        .output()
        .unwrap();
    user.ran(&output)
        .ended(1, &["the keys of an agent", "--private-key"]);
}

#[test]
fn a_run_stops_behind_a_batch_or_at_a_time() {
    for (line, left) in [
        ("--pause-after 2", "first a,first b"),
        ("--pause-after 'first play'", "first a,first b,first c"),
        ("--pause-after 'first play:1'", "first a"),
    ] {
        let user = user(QUICK);
        let ran = user.typed(&format!("apply site.yml -i hosts {line}"));
        ran.ended(6, &["it stops here as --pause-after", "stagger resume RUN"]);
        assert_eq!(user.log().join(","), left, "{line}");
        user.typed("resume").ended(0, &[]);
        assert_eq!(user.log().len(), 6, "{:?}", user.log());
    }
    let user = user(QUICK);
    user.typed("apply site.yml -i hosts --pause-after 'secnd play'")
        .ended(
            1,
            &[
                "no play is called `secnd play`",
                "did you mean `second play`?",
            ],
        );
    user.typed("apply site.yml -i hosts --until 2020-01-01T06:00")
        .ended(1, &["it is over already"]);
    assert!(!user.has("state/runs"), "nothing is recorded of it");
    // A second from now is over when the first step has ended.
    let soon = SystemClock::new().now() + jiff::SignedDuration::from_secs(2);
    let soon = soon
        .to_zoned(jiff::tz::TimeZone::UTC)
        .strftime("%Y-%m-%dT%H:%M:%S");
    let slow = QUICK.replace("echo first", "sleep 1.5; echo first");
    user.writes("site.yml", &slow);
    let line = format!("apply site.yml -i hosts --state state --until {soon}");
    let output = user.command(&line).env("TZ", "UTC").output().unwrap();
    user.ran(&output).ended(6, &["it stops here as --until 20"]);
    let log = user.log();
    assert!(!log.is_empty() && log.len() < 3, "{log:?}");
    user.typed("resume").ended(0, &[]);
    assert_eq!(user.log().len(), 6);
}

#[test]
fn a_host_is_left_out_by_name_and_the_run_is_partial() {
    let fails = "\
- name: work
  hosts: all
  gather_facts: false
  serial: 1
  tasks:
    - name: mark
      shell: echo {{ inventory_hostname }} >> {{ playbook_dir }}/log; test {{ inventory_hostname }} != b
";
    let user = user(fails);
    user.typed("apply site.yml -i hosts").ended(2, &["b: mark"]);
    user.typed("resume --skip b").ended(1, &["--reason"]);
    user.typed("resume --skip d --reason x")
        .ended(1, &["there is no host `d`"]);
    user.typed("resume --skip b --reason 'its disk is gone'")
        .ended(
            8,
            &[
                "it is skipped: its disk is gone",
                "all is done but for what was skipped by name",
            ],
        );
    assert_eq!(user.log(), ["a", "b", "c"]);

    let user = self::user(fails);
    user.typed("apply site.yml -i hosts --skip b --reason later")
        .ended(8, &[]);
    assert_eq!(user.log(), ["a", "c"]);
}

#[test]
fn what_is_owed_on_a_host_that_is_gone_is_forgiven_by_name() {
    let owing = "\
- name: work
  hosts: all
  gather_facts: false
  serial: 1
  bracket:
    name: the lamp is off
    per: host
    enter:
      - name: off
        shell: echo off > {{ playbook_dir }}/lamp-{{ inventory_hostname }}
    leave:
      - name: on again
        shell: test {{ inventory_hostname }} != b && echo on > {{ playbook_dir }}/lamp-{{ inventory_hostname }}
  tasks:
    - name: mark
      command: test {{ inventory_hostname }} != b
";
    let user = user(owing);
    let killed = user.is_cut_off("--reason x", "b: mark", Signal::KILL);
    assert_eq!(killed.code, None, "{killed:#?}");
    let runs = user.typed("runs");
    assert!(runs.done().contains("OWES: the lamp is off"), "{runs:#?}");
    user.typed("recover --forgive b").ended(1, &["--reason"]);
    user.typed("recover --forgive nobody --reason x")
        .ended(1, &["there is no host `nobody`"]);
    let recovered = user.typed("recover --forgive b --reason 'it burned down'");
    recovered.ended(
        0,
        &["`the lamp is off` is not put back: b is gone for good (it burned down)"],
    );
    let runs = user.typed("runs");
    assert!(!runs.done().contains("OWES"), "{runs:#?}");
    assert_eq!(user.read("lamp-b"), "off\n");
}
