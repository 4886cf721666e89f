//! The same host through the program `ssh`.

use std::path::Path;

use stagger::connection::{Attached, ConnError, End, Target};

use crate::host::{Host, SERVER_OF_SESSION};
use crate::links;
use crate::server::{Server, write};

/// Returns the server's target as it is reached through `ssh`; nothing where there is no `ssh`.
fn target(server: &Server, key: &str) -> Option<Target> {
    if !Path::new("/usr/bin/ssh").exists() {
        println!("there is no OpenSSH client");
        return None;
    }
    let usual = server.target();
    let known = usual.host_keys.files.first().unwrap().display().to_string();
    let words = [
        "-F".to_owned(),
        "none".to_owned(),
        "-o".to_owned(),
        format!("UserKnownHostsFile={known}"),
        "-o".to_owned(),
        "IdentitiesOnly=yes".to_owned(),
        "-o".to_owned(),
        format!("IdentityFile=\"{}\"", server.file(key).display()),
        "-o".to_owned(),
        format!("Port={}", server.port),
        "-o".to_owned(),
        format!("User=\"{}\"", usual.user),
    ];
    let mut target = Target::openssh("127.0.0.1", words.to_vec());
    target.state_directory = usual.state_directory;
    Some(target)
}

pub(crate) fn the_program_ssh_does_the_same(server: &Server) {
    let Some(target) = target(server, "key") else {
        return;
    };
    let mut host = Host::new(&target);
    let reply = host.script("echo out; echo err >&2; exit 3").unwrap();
    assert_eq!(
        (reply.code, reply.out, reply.err),
        (3, b"out\n".to_vec(), b"err\n".to_vec())
    );
    let reply = host
        .script("head -c 5000000 /dev/zero | tr '\\0' e >&2; head -c 5000000 /dev/zero")
        .unwrap();
    assert_eq!((reply.out.len(), reply.err.len()), (5_000_000, 5_000_000));
    let end = host.job(None, "openssh", "echo job; exit 4").unwrap();
    assert_eq!((end.end, end.out), (End::Code(4), b"job\n".to_vec()));
    let error = host.script("kill -9 $$").unwrap_err();
    assert!(matches!(error, ConnError::Lost { .. }), "{error:?}");
    assert_eq!(host.script("echo again").unwrap().out, b"again\n");
    links::files_go_both_ways(server, &target);
    links::tunnels_carry(&target);
}

pub(crate) fn the_program_ssh_is_lost_honestly(server: &Server) {
    let Some(target) = target(server, "key") else {
        return;
    };
    let mut host = Host::new(&target);
    let mut other = Host::new(&server.target());
    let pid = |host: &mut Host| {
        host.script(SERVER_OF_SESSION)
            .unwrap()
            .text()
            .trim()
            .to_owned()
    };
    let first = pid(&mut host);
    other
        .script(&format!("kill -9 {first}; sleep 0.5"))
        .unwrap();
    let now = pid(&mut host);
    assert_ne!(
        first, now,
        "a new session, and the caller sees nothing of it"
    );
    let error = host.script(&format!("kill -9 {now}; sleep 5")).unwrap_err();
    assert!(
        matches!(error, ConnError::Lost { .. }) && !error.nothing_sent(),
        "{error:?}"
    );
    let now = pid(&mut host);
    let text = format!("kill -9 {now}; sleep 1; echo survived; exit 9");
    let error = host.job(None, "openssh-dropped", &text).unwrap_err();
    assert!(matches!(error, ConnError::Lost { .. }), "{error:?}");
    let Attached::Ended(end) = host.attach("openssh-dropped").unwrap() else {
        panic!("it did not end")
    };
    assert_eq!((end.end, end.out), (End::Code(9), b"survived\n".to_vec()));
}

pub(crate) fn the_program_ssh_is_refused_as_ssh_says(server: &Server) {
    let (Some(good), Some(stranger)) = (target(server, "key"), target(server, "stranger")) else {
        return;
    };
    let error = Host::new(&stranger).script("true").unwrap_err();
    assert!(matches!(error, ConnError::Auth { .. }), "{error:?}");
    let mut closed = good.clone();
    closed
        .words
        .splice(0..0, ["-o".to_owned(), "Port=1".to_owned()]);
    let error = Host::new(&closed).script("true").unwrap_err();
    assert!(matches!(error, ConnError::NotThere { .. }), "{error:?}");
    let known = server.file("known_hosts");
    write(&known, &server.known_line("stranger"));
    let mut host = Host::new(&good);
    let error = host.script("true").unwrap_err();
    assert!(matches!(error, ConnError::HostKey { .. }), "{error:?}");
    assert!(error.nothing_sent());
    write(&known, &server.known_line("host_ed25519"));
    host.script("true").unwrap();
}
