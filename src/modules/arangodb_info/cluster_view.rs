//! The cluster's view, and the agency's: asked until they have stood still for as long as was wanted.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::asking::{Access, Requests};
use crate::clock::Woken;
use crate::cluster::arangodb::{ClusterView, Questions, judge, read_cluster, read_round};
use crate::cluster::model::arangodb::{has_quorum, leader};
use crate::connection::ConnError;
use crate::modules::{HostCx, ModuleError, Outcome};

/// How often the agency is looked at while it must stand still.
const EVERY: Duration = Duration::from_secs(1);

/// How long to look.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    /// Whether agents and shards are looked at twice.
    pub(super) steady: bool,
    /// For how long the agency must be seen to work.
    pub(super) stable: Duration,
}

/// Reads the cluster; with `stable` it goes on looking until the agency has worked for that long without a change of its
/// leader, or until it does not.
pub(super) fn read(
    cx: &mut HostCx<'_>,
    access: &Access,
    agents: &[String],
    patience: Patience,
    questions: &Questions,
) -> Result<Outcome, ModuleError> {
    let Patience { steady, stable } = patience;
    let began = cx.clock.elapsed();
    let questions = Questions {
        now: Some(cx.clock.now()),
        ..questions.clone()
    };
    let mut view = look(cx, access, agents, steady)?;
    let mut value = judge(&view, &questions).value;
    let reign =
        |view: &ClusterView| leader(&view.second).map(|agent| (agent.id.clone(), agent.term));
    let first = reign(&view);
    while value.pointer("/agency/ok") == Some(&Value::Bool(true)) {
        let stood = cx.clock.elapsed().saturating_sub(began);
        if stood >= stable {
            break;
        }
        cx.watch.saw(&format!(
            "the agency stands still for {} of {} s",
            stood.as_secs(),
            stable.as_secs()
        ));
        if cx
            .clock
            .wait(EVERY.min(stable.saturating_sub(stood)), cx.stop)
            == Woken::Stopped
        {
            return Err(ConnError::Stopped.into());
        }
        view = look(cx, access, agents, steady)?;
        value = judge(&view, &questions).value;
        if reign(&view) != first {
            unstable(&mut value);
        }
    }
    Ok(Outcome {
        result: fields(value),
        ..Outcome::default()
    })
}

/// Says that the agency has another leader than a moment ago.
fn unstable(value: &mut Value) {
    if let Some(agency) = value.get_mut("agency").and_then(Value::as_object_mut) {
        agency.insert("ok".into(), json!(false));
        agency.insert(
            "problems".into(),
            json!(["the agency's leader changed while it was watched"]),
        );
    }
}

fn look(
    cx: &mut HostCx<'_>,
    access: &Access,
    agents: &[String],
    steady: bool,
) -> Result<ClusterView, ModuleError> {
    let mut requests = Requests::new(cx, access);
    let view = read_cluster(&mut requests, agents, steady);
    requests.stopped()?;
    view.map_err(|error| ModuleError::failed(error.to_string()))
}

/// Asks the agents once.
pub(super) fn read_agency(cx: &mut HostCx<'_>, access: &Access, agents: &[String]) -> Outcome {
    let round = read_round(&mut Requests::new(cx, access), agents);
    let silent: Vec<String> = round
        .answers
        .iter()
        .filter_map(|(at, answer)| Some(format!("{at}: {}", answer.as_ref().err()?)))
        .collect();
    let value = json!({"agency": {
        "quorum": has_quorum(&round),
        "leader": leader(&round).map(|agent| &agent.id),
        "term": leader(&round).map(|agent| agent.term),
        "problems": silent,
    }});
    Outcome {
        result: fields(value),
        ..Outcome::default()
    }
}

pub(super) fn fields(value: Value) -> Map<String, Value> {
    if let Value::Object(fields) = value {
        fields
    } else {
        Map::new()
    }
}
