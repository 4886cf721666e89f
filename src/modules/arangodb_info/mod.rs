//! `arangodb_info`: what an ArangoDB cluster, its agency or one of its machines shows, with verdicts for gates.
//!
//! Reads only. The views are made by `cluster::arangodb`; here are the arguments, the requests and the waiting.

mod asking;
mod cluster_view;
mod host_view;
mod readiness_view;
mod sync_view;

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

use super::spec::{Argument, Arguments, Kind, ModuleSpec, Safety};
use super::{Action, Change, HostCx, Module, ModuleError, Observed, Outcome};
use crate::cluster::arangodb::Questions;
use crate::secrets::Secret;
use crate::yaml::Problem;

static SPEC: ModuleSpec = ModuleSpec {
    name: "arangodb_info",
    summary: "Reads the state of an ArangoDB cluster, of its agency, or of one machine of it",
    notes: &[
        "Changes nothing.",
        "`view: cluster` asks every agent twice, at least two seconds apart, and every server directly; an earlier look of the run is the first of the two if the run has changed nothing since; the supervision's own health is a verdict of its own, since it is frozen in maintenance mode.",
        "`view: agency` asks the agents once: quick enough for a guard.",
        "`view: host` reads unit, starter, servers and data directories of the task's host.",
        "`view: sync` asks the sync masters of both sides of a replication between data centres.",
        "`view: readiness` tells what the task's host lacks for an upgrade, and who on it would interfere.",
    ],
    arguments: &[
        Argument::new("view", Kind::Str, "What to look at.")
            .default("cluster")
            .choices(&["cluster", "agency", "host", "readiness", "sync"]),
        Argument::new(
            "agents",
            Kind::List,
            "Endpoints of some agents, such as `tcp://10.0.0.1:8531`; the rest is found from them.",
        ),
        Argument::new(
            "authorization",
            Kind::Str,
            "The `Authorization` header that the servers ask for, such as `bearer ...`.",
        )
        .secret(),
        Argument::new(
            "jwt_secret",
            Kind::Str,
            "The cluster's secret, of which the header is made.",
        )
        .secret(),
        Argument::new(
            "via",
            Kind::Str,
            "From where requests are sent: this machine, or through the task's host.",
        )
        .default("bastion")
        .choices(&["bastion", "host"]),
        Argument::new(
            "single_copy",
            Kind::List,
            "Collections (`database/collection`, or `*`) whose only copy may be away.",
        ),
        Argument::new(
            "to",
            Kind::Str,
            "The version to go to: adds the verdict on the path.",
        ),
        Argument::new(
            "agent_versions",
            Kind::Map,
            "The version that an agent must report, by the agent's id.",
        ),
        Argument::new(
            "leaders",
            Kind::Map,
            "The leader that each shard had before, by the shard's id: adds the moves that restore it.",
        ),
        Argument::new(
            "stable",
            Kind::Duration,
            "For how long the agency must be seen to work, without a change of its leader and with no member taken down by this run.",
        )
        .default("0"),
        Argument::new(
            "same_leader",
            Kind::Duration,
            "For how long the agency must have had its leader, from when this run first saw it lead.",
        )
        .default("0"),
        Argument::new(
            "rounds",
            Kind::Int,
            "How often agents and shards are looked at; once is quicker, and does not judge the agency (`view: cluster`).",
        )
        .default("2"),
        Argument::new(
            "unit",
            Kind::Str,
            "The unit that runs the starter (`view: host`).",
        )
        .default("arangodb"),
        Argument::new(
            "standalone_unit",
            Kind::Str,
            "The unit of the package's standalone server (`view: host`).",
        )
        .default("arangodb3"),
        Argument::new("binary", Kind::Path, "The server's program (`view: host`).")
            .default("/usr/sbin/arangod"),
        Argument::new(
            "data_dir",
            Kind::Path,
            "The starter's data directory (`view: host`); found from the running starter or its unit.",
        ),
        Argument::new(
            "hold_file",
            Kind::Path,
            "A file that keeps the starter from being started while it is there (`view: host`).",
        ),
        Argument::new(
            "upgrade",
            Kind::Flag,
            "Whether the starter is asked how far the starters' own upgrade is (`view: host`).",
        )
        .default("false"),
        Argument::new(
            "sync_target",
            Kind::List,
            "The sync masters of the data centre that takes the changes, as URLs (`view: sync`).",
        ),
        Argument::new(
            "sync_source",
            Kind::List,
            "The sync masters of the data centre that the changes come from, as URLs (`view: sync`).",
        ),
        Argument::new(
            "sync_target_authorization",
            Kind::Str,
            "The `Authorization` header for the masters of the target, if it is not that of all (`view: sync`).",
        )
        .secret(),
        Argument::new(
            "sync_source_authorization",
            Kind::Str,
            "The `Authorization` header for the masters of the source, if it is not that of all (`view: sync`).",
        )
        .secret(),
        Argument::new(
            "packages",
            Kind::List,
            "The package files that will be installed, found as `copy` finds them (`view: readiness`).",
        ),
        Argument::new(
            "stage_dir",
            Kind::Path,
            "The host's directory in which they will lie (`view: readiness`).",
        ),
        Argument::new(
            "package",
            Kind::Str,
            "The name of the package that is replaced (`view: readiness`).",
        ),
        Argument::new(
            "room",
            Kind::Map,
            "Mebibytes that must be free, by directory (`view: readiness`).",
        ),
        Argument::new(
            "rewritten",
            Kind::List,
            "Directories of which all files are written anew beside the old ones (`view: readiness`).",
        ),
        Argument::new(
            "skew",
            Kind::Duration,
            "By how much the host's clock may differ from this machine's (`view: readiness`).",
        )
        .default("10"),
        Argument::new(
            "allowed",
            Kind::List,
            "What may interfere all the same, such as `puppet`: a notice instead of a problem (`view: readiness`).",
        ),
    ],
    safety: Safety::ReadOnly,
    example: "\
- name: every shard is in sync
  arangodb_info:
    agents: [tcp://10.0.0.1:8531]
  register: cluster
  until: cluster.shards.ok
  timeout: 30m",
    returns: &[
        (
            "agency",
            "`ok` with all agents, `quorum`, `leader`, `leader_endpoint`, `term`, `problems`",
        ),
        (
            "agents, dbservers, coordinators",
            "the servers: id, short_name, endpoint, version, available, problem",
        ),
        ("servers", "verdict: all answer in their roles"),
        (
            "shards",
            "`total`, `ok`, `problems`, `single_copy`, `led_by`, `leading` (those that others hold too), `leaders`",
        ),
        ("stop", "for each DB-Server: may it stop now"),
        (
            "moves, restore",
            "moves of leadership away from each DB-Server, and back",
        ),
        (
            "supervision",
            "`mode`, `normal`, `since`, `maintenance`, `jobs`, `moving`, `resigning`, `failed`",
        ),
        ("health", "verdict on the supervision's health"),
        ("path", "verdict on the way to the version `to`"),
        (
            "host",
            "`view: host`: unit, starter, `held`, setup, servers, tools, problems; with `upgrade` its `state`, `reason`, `servers`, `upgraded`",
        ),
        (
            "sync",
            "`view: sync`: `incoming`, `outgoing`, `running`, `inactive`, `problems`",
        ),
        (
            "readiness",
            "`view: readiness`: `ok`, `problems`, `notices`, each with what to do",
        ),
    ],
    ..ModuleSpec::EMPTY
};

/// The module.
#[derive(Debug)]
pub(super) struct ArangodbInfo;

impl Module for ArangodbInfo {
    fn spec(&self) -> &'static ModuleSpec {
        &SPEC
    }

    fn action(&self, arguments: &Arguments) -> Result<Box<dyn Action>, Vec<Problem>> {
        let text = |name: &str| arguments.str(name).unwrap_or_default().to_owned();
        let view = match arguments.str("view") {
            Some("host") => View::Host,
            Some("agency") => View::Agency,
            Some("readiness") => View::Readiness,
            Some("sync") => View::Sync,
            _ => View::Cluster,
        };
        let agents = arguments.list("agents");
        if matches!(view, View::Cluster | View::Agency) && agents.is_empty() {
            return Err(vec![Problem::at(
                &arguments.loc,
                "`agents` must name at least one agent",
            )]);
        }
        let to = arguments.str("to").map(str::parse).transpose();
        Ok(Box::new(Look {
            view,
            agents,
            access: access(arguments),
            patience: cluster_view::Patience {
                steady: arguments.int("rounds") != Some(1),
                stable: arguments.duration("stable").unwrap_or(Duration::ZERO),
                same_leader: arguments.duration("same_leader").unwrap_or(Duration::ZERO),
            },
            questions: Questions {
                single_copy: arguments.list("single_copy"),
                agent_versions: texts(arguments.get("agent_versions")),
                to: to
                    .map_err(|error| vec![Problem::at(&arguments.loc, format!("`to`: {error}"))])?,
                leaders: texts(arguments.get("leaders")),
                now: None,
            },
            host: host_view::Place {
                unit: text("unit"),
                standalone_unit: text("standalone_unit"),
                binary: text("binary"),
                data_dir: arguments.str("data_dir").map(str::to_owned),
                hold_file: arguments.str("hold_file").map(str::to_owned),
                upgrade: arguments.flag("upgrade"),
            },
            demands: readiness_view::Demands::of(arguments),
            sides: sync_view::Sides {
                target: arguments.list("sync_target"),
                target_header: header(arguments, "sync_target_authorization"),
                source: arguments.list("sync_source"),
                source_header: header(arguments, "sync_source_authorization"),
            },
        }))
    }
}

