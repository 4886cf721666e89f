//! An upgrade as an operator would do it, while clients go on, and what came of it.
//!
//! Boots a fleet, sets a cluster up, begins the load, types the one command, and looks: at
//! what the clients saw and the servers hold (the load's own report), at what the servers
//! counted, and at the hosts. Nothing here takes the product's word for anything.

pub mod bound;
mod figures;
pub mod memsql;
mod stage;

use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use self::stage::Stage;
use crate::clock;
use crate::cluster::{self, Cluster, Clusters, Security};
use crate::command::{self, Command, Exit};
use crate::fleet::{self, Fleet, Host, Place};
use crate::load::beside::{self, Beside};
use crate::packages::EFFECTS;
use crate::product::Product;
use crate::{files, packages};

/// The waits that the role states, in seconds, before the lab's factor.
const AGENCY_SETTLE_S: f64 = 10.0;
const LEADER_SETTLE_S: f64 = 60.0;
/// Those that are not scaled: between two looks that must show the same, which are taken before anything, before the
/// first agent, at the end, and before each DB-Server; and the drain of a coordinator that the demonstration sets.
const TWO_LOOKS_S: f64 = 2.0;
const TWO_LOOKS: f64 = 3.0;
const DRAIN_S: f64 = 1.0;
/// How long there is load alone, before and after.
const QUIET: Duration = Duration::from_secs(5);
/// What the product said, in the operator's home, where it did not go to the terminal.
pub const APPLY_LOG: &str = "apply.log";

/// What is to be shown.
#[derive(Debug, Clone)]
pub struct Options {
    /// The hosts.
    pub fleet: fleet::Options,
    /// The cluster on them.
    pub cluster: cluster::Options,
    /// Whether a gap was announced and approved.
    pub announced_gap: bool,
    /// The load.
    pub load: Load,
    /// Scales the databases' timers and the role's waits; 1 is as in the field.
    pub factor: f64,
    /// More variables for the product, as `name=value`.
    pub extra: Vec<String>,
    /// How the simulators behave from the moment on at which the load has begun, where that differs.
    pub later: serde_json::Map<String, Value>,
    /// What the operator has changed in the files that `stagger init` wrote out.
    pub changes: Vec<Change>,
    /// Whether what the product says goes to the terminal.
    pub shows: bool,
}

/// A change of a file by the operator.
#[derive(Debug, Clone)]
pub struct Change {
    /// The file.
    pub file: &'static str,
    /// What was there, once.
    pub from: &'static str,
    /// What is there instead.
    pub to: &'static str,
}

impl Change {
    /// Changes the file; one that is not as it is thought to be would make the change a lie.
    pub fn make(&self, path: &Path) -> Result<(), Error> {
        let text = files::read(path)?;
        if text.matches(self.from).count() != 1 {
            return Err(Error::Change(self.file, self.from));
        }
        files::write(path, text.replace(self.from, self.to), 0o644)?;
        Ok(())
    }
}

impl Options {
    /// Returns a demonstration on so many hosts, with what a person gets who says nothing else.
    pub fn new(purpose: &str, hosts: usize) -> Self {
        Self {
            fleet: fleet::Options::new(purpose, hosts),
            cluster: cluster::Options::default(),
            announced_gap: false,
            load: Load {
                rate: 200,
                copies: 2,
                deadline: Duration::from_secs(10),
            },
            factor: 1.0,
            extra: Vec::new(),
            later: serde_json::Map::new(),
            changes: Vec::new(),
            shows: false,
        }
    }
}

/// What the clients do.
#[derive(Debug, Clone, Copy)]
pub struct Load {
    /// Requests a second.
    pub rate: u32,
    /// Copies of each shard.
    pub copies: u8,
    /// How long a client waits.
    pub deadline: Duration,
}

