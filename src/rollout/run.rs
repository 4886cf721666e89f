//! A whole run: from its first record to its exit code.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::AtomicU32;

use rayon::ThreadPoolBuilder;
use serde_json::{Map, Value};

use crate::clock::{Deadline, StopLevel};
use crate::connection::{Become, JobId, Limit};
use crate::events::{ByHand, EventKind, PlayOutline, Recap, Sink, StopCause};
use crate::inventory::HostName;
use crate::journal::{Header, Journal, Record};
use crate::playbook::{BracketEntry, Entry as PlaybookEntry, Playbook};

use super::engine::{Debt, Engine, Halt, Outside, State, panic_text};
use super::exit::Verdict;
use super::ledger::{Entry, Ledger};
use super::outside::Settings;
use super::place::{Place, Walked};
use super::play_run::PlayRun;
use super::sessions::Session;

/// How many turns each part of a run may have of what is asked anew.
const TURNS: u32 = 10_000_000;

/// A run that is about to begin, or to go on.
#[derive(Debug)]
pub struct Rollout {
    /// What the run is.
    pub header: Header,
    /// What it was asked to do.
    pub settings: Settings,
    /// What it is handed.
    pub outside: Outside,
    /// The playbook.
    pub playbook: Arc<Playbook>,
    /// The plays as they were planned, for people.
    pub outline: Vec<PlayOutline>,
    /// Answers to the playbook's questions.
    pub answers: Map<String, Value>,
}

/// How a run, or a part of it, ended.
#[derive(Debug, Clone)]
pub struct Ended {
    /// The exit code.
    pub exit_code: u8,
    /// Why it stopped before its end: the cause, and a sentence.
    pub stopped: Option<(StopCause, String)>,
    /// Where it stopped.
    pub place: String,
    /// What is owed or held.
    pub debts: Vec<Debt>,
    /// What is left to do by hand on hosts that stopped half-way.
    pub unfinished: Vec<ByHand>,
    /// The members that are down, with their hosts.
    pub down: Vec<(String, String)>,
    /// What happened on each host.
    pub recap: Recap,
}

impl Rollout {
    /// Runs to the end, or to a stop. What is owed then is in the journal, and returned.
    pub fn run(self, journal: Box<dyn Journal>, sinks: Vec<Box<dyn Sink>>) -> Ended {
        self.go(journal, sinks, |engine, playbook| {
            engine.tell_noted();
            engine.run_entries(&playbook.entries);
            if !engine.is_halted() {
                engine.leave_passed_by(|_| true);
            }
        })
    }

    /// Leaves the brackets that earlier parts of the run entered and did not leave; does nothing else. The run can go on
    /// afterwards.
    pub fn recover(self, journal: Box<dyn Journal>, sinks: Vec<Box<dyn Sink>>) -> Ended {
        self.go(journal, sinks, Engine::recover)
    }

    pub(super) fn go(
        self,
        journal: Box<dyn Journal>,
        sinks: Vec<Box<dyn Sink>>,
        walk: impl FnOnce(&Engine, &Playbook),
    ) -> Ended {
        let Self {
            header,
            settings,
            outside,
            playbook,
            outline,
            answers,
        } = self;
        let begin = begin(&header, &outside, outline, &answers);
        let kept = Arc::clone(&playbook);
        let engine = Engine::new(&header, kept, settings, outside, answers, journal, sinks);
        let (world, seal) = (&engine.outside.world, &*engine.outside.seal);
        engine.outside.previously.restore(world, seal);
        if let Err(unwritten) = engine.ledger.write(begin) {
            let reason = unwritten.reason;
            let message = format!("the journal cannot be written: {reason}");
            engine.halt(StopCause::Journal { reason }, message, "");
        }
        engine.hearing(|| {
            let done = catch_unwind(AssertUnwindSafe(|| {
                engine.skip_hosts();
                engine.read_again(&playbook);
                walk(&engine, &playbook);
            }));
            if let Err(panic) = done {
                engine.broke(&panic_text(panic));
            }
            engine.leave_everything();
        });
        engine.end()
    }
}

