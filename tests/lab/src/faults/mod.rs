//! Faults in the middle of upgrades: every distinct task of a shipped upgrade meets every class of fault once, and each
//! time the upgrade must come to the end that the table of [`classes`] says.
//!
//! An undisturbed upgrade comes first and is the yardstick ([`mod@reference`]). Then upgrades follow ([`upgrade`]), several at
//! a time where they stand side by side, in which the [`pool`] is asked for a fault at each step that begins. What came of
//! it is judged by what is so ([`judge`]), never by what the program under test says of itself.

pub mod arangodb;
pub mod beyond;
pub mod case;
pub mod classes;
pub mod follow;
pub mod judge;
pub mod load;
pub mod memsql;
pub mod pool;
pub mod reference;
pub mod report;
pub mod scene;
pub mod upgrade;

use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde_json::Value;

use self::classes::System;
use self::pool::{Pool, Wanted};
use self::reference::Reference;
use self::report::Total;
use self::scene::Scene;
use self::upgrade::{Ended, Shared, Upgrade};
use crate::{clock, cluster, command, files, fleet, product};

/// What is to be tried.
#[derive(Debug, Clone)]
pub struct Options {
    /// The number that draws which step of a task meets which fault.
    pub seed: u64,
    /// How long faults strike; for ever where nothing is said.
    pub time: Option<Duration>,
    /// Only this class.
    pub only: Option<String>,
    /// Only tasks whose place or name has this in it.
    pub at: Option<String>,
    /// Scales the databases' timers and the role's waits.
    pub factor: f64,
    /// How many upgrades stand side by side.
    pub at_once: usize,
    /// How many faults befall one upgrade at most.
    pub most: usize,
    /// Requests a second of the clients beside each upgrade; none of them at 0.
    pub rate: u32,
    /// How many upgrades at most.
    pub upgrades: usize,
    /// Where the records and events of an upgrade go in which something went wrong.
    pub keep: Option<PathBuf>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            seed: 1,
            time: Some(Duration::from_hours(1)),
            only: None,
            at: None,
            factor: 0.1,
            at_once: 3,
            most: 12,
            rate: 50,
            upgrades: usize::MAX,
            keep: None,
        }
    }
}

