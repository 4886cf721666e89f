//! Jobs: what they get, how they end, and what they cost.

use super::*;

/// Tells whether these tests were started with SIGHUP ignored, as by `nohup`; no shell can catch it then.
fn hangups_are_ignored() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    u64::from_str_radix(ignored.unwrap().trim(), 16).unwrap() & 1 == 1
}

#[test]
fn jobs_end_as_they_end() {
    let (hung_up, said) = if hangups_are_ignored() {
        (0, "no\n")
    } else {
        (4, "hup\n")
    };
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
            End::Code(hung_up),
            said,
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

#[test]
fn what_must_outlive_its_session_runs_in_a_scope_where_systemd_is_there() {
    in_every_shell(|shell| {
        let mut host = with_systemd(shell);
        let outlives = |id: &str, text: &str| Job {
            outlives_session: true,
            ..job(id, text)
        };
        let called = host.path("called");
        host.run(&job("plain", "true")).unwrap();
        assert_eq!(read(&called), "", "{shell}: a plain job needs none");
        let end = host.run(&outlives("waited", "echo out; exit 3")).unwrap();
        assert_eq!((end.end, end.out), (End::Code(3), b"out\n".to_vec()));

        let fed = Job {
            input: Some(Secret::new("word")),
            ..outlives("fed", "read -r x; echo \"got $x\"; exit 4")
        };
        host.start(&fed, 60).unwrap();
        let ended = |host: &mut Host, id: &str| match host.attach(id).unwrap() {
            Attached::Ended(end) => (end.end, String::from_utf8_lossy(&end.out).into_owned()),
            other @ (Attached::NeverStarted | Attached::Vanished { .. }) => {
                panic!("{shell}: {other:?}")
            }
        };
        assert_eq!(
            ended(&mut host, "fed"),
            (End::Code(4), "got word\n".to_owned())
        );

        host.start(&outlives("late", "trap '' INT; sleep 60"), 1)
            .unwrap();
        let (end, _) = ended(&mut host, "late");
        assert_eq!(end, End::Signal(9), "{shell}: its own time is over");
        let calls = read(&called);
        assert_eq!(calls.lines().count(), 3, "{shell}: {calls}");
        assert!(
            calls
                .lines()
                .all(|line| line.starts_with("--quiet --scope ")),
            "{calls}"
        );
    });
}
