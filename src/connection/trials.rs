//! The shell protocol tried on this machine, in dash, bash and busybox sh: what only real shells can prove.

#![expect(
    clippy::too_many_lines,
    clippy::print_stdout,
    reason = "tables of cases, and figures that are worth seeing"
)]

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

#[test]
fn scripts_answer_in_every_shell() {
    let cases: &[(&str, i32, &str)] = &[
        ("echo hello", 0, "hello\n"),
        ("printf 'no newline'", 0, "no newline"),
        ("exit 7", 7, ""),
        ("set -e; false; echo no", 1, ""),
        ("cat; echo read", 0, "read\n"),
        ("cd /; pwd", 0, "/\n"),
        ("cat <<E\nhere $((1+1))\nE", 0, "here 2\n"),
        ("echo 'it'\"'\"'s'", 0, "it's\n"),
        ("kill -9 $(sh -c 'echo $PPID')", 137, ""),
        (
            "printf '\\036%s.2.0\\n' 00112233445566778899aabbccddeeff",
            0,
            "\x1e00112233445566778899aabbccddeeff.2.0\n",
        ),
        ("umask", 0, "0077\n"),
        ("pwd >/dev/null; ulimit -n 3; echo limited", 0, "limited\n"),
        ("", 0, ""),
        ("# a comment", 0, ""),
    ];
    for shell in SHELLS {
        let mut host = Host::new(shell);
        for (text, code, out) in cases {
            let reply = host.script(text).unwrap();
            assert_eq!(
                (reply.code, reply.text().as_str()),
                (*code, *out),
                "{shell}: {text}: {reply:?}"
            );
        }
        for broken in ["if true; then", "echo )", "'", "}", "done"] {
            let reply = host.script(broken).unwrap();
            assert_eq!(
                (reply.code, reply.err.is_empty()),
                (2, false),
                "{shell}: {broken}: {reply:?}"
            );
        }
        let place = host
            .script("cd /tmp; x=1; set -f; umask 022; pwd")
            .unwrap()
            .text();
        let after = host.script("pwd; echo \"$x $-\"; umask").unwrap().text();
        assert!(
            !after.starts_with(&place) && after.ends_with(" \n0077\n") || !after.contains('f'),
            "{shell}: {after}"
        );
    }
}

#[test]
fn five_megabytes_on_both_streams_come_whole() {
    in_every_shell(|shell| {
        let mut host = Host::new(shell);
        let text =
            "head -c 5000000 /dev/zero | tr '\\0' e >&2; head -c 5000000 /dev/zero | tr '\\0' o";
        let reply = host.script(text).unwrap();
        assert!(
            reply.out.len() == 5_000_000 && reply.out.iter().all(|byte| *byte == b'o'),
            "{shell}"
        );
        assert!(
            reply.err.len() == 5_000_000 && reply.err.iter().all(|byte| *byte == b'e'),
            "{shell}"
        );
        let end = host.run(&job("big", text)).unwrap();
        assert_eq!(
            (end.out.len(), end.err.len(), end.cut),
            (5_000_000, 5_000_000, false),
            "{shell}"
        );
    });
}

#[test]
fn a_shell_that_is_killed_is_a_lost_answer_and_the_next_call_works() {
    in_every_shell(|shell| {
        let mut host = Host::new(shell);
        for deadly in ["kill -9 $$", "kill 0", "kill -9 $$; sleep 100"] {
            let error = host.script(deadly).unwrap_err();
            assert!(
                matches!(error, ConnError::Lost { .. }),
                "{shell}: {deadly}: {error:?}"
            );
            assert!(!error.nothing_sent());
            assert_eq!(
                host.script("echo back").unwrap().text(),
                "back\n",
                "{shell}"
            );
        }
    });
}

#[test]
fn a_deadline_and_a_stop_end_a_script() {
    let mut host = Host::new("dash");
    let (clock, stop) = (SystemClock::new(), Stop::new());
    let limit = Limit {
        clock: &clock,
        stop: &stop,
        deadline: clock.deadline(Duration::from_millis(300)),
    };
    let error = host
        .shells
        .script(None, &Script("sleep 5".to_owned()), limit)
        .unwrap_err();
    assert!(matches!(error, ConnError::TimedOut { .. }), "{error:?}");
    assert_eq!(host.script("echo back").unwrap().text(), "back\n");
    stop.raise(StopLevel::Abandon);
    let error = host
        .shells
        .script(None, &Script("sleep 5".to_owned()), limit)
        .unwrap_err();
    assert_eq!(error, ConnError::Stopped);
}

