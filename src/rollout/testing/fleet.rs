//! Hosts that do what they are told to, and fail when they are told to.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};

use crate::clock::{Stop, StopLevel};
use crate::connection::{
    Attached, Become, ConnError, Connection, End, Endpoint, Identity, Job, JobCommand, JobEnd,
    JobId, JobOutput, Limit, Reply, Script, Stream, Upload,
};
use crate::journal::MemoryJournal;
use crate::rollout::{Connector, NoSession, Wish};

/// How a call goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It is done well: a place holder before a later fault.
    Fine,
    /// The command fails.
    Fails,
    /// The host cannot be reached; nothing was sent.
    Gone,
    /// The host cannot be reached, from now on.
    GoneForGood,
    /// The session breaks; nothing had come through.
    LostBefore,
    /// The session breaks after the thing was done.
    LostAfter,
    /// The answer does not come in time.
    TimesOut,
    /// The module has a bug.
    Panics,
    /// The operator asks to stop while it is done; it is done well.
    Stop(StopLevel),
    /// The operator asks to stop, and the call ends at once.
    StopNow(StopLevel),
    /// The host reboots first: jobs that ran are gone.
    #[expect(dead_code, reason = "the cases that use it come with recovery")]
    Reboots,
    /// The job writes a mark and not the last one, and ends well.
    CutShort,
}

#[derive(Debug, Default)]
struct State {
    log: Vec<String>,
    faults: BTreeMap<String, VecDeque<Fault>>,
    gone: BTreeSet<String>,
    boots: BTreeMap<String, u32>,
    effects: BTreeMap<String, u32>,
    jobs: BTreeMap<String, Option<i32>>,
    finds: BTreeMap<String, VecDeque<Value>>,
    journal: Option<MemoryJournal>,
    sent_after: Vec<(String, usize)>,
    dead: bool,
    replaced: BTreeSet<String>,
}

/// The hosts.
#[derive(Debug)]
pub(crate) struct Fleet {
    state: Mutex<State>,
    stop: Stop,
}

impl Fleet {
    pub(crate) fn new(stop: Stop) -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::default(),
            stop,
        })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn fault(&self, call: &str, fault: Fault) {
        let mut state = self.lock();
        state
            .faults
            .entry(call.to_owned())
            .or_default()
            .push_back(fault);
    }

    pub(crate) fn finds(&self, what: &str, values: &[Value]) {
        self.lock()
            .finds
            .insert(what.to_owned(), values.iter().cloned().collect());
    }

    pub(crate) fn log(&self) -> Vec<String> {
        self.lock().log.clone()
    }

    /// Forgets the log, not what was done: for a further part of the run.
    pub(crate) fn clear_log(&self) {
        self.lock().log.clear();
    }

    /// Lets all hosts be reached again, and forgets the faults that did not come.
    #[expect(dead_code, reason = "the cases that use it come with recovery")]
    pub(crate) fn heal(&self) {
        let mut state = self.lock();
        state.gone.clear();
        state.faults.clear();
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

    pub(crate) fn reboot(&self, host: &str) {
        *self.lock().boots.entry(host.to_owned()).or_default() += 1;
    }

    pub(crate) fn replace(&self, host: &str) {
        self.lock().replaced.insert(host.to_owned());
    }

    /// Returns how often something was really done: `a do x`, `a job y`.
    pub(crate) fn effects(&self) -> BTreeMap<String, u32> {
        self.lock().effects.clone()
    }

    pub(crate) fn count_records_of(&self, journal: &MemoryJournal) {
        self.lock().journal = Some(journal.clone());
    }

    /// Returns each changing call with the number of records that were written when it came.
    pub(crate) fn sent_after(&self) -> Vec<(String, usize)> {
        self.lock().sent_after.clone()
    }

    /// Takes a call; the error breaks it off, `Some(code)` is how the command ends.
    fn call(&self, host: &str, verb: &str, what: &str) -> Result<i32, ConnError> {
        let call = format!("{host} {verb} {what}");
        let mut state = self.lock();
        if state.dead {
            return Err(ConnError::Stopped);
        }
        state.log.push(call.clone());
        if matches!(verb, "do" | "job") {
            let written = state.journal.as_ref().map_or(0, MemoryJournal::len);
            state.sent_after.push((call.clone(), written));
        }
        if state.gone.contains(host) {
            return Err(unreachable(host));
        }
        let fault = state.faults.get_mut(&call).and_then(VecDeque::pop_front);
        let changes = matches!(verb, "do" | "job");
        let done = |state: &mut State| {
            if changes {
                *state.effects.entry(call.clone()).or_default() += 1;
            }
        };
        match fault {
            None | Some(Fault::Fine | Fault::CutShort) => done(&mut state),
            Some(Fault::Fails) => return Ok(1),
            Some(Fault::Gone) => return Err(unreachable(host)),
            Some(Fault::GoneForGood) => {
                state.gone.insert(host.to_owned());
                return Err(unreachable(host));
            }
            Some(Fault::LostBefore) => return Err(lost(host)),
            Some(Fault::LostAfter) => {
                done(&mut state);
                return Err(lost(host));
            }
            Some(Fault::TimesOut) => {
                done(&mut state);
                let after = std::time::Duration::from_secs(1);
                return Err(ConnError::TimedOut { after });
            }
            Some(Fault::Panics) => panic!("a bug in the module"),
            Some(Fault::Stop(level)) => {
                self.stop.raise(level);
                done(&mut state);
            }
            Some(Fault::StopNow(level)) => {
                self.stop.raise(level);
                return Err(ConnError::Stopped);
            }
            Some(Fault::Reboots) => {
                *state.boots.entry(host.to_owned()).or_default() += 1;
                return Err(lost(host));
            }
        }
        if fault == Some(Fault::CutShort) {
            return Ok(-1);
        }
        Ok(0)
    }
}