/// A demonstration that could not be carried out.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The hosts failed.
    #[error(transparent)]
    Fleet(#[from] fleet::Error),
    /// The cluster failed.
    #[error(transparent)]
    Cluster(#[from] cluster::Error),
    /// A package could not be made.
    #[error(transparent)]
    Package(#[from] packages::Error),
    /// A program failed.
    #[error(transparent)]
    Command(#[from] command::Error),
    /// A file failed.
    #[error(transparent)]
    File(#[from] files::Error),
    /// A file of the role is not as the change of it wants it.
    #[error("{0} does not have this once: {1}")]
    Change(&'static str, &'static str),
    /// The clients failed.
    #[error(transparent)]
    Load(#[from] beside::Error),
}

/// Sets everything up on a fleet that is up, upgrades, and returns the report; the fleet is left with the upgraded cluster.
pub fn upgrade(
    fleet: &Fleet,
    place: &Place,
    product: &Product,
    options: &Options,
    tell: &dyn Fn(&str),
) -> Result<Value, Error> {
    let mut wanted = options.cluster.clone();
    let factor = json!(options.factor);
    wanted
        .switches
        .insert("time_factor".to_owned(), factor.clone());
    let clusters = Clusters::up(fleet, &place.program, &wanted)?;
    let cluster = clusters.main();
    let demo = Demo {
        stage: Stage {
            fleet,
            shows: options.shows,
        },
        agents: cluster.agents()?,
        clusters: &clusters,
        cluster,
        product,
        options,
    };
    demo.prepare()?;
    let load = demo.begin_load(place)?;
    if !options.later.is_empty() {
        cluster.switch(&options.later)?;
    }
    tell("the cluster serves; the load has begun");
    clock::pause(QUIET);
    let (exit, wall) = demo.stage.apply(
        "roles/arangodb/upgrade.yml",
        &demo.approvals(),
        demo.variables(),
    )?;
    tell(&format!(
        "stagger ended with {exit} after {:.1} s",
        wall.as_secs_f64()
    ));
    clock::pause(QUIET);
    let mut report = load.end()?;
    let more = demo.look(exit, wall, &report)?;
    if let (Value::Object(report), Value::Object(more)) = (&mut report, more) {
        report.extend(more);
    }
    figures::complete(&mut report);
    stage::name_hosts(&mut report, cluster.hosts());
    Ok(report)
}

/// The parts of a demonstration.
#[derive(Debug)]
struct Demo<'a> {
    stage: Stage<'a>,
    clusters: &'a Clusters<'a>,
    cluster: &'a Cluster<'a>,
    agents: Vec<String>,
    product: &'a Product,
    options: &'a Options,
}

impl Demo<'_> {
    /// Puts on the bastion what an operator has there.
    fn prepare(&self) -> Result<(), Error> {
        self.stage
            .fleet
            .bastion()
            .provide("stagger", &self.product.program)?;
        let inventory = self.clusters.inventory(self.stage.fleet.options().login);
        files::write(&self.stage.file("inventory.yml"), inventory, 0o600)?;
        if self.cluster.options().security != Security::Open {
            files::write(&self.stage.file("secret"), self.cluster.secret(), 0o600)?;
        }
        files::write(&self.stage.file("drained"), "", 0o644)?;
        self.stage.change("arangodb", &self.options.changes)
    }

    fn begin_load(&self, place: &Place) -> Result<Beside, Error> {
        let load = &self.options.load;
        let mut command = Command::new(&place.program)
            .args(["load", "--agent", &self.agents.join(",")])
            .args(["--rate", &load.rate.to_string()])
            .args(["--copies", &load.copies.to_string()])
            .args(["--deadline-ms", &load.deadline.as_millis().to_string()])
            .args(["--factor", &self.options.factor.to_string()])
            .args(["--drain-file", "drained"]);
        if self.cluster.options().security != Security::Open {
            command = command.args(["--jwt-secret", "secret"]);
        }
        if self.options.announced_gap {
            command = command.arg("--announced-gap");
        }
        if let Some(far) = self.clusters.far() {
            command = command
                .args(["--sync-master", &far.sync_masters().join(",")])
                .args(["--sync-token", far.monitoring_token()]);
        }
        self.stage.begin_load(command)
    }

    fn approvals(&self) -> Vec<String> {
        let gap = self.options.announced_gap.then_some("gap");
        ["upgrade-data"]
            .into_iter()
            .chain(gap)
            .map(str::to_owned)
            .collect()
    }

    fn variables(&self) -> Vec<String> {
        let seconds = |wait: f64| (wait * self.options.factor).ceil();
        let drained = self.stage.file("drained");
        let drained = drained.display();
        let (agency, leader) = (seconds(AGENCY_SETTLE_S), seconds(LEADER_SETTLE_S));
        let mut variables = vec![
            format!("arangodb_agency_settle={agency}"),
            format!("arangodb_leader_settle={leader}"),
            "arangodb_canary_collection=load".to_owned(),
            json!({
                "arangodb_drain":
                    format!("echo {{{{ ansible_host }}}}:8529 >>{drained}"),
                "arangodb_undrain": format!(": >{drained}"),
                "arangodb_drain_wait": DRAIN_S,
            })
            .to_string(),
        ];
        variables.extend(self.options.extra.iter().cloned());
        variables
    }

    /// Looks at the hosts and adds up.
    fn look(&self, exit: Exit, wall: Duration, load: &Value) -> Result<Value, Error> {
        let mut needed = Duration::ZERO;
        let mut upgraded = 0;
        let mut effects = Vec::new();
        let mut wrong = Vec::new();
        for host in self.cluster.hosts() {
            let counted = host.read(EFFECTS)?.unwrap_or_default();
            let of_host = bound::needed(&counted);
            effects.push(counted);
            needed += of_host.total();
            upgraded += of_host.servers;
            wrong.extend(leftovers(host)?);
        }
        let target = self.cluster.options().to.as_str();
        let servers = load.get("servers").and_then(Value::as_array);
        let servers: Vec<_> = servers.into_iter().flatten().collect();
        let old = servers
            .iter()
            .filter(|s| s.get("to") != Some(&json!(target)));
        wrong.extend(old.map(|server| format!("not on {target}: {server}")));
        if upgraded != servers.len() {
            wrong.push(format!(
                "{upgraded} of {} directories upgraded",
                servers.len()
            ));
        }
        let asked = bound::asked(&effects);
        let (jobs, maintenance) = (asked.jobs.as_secs_f64(), asked.maintenance.as_secs_f64());
        let lower_bound = needed.as_secs_f64() + jobs + maintenance + self.waits_s();
        let load_ok = load.get("ok") == Some(&json!(true));
        Ok(json!({
            "ok": load_ok && exit == Exit::Code(0) && wrong.is_empty(),
            "load_ok": load_ok,
            "stagger_exit": exit.to_string(),
            "wrong": wrong,
            "wall_s": wall.as_secs_f64(),
            "lower_bound_s": lower_bound,
            "databases_s": needed.as_secs_f64(),
            "moves_s": jobs,
            "maintenance_s": maintenance,
            "waits_s": self.waits_s(),
            "factor": self.options.factor,
            "leaders": self.cluster.options().leaders,
            "starter_options": self.cluster.options().starter,
            "hosts": self.cluster.hosts().len(),
            "product": self.product.json(),
        }))
    }

    /// The waits that the role states: the cluster is looked at twice before anything, before the first agent and at the
    /// end; the agency stands still after each agent but the last, and then has had the same leader for some time; before
    /// a DB-Server stops every shard is seen in sync twice; clients are given time to leave a coordinator.
    fn waits_s(&self) -> f64 {
        let after_each = self.agents.len().saturating_sub(1);
        let after_each = u32::try_from(after_each).map_or(0.0, f64::from);
        let scaled = after_each * AGENCY_SETTLE_S + LEADER_SETTLE_S;
        let hosts = u32::try_from(self.cluster.hosts().len()).map_or(0.0, f64::from);
        scaled * self.options.factor + (TWO_LOOKS + hosts) * TWO_LOOKS_S + hosts * DRAIN_S
    }
}

/// Looks whether a host is as before the upgrade in all but the versions.
fn leftovers(host: &Host) -> Result<Vec<String>, Error> {
    let shown = host.must(
        "systemctl show -p Restart -p KillMode -p ActiveState -p DropInPaths arangodb; \
         systemctl is-active arangodb3; ls -d /usr/sbin/policy-rc.d /var/lib/stagger/hold/* \
         /var/lib/stagger/owed/* 2>/dev/null; true",
    )?;
    let wanted = [
        "Restart=on-failure",
        "KillMode=control-group",
        "ActiveState=active",
        "DropInPaths=",
        "inactive",
    ];
    let found: Vec<_> = shown.lines().collect();
    let missing = wanted.iter().filter(|line| !found.contains(line));
    let surplus = found.iter().filter(|line| !wanted.contains(line));
    let name = host.name();
    let missing = missing.map(|line| format!("{name}: not `{line}`"));
    let surplus = surplus.map(|line| format!("{name}: `{line}`"));
    Ok(missing.chain(surplus).collect())
}