/// Feeds a shell a part of a conversation and lets it end.
fn feed(shell: &str, input: &[u8]) {
    use std::io::Write;
    let mut words = shell.split(' ');
    #[expect(
        clippy::disallowed_methods,
        reason = "a test starts a shell of its own"
    )]
    let mut child = std::process::Command::new(words.next().unwrap())
        .args(words)
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    // A shell that a syntax error has ended does not read the rest.
    drop(child.stdin.take().unwrap().write_all(input));
    child.wait().unwrap();
}

#[test]
fn a_request_cut_at_any_byte_does_nothing() {
    in_every_shell(|shell| {
        let directory = tempfile::tempdir().unwrap();
        let here = || {
            std::fs::read_dir(&directory)
                .unwrap()
                .map(Result::unwrap)
                .collect::<Vec<_>>()
        };
        let (trace, target) = (
            directory.path().join("trace"),
            directory.path().join("target"),
        );
        let state = directory.path().join("state").display().to_string();
        let nonce = Nonce::draw().unwrap();
        let upload = Upload {
            path: target.to_str().unwrap(),
            content: b"new\n",
            mode: None,
            owner: None,
            group: None,
        };
        let put = super::files::put(&upload, super::files::Way::Inside, "t").unwrap();
        let script = format!("touch {0}\ncat >{0} <<E\nx\nE\n", trace.display());
        let launch =
            super::jobs::launch(&job("cut", &format!("touch {}", trace.display())), None).unwrap();
        let hello = prologue(
            &nonce,
            Setting {
                shell,
                state_directory: Some(&state),
                at_home: false,
            },
        );
        // The greeting changes nothing, however much of it comes.
        for cut in (0..hello.len()).step_by(11) {
            feed(shell, &hello.as_bytes()[..cut]);
            assert!(
                here().is_empty(),
                "{shell}: greeting cut at {cut}: {:?}",
                here()
            );
        }
        for text in [
            request(1, Body::Script(&script)),
            request(1, Body::Own(&put)),
            request(1, Body::InJobs(&launch)),
        ] {
            // Without the closing brace and the newline nothing may happen.
            for cut in 0..text.len() - 1 {
                feed(shell, format!("{hello}{}", &text[..cut]).as_bytes());
                assert!(
                    here().is_empty(),
                    "{shell}: cut at {cut} of {text}: {:?}",
                    here()
                );
            }
            feed(shell, format!("{hello}{text}").as_bytes());
            assert!(
                trace.exists() || target.exists(),
                "{shell}: the whole request works: {text}"
            );
            for path in [&trace, &target] {
                drop(std::fs::remove_file(path));
            }
            drop(std::fs::remove_dir_all(&state));
        }
    });
}

#[test]
fn jobs_end_as_they_end() {
    let cases: &[(&str, End, &str)] = &[
        ("true", End::Code(0), ""),
        ("echo out; exit 3", End::Code(3), "out\n"),
        ("kill -9 $$", End::Signal(9), ""),
        ("kill 0; sleep 5", End::Signal(15), ""),
        ("cat; echo read", End::Code(0), "read\n"),
        ("if true; then", End::Code(2), ""),
        ("sleep 20 & echo started", End::Code(0), "started\n"),
        ("umask", End::Code(0), "0022\n"),
        ("echo \"$0\" | grep -c cmd", End::Code(0), "1\n"),
        ("printf '\\036%s.2.0\\n' x", End::Code(0), "\x1ex.2.0\n"),
        (
            "trap 'echo hup; exit 4' HUP; kill -HUP $$; echo no",
            End::Code(4),
            "hup\n",
        ),
        ("set -e\nfalse\necho no", End::Code(1), ""),
        ("no_such_command_here", End::Code(127), ""),
    ];
    for shell in SHELLS {
        let mut host = Host::over(
            shell,
            LocalTransport::behind("umask 022; exec "),
            tempfile::tempdir().unwrap(),
        );
        for (number, (text, end, out)) in cases.iter().enumerate() {
            let got = host.run(&job(&format!("case-{number}"), text)).unwrap();
            assert_eq!(
                (got.end, String::from_utf8_lossy(&got.out).as_ref(), got.cut),
                (*end, *out, false),
                "{shell}: {text}: {got:?}"
            );
        }
        let error = host.run(&job("line", "true\nsyntax (error")).unwrap();
        assert!(
            String::from_utf8_lossy(&error.err).contains('2'),
            "line numbers are the user's: {error:?}"
        );
    }
}

