//! What every model of a cluster is asked, whichever upgrade runs on it.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::clock::SimulatedClock;
use crate::connection::scripted::Answering;

/// What a model counted, whatever a run's own records say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::rollout) struct Count {
    /// How often each thing was done that must be done once.
    pub(in crate::rollout) done: BTreeMap<String, u32>,
    /// What was done although it was done already.
    pub(in crate::rollout) twice: Vec<String>,
    /// What no upgrade may do at any time.
    pub(in crate::rollout) accidents: Vec<String>,
}

impl Count {
    /// Counts something that is done once; whether it was needed is known to who calls.
    pub(super) fn does(&mut self, what: String, is_needed: bool) {
        if !is_needed {
            self.twice.push(what.clone());
        }
        *self.done.entry(what).or_default() += 1;
    }

    /// Counts an accident where something holds.
    pub(super) fn accident(&mut self, holds: bool, what: impl FnOnce() -> String) {
        if holds {
            self.accidents.push(what());
        }
    }
}

/// A cluster on which a shipped upgrade runs.
pub(in crate::rollout) trait Model: Answering {
    /// Takes the clock that its hosts live by.
    fn lives_by(&self, _clock: &Arc<SimulatedClock>) {}

    /// What it counted.
    fn count(&self) -> Count;

    /// How it stands, all of it, as text: two that are equal stand alike.
    fn standing(&self) -> String;

    /// What is switched for the time of a run, and is so still.
    fn switched(&self) -> Vec<String>;

    /// Whether only its operator can say how it is to go on, by another command than those tried here.
    fn waits_for_a_word(&self) -> bool {
        false
    }

    /// Starts by hand the servers of which a run that has failed says that they do not start, and that it goes on then; tells
    /// whether there is one.
    fn starts_as_told(&self) -> bool {
        false
    }

    /// Does by hand what a run that has failed tells its operator to do before the next one.
    fn does_as_told(&self) {}

    /// The notes that lie on its hosts.
    fn noted(&self) -> Vec<String>;
}
