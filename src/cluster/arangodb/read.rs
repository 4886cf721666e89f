//! Asking a live cluster, through whatever carries requests. Only reads: `GET`, and the agency's `POST .../read`.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use super::parse::{self, Health, Store};
use super::sightings::BETWEEN_LOOKS;
use crate::cluster::model::arangodb::{Role, Round, Shard, is_plain};

/// Why a server could not be asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct AskError(pub String);

/// An HTTP answer.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// Where it sends us, with 307.
    pub location: Option<String>,
    /// The body, if it is JSON.
    pub body: Value,
    /// How long it took.
    pub took: Duration,
}

/// Carries requests to servers; an endpoint is `tcp://host:port`, `ssl://host:port` or their `http` forms.
pub trait Ask {
    /// Sends a `GET`.
    fn get(&mut self, endpoint: &str, path: &str) -> Result<Answer, AskError>;

    /// Sends a `POST` with a JSON body; only for requests that read.
    fn post(&mut self, endpoint: &str, path: &str, body: &Value) -> Result<Answer, AskError>;

    /// Waits.
    fn wait(&mut self, duration: Duration);
}

/// Agents and shards at one moment.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Glance {
    /// What the agents said.
    pub round: Round,
    /// The shards; none if they could not be read.
    pub shards: Option<Vec<Shard>>,
}

/// What a look at a cluster is confirmed by.
#[derive(Debug, Clone, PartialEq)]
pub enum Confirmation {
    /// By nothing: quick, and the agency is not judged.
    None,
    /// By a look of its own, [`BETWEEN_LOOKS`] before.
    Fresh,
    /// By this look, at least as old.
    By(Glance),
}

/// What one server said when it was asked directly.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ServerView {
    /// Its id; empty if the agency does not list it.
    pub id: String,
    /// Its short name.
    pub short_name: String,
    /// Its endpoint.
    pub endpoint: String,
    /// Its version, or why it did not say.
    pub version: Option<String>,
    /// The role that it says it has.
    pub role: Option<String>,
    /// Whether `GET /_admin/server/availability` answers 200.
    pub available: bool,
    /// Why something above is missing.
    pub problem: Option<String>,
}

/// Everything that was read of a cluster.
#[derive(Debug, Clone)]
pub struct ClusterView {
    /// Agents and shards as they were at least two seconds earlier; none where they were looked at only once.
    pub earlier: Option<Glance>,
    /// What the agents said now.
    pub second: Round,
    /// What the agency's leader holds, or why it could not be read.
    pub store: Result<Store, String>,
    /// The agents as servers.
    pub agents: Vec<ServerView>,
    /// The DB-Servers.
    pub dbservers: Vec<ServerView>,
    /// The coordinators.
    pub coordinators: Vec<ServerView>,
    /// Health as a coordinator tells it, or why none did.
    pub health: Result<BTreeMap<String, Health>, String>,
}

/// Asks every agent for its configuration once.
pub fn read_round(ask: &mut dyn Ask, agents: &[String]) -> Round {
    let answers = agents.iter().map(|endpoint| {
        let answer = ask
            .get(endpoint, "/_api/agency/config")
            .map_err(|error| error.0)
            .and_then(|answer| {
                if answer.status == 200 {
                    parse::agent(&answer.body)
                } else {
                    Err(format!("status {}", answer.status))
                }
            });
        (endpoint.clone(), answer)
    });
    Round {
        answers: answers.collect(),
    }
}

/// Finds all agents from some of them: the first that answers names its pool.
fn discover(ask: &mut dyn Ask, seeds: &[String]) -> Result<Vec<String>, String> {
    let mut problems = Vec::new();
    for seed in seeds {
        let round = read_round(ask, std::slice::from_ref(seed));
        match round.answers.into_values().next() {
            Some(Ok(status)) if !status.pool.is_empty() => {
                return Ok(status.pool.into_values().collect());
            }
            Some(Ok(_)) => problems.push(format!("{seed} knows no agents")),
            Some(Err(problem)) => problems.push(format!("{seed}: {problem}")),
            None => {}
        }
    }
    Err(format!("no agent answers: {}", problems.join("; ")))
}

