//! What a run's probes note from one look to the next, and how much the run has changed meanwhile.
//!
//! It lives as long as the process: a run that is resumed remembers nothing and looks anew, so that nothing is ever
//! waited for too briefly. The engine counts changes; probes keep what they want under names of their own.

use std::any::Any;
use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// The notes of one run, shared by its clones.
#[derive(Clone, Default)]
pub struct Notes {
    kept: Arc<Mutex<HashMap<String, Box<dyn Any + Send>>>>,
    changes: Arc<AtomicU64>,
    outages: Arc<AtomicU64>,
}

impl Notes {
    /// Returns empty notes.
    pub fn new() -> Self {
        Self::default()
    }

    /// Notes that a step changes something, or has changed something.
    pub fn changed(&self) {
        self.changes.fetch_add(1, Ordering::SeqCst);
    }

    /// Returns how often something was changed: while it stays equal, the run itself has changed nothing.
    pub fn changes(&self) -> u64 {
        self.changes.load(Ordering::SeqCst)
    }

    /// Notes that the run takes a member out of service, or has put it back.
    pub fn outage(&self) {
        self.outages.fetch_add(1, Ordering::SeqCst);
    }

    /// Returns how often a member was taken out of service or put back: while it stays equal, the run itself has
    /// disturbed none.
    pub fn outages(&self) -> u64 {
        self.outages.load(Ordering::SeqCst)
    }

    /// Gives `use_it` what is kept under `name`; what is not there, or is of another type, begins as its default.
    pub fn with<T, R>(&self, name: &str, use_it: impl FnOnce(&mut T) -> R) -> R
    where
        T: Any + Default + Send,
    {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = kept.get_mut(name).and_then(|found| found.downcast_mut()) {
            return use_it(found);
        }
        let mut fresh = T::default();
        let result = use_it(&mut fresh);
        kept.insert(name.to_owned(), Box::new(fresh));
        result
    }
}

impl fmt::Debug for Notes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Notes")
            .field("changes", &self.changes())
            .field("outages", &self.outages())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_found_by_its_name_and_by_clones() {
        let notes = Notes::new();
        let other = notes.clone();
        notes.with("a", |kept: &mut Vec<u8>| kept.push(1));
        other.with("a", |kept: &mut Vec<u8>| kept.push(2));
        assert_eq!(notes.with("a", |kept: &mut Vec<u8>| kept.clone()), [1, 2]);
        assert_eq!(notes.with("b", |kept: &mut Vec<u8>| kept.len()), 0);
        assert_eq!(notes.with("a", |kept: &mut String| kept.len()), 0);
        other.changed();
        assert_eq!((notes.changes(), notes.outages()), (1, 0));
        other.outage();
        assert_eq!((notes.changes(), notes.outages()), (1, 1));
    }
}
