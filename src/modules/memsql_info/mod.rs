//! `memsql_info`: what a MemSQL cluster and its Ops show, with verdicts for gates.
//!
//! Reads only. The views are made by `cluster::memsql`; here are the arguments, the connections and the waiting.

mod asking;
#[cfg(test)]
mod tests;

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::spec::{Argument, Arguments, Kind, ModuleSpec, Safety};
use super::sql::{
    CA_CERT, CHECK_HOSTNAME, CONNECT_TIMEOUT, Login, MACHINES, PASSWORD, TLS, USER, VIA,
};
use super::{Action, Change, HostCx, Module, ModuleError, Observed, Outcome};
use crate::clock::Woken;
use crate::cluster::memsql::{
    Depth, Questions, View, Where, judge, ops_nodes, read, read_ops, read_positions,
};
use crate::cluster::model::memsql::{Address, CaughtUp, Cluster, Progress};
use crate::connection::ConnError;
use crate::yaml::Problem;
use asking::Requests;

static SPEC: ModuleSpec = ModuleSpec {
    name: "memsql_info",
    summary: "Reads the state of a MemSQL cluster and of its Ops",
    notes: &[
        "Changes nothing. It runs on the host of the primary agent, where `memsql-ops` is asked.",
        "Every leaf and aggregator is asked itself: while failure detection is off, a leaf's state alone proves nothing.",
        "`view: all` reads all; `view: cluster` leaves out Ops but its nodes; `view: state` also what would have to be restored, and what runs. What was not read has no verdict.",
        "`view: ops` asks Ops alone for its nodes: for when the master aggregator is away.",
        "`view: caught_up` waits until the slaves of what `leaves` lead have what their masters had, in two rounds of which the second is quick.",
    ],
    arguments: &[
        Argument::new("view", Kind::Str, "What to look at.")
            .default("all")
            .choices(&["all", "cluster", "state", "caught_up", "ops"]),
        Argument::new(
            "master",
            Kind::Str,
            "The master aggregator, `host:port`; without it Ops names it.",
        ),
        Argument::new("ops", Kind::Flag, "Whether Ops is asked.").default("true"),
        Argument::new("ops_program", Kind::Str, "The program of Ops.").default("memsql-ops"),
        MACHINES,
        Argument::new(
            "leaves",
            Kind::List,
            "The leaves that are meant (`view: caught_up`).",
        ),
        Argument::new(
            "detached",
            Kind::List,
            "The leaves that this run detached and has not made whole again.",
        ),
        Argument::new(
            "orphans",
            Kind::List,
            "Orphans that this run saw come about at its own detach, `host:port/name`.",
        ),
        Argument::new(
            "to",
            Kind::Str,
            "The version to go to: adds the verdict on it.",
        ),
        Argument::new("hash", Kind::Str, "The hash of its file."),
        Argument::new(
            "file_everywhere",
            Kind::Flag,
            "Whether its file is known to be on every agent, where Ops does not say.",
        )
        .default("false"),
        Argument::new(
            "long_statement",
            Kind::Duration,
            "From when on a statement is a long one.",
        )
        .default("60"),
        Argument::new(
            "quick",
            Kind::Duration,
            "How long the second round may take (`view: caught_up`).",
        )
        .default("5"),
        Argument::new(
            "wait",
            Kind::Duration,
            "How long is waited (`view: caught_up`).",
        )
        .default("3600"),
        Argument::new(
            "every",
            Kind::Duration,
            "How often is looked (`view: caught_up`).",
        )
        .default("1"),
        USER,
        PASSWORD,
        TLS,
        CA_CERT,
        CHECK_HOSTNAME,
        CONNECT_TIMEOUT,
        VIA,
    ],
    safety: Safety::ReadOnly,
    example: "\
- memsql_info:
    login_password: \"{{ memsql_password }}\"
  register: cluster
  until: cluster.redundancy.ok
  timeout: 30m
",
    returns: &[
        ("master", "the master aggregator"),
        (
            "leaves",
            "address, host, port, group, pair, state, version, answers, led, recovering, and of Ops memsql_id, run_state",
        ),
        (
            "aggregators",
            "address, host, port, state, master, version, answers, variables, and of Ops memsql_id, run_state",
        ),
        ("databases", "the users' databases"),
        (
            "groups, order",
            "the leaves of each availability group; the groups in order",
        ),
        ("versions", "the versions that run"),
        ("led_by", "how many partitions each leaf leads"),
        (
            "orphans",
            "`host:port/name` of copies that belong to no partition",
        ),
        ("variables", "the switches of each aggregator"),
        (
            "ops, nodes, target, file, inventory",
            "verdicts: Ops can do it; it knows what the cluster has; the version can be gone to; its file is on every agent; the inventory has all machines, each once",
        ),
        (
            "layout, servers, redundancy, status, plans, busy",
            "verdicts: two paired groups; all answer; one master and one slave each; no bad copy; nothing to restore or balance; nothing runs",
        ),
        (
            "redundancy_without_detached",
            "verdict: as `redundancy`, but for copies whose place is on a leaf of `detached`",
        ),
        (
            "one_group_down, copies, even",
            "verdicts: at most one group is touched; copies go from old to new; masters are spread evenly",
        ),
        (
            "detach, stop, aggregator",
            "for each leaf and aggregator: may it be taken away now",
        ),
        (
            "restore, rebalance",
            "how many steps each database would need, to restore but for those on a leaf of `detached`",
        ),
        (
            "masters",
            "verdict: every partition has one master that is up and not locked",
        ),
        (
            "switches",
            "the switches that stand around the work: `auto_attach`, `failure_detection`; each with address, memsql_id, key, value",
        ),
        (
            "switches_known",
            "verdict: every aggregator told its switches; one that did not is not among `switches`",
        ),
        (
            "ops_nodes",
            "`view: ops`: memsql_id, address, role, version, run_state, state",
        ),
        ("caught_up", "`view: caught_up`: whether it was proved"),
    ],
    ..ModuleSpec::EMPTY
};