#[test]
fn jobs_get_what_they_are_given() {
    for shell in SHELLS {
        let mut host = Host::new(shell);
        let weird: Vec<u8> = (1..=255).collect();
        let argv = Job {
            command: JobCommand::Argv(vec![
                b"printf".to_vec(),
                b"%s|".to_vec(),
                weird.clone(),
                b"a b".to_vec(),
                Vec::new(),
            ]),
            ..job("argv", "")
        };
        let mut expected = weird;
        expected.extend_from_slice(b"|a b||");
        assert_eq!(host.run(&argv).unwrap().out, expected, "{shell}");

        let place = host.directory.path().display().to_string();
        let given = Job {
            input: Some(Secret::new("pass\nword 100%\\n'")),
            directory: Some(place.clone()),
            environment: vec![("A_1".to_owned(), "it's $HOME\nand".to_owned())],
            ..job(
                "given",
                "pwd; echo \"$A_1\"; cat; env | grep -c '^_[NRSUXW]='",
            )
        };
        let end = host.run(&given).unwrap();
        assert_eq!(
            String::from_utf8_lossy(&end.out),
            format!("{place}\nit's $HOME\nand\npass\nword 100%\\n'0\n"),
            "{shell}"
        );

        let chosen = Job {
            command: JobCommand::Shell {
                text: "a=(1 2 3); echo ${#a[@]}".to_owned(),
                shell: Some("/bin/bash".to_owned()),
            },
            ..job("chosen", "")
        };
        assert_eq!(host.run(&chosen).unwrap().out, b"3\n", "{shell}");

        let script = Job {
            command: JobCommand::Script {
                text: b"#!/usr/bin/env bash\necho $BASH_VERSION $1\n".to_vec(),
                arguments: vec!["x y".to_owned()],
            },
            ..job("script", "")
        };
        let out = host.run(&script).unwrap().out;
        assert!(
            out.ends_with(b" x y\n") && out[0].is_ascii_digit(),
            "{shell}"
        );

        let nowhere = Job {
            directory: Some("/no/such/place".to_owned()),
            ..job("nowhere", "true")
        };
        let error = host.run(&nowhere).unwrap_err().to_string();
        assert!(
            error.contains("cannot enter the job's directory") && error.contains("/no/such/place"),
            "{shell}: {error}"
        );
        assert!(
            matches!(host.attach("nowhere").unwrap(), Attached::NeverStarted),
            "{shell}"
        );
    }
}

#[test]
fn nothing_of_a_job_is_in_an_argument_list_and_its_files_are_private() {
    let mut host = Host::new("dash");
    let text = "tr '\\0' ' ' </proc/$$/cmdline; echo; cat /proc/$PPID/cmdline /proc/$PPID/environ | tr '\\0' ' '; cat >/dev/null; #hunter22";
    let secret = Job {
        input: Some(Secret::new("hunter22")),
        ..job("secret", text)
    };
    let out = host.run(&secret).unwrap().out;
    assert!(
        !String::from_utf8_lossy(&out).contains("hunter22"),
        "{}",
        String::from_utf8_lossy(&out)
    );
    for entry in std::fs::read_dir(host.jobs()).unwrap() {
        use std::os::unix::fs::PermissionsExt;
        let entry = entry.unwrap();
        let mode = entry.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{entry:?}");
        assert!(
            !read(&entry.path()).contains("hunter22") || entry.file_name() == "secret.cmd",
            "{entry:?}"
        );
    }
}

#[test]
fn a_job_never_runs_twice() {
    for shell in SHELLS {
        let mut host = Host::new(shell);
        let trace = host.path("trace");
        let twice = job(
            "twice",
            &format!("echo x >>{}; echo out; exit 5", trace.display()),
        );
        let first = host.run(&twice).unwrap();
        assert_eq!(host.run(&twice).unwrap(), first, "{shell}");
        assert_eq!(
            host.again()
                .job(None, &twice, host.limit(20_000), &mut |_| {})
                .unwrap(),
            first,
            "{shell}"
        );
        assert_eq!(read(&trace), "x\n", "{shell}");
    }
}

#[test]
fn racing_shells_have_one_winner() {
    in_every_shell(|shell| {
        let host = Host::new(shell);
        let trace = host.path("trace");
        for round in 0..8 {
            let racing = job(
                &format!("race-{round}"),
                &format!("echo {round} >>{}", trace.display()),
            );
            std::thread::scope(|scope| {
                for racer in 0..4 {
                    let (mut shells, racing, limit) = (host.again(), &racing, host.limit(20_000));
                    scope.spawn(move || {
                        if racer < 3 {
                            let end = shells.job(None, racing, limit, &mut |_| {});
                            assert!(
                                matches!(
                                    end,
                                    Ok(JobEnd {
                                        end: End::Code(0),
                                        ..
                                    }) | Err(ConnError::Host { .. })
                                ),
                                "{end:?}"
                            );
                        } else {
                            shells.attach(None, &racing.id, limit, &mut |_| {}).unwrap();
                        }
                    });
                }
            });
        }
        let lines = read(&trace);
        let mut runs: Vec<&str> = lines.lines().collect();
        let all = runs.len();
        runs.sort_unstable();
        runs.dedup();
        assert_eq!(runs.len(), all, "{shell}: some job ran twice: {lines}");
    });
}

