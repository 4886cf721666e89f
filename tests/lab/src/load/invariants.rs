//! What must hold at every moment, judged from what the servers themselves show. Pure.

use std::collections::{BTreeMap, BTreeSet};

/// A server's part in the cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// It holds a part of the agency.
    Agent,
    /// It holds data.
    DbServer,
    /// It answers clients.
    Coordinator,
}

impl Part {
    /// Returns the part's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Agent => "agent",
            Self::DbServer => "dbserver",
            Self::Coordinator => "coordinator",
        }
    }
}

/// The cluster at one moment.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Moment {
    /// Every server and its part.
    pub members: BTreeMap<String, Part>,
    /// Those that do not serve.
    pub down: BTreeSet<String>,
    /// The servers that hold each shard in sync, the leader first.
    pub shards: BTreeMap<String, Vec<String>>,
    /// The shards that are meant to have one copy only.
    pub single: BTreeSet<String>,
    /// Whether somebody leads the agency.
    pub has_leader: bool,
    /// The versions between which another cluster takes this one's changes.
    pub replicates_between: Option<String>,
}

/// What does not hold.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Breach {
    /// Which invariant.
    pub invariant: &'static str,
    /// What was seen.
    pub what: String,
}

/// Returns what does not hold at a moment. A gap that was announced lets leaders be down.
pub fn judge(moment: &Moment, announced_gap: bool) -> Vec<Breach> {
    let mut found = Vec::new();
    let mut add = |invariant, what: String| found.push(Breach { invariant, what });
    let down = |part: Part| -> Vec<&str> {
        moment
            .down
            .iter()
            .filter(|id| moment.members.get(*id) == Some(&part))
            .map(String::as_str)
            .collect()
    };
    let count = |part: Part| moment.members.values().filter(|own| **own == part).count();
    if moment.down.len() > 1 {
        let all: Vec<&str> = moment.down.iter().map(String::as_str).collect();
        add("I1 one server down at most", all.join(" "));
    }
    let agents = count(Part::Agent);
    if agents > 0 && agents - down(Part::Agent).len() <= agents / 2 {
        add("I2 a majority of agents", down(Part::Agent).join(" "));
    }
    for (shard, servers) in &moment.shards {
        let up = |server: &String| !moment.down.contains(server.trim_start_matches('_'));
        if !servers.is_empty() && !servers.iter().any(up) {
            // A shard that is to have no second copy is down with its server: nothing helps it. One whose second copy
            // fell behind is another matter.
            let excused = moment.single.contains(shard) && announced_gap;
            if !excused {
                add(
                    "I3 a copy in sync is up",
                    format!("{shard}: {}", servers.join(" ")),
                );
            }
        } else if let Some(leader) = servers.first()
            && !up(leader)
            && !announced_gap
        {
            add(
                "I3 every shard's leader is up",
                format!("{shard}: {leader}"),
            );
        }
    }
    if let Some(versions) = &moment.replicates_between {
        add("R1 no replication between versions", versions.clone());
    }
    if down(Part::Coordinator).len() > 1 {
        add(
            "I4 all coordinators but one",
            down(Part::Coordinator).join(" "),
        );
    }
    found
}

/// When a breach was first and last seen, and in how many looks.
#[derive(Debug, Clone, Copy)]
struct Looks {
    from_ms: u64,
    to_ms: u64,
    count: u32,
}

/// Breaches over time: one that is seen in two looks running counts, once for its whole span.
#[derive(Debug, Default)]
pub struct Record {
    open: BTreeMap<Breach, Looks>,
    closed: Vec<Span>,
}

impl Record {
    /// Takes what one look showed. Looks at several servers are not of one instant, so a
    /// breach must be there in the next look, too.
    pub fn add(&mut self, breaches: Vec<Breach>, now_ms: u64) {
        let seen: BTreeSet<Breach> = breaches.into_iter().collect();
        let gone: Vec<Breach> = self
            .open
            .keys()
            .filter(|breach| !seen.contains(*breach))
            .cloned()
            .collect();
        for breach in gone {
            self.close(&breach);
        }
        for breach in seen {
            let looks = self.open.entry(breach).or_insert(Looks {
                from_ms: now_ms,
                to_ms: now_ms,
                count: 0,
            });
            looks.to_ms = now_ms;
            looks.count += 1;
        }
    }

    fn close(&mut self, breach: &Breach) {
        if let Some(looks) = self.open.remove(breach) {
            self.closed.extend(span(breach, looks));
        }
    }

