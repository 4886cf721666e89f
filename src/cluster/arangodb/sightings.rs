//! What was seen of a cluster, look by look: for how long its agency has worked, for how long it has had the same leader.
//!
//! Pure: looks and times go in. What stands still is proved by two looks: an agency with the same leader and the same
//! term at both had no election between them.

use std::collections::VecDeque;
use std::time::Duration;

use crate::cluster::model::arangodb::{Round, Shard, leader};

use super::read::Glance;

/// The least time between two looks of which one confirms the other.
pub const BETWEEN_LOOKS: Duration = Duration::from_secs(2);

/// The longest such time: an older look says nothing about now.
const OLDEST: Duration = Duration::from_secs(30);

/// What was seen until now.
#[derive(Debug, Default)]
pub struct Sightings {
    changes: u64,
    outages: u64,
    reign: Option<(String, u64)>,
    reign_since: Duration,
    works_since: Option<Duration>,
    glances: VecDeque<(Duration, Glance)>,
}

impl Sightings {
    /// Forgets what the run itself may have ended: `changes` counts what it has changed, `outages` the members that it
    /// took down or put back. Who leads is not forgotten, the term tells.
    pub fn since(&mut self, changes: u64, outages: u64) {
        if self.changes != changes {
            self.changes = changes;
            self.glances.clear();
        }
        if self.outages != outages {
            self.outages = outages;
            self.works_since = None;
        }
    }

    /// Returns the latest look that is old enough for one at `now` to confirm it, and when it was.
    pub fn earlier(&self, now: Duration) -> Option<(Duration, &Glance)> {
        let age = |at: &Duration| now.saturating_sub(*at);
        let fit = |at: &Duration| age(at) >= BETWEEN_LOOKS && age(at) <= OLDEST;
        let found = self.glances.iter().rev().find(|(at, _)| fit(at));
        found.map(|(at, glance)| (*at, glance))
    }

    /// Notes who leads; returns whether that is somebody else, or in another term, than before.
    pub fn saw_leader(&mut self, now: Duration, round: &Round) -> bool {
        let reign = leader(round).map(|agent| (agent.id.clone(), agent.term));
        if reign == self.reign {
            return false;
        }
        let changed = self.reign.is_some();
        self.reign = reign;
        self.reign_since = now;
        self.works_since = None;
        changed
    }

    /// Notes agents and shards as they are, for a later look to confirm; no shards where they could not be read.
    pub fn keep(&mut self, now: Duration, round: &Round, shards: Option<&[Shard]>) {
        self.glances
            .retain(|(at, _)| now.saturating_sub(*at) <= OLDEST);
        self.glances.push_back((
            now,
            Glance {
                round: round.clone(),
                shards: shards.map(<[Shard]>::to_vec),
            },
        ));
    }

    /// Notes whether the agency works with all its agents, and has since the look that confirms it.
    pub fn saw_agency(&mut self, since: Duration, works: bool) {
        if works {
            self.works_since.get_or_insert(since);
        } else {
            self.works_since = None;
        }
    }

    /// For how long the agency has been seen to work.
    pub fn works_for(&self, now: Duration) -> Duration {
        self.works_since
            .map_or(Duration::ZERO, |since| now.saturating_sub(since))
    }

    /// For how long the agency has had the leader that it has now.
    pub fn led_for(&self, now: Duration) -> Duration {
        match &self.reign {
            Some(_) => now.saturating_sub(self.reign_since),
            None => Duration::ZERO,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::model::arangodb::AgentStatus;

    fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn round(leading: &str, term: u64) -> Round {
        let agent = |id: &str| AgentStatus {
            id: id.to_owned(),
            endpoint: format!("tcp://{id}:8531"),
            leader: leading.to_owned(),
            term,
            size: 1,
            active: [id.to_owned()].into(),
            pool: [(id.to_owned(), format!("tcp://{id}:8531"))].into(),
            ..AgentStatus::default()
        };
        Round {
            answers: [(leading.to_owned(), Ok(agent(leading)))].into(),
        }
    }

    #[test]
    fn a_leader_is_counted_from_when_it_was_first_seen() {
        let mut seen = Sightings::default();
        assert_eq!(seen.led_for(s(5)), s(0), "nobody was seen");
        assert!(
            !seen.saw_leader(s(5), &round("a", 1)),
            "the first is no change"
        );
        assert!(!seen.saw_leader(s(50), &round("a", 1)));
        assert_eq!(seen.led_for(s(60)), s(55));
        seen.since(7, 7);
        assert_eq!(seen.led_for(s(60)), s(55), "the term proves it");
        assert!(seen.saw_leader(s(61), &round("a", 2)), "elected again");
        assert_eq!(seen.led_for(s(62)), s(1));
        assert!(seen.saw_leader(s(63), &round("", 3)), "nobody leads");
        assert_eq!(seen.led_for(s(90)), s(0));
    }

    #[test]
    fn the_agency_works_from_the_first_look_of_an_unbroken_row() {
        let mut seen = Sightings::default();
        seen.saw_leader(s(0), &round("a", 1));
        for (at, works, for_so_long) in [
            (1, true, 0),
            (4, true, 3),
            (5, false, 0),
            (6, true, 0),
            (9, true, 3),
        ] {
            seen.saw_agency(s(at), works);
            assert_eq!(seen.works_for(s(at)), s(for_so_long), "at {at}");
        }
        seen.since(1, 0);
        assert_eq!(seen.works_for(s(10)), s(4), "no member was disturbed");
        seen.since(2, 1);
        assert_eq!(seen.works_for(s(10)), s(0), "the run took a member down");
        seen.saw_agency(s(10), true);
        seen.since(2, 1);
        assert_eq!(seen.works_for(s(12)), s(2));
        seen.saw_leader(s(12), &round("b", 2));
        assert_eq!(seen.works_for(s(12)), s(0), "another leader");
    }

    #[test]
    fn a_look_confirms_one_that_is_neither_too_young_nor_too_old() {
        let mut seen = Sightings::default();
        seen.keep(s(10), &round("a", 1), None);
        seen.keep(s(11), &round("a", 2), None);
        let term = |seen: &Sightings, at| {
            let (_, glance) = seen.earlier(s(at))?;
            leader(&glance.round).map(|agent| agent.term)
        };
        for (at, wanted) in [
            (11, None),
            (12, Some(1)),
            (13, Some(2)),
            (41, Some(2)),
            (42, None),
        ] {
            assert_eq!(term(&seen, at), wanted, "at {at}");
        }
        seen.since(1, 0);
        assert_eq!(term(&seen, 13), None, "the run changed something");
    }
}
