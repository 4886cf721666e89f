//! The live view on a pseudo terminal: what is seen while a run goes on, when the terminal changes its size, at Ctrl-C,
//! and at the end.

use std::fs::{File, OpenOptions};
use std::io::Read as _;
use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};
use stagger::clock::{Clock as _, Stop, SystemClock};

use crate::terminal::Terminal;
use crate::user::User;

/// The binary at work on a terminal.
struct AtWork {
    child: Child,
    master: Arc<File>,
    terminal: Arc<Mutex<Terminal>>,
    reader: JoinHandle<()>,
}

fn winsize((columns, rows): (u16, u16)) -> Winsize {
    Winsize {
        ws_row: rows,
        ws_col: columns,
        ws_xpixel: 0,
        ws_ypixel: 0,
    }
}

impl AtWork {
    fn begins(user: &User, line: &str, size: (u16, u16)) -> Self {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let name = ptsname(&master, Vec::new()).unwrap().into_string().unwrap();
        tcsetwinsize(&master, winsize(size)).unwrap();
        let slave = OpenOptions::new().read(true).write(true).open(name);
        let slave = slave.unwrap();
        let child = user
            .command(line)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(slave)
            .spawn()
            .unwrap();
        let (columns, rows) = (usize::from(size.0), usize::from(size.1));
        let terminal = Arc::new(Mutex::new(Terminal::new(columns, rows)));
        let master = Arc::new(File::from(master));
        let (shown, from) = (Arc::clone(&terminal), Arc::clone(&master));
        let reader = std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            // Reading fails when the last one who writes is gone.
            while let Ok(count @ 1..) = (&*from).read(&mut bytes) {
                shown.lock().unwrap().write(&bytes[..count]);
            }
        });
        Self {
            child,
            master,
            terminal,
            reader,
        }
    }

    fn seen(&self) -> String {
        self.terminal.lock().unwrap().seen()
    }

    /// Waits until what is seen is as wanted, and returns it.
    #[track_caller]
    fn waits(&self, what: &str, is_so: impl Fn(&str) -> bool) -> String {
        let clock = SystemClock::new();
        loop {
            let seen = self.seen();
            if is_so(&seen) {
                return seen;
            }
            assert!(clock.elapsed() < Duration::from_mins(1), "{what}:\n{seen}");
            SystemClock::new().wait(Duration::from_millis(20), &Stop::new());
        }
    }

    fn becomes(&self, size: (u16, u16)) {
        let mut terminal = self.terminal.lock().unwrap();
        terminal.resize(usize::from(size.0), usize::from(size.1));
        tcsetwinsize(&*self.master, winsize(size)).unwrap();
    }

    fn is_interrupted(&self) {
        let pid = Pid::from_raw(i32::try_from(self.child.id()).unwrap()).unwrap();
        kill_process(pid, Signal::INT).unwrap();
    }

    /// Waits for the end, and returns the exit code and all that was ever seen.
    fn ends(mut self) -> (Option<i32>, String) {
        let code = self.child.wait().unwrap().code();
        self.reader.join().unwrap();
        (code, self.terminal.lock().unwrap().text())
    }
}

fn is_spinner(c: char) -> bool {
    ('\u{2801}'..='\u{28ff}').contains(&c)
}

/// The lines of hosts in the view.
fn busy(seen: &str) -> usize {
    seen.lines()
        .filter(|line| line.contains(is_spinner))
        .count()
}

const PLAYBOOK: &str = "\
- name: a play whose name is so long that it cannot stand in one row of a terminal that people really use, ever
  hosts: all
  gather_facts: false
  tasks:
    - name: sleep for a while, which has a name that is longer than the terminal is wide, as it happens
      command: sleep {{ seconds }}
    - name: look
      shell: test {{ inventory_hostname }} != n03
      changed_when: false
";

fn fleet(hosts: usize) -> User {
    User::new()
        .with(
            "hosts",
            &format!("n[01:{hosts:02}] ansible_connection=local\n"),
        )
        .with("site.yml", PLAYBOOK)
}

/// What is left at the end: each line that scrolls once, nothing of the view.
#[track_caller]
fn only_lines_are_left((code, text): (Option<i32>, String), last: &str) {
    assert_eq!((code, busy(&text)), (Some(2), 0), "{text}");
    for part in ["batch 1 of 1 ·", " more host"] {
        assert!(!text.contains(part), "`{part}` stays behind:\n{text}");
    }
    let whole = text.replace('\n', "");
    for told in [
        "changed     n01: ",
        &format!("changed     {last}: "),
        "failed      n03: look",
    ] {
        assert_eq!(whole.matches(told).count(), 1, "{told}:\n{text}");
    }
    assert!(text.contains("exit code 2"), "{text}");
}

#[test]
fn the_view_fits_the_terminal_and_leaves_nothing() {
    let user = fleet(30);
    let line = "apply site.yml -i hosts --state state -f 30 -e seconds=4";
    let at_work = AtWork::begins(&user, line, (80, 24));
    let seen = at_work.waits("all are busy", |seen| {
        busy(seen) == 15 && seen.contains("and 15 more hosts")
    });
    assert!(seen.contains("batch 1 of 1 · a play whose name"), "{seen}");
    let cut = seen.lines().filter(|line| line.ends_with('…'));
    assert_eq!(cut.count(), 16, "what is cut has a sign:\n{seen}");
    only_lines_are_left(at_work.ends(), "n30");
}

#[test]
fn the_view_follows_the_terminals_size() {
    let user = fleet(6);
    let line = "apply site.yml -i hosts --state state -e seconds=7";
    let at_work = AtWork::begins(&user, line, (80, 24));
    at_work.waits("all are busy", |seen| busy(seen) == 6);
    for size in [(50, 24), (120, 40), (100, 30)] {
        at_work.becomes(size);
        // What stays behind does so when the view is drawn again and again.
        SystemClock::new().wait(Duration::from_millis(1200), &Stop::new());
        at_work.waits("each host is there once, cut to the width", |seen| {
            let columns = at_work.terminal.lock().unwrap().size().0;
            let fits = |line: &str| line.chars().count() <= columns;
            let hosts = ["n01", "n06"].map(|host| format!(" {host}: sleep for a while, wh"));
            seen.lines().all(fits)
                && seen.matches("batch 1 of 1 ·").count() == 1
                && hosts.iter().all(|host| seen.matches(host).count() == 1)
        });
    }
    only_lines_are_left(at_work.ends(), "n06");
}

#[test]
fn an_interrupt_is_told_above_the_view_and_the_end_leaves_nothing() {
    let user = fleet(3);
    let line = "apply site.yml -i hosts --state state -e seconds=3";
    let at_work = AtWork::begins(&user, line, (120, 40));
    at_work.waits("all are busy", |seen| busy(seen) == 3);
    at_work.is_interrupted();
    let told = "going on to the next rest point";
    let seen = at_work.waits("it is told", |seen| seen.contains(told) && busy(seen) == 3);
    assert!(seen.find(told) < seen.find(is_spinner), "{seen}");
    let (code, text) = at_work.ends();
    assert_eq!((code, busy(&text)), (Some(6), 0), "{text}");
    assert_eq!(text.matches("batch 1 of 1 ·").count(), 0, "{text}");
    assert!(text.contains(": its records are in "), "{text}");
}
