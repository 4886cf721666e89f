//! The ArangoDB upgrade for a fault run, on real hosts: three of them, booted anew for each upgrade.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Value, json};

use super::classes::{Mishap, System};
use super::scene::{Off, Scene, State};
use super::{Error, Rules};
use crate::cluster::{Clusters, Options as ClusterOptions};
use crate::command::Command;
use crate::files;
use crate::fleet::{self, Fleet, Host, Login, Place};
use crate::packages::EFFECTS;
use crate::product::Product;

/// The role's waits in seconds: how long the cluster stands still, and limits.
const WAITS: [(&str, u32); 8] = [
    ("arangodb_leader_settle", 60),
    ("arangodb_agency_timeout", 600),
    // The lab's shards are small.
    ("arangodb_shards_timeout", 1200),
    ("arangodb_health_timeout", 300),
    ("arangodb_look_timeout", 200),
    ("arangodb_move_timeout", 1200),
    ("arangodb_start_timeout", 600),
    ("arangodb_survivor_timeout", 300),
];

/// What is the same for all upgrades.
pub const RULES: Rules = Rules {
    system: System::Arangodb,
    lock: ("lock_take.yml", "lock_give_back.yml"),
    once: &[
        "stop",
        "start-auto-upgrade",
        "auto-upgrade-begin",
        "postinst",
    ],
};

/// How many hosts, and how many servers each has.
const HOSTS: usize = 3;
const SERVERS: usize = 3;
/// What an upgrade may take, with a program that was built to be tried.
const LIMIT: Duration = Duration::from_mins(20);
/// The room on a disk that is to become full: what an upgrade wants to be left beside the packages, and these.
const SMALL: u64 = 768 << 20;
/// Where a host keeps its part of the run's records.
const RECORDS: &str = "/var/lib/stagger";

/// Each thing of a host that must be as before, one a line: its name, a tab, and how it is.
const LOOK: &str = "\
    systemctl show -p Restart -p KillMode -p ActiveState -p DropInPaths arangodb | sed 's/=/\\t/'; \
    printf 'standalone server\\t%s\\n' \"$(systemctl is-active arangodb3)\"; \
    printf 'left behind\\t%s\\n' \"$(ls -d /usr/sbin/policy-rc.d /var/lib/stagger/hold/* /var/lib/stagger/owed/* /var/lib/stagger/lock/*/ 2>/dev/null | tr '\\n' ' ')\"; \
    printf 'package\\t%s\\n' \"$(dpkg-query -W -f '${Version} ${db:Status-Abbrev}' arangodb3)\"; \
    for port in 8529 8530 8531; do \
        printf \"server on $port\\t%s\\n\" \"$(curl -s --max-time 5 http://$(hostname):$port/_api/version | grep -o '\"version\":\"[^\"]*\"')\"; \
    done";

/// The cluster's lock on a host.
const LOCKS: &str = "ls -d /var/lib/stagger/lock/*/ 2>/dev/null || :";

/// What an upgrade holds on a host: the drop-in and the hold file of the starter's unit.
const HELD: &str =
    "ls /etc/systemd/system/arangodb.service.d/* /var/lib/stagger/hold/* 2>/dev/null || :";

/// The agency's key that an upgrade sets, and how it is read from whichever agent answers.
const MAINTENANCE: &str = "/arango/Supervision/Maintenance";
const AGENCY: &str = "curl -sL --max-time 5 -H 'Content-Type: application/json' \
    -d '[[\"/arango/Supervision/Maintenance\"]]' http://$(hostname):8531/_api/agency/read";

/// Ends the leader of the agency, if it is on this host.
const KILL_LEADER: &str = "\
    c=$(curl -s --max-time 5 http://$(hostname):8531/_api/agency/config); \
    l=$(echo \"$c\" | grep -o '\"leaderId\":\"[^\"]*\"' | cut -d'\"' -f4); \
    i=$(echo \"$c\" | grep -o '\"id\":\"[^\"]*\"' | head -n 1 | cut -d'\"' -f4); \
    [ -n \"$l\" ] && [ \"$l\" = \"$i\" ] && kill -9 $(pgrep -f '[a]gent8531' | head -n 1)";

/// The version of the program on disk, and those of the servers that answer, one a line.
const VERSIONS: &str = "\
    cat /usr/share/arangodb3/VERSION; \
    for port in 8529 8530 8531; do \
        curl -s --max-time 2 http://$(hostname):$port/_api/version | grep -o '\"version\":\"[^\"]*\"' | cut -d'\"' -f4 || :; \
    done";

/// Lets the time run out that maintenance mode was asked for: the agency then forgets it by itself.
const LAPSE: &str = "curl -sL --max-time 5 -H 'Content-Type: application/json' \
    -d '[[{\"/arango/Supervision/Maintenance\":{\"op\":\"delete\"}}]]' http://$(hostname):8531/_api/agency/write";

