//! Guards: conditions that are watched all through the scope that declares them, each with sessions of its own.
//!
//! A guard never stops anything itself. The engine asks at its rest points how the guards stand: a breach stops forward
//! steps there, and when nobody knows for too long they wait until somebody does. A breach outlives the scope of its
//! guard: what was seen during the last steps in there stops the run at the end of that scope, or at the next rest point.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::{Map, Value};

use crate::clock::{Stop, StopLevel, Woken};
use crate::events::{BracketRef, EventKind, GuardValue, StopCause};
use crate::inventory::HostName;
use crate::playbook::Guard;

use super::down::milliseconds;
use super::ended::told;
use super::engine::Engine;
use super::judge::{Judge, Standing};
use super::open::Open;
use super::outside::GuardMode;
use super::place::{Place, Walked};
use super::saw::what_was_seen;
use super::sessions::Sessions;

/// How long forward steps wait at most until a guard can be read again.
const PATIENCE: Duration = Duration::from_mins(30);
/// How long at most until a guard is looked at again that was not seen to hold.
const LOOK_SOON: Duration = Duration::from_secs(10);
/// How often the engine looks again while it waits.
const LOOK_AGAIN: Duration = Duration::from_millis(200);

#[derive(Debug)]
struct Seen {
    judge: Judge,
    saw: String,
    due: Duration,
    told_breach: bool,
}

/// A guard that is watched.
#[derive(Debug)]
struct Watched {
    guard: Arc<Guard>,
    place: Place,
    hosts: Vec<HostName>,
    /// The bracket that it keeps switched.
    renews: Option<BracketRef>,
    every: Duration,
    sessions: Sessions,
    seen: Mutex<Seen>,
}

impl Watched {
    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns its name and what it saw, if it is breached.
    fn breached(&self, now: Duration) -> Option<(String, String)> {
        let seen = self.seen();
        let breached = seen.judge.standing(now) == Standing::Breached;
        breached.then(|| (self.guard.name.clone(), seen.saw.clone()))
    }

    /// Returns how long to wait until the next look: a renewal that failed is not left for its whole interval.
    fn pause(&self) -> Duration {
        if self.seen().judge.holds() {
            self.every
        } else {
            self.every.min(LOOK_SOON)
        }
    }
}

/// What is to be watched: the guard, where it is written, for which hosts, and the bracket that it renews.
type Wanted<'a> = (
    &'a Arc<Guard>,
    &'a Place,
    &'a [HostName],
    Option<&'a BracketRef>,
);

/// The guards that are watched now.
#[derive(Debug, Default)]
pub(super) struct Guards {
    watched: Mutex<Vec<Arc<Watched>>>,
    /// What was breached in a scope that ended before the run came to a rest point: the guard's name, and what it saw.
    outlived: Mutex<Option<(String, String)>>,
}

impl Guards {
    fn all(&self) -> Vec<Arc<Watched>> {
        let watched = self.watched.lock().unwrap_or_else(PoisonError::into_inner);
        watched.clone()
    }

    fn add(&self, more: &[Arc<Watched>]) {
        let mut watched = self.watched.lock().unwrap_or_else(PoisonError::into_inner);
        watched.extend(more.iter().cloned());
    }

    fn remove(&self, gone: &[Arc<Watched>]) {
        let mut watched = self.watched.lock().unwrap_or_else(PoisonError::into_inner);
        watched.retain(|one| !gone.iter().any(|other| Arc::ptr_eq(one, other)));
    }

    /// Keeps the first breach among guards whose scope ends.
    fn keep_breach(&self, ending: &[Arc<Watched>], now: Duration) {
        let breached = ending.iter().find_map(|watched| watched.breached(now));
        if let Some(breached) = breached {
            self.outlived().get_or_insert(breached);
        }
    }

    /// Forgets what was seen.
    fn judge_anew(&self) {
        for watched in self.all() {
            let mut seen = watched.seen();
            seen.judge = seen.judge.anew();
            seen.due = Duration::ZERO;
            seen.told_breach = false;
        }
        *self.outlived() = None;
    }

