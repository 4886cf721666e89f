//! What was read of a cluster -> facts and verdicts for gates, guards and plans, as one JSON value.
//!
//! Each verdict has `ok` and `problems`, so that a gate that does not open says what it last saw.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::clock::Timestamp;

use super::path::path;
use super::read::{ClusterView, ServerView};
use super::supervision::supervision;
use crate::cluster::model::Verdict;
use crate::cluster::model::arangodb::{
    Ability, Shard, Version, agency_ok, blocks_stop, has_quorum, leader, leadership_way, led_by,
    plan_moves,
};

/// What the operator allows by name, what is expected, and what is wanted.
#[derive(Debug, Clone, Default)]
pub struct Questions {
    /// Collections, as `database/collection` or `*`, whose only copy may be away for a while.
    pub single_copy: Vec<String>,
    /// The version that agents must report, by agent id.
    pub agent_versions: BTreeMap<String, String>,
    /// The version to go to.
    pub to: Option<Version>,
    /// The leader that each shard had before, by the shard's id.
    pub leaders: BTreeMap<String, String>,
    /// The time, to tell how long the supervision has been in its mode.
    pub now: Option<Timestamp>,
}

impl Questions {
    fn allows_single(&self, shard: &Shard) -> bool {
        let name = format!("{}/{}", shard.database, shard.name);
        self.single_copy
            .iter()
            .any(|allowed| *allowed == name || allowed == "*")
    }
}

/// The facts and verdicts about a cluster.
#[derive(Debug, Clone)]
pub struct Judgement {
    /// What `register` sees.
    pub value: Value,
}

/// Judges what was read. Where the agency's store could not be read nothing is well that it would have had to tell.
pub fn judge(view: &ClusterView, questions: &Questions) -> Judgement {
    let shards: &[Shard] = view
        .store
        .as_ref()
        .map(|store| store.shards.as_slice())
        .unwrap_or_default();
    let servers = all_servers(view);
    let versions: BTreeSet<&str> = servers
        .iter()
        .filter_map(|server| server.version.as_deref())
        .collect();
    let value = json!({
        "cluster_id": view.store.as_ref().ok().and_then(|store| store.cluster_id.clone()),
        "agency": agency(view, questions),
        "agents": view.agents.iter().map(server).collect::<Vec<_>>(),
        "dbservers": view.dbservers.iter().map(server).collect::<Vec<_>>(),
        "coordinators": view.coordinators.iter().map(server).collect::<Vec<_>>(),
        "servers": verdict(&servers_answer(view, &servers)),
        "versions": versions,
        "leadership": lowest(&view.dbservers).map(leadership_way),
        "shards": shards_value(view, shards, questions),
        "gap": gap(view, shards, questions),
        "stop": stop(view, shards, questions),
        "supervision": supervision(view, shards, questions.now),
        "maintenance_takes_seconds": lowest(&view.coordinators).is_some_and(|version| Ability::MaintenanceForSeconds.is_in(version)),
        "maintenance_by_dbserver": every(&servers, Ability::MaintenanceByDbserver),
        "health": verdict(&health(view, &servers)),
        "path": path(view, &versions, questions),
        "moves": moves(view, shards),
        "restore": restore(view, shards, questions),
        "upgrade_plan": view.store.as_ref().ok().and_then(|store| store.upgrade_plan.clone()),
        "store_problem": view.store.as_ref().err(),
    });
    Judgement { value }
}

fn all_servers(view: &ClusterView) -> Vec<&ServerView> {
    view.agents
        .iter()
        .chain(&view.dbservers)
        .chain(&view.coordinators)
        .collect()
}

fn lowest(servers: &[ServerView]) -> Option<Version> {
    servers
        .iter()
        .filter_map(|server| server.version.as_deref()?.parse().ok())
        .min()
}

/// Tells whether every server that tells its version has it, and there is one: where one end of a mixed cluster lacks it
/// nobody asks for it.
fn every(servers: &[&ServerView], ability: Ability) -> bool {
    let versions = servers.iter().filter_map(|server| server.version.as_ref());
    let mut has = versions.map(|text| text.parse().is_ok_and(|version| ability.is_in(version)));
    !servers.is_empty() && has.next().unwrap_or(false) && has.all(|has| has)
}