#[test]
fn output_comes_while_the_job_runs() {
    in_every_shell(|shell| {
        let mut host = Host::new(shell);
        let started = SystemClock::new();
        let mut seen: Vec<(String, Duration)> = Vec::new();
        let text = "echo first; echo oops >&2; sleep 3; echo last";
        let end = host
            .run_within(&job("live", text), 20_000, &mut |output| {
                let text = match output {
                    JobOutput::Started => "started".to_owned(),
                    JobOutput::Out(bytes) => format!("out:{}", String::from_utf8_lossy(bytes)),
                    JobOutput::Err(bytes) => format!("err:{}", String::from_utf8_lossy(bytes)),
                };
                seen.push((text, started.elapsed()));
            })
            .unwrap();
        assert_eq!(
            (end.out.as_slice(), end.err.as_slice()),
            (b"first\nlast\n".as_slice(), b"oops\n".as_slice()),
            "{shell}"
        );
        let texts: Vec<&str> = seen.iter().map(|(text, _)| text.as_str()).collect();
        assert_eq!(
            texts,
            ["started", "out:first\n", "err:oops\n", "out:last\n"],
            "{shell}"
        );
        assert!(
            seen[1].1 < Duration::from_millis(2_500),
            "{shell}: {seen:?}"
        );
    });
}

#[test]
fn a_job_outlives_its_session_and_is_found_again() {
    in_every_shell(|shell| {
        let mut host = Host::new(shell);
        let long = job("long", "echo before; sleep 2; echo after; exit 6");
        let error = host.run_within(&long, 500, &mut |_| {}).unwrap_err();
        assert!(
            matches!(error, ConnError::TimedOut { .. }),
            "{shell}: {error:?}"
        );
        let Attached::Ended(end) = host.attach("long").unwrap() else {
            panic!("{shell}: it did not end")
        };
        assert_eq!(
            (end.end, end.out.as_slice()),
            (End::Code(6), b"before\nafter\n".as_slice()),
            "{shell}"
        );
    });
}

#[test]
fn who_asks_first_fences_a_job_that_never_started() {
    for shell in SHELLS {
        let mut host = Host::new(shell);
        let trace = host.path("trace");
        assert_eq!(
            host.attach("late").unwrap(),
            Attached::NeverStarted,
            "{shell}"
        );
        let error = host
            .run(&job("late", &format!("touch {}", trace.display())))
            .unwrap_err();
        assert!(error.to_string().contains("fenced"), "{shell}: {error}");
        assert!(!trace.exists(), "{shell}");
        assert_eq!(
            host.attach("late").unwrap(),
            Attached::NeverStarted,
            "{shell}"
        );
    }
}

#[test]
fn what_is_gone_or_from_another_boot_is_said_to_be() {
    in_every_shell(|shell| {
        let mut host = Host::new(shell);
        // The job and the shell that waits for it are both killed.
        let gone = job("gone", "kill -9 $PPID; kill -9 $$");
        assert!(host.run(&gone).is_err(), "{shell}");
        let Attached::Vanished { reason } = host.attach("gone").unwrap() else {
            panic!("{shell}")
        };
        assert!(reason.contains("are gone"), "{shell}: {reason}");

        assert!(
            host.run_within(&job("boot", "sleep 30"), 300, &mut |_| {})
                .is_err()
        );
        let id = host.jobs().join("boot.cmd.id");
        let text = read(&id);
        let (line, boot) = text.split_once('\n').unwrap();
        let pid = line.split(' ').next().unwrap().to_owned();
        #[expect(clippy::disallowed_methods, reason = "a test forges a file")]
        std::fs::write(&id, text.replace(boot, "another-boot\n")).unwrap();
        let Attached::Vanished { reason } = host.attach("boot").unwrap() else {
            panic!("{shell}")
        };
        assert!(
            reason.contains("rebooted") && reason.contains("another-boot"),
            "{shell}: {reason}"
        );
        host.script(&format!("kill -9 -{pid}")).unwrap();
    });
}

