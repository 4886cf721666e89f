//! The shell protocol tried on this machine, in dash, bash and busybox sh: what only real shells can prove.

#![expect(
    clippy::too_many_lines,
    clippy::print_stdout,
    reason = "tables of cases, and figures that are worth seeing"
)]

mod claims;
mod files;
mod jobs;
mod locks;
mod notes;
mod scripts;
mod users;

use std::path::{Path, PathBuf};
use std::time::Duration;

use proptest::prelude::*;
use tempfile::TempDir;

use crate::clock::{Clock, Stop, StopLevel, SystemClock};
use crate::secrets::Secret;

use super::framing::{Body, Nonce, request};
use super::local::LocalTransport;
use super::shell::{Setting, printf_word, prologue};
use super::shells::{Options, Role, Shells};
use super::waiting::Waiting;
use super::{
    Attached, Become, BecomeMethod, ConnError, Connection, End, Job, JobCommand, JobEnd, JobId,
    JobOutput, Limit, OnDeadline, Reply, Script, Upload,
};

/// The shells that a host may have as its `/bin/sh`.
const SHELLS: [&str; 3] = ["dash", "bash --posix", "busybox sh"];

/// Tries something in all of them at once.
fn in_every_shell(trial: impl Fn(&'static str) + Sync) {
    std::thread::scope(|scope| {
        let trial = &trial;
        for shell in SHELLS {
            scope.spawn(move || trial(shell));
        }
    });
}

/// One host: shells of one kind, and a directory that goes with it.
struct Host {
    shells: Shells,
    clock: SystemClock,
    stop: Stop,
    directory: TempDir,
    shell: &'static str,
}

impl Host {
    fn new(shell: &'static str) -> Self {
        Self::over(shell, LocalTransport::new(), tempfile::tempdir().unwrap())
    }

    fn over(shell: &'static str, link: LocalTransport, directory: TempDir) -> Self {
        let options = Options {
            state_directory: Some(directory.path().join("state").display().to_string()),
            shell: Some(shell.to_owned()),
        };
        Self {
            shells: Shells::new(Box::new(link), options),
            clock: SystemClock::new(),
            stop: Stop::new(),
            directory,
            shell,
        }
    }

    /// The same host, seen by another stagger.
    fn again(&self) -> Shells {
        let options = Options {
            state_directory: Some(self.path("state").display().to_string()),
            shell: Some(self.shell.to_owned()),
        };
        Shells::new(Box::new(LocalTransport::new()), options)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn limit(&self, milliseconds: u64) -> Limit<'_> {
        Limit {
            clock: &self.clock,
            stop: &self.stop,
            deadline: self.clock.deadline(Duration::from_millis(milliseconds)),
        }
    }

    fn script(&mut self, text: &str) -> Result<Reply, ConnError> {
        let (clock, stop) = (SystemClock::new(), self.stop.clone());
        let deadline = clock.deadline(Duration::from_secs(20));
        self.shells.script(
            None,
            &Script(text.to_owned()),
            Limit {
                clock: &clock,
                stop: &stop,
                deadline,
            },
        )
    }

    fn run(&mut self, job: &Job) -> Result<JobEnd, ConnError> {
        self.run_within(job, 20_000, &mut |_| {})
    }

    fn run_within(
        &mut self,
        job: &Job,
        milliseconds: u64,
        watch: &mut dyn FnMut(&JobOutput<'_>),
    ) -> Result<JobEnd, ConnError> {
        let (clock, stop) = (SystemClock::new(), self.stop.clone());
        let deadline = clock.deadline(Duration::from_millis(milliseconds));
        self.shells.job(
            None,
            job,
            Limit {
                clock: &clock,
                stop: &stop,
                deadline,
            },
            watch,
        )
    }

    fn start(&mut self, job: &Job, seconds: u64) -> Result<(), ConnError> {
        let (clock, stop) = (SystemClock::new(), self.stop.clone());
        let limit = Limit {
            clock: &clock,
            stop: &stop,
            deadline: clock.deadline(Duration::from_secs(20)),
        };
        self.shells
            .start(None, job, Duration::from_secs(seconds), limit)
    }

    fn attach(&mut self, id: &str) -> Result<Attached, ConnError> {
        let (clock, stop) = (SystemClock::new(), self.stop.clone());
        let deadline = clock.deadline(Duration::from_secs(20));
        self.shells.attach(
            None,
            &JobId::new(id),
            Limit {
                clock: &clock,
                stop: &stop,
                deadline,
            },
            &mut |_| {},
        )
    }

    fn put(&mut self, upload: &Upload<'_>) -> Result<(), ConnError> {
        let (clock, stop) = (SystemClock::new(), self.stop.clone());
        let deadline = clock.deadline(Duration::from_secs(20));
        self.shells.put(
            None,
            upload,
            Limit {
                clock: &clock,
                stop: &stop,
                deadline,
            },
        )
    }

    fn jobs(&self) -> PathBuf {
        let user = rustix::process::geteuid().as_raw();
        self.path("state").join(user.to_string()).join("jobs")
    }
}

fn job(id: &str, text: &str) -> Job {
    Job {
        id: JobId::new(id),
        command: JobCommand::Shell {
            text: text.to_owned(),
            shell: None,
        },
        input: None,
        directory: None,
        environment: Vec::new(),
        on_deadline: OnDeadline::Leave,
        outlives_session: false,
    }
}

fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let started = SystemClock::new();
    while !holds() {
        assert!(
            started.elapsed() < Duration::from_secs(15),
            "never happened: {what}"
        );
        std::thread::yield_now();
    }
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}

/// A host whose state lies on a file system of 64 kB of its own.
fn small_disk(shell: &'static str) -> Host {
    let directory = tempfile::tempdir().unwrap();
    let place = directory.path().display();
    let how = if rustix::process::geteuid().is_root() {
        "-m"
    } else {
        "-rm"
    };
    let before = format!(
        "exec unshare {how} sh -c 'mount -t tmpfs -o size=64k none {place} && exec \"$@\"' sh "
    );
    Host::over(shell, LocalTransport::behind(&before), directory)
}

/// A host that says it is run by systemd, with a `systemd-run` that notes how it is called and runs what it is given.
#[expect(clippy::disallowed_methods, reason = "a program is made")]
fn with_systemd(shell: &'static str) -> Host {
    let directory = tempfile::tempdir().unwrap();
    let place = directory.path().display().to_string();
    let program = directory.path().join("systemd-run");
    let text = format!("#!/bin/sh\necho \"$@\" >>{place}/called\nshift 2\nexec \"$@\"\n");
    std::fs::write(&program, text).unwrap();
    let runs = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&program, runs).unwrap();
    let how = if rustix::process::geteuid().is_root() {
        "-m"
    } else {
        "-rm"
    };
    let before = format!(
        "exec unshare {how} sh -c 'mount -t tmpfs none /run && mkdir -p /run/systemd/system && \
         PATH={place}:$PATH && exec \"$@\"' sh "
    );
    Host::over(shell, LocalTransport::behind(&before), directory)
}

fn host_limit<'a>(clock: &'a SystemClock, stop: &'a Stop) -> Limit<'a> {
    Limit {
        clock,
        stop,
        deadline: clock.deadline(Duration::from_secs(20)),
    }
}
