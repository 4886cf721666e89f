//! What a host's files come to: precedence, jumps, what is named and what is refused.

use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::time::Duration;

use super::*;
use crate::connection::{HostKeyCheck, LoginMethod};

fn surroundings() -> Surroundings {
    Surroundings {
        home: Some("/home/me".into()),
        user: "me".to_owned(),
        agent: Some("/agent".into()),
        ..Surroundings::default()
    }
}

fn config(text: &str) -> Result<SshConfig, Vec<Problem>> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("config");
    put(&path, text);
    SshConfig::load(&ConfigFiles::Only(path), &surroundings())
}

#[expect(
    clippy::disallowed_methods,
    reason = "a test's file need not survive a crash"
)]
fn put(path: &Path, text: &str) {
    std::fs::write(path, text).unwrap();
}

fn reach(text: &str, host: &str, said: &[Said]) -> Result<Reached, Vec<String>> {
    let reached = config(text).unwrap().reach(host, said, &surroundings());
    reached.map_err(|problems| shown(&problems))
}

fn shown(problems: &[Problem]) -> Vec<String> {
    let show = |problem: &Problem| {
        let place = problem.loc.as_ref().map(|loc| format!("{}: ", loc.line));
        format!("{}{}", place.unwrap_or_default(), problem.message)
    };
    problems.iter().map(show).collect()
}

#[test]
fn what_was_said_comes_before_the_files() {
    let text = "Host db\n  User file\n  Port 1\n  IdentityFile ~/file\n  HostName db.example.org\n";
    let said = [
        Said::plain("User", "inventory", "ansible_user"),
        Said::plain("User", "typed", "--user"),
        Said::plain(
            "IdentityFile",
            "~/my \"own\" key",
            "ansible_private_key_file",
        ),
        Said::new("UserKnownHostsFile", "a b", "ansible_ssh_common_args"),
    ];
    let target = reach(text, "db", &said).unwrap().target;
    assert_eq!(
        (target.user.as_str(), target.port, target.address.as_str()),
        ("inventory", 1, "db.example.org")
    );
    let keys: Vec<PathBuf> = target
        .auth
        .keys
        .iter()
        .map(|key| key.path.clone())
        .collect();
    assert_eq!(
        keys,
        [
            PathBuf::from("/home/me/my \"own\" key"),
            PathBuf::from("/home/me/file")
        ]
    );
    let files = target.host_keys.files.iter().take(2);
    assert_eq!(files.collect::<Vec<_>>(), [Path::new("a"), Path::new("b")]);
    let usual = reach("", "db", &[]).unwrap().target;
    assert_eq!(usual, Target::ssh("db", &surroundings()));
}

#[test]
fn the_way_is_made_of_hosts_that_have_lines_of_their_own() {
    let text = "Host bastion\n  HostName 10.0.0.1\n  User jump\n  ProxyJump outer\n  IdentityFile ~/bastion\n\
                Host second\n  ProxyJump ignored\n  ProxyCommand nc x y\n\
                Host db\n  ProxyJump bastion,ops@second:2222\n  Port 5\n";
    let said = [
        Said::plain("User", "dba", "ansible_user"),
        Said::plain("IdentityFile", "/keys/db", "ansible_private_key_file"),
        Said::plain("StrictHostKeyChecking", "accept-new", "--host-keys"),
        Said::plain("ConnectTimeout", "3", "--timeout"),
    ];
    let target = reach(text, "db", &said).unwrap().target;
    let way: Vec<String> = target
        .jumps
        .iter()
        .map(|hop| format!("{}@{}:{}", hop.user, hop.address, hop.port))
        .collect();
    assert_eq!(way, ["me@outer:22", "jump@10.0.0.1:22", "ops@second:2222"]);
    for hop in &target.jumps {
        assert_eq!(
            hop.host_keys.check,
            HostKeyCheck::AcceptNew,
            "{}",
            hop.address
        );
        assert_eq!(hop.timeouts.connect, Duration::from_secs(3));
        assert!(
            hop.auth
                .keys
                .iter()
                .any(|key| key.path == Path::new("/keys/db"))
        );
        assert!(hop.jumps.is_empty());
    }
    let first = target.jumps[1]
        .auth
        .keys
        .first()
        .map(|key| key.path.clone());
    assert_eq!(first, Some(PathBuf::from("/home/me/bastion")));
}

#[test]
fn a_way_that_goes_round_in_a_circle_is_told() {
    for text in [
        "ProxyJump b\n",
        "Host a\n  ProxyJump b\nHost b\n  ProxyJump a\n",
    ] {
        let problems = reach(text, "a", &[]).unwrap_err();
        assert!(problems[0].contains("round in a circle"), "{problems:?}");
    }
}

