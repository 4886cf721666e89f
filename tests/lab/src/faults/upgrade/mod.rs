//! One upgrade and the faults that befall it, one after another: each is ridden out, or the run is resumed, until it is at
//! its end.
//!
//! The run is followed by its events. At each step that begins the pool is asked for a fault; while one is open no other
//! strikes. How a case ended is told by how often the program ended before it got past the step that was struck.

mod stopped;
mod strike;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::Value;

use super::beyond::{WorkedOut, work_out};
use super::case::Case;
use super::classes::{Class, End};
use super::follow::{Follow, Seen};
use super::judge::{self, Judged};
use super::pool::Pool;
use super::reference::Reference;
use super::scene::Scene;
use super::{Error, load};
use crate::clock;
use crate::command::{Command, Exit, Running};
use crate::files;

/// How long a whole upgrade with its faults may take, and how long one part may be silent.
const LIMIT: Duration = Duration::from_hours(1);
const SILENCE: Duration = Duration::from_mins(4);
/// Between two looks at the events.
const LOOK: Duration = Duration::from_millis(2);

/// What all upgrades share.
#[derive(Debug)]
pub struct Shared<'a> {
    /// What is still to be tried.
    pub pool: &'a Mutex<Pool>,
    /// What an undisturbed upgrade is like.
    pub reference: &'a Reference,
    /// What is to be done once for each server.
    pub once: &'a [&'a str],
    /// From when on nothing new strikes.
    pub until: Option<Instant>,
    /// How many faults befall one upgrade at most.
    pub most: usize,
    /// Whether clients are at work.
    pub with_load: bool,
    /// Where the operator's files of an upgrade go in which something went wrong.
    pub keep: Option<&'a Path>,
}

/// What came of an upgrade.
#[derive(Debug, Default)]
pub struct Ended {
    /// The cases.
    pub cases: Vec<Case>,
    /// What was judged.
    pub judged: Judged,
    /// What the run said, of all its parts.
    pub seen: Vec<Seen>,
    /// The clients' report.
    pub load: Option<Value>,
    /// Which of their requests that failed could have been saved.
    pub worked_out: WorkedOut,
}

/// How a process that works on the upgrade is begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Start {
    /// With a run of its own.
    Apply,
    /// With the run that there is.
    Resume,
}

/// A process that works on the run.
struct Part {
    running: Running,
    follow: Follow,
    number: usize,
    heard: Instant,
    said: Vec<String>,
}

/// A fault that has struck and is not got past.
struct Open {
    case: Case,
    class: &'static Class,
    host: String,
    position: usize,
    part: usize,
    lift_at: Option<Instant>,
    second: Option<Running>,
    edited: Option<(PathBuf, String)>,
    began: Instant,
}

/// An upgrade that goes on.
pub struct Upgrade<'a, S: Scene> {
    scene: &'a mut S,
    shared: &'a Shared<'a>,
    number: usize,
    harming: bool,
    open: Option<Open>,
    struck: usize,
    parts: usize,
    ended: Ended,
}

impl<S: Scene> std::fmt::Debug for Upgrade<'_, S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Upgrade")
            .field("number", &self.number)
            .finish_non_exhaustive()
    }
}

impl<'a, S: Scene> Upgrade<'a, S> {
    /// Makes ready to upgrade; faults that harm clients befall it, or the others.
    pub fn new(scene: &'a mut S, shared: &'a Shared<'a>, number: usize, harming: bool) -> Self {
        Self {
            scene,
            shared,
            number,
            harming,
            open: None,
            struck: 0,
            parts: 0,
            ended: Ended::default(),
        }
    }

    /// Upgrades from the beginning to the end, and judges.
    pub fn run(mut self) -> Result<Ended, Error> {
        self.scene.write_out()?;
        let before = self.scene.state()?;
        let counted = self.scene.effects()?.len();
        let load = if self.shared.with_load {
            Some(load::begin(self.scene)?)
        } else {
            None
        };
        let whole = self.work();
        self.lift()?;
        self.restore()?;
        if let Some(load) = load {
            self.ended.load = Some(load.end()?);
        }
        let is_whole = whole?;
        let wanted = self.scene.wanted(&before);
        let after = self.scene.state()?;
        let judged = &mut self.ended.judged;
        if is_whole {
            judged.leftovers.extend(judge::differences(&wanted, &after));
        } else {
            judged
                .stuck
                .push("the upgrade did not come to its end".to_owned());
        }
        let effects = self.scene.effects()?.split_off(counted);
        let mut explained: BTreeMap<&str, usize> = BTreeMap::new();
        for what in self.ended.cases.iter().flat_map(|case| case.explains) {
            *explained.entry(what).or_default() += 1;
        }
        judged.twice = judge::twice(self.shared, &effects, &explained);
        if let Some(load) = &self.ended.load {
            let harming = self.ended.cases.iter();
            let harming = harming.filter(|case| case.class.harms_clients);
            let faults: Vec<_> = harming.map(|case| case.lasted_unix_ms).collect();
            self.ended.worked_out = work_out(load, &faults);
            judged.clients = load::judged(load, self.harming, &self.ended.worked_out);
        }
        self.keep()?;
        Ok(self.ended)
    }

