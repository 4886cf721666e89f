//! The agency's rules in a net of agents that lives in memory, with time handed in.

use serde_json::json;

use super::*;

const TIMING: Timing = Timing {
    min_ping_ms: 1000,
    max_ping_ms: 5000,
};
const STEP_MS: u64 = 50;

struct Net {
    agents: BTreeMap<String, Core>,
    saved: BTreeMap<String, Vec<Record>>,
    cut: BTreeSet<String>,
    now: u64,
}

impl Net {
    fn of(size: usize) -> Self {
        let members: BTreeSet<String> = (1..=size).map(|n| format!("A{n}")).collect();
        let mut net = Self {
            agents: BTreeMap::new(),
            saved: BTreeMap::new(),
            cut: BTreeSet::new(),
            now: 0,
        };
        for id in &members {
            net.saved.insert(id.clone(), Vec::new());
            net.start(id, &members);
        }
        net
    }

    fn start(&mut self, id: &str, members: &BTreeSet<String>) {
        let seed = id.bytes().map(u64::from).sum::<u64>() * 7919;
        let records = self.saved[id].clone();
        let core = Core::new(id, members.clone(), TIMING, seed, records, self.now);
        self.agents.insert(id.to_owned(), core);
    }

    fn save(&mut self, id: &str) {
        let records = self.agents.get_mut(id).unwrap().take_unsaved();
        self.saved.get_mut(id).unwrap().extend(records);
    }

    fn reach(&self, a: &str, b: &str) -> bool {
        self.agents.contains_key(b) && !self.cut.contains(a) && !self.cut.contains(b)
    }

    fn ask(&mut self, from: &str, to: &str, ask: Ask) {
        if !self.reach(from, to) {
            return;
        }
        let (Ask::Vote { term, .. } | Ask::Append { term, .. }) = &ask;
        let term = *term;
        let answer = self.agents.get_mut(to).unwrap().asked(ask, self.now);
        self.save(to);
        let asker = self.agents.get_mut(from).unwrap();
        asker.answered(to, term, answer, self.now);
        self.save(from);
    }

    fn step(&mut self) {
        self.now += STEP_MS;
        let ids: Vec<String> = self.agents.keys().cloned().collect();
        for id in &ids {
            let vote = self.agents.get_mut(id).unwrap().tick(self.now);
            self.save(id);
            for other in ids.iter().filter(|other| *other != id) {
                if let Some(vote) = &vote {
                    self.ask(id, other, vote.clone());
                }
                let append = self.agents.get_mut(id).unwrap().append_for(other, self.now);
                if let Some(append) = append {
                    self.ask(id, other, append);
                }
            }
        }
        self.check_one_leader_a_term();
    }

    fn check_one_leader_a_term(&self) {
        let mut terms = BTreeSet::new();
        for agent in self.agents.values() {
            if agent.role() == Role::Leader {
                assert!(terms.insert(agent.term()), "two leaders of one term");
            }
        }
    }

    fn run(&mut self, ms: u64) {
        for _ in 0..ms / STEP_MS {
            self.step();
        }
    }

    fn leader(&self) -> Option<String> {
        self.agents
            .iter()
            .filter(|(id, agent)| agent.role() == Role::Leader && !self.cut.contains(*id))
            .max_by_key(|(_, agent)| agent.term())
            .map(|(id, _)| id.clone())
    }

    fn propose(&mut self, id: &str, value: u64) -> Option<u64> {
        let index = self
            .agents
            .get_mut(id)?
            .propose(json!({"/k": value}), self.now);
        self.save(id);
        index
    }

    fn counted(&self, id: &str) -> Vec<Value> {
        self.agents[id]
            .counted_after(0)
            .iter()
            .map(|entry| entry.operations.clone())
            .collect()
    }
}

#[test]
fn an_agency_of_any_size_elects_one_leader_that_all_know() {
    for size in [1, 3, 5] {
        let mut net = Net::of(size);
        net.run(20_000);
        let leader = net
            .leader()
            .unwrap_or_else(|| panic!("no leader of {size}"));
        for agent in net.agents.values() {
            assert_eq!(agent.leader(), Some(leader.as_str()));
            assert_eq!(agent.term(), net.agents[&leader].term());
        }
    }
}

