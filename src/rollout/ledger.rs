//! The one writer: numbers events, journals records and events in one commit, then shows the events.
//!
//! Many threads hand in entries at once; whoever gets the pen writes for all who wait, in one commit. Nothing is shown
//! that is not written. When the journal fails, no further intent is accepted; what is told all the same says so.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::clock::Clock;
use crate::events::{Event, EventKind, Progress, Sink, mask_event};
use crate::journal::{Durability, Journal, Record};
use crate::secrets::Masker;

/// What is written together.
#[derive(Debug, Default)]
pub(super) struct Entry {
    records: Vec<Record>,
    events: Vec<EventKind>,
    synced: bool,
}

impl Entry {
    /// An entry of events only.
    pub(super) fn event(event: EventKind) -> Self {
        Self::default().with_event(event)
    }

    /// An entry that is on disk when the call returns.
    pub(super) fn record(record: Record) -> Self {
        Self {
            records: vec![record],
            events: Vec::new(),
            synced: true,
        }
    }

    /// Adds an event.
    pub(super) fn with_event(mut self, event: EventKind) -> Self {
        self.events.push(event);
        self
    }

    /// Adds a record.
    pub(super) fn with_record(mut self, record: Record) -> Self {
        self.records.push(record);
        self
    }

    /// Says whether it must be on disk when the call returns.
    pub(super) fn synced(mut self, synced: bool) -> Self {
        self.synced = synced;
        self
    }
}

/// The journal cannot be written any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Unwritten {
    /// What it said.
    pub(super) reason: String,
}

#[derive(Default)]
struct Queue {
    waiting: Vec<Entry>,
    handed_in: u64,
}

struct Pen {
    journal: Box<dyn Journal>,
    sinks: Vec<Option<Box<dyn Sink>>>,
    seq: u64,
    written: u64,
    failure: Option<Unwritten>,
}

/// Writes what happens.
pub(super) struct Ledger {
    queue: Mutex<Queue>,
    pen: Mutex<Pen>,
    clock: Arc<dyn Clock>,
    masker: Masker,
}

impl std::fmt::Debug for Ledger {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ledger").finish_non_exhaustive()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Ledger {
    /// Makes a writer; events are numbered from `seq` on.
    pub(super) fn new(
        journal: Box<dyn Journal>,
        sinks: Vec<Box<dyn Sink>>,
        seq: u64,
        clock: Arc<dyn Clock>,
        masker: Masker,
    ) -> Self {
        Self {
            queue: Mutex::default(),
            pen: Mutex::new(Pen {
                journal,
                sinks: sinks.into_iter().map(Some).collect(),
                seq,
                written: 0,
                failure: None,
            }),
            clock,
            masker,
        }
    }

    /// Writes and shows an entry; an error says that it is shown and not written, nor will anything be.
    pub(super) fn write(&self, entry: Entry) -> Result<(), Unwritten> {
        let ticket = {
            let mut queue = lock(&self.queue);
            queue.waiting.push(entry);
            queue.handed_in += 1;
            queue.handed_in
        };
        let mut pen = lock(&self.pen);
        if pen.written < ticket {
            let (waiting, upto) = {
                let mut queue = lock(&self.queue);
                (std::mem::take(&mut queue.waiting), queue.handed_in)
            };
            self.commit(&mut pen, waiting);
            pen.written = upto;
        }
        pen.failure.clone().map_or(Ok(()), Err)
    }

    /// Tells an event, whether or not it can be written.
    pub(super) fn tell(&self, event: EventKind) {
        // What cannot be written was told, and stops the next step when it asks.
        drop(self.write(Entry::event(event)));
    }

    /// Says why nothing can be written any more, if so.
    pub(super) fn failure(&self) -> Option<Unwritten> {
        lock(&self.pen).failure.clone()
    }

    /// Shows a sign of progress, unless the pen is in use.
    pub(super) fn progress(&self, progress: &Progress) {
        let Ok(mut pen) = self.pen.try_lock() else {
            return;
        };
        show(&mut pen.sinks, |sink| sink.on_progress(progress));
    }

    fn commit(&self, pen: &mut Pen, entries: Vec<Entry>) {
        let at = self.clock.now();
        let elapsed_ms = u64::try_from(self.clock.elapsed().as_millis()).unwrap_or(u64::MAX);
        let synced = entries.iter().any(|entry| entry.synced);
        let mut records = Vec::new();
        let mut events = Vec::new();
        for entry in entries {
            records.extend(entry.records);
            for kind in entry.events {
                pen.seq += 1;
                let event = Event {
                    seq: pen.seq,
                    at,
                    elapsed_ms,
                    kind: mask_event(&self.masker, kind),
                };
                records.push(Record::Event(event.clone()));
                events.push(event);
            }
        }
        let durability = if synced {
            Durability::Synced
        } else {
            Durability::Lazy
        };
        let appended = pen.journal.append(at, &records, durability);
        if let Some(warning) = pen.journal.take_warning() {
            events.push(self.extra(pen, at, elapsed_ms, warning));
        }
        if let (Err(error), None) = (appended, &pen.failure) {
            let reason = error.to_string();
            let warning = format!("nothing more can be recorded: {reason}");
            events.push(self.extra(pen, at, elapsed_ms, warning));
            pen.failure = Some(Unwritten { reason });
        }
        for event in &events {
            show(&mut pen.sinks, |sink| sink.on_event(event));
        }
    }