    fn outlived(&self) -> MutexGuard<'_, Option<(String, String)>> {
        self.outlived.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Engine {
    /// Does something while guards watch.
    pub(super) fn guarded(
        &self,
        place: &Place,
        guards: &[Arc<Guard>],
        body: impl FnOnce() -> Walked,
    ) -> Walked {
        if guards.is_empty() || self.settings.survey {
            return body();
        }
        let hosts = if place.batch == 0 {
            place.play.hosts().to_vec()
        } else {
            place.batch_hosts.to_vec()
        };
        let wanted = guards
            .iter()
            .map(|guard| (guard, place, hosts.as_slice(), None));
        self.watching(wanted, &place.batch_hosts, body)
    }

    /// Stops the run at a rest point if a guard was breached whose scope is over; tells whether it does.
    pub(super) fn stops_on_kept_breach(&self, at: &str) -> bool {
        if self.is_halted() {
            return false;
        }
        let Some((name, saw)) = self.guards.outlived().take() else {
            return false;
        };
        self.stop_on_breach(name, saw, at);
        true
    }

    fn stop_on_breach(&self, name: String, saw: String, at: &str) {
        let message = format!("the guard `{name}` is breached: {saw}");
        self.halt(StopCause::Guard { name, saw }, message, at);
    }

    /// Does something while brackets that are entered are kept switched.
    pub(super) fn renewing(&self, opens: &[&Open], body: impl FnOnce() -> Walked) -> Walked {
        let renewals = opens.iter().flat_map(|open| {
            let own = open.bracket.renew.iter();
            own.map(|guard| {
                (
                    guard,
                    &open.place,
                    open.hosts.as_slice(),
                    Some(&open.reference),
                )
            })
        });
        let hosts: Vec<HostName> = opens.iter().flat_map(|open| open.hosts.clone()).collect();
        if self.settings.survey || opens.iter().all(|open| open.bracket.renew.is_empty()) {
            return body();
        }
        self.watching(renewals, &hosts, body)
    }

    fn watching<'a>(
        &self,
        wanted: impl Iterator<Item = Wanted<'a>>,
        hosts: &[HostName],
        body: impl FnOnce() -> Walked,
    ) -> Walked {
        let mut watched = Vec::new();
        for wanted in wanted {
            match self.watched(&wanted) {
                Ok(one) => watched.push(Arc::new(one)),
                Err(problem) => {
                    let guard = wanted.0;
                    let message = format!("the guard `{}`: {}", guard.name, told(&problem));
                    let saw = told(&problem);
                    let name = guard.name.clone();
                    self.halt(StopCause::Guard { name, saw }, message, guard.id.as_str());
                    let mut walked = Walked::default();
                    walked.stopped(hosts);
                    return walked;
                }
            }
        }
        self.guards.add(&watched);
        let walked = match self.settings.guards {
            GuardMode::Inline => {
                self.look_at_guards();
                body()
            }
            GuardMode::Background => {
                let end = Stop::new();
                std::thread::scope(|scope| {
                    for one in &watched {
                        scope.spawn(|| self.watch_on(one, &end));
                    }
                    // The threads end also when the body panics.
                    let _ends = EndsWatch(&end);
                    body()
                })
            }
        };
        self.guards.keep_breach(&watched, self.clock().elapsed());
        self.guards.remove(&watched);
        walked
    }

    fn watched(&self, wanted: &Wanted<'_>) -> Result<Watched, crate::yaml::Problem> {
        let (guard, place, hosts, renews) = *wanted;
        let around = self.around(place, &guard.probe.context);
        let host = hosts.first().map_or("localhost", HostName::as_str);
        let scope = self.scope(host, &around);
        let seconds = Duration::from_secs;
        let grace = scope.duration(guard.grace.as_ref())?.unwrap_or_default();
        let unknown = scope.duration(guard.unknown_grace.as_ref())?;
        let unknown = unknown.unwrap_or(seconds(Guard::UNKNOWN_SECONDS));
        let every = scope.duration(guard.every.as_ref())?;
        let mut place = place.section("guard");
        place.turn = self.fresh_turn();
        Ok(Watched {
            guard: Arc::clone(guard),
            place,
            hosts: hosts.to_vec(),
            renews: renews.cloned(),
            every: every.unwrap_or(seconds(Guard::EVERY_SECONDS)),
            sessions: Sessions::default(),
            seen: Mutex::new(Seen {
                judge: Judge::new(grace, unknown),
                saw: String::new(),
                due: Duration::ZERO,
                told_breach: false,
            }),
        })
    }

    /// Watches one guard until its scope ends.
    fn watch_on(&self, watched: &Watched, end: &Stop) {
        loop {
            self.look_at(watched, end);
            if self.clock().wait(watched.pause(), end) == Woken::Stopped {
                return;
            }
        }
    }

    /// Looks at the guards that are due, where nobody watches in the background.
    pub(super) fn look_at_guards(&self) {
        if self.settings.guards == GuardMode::Background {
            return;
        }
        for watched in self.guards.all() {
            let now = self.clock().elapsed();
            let is_due = watched.seen().due <= now;
            if is_due {
                self.look_at(&watched, &Stop::new());
                let pause = watched.pause();
                let mut seen = watched.seen();
                seen.due = self.clock().elapsed().saturating_add(pause);
            }
        }
    }

    /// Reads a guard once, on the first of its hosts that answers; a renewal only while its bracket is not being left.
    fn look_at(&self, watched: &Watched, stop: &Stop) {
        match &watched.renews {
            // A renewal that was sent is waited for: cut off it could take effect after its bracket was left.
            Some(bracket) => self.brackets.renew(bracket, || {
                self.look_once(watched, &self.outside.stop.for_putting_back());
            }),
            None => self.look_once(watched, stop),
        }
    }

