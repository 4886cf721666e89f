//! What scripted hosts remember: faults to come, calls that came, effects, jobs, files, boots.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::clock::{Clock, SimulatedClock, Stop};
use crate::connection::{ConnError, Connection, Identity, JobEnd};

use super::session::Session;
use super::{Answering, Call, Effects, Fault, Verb};

/// A job that was claimed on a host.
#[derive(Debug, Clone)]
pub(super) struct Claimed {
    /// How it ends, unless the host reboots before; `None` for a claim that only fences.
    pub(super) end: Option<JobEnd>,
    /// When it ends.
    pub(super) ends_at: Duration,
    /// The boot in which it runs.
    pub(super) boot: u32,
}

#[derive(Debug, Default)]
pub(super) struct State {
    log: Vec<String>,
    faults: BTreeMap<String, VecDeque<Fault>>,
    fault_at: BTreeMap<usize, Fault>,
    calls: usize,
    latency: Duration,
    takes: BTreeMap<String, Duration>,
    gone: BTreeSet<String>,
    boots: BTreeMap<String, u32>,
    replaced: BTreeSet<String>,
    machines: BTreeMap<String, String>,
    pub(super) effects: Effects,
    pub(super) jobs: BTreeMap<(String, String), Claimed>,
    pub(super) files: BTreeMap<(String, String), Vec<u8>>,
    unexpected: Vec<String>,
    dead: bool,
}

/// Scripted hosts; sessions to them are made by [`ScriptedHosts::session`].
#[derive(Debug)]
pub(crate) struct ScriptedHosts {
    state: Mutex<State>,
    stop: Stop,
    pub(super) clock: Arc<SimulatedClock>,
    pub(super) answers: Arc<dyn Answering>,
}

/// How a call that came through is to be answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Course {
    /// As the hosts answer it.
    Done,
    /// It was done, and then this happens to its answer.
    DoneBut(Fault),
    /// The command fails and does nothing.
    Fails,
}

