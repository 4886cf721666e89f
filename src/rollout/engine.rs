//! The engine's centre: what it was handed, what the run has come to, and the pool that works on many hosts at once.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rayon::ThreadPool;
use serde_json::{Map, Value};

use crate::clock::{Clock, Stop, StopLevel};
use crate::connection::{Become, JobId};
use crate::events::{BracketRef, ByHand, EventKind, Recap, StepId, StopCause};
use crate::inventory::HostName;
use crate::journal::{Header, Intent, Record, Seal};
use crate::modules::{Module, Notes};
use crate::playbook::{Loader, Playbook, TaskId};
use crate::secrets::Masker;
use crate::template::Templater;
use crate::vars::World;

use super::brackets::OpenBrackets;
use super::down::MembersDown;
use super::exit::Verdict;
use super::guards::Guards;
use super::ledger::{Entry, Ledger};
use super::lock::ClusterLock;
use super::outside::{Asker, Connector, Desk, Settings, Templaters};
use super::place::{Left, Place};
use super::previously::Previously;
use super::sessions::{Session, Sessions};

/// What the engine is handed.
#[derive(Debug, Clone)]
pub struct Outside {
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// The operator's stop flag.
    pub stop: Stop,
    /// Sessions.
    pub connector: Arc<dyn Connector>,
    /// Answers.
    pub asker: Arc<dyn Asker>,
    /// Files on the controller's side.
    pub desk: Arc<dyn Desk>,
    /// Inventory and variables.
    pub world: Arc<World>,
    /// Templates.
    pub templaters: Arc<dyn Templaters>,
    /// What loads dynamic includes.
    pub loader: Arc<Loader>,
    /// The modules.
    pub modules: fn(&str) -> Option<&'static dyn Module>,
    /// What takes secrets out of what is stored.
    pub seal: Arc<dyn Seal>,
    /// The secrets known so far.
    pub masker: Masker,
    /// What the run's probes note.
    pub notes: Notes,
    /// What is known of the run from before.
    pub previously: Arc<dyn Previously>,
}

/// Why the run stops, and where.
#[derive(Debug, Clone)]
pub(super) struct Halt {
    pub(super) cause: StopCause,
    pub(super) message: String,
    pub(super) place: String,
}

/// Something that is still to be done by somebody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Debt {
    /// The bracket, or the block whose `always` could not be done.
    pub what: BracketRef,
    /// Whether it must not be done yet.
    pub held: bool,
    /// Why.
    pub reason: String,
    /// How to do it by hand.
    pub by_hand: Vec<ByHand>,
}

/// The task at which a host failed.
#[derive(Debug, Clone)]
pub(super) struct FailedAt {
    pub(super) task: TaskId,
    pub(super) name: String,
    pub(super) at: String,
}

/// A detached job that was started on a host.
#[derive(Debug)]
pub(super) struct StartedJob {
    pub(super) session: Arc<Session>,
    pub(super) user: Option<Become>,
    pub(super) job: JobId,
    /// Whether the step did not wait for it: later steps ask for it.
    pub(super) goes_on: bool,
    /// Whether it is written down how the step ended: nobody asks for the job again.
    pub(super) told: bool,
}