#[test]
fn a_deadline_does_to_a_job_what_was_asked() {
    in_every_shell(|shell| {
        let mut host = Host::new(shell);
        for (on_deadline, signal) in [(OnDeadline::Term, 15), (OnDeadline::Kill, 9)] {
            let id = format!("late-{signal}");
            let late = Job {
                on_deadline,
                ..job(&id, "sleep 60; echo no")
            };
            let error = host.run_within(&late, 400, &mut |_| {}).unwrap_err();
            assert!(
                matches!(error, ConnError::TimedOut { .. }),
                "{shell}: {error:?}"
            );
            let Attached::Ended(end) = host.attach(&id).unwrap() else {
                panic!("{shell}")
            };
            assert_eq!(end.end, End::Signal(signal), "{shell}");
        }
    });
}

#[test]
fn a_job_that_nobody_waits_for_goes_on_and_is_found_again() {
    in_every_shell(|shell| {
        let mut host = Host::new(shell);
        let aside = job(
            "aside",
            "read x; sleep 0.5; echo \"$x $(umask)\" >>counted; echo out; exit 3",
        );
        let aside = Job {
            directory: Some(host.jobs().display().to_string()),
            input: Some(Secret::new("given\n")),
            ..aside
        };
        let clock = SystemClock::new();
        host.start(&aside, 60).unwrap();
        host.start(&aside, 60).unwrap();
        assert!(
            clock.elapsed() < Duration::from_millis(450),
            "{shell}: it was waited for"
        );
        assert!(
            host.script("echo still").unwrap().text() == "still\n",
            "{shell}"
        );
        let Attached::Ended(end) = host.attach("aside").unwrap() else {
            panic!("{shell}")
        };
        assert_eq!(
            (end.end, end.out.as_slice()),
            (End::Code(3), &b"out\n"[..]),
            "{shell}"
        );
        let counted = read(&host.jobs().join("counted"));
        let mask = host.run(&job("mask", "umask")).unwrap();
        assert_eq!(
            counted.as_bytes(),
            [b"given ", mask.out.as_slice()].concat(),
            "{shell}"
        );
    });
}

#[test]
fn a_job_that_nobody_waits_for_is_killed_when_its_time_is_over() {
    in_every_shell(|shell| {
        let mut host = Host::new(shell);
        host.start(&job("long", "sleep 30 & sleep 30; echo no"), 1)
            .unwrap();
        let Attached::Ended(end) = host.attach("long").unwrap() else {
            panic!("{shell}")
        };
        assert_eq!((end.end, end.out.len()), (End::Signal(9), 0), "{shell}");
    });
}

#[test]
fn a_signal_for_a_process_that_is_not_the_job_does_nothing() {
    for shell in SHELLS {
        let mut host = Host::new(shell);
        host.run(&job("old", "sleep 0.1")).unwrap();
        let mut sleeper = sleeper();
        let id = host.jobs().join("old.cmd.id");
        let text = read(&id);
        // The number was given to another process since; its start time tells.
        let (_, rest) = text.split_once(' ').unwrap();
        #[expect(clippy::disallowed_methods, reason = "a test forges a file")]
        std::fs::write(&id, format!("{} {rest}", sleeper.id())).unwrap();
        let call = super::jobs::signal(&JobId::new("old"), "KILL");
        let (clock, stop) = (SystemClock::new(), Stop::new());
        let waiting = Waiting::new(Limit {
            clock: &clock,
            stop: &stop,
            deadline: clock.deadline(Duration::from_secs(10)),
        });
        let frame = host
            .shells
            .call(None, Role::Steps, Body::InJobs(&call), &waiting)
            .unwrap();
        assert_eq!(frame.out, b"gone\n", "{shell}");
        assert!(
            sleeper.try_wait().unwrap().is_none(),
            "{shell}: a stranger was killed"
        );
        sleeper.kill().unwrap();
        sleeper.wait().unwrap();
    }
}

fn sleeper() -> std::process::Child {
    #[expect(
        clippy::disallowed_methods,
        reason = "a test starts a process of its own"
    )]
    std::process::Command::new("sleep")
        .arg("60")
        .spawn()
        .unwrap()
}

