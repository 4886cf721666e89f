//! The upgrade of a MemSQL cluster as an operator would do it, while clients go on, and what
//! came of it.
//!
//! As for the other cluster: the product is typed like by a person, and judged by what the
//! clients saw, what the servers hold, what they counted and what the hosts show.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use super::stage::{Stage, name_hosts};
use super::{Change, Error, QUIET, figures};
use crate::clock;
use crate::cluster::memsql::{Cluster, Options as ClusterOptions};
use crate::command::{Command, Exit};
use crate::fleet::{self, Fleet, Host, Place};
use crate::load::beside::Beside;
use crate::load::memsql::never::never;
use crate::packages::EFFECTS;
use crate::product::Product;
use crate::{cluster, files};

/// The wait that the role states: clients are given time to leave an aggregator.
const DRAIN_S: u32 = 1;
/// After how many seconds the role looks at everything once more, as its table says (`memsql_second_look`).
const SECOND_LOOK_S: u32 = 5;

/// What is to be shown.
#[derive(Debug, Clone)]
pub struct Options {
    /// The hosts.
    pub fleet: fleet::Options,
    /// The cluster on them.
    pub cluster: ClusterOptions,
    /// Requests a second.
    pub rate: u32,
    /// How long a client waits.
    pub deadline: Duration,
    /// Scales the databases' timers; 1 is as in the field.
    pub factor: f64,
    /// The points of no return that the operator approves beforehand.
    pub approvals: Vec<String>,
    /// More variables for the product, as `name=value`.
    pub extra: Vec<String>,
    /// What the operator has changed in the files that `stagger init` wrote out.
    pub changes: Vec<Change>,
    /// Whether what the product says goes to the terminal.
    pub shows: bool,
}

impl Options {
    /// Returns a demonstration of a cluster, with what a person gets who says nothing else.
    pub fn new(purpose: &str, cluster: ClusterOptions) -> Self {
        Self {
            fleet: fleet::Options::new(purpose, cluster.hosts()),
            cluster,
            rate: 200,
            deadline: Duration::from_secs(10),
            factor: 1.0,
            approvals: vec!["second-group".to_owned()],
            extra: Vec::new(),
            changes: Vec::new(),
            shows: false,
        }
    }
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
    wanted
        .switches
        .insert("time_factor".to_owned(), json!(options.factor));
    let cluster = Cluster::up(fleet, &place.program, wanted)?;
    let demo = Demo {
        stage: Stage {
            fleet,
            shows: options.shows,
        },
        cluster: &cluster,
        product,
        options,
    };
    demo.prepare(place)?;
    let load = demo.begin_load()?;
    tell("the cluster serves; the load has begun");
    clock::pause(QUIET);
    let before = demo.counted()?;
    let (exit, wall) = demo.stage.apply(
        "roles/memsql/upgrade.yml",
        &options.approvals,
        demo.variables(),
    )?;
    tell(&format!(
        "stagger ended with {exit} after {:.1} s",
        wall.as_secs_f64()
    ));
    clock::pause(QUIET);
    let mut report = load.end()?;
    let more = demo.look(exit, wall, &report, before)?;
    if let (Value::Object(report), Value::Object(more)) = (&mut report, more) {
        report.extend(more);
    }
    figures::complete(&mut report);
    figures::must_be_quick(&mut report);
    name_hosts(&mut report, cluster.hosts());
    Ok(report)
}

/// Puts on the bastion what an operator has there.
pub fn provide(
    fleet: &Fleet,
    cluster: &Cluster<'_>,
    place: &Place,
    product: &Product,
) -> Result<(), cluster::Error> {
    let bastion = fleet.bastion();
    bastion.provide("stagger", &product.program)?;
    bastion.provide("lab", &place.program)?;
    let home = bastion.home();
    files::write(
        &home.join("inventory.yml"),
        cluster.inventory(fleet.options().login),
        0o600,
    )?;
    files::write(&home.join("password"), cluster.password(), 0o600)?;
    files::write(&home.join("drained"), "", 0o644)?;
    Ok(())
}

