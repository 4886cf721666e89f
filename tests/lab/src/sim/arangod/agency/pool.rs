//! How agents find each other: each tells those it was named who it knows, until all are known.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::Agent;
use crate::sim::http::{Call, Target, call};

/// Gossips until the pool is complete.
pub async fn find(agent: Arc<Agent>) {
    while agent.pool().len() < agent.size() {
        let named = agent.server.options.all("agency.endpoint").iter().cloned();
        let known = agent.pool().into_values();
        let own = agent.server.own_endpoint();
        for endpoint in named.chain(known).filter(|endpoint| *endpoint != own) {
            if let Some(target) = Target::parse(&endpoint) {
                gossip(&agent, &target).await;
            }
        }
        tokio::time::sleep(agent.server.timer(500)).await;
    }
}

async fn gossip(agent: &Agent, target: &Target) {
    let authorization = agent.server.authorization();
    let limit = Duration::from_secs(2);
    let body = json!({
        "id": agent.server.id,
        "endpoint": agent.server.own_endpoint(),
        "pool": agent.pool(),
    });
    let asked = Call::new(target, "POST", "/_api/agency_priv/gossip", limit)
        .authorized(authorization.as_deref())
        .json(&body);
    if let Ok(reply) = call(asked).await
        && reply.status == 200
    {
        agent.meet(&pool_of(&reply.json()));
    }
}

/// Returns the agents that a message names.
pub fn pool_of(message: &Value) -> BTreeMap<String, String> {
    message
        .get("pool")
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
        .filter_map(|(id, endpoint)| Some((id.clone(), endpoint.as_str()?.to_owned())))
        .collect()
}