/// The module.
#[derive(Debug)]
pub(super) struct MemsqlInfo;

impl Module for MemsqlInfo {
    fn spec(&self) -> &'static ModuleSpec {
        &SPEC
    }

    fn action(&self, arguments: &Arguments) -> Result<Box<dyn Action>, Vec<Problem>> {
        let wrong = |text: &str| {
            let message = format!("`{text}` is no node: it must be `host:port`");
            vec![Problem::at(&arguments.loc, message)]
        };
        let nodes = |name: &str| {
            let texts = arguments.list(name).into_iter();
            let texts = texts.filter(|text| !text.is_empty());
            texts
                .map(|text| Address::parse(&text).ok_or_else(|| wrong(&text)))
                .collect::<Result<Vec<_>, _>>()
        };
        let text = |name: &str| {
            let text = arguments.str(name).filter(|text| !text.is_empty());
            text.map(str::to_owned)
        };
        let span = |name: &str, default: u64| {
            let default = Duration::from_secs(default);
            arguments.duration(name).unwrap_or(default)
        };
        let master = text("master")
            .map(|text| Address::parse(&text).ok_or_else(|| wrong(&text)))
            .transpose()?;
        let mut questions = Questions {
            to: text("to"),
            hash: text("hash"),
            file_everywhere: arguments.flag("file_everywhere"),
            long_statement: span("long_statement", 60).as_secs(),
            ..Questions::default()
        };
        questions.doing.detached = nodes("detached")?.into_iter().collect();
        for orphan in arguments.list("orphans") {
            let (node, name) = orphan.split_once('/').ok_or_else(|| wrong(&orphan))?;
            let node = Address::parse(node).ok_or_else(|| wrong(node))?;
            questions.doing.orphans.insert((node, name.to_owned()));
        }
        add_machines(&mut questions, arguments);
        Ok(Box::new(Look {
            view: match arguments.str("view") {
                Some("state") => Looks::State,
                Some("caught_up") => Looks::CaughtUp,
                Some("ops") => Looks::Ops,
                Some("cluster") => Looks::Cluster,
                _ => Looks::All,
            },
            place: Where {
                master,
                with_ops: arguments.flag("ops"),
                here: String::new(),
                aliases: questions.aliases.clone(),
            },
            questions,
            leaves: nodes("leaves")?,
            quick: span("quick", 5),
            wait: span("wait", 3600),
            every: span("every", 1),
            program: text("ops_program").unwrap_or_else(|| "memsql-ops".to_owned()),
            login: Login::of(arguments),
        }))
    }
}