/// Makes the first records of this part of the run.
fn begin(
    header: &Header,
    outside: &Outside,
    plays: Vec<PlayOutline>,
    answers: &Map<String, Value>,
) -> Entry {
    let resumed = outside.previously.part() > 1;
    let mut entry = Entry::default().synced(true);
    if !resumed {
        entry = entry.with_record(Record::Opened(header.clone()));
    }
    let sealed: BTreeMap<String, Value> = answers
        .iter()
        .map(|(name, value)| (name.clone(), outside.seal.seal(value)))
        .collect();
    entry
        .with_record(Record::PartStarted {
            version: header.version.clone(),
            operator: header.operator.clone(),
            args: header.args.clone(),
            answers: sealed,
        })
        .with_event(EventKind::RunStarted {
            run: header.run.clone(),
            version: header.version.clone(),
            playbook: header.playbook.clone(),
            plan_digest: header.plan_digest.clone(),
            check: header.check,
            operator: header.operator.clone(),
            reason: header.reason.clone(),
            resumed,
            plays,
        })
}

impl Engine {
    fn new(
        header: &Header,
        playbook: Arc<Playbook>,
        settings: Settings,
        outside: Outside,
        answers: Map<String, Value>,
        journal: Box<dyn Journal>,
        sinks: Vec<Box<dyn Sink>>,
    ) -> Self {
        let previously = &outside.previously;
        let ledger = Ledger::new(
            journal,
            sinks,
            previously.last_event(),
            Arc::clone(&outside.clock),
            outside.masker.clone(),
        );
        let machines = settings.machines.iter();
        let state = State {
            before_start: settings.start_at.is_some(),
            stepping: settings.step,
            machines: machines
                .map(|(host, machine)| (HostName::new(host), machine.clone()))
                .collect(),
            ..State::default()
        };
        let pool = ThreadPoolBuilder::new()
            .num_threads(settings.forks.max(1))
            .thread_name(|number| format!("host-{number}"))
            .build();
        Self {
            run: header.run.clone(),
            header: header.clone(),
            playbook,
            turns: AtomicU32::new(previously.part().saturating_mul(TURNS)),
            answers: Arc::new(answers),
            templaters: Mutex::default(),
            settings,
            ledger,
            sessions: super::sessions::Sessions::default(),
            down: super::down::MembersDown::noted(outside.notes.clone()),
            guards: super::guards::Guards::default(),
            brackets: super::brackets::OpenBrackets::default(),
            lock: super::lock::ClusterLock::default(),
            // Without threads of its own the engine does one host after another.
            pool: pool.ok(),
            state: Mutex::new(state),
            outside,
        }
    }

    pub(super) fn run_entries(&self, entries: &[PlaybookEntry]) {
        for entry in entries {
            if self.is_halted() {
                return;
            }
            match entry {
                PlaybookEntry::Play(play) => self.run_play(play),
                PlaybookEntry::Bracket(around) => self.run_around(around),
            }
        }
    }

    /// Runs the plays inside of a bracket.
    fn run_around(&self, around: &Arc<BracketEntry>) {
        let path = around.bracket.id.as_str();
        if self.outside.previously.done("", 0, path) || !self.selects_any(&around.entries) {
            return;
        }
        let hosts = match self.hosts_around(around) {
            Ok(hosts) => hosts,
            Err(problem) => {
                let message = super::ended::told(&problem);
                self.halt(StopCause::Failed, message, path);
                return;
            }
        };
        let play = PlayRun::new(
            String::new(),
            None,
            hosts,
            Vec::new(),
            Arc::clone(&self.answers),
        );
        let place = Place::of(&play, "bracket");
        if !self.may_rest(&place, path) {
            return;
        }
        let brackets = [Arc::clone(&around.bracket)];
        self.guarded(&place, &around.guards, || {
            let hosts = place.play.hosts().to_vec();
            self.within(&place, &brackets, &hosts, &mut |_, _| {
                self.run_entries(&around.entries);
                Walked::default()
            })
        });
        self.stops_on_kept_breach(path);
        if !self.is_halted() {
            let done = Record::Done {
                play: String::new(),
                batch: 0,
                path: path.to_owned(),
            };
            drop(self.ledger.write(Entry::record(done)));
        }
    }

    /// Tells whether the tags leave anything to do in some entries.
    fn selects_any(&self, entries: &[PlaybookEntry]) -> bool {
        entries.iter().any(|entry| match entry {
            PlaybookEntry::Play(play) => self.selects_of(play),
            PlaybookEntry::Bracket(around) => self.selects_any(&around.entries),
        })
    }

    /// Returns the place of a bracket around plays; nothing where the tags leave nothing to do in it.
    pub(super) fn place_around(&self, around: &BracketEntry) -> Option<Place> {
        if !self.selects_any(&around.entries) {
            return None;
        }
        let play = PlayRun::new(
            String::new(),
            None,
            self.hosts_around(around).ok()?,
            Vec::new(),
            Arc::clone(&self.answers),
        );
        Some(Place::of(&play, "bracket"))
    }