/// What a run has come to.
#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) halt: Option<Halt>,
    pub(super) verdicts: BTreeSet<Verdict>,
    pub(super) lost: BTreeMap<HostName, Left>,
    /// The hosts that failed and that nothing rescues: lost when their batch is over.
    pub(super) leaving: BTreeSet<HostName>,
    pub(super) hosts: BTreeSet<HostName>,
    pub(super) approved: BTreeSet<String>,
    pub(super) recap: Recap,
    pub(super) debts: Vec<Debt>,
    /// The turns of tries to leave a bracket in which a step was really done.
    pub(super) acted: BTreeSet<u32>,
    /// The notes of other runs that a bracket is gone on with from, until it is entered.
    pub(super) inherited: BTreeMap<BracketRef, Vec<String>>,
    /// Since when brackets are owed that another run entered first.
    pub(super) owed_since: BTreeMap<BracketRef, String>,
    /// The brackets that this part of the run left.
    pub(super) left_again: BTreeSet<BracketRef>,
    /// The brackets that are taken as still entered because nobody could be asked, until they are entered again.
    pub(super) trusted: BTreeSet<BracketRef>,
    /// The batches of the play whose half-done block this part of the run still has before it.
    pub(super) finishing: BTreeSet<u32>,
    /// Whether this part of the run has ended a stretch that it could not stop in.
    pub(super) stretch_over: bool,
    /// What would be left to do by hand on hosts that stopped half-way.
    pub(super) unfinished: Vec<(HostName, ByHand)>,
    /// Steps in doubt whose job may still run.
    pub(super) running: Vec<StepId>,
    /// Steps in doubt of which the server can be asked whether it still carries out what they sent.
    pub(super) doubtful: Vec<Intent>,
    /// What last went wrong on each host, numbered in its order.
    pub(super) messages: BTreeMap<HostName, (u64, String)>,
    /// The task at which each host failed last.
    pub(super) failed_at: BTreeMap<HostName, FailedAt>,
    /// The machine of each host, as far as is known.
    pub(super) machines: BTreeMap<HostName, String>,
    /// The jobs that were started, by their steps.
    pub(super) jobs: BTreeMap<StepId, Vec<StartedJob>>,
    /// Steps of earlier parts of the run of which it is known that nothing of them runs any more.
    pub(super) settled: BTreeSet<StepId>,
    /// Tasks and blocks that the operator left out.
    pub(super) left_out: BTreeSet<String>,
    /// Whether the task at which the run starts is still to come.
    pub(super) before_start: bool,
    pub(super) stepping: bool,
    pub(super) stop_told: Option<StopLevel>,
    /// How many batches ended that `serial` cut.
    pub(super) batches: u32,
    /// What says that the run stops at the next rest point.
    pub(super) pause_due: Option<String>,
}

/// A run that goes on.
#[derive(Debug)]
pub(super) struct Engine {
    pub(super) run: String,
    pub(super) header: Header,
    pub(super) playbook: Arc<Playbook>,
    pub(super) outside: Outside,
    pub(super) settings: Settings,
    pub(super) ledger: Ledger,
    pub(super) sessions: Sessions,
    pub(super) down: MembersDown,
    pub(super) guards: Guards,
    pub(super) brackets: OpenBrackets,
    pub(super) lock: ClusterLock,
    pub(super) pool: Option<ThreadPool>,
    pub(super) answers: Arc<Map<String, Value>>,
    pub(super) templaters: Mutex<HashMap<Vec<String>, Templater>>,
    pub(super) turns: AtomicU32,
    pub(super) state: Mutex<State>,
}

impl Engine {
    /// Returns the clock.
    pub(super) fn clock(&self) -> &dyn Clock {
        self.outside.clock.as_ref()
    }

    /// Returns what the run has come to.
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Remembers a job that was started, for as long as it may run.
    pub(super) fn remember_job(&self, step: &super::step::Step, job: &JobId) {
        let Some(session) = &step.session else {
            return;
        };
        let started = StartedJob {
            session: session.clone(),
            user: step.user.clone(),
            job: job.clone(),
            goes_on: step.background.is_some_and(|background| !background.waits),
            told: false,
        };
        let mut state = self.state();
        state.jobs.entry(step.id.clone()).or_default().push(started);
    }

    /// Returns the stop flag that holds at a place: who puts things back goes on until the operator quits.
    pub(super) fn stop_at(&self, place: &Place) -> Stop {
        if place.way_out {
            self.outside.stop.for_putting_back()
        } else {
            self.outside.stop.clone()
        }
    }

    /// Stops the run at the next rest point; the first reason stays.
    pub(super) fn halt(&self, cause: StopCause, message: impl Into<String>, place: &str) {
        let verdict = match &cause {
            StopCause::Failed | StopCause::InDoubt | StopCause::Journal { .. } => Verdict::Failed,
            StopCause::Unreachable => Verdict::Unreachable,
            StopCause::Gate { .. } | StopCause::Guard { .. } | StopCause::Approval { .. } => {
                Verdict::Stopped
            }
            StopCause::Interrupted | StopCause::Asked { .. } => Verdict::Interrupted,
        };
        let mut state = self.state();
        state.verdicts.insert(verdict);
        if state.halt.is_some() {
            return;
        }
        let halt = Halt {
            cause: cause.clone(),
            message: message.into(),
            place: place.to_owned(),
        };
        state.halt = Some(halt);
        drop(state);
        let record = Record::Stopped {
            cause,
            place: place.to_owned(),
        };
        drop(self.ledger.write(Entry::record(record)));
    }