/// Ends the sessions that sshd has, and nothing else of it.
const END_SESSIONS: &str = "for p in $(pgrep -f '^sshd: [a-z]+[@ ]'); do kill $p; done; true";
/// Where logind is told what it is to do.
const LOGIND: &str = "/etc/systemd/logind.conf.d/lab.conf";
const KILLS: &str = "[Login]\nKillUserProcesses=yes\nKillExcludeUsers=\n";

/// Hosts, the cluster on them, and the operator.
#[derive(Debug)]
pub struct Arangodb {
    fleet: Fleet,
    program: PathBuf,
    agents: Vec<String>,
    versions: (String, String),
    factor: f64,
    rate: u32,
    /// How many bastions are gone.
    lost: usize,
    /// The host that something befell next door.
    other: Option<String>,
    /// The host that is gone for good.
    gone: Option<String>,
}

impl Arangodb {
    /// Boots hosts and sets a cluster up on them; whether what befalls them harms clients.
    pub fn up(
        place: &Place,
        product: &Product,
        (factor, rate): (f64, u32),
        harming: bool,
    ) -> Result<Self, Error> {
        let fleet = Fleet::up(place, &fleet::Options::new("faults arangodb", HOSTS))?;
        let mut wanted = ClusterOptions::default();
        let scaled = ("time_factor".to_owned(), json!(factor));
        wanted.switches.extend([scaled]);
        let bastion = fleet.bastion();
        bastion.provide("stagger", &product.program)?;
        bastion.make_clients()?;
        let clusters = Clusters::up(&fleet, &place.program, &wanted)?;
        let agents = clusters.main().agents()?;
        let inventory = clusters.inventory(Login::Root);
        drop(clusters);
        files::write(&bastion.home().join("inventory.yml"), inventory, 0o600)?;
        files::write(&bastion.home().join("drained"), "", 0o644)?;
        if !harming {
            // A disk of memory outlives no power cut, which harms clients.
            for host in fleet.hosts() {
                host.small_disk(RECORDS, SMALL)?;
            }
        }
        Ok(Self {
            agents,
            versions: (wanted.from, wanted.to),
            program: place.program.clone(),
            fleet,
            factor,
            rate,
            lost: 0,
            other: None,
            gone: None,
        })
    }

    /// Returns a command as the operator of the day would start it: the second bastion is another machine.
    fn on_bastion(&self, command: Command) -> Command {
        let command = command.within(LIMIT);
        if self.lost == 0 {
            return self.fleet.bastion().command(command);
        }
        let name = format!("echo bastion{} >/proc/sys/kernel/hostname", self.lost + 1);
        let other = Command::line("unshare --uts sh -c").arg(format!("{name}; exec \"$@\""));
        let command = command.under(other.arg("other"));
        self.fleet.bastion().command(command)
    }

    fn stagger(&self, words: &str) -> Command {
        self.on_bastion(Command::line(&format!("stagger {words}")))
    }

    /// The waits of the role: as long as it has them, scaled like the databases' timers.
    fn variables(&self) -> Value {
        let drained = self.file("drained");
        let drained = drained.display();
        let mut variables = json!({
            "arangodb_agency_settle": 1,
            "arangodb_canary_collection": "load",
            "arangodb_drain": format!("echo {{{{ ansible_host }}}}:8529 >>{drained}"),
            "arangodb_undrain": format!(": >{drained}"),
            "arangodb_drain_wait": 1,
        });
        for (name, seconds) in WAITS {
            let scaled = (f64::from(seconds) * self.factor).ceil();
            let scaled = Duration::from_secs_f64(scaled).as_secs();
            if let Value::Object(variables) = &mut variables {
                variables.insert(name.to_owned(), json!(scaled));
            }
        }
        variables
    }

    fn upgrading(&self, words: &str) -> Command {
        let line = "stagger apply roles/arangodb/upgrade.yml -i inventory.yml --plain";
        let apply = Command::line(line)
            .args(words.split_whitespace())
            .args(["-e", &self.variables().to_string()]);
        self.on_bastion(apply)
    }

    /// What is owed, by the hosts and not by records.
    fn by_hosts(&self, command: &str) -> Command {
        self.stagger(&format!(
            "{command} --from-hosts -i inventory.yml roles/arangodb/upgrade.yml"
        ))
    }

    fn others(&self, host: &str) -> impl Iterator<Item = &Host> {
        let hosts = self.fleet.hosts().iter();
        hosts.filter(move |other| other.name() != host)
    }

