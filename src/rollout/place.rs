//! Where the engine is in a run, and who did not come to the end of a stretch of it.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Map, Value};

use crate::events::{StepId, StopCause};
use crate::inventory::HostName;
use crate::playbook::TaskId;

use super::play_run::PlayRun;

/// The section in which a bracket is left: what fails there is tried again, and told once as the bracket's debt.
pub(super) const LEAVE: &str = "bracket leave";

/// The section in which is looked whether a bracket can be asked at all: what fails there is no failure of the run.
pub(super) const ASK: &str = "bracket ask";

/// A place in a run: what is the same for all items of a stretch.
#[derive(Debug, Clone)]
pub(super) struct Place {
    /// The play.
    pub(super) play: Arc<PlayRun>,
    /// The batch, from 1; 0 outside batches.
    pub(super) batch: u32,
    /// The hosts of the batch.
    pub(super) batch_hosts: Arc<[HostName]>,
    /// Which part of the play this is, for people.
    pub(super) section: &'static str,
    /// Which time its tasks are run at this place.
    pub(super) turn: u32,
    /// The items of the looping includes around.
    pub(super) suffix: Arc<str>,
    /// Whether the run may stop between its items.
    pub(super) divisible: bool,
    /// Whether a failure here is taken care of by a `rescue`.
    pub(super) rescued: bool,
    /// Whether this puts things back after the run was stopped.
    pub(super) way_out: bool,
    /// Whether hosts go at their own pace: everything is done in the caller's thread.
    pub(super) own_pace: bool,
    /// Whether each task runs for one host and its result is given to all hosts of the batch.
    pub(super) once: bool,
    /// Whether what waits here is a gate.
    pub(super) gate: bool,
    /// Variables above all others: `found`, the items of looping includes, the failure that is rescued.
    pub(super) top: Arc<Map<String, Value>>,
    /// The members that the blocks around take out of service, by host.
    pub(super) members: Arc<BTreeMap<HostName, Vec<String>>>,
    /// The hosts that did not meet the conditions of a protected block around, with the condition: they skip everything
    /// in it, even if the condition comes to hold meanwhile, because nothing protects them there.
    pub(super) unmet: Arc<BTreeMap<HostName, String>>,
}

impl Place {
    /// Makes the place at the start of a play, outside of its batches.
    pub(super) fn of(play: &Arc<PlayRun>, section: &'static str) -> Self {
        Self {
            play: Arc::clone(play),
            batch: 0,
            batch_hosts: play.hosts().into(),
            section,
            turn: 0,
            suffix: Arc::from(""),
            divisible: true,
            rescued: false,
            way_out: false,
            own_pace: false,
            once: false,
            gate: false,
            top: Arc::default(),
            members: Arc::default(),
            unmet: Arc::default(),
        }
    }

    /// Returns this place as another section of the play.
    pub(super) fn section(&self, section: &'static str) -> Self {
        Self {
            section,
            ..self.clone()
        }
    }

    /// Returns this place with further variables on top.
    pub(super) fn with(&self, variables: impl IntoIterator<Item = (String, Value)>) -> Self {
        let mut top = (*self.top).clone();
        top.extend(variables);
        Self {
            top: Arc::new(top),
            ..self.clone()
        }
    }

    /// Returns the name of a step here.
    pub(super) fn step(&self, task: &TaskId, host: &HostName, item: Option<u32>) -> StepId {
        StepId {
            play: self.play.id().to_owned(),
            batch: self.batch,
            task: format!("{task}{}", self.suffix),
            turn: self.turn,
            host: host.as_str().to_owned(),
            item,
        }
    }
}

/// Why a host did not come to the end of a stretch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Left {
    /// A step failed.
    Failed,
    /// It could not be reached.
    Unreachable,
    /// A step is in doubt.
    InDoubt,
    /// `end_host`.
    EndHost,
    /// `end_role`: of this use of a role.
    EndRole(String),
    /// `end_batch`.
    EndBatch,
    /// `end_play`.
    EndPlay,
    /// The run stops.
    Stopped,
}

impl Left {
    /// Tells whether the host is lost for the run.
    pub(super) fn is_lost(&self) -> bool {
        match self {
            Self::Failed | Self::Unreachable | Self::InDoubt => true,
            Self::EndHost | Self::EndRole(_) | Self::EndBatch | Self::EndPlay | Self::Stopped => {
                false
            }
        }
    }

    /// Says what it means for a run that stops for it.
    pub(super) fn cause(&self) -> StopCause {
        match self {
            Self::Unreachable => StopCause::Unreachable,
            Self::Failed
            | Self::InDoubt
            | Self::EndHost
            | Self::EndRole(_)
            | Self::EndBatch
            | Self::EndPlay
            | Self::Stopped => StopCause::Failed,
        }
    }

    /// Says it in a few words.
    pub(super) fn why(&self) -> &'static str {
        match self {
            Self::Failed => "a step failed",
            Self::Unreachable => "it could not be reached",
            Self::InDoubt => "a step is in doubt",
            Self::EndHost => "a task ended its part of the play",
            Self::EndRole(_) => "a task ended the role",
            Self::EndBatch => "a task ended the batch",
            Self::EndPlay => "a task ended the play",
            Self::Stopped => "the run stops",
        }
    }
}

/// How a stretch was walked: the hosts that did not come to its end.
#[derive(Debug, Clone, Default)]
pub(super) struct Walked {
    /// Who, and why.
    pub(super) left: BTreeMap<HostName, Left>,
    /// Whether anything was begun.
    pub(super) begun: bool,
}

impl Walked {
    /// Returns the hosts that came to the end, in order.
    pub(super) fn through(&self, hosts: &[HostName]) -> Vec<HostName> {
        let mut through = hosts.to_vec();
        through.retain(|host| !self.left.contains_key(host));
        through
    }

    /// Adds what happened in a further stretch.
    pub(super) fn add(&mut self, further: Self) {
        self.begun |= further.begun;
        self.left.extend(further.left);
    }

    /// Says that these hosts did not go on because the run stops.
    pub(super) fn stopped(&mut self, hosts: &[HostName]) {
        for host in hosts {
            self.left.entry(host.clone()).or_insert(Left::Stopped);
        }
    }

    /// Tells whether every host came to the end.
    pub(super) fn is_good(&self) -> bool {
        self.left.is_empty()
    }
}
