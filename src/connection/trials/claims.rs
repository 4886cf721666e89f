//! Jobs that are asked for again: one winner, no second run, signals for the very process, what is left behind.

use super::*;

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
        let call = crate::connection::jobs::signal(&JobId::new("old"), "KILL");
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
        let call = crate::connection::jobs::signal(&JobId::new("busy"), "KILL");
        host.shells
            .call(None, Role::Steps, Body::InJobs(&call), &Waiting::new(limit))
            .unwrap();
    }
}
