//! A journal at one of whose writes something happens: to the process, to the bastion, or to the next call to a host.

use std::sync::Arc;
use std::time::Duration;

use crate::clock::{SimulatedClock, Timestamp};
use crate::connection::scripted::{Fault, ScriptedHosts};
use crate::journal::{Durability, Entry, Journal, JournalError, MemoryJournal, Record};

/// What happens at a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::rollout) enum AtWrite {
    /// The process is killed when it would write: the records are not in.
    KilledBefore,
    /// The process is killed as soon as the records are in, before it does anything about them.
    KilledAfter,
    /// The bastion loses power while the records are written: what was not synced before is lost too, with the page that
    /// was torn.
    TornPage,
    /// The bastion's disk is full from here on.
    JournalFull,
    /// The bastion's wall clock goes back by a day.
    ClockBack,
    /// The next call to a host goes wrong.
    Call(Fault),
}

/// The journal.
#[derive(Debug)]
pub(in crate::rollout) struct Watched {
    pub(in crate::rollout) inner: MemoryJournal,
    pub(in crate::rollout) hosts: Arc<ScriptedHosts>,
    pub(in crate::rollout) clock: Arc<SimulatedClock>,
    /// How many writes come before the one.
    pub(in crate::rollout) left: usize,
    pub(in crate::rollout) what: AtWrite,
    pub(in crate::rollout) full: bool,
}

impl Journal for Watched {
    fn append(
        &mut self,
        at: Timestamp,
        records: &[Record],
        durability: Durability,
    ) -> Result<(), JournalError> {
        if self.hosts.is_dead() {
            return Ok(());
        }
        let full = || JournalError::Full {
            path: "journal".into(),
        };
        if self.full {
            return Err(full());
        }
        if self.left > 0 {
            self.left -= 1;
            return self.inner.append(at, records, durability);
        }
        self.left = usize::MAX;
        match self.what {
            AtWrite::KilledBefore => self.hosts.die(),
            AtWrite::TornPage => {
                self.inner.lose_what_was_not_synced();
                self.hosts.die();
            }
            AtWrite::KilledAfter => {
                self.inner.append(at, records, durability)?;
                self.hosts.die();
            }
            AtWrite::JournalFull => {
                self.full = true;
                return Err(full());
            }
            AtWrite::ClockBack => {
                self.clock.set_back(Duration::from_hours(24));
                self.inner.append(at, records, durability)?;
            }
            AtWrite::Call(fault) => {
                self.inner.append(at, records, durability)?;
                self.hosts.fault_next(fault);
            }
        }
        Ok(())
    }

    fn entries(&self) -> Result<Vec<Entry>, JournalError> {
        self.inner.entries()
    }

    fn keep(&mut self, content: &[u8]) -> Result<String, JournalError> {
        self.inner.keep(content)
    }

    fn kept(&self, digest: &str) -> Result<Option<Vec<u8>>, JournalError> {
        self.inner.kept(digest)
    }
}