/// Returns the command that runs clients, as far as it is the same for all.
pub fn load(cluster: &Cluster<'_>) -> Command {
    let databases = cluster
        .options()
        .databases
        .iter()
        .map(|name| format!("--database={name}"));
    let command = Command::line("lab load memsql --password password --drain-file drained")
        .args(["--aggregator", &cluster.aggregators().join(",")])
        .args(databases);
    if cluster.options().tls {
        command.arg("--tls")
    } else {
        command
    }
}

/// The parts of a demonstration.
#[derive(Debug)]
struct Demo<'a> {
    stage: Stage<'a>,
    cluster: &'a Cluster<'a>,
    product: &'a Product,
    options: &'a Options,
}

impl Demo<'_> {
    fn prepare(&self, place: &Place) -> Result<(), Error> {
        provide(self.stage.fleet, self.cluster, place, self.product)?;
        self.stage.change("memsql", &self.options.changes)
    }

    fn begin_load(&self) -> Result<Beside, Error> {
        let deadline = self.options.deadline.as_millis().to_string();
        let load = load(self.cluster)
            .args(["--rate", &self.options.rate.to_string()])
            .args(["--deadline-ms", &deadline]);
        self.stage.begin_load(load)
    }

    fn variables(&self) -> Vec<String> {
        let drained = self.stage.file("drained");
        let drained = drained.display();
        let mut variables = vec![
            json!({
                "memsql_drain": format!("echo {{{{ (memsql_aggregator | default({{}})).address | default('') }}}} >>{drained}"),
                "memsql_undrain": format!(": >{drained}"),
                "memsql_drain_wait": DRAIN_S,
                "memsql_second_look": SECOND_LOOK_S,
            })
            .to_string(),
        ];
        variables.extend(self.options.extra.iter().cloned());
        variables
    }

    /// Returns what was counted on each host so far, as the number of lines.
    fn counted(&self) -> Result<BTreeMap<String, usize>, Error> {
        let hosts = self.cluster.hosts().iter();
        let lines = hosts.map(|host| Ok((host.name().to_owned(), effects(host)?.len())));
        lines.collect()
    }

    /// Looks at the hosts and adds up.
    fn look(
        &self,
        exit: Exit,
        wall: Duration,
        load: &Value,
        before: BTreeMap<String, usize>,
    ) -> Result<Value, Error> {
        let mut all = Vec::new();
        let mut wrong = Vec::new();
        for host in self.cluster.hosts() {
            let skip = before.get(host.name()).copied().unwrap_or(0);
            all.extend(effects(host)?.into_iter().skip(skip));
            wrong.extend(leftovers(host)?);
        }
        all.sort_by_key(|effect| effect.get("unix_ms").and_then(Value::as_u64));
        wrong.extend(forbidden(&all));
        let target = self.cluster.options().to.as_str();
        let servers = load.get("servers").and_then(Value::as_array);
        let servers: Vec<_> = servers.into_iter().flatten().collect();
        let old = servers
            .iter()
            .filter(|one| one.get("to") != Some(&json!(target)));
        wrong.extend(old.map(|server| format!("not on {target}: {server}")));
        wrong.extend(out_of_order(&all, &servers));
        wrong.extend(excused(load, &self.options.extra));
        let databases = needed(&all).as_secs_f64();
        let aggregators = u32::try_from(self.cluster.aggregators().len()).unwrap_or(u32::MAX);
        let waits = f64::from(aggregators.saturating_mul(DRAIN_S) + SECOND_LOOK_S);
        let load_ok = load.get("ok") == Some(&json!(true));
        Ok(json!({
            "ok": load_ok && exit == Exit::Code(0) && wrong.is_empty(),
            "load_ok": load_ok,
            "stagger_exit": exit.to_string(),
            "wrong": wrong,
            "wall_s": wall.as_secs_f64(),
            "lower_bound_s": databases + waits,
            "databases_s": databases,
            "waits_s": waits,
            "factor": self.options.factor,
            "leaves": self.cluster.options().leaves,
            "aggregators": self.cluster.options().aggregators,
            "hosts": self.cluster.hosts().len(),
            "product": self.product.json(),
        }))
    }
}

fn effects(host: &Host) -> Result<Vec<Value>, Error> {
    let text = host.read(EFFECTS)?.unwrap_or_default();
    Ok(text
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect())
}