    /// Keeps the records and the events of an upgrade in which something went wrong.
    fn keep(&self) -> Result<(), Error> {
        let is_well = self.ended.judged.is_well();
        let has_failed = self.ended.cases.iter().any(Case::has_failed);
        let Some(keep) = self.shared.keep.filter(|_| has_failed || !is_well) else {
            return Ok(());
        };
        let to = keep.join(format!("upgrade-{}", self.number));
        files::make_directory(&to)?;
        let from = ["state", "load.json", "inventory.yml"].map(str::to_owned);
        let events = (0..=self.parts).map(|part| format!("events-{part}.ndjson"));
        for name in from.into_iter().chain(events) {
            let path = self.scene.file(&name);
            if path.exists() {
                Command::line("cp -a").arg(path).arg(&to).run()?;
            }
        }
        Ok(())
    }

    /// Lets one process after another work on the run; tells whether it came to its end.
    fn work(&mut self) -> Result<bool, Error> {
        let end = clock::now() + LIMIT;
        let mut part = self.begin(0, Start::Apply)?;
        loop {
            let exit = part.running.ended()?;
            for seen in part.follow.read().map_err(Error::Events)? {
                part.heard = clock::now();
                self.see(&mut part, seen)?;
            }
            self.wait_for_second()?;
            if self
                .open
                .as_ref()
                .and_then(|open| open.lift_at)
                .is_some_and(|at| clock::now() >= at)
            {
                self.lift()?;
            }
            if let Some(exit) = exit {
                if exit == Exit::Code(0) {
                    self.over()?;
                    return Ok(true);
                }
                let Some(start) = self.stopped(&part, exit)? else {
                    return Ok(false);
                };
                part = self.begin(part.number + 1, start)?;
            } else if clock::now() > end || part.heard.elapsed() > SILENCE {
                part.running.signal(Signal::KILL);
                self.fail("it hangs");
                self.settle();
                return Ok(false);
            }
            clock::pause(LOOK);
        }
    }

    fn begin(&mut self, number: usize, start: Start) -> Result<Part, Error> {
        self.parts = number;
        let name = format!("events-{number}.ndjson");
        let command = match start {
            Start::Apply => self.scene.apply(&name),
            Start::Resume => self.scene.resume(&name),
        };
        Ok(Part {
            follow: Follow::new(&self.scene.file(&name)),
            running: command.start()?,
            number,
            heard: clock::now(),
            said: Vec::new(),
        })
    }

    fn see(&mut self, part: &mut Part, seen: Seen) -> Result<(), Error> {
        match &seen {
            Seen::Intended(step) => {
                let known = self.shared.reference.known(step);
                self.get_past(part.number, known.map(|(position, _)| position));
                if let Some((position, key)) = known.filter(|_| self.open.is_none()) {
                    self.strike(part, step, position, key)?;
                }
            }
            Seen::Stopped(why) | Seen::Failed(why) => part.said.push(why.clone()),
        }
        self.ended.seen.push(seen);
        Ok(())
    }

    /// Closes a case whose step the run has got past.
    fn get_past(&mut self, part: usize, position: Option<usize>) {
        let Some(open) = &self.open else { return };
        let is_past = position.is_some_and(|position| position > open.position);
        let is_over = open.lift_at.is_none()
            && open.second.is_none()
            && (!open.class.act.stops() || part > open.part);
        if is_past && is_over {
            self.settle();
        }
    }

    fn fail(&mut self, why: &str) {
        match &mut self.open {
            Some(open) => open.case.fail(why),
            None => self.ended.judged.stuck.push(why.to_owned()),
        }
    }

    /// Closes what is open at the end of the run.
    fn over(&mut self) -> Result<(), Error> {
        while self.open.as_ref().is_some_and(|open| open.second.is_some()) {
            clock::pause(LOOK);
            self.wait_for_second()?;
        }
        self.lift()?;
        self.settle();
        Ok(())
    }

    fn settle(&mut self) {
        // A file that cannot be put back is in a directory of this upgrade's own, which nothing reads any more.
        let _restored = self.restore();
        if let Some(mut open) = self.open.take() {
            open.case.seconds += open.began.elapsed().as_secs_f64();
            open.case.end = Some(match open.case.stops.len() {
                0 => End::RidesOut,
                1 => End::ResumesToEnd,
                _ => End::NeedsOperator,
            });
            self.ended.cases.push(open.case);
        }
    }
}
