//! The MemSQL upgrade for a fault run, on clusters of loopback that stand side by side: four leaves in two pairs, so that
//! there is always a pair that is not touched.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Value, json};

use super::classes::{Mishap, System};
use super::scene::{Off, Scene, State};
use super::{Error, Rules};
use crate::cluster::loopback::{Loopback, NEW, OLD, Plan, Programs, SWITCHED};
use crate::command::Command;
use crate::sim::memsql::Address;
use crate::{clock, files};

/// What is the same for all upgrades.
pub const RULES: Rules = Rules {
    system: System::Memsql,
    lock: ("lock_take.yml", "lock_give_back.yml"),
    once: &[
        "memsql-stop",
        "memsql-start",
        "memsql-upgrade",
        "upgraded",
        "detach",
        "attach",
    ],
};

/// The database that clients use.
const DATABASE: &str = "s-1";
/// How long a server may take to be there again.
const BACK: Duration = Duration::from_secs(30);

/// A cluster and its operator.
#[derive(Debug)]
pub struct Memsql {
    stack: Loopback,
    rate: u32,
    factor: f64,
    killed: Option<Address>,
    /// How many bastions are gone.
    lost: usize,
}

impl Memsql {
    /// Sets a cluster up.
    pub fn up(programs: &Programs, factor: f64, rate: u32) -> Result<Self, Error> {
        let plan = Plan {
            groups: vec![1, 2, 1, 2],
            switches: json!({"time_factor": factor}),
            ..Plan::default()
        };
        let stack = Loopback::up(&plan, programs)?;
        Ok(Self {
            stack,
            rate,
            factor,
            killed: None,
            lost: 0,
        })
    }

    /// Returns a command as it is typed on the bastion of the day: the second one is another machine.
    fn on_bastion(&self, command: Command) -> Command {
        if self.lost == 0 {
            return command;
        }
        let name = format!("echo bastion{} >/proc/sys/kernel/hostname", self.lost + 1);
        let other = Command::line("unshare --uts sh -c").arg(format!("{name}; exec \"$@\""));
        command.under(other.arg("other"))
    }

    /// What is owed, by the hosts and not by records.
    fn by_hosts(&self, command: &str) -> Command {
        self.on_bastion(self.stack.command(&format!(
            "{command} --from-hosts -i inventory.yml roles/memsql/upgrade.yml"
        )))
    }

    fn variables() -> Value {
        json!({"memsql_lock_renew": 2, "memsql_drain_wait": 1})
    }

    /// Returns an online leaf whose pair is online too.
    fn other_leaf(&self) -> Option<Address> {
        let is_online = |at: &&Address| self.stack.leaf_at(at).starts_with("online");
        let pairs = self.stack.leaves.chunks(2);
        let mut whole = pairs.filter(|pair| pair.iter().filter(is_online).count() == 2);
        whole.next_back()?.first().cloned()
    }

    fn kill(&mut self, at: &Address) {
        let directory = format!("-{}-", at.port);
        let machines = self.stack.machines.iter();
        let mut servers = machines
            .filter(|machine| machine.host == at.host)
            .flat_map(crate::cluster::loopback::Machine::servers);
        let is_it = |(path, _): &(PathBuf, _)| path.display().to_string().contains(&directory);
        if let Some((_, pid)) = servers.find(is_it) {
            // It may have ended meanwhile.
            rustix::process::kill_process(pid, rustix::process::Signal::KILL).ok();
        }
        self.killed = Some(at.clone());
    }
}

impl Scene for Memsql {
    fn apply(&self, events: &str) -> Command {
        let more = format!("--approve second-group --plain --events {events}");
        self.on_bastion(self.stack.upgrading(&Self::variables(), &more))
    }

    fn resume(&self, events: &str) -> Command {
        self.on_bastion(self.stack.resuming(&format!("--plain --events {events}")))
    }

    fn second(&self) -> Command {
        let line = "apply roles/memsql/upgrade.yml -i inventory.yml --reason second --plain --state elsewhere";
        let short =
            json!({"memsql_poll": 0.3, "memsql_gate_timeout": 5, "memsql_caught_up_timeout": 5});
        self.stack.command(line).args(["-e", &short.to_string()])
    }

    fn status(&self) -> Command {
        self.on_bastion(self.stack.command("status --state state --json"))
    }

    fn file(&self, name: &str) -> PathBuf {
        self.stack.file(name)
    }

    fn write_out(&self) -> Result<(), Error> {
        self.stack.command("init memsql").run()?;
        // The inventory that was written out is not this cluster's.
        Ok(())
    }

    fn load(&self) -> Command {
        let aggregators = self.stack.aggregators();
        let aggregators: Vec<String> = aggregators.iter().map(ToString::to_string).collect();
        let lab = self.stack.lab();
        Command::new(lab)
            .args(["load", "memsql", "--password", "password"])
            .args(["--drain-file", "drained", "--database", DATABASE])
            .args(["--aggregator", &aggregators.join(",")])
            .args(["--rate", &self.rate.to_string()])
            .directory(self.stack.file(""))
    }