    /// Returns a turn that no stretch of the run had before, in no part of it: for what is asked anew each time.
    pub(super) fn fresh_turn(&self) -> u32 {
        self.turns.fetch_add(1, Ordering::Relaxed)
    }

    /// Tells whether the run stops.
    pub(super) fn is_halted(&self) -> bool {
        self.state().halt.is_some()
    }

    /// Tells whether a host failed, was unreachable or is in doubt, and takes no further part.
    pub(super) fn is_lost(&self, host: &HostName) -> bool {
        self.state().lost.contains_key(host)
    }

    /// Tells whether a host takes no further part, or does so no more once the batch is over.
    pub(super) fn is_leaving(&self, host: &HostName) -> bool {
        let state = self.state();
        state.lost.contains_key(host) || state.leaving.contains(host)
    }

    /// Takes a host out of the run.
    pub(super) fn lose(&self, host: &HostName, left: &Left) {
        let mut state = self.state();
        if state.lost.insert(host.clone(), left.clone()).is_some() {
            return;
        }
        let verdict = match left {
            Left::Unreachable => Verdict::Unreachable,
            Left::Failed
            | Left::InDoubt
            | Left::EndHost
            | Left::EndRole(_)
            | Left::EndBatch
            | Left::EndPlay
            | Left::Stopped => Verdict::Failed,
        };
        state.verdicts.insert(verdict);
        drop(state);
        let (host, why) = (host.as_str().to_owned(), left.why().to_owned());
        let entry = Entry::record(Record::HostLeft {
            host: host.clone(),
            why: why.clone(),
        });
        drop(
            self.ledger
                .write(entry.with_event(EventKind::HostLeft { host, why })),
        );
    }

    /// Warns the operator.
    pub(super) fn warn(&self, message: impl Into<String>, host: Option<&str>) {
        self.ledger.tell(EventKind::Warned {
            message: message.into(),
            host: host.map(str::to_owned),
            at: None,
        });
    }

    /// Does some work for every host, on many at once; the results are in the order of the work. A panic is caught and
    /// given as its text.
    pub(super) fn each<W: Send, R: Send>(
        &self,
        place: &Place,
        work: Vec<W>,
        at_once: usize,
        job: impl Fn(W) -> R + Sync,
    ) -> Vec<Result<R, String>> {
        let guarded = |work: W| catch_unwind(AssertUnwindSafe(|| job(work))).map_err(panic_text);
        let at_once = at_once.min(self.settings.forks).min(work.len());
        let pool = self
            .pool
            .as_ref()
            .filter(|_| at_once > 1 && !place.own_pace);
        let Some(pool) = pool else {
            return work.into_iter().map(guarded).collect();
        };
        let count = work.len();
        let queue: Mutex<VecDeque<(usize, W)>> = Mutex::new(work.into_iter().enumerate().collect());
        let done: Mutex<Vec<(usize, Result<R, String>)>> = Mutex::new(Vec::with_capacity(count));
        pool.in_place_scope(|scope| {
            for _ in 0..at_once {
                scope.spawn(|_| {
                    while let Some((index, work)) = take(&queue) {
                        let result = guarded(work);
                        let mut done = done.lock().unwrap_or_else(PoisonError::into_inner);
                        done.push((index, result));
                    }
                });
            }
        });
        let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
        done.sort_by_key(|(index, _)| *index);
        done.into_iter().map(|(_, result)| result).collect()
    }
}

fn take<W>(queue: &Mutex<VecDeque<W>>) -> Option<W> {
    let mut queue = queue.lock().unwrap_or_else(PoisonError::into_inner);
    queue.pop_front()
}

/// Returns what a panic said.
pub(super) fn panic_text(panic: Box<dyn std::any::Any + Send>) -> String {
    let text = panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned());
    text.unwrap_or_else(|| "no message".to_owned())
}
