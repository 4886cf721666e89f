//! Who leads the agency, and which entries of its log count: pure, with the time handed in.
//!
//! The rules are Raft's: one vote a term, only for a log at least as new as one's own; an
//! entry counts when a majority has it and it is of the leader's own term; a leader that has
//! not heard from a majority for the longest election time steps down. What is to be kept
//! over a restart is handed out by [`Core::take_unsaved`] and must be on disk before any
//! message of the same step leaves.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

pub use super::messages::{Answer, Ask, Entry, Record};

/// What an agent is at the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// It follows a leader, or waits for one.
    Follower,
    /// It asks for votes.
    Candidate,
    /// It leads.
    Leader,
}

/// The times that the agency works with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timing {
    /// The shortest time without a leader after which an agent stands for election.
    pub min_ping_ms: u64,
    /// The longest such time.
    pub max_ping_ms: u64,
}

/// How a follower stands, as its leader knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// The next entry to send.
    next: u64,
    /// The last entry it holds for certain.
    matched: u64,
    /// When it last answered.
    acked_ms: u64,
    /// When entries were last sent to it.
    sent_ms: u64,
}

/// One follower as it is shown in the agency's configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ack {
    /// How long ago it last answered.
    pub ago_ms: u64,
    /// The last entry it holds.
    pub index: u64,
    /// How long ago entries were last sent to it.
    pub sent_ago_ms: u64,
}

/// One agent's part in the agency.
#[derive(Debug)]
pub struct Core {
    id: String,
    members: BTreeSet<String>,
    timing: Timing,
    random: u64,
    role: Role,
    term: u64,
    voted_for: Option<String>,
    log: Vec<Entry>,
    commit: u64,
    leader: Option<String>,
    election_ms: u64,
    votes: BTreeSet<String>,
    standings: BTreeMap<String, Standing>,
    unsaved: Vec<Record>,
}

impl Core {
    /// Returns an agent as its records leave it; it waits for a leader first.
    pub fn new(
        id: &str,
        members: BTreeSet<String>,
        timing: Timing,
        seed: u64,
        records: Vec<Record>,
        now_ms: u64,
    ) -> Self {
        let mut core = Self {
            id: id.to_owned(),
            members,
            timing,
            random: seed | 1,
            role: Role::Follower,
            term: 0,
            voted_for: None,
            log: Vec::new(),
            commit: 0,
            leader: None,
            election_ms: 0,
            votes: BTreeSet::new(),
            standings: BTreeMap::new(),
            unsaved: Vec::new(),
        };
        for record in records {
            match record {
                Record::Term { term, voted_for } => {
                    core.term = term;
                    core.voted_for = voted_for;
                }
                Record::Entry(entry) => {
                    core.cut_from(entry.index);
                    core.log.push(entry);
                }
            }
        }
        core.postpone_election(now_ms);
        core
    }

    /// Returns what must be on disk before anything that was just returned is sent.
    pub fn take_unsaved(&mut self) -> Vec<Record> {
        std::mem::take(&mut self.unsaved)
    }

    /// Returns what the agent is.
    pub fn role(&self) -> Role {
        self.role
    }

    /// Returns the term.
    pub fn term(&self) -> u64 {
        self.term
    }

    /// Returns the leader that the agent knows of.
    pub fn leader(&self) -> Option<&str> {
        self.leader.as_deref()
    }

    /// Returns the index up to which the log counts.
    pub fn commit(&self) -> u64 {
        self.commit
    }

    /// Tells whether the agent leads and knows everything that counts.
    pub fn is_ready_leader(&self) -> bool {
        self.role == Role::Leader && self.term_at(self.commit) == self.term
    }

    /// Returns the entries after one that was seen, up to where the log counts.
    pub fn counted_after(&self, index: u64) -> &[Entry] {
        self.between(index, self.commit)
    }

    /// Returns the entries that do not count yet.
    pub fn uncounted(&self) -> &[Entry] {
        self.between(self.commit, self.last_index())
    }

    /// Returns how every agent stands, as the leader knows it.
    pub fn acks(&self, now_ms: u64) -> BTreeMap<String, Ack> {
        self.standings
            .iter()
            .map(|(id, standing)| {
                let ack = Ack {
                    ago_ms: now_ms.saturating_sub(standing.acked_ms),
                    index: standing.matched,
                    sent_ago_ms: now_ms.saturating_sub(standing.sent_ms),
                };
                (id.clone(), ack)
            })
            .collect()
    }

    /// Returns what others wait for a change of: what the agent is, in which term, how far its log
    /// reaches and how far it counts.
    pub fn mark(&self) -> (Role, u64, u64, u64) {
        (self.role, self.term, self.last_index(), self.commit)
    }

    /// Returns the last entry that another agent holds for certain, if this one leads it.
    pub fn matched(&self, peer: &str) -> Option<u64> {
        self.standings.get(peer).map(|standing| standing.matched)
    }

