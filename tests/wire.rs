//! The SSH transport against Debian's own sshd on loopback, with keys and settings that live as long as the test.
//!
//! Where sshd cannot be started the tests are listed as ignored with the reason. Nothing of the machine is touched: as
//! root, sshd runs in a mount namespace with accounts of its own.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::too_many_lines,
    clippy::format_push_string,
    reason = "a test ends where it cannot go on, and prints what it saw"
)]
#[path = "wire/config.rs"]
mod config;

use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use libtest_mimic::{Arguments, Failed, Trial};
use stagger::clock::{Clock, Stop, SystemClock};
use stagger::connection::http::{HttpCall, http};
use stagger::connection::{
    Attached, Become, BecomeMethod, ConnError, Connection, End, Endpoint, Handshakes, HostKeyCheck,
    Job, JobCommand, JobId, JobOutput, KeyFile, Limit, OnDeadline, Reply, Script, Surroundings,
    Target, Upload, open,
};
use stagger::secrets::Secret;

/// The password of the accounts that exist in the server's namespace alone, and its hash.
const PASSWORD: &str = "wire-password";
const HASH: &str = "$6$wiretests$HLDUfjg4qJyML57KzVvfZLMOhUrONWrXgVvEgHK/ClUtVlx5QqcaKXhfC3KClmvyAzbovzCKa33jpAhd/chQB.";

#[expect(clippy::disallowed_methods, reason = "a test starts programs")]
fn command(program: &str) -> Command {
    Command::new(program)
}

#[expect(clippy::disallowed_methods, reason = "a test makes files")]
fn write(path: &Path, text: &str) {
    std::fs::write(path, text).unwrap();
}