fn word<'a>(effect: &'a Value, pointer: &str) -> &'a str {
    effect
        .pointer(pointer)
        .and_then(Value::as_str)
        .unwrap_or_default()
}

/// Returns what was done that an upgrade never does; nobody else changes a table here.
fn forbidden(effects: &[Value]) -> Vec<String> {
    let mut wrong = never(effects);
    let tables = effects
        .iter()
        .filter(|effect| word(effect, "/what") == "ddl");
    wrong.extend(tables.map(|effect| format!("I7: {effect}")));
    wrong
}

/// Tells what became of requests to aggregators that were announced to go: with a drain hook there are none.
fn excused(load: &Value, extra: &[String]) -> Option<String> {
    let is_unset = |pair: &String| match serde_json::from_str::<Value>(pair) {
        Ok(all) => all.get("memsql_drain") == Some(&json!("")),
        Err(_) => pair == "memsql_drain=",
    };
    let count = load.get("excused_requests").and_then(Value::as_u64);
    let is_hooked = !extra.iter().any(is_unset);
    (is_hooked && count != Some(0))
        .then(|| format!("excused requests, with a drain hook: {count:?}"))
}

/// Which upgrade it was: the leaves of a group, a child aggregator, the master aggregator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Turn {
    Group(Option<u64>),
    Child,
    Master,
}

fn turn_of(effect: &Value, servers: &[&Value]) -> Turn {
    let directory = word(effect, "/detail/directory");
    let mut parts = directory.rsplit('/').next().unwrap_or_default().split('-');
    let role = parts.next();
    let port = parts.next().and_then(|port| port.parse::<u64>().ok());
    let is_it = |server: &&&Value| {
        let server_port = server.get("port").and_then(Value::as_u64);
        word(server, "/host") == word(effect, "/detail/host") && server_port == port
    };
    match role {
        Some("leaf") => {
            let server = servers.iter().find(is_it);
            Turn::Group(server.and_then(|server| server.get("group")?.as_u64()))
        }
        Some("aggregator") => Turn::Child,
        _ => Turn::Master,
    }
}

/// Returns in which the order of the upgrades was not that of the procedure: the leaves of one group, those of the other,
/// child aggregators, the master aggregator.
fn out_of_order(effects: &[Value], servers: &[&Value]) -> Vec<String> {
    let done = effects.iter().filter(|effect| {
        word(effect, "/what") == "upgraded" && effect.pointer("/detail/ok") == Some(&json!(true))
    });
    let turns: Vec<Turn> = done.map(|effect| turn_of(effect, servers)).collect();
    let mut wrong = Vec::new();
    if turns.len() != servers.len() {
        let (count, servers) = (turns.len(), servers.len());
        wrong.push(format!("{count} upgrades of {servers} servers"));
    }
    if turns.contains(&Turn::Group(None)) {
        wrong.push("a leaf was upgraded that is in no group".to_owned());
    }
    let mut order = turns;
    order.dedup();
    let place = |turn: &Turn| match turn {
        Turn::Group(_) => 0,
        Turn::Child => 1,
        Turn::Master => 2,
    };
    let groups = order.iter().filter(|turn| place(turn) == 0).count();
    if groups > 2 || !order.iter().map(place).is_sorted() {
        wrong.push(format!(
            "the order of the upgrades is not one group, the other, child aggregators, master aggregator: {order:?}"
        ));
    }
    wrong
}

/// Returns the time in which a server of the cluster was at work for the upgrade: what was done
/// at the same time counts once.
fn needed(effects: &[Value]) -> Duration {
    let at = |effect: &Value| effect.get("unix_ms").and_then(Value::as_u64).unwrap_or(0);
    let mut spans: Vec<(u64, u64)> = Vec::new();
    let mut started: BTreeMap<&str, u64> = BTreeMap::new();
    for effect in effects {
        let took = effect.pointer("/detail/took_ms").and_then(Value::as_u64);
        match (word(effect, "/what"), took) {
            ("start", _) => drop(started.insert(word(effect, "/place"), at(effect))),
            ("ready" | "recovered", _) => {
                let begin = started.get(word(effect, "/place"));
                spans.extend(begin.map(|begin| (*begin, at(effect))));
            }
            (_, Some(took)) => spans.push((at(effect).saturating_sub(took), at(effect))),
            (_, None) => {}
        }
    }
    spans.sort_unstable();
    let (mut total, mut reached) = (0, 0);
    for (begin, end) in spans {
        total += end.saturating_sub(begin.max(reached));
        reached = reached.max(end);
    }
    Duration::from_millis(total)
}