#[test]
fn ended_jobs_can_be_forgotten_and_running_ones_cannot() {
    for shell in SHELLS {
        let mut host = Host::new(shell);
        host.run(&Job {
            input: Some(Secret::new("x")),
            ..job("done", "true")
        })
        .unwrap();
        host.attach("fenced").unwrap();
        assert!(
            host.run_within(&job("busy", "sleep 30"), 300, &mut |_| {})
                .is_err()
        );
        let ids = ["done", "fenced", "busy", "never heard of"].map(JobId::new);
        let (clock, stop) = (SystemClock::new(), Stop::new());
        let limit = Limit {
            clock: &clock,
            stop: &stop,
            deadline: clock.deadline(Duration::from_secs(10)),
        };
        host.shells.forget(None, &ids, limit).unwrap();
        let mut left: Vec<String> = std::fs::read_dir(host.jobs())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        left.sort();
        assert_eq!(
            left,
            [
                "busy.claim",
                "busy.cmd",
                "busy.cmd.id",
                "busy.err",
                "busy.out",
                "busy.rc",
                "fenced.claim"
            ],
            "{shell}"
        );
        let call = super::jobs::signal(&JobId::new("busy"), "KILL");
        host.shells
            .call(None, Role::Steps, Body::InJobs(&call), &Waiting::new(limit))
            .unwrap();
    }
}

#[test]
fn a_directory_of_jobs_that_is_not_ours_is_refused() {
    let mut host = Host::new("dash");
    let elsewhere = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(host.jobs().parent().unwrap()).unwrap();
    std::os::unix::fs::symlink(elsewhere.path(), host.jobs()).unwrap();
    let error = host.run(&job("x", "true")).unwrap_err().to_string();
    assert!(error.contains("is a symbolic link"), "{error}");
    std::fs::remove_file(host.jobs()).unwrap();
    std::fs::create_dir(host.jobs()).unwrap();
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o777);
    std::fs::set_permissions(host.jobs(), open).unwrap();
    host.run(&job("y", "true")).unwrap();
    let mode = std::os::unix::fs::PermissionsExt::mode(
        &std::fs::metadata(host.jobs()).unwrap().permissions(),
    );
    assert_eq!(mode & 0o777, 0o700);
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

#[test]
fn a_full_disk_loses_neither_end_nor_identity() {
    in_every_shell(|shell| {
        let mut host = small_disk(shell);
        let end = host
            .run(&job("fill", "echo start; cat /dev/zero; exit 13"))
            .unwrap();
        assert_eq!(
            (end.end, end.cut),
            (End::Code(13), true),
            "{shell}: {:?}",
            String::from_utf8_lossy(&end.err)
        );
        assert!(end.out.starts_with(b"start\n"), "{shell}");
        let error = host.run(&job("next", "true")).unwrap_err().to_string();
        assert!(
            error.contains("cannot write the job down, so it was not started"),
            "{shell}: {error}"
        );
        host.script(&format!("rm {}", host.jobs().join("fill.out").display()))
            .unwrap();
        assert_eq!(
            host.run(&job("next", "true")).unwrap().end,
            End::Code(0),
            "{shell}"
        );
    });
}

fn plain_upload<'a>(path: &'a str, content: &'a [u8]) -> Upload<'a> {
    Upload {
        path,
        content,
        mode: None,
        owner: None,
        group: None,
    }
}

#[test]
fn a_file_that_does_not_fit_leaves_the_old_one() {
    for shell in SHELLS {
        let mut host = small_disk(shell);
        let path = host.path("file").display().to_string();
        host.put(&plain_upload(&path, b"old")).unwrap();
        for size in [60_000, 200_000] {
            let new = vec![b'y'; size];
            host.script(&format!(
                "rm -f {0}/filler; head -c 30000 /dev/zero >{0}/filler",
                host.directory.path().display()
            ))
            .unwrap();
            let error = host.put(&plain_upload(&path, &new)).unwrap_err();
            assert!(
                error.to_string().starts_with("cannot write "),
                "{shell}: {error}"
            );
            let seen = host
                .script(&format!(
                    "cat {path}; ls -A {}",
                    host.directory.path().display()
                ))
                .unwrap();
            assert_eq!(seen.text(), "oldfile\nfiller\n", "{shell}");
        }
    }
}

