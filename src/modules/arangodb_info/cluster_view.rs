//! The cluster's view, and the agency's: asked until they have stood still for as long as was wanted.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::asking::{Access, Requests};
use crate::clock::Woken;
use crate::cluster::arangodb::{
    ClusterView, Confirmation, Questions, Sightings, judge, read_cluster, read_round,
};
use crate::cluster::model::arangodb::{Round, has_quorum, leader};
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
    /// For how long the agency's leader must have been the same.
    pub(super) same_leader: Duration,
}

/// Reads the cluster; it goes on looking until the agency has worked and been led for as long as is wanted, or until it
/// does not work. What earlier looks of this run saw counts, unless the run has changed something since.
pub(super) fn read(
    cx: &mut HostCx<'_>,
    access: &Access,
    agents: &[String],
    patience: Patience,
    questions: &Questions,
) -> Result<Outcome, ModuleError> {
    let mut first = true;
    loop {
        let (view, since) = look(cx, access, agents, patience.steady)?;
        let questions = Questions {
            now: Some(cx.clock.now()),
            ..questions.clone()
        };
        let mut value = judge(&view, &questions).value;
        let works = value.pointer("/agency/ok") == Some(&Value::Bool(true));
        let (another, stood, led) =
            note(cx, agents, &view, patience.steady.then_some((since, works)));
        let missing = patience
            .stable
            .saturating_sub(stood)
            .max(patience.same_leader.saturating_sub(led));
        if !works || missing.is_zero() {
            return Ok(Outcome {
                result: fields(value),
                ..Outcome::default()
            });
        }
        // Whoever waits for it says for how long; a cluster that elects again and again is told of.
        if another && !first {
            unstable(&mut value);
            return Ok(Outcome {
                result: fields(value),
                ..Outcome::default()
            });
        }
        first = false;
        cx.watch.saw(&standing(patience, stood, led));
        if cx.clock.wait(EVERY.min(missing), cx.stop) == Woken::Stopped {
            return Err(ConnError::Stopped.into());
        }
    }
}
/// Says what is still waited for.
fn standing(patience: Patience, stood: Duration, led: Duration) -> String {
    if stood < patience.stable {
        let (stood, wanted) = (stood.as_secs(), patience.stable.as_secs());
        return format!("the agency works for {stood} of {wanted} s");
    }
    let (led, wanted) = (led.as_secs(), patience.same_leader.as_secs());
    format!("the agency has the same leader for {led} of {wanted} s")
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

/// Uses the notes on the cluster that has these agents.
fn sightings<R>(
    cx: &HostCx<'_>,
    agents: &[String],
    use_them: impl FnOnce(&mut Sightings) -> R,
) -> R {
    let mut agents = agents.to_vec();
    agents.sort_unstable();
    let name = format!("arangodb {}", agents.join(" "));
    cx.notes.with(&name, |seen: &mut Sightings| {
        seen.since(cx.notes.changes(), cx.notes.outages());
        use_them(seen)
    })
}

/// Notes what was seen; returns whether there is another leader, for how long the agency has worked, and been led.
fn note(
    cx: &HostCx<'_>,
    agents: &[String],
    view: &ClusterView,
    judged: Option<(Duration, bool)>,
) -> (bool, Duration, Duration) {
    let now = cx.clock.elapsed();
    sightings(cx, agents, |seen| {
        let another = seen.saw_leader(now, &view.second);
        let shards = view.store.as_ref().ok();
        seen.keep(
            now,
            &view.second,
            shards.map(|store| store.shards.as_slice()),
        );
        // Looked at once the agency is not judged.
        if let Some((since, works)) = judged {
            seen.saw_agency(since, works);
        }
        (another, seen.works_for(now), seen.led_for(now))
    })
}

/// Looks at the cluster; returns what it shows, and since when that is confirmed.
fn look(
    cx: &mut HostCx<'_>,
    access: &Access,
    agents: &[String],
    steady: bool,
) -> Result<(ClusterView, Duration), ModuleError> {
    let mut since = cx.clock.elapsed();
    let mut confirmed = Confirmation::None;
    if steady {
        let found = sightings(cx, agents, |seen| {
            let (at, glance) = seen.earlier(since)?;
            Some((at, glance.clone()))
        });
        confirmed = Confirmation::Fresh;
        if let Some((at, glance)) = found {
            since = at;
            confirmed = Confirmation::By(glance);
        }
    }
    let mut requests = Requests::new(cx, access);
    let view = read_cluster(&mut requests, agents, confirmed);
    requests.stopped()?;
    let view = view.map_err(|error| ModuleError::failed(error.to_string()))?;
    Ok((view, since))
}

/// Asks the agents once.
pub(super) fn read_agency(cx: &mut HostCx<'_>, access: &Access, agents: &[String]) -> Outcome {
    let round: Round = read_round(&mut Requests::new(cx, access), agents);
    let now = cx.clock.elapsed();
    sightings(cx, agents, |seen| seen.saw_leader(now, &round));
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