/// A running sshd with its directory.
struct Server {
    child: Child,
    directory: tempfile::TempDir,
    port: u16,
    root: bool,
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn keygen(path: &Path, kind: &str, passphrase: &str) {
    let path = path.to_str().unwrap();
    let made = command("ssh-keygen")
        .args(["-q", "-t", kind, "-N", passphrase, "-f", path])
        .stdin(Stdio::null())
        .status();
    assert!(made.unwrap().success());
}

impl Server {
    fn start() -> Result<Self, String> {
        let sshd = ["/usr/sbin/sshd", "/usr/bin/sshd"]
            .into_iter()
            .find(|path| Path::new(path).exists());
        let sshd = sshd.ok_or("sshd is not installed (openssh-server)")?;
        let directory = tempfile::tempdir().map_err(|error| error.to_string())?;
        let root = rustix::process::geteuid().is_root();
        let here = directory.path();
        std::fs::set_permissions(here, std::fs::Permissions::from_mode(0o755)).unwrap();
        let file = |name: &str| here.join(name);
        for (name, kind, passphrase) in [
            ("host_ed25519", "ed25519", ""),
            ("host_rsa", "rsa", ""),
            ("key", "ed25519", ""),
            ("locked", "ed25519", "open sesame"),
            ("stranger", "ed25519", ""),
        ] {
            keygen(&file(name), kind, passphrase);
        }
        let keys: String = ["key.pub", "locked.pub"]
            .iter()
            .map(|name| std::fs::read_to_string(file(name)).unwrap())
            .collect();
        write(&file("authorized"), &keys);
        let port = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        write(
            &file("sshd_config"),
            &format!(
                "Port {port}\nListenAddress 127.0.0.1\nHostKey {0}/host_ed25519\nHostKey {0}/host_rsa\n\
             AuthorizedKeysFile {0}/authorized\nStrictModes no\nUsePAM no\nPidFile none\nPermitRootLogin yes\n\
             PasswordAuthentication yes\nMaxStartups 10:30:60\nPrintMotd no\n",
                here.display()
            ),
        );
        let log = std::fs::File::create(file("log")).unwrap();
        let start = if root {
            accounts(here);
            format!(
                "set -e; mount -t tmpfs none /run; mkdir -m 755 /run/sshd; mount --bind {0}/passwd /etc/passwd; \
                 mount --bind {0}/shadow /etc/shadow; mknod -m 666 {0}/null c 1 3; mount --bind {0}/null /dev/null; exec {sshd} -D -e -f {0}/sshd_config",
                here.display()
            )
        } else {
            format!("exec {sshd} -D -e -f {}/sshd_config", here.display())
        };
        let mut run = if root {
            command("unshare")
        } else {
            command("/bin/sh")
        };
        if root {
            run.args(["-m", "/bin/sh"]);
        }
        let child = run
            .args(["-c", &start])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn();
        let mut server = Self {
            child: child.map_err(|error| error.to_string())?,
            directory,
            port,
            root,
        };
        let clock = SystemClock::new();
        while std::net::TcpStream::connect_timeout(
            &([127, 0, 0, 1], port).into(),
            Duration::from_millis(200),
        )
        .is_err()
        {
            if clock.elapsed() > Duration::from_secs(10)
                || server.child.try_wait().unwrap().is_some()
            {
                return Err(format!(
                    "sshd does not start: {}",
                    std::fs::read_to_string(server.file("log")).unwrap_or_default()
                ));
            }
        }
        Ok(server)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// A target with its key, its known host key, and a directory for its jobs.
    fn target(&self) -> Target {
        let user = if self.root {
            "root".to_owned()
        } else {
            String::from_utf8(command("id").arg("-un").output().unwrap().stdout)
                .unwrap()
                .trim()
                .to_owned()
        };
        let mut target = Target::ssh(
            "127.0.0.1",
            &Surroundings {
                user,
                ..Surroundings::default()
            },
        );
        target.port = self.port;
        target.auth.keys = vec![self.key("key")];
        let known = self.file("known_hosts");
        if !known.exists() {
            write(&known, &self.known_line("host_ed25519"));
        }
        target.host_keys.files = vec![known];
        target.state_directory = Some(self.file("state").display().to_string());
        target
    }

    fn known_line(&self, key: &str) -> String {
        let public = std::fs::read_to_string(self.file(&format!("{key}.pub"))).unwrap();
        format!("[127.0.0.1]:{} {public}", self.port)
    }

    fn key(&self, name: &str) -> KeyFile {
        KeyFile {
            path: self.file(name),
            passphrase: None,
            named: true,
        }
    }
}

/// Writes the accounts of the server's namespace: those of the machine, and two of our own.
fn accounts(here: &Path) {
    let mut passwd = std::fs::read_to_string("/etc/passwd").unwrap();
    let mut shadow = std::fs::read_to_string("/etc/shadow").unwrap();
    for (name, id) in [("alice", 47_101), ("bob", 47_102)] {
        let home = here.join(name);
        std::fs::create_dir(&home).unwrap();
        std::os::unix::fs::chown(&home, Some(id), Some(id)).unwrap();
        passwd += &format!("{name}:x:{id}:{id}::{}:/bin/sh\n", home.display());
        shadow += &format!("{name}:{HASH}:19000:0:99999:7:::\n");
    }
    write(&here.join("passwd"), &passwd);
    write(&here.join("shadow"), &shadow);
    std::fs::set_permissions(here.join("passwd"), std::fs::Permissions::from_mode(0o644)).unwrap();
    std::fs::set_permissions(here.join("shadow"), std::fs::Permissions::from_mode(0o600)).unwrap();
}

/// A connection with a clock and a flag of its own.
struct Host {
    connection: Box<dyn Connection>,
    clock: SystemClock,
    stop: Stop,
}

impl Host {
    fn new(target: &Target) -> Self {
        Self {
            connection: open(target, &Handshakes::new()),
            clock: SystemClock::new(),
            stop: Stop::new(),
        }
    }

    fn script_as(&mut self, user: Option<&Become>, text: &str) -> Result<Reply, ConnError> {
        let limit = Limit {
            clock: &self.clock,
            stop: &self.stop,
            deadline: self.clock.deadline(Duration::from_secs(30)),
        };
        self.connection
            .script(user, &Script(text.to_owned()), limit)
    }

