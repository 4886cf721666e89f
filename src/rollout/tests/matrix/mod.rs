//! The shipped upgrades whole, on a model of their cluster: every write to the journal x every fault.
//!
//! A write is what the engine hands to the journal at once, all or none of it; between the records of one write nothing can
//! happen. At each write of a whole run the process is killed before and after it, the bastion loses power, its disk is
//! full, its clock goes back; and where a call to a host follows, each way in which that call goes wrong. So every prefix of
//! the journal is gone on with, with the cluster as it was then. How a case may end is data: [`FAULTS`]. What was done
//! twice, what no upgrade may do, and what was left is counted by the model, which knows nothing of the engine.
//!
//! A whole run takes half a second of a processor in a build for tests (MemSQL; ArangoDB two, as its hosts have a real
//! shell), and an upgrade has thousands of cases: a fixed share of them is run each time, `STAGGER_MATRIX=all` runs all
//! (MemSQL: 1610 writes, 7718 cases, 70 minutes of a processor; ArangoDB: 3398 writes, 15010 cases, about ten hours), and
//! `STAGGER_MATRIX='gone at write 359'` those whose names begin so.

mod arangodb;
mod memsql;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::clock::Timestamp;
use crate::connection::scripted::{Fault, ScriptedHosts};
use crate::events::EventKind;
use crate::journal::{Durability, Entry, Journal, JournalError, MemoryJournal, Record};
use crate::rollout::Ended;
use crate::rollout::testing::{AtWrite, Model, Stage, Upgrade, Watched};

/// What can happen at a write.
struct Befalls {
    what: AtWrite,
    name: &'static str,
    /// How it may end: `.` ridden out, `r` resumed to the same end, `O` the operator's.
    ends: &'static str,
}

const fn befalls(what: AtWrite, name: &'static str, ends: &'static str) -> Befalls {
    Befalls { what, name, ends }
}

/// What can happen, and how it may end.
///
/// Some may need the operator. Where a server does not start, it is to be started by hand, and the run goes on. Where a
/// command fails, or the host from which all is done is out of reach while a leaf of the first group goes, MemSQL's role
/// takes that leaf back, and the run has failed: masters are to be spread by hand and the same command started again, which
/// is tried here too. A reboot may take away the only word of how a command ended; between the installation of ArangoDB's
/// new package and a server's upgrade it strands that server, whose data is upgraded by hand then.
const FAULTS: [Befalls; 15] = [
    befalls(AtWrite::KilledBefore, "killed before", "r"),
    befalls(AtWrite::KilledAfter, "killed after", "r"),
    befalls(AtWrite::TornPage, "torn page", "r"),
    befalls(AtWrite::JournalFull, "journal full", "r"),
    befalls(AtWrite::ClockBack, "clock back", "."),
    befalls(AtWrite::Call(Fault::Gone), "lost before send", ".r"),
    befalls(AtWrite::Call(Fault::LostBefore), "lost after send", ".r"),
    befalls(AtWrite::Call(Fault::LostAfter), "lost after effect", ".r"),
    befalls(AtWrite::Call(Fault::TimesOut), "no answer in time", ".r"),
    befalls(AtWrite::Call(Fault::Garbled), "garbled", ".r"),
    befalls(AtWrite::Call(Fault::DiskFull), "disk full", ".r"),
    befalls(AtWrite::Call(Fault::Fails), "fails", ".rO"),
    befalls(AtWrite::Call(Fault::Reboots), "reboots before", ".rO"),
    befalls(AtWrite::Call(Fault::RebootsAfter), "reboots after", ".rO"),
    befalls(AtWrite::Call(Fault::GoneForGood), "gone", "rO"),
];

/// How often a run may be gone on with before its operator is needed.
const PARTS: usize = 3;

/// How a case comes to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Ending {
    RidesOut,
    ResumesToEnd,
    NeedsOperator,
}

impl Ending {
    fn letter(self) -> char {
        match self {
            Self::RidesOut => '.',
            Self::ResumesToEnd => 'r',
            Self::NeedsOperator => 'O',
        }
    }
}

/// One write of a whole run.
#[derive(Debug, Clone)]
struct Written {
    /// What it is about, as the tables name it.
    about: String,
    /// How many calls came before it.
    calls: usize,
    /// Whether it must be on disk before anything goes on.
    synced: bool,
}

/// A journal that notes what is written.
#[derive(Debug)]
struct Noting {
    inner: MemoryJournal,
    hosts: Arc<ScriptedHosts>,
    writes: Arc<Mutex<Vec<Written>>>,
}