    /// Returns when time alone will make a difference to [`Core::tick`].
    pub fn due_ms(&self) -> u64 {
        if self.role != Role::Leader {
            return self.election_ms;
        }
        let mut acked: Vec<u64> = self.standings.values().map(|at| at.acked_ms).collect();
        acked.sort_unstable_by(|a, b| b.cmp(a));
        // As many others as make a majority with this one: the last of them to be lost decides.
        let needed = (self.members.len() / 2).checked_sub(1);
        match needed.and_then(|place| acked.get(place)) {
            Some(acked) => acked + self.timing.max_ping_ms + 1,
            None => u64::MAX,
        }
    }

    /// Lets time pass; returns what to ask the others if an election begins.
    pub fn tick(&mut self, now_ms: u64) -> Option<Ask> {
        match self.role {
            Role::Leader => {
                if !self.heard_by_majority(now_ms) {
                    self.follow(self.term, None, now_ms);
                }
                None
            }
            Role::Follower | Role::Candidate if now_ms >= self.election_ms => {
                Some(self.stand(now_ms))
            }
            Role::Follower | Role::Candidate => None,
        }
    }

    /// Stands for election, whether there is a need or not.
    pub fn stand(&mut self, now_ms: u64) -> Ask {
        self.role = Role::Candidate;
        self.leader = None;
        self.term += 1;
        self.voted_for = Some(self.id.clone());
        self.save_term();
        self.votes = BTreeSet::from([self.id.clone()]);
        self.postpone_election(now_ms);
        let ask = Ask::Vote {
            term: self.term,
            candidate: self.id.clone(),
            last_index: self.last_index(),
            last_term: self.term_at(self.last_index()),
        };
        if self.is_majority(self.votes.len()) {
            self.lead(now_ms);
        }
        ask
    }

    /// Appends operations if this agent leads; returns their index.
    pub fn propose(&mut self, operations: Value, unix_ms: u64) -> Option<u64> {
        if self.role != Role::Leader {
            return None;
        }
        let index = self.last_index() + 1;
        let entry = Entry {
            index,
            term: self.term,
            unix_ms,
            operations,
        };
        self.unsaved.push(Record::Entry(entry.clone()));
        self.log.push(entry);
        self.count();
        Some(index)
    }

    /// Returns what a leader has to say to another agent now.
    pub fn append_for(&mut self, peer: &str, now_ms: u64) -> Option<Ask> {
        const AT_ONCE: usize = 500;
        if self.role != Role::Leader {
            return None;
        }
        let standing = self.standings.get_mut(peer)?;
        let prev_index = standing.next.saturating_sub(1);
        let entries: Vec<Entry> = self
            .log
            .iter()
            .skip(usize::try_from(prev_index).unwrap_or(usize::MAX))
            .take(AT_ONCE)
            .cloned()
            .collect();
        if !entries.is_empty() {
            standing.sent_ms = now_ms;
        }
        Some(Ask::Append {
            term: self.term,
            leader: self.id.clone(),
            prev_index,
            prev_term: self.term_at(prev_index),
            entries,
            commit: self.commit,
        })
    }

    /// Answers what another agent asks.
    pub fn asked(&mut self, ask: Ask, now_ms: u64) -> Answer {
        match ask {
            Ask::Vote {
                term,
                candidate,
                last_index,
                last_term,
            } => self.asked_for_vote(term, &candidate, (last_term, last_index), now_ms),
            Ask::Append {
                term,
                leader,
                prev_index,
                prev_term,
                entries,
                commit,
            } => self.asked_to_append(
                term,
                &leader,
                (prev_index, prev_term),
                entries,
                commit,
                now_ms,
            ),
        }
    }

    fn asked_for_vote(
        &mut self,
        term: u64,
        candidate: &str,
        last: (u64, u64),
        now_ms: u64,
    ) -> Answer {
        if term > self.term {
            self.follow(term, None, now_ms);
        }
        let own_last = (self.term_at(self.last_index()), self.last_index());
        let free = self
            .voted_for
            .as_deref()
            .is_none_or(|voted| voted == candidate);
        let yes = term == self.term && free && last >= own_last && self.role == Role::Follower;
        if yes {
            self.voted_for = Some(candidate.to_owned());
            self.save_term();
            self.postpone_election(now_ms);
        }
        self.answer(yes, self.last_index())
    }