fn add_machines(questions: &mut Questions, arguments: &Arguments) {
    let machines = arguments.get("machines").and_then(Value::as_object);
    for (machine, names) in machines.into_iter().flatten() {
        questions.machines.insert(machine.clone());
        questions.names(machine, machine);
        for name in names.as_array().into_iter().flatten() {
            if let Some(name) = name.as_str().filter(|name| !name.is_empty()) {
                questions.names(name, machine);
            }
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Looks {
    All,
    Cluster,
    State,
    CaughtUp,
    Ops,
}

#[derive(Debug)]
struct Look {
    view: Looks,
    place: Where,
    questions: Questions,
    leaves: Vec<Address>,
    quick: Duration,
    wait: Duration,
    every: Duration,
    program: String,
    login: Login,
}

impl Look {
    /// Reads a view; what a list calls `127.0.0.1` is the host that is asked.
    fn read(&self, cx: &mut HostCx<'_>, depth: Depth) -> Result<View, ModuleError> {
        let here = if self.login.via_host {
            "127.0.0.1".to_owned()
        } else {
            let address = cx.controller.variable("ansible_host").ok().flatten();
            let address = address.as_ref().and_then(Value::as_str);
            address.unwrap_or(cx.host).to_owned()
        };
        let place = Where {
            here,
            with_ops: self.place.with_ops,
            ..self.place.clone()
        };
        let mut requests = Requests::new(cx, &self.login, &self.program);
        let view = read(&mut requests, &place, depth);
        requests.ended()?;
        view.map_err(|error| ModuleError::Failed {
            message: error.message,
            result: [("error_number".to_owned(), json!(error.number))]
                .into_iter()
                .collect(),
        })
    }

    /// Asks Ops alone.
    fn ask_ops(&self, cx: &mut HostCx<'_>) -> Result<Map<String, Value>, ModuleError> {
        let mut requests = Requests::new(cx, &self.login, &self.program);
        let ops = read_ops(&mut requests, Depth::State);
        requests.ended()?;
        let ops = ops.map_err(|error| ModuleError::failed(error.message))?;
        match (ops_nodes(&ops), ops.problems.first()) {
            (_, Some(problem)) => Err(ModuleError::failed(problem.clone())),
            (Value::Object(fields), None) => Ok(fields),
            (_, None) => Ok(Map::new()),
        }
    }

    /// Proves that slaves have caught up, or waits in vain.
    fn catch_up(&self, cx: &mut HostCx<'_>) -> Result<Map<String, Value>, ModuleError> {
        let clock = cx.clock;
        let deadline = clock.deadline(self.wait).earlier(cx.deadline);
        let view = self.read(cx, Depth::State)?;
        let answering = view.cluster.clone();
        let over = answering.overview();
        let mut proof = CaughtUp::begin(&over, &self.leaves, self.quick, clock.elapsed());
        let mut requests = Requests::new(cx, &self.login, &self.program);
        loop {
            let cluster = read_positions(&mut requests, &view.master, &self.place);
            requests.ended()?;
            let cluster = cluster.map_err(|error| ModuleError::failed(error.message))?;
            let cluster = with_answers(cluster, &answering);
            let saw = match proof.look(&cluster.overview(), clock.elapsed()) {
                Progress::Proved => {
                    return Ok([("caught_up".to_owned(), json!(true))]
                        .into_iter()
                        .collect());
                }
                Progress::Behind(behind) => behind,
            };
            let shown = saw.iter().take(3).cloned().collect::<Vec<_>>().join("; ");
            let shown = if saw.is_empty() {
                "what the masters had the slaves have; looking once more".to_owned()
            } else {
                format!("{} partitions are behind: {shown}", saw.len())
            };
            requests.cx.watch.saw(&shown);
            if deadline.is_over(clock) {
                return Err(ModuleError::failed(format!(
                    "the slaves have not caught up within {} s: {shown}",
                    self.wait.as_secs()
                )));
            }
            let every = if saw.is_empty() {
                Duration::ZERO
            } else {
                self.every
            };
            if clock.wait(every, requests.cx.stop) == Woken::Stopped {
                return Err(ConnError::Stopped.into());
            }
        }
    }
}

/// Positions are read again and again, whether leaves answer is not: it is taken from the whole look before.
fn with_answers(mut cluster: Cluster, known: &Cluster) -> Cluster {
    for leaf in &mut cluster.leaves {
        let known = known.leaf(&leaf.address);
        leaf.answers = known.is_some_and(|known| known.answers);
    }
    cluster
}

impl Action for Look {
    fn describe(&self) -> String {
        match self.view {
            Looks::All => "read the state of the cluster and of Ops".to_owned(),
            Looks::Cluster => "read the state of the cluster".to_owned(),
            Looks::State => "read the state of nodes and partitions".to_owned(),
            Looks::CaughtUp => "prove that slaves have caught up".to_owned(),
            Looks::Ops => "read the nodes that Ops knows".to_owned(),
        }
    }

    fn observe(&self, cx: &mut HostCx<'_>) -> Result<Observed, ModuleError> {
        let result = match self.view {
            Looks::All => judge(&self.read(cx, Depth::Full)?, &self.questions),
            Looks::Cluster => judge(&self.read(cx, Depth::Cluster)?, &self.questions),
            Looks::State => judge(&self.read(cx, Depth::State)?, &self.questions),
            Looks::CaughtUp => self.catch_up(cx)?,
            Looks::Ops => self.ask_ops(cx)?,
        };
        Ok(Observed::Same(Outcome {
            result,
            ..Outcome::default()
        }))
    }

    fn apply(&self, _: &mut HostCx<'_>, _: &Change) -> Result<Outcome, ModuleError> {
        Err(ModuleError::failed("looking at a cluster changes nothing"))
    }
}