impl Journal for Noting {
    fn append(
        &mut self,
        at: Timestamp,
        records: &[Record],
        durability: Durability,
    ) -> Result<(), JournalError> {
        self.writes.lock().unwrap().push(Written {
            about: about(records),
            calls: self.hosts.calls(),
            synced: durability == Durability::Synced,
        });
        self.inner.append(at, records, durability)
    }

    fn entries(&self) -> Result<Vec<Entry>, JournalError> {
        self.inner.entries()
    }

    fn keep(&mut self, content: &[u8]) -> Result<String, JournalError> {
        self.inner.keep(content)
    }

    fn kept(&self, digest: &str) -> Result<Option<Vec<u8>>, JournalError> {
        self.inner.kept(digest)
    }
}

/// Names a write by its first record, and by the task or bracket that it is about.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "only these kinds have a name; the others are named by their kind"
)]
fn about(records: &[Record]) -> String {
    let kind = records.first().map(Record::kind).unwrap_or_default();
    let named = records.iter().find_map(|record| match record {
        Record::Event(event) => match &event.kind {
            EventKind::StepIntended { name, .. } | EventKind::StepFinished { name, .. } => {
                Some(name.clone())
            }
            EventKind::TaskStarted { task, .. } => Some(task.name.clone()),
            _ => None,
        },
        Record::Bracket { bracket, .. } => Some(bracket.name.clone()),
        _ => None,
    });
    format!("{kind}: {}", named.unwrap_or_default())
}

/// A whole run in which nothing goes wrong, and what came of it.
struct Whole {
    upgrade: Upgrade,
    make: fn() -> Arc<dyn Model>,
    writes: Vec<Written>,
    standing: String,
    done: BTreeMap<String, u32>,
    /// How else than [`FAULTS`] says a case may end with this upgrade.
    also: &'static [(AtWrite, Ending)],
}

/// One case: the write, and what happens there.
#[derive(Debug, Clone, Copy)]
struct Case {
    write: usize,
    fault: usize,
}

impl Whole {
    fn of(upgrade: Upgrade, make: fn() -> Arc<dyn Model>) -> Self {
        let stage = Upgrade::on(make());
        let writes = Arc::<Mutex<Vec<Written>>>::default();
        let noting = Noting {
            inner: stage.journal.clone(),
            hosts: stage.hosts.clone(),
            writes: writes.clone(),
        };
        let ended = upgrade.run(&stage, Box::new(noting));
        let failures = stage.failures();
        assert_eq!(
            ended.exit_code,
            0,
            "{failures:#?} {}",
            stage.model.standing()
        );
        assert_eq!(stage.hosts.left_over(), Vec::<String>::new());
        let count = stage.model.count();
        assert_eq!((count.twice, count.accidents), (vec![], vec![]));
        assert_eq!(stage.model.switched(), Vec::<String>::new());
        assert_eq!(stage.model.noted(), Vec::<String>::new());
        assert!(!count.done.is_empty());
        let writes = std::mem::take(&mut *writes.lock().unwrap());
        Self {
            upgrade,
            make,
            writes,
            standing: stage.model.standing(),
            done: count.done,
            also: &[],
        }
    }

    /// Says how else cases may end.
    fn also(self, also: &'static [(AtWrite, Ending)]) -> Self {
        Self { also, ..self }
    }

    fn may_end(&self, case: Case, end: Ending) -> bool {
        let befalls = &FAULTS[case.fault];
        befalls.ends.contains(end.letter()) || self.also.contains(&(befalls.what, end))
    }

    /// All cases. Left out is what is the same as another one: a call's faults where no call follows; a kill before a
    /// write where no call came since the write before, as that is the kill after that one; and a power cut that takes
    /// nothing which a kill would leave.
    fn cases(&self) -> Vec<Case> {
        let mut cases = Vec::new();
        // How many calls had come when all that was written was on disk.
        let mut safe = 0;
        for (write, written) in self.writes.iter().enumerate() {
            let before = write.checked_sub(1).map(|before| &self.writes[before]);
            let next = self.writes.get(write + 1);
            let called = next.is_some_and(|next| next.calls > written.calls);
            let calls_before = before.map_or(0, |before| before.calls);
            let lazy = before.is_some_and(|before| !before.synced);
            for (fault, befalls) in FAULTS.iter().enumerate() {
                let differs = match befalls.what {
                    AtWrite::KilledBefore => written.calls > calls_before,
                    AtWrite::TornPage => lazy && written.calls > safe,
                    AtWrite::Call(_) => called,
                    AtWrite::KilledAfter | AtWrite::JournalFull | AtWrite::ClockBack => true,
                };
                if differs {
                    cases.push(Case { write, fault });
                }
            }
            if written.synced {
                safe = written.calls;
            }
        }
        cases
    }