fn access(arguments: &Arguments) -> asking::Access {
    let given = arguments
        .str("authorization")
        .filter(|header| !header.is_empty());
    let secret = arguments
        .str("jwt_secret")
        .filter(|secret| !secret.is_empty());
    asking::Access {
        authorization: given
            .map(Secret::new)
            .or_else(|| secret.map(|secret| asking::bearer(&Secret::new(secret)))),
        via_host: arguments.str("via") == Some("host"),
    }
}

fn header(arguments: &Arguments, name: &str) -> Option<Secret> {
    let given = arguments.str(name).filter(|header| !header.is_empty());
    given.map(Secret::new)
}

fn texts(map: Option<&Value>) -> BTreeMap<String, String> {
    let pairs = map.and_then(Value::as_object).into_iter().flatten();
    pairs
        .filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())))
        .collect()
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum View {
    Cluster,
    Agency,
    Host,
    Readiness,
    Sync,
}

#[derive(Debug)]
struct Look {
    view: View,
    agents: Vec<String>,
    access: asking::Access,
    patience: cluster_view::Patience,
    questions: Questions,
    host: host_view::Place,
    demands: readiness_view::Demands,
    sides: sync_view::Sides,
}

impl Action for Look {
    fn describe(&self) -> String {
        match self.view {
            View::Cluster => "read the state of the cluster".to_owned(),
            View::Agency => "read the state of the agency".to_owned(),
            View::Host => "read what the host shows of its servers".to_owned(),
            View::Sync => "read the state of a replication between data centres".to_owned(),
            View::Readiness => "read what the host lacks, and who on it would interfere".to_owned(),
        }
    }

    fn observe(&self, cx: &mut HostCx<'_>) -> Result<Observed, ModuleError> {
        let outcome = match self.view {
            View::Cluster => cluster_view::read(
                cx,
                &self.access,
                &self.agents,
                self.patience,
                &self.questions,
            )?,
            View::Agency => cluster_view::read_agency(cx, &self.access, &self.agents),
            View::Host => host_view::read(cx, &self.access, &self.host)?,
            View::Readiness => readiness_view::read(cx, &self.demands)?,
            View::Sync => sync_view::read(cx, &self.access, &self.sides)?,
        };
        Ok(Observed::Same(outcome))
    }

    fn apply(&self, _: &mut HostCx<'_>, _: &Change) -> Result<Outcome, ModuleError> {
        Err(ModuleError::failed("looking at a cluster changes nothing"))
    }
}
