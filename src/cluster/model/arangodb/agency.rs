//! When an agency works with all its agents.
//!
//! `pool` and `active` list an agent that is dead as well, and a dead follower shows only as a growing number at the
//! leader. So all agents are asked directly, twice, at least two seconds apart, and all seven parts below must hold.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::super::Verdict;

/// What one agent's `GET /_api/agency/config` said.
#[derive(Debug, Clone, PartialEq, Serialize, Default)]
pub struct AgentStatus {
    /// Its id, `AGNT-...`.
    pub id: String,
    /// The endpoint that it announces, `tcp://host:port`.
    pub endpoint: String,
    /// The term that it is in.
    pub term: u64,
    /// The leader that it sees; empty when it sees none.
    pub leader: String,
    /// How far its log is committed.
    pub commit_index: u64,
    /// The ids that take part.
    pub active: BTreeSet<String>,
    /// The ids that are known, with their endpoints.
    pub pool: BTreeMap<String, String>,
    /// How many agents the agency is made of.
    pub size: u64,
    /// Only while leading: seconds since each agent acknowledged last. Up to 3.3 plain numbers, since 3.4 in
    /// `lastAckedTime`; a follower has no such key (3.4) or an empty map (3.3).
    pub last_acked: BTreeMap<String, f64>,
    /// The longest time between two pings, in seconds.
    pub max_ping: f64,
    /// How long the supervision waits between two laps, in seconds (`--agency.supervision-frequency`).
    pub lap: f64,
    /// Its version, if it says so (from 3.4 on).
    pub version: Option<String>,
}

/// What all agents of an agency said at about the same time, by the endpoint that was asked.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Round {
    /// Each agent's answer, or why there was none.
    pub answers: BTreeMap<String, Result<AgentStatus, String>>,
}

impl Round {
    /// Returns those who answered.
    pub fn answered(&self) -> impl Iterator<Item = &AgentStatus> {
        self.answers
            .values()
            .filter_map(|answer| answer.as_ref().ok())
    }
}

/// Returns the leader that a majority of `size` agents sees in one term.
pub fn leader(round: &Round) -> Option<&AgentStatus> {
    let size = round.answered().map(|agent| agent.size).max()?;
    round.answered().find(|candidate| {
        let votes = round
            .answered()
            .filter(|agent| agent.leader == candidate.id && agent.term == candidate.term);
        !candidate.id.is_empty() && u64::try_from(votes.count()).is_ok_and(|votes| votes > size / 2)
    })
}

/// Tells whether a majority of the agency works: one leader seen by a majority that acknowledges it.
pub fn has_quorum(round: &Round) -> bool {
    leader(round).is_some()
}

/// Judges whether the agency works with all its agents; `at_least` gives the version that an agent must report.
pub fn agency_ok(first: &Round, second: &Round, at_least: &BTreeMap<String, String>) -> Verdict {
    let mut problems = Vec::new();
    for (endpoint, answer) in &second.answers {
        if let Err(reason) = answer {
            problems.push(format!("agent {endpoint} does not answer: {reason}"));
        }
    }
    for (endpoint, answer) in &first.answers {
        if let (Err(reason), Some(Ok(_))) = (answer, second.answers.get(endpoint)) {
            problems.push(format!(
                "agent {endpoint} did not answer a moment ago: {reason}"
            ));
        }
    }
    if !problems.is_empty() {
        return Verdict::of(problems);
    }
    same_leader(second, &mut problems);
    same_term(first, second, &mut problems);
    same_members(second, &mut problems);
    if let Some(leader) = leader(second) {
        acknowledged(leader, &mut problems);
    }
    caught_up(first, second, &mut problems);
    versions(second, at_least, &mut problems);
    Verdict::of(problems)
}