    fn asked_to_append(
        &mut self,
        term: u64,
        leader: &str,
        (prev_index, prev_term): (u64, u64),
        entries: Vec<Entry>,
        commit: u64,
        now_ms: u64,
    ) -> Answer {
        if term < self.term {
            return self.answer(false, self.last_index());
        }
        self.follow(term, Some(leader), now_ms);
        if prev_index > self.last_index() {
            return self.answer(false, self.last_index());
        }
        if self.term_at(prev_index) != prev_term {
            return self.answer(false, prev_index.saturating_sub(1));
        }
        let mut known = prev_index;
        for entry in entries {
            known = entry.index;
            if self.term_at(entry.index) == entry.term && entry.index <= self.last_index() {
                continue;
            }
            self.cut_from(entry.index);
            self.unsaved.push(Record::Entry(entry.clone()));
            self.log.push(entry);
        }
        self.commit = self.commit.max(commit.min(known));
        self.answer(true, known)
    }

    /// Takes an answer to what this agent asked in the given term.
    pub fn answered(&mut self, from: &str, ask_term: u64, answer: Answer, now_ms: u64) {
        if answer.term > self.term {
            self.follow(answer.term, None, now_ms);
            return;
        }
        if ask_term != self.term {
            return;
        }
        match self.role {
            Role::Candidate if answer.yes => {
                self.votes.insert(from.to_owned());
                if self.is_majority(self.votes.len()) {
                    self.lead(now_ms);
                }
            }
            Role::Leader => self.acked(from, answer, now_ms),
            Role::Candidate | Role::Follower => {}
        }
    }

    fn acked(&mut self, from: &str, answer: Answer, now_ms: u64) {
        let Some(standing) = self.standings.get_mut(from) else {
            return;
        };
        standing.acked_ms = now_ms;
        if answer.yes {
            standing.matched = standing.matched.max(answer.index);
            standing.next = standing.matched + 1;
        } else {
            standing.next = (answer.index + 1)
                .min(standing.next.saturating_sub(1))
                .max(1);
        }
        self.count();
    }

    fn lead(&mut self, now_ms: u64) {
        self.role = Role::Leader;
        self.leader = Some(self.id.clone());
        let next = self.last_index() + 1;
        self.standings = self
            .members
            .iter()
            .filter(|member| **member != self.id)
            .map(|member| {
                let standing = Standing {
                    next,
                    matched: 0,
                    acked_ms: now_ms,
                    sent_ms: now_ms,
                };
                (member.clone(), standing)
            })
            .collect();
    }

    fn follow(&mut self, term: u64, leader: Option<&str>, now_ms: u64) {
        if term > self.term {
            self.term = term;
            self.voted_for = None;
            self.save_term();
        }
        let was_leading = self.role == Role::Leader;
        self.role = Role::Follower;
        self.leader = leader.map(str::to_owned);
        if leader.is_some() || was_leading {
            self.postpone_election(now_ms);
        }
    }

    /// Moves the mark up to which the log counts.
    fn count(&mut self) {
        let mut held: Vec<u64> = self.standings.values().map(|at| at.matched).collect();
        held.push(self.last_index());
        held.sort_unstable_by(|a, b| b.cmp(a));
        let majority = self.members.len() / 2;
        if let Some(&index) = held.get(majority)
            && index > self.commit
            && self.term_at(index) == self.term
        {
            self.commit = index;
        }
    }

    fn heard_by_majority(&self, now_ms: u64) -> bool {
        let heard = self
            .standings
            .values()
            .filter(|at| now_ms.saturating_sub(at.acked_ms) <= self.timing.max_ping_ms)
            .count();
        self.is_majority(heard + 1)
    }

    fn is_majority(&self, count: usize) -> bool {
        count > self.members.len() / 2
    }

    fn answer(&self, yes: bool, index: u64) -> Answer {
        Answer {
            term: self.term,
            yes,
            index,
        }
    }

    fn save_term(&mut self) {
        self.unsaved.push(Record::Term {
            term: self.term,
            voted_for: self.voted_for.clone(),
        });
    }

    fn cut_from(&mut self, index: u64) {
        self.log
            .truncate(usize::try_from(index.saturating_sub(1)).unwrap_or(usize::MAX));
    }

    fn last_index(&self) -> u64 {
        self.log.last().map_or(0, |entry| entry.index)
    }

    fn term_at(&self, index: u64) -> u64 {
        let Some(at) = index.checked_sub(1) else {
            return 0;
        };
        usize::try_from(at)
            .ok()
            .and_then(|at| self.log.get(at))
            .map_or(0, |entry| entry.term)
    }

    fn between(&self, after: u64, until: u64) -> &[Entry] {
        let from = usize::try_from(after).unwrap_or(usize::MAX);
        let to = usize::try_from(until).unwrap_or(usize::MAX);
        self.log.get(from..to).unwrap_or(&[])
    }

    fn postpone_election(&mut self, now_ms: u64) {
        // xorshift: elections need to differ between agents, no more.
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        let span = self
            .timing
            .max_ping_ms
            .saturating_sub(self.timing.min_ping_ms)
            + 1;
        self.election_ms = now_ms + self.timing.min_ping_ms + self.random % span;
    }
}

#[cfg(test)]
#[path = "raft_tests.rs"]
mod tests;
