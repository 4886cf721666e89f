//! Scripts: what they answer, how they are cut off, and that a request cut at any byte does nothing.

use super::*;

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
        let put =
            crate::connection::files::put(&upload, crate::connection::files::Way::Inside, "t")
                .unwrap();
        let script = format!("touch {0}\ncat >{0} <<E\nx\nE\n", trace.display());
        let launch = crate::connection::jobs::launch(
            &job("cut", &format!("touch {}", trace.display())),
            None,
        )
        .unwrap();
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