/// One leader, the same for all, and it is exactly one of them.
fn same_leader(round: &Round, problems: &mut Vec<String>) {
    let seen: BTreeSet<&str> = round
        .answered()
        .map(|agent| agent.leader.as_str())
        .collect();
    if seen.contains("") || seen.is_empty() {
        let blind: Vec<&str> = round
            .answered()
            .filter(|agent| agent.leader.is_empty())
            .map(|agent| agent.endpoint.as_str())
            .collect();
        problems.push(format!("no leader is seen by {}", blind.join(", ")));
        return;
    }
    if seen.len() > 1 {
        problems.push(format!(
            "the agents see different leaders: {}",
            Vec::from_iter(seen).join(", ")
        ));
        return;
    }
    let leading = round
        .answered()
        .filter(|agent| agent.id == agent.leader)
        .count();
    if leading != 1 {
        problems.push(format!(
            "{leading} agents are the leader that all name, not 1"
        ));
    }
}

/// The same term everywhere, and unchanged between the rounds.
fn same_term(first: &Round, second: &Round, problems: &mut Vec<String>) {
    let terms =
        |round: &Round| -> BTreeSet<u64> { round.answered().map(|agent| agent.term).collect() };
    let (before, now) = (terms(first), terms(second));
    if now.len() > 1 {
        problems.push(format!("the agents are in different terms: {}", list(&now)));
    } else if before != now {
        problems.push(format!(
            "the term changed while looking: was {}, is {}",
            list(&before),
            list(&now)
        ));
    }
}

/// All active, as many as the agency's size, the same set for all.
fn same_members(round: &Round, problems: &mut Vec<String>) {
    let sets: BTreeSet<Vec<&String>> = round
        .answered()
        .map(|agent| agent.active.iter().collect())
        .collect();
    if sets.len() > 1 {
        problems.push("the agents disagree about who is active".to_owned());
    }
    let asked = round.answers.len();
    for agent in round.answered() {
        let pool: BTreeSet<&String> = agent.pool.keys().collect();
        if pool != agent.active.iter().collect() {
            problems.push(format!(
                "{}: active agents are {}, known ones {}",
                agent.endpoint,
                agent.active.len(),
                pool.len()
            ));
        }
        if u64::try_from(agent.active.len()) != Ok(agent.size) || agent.active.len() != asked {
            problems.push(format!(
                "{}: {} agents are active, the agency's size is {}, {asked} were asked",
                agent.endpoint,
                agent.active.len(),
                agent.size
            ));
        }
    }
}

/// The leader heard each agent within 2 s, or its longest ping if that is less.
fn acknowledged(leader: &AgentStatus, problems: &mut Vec<String>) {
    let limit = if leader.max_ping > 0.0 {
        leader.max_ping.min(2.0)
    } else {
        2.0
    };
    for id in &leader.active {
        match leader.last_acked.get(id) {
            Some(seconds) if *seconds < limit => {}
            Some(seconds) => problems.push(format!(
                "{id} acknowledged {seconds:.1} s ago, more than {limit:.1} s"
            )),
            None => problems.push(format!(
                "the leader {} has not heard {id} at all",
                leader.id
            )),
        }
    }
}

/// Each agent has committed at least what the leader had in the first round.
fn caught_up(first: &Round, second: &Round, problems: &mut Vec<String>) {
    let Some(goal) = leader(first).map(|leader| leader.commit_index) else {
        problems.push("there was no leader a moment ago".to_owned());
        return;
    };
    for agent in second.answered() {
        if agent.commit_index < goal || agent.commit_index == 0 {
            problems.push(format!(
                "{} has committed {} of {goal}",
                agent.endpoint, agent.commit_index
            ));
        }
    }
}

fn versions(round: &Round, at_least: &BTreeMap<String, String>, problems: &mut Vec<String>) {
    for agent in round.answered() {
        if let Some(wanted) = at_least.get(&agent.id) {
            let found = agent.version.as_deref().unwrap_or("unknown");
            if found != wanted {
                problems.push(format!(
                    "{} reports version {found}, not {wanted}",
                    agent.endpoint
                ));
            }
        }
    }
}