fn unreachable(host: &str) -> ConnError {
    ConnError::Unreachable {
        host: host.to_owned(),
        reason: "no route".to_owned(),
    }
}

fn lost(host: &str) -> ConnError {
    ConnError::Lost {
        host: host.to_owned(),
        reason: "reset".to_owned(),
    }
}

impl Connector for Arc<Fleet> {
    fn connect(&self, wish: &Wish<'_>) -> Result<Box<dyn Connection>, NoSession> {
        Ok(Box::new(FleetSession {
            host: wish.host.to_owned(),
            fleet: Arc::clone(self),
        }))
    }
}

#[derive(Debug)]
struct FleetSession {
    host: String,
    fleet: Arc<Fleet>,
}

impl Connection for FleetSession {
    fn identity(&mut self, _limit: Limit<'_>) -> Result<Identity, ConnError> {
        let mut state = self.fleet.lock();
        let call = format!("{} connect", self.host);
        let fault = state.faults.get_mut(&call).and_then(VecDeque::pop_front);
        if fault == Some(Fault::GoneForGood) {
            state.gone.insert(self.host.clone());
        }
        if state.gone.contains(&self.host) || fault == Some(Fault::Gone) {
            return Err(unreachable(&self.host));
        }
        let boot = state.boots.get(&self.host).copied().unwrap_or(0);
        Ok(Identity {
            boot_id: format!("boot-{boot}"),
            machine_id: if state.replaced.contains(&self.host) {
                format!("new-{}", self.host)
            } else {
                format!("machine-{}", self.host)
            },
            user: "root".to_owned(),
        })
    }

    fn script(
        &mut self,
        _user: Option<&Become>,
        script: &Script,
        limit: Limit<'_>,
    ) -> Result<Reply, ConnError> {
        if limit.stop.abandons() {
            return Err(ConnError::Stopped);
        }
        let (verb, what) = script.0.split_once(' ').unwrap();
        let code = self.fleet.call(&self.host, verb, what)?;
        let mut state = self.fleet.lock();
        let answer = match verb {
            "look" => {
                let key = if state.finds.contains_key(what) {
                    what.to_owned()
                } else {
                    format!("{} {what}", self.host)
                };
                let found = state.finds.get_mut(&key).map(|values| {
                    if values.len() > 1 {
                        values.pop_front().unwrap()
                    } else {
                        values[0].clone()
                    }
                });
                found.unwrap_or_else(|| json!(true))
            }
            "see" => json!(
                state
                    .effects
                    .contains_key(&format!("{} do {what}", self.host))
            ),
            _ => json!(null),
        };
        Ok(Reply {
            code,
            out: answer.to_string().into_bytes(),
            err: Vec::new(),
        })
    }