#[test]
fn a_program_for_the_way_is_a_jump_or_an_error() {
    let jump = "Host db\n  ProxyCommand ssh -q -W %h:%p ops@bastion\n";
    let target = reach(jump, "db", &[]).unwrap().target;
    assert_eq!(target.jumps.len(), 1);
    assert_eq!(target.jumps[0].address, "bastion");
    let none = "Host db\n  ProxyCommand none\nHost *\n  ProxyCommand nc %h %p\n";
    assert!(reach(none, "db", &[]).unwrap().target.jumps.is_empty());
    let text = "Host db\n  User x\n  ProxyCommand /usr/bin/nc -X 5 %h %p\n";
    assert_eq!(
        reach(text, "db", &[]).unwrap_err(),
        [
            "3: `ProxyCommand` is not supported: stagger speaks SSH itself and starts no program for the way to a host"
        ]
    );
    assert!(reach(text, "other", &[]).is_ok(), "it is not for this host");
    let by_inventory = [Said::plain(
        "ProxyJump",
        "bastion",
        "ansible_ssh_common_args",
    )];
    assert_eq!(
        reach(text, "db", &by_inventory).unwrap().target.jumps.len(),
        1
    );
}

#[test]
fn lines_without_effect_are_named_with_their_place() {
    let text = "Host db\n  GSSAPIAuthentication yes\n  CertificateFile ~/cert\n  ForwardAgent no\n  CheckHostIP yes\n\
                ControlMaster auto\n  SendEnv LANG\n  Prot 2\n  SetEnv A=b\nHost other\n  RevokedHostKeys /x\n\
                Match exec \"true\"\n  User nobody\n  ProxyCommand nc\nMatch user me exec \"true\"\nMatch user you exec \"false\"\n";
    let reached = reach(text, "db", &[]).unwrap();
    let mut named = shown(&reached.warnings);
    named.sort();
    let starts = |line: &String| line.split(": ").take(2).collect::<Vec<_>>().join(": ");
    assert_eq!(
        named.iter().map(starts).collect::<Vec<_>>(),
        [
            "12: `Match exec` is not supported",
            "15: `Match exec` is not supported",
            "2: `GSSAPIAuthentication` is not supported",
            "3: `CertificateFile` is not supported",
            "5: `CheckHostIP` is not supported",
            "8: `Prot` is no option of ssh",
            "9: `SetEnv` is not supported",
        ]
    );
    assert_eq!(reached.target.user, "me");
    let known = "IgnoreUnknown Prot,Use*\nProt 2\nUseKeychain yes\n";
    assert_eq!(reach(known, "db", &[]).unwrap().warnings, []);
}

#[test]
fn every_wrong_value_is_told_at_once() {
    let text = "Port many\nStrictHostKeyChecking maybe\nConnectTimeout soon\nIdentityFile ~/%C\n\
                Compression perhaps\nAddressFamily inet5\nKexAlgorithms none-such\nProxyJump a:b\n";
    let problems = reach(text, "db", &[]).unwrap_err();
    let mut lines: Vec<&str> = problems.iter().filter_map(|line| line.get(..2)).collect();
    lines.sort_unstable();
    assert_eq!(
        lines,
        ["1:", "2:", "3:", "4:", "5:", "6:", "7:", "8:"],
        "{problems:?}"
    );
}

#[test]
fn ways_to_log_in_and_the_agent_may_be_turned_off() {
    let text = "Host a\n  PreferredAuthentications gssapi-with-mic,password\n  IdentityAgent none\n  IdentityFile none\n\
                Host b\n  PubkeyAuthentication unbound\n  KbdInteractiveAuthentication no\n  IdentityAgent $SSH_AUTH_SOCK\n\
                Host c\n  IdentityAgent SSH_AUTH_SOCK\n";
    let auth = |host: &str| reach(text, host, &[]).unwrap().target.auth;
    let a = auth("a");
    assert_eq!(a.methods, [LoginMethod::Password]);
    assert_eq!((a.agent, a.keys.len()), (None, 0));
    let b = auth("b");
    assert_eq!(b.methods, [LoginMethod::PublicKey, LoginMethod::Password]);
    assert_eq!(b.agent, None, "it is not set in the environment");
    assert_eq!(auth("c").agent, Some(PathBuf::from("/agent")));
}

#[test]
fn files_that_others_may_write_are_not_believed() {
    let home = tempfile::tempdir().unwrap();
    std::fs::create_dir(home.path().join(".ssh")).unwrap();
    let path = home.path().join(".ssh/config");
    put(&path, "User mine\n");
    let surroundings = Surroundings {
        home: Some(home.path().to_owned()),
        uid: rustix::process::geteuid().as_raw(),
        ..surroundings()
    };
    let load = |mode| {
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        SshConfig::load(&ConfigFiles::Usual, &surroundings)
    };
    let reached = load(0o644).unwrap().reach("x", &[], &surroundings).unwrap();
    assert_eq!(reached.target.user, "mine");
    let problems = load(0o664).unwrap_err();
    assert!(problems[0].message.ends_with("may be written by others"));
}

#[test]
fn a_file_that_is_named_must_be_there() {
    let missing = ConfigFiles::Only("/no/such/file".into());
    let problems = SshConfig::load(&missing, &surroundings()).unwrap_err();
    assert!(problems[0].message.contains("/no/such/file"));
    assert!(SshConfig::load(&ConfigFiles::Nothing, &surroundings()).is_ok());
}
