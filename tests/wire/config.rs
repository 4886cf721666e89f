//! `ssh_config` as stagger reads it against what OpenSSH's own client says of the same file (`ssh -G`).
//!
//! Each case is a file and the hosts that are looked up in it; every value that both know must be equal.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use stagger::connection::{
    AddressFamily, ConfigFiles, HostKeyCheck, LoginMethod, Said, SshConfig, Surroundings, Target,
};

use crate::server::{command, write};

/// Files and the hosts that are looked up in them. `HERE` stands for the directory of the files.
const CASES: &[(&str, &str, &[&str])] = &[
    (
        "the first value counts",
        "Host a\n  User one\n  Port 2201\nHost *\n  User two\n  Port 2202\n  HostName %h.example.org\n",
        &["a", "b"],
    ),
    (
        "patterns and negation",
        "Host *.example.org !db.example.org\n  Port 1\nHost db? web-*\n  Port 2\nHost !*.org *\n  Port 3\nHost *\n  Port 4\n",
        &[
            "x.example.org",
            "db.example.org",
            "db1",
            "web-",
            "other",
            "sub.x.org",
        ],
    ),
    (
        "equal signs, quotes, comments and case",
        "# all of it\nHOST=\"a\" b\n\tport = 2222   # not the usual one\n  User \"me\"\n  IdentityFile \"HERE/my key\"\nhost c\n user=you\n",
        &["a", "b", "c"],
    ),
    (
        "match",
        "Match host *.example.org user ops\n  Port 1\nMatch originalhost db,web\n  HostName %h.example.org\n\
         Match host db.example.org\n  User late\nMatch !host *.example.org localuser root,me\n  Port 5\nMatch all\n  Port 9\n",
        &["db", "web", "other", "x.example.org", "ops@x.example.org"],
    ),
    (
        "the last pass",
        "Host short\n  HostName long.example.org\nMatch final host long.example.org\n  User finally\n  Port 77\n\
         Host long.example.org\n  IdentityFile HERE/late\nMatch canonical\n  ConnectTimeout 3\n",
        &["short", "long.example.org", "other"],
    ),
    (
        "included files",
        "Host in\n  Include HERE/more/*.conf\n  Port 1\nHost *\n  Include HERE/always HERE/missing\n  User last\n",
        &["in", "out"],
    ),
    (
        "key files gather",
        "Host a\n  IdentityFile ~/.ssh/%h_key\n  IdentityFile HERE/%r-%p\n  IdentitiesOnly yes\nHost *\n  IdentityFile ~/.ssh/%h_key\n  IdentityFile ~/x\n  User u\n  Port 9\n",
        &["a", "b"],
    ),
    (
        "host keys",
        "Host a\n  StrictHostKeyChecking accept-new\n  UserKnownHostsFile ~/.ssh/kh_%h HERE/kh\n  HostKeyAlias cluster\n\
         Host b\n  StrictHostKeyChecking no\n  GlobalKnownHostsFile HERE/global\nHost c\n  StrictHostKeyChecking ask\nHost d\n  StrictHostKeyChecking yes\n  HashKnownHosts yes\n",
        &["a", "b", "c", "d"],
    ),
    (
        "jumps",
        "Host inner\n  ProxyJump ops@bastion:2222\nHost two\n  ProxyJump first,second\nHost direct\n  ProxyJump none\n\
         Host before\n  ProxyJump first\n  ProxyCommand nc %h %p\n",
        &["inner", "two", "direct", "before"],
    ),
    (
        "times and connections",
        "Host a\n  ConnectTimeout 1m30s\n  ServerAliveInterval 20\n  ServerAliveCountMax 5\n  ConnectionAttempts 4\n\
         Host b\n  ConnectTimeout 7\n  AddressFamily inet6\n  BindAddress 127.0.0.1\n  Compression yes\n  TCPKeepAlive no\n",
        &["a", "b"],
    ),
    (
        "ways to log in",
        "Host a\n  PreferredAuthentications password,publickey\nHost b\n  PasswordAuthentication no\n  ChallengeResponseAuthentication no\n\
         Host c\n  PubkeyAuthentication no\n",
        &["a", "b", "c"],
    ),
    (
        "algorithms",
        "Host a\n  KexAlgorithms curve25519-sha256,ecdh-sha2-nistp256\n  Ciphers aes256-ctr,aes128-ctr\n  MACs hmac-sha2-256\n  HostKeyAlgorithms ssh-ed25519\n",
        &["a"],
    ),
    (
        "the agent",
        "Host a\n  IdentityAgent none\nHost b\n  IdentityAgent HERE/%h.sock\nHost *\n  ForwardAgent yes\n  SendEnv LANG LC_*\n  ControlMaster auto\n",
        &["a", "b", "c"],
    ),
];

