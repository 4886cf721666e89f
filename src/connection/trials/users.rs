//! Becoming another user, and who the host is.

use super::*;

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