fn verdict(verdict: &Verdict) -> Value {
    json!({"ok": verdict.ok, "problems": verdict.problems})
}

/// What stands against every verdict that needs the agency's store.
pub(super) fn unread(view: &ClusterView) -> impl Iterator<Item = String> {
    view.store.as_ref().err().cloned().into_iter()
}

/// How long a coordinator waits before it looks again for the leader of a shard whose leader has resigned, in seconds
/// (ArangoDB 3.4, `arangod/Cluster/ClusterInfo.cpp`, `getResponsibleServer`).
const LOOK_AGAIN: f64 = 0.5;

fn agency(view: &ClusterView, questions: &Questions) -> Value {
    let mut problems = match &view.earlier {
        Some(earlier) => {
            agency_ok(
                &earlier.round,
                &view.second,
                &agents_versions(view, questions),
            )
            .problems
        }
        None => vec!["the agency was looked at only once".to_owned()],
    };
    problems.extend(unread(view));
    let judged = Verdict::of(problems);
    let leading = leader(&view.second);
    json!({
        "ok": judged.ok,
        "problems": judged.problems,
        "quorum": has_quorum(&view.second),
        "leader": leading.map(|agent| &agent.id),
        "leader_endpoint": leading.map(|agent| &agent.endpoint),
        "term": leading.map(|agent| agent.term),
        "size": leading.map(|agent| agent.size),
        "lap_s": leading.map(|agent| agent.lap),
        "handover_s": leading.map(|agent| agent.lap + LOOK_AGAIN),
    })
}

/// The version that each agent must report in its configuration: the one that is asked for, unless its version is one
/// that leaves it out there; that agent's own answer counts then.
fn agents_versions(view: &ClusterView, questions: &Questions) -> BTreeMap<String, String> {
    let silent = |id: &String| {
        let mut answered = view.second.answered();
        answered.any(|agent| agent.id == *id && agent.version.is_none())
    };
    let says = |id: &String, wanted: &String| {
        let mut agents = view.agents.iter();
        agents.any(|agent| agent.id == *id && agent.version.as_ref() == Some(wanted))
    };
    let wanted = questions.agent_versions.iter();
    wanted
        .filter(|(id, version)| !(silent(id) && says(id, version)))
        .map(|(id, version)| (id.clone(), version.clone()))
        .collect()
}

fn server(server: &ServerView) -> Value {
    let place = super::parse::endpoint(&server.endpoint);
    json!({
        "id": server.id,
        "short_name": server.short_name,
        "endpoint": server.endpoint,
        "address": place.as_ref().map(|(host, _, _)| host),
        "port": place.as_ref().map(|(_, port, _)| port),
        "version": server.version,
        "soft_shutdown": server.version.as_deref().and_then(|text| text.parse().ok())
            .is_some_and(|version| Ability::SoftShutdown.is_in(version)),
        "role": server.role,
        "available": server.available,
        "problem": server.problem,
    })
}

fn servers_answer(view: &ClusterView, servers: &[&ServerView]) -> Verdict {
    let problem = |server: &&ServerView| {
        let name = title(server);
        match (&server.problem, server.available) {
            (Some(problem), _) => Some(format!("{name} at {}: {problem}", server.endpoint)),
            // Agents have no availability in every version; their own predicate judges them.
            (None, false) if server.role.as_deref() != Some("AGENT") => {
                Some(format!("{name} at {} is not available", server.endpoint))
            }
            (None, _) => None,
        }
    };
    let problems = servers.iter().filter_map(problem);
    Verdict::of(problems.chain(unread(view)).collect())
}