/// Tells why the comparison cannot be made here.
pub(crate) fn missing() -> Option<String> {
    let asked = command("ssh").arg("-V").output();
    asked
        .err()
        .map(|error| format!("the OpenSSH client cannot be started: {error}"))
}

/// Every value of every case is the one that `ssh -G` prints.
pub(crate) fn the_files_mean_what_they_mean_to_ssh() {
    let here = tempfile::tempdir().unwrap();
    std::fs::create_dir(here.path().join("more")).unwrap();
    let file = |name: &str| here.path().join(name);
    write(
        &file("more/1.conf"),
        "User one\nHost in\n  ConnectTimeout 5\nHost out\n  User no\n",
    );
    write(&file("more/2.conf"), "User two\nConnectionAttempts 2\n");
    write(&file("always"), "Host out\n  Port 7\nHost *\n  Port 8\n");
    let surroundings = surroundings();
    let mut compared = 0;
    for (name, text, hosts) in CASES {
        let path = file("config");
        write(&path, &text.replace("HERE", &here.path().to_string_lossy()));
        let config = SshConfig::load(&ConfigFiles::Only(path.clone()), &surroundings).unwrap();
        for host in *hosts {
            let (user, host) = match host.split_once('@') {
                Some((user, host)) => (Some(user), host),
                None => (None, *host),
            };
            let theirs = asked(&path, user, host);
            let said: Vec<Said> = user
                .iter()
                .map(|user| Said::plain("User", user, "-l"))
                .collect();
            let reached = config.reach(host, &said, &surroundings);
            let reached = reached.unwrap_or_else(|problems| panic!("{name}, {host}: {problems:?}"));
            for (key, ours) in shown(&reached.target, &theirs) {
                let theirs = theirs.get(key).map(|values| values.join(" "));
                assert_eq!(Some(ours), theirs, "{name}, {host}: {key}");
                compared += 1;
            }
        }
    }
    assert!(compared > 400, "only {compared} values were compared");
}

fn surroundings() -> Surroundings {
    let id = command("id").arg("-un").output().unwrap().stdout;
    let user = String::from_utf8(id).unwrap().trim().to_owned();
    // OpenSSH takes the home directory from the accounts and not from the environment.
    let entry = command("getent")
        .args(["passwd", &user])
        .output()
        .unwrap()
        .stdout;
    let entry = String::from_utf8(entry).unwrap();
    Surroundings {
        home: entry.split(':').nth(5).map(PathBuf::from),
        user,
        ..Surroundings::default()
    }
}

/// Asks `ssh -G`: all values of each option.
fn asked(file: &Path, user: Option<&str>, host: &str) -> BTreeMap<String, Vec<String>> {
    let mut ssh = command("ssh");
    ssh.arg("-G").arg("-F").arg(file);
    if let Some(user) = user {
        ssh.args(["-l", user]);
    }
    let output = ssh.arg(host).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(
        output.status.success(),
        "{host}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    let mut values: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for line in text.lines() {
        let (key, value) = line.split_once(' ').unwrap_or((line, ""));
        values
            .entry(key.to_owned())
            .or_default()
            .push(value.to_owned());
    }
    values
}

