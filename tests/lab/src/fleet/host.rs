//! One host of a fleet: a root file system of its own, booted by its own systemd.
//!
//! It is reached in two ways. `ssh` goes from the bastion, over the network, through the
//! host's sshd, as an operator would. `run` enters the host's namespaces from this machine:
//! it needs neither network nor sshd, so it works while a fault is on, and is what a test
//! looks with.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::bastion::{Bastion, make_key};
use super::cgroup::Groups;
use super::network::{Network, Port};
use super::{Error, Login, Options};
use crate::clock::{self, Look};
use crate::command::{Command, Output};
use crate::files;

/// How long a host may take from its start to a systemd that is up and an sshd that listens.
const BOOT_LIMIT: Duration = Duration::from_mins(2);
const SETTLE_LIMIT: Duration = Duration::from_mins(1);
/// Port 22 as `/proc/net/tcp` writes it, and the state "listening".
const LISTENS_ON_22: (&str, &str) = (":0016", "0A");
/// sudo forbids itself core files first of all, and what it runs afterwards inherits that.
const SUDO_CONF: &str = "Set disable_coredump false\n";

/// One host.
#[derive(Debug, Clone)]
pub struct Host {
    pub(super) name: String,
    pub(super) index: u8,
    pub(super) fleet: String,
    pub(super) network: Network,
    pub(super) groups: Groups,
    pub(super) directory: PathBuf,
    pub(super) bastion: Bastion,
    pub(super) program: PathBuf,
}

impl Host {
    /// Returns the host's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the host's address.
    pub fn address(&self) -> Ipv4Addr {
        self.network.address(self.index)
    }

