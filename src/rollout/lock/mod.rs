//! The cluster's lock: one run at a time on a cluster, from whatever bastion.
//!
//! The lock is named by the cluster and taken on a majority of the machines of its live topology, whatever the run is
//! limited to: a directory on each, made atomically, with owner, bastion, run, reason and a renewal counter. So it stands
//! as long as the cluster does, with no server of its own, and two runs cannot both have it, as two majorities meet.
//! Machines that go by two names count once. A minority that cannot be reached stops nothing: what could not be asked is
//! joined by a renewal, once it can. They are taken in one order everywhere, that of the machines' ids; who gets no
//! majority gives back what it took and waits a random time.
//!
//! It stands in a bracket: the module `cluster_lock` takes it in `enter`, gives it back in `leave` and keeps it in `renew`.
//! So it is written down, noted on the hosts, owed, recovered and gone on with as every bracket is. Here is what the
//! module's words do ([`asking`], [`taking`], [`keeping`]; what the answers mean is in [`judged`]).
//!
//! Who comes and finds it held is refused. What a run of the same machine has left that no process works on any more is
//! replaced; what another bastion has left is taken over by name alone, and only if its counter has not moved for three of
//! its intervals on the contender's own monotonic clock: no clock of two machines is ever compared.
//!
//! Each taking gives out a higher token, which stays on the machines. A run that was taken over does not know it yet: so
//! each step that changes something on a machine compares the token in the same script ([`crate::connection::Fence`]), and
//! before what the bastion itself speaks, or another user does, the token is read on one machine. Between that and the
//! step lies one round trip. A run whose renewals find the lock lost goes to the next rest point and stops.

mod asking;
mod judged;
mod keeping;
mod taking;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::{Map, Value};

use crate::clock::Stop;
use crate::connection::{Become, Fence};
use crate::inventory::HostName;
use crate::modules::{LockTold, LockWish, Locks, ModuleError};
use crate::template::Variables;

use super::engine::Engine;
use super::login::Login;
use super::sessions::Sessions;
use super::step::Step;

/// A machine of the cluster, and how it is asked.
#[derive(Debug, Clone)]
pub(super) struct Machine {
    host: HostName,
    /// Its `/etc/machine-id`, as far as is known.
    id: String,
    login: Login,
    user: Option<Become>,
    variables: Arc<dyn Variables>,
}

/// The lock as the run has it.
#[derive(Debug, Clone)]
pub(super) struct Held {
    wish: LockWish,
    about: BTreeMap<String, String>,
    /// All machines, in the order in which they are taken.
    machines: Vec<Machine>,
    token: u64,
    /// Where the run has, or had, it.
    on: BTreeSet<HostName>,
}

impl Held {
    fn fence(&self) -> Fence {
        Fence {
            path: self.wish.directory.clone(),
            token: self.token,
        }
    }
}

/// What the engine keeps of the lock.
#[derive(Debug, Default)]
pub(super) struct ClusterLock {
    held: Mutex<Option<Held>>,
    /// Where this part of the run may have taken it; nothing where it did not try.
    tried: Mutex<Option<BTreeSet<HostName>>>,
    /// Machines that did not answer last: asked last.
    silent: Mutex<BTreeSet<HostName>>,
    /// Sessions of its own, as guards have, so that no step keeps a renewal waiting.
    sessions: Sessions,
    /// Those over which a token is read before a step: no renewal keeps them waiting.
    reading: Sessions,
}

impl ClusterLock {
    fn lock(&self) -> MutexGuard<'_, Option<Held>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn held(&self) -> Option<Held> {
        self.lock().clone()
    }

    fn tried(&self) -> MutexGuard<'_, Option<BTreeSet<HostName>>> {
        self.tried.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn silent(&self) -> MutexGuard<'_, BTreeSet<HostName>> {
        self.silent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The lock, as one step asks for it.
pub(super) struct StepLocks<'e> {
    engine: &'e Engine,
    step: &'e Step,
    stop: &'e Stop,
}

impl fmt::Debug for StepLocks<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StepLocks")
            .field("step", &self.step.id)
            .finish_non_exhaustive()
    }
}

impl<'e> StepLocks<'e> {
    pub(super) fn new(engine: &'e Engine, step: &'e Step, stop: &'e Stop) -> Self {
        Self { engine, step, stop }
    }
}

impl Locks for StepLocks<'_> {
    fn look(&self, wish: &LockWish) -> Result<LockTold, ModuleError> {
        let seen = self.engine.look_at_machines(self.step, wish, self.stop)?;
        seen.told(&wish.holder)
    }

    fn would_take(&self, wish: &LockWish) -> Result<LockTold, ModuleError> {
        self.engine.would_take_lock(self.step, wish, self.stop)
    }

    fn take(&self, wish: &LockWish) -> Result<LockTold, ModuleError> {
        self.engine.take_lock(self.step, wish, self.stop)
    }

    fn renew(&self) -> Result<LockTold, ModuleError> {
        self.engine.renew_lock(self.stop)
    }

    fn give_back(&self, wish: &LockWish) -> Result<LockTold, ModuleError> {
        self.engine.give_lock_back(self.step, wish, self.stop)
    }
}

fn failed(message: String, holder: &str) -> ModuleError {
    let mut result = Map::new();
    result.insert("holder".to_owned(), Value::from(holder));
    ModuleError::Failed { message, result }
}
