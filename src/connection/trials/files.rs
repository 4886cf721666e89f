//! Files: put and fetched whole, with the modes that were asked for, or refused with a reason.

use super::*;

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
        let put = crate::connection::files::put(
            &upload(&nobody),
            crate::connection::files::Way::Inside,
            "t",
        )
        .unwrap();
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