    pub(super) fn port(&self) -> Port<'_> {
        Port {
            index: self.index,
            host: &self.name,
        }
    }

    /// Returns the directory that the host sees as `/`; its `/run` and `/tmp` are elsewhere.
    pub fn root(&self) -> PathBuf {
        self.directory.join("root")
    }

    /// Makes the host's file system and network, ready to be booted.
    pub(super) fn prepare(&self, base: &Path, names: &str, options: &Options) -> Result<(), Error> {
        self.mount(base)?;
        self.network.connect(self.port())?;
        let etc = self.root().join("etc");
        let uuid = files::read(Path::new("/proc/sys/kernel/random/uuid"))?;
        let machine_id = uuid.trim().replace('-', "") + "\n";
        files::write(&etc.join("machine-id"), machine_id, 0o444)?;
        files::write(&etc.join("hostname"), format!("{}\n", self.name), 0o644)?;
        files::write(&etc.join("hosts"), names, 0o644)?;
        self.make_host_key()?;
        self.let_in(options.login)?;
        if !options.logind {
            let unit = etc.join("systemd/system/systemd-logind.service");
            Command::line("ln -sf /dev/null").arg(unit).run()?;
        }
        Ok(())
    }

    fn mount(&self, base: &Path) -> Result<(), Error> {
        let inside = |name: &str| self.directory.join(name);
        for name in ["upper", "work", "root"] {
            files::make_directory(&inside(name))?;
        }
        let options = format!(
            "lowerdir={},upperdir={},workdir={}",
            base.display(),
            inside("upper").display(),
            inside("work").display()
        );
        Command::line("mount -t overlay stagger-lab -o")
            .arg(options)
            .arg(inside("root"))
            .run()?;
        Ok(())
    }

    /// Gives the host a new key of its own, as a reinstalled one has.
    pub fn make_host_key(&self) -> Result<(), Error> {
        let key = self.root().join("etc/ssh/ssh_host_ed25519_key");
        make_key(&key, &format!("root@{}", self.name))
    }

    /// Returns the public half of the host's key.
    pub fn public_key(&self) -> Result<String, Error> {
        let key = self.root().join("etc/ssh/ssh_host_ed25519_key.pub");
        Ok(files::read(&key)?)
    }

    fn let_in(&self, login: Login) -> Result<(), Error> {
        let ssh = self.root().join("etc/ssh");
        let sshd = "AuthorizedKeysFile .ssh/authorized_keys /etc/ssh/authorized_keys/%u\n";
        files::write(&ssh.join("sshd_config.d/lab.conf"), sshd, 0o644)?;
        let keys = ssh.join("authorized_keys").join(login.user());
        files::write(&keys, self.bastion.public_key()?, 0o644)?;
        if let Some(rule) = login.sudo_rule() {
            let sudoers = self.root().join("etc/sudoers.d/operator");
            files::write(&sudoers, rule, 0o440)?;
            files::write(&self.root().join("etc/sudo.conf"), SUDO_CONF, 0o644)?;
        }
        Ok(())
    }

    /// Starts the host; it is up when [`Host::wait_until_up`] returns.
    pub fn power_on(&self) -> Result<(), Error> {
        self.groups.make()?;
        let script = format!(
            "{enter}exec env SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1 systemd-nspawn --quiet --boot --directory '{root}' \
             --machine {machine} --hostname {name} --network-namespace-path /run/netns/{space} \
             --register no --keep-unit --resolv-conf off --timezone off --link-journal no \
             </dev/null >>'{console}' 2>&1\n",
            enter = self.groups.entering(),
            root = self.root().display(),
            machine = self.network.namespace_of(&self.name),
            name = self.name,
            space = self.network.namespace_of(&self.name),
            console = self.console().display(),
        );
        // In a session of its own: the host outlives the lab, if that is wanted.
        Command::line("setsid --fork sh -c").arg(script).run()?;
        Ok(())
    }

    /// Waits until sshd listens and systemd says that it is running.
    pub fn wait_until_up(&self) -> Result<(), Error> {
        let listening = clock::wait(BOOT_LIMIT, || {
            let Some(pid) = self.groups.first_process()? else {
                return Ok::<_, Error>(Look::NotYet("it has no first process".to_owned()));
            };
            let tcp = files::read_if_there(&PathBuf::from(format!("/proc/{pid}/net/tcp")))?;
            if tcp.as_deref().is_some_and(sshd_listens) {
                return Ok(Look::Done(()));
            }
            Ok(Look::NotYet("nobody listens on port 22".to_owned()))
        })?;
        listening.map_err(|last| self.not_up(&last))?;
        let settled = clock::wait(SETTLE_LIMIT, || {
            let state = self.run("systemctl is-system-running --wait")?;
            Ok::<_, Error>(match state.out.trim() {
                "running" => Look::Done(Ok(())),
                "degraded" => Look::Done(Err("a unit has failed".to_owned())),
                other => Look::NotYet(format!("systemd says `{other}` {}", state.err.trim())),
            })
        })?;
        settled
            .and_then(|settled| settled)
            .map_err(|last| self.not_up(&last))
    }

    fn not_up(&self, last: &str) -> Error {
        let console = files::read_if_there(&self.console());
        let console = console.ok().flatten().unwrap_or_default();
        let lines: Vec<_> = console.lines().rev().take(5).collect();
        let failed = self.run("systemctl --failed --no-legend --plain");
        let failed = failed.map_or_else(|_| String::new(), |output| output.out);
        let end: Vec<_> = lines.into_iter().rev().collect();
        Error::NotUp {
            host: self.name.clone(),
            last: last.to_owned(),
            console: format!("{failed}{}", end.join("\n")),
        }
    }

    fn console(&self) -> PathBuf {
        self.directory.join("console.log")
    }

    /// Tells whether the host has any process.
    pub fn is_on(&self) -> Result<bool, Error> {
        Ok(!self.groups.processes()?.is_empty())
    }

    /// Returns the numbers that this machine gives to the host's processes.
    pub fn processes(&self) -> Result<std::collections::BTreeSet<u32>, Error> {
        self.groups.processes()
    }

    /// Returns a command that runs a shell script inside the host as root.
    pub fn inside(&self, script: &str) -> Result<Command, Error> {
        let pid = self.groups.first_process()?;
        let pid = pid.ok_or_else(|| Error::Off(self.name.clone()))?;
        // In a group of the host's, so that a power cut ends it too.
        let visitors = self.groups.inside("visitors");
        visitors.make()?;
        let enter = format!("{}exec \"$@\"", visitors.entering());
        Ok(Command::line("sh -c")
            .arg(enter)
            .arg("enter")
            .args(["nsenter", "--target", &pid.to_string()])
            .args([
                "--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup", "--",
            ])
            .args(["/usr/bin/env", "-i", "HOME=/root", "LANG=C.UTF-8"])
            .arg("PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
            .args(["/bin/sh", "-c", script]))
    }

    /// Runs a shell script inside the host as root and returns what it left, however it ended.
    pub fn run(&self, script: &str) -> Result<Output, Error> {
        Ok(self.inside(script)?.output()?)
    }

    /// The same, ended at a limit.
    pub fn run_within(&self, script: &str, limit: Duration) -> Result<Output, Error> {
        Ok(self.inside(script)?.within(limit).output()?)
    }

    /// Runs a shell script inside the host as root, which must succeed; returns its output.
    pub fn must(&self, script: &str) -> Result<String, Error> {
        Ok(self.inside(script)?.run()?)
    }

    /// Runs a command line on the host over SSH from the bastion, as the operator.
    pub fn ssh(&self, line: &str) -> Result<Output, Error> {
        Ok(self.bastion.ssh(&self.name).args(["--", line]).output()?)
    }

    /// Writes a file on the running host, owned by root.
    pub fn write(&self, path: &str, content: impl Into<Vec<u8>>, mode: u32) -> Result<(), Error> {
        let script = format!(
            "set -e; p={}; mkdir -p \"$(dirname \"$p\")\"; umask 077; cat >\"$p.lab\"; \
             chmod {mode:o} \"$p.lab\"; mv \"$p.lab\" \"$p\"",
            quoted(path)
        );
        self.inside(&script)?.input(content).run()?;
        Ok(())
    }

    /// Reads a file on the running host; nothing if it is not there.
    pub fn read(&self, path: &str) -> Result<Option<String>, Error> {
        let path = quoted(path);
        let output = self.run(&format!("[ ! -e {path} ] && exit 66; cat {path}"))?;
        match output.exit {
            crate::command::Exit::Code(0) => Ok(Some(output.out)),
            crate::command::Exit::Code(66) => Ok(None),
            crate::command::Exit::Code(_) | crate::command::Exit::Signal(_) => Err(Error::Host {
                host: self.name.clone(),
                said: output.err,
            }),
        }
    }

    /// Copies files of this machine into a directory of the host, under their own names.
    pub fn copy(&self, paths: &[PathBuf], directory: &str) -> Result<(), Error> {
        let target = self.root().join(directory.trim_start_matches('/'));
        files::make_directory(&target)?;
        Command::line("cp --target-directory")
            .arg(target)
            .arg("--")
            .args(paths)
            .run()?;
        Ok(())
    }

    /// Copies Debian packages to the host and installs them as root.
    pub fn install(&self, packages: &[PathBuf]) -> Result<(), Error> {
        const PLACE: &str = "/root/packages";
        self.copy(packages, PLACE)?;
        let names = packages.iter().filter_map(|path| path.file_name());
        let paths: Vec<_> = names
            .map(|name| quoted(&format!("{PLACE}/{}", name.to_string_lossy())))
            .collect();
        let install = "DEBIAN_FRONTEND=noninteractive dpkg --force-confold --install";
        self.must(&format!("{install} {}", paths.join(" ")))?;
        Ok(())
    }

    /// Returns the name of the fleet that the host belongs to.
    pub fn fleet(&self) -> &str {
        &self.fleet
    }
}