#[test]
fn an_election_comes_after_the_shortest_and_before_twice_the_longest_time() {
    let mut net = Net::of(3);
    net.run(20_000);
    let old = net.leader().unwrap();
    net.agents.remove(&old);
    let gone = net.now;
    while net.leader().is_none() {
        net.step();
        assert!(net.now - gone <= 2 * TIMING.max_ping_ms, "no new leader");
    }
    assert!(net.now - gone >= TIMING.min_ping_ms - STEP_MS, "too early");
}

#[test]
fn an_entry_counts_only_with_a_majority() {
    let mut net = Net::of(3);
    net.run(20_000);
    let leader = net.leader().unwrap();
    let others: Vec<String> = net
        .agents
        .keys()
        .filter(|id| **id != leader)
        .cloned()
        .collect();
    net.cut.extend(others.iter().cloned());
    let index = net.propose(&leader, 1).unwrap();
    net.run(2000);
    assert!(
        net.agents[&leader].commit() < index,
        "counted by one of three"
    );
    net.cut.remove(&others[0]);
    net.run(1000);
    assert!(
        net.agents[&leader].commit() >= index,
        "two of three suffice"
    );
}

#[test]
fn a_leader_without_a_majority_steps_down() {
    let mut net = Net::of(3);
    net.run(20_000);
    let leader = net.leader().unwrap();
    net.cut.insert(leader.clone());
    net.run(TIMING.max_ping_ms + 1000);
    assert_ne!(net.agents[&leader].role(), Role::Leader);
    assert_eq!(net.propose(&leader, 1), None);
    let second = net.leader().expect("the other two go on");
    assert_ne!(second, leader);
}

#[test]
fn what_counted_survives_any_leader_and_what_did_not_is_dropped() {
    let mut net = Net::of(3);
    net.run(20_000);
    let first = net.leader().unwrap();
    net.propose(&first, 1).unwrap();
    net.run(1000);
    net.cut.insert(first.clone());
    net.propose(&first, 666).unwrap();
    net.run(20_000);
    let second = net.leader().unwrap();
    net.propose(&second, 2).unwrap();
    net.run(1000);
    net.cut.clear();
    net.run(20_000);
    for id in net.agents.keys() {
        assert_eq!(
            net.counted(id),
            [json!({"/k": 1}), json!({"/k": 2})],
            "{id}"
        );
    }
}

#[test]
fn a_restarted_agent_keeps_its_vote_and_catches_up() {
    let mut net = Net::of(3);
    net.run(20_000);
    let leader = net.leader().unwrap();
    let members: BTreeSet<String> = net.agents.keys().cloned().collect();
    let away = members.iter().find(|id| **id != leader).unwrap().clone();
    let (term, voted) = (
        net.agents[&away].term(),
        net.agents[&away].voted_for.clone(),
    );
    net.agents.remove(&away);
    for value in 0..700 {
        net.propose(&leader, value).unwrap();
    }
    net.run(1000);
    net.start(&away, &members);
    assert_eq!(net.agents[&away].term(), term, "the term is kept");
    assert_eq!(net.agents[&away].voted_for, voted, "the vote is kept");
    net.run(1000);
    assert_eq!(net.counted(&away).len(), 700);
    assert_eq!(net.leader(), Some(leader), "the leader is not disturbed");
}

#[test]
fn an_agent_with_an_older_log_is_not_elected() {
    let mut net = Net::of(3);
    net.run(20_000);
    let leader = net.leader().unwrap();
    let old = net.agents.keys().find(|id| **id != leader).unwrap().clone();
    net.cut.insert(old.clone());
    net.propose(&leader, 1).unwrap();
    net.run(500);
    net.agents.remove(&leader);
    net.cut.clear();
    net.run(30_000);
    let second = net.leader().expect("two of three elect");
    assert_ne!(second, old);
}

#[test]
fn until_it_is_due_time_makes_no_difference() {
    for size in [1_usize, 2, 3, 4, 5] {
        let mut net = Net::of(size);
        net.run(20_000);
        let leader = net.leader().unwrap();
        for (id, agent) in &mut net.agents {
            let due = agent.due_ms();
            if *id == leader && size == 1 {
                assert_eq!(due, u64::MAX, "it is a majority by itself");
                continue;
            }
            assert!(due > net.now, "{id} of {size}");
            let mark = agent.mark();
            assert_eq!(agent.tick(due - 1), None);
            assert_eq!(agent.mark(), mark, "{id} of {size}, too early");
            let asks = agent.tick(due).is_some();
            assert_ne!(agent.mark(), mark, "{id} of {size}");
            assert_eq!(asks, *id != leader, "a leader steps down, others stand");
        }
    }
}