    fn look_once(&self, watched: &Watched, stop: &Stop) {
        let (value, saw) = self.read(watched, stop);
        if stop.abandons() {
            return;
        }
        let now = self.clock().elapsed();
        let is_finishing = self.is_finishing();
        let mut seen = watched.seen();
        let changed = seen.judge.see(value, now);
        seen.saw.clone_from(&saw);
        let grace_ms = seen.judge.grace().map(milliseconds);
        let breached = seen.judge.standing(now) == Standing::Breached && !is_finishing;
        let tell_breach = breached && !std::mem::replace(&mut seen.told_breach, breached);
        drop(seen);
        let guard = watched.guard.name.clone();
        if changed {
            self.ledger.tell(EventKind::GuardChanged {
                guard: guard.clone(),
                value,
                saw: saw.clone(),
                grace_ms,
            });
        }
        if tell_breach {
            self.ledger
                .tell(EventKind::GuardBreached { guard, value, saw });
        }
    }

    fn read(&self, watched: &Watched, stop: &Stop) -> (GuardValue, String) {
        let task = &watched.guard.probe;
        let mut reason = "there is no host to ask from".to_owned();
        for host in self.reachable_first(&watched.hosts) {
            let probed = self.probe(&watched.place, task, &host, &watched.sessions, stop);
            let result = match probed {
                Ok(result) => result,
                Err(why) => {
                    reason = why;
                    continue;
                }
            };
            let around = self.around(&watched.place, &task.context);
            let mut top = Map::new();
            top.insert("result".to_owned(), Value::Object(result.clone()));
            if let Some(name) = &task.register {
                top.insert(name.clone(), Value::Object(result.clone()));
            }
            let scope = self.scope(host.as_str(), &around).with(top);
            let said = result.get("saw").and_then(Value::as_str).map(str::to_owned);
            return match scope.first_false(&watched.guard.until) {
                Ok(unmet) => {
                    let value = if unmet.is_none() {
                        GuardValue::True
                    } else {
                        GuardValue::False
                    };
                    let condition = unmet.or(watched.guard.until.first());
                    (value, what_was_seen(said, condition, &scope, &result))
                }
                Err(problem) => (GuardValue::Unknown, told(&problem)),
            };
        }
        (GuardValue::Unknown, reason)
    }

    /// Notes the blocks of a play that an earlier part of the run was cut off in: until they are finished the cluster is not
    /// whole, and what guards see keeps nobody from finishing them.
    pub(super) fn finishes_first(&self, place: &Place) {
        let id = place.play.id();
        let previously = &self.outside.previously;
        let mut batches = previously.half_done(id);
        batches.retain(|batch| previously.in_block(id, *batch));
        self.state().finishing = batches.into_iter().collect();
    }

    /// What an earlier part of the run was cut off in is behind: from here on guards judge anew.
    pub(super) fn finished(&self, batch: u32) {
        let mut state = self.state();
        let was_last = state.finishing.remove(&batch) && state.finishing.is_empty();
        drop(state);
        if was_last {
            self.guards.judge_anew();
        }
    }

    fn is_finishing(&self) -> bool {
        !self.state().finishing.is_empty()
    }

    /// Tells whether a guard is breached.
    pub(super) fn guards_breached(&self) -> bool {
        let now = self.clock().elapsed();
        let watched = self.guards.all();
        !self.is_finishing() && watched.iter().any(|one| one.breached(now).is_some())
    }

    /// Tells whether the guards let forward steps go on; waits while nobody knows. Stops the run if they do not.
    pub(super) fn guards_pass(&self, at: &str) -> bool {
        if self.is_finishing() {
            return true;
        }
        if self.stops_on_kept_breach(at) {
            return false;
        }
        let patience = self.clock().deadline(PATIENCE);
        loop {
            self.look_at_guards();
            let now = self.clock().elapsed();
            let mut unclear = None;
            for watched in self.guards.all() {
                let seen = watched.seen();
                let name = watched.guard.name.clone();
                match seen.judge.standing(now) {
                    Standing::Fine => {}
                    Standing::Unclear => unclear = Some((name, seen.saw.clone())),
                    Standing::Breached => {
                        let saw = seen.saw.clone();
                        drop(seen);
                        self.stop_on_breach(name, saw, at);
                        return false;
                    }
                }
            }
            let Some((name, saw)) = unclear else {
                return true;
            };
            let stop = &self.outside.stop;
            if stop.level() >= StopLevel::Drain {
                return true;
            }
            if patience.is_over(self.clock()) {
                let message = format!("the guard `{name}` cannot be read: {saw}");
                self.halt(StopCause::Guard { name, saw }, message, at);
                return false;
            }
            self.clock().wait(LOOK_AGAIN, stop);
        }
    }
}

/// Ends the threads of guards when their scope ends.
struct EndsWatch<'a>(&'a Stop);

impl Drop for EndsWatch<'_> {
    fn drop(&mut self) {
        self.0.raise(StopLevel::Quit);
    }
}
