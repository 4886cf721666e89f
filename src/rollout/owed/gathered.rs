//! What the hosts of a run say is owed, put together: one debt for each bracket and object, or why it must be refused.
//!
//! Pure. A note is a cluster's own where it names one of the hosts that were asked: two clusters may share machines. Notes
//! of several runs for one bracket must agree on what was found, on all hosts; else nobody knows what to put back.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::events::BracketRef;

use super::note::{BadNote, Note};

/// A note as it lies on a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundNote {
    /// The host.
    pub host: String,
    /// The name of its file.
    pub name: String,
    /// What it says.
    pub note: Result<Note, BadNote>,
}

/// A bracket that notes say is owed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotedDebt {
    /// The bracket.
    pub bracket: BracketRef,
    /// The note that counts: of several runs' that of the last.
    pub note: Note,
    /// Since when it is owed, as the first of the notes says.
    pub since: String,
    /// The notes that say it: host and name of the file.
    pub lies: Vec<(String, String)>,
}

impl NotedDebt {
    /// Returns the names of the files.
    pub(in crate::rollout) fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = self.lies.iter().map(|(_, name)| name.clone()).collect();
        names.sort();
        names.dedup();
        names
    }

    /// Returns the hosts on which a note lies, in order.
    pub fn on(&self) -> Vec<&str> {
        let mut hosts: Vec<&str> = Vec::new();
        for (host, _) in &self.lies {
            if !hosts.contains(&host.as_str()) {
                hosts.push(host);
            }
        }
        hosts
    }
}

/// Why what notes say cannot be relied on, with what to do by hand.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unreliable {
    /// It was cut off or changed.
    #[error(
        "the note owed/{name} on {host} is torn: nobody can say what it was about; read it there (below /var/lib/stagger, or \
         ~/.local/state/stagger of who is logged in as), put back by hand what it names, then remove the file"
    )]
    Torn {
        /// The host.
        host: String,
        /// The file.
        name: String,
    },
    /// A stagger of another major format wrote it.
    #[error(
        "the note owed/{name} on {host} is of format {format}, which this stagger does not know: use the stagger that \
         wrote it, or put back by hand what it names and remove the file"
    )]
    Format {
        /// The host.
        host: String,
        /// The file.
        name: String,
        /// The format.
        format: String,
    },
    /// Two notes disagree.
    #[error(
        "the notes of `{bracket}` contradict each other: {one}, {other}; find out which of them is right, put it back by \
         hand and remove both files"
    )]
    Contradiction {
        /// The bracket.
        bracket: String,
        /// Which note says what.
        one: String,
        /// Which other one says what.
        other: String,
    },
}

impl Unreliable {
    /// Tells whether it concerns a bracket; what cannot be read may concern any.
    fn concerns(&self, bracket: &BracketRef) -> bool {
        match self {
            Self::Torn { .. } | Self::Format { .. } => true,
            Self::Contradiction { bracket: name, .. } => *name == bracket.name,
        }
    }
}

/// What notes come to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Gathered {
    /// What is owed, the bracket that was entered first at first.
    pub debts: Vec<NotedDebt>,
    /// What cannot be relied on.
    pub refused: Vec<Unreliable>,
    /// The notes of other hosts than those that were asked.
    pub foreign: Vec<FoundNote>,
}

impl Gathered {
    /// Puts notes together that were found when these hosts were asked, but for those of one run.
    pub(in crate::rollout) fn of(found: &[FoundNote], asked: &[String], but_run: &str) -> Self {
        let mut all = Self::default();
        let mut groups: BTreeMap<BracketRef, Vec<(&FoundNote, &Note)>> = BTreeMap::new();
        for one in found {
            let (host, name) = (one.host.clone(), one.name.clone());
            match &one.note {
                Err(BadNote::Torn) => all.refused.push(Unreliable::Torn { host, name }),
                Err(BadNote::Format(format)) => all.refused.push(Unreliable::Format {
                    host,
                    name,
                    format: format.clone(),
                }),
                Ok(note) if note.run == but_run => {}
                Ok(note) if !note.hosts.iter().any(|host| asked.contains(host)) => {
                    all.foreign.push(one.clone());
                }
                Ok(note) => groups
                    .entry(note.reference())
                    .or_default()
                    .push((one, note)),
            }
        }
        for (bracket, notes) in groups {
            match debt(bracket, &notes) {
                Ok(Some(debt)) => all.debts.push(debt),
                Ok(None) => {}
                Err(refusal) => all.refused.push(refusal),
            }
        }
        let order = |debt: &NotedDebt| (debt.note.noted.clone(), debt.note.order);
        all.debts.sort_by_key(order);
        all
    }

    /// Returns what is owed of one bracket; the error says why nobody knows.
    pub(in crate::rollout) fn debt(
        &self,
        bracket: &BracketRef,
    ) -> Result<Option<&NotedDebt>, &Unreliable> {
        let mut refused = self.refused.iter();
        if let Some(refusal) = refused.find(|refusal| refusal.concerns(bracket)) {
            return Err(refusal);
        }
        Ok(self.debts.iter().find(|debt| debt.bracket == *bracket))
    }
}

