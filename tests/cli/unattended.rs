//! Runs that go on without their terminal, stop by themselves, leave hosts out, and tell others.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use serde_json::Value;
use stagger::clock::{Clock as _, Stop, SystemClock};
use stagger::journal::{Holder, RunLock};

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
    let mut child = user
        .command("attach --state state -vv")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let mut told = Vec::new();
    for line in lines.by_ref().map(Result::unwrap) {
        let is_there = line.contains("a: begin");
        told.push(line);
        if is_there {
            break;
        }
    }
    let pid = Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
    kill_process(pid, Signal::INT).unwrap();
    told.extend(lines.map(Result::unwrap));
    assert_eq!(child.wait().unwrap().code(), Some(0), "{told:#?}");
    let told = told.join("\n");
    for text in ["starts: site.yml", "goes on; `stagger attach"] {
        assert!(told.contains(text), "`{text}` is not in {told}");
    }
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

/// A terminal, as a person's login has one: a session of its own, with the terminal as its controlling one.
struct Login {
    master: File,
    shell: Child,
}

impl Login {
    /// Types a line at a shell that waits for it.
    #[expect(
        clippy::disallowed_methods,
        reason = "a session of its own needs a program"
    )]
    fn types(user: &User, line: &str) -> Self {
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let master = openpt(flags).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let name = ptsname(&master, Vec::new()).unwrap().into_string().unwrap();
        // The first terminal that a leader of a session opens is its controlling one.
        let script = "exec <\"$1\" >\"$1\" 2>&1; shift; \"$@\"; echo \"shell: $?\"; read -r end";
        let typed = user.command(line);
        let mut shell = Command::new("setsid");
        shell.args(["/bin/sh", "-c", script, "sh", &name]);
        shell.arg(typed.get_program()).args(typed.get_args());
        shell.current_dir(user.path("")).env_clear();
        let variables = typed.get_envs();
        shell.envs(variables.filter_map(|(name, value)| Some((name, value?))));
        let shell = shell
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let shell = shell.spawn().unwrap();
        Self {
            master: File::from(master),
            shell,
        }
    }

    /// Reads what is seen until a text is there.
    fn shows(&mut self, text: &str) {
        let mut seen = Vec::new();
        let mut part = [0; 4096];
        let clock = SystemClock::new();
        while !String::from_utf8_lossy(&seen).contains(text) {
            let shown = String::from_utf8_lossy(&seen).into_owned();
            assert!(
                clock.elapsed() < Duration::from_mins(1),
                "no `{text}` in {shown}"
            );
            let mut ready = [PollFd::new(&self.master, PollFlags::IN)];
            if poll(
                &mut ready,
                Some(&Timespec {
                    tv_sec: 1,
                    tv_nsec: 0,
                }),
            )
            .unwrap()
                > 0
            {
                let count = self.master.read(&mut part).unwrap();
                seen.extend_from_slice(&part[..count]);
            }
        }
    }

    /// The connection is lost: the terminal goes, and all of its session are told so.
    fn loses_its_terminal(self) {
        let Self { master, mut shell } = self;
        drop(master);
        let (clock, never) = (SystemClock::new(), Stop::new());
        while shell.try_wait().unwrap().is_none() {
            if clock.elapsed() > Duration::from_secs(20) {
                shell.kill().unwrap();
                panic!("the shell was not told that its terminal is gone");
            }
            clock.wait(Duration::from_millis(20), &never);
        }
    }
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

    let user = user_again(fails);
    user.typed("apply site.yml -i hosts --skip b --reason later")
        .ended(8, &[]);
    assert_eq!(user.log(), ["a", "c"]);
}

fn user_again(playbook: &str) -> User {
    user(playbook)
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

/// Reads the body of one request and answers it.
fn posted(socket: &mut TcpStream) -> Value {
    let mut text = Vec::new();
    let mut part = [0; 4096];
    loop {
        let count = socket.read(&mut part).unwrap();
        text.extend_from_slice(&part[..count]);
        let so_far = String::from_utf8_lossy(&text).into_owned();
        let Some((head, body)) = so_far.split_once("\r\n\r\n") else {
            continue;
        };
        let head = head.to_lowercase();
        let length = head.split("content-length: ").nth(1).unwrap();
        let length: usize = length.lines().next().unwrap().trim().parse().unwrap();
        if body.len() >= length {
            let answer = b"HTTP/1.1 204 No Content\r\n\r\n";
            socket.write_all(answer).unwrap();
            return serde_json::from_str(body).unwrap();
        }
    }
}

/// Listens for what is posted until a run has ended; returns the address and all that was posted.
fn listener() -> (String, JoinHandle<Vec<Value>>) {
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = server.local_addr().unwrap().to_string();
    let posts = std::thread::spawn(move || {
        let mut bodies = Vec::new();
        loop {
            let body = posted(&mut server.accept().unwrap().0);
            let is_last = body["what"] == "ended";
            bodies.push(body);
            if is_last {
                return bodies;
            }
        }
    });
    (address, posts)
}

/// Requires that no record of any run holds one of these texts.
fn no_record_holds(user: &User, secrets: &[&str]) {
    for run in std::fs::read_dir(user.path("state/runs")).unwrap() {
        for file in std::fs::read_dir(run.unwrap().path()).unwrap() {
            let path = file.unwrap().path();
            let content = std::fs::read(&path).unwrap();
            for secret in secrets {
                let mut parts = content.windows(secret.len());
                let found = parts.any(|part| part == secret.as_bytes());
                assert!(!found, "{secret} is in {}", path.display());
            }
        }
    }
}

#[test]
fn others_are_told_and_what_cannot_be_told_stops_nothing() {
    let (address, posts) = listener();
    let url = format!("http://{address}/hook/KEY-9f3a77");
    let fails = "\
- name: work
  hosts: all
  gather_facts: false
  tasks:
    - name: tell
      shell: echo {{ db_password }}; exit 3
";
    let user = user(fails);
    let told = user.path("told").to_string_lossy().into_owned();
    let ran = user.typed(&format!(
        "apply site.yml -i hosts --reason 'with hunter2222' -e db_password=hunter2222 --notify {url} --notify 'cat >> {told}; echo $STAGGER_WHAT >> {told}' --notify 'exit 7'"
    ));
    ran.ended(
        2,
        &["`exit` could not be told that the run started: exit code 7"],
    );
    assert_eq!(ran.err.matches("could not be told").count(), 1, "{ran:#?}");
    let bodies = posts.join().unwrap();
    let whats: Vec<&str> = bodies
        .iter()
        .map(|body| body["what"].as_str().unwrap())
        .collect();
    assert_eq!(whats, ["started", "stopped", "ended"]);
    assert_eq!(bodies[2]["exit_code"], 2);
    assert_eq!(bodies[1]["playbook"], "site.yml");
    assert_eq!(bodies[0]["reason"], "with ***");
    let told = user.read("told");
    assert!(
        told.contains("\nstopped\n") && told.contains("\"what\":\"ended\""),
        "{told}"
    );
    for body in bodies {
        assert!(!body.to_string().contains("hunter2222"), "{body}");
    }
    no_record_holds(&user, &["KEY-9f3a77", "hunter2222"]);
}