impl ScriptedHosts {
    /// Makes hosts that answer so, on a clock; faults that are an operator's raise `stop`.
    pub(crate) fn new(
        clock: Arc<SimulatedClock>,
        stop: Stop,
        answers: Arc<dyn Answering>,
    ) -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::default(),
            stop,
            clock,
            answers,
        })
    }

    /// Makes a session to a host.
    pub(crate) fn session(self: &Arc<Self>, host: &str) -> Box<dyn Connection> {
        Box::new(Session::new(host, Arc::clone(self)))
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets a call go wrong: the next of that name, or the one after as many as were given before. `HOST connect` is
    /// the first thing that a session does.
    pub(crate) fn fault(&self, call: &str, fault: Fault) {
        let mut state = self.lock();
        let faults = state.faults.entry(call.to_owned()).or_default();
        faults.push_back(fault);
    }

    /// Lets the call with this number go wrong, the first being 0, whatever it is.
    pub(crate) fn fault_at(&self, number: usize, fault: Fault) {
        self.lock().fault_at.insert(number, fault);
    }

    /// Returns how many calls came so far.
    pub(crate) fn calls(&self) -> usize {
        self.lock().calls
    }

    /// Lets the next call go wrong, whatever it is.
    pub(crate) fn fault_next(&self, fault: Fault) {
        let mut state = self.lock();
        let next = state.calls;
        state.fault_at.insert(next, fault);
    }

    /// Lets every call take so long.
    pub(crate) fn latency(&self, each: Duration) {
        self.lock().latency = each;
    }

    /// Lets a call take so long.
    pub(crate) fn takes(&self, call: &str, time: Duration) {
        self.lock().takes.insert(call.to_owned(), time);
    }

    /// Returns the calls that came, in order.
    pub(crate) fn log(&self) -> Vec<String> {
        self.lock().log.clone()
    }

    /// Forgets the log, not what was done.
    pub(crate) fn clear_log(&self) {
        self.lock().log.clear();
    }

    pub(super) fn note(&self, what: String) {
        self.lock().log.push(what);
    }

    /// Returns how often each thing was really done.
    pub(crate) fn effects(&self) -> Effects {
        self.lock().effects.clone()
    }

    /// Lets all hosts be reached again, and forgets the faults that did not come.
    pub(crate) fn heal(&self) {
        let mut state = self.lock();
        state.gone.clear();
        state.faults.clear();
        state.fault_at.clear();
    }

    /// The process that speaks to the hosts dies: nothing reaches them any more.
    pub(crate) fn die(&self) {
        self.lock().dead = true;
    }

    /// Another process speaks to the hosts.
    pub(crate) fn revive(&self) {
        self.lock().dead = false;
    }

    pub(crate) fn is_dead(&self) -> bool {
        self.lock().dead
    }

    /// Reboots a host: jobs that still run are gone.
    pub(crate) fn reboot(&self, host: &str) {
        *self.lock().boots.entry(host.to_owned()).or_default() += 1;
        self.answers.rebooted(host);
    }

    /// Puts another machine in a host's place.
    pub(crate) fn replace(&self, host: &str) {
        self.lock().replaced.insert(host.to_owned());
    }

    /// Lets a host be another name of a machine.
    pub(crate) fn is_machine(&self, host: &str, machine: &str) {
        let names = &mut self.lock().machines;
        names.insert(host.to_owned(), machine.to_owned());
    }

    /// Lets a host that was gone be reached again.
    pub(crate) fn comes_back(&self, host: &str) {
        self.lock().gone.remove(host);
    }

    /// Lets a host be gone.
    pub(crate) fn goes(&self, host: &str) {
        self.lock().gone.insert(host.to_owned());
    }

    /// Returns what a file on a host holds.
    pub(crate) fn file(&self, host: &str, path: &str) -> Option<Vec<u8>> {
        let key = (host.to_owned(), path.to_owned());
        self.lock().files.get(&key).cloned()
    }

    /// Returns what a test did not mean: calls that nobody expected, faults that never came.
    pub(crate) fn left_over(&self) -> Vec<String> {
        let state = self.lock();
        let unexpected = state.unexpected.iter();
        let mut all: Vec<String> = unexpected
            .map(|call| format!("nobody expected `{call}`"))
            .collect();
        for (call, faults) in &state.faults {
            let never = faults.iter().filter(|fault| **fault != Fault::Fine);
            all.extend(never.map(|fault| format!("{fault:?} never came at `{call}`")));
        }
        let never = state.fault_at.iter();
        all.extend(never.map(|(number, fault)| format!("{fault:?} never came at call {number}")));
        all
    }

    pub(super) fn boot(&self, host: &str) -> u32 {
        self.lock().boots.get(host).copied().unwrap_or(0)
    }

    /// Begins a session: the host must be there.
    pub(super) fn identity(&self, host: &str) -> Result<Identity, ConnError> {
        let mut state = self.lock();
        if state.dead {
            return Err(ConnError::Stopped);
        }
        let fault = state
            .faults
            .get_mut(&format!("{host} connect"))
            .and_then(VecDeque::pop_front);
        if fault == Some(Fault::GoneForGood) {
            state.gone.insert(host.to_owned());
        }
        if state.gone.contains(host) || fault == Some(Fault::Gone) {
            return Err(unreachable(host));
        }
        let boot = state.boots.get(host).copied().unwrap_or(0);
        let machine = if state.replaced.contains(host) {
            "new"
        } else {
            "machine"
        };
        Ok(Identity {
            boot_id: format!("boot-{boot}"),
            machine_id: match state.machines.get(host) {
                Some(other) => other.clone(),
                None => format!("{machine}-{host}"),
            },
            user: "root".to_owned(),
        })
    }

    /// Tells whether a host cannot be reached at all.
    pub(super) fn unless_gone(&self, host: &str) -> Result<(), ConnError> {
        let state = self.lock();
        if state.dead {
            return Err(ConnError::Stopped);
        }
        if state.gone.contains(host) {
            return Err(unreachable(host));
        }
        Ok(())
    }

    /// Returns how long a call takes.
    pub(super) fn time_of(&self, call: &Call<'_>) -> Duration {
        let known = self.answers.time(call);
        let state = self.lock();
        let own = state.takes.get(&call.name()).copied();
        own.unwrap_or(known).saturating_add(state.latency)
    }

    /// Takes a call: logs it, and says how it goes; the error breaks it off.
    pub(super) fn take(&self, call: &Call<'_>) -> Result<Course, ConnError> {
        let name = call.name();
        if self.is_dead() {
            return Err(ConnError::Stopped);
        }
        self.answers.arrives(call);
        let mut state = self.lock();
        state.log.push(name.clone());
        let number = state.calls;
        state.calls += 1;
        if state.gone.contains(call.host) {
            return Err(unreachable(call.host));
        }
        let by_name = state.faults.get_mut(&name).and_then(VecDeque::pop_front);
        let fault = by_name.or_else(|| state.fault_at.remove(&number));
        let Some(fault) = fault else {
            self.count(&mut state, call);
            return Ok(Course::Done);
        };
        match fault {
            Fault::Fine => {}
            Fault::Fails => return Ok(Course::Fails),
            Fault::Gone => return Err(unreachable(call.host)),
            Fault::GoneForGood => {
                state.gone.insert(call.host.to_owned());
                return Err(unreachable(call.host));
            }
            Fault::LostBefore => return Err(lost(call.host)),
            Fault::Reboots => {
                drop(state);
                self.reboot(call.host);
                return Err(lost(call.host));
            }
            Fault::StopNow(level) => {
                self.stop.raise(level);
                return Err(ConnError::Stopped);
            }
            Fault::Panics => {
                drop(state);
                panic!("a bug in the module")
            }
            Fault::Stop(level) => self.stop.raise(level),
            Fault::LostAfter
            | Fault::TimesOut
            | Fault::Garbled
            | Fault::DiskFull
            | Fault::RebootsAfter
            | Fault::CutShort => {
                let kept = fault != Fault::DiskFull || call.verb != Verb::Put;
                if kept {
                    self.count(&mut state, call);
                }
                return Ok(Course::DoneBut(fault));
            }
        }
        self.count(&mut state, call);
        Ok(Course::Done)
    }

    fn count(&self, state: &mut State, call: &Call<'_>) {
        let changes = match call.verb {
            Verb::Job | Verb::Put => true,
            Verb::Script | Verb::Say | Verb::Sql => self.answers.changes(call),
            Verb::Get => false,
        };
        if changes {
            *state.effects.entry(call.name()).or_default() += 1;
        }
    }

    /// Breaks an answer off that was on its way.
    pub(super) fn broken(&self, host: &str, fault: Fault) -> Option<ConnError> {
        match fault {
            Fault::LostAfter => Some(lost(host)),
            Fault::RebootsAfter => {
                self.reboot(host);
                Some(lost(host))
            }
            Fault::TimesOut => {
                let after = Duration::from_secs(1);
                self.clock.advance(after);
                Some(ConnError::TimedOut { after })
            }
            Fault::Fine
            | Fault::Fails
            | Fault::Gone
            | Fault::GoneForGood
            | Fault::LostBefore
            | Fault::Garbled
            | Fault::DiskFull
            | Fault::Panics
            | Fault::Stop(_)
            | Fault::StopNow(_)
            | Fault::Reboots
            | Fault::CutShort => None,
        }
    }

    /// Notes a call that nobody expected.
    pub(super) fn unexpected(&self, call: &Call<'_>) -> ConnError {
        let name = call.name();
        self.lock().unexpected.push(name.clone());
        ConnError::Host {
            message: format!("nobody expected `{name}`"),
        }
    }

    pub(super) fn now(&self) -> Duration {
        self.clock.elapsed()
    }
}

fn unreachable(host: &str) -> ConnError {
    ConnError::Unreachable {
        host: host.to_owned(),
        reason: "no route".to_owned(),
    }
}

pub(super) fn lost(host: &str) -> ConnError {
    ConnError::Lost {
        host: host.to_owned(),
        reason: "reset".to_owned(),
    }
}