    fn name(&self, case: Case) -> String {
        let about = &self.writes[case.write].about;
        format!(
            "{} at write {} ({about})",
            FAULTS[case.fault].name, case.write
        )
    }

    /// Runs a case to its end; the error tells what did not hold.
    fn check(&self, case: Case) -> Result<Ending, String> {
        let name = self.name(case);
        let mut stage = Upgrade::on((self.make)());
        let watched = Watched {
            inner: stage.journal.clone(),
            hosts: stage.hosts.clone(),
            clock: stage.clock.clone(),
            left: case.write,
            what: FAULTS[case.fault].what,
            full: false,
        };
        let ended = self.upgrade.run(&stage, Box::new(watched));
        let end = self.to_its_end(&mut stage, ended);
        let end = end.map_err(|wrong| format!("{name}: {wrong}"))?;
        let wrong = self.wrong(&stage);
        if wrong.is_empty() {
            Ok(end)
        } else {
            Err(format!("{name}: {end:?}: {}", wrong.join("; ")))
        }
    }

    /// Runs a case once more, for what each of its parts says of what failed.
    fn failures_of(&self, case: Case) -> Vec<(u8, Vec<String>)> {
        let stage = Upgrade::on((self.make)());
        let mut journal: Box<dyn Journal> = Box::new(Watched {
            inner: stage.journal.clone(),
            hosts: stage.hosts.clone(),
            clock: stage.clock.clone(),
            left: case.write,
            what: FAULTS[case.fault].what,
            full: false,
        });
        let mut parts = Vec::new();
        for _ in 0..=PARTS {
            let before = stage.failures().len();
            let ended = self.upgrade.run(&stage, journal);
            parts.push((
                ended.exit_code,
                stage.failures().into_iter().skip(before).collect(),
            ));
            stage.hosts.revive();
            stage.hosts.heal();
            stage.clock.set_right();
            journal = Box::new(stage.journal.clone());
        }
        parts
    }

    /// Goes on when the trouble is over, as often as an operator would; what does not come to its end so is begun again, as
    /// such a run tells its operator to, unless it waits for another word of theirs.
    fn to_its_end(&self, stage: &mut Stage, mut ended: Ended) -> Result<Ending, String> {
        for part in 0..=PARTS {
            let killed = stage.hosts.is_dead();
            if !killed {
                silent(stage, &ended).map_err(|wrong| format!("part {part}: {wrong}"))?;
                if ended.exit_code == 0 {
                    return Ok(if part == 0 {
                        Ending::RidesOut
                    } else {
                        Ending::ResumesToEnd
                    });
                }
            }
            if part < PARTS {
                stage.hosts.revive();
                stage.hosts.heal();
                stage.clock.set_right();
                // At once, then when what went on without its session has come to its end.
                let later = if part == 0 { 1 } else { 7200 };
                stage.clock.advance(Duration::from_secs(later));
                ended = self.upgrade.run(stage, Box::new(stage.journal.clone()));
            }
        }
        if stage.model.waits_for_a_word() {
            return Ok(Ending::NeedsOperator);
        }
        if stage.model.starts_as_told() {
            ended = self.upgrade.run(stage, Box::new(stage.journal.clone()));
            silent(stage, &ended)?;
            if ended.exit_code == 0 {
                return Ok(Ending::NeedsOperator);
            }
        }
        let told = stage.failures();
        if ended.exit_code == 7 {
            return Err(format!("it owes or holds still: {:?}", ended.debts));
        }
        stage.model.does_as_told();
        stage.begin_again();
        let ended = self.upgrade.run(stage, Box::new(stage.journal.clone()));
        silent(stage, &ended)?;
        if ended.exit_code == 0 {
            return Ok(Ending::NeedsOperator);
        }
        let last = told.last().cloned().unwrap_or_default();
        let again = stage.failures().last().cloned().unwrap_or_default();
        Err(format!("it never ends: {last}; begun again: {again}"))
    }