    fn script(&mut self, text: &str) -> Result<Reply, ConnError> {
        self.script_as(None, text)
    }

    fn job(
        &mut self,
        user: Option<&Become>,
        id: &str,
        text: &str,
    ) -> Result<stagger::connection::JobEnd, ConnError> {
        let limit = Limit {
            clock: &self.clock,
            stop: &self.stop,
            deadline: self.clock.deadline(Duration::from_secs(30)),
        };
        let job = Job {
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
        };
        self.connection
            .job(user, &job, limit, &mut |_: &JobOutput<'_>| {})
    }

    fn attach(&mut self, id: &str) -> Result<Attached, ConnError> {
        let limit = Limit {
            clock: &self.clock,
            stop: &self.stop,
            deadline: self.clock.deadline(Duration::from_secs(30)),
        };
        self.connection
            .attach(None, &JobId::new(id), limit, &mut |_: &JobOutput<'_>| {})
    }
}

/// The sshd process that serves a session, as seen from its shell: the parent of the shell that runs scripts.
const SERVER_OF_SESSION: &str = "awk '/^PPid/ {print $2}' /proc/$$/status";

fn logs_in_and_runs(server: &Server) {
    let mut host = Host::new(&server.target());
    let reply = host.script("echo out; echo err >&2; exit 3").unwrap();
    assert_eq!(
        (reply.code, reply.out.as_slice(), reply.err.as_slice()),
        (3, b"out\n".as_slice(), b"err\n".as_slice())
    );
    let reply = host
        .script("head -c 5000000 /dev/zero | tr '\\0' e >&2; head -c 5000000 /dev/zero")
        .unwrap();
    assert_eq!((reply.out.len(), reply.err.len()), (5_000_000, 5_000_000));
    let end = host.job(None, "first", "echo job; exit 4").unwrap();
    assert_eq!(
        (end.end, end.out.as_slice()),
        (End::Code(4), b"job\n".as_slice())
    );
    let error = host.script("kill -9 $$").unwrap_err();
    assert!(
        matches!(&error, ConnError::Lost { reason, .. } if reason.contains("Signal(9)")),
        "{error:?}"
    );
    assert_eq!(host.script("echo again").unwrap().out, b"again\n");
}

fn files_of_any_size_go_both_ways(server: &Server) {
    let mut host = Host::new(&server.target());
    let limit = Limit {
        clock: &host.clock,
        stop: &host.stop,
        deadline: host.clock.deadline(Duration::from_mins(1)),
    };
    for size in [0, 1_000, 64 << 10, 20_000_000] {
        let content: Vec<u8> = (0..=255).cycle().take(size).collect();
        let path = server.file("put").display().to_string();
        let began = host.clock.elapsed();
        host.connection
            .put(
                None,
                &Upload {
                    path: &path,
                    content: &content,
                    mode: Some(0o640),
                    owner: None,
                    group: None,
                },
                limit,
            )
            .unwrap();
        println!(
            "put {size} bytes: {:?}",
            host.clock.elapsed().checked_sub(began).unwrap()
        );
        assert!(std::fs::read(&path).unwrap() == content);
        assert!(host.connection.get(None, &path, 30_000_000, limit).unwrap() == content);
    }
}

fn host_keys_are_checked_before_anything_is_said(server: &Server) {
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

fn keys_agents_and_passwords_let_in(server: &Server) {
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
    if server.root {
        target.auth.agent = None;
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
}

fn another_user_is_become_by_su(server: &Server) {
    if !server.root {
        println!("not root: there is nobody to become; the lab does it with sudo");
        return;
    }
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

/// Where a job stands and what its files are made with is what its user finds after a login.
fn jobs_stand_where_a_login_puts_their_user(server: &Server) {
    const WHERE: &str = "umask; pwd";
    if !Path::new("/usr/bin/ssh").exists() {
        println!("there is no OpenSSH client to compare with");
        return;
    }
    let login = |user: &str| {
        let known = format!(
            "UserKnownHostsFile={}",
            server.file("known_hosts").display()
        );
        let output = command("ssh")
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

fn a_dropped_link_is_met_honestly(server: &Server) {
    let mut host = Host::new(&server.target());
    let mut other = Host::new(&server.target());
    let pid = host
        .script(SERVER_OF_SESSION)
        .unwrap()
        .text()
        .trim()
        .to_owned();
    // Before the request was sent: a new session, and the caller sees nothing of it.
    other.script(&format!("kill -9 {pid}; sleep 0.5")).unwrap();
    let now = host
        .script(SERVER_OF_SESSION)
        .unwrap()
        .text()
        .trim()
        .to_owned();
    assert_ne!(pid, now);
    // After it was sent: lost.
    let error = host.script(&format!("kill -9 {now}; sleep 5")).unwrap_err();
    assert!(
        matches!(error, ConnError::Lost { .. }) && !error.nothing_sent(),
        "{error:?}"
    );
    // A job goes on without its session, and is found again.
    let pid = host
        .script(SERVER_OF_SESSION)
        .unwrap()
        .text()
        .trim()
        .to_owned();
    let error = host
        .job(
            None,
            "dropped",
            &format!("kill -9 {pid}; sleep 1; echo survived; exit 9"),
        )
        .unwrap_err();
    assert!(matches!(error, ConnError::Lost { .. }), "{error:?}");
    let Attached::Ended(end) = host.attach("dropped").unwrap() else {
        panic!("it did not end")
    };
    assert_eq!(
        (end.end, end.out.as_slice()),
        (End::Code(9), b"survived\n".as_slice())
    );
}

fn a_silent_host_is_noticed(server: &Server) {
    let mut target = server.target();
    target.timeouts.keepalive = Duration::from_secs(2);
    target.timeouts.keepalive_misses = 1;
    let mut host = Host::new(&target);
    let mut other = Host::new(&server.target());
    let pid = host
        .script(SERVER_OF_SESSION)
        .unwrap()
        .text()
        .trim()
        .to_owned();
    let stopped = host.script(&format!("kill -STOP {pid}; sleep 60"));
    other.script(&format!("kill -9 {pid}")).unwrap();
    let error = stopped.unwrap_err();
    assert!(
        matches!(&error, ConnError::Lost { reason, .. } if reason.contains("nothing was heard")),
        "{error:?}"
    );
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    target.port = silent.local_addr().unwrap().port();
    target.timeouts.connect = Duration::from_millis(500);
    let error = Host::new(&target).script("true").unwrap_err();
    assert!(matches!(error, ConnError::NotThere { .. }), "{error:?}");
}

fn jumps_are_gone_through(server: &Server) {
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

fn many_at_once_all_get_in(server: &Server) {
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

fn http_goes_through_a_tunnel(server: &Server) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for mut socket in listener.incoming().flatten() {
            let mut buffer = [0; 4096];
            let _count = socket.read(&mut buffer);
            let _sent = socket.write_all(b"HTTP/1.1 200 x\r\nContent-Length: 2\r\n\r\nhi");
        }
    });
    let mut host = Host::new(&server.target());
    let call = HttpCall::get(format!("http://127.0.0.1:{port}/"), Duration::from_secs(10));
    for _ in 0..20 {
        let limit = Limit {
            clock: &host.clock,
            stop: &host.stop,
            deadline: host.clock.deadline(Duration::from_secs(10)),
        };
        let reply = http(&call, Some(&mut *host.connection), limit).unwrap();
        assert_eq!(reply.body, b"hi");
    }
    let limit = Limit {
        clock: &host.clock,
        stop: &host.stop,
        deadline: host.clock.deadline(Duration::from_secs(10)),
    };
    let error = host
        .connection
        .stream(
            &Endpoint {
                host: "127.0.0.1".to_owned(),
                port: 1,
            },
            limit,
        )
        .unwrap_err();
    assert!(error.nothing_sent(), "{error:?}");
}

/// The processor time of all threads that carry streams, in ticks of 10 ms.
fn ticks_of_pumps() -> u64 {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap().flatten();
    let of = |task: std::fs::DirEntry| {
        let read = |name: &str| std::fs::read_to_string(task.path().join(name)).ok();
        (read("comm")?.trim() == "pump").then_some(())?;
        let stat = read("stat")?;
        let mut fields = stat.rsplit_once(") ")?.1.split(' ').skip(11);
        let user: u64 = fields.next()?.parse().ok()?;
        let system: u64 = fields.next()?.parse().ok()?;
        Some(user + system)
    };
    tasks.filter_map(of).sum()
}

fn an_idle_tunnel_takes_no_processor(server: &Server) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for mut socket in listener.incoming().flatten() {
            let mut buffer = [0; 4096];
            let _count = socket.read(&mut buffer);
            let _sent = socket.write_all(b"HTTP/1.1 200 x\r\nContent-Length: 2\r\n\r\nhi");
        }
    });
    let mut target = server.target();
    // The answers to these lie unread when nothing goes through the tunnel.
    target.timeouts.keepalive = Duration::from_secs(1);
    let mut host = Host::new(&target);
    let call = HttpCall::get(format!("http://127.0.0.1:{port}/"), Duration::from_secs(10));
    for _ in 0..2 {
        let limit = Limit {
            clock: &host.clock,
            stop: &host.stop,
            deadline: host.clock.deadline(Duration::from_secs(20)),
        };
        let reply = http(&call, Some(&mut *host.connection), limit).unwrap();
        assert_eq!(reply.body, b"hi");
        let before = ticks_of_pumps();
        let _woken = host.clock.wait(Duration::from_secs(4), &host.stop);
        let spent = ticks_of_pumps().saturating_sub(before);
        assert!(spent < 100, "{spent} ticks of 400");
    }
}

/// What is tried, by name.
type Tried = (&'static str, fn(&Server));

const TRIALS: [Tried; 12] = [
    (
        "an_idle_tunnel_takes_no_processor",
        an_idle_tunnel_takes_no_processor,
    ),
    ("logs_in_and_runs", logs_in_and_runs),
    (
        "files_of_any_size_go_both_ways",
        files_of_any_size_go_both_ways,
    ),
    (
        "host_keys_are_checked_before_anything_is_said",
        host_keys_are_checked_before_anything_is_said,
    ),
    (
        "keys_agents_and_passwords_let_in",
        keys_agents_and_passwords_let_in,
    ),
    ("another_user_is_become_by_su", another_user_is_become_by_su),
    (
        "jobs_stand_where_a_login_puts_their_user",
        jobs_stand_where_a_login_puts_their_user,
    ),
    (
        "a_dropped_link_is_met_honestly",
        a_dropped_link_is_met_honestly,
    ),
    ("a_silent_host_is_noticed", a_silent_host_is_noticed),
    ("jumps_are_gone_through", jumps_are_gone_through),
    ("many_at_once_all_get_in", many_at_once_all_get_in),
    ("http_goes_through_a_tunnel", http_goes_through_a_tunnel),
];

fn main() {
    let arguments = Arguments::from_args();
    let reason = Server::start().err();
    if let Some(reason) = &reason {
        println!("the tests over SSH are ignored: {reason}");
    }
    let trials = TRIALS.into_iter().map(|(name, trial)| {
        Trial::test(name, move || {
            let server = Server::start().map_err(Failed::from)?;
            trial(&server);
            Ok(())
        })
        .with_ignored_flag(reason.is_some())
    });
    let mut trials: Vec<Trial> = trials.collect();
    let missing = config::missing();
    if let Some(reason) = &missing {
        println!("the comparison with `ssh -G` is ignored: {reason}");
    }
    trials.push(
        Trial::test("the_files_mean_what_they_mean_to_ssh", || {
            config::the_files_mean_what_they_mean_to_ssh();
            Ok(())
        })
        .with_ignored_flag(missing.is_some()),
    );
    libtest_mimic::run(&arguments, trials).exit();
}