    fn extra(
        &self,
        pen: &mut Pen,
        at: crate::clock::Timestamp,
        elapsed_ms: u64,
        message: String,
    ) -> Event {
        pen.seq += 1;
        Event {
            seq: pen.seq,
            at,
            elapsed_ms,
            kind: mask_event(
                &self.masker,
                EventKind::Warned {
                    message,
                    host: None,
                    at: None,
                },
            ),
        }
    }
}

/// Calls every sink; one that fails is not called again, and never stops the run.
fn show(
    sinks: &mut [Option<Box<dyn Sink>>],
    mut call: impl FnMut(&mut dyn Sink) -> std::io::Result<()>,
) {
    for slot in sinks {
        let failed = slot
            .as_mut()
            .is_some_and(|sink| call(sink.as_mut()).is_err());
        if failed {
            *slot = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::SimulatedClock;
    use crate::journal::MemoryJournal;

    #[derive(Debug, Clone, Default)]
    struct Seen(Arc<Mutex<Vec<Event>>>, Option<u64>);

    impl Sink for Seen {
        fn on_event(&mut self, event: &Event) -> std::io::Result<()> {
            if self.1.is_some_and(|limit| event.seq > limit) {
                return Err(std::io::ErrorKind::BrokenPipe.into());
            }
            lock(&self.0).push(event.clone());
            Ok(())
        }
    }

    fn event(name: &str) -> EventKind {
        EventKind::PlayFinished {
            play: name.to_owned(),
        }
    }

    fn ledger(journal: &MemoryJournal, sinks: Vec<Box<dyn Sink>>) -> Ledger {
        let clock = Arc::new(SimulatedClock::new());
        Ledger::new(Box::new(journal.clone()), sinks, 0, clock, Masker::new())
    }

    #[test]
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "only these kinds matter here; the others are passed over on purpose"
    )]
    fn many_writers_share_commits_and_every_event_is_written_then_shown_once() {
        let journal = MemoryJournal::new();
        let seen = Seen::default();
        let ledger = ledger(&journal, vec![Box::new(seen.clone())]);
        std::thread::scope(|scope| {
            for thread in 0..8 {
                let ledger = &ledger;
                scope.spawn(move || {
                    for turn in 0..50 {
                        let entry = Entry::record(Record::Finished { exit_code: thread })
                            .with_event(event(&format!("{thread}.{turn}")));
                        ledger.write(entry).unwrap();
                    }
                });
            }
        });
        let shown = lock(&seen.0).clone();
        let numbers: Vec<u64> = shown.iter().map(|event| event.seq).collect();
        assert_eq!(numbers, (1..=400).collect::<Vec<u64>>());
        let written: Vec<Event> = journal
            .written()
            .into_iter()
            .filter_map(|(record, _)| match record {
                Record::Event(event) => Some(event),
                _ => None,
            })
            .collect();
        assert_eq!(written, shown);
    }

    #[test]
    fn a_broken_sink_is_left_out_and_the_others_go_on() {
        let journal = MemoryJournal::new();
        let (good, bad) = (Seen::default(), Seen(Arc::default(), Some(1)));
        let ledger = ledger(
            &journal,
            vec![Box::new(bad.clone()), Box::new(good.clone())],
        );
        for name in ["a", "b", "c"] {
            ledger.tell(event(name));
        }
        assert_eq!(lock(&good.0).len(), 3);
        assert_eq!(lock(&bad.0).len(), 1);
    }

    #[test]
    fn a_full_disk_is_told_and_refuses_what_follows() {
        let journal = MemoryJournal::new();
        let seen = Seen::default();
        let ledger = ledger(&journal, vec![Box::new(seen.clone())]);
        ledger.tell(event("a"));
        journal.fail_after(0);
        assert!(ledger.write(Entry::event(event("b"))).is_err());
        assert!(ledger.write(Entry::event(event("c"))).is_err());
        assert!(ledger.failure().is_some());
        let told = lock(&seen.0).clone();
        assert_eq!(told.len(), 4, "b and c are told all the same: {told:?}");
        assert!(matches!(&told[2].kind, EventKind::Warned { message, .. }
            if message.contains("nothing more can be recorded")));
    }
}