    /// What does not hold at the end of a case.
    fn wrong(&self, stage: &Stage) -> Vec<String> {
        let count = stage.model.count();
        let mut wrong = Vec::new();
        wrong.extend(count.twice.iter().map(|what| format!("done twice: {what}")));
        wrong.extend(count.accidents.iter().cloned());
        if stage.model.waits_for_a_word() {
            return wrong;
        }
        for (what, times) in &self.done {
            let found = count.done.get(what).copied().unwrap_or(0);
            if what.starts_with("upgrade ") && found != *times {
                wrong.push(format!("{what}: {found} times"));
            }
        }
        wrong.extend(stage.model.switched());
        let noted = stage.model.noted().into_iter();
        wrong.extend(noted.map(|note| format!("the note {note}")));
        let standing = stage.model.standing();
        if standing != self.standing {
            wrong.push(differs(&self.standing, &standing));
        }
        wrong
    }
}

/// Tells whether a part that ended by itself left something switched and did not say so, or ended as only a bug ends.
fn silent(stage: &Stage, ended: &Ended) -> Result<(), String> {
    let switched = stage.model.switched();
    if !switched.is_empty() && ended.exit_code != 7 {
        let (code, left) = (ended.exit_code, switched.join("; "));
        let (debts, last) = (&ended.debts, stage.failures().pop());
        let why = format!("{:?} {debts:?} {last:?}", ended.stopped);
        return Err(format!(
            "left in silence, with exit code {code}: {left}; {why}"
        ));
    }
    if matches!(ended.exit_code, 1 | 101) {
        return Err(format!("{ended:?}"));
    }
    Ok(())
}

/// The first lines in which two texts differ.
fn differs(one: &str, other: &str) -> String {
    let pairs = one.lines().zip(other.lines());
    let lines = pairs.filter(|(one, other)| one != other);
    let lines: Vec<String> = lines
        .take(5)
        .map(|(one, other)| format!("{} is {}", one.trim(), other.trim()))
        .collect();
    format!("it does not stand as it should: {}", lines.join("; "))
}

/// Picks the cases that are asked for: all, those of a name, or every `share`th; tells too whether they were picked by name.
#[expect(clippy::disallowed_methods, reason = "says which cases are run")]
fn asked_for(whole: &Whole, share: usize) -> (Vec<Case>, bool) {
    let all = whole.cases().into_iter();
    match std::env::var("STAGGER_MATRIX").as_deref() {
        Ok("all") => (all.collect(), false),
        Ok(name) => {
            let named = |case: &Case| whole.name(*case).starts_with(name);
            let of_name: Vec<Case> = all.filter(named).collect();
            assert!(!of_name.is_empty(), "no case's name begins with `{name}`");
            (of_name, true)
        }
        Err(_) => (all.step_by(share).collect(), false),
    }
}

/// Runs cases on two threads, as each waits for nobody; returns the ends, and what went wrong.
fn run(whole: &Whole, cases: &[Case]) -> (Vec<(Case, Ending)>, Vec<String>) {
    let next = AtomicUsize::new(0);
    let found = Mutex::new((Vec::new(), Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let end = whole.check(*case);
                    let mut found = found.lock().unwrap();
                    match end {
                        Ok(end) => found.0.push((*case, end)),
                        Err(why) => found.1.push(why),
                    }
                }
            });
        }
    });
    found.into_inner().unwrap()
}

#[expect(clippy::print_stderr, reason = "figures that are worth seeing")]
/// Runs the matrix of an upgrade: every `share`th case, or all of them.
fn matrix(name: &str, whole: &Whole, share: usize) {
    let all = whole.cases().len();
    let (cases, by_name) = asked_for(whole, share);
    let (ends, mut wrong) = run(whole, &cases);
    for (case, end) in &ends {
        let expected = FAULTS[case.fault].ends;
        if !whole.may_end(*case, *end) {
            wrong.push(format!(
                "{}: {end:?}, expected {expected}; what failed in each part: {:#?}",
                whole.name(*case),
                whole.failures_of(*case)
            ));
        }
    }
    let of = |wanted: Ending| ends.iter().filter(|(_, end)| *end == wanted).count();
    let operator = of(Ending::NeedsOperator);
    eprintln!(
        "{name}: {} writes, {all} cases, {} run: {} ridden out, {} resumed, {operator} to the operator, {} wrong",
        whole.writes.len(),
        cases.len(),
        of(Ending::RidesOut),
        of(Ending::ResumesToEnd),
        wrong.len()
    );
    assert!(
        wrong.is_empty(),
        "{} wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    // How they share out says nothing where some were picked.
    if by_name {
        return;
    }
    assert!(operator * 10 <= cases.len(), "too many need the operator");
    assert!(of(Ending::RidesOut) > 0 && of(Ending::ResumesToEnd) > 0);
}