    /// Returns the hosts of which one lends its variables to a bracket around plays.
    fn hosts_around(&self, around: &BracketEntry) -> Result<Vec<HostName>, crate::yaml::Problem> {
        let bare = PlayRun::new(
            String::new(),
            None,
            Vec::new(),
            Vec::new(),
            Arc::clone(&self.answers),
        );
        let scope = self.hostless(&bare, &around.context);
        if let Some(pattern) = &around.hosts {
            return self.hosts_of(&scope, pattern);
        }
        let mut hosts = Vec::new();
        for entry in &around.entries {
            let more = match entry {
                PlaybookEntry::Play(play) => self.hosts_of(&scope, &play.hosts)?,
                PlaybookEntry::Bracket(inner) => self.hosts_around(inner)?,
            };
            for host in more {
                if !hosts.contains(&host) {
                    hosts.push(host);
                }
            }
        }
        Ok(hosts)
    }

    /// Leaves what is still entered after the run's own way out was cut short.
    fn leave_everything(&self) {
        for open in self.brackets.all().iter().rev() {
            let left = catch_unwind(AssertUnwindSafe(|| self.close(open, false)));
            if let Err(panic) = left {
                self.broke(&panic_text(panic));
            }
        }
    }

    /// Writes how the run ended.
    fn end(&self) -> Ended {
        self.tell_stop();
        self.tell_old_debts();
        let (halt, verdict, recap, debts, unfinished) = {
            let state = self.state();
            let verdict = state.verdicts.last().copied().unwrap_or(Verdict::Done);
            (
                state.halt.clone(),
                verdict,
                state.recap.clone(),
                state.debts.clone(),
                state
                    .unfinished
                    .iter()
                    .map(|(_, line)| line.clone())
                    .collect::<Vec<ByHand>>(),
            )
        };
        self.forget_jobs(verdict == Verdict::Done);
        let exit_code = verdict.code();
        let mut end = Entry::record(Record::Finished { exit_code });
        if let Some(Halt {
            cause,
            message,
            place,
        }) = &halt
        {
            let owed = debts.iter().flat_map(|debt| debt.by_hand.clone());
            end = end.with_event(EventKind::RunStopped {
                cause: cause.clone(),
                message: message.clone(),
                at: place.clone(),
                by_hand: unfinished.iter().cloned().chain(owed).collect(),
            });
        }
        end = end.with_event(EventKind::RunFinished {
            exit_code,
            recap: recap.clone(),
            owed: debts.iter().map(|debt| debt.what.clone()).collect(),
        });
        drop(self.ledger.write(end));
        Ended {
            exit_code,
            place: halt
                .as_ref()
                .map(|halt| halt.place.clone())
                .unwrap_or_default(),
            stopped: halt.map(|halt| (halt.cause, halt.message)),
            debts,
            unfinished,
            down: self.down.all(),
            recap,
        }
    }

    /// Removes what ended jobs left on the hosts. What a resumed run asks for stays: the jobs of steps in doubt, and,
    /// unless the run is done, those that no step waited for. A host that is gone keeps what is there.
    fn forget_jobs(&self, done: bool) {
        if self.ledger.failure().is_some() {
            return;
        }
        let jobs = std::mem::take(&mut self.state().jobs);
        let mut groups: Vec<(Arc<Session>, Option<Become>, Vec<JobId>)> = Vec::new();
        for started in jobs.into_values().flatten() {
            if !started.told || (started.goes_on && !done) {
                continue;
            }
            let same = groups.iter_mut().find(|(other, as_user, _)| {
                Arc::ptr_eq(other, &started.session) && *as_user == started.user
            });
            match same {
                Some((.., ids)) => ids.push(started.job),
                None => groups.push((started.session, started.user, vec![started.job])),
            }
        }
        let stop = self.outside.stop.for_putting_back();
        for (session, user, ids) in groups {
            if stop.level() >= StopLevel::Quit {
                return;
            }
            let deadline: Deadline = self.clock().deadline(std::time::Duration::from_secs(10));
            let limit = Limit {
                clock: self.clock(),
                stop: &stop,
                deadline,
            };
            let mut slot = session.lock();
            if let Some(connection) = slot.as_mut() {
                drop(connection.forget(user.as_ref(), &ids, limit));
            }
        }
    }
}
