//! Hosts that come up, are told apart, reach each other, and go without a trace.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use lab::command::Command;
use lab::files;
use lab::fleet::{Fleet, Login, Options};

use crate::harness::{Case, Lab, Outcome, case, check, same};

pub(crate) fn cases() -> Vec<Case> {
    vec![
        case(
            "boot::each_host_is_one_of_its_own",
            each_host_is_one_of_its_own,
        ),
        case(
            "boot::fleets_side_by_side_do_not_meet",
            fleets_side_by_side_do_not_meet,
        ),
        case(
            "boot::nothing_is_left_of_a_fleet",
            nothing_is_left_of_a_fleet,
        ),
        case(
            "boot::the_operator_may_be_anybody",
            the_operator_may_be_anybody,
        ),
        case(
            "boot::logind_runs_where_it_is_asked_for",
            logind_runs_where_it_is_asked_for,
        ),
    ]
}

fn each_host_is_one_of_its_own(lab: &Lab) -> Outcome {
    let fleet = lab.hosts("each host is one of its own", 3)?;
    let mut seen = BTreeSet::new();
    for host in fleet.hosts() {
        let said = host.ssh(
            "hostname; systemctl is-system-running; whoami; \
             cat /etc/machine-id /proc/sys/kernel/random/boot_id /etc/ssh/ssh_host_ed25519_key.pub",
        )?;
        check(said.is_ok(), format!("ssh: {}", said.err))?;
        let lines: Vec<_> = said.out.lines().collect();
        same(lines.first(), Some(&host.name()), "hostname")?;
        same(
            lines.get(1..3),
            Some(&["running", "root"][..]),
            "state and user",
        )?;
        for id in lines.iter().skip(3) {
            check(seen.insert((*id).to_owned()), format!("{id} is not unique"))?;
        }
    }
    same(seen.len(), 9, "ids of three hosts")?;
    let hello = fleet
        .host("node1")?
        .run("bash -c 'exec 3<>/dev/tcp/node2/22; read -t 5 -u 3 line; echo $line'")?;
    check(
        hello.out.starts_with("SSH-2.0-"),
        format!("by name: {hello:?}"),
    )
}

fn fleets_side_by_side_do_not_meet(lab: &Lab) -> Outcome {
    let fleets = std::thread::scope(|scope| {
        let one = scope.spawn(|| lab.hosts("side by side, one", 1));
        let other = scope.spawn(|| lab.hosts("side by side, other", 1));
        [one, other].map(|fleet| {
            fleet
                .join()
                .unwrap_or_else(|e| std::panic::resume_unwind(e))
        })
    });
    let [one, other] = fleets;
    let (one, other) = (one?, other?);
    check(one.name() != other.name(), "two fleets have one name")?;
    let (here, there) = (one.host("node1")?, other.host("node1")?);
    check(
        here.address() != there.address(),
        "two hosts have one address",
    )?;
    let knock = format!("timeout 2 bash -c ': </dev/tcp/{}/22'", there.address());
    check(
        !here.run(&knock)?.is_ok(),
        "a host reaches one of another fleet",
    )?;
    // A link that leads out of the namespaces would show its other end's machine.
    let links = one.bastion().command(Command::line("ip -o link")).run()?;
    let names: Vec<_> = links
        .lines()
        .filter_map(|line| line.split(": ").nth(1)?.split('@').next())
        .collect();
    same(names, vec!["lo", "br0", "host0"], "the bastion's links")?;
    one.down()?;
    check(there.ssh("true")?.is_ok(), "one fleet took the other down")
}

fn nothing_is_left_of_a_fleet(lab: &Lab) -> Outcome {
    let fleet = lab.hosts("nothing is left", 2)?;
    let traces = Traces::of(&fleet)?;
    // What is started on the bastion, and what hosts hang on to, goes too.
    let hanging = fleet.bastion().command(Command::line("sleep 600"));
    let mut hanging = hanging.start()?;
    fleet
        .host("node1")?
        .run("setsid sleep 600 >/dev/null 2>&1 &")?;
    check(!traces.left()?.is_empty(), "traces are not seen at all")?;
    fleet.down()?;
    same(traces.left()?, Vec::new(), "left")?;
    hanging.wait(Duration::from_secs(5))?;
    Ok(())
}