    /// Reads the agency's key that an upgrade sets, through any host that answers.
    fn agency(&self) -> Result<Value, Error> {
        for host in self.fleet.hosts() {
            let said = host.run(AGENCY)?.out;
            let read: Option<Value> = serde_json::from_str(&said).ok();
            let found = read.and_then(|read| read.get(0).cloned());
            if let Some(found) = found {
                return Ok(found);
            }
        }
        Ok(Value::Null)
    }

    /// Reads what is switched off, on hosts other than these.
    fn off_without(&self, without: &[&str]) -> Result<Vec<Off>, Error> {
        let mut off = Vec::new();
        let hosts = self.fleet.hosts().iter();
        let hosts = hosts.filter(|host| host.is_on().unwrap_or(false));
        for host in hosts.filter(|host| !without.contains(&host.name())) {
            let held = host.run(HELD)?.out.trim().replace('\n', " ");
            if !held.is_empty() {
                off.push(Off {
                    what: format!("{}: {held}", host.name()),
                    bracket: "in stagger's hands",
                });
            }
            let locks = host.run(LOCKS)?.out.trim().replace('\n', " ");
            if !locks.is_empty() {
                off.push(Off {
                    what: format!("{}: {locks}", host.name()),
                    bracket: "no other run works",
                });
            }
        }
        if let Some(value) = self.agency()?.pointer(MAINTENANCE) {
            off.push(Off {
                what: format!("{MAINTENANCE} is {value}"),
                bracket: "in maintenance mode",
            });
        }
        let drained = self.drained()?;
        if !drained.is_empty() {
            off.push(Off {
                what: format!("{drained} is out of the load balancer"),
                bracket: "out of the load balancer",
            });
        }
        Ok(off)
    }

    fn drained(&self) -> Result<String, Error> {
        let drained = files::read_if_there(&self.file("drained"))?;
        Ok(drained.unwrap_or_default().trim().to_owned())
    }
}

impl Scene for Arangodb {
    fn apply(&self, events: &str) -> Command {
        self.upgrading(&format!(
            "--reason faults --state state --approve upgrade-data --events {events}"
        ))
    }

    fn resume(&self, events: &str) -> Command {
        self.stagger(&format!(
            "resume --state state --approve upgrade-data --plain --events {events}"
        ))
    }

    fn second(&self) -> Command {
        self.upgrading("--reason second --state elsewhere")
    }

    fn status(&self) -> Command {
        self.stagger("status --state state --json")
    }

    fn file(&self, name: &str) -> PathBuf {
        self.fleet.bastion().home().join(name)
    }

    fn write_out(&self) -> Result<(), Error> {
        self.stagger("init arangodb").run()?;
        Ok(())
    }

    fn load(&self) -> Command {
        let load = Command::new(&self.program)
            .args(["load", "--agent", &self.agents.join(",")])
            .args(["--rate", &self.rate.to_string()])
            .args(["--factor", &self.factor.to_string()])
            .args(["--drain-file", "drained"]);
        // A host that is parted from the bastion is not parted from them.
        self.fleet.bastion().beside(load)
    }

    fn befall(&mut self, mishap: Mishap, name: &str) -> Result<(), Error> {
        let Ok(host) = self.fleet.host(name) else {
            // A step of the bastion's own.
            return Ok(());
        };
        match mishap {
            Mishap::BastionLinkCut => host.part_from_bastion()?,
            Mishap::LinkCut => {
                host.cut_link()?;
                self.gone = Some(name.to_owned());
            }
            Mishap::SshdRestarted => {
                host.must(&format!("systemctl restart ssh; {END_SESSIONS}"))?;
            }
            Mishap::SessionsEnded => {
                host.write(LOGIND, KILLS, 0o644)?;
                // The next sessions are logind's.
                host.must(&format!(
                    "rm -f /etc/systemd/system/systemd-logind.service; systemctl daemon-reload; \
                     systemctl start systemd-logind; {END_SESSIONS}"
                ))?;
            }
            Mishap::PowerCut => host.power_cut()?,
            Mishap::OtherPowerCut => {
                let other = self.others(name).next().cloned();
                if let Some(other) = other {
                    other.power_cut()?;
                    self.other = Some(other.name().to_owned());
                }
            }
            Mishap::Hangs => host.freeze()?,
            Mishap::DiskFull => host.fill_disk(RECORDS)?,
            Mishap::AgencyLeaderKilled => {
                for host in self.fleet.hosts() {
                    host.run(KILL_LEADER)?;
                }
            }
            Mishap::OtherDbserverKilled => {
                if let Some(other) = self.others(name).next() {
                    other.run("kill -9 $(pgrep -f '[d]bserver8530' | head -n 1)")?;
                }
            }
            Mishap::OtherLeafKilled | Mishap::MasterKilled => {}
        }
        Ok(())
    }