fn list(terms: &BTreeSet<u64>) -> String {
    terms
        .iter()
        .map(u64::to_string)
        .collect::<Vec<_>>()
        .join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn agent(n: u8) -> AgentStatus {
        let ids = ["AGNT-1", "AGNT-2", "AGNT-3"];
        AgentStatus {
            id: format!("AGNT-{n}"),
            endpoint: format!("tcp://h{n}:8531"),
            term: 4,
            leader: "AGNT-1".into(),
            commit_index: 100,
            active: ids.iter().map(|id| (*id).to_owned()).collect(),
            pool: ids
                .iter()
                .map(|id| ((*id).to_owned(), String::new()))
                .collect(),
            size: 3,
            last_acked: if n == 1 {
                ids.iter().map(|id| ((*id).to_owned(), 0.2)).collect()
            } else {
                BTreeMap::new()
            },
            max_ping: 5.0,
            lap: 1.0,
            version: None,
        }
    }

    fn round() -> Round {
        Round {
            answers: (1..=3).map(|n| (format!("h{n}"), Ok(agent(n)))).collect(),
        }
    }

    fn change(n: u8, f: impl FnOnce(&mut AgentStatus)) -> Round {
        let mut round = round();
        if let Some(Ok(agent)) = round.answers.get_mut(&format!("h{n}")) {
            f(agent);
        }
        round
    }

    fn judge(first: &Round, second: &Round) -> Vec<String> {
        agency_ok(first, second, &BTreeMap::new()).problems
    }

    #[test]
    fn a_healthy_agency_passes_and_each_of_the_seven_parts_can_fail() {
        assert_eq!(judge(&round(), &round()), Vec::<String>::new());
        let mut dead = round();
        dead.answers.insert("h3".into(), Err("refused".into()));
        let cases: [(Round, Round, &str); 10] = [
            (round(), dead.clone(), "does not answer: refused"),
            (dead, round(), "did not answer a moment ago"),
            (
                round(),
                change(2, |a| a.leader.clear()),
                "no leader is seen by tcp://h2:8531",
            ),
            (
                round(),
                change(2, |a| a.leader = "AGNT-2".into()),
                "different leaders",
            ),
            (round(), change(2, |a| a.term = 5), "different terms: 4, 5"),
            (
                round(),
                change(3, |a| a.active.retain(|id| id != "AGNT-2")),
                "disagree",
            ),
            (
                round(),
                change(1, |a| *a.last_acked.get_mut("AGNT-3").unwrap() = 1109.3),
                "AGNT-3 acknowledged 1109.3 s ago",
            ),
            (
                round(),
                change(1, |a| a.last_acked.retain(|id, _| id != "AGNT-2")),
                "has not heard AGNT-2",
            ),
            (
                round(),
                change(3, |a| a.commit_index = 99),
                "has committed 99 of 100",
            ),
            (round(), change(3, |a| a.size = 5), "agency's size is 5"),
        ];
        for (first, second, expected) in cases {
            let problems = judge(&first, &second);
            assert!(
                problems.iter().any(|p| p.contains(expected)),
                "{expected}: {problems:?}"
            );
        }
    }

    #[test]
    fn a_term_that_moves_between_the_rounds_is_no_stable_agency() {
        let mut later = round();
        for answer in later.answers.values_mut().flatten() {
            answer.term = 5;
        }
        assert_eq!(
            judge(&round(), &later),
            ["the term changed while looking: was 4, is 5"]
        );
    }

    #[test]
    fn an_upgraded_agent_must_report_its_version() {
        let wanted = BTreeMap::from([("AGNT-2".to_owned(), "3.4.0".to_owned())]);
        assert_eq!(
            agency_ok(&round(), &round(), &wanted).problems,
            ["tcp://h2:8531 reports version unknown, not 3.4.0"]
        );
        let upgraded = change(2, |a| a.version = Some("3.4.0".into()));
        assert!(agency_ok(&round(), &upgraded, &wanted).ok);
    }

    #[test]
    fn a_majority_is_a_quorum_and_a_minority_is_not() {
        let mut two = round();
        two.answers.insert("h3".into(), Err("down".into()));
        assert!(has_quorum(&two));
        two.answers.insert("h2".into(), Err("down".into()));
        assert!(!has_quorum(&two));
    }
}