    fn befall(&mut self, mishap: Mishap, _host: &str) -> Result<(), Error> {
        match mishap {
            Mishap::OtherLeafKilled => {
                if let Some(leaf) = self.other_leaf() {
                    self.kill(&leaf);
                }
            }
            Mishap::MasterKilled => self.kill(&self.stack.master.clone()),
            Mishap::BastionLinkCut
            | Mishap::LinkCut
            | Mishap::SshdRestarted
            | Mishap::PowerCut
            | Mishap::Hangs
            | Mishap::DiskFull
            | Mishap::AgencyLeaderKilled
            | Mishap::OtherDbserverKilled
            | Mishap::OtherPowerCut
            | Mishap::SessionsEnded => {}
        }
        Ok(())
    }

    fn lift(&mut self, _mishap: Mishap, _host: &str) -> Result<(), Error> {
        let Some(at) = self.killed.take() else {
            return Ok(());
        };
        // Ops may have started it already, and then it refuses; what counts is that it is back.
        let id = self.stack.id(&at)?;
        self.stack.ops(&format!("memsql-start {id} --no-prompt"))?;
        let end = clock::now() + BACK;
        while self.stack.version(&at) == "-" && clock::now() < end {
            clock::pause(Duration::from_millis(100));
        }
        Ok(())
    }

    fn state(&self) -> Result<State, Error> {
        let mut state = State::new();
        for at in self.stack.aggregators() {
            let own = self.stack.state(at);
            let variables = own.get("variables").and_then(Value::as_object);
            for (name, value) in variables.into_iter().flatten() {
                state.insert(format!("{name} on {at}"), value.to_string());
            }
            state.insert(format!("version of {at}"), self.stack.version(at));
        }
        for at in &self.stack.leaves {
            state.insert(format!("leaf {at}"), self.stack.leaf_at(at));
        }
        let manual = self.stack.manual_control()?.to_string();
        state.insert("manual control of Ops".to_owned(), manual);
        let missing = self.stack.missing()?.join(", ");
        state.insert("partitions that are not whole".to_owned(), missing);
        let drained = files::read_if_there(&self.file("drained"))?;
        let drained = drained.unwrap_or_default().trim().to_owned();
        state.insert("out of the load balancer".to_owned(), drained);
        state.insert(
            "notes on the hosts".to_owned(),
            self.stack.notes()?.join(", "),
        );
        let lock = self.stack.lock().exists().to_string();
        state.insert("the lock is there".to_owned(), lock);
        for machine in &self.stack.machines {
            for (directory, _) in machine.servers() {
                let file = files::read_if_there(&directory.join("memsql.cnf"))?;
                let file = file.unwrap_or_default();
                let off = file
                    .lines()
                    .filter(|line| SWITCHED.iter().any(|name| line.starts_with(name)))
                    .filter(|line| line.ends_with("OFF"))
                    .collect::<Vec<_>>();
                let name = directory.display().to_string();
                state.insert(format!("off in {name}/memsql.cnf"), off.join(", "));
            }
        }
        Ok(state)
    }

    fn wanted(&self, before: &State) -> State {
        let upgraded = |(name, value): (&String, &String)| (name.clone(), value.replace(OLD, NEW));
        before.iter().map(upgraded).collect()
    }

    fn off(&self) -> Result<Vec<Off>, Error> {
        let mut off: Vec<Off> = (self.stack.off().into_iter())
            .map(|what| Off {
                bracket: if what.contains("auto_attach") {
                    "attached by themselves"
                } else {
                    "failures are not detected"
                },
                what: format!("{what} is off"),
            })
            .collect();
        if self.stack.manual_control()? {
            off.push(Off {
                what: "Ops is under manual control".to_owned(),
                bracket: "Ops starts and adds nothing",
            });
        }
        if self.stack.lock().exists() {
            off.push(Off {
                what: "the lock is taken".to_owned(),
                bracket: "no other run works",
            });
        }
        Ok(off)
    }

    fn off_elsewhere(&self) -> Result<Vec<Off>, Error> {
        self.off()
    }

    fn is_exposed(&self) -> Result<bool, Error> {
        // The program is a server's own, and is replaced with it.
        Ok(false)
    }

    fn lapse(&mut self) -> Result<(), Error> {
        // What lasts for a while here is the lock, and that time passes by itself.
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
            .args(["-e", &Self::variables().to_string()])
            .args(["-e", &self.stack.balancer().to_string()])
    }

    fn forgive(&self, host: &str) -> Command {
        let line = "recover --state state --reason gone --forgive";
        self.on_bastion(self.stack.command(line)).arg(host)
    }

    fn unstrand(&self, host: &str) -> Command {
        let line = "recover --state state --upgrade-stranded";
        self.on_bastion(self.stack.command(line)).arg(host)
    }

    fn effects(&self) -> Result<Vec<Value>, Error> {
        Ok(self.stack.effects()?)
    }

    fn scaled(&self, time: Duration) -> Duration {
        // A fault of seconds stays one; only what waits for timers of databases gets shorter with them.
        time.mul_f64((self.factor * 10.0).clamp(0.1, 1.0))
    }
}