/// What stands against copies being in sync: now, and a moment ago where it was looked at twice.
fn out_of_sync(view: &ClusterView, shards: &[Shard]) -> Vec<String> {
    let describe = |shard: &Shard| {
        format!(
            "{} planned on {}, in sync on {}",
            shard.title(),
            shard.plan.join(" "),
            shard.current.join(" ")
        )
    };
    let now = shards.iter().filter(|shard| !shard.in_sync());
    let mut problems: Vec<String> = now.map(describe).chain(unread(view)).collect();
    match view.earlier.as_ref().map(|earlier| &earlier.shards) {
        // In sync must be seen twice: a copy that comes and goes is none to rely on.
        Some(Some(earlier)) => {
            let unsteady = |shard: &&Shard| {
                let before = earlier.iter().find(|other| other.shard == shard.shard);
                shard.in_sync() && before.is_some_and(|before| !before.in_sync())
            };
            let moment = |shard: &Shard| format!("{} was out of sync a moment ago", shard.title());
            problems.extend(shards.iter().filter(unsteady).map(moment));
        }
        Some(None) => problems.push("the shards could not be read a moment ago".to_owned()),
        None => {}
    }
    problems
}

fn shards_value(view: &ClusterView, shards: &[Shard], questions: &Questions) -> Value {
    let out_of_sync = out_of_sync(view, shards);
    let single = |shard: &&Shard| shard.plan.len() == 1 && !questions.allows_single(shard);
    let led: BTreeMap<String, Vec<Value>> = led_by(shards)
        .into_iter()
        .map(|(id, shards)| {
            let led = shards.iter().map(|shard| {
                json!({"database": shard.database, "collection": shard.name, "shard": shard.shard,
                       "plan": shard.plan, "follows": shard.follows})
            });
            (id, led.collect())
        })
        .collect();
    let leaders: BTreeMap<&String, Option<&str>> = shards
        .iter()
        .map(|shard| (&shard.shard, shard.leader()))
        .collect();
    json!({
        "total": shards.len(),
        "ok": out_of_sync.is_empty(),
        "problems": out_of_sync,
        "single_copy": shards.iter().filter(single).map(Shard::title).collect::<Vec<_>>(),
        "led_by": led,
        "leading": leading(shards),
        "leaders": leaders,
    })
}

/// For each DB-Server the shards that it leads and that another one could lead: those of which others have copies.
fn leading(shards: &[Shard]) -> BTreeMap<String, Vec<String>> {
    let shared = |shard: &&Shard| shard.plan.len() > 1;
    let titles = |shards: Vec<&Shard>| -> Vec<String> {
        shards
            .into_iter()
            .filter(shared)
            .map(Shard::title)
            .collect()
    };
    let led = led_by(shards).into_iter();
    led.map(|(id, shards)| (id, titles(shards))).collect()
}

/// What is away while each DB-Server that is not on the wanted version is upgraded with the shards that it leads.
fn gap(view: &ClusterView, shards: &[Shard], questions: &Questions) -> Vec<String> {
    let led = led_by(shards);
    let to_do = |server: &&ServerView| {
        let version: Option<Version> = server.version.as_deref().and_then(|text| text.parse().ok());
        version.is_none() || version != questions.to
    };
    let tell = |server: &ServerView| {
        let led = led.get(&server.id)?;
        let count = led.len();
        let shards = if count == 1 { "shard" } else { "shards" };
        Some(format!("{} leads {count} {shards}", title(server)))
    };
    view.dbservers
        .iter()
        .filter(to_do)
        .filter_map(tell)
        .collect()
}

/// Names a server for people.
fn title(server: &ServerView) -> &str {
    if server.short_name.is_empty() {
        &server.id
    } else {
        &server.short_name
    }
}

/// For each DB-Server: whether every shard allows it to stop.
fn stop(view: &ClusterView, shards: &[Shard], questions: &Questions) -> BTreeMap<String, Value> {
    let allowed = |shard: &Shard| questions.allows_single(shard);
    let judge = |server: &ServerView| {
        let mut problems: Vec<String> = shards
            .iter()
            .filter_map(|shard| blocks_stop(shard, &server.id, &allowed))
            .collect();
        problems.extend(unread(view));
        (server.id.clone(), verdict(&Verdict::of(problems)))
    };
    view.dbservers.iter().map(judge).collect()
}