    /// Ends the record and returns every breach that counts.
    pub fn spans(&self) -> Vec<Span> {
        let open = self
            .open
            .iter()
            .filter_map(|(breach, looks)| span(breach, *looks));
        self.closed.iter().cloned().chain(open).collect()
    }
}

fn span(breach: &Breach, looks: Looks) -> Option<Span> {
    (looks.count >= 2).then(|| Span {
        breach: breach.clone(),
        from_ms: looks.from_ms,
        to_ms: looks.to_ms,
    })
}

/// A breach and how long it was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    /// What did not hold.
    pub breach: Breach,
    /// When it was first seen.
    pub from_ms: u64,
    /// When it was last seen.
    pub to_ms: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moment(down: &[&str], shards: &[(&str, &[&str])]) -> Moment {
        let members = [
            ("A1", Part::Agent),
            ("A2", Part::Agent),
            ("A3", Part::Agent),
            ("P1", Part::DbServer),
            ("P2", Part::DbServer),
            ("P3", Part::DbServer),
            ("C1", Part::Coordinator),
            ("C2", Part::Coordinator),
            ("C3", Part::Coordinator),
        ];
        let list = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        Moment {
            members: members.map(|(id, part)| (id.to_owned(), part)).into(),
            down: down.iter().map(|id| (*id).to_owned()).collect(),
            shards: shards
                .iter()
                .map(|(shard, servers)| ((*shard).to_owned(), list(servers)))
                .collect(),
            single: BTreeSet::new(),
            has_leader: true,
            replicates_between: None,
        }
    }

    #[test]
    fn only_a_shard_that_is_to_have_one_copy_may_be_away_with_it() {
        let mut gap = moment(&["P1"], &[("s1", &["P1"])]);
        let found = judge(&gap, true);
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(found[0].invariant, "I3 a copy in sync is up");
        gap.single.insert("s1".to_owned());
        assert_eq!(judge(&gap, true), []);
        assert_eq!(judge(&gap, false).len(), 1);
    }

    #[test]
    fn a_replication_between_versions_is_a_breach() {
        let mut mixed = moment(&[], &[]);
        mixed.replicates_between = Some("3.3.20 3.4.0".to_owned());
        let found = judge(&mixed, false);
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(found[0].invariant, "R1 no replication between versions");
    }

    type Shards<'a> = &'a [(&'a str, &'a [&'a str])];
    type Case<'a> = (&'a [&'a str], Shards<'a>, bool, &'a [&'a str]);

    #[test]
    fn each_invariant_is_broken_by_its_own_fault_and_by_no_other() {
        let two: &[(&str, &[&str])] = &[("s1", &["P1", "P2"])];
        let one: &[(&str, &[&str])] = &[("s1", &["P1"])];
        let cases: &[Case<'_>] = &[
            (&[], two, false, &[]),
            (&["P2"], two, false, &[]),
            (&["P3"], two, false, &[]),
            (&["P1"], two, false, &["I3 every shard's leader is up"]),
            (&["P1"], two, true, &[]),
            (&["P1"], one, false, &["I3 a copy in sync is up"]),
            (
                &["P1", "P2"],
                two,
                true,
                &["I1 one server down at most", "I3 a copy in sync is up"],
            ),
            (
                &["A1", "A2"],
                two,
                false,
                &["I1 one server down at most", "I2 a majority of agents"],
            ),
            (&["A1", "P3"], two, false, &["I1 one server down at most"]),
            (
                &["C1", "C2"],
                two,
                false,
                &["I1 one server down at most", "I4 all coordinators but one"],
            ),
            (&["C1"], two, false, &[]),
        ];
        for (down, shards, announced, expected) in cases {
            let found = judge(&moment(down, shards), *announced);
            let names: Vec<&str> = found.iter().map(|breach| breach.invariant).collect();
            assert_eq!(&names, expected, "{down:?} {announced}");
        }
    }

    #[test]
    fn a_breach_counts_when_it_is_seen_twice_running() {
        let breach = |what: &str| Breach {
            invariant: "I1",
            what: what.into(),
        };
        let mut record = Record::default();
        record.add(vec![breach("a")], 100);
        record.add(vec![], 200);
        assert!(record.spans().is_empty(), "a flicker");
        record.add(vec![breach("b")], 300);
        record.add(vec![breach("b")], 400);
        record.add(vec![breach("b")], 500);
        record.add(vec![], 600);
        let spans = record.spans();
        assert_eq!(spans.len(), 1);
        assert_eq!((spans[0].from_ms, spans[0].to_ms), (300, 500));
        record.add(vec![breach("c")], 700);
        record.add(vec![breach("c")], 800);
        assert_eq!(record.spans().len(), 2, "one that still lasts counts");
    }
}
