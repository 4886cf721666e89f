//! The members that the run itself has taken out of service: guards judge the cluster without them.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::clock::Clock;
use crate::events::EventKind;
use crate::modules::Notes;

use super::ledger::{Entry, Ledger};

#[derive(Debug, Clone)]
struct Down {
    host: String,
    since: Duration,
    within: Option<Duration>,
}

/// The members that are down on purpose.
#[derive(Debug, Default)]
pub(super) struct MembersDown {
    members: Mutex<BTreeMap<String, Down>>,
    notes: Notes,
}

impl MembersDown {
    /// Nothing is down; what will be is noted.
    pub(super) fn noted(notes: Notes) -> Self {
        Self {
            notes,
            ..Self::default()
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Down>> {
        self.members.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Declares members down from now on, for at most `within`.
    pub(super) fn take_down(
        &self,
        host: &str,
        members: &[String],
        within: Option<Duration>,
        clock: &dyn Clock,
        ledger: &Ledger,
    ) {
        let mut entry = Entry::default();
        for member in members {
            let down = Down {
                host: host.to_owned(),
                since: clock.elapsed(),
                within,
            };
            self.notes.outage();
            if self.lock().insert(member.clone(), down).is_none() {
                entry = entry.with_event(EventKind::MemberDown {
                    member: member.clone(),
                    host: host.to_owned(),
                    declared_ms: within.map(milliseconds),
                });
            }
        }
        drop(ledger.write(entry));
    }

    /// Declares members of a host to be in service again.
    pub(super) fn bring_up(&self, members: &[String], clock: &dyn Clock, ledger: &Ledger) {
        let mut entry = Entry::default();
        for member in members {
            let Some(down) = self.lock().remove(member) else {
                continue;
            };
            self.notes.outage();
            entry = entry.with_event(EventKind::MemberUp {
                member: member.clone(),
                host: down.host,
                down_ms: milliseconds(clock.elapsed().saturating_sub(down.since)),
            });
        }
        drop(ledger.write(entry));
    }

    /// Returns the members that guards leave out now: those within their declared time.
    pub(super) fn left_out(&self, now: Duration) -> Vec<String> {
        self.lock()
            .iter()
            .filter(|(_, down)| {
                down.within
                    .is_none_or(|within| now.saturating_sub(down.since) <= within)
            })
            .map(|(member, _)| member.clone())
            .collect()
    }

    /// Returns every member that is down with its host, for the text of a stop.
    pub(super) fn all(&self) -> Vec<(String, String)> {
        self.lock()
            .iter()
            .map(|(member, down)| (member.clone(), down.host.clone()))
            .collect()
    }
}

/// Returns a time span in milliseconds, for events.
pub(super) fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::SimulatedClock;
    use crate::journal::{Journal as _, MemoryJournal, Record};
    use crate::secrets::Masker;
    use std::sync::Arc;

    #[test]
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "only these kinds matter here; the others are passed over on purpose"
    )]
    fn a_member_is_left_out_only_for_its_declared_time() {
        let clock = Arc::new(SimulatedClock::new());
        let journal = MemoryJournal::new();
        let ledger = Ledger::new(
            Box::new(journal.clone()),
            vec![],
            0,
            clock.clone(),
            Masker::new(),
        );
        let down = MembersDown::default();
        let names = |text: &str| vec![text.to_owned()];
        let minute = Some(Duration::from_mins(1));
        down.take_down("a", &names("PRMR-1"), minute, clock.as_ref(), &ledger);
        down.take_down("b", &names("CRDN-1"), None, clock.as_ref(), &ledger);
        assert_eq!(down.left_out(clock.elapsed()), ["CRDN-1", "PRMR-1"]);
        clock.advance(Duration::from_secs(61));
        assert_eq!(down.left_out(clock.elapsed()), ["CRDN-1"]);
        assert_eq!(down.all().len(), 2, "it is down all the same");
        down.bring_up(&names("PRMR-1"), clock.as_ref(), &ledger);
        down.bring_up(&names("PRMR-1"), clock.as_ref(), &ledger);
        let events: Vec<EventKind> = journal
            .entries()
            .unwrap()
            .into_iter()
            .filter_map(|entry| match entry.record {
                Record::Event(event) => Some(event.kind),
                _ => None,
            })
            .collect();
        assert_eq!(events.len(), 3, "{events:?}");
        assert!(matches!(
            &events[2],
            EventKind::MemberUp { down_ms: 61000, .. }
        ));
    }
}