#[test]
fn files_arrive_as_they_were_sent_with_the_modes_that_were_asked_for() {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    let all: Vec<u8> = (0..=255).cycle().take(64 << 10).collect();
    let large: Vec<u8> = (0..=255).cycle().take(3_000_000).collect();
    in_every_shell(|shell| {
        let mut host = Host::over(
            shell,
            LocalTransport::behind("umask 027; exec "),
            tempfile::tempdir().unwrap(),
        );
        let path = host.path("a file's").display().to_string();
        let mode_of = |path: &str| std::fs::metadata(path).unwrap().permissions().mode() & 0o7777;
        let upload = |content, mode| Upload {
            path: &path,
            content,
            mode,
            owner: None,
            group: None,
        };
        for (content, mode, expected) in [
            (b"".as_slice(), None, 0o640),
            (all.as_slice(), Some(0o4751), 0o4751),
            (b"-n %s \\n".as_slice(), None, 0o4751),
            (large.as_slice(), Some(0o400), 0o400),
            (all.as_slice(), None, 0o400),
            (large.as_slice(), Some(0o1666), 0o1666),
            (b"x".as_slice(), None, 0o1666),
        ] {
            host.put(&upload(content, mode)).unwrap();
            assert!(
                std::fs::read(&path).unwrap() == content,
                "{shell}: {} bytes",
                content.len()
            );
            assert_eq!(mode_of(&path), expected, "{shell}: {mode:?}");
            let got = host
                .shells
                .get(
                    None,
                    &path,
                    4_000_000,
                    host_limit(&SystemClock::new(), &Stop::new()),
                )
                .unwrap();
            assert!(got == content, "{shell}");
        }
        if rustix::process::geteuid().is_root() {
            let owned = Upload {
                owner: Some("daemon"),
                group: Some("bin"),
                ..upload(b"1", Some(0o600))
            };
            host.put(&owned).unwrap();
            host.put(&upload(b"2", None)).unwrap();
            let meta = std::fs::metadata(&path).unwrap();
            assert_eq!(
                (meta.uid(), meta.gid(), mode_of(&path)),
                (1, 2, 0o600),
                "{shell}: the old owner is kept"
            );
            host.put(&Upload {
                group: Some("daemon"),
                ..upload(b"3", None)
            })
            .unwrap();
            let meta = std::fs::metadata(&path).unwrap();
            assert_eq!((meta.uid(), meta.gid()), (1, 1), "{shell}");
        }
        assert_eq!(
            std::fs::read_dir(&host.directory).unwrap().count(),
            1,
            "{shell}: no temporary file is left"
        );
    });
}

fn host_limit<'a>(clock: &'a SystemClock, stop: &'a Stop) -> Limit<'a> {
    Limit {
        clock,
        stop,
        deadline: clock.deadline(Duration::from_secs(20)),
    }
}

#[test]
fn files_that_cannot_be_are_refused_with_a_reason() {
    let (clock, stop) = (SystemClock::new(), Stop::new());
    for shell in SHELLS {
        let mut host = Host::new(shell);
        let here = host.directory.path().display().to_string();
        let upload = |path| Upload {
            path,
            content: b"x",
            mode: None,
            owner: None,
            group: None,
        };
        let missing = format!("{here}/no/file");
        let nobody = format!("{here}/file");
        let cases = [
            (host.put(&upload(&here)).unwrap_err(), "is a directory"),
            (host.put(&upload(&missing)).unwrap_err(), "does not exist"),
            (
                host.put(&Upload {
                    owner: Some("no_such_user"),
                    ..upload(&nobody)
                })
                .unwrap_err(),
                "no_such_user",
            ),
            (
                host.shells
                    .get(None, &here, 10, host_limit(&clock, &stop))
                    .unwrap_err(),
                "is a directory",
            ),
            (
                host.shells
                    .get(None, &missing, 10, host_limit(&clock, &stop))
                    .unwrap_err(),
                "does not exist",
            ),
            (
                host.shells
                    .get(None, "/etc/passwd", 10, host_limit(&clock, &stop))
                    .unwrap_err(),
                "longer than 10 bytes",
            ),
        ];
        for (error, sign) in cases {
            assert!(error.to_string().contains(sign), "{shell}: {error}");
        }
        let put = super::files::put(&upload(&nobody), super::files::Way::Inside, "t").unwrap();
        let tampered = put.replace(" 'x' 1 ", " 'y' 1 ");
        let frame = host
            .shells
            .call(
                None,
                Role::Steps,
                Body::Own(&tampered),
                &Waiting::new(host_limit(&clock, &stop)),
            )
            .unwrap();
        assert_eq!(frame.code, 1, "{shell}");
        assert!(
            String::from_utf8_lossy(&frame.err).contains("is not what was sent"),
            "{shell}"
        );
        assert_eq!(
            std::fs::read_dir(&host.directory).unwrap().count(),
            0,
            "{shell}"
        );
    }
}