/// A fault run that could not be carried out.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The cluster failed.
    #[error(transparent)]
    Cluster(#[from] cluster::Error),
    /// The hosts failed.
    #[error(transparent)]
    Fleet(#[from] fleet::Error),
    /// A program failed.
    #[error(transparent)]
    Command(#[from] command::Error),
    /// A file failed.
    #[error(transparent)]
    File(#[from] files::Error),
    /// The program under test could not be looked at.
    #[error(transparent)]
    Product(#[from] product::Error),
    /// The events of a run could not be read.
    #[error("cannot read the events: {0}")]
    Events(std::io::Error),
    /// The clients failed.
    #[error(transparent)]
    Load(#[from] crate::load::beside::Error),
    /// The undisturbed upgrade did not go through.
    #[error("an undisturbed upgrade does not go through: {0}")]
    Reference(String),
    /// Nothing is to be tried.
    #[error("no task and no class is left of what was asked for")]
    Nothing,
}

/// What is the same for all upgrades of a system.
#[derive(Debug, Clone, Copy)]
pub struct Rules {
    /// Which upgrade.
    pub system: System,
    /// The files between which the run has the cluster's lock.
    pub lock: (&'static str, &'static str),
    /// What is to be done once for each server.
    pub once: &'static [&'static str],
}

/// Tries all that is asked for, on scenes that are made anew for each upgrade, and returns the totals.
pub fn run<S: Scene>(
    rules: &Rules,
    options: &Options,
    make: &(impl Fn(bool) -> Result<S, Error> + Sync),
    tell: &(impl Fn(&str) + Sync),
) -> Result<Value, Error> {
    let began = clock::now();
    let reference = undisturbed(rules, options, &mut make(false)?)?;
    tell(&format!(
        "an undisturbed upgrade took {:.0} s and {} tasks; seed {}",
        began.elapsed().as_secs_f64(),
        reference.tasks().len(),
        options.seed
    ));
    let wanted = Wanted {
        seed: options.seed,
        at: options.at.clone(),
        lock: rules.lock,
    };
    let classes = classes::of(rules.system, options.only.as_deref());
    let pool = Mutex::new(Pool::of(&reference, &classes, &wanted));
    if judge::locked(&pool).left().is_empty() {
        return Err(Error::Nothing);
    }
    let shared = Shared {
        pool: &pool,
        reference: &reference,
        once: rules.once,
        until: options.time.map(|time| began + time),
        most: options.most,
        with_load: options.rate > 0,
        keep: options.keep.as_deref(),
    };
    let total = upgrades(options, &shared, make, tell);
    let pool = judge::locked(&pool);
    Ok(total.json(options, &pool, began.elapsed()))
}

/// Upgrades one cluster after another, some side by side, until nothing is left to be tried or the time is over.
fn upgrades<S: Scene>(
    options: &Options,
    shared: &Shared<'_>,
    make: &(impl Fn(bool) -> Result<S, Error> + Sync),
    tell: &(impl Fn(&str) + Sync),
) -> Total {
    let total = Mutex::new(Total::default());
    let count = AtomicUsize::new(0);
    let work = || -> Result<(), Error> {
        while let Some((number, harming)) = next(shared, options, &count) {
            let mut scene = make(harming)?;
            let ended = Upgrade::new(&mut scene, shared, number, harming).run()?;
            judge::locked(shared.pool).passed_over(harming);
            tell(&report::line(number, &ended));
            judge::locked(&total).add(number, ended);
        }
        Ok(())
    };
    let failed = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..options.at_once.max(1))
            .map(|_| scope.spawn(work))
            .collect();
        let ends = workers.into_iter().map(std::thread::ScopedJoinHandle::join);
        ends.filter_map(|end| match end {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(error.to_string()),
            Err(_) => Some("a worker panicked".to_owned()),
        })
        .collect::<Vec<String>>()
    });
    let mut total = total.into_inner().unwrap_or_else(PoisonError::into_inner);
    total.broken.extend(failed);
    total
}

/// Says whether there is another upgrade to be begun, and of which faults: one in four has those that harm clients.
fn next(shared: &Shared<'_>, options: &Options, count: &AtomicUsize) -> Option<(usize, bool)> {
    if shared.until.is_some_and(|until| clock::now() >= until) {
        return None;
    }
    let number = count.fetch_add(1, Ordering::Relaxed) + 1;
    let pool = judge::locked(shared.pool);
    let is_left = |harming| pool.count(harming) > 0 && !pool.is_hopeless(harming);
    let wanted = number.is_multiple_of(4);
    let harming = if is_left(wanted) { wanted } else { !wanted };
    (number <= options.upgrades && is_left(harming)).then_some((number, harming))
}

/// Upgrades without a fault, and takes the measure.
fn undisturbed<S: Scene>(
    rules: &Rules,
    options: &Options,
    scene: &mut S,
) -> Result<Reference, Error> {
    let (pool, reference) = (Mutex::new(Pool::empty()), Reference::default());
    let shared = Shared {
        pool: &pool,
        reference: &reference,
        // What is due is what this upgrade does: nothing of it can be too often.
        once: &[],
        until: Some(clock::now()),
        most: 0,
        with_load: options.rate > 0,
        keep: options.keep.as_deref(),
    };
    let counted = scene.effects()?.len();
    let Ended { judged, seen, .. } = Upgrade::new(scene, &shared, 0, false).run()?;
    let wrong: Vec<String> = [judged.leftovers, judged.stuck, judged.clients].concat();
    if !wrong.is_empty() {
        return Err(Error::Reference(wrong.join("; ")));
    }
    let effects = scene.effects()?.split_off(counted);
    Ok(Reference::of(&seen, &effects, rules.once))
}
