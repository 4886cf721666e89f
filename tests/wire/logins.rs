//! How one gets in: host keys, keys, agents, passwords, other users, jumps.

use crate::host::Host;
use crate::server::{PASSWORD, Server, command, write};
use stagger::clock::{Clock, Stop, SystemClock};
use stagger::connection::{
    Become, BecomeMethod, ConnError, Handshakes, HostKeyCheck, KeyFile, open,
};
use stagger::secrets::Secret;
use std::process::Stdio;
use std::time::Duration;

pub(crate) fn host_keys_are_checked_before_anything_is_said(server: &Server) {
    let known = server.file("other_known_hosts");
    let mut target = server.target();
    target.host_keys.files = vec![known.clone()];
    let refused = |text: &str, sign: &str| {
        write(&known, text);
        let error = Host::new(&target).script("true").unwrap_err();
        assert!(
            matches!(&error, ConnError::HostKey { message } if message.contains(sign)),
            "{error:?}"
        );
    };
    refused("", "is not known");
    refused(&server.known_line("stranger"), "other_known_hosts:1");
    refused(
        &format!(
            "@revoked {}{}",
            server.known_line("host_ed25519"),
            server.known_line("host_ed25519")
        ),
        "is revoked",
    );
    // Of two keys the one that is known is asked for.
    write(&known, &server.known_line("host_rsa"));
    assert!(Host::new(&target).script("true").is_ok());
    target.host_keys.check = HostKeyCheck::AcceptNew;
    write(&known, &server.known_line("stranger"));
    assert!(
        matches!(
            Host::new(&target).script("true"),
            Err(ConnError::HostKey { .. })
        ),
        "a changed key is never accepted"
    );
    write(&known, "");
    assert!(Host::new(&target).script("true").is_ok());
    target.host_keys.check = HostKeyCheck::Strict;
    assert!(Host::new(&target).script("true").is_ok(), "it is known now");
    write(&known, "");
    target.host_keys.check = HostKeyCheck::Off;
    assert!(Host::new(&target).script("true").is_ok());
}

pub(crate) fn keys_and_agents_let_in(server: &Server) {
    let mut target = server.target();
    target.auth.keys = vec![server.key("stranger")];
    let error = Host::new(&target).script("true").unwrap_err();
    assert!(
        matches!(&error, ConnError::Auth { message } if message.contains("stranger (refused)")),
        "{error:?}"
    );
    target.auth.keys = vec![server.key("locked")];
    let error = Host::new(&target).script("true").unwrap_err();
    assert!(
        error
            .to_string()
            .contains("encrypted, and no passphrase is known"),
        "{error}"
    );
    for (passphrase, works) in [("wrong", false), ("open sesame", true)] {
        target.auth.keys = vec![KeyFile {
            passphrase: Some(Secret::new(passphrase)),
            ..server.key("locked")
        }];
        assert_eq!(
            Host::new(&target).script("true").is_ok(),
            works,
            "{passphrase}"
        );
    }
    target.auth.keys.clear();
    let socket = server.file("agent");
    let mut agent = command("ssh-agent")
        .args(["-D", "-a"])
        .arg(&socket)
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let clock = SystemClock::new();
    while !socket.exists() {
        assert!(clock.elapsed() < Duration::from_secs(10), "no agent");
    }
    let add = |name: &str| {
        command("ssh-add")
            .arg("-q")
            .arg(server.file(name))
            .env("SSH_AUTH_SOCK", &socket)
            .status()
            .unwrap()
    };
    assert!(add("stranger").success() && add("key").success());
    target.auth.agent = Some(socket);
    let result = Host::new(&target).script("true");
    drop(agent.kill());
    drop(agent.wait());
    result.unwrap();
    let error = Host::new(&target).script("true").unwrap_err();
    assert!(error.to_string().contains("the agent at"), "{error}");
}

pub(crate) fn passwords_let_in(server: &Server) {
    let mut target = server.target();
    target.auth.keys.clear();
    "alice".clone_into(&mut target.user);
    for (password, works) in [("wrong", false), (PASSWORD, true)] {
        target.auth.password = Some(Secret::new(password));
        assert_eq!(
            Host::new(&target).script("true").is_ok(),
            works,
            "{password}"
        );
    }
}