/// Where a fleet can be seen from outside.
pub(crate) struct Traces {
    name: String,
    directory: std::path::PathBuf,
    /// Number and start of each: numbers are given again.
    processes: BTreeSet<(u32, String)>,
}

/// Returns when a process was started, in ticks since the boot; none if it is gone.
fn start_of(pid: u32) -> Option<String> {
    let stat = files::read_if_there(Path::new(&format!("/proc/{pid}/stat")));
    let stat = stat.ok().flatten()?;
    let (_, fields) = stat.rsplit_once(") ")?;
    let ended = fields.starts_with(['Z', 'X']);
    fields
        .split(' ')
        .nth(19)
        .filter(|_| !ended)
        .map(str::to_owned)
}

impl Traces {
    pub(crate) fn of(fleet: &Fleet) -> Result<Self, lab::fleet::Error> {
        let mut processes = BTreeSet::new();
        for host in fleet.hosts() {
            let there = host.processes()?.into_iter();
            processes.extend(there.filter_map(|pid| Some((pid, start_of(pid)?))));
        }
        Ok(Self {
            name: fleet.name().to_owned(),
            directory: fleet.directory(),
            processes,
        })
    }

    /// Returns all that is still to be seen of the fleet.
    pub(crate) fn left(&self) -> Result<Vec<String>, lab::fleet::Error> {
        let mut left = Vec::new();
        let own =
            |name: &String| *name == self.name || name.starts_with(&format!("{}-", self.name));
        for place in ["/run/netns", "/etc/netns", "/run/systemd/nspawn/propagate"] {
            left.extend(files::names(Path::new(place))?.into_iter().filter(own));
        }
        for tree in ["", "unified", "systemd"] {
            let groups = Path::new("/sys/fs/cgroup").join(tree).join("stagger-lab");
            left.extend(files::names(&groups)?.into_iter().filter(own));
        }
        let mounts = files::read(Path::new("/proc/self/mounts"))?;
        let here = self.directory.display().to_string() + "/";
        left.extend(
            mounts
                .lines()
                .filter(|line| line.contains(&here))
                .map(str::to_owned),
        );
        if self.directory.exists() {
            left.push(self.directory.display().to_string());
        }
        left.extend(self.processes_left());
        Ok(left)
    }

    /// Returns the processes that stay: one that was ended is seen for another moment where processors are busy.
    pub(crate) fn processes_left(&self) -> Vec<String> {
        let is_there = |(pid, start): &&(u32, String)| start_of(*pid).as_ref() == Some(start);
        let mut left: Vec<String> = Vec::new();
        for _ in 0..50 {
            let there = self.processes.iter().filter(is_there);
            left = there.map(|(pid, _)| format!("process {pid}")).collect();
            if left.is_empty() {
                break;
            }
            lab::clock::pause(std::time::Duration::from_millis(100));
        }
        left
    }
}

fn the_operator_may_be_anybody(lab: &Lab) -> Outcome {
    for (login, without_password) in [(Login::Sudo, true), (Login::SudoPassword, false)] {
        let fleet = lab.fleet(&Options {
            login,
            ..Options::new("test: the operator may be anybody", 1)
        })?;
        let host = fleet.host("node1")?;
        same(host.ssh("whoami")?.out.as_str(), "ops\n", "user")?;
        same(
            host.ssh("sudo -n true")?.is_ok(),
            without_password,
            "sudo -n",
        )?;
        let sudo = format!("echo {} | sudo -S -p '' whoami", Login::PASSWORD);
        same(host.ssh(&sudo)?.out.as_str(), "root\n", "sudo -S")?;
        let root = fleet.bastion().ssh("root@node1").arg("true").output()?;
        check(!root.is_ok(), "root may log in as well")?;
    }
    Ok(())
}

fn logind_runs_where_it_is_asked_for(lab: &Lab) -> Outcome {
    let fleet = lab.fleet(&Options {
        logind: true,
        ..Options::new("test: logind", 1)
    })?;
    let host = fleet.host("node1")?;
    let sessions = host.ssh("loginctl --no-legend list-sessions; cat /proc/self/cgroup")?;
    check(
        sessions.out.contains("root") && sessions.out.contains("session-"),
        format!("no session: {sessions:?}"),
    )
}
