//! The ArangoDB upgrade for a fault run, on real hosts: three of them, booted anew for each upgrade.

use std::path::PathBuf;
use std::sync::Mutex;
use std::time::Duration;

use serde_json::{Value, json};

use super::classes::{Mishap, System};
use super::judge::locked;
use super::scene::{Off, Scene, State};
use super::{Error, Rules};
use crate::cluster::{Clusters, Options as ClusterOptions};
use crate::command::Command;
use crate::files;
use crate::fleet::{self, Fleet, Host, Login, Place};
use crate::packages::EFFECTS;
use crate::product::Product;

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

/// How many hosts.
const HOSTS: usize = 3;
/// What an upgrade may take, with a program that was built to be tried.
const LIMIT: Duration = Duration::from_mins(20);
/// The room on a disk that is to become full.
const SMALL: u64 = 4 << 20;
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

/// Reads keys of the agency from whichever agent answers.
const AGENCY: &str = "curl -sL --max-time 5 -H 'Content-Type: application/json' \
    -d '[[\"/arango/Supervision/Maintenance\"]]' http://$(hostname):8531/_api/agency/read";

/// Ends the leader of the agency, if it is on this host.
const KILL_LEADER: &str = "\
    c=$(curl -s --max-time 5 http://$(hostname):8531/_api/agency/config); \
    l=$(echo \"$c\" | grep -o '\"leaderId\":\"[^\"]*\"' | cut -d'\"' -f4); \
    i=$(echo \"$c\" | grep -o '\"id\":\"[^\"]*\"' | head -n 1 | cut -d'\"' -f4); \
    [ -n \"$l\" ] && [ \"$l\" = \"$i\" ] && kill -9 $(pgrep -f '[a]gent8531' | head -n 1)";

/// Hosts, the cluster on them, and the operator.
#[derive(Debug)]
pub struct Arangodb {
    fleet: Fleet,
    program: PathBuf,
    agents: Vec<String>,
    versions: (String, String),
    factor: f64,
    rate: u32,
    small: Mutex<Vec<String>>,
}

impl Arangodb {
    /// Boots hosts and sets a cluster up on them.
    pub fn up(place: &Place, product: &Product, factor: f64, rate: u32) -> Result<Self, Error> {
        let fleet = Fleet::up(place, &fleet::Options::new("faults arangodb", HOSTS))?;
        let mut wanted = ClusterOptions::default();
        let scaled = ("time_factor".to_owned(), json!(factor));
        wanted.switches.extend([scaled]);
        let bastion = fleet.bastion();
        bastion.provide("stagger", &product.program)?;
        let clusters = Clusters::up(&fleet, &place.program, &wanted)?;
        let agents = clusters.main().agents()?;
        let inventory = clusters.inventory(Login::Root);
        drop(clusters);
        files::write(&bastion.home().join("inventory.yml"), inventory, 0o600)?;
        files::write(&bastion.home().join("drained"), "", 0o644)?;
        Ok(Self {
            agents,
            versions: (wanted.from, wanted.to),
            program: place.program.clone(),
            fleet,
            factor,
            rate,
            small: Mutex::new(Vec::new()),
        })
    }

    fn stagger(&self, words: &str) -> Command {
        let command = Command::line(&format!("stagger {words}"));
        self.fleet.bastion().command(command.within(LIMIT))
    }

    fn upgrading(&self, words: &str) -> Command {
        let drained = self.file("drained");
        let drained = drained.display();
        let variables = json!({
            "arangodb_agency_settle": 1,
            "arangodb_leader_settle": (60.0 * self.factor).ceil(),
            "arangodb_canary_collection": "load",
            "arangodb_drain": format!("echo {{{{ ansible_host }}}}:8529 >>{drained}"),
            "arangodb_undrain": format!(": >{drained}"),
            "arangodb_drain_wait": 1,
        });
        let line = "stagger apply roles/arangodb/upgrade.yml -i inventory.yml --plain";
        let apply = Command::line(line)
            .args(words.split_whitespace())
            .args(["-e", &variables.to_string()])
            .within(LIMIT);
        self.fleet.bastion().command(apply)
    }

    fn others(&self, host: &str) -> impl Iterator<Item = &Host> {
        let hosts = self.fleet.hosts().iter();
        hosts.filter(move |other| other.name() != host)
    }

    /// Reads the agency's keys that an upgrade sets, through any host that answers.
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

    fn drained(&self) -> Result<String, Error> {
        let drained = files::read_if_there(&self.file("drained"))?;
        Ok(drained.unwrap_or_default().trim().to_owned())
    }
}

fn shown(value: Option<&Value>) -> String {
    value.map_or_else(|| "not there".to_owned(), Value::to_string)
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
        self.fleet.bastion().command(load)
    }

    fn befall(&mut self, mishap: Mishap, name: &str) -> Result<(), Error> {
        let Ok(host) = self.fleet.host(name) else {
            // A step of the bastion's own.
            return Ok(());
        };
        match mishap {
            Mishap::BastionLinkCut => host.part_from_bastion()?,
            Mishap::LinkCut => host.cut_link()?,
            Mishap::SshdRestarted => {
                let ends = "systemctl restart ssh; for p in $(pgrep -f '[s]shd: '); do kill $p; done; true";
                host.must(ends)?;
            }
            Mishap::PowerCut => host.power_cut()?,
            Mishap::Hangs => host.freeze()?,
            Mishap::DiskFull => {
                let mut small = locked(&self.small);
                if !small.iter().any(|known| known == name) {
                    host.small_disk(RECORDS, SMALL)?;
                    small.push(name.to_owned());
                }
                host.fill_disk(RECORDS)?;
            }
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
            Mishap::LinkCut => host.restore_link()?,
            Mishap::PowerCut => host.power_back()?,
            Mishap::Hangs => host.thaw()?,
            Mishap::DiskFull => host.free_disk(RECORDS)?,
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
        let maintenance = agency.pointer("/arango/Supervision/Maintenance");
        state.insert("maintenance mode".to_owned(), shown(maintenance));
        state.insert("out of the load balancer".to_owned(), self.drained()?);
        Ok(state)
    }

    fn wanted(&self, before: &State) -> State {
        let (old, new) = &self.versions;
        let upgraded = |(name, value): (&String, &String)| (name.clone(), value.replace(old, new));
        before.iter().map(upgraded).collect()
    }

    fn off(&self) -> Result<Vec<Off>, Error> {
        let mut off = Vec::new();
        for host in self
            .fleet
            .hosts()
            .iter()
            .filter(|host| host.is_on().unwrap_or(false))
        {
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
        let agency = self.agency()?;
        let maintenance = "/arango/Supervision/Maintenance";
        if let Some(value) = agency.pointer(maintenance) {
            off.push(Off {
                what: format!("{maintenance} is {value}"),
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
