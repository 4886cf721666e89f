//! A person's login: a terminal with a shell in it, whose connection can be lost.

use std::fs::File;
use std::io::Read as _;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use stagger::clock::{Clock as _, Stop, SystemClock};

use crate::user::User;

/// A terminal, as a person's login has one: a session of its own, with the terminal as its controlling one.
#[derive(Debug)]
pub(crate) struct Login {
    master: File,
    shell: Child,
}

impl Login {
    /// Types a line at a shell that waits for it.
    #[expect(
        clippy::disallowed_methods,
        reason = "a session of its own needs a program"
    )]
    pub(crate) fn types(user: &User, line: &str) -> Self {
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let master = openpt(flags).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let name = ptsname(&master, Vec::new()).unwrap().into_string().unwrap();
        // The first terminal that a leader of a session opens is its controlling one.
        let script = "exec <\"$1\" >\"$1\" 2>&1; shift; \"$@\"; echo \"shell: $?\"; read -r end";
        let typed = user.command(line);
        // Whoever runs the tests may have them ignore that a terminal is gone.
        let mut shell = Command::new("env");
        shell.args(["--default-signal=HUP", "setsid"]);
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
    pub(crate) fn shows(&mut self, text: &str) {
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
    pub(crate) fn loses_its_terminal(self) {
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
