//! What a fault run needs of a cluster and of whoever works on it, whatever database it is.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;

use super::Error;
use super::classes::Mishap;
use crate::command::Command;

/// All that must be as before when an upgrade is done, by name.
pub type State = BTreeMap<String, String>;

/// Something that an upgrade has switched and that is not switched back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Off {
    /// What it is.
    pub what: String,
    /// A part of the name of the bracket that answers for it.
    pub bracket: &'static str,
}

/// A cluster that is upgraded, and its operator.
pub trait Scene {
    /// Returns the command that upgrades, writing its events to this file of the operator's.
    fn apply(&self, events: &str) -> Command;

    /// Returns the command that goes on with the last run.
    fn resume(&self, events: &str) -> Command;

    /// Returns the command by which a second operator upgrades the same cluster.
    fn second(&self) -> Command;

    /// Returns the command that says where the last run stands, as JSON.
    fn status(&self) -> Command;

    /// Says where a file of the operator's is.
    fn file(&self, name: &str) -> PathBuf;

    /// Writes out the tasks of the role, so that they are read from the disk.
    fn write_out(&self) -> Result<(), Error>;

    /// Returns the command that runs clients and oracle.
    fn load(&self) -> Command;

    /// Makes something happen, at a step on this host.
    fn befall(&mut self, mishap: Mishap, host: &str) -> Result<(), Error>;

    /// Ends what happened; called once for each that befell.
    fn lift(&mut self, mishap: Mishap, host: &str) -> Result<(), Error>;

    /// Reads how all is, directly.
    fn state(&self) -> Result<State, Error>;

    /// Returns how all must be in the end, given how it was.
    fn wanted(&self, before: &State) -> State;

    /// Reads what is switched off now, directly.
    fn off(&self) -> Result<Vec<Off>, Error>;

    /// The same, of hosts that are there still when one is gone for good.
    fn off_elsewhere(&self) -> Result<Vec<Off>, Error>;

    /// Tells whether a server that ended now could not be started again before its data is upgraded, read directly.
    fn is_exposed(&self) -> Result<bool, Error>;

    /// Lets the time run out that a maintenance mode lasts which nobody prolongs.
    fn lapse(&mut self) -> Result<(), Error>;

    /// Takes away all that the operator's machine has written down; from then on another one is meant.
    fn lose_bastion(&mut self) -> Result<(), Error>;

    /// Returns the command that says, as JSON, what the hosts know of runs whose records are gone.
    fn told_by_hosts(&self) -> Command;

    /// Returns the command that puts back what they say is owed.
    fn recover_from_hosts(&self) -> Command;

    /// Returns the command that gives a host up for the run that stopped.
    fn forgive(&self, host: &str) -> Command;

    /// Returns the command that helps the stranded servers of a host.
    fn unstrand(&self, host: &str) -> Command;

    /// Tells whether the records of the run that stopped are gone.
    fn is_lost(&self) -> bool;

    /// Reads what servers and packages have counted.
    fn effects(&self) -> Result<Vec<Value>, Error>;

    /// Scales a time.
    fn scaled(&self, time: Duration) -> Duration;
}