    fn job(
        &mut self,
        _user: Option<&Become>,
        job: &Job,
        limit: Limit<'_>,
        watch: &mut dyn FnMut(&JobOutput<'_>),
    ) -> Result<JobEnd, ConnError> {
        if limit.stop.abandons() {
            return Err(ConnError::Stopped);
        }
        let JobCommand::Shell { text, .. } = &job.command else {
            panic!("only shell texts here")
        };
        if self.fleet.is_dead() {
            return Err(ConnError::Stopped);
        }
        let known = self.fleet.lock().jobs.get(job.id.as_str()).copied();
        if let Some(code) = known {
            let call = format!("{} attach {text}", self.host);
            self.fleet.lock().log.push(call);
            if self.fleet.lock().gone.contains(&self.host) {
                return Err(unreachable(&self.host));
            }
            return Ok(end(code.unwrap_or(0), ""));
        }
        watch(&JobOutput::Started);
        let result = self.fleet.call(&self.host, "job", text);
        let mut state = self.fleet.lock();
        let effect = format!("{} job {text}", self.host);
        let was_done = state.effects.contains_key(&effect);
        let code = match &result {
            Ok(code) => Some((*code).max(0)),
            Err(_) => None,
        };
        if result.is_ok() || was_done {
            state.jobs.insert(job.id.as_str().to_owned(), code);
        }
        drop(state);
        match result? {
            -1 => {
                watch(&JobOutput::Out(b"::stagger:: begin half\n"));
                Ok(end(0, "::stagger:: begin half\n"))
            }
            code => Ok(end(code, "out")),
        }
    }

    fn start(
        &mut self,
        user: Option<&Become>,
        job: &Job,
        _time: std::time::Duration,
        limit: Limit<'_>,
    ) -> Result<(), ConnError> {
        self.job(user, job, limit, &mut |_| ()).map(|_| ())
    }

    fn attach(
        &mut self,
        _user: Option<&Become>,
        id: &JobId,
        _limit: Limit<'_>,
        _watch: &mut dyn FnMut(&JobOutput<'_>),
    ) -> Result<Attached, ConnError> {
        let state = self.fleet.lock();
        if state.gone.contains(&self.host) {
            return Err(unreachable(&self.host));
        }
        let boot = state.boots.get(&self.host).copied().unwrap_or(0);
        Ok(match state.jobs.get(id.as_str()) {
            Some(_) if boot > 0 => Attached::Vanished {
                reason: "the host was rebooted".to_owned(),
            },
            Some(code) => Attached::Ended(end(code.unwrap_or(0), "")),
            None => Attached::NeverStarted,
        })
    }

    fn put(
        &mut self,
        _user: Option<&Become>,
        _upload: &Upload<'_>,
        _limit: Limit<'_>,
    ) -> Result<(), ConnError> {
        panic!("no files here")
    }

    fn get(
        &mut self,
        _user: Option<&Become>,
        _path: &str,
        _max_bytes: u64,
        _limit: Limit<'_>,
    ) -> Result<Vec<u8>, ConnError> {
        panic!("no files here")
    }

    fn stream(&mut self, _to: &Endpoint, _limit: Limit<'_>) -> Result<Box<dyn Stream>, ConnError> {
        panic!("no streams here")
    }

    fn reset(&mut self) {
        self.fleet.lock().log.push(format!("{} reset", self.host));
    }
}

fn end(code: i32, out: &str) -> JobEnd {
    JobEnd {
        end: End::Code(code),
        out: out.as_bytes().to_vec(),
        err: Vec::new(),
        cut: false,
    }
}
