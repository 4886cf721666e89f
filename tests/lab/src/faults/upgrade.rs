//! One upgrade and the faults that befall it, one after another: each is ridden out, or the run is resumed, until it is at
//! its end.
//!
//! The run is followed by its events. At each step that begins the pool is asked for a fault; while one is open no other
//! strikes. How a case ended is told by how often the program ended before it got past the step that was struck.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use super::case::Case;
use super::classes::{Act, Class, End};
use super::follow::{Follow, Seen, Step};
use super::judge::{self, Judged};
use super::pool::{Pair, Pool};
use super::reference::Reference;
use super::scene::Scene;
use super::{Error, load};
use crate::clock;
use crate::command::{Command, Exit, Running};
use crate::files;

/// How long a whole upgrade with its faults may take, and how long one part may be silent.
const LIMIT: Duration = Duration::from_mins(30);
const SILENCE: Duration = Duration::from_mins(4);
/// How long a second operator may take to be refused.
const SECOND_LIMIT: Duration = Duration::from_mins(2);
/// How long after a stop that nobody asked for the run is resumed, or after one that a resumed run comes to.
const AGAIN: Duration = Duration::from_secs(1);
/// How often a run is resumed for one fault before it is given up.
const MOST_RESUMES: usize = 4;
/// Between two looks at the events, and between two times that Ctrl-C is pressed.
const LOOK: Duration = Duration::from_millis(2);
const PRESS: Duration = Duration::from_millis(400);

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
            judged.clients = load::judged(load, self.harming);
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
        let mut part = self.begin(0)?;
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
                if !self.stopped(&part, exit)? {
                    return Ok(false);
                }
                part = self.begin(part.number + 1)?;
            } else if clock::now() > end || part.heard.elapsed() > SILENCE {
                part.running.signal(Signal::KILL);
                self.fail("it hangs");
                self.settle();
                return Ok(false);
            }
            clock::pause(LOOK);
        }
    }

    fn begin(&mut self, number: usize) -> Result<Part, Error> {
        self.parts = number;
        let name = format!("events-{number}.ndjson");
        let command = if number == 0 {
            self.scene.apply(&name)
        } else {
            self.scene.resume(&name)
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
                let position = self.shared.reference.position(&step.key);
                self.get_past(part.number, position);
                if self.open.is_none() {
                    self.strike(part, step, position)?;
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

    fn strike(&mut self, part: &Part, step: &Step, position: Option<usize>) -> Result<(), Error> {
        let is_late = self.shared.until.is_some_and(|until| clock::now() >= until);
        let Some(position) = position.filter(|_| !is_late && self.struck < self.shared.most) else {
            return Ok(());
        };
        let mut pool = judge::locked(self.shared.pool);
        if !pool.may_strike(&step.key, self.number, self.harming, self.shared.most) {
            return Ok(());
        }
        let pair = pool.take(&step.key, self.harming);
        drop(pool);
        let Some(pair) = pair else { return Ok(()) };
        self.struck += 1;
        let class = pair.class;
        self.open = Some(Open {
            case: Case::of(&pair, self.number, &step.host),
            class,
            host: step.host.clone(),
            position,
            part: part.number,
            lift_at: None,
            second: None,
            edited: None,
            began: clock::now(),
        });
        self.act(part, &pair, &step.host)
    }

    fn act(&mut self, part: &Part, pair: &Pair, host: &str) -> Result<(), Error> {
        let class = pair.class;
        let mut lift_at = None;
        match class.act {
            Act::Kill => kill(&part.running),
            Act::KillAndEdit => {
                kill(&part.running);
                self.edit(pair)?;
            }
            Act::Interrupt(times) => {
                for press in 0..times {
                    if press > 0 {
                        clock::pause(PRESS);
                    }
                    part.running.signal(Signal::INT);
                }
            }
            Act::HangUp => part.running.signal(Signal::HUP),
            Act::SecondOperator => {
                let second = self.scene.second().start()?;
                if let Some(open) = &mut self.open {
                    open.second = Some(second);
                }
            }
            Act::Mishap(mishap) => {
                self.scene.befall(mishap, host)?;
                lift_at = Some(clock::now() + self.scene.scaled(class.lifted_after));
            }
        }
        if let Some(open) = &mut self.open {
            open.lift_at = lift_at;
        }
        Ok(())
    }

    /// Changes the file of the task that was struck, so that what is read from it again fails.
    fn edit(&mut self, pair: &Pair) -> Result<(), Error> {
        let name = pair.task.place.split(':').next().unwrap_or_default();
        let path = self.scene.file(name);
        let Some(text) = files::read_if_there(&path)? else {
            return Ok(());
        };
        let more = "\n- name: somebody has edited this meanwhile\n  fail: { msg: edited }\n";
        files::write(&path, format!("{text}{more}"), 0o644)?;
        if let Some(open) = &mut self.open {
            open.edited = Some((path, text));
        }
        Ok(())
    }

    fn restore(&mut self) -> Result<(), Error> {
        let edited = self.open.as_mut().and_then(|open| open.edited.take());
        if let Some((path, text)) = edited {
            files::write(&path, text, 0o644)?;
        }
        Ok(())
    }

    fn lift(&mut self) -> Result<(), Error> {
        let Some(open) = &mut self.open else {
            return Ok(());
        };
        if let (Some(_), Act::Mishap(mishap)) = (open.lift_at.take(), open.class.act) {
            self.scene.lift(mishap, &open.host)?;
        }
        Ok(())
    }

    /// Looks whether the second operator was refused.
    fn wait_for_second(&mut self) -> Result<(), Error> {
        let Some(open) = &mut self.open else {
            return Ok(());
        };
        let Some(second) = &mut open.second else {
            return Ok(());
        };
        let late = open.began.elapsed() > SECOND_LIMIT;
        let ended = second.ended()?;
        if late {
            second.signal(Signal::KILL);
            open.case
                .fail("the second operator was not refused in time");
        }
        if ended == Some(Exit::Code(0)) {
            open.case.fail("the second operator was let in");
        }
        if late || ended.is_some() {
            open.second = None;
        }
        Ok(())
    }

    /// Judges a program that has ended before the end of the run; tells whether it is to be resumed.
    fn stopped(&mut self, part: &Part, exit: Exit) -> Result<bool, Error> {
        let (out, err) = part.running.said();
        let mut why = part.said.join("; ");
        if why.is_empty() {
            why = judge::end_of(&out, &err);
        }
        if self.open.is_none() {
            // Nothing is open: the fault before it is what it comes of.
            self.reopen(part.number);
        }
        let told = judge::told(self.scene, exit)?;
        let Some(open) = &mut self.open else {
            self.ended.judged.stuck.push(format!("{exit}: {why}"));
            return Ok(false);
        };
        let place = &open.case.task.place;
        let untold = told
            .iter()
            .map(|off| format!("{} at {place}: {off}", open.class.name));
        self.ended.judged.leftovers.extend(untold);
        open.case.stop(exit, &why);
        let is_first = open.case.stops.len() == 1;
        let after = if is_first && open.class.act.stops() {
            open.class.resumed_after
        } else {
            AGAIN
        };
        if open.case.stops.len() > MOST_RESUMES {
            self.settle();
            return Ok(false);
        }
        if let Some(at) = open.lift_at {
            // Nobody resumes before the cause is gone.
            clock::pause(at.saturating_duration_since(clock::now()));
            self.lift()?;
        }
        clock::pause(self.scene.scaled(after));
        Ok(true)
    }

    fn reopen(&mut self, part: usize) {
        let Some(case) = self.ended.cases.pop() else {
            return;
        };
        self.open = Some(Open {
            class: case.class,
            host: case.host.clone(),
            // Whatever comes next is past it.
            position: 0,
            part: part.saturating_sub(1),
            lift_at: None,
            second: None,
            edited: None,
            began: clock::now(),
            case,
        });
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

/// Kills a program and nothing that it has started.
fn kill(running: &Running) {
    let pid = i32::try_from(running.pid()).ok().and_then(Pid::from_raw);
    if let Some(pid) = pid {
        // It may have ended meanwhile.
        kill_process(pid, Signal::KILL).ok();
    }
}