/// Reads a whole cluster, starting from some of its agents.
pub fn read_cluster(
    ask: &mut dyn Ask,
    seeds: &[String],
    confirmed: Confirmation,
) -> Result<ClusterView, AskError> {
    let agents = discover(ask, seeds).map_err(AskError)?;
    let earlier = match confirmed {
        Confirmation::None => None,
        Confirmation::By(glance) => Some(glance),
        Confirmation::Fresh => {
            let glance = Glance {
                round: read_round(ask, &agents),
                shards: read_store(ask, &agents).ok().map(|store| store.shards),
            };
            ask.wait(BETWEEN_LOOKS);
            Some(glance)
        }
    };
    let second = read_round(ask, &agents);
    let store = read_store(ask, &agents);
    let agents = agents
        .iter()
        .map(|endpoint| agent_server(ask, &second, endpoint))
        .collect();
    let (mut dbservers, mut coordinators) = (Vec::new(), Vec::new());
    if let Ok(store) = &store {
        dbservers = store
            .dbservers
            .iter()
            .map(|server| ask_server(ask, server, Role::Dbserver))
            .collect();
        coordinators = store
            .coordinators
            .iter()
            .map(|server| ask_server(ask, server, Role::Coordinator))
            .collect();
    }
    let health = read_health(ask, &coordinators);
    Ok(ClusterView {
        earlier,
        second,
        store,
        agents,
        dbservers,
        coordinators,
        health,
    })
}

fn agent_server(ask: &mut dyn Ask, round: &Round, endpoint: &str) -> ServerView {
    let id = match round.answers.get(endpoint) {
        Some(Ok(status)) => status.id.clone(),
        _ => String::new(),
    };
    let known = parse::Registered {
        id,
        short_name: String::new(),
        endpoint: endpoint.to_owned(),
    };
    ask_server(ask, &known, Role::Agent)
}

/// Reads what the agency's leader holds; a follower answers 307 and names the leader.
fn read_store(ask: &mut dyn Ask, agents: &[String]) -> Result<Store, String> {
    let query = json!([parse::STORE_PATHS]);
    let mut problems = Vec::new();
    for agent in agents {
        let mut endpoint = agent.clone();
        for _hop in 0..3 {
            match ask.post(&endpoint, "/_api/agency/read", &query) {
                Ok(Answer {
                    status: 200, body, ..
                }) => return parse::store(&body),
                Ok(Answer {
                    status: 307,
                    location: Some(to),
                    ..
                }) => match to.find("/_api/") {
                    Some(end) => to.get(..end).unwrap_or_default().clone_into(&mut endpoint),
                    None => endpoint = to,
                },
                Ok(answer) => {
                    problems.push(format!("{endpoint}: status {}", answer.status));
                    break;
                }
                Err(error) => {
                    problems.push(format!("{endpoint}: {error}"));
                    break;
                }
            }
        }
    }
    Err(format!(
        "the agency could not be read: {}",
        problems.join("; ")
    ))
}

/// Asks one server directly for its version, role and availability.
fn ask_server(ask: &mut dyn Ask, known: &parse::Registered, role: Role) -> ServerView {
    let mut view = ServerView {
        id: known.id.clone(),
        short_name: known.short_name.clone(),
        endpoint: known.endpoint.clone(),
        ..ServerView::default()
    };
    if known.endpoint.is_empty() {
        view.problem = Some("the agency knows no endpoint of it".to_owned());
        return view;
    }
    match ask.get(&known.endpoint, "/_api/version") {
        Ok(Answer {
            status: 200, body, ..
        }) => {
            let version = body.get("version").and_then(Value::as_str);
            match version {
                Some(version) if is_plain(version) => view.version = Some(version.to_owned()),
                Some(version) => {
                    view.problem = Some(format!("says that its version is {version:?}"));
                }
                None => view.problem = Some("does not say its version".to_owned()),
            }
        }
        Ok(answer) => view.problem = Some(format!("/_api/version: status {}", answer.status)),
        Err(error) => view.problem = Some(error.0),
    }
    if view.version.is_none() {
        return view;
    }
    match ask.get(&known.endpoint, "/_admin/server/role") {
        Ok(answer) => {
            view.role = answer
                .body
                .get("role")
                .and_then(Value::as_str)
                .map(str::to_owned);
        }
        Err(error) => view.problem = Some(error.0),
    }
    if view.role.as_deref() != Some(role.server_role()) {
        let found = view.role.as_deref().unwrap_or("unknown");
        view.problem = Some(format!(
            "says that its role is {found}, not {}",
            role.server_role()
        ));
    }
    let available = ask.get(&known.endpoint, "/_admin/server/availability");
    view.available = available.is_ok_and(|answer| answer.status == 200);
    view
}

/// Reads the health that the first coordinator which answers tells.
fn read_health(
    ask: &mut dyn Ask,
    coordinators: &[ServerView],
) -> Result<BTreeMap<String, Health>, String> {
    let mut problems = Vec::new();
    for coordinator in coordinators
        .iter()
        .filter(|server| server.version.is_some())
    {
        match ask.get(&coordinator.endpoint, "/_admin/cluster/health") {
            Ok(Answer {
                status: 200, body, ..
            }) => return parse::health(&body),
            Ok(answer) => problems.push(format!(
                "{}: status {}",
                coordinator.endpoint, answer.status
            )),
            Err(error) => problems.push(format!("{}: {error}", coordinator.endpoint)),
        }
    }
    Err(if problems.is_empty() {
        "no coordinator answers".to_owned()
    } else {
        problems.join("; ")
    })
}