pub(crate) fn another_user_is_become_by_su(server: &Server) {
    let mut target = server.target();
    "alice".clone_into(&mut target.user);
    target.state_directory = None;
    let mut host = Host::new(&target);
    let bob = |password: &str| Become {
        method: BecomeMethod::Su,
        user: "bob".to_owned(),
        password: Some(Secret::new(password)),
        exe: None,
        flags: Vec::new(),
    };
    assert_eq!(
        host.script_as(Some(&bob(PASSWORD)), "id -un; pwd")
            .unwrap()
            .text(),
        format!("bob\n{}\n", server.file("bob").display())
    );
    let end = host.job(Some(&bob(PASSWORD)), "as-bob", "id -un").unwrap();
    assert_eq!(end.out, b"bob\n");
    assert!(
        server
            .file("bob/.local/state/stagger/jobs/as-bob.rc")
            .exists()
    );
    let error = host.script_as(Some(&bob("wrong")), "true").unwrap_err();
    assert!(
        matches!(&error, ConnError::Become { message } if message.contains("password is wrong")),
        "{error:?}"
    );
}

/// The client whose login is compared with.
pub(crate) const CLIENT: &str = "/usr/bin/ssh";

/// Where a job stands and what its files are made with is what its user finds after a login.
pub(crate) fn jobs_stand_where_a_login_puts_their_user(server: &Server) {
    const WHERE: &str = "umask; pwd";
    let login = |user: &str| {
        let known = format!(
            "UserKnownHostsFile={}",
            server.file("known_hosts").display()
        );
        let output = command(CLIENT)
            .args(["-F", "none", "-o", "BatchMode=yes", "-o", &known, "-i"])
            .arg(server.file("key"))
            .args(["-p", &server.port.to_string(), &format!("{user}@127.0.0.1")])
            .arg(format!("exec /bin/sh -lc '{WHERE}'"))
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let mut target = server.target();
    let own = target.user.clone();
    let mut host = Host::new(&target);
    let ran = host.job(None, "where", WHERE).unwrap();
    assert_eq!(String::from_utf8(ran.out).unwrap(), login(&own));
    // Without root there is nobody else to log in as; the trial of `su` says so.
    if !server.root {
        return;
    }
    "alice".clone_into(&mut target.user);
    target.state_directory = None;
    let mut host = Host::new(&target);
    let bob = Become {
        method: BecomeMethod::Su,
        user: "bob".to_owned(),
        password: Some(Secret::new(PASSWORD)),
        exe: None,
        flags: Vec::new(),
    };
    for (user, name) in [(None, "alice"), (Some(&bob), "bob")] {
        let ran = host.job(user, &format!("where-{name}"), WHERE).unwrap();
        assert_eq!(String::from_utf8(ran.out).unwrap(), login(name), "{name}");
    }
}

pub(crate) fn jumps_are_gone_through(server: &Server) {
    let mut target = server.target();
    target.jumps = vec![server.target(), server.target()];
    let mut host = Host::new(&target);
    let reply = host
        .script("head -c 3000000 /dev/zero; head -c 3000000 /dev/zero >&2")
        .unwrap();
    assert_eq!((reply.out.len(), reply.err.len()), (3_000_000, 3_000_000));
    assert_eq!(
        host.job(None, "jumped", "echo there").unwrap().out,
        b"there\n"
    );
    target.port = 1;
    let error = Host::new(&target).script("true").unwrap_err();
    assert!(
        matches!(&error, ConnError::NotThere { reason, .. } if reason.contains("through ")),
        "{error:?}"
    );
}

pub(crate) fn many_at_once_all_get_in(server: &Server) {
    let handshakes = Handshakes::new();
    std::thread::scope(|scope| {
        for _ in 0..24 {
            let (target, handshakes) = (server.target(), handshakes.clone());
            scope.spawn(move || {
                let mut host = Host {
                    connection: open(&target, &handshakes),
                    clock: SystemClock::new(),
                    stop: Stop::new(),
                };
                host.script("true").unwrap();
            });
        }
    });
}