    fn lift(&mut self, mishap: Mishap, name: &str) -> Result<(), Error> {
        let Ok(host) = self.fleet.host(name) else {
            return Ok(());
        };
        match mishap {
            Mishap::BastionLinkCut => host.rejoin_bastion()?,
            Mishap::LinkCut => {
                host.restore_link()?;
                self.gone = None;
            }
            Mishap::PowerCut => host.power_back()?,
            Mishap::OtherPowerCut => {
                if let Some(other) = self.other.take() {
                    self.fleet.host(&other)?.power_back()?;
                }
            }
            Mishap::Hangs => host.thaw()?,
            Mishap::DiskFull => host.free_disk(RECORDS)?,
            Mishap::SessionsEnded => {
                host.must(&format!(
                    "{END_SESSIONS}; systemctl stop systemd-logind; rm -f {LOGIND}; \
                     ln -sf /dev/null /etc/systemd/system/systemd-logind.service; systemctl daemon-reload"
                ))?;
            }
            Mishap::SshdRestarted
            | Mishap::AgencyLeaderKilled
            | Mishap::OtherDbserverKilled
            | Mishap::OtherLeafKilled
            | Mishap::MasterKilled => {}
        }
        Ok(())
    }

    fn state(&self) -> Result<State, Error> {
        let mut state = State::new();
        for host in self.fleet.hosts() {
            for line in host.must(LOOK)?.lines() {
                let (name, value) = line.split_once('\t').unwrap_or((line, ""));
                state.insert(
                    format!("{name} on {}", host.name()),
                    value.trim().to_owned(),
                );
            }
        }
        let agency = self.agency()?;
        let maintenance = agency.pointer(MAINTENANCE).unwrap_or(&Value::Null);
        state.insert("maintenance mode".to_owned(), maintenance.to_string());
        state.insert("out of the load balancer".to_owned(), self.drained()?);
        Ok(state)
    }

    fn wanted(&self, before: &State) -> State {
        let (old, new) = &self.versions;
        let upgraded = |(name, value): (&String, &String)| (name.clone(), value.replace(old, new));
        before.iter().map(upgraded).collect()
    }

    fn off(&self) -> Result<Vec<Off>, Error> {
        self.off_without(&[])
    }

    fn off_elsewhere(&self) -> Result<Vec<Off>, Error> {
        let gone: Vec<&str> = self.gone.as_deref().into_iter().collect();
        self.off_without(&gone)
    }

    fn is_exposed(&self) -> Result<bool, Error> {
        let new = self.versions.1.as_str();
        for host in self.fleet.hosts() {
            let said = host.run(VERSIONS)?.out;
            let mut lines = said.lines();
            let is_installed = lines.next() == Some(new);
            if is_installed && lines.filter(|version| *version == new).count() < SERVERS {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn lapse(&mut self) -> Result<(), Error> {
        for host in self.fleet.hosts() {
            host.run(LAPSE)?;
        }
        Ok(())
    }

    fn lose_bastion(&mut self) -> Result<(), Error> {
        self.lost += 1;
        let lost = self.file(&format!("lost-{}", self.lost));
        Ok(files::rename(&self.file("state"), &lost)?)
    }

    fn is_lost(&self) -> bool {
        !self.file("state").exists()
    }

    fn told_by_hosts(&self) -> Command {
        self.by_hosts("status").arg("--json")
    }

    fn recover_from_hosts(&self) -> Command {
        self.by_hosts("recover")
            .args(["--state", "state", "--reason", "gone"])
            .args(["-e", &self.variables().to_string()])
    }

    fn forgive(&self, host: &str) -> Command {
        self.stagger("recover --state state --reason gone --forgive")
            .arg(host)
    }

    fn unstrand(&self, host: &str) -> Command {
        self.stagger("recover --state state --upgrade-stranded")
            .arg(host)
    }

    fn effects(&self) -> Result<Vec<Value>, Error> {
        let mut all = Vec::new();
        for host in self.fleet.hosts() {
            let counted = host.read(EFFECTS)?.unwrap_or_default();
            let lines = counted.lines();
            let effects = lines.filter_map(|line| serde_json::from_str::<Value>(line).ok());
            // Starters are stopped and started again and again, as it is the upgrade's way.
            let servers = effects.filter(|effect| effect.get("role") != Some(&json!("starter")));
            all.extend(servers.map(|effect| {
                let of = |name: &str| effect.get(name).cloned().unwrap_or_default();
                let place = of("place");
                let place = place.as_str().unwrap_or_default();
                json!({
                    "what": of("what"),
                    "unix_ms": of("unix_ms"),
                    "place": format!("{}:{place}", host.name()),
                })
            }));
        }
        all.sort_by_key(|effect| effect.get("unix_ms").and_then(Value::as_u64));
        Ok(all)
    }

    fn scaled(&self, time: Duration) -> Duration {
        time
    }
}