/// Quotes a word for a shell.
pub fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', "'\\''"))
}

/// Tells from `/proc/PID/net/tcp` whether somebody listens on port 22.
fn sshd_listens(tcp: &str) -> bool {
    tcp.lines().any(|line| {
        let mut fields = line.split_whitespace().skip(1);
        let (local, state) = (fields.next(), fields.nth(1));
        local.is_some_and(|local| local.ends_with(LISTENS_ON_22.0))
            && state == Some(LISTENS_ON_22.1)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sshd_is_seen_when_it_listens_and_not_when_it_only_talks() {
        let head = "  sl  local_address rem_address   st tx_queue rx_queue\n";
        let cases = [
            (
                "   0: 00000000:0016 00000000:0000 0A 00000000:00000000",
                true,
            ),
            (
                "   0: 0B004D0A:0016 01004D0A:B2A4 01 00000000:00000000",
                false,
            ),
            (
                "   0: 00000000:1600 00000000:0000 0A 00000000:00000000",
                false,
            ),
            ("", false),
        ];
        for (line, listens) in cases {
            assert_eq!(sshd_listens(&format!("{head}{line}\n")), listens, "{line}");
        }
    }

    #[test]
    fn a_quoted_word_stays_one_word() {
        for word in ["", "a b", "it's", "$x `y` \"z\" \\ *"] {
            let echo = Command::line("sh -c").arg(format!("printf %s {}", quoted(word)));
            assert_eq!(echo.run().unwrap(), word);
        }
    }
}