/// A program that asks for a password as `sudo -S -p PROMPT` does.
const LIKE_SUDO: &str = r#"#!/bin/sh
while [ $# -gt 0 ]; do case $1 in -p) prompt=$2; shift 2;; -u) shift 2;; --) shift; break;; *) shift;; esac; done
for round in 1 2 3; do
printf 'lecture\n' >&2; printf '%s' "$prompt" >&2; IFS= read -r password || exit 1
if [ "$password" = right ]; then exec "$@"; fi
echo "$password" >>"$0.wrong"; echo 'Sorry, try again.' >&2
done
echo 'sudo: 3 incorrect password attempts' >&2; exit 1
"#;

#[test]
fn another_user_is_become_with_a_password_asked_for_once() {
    for shell in SHELLS {
        let mut host = Host::new(shell);
        let program = host.path("like sudo").display().to_string();
        host.put(&Upload {
            path: &program,
            content: LIKE_SUDO.as_bytes(),
            mode: Some(0o755),
            owner: None,
            group: None,
        })
        .unwrap();
        let user = |password: &str| Become {
            method: BecomeMethod::Sudo,
            user: "root".to_owned(),
            password: Some(Secret::new(password)),
            exe: Some(program.clone()),
            flags: Vec::new(),
        };
        let (clock, stop) = (SystemClock::new(), Stop::new());
        let script = Script("cd; pwd; cat".to_owned());
        let reply = host
            .shells
            .script(Some(&user("right")), &script, host_limit(&clock, &stop))
            .unwrap();
        assert_eq!(reply.code, 0, "{shell}: {reply:?}");
        assert!(
            !host.path("like sudo.wrong").exists(),
            "{shell}: the password was sent once"
        );
        let end = host
            .shells
            .job(
                Some(&user("right")),
                &job("b", "echo job"),
                host_limit(&clock, &stop),
                &mut |_| {},
            )
            .unwrap();
        assert_eq!(end.out, b"job\n", "{shell}");
        let large = vec![7; 100_000];
        let path = host.path("large").display().to_string();
        let upload = Upload {
            path: &path,
            content: &large,
            mode: None,
            owner: None,
            group: None,
        };
        host.shells
            .put(Some(&user("right")), &upload, host_limit(&clock, &stop))
            .unwrap();
        assert!(std::fs::read(&path).unwrap() == large, "{shell}");
        let error = host
            .shells
            .script(Some(&user("wrong")), &script, host_limit(&clock, &stop))
            .unwrap_err();
        assert!(
            matches!(&error, ConnError::Become { message } if message.contains("wrong")),
            "{shell}: {error}"
        );
        eventually("the wrong password is seen", || {
            host.path("like sudo.wrong").exists()
        });
        assert_eq!(
            read(&host.path("like sudo.wrong")),
            "wrong\n",
            "{shell}: never a second try"
        );
    }
}

#[test]
fn who_the_host_is_is_asked_once() {
    let mut host = Host::new("dash");
    let (clock, stop) = (SystemClock::new(), Stop::new());
    let identity = host.shells.identity(host_limit(&clock, &stop)).unwrap();
    assert_eq!(
        identity.boot_id,
        read(Path::new("/proc/sys/kernel/random/boot_id")).trim()
    );
    assert_eq!(
        identity.machine_id,
        read(Path::new("/etc/machine-id")).trim()
    );
    assert!(!identity.user.is_empty());
    assert_eq!(
        host.shells.identity(host_limit(&clock, &stop)).unwrap(),
        identity
    );
}

#[test]
fn a_job_costs_little_more_than_its_command() {
    for shell in SHELLS {
        let mut host = Host::new(shell);
        host.run(&job("warm", "true")).unwrap();
        let mut times: Vec<Duration> = (0..60)
            .map(|number| {
                let started = SystemClock::new();
                host.run(&job(&format!("t{number}"), "true")).unwrap();
                started.elapsed()
            })
            .collect();
        times.sort();
        let mut framed: Vec<Duration> = (0..60)
            .map(|_| {
                let started = SystemClock::new();
                host.script(":").unwrap();
                started.elapsed()
            })
            .collect();
        framed.sort();
        let mut alone: Vec<Duration> = (0..60)
            .map(|_| {
                let started = SystemClock::new();
                host.script(&format!("{shell} -c true")).unwrap();
                started.elapsed()
            })
            .collect();
        alone.sort();
        println!(
            "{shell}: a job running `true` {:?}, `sh -c true` in a script {:?}, an empty script {:?} (medians)",
            times[30], alone[30], framed[30]
        );
        assert!(
            times[30] < Duration::from_millis(40),
            "{shell}: {:?}",
            times[30]
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn any_bytes_survive_the_way_into_every_shell(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        for shell in SHELLS {
            let mut host = Host::new(shell);
            let reply = host.script(&format!("printf {}", printf_word(&bytes))).unwrap();
            prop_assert_eq!(&reply.out, &bytes, "{}", shell);
        }
    }
}