/// The DB-Servers that may take a shard: those that answer and that the supervision counts as fit.
fn fit(view: &ClusterView) -> Vec<String> {
    let unfit = view
        .store
        .as_ref()
        .map(|store| store.unfit.as_slice())
        .unwrap_or_default();
    let fit = |server: &&ServerView| server.version.is_some() && !unfit.contains(&server.id);
    view.dbservers
        .iter()
        .filter(fit)
        .map(|server| server.id.clone())
        .collect()
}

/// For each DB-Server: the moves that take all leadership from it, and what stands against them.
fn moves(view: &ClusterView, shards: &[Shard]) -> BTreeMap<String, Value> {
    let candidates = fit(view);
    let plan = |server: &ServerView| {
        let (moves, refusals) = plan_moves(shards, &server.id, &candidates);
        let problems: Vec<String> = refusals
            .iter()
            .map(|refusal| format!("{}: {}", refusal.shard, refusal.reason))
            .collect();
        (
            server.id.clone(),
            json!({"moves": moves, "problems": problems}),
        )
    };
    view.dbservers.iter().map(plan).collect()
}

/// The moves that give shards back to their former leaders, and those that this version refuses.
fn restore(view: &ClusterView, shards: &[Shard], questions: &Questions) -> Value {
    let candidates = fit(view);
    let mut moves = Vec::new();
    let mut problems: Vec<_> = unread(view).collect();
    for shard in shards.iter().filter(|shard| shard.follows.is_none()) {
        let Some(before) = questions.leaders.get(&shard.shard) else {
            continue;
        };
        let Some(leader) = shard.leader().filter(|leader| leader != before) else {
            continue;
        };
        if shard.plan.iter().any(|id| id == before) {
            problems.push(format!(
                "{} stays with {leader}: {before} holds a copy, and such a target is refused",
                shard.title()
            ));
        } else if !candidates.contains(before) {
            problems.push(format!(
                "{} stays with {leader}: {before} is not fit",
                shard.title()
            ));
        } else {
            moves.push(json!({"database": shard.database, "collection": shard.name, "shard": shard.shard, "from": leader, "to": before}));
        }
    }
    json!({"moves": moves, "problems": problems})
}

/// All servers listed, all GOOD, and on the version that they have themselves; agents of older versions say nothing and are judged
/// by the agency's own predicate.
fn health(view: &ClusterView, asked: &[&ServerView]) -> Verdict {
    let servers = match &view.health {
        Ok(servers) => servers,
        Err(problem) => return Verdict::of(vec![problem.clone()]),
    };
    let bad = servers
        .iter()
        .filter(|(_, health)| match health.status.as_str() {
            "GOOD" => false,
            "" => health.role != "Agent",
            _ => true,
        });
    let name = |id: &String, short: &String| {
        if short.is_empty() {
            id.clone()
        } else {
            short.clone()
        }
    };
    let mut problems: Vec<String> = bad
        .map(|(id, health)| format!("{} is {:?}", name(id, &health.short_name), health.status))
        .collect();
    let judged = view.dbservers.iter().chain(&view.coordinators);
    let unlisted = judged.filter(|server| !servers.contains_key(&server.id));
    problems.extend(unlisted.map(|server| {
        let name = name(&server.id, &server.short_name);
        format!(
            "the supervision does not know {name} at {}",
            server.endpoint
        )
    }));
    for server in asked {
        let Some((told, own)) = servers.get(&server.id).and_then(|health| {
            let told: Version = health.version.parse().ok()?;
            Some((told, server.version.as_deref()?.parse::<Version>().ok()?))
        }) else {
            continue;
        };
        // The supervision names packages, the servers themselves releases: 3.4.2-1 is 3.4.2.
        if (told.line(), told.patch) != (own.line(), own.patch) {
            let name = name(&server.id, &server.short_name);
            problems.push(format!(
                "the supervision still sees {name} on {told}, it is on {own}: its health is of an earlier time"
            ));
        }
    }
    Verdict::of(problems)
}
