//! What is known of a run from before: asked before every step, every batch, every bracket.

use std::collections::BTreeMap;
use std::fmt::Debug;

use serde_json::{Map, Value};

use crate::events::{BracketRef, ByHand, StepId, StepOutcome};
use crate::journal::{Intent, Outcome, Seal};
use crate::vars::World;

use super::decide::InDoubt;

/// What the journal says of a step.
#[derive(Debug, Clone, Default)]
pub struct Known {
    /// Its last intent.
    pub intent: Option<Intent>,
    /// Its outcome, if it ended after that intent.
    pub outcome: Option<Outcome>,
}

impl Known {
    /// Tells whether the step changed something, or may have: who is to be told of that may not have been told yet.
    pub(super) fn may_have_changed(&self) -> bool {
        match self.outcome.as_ref().map(|outcome| &outcome.outcome) {
            None => self.intent.is_some(),
            Some(StepOutcome::Changed | StepOutcome::InDoubt) => true,
            Some(
                StepOutcome::Ok
                | StepOutcome::Skipped { .. }
                | StepOutcome::Failed
                | StepOutcome::Unreachable,
            ) => false,
        }
    }
}

/// What the journal says of a bracket.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct KnownBracket {
    /// What was found before its first change.
    pub found: Option<Value>,
    /// Whether it was entered, or being entered, and not left.
    pub open: bool,
    /// Where it was entered last.
    pub entered: EnteredAt,
    /// Whether a stretch inside of it that must not be left in the middle was begun and not ended.
    pub inside: bool,
}

/// Where a bracket was entered, for who leaves it without walking there.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct EnteredAt {
    /// The play's id; empty around plays.
    pub play: String,
    /// The batch; 0 outside of batches.
    pub batch: u32,
    /// The hosts that it was entered for.
    pub hosts: Vec<String>,
    /// The variables that were on top there, sealed.
    pub top: Map<String, Value>,
    /// How it is left by hand.
    pub by_hand: Vec<ByHand>,
}

/// A dynamic include that was begun and did not come to its end.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Taken {
    /// The number of its item, if it is a loop.
    pub item: Option<usize>,
    /// The file that it named; empty for a role.
    pub file: String,
    /// The variables of its item, sealed.
    pub variables: Map<String, Value>,
}

/// A registered result that can only be had by asking again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Volatile {
    /// The step that gave it.
    pub step: StepId,
    /// The variable.
    pub name: String,
    /// The hosts that see it.
    pub hosts: Vec<String>,
}

/// What is known of a run from before. Whoever does not say otherwise knows nothing.
pub trait Previously: Send + Sync + Debug {
    /// Counts the parts of the run, this one included: 1 for a new run.
    fn part(&self) -> u32 {
        1
    }

    /// Returns the number of the last event.
    fn last_event(&self) -> u64 {
        0
    }

    /// Returns what is known of a step.
    fn step(&self, _step: &StepId) -> Option<Known> {
        None
    }

    /// Returns the intents of steps with a job that did not come to an end, as far as is known.
    fn begun(&self) -> Vec<Intent> {
        Vec::new()
    }

    /// Returns the hosts of a batch as they were then.
    fn batch(&self, _play: &str, _batch: u32) -> Option<Vec<String>> {
        None
    }

    /// Tells whether a stretch came to its end: a play (batch 0), a batch, or a block by its path.
    fn done(&self, _play: &str, _batch: u32, _path: &str) -> bool {
        false
    }

    /// Returns the batches of a play in which an indivisible block was begun, and neither ended nor put right, so that members
    /// may be down, or in which a bracket was entered and not left.
    fn half_done(&self, _play: &str) -> Vec<u32> {
        Vec::new()
    }

    /// Tells whether an indivisible block of a batch was begun, and neither ended nor put right.
    fn in_block(&self, _play: &str, _batch: u32) -> bool {
        false
    }

    /// Returns what a dynamic include was begun for on a host and did not come to its end.
    fn taken(&self, _play: &str, _batch: u32, _path: &str, _host: &str) -> Vec<Taken> {
        Vec::new()
    }

    /// Returns what is known of a bracket.
    fn bracket(&self, _bracket: &BracketRef) -> Option<KnownBracket> {
        None
    }

    /// Returns the brackets that were entered and not left, the first entered first.
    fn open_brackets(&self) -> Vec<BracketRef> {
        Vec::new()
    }

    /// Tells whether a point of no return was approved.
    fn approved(&self, _name: &str) -> bool {
        false
    }

    /// Returns the answers that were given when the run asked for variables, sealed.
    fn answers(&self) -> BTreeMap<String, Value> {
        BTreeMap::new()
    }

    /// Returns what the operator said of steps in doubt.
    fn in_doubt(&self) -> Option<InDoubt> {
        None
    }

    /// Gives back to the hosts what they came to know: registered results, facts, variables, groups. A secret in it that
    /// is stored nowhere stays away: who uses it fails.
    fn restore(&self, _world: &World, _seal: &dyn Seal) {}

    /// Returns the registered results in which a secret stood that is stored nowhere, in the order in which they came.
    fn volatile(&self, _seal: &dyn Seal) -> Vec<Volatile> {
        Vec::new()
    }

    /// Returns the files of the notes from which a bracket is known, if it is known from the hosts.
    fn notes(&self, _bracket: &BracketRef) -> Vec<String> {
        Vec::new()
    }

    /// Returns the run that entered a bracket and its machine, as locks know both, if they are known from the hosts.
    fn entered_by(&self, _bracket: &BracketRef) -> Option<(String, String)> {
        None
    }

    /// Returns the jobs that ran when the hosts were asked: host and name.
    fn jobs(&self) -> Vec<(String, String)> {
        Vec::new()
    }

    /// Returns the hosts that did not answer when they were asked.
    fn silent(&self) -> Vec<String> {
        Vec::new()
    }

    /// Tells whether nothing but the hosts told it.
    fn is_from_hosts(&self) -> bool {
        false
    }
}

/// Knows nothing: a new run.
#[derive(Debug, Clone, Copy, Default)]
pub struct NothingBefore;

impl Previously for NothingBefore {}