fn debt(
    bracket: BracketRef,
    notes: &[(&FoundNote, &Note)],
) -> Result<Option<NotedDebt>, Unreliable> {
    let Some((first, one)) = notes.first() else {
        return Ok(None);
    };
    if let Some((other, note)) = notes.iter().find(|(_, note)| note.found != one.found) {
        return Err(Unreliable::Contradiction {
            bracket: bracket.name,
            one: says(first, &one.found),
            other: says(other, &note.found),
        });
    }
    let last = notes.iter().max_by(|(_, a), (_, b)| a.noted.cmp(&b.noted));
    let since = notes.iter().map(|(_, note)| note.since.clone()).min();
    Ok(last.map(|(_, note)| NotedDebt {
        bracket,
        note: (*note).clone(),
        since: since.unwrap_or_default(),
        lies: notes
            .iter()
            .map(|(found, _)| (found.host.clone(), found.name.clone()))
            .collect(),
    }))
}

/// Says what a note says, secrets masked.
fn says(lies: &FoundNote, found: &Value) -> String {
    let found = crate::journal::mask_references(&found.to_string());
    let (host, name) = (&lies.host, &lies.name);
    format!("owed/{name} on {host} says that {found} was found")
}

#[cfg(test)]
mod tests {
    use super::super::note::tests::note;
    use super::*;

    fn lying(host: &str, note: &Note) -> FoundNote {
        FoundNote {
            host: host.to_owned(),
            name: format!("maintenance.{}", note.run),
            note: Ok(note.clone()),
        }
    }

    fn asked() -> Vec<String> {
        vec!["a".to_owned(), "b".to_owned()]
    }

    #[test]
    fn one_debt_comes_of_the_same_note_on_many_hosts_and_of_many_runs() {
        let (first, second) = (note("run-1", "Normal"), note("run-2", "Normal"));
        let second = Note {
            noted: "2026-02-02T03:04:05Z".to_owned(),
            since: "2026-02-02T03:04:05Z".to_owned(),
            ..second
        };
        let found = [lying("a", &first), lying("b", &first), lying("a", &second)];
        let all = Gathered::of(&found, &asked(), "run-3");
        assert_eq!((all.debts.len(), all.refused.len()), (1, 0));
        let debt = &all.debts[0];
        assert_eq!(debt.note.run, "run-2");
        assert_eq!(debt.since, first.since);
        assert_eq!(debt.on(), ["a", "b"]);
        assert_eq!(debt.names(), ["maintenance.run-1", "maintenance.run-2"]);
        assert_eq!(
            Gathered::of(&found, &asked(), "run-2").debts[0].note.run,
            "run-1"
        );
    }

    #[test]
    fn what_disagrees_or_cannot_be_read_is_refused() {
        let bracket = note("run-1", "Normal").reference();
        let found = [
            lying("a", &note("run-1", "Normal")),
            lying("b", &note("run-2", "Maintenance")),
        ];
        let all = Gathered::of(&found, &asked(), "");
        assert!(all.debts.is_empty());
        let told = all.debt(&bracket).unwrap_err().to_string();
        for part in [
            "\"Normal\"",
            "\"Maintenance\"",
            " on a says",
            " on b says",
            "by hand",
        ] {
            assert!(told.contains(part), "{part}: {told}");
        }
        for (bad, part) in [
            (BadNote::Torn, "torn"),
            (BadNote::Format("2.0".to_owned()), "format 2.0"),
        ] {
            let found = [FoundNote {
                host: "a".to_owned(),
                name: "x.run-1".to_owned(),
                note: Err(bad),
            }];
            let all = Gathered::of(&found, &asked(), "");
            let told = all.debt(&bracket).unwrap_err().to_string();
            assert!(
                told.contains(part) && told.contains("owed/x.run-1"),
                "{told}"
            );
        }
    }

    #[test]
    fn a_note_of_other_hosts_on_the_same_machine_is_not_inherited() {
        let other = Note {
            hosts: vec!["x".to_owned()],
            ..note("run-1", "Maintenance")
        };
        let found = [lying("a", &other), lying("b", &note("run-2", "Normal"))];
        let all = Gathered::of(&found, &asked(), "");
        assert_eq!((all.debts.len(), all.foreign.len()), (1, 1));
        assert_eq!(all.debts[0].note.run, "run-2");
    }

    #[test]
    fn what_was_entered_first_comes_first() {
        let named = |name: &str, order: u32| Note {
            bracket: name.to_owned(),
            order,
            ..note("run-1", "x")
        };
        let (inner, outer) = (named("a", 2), named("b", 1));
        let all = Gathered::of(&[lying("a", &inner), lying("a", &outer)], &asked(), "");
        let names: Vec<&str> = all
            .debts
            .iter()
            .map(|debt| debt.bracket.name.as_str())
            .collect();
        assert_eq!(names, ["b", "a"]);
    }
}