/// Looks whether a host is as before the upgrade in all but the versions.
fn leftovers(host: &Host) -> Result<Vec<String>, Error> {
    let shown = host.must(
        "systemctl is-active memsql-ops; ls -d /var/lib/stagger/hold/* /var/lib/stagger/owed/* 2>/dev/null; \
         grep -o '\"manual_control\": *true' /var/lib/memsql-ops/data/state 2>/dev/null; true",
    )?;
    let surplus = shown.lines().filter(|line| *line != "active");
    Ok(surplus
        .map(|line| format!("{}: `{line}`", host.name()))
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn effect(ms: u64, place: &str, what: &str, detail: Value) -> Value {
        json!({"unix_ms": ms, "place": place, "what": what, "detail": detail})
    }

    #[test]
    fn what_is_done_at_once_counts_once() {
        let effects = [
            effect(1_000, "m", "detach", json!({"took_ms": 400})),
            effect(1_200, "l", "start", Value::Null),
            effect(1_300, "m", "restore", json!({"took_ms": 500})),
            effect(1_700, "l", "ready", Value::Null),
            effect(9_000, "l", "signal-term", Value::Null),
        ];
        assert_eq!(needed(&effects).as_millis(), 1_100);
    }

    #[test]
    fn with_a_drain_hook_nothing_is_excused() {
        let load = |count: u64| json!({ "excused_requests": count });
        let none: [String; 0] = [];
        assert_eq!(excused(&load(0), &none), None);
        assert!(excused(&load(1), &none).is_some());
        assert!(excused(&json!({}), &none).is_some(), "it was not counted");
        for unset in ["memsql_drain=", "{\"memsql_drain\": \"\"}"] {
            assert_eq!(excused(&load(1), &[unset.to_owned()]), None, "{unset}");
        }
    }

    #[test]
    fn the_order_and_the_forbidden_are_seen() {
        let upgraded = |(role, port): (&str, u16)| {
            let directory = format!("/var/lib/memsql/{role}-{port}-X");
            effect(
                1,
                "h",
                "upgraded",
                json!({"ok": true, "host": "h1", "directory": directory}),
            )
        };
        let [child, master] = [("aggregator", 3305), ("master", 3306)];
        let leaves = [3307, 3308, 3309, 3310];
        let [a, b, c, d] = leaves.map(|port| ("leaf", port));
        let mut servers: Vec<Value> = (leaves.iter())
            .map(|port| json!({"host": "h1", "port": port, "group": if *port < 3309 { 1 } else { 2 }}))
            .collect();
        servers.extend([3305, 3306].map(|port| json!({"host": "h1", "port": port, "group": null})));
        let wrong = |order: &[(&str, u16)], servers: &[Value]| {
            let effects: Vec<Value> = order.iter().copied().map(upgraded).collect();
            out_of_order(&effects, &servers.iter().collect::<Vec<_>>()).len()
        };
        assert_eq!(wrong(&[a, b, c, d, child, master], &servers), 0);
        assert_eq!(wrong(&[d, c, b, a, child, master], &servers), 0);
        assert_eq!(
            wrong(&[a, c, b, d, child, master], &servers),
            1,
            "the groups are mixed"
        );
        assert_eq!(wrong(&[a, b, child, c, d, master], &servers), 1);
        assert_eq!(wrong(&[a, b, c, d, master, child], &servers), 1);
        assert_eq!(wrong(&[a, b, c, d, child], &servers), 1, "one is missing");
        let bad = [
            effect(1, "m", "attach", json!({"force": true})),
            effect(
                1,
                "o",
                "memsql-stop",
                json!({"flags": ["all", "no-prompt"]}),
            ),
            effect(1, "m", "failover", Value::Null),
        ];
        assert_eq!(forbidden(&bad).len(), 3);
        assert!(forbidden(&[effect(1, "m", "attach", json!({"force": false}))]).is_empty());
    }
}
