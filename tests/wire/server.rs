//! Debian's own sshd on loopback, with keys and settings that live as long as the test.

use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use stagger::clock::{Clock, SystemClock};
use stagger::connection::{KeyFile, Surroundings, Target};

/// The password of the accounts that exist in the server's namespace alone, and its hash.
pub(crate) const PASSWORD: &str = "wire-password";

const HASH: &str = "$6$wiretests$HLDUfjg4qJyML57KzVvfZLMOhUrONWrXgVvEgHK/ClUtVlx5QqcaKXhfC3KClmvyAzbovzCKa33jpAhd/chQB.";

#[expect(clippy::disallowed_methods, reason = "a test starts programs")]
pub(crate) fn command(program: &str) -> Command {
    Command::new(program)
}

#[expect(clippy::disallowed_methods, reason = "a test makes files")]
pub(crate) fn write(path: &Path, text: &str) {
    std::fs::write(path, text).unwrap();
}

/// A running sshd with its directory.
pub(crate) struct Server {
    pub(crate) child: Child,
    pub(crate) directory: tempfile::TempDir,
    pub(crate) port: u16,
    pub(crate) root: bool,
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
    pub(crate) fn start() -> Result<Self, String> {
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
                 mount --bind {0}/shadow /etc/shadow; mknod -m 666 {0}/null c 1 3; mount --bind {0}/null /dev/null; mkdir -p {0}/small; mount -t tmpfs -o size=64k none {0}/small; exec {sshd} -D -e -f {0}/sshd_config",
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

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// A target with its key, its known host key, and a directory for its jobs.
    pub(crate) fn target(&self) -> Target {
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

    pub(crate) fn known_line(&self, key: &str) -> String {
        let public = std::fs::read_to_string(self.file(&format!("{key}.pub"))).unwrap();
        format!("[127.0.0.1]:{} {public}", self.port)
    }

    pub(crate) fn key(&self, name: &str) -> KeyFile {
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
