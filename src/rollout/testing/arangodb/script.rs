//! What the role's script for one server does to a machine: everything between "it serves" and "it serves again".

use super::state::{Role, State};
use super::{Arangodb, HOSTS, NEW};
use crate::connection::scripted::ended;
use crate::connection::{End, JobEnd};

/// The value that the script gives to a variable.
fn value<'t>(text: &'t str, name: &str) -> Option<&'t str> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    Some(line.trim_matches('\''))
}

/// What the machine shows that the script looks at first.
#[derive(Debug, Clone, Copy)]
struct Found {
    host: usize,
    role: Role,
    /// Whether systemd leaves the servers alone when their starter ends, and starts none.
    in_hand: bool,
    /// Whether the hold file is there.
    held: bool,
    /// The version of the program on disk.
    program: &'static str,
}

impl Arangodb {
    /// Runs the script: at once, as nothing of it can be cut off from outside.
    pub(super) fn upgrades(&self, host: usize, text: &str) -> Option<JobEnd> {
        let name = HOSTS[host];
        let role = value(text, "role=")?;
        let found = Found {
            host,
            role: *Role::ALL.iter().find(|known| known.name() == role)?,
            in_hand: self.places.in_force(name),
            held: self.places.held(name),
            program: self.places.version(name),
        };
        let mut state = self.lock();
        let begin = "::stagger:: begin check what is there\n";
        if let Err(why) = state.looks(found, text) {
            return Some(JobEnd {
                end: End::Code(10),
                out: format!("{begin}::stagger:: end\n").into_bytes(),
                err: format!("{why}\nstate: untouched\n").into_bytes(),
                cut: false,
            });
        }
        let what = format!("upgrade the {role} of {name}");
        let is_needed = state.server(host, found.role).program != found.program;
        state.count.does(what, is_needed);
        state.judges(host, found.role);
        state.renews(host, found.role, found.program);
        let parts = [
            "stop the starter",
            &format!("stop the {role}"),
            "upgrade the data",
            "check the other servers",
            "start the starter",
            &format!("wait for the {role}"),
        ]
        .map(|part| format!("::stagger:: begin {part}\n"));
        let marks = format!("{begin}{}::stagger:: end\n", parts.concat());
        Some(ended(0, &marks))
    }
}

impl State {
    /// What the script checks before it touches anything; the error is what it says.
    fn looks(&self, found: Found, text: &str) -> Result<(), String> {
        let number = |name: &str| value(text, name).and_then(|word| word.parse::<u64>().ok());
        let machine = &self.machines[found.host];
        let role = found.role.name();
        if found.held {
            return Err("the hold file is there: somebody else is at work on this host".into());
        }
        let process = machine.servers[&found.role].process;
        let process = process.map(|process| (Some(u64::from(process.pid)), Some(process.start)));
        if process != Some((number("server_pid="), number("server_start="))) {
            return Err(format!(
                "changed by someone else: the {role} is another process"
            ));
        }
        let others = text
            .lines()
            .filter_map(|line| line.trim().strip_prefix("\"$@\" "));
        for other in others {
            let pid = other.split(' ').next().and_then(|pid| pid.parse().ok());
            let lives = |pid: u32| {
                let mut servers = machine.servers.values();
                servers.any(|server| server.process.is_some_and(|process| process.pid == pid))
            };
            if !pid.is_some_and(lives) {
                return Err(format!("changed by someone else: process {pid:?} is gone"));
            }
        }
        if !found.in_hand {
            return Err("the unit's KillMode is control-group, Restart is on-failure".into());
        }
        let starter = machine.starter.map_or(0, |starter| u64::from(starter.pid));
        if number("starter_pid=") != Some(starter) {
            return Err("changed by someone else: the starter is another process".into());
        }
        if value(text, "target=") != Some(found.program) {
            return Err(format!("the program is {}", found.program));
        }
        Ok(())
    }

    /// What no upgrade may do to a cluster at any time.
    fn judges(&mut self, host: usize, role: Role) {
        let title = format!("the {} of {}", role.name(), HOSTS[host]);
        let mut wrong = Vec::new();
        let mut others = (0..HOSTS.len()).filter(|other| *other != host);
        let all_up = others.all(|other| Role::ALL.iter().all(|role| self.is_up(other, *role)));
        if !all_up {
            wrong.push("is stopped while a server of another machine is down");
        }
        if role == Role::Agent && self.leads().is_none() {
            wrong.push("is stopped while the agency has no leader");
        }
        if role == Role::Dbserver {
            let mut own = self
                .shards
                .iter()
                .filter(|shard| shard.plan.contains(&host));
            if self.maintenance.is_none() {
                wrong.push("is stopped, and the supervision is on");
            }
            if self.shards.iter().any(|shard| shard.plan[0] == host) {
                wrong.push("is stopped, and leads a shard");
            }
            let is_last = |other: &usize| *other != host && !self.is_in_sync(*other);
            if own.any(|shard| shard.plan.iter().any(is_last)) {
                wrong.push("is stopped, and has the last copy that is in sync");
            }
        }
        if role == Role::Coordinator && !self.drained.contains(HOSTS[host]) {
            wrong.push("is stopped, and clients are sent to it");
        }
        let are_new = |wanted: Role| {
            let mut hosts = 0..HOSTS.len();
            hosts.all(|host| self.server(host, wanted).program == NEW)
        };
        let early = match role {
            Role::Agent => false,
            Role::Dbserver => !are_new(Role::Agent),
            Role::Coordinator => !are_new(Role::Dbserver),
        };
        if early {
            wrong.push("is upgraded before its turn");
        }
        for what in wrong {
            self.count.accident(true, || format!("{title} {what}"));
        }
    }
}