/// Writes a target as `ssh -G` would: what that does not print for this host is left out.
fn shown(target: &Target, theirs: &BTreeMap<String, Vec<String>>) -> Vec<(&'static str, String)> {
    let yes = |flag: bool, word: &'static str, other: &'static str| {
        (if flag { word } else { other }).to_owned()
    };
    let files = |of_user: bool| {
        let files = target.host_keys.files.iter();
        let names = files
            .filter(|path| theirs_has(theirs, "userknownhostsfile", path) == of_user)
            .map(|path| path.display().to_string());
        names.collect::<Vec<_>>().join(" ")
    };
    let allowed = |method: LoginMethod| target.auth.methods.contains(&method);
    let mut all = vec![
        ("hostname", target.address.clone()),
        ("user", target.user.clone()),
        ("port", target.port.to_string()),
        ("userknownhostsfile", files(true)),
        ("globalknownhostsfile", files(false)),
        (
            "stricthostkeychecking",
            match (target.host_keys.check, theirs.get("stricthostkeychecking")) {
                // Nobody is there to be asked: `ask` is as strict as `yes`.
                (HostKeyCheck::Strict, Some(said)) if said == &["ask"] => "ask",
                (HostKeyCheck::Strict, _) => "true",
                (HostKeyCheck::AcceptNew, _) => "accept-new",
                (HostKeyCheck::Off, _) => "false",
            }
            .to_owned(),
        ),
        (
            "identitiesonly",
            yes(target.auth.identities_only, "yes", "no"),
        ),
        (
            "hashknownhosts",
            yes(target.host_keys.hash_names, "yes", "no"),
        ),
        ("compression", yes(target.way.compression, "yes", "no")),
        ("tcpkeepalive", yes(target.way.tcp_keepalive, "yes", "no")),
        ("connectionattempts", target.way.attempts.to_string()),
        (
            "addressfamily",
            match target.way.family {
                AddressFamily::Any => "any",
                AddressFamily::V4 => "inet",
                AddressFamily::V6 => "inet6",
            }
            .to_owned(),
        ),
        (
            "serveralivecountmax",
            target.timeouts.keepalive_misses.to_string(),
        ),
    ];
    let wanted: Vec<&str> = target
        .auth
        .methods
        .iter()
        .map(|method| method.name())
        .collect();
    if theirs.contains_key("preferredauthentications") {
        all.push(("preferredauthentications", wanted.join(",")));
    } else {
        all.extend([
            (
                "pubkeyauthentication",
                yes(allowed(LoginMethod::PublicKey), "true", "false"),
            ),
            (
                "passwordauthentication",
                yes(allowed(LoginMethod::Password), "yes", "no"),
            ),
            (
                "kbdinteractiveauthentication",
                yes(allowed(LoginMethod::KeyboardInteractive), "yes", "no"),
            ),
        ]);
    }
    // stagger's own defaults differ from those of `ssh` in these.
    let said = |key: &str, usual: &str| theirs.get(key).is_some_and(|values| values != &[usual]);
    let seconds = |time: std::time::Duration| time.as_secs().to_string();
    if said("connecttimeout", "none") {
        all.push(("connecttimeout", seconds(target.timeouts.connect)));
    }
    if said("serveraliveinterval", "0") {
        all.push(("serveraliveinterval", seconds(target.timeouts.keepalive)));
    }
    if let Some(alias) = &target.host_keys.alias {
        all.push(("hostkeyalias", alias.clone()));
    }
    if let Some(address) = &target.way.from {
        all.push(("bindaddress", address.clone()));
    }
    for (key, list) in [
        ("kexalgorithms", &target.algorithms.kex),
        ("ciphers", &target.algorithms.ciphers),
        ("macs", &target.algorithms.macs),
        ("hostkeyalgorithms", &target.algorithms.host_keys),
    ] {
        all.extend(list.iter().map(|list| (key, list.clone())));
    }
    all.extend(jumps(target, theirs));
    all.extend(keys(target, theirs));
    match theirs.get("identityagent").map(Vec::as_slice) {
        Some([word]) if word == "none" => assert_eq!(target.auth.agent, None),
        Some([_]) => {
            let agent = target.auth.agent.as_ref().unwrap();
            all.push(("identityagent", agent.display().to_string()));
        }
        _ => {}
    }
    all
}

fn theirs_has(theirs: &BTreeMap<String, Vec<String>>, key: &str, path: &Path) -> bool {
    let values = theirs.get(key).into_iter().flatten();
    values
        .flat_map(|value| value.split(' '))
        .any(|value| Path::new(value) == path)
}

fn jumps(
    target: &Target,
    theirs: &BTreeMap<String, Vec<String>>,
) -> Option<(&'static str, String)> {
    let said = theirs.get("proxyjump")?;
    let written: Vec<String> = target
        .jumps
        .iter()
        .map(|jump| {
            let name = match jump.port {
                22 => jump.address.clone(),
                port => format!("{}:{port}", jump.address),
            };
            if said.join(" ").contains(&format!("{}@", jump.user)) {
                format!("{}@{name}", jump.user)
            } else {
                name
            }
        })
        .collect();
    if written.is_empty() {
        return Some(("proxyjump", "none".to_owned()));
    }
    Some(("proxyjump", written.join(",")))
}

/// Key files are printed as they are written: ours are compared after the same replacements.
fn keys(target: &Target, theirs: &BTreeMap<String, Vec<String>>) -> Option<(&'static str, String)> {
    if !target.auth.keys.iter().any(|key| key.named) {
        return None;
    }
    let said = theirs.get("identityfile")?;
    let home = surroundings().home.unwrap();
    let expanded: Vec<PathBuf> = said
        .iter()
        .map(|path| {
            let path = path
                .replace("%h", &target.address)
                .replace("%r", &target.user)
                .replace("%p", &target.port.to_string());
            match path.strip_prefix("~/") {
                Some(rest) => home.join(rest),
                None => PathBuf::from(path),
            }
        })
        .collect();
    let ours: Vec<PathBuf> = target
        .auth
        .keys
        .iter()
        .map(|key| key.path.clone())
        .collect();
    assert_eq!(ours, expanded);
    Some(("identityfile", said.join(" ")))
}
