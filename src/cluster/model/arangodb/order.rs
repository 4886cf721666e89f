//! In which order agents are taken: followers first, the leader last, so that there is one election instead of three.

use super::agency::{Round, leader};

/// The agents' endpoints in the order in which they are to be upgraded, as of the moment they were asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentOrder {
    /// The endpoints as they were asked, followers first.
    pub endpoints: Vec<String>,
    /// The leader's endpoint, if there is one.
    pub leader: Option<String>,
}

/// Orders agents; those already done are left out by the caller. Without a leader the given order is kept.
pub fn order_agents(round: &Round) -> AgentOrder {
    let leading = leader(round).map(|agent| agent.id.clone());
    let is_leader = |answer: &Result<super::AgentStatus, String>| {
        answer
            .as_ref()
            .is_ok_and(|agent| leading.as_ref().is_some_and(|id| *id == agent.id))
    };
    let mut endpoints: Vec<(bool, &String)> = round
        .answers
        .iter()
        .map(|(endpoint, answer)| (is_leader(answer), endpoint))
        .collect();
    endpoints.sort();
    AgentOrder {
        leader: endpoints
            .last()
            .filter(|(leads, _)| *leads)
            .map(|(_, endpoint)| (*endpoint).clone()),
        endpoints: endpoints
            .into_iter()
            .map(|(_, endpoint)| endpoint.clone())
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::AgentStatus;
    use super::*;

    #[test]
    fn the_leader_comes_last() {
        let agent = |id: &str| AgentStatus {
            id: id.into(),
            leader: "b".into(),
            term: 1,
            size: 3,
            ..AgentStatus::default()
        };
        let answers = ["a", "b", "c"]
            .map(|id| (format!("h{id}"), Ok(agent(id))))
            .into();
        let order = order_agents(&Round { answers });
        assert_eq!(order.endpoints, ["ha", "hc", "hb"]);
        assert_eq!(order.leader.as_deref(), Some("hb"));
    }
}
